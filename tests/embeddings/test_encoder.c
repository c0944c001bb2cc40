/* test_encoder.c - a model folder as images and texts in, unit vectors out: what it
 * promises about batches, threads, memory and damaged folders.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/encoder.h"

#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/bench_encode.h"
#include "embeddings/formula.h"
#include "embeddings/golden.h"
#include "embeddings/vocab.h"

#include <stdlib.h>

enum { DIM = 24, SIDE = 32, MAX_TOKENS = 60 };
static char folder[] = "/tmp/rs_encoder_XXXXXX";
static int32_t vocab_size;

static const char *const texts[] = {
    "Small right pneumothorax.", "No acute cardiopulmonary abnormality.", "",
    "The heart is normal in size. The lungs are clear. There is no effusion, and there is no "
    "pneumothorax; the bones are intact. The heart is normal in size. The lungs are clear.",
    "lungs", "Heart size: normal", "effusion effusion", "a", "clear lungs", "Opacity.",
};
enum { TEXTS = sizeof texts / sizeof *texts };

/* ---- A folder ------------------------------------------------------------------------------ */

static rs_dual_config config(void)
{
    return (rs_dual_config){
        .vision = {48, 2, 3, 96, 1e-5f, RS_ACT_QUICK_GELU, RS_TOWER_CLIP},
        .text = {32, 2, 2, 64, 1e-5f, RS_ACT_QUICK_GELU, RS_TOWER_CLIP},
        .image_size = SIDE, .patch_size = 8, .vocab_size = (size_t)vocab_size,
        .max_tokens = MAX_TOKENS, .eos_id = vocab_size - 1, .bos_id = vocab_size - 2, .dim = DIM,
        .logit_scale = 2.6592f,
    };
}

static void save(const rs_dual_config *c)
{
    rs_dual *m = NULL;
    rs_err err = {0};

    if (rs_dual_new(&m, c, NULL, &err) != RS_OK)
        fail_msg("%s", err.msg);
    formula_fill_all(m);
    if (rs_dual_save(m, folder, false, &err) != RS_OK)
        fail_msg("%s", err.msg);
    rs_dual_close(m);
}

static int make_folder(void **state)
{
    rs_vocab *v = NULL;
    rs_dual_config c;

    (void)state;
    if (!mkdtemp(folder) || rs_vocab_new(&v, NULL) != RS_OK)
        return -1;
    for (size_t i = 0; i < TEXTS; i++)
        rs_vocab_add(v, texts[i], strlen(texts[i]), NULL);
    if (rs_vocab_train(v, 540, NULL, NULL) != RS_OK || rs_vocab_write(v, folder, NULL) != RS_OK)
        return -1;
    vocab_size = (int32_t)rs_vocab_size(v);
    rs_vocab_free(v);
    c = config();
    save(&c);
    return 0;
}

static int drop_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static rs_encoder *open_encoder(void)
{
    rs_encoder *e = NULL;
    rs_err err = {0};

    if (rs_encoder_open(&e, folder, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return e;
}

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

static void assert_unit_length(const float *x)
{
    double sum = 0;

    for (size_t i = 0; i < DIM; i++)
        sum += (double)x[i] * (double)x[i];
    if (!(fabs(sum - 1) <= 1e-6))
        fail_msg("squared length %.8f", sum);
}

/* n images of different sizes, grey and colour. Caller clears. */
static void make_images(rs_image *im, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const size_t w = 40 + 3 * (i % 5), h = 35 + 7 * (i % 3), channels = i % 2 ? 3 : 1;
        assert_int_equal(rs_image_new(&im[i], w, h, channels, 8, NULL), RS_OK);
        for (size_t k = 0; k < w * h * channels; k++)
            ((uint8_t *)im[i].pixels)[k] = (uint8_t)((k * (i + 3)) % 251);
    }
}

/* ---- What it says of itself ---------------------------------------------------------------- */

static void test_facts(void **state)
{
    rs_encoder *e = open_encoder();

    (void)state;
    assert_int_equal(rs_encoder_dim(e), DIM);
    assert_int_equal(rs_encoder_max_tokens(e), MAX_TOKENS);
    assert_int_equal(strlen(rs_encoder_id(e)), 64);
    assert_string_equal(rs_encoder_name(e), strrchr(folder, '/') + 1);
    assert_int_equal(rs_tokenizer_size(rs_encoder_tokenizer(e)), vocab_size);
    assert_int_equal(rs_encoder_preprocess(e)->crop_width, SIDE);
    assert_int_equal(rs_dual_config_of(rs_encoder_dual(e))->dim, DIM);
    rs_encoder_close(e);
    rs_encoder_close(NULL);
}

/* ---- Images -------------------------------------------------------------------------------- */

/* An image's vector is preprocessing, then the tower, then division by the length. */
static void test_one_image_by_hand(void **state)
{
    rs_encoder *e = open_encoder();
    rs_image im = {0};
    float pixels[3 * SIDE * SIDE], want[DIM], got[DIM];
    rs_tape *tape = rs_tape_new();
    double length = 0;
    rs_err err = {0};

    (void)state;
    make_images(&im, 1);
    ok(rs_preprocess_run(rs_encoder_preprocess(e), &im, pixels, &err), &err);
    ok(rs_dual_image_forward(rs_encoder_dual(e), pixels, 1, tape, false, want, &err), &err);
    for (size_t i = 0; i < DIM; i++)
        length += (double)want[i] * (double)want[i];
    for (size_t i = 0; i < DIM; i++)
        want[i] = (float)((double)want[i] / sqrt(length));
    ok(rs_encoder_images(e, &im, 1, NULL, got, &err), &err);
    assert_near("image", got, want, DIM, 1e-6);
    ok(rs_encoder_pixels(e, pixels, 1, NULL, got, &err), &err);
    assert_near("pixels", got, want, DIM, 1e-6);
    rs_image_clear(&im);
    rs_tape_free(tape);
    rs_encoder_close(e);
}

/* Neither the batch nor the number of threads shows in a vector. */
static void test_images_batches_and_threads(void **state)
{
    enum { N = 70 };
    rs_encoder *e = open_encoder();
    rs_image im[N] = {{0}};
    float all[N * DIM], got[N * DIM];
    rs_err err = {0};

    (void)state;
    make_images(im, N);
    ok(rs_encoder_images(e, im, N, NULL, all, &err), &err);
    for (size_t i = 0; i < N; i++) {
        assert_unit_length(all + i * DIM);
        ok(rs_encoder_images(e, &im[i], 1, NULL, got + i * DIM, &err), &err);
    }
    assert_near("one by one", got, all, N * DIM, 1e-5);
    for (size_t threads = 1; threads <= 5; threads += 2) {
        rs_pool *pool = NULL;
        ok(rs_pool_new(&pool, threads, &err), &err);
        memset(got, 0, sizeof got);
        ok(rs_encoder_images(e, im, N, pool, got, &err), &err);
        assert_near("threads", got, all, N * DIM, 1e-5);
        rs_pool_free(pool);
    }
    ok(rs_encoder_images(e, NULL, 0, NULL, NULL, &err), &err);
    ok(rs_encoder_pixels(e, NULL, 0, NULL, NULL, &err), &err);
    for (size_t i = 0; i < N; i++)
        rs_image_clear(&im[i]);
    rs_encoder_close(e);
}

/* ---- Texts --------------------------------------------------------------------------------- */

static void test_texts_batches_and_threads(void **state)
{
    enum { N = 400 };
    rs_encoder *e = open_encoder();
    const char *many[N];
    float *all = rs_calloc(N * DIM, sizeof *all), *got = rs_calloc(N * DIM, sizeof *got);
    float one[DIM];
    size_t cut = 99;
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++)
        many[i] = texts[i * 7 % TEXTS];
    ok(rs_encoder_texts(e, many, N, NULL, all, &cut, &err), &err);
    assert_int_equal(cut, N / TEXTS);                     /* the long one, each time */
    for (size_t i = 0; i < TEXTS; i++) {
        ok(rs_encoder_texts(e, &many[i], 1, NULL, one, &cut, &err), &err);
        assert_near("one", one, all + i * DIM, DIM, 1e-5);
        assert_int_equal(cut, many[i] == texts[3]);
        assert_unit_length(one);
    }
    for (size_t threads = 1; threads <= 5; threads += 2) {
        rs_pool *pool = NULL;
        ok(rs_pool_new(&pool, threads, &err), &err);
        memset(got, 0, N * DIM * sizeof *got);
        ok(rs_encoder_texts(e, many, N, pool, got, NULL, &err), &err);
        assert_near("threads", got, all, N * DIM, 1e-5);
        rs_pool_free(pool);
    }
    ok(rs_encoder_texts(e, NULL, 0, NULL, NULL, &cut, &err), &err);
    assert_int_equal(cut, 0);
    rs_free(all); rs_free(got);
    rs_encoder_close(e);
}

/* More texts than are tokenised at once. */
static void test_many_texts(void **state)
{
    enum { N = 8192 + 3 };
    rs_encoder *e = open_encoder();
    const char **many = rs_calloc(N, sizeof *many);
    float *all = rs_calloc(N * DIM, sizeof *all), one[DIM];
    size_t cut;
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++)
        many[i] = "a";
    many[N - 1] = texts[3];
    ok(rs_encoder_texts(e, many, N, NULL, all, &cut, &err), &err);
    assert_int_equal(cut, 1);
    ok(rs_encoder_texts(e, many + N - 1, 1, NULL, one, NULL, &err), &err);
    assert_near("last", all + (N - 1) * DIM, one, DIM, 1e-5);
    assert_near("same", all, all + (N - 2) * DIM, DIM, 1e-5);
    rs_free(many); rs_free(all);
    rs_encoder_close(e);
}

/* ---- What goes wrong ----------------------------------------------------------------------- */

static void test_parts_that_do_not_fit(void **state)
{
    rs_dual_config bad[3] = {config(), config(), config()};
    const rs_dual_config good = config();
    static const char *const says[3] = {"vocab_size", "eos_token_id", "image_size"};

    (void)state;
    bad[0].vocab_size--, bad[0].eos_id--, bad[0].bos_id--;
    bad[1].eos_id--;
    char path[100];
    snprintf(path, sizeof path, "%s/preprocessor_config.json", folder);
    for (size_t i = 0; i < 3; i++) {
        rs_encoder *e = NULL;
        rs_err err = {0};
        rs_preprocess p;
        if (i == 2) {
            rs_preprocess_clip(&p, SIDE + 8);
            ok(rs_preprocess_save(&p, path, &err), &err);
        }
        save(&bad[i]);
        assert_int_equal(rs_encoder_open(&e, folder, &err), RS_ECORRUPT);
        assert_null(e);
        if (!strstr(err.msg, says[i]) || !strstr(err.msg, folder))
            fail_msg("row %zu: \"%s\"", i, err.msg);
    }
    remove(path);
    save(&good);
    rs_encoder_close(open_encoder());
}

static void test_no_folder(void **state)
{
    rs_encoder *e = NULL;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_encoder_open(&e, "/nonexistent/model", &err), RS_ENOENT);
    assert_null(e);
    assert_non_null(strstr(err.msg, "/nonexistent/model"));
}

static void test_open_without_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    rs_encoder *e = NULL;
    size_t live = rs_alloc_live();

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_encoder_open(&e, folder, NULL);
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            assert_int_equal(st, RS_ENOMEM);
            assert_null(e);
            assert_int_equal(rs_alloc_live(), live);
        }
        assert_true(k < 5000);
    }
    rs_encoder_close(e);
    assert_int_equal(rs_alloc_live(), live);
}

static void test_encode_without_memory(void **state)
{
    rs_encoder *e = open_encoder();
    rs_image im[3] = {{0}};
    float out[TEXTS * DIM];
    rs_status st;

    (void)state;
    make_images(im, 3);
    for (int kind = 0; kind < 2; kind++) {
        st = RS_ENOMEM;
        for (long k = 0; st != RS_OK; k++) {
            rs_encoder_close(e);                 /* so that no tape rests there */
            e = open_encoder();
            rs_alloc_fail_after(k);
            st = kind ? rs_encoder_texts(e, texts, TEXTS, NULL, out, NULL, NULL)
                      : rs_encoder_images(e, im, 3, NULL, out, NULL);
            rs_alloc_fail_after(-1);
            assert_true(st == RS_OK || st == RS_ENOMEM);
            assert_true(k < 1000);
        }
    }
    for (size_t i = 0; i < 3; i++)
        rs_image_clear(&im[i]);
    rs_encoder_close(e);
}

/* ---- Measuring ----------------------------------------------------------------------------- */

static void on_row(void *ctx, const rs_bench_row *row)
{
    size_t *rows = ctx;

    (*rows)++;
    assert_string_equal(row->model, strrchr(folder, '/') + 1);
    assert_true(strcmp(row->tower, "image") == 0 ? row->tokens == 17
                                                 : row->tokens == 10 || row->tokens == MAX_TOKENS);
    assert_true(row->per_second > 0 && row->ms > 0 && row->gflops > 0 && row->rss_mib > 1);
    assert_near("per_second", &(float){(float)(row->per_second * row->ms / 1e3)},
                &(float){(float)row->batch}, 1, 1e-3);
}

static void test_bench(void **state)
{
    size_t rows = 0;
    rs_err err = {0};
    const rs_bench_request q = {.folder = folder, .threads = 2, .seconds = 0.001, .row = on_row,
                                .ctx = &rows};

    (void)state;
    ok(rs_bench_encode(&q, &err), &err);
    assert_int_equal(rows, 3 * 2 * 9);           /* precisions, 1 and 2 threads, 3 kinds of 3 batches */
    const rs_bench_request none = {.folder = "/nonexistent", .row = on_row, .ctx = &rows};
    assert_int_equal(rs_bench_encode(&none, &err), RS_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_one_image_by_hand),
        cmocka_unit_test(test_images_batches_and_threads),
        cmocka_unit_test(test_texts_batches_and_threads),
        cmocka_unit_test(test_many_texts),
        cmocka_unit_test(test_parts_that_do_not_fit),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_open_without_memory),
        cmocka_unit_test(test_encode_without_memory),
        cmocka_unit_test(test_bench),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
