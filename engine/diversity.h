/* diversity.h - picking rows that are relevant and unlike each other: maximal marginal
 * relevance (Carbonell, Goldstein, SIGIR 1998). With S what was picked so far, the next is
 *
 *   argmax over i not in S of  (1 - diversity) r(i) - diversity max over j in S of s(i, j)
 *
 *   r(i)     (score(i) - min) / (max - min) over all rows; 1 where all scores are equal
 *   s(i, j)  (<x_i, x_j> - low) / (1 - low), at least 0, where low is the smallest cosine
 *            of a row to the one of the best score; 0 where low is 1
 *
 * so that both run from 0 to 1 in any archive: cosines of chest films among themselves are
 * above 0.9 in most models, and beside r the differences between them would not count.
 * The first pick is the best score; equal values go to the earlier row. A row of zeros
 * stands for a case without a vector and is like nothing.
 *
 * Deterministic on one machine. Any thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_DIVERSITY_H
#define RS_ENGINE_DIVERSITY_H

#include "base/arena.h"
#include "engine/archive.h"

/* The first k of n rows to show, or all if there are fewer, in order: row numbers in `mem`;
 * NULL on OOM. score: finite. x: [n x d], rows of unit length or zeros. diversity: 0 (the order
 * of the scores) to 1 (nothing but unlikeness). k n d multiplications. */
size_t *rs_diversify(const double *score, const float *x, size_t n, size_t d, double diversity,
                     size_t k, rs_arena *mem);

/* The same for cases, each by the one vector that it has as a whole. */
rs_status rs_diversify_cases(rs_archive *a, const int64_t *cases, const double *score, size_t n,
                             double diversity, size_t k, rs_arena *mem, size_t **picked,
                             rs_err *err);

#endif
