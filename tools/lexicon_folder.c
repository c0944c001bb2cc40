/* lexicon_folder.c - see lexicon_folder.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "lexicon_folder.h"

#include "model.h"

#include <stdlib.h>

rs_status rs_cli_lexicon(const rs_cli *c, rs_archive *a, rs_err *err)
{
    const char *folder = rs_cli_value(c, "lexicon", NULL);

    if (!folder)
        folder = getenv("RADSCOUT_LEXICON");
    if (!folder)
        folder = rs_data_folder("lexicon");
    return folder ? rs_archive_use_lexicon(a, folder, err) : RS_OK;
}
