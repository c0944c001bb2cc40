/* text_index_int.h - what a text index holds; inside engine/ only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_TEXT_INDEX_INT_H
#define RS_ENGINE_TEXT_INDEX_INT_H

#include "engine/text_index.h"

#include "engine/bm25.h"

struct rs_text_index {
    rs_db            *db;
    const rs_lexicon *lexicon;
    rs_tokens        *tokens;      /* its own: the lexicon may be changed */
    rs_lengths        lengths;     /* of the cases, and how often groups occur */
};

#endif
