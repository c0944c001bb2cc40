/* half.c - see half.h. The fast forms move exponent and fraction as integers and let
 * one float addition shift subnormals into place (F. Giesen, "Half to float done
 * quic", 2012); every choice is a select, so that the loops become vector code.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian: swap here");

enum { BLOCK = 16 };               /* a fixed count is what the vectoriser wants */

static const uint32_t REBIAS = (127u - 15u) << 23;      /* half's exponent to float's */
static const uint32_t SMALLEST = 113u << 23;            /* 2^-14, half's smallest normal */
static const uint32_t TOO_LARGE = 143u << 23;           /* 2^16 */
static const uint32_t INFINITE = 255u << 23;

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* ---- Fast ------------------------------------------------------------ */

static inline uint32_t widen(uint32_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, body = (h & 0x7fffu) << 13;
    uint32_t normal = body + REBIAS;
    uint32_t subnormal = bits_of(float_of(body + SMALLEST) - float_of(SMALLEST));
    uint32_t out = body < 0x400u << 13 ? subnormal : normal;

    out = body >= 0x7c00u << 13 ? normal + REBIAS : out;        /* infinity, NaN */
    return out | sign;
}

static inline uint32_t narrow(uint32_t x)
{
    const uint32_t shifter = (127u - 15u + 23u - 10u + 1u) << 23;   /* its ulp is 2^-24 */
    uint32_t sign = x >> 16 & 0x8000u, body = x & 0x7fffffffu;
    uint32_t normal = (body - REBIAS + 0xfffu + (body >> 13 & 1u)) >> 13;
    uint32_t subnormal = bits_of(float_of(body < SMALLEST ? body : 0) + float_of(shifter)) - shifter;
    uint32_t nan = 0x7e00u | (body >> 13 & 0x3ffu);
    uint32_t out = body < SMALLEST ? subnormal : normal;

    out = body >= TOO_LARGE ? 0x7c00u : out;
    out = body > INFINITE ? nan : out;
    return out | sign;
}

float rs_half_to_float(uint16_t h) { return float_of(widen(h)); }
uint16_t rs_half_from_float(float x) { return (uint16_t)narrow(bits_of(x)); }
float rs_bf16_to_float(uint16_t b) { return float_of((uint32_t)b << 16); }

void rs_half_unpack(float *out, const void *in, size_t n)
{
    const unsigned char *p = in;
    uint16_t half[BLOCK] = {0};
    uint32_t wide[BLOCK];

    for (size_t i = 0; i < n; i += BLOCK) {
        size_t some = n - i < BLOCK ? n - i : BLOCK;
        memcpy(half, p + 2 * i, 2 * some);
        for (size_t j = 0; j < BLOCK; j++)
            wide[j] = widen(half[j]);
        memcpy(out + i, wide, 4 * some);
    }
}

void rs_half_pack(void *out, const float *in, size_t n)
{
    unsigned char *p = out;
    uint32_t wide[BLOCK] = {0};
    uint16_t half[BLOCK];

    for (size_t i = 0; i < n; i += BLOCK) {
        size_t some = n - i < BLOCK ? n - i : BLOCK;
        memcpy(wide, in + i, 4 * some);
        for (size_t j = 0; j < BLOCK; j++)
            half[j] = (uint16_t)narrow(wide[j]);
        memcpy(p + 2 * i, half, 2 * some);
    }
}

void rs_bf16_unpack(float *out, const void *in, size_t n)
{
    const unsigned char *p = in;

    for (size_t i = 0; i < n; i++) {
        uint16_t b;
        memcpy(&b, p + 2 * i, sizeof b);
        out[i] = rs_bf16_to_float(b);
    }
}

/* ---- Plain ----------------------------------------------------------- */

float rs_half_to_float_plain(uint16_t h)
{
    bool negative = h >> 15;
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float x;

    if (exponent == 31)
        return float_of((uint32_t)negative << 31 | INFINITE | (uint32_t)fraction << 13);
    if (exponent == 0)
        x = ldexpf((float)fraction, -24);
    else
        x = ldexpf((float)(1024 + fraction), exponent - 25);
    return negative ? -x : x;
}

uint16_t rs_half_from_float_plain(float x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    double size = fabs((double)x), steps;
    int exponent;

    if (isnan(x))
        return (uint16_t)(sign | 0x7e00 | (bits_of(x) >> 13 & 0x3ff));
    if (size >= 65520)             /* half a step above the largest: rounds up */
        return sign | 0x7c00;
    if (size < 0x1p-25)            /* zero too, for which frexp tells no exponent */
        return sign;
    frexp(size, &exponent);        /* size in [2^(exponent-1), 2^exponent) */
    exponent = exponent - 1 < -14 ? -14 : exponent - 1;
    steps = nearbyint(ldexp(size, 10 - exponent));
    /* Exponent e above -14 starts 1024 steps after e - 1; a carry to 2048 fits too. */
    return (uint16_t)(sign | (unsigned)(exponent + 14) << 10) + (uint16_t)steps;
}
