/* random.h - a small seeded generator whose numbers are the same on every
 * machine: xoshiro256** (Blackman, Vigna 2018) seeded by splitmix64. Not for
 * secrets. One thread at a time; derive one per item for parallel work.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_RANDOM_H
#define RS_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint64_t s[4]; } rs_random;      /* may be saved and restored as bytes */

rs_random rs_random_seed(uint64_t seed);
/* An independent stream for item `index` of `seed`: same pair, same numbers. */
rs_random rs_random_derive(uint64_t seed, uint64_t index);

uint64_t rs_random_u64(rs_random *r);
size_t   rs_random_below(rs_random *r, size_t n);          /* uniform in [0, n), n >= 1 */
double   rs_random_unit(rs_random *r);                     /* uniform in [0, 1) */
double   rs_random_range(rs_random *r, double lo, double hi);
double   rs_random_normal(rs_random *r);                   /* mean 0, variance 1 */
/* Fisher-Yates of n indices. */
void     rs_random_shuffle(rs_random *r, size_t *index, size_t n);

#endif
