/* test_dual_fast.c - towers on packed layers: every family against its float parameters
 * in each precision, at any batch, split over threads, without allocating.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dual_fast.h"

#include "base/random.h"
#include "embeddings/bench_encode.h"
#include "embeddings/formula.h"
#include "embeddings/golden.h"

#include <stdlib.h>

static const char *const folders[] = {
    "tests/data/clip_tiny_quick", "tests/data/clip_tiny_gelu", "tests/data/siglip_tiny",
    "tests/data/open_clip_tiny", "tests/data/biomed_tiny",
};
static const char *const goldens[] = {
    "tests/data/towers_quick.safetensors", "tests/data/towers_gelu.safetensors",
    "tests/data/towers_siglip.safetensors", "tests/data/towers_open_clip.safetensors",
    "tests/data/towers_biomed.safetensors",
};
enum { FAMILIES = 5 };

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

static rs_dual_fast *pack(const rs_dual *m, rs_precision p)
{
    rs_dual_fast *f = NULL;
    rs_err err = {0};

    ok(rs_dual_fast_new(&f, m, p, &err), &err);
    assert_int_equal(rs_dual_fast_precision(f), p);
    assert_true(rs_dual_fast_bytes(f) > 0);
    return f;
}

/* What the header promises of each embedding. */
static double promised(rs_precision p)
{
    return p == RS_F32 ? 0.99999 : p == RS_BF16 ? 0.999 : 0.99;
}

static void check(const char *what, rs_precision p, const float *got, const float *want, size_t n,
                  size_t d)
{
    if (p == RS_F32)
        assert_near(what, got, want, n * d, 2e-5 * fmax(1, largest(want, n * d)));
    for (size_t i = 0; i < n; i++)
        if (!(cosine(got + i * d, want + i * d, d) >= promised(p)))
            fail_msg("%s %s, item %zu: cosine %.6f", what, rs_precision_name(p), i,
                     cosine(got + i * d, want + i * d, d));
}

/* Images and texts of the golden files, through the parameters and through packed layers. */
static void test_families(void **state)
{
    (void)state;
    for (size_t k = 0; k < FAMILIES; k++) {
        rs_dual *m = NULL;
        rs_err err = {0};
        ok(rs_dual_open(&m, folders[k], &err), &err);
        rs_tensors *g = golden_open(goldens[k]);
        golden_texts texts = golden_texts_of(g);
        const size_t d = rs_dual_config_of(m)->dim, n = texts.n;
        float *pixels = golden_floats(g, "pixels", NULL);
        float *want = rs_calloc(2 * n * d, sizeof *want), *got = rs_calloc(2 * n * d, sizeof *got);
        rs_tape *tape = rs_tape_new();
        ok(rs_dual_image_forward(m, pixels, n, tape, false, want, &err), &err);
        ok(rs_dual_text_forward(m, texts.ids, texts.length, n, tape, false, want + n * d, &err), &err);
        for (int p = RS_F32; p <= RS_INT8; p++) {
            rs_dual_fast *f = pack(m, (rs_precision)p);
            rs_tape_use(tape, f, NULL);
            ok(rs_dual_image_forward(m, pixels, n, tape, false, got, &err), &err);
            ok(rs_dual_text_forward(m, texts.ids, texts.length, n, tape, false, got + n * d, &err),
               &err);
            check(folders[k], (rs_precision)p, got, want, 2 * n, d);
            rs_tape_use(tape, NULL, NULL);
            rs_dual_fast_free(f);
        }
        rs_tape_free(tape);
        rs_free(pixels); rs_free(want); rs_free(got);
        rs_free(texts.ids); rs_free(texts.length);
        rs_tensors_close(g);
        rs_dual_close(m);
    }
}

/* A model deep enough for errors to add up: twelve layers of random weights. */
static rs_dual *deep(void)
{
    const rs_dual_config c = {
        .vision = {.width = 192, .layers = 12, .heads = 3, .mlp = 768, .eps = 1e-5f},
        .text = {.width = 128, .layers = 12, .heads = 2, .mlp = 512, .eps = 1e-5f},
        .image_size = 64, .patch_size = 16, .vocab_size = 300, .max_tokens = 40,
        .eos_id = 299, .bos_id = 298, .dim = 96, .logit_scale = 2.6592f,
    };
    rs_random r = rs_random_seed(11);
    rs_dual *m = NULL;
    rs_err err = {0};

    ok(rs_dual_new(&m, &c, &r, &err), &err);
    return m;
}

enum { N = 37, DIM = 96, FLOATS = 3 * 64 * 64 };

/* N images and N texts of 2 to 38 tokens by `tape`, all at once or one by one. */
static void encode(const rs_dual *m, rs_tape *tape, bool one_by_one, float *out)
{
    float *pixels = rs_calloc(N, FLOATS * sizeof *pixels);
    int32_t *ids = rs_calloc(N * 40, sizeof *ids);
    size_t length[N], at = 0;
    rs_err err = {0};

    formula(pixels, 2000, (size_t)N * FLOATS, 0, 1);
    for (size_t i = 0; i < N; at += length[i++]) {
        length[i] = 2 + i;
        rs_bench_ids(ids + at, 1, length[i], rs_dual_config_of(m));
    }
    if (!one_by_one) {
        ok(rs_dual_image_forward(m, pixels, N, tape, false, out, &err), &err);
        ok(rs_dual_text_forward(m, ids, length, N, tape, false, out + N * DIM, &err), &err);
    }
    at = 0;
    for (size_t i = 0; i < N && one_by_one; at += length[i++]) {
        ok(rs_dual_image_forward(m, pixels + i * FLOATS, 1, tape, false, out + i * DIM, &err), &err);
        ok(rs_dual_text_forward(m, ids + at, length + i, 1, tape, false, out + (N + i) * DIM, &err),
           &err);
    }
    rs_free(pixels);
    rs_free(ids);
}

/* The same embeddings, whatever was computed beside them. */
static void same(const char *what, rs_precision p, const float *got, const float *want)
{
    if (p != RS_BF16)
        assert_near(what, got, want, 2 * N * DIM, 1e-5 * fmax(1, largest(want, 2 * N * DIM)));
    for (size_t i = 0; i < 2 * N; i++)
        if (!(cosine(got + i * DIM, want + i * DIM, DIM) >= 0.9999))
            fail_msg("%s %s, item %zu: cosine %.6f", what, rs_precision_name(p), i,
                     cosine(got + i * DIM, want + i * DIM, DIM));
}

static void test_batches_and_threads(void **state)
{
    rs_dual *m = deep();
    rs_tape *tape = rs_tape_new();
    static float want[2 * N * DIM], all[2 * N * DIM], one[2 * N * DIM], split[2 * N * DIM];
    rs_pool *pool = NULL;
    rs_err err = {0};

    (void)state;
    ok(rs_pool_new(&pool, 3, &err), &err);
    encode(m, tape, false, want);
    for (int p = RS_F32; p <= RS_INT8; p++) {
        rs_dual_fast *f = pack(m, (rs_precision)p);
        rs_tape_use(tape, f, NULL);
        encode(m, tape, false, all);
        check("deep", (rs_precision)p, all, want, 2 * N, DIM);
        encode(m, tape, true, one);
        same("one by one", (rs_precision)p, one, all);
        rs_tape_use(tape, f, pool);
        encode(m, tape, true, split);
        same("split", (rs_precision)p, split, one);
        rs_tape_use(tape, NULL, NULL);
        rs_dual_fast_free(f);
    }
    rs_pool_free(pool);
    rs_tape_free(tape);
    rs_dual_close(m);
}

/* Training keeps the float parameters, whatever the tape was used for before. */
static void test_keep_takes_no_notice(void **state)
{
    rs_dual *m = deep();
    rs_dual_fast *f = pack(m, RS_INT8);
    rs_tape *tape = rs_tape_new();
    float *pixels = rs_calloc(2, FLOATS * sizeof *pixels), want[2 * DIM], got[2 * DIM];
    rs_err err = {0};

    (void)state;
    formula(pixels, 2000, 2 * FLOATS, 0, 1);
    ok(rs_dual_image_forward(m, pixels, 2, tape, true, want, &err), &err);
    rs_tape_use(tape, f, NULL);
    ok(rs_dual_image_forward(m, pixels, 2, tape, true, got, &err), &err);
    assert_memory_equal(got, want, sizeof got);
    rs_tape_free(tape);
    rs_dual_fast_free(f);
    rs_free(pixels);
    rs_dual_close(m);
}

static void test_memory(void **state)
{
    rs_dual *m = deep();
    rs_tape *tape = rs_tape_new();
    static float out[2 * N * DIM];

    (void)state;
    for (int p = RS_F32; p <= RS_INT8; p += RS_INT8 - RS_F32) {
        const size_t live = rs_alloc_live();
        rs_status st = RS_ENOMEM;
        rs_dual_fast *f = NULL;
        for (long k = 0; st != RS_OK; k += 1 + k / 20) {
            rs_alloc_fail_after(k);
            st = rs_dual_fast_new(&f, m, (rs_precision)p, NULL);
            rs_alloc_fail_after(-1);
            assert_true(st == RS_OK || (st == RS_ENOMEM && !f && rs_alloc_live() == live));
            assert_true(k < 10000);
        }
        rs_tape_use(tape, f, NULL);
        encode(m, tape, false, out);
        const size_t before = rs_alloc_total();
        encode(m, tape, false, out);
        assert_int_equal(rs_alloc_total(), before + 2);   /* encode's own pixels and ids */
        rs_dual_fast_free(f);
        rs_tape_use(tape, NULL, NULL);
    }
    rs_tape_free(tape);
    rs_dual_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_batches_and_threads),
        cmocka_unit_test(test_keep_takes_no_notice),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
