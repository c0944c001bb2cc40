/* half.c - see half.h. The fast forms move exponent and fraction as integers and let
 * one float addition shift subnormals into place (F. Giesen, "Half to float done
 * quic", 2012). Whole arrays go eight at a time where the processor has the instructions
 * (asked at run time): 5 to 10 times as fast.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/half.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian: swap here");

static const uint32_t REBIAS = (127u - 15u) << 23;      /* half's exponent to float's */
static const uint32_t SMALLEST = 113u << 23;            /* 2^-14, half's smallest normal */
static const uint32_t TOO_LARGE = 143u << 23;           /* 2^16 */
static const uint32_t INFINITE = 255u << 23;
static const uint32_t QUIET = 1u << 22;                 /* the bit of a NaN that raises nothing */

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
    out = body > 0x7c00u << 13 ? out | QUIET : out;
    return out | sign;
}

static inline uint32_t narrow(uint32_t x)
{
    const uint32_t shifter = (127u - 15u + 23u - 10u + 1u) << 23;   /* its ulp is 2^-24 */
    uint32_t sign = x >> 16 & 0x8000u, body = x & 0x7fffffffu;
    uint32_t normal = (body - REBIAS + 0xfffu + (body >> 13 & 1u)) >> 13;
    float shifted = float_of(body < SMALLEST ? body : 0) + float_of(shifter);
    uint32_t subnormal = bits_of(shifted) - shifter;
    uint32_t nan = 0x7e00u | (body >> 13 & 0x3ffu);
    uint32_t out = body < SMALLEST ? subnormal : normal;

    out = body >= TOO_LARGE ? 0x7c00u : out;
    out = body > INFINITE ? nan : out;
    return out | sign;
}

float rs_half_to_float(uint16_t h) { return float_of(widen(h)); }
uint16_t rs_half_from_float(float x) { return (uint16_t)narrow(bits_of(x)); }
float rs_bf16_to_float(uint16_t b) { return float_of((uint32_t)b << 16); }

#if defined(__x86_64__)
/* Each does the first n / 8 * 8 values and returns how many that is. */
__attribute__((target("avx2,f16c")))
static size_t unpack_eights(float *out, const unsigned char *in, size_t n)
{
    size_t i;

    for (i = 0; i + 8 <= n; i += 8) {
        __m128i half = _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * i));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
    }
    return i;
}

__attribute__((target("avx2,f16c")))
static size_t pack_eights(unsigned char *out, const float *in, size_t n)
{
    size_t i;

    for (i = 0; i + 8 <= n; i += 8) {
        __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(out + 2 * i), half);
    }
    return i;
}

__attribute__((target("avx2")))
static size_t bf16_eights(float *out, const unsigned char *in, size_t n)
{
    size_t i;

    for (i = 0; i + 8 <= n; i += 8) {
        __m128i top = _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * i));
        __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(top), 16);
        _mm256_storeu_ps(out + i, _mm256_castsi256_ps(wide));
    }
    return i;
}

/* Every processor with AVX2 has F16C, a name that clang 14 does not know here. */
static bool have_eights(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static size_t unpack_eights(float *out, const unsigned char *in, size_t n)
{
    (void)out, (void)in, (void)n;
    return 0;
}

static size_t pack_eights(unsigned char *out, const float *in, size_t n)
{
    (void)out, (void)in, (void)n;
    return 0;
}

static size_t bf16_eights(float *out, const unsigned char *in, size_t n)
{
    (void)out, (void)in, (void)n;
    return 0;
}

static bool have_eights(void)
{
    return false;
}
#endif

void rs_half_unpack(float *out, const void *in, size_t n)
{
    const unsigned char *p = in;
    uint16_t h;

    for (size_t i = have_eights() ? unpack_eights(out, p, n) : 0; i < n; i++) {
        memcpy(&h, p + 2 * i, sizeof h);
        out[i] = rs_half_to_float(h);
    }
}

void rs_half_pack(void *out, const float *in, size_t n)
{
    unsigned char *p = out;

    for (size_t i = have_eights() ? pack_eights(p, in, n) : 0; i < n; i++) {
        uint16_t h = rs_half_from_float(in[i]);
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

void rs_bf16_unpack(float *out, const void *in, size_t n)
{
    const unsigned char *p = in;
    uint16_t b;

    for (size_t i = have_eights() ? bf16_eights(out, p, n) : 0; i < n; i++) {
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
        return float_of((uint32_t)negative << 31 | INFINITE | (uint32_t)fraction << 13 |
                        (fraction ? QUIET : 0));
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
