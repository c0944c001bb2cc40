/* histogram.c - see histogram.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/histogram.h"

#include <inttypes.h>

void rs_histogram_add(rs_histogram *h, const double *bounds, double seconds)
{
    size_t b = 0;

    while (b < RS_HISTOGRAM_BUCKETS && seconds > bounds[b])
        b++;
    h->in[b]++;
    h->n++;
    h->sum_s += seconds;
}

void rs_histogram_write(const rs_histogram *h, const double *bounds, const char *name,
                        const char *label, rs_buf *out)
{
    uint64_t below = 0;

    for (size_t b = 0; b < RS_HISTOGRAM_BUCKETS; b++) {
        below += h->in[b];
        rs_buf_printf(out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, label, bounds[b], below);
    }
    rs_buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n%s_sum{%s} %.6f\n"
                  "%s_count{%s} %" PRIu64 "\n", name, label, h->n, name, label, h->sum_s, name,
                  label, h->n);
}
