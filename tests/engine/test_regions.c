/* test_regions.c - parts of images in an archive: kept, taken out, found by a box, and by the
 * same order as comparing everything with everything.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/regions.h"

#include "embeddings/half.h"
#include "embeddings/regions.h"
#include "engine/fixture.h"
#include "engine/query.h"
#include "tiny_model.h"

enum { CASES = 60, EACH = 4 };

static char folder[64], model[80];
static rs_encoder *encoder;

static int make_encoder(void **state)
{
    rs_err err = {0};

    (void)state;
    make_folder(folder);
    snprintf(model, sizeof model, "%s/model", folder);
    if (tiny_model_write(model, 11, &err) != RS_OK ||
        rs_encoder_open(&encoder, model, &err) != RS_OK) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

static int drop_encoder(void **state)
{
    (void)state;
    rs_encoder_close(encoder);
    remove_folder(folder);
    return 0;
}

/* ---- An archive --------------------------------------------------------- */

/* Case i: two images of EACH regions, CT where i is even. */
typedef struct {
    char  key[32], path[2][48];
    float image[2][TINY_DIM], region[2][EACH][TINY_DIM];
    rs_region regions[2][EACH];
    rs_case_image images[2];
    rs_case c;
} boxed_case;

static boxed_case cases[CASES];

static void unit(rs_random *rnd, float *x)
{
    double sum = 0;

    for (int i = 0; i < TINY_DIM; i++) {
        x[i] = (float)rs_random_normal(rnd);
        sum += (double)x[i] * (double)x[i];
    }
    for (int i = 0; i < TINY_DIM; i++)
        x[i] = (float)((double)x[i] / sqrt(sum));
}

static void make_boxed(boxed_case *b, rs_random *rnd, size_t i, bool with_regions)
{
    memset(b, 0, sizeof *b);
    snprintf(b->key, sizeof b->key, "case-%02zu", i);
    for (size_t k = 0; k < 2; k++) {
        snprintf(b->path[k], sizeof b->path[k], "/films/%zu-%zu.png", i, k);
        unit(rnd, b->image[k]);
        for (size_t r = 0; r < EACH; r++) {
            const double x = (double)(r % 2) / 2, y = (double)(r / 2) / 2;
            unit(rnd, b->region[k][r]);
            b->regions[k][r] = (rs_region){{x, y, x + 0.5, y + 0.5}, b->region[k][r]};
        }
        b->images[k] = (rs_case_image){.path = b->path[k], .width = 64, .height = 64,
                                       .vector = b->image[k], .regions = b->regions[k],
                                       .n_regions = with_regions ? EACH : 0};
    }
    b->c = (rs_case){.key = b->key, .modality = i % 2 ? "MR" : "CT", .age_years = -1,
                     .images = b->images, .n_images = 2};
}

static rs_archive *open_boxed(const char *dir)
{
    rs_encoder_identity id = {rs_encoder_id(encoder), "tiny", model, TINY_DIM};
    rs_archive *a = open_archive(dir, RS_ARCHIVE_WRITE);
    rs_err err = {0};

    ok(rs_archive_bind_encoder(a, &id, &err), &err);
    return a;
}

static rs_archive *fill(const char *dir, bool with_regions)
{
    rs_random rnd = rs_random_seed(5);
    rs_archive *a = open_boxed(dir);

    for (size_t i = 0; i < CASES; i++) {
        make_boxed(&cases[i], &rnd, i, with_regions);
        put_one(a, &cases[i].c);
    }
    return a;
}

/* ---- Queries ------------------------------------------------------------- */

static void make_picture(rs_image *im, size_t width, size_t height)
{
    rs_random rnd = rs_random_seed(9);
    rs_err err = {0};

    ok(rs_image_new(im, width, height, 1, 8, &err), &err);
    for (size_t i = 0; i < width * height; i++)
        ((uint8_t *)im->pixels)[i] = (uint8_t)rs_random_below(&rnd, 256);
}

static rs_query box_query(const rs_image *im)
{
    rs_query q = rs_query_default();
    rs_query_part *p = rs_query_add(&q);

    p->image = im;
    p->boxed = true;
    memcpy(p->box, (double[]){0.25, 0.5, 0.75, 1}, sizeof p->box);
    q.encoder = encoder;
    q.k = q.depth = CASES;
    q.keep_duplicates = q.keep_patients = true;
    return q;
}

/* Only the region probe. */
static void regions_alone(rs_query *q)
{
    for (int p = 0; p < RS_PROBE_COUNT; p++)
        q->weight[p] = p == RS_PROBE_REGION;
}

static rs_result search(rs_archive *a, const rs_query *q, rs_arena *mem)
{
    rs_result r;
    rs_err err = {0};

    ok(rs_search(a, q, mem, &r, &err), &err);
    return r;
}

/* What the query's box is as a vector. */
static void box_vector(const rs_image *im, const double box[4], float x[TINY_DIM])
{
    static float pixels[3 * TINY_SIDE * TINY_SIDE];
    float whole[TINY_DIM];
    double square[4];
    rs_view v;
    rs_err err = {0};

    ok(rs_preprocess_view(rs_encoder_preprocess(encoder), im->width, im->height, &v, &err), &err);
    ok(rs_region_seen(&v, box, square, &err), &err);
    ok(rs_preprocess_run(rs_encoder_preprocess(encoder), im, pixels, &err), &err);
    ok(rs_encoder_regions(encoder, pixels, 1, square, 1, NULL, whole, x, &err), &err);
}

static double product(const float *q, const float *stored)
{
    uint16_t half[TINY_DIM];
    float y[TINY_DIM];
    double sum = 0;

    rs_half_pack(half, stored, TINY_DIM);
    rs_half_unpack(y, half, TINY_DIM);
    for (int i = 0; i < TINY_DIM; i++)
        sum += (double)q[i] * (double)y[i];
    return sum;
}

/* The case's nearest region. */
static double nearest(const boxed_case *b, const float *q, size_t *image, size_t *region)
{
    double best = -2;

    for (size_t k = 0; k < 2; k++)
        for (size_t r = 0; r < EACH; r++) {
            const double score = product(q, b->region[k][r]);
            if (score > best) {
                best = score;
                *image = k;
                *region = r;
            }
        }
    return best;
}

static const rs_found *by_region(const rs_hit *h)
{
    for (size_t i = 0; i < h->n_found; i++)
        if (h->found[i].probe == RS_PROBE_REGION)
            return &h->found[i];
    return NULL;
}

/* Each hit's score, image and box are those of its nearest region, in order. */
static void check_against_all(const rs_result *r, const float *q, size_t wanted, size_t step)
{
    double before = 2;

    assert_int_equal(r->n, wanted);
    for (size_t i = 0; i < r->n; i++) {
        const size_t at = (size_t)atoi(r->hits[i].key + 5);
        const rs_found *f = by_region(&r->hits[i]);
        size_t image = 0, region = 0;
        const double score = nearest(&cases[at], q, &image, &region);
        assert_non_null(f);
        assert_int_equal(at % step, 0);
        assert_true(fabs(f->score - score) < 1e-4 && score <= before + 1e-4);
        assert_string_equal(f->image, cases[at].path[image]);
        assert_true(f->boxed);
        assert_memory_equal(f->box, cases[at].regions[image][region].box, sizeof f->box);
        before = score;
    }
}

/* ---- Tests --------------------------------------------------------------- */

static void the_order_is_that_of_all_regions(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_image im;
    rs_query q;
    rs_result r;
    float x[TINY_DIM];
    rs_err err = {0};

    (void)state;
    make_folder(dir);
    a = fill(dir, true);
    make_picture(&im, 64, 64);
    q = box_query(&im);
    box_vector(&im, q.parts[0].box, x);
    regions_alone(&q);
    for (int cached = 0; cached < 2; cached++) {
        r = search(a, &q, &mem);
        assert_true(r.ran[RS_PROBE_REGION] && !r.ran[RS_PROBE_IMAGE_IMAGE] && !r.no_regions);
        check_against_all(&r, x, CASES, 1);
        q.filter = "modality:ct";
        r = search(a, &q, &mem);
        check_against_all(&r, x, CASES / 2, 2);
        q.filter = NULL;
        ok(rs_archive_rebuild(a, &err), &err);
    }
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void two_boxes_are_compared_by_late_interaction(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_image im;
    rs_query q;
    rs_result r;
    float x[2][TINY_DIM];

    (void)state;
    make_folder(dir);
    a = fill(dir, true);
    make_picture(&im, 64, 64);
    q = box_query(&im);
    q.parts[1] = q.parts[0];
    q.n_parts = 2;
    memcpy(q.parts[1].box, (double[]){0, 0, 0.3, 0.3}, sizeof q.parts[1].box);
    regions_alone(&q);
    for (int i = 0; i < 2; i++)
        box_vector(&im, q.parts[i].box, x[i]);
    r = search(a, &q, &mem);
    assert_int_equal(r.n, CASES);
    for (size_t i = 0; i < r.n; i++) {
        const boxed_case *b = &cases[atoi(r.hits[i].key + 5)];
        size_t k, n;
        const double want = (nearest(b, x[0], &k, &n) + nearest(b, x[1], &k, &n)) / 2;
        assert_true(fabs(by_region(&r.hits[i])->score - want) < 1e-4);
    }
    rs_archive_close(a);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void a_planted_region_is_found_where_it_is(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_image im;
    rs_query q;
    rs_result r;
    const rs_found *f;
    boxed_case planted;
    rs_random rnd = rs_random_seed(77);
    rs_err err = {0};

    (void)state;
    make_folder(dir);
    a = fill(dir, true);
    make_picture(&im, 64, 64);
    q = box_query(&im);
    make_boxed(&planted, &rnd, 99, true);
    box_vector(&im, q.parts[0].box, planted.region[1][2]);
    put_one(a, &planted.c);
    r = search(a, &q, &mem);
    assert_true(r.ran[RS_PROBE_REGION] && r.ran[RS_PROBE_IMAGE_IMAGE]);
    for (size_t i = 0; i < r.n; i++)
        if (strcmp(r.hits[i].key, "case-99") == 0) {
            assert_non_null(f = by_region(&r.hits[i]));
            assert_int_equal(f->rank, 1);
            assert_true(f->score > 0.999);
            assert_string_equal(f->image, "/films/99-1.png");
            assert_memory_equal(f->box, planted.regions[1][2].box, sizeof f->box);
        }
    /* Taken out, it is found no more. */
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_remove(a, "case-99", NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    regions_alone(&q);
    r = search(a, &q, &mem);
    assert_true(r.n == CASES && by_region(&r.hits[0])->score < 0.999);
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void without_regions_the_image_is_looked_for(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_image im;
    rs_query q, whole;
    rs_result r, of_whole;

    (void)state;
    make_folder(dir);
    a = fill(dir, false);
    make_picture(&im, 64, 64);
    q = box_query(&im);
    whole = q;
    whole.parts[0].boxed = false;
    r = search(a, &q, &mem);
    of_whole = search(a, &whole, &mem);
    assert_true(r.no_regions && !of_whole.no_regions);
    assert_false(r.ran[RS_PROBE_REGION]);
    assert_int_equal(r.n, of_whole.n);
    for (size_t i = 0; i < r.n; i++)
        assert_string_equal(r.hits[i].key, of_whole.hits[i].key);
    rs_archive_close(a);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void an_unwanted_box_pulls_down(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_image im;
    rs_query q;
    rs_result r;
    float x[2][TINY_DIM];

    (void)state;
    make_folder(dir);
    a = fill(dir, true);
    make_picture(&im, 64, 64);
    q = box_query(&im);
    q.parts[1] = q.parts[0];
    q.parts[1].weight = -1;
    q.n_parts = 2;
    memcpy(q.parts[1].box, (double[]){0, 0, 0.3, 0.3}, sizeof q.parts[1].box);
    for (int i = 0; i < 2; i++)
        box_vector(&im, q.parts[i].box, x[i]);
    r = search(a, &q, &mem);
    for (size_t i = 0; i < r.n; i++) {
        const boxed_case *b = &cases[atoi(r.hits[i].key + 5)];
        const rs_found *f = by_region(&r.hits[i]);
        size_t k, n;
        const double want = nearest(b, x[0], &k, &n) - nearest(b, x[1], &k, &n);
        assert_true(!f || fabs(f->score - want) < 1e-4);
    }
    rs_archive_close(a);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void what_makes_no_sense_is_refused(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_image im;
    rs_query q;
    rs_result r;
    rs_err err = {0};

    (void)state;
    make_folder(dir);
    a = fill(dir, true);
    make_picture(&im, 256, 64);                    /* the model looks at the middle */
    q = box_query(&im);
    memcpy(q.parts[0].box, (double[]){0, 0, 0.2, 1}, sizeof q.parts[0].box);
    assert_int_equal(rs_search(a, &q, &mem, &r, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "sees nothing"));
    memcpy(q.parts[0].box, (double[]){0.5, 0, 0.4, 1}, sizeof q.parts[0].box);
    assert_int_equal(rs_search(a, &q, &mem, &r, &err), RS_EARG);
    rs_archive_close(a);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static rs_stats stats_of(rs_archive *a, rs_arena *mem)
{
    rs_stats s;
    rs_err err = {0};

    ok(rs_archive_stats(a, mem, &s, &err), &err);
    return s;
}

static void regions_go_with_their_case(void **state)
{
    static const char *const keys[] = {"case-07"};
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a;
    rs_erasure erasure;
    rs_err err = {0};

    (void)state;
    make_folder(dir);
    a = fill(dir, true);
    ok(rs_archive_rebuild(a, &err), &err);
    assert_int_equal(stats_of(a, &mem).region_vectors, CASES * 2 * EACH);
    assert_int_equal(stats_of(a, &mem).images_with_regions, CASES * 2);
    put_one(a, &cases[3].c);                       /* replaced, not doubled */
    assert_int_equal(stats_of(a, &mem).region_vectors, CASES * 2 * EACH);
    cases[3].images[0].n_regions = 0;
    put_one(a, &cases[3].c);
    assert_int_equal(stats_of(a, &mem).region_vectors, (CASES * 2 - 1) * EACH);
    ok(rs_archive_erase(a, keys, 1, &erasure, &err), &err);
    assert_true(erasure.looked_for >= 2 * 2 * EACH);           /* halves and floats */
    assert_int_equal(stats_of(a, &mem).region_vectors, (CASES * 2 - 3) * EACH);
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void the_choice_is_remembered(void **state)
{
    char dir[64];
    rs_arena mem = {0};
    rs_archive *a, *reader;
    const char *recipe;
    rs_err err = {0};

    (void)state;
    make_folder(dir);
    a = open_boxed(dir);
    ok(rs_archive_regions(a, &mem, &recipe, &err), &err);
    assert_null(recipe);
    ok(rs_archive_set_regions(a, "by halves", &err), &err);
    ok(rs_archive_set_regions(a, "by thirds", &err), &err);
    reader = open_archive(dir, RS_ARCHIVE_READ);
    ok(rs_archive_regions(reader, &mem, &recipe, &err), &err);
    assert_string_equal(recipe, "by thirds");
    assert_int_equal(rs_archive_set_regions(reader, NULL, &err), RS_EARG);
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_archive_set_regions(a, NULL, &err), RS_EARG);
    rs_archive_rollback(a);
    ok(rs_archive_set_regions(a, NULL, &err), &err);
    ok(rs_archive_regions(reader, &mem, &recipe, &err), &err);
    assert_null(recipe);
    rs_archive_close(reader);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_that_of_all_regions),
        cmocka_unit_test(two_boxes_are_compared_by_late_interaction),
        cmocka_unit_test(a_planted_region_is_found_where_it_is),
        cmocka_unit_test(without_regions_the_image_is_looked_for),
        cmocka_unit_test(an_unwanted_box_pulls_down),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(regions_go_with_their_case),
        cmocka_unit_test(the_choice_is_remembered),
    };
    return cmocka_run_group_tests(tests, make_encoder, drop_encoder);
}
