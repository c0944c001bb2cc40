/* lexicon_folder.h - which lexicon a command reads reports and queries by.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_LEXICON_FOLDER_H
#define RS_TOOLS_LEXICON_FOLDER_H

#include "command.h"
#include "engine/archive.h"

#define RS_LEXICON_OPTION \
    {"lexicon", 0, "DIR", "read reports and queries by these tables (default:\n" \
                             "$RADSCOUT_LEXICON, else those that ship)"}

/* --lexicon, $RADSCOUT_LEXICON, or the folder beside the program; NULL: there is none, the
 * built-in one serves. Borrowed, as rs_data_folder's. */
const char *rs_lexicon_wanted(const rs_cli *c);
/* That one into `a`. */
rs_status rs_cli_lexicon(const rs_cli *c, rs_archive *a, rs_err *err);

#endif
