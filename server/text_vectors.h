/* text_vectors.h - the vectors of query texts: remembered, and made several at a time.
 *
 *   worker  rs_ahead_search()    texts of requests that wait  -> one encoder call -> kept
 *   worker  rs_search()          its texts -> rs_text_vectors_of: kept, or encoded now
 *
 * What is kept only saves time: a text whose vector is not there is encoded as ever, and one
 * vector of a text is as good as another (encoder.h: alike to 1e-5 whatever the batch). So a
 * search does not depend on who waited beside it.
 *
 * Threading: any thread; one lock, held for a copy of a vector and never while encoding.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_TEXT_VECTORS_H
#define RS_SERVER_TEXT_VECTORS_H

#include "base/status.h"
#include "embeddings/encoder.h"

#include <stddef.h>

enum { RS_TEXT_VECTORS = 1024, RS_TEXT_KEPT = 1024,     /* texts; bytes of a text that is kept */
       RS_TEXTS_AHEAD = 64 };                           /* texts encoded ahead at once */

typedef struct rs_text_vectors rs_text_vectors;

/* `e` outlives it. */
rs_status rs_text_vectors_new(rs_text_vectors **out, const rs_encoder *e, rs_err *err);
void      rs_text_vectors_free(rs_text_vectors *v);          /* NULL is fine */

/* How texts of one request got their vectors. */
typedef struct {
    rs_text_vectors *from;
    size_t kept, ahead, alone;       /* known from before; made with others'; made just now */
} rs_text_use;

/* For rs_query.encode, with an rs_text_use as its ctx. out: [n x d]. */
rs_status rs_text_vectors_of(void *use, const char *const *texts, size_t n, float *out, rs_err *err);

/* Make and keep those of n texts (at most RS_TEXTS_AHEAD) that are not known, in one call.
 * Whatever fails, nothing is lost but time. */
void rs_text_vectors_ahead(rs_text_vectors *v, const char *const *texts, size_t n);

/* How much faster n short texts (2 to RS_TEXTS_AHEAD) are encoded at once than one by one, on
 * one thread of this machine: 1 for not at all. Takes 8 encodings of one text and 2 of n. */
double rs_text_vectors_gain(const rs_encoder *e, size_t n);

#endif
