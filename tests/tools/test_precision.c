/* test_precision.c - what bf16 and int8 keep of the shipped model: each embedding of drawn
 * and of real pictures, and recall on phantoms. `scout_measure --precision` measures the
 * same on the whole of the sets.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/encoder.h"

#include "phantom.h"
#include "scratch.h"

#include <dirent.h>
#include <math.h>

#define SCOUT "data/models/scout-mini"
#define REAL "../shared/data/cxr/images"

/* A drawing takes a twentieth of a second, under sanitizers a quarter. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CASES = 18 };
#else
enum { CASES = 60 };
#endif
enum { REAL_MOST = 24, TOP = 10 };

static const ph_anatomy *const anatomies[] = {&ph_chest, &ph_hand, &ph_knee, &ph_head_ct,
                                              &ph_abdomen_ct, &ph_brain_mr};

static rs_encoder *open_scout(rs_precision p)
{
    rs_encoder *e = NULL;
    rs_err err = {0};

    ok(rs_encoder_open_as(&e, SCOUT, p, &err), &err);
    assert_int_equal(rs_encoder_precision(e), p);
    return e;
}

static double product(const float *a, const float *b, size_t d)
{
    double sum = 0;
    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void check_cosines(const char *what, rs_precision p, const float *got, const float *want,
                          size_t n, size_t d)
{
    const double promised = p == RS_BF16 ? 0.999 : 0.99;

    for (size_t i = 0; i < n; i++)
        if (!(product(got + i * d, want + i * d, d) >= promised))
            fail_msg("%s %zu in %s: cosine %.5f", what, i, rs_precision_name(p),
                     product(got + i * d, want + i * d, d));
}

/* Share of the queries with their own case among the TOP nearest. */
static double recall(const float *from, const float *to, size_t n, size_t d)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++) {
        const double own = product(from + i * d, to + i * d, d);
        size_t better = 0;
        for (size_t k = 0; k < n; k++)
            better += k != i && product(from + i * d, to + k * d, d) >= own;
        found += better < TOP;
    }
    return (double)found / (double)n;
}

/* 0.5 points of R@10, or of a set as small as this one query of either direction. */
static void test_phantoms(void **state)
{
    static rs_image images[CASES];
    static char *captions[CASES];
    size_t d = 0;
    float *all[RS_INT8 + 1] = {NULL};          /* of a precision: images, then texts */
    rs_err err = {0};

    (void)state;
    if (!rs_is_folder(SCOUT)) {
        print_message("skipped: " SCOUT " is absent\n");
        skip();
    }
    for (size_t i = 0; i < CASES; i++) {
        const ph_anatomy *a = anatomies[i % 6];
        rs_random r = rs_random_derive(77, i);
        ph_case c = {.patient = 1000 + i};
        ok(a->draw(&c, (i / 6 * 7 + 1) % a->combinations, &r, &err), &err);
        images[i] = c.images[0];
        captions[i] = rs_strdup(c.caption);
        c.images[0] = (rs_image){0};
        ph_case_clear(&c);
    }
    for (int p = RS_F32; p <= RS_INT8; p++) {
        rs_encoder *e = open_scout((rs_precision)p);
        d = rs_encoder_dim(e);
        all[p] = rs_calloc(2 * CASES, d * sizeof **all);
        ok(rs_encoder_images(e, images, CASES, NULL, all[p], &err), &err);
        ok(rs_encoder_texts(e, (const char *const *)captions, CASES, NULL, all[p] + CASES * d, NULL,
                            &err), &err);
        rs_encoder_close(e);
    }
    for (int p = RS_BF16; p <= RS_INT8; p++) {
        const float *f = all[RS_F32], *q = all[p];
        check_cosines("phantom", (rs_precision)p, q, f, 2 * CASES, d);
        const double before = recall(f + CASES * d, f, CASES, d) + recall(f, f + CASES * d, CASES, d);
        const double after = recall(q + CASES * d, q, CASES, d) + recall(q, q + CASES * d, CASES, d);
        if (before - after > fmax(0.01, 1.001 / CASES))
            fail_msg("%s: R@10 of texts and images fell from %.3f to %.3f",
                     rs_precision_name((rs_precision)p), before / 2, after / 2);
    }
    for (size_t i = 0; i < CASES; i++) {
        rs_image_clear(&images[i]);
        rs_free(captions[i]);
    }
    for (int p = RS_F32; p <= RS_INT8; p++)
        rs_free(all[p]);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The first pictures of the folder, by name. */
static size_t load_real(rs_image *images)
{
    DIR *dir = opendir(REAL);
    char *names[4096];
    const struct dirent *entry;
    size_t n = 0, loaded = 0;

    while (dir && n < 4096 && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            names[n++] = rs_strdup(entry->d_name);
    if (dir)
        closedir(dir);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        char path[600];
        snprintf(path, sizeof path, REAL "/%s", names[i]);
        if (loaded < REAL_MOST && rs_image_load(&images[loaded], path, NULL) == RS_OK)
            loaded++;
        rs_free(names[i]);
    }
    return loaded;
}

static void test_real_pictures(void **state)
{
    rs_image images[REAL_MOST] = {{0}};
    float *want = NULL, *got = NULL;
    rs_err err = {0};
    size_t n;

    (void)state;
    if (!rs_is_folder(SCOUT) || (n = load_real(images)) == 0) {
        print_message("skipped: ../shared/data is absent\n");
        skip();
    }
    for (int p = RS_F32; p <= RS_INT8; p++) {
        rs_encoder *e = open_scout((rs_precision)p);
        const size_t d = rs_encoder_dim(e);
        want = want ? want : rs_calloc(n, d * sizeof *want);
        got = got ? got : rs_calloc(n, d * sizeof *got);
        ok(rs_encoder_images(e, images, n, NULL, p == RS_F32 ? want : got, &err), &err);
        if (p != RS_F32)
            check_cosines("picture", (rs_precision)p, got, want, n, d);
        rs_encoder_close(e);
    }
    for (size_t i = 0; i < n; i++)
        rs_image_clear(&images[i]);
    rs_free(want);
    rs_free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phantoms),
        cmocka_unit_test(test_real_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
