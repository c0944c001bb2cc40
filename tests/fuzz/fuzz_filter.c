/* fuzz_filter.c - any bytes as a filter: read or refused; steps that were read make one result
 * and wait in no more places than they say.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "engine/filter.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void check_test(const rs_filter_step *s)
{
    want(s->field < RS_FIELDS && s->n_values > 0 && s->n_values <= RS_FILTER_MAX_VALUES);
    want((s->field == RS_FIELD_ATTRIBUTE) == (s->attribute != NULL));
    for (size_t i = 0; i < s->n_values; i++)
        want(s->values[i].kind == RS_VALUE_EQUAL ? s->values[i].text != NULL
                                                 : s->values[i].text == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = rs_strndup((const char *)data, size);
    size_t waiting = 0;
    rs_arena mem = {0};
    rs_filter f;

    want(text != NULL);
    if (rs_filter_parse(text, &mem, &f, NULL) == RS_OK) {
        want(f.n > 0);
        for (size_t i = 0; i < f.n; i++) {
            if (f.steps[i].op == RS_FILTER_TEST) {
                check_test(&f.steps[i]);
                waiting++;
            } else {
                want(waiting >= (f.steps[i].op == RS_FILTER_NOT ? 1 : 2));
                waiting -= f.steps[i].op != RS_FILTER_NOT;
            }
            want(waiting <= f.room);
        }
        want(waiting == 1);
    }
    rs_arena_clear(&mem);
    rs_free(text);
    return 0;
}
