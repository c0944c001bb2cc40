/* columns.h - which words of a case go into which column of the text index.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_COLUMNS_H
#define RS_ENGINE_COLUMNS_H

#include "base/bytes.h"
#include "engine/archive.h"
#include "engine/lexicon.h"
#include "engine/text_index.h"

/* The text of each column, report and title read; the caller rs_buf_clear()s them, also
 * on failure. RS_ENOMEM, RS_ELIMIT. */
rs_status rs_columns_fill(const rs_lexicon *l, const rs_case *c, rs_arena *mem,
                          rs_buf column[RS_TEXT_COUNT], rs_err *err);

#endif
