/* codes.h - vectors as 8-bit codes, and a shortlist of those that may be among the k best.
 *
 * A code is a quarter of a float's bytes, and a scan is as fast as memory: so codes are
 * looked at first and few vectors exactly. What a code can be off by is known:
 *
 *   x = s c + r,  c in [-127, 127], |r| known;   q = t p + u, the same
 *   |<q, x> - s t <p, c>|  <=  |q| |r| + |u| |s c|          (Cauchy, Schwarz)
 *
 * so each row's score lies between two numbers, and a row whose upper one is below the
 * k-th largest of the lower ones is not among the k best: what is left is looked at
 * exactly. With `caution` 1 nothing is ever lost to rounding. The errors r and u know
 * nothing of each other or of the vectors, so their products are rarely beyond a few times
 * |r| / sqrt(dim): RS_CAUTION_USUAL takes four times that, where the search is not exact
 * anyway, and lists fewer.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CODES_H
#define RS_ENGINE_CODES_H

#include "base/status.h"
#include "engine/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0} with `dim` set by rs_codes_init is empty. */
typedef struct {
    size_t   dim, width;       /* width: dim rounded up to RS_SCAN_STEP */
    size_t   n, cap;
    uint8_t *code;             /* [n x width]: c + 128 */
    float   *scale, *error;    /* [n]: s and |r| */
    float    longest;          /* the largest |s c| so far */
    /* Codes that another made: x = low + step c, c in [0, 255], per dimension; [dim], owned.
     * Then scale and error are NULL and bounds are the usual ones. */
    float   *low, *step;
} rs_codes;

void      rs_codes_init(rs_codes *c, size_t dim);
void      rs_codes_clear(rs_codes *c);
/* Room for n rows in all. RS_ENOMEM, or RS_ELIMIT above 2^32 - 1 rows. */
rs_status rs_codes_reserve(rs_codes *c, size_t n, rs_err *err);
/* x: [n x dim]. On failure nothing was added. */
rs_status rs_codes_add(rs_codes *c, const float *x, size_t n, rs_err *err);
size_t    rs_codes_bytes(const rs_codes *c);

/* ---- The shortlist ----------------------------------------------------------------- */

typedef struct { uint32_t row; float least, most; } rs_candidate;

#define RS_CAUTION_ALWAYS 1.0f
#define RS_CAUTION_USUAL  0.0f           /* 4 / sqrt(dim) */

/* {0} is valid; memory is kept from one use to the next until rs_shortlist_clear. */
typedef struct {
    const rs_codes    *codes;
    const rs_scan_set *set;              /* NULL: the best */
    size_t        k, n, cap;
    rs_candidate *list;                  /* [n] after rs_shortlist_end */
    float        *best;                  /* a heap of the k largest `least`, smallest first */
    size_t        n_best, best_cap;
    float         limit;                 /* what `most` must reach */
    void         *query;                 /* int8_t or int16_t [width] */
    size_t        query_cap;
    int32_t       offset;
    float         base, times;           /* score = base + times * scale * (sum - offset) */
    float         per_error, slack;      /* bound = per_error * error + slack */
    bool          nomem;
} rs_shortlist;

/* q: [codes->dim], borrowed for this call; codes until the end. k >= 1. */
rs_status rs_shortlist_begin(rs_shortlist *s, const rs_codes *codes, const float *q, size_t k,
                             float caution, rs_err *err);
void      rs_shortlist_range(rs_shortlist *s, size_t first, size_t n);
void      rs_shortlist_rows(rs_shortlist *s, const uint32_t *rows, size_t n);
/* Leaves list[0..n): every row whose score may be among the k best, in no order. */
rs_status rs_shortlist_end(rs_shortlist *s, rs_err *err);
void      rs_shortlist_clear(rs_shortlist *s);

/* The estimates alone: score[i] of rows [0, n), without bounds. */
void      rs_shortlist_estimate(rs_shortlist *s, float *score, size_t n);

#endif
