/* bpe_int.h - byte-pair encoding: which neighbours join, and in what order.
 *
 * A merge joins two neighbouring symbols into one; its rank is its place in the list.
 * A word's symbols are joined by the lowest rank present, leftmost first, until no pair
 * of neighbours is in the list. Sennrich et al. 2016, arXiv:1508.07909, section 3.2.
 *
 * Two ways give the same result: a plain scan for short words and, for long ones, a
 * heap of candidates over a linked list, O(n log n), so that a text of one endless word
 * cannot hold up a server.
 *
 * Private to embeddings/. Read-only once filled: any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_BPE_INT_H
#define RS_EMBEDDINGS_BPE_INT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t left, right;
    uint32_t rank;               /* RS_BPE_NONE: an empty place */
    uint32_t into;
} rs_bpe_merge;

#define RS_BPE_NONE UINT32_MAX

/* A hash table with open addressing, at most half full. {0} merges nothing. */
typedef struct {
    rs_bpe_merge *slot;
    size_t mask;                 /* places - 1 */
    uint32_t n;                  /* merges in it */
} rs_bpe;

rs_status rs_bpe_init(rs_bpe *b, size_t n_merges, rs_err *err);
void      rs_bpe_clear(rs_bpe *b);
/* The next rank. False if the pair has one already (which it keeps) or if the table
 * is as full as rs_bpe_init() was told. */
bool      rs_bpe_add(rs_bpe *b, uint32_t left, uint32_t right, uint32_t into);
/* NULL if the two do not join. */
const rs_bpe_merge *rs_bpe_find(const rs_bpe *b, uint32_t left, uint32_t right);

/* Joins symbol[0..*n) in place; *n becomes what is left. RS_ENOMEM for words longer
 * than RS_BPE_SHORT, the others need no memory. */
enum { RS_BPE_SHORT = 48 };
rs_status rs_bpe_apply(const rs_bpe *b, uint32_t *symbol, size_t *n, rs_err *err);

#endif
