/* test_linear.c - packed linear layers: every build that runs here against the definition
 * in double, int8 against plain integers to the bit, and what a run must not do.
 *
 * Processors without AVX-512 still test that build's tiles, panels and edges: linear.inc
 * is built here once more, as linear_bf16.c builds it (12 x 32 tiles, int8 in quads,
 * bfloat16 in pairs), with the three instructions spelled out in C.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/linear_int.h"

#include "base/random.h"
#include "embeddings/golden.h"
#include "embeddings/kernels.h"

#include <stdlib.h>

/* ---- The AVX-512 build in C ---------------------------------------------------------- */

#define VEC_BYTES 64
#define ROWS 12
#define GROUP 4
#define SET emulated
#define BF16_PAIRS

typedef int32_t sixteen __attribute__((vector_size(64)));
typedef float   real    __attribute__((vector_size(64)));
typedef struct { int8_t of[64]; } int8_w;
typedef struct { uint8_t of[4]; } int8_x;
typedef struct { uint16_t of[32]; } pair_w;
typedef struct { uint16_t of[2]; } pair_x;

static inline int8_w load_w(const int8_t *p)
{
    int8_w w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline int8_x splat_x(const uint8_t *p)
{
    return (int8_x){{p[0], p[1], p[2], p[3]}};
}

/* Functions of their own: unrolled into each tile they take the compiler minutes. */
#define STEP static __attribute__((noinline))

/* vpdpbusd */
STEP sixteen dot_int8(sixteen s, int8_x a, int8_w w)
{
    for (int j = 0; j < 16; j++)
        for (int i = 0; i < 4; i++)
            s[j] += a.of[i] * w.of[4 * j + i];
    return s;
}

static inline pair_w load_pair(const uint16_t *p)
{
    pair_w w;
    memcpy(&w, p, sizeof w);
    return w;
}

static inline pair_x splat_pair(const uint16_t *p)
{
    return (pair_x){{p[0], p[1]}};
}

static inline float widen(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* vdpbf16ps */
STEP real dot_pair(real s, pair_x a, pair_w w)
{
    for (int j = 0; j < 16; j++)
        for (int i = 1; i >= 0; i--)
            s[j] += widen(a.of[i]) * widen(w.of[2 * j + i]);
    return s;
}

STEP sixteen to_int(real x)
{
    sixteen q;
    for (int i = 0; i < 16; i++)
        q[i] = (int32_t)lrintf(x[i]);
    return q;
}

extern const rs_linear_set rs_linear_emulated;
#include "embeddings/linear.inc"

/* ---- Helpers --------------------------------------------------------------------------- */

enum { SETS_MOST = RS_LINEAR_SETS + 1 };

static size_t all_sets(const rs_linear_set *list[SETS_MOST])
{
    size_t n = rs_linear_list(list);
    list[n++] = &rs_linear_emulated;
    return n;
}

static float *random_floats(rs_random *r, size_t n, double spread)
{
    float *x = rs_calloc(n ? n : 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(spread * rs_random_normal(r));
    return x;
}

static rs_weights *pack_it(const rs_linear_spec *s, rs_precision p)
{
    rs_weights *w = NULL;
    rs_err err = {0};

    if (rs_weights_new(&w, s, p, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return w;
}

static void run(const rs_weights *w, float *y, const float *base, const float *x, size_t m,
                rs_pool *pool)
{
    void *scratch = rs_calloc_aligned(rs_weights_scratch(w, m) + 1, 1);
    assert_non_null(scratch);
    rs_weights_run(w, y, base, x, m, scratch, pool);
    rs_free(scratch);
}

static double length_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static double plain_act(void (*act)(float *, const float *, size_t), double v)
{
    if (!act)
        return v;
    if (act == rs_kernels_best()->quick_gelu)
        return v / (1 + exp(-1.702 * v));
    return 0.5 * v * (1 + erf(v / sqrt(2)));
}

/* base + act(x w + b) of one element, summed in double. */
static double plain(const rs_linear_spec *s, const float *base, const float *x, size_t i, size_t j)
{
    double sum = s->bias ? (double)s->bias[j] : 0;

    for (size_t l = 0; l < s->k; l++)
        sum += (double)x[i * s->k + l] * (s->q ? (double)s->q[j * s->k + l] * (double)s->scale[j]
                                               : (double)s->w[j * s->k + l]);
    return (base ? (double)base[i * s->n + j] : 0) + plain_act(s->act, sum);
}

/* What a precision may be off, as a part of |x| |w|; linear.h says so. */
static double allowed(rs_precision p)
{
    return p == RS_F32 ? 2e-6 : p == RS_BF16 ? 1.0 / 256 : 0.02;
}

static void compare(const char *what, const rs_linear_spec *s, const float *y, const float *base,
                    const float *x, size_t m, double part)
{
    for (size_t i = 0; i < m; i++) {
        const double in = length_of(x + i * s->k, s->k);
        for (size_t j = 0; j < s->n; j++) {
            const double want = plain(s, base, x, i, j), got = (double)y[i * s->n + j];
            const double size = in * length_of(s->w + j * s->k, s->k) + 1e-6 + fabs(want) * 1e-5;
            if (!(fabs(got - want) <= 1.2 * part * size + 4e-6 * fabs(want) + 1e-6))
                fail_msg("%s: y[%zu][%zu] of %zu x %zu x %zu is %.9g, wanted %.9g (%.3g of |x||w|)",
                         what, i, j, m, s->n, s->k, got, want, fabs(got - want) / size);
        }
    }
}

/* ---- Against the definition --------------------------------------------------------------- */

static const size_t shapes[][3] = {                /* m, n, k */
    {1, 1, 1}, {1, 17, 5}, {2, 3, 4}, {5, 16, 7}, {6, 31, 8}, {7, 32, 9}, {8, 33, 64}, {13, 65, 31},
    {1, 96, 771}, {12, 40, 385}, {25, 48, 768}, {97, 35, 33}, {101, 20, 770}, {66, 130, 47},
};

static void one_shape(const rs_linear_set *set, rs_precision p, const size_t *shape, rs_random *r)
{
    const rs_kernels *kn = rs_kernels_best();
    const size_t m = shape[0], n = shape[1], k = shape[2];
    float *w = random_floats(r, n * k, 0.1), *b = random_floats(r, n, 1);
    float *x = random_floats(r, m * k, 1), *base = random_floats(r, m * n, 2);
    float *y = rs_calloc(m * n, sizeof *y);

    for (int way = 0; way < 6; way++) {
        const rs_linear_spec s = {
            .n = n, .k = k, .w = w, .bias = way % 2 ? b : NULL, .set = set,
            .act = way / 2 == 0 ? NULL : way / 2 == 1 ? kn->quick_gelu : kn->gelu,
            .backend = RS_LINEAR_OWN,
        };
        const bool with_base = way == 1 || way == 2 || way == 5, in_place = way == 1 || way == 5;
        rs_weights *packed = pack_it(&s, p);
        char what[80];
        snprintf(what, sizeof what, "%s %s, way %d", set->name, rs_precision_name(p), way);
        if (in_place)
            memcpy(y, base, m * n * sizeof *y);
        else
            for (size_t i = 0; i < m * n; i++)
                y[i] = NAN;
        run(packed, y, !with_base ? NULL : in_place ? y : base, x, m, NULL);
        compare(what, &s, y, with_base ? base : NULL, x, m, allowed(p));
        rs_weights_free(packed);
    }
    rs_free(w); rs_free(b); rs_free(x); rs_free(base); rs_free(y);
}

static void test_against_definition(void **state)
{
    const rs_linear_set *list[SETS_MOST];
    const size_t n = all_sets(list);
    rs_random r = rs_random_seed(1);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (int p = RS_F32; p <= RS_INT8; p++)
            for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
                one_shape(list[i], (rs_precision)p, shapes[k], &r);
}

static void test_by_hand(void **state)
{
    const float w[] = {1, 2, 3, 0, -1, 4}, b[] = {10, 20}, x[] = {1, 0, 2, -1, 1, 1}, base[] = {100, 0, 0, 0};
    const rs_linear_spec s = {.n = 2, .k = 3, .w = w, .bias = b};
    float y[4];

    (void)state;
    for (int p = RS_F32; p <= RS_INT8; p++) {
        rs_weights *packed = pack_it(&s, (rs_precision)p);
        run(packed, y, base, x, 2, NULL);
        assert_near(rs_precision_name((rs_precision)p), y, (const float[]){117, 28, 14, 23}, 4,
                    p == RS_INT8 ? 0.1 : 0);
        assert_true(rs_weights_bytes(packed) > 0);
        rs_weights_free(packed);
    }
}

/* ---- int8 -------------------------------------------------------------------------------------- */

/* The definition in integers: round, multiply, scale; no bias, so that there is nothing
 * to fuse and the floats too must be the same. */
static void plain_int8(float *y, const float *x, const int8_t *q, const float *scale, size_t m,
                       size_t n, size_t k)
{
    for (size_t i = 0; i < m; i++) {
        float top = 0;
        for (size_t l = 0; l < k; l++)
            top = fabsf(x[i * k + l]) > top ? fabsf(x[i * k + l]) : top;
        const float inverse = top > 1e-30f ? 127 / top : 0, t = top > 1e-30f ? top / 127 : 0;
        for (size_t j = 0; j < n; j++) {
            int64_t sum = 0;
            for (size_t l = 0; l < k; l++) {
                volatile float scaled = x[i * k + l] * inverse;
                sum += lrintf(scaled) * (long)q[j * k + l];
            }
            y[i * n + j] = (float)sum * (t * scale[j]);
        }
    }
}

static void same_bits(const char *what, const float *got, const float *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float d = got[i] - want[i];
        if (d < 0 || d > 0 || isnan(d))
            fail_msg("%s: [%zu] is %.9g, wanted %.9g", what, i, (double)got[i], (double)want[i]);
    }
}

/* Random shapes and numbers; every fourth case has only the largest magnitudes, by which
 * 16-bit sums of products would overflow: 127 * 127 * 2 > 32767. */
static void test_int8_is_exact(void **state)
{
    const rs_linear_set *list[SETS_MOST];
    const size_t sets = all_sets(list);
    rs_random r = rs_random_seed(2);

    (void)state;
    for (size_t round = 0; round < 120; round++) {
        const size_t m = 1 + rs_random_below(&r, 20), n = 1 + rs_random_below(&r, 70);
        const size_t k = 1 + rs_random_below(&r, 300);
        float *x = random_floats(&r, m * k, 3), *scale = random_floats(&r, n, 0.01);
        float *y = rs_calloc(m * n, sizeof *y), *want = rs_calloc(m * n, sizeof *want);
        int8_t *q = rs_calloc(n * k, 1);
        for (size_t i = 0; i < n * k; i++)
            q[i] = (int8_t)(round % 4 == 0 ? (rs_random_below(&r, 2) ? 127 : -127)
                                           : (int)rs_random_below(&r, 255) - 127);
        for (size_t i = 0; i < m * k && round % 4 == 0; i++)
            x[i] = round % 8 == 0 ? 5 : rs_random_below(&r, 2) ? 5.0f : -5.0f;
        plain_int8(want, x, q, scale, m, n, k);
        for (size_t i = 0; i < sets; i++) {
            const rs_linear_spec s = {.n = n, .k = k, .q = q, .scale = scale, .set = list[i]};
            rs_weights *w = pack_it(&s, RS_INT8);
            run(w, y, NULL, x, m, NULL);
            same_bits(list[i]->name, y, want, m * n);
            rs_weights_free(w);
        }
        rs_free(x); rs_free(scale); rs_free(y); rs_free(want); rs_free(q);
    }
}

/* 3072 inputs of the largest product of one sign: the sum needs 27 bits. */
static void test_int8_largest_sum(void **state)
{
    enum { K = 3072 };
    const rs_linear_set *list[SETS_MOST];
    const size_t sets = all_sets(list);
    static int8_t q[2 * K];
    static float x[K];
    const float scale[] = {1, 1};
    float y[2];

    (void)state;
    for (size_t l = 0; l < K; l++) {
        x[l] = -127;
        q[l] = 127;
        q[K + l] = -127;
    }
    for (size_t i = 0; i < sets; i++) {
        const rs_linear_spec s = {.n = 2, .k = K, .q = q, .scale = scale, .set = list[i]};
        rs_weights *w = pack_it(&s, RS_INT8);
        run(w, y, NULL, x, 1, NULL);
        assert_true(y[0] == -127.0f * 127 * K && y[1] == 127.0f * 127 * K);
        rs_weights_free(w);
    }
}

static void test_quantise_row(void **state)
{
    const float w[] = {1, -2, 0.5f, 0, 127.0f / 64};
    int8_t q[5], zero[5];

    (void)state;
    assert_true(rs_quantise_row(q, w, 5) == 2.0f / 127);
    const int8_t want[] = {64, -127, 32, 0, 126};      /* 63.5 and 31.75; ties to even */
    assert_memory_equal(q, want, 5);
    assert_true(rs_quantise_row(zero, (const float[]){0, 0, 0, 0, 0}, 5) == 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(zero[i], 0);
    const float bad[] = {1, INFINITY};
    assert_true(rs_quantise_row(q, bad, 2) == 0);
}

/* Weights that come quantised give what weights that are quantised here give. */
static void test_given_quantised(void **state)
{
    enum { M = 9, N = 37, K = 70 };
    rs_random r = rs_random_seed(3);
    float *w = random_floats(&r, (size_t)N * K, 1), *x = random_floats(&r, (size_t)M * K, 1);
    float a[M * N], b[M * N], scale[N];
    int8_t q[N * K];

    (void)state;
    for (size_t j = 0; j < N; j++)
        scale[j] = rs_quantise_row(q + j * K, w + j * K, K);
    rs_weights *ours = pack_it(&(rs_linear_spec){.n = N, .k = K, .w = w}, RS_INT8);
    rs_weights *given = pack_it(&(rs_linear_spec){.n = N, .k = K, .q = q, .scale = scale}, RS_INT8);
    run(ours, a, NULL, x, M, NULL);
    run(given, b, NULL, x, M, NULL);
    assert_memory_equal(a, b, sizeof a);
    rs_weights_free(ours);
    rs_weights_free(given);
    rs_free(w);
    rs_free(x);
}

/* ---- Rows, back ends, threads --------------------------------------------------------------------- */

static void test_rows_do_not_depend_on_the_batch(void **state)
{
    enum { M = 150, N = 70, K = 800 };
    static const size_t batches[] = {1, 2, 3, 7, 12, 13, 24, 63, 64, 65, 97, 149};
    const rs_linear_set *list[SETS_MOST];
    const size_t sets = all_sets(list);
    rs_random r = rs_random_seed(4);
    float *w = random_floats(&r, (size_t)N * K, 0.05), *x = random_floats(&r, (size_t)M * K, 1);
    float *all = rs_calloc((size_t)M * N, sizeof *all), *some = rs_calloc((size_t)M * N, sizeof *some);

    (void)state;
    for (size_t i = 0; i < sets; i++) {
        for (int p = RS_F32; p <= RS_INT8; p++) {
            const rs_linear_spec s = {.n = N, .k = K, .w = w, .set = list[i], .backend = RS_LINEAR_OWN};
            rs_weights *packed = pack_it(&s, (rs_precision)p);
            run(packed, all, NULL, x, M, NULL);
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
                run(packed, some, NULL, x, batches[b], NULL);
                same_bits(list[i]->name, some, all, batches[b] * N);
            }
            rs_weights_free(packed);
        }
    }
    rs_free(w); rs_free(x); rs_free(all); rs_free(some);
}

/* Where BLAS or oneDNN serves many rows: to 1e-5 of |x| |w|. */
static void test_back_ends_agree(void **state)
{
    enum { M = 150, N = 75, K = 768 };
    const rs_kernels *kn = rs_kernels_best();
    rs_random r = rs_random_seed(5);
    float *w = random_floats(&r, (size_t)N * K, 0.05), *x = random_floats(&r, (size_t)M * K, 1);
    float *bias = random_floats(&r, N, 1), *base = random_floats(&r, (size_t)M * N, 1);
    float *y = rs_calloc((size_t)M * N, sizeof *y);

    (void)state;
    for (int b = RS_LINEAR_OWN; b <= RS_LINEAR_DNNL; b++) {
        for (int way = 0; way < 4; way++) {
            const rs_linear_spec s = {
                .n = N, .k = K, .w = w, .bias = bias, .keeps_w = true,
                .backend = (rs_linear_backend)b, .act = way % 2 ? kn->gelu : NULL,
            };
            rs_weights *packed = pack_it(&s, RS_F32);
            char what[80];
            snprintf(what, sizeof what, "%s, way %d", rs_linear_backend_name((rs_linear_backend)b), way);
            if (b != RS_LINEAR_DNNL)
                assert_int_equal(rs_weights_backend(packed), b);
            memcpy(y, base, (size_t)M * N * sizeof *y);
            run(packed, y, way / 2 ? y : base, x, M, NULL);
            compare(what, &s, y, base, x, M, 1e-5);
            rs_weights_free(packed);
        }
    }
    rs_free(w); rs_free(x); rs_free(bias); rs_free(base); rs_free(y);
}

/* oneDNN's int8 takes our quantised activations: the same integers. Weights of 7 bits,
 * since it is exact for 8 only where the processor has VNNI, and is asked only there. */
static void test_dnnl_int8_is_exact(void **state)
{
    enum { M = 130, N = 40, K = 100 };
    rs_random r = rs_random_seed(6);
    float *x = random_floats(&r, (size_t)M * K, 1), *scale = random_floats(&r, N, 0.01);
    float *y = rs_calloc((size_t)M * N, sizeof *y), *want = rs_calloc((size_t)M * N, sizeof *want);
    int8_t q[N * K];

    (void)state;
    if (!rs_dnnl_found()) {
        print_message("skipped: built without oneDNN\n");
        skip();
    }
    for (size_t i = 0; i < sizeof q; i++)
        q[i] = (int8_t)((int)rs_random_below(&r, 127) - 63);
    plain_int8(want, x, q, scale, M, N, K);
    const rs_linear_spec s = {.n = N, .k = K, .q = q, .scale = scale, .set = &rs_linear_emulated,
                              .backend = RS_LINEAR_DNNL};
    rs_weights *w = pack_it(&s, RS_INT8);
    run(w, y, NULL, x, M, NULL);
    same_bits("oneDNN", y, want, (size_t)M * N);
    rs_weights_free(w);
    rs_free(x); rs_free(scale); rs_free(y); rs_free(want);
}

static void test_split_over_a_pool(void **state)
{
    enum { M = 70, N = 520, K = 256 };
    const rs_linear_set *list[SETS_MOST];
    const size_t sets = all_sets(list);
    rs_random r = rs_random_seed(7);
    float *w = random_floats(&r, (size_t)N * K, 0.05), *x = random_floats(&r, (size_t)M * K, 1);
    float *one = rs_calloc((size_t)M * N, sizeof *one), *two = rs_calloc((size_t)M * N, sizeof *two);
    rs_pool *pool = NULL;

    (void)state;
    assert_int_equal(rs_pool_new(&pool, 3, NULL), RS_OK);
    for (size_t i = 0; i < sets; i++) {
        for (int p = RS_F32; p <= RS_INT8; p++) {
            const rs_linear_spec s = {.n = N, .k = K, .w = w, .set = list[i], .backend = RS_LINEAR_OWN};
            rs_weights *packed = pack_it(&s, (rs_precision)p);
            run(packed, one, NULL, x, M, NULL);
            run(packed, two, NULL, x, M, pool);
            assert_memory_equal(one, two, (size_t)M * N * sizeof *one);
            rs_weights_free(packed);
        }
    }
    rs_pool_free(pool);
    rs_free(w); rs_free(x); rs_free(one); rs_free(two);
}

/* The measured choice is made once a shape, and stays. */
static void test_measured_choice(void **state)
{
    enum { N = 64, K = 96 };
    static float w[N * K];
    const rs_linear_spec s = {.n = N, .k = K, .w = w, .keeps_w = true};

    (void)state;
    rs_weights *a = pack_it(&s, RS_F32), *b = pack_it(&s, RS_F32);
    assert_int_equal(rs_weights_backend(a), rs_weights_backend(b));
    assert_int_not_equal(rs_weights_backend(a), RS_LINEAR_MEASURE);
    assert_string_equal(rs_weights_set(a), rs_weights_set(b));
    rs_weights_free(a);
    rs_weights_free(b);
    assert_int_equal(setenv("RADSCOUT_LINEAR", "openblas", 1), 0);
    a = pack_it(&s, RS_F32);
    b = pack_it(&s, RS_INT8);                          /* which BLAS does not have */
    assert_int_equal(rs_weights_backend(a), RS_LINEAR_BLAS);
    assert_int_equal(rs_weights_backend(b), RS_LINEAR_OWN);
    unsetenv("RADSCOUT_LINEAR");
    rs_weights_free(a);
    rs_weights_free(b);
}

/* ---- Numbers that are none ---------------------------------------------------------------------------- */

static void test_odd_numbers(void **state)
{
    enum { N = 3, K = 40 };
    const rs_linear_set *list[SETS_MOST];
    const size_t sets = all_sets(list);
    float w[N * K], x[4 * K] = {0}, y[4 * N];
    const float bias[N] = {1, 2, 3};

    (void)state;
    for (size_t i = 0; i < N * K; i++)
        w[i] = (float)(i % 5) + 1;
    x[K + 37] = NAN;
    x[2 * K + 3] = INFINITY;
    x[3 * K] = 1e-38f;
    for (size_t i = 0; i < sets; i++) {
        for (int p = RS_F32; p <= RS_INT8; p++) {
            const rs_linear_spec s = {.n = N, .k = K, .w = w, .bias = bias, .set = list[i]};
            rs_weights *packed = pack_it(&s, (rs_precision)p);
            run(packed, y, NULL, x, 4, NULL);
            for (size_t j = 0; j < N; j++) {
                assert_true(y[j] == bias[j] && y[3 * N + j] == bias[j]);
                assert_true(isnan(y[N + j]));
                assert_true(!isfinite(y[2 * N + j]));
            }
            rs_weights_free(packed);
        }
    }
}

/* ---- Memory and arguments ---------------------------------------------------------------------------- */

static void test_no_memory(void **state)
{
    enum { N = 80, K = 96 };
    static float w[N * K];
    const size_t live = rs_alloc_live();

    (void)state;
    for (int p = RS_F32; p <= RS_INT8; p++) {
        for (int b = RS_LINEAR_OWN; b <= RS_LINEAR_DNNL; b++) {
            const rs_linear_spec s = {.n = N, .k = K, .w = w, .keeps_w = true,
                                      .backend = (rs_linear_backend)b, .set = &rs_linear_emulated};
            rs_status st = RS_ENOMEM;
            rs_weights *packed = NULL;
            for (long k = 0; st != RS_OK; k++) {
                rs_alloc_fail_after(k);
                st = rs_weights_new(&packed, &s, (rs_precision)p, NULL);
                rs_alloc_fail_after(-1);
                if (st != RS_OK) {
                    assert_int_equal(st, RS_ENOMEM);
                    assert_null(packed);
                    assert_int_equal(rs_alloc_live(), live);
                }
                assert_true(k < 100);
            }
            rs_weights_free(packed);
            assert_int_equal(rs_alloc_live(), live);
        }
    }
}

/* Measuring allocates too, and gives all of it back. */
static void test_no_memory_while_measuring(void **state)
{
    enum { N = 50, K = 33 };                           /* a shape no other test measures */
    static float w[N * K];
    const rs_linear_spec s = {.n = N, .k = K, .w = w, .keeps_w = true};
    const size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;
    rs_weights *packed = NULL;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_weights_new(&packed, &s, RS_F32, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || (st == RS_ENOMEM && !packed && rs_alloc_live() == live));
        assert_true(k < 200);
    }
    rs_weights_free(packed);
    assert_int_equal(rs_alloc_live(), live);
}

static void test_a_run_allocates_nothing(void **state)
{
    enum { M = 70, N = 40, K = 64 };
    static float w[N * K], x[M * K], y[M * N];

    (void)state;
    for (int p = RS_F32; p <= RS_INT8; p++) {
        rs_weights *packed = pack_it(&(rs_linear_spec){.n = N, .k = K, .w = w}, (rs_precision)p);
        void *scratch = rs_calloc_aligned(rs_weights_scratch(packed, M) + 1, 1);
        const size_t before = rs_alloc_total();
        rs_weights_run(packed, y, NULL, x, M, scratch, NULL);
        rs_weights_run(packed, y, y, x, 0, scratch, NULL);
        assert_int_equal(rs_alloc_total(), before);
        rs_free(scratch);
        rs_weights_free(packed);
    }
}

static void test_arguments(void **state)
{
    const float w[4] = {0};
    const int8_t q[4] = {0};
    const struct { rs_linear_spec s; rs_precision p; } bad[] = {
        {{.n = 0, .k = 2, .w = w}, RS_F32},
        {{.n = 2, .k = 0, .w = w}, RS_F32},
        {{.n = (size_t)1 << 21, .k = 2, .w = w}, RS_F32},
        {{.n = 1, .k = 65537, .w = w}, RS_INT8},
        {{.n = 2, .k = 2, .w = w}, RS_AUTO},
        {{.n = 2, .k = 2}, RS_F32},
        {{.n = 2, .k = 2, .q = q}, RS_INT8},
        {{.n = 2, .k = 2, .q = q, .scale = w}, RS_F32},
    };
    rs_weights *packed;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rs_err err = {0};
        if (rs_weights_new(&packed, &bad[i].s, bad[i].p, &err) != RS_EARG || packed)
            fail_msg("case %zu is taken", i);
        assert_non_null(strstr(err.msg, "linear layer"));
    }
    rs_weights_free(NULL);
}

static void test_names(void **state)
{
    rs_precision p = RS_F32;

    (void)state;
    for (int i = RS_AUTO; i <= RS_INT8; i++) {
        assert_true(rs_precision_parse(&p, rs_precision_name((rs_precision)i)));
        assert_int_equal(p, i);
    }
    assert_false(rs_precision_parse(&p, "int4"));
    assert_int_equal(p, RS_INT8);
    assert_true(rs_precision_pays(RS_F32));
    assert_false(rs_precision_pays(RS_AUTO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_against_definition),
        cmocka_unit_test(test_int8_is_exact),
        cmocka_unit_test(test_int8_largest_sum),
        cmocka_unit_test(test_quantise_row),
        cmocka_unit_test(test_given_quantised),
        cmocka_unit_test(test_rows_do_not_depend_on_the_batch),
        cmocka_unit_test(test_back_ends_agree),
        cmocka_unit_test(test_dnnl_int8_is_exact),
        cmocka_unit_test(test_split_over_a_pool),
        cmocka_unit_test(test_measured_choice),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_memory_while_measuring),
        cmocka_unit_test(test_a_run_allocates_nothing),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
