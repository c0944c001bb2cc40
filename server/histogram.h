/* histogram.h - seconds counted into buckets, as Prometheus has them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_HISTOGRAM_H
#define RS_SERVER_HISTOGRAM_H

#include "base/bytes.h"

#include <stdint.h>

enum { RS_HISTOGRAM_BUCKETS = 14 };

typedef struct {
    uint64_t in[RS_HISTOGRAM_BUCKETS + 1];   /* the last: above all bounds */
    uint64_t n;
    double   sum_s;
} rs_histogram;

/* `bounds`: [RS_HISTOGRAM_BUCKETS] upper ones, ascending, always the same of one histogram. */
void rs_histogram_add(rs_histogram *h, const double *bounds, double seconds);
/* Its lines of `name`; `label`: stage="search", escaped where need be. */
void rs_histogram_write(const rs_histogram *h, const double *bounds, const char *name,
                        const char *label, rs_buf *out);

#endif
