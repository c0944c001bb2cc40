/* text_index_int.h - what a text index holds; inside engine/ only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_TEXT_INDEX_INT_H
#define RS_ENGINE_TEXT_INDEX_INT_H

#include "engine/text_index.h"

#include "engine/bm25.h"
#include "engine/postings.h"

struct rs_text_index {
    rs_db            *db;
    rs_case_keys     *keys;        /* the archive's */
    const rs_lexicon *lexicon;
    rs_tokens        *tokens;      /* its own: the lexicon may be changed */
    rs_lengths        lengths;     /* of the cases, and how often groups occur */
    rs_postings      *postings;    /* the same once more in memory, where that pays */
    rs_text_mode      mode;
    size_t            n_ranked;    /* queries that FTS5 answered */
    bool              by_memory;   /* the last one was not */
};

#endif
