/* test_half.c - every half there is, and the floats where rounding turns.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/half.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void test_known_values(void **state)
{
    static const struct { uint16_t half; float value; } rows[] = {
        {0x0000, 0.0f},          {0x8000, -0.0f},      {0x3c00, 1.0f},
        {0xc000, -2.0f},         {0x7bff, 65504.0f},   {0x0400, 0x1p-14f},
        {0x03ff, 0x1.ff8p-15f},  {0x0001, 0x1p-24f},   {0x3555, 0x1.554p-2f},
        {0x7c00, INFINITY},      {0xfc00, -INFINITY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(bits_of(rs_half_to_float(rows[i].half)), bits_of(rows[i].value));
        assert_int_equal(rs_half_from_float(rows[i].value), rows[i].half);
    }
}

static void test_rounding_is_to_even(void **state)
{
    static const struct { float value; uint16_t half; } rows[] = {
        {1.0f + 0x1p-11f, 0x3c00},           /* tie between 1 and 1 + 2^-10: even is 1 */
        {1.0f + 0x3p-11f, 0x3c02},           /* the next tie goes up */
        {1.0f + 0x1.002p-11f, 0x3c01},       /* just above the tie */
        {0x1p-25f, 0x0000},                  /* tie between 0 and the smallest */
        {0x1.000002p-25f, 0x0001},
        {0x3p-25f, 0x0002},
        {0x1.ffep-15f, 0x0400},              /* tie: largest subnormal, smallest normal */
        {65519.996f, 0x7bff},                /* below the half step above the largest */
        {65520.0f, 0x7c00},                  /* at it */
        {1e30f, 0x7c00},
        {-1e-30f, 0x8000},
        {0x1p-140f, 0x0000},                 /* a subnormal float */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rs_half_from_float(rows[i].value) != rows[i].half)
            fail_msg("%a: %04x, wanted %04x", (double)rows[i].value,
                     rs_half_from_float(rows[i].value), rows[i].half);
        assert_int_equal(rs_half_from_float_plain(rows[i].value), rows[i].half);
    }
}

static void test_all_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float fast = rs_half_to_float((uint16_t)h);
        uint16_t quiet = (h & 0x7fff) > 0x7c00 ? 0x200 : 0;   /* a NaN comes back quiet */
        if (bits_of(fast) != bits_of(rs_half_to_float_plain((uint16_t)h)))
            fail_msg("half %04x: %a, plain %a", h, (double)fast,
                     (double)rs_half_to_float_plain((uint16_t)h));
        assert_int_equal(rs_half_from_float(fast), h | quiet);
        assert_int_equal(isnan(fast) != 0, quiet != 0);
    }
}

/* Around each half: the value itself, the tie to its neighbour, a float either side. */
static void test_all_ties(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float a = rs_half_to_float((uint16_t)h);
        float b = h == 0x7bff ? 65536.0f : rs_half_to_float((uint16_t)(h + 1));
        float tie = (a + b) / 2;
        float near[] = {a, tie, nextafterf(tie, 0), nextafterf(tie, INFINITY), -tie};
        for (size_t i = 0; i < sizeof near / sizeof *near; i++)
            assert_int_equal(rs_half_from_float(near[i]), rs_half_from_float_plain(near[i]));
        assert_int_equal(rs_half_from_float(tie) & 1, 0);
    }
}

static void test_random_floats(void **state)
{
    rs_random rnd = rs_random_seed(7);
    (void)state;
    for (size_t i = 0; i < 200000; i++) {
        float x = float_of((uint32_t)rs_random_u64(&rnd));
        if (rs_half_from_float(x) != rs_half_from_float_plain(x))
            fail_msg("%a: %04x, plain %04x", (double)x, rs_half_from_float(x),
                     rs_half_from_float_plain(x));
    }
}

/* The array forms take another path on processors that have one: hold it to the plain
 * definition on every half and on floats of all sizes. */
static void test_arrays_of_everything(void **state)
{
    enum { N = 65536 };
    static uint16_t half[N], back[N];
    static float wide[N];
    rs_random rnd = rs_random_seed(11);

    (void)state;
    for (size_t i = 0; i < N; i++)
        half[i] = (uint16_t)i;
    rs_half_unpack(wide, half, N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(bits_of(wide[i]), bits_of(rs_half_to_float_plain(half[i])));
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < N; i++)
            wide[i] = round < 2 ? float_of((uint32_t)rs_random_u64(&rnd))
                                : (float)rs_random_range(&rnd, -3, 3) * ldexpf(1, -8 * (int)round);
        rs_half_pack(back, wide, N);
        for (size_t i = 0; i < N; i++)
            if (back[i] != rs_half_from_float_plain(wide[i]))
                fail_msg("%a: %04x, plain %04x", (double)wide[i], back[i],
                         rs_half_from_float_plain(wide[i]));
    }
}

/* Whole arrays, of every length around the block, at an odd address. */
static void test_arrays(void **state)
{
    unsigned char raw[2 * 40 + 1] = {0}, back[2 * 40 + 1];
    float wide[41];
    (void)state;
    for (size_t n = 0; n <= 40; n++) {
        for (size_t i = 0; i < n; i++) {
            uint16_t h = (uint16_t)(0x0123 + 1571 * i);
            memcpy(raw + 1 + 2 * i, &h, 2);
        }
        wide[n] = 42;
        rs_half_unpack(wide, raw + 1, n);
        memset(back, 0x5a, sizeof back);
        rs_half_pack(back + 1, wide, n);
        assert_memory_equal(back + 1, raw + 1, 2 * n);
        assert_true(wide[n] == 42);
        if (n < 40)
            assert_int_equal(back[1 + 2 * n], 0x5a);
        rs_bf16_unpack(wide, raw + 1, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(bits_of(wide[i]), (uint32_t)(uint16_t)(0x0123 + 1571 * i) << 16);
        assert_true(wide[n] == 42);
    }
}

static void test_all_bf16(void **state)
{
    static const struct { uint16_t b; float value; } rows[] = {
        {0x3f80, 1.0f}, {0xc000, -2.0f}, {0x0001, 0x1p-133f}, {0x7f80, INFINITY}, {0x8000, -0.0f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(bits_of(rs_bf16_to_float(rows[i].b)), bits_of(rows[i].value));
    for (uint32_t b = 0; b < 65536; b++)
        assert_int_equal(bits_of(rs_bf16_to_float((uint16_t)b)), b << 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values), cmocka_unit_test(test_rounding_is_to_even),
        cmocka_unit_test(test_all_halves),   cmocka_unit_test(test_all_ties),
        cmocka_unit_test(test_random_floats), cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_arrays_of_everything), cmocka_unit_test(test_all_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
