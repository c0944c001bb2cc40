/* metrics.h - how good a ranking is, as trec_eval defines it, and how sure that is.
 *
 *   nDCG@k  sum over ranks r <= k of gain / log2(r + 1), over the same sum of the best
 *           order there could be; a gain is the judged grade
 *   AP      mean over all relevant documents of the precision at their ranks (0 for one
 *           that is not retrieved); MAP is its mean over queries
 *   P@k     relevant ones among the first k, over k
 *   R@k     relevant ones among the first k, over all relevant ones
 *   RR      1 / rank of the first relevant one; MRR is its mean
 *
 * A document is relevant when its grade is above 0; one without a judgement is not. A
 * query that nothing is found for counts with 0 (trec_eval -c).
 *
 * Pure functions; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_METRICS_H
#define RS_ENGINE_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* The grades of one query: of what was retrieved, by rank, and of all that was judged,
 * in falling order. Grades below 0 count as 0. */
typedef struct {
    const int *retrieved;  size_t n_retrieved;
    const int *judged;     size_t n_judged;
} rs_graded;

double rs_ndcg_at(const rs_graded *g, size_t k);
double rs_average_precision(const rs_graded *g);
double rs_precision_at(const rs_graded *g, size_t k);
double rs_recall_at(const rs_graded *g, size_t k);
double rs_reciprocal_rank(const rs_graded *g);

/* A mean over queries, and the interval in which 95 of 100 resamplings of the queries
 * lie (percentile bootstrap; Efron, Tibshirani 1993, ch. 13). n >= 1, rounds >= 1;
 * the same seed gives the same interval. NaN bounds on OOM. */
typedef struct { double mean, low, high; } rs_interval;
rs_interval rs_bootstrap(const double *x, size_t n, size_t rounds, uint64_t seed);

/* Two-sided p of "a and b are one system": how often differences of random signs have a
 * mean as far from 0 as the one seen (Fisher's randomisation test; Smucker, Allan,
 * Carterette, CIKM 2007). The seen one counts as one of the rounds. */
double rs_randomisation_test(const double *a, const double *b, size_t n, size_t rounds,
                             uint64_t seed);

/* The p of n tests made at once, each put up to what it is worth among them (Holm 1979,
 * stepwise: the i-th smallest times n - i, never below the one before it, at most 1). In
 * place; NaN stays and does not count. */
void rs_holm(double *p, size_t n);

#endif
