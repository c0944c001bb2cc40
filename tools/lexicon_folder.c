/* lexicon_folder.c - see lexicon_folder.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "lexicon_folder.h"

#include "model.h"

#include <stdlib.h>

const char *rs_lexicon_wanted(const rs_cli *c)
{
    const char *folder = rs_cli_value(c, "lexicon", NULL);

    if (!folder)
        folder = getenv("RADSCOUT_LEXICON");
    return folder ? folder : rs_data_folder("lexicon");
}

rs_status rs_cli_lexicon(const rs_cli *c, rs_archive *a, rs_err *err)
{
    const char *folder = rs_lexicon_wanted(c);

    return folder ? rs_archive_use_lexicon(a, folder, err) : RS_OK;
}
