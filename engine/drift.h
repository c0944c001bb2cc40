/* drift.h - do two samples come from one distribution? For newly indexed cases beside the rest
 * of an archive.
 *
 * Of vectors: the maximum mean discrepancy, unbiased (Gretton et al., JMLR 13, 2012, eq. 3),
 *
 *   MMD^2 = sum_{i != j} k(x_i, x_j) / m(m-1) + sum_{i != j} k(y_i, y_j) / n(n-1)
 *           - 2 sum_{i, j} k(x_i, y_j) / mn
 *
 * with a Gaussian kernel k(a, b) = exp(-|a - b|^2 / 2 s^2), s the median distance of all pairs
 * (their section 8). Of categories: Pearson's chi-square, where an item may have several.
 * p is by permutation in both: how often a random split of all items into samples of these
 * sizes is as far apart (the split seen counts as one). It holds at any size and needs no
 * independence between an item's categories, only that items can be exchanged: of cases of one
 * patient give one.
 *
 * Pure functions; the same seed gives the same p.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_DRIFT_H
#define RS_ENGINE_DRIFT_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    double statistic;              /* MMD^2 (may be below 0), or chi-square */
    double p;                      /* in (0, 1]; NaN where a sample has fewer than 2 items */
    double scale;                  /* s of the kernel; 0 for categories */
} rs_drift;

/* x: [m + n x dim], the first m rows one sample, the rest the other. Takes 4 (m + n)^2 bytes.
 * RS_ENOMEM. */
rs_status rs_drift_vectors(const float *x, size_t m, size_t n, size_t dim, size_t rounds,
                           uint64_t seed, rs_drift *out, rs_err *err);

/* Item i, of the first sample where i < m, has the categories of[first[i] .. first[i + 1]), each
 * below n_categories and at most once; first: [m + n + 1]. RS_ENOMEM. */
rs_status rs_drift_categories(const uint32_t *of, const size_t *first, size_t m, size_t n,
                              size_t n_categories, size_t rounds, uint64_t seed, rs_drift *out,
                              rs_err *err);

#endif
