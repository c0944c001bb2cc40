/* random.c - see random.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <math.h>

static const double TWO_PI = 6.283185307179586476925286766559;

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

rs_random rs_random_seed(uint64_t seed)
{
    rs_random r;

    for (size_t i = 0; i < 4; i++)
        r.s[i] = splitmix(&seed);
    return r;
}

rs_random rs_random_derive(uint64_t seed, uint64_t index)
{
    uint64_t a = seed, b = index ^ 0xd1b54a32d192ed03u;
    return rs_random_seed(splitmix(&a) ^ (splitmix(&b) * 0x2545f4914f6cdd1du));
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rs_random_u64(rs_random *r)
{
    uint64_t *s = r->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

size_t rs_random_below(rs_random *r, size_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;       /* reject: no modulo bias */
    uint64_t x;

    do
        x = rs_random_u64(r);
    while (x >= limit);
    return (size_t)(x % n);
}

double rs_random_unit(rs_random *r)
{
    return (double)(rs_random_u64(r) >> 11) * 0x1.0p-53;
}

double rs_random_range(rs_random *r, double lo, double hi)
{
    return lo + (hi - lo) * rs_random_unit(r);
}

/* Box-Muller; the second value is dropped so that the state is the four words alone. */
double rs_random_normal(rs_random *r)
{
    double u = 1.0 - rs_random_unit(r);
    double v = rs_random_unit(r);

    return sqrt(-2.0 * log(u)) * cos(TWO_PI * v);
}

void rs_random_shuffle(rs_random *r, size_t *index, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = rs_random_below(r, i);
        size_t t = index[i - 1];
        index[i - 1] = index[j];
        index[j] = t;
    }
}
