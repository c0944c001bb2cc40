/* extract_int.h - the built-in generator at work; inside engine/ only.
 *
 *   extract.c         parts, sentences chosen by maximal marginal relevance
 *   extract_counts.c  findings and diagnoses counted over cases
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_EXTRACT_INT_H
#define RS_ENGINE_EXTRACT_INT_H

#include "engine/extract.h"
#include "engine/shingle.h"

#include <stdint.h>

/* A sentence of the evidence that may be said. */
typedef struct {
    const rs_context_item *item;
    const rs_cited        *cited;
    rs_shingles            words;        /* its stems */
    size_t                 n_words;
    bool                   said;         /* see rs_extract_mark */
} rs_sayable;

typedef struct {
    const rs_lexicon *l;
    const rs_context *c;
    const rs_extract_options *o;
    rs_arena *mem;
    rs_err   *err;
    rs_sayable *rows;  size_t n;         /* of all items */
    const rs_sayable **said;  size_t n_said;     /* of them, in order */
    void       *out;   size_t n_out, cap_out;
    const char *part;
} rs_extractor;

/* Items by bit: item i of the context is bit i. */
typedef uint32_t rs_items;

rs_status rs_extract_no_memory(const rs_extractor *x);
/* A sentence of the answer, as printf. */
rs_status rs_extract_say(rs_extractor *x, const char *fmt, ...) RS_PRINTF(2, 3);
/* "[1][4]"; "" on OOM, which the say behind it reports again. */
const char *rs_extract_cites(rs_extractor *x, rs_items items);
size_t    rs_extract_count(rs_items items);
/* A sentence without the full stop at its end. */
const char *rs_extract_quote(rs_extractor *x, const rs_cited *c);
/* It is said now. */
void rs_extract_mark(rs_extractor *x, rs_sayable *row);
/* Stems of a text, small words left out, as a set. */
rs_status rs_extract_stems(rs_extractor *x, const char *text, rs_shingles *out, size_t *n);
/* The sayable sentence of `items` that agrees best with the query; negated ones alone or none
 * of them. NULL where there is none. */
rs_sayable *rs_extract_best(rs_extractor *x, rs_items items, bool negated);

rs_status rs_extract_findings(rs_extractor *x);
rs_status rs_extract_diagnoses(rs_extractor *x);
rs_status rs_extract_for_against(rs_extractor *x);
rs_status rs_extract_differs(rs_extractor *x);
rs_status rs_extract_quiz(rs_extractor *x);

#endif
