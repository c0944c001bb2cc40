/* rate.h - how often each token may ask: a token bucket a name.
 *
 * A bucket holds at most `burst` requests and gains `rate` a second; a request takes one. What
 * is left of a bucket is computed when it is asked for, so nothing runs by the clock.
 *
 * Threading: one thread at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_RATE_H
#define RS_SERVER_RATE_H

#include <stddef.h>

typedef struct {
    struct rs_bucket *rows;
    size_t n, cap;
} rs_rates;                                      /* {0}: nobody has asked yet */

void rs_rates_clear(rs_rates *r);
/* Take one of `name`'s requests at `now_s`: 0, or the seconds after which there is one.
 * `rate` 0 limits nothing. A name that cannot be remembered for lack of memory waits 1 s. */
double rs_rates_take(rs_rates *r, const char *name, double rate, double burst, double now_s);

#endif
