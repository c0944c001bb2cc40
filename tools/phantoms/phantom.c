/* phantom.c - the end of a case.
 * SPDX-License-Identifier: Apache-2.0 */
#include "phantom.h"

#include "base/alloc.h"

void ph_case_clear(ph_case *c)
{
    for (size_t i = 0; i < PH_MAX_IMAGES; i++)
        rs_image_clear(&c->images[i]);
    rs_free(c->history);
    rs_free(c->findings_text);
    rs_free(c->impression);
    rs_free(c->caption);
    *c = (ph_case){0};
}
