/* judged_query.h - the query that a judgment is about, in one spelling.
 *
 *   {"text":["left effusion"],"like":["case-7"],"images":["<sha256>"],"filter":"modality:CR"}
 *
 * Lists are sorted by bytes and empty members left out, so that two people who ask for the same
 * in another order judge the same query, and equal queries are equal texts. Images are named by
 * the SHA-256 of their files: the picture itself is nobody's business here. What only changes how
 * a query is answered (k, fusion, weights) is no part of it.
 *
 * Threading: any thread; all memory is the arena's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_JUDGED_QUERY_H
#define RS_ENGINE_JUDGED_QUERY_H

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"

#include <stddef.h>

enum { RS_JUDGED_QUERY_BYTES = 64 << 10 };     /* of the canonical text */

typedef struct {
    const char *const *texts;   size_t n_texts;
    const char *const *likes;   size_t n_likes;     /* keys of cases */
    const char *const *images;  size_t n_images;    /* 64 lower-case hex digits each */
    const char *filter;                             /* NULL: none */
    const char *canonical;
} rs_judged_query;

/* Read a query, whose members may each be a text instead of a list. RS_EARG begins with the
 * field, "text[1]: ...", and `field` (may be NULL) is that alone, "" for the query as a whole:
 * another type, an unknown member, an empty text, no hex digits, a filter that is none, more than
 * RS_QUERY_MAX_PARTS parts, nothing but a filter, longer than RS_JUDGED_QUERY_BYTES. RS_ENOMEM.
 * Whether there are such cases is not looked at. */
rs_status rs_judged_query_read(rs_judged_query *out, const json_t *v, rs_arena *mem,
                               char field[96], rs_err *err);
/* The same of JSON as text, in which bytes that are no UTF-8 become '?'. Anything that does not
 * begin with '{' is words to look for. */
rs_status rs_judged_query_parse(rs_judged_query *out, const char *text, rs_arena *mem,
                                rs_err *err);

/* The words of a query of texts alone, blanks between, as a person would type them; NULL where it
 * has cases or images, or on OOM (*nomem). */
const char *rs_judged_query_words(const rs_judged_query *q, rs_arena *mem, bool *nomem);

/* `text` with '?' for bytes that are no UTF-8, in `mem`; NULL for NULL or on OOM. */
const char *rs_judged_clean(const char *text, rs_arena *mem);

#endif
