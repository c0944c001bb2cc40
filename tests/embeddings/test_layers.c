/* test_layers.c - each layer against torch, against its definition, and its gradient
 * against differences in double. Every build of the kernels that runs here is tested.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/layers.h"

#include "base/random.h"
#include "embeddings/golden.h"
#include "embeddings/kernels.h"

static float *random_floats(rs_random *r, size_t n, double spread)
{
    float *x = rs_calloc(n ? n : 1, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(spread * rs_random_normal(r));
    return x;
}

static float *copy(const float *x, size_t n)
{
    float *y = rs_calloc(n ? n : 1, sizeof *y);
    assert_non_null(y);
    memcpy(y, x, n * sizeof *y);
    return y;
}

/* Lengths around the widths of vectors and of the loops over four of them. */
static const size_t lengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 77, 192, 771};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/* Run `test` once for each build of the kernels but the reference. */
static void each_build(void (*test)(const rs_kernels *k))
{
    const rs_kernels *list[RS_KERNEL_SETS];
    const size_t n = rs_kernels_list(list);

    assert_string_equal(list[0]->name, "reference");
    assert_ptr_equal(rs_kernels_best(), list[n - 1]);
    for (size_t i = 1; i < n; i++)
        test(list[i]);
}

/* ---- Functions of one number --------------------------------------------------------------- */

/* |got - want| over max(|want|, floor), the worst of a fine grid. */
static double worst_on_grid(void (*got)(float *, const float *, size_t),
                            void (*want)(float *, const float *, size_t), double from, double to,
                            double floor)
{
    enum { N = 20001 };
    float *x = rs_calloc(N, sizeof *x), *a = rs_calloc(N, sizeof *a), *b = rs_calloc(N, sizeof *b);
    double worst = 0;

    for (size_t i = 0; i < N; i++) {
        x[i] = (float)(from + (to - from) * (double)i / (N - 1));
        a[i] = b[i] = 1;                        /* the _grad ones multiply */
    }
    got(a, x, N);
    want(b, x, N);
    for (size_t i = 0; i < N; i++)
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]) / fmax(fabs((double)b[i]), floor));
    rs_free(x); rs_free(a); rs_free(b);
    return worst;
}

static void numbers_of(const rs_kernels *k)
{
    const rs_kernels *ref = &rs_kernels_reference;
    const struct {
        const char *name;
        void (*got)(float *, const float *, size_t), (*want)(float *, const float *, size_t);
        double from, to, floor, tolerance;
    } rows[] = {
        {"exp", k->exp, ref->exp, -87, 88, 0, 3e-7},
        {"exp, out of range", k->exp, ref->exp, -1e4, 1e4, 0, 1e-5},
        {"erf", k->erf, ref->erf, -5, 5, 1, 5e-7},
        {"erf near 0", k->erf, ref->erf, -0.1, 0.1, 1e-4, 1e-6},
        {"quick_gelu", k->quick_gelu, ref->quick_gelu, -20, 20, 1, 5e-7},
        {"quick_gelu far out", k->quick_gelu, ref->quick_gelu, -1000, 1000, 1, 5e-7},
        {"quick_gelu_grad", k->quick_gelu_grad, ref->quick_gelu_grad, -20, 20, 1, 1e-6},
        {"gelu", k->gelu, ref->gelu, -20, 20, 1, 1e-6},
        {"gelu_grad", k->gelu_grad, ref->gelu_grad, -20, 20, 1, 1e-6},
        {"gelu_tanh", k->gelu_tanh, ref->gelu_tanh, -20, 20, 1, 1e-6},
        {"gelu_tanh far out", k->gelu_tanh, ref->gelu_tanh, -1000, 1000, 1, 5e-7},
        {"gelu_tanh_grad", k->gelu_tanh_grad, ref->gelu_tanh_grad, -20, 20, 1, 3e-6},
        {"gelu_tanh_grad far out", k->gelu_tanh_grad, ref->gelu_tanh_grad, -1000, 1000, 1, 3e-6},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double d = worst_on_grid(rows[i].got, rows[i].want, rows[i].from, rows[i].to,
                                 rows[i].floor);
        if (!(d <= rows[i].tolerance))
            fail_msg("%s, %s: off by %g, allowed %g", k->name, rows[i].name, d, rows[i].tolerance);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    each_build(numbers_of);
}

/* The slopes are those of the functions: central differences of the reference. */
static void test_slopes(void **state)
{
    const rs_kernels *k = &rs_kernels_reference;
    const double h = 1e-3;

    (void)state;
    for (double v = -6; v <= 6; v += 0.17) {
        float x = (float)v, up = (float)(v + h), down = (float)(v - h), y[2], s[2] = {1, 1};
        k->gelu(&y[0], &up, 1);
        k->gelu(&y[1], &down, 1);
        k->gelu_grad(&s[0], &x, 1);
        assert_near("gelu", &s[0], &(float){(y[0] - y[1]) / (up - down)}, 1, 1e-3);
        k->gelu_tanh(&y[0], &up, 1);
        k->gelu_tanh(&y[1], &down, 1);
        s[0] = 1;
        k->gelu_tanh_grad(&s[0], &x, 1);
        assert_near("gelu_tanh", &s[0], &(float){(y[0] - y[1]) / (up - down)}, 1, 1e-3);
        k->quick_gelu(&y[0], &up, 1);
        k->quick_gelu(&y[1], &down, 1);
        k->quick_gelu_grad(&s[1], &x, 1);
        assert_near("quick_gelu", &s[1], &(float){(y[0] - y[1]) / (up - down)}, 1, 1e-3);
    }
}

/* ---- Rows against the reference ------------------------------------------------------------ */

static void simple_rows_of(const rs_kernels *k)
{
    const rs_kernels *ref = &rs_kernels_reference;
    rs_random r = rs_random_seed(1);

    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t n = lengths[i];
        float *x = random_floats(&r, n, 2), *y = random_floats(&r, n, 2);
        float *a = copy(x, n), *b = copy(x, n);
        char what[64];

        snprintf(what, sizeof what, "%s, %zu", k->name, n);
        assert_near(what, &(float){k->dot(x, y, n)}, &(float){ref->dot(x, y, n)}, 1,
                    1e-6 * (double)(10 + n));
        k->add(a, y, n);
        ref->add(b, y, n);
        assert_near(what, a, b, n, 0);
        k->softmax(a, n);
        ref->softmax(b, n);
        assert_near(what, a, b, n, 1e-6);
        rs_free(x); rs_free(y); rs_free(a); rs_free(b);
    }
}

static void test_simple_rows(void **state)
{
    (void)state;
    each_build(simple_rows_of);
}

static void softmax_grad_of(const rs_kernels *k)
{
    rs_random r = rs_random_seed(2);

    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t n = lengths[i];
        float *p = random_floats(&r, n, 2), *a = random_floats(&r, n, 1), *b = copy(a, n);
        rs_kernels_reference.softmax(p, n);
        k->softmax_grad(a, p, n, 0.7f);
        rs_kernels_reference.softmax_grad(b, p, n, 0.7f);
        assert_near(k->name, a, b, n, 1e-6);
        rs_free(p); rs_free(a); rs_free(b);
    }
}

static void test_softmax_grad(void **state)
{
    (void)state;
    each_build(softmax_grad_of);
}

/* Scores of any size: no overflow, no NaN; equal scores share. */
static void softmax_edges_of(const rs_kernels *k)
{
    float big[3] = {3e38f, -3e38f, 3e38f}, low[2] = {-3e38f, -3e38f}, one[1] = {-5};

    k->softmax(big, 3);
    assert_near("big", big, (const float[]){0.5f, 0, 0.5f}, 3, 1e-6);
    k->softmax(low, 2);
    assert_near("low", low, (const float[]){0.5f, 0.5f}, 2, 1e-6);
    k->softmax(one, 1);
    assert_near("one", one, (const float[]){1}, 1, 0);
}

static void test_softmax_edges(void **state)
{
    (void)state;
    each_build(softmax_edges_of);
}

static void bias_and_columns_of(const rs_kernels *k)
{
    enum { N = 300, LD_MORE = 3 };
    rs_random r = rs_random_seed(3);

    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t d = lengths[i], ld = d + LD_MORE;
        float *x = random_floats(&r, N * ld, 1), *b = random_floats(&r, d, 1);
        float *got = random_floats(&r, N * d, 1), *want = copy(got, N * d);

        k->add_columns(got, x, ld, N, d);
        rs_kernels_reference.add_columns(want, x, ld, N, d);
        assert_near("columns", got, want, d, 3e-5);
        for (int form = 0; form < 4; form++) {
            const float *from = form & 1 ? x : NULL, *bias = form & 2 ? b : NULL;
            k->add_bias(got, from, bias, N, d);
            rs_kernels_reference.add_bias(want, from, bias, N, d);
            assert_near("bias", got, want, N * d, 0);
        }
        k->add_bias(got, got, b, N, d);                 /* in place */
        rs_kernels_reference.add_bias(want, want, b, N, d);
        assert_near("in place", got, want, N * d, 0);
        rs_free(x); rs_free(b); rs_free(got); rs_free(want);
    }
}

static void test_bias_and_columns(void **state)
{
    (void)state;
    each_build(bias_and_columns_of);
}

/* Rows and columns that fill no tile, sums that fill no vector. */
static void few_rows_of(const rs_kernels *k)
{
    rs_random r = rs_random_seed(8);

    for (size_t m = 1; m <= 8; m++) {
        for (size_t n = 1; n <= 9; n++) {
            for (size_t i = 0; i < LENGTHS; i++) {
                const size_t in = lengths[i], lda = in + 1, ldb = in + 2, ldc = n + 3;
                float *a = random_floats(&r, m * lda, 1), *b = random_floats(&r, n * ldb, 1);
                float *got = random_floats(&r, m * ldc, 1), *want = copy(got, m * ldc);
                for (int beta = 0; beta < 3; beta++) {
                    k->nt_few(got, ldc, a, lda, b, ldb, m, n, in, 0.5f, (float)beta);
                    rs_kernels_reference.nt_few(want, ldc, a, lda, b, ldb, m, n, in, 0.5f,
                                                (float)beta);
                    assert_near(k->name, got, want, m * ldc, 2e-6 * (double)(10 + in));
                }
                rs_free(a); rs_free(b); rs_free(got); rs_free(want);
            }
        }
    }
}

static void test_few_rows(void **state)
{
    (void)state;
    each_build(few_rows_of);
}

static void layer_norm_of(const rs_kernels *k)
{
    enum { N = 5 };
    const rs_kernels *ref = &rs_kernels_reference;
    rs_random r = rs_random_seed(4);

    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t d = lengths[i];
        float *x = random_floats(&r, N * d, 1), *g = random_floats(&r, d, 1);
        float *b = random_floats(&r, d, 1), *dy = random_floats(&r, N * d, 1);
        float *y = copy(x, N * d), *want = copy(x, N * d), stat[2 * N], want_stat[2 * N];
        float *dx = random_floats(&r, N * d, 1), *want_dx = copy(dx, N * d);
        float *dg = random_floats(&r, 2 * d, 1), *want_dg = copy(dg, 2 * d);

        for (size_t j = 0; j < N * d; j++)
            x[j] += 30;                         /* a mean far from 0 costs digits if badly done */
        k->layer_norm(y, stat, x, g, b, 1e-5f, N, d);
        ref->layer_norm(want, want_stat, x, g, b, 1e-5f, N, d);
        assert_near("layer_norm", y, want, N * d, d == 1 ? 0.1 : 2e-5);
        memcpy(y, x, N * d * sizeof *y);
        k->layer_norm(y, stat, y, g, b, 1e-5f, N, d);
        assert_near("layer_norm in place", y, want, N * d, d == 1 ? 0.1 : 2e-5);
        k->layer_norm_grad(dx, dg, dg + d, dy, x, want_stat, g, N, d);
        ref->layer_norm_grad(want_dx, want_dg, want_dg + d, dy, x, want_stat, g, N, d);
        assert_near("dx", dx, want_dx, N * d, 2e-5 * fmax(1, largest(want_dx, N * d)));
        assert_near("dg, db", dg, want_dg, 2 * d, 2e-5 * fmax(1, largest(want_dg, 2 * d)));
        rs_free(x); rs_free(g); rs_free(b); rs_free(dy); rs_free(y); rs_free(want);
        rs_free(dx); rs_free(want_dx); rs_free(dg); rs_free(want_dg);
    }
}

static void test_layer_norm(void **state)
{
    (void)state;
    each_build(layer_norm_of);
}

/* ---- Against torch ------------------------------------------------------------------------- */

static void torch_of(const rs_kernels *k)
{
    enum { N = 5, D = 37 };
    rs_tensors *t = golden_open("tests/data/layers.safetensors");
    float *x = golden_floats(t, "x", NULL), *dy = golden_floats(t, "dy", NULL);
    float *g = golden_floats(t, "g", NULL), *b = golden_floats(t, "b", NULL);
    float y[N * D], dx[N * D], stat[2 * N], dg[D] = {0}, db[D] = {0};
    static const char *const names[] = {"gelu", "quick_gelu", "softmax", "layer_norm"};

    for (size_t i = 0; i < 4; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s.y", names[i]);
        float *want = golden_floats(t, what, NULL);
        snprintf(what, sizeof what, "%s.dx", names[i]);
        float *want_dx = golden_floats(t, what, NULL);
        memcpy(dx, dy, sizeof dx);
        memcpy(y, x, sizeof y);
        if (i == 0) {
            k->gelu(y, x, N * D);
            k->gelu_grad(dx, x, N * D);
        } else if (i == 1) {
            k->quick_gelu(y, x, N * D);
            k->quick_gelu_grad(dx, x, N * D);
        } else if (i == 2) {
            for (size_t r = 0; r < N; r++) {
                k->softmax(y + r * D, D);
                k->softmax_grad(dx + r * D, y + r * D, D, 1);
            }
        } else {
            k->layer_norm(y, stat, x, g, b, 1e-5f, N, D);
            memset(dx, 0, sizeof dx);
            k->layer_norm_grad(dx, dg, db, dy, x, stat, g, N, D);
        }
        assert_near(names[i], y, want, N * D, 3e-6);
        assert_near(what, dx, want_dx, N * D, 3e-6);
        rs_free(want); rs_free(want_dx);
    }
    float *want_dg = golden_floats(t, "layer_norm.dg", NULL);
    float *want_db = golden_floats(t, "layer_norm.db", NULL);
    assert_near("dg", dg, want_dg, D, 5e-6);
    assert_near("db", db, want_db, D, 5e-6);
    rs_free(want_dg); rs_free(want_db);
    rs_free(x); rs_free(dy); rs_free(g); rs_free(b);
    rs_tensors_close(t);
}

static void test_torch(void **state)
{
    (void)state;
    torch_of(&rs_kernels_reference);
    each_build(torch_of);
}

/* ---- Linear -------------------------------------------------------------------------------- */

static void test_linear(void **state)
{
    /* y = base + x w^T + b with x [2 x 3], w [2 x 3] */
    const float x[] = {1, 2, 3, 4, 5, 6}, w[] = {1, 0, -1, 2, 1, 0}, b[] = {10, 20};
    const float dy[] = {1, 2, 3, 4};
    float y[4] = {1, 1, 1, 1}, dx[6], dw[6] = {0}, db[2] = {100, 200};

    (void)state;
    rs_linear(y, NULL, x, w, NULL, 2, 3, 2);
    assert_near("bare", y, (const float[]){-2, 4, -2, 13}, 4, 0);
    rs_linear(y, NULL, x, w, b, 2, 3, 2);
    assert_near("bias", y, (const float[]){8, 24, 8, 33}, 4, 0);
    rs_linear(y, y, x, w, b, 2, 3, 2);
    assert_near("residual", y, (const float[]){16, 48, 16, 66}, 4, 0);
    rs_linear_grad(dx, dw, db, dy, x, w, 2, 3, 2);
    assert_near("dx", dx, (const float[]){5, 2, -1, 11, 4, -3}, 6, 0);
    assert_near("dw", dw, (const float[]){13, 17, 21, 18, 24, 30}, 6, 0);
    assert_near("db", db, (const float[]){104, 206}, 2, 0);
    rs_linear_grad(NULL, dw, NULL, dy, x, w, 2, 3, 2);
    assert_near("dw adds", dw, (const float[]){26, 34, 42, 36, 48, 60}, 6, 0);
}

/* ---- Attention ----------------------------------------------------------------------------- */

enum { HEADS = 3, HD = 5, WIDTH = HEADS * HD, SEQS = 3, ROWS = 12 };
static const size_t starts[SEQS + 1] = {0, 1, 8, ROWS};          /* lengths 1, 7, 4 */

static rs_attention_shape shape_of(int form)
{
    return (rs_attention_shape){.n = SEQS, .start = starts, .heads = HEADS, .head_dim = HD,
                                .causal = form == 1, .one_query = form == 2};
}

static rs_qkv qkv_in(const float *x, int form)
{
    if (form == 2)                               /* queries apart, keys and values together */
        return (rs_qkv){x, x + SEQS * WIDTH, x + (SEQS + 1) * WIDTH, WIDTH, 2 * WIDTH};
    return (rs_qkv){x, x + WIDTH, x + 2 * WIDTH, 3 * WIDTH, 3 * WIDTH};
}

/* Bidirectional, causal, and one query a sequence. */
static void test_attention(void **state)
{
    rs_random r = rs_random_seed(6);
    float *x = random_floats(&r, ROWS * 3 * WIDTH, 1);
    float got[ROWS * WIDTH], want[ROWS * WIDTH], probs[HEADS * (1 + 49 + 16)], small[49];

    (void)state;
    for (int form = 0; form < 3; form++) {
        const rs_attention_shape s = shape_of(form);
        const size_t out = (form == 2 ? SEQS : ROWS) * WIDTH;
        assert_int_equal(rs_attention_probs(&s), form == 2 ? HEADS * 12 : HEADS * 66);
        rs_attention_naive(want, qkv_in(x, form), &s);
        rs_attention(got, probs, true, qkv_in(x, form), &s);
        assert_near("kept", got, want, out, 1e-6);
        memset(got, 0, sizeof got);
        rs_attention(got, small, false, qkv_in(x, form), &s);
        assert_near("not kept", got, want, out, 1e-6);
    }
    rs_free(x);
}

static double weighted(const float *x, int form, const float *dout)
{
    const rs_attention_shape s = shape_of(form);
    float out[ROWS * WIDTH];
    double sum = 0;

    rs_attention_naive(out, qkv_in(x, form), &s);
    for (size_t i = 0; i < (form == 2 ? (size_t)SEQS : (size_t)ROWS) * WIDTH; i++)
        sum += (double)out[i] * (double)dout[i];
    return sum;
}

static void test_attention_grad(void **state)
{
    rs_random r = rs_random_seed(7);
    float *x = random_floats(&r, ROWS * 3 * WIDTH, 1), *dout = random_floats(&r, ROWS * WIDTH, 1);
    float *dx = rs_calloc(ROWS * 3 * WIDTH, sizeof *dx);
    float out[ROWS * WIDTH], probs[HEADS * 66], dp[49];

    (void)state;
    for (int form = 0; form < 3; form++) {
        const rs_attention_shape s = shape_of(form);
        const rs_qkv in = qkv_in(x, form);
        const size_t used = form == 2 ? (SEQS + 2 * ROWS) * WIDTH : ROWS * 3 * WIDTH;
        rs_attention(out, probs, true, in, &s);
        rs_attention_grad(dx + (in.q - x), dx + (in.k - x), dx + (in.v - x), dp, dout, probs, in,
                          &s);
        for (size_t i = 0; i < used; i++) {
            const float old = x[i], up = old + 0.02f, down = old - 0.02f;
            x[i] = up;
            double high = weighted(x, form, dout);
            x[i] = down;
            double low = weighted(x, form, dout);
            x[i] = old;
            double want = (high - low) / ((double)up - (double)down);
            if (!(fabs(want - (double)dx[i]) <= 1e-3))
                fail_msg("form %d, %zu: %g, by differences %g", form, i, (double)dx[i], want);
        }
    }
    rs_free(x); rs_free(dout); rs_free(dx);
}

/* ---- Rows moved about ---------------------------------------------------------------------- */

static void test_patches(void **state)
{
    /* 5 x 5 pixels in 2 x 2 patches: four of them, the rim is left out. */
    float image[3 * 25], out[4 * 12];

    (void)state;
    for (size_t i = 0; i < 3 * 25; i++)
        image[i] = (float)i;
    rs_patches(out, image, 5, 2);
    assert_near("first", out, (const float[]){0, 1, 5, 6, 25, 26, 30, 31, 50, 51, 55, 56}, 12, 0);
    assert_near("second", out + 12, (const float[]){2, 3, 7, 8}, 4, 0);
    assert_near("last", out + 36, (const float[]){12, 13, 17, 18}, 4, 0);
}

static void test_picked_rows(void **state)
{
    const float x[] = {1, 2, 3, 4, 5, 6};
    const size_t row[] = {2, 0, 2};
    float y[6], back[6] = {0};

    (void)state;
    rs_gather(y, x, row, 3, 2);
    assert_near("gather", y, (const float[]){5, 6, 1, 2, 5, 6}, 6, 0);
    rs_scatter_add(back, y, row, 3, 2);
    assert_near("scatter", back, (const float[]){1, 2, 0, 0, 10, 12}, 6, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_slopes),
        cmocka_unit_test(test_simple_rows),
        cmocka_unit_test(test_softmax_grad),
        cmocka_unit_test(test_softmax_edges),
        cmocka_unit_test(test_bias_and_columns),
        cmocka_unit_test(test_few_rows),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_grad),
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_picked_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
