/* test_search.c - whole searches against a naive implementation of every probe, of the
 * filters and of the fusion, on random archives; and what a hit says of itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/alloc.h"
#include "embeddings/half.h"
#include "embeddings/vocab.h"
#include "engine/filter.h"
#include "engine/query.h"

#include <strings.h>

enum { CASES = 60 };

typedef struct { random_case r[CASES]; bool there[CASES]; } world;

/* A random archive and what is in it. Vectors are rounded to fp16, as stored. */
static void make_world(world *w, rs_archive *a, rs_random *rnd, size_t n)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < n; i++) {
        make_case(&w->r[i], rnd, i);
        for (size_t v = 0; v < 6; v++)
            for (size_t k = 0; k < DIM; k++)
                w->r[i].vectors[v][k] = rs_half_to_float(rs_half_from_float(w->r[i].vectors[v][k]));
        w->there[i] = true;
        ok(rs_archive_put(a, &w->r[i].c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
}

/* ---- The naive search ------------------------------------------------ */

/* What must be equal, as far as it is given; both ages inclusive. */
typedef struct {
    const char *modality, *body_part, *sex, *collection, *finding;
    bool        by_age;
    size_t      age_min, age_max;
} narrow;

/* The same as a text, or NULL; in `mem`. */
static const char *text_of(const narrow *f, rs_arena *mem)
{
    const struct { const char *field, *value; } tests[] = {
        {"modality", f->modality}, {"body-part", f->body_part}, {"sex", f->sex},
        {"collection", f->collection}, {"finding", f->finding}};
    rs_buf b = {0};
    const char *text;

    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (tests[i].value)
            rs_filter_add(&b, tests[i].field, tests[i].value);
    if (f->by_age)
        rs_buf_printf(&b, " age:%zu..%zu", f->age_min, f->age_max);
    assert_false(b.failed);
    text = b.len ? rs_arena_strdup(mem, b.data) : NULL;
    rs_buf_clear(&b);
    return text;
}

typedef struct { const rs_case *c; double score; } naive_row;

static int naive_order(const void *a, const void *b)
{
    const naive_row *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(x->c->key, y->c->key);
}

static bool equal(const char *want, const char *have)
{
    return !want || (have && strcasecmp(want, have) == 0);
}

static bool passes(const narrow *f, const rs_case *c)
{
    bool has = !f->finding;

    for (size_t i = 0; i < c->n_findings; i++)
        has |= equal(f->finding, c->findings[i]);
    return has && equal(f->modality, c->modality) && equal(f->body_part, c->body_part) &&
           equal(f->sex, c->sex) && equal(f->collection, c->collection) &&
           (!f->by_age || (c->age_years >= (double)f->age_min &&
                           c->age_years < (double)f->age_max + 1));
}

static double dot(const float *x, const float *y)
{
    double sum = 0;

    for (int i = 0; i < DIM; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* All cases by the weighted mean over the query's vectors of the best of the case's vectors of
 * the kind (3 vectors from `first`); weight NULL: all 1. */
static size_t naive_weighted(const world *w, const narrow *f, const char *not_key, int first,
                             const float *q, const double *weight, size_t n_q,
                             naive_row out[CASES])
{
    size_t n = 0;

    for (size_t i = 0; i < CASES; i++) {
        const rs_case *c = &w->r[i].c;
        size_t have = first ? c->n_passages : c->n_images;
        double score = 0, sum = 0;
        if (!w->there[i] || !passes(f, c) || have == 0 || (not_key && !strcmp(not_key, c->key)))
            continue;
        for (size_t k = 0; k < n_q; k++) {
            const double of = weight ? weight[k] : 1;
            double best = -2;
            for (size_t v = 0; v < have; v++)
                best = fmax(best, dot(q + k * DIM, w->r[i].vectors[(size_t)first + v]));
            score += of * best;
            sum += of > 0 ? of : 0;
        }
        out[n++] = (naive_row){c, score / sum};
    }
    qsort(out, n, sizeof *out, naive_order);
    return n;
}

static size_t naive_vectors(const world *w, const narrow *f, const char *not_key, int first,
                            const float *q, size_t n_q, naive_row out[CASES])
{
    return naive_weighted(w, f, not_key, first, q, NULL, n_q, out);
}

static const rs_found *found_by(const rs_hit *h, rs_probe p)
{
    for (size_t i = 0; i < h->n_found; i++)
        if (h->found[i].probe == p)
            return &h->found[i];
    return NULL;
}

/* The probe's ranks and scores in the result are the naive ones, and every case of the
 * naive ranking is there (k and depth are larger than the archive). */
static void check_probe(const rs_result *res, rs_probe p, const naive_row *rows, size_t n)
{
    size_t seen = 0;

    assert_int_equal(res->found[p], n);
    for (size_t h = 0; h < res->n; h++) {
        const rs_found *f = found_by(&res->hits[h], p);
        if (!f)
            continue;
        seen++;
        assert_in_range(f->rank, 1, n);
        assert_string_equal(res->hits[h].key, rows[f->rank - 1].c->key);
        assert_true(fabs(f->score - rows[f->rank - 1].score) < 1e-5);
    }
    assert_int_equal(seen, n);
}

static double rrf(const rs_query *q, const rs_hit *h)
{
    double sum = 0;

    for (size_t i = 0; i < h->n_found; i++)
        sum += q->weight[h->found[i].probe] / (q->rrf_k + (double)h->found[i].rank);
    return sum;
}

static void check_fusion(const rs_query *q, const rs_result *res)
{
    for (size_t i = 0; i < res->n; i++) {
        const rs_hit *h = &res->hits[i];
        assert_int_equal(h->rank, i + 1);
        assert_true(h->n_found > 0);
        assert_true(fabs(h->score - rrf(q, h)) < 1e-12);
        if (i)
            assert_true(h[-1].score > h->score ||
                        (h[-1].score == h->score && strcmp(h[-1].key, h->key) < 0));
    }
}

/* ---- Tests ----------------------------------------------------------- */

static narrow random_filter(rs_random *rnd)
{
    narrow f = {0};

    if (rs_random_below(rnd, 3) == 0)
        f.modality = pick(rnd, fixture_modality, 3);
    if (rs_random_below(rnd, 3) == 0)
        f.body_part = rs_random_below(rnd, 2) ? "chest" : "Hand";
    if (rs_random_below(rnd, 4) == 0)
        f.sex = "f";
    if (rs_random_below(rnd, 4) == 0)
        f.finding = pick(rnd, fixture_label, 3);
    if (rs_random_below(rnd, 5) == 0)
        f.collection = rs_random_below(rnd, 3) ? "test" : "other";
    f.by_age = rs_random_below(rnd, 3) == 0;
    f.age_min = rs_random_below(rnd, 50);
    f.age_max = f.age_min + rs_random_below(rnd, 50);
    return f;
}

static void check_against_naive(rs_archive *a, const world *w, rs_random *rnd)
{
    rs_query q = rs_query_default();
    float text[DIM], images[2 * DIM];
    naive_row rows[CASES];
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    narrow f;
    size_t n, n_images;

    unit_vector(rnd, text);
    unit_vector(rnd, images);
    unit_vector(rnd, images + DIM);
    q.words_first = false;
    ask_text(&q, "zzz", text);                       /* in no report: BM25 stays out of it */
    n_images = 1 + rs_random_below(rnd, 2);
    ask_images(&q, images, n_images);
    f = random_filter(rnd);
    q.filter = text_of(&f, &mem);
    q.k = q.depth = 1000;
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    n = naive_vectors(w, &f, NULL, 0, text, 1, rows);
    check_probe(&res, RS_PROBE_TEXT_IMAGE, rows, n);
    n = naive_vectors(w, &f, NULL, 3, text, 1, rows);
    check_probe(&res, RS_PROBE_TEXT_PASSAGE, rows, n);
    n = naive_vectors(w, &f, NULL, 0, images, n_images, rows);
    check_probe(&res, RS_PROBE_IMAGE_IMAGE, rows, n);
    n = naive_vectors(w, &f, NULL, 3, images, n_images, rows);
    check_probe(&res, RS_PROBE_IMAGE_PASSAGE, rows, n);
    check_fusion(&q, &res);
    rs_arena_clear(&mem);
}

/* Several images with weights, one perhaps not wanted: late interaction, whole or the head of
 * it. */
static void check_late_interaction(rs_archive *a, const world *w, rs_random *rnd)
{
    rs_query q = rs_query_default();
    float images[4 * DIM];
    double weight[4] = {1};
    const size_t n_images = 2 + rs_random_below(rnd, 3);
    naive_row rows[CASES];
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    narrow f;
    size_t n;

    for (size_t i = 0; i < n_images; i++) {
        unit_vector(rnd, images + i * DIM);
        if (i)
            weight[i] = rs_random_below(rnd, 4) ? 0.25 + rs_random_unit(rnd) : -0.5;
    }
    ask_images(&q, images, n_images);
    for (size_t i = 0; i < n_images; i++)
        q.parts[i].weight = weight[i];
    f = random_filter(rnd);
    q.filter = text_of(&f, &mem);
    n = naive_weighted(w, &f, NULL, 0, images, weight, n_images, rows);
    q.k = q.depth = 1000;
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    check_probe(&res, RS_PROBE_IMAGE_IMAGE, rows, n);
    q.k = q.depth = 1 + rs_random_below(rnd, 8);
    q.weight[RS_PROBE_IMAGE_PASSAGE] = 0;
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    assert_int_equal(res.n, n < q.k ? n : q.k);
    for (size_t i = 0; i < res.n; i++)
        assert_string_equal(res.hits[i].key, rows[i].c->key);
    rs_arena_clear(&mem);
}

static void test_vector_probes_equal_naive(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        rs_random rnd = rs_random_seed(seed);
        world *w = calloc(1, sizeof *w);
        rs_err err = {RS_OK, ""};
        rs_archive *a;
        char dir[64];

        make_folder(dir);
        a = open_writer(dir);
        make_world(w, a, &rnd, CASES);
        for (int i = 0; i < 10; i++)
            check_against_naive(a, w, &rnd);
        if (seed % 2)                      /* from a cache as well as from the catalog */
            ok(rs_archive_rebuild(a, &err), &err);
        for (size_t i = 0; i < CASES; i += 3) {     /* replace some, remove some */
            ok(rs_archive_begin(a, &err), &err);
            if (i % 2) {
                ok(rs_archive_remove(a, w->r[i].key, &w->there[i], &err), &err);
                w->there[i] = false;
            } else {
                make_case(&w->r[i], &rnd, i);
                for (size_t v = 0; v < 6 * DIM; v++)
                    w->r[i].vectors[v / DIM][v % DIM] =
                        rs_half_to_float(rs_half_from_float(w->r[i].vectors[v / DIM][v % DIM]));
                ok(rs_archive_put(a, &w->r[i].c, NULL, &err), &err);
            }
            ok(rs_archive_commit(a, &err), &err);
        }
        for (int i = 0; i < 10; i++)
            check_against_naive(a, w, &rnd);
        ok(rs_archive_verify(a, &err), &err);
        rs_archive_close(a);
        a = open_archive(dir, RS_ARCHIVE_READ);
        for (int i = 0; i < 5; i++) {
            check_against_naive(a, w, &rnd);
            check_late_interaction(a, w, &rnd);
        }
        rs_archive_close(a);
        remove_folder(dir);
        free(w);
    }
}

static bool has_word(const char *text, const char *word)
{
    return text && strstr(text, word);
}

/* Words find just the cases that have them, inside the filter, and -word rules out in
 * every probe. */
static void test_words_and_filters(void **state)
{
    world *w = calloc(1, sizeof *w);
    rs_random rnd = rs_random_seed(7);
    rs_query q = rs_query_default();
    float vector[DIM];
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    make_world(w, a, &rnd, CASES);
    q.k = q.depth = 1000;
    q.words = RS_WORDS_PLAIN;
    for (int round = 0; round < 40; round++) {
        const char *word = pick(&rnd, fixture_words, 12);
        size_t want = 0;
        narrow f;
        q.n_parts = 0;
        ask_text(&q, word, NULL);
        f = random_filter(&rnd);
        q.filter = text_of(&f, &mem);
        ok(rs_search(a, &q, &mem, &res, &err), &err);
        for (size_t i = 0; i < CASES; i++) {
            const rs_case *c = &w->r[i].c;
            bool has = has_word(c->title, word) || has_word(c->report, word);
            for (size_t k = 0; k < c->n_findings; k++)
                has |= has_word(c->findings[k], word);
            want += has && passes(&f, c);
        }
        assert_int_equal(res.n, want);
        for (size_t i = 1; i < res.n; i++)
            assert_true(res.hits[i - 1].found[0].score >= res.hits[i].found[0].score);
    }
    unit_vector(&rnd, vector);
    q.filter = NULL;
    q.n_parts = 0;
    ask_text(&q, "nodule -effusion", vector);
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    assert_true(res.n > 0);
    for (size_t i = 0; i < res.n; i++)
        for (size_t k = 0; k < CASES; k++)
            if (strcmp(w->r[k].key, res.hits[i].key) == 0)
                assert_false(has_word(w->r[k].title, "effusion") ||
                             has_word(w->r[k].report, "effusion"));
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
    free(w);
}

static void test_like_leaves_itself_out(void **state)
{
    world *w = calloc(1, sizeof *w);
    rs_random rnd = rs_random_seed(8);
    rs_query q = rs_query_default();
    naive_row rows[CASES];
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    make_world(w, a, &rnd, CASES);
    q.k = q.depth = 1000;
    q.keep_patients = true;
    for (size_t i = 0; i < CASES; i++) {
        const rs_case *c = &w->r[i].c;
        size_t n;
        q.n_parts = 0;
        rs_query_add(&q)->like = c->key;
        ok(rs_search(a, &q, &mem, &res, &err), &err);
        if (c->n_images) {
            n = naive_vectors(w, &(narrow){0}, c->key, 0, w->r[i].vectors[0], c->n_images, rows);
            check_probe(&res, RS_PROBE_LIKE_IMAGE, rows, n);
        }
        if (c->n_passages) {
            n = naive_vectors(w, &(narrow){0}, c->key, 3, w->r[i].vectors[3], c->n_passages, rows);
            check_probe(&res, RS_PROBE_LIKE_PASSAGE, rows, n);
        }
        for (size_t h = 0; h < res.n; h++)
            assert_string_not_equal(res.hits[h].key, c->key);
    }
    q.parts[0].like = "nobody";
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "nobody"));
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
    free(w);
}

/* A small depth gives the head of the full ranking, whatever the number of images that a
 * case has. */
static void test_depth_is_a_prefix(void **state)
{
    world *w = calloc(1, sizeof *w);
    rs_random rnd = rs_random_seed(9);
    float image[DIM];
    naive_row rows[CASES];
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    make_world(w, a, &rnd, CASES);
    unit_vector(&rnd, image);
    naive_vectors(w, &(narrow){0}, NULL, 0, image, 1, rows);
    for (size_t k = 1; k < 12; k++) {
        rs_query q = rs_query_default();
        ask_images(&q, image, 1);
        q.k = q.depth = k;
        q.weight[RS_PROBE_IMAGE_PASSAGE] = 0;
        ok(rs_search(a, &q, &mem, &res, &err), &err);
        assert_int_equal(res.n, k);
        assert_false(res.ran[RS_PROBE_IMAGE_PASSAGE]);
        for (size_t i = 0; i < k; i++)
            assert_string_equal(res.hits[i].key, rows[i].c->key);
    }
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
    free(w);
}

/* ---- What a hit says ------------------------------------------------- */

static void put_documented(rs_archive *a)
{
    static const char report[] = "HISTORY: cough. FINDINGS: Small left pleural effusion. "
                                 "IMPRESSION: Effusion, likely cardiac.";
    static const float x[DIM] = {1}, y[DIM] = {0, 1}, z[DIM] = {0, 0, 1};
    rs_case_image images[] = {{.path = "/a/1.png", .vector = x}, {.path = "/a/2.png", .vector = y}};
    rs_section sections[] = {{"history", 9, 15}, {"findings", 26, 54}, {"impression", 67, 91}};
    rs_passage passages[] = {
        {.section = "findings", .text = "Small left pleural effusion.", .begin = 26, .end = 54,
         .vector = y},
        {.section = "impression", .text = "Effusion, likely cardiac.", .begin = 67, .end = 92,
         .vector = z}};
    rs_case c = {.key = "one", .title = "Effusion", .report = report, .modality = "CR",
                 .age_years = 61, .images = images, .n_images = 2, .sections = sections,
                 .n_sections = 3, .passages = passages, .n_passages = 2};

    put_one(a, &c);
}

static void test_hit_explains_itself(void **state)
{
    static const float image[DIM] = {0, 1}, text[DIM] = {0, 0, 1};
    rs_query q = rs_query_default();
    const rs_found *f;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_documented(a);
    q.words_first = false;
    ask_text(&q, "left effusions", text);
    ask_images(&q, image, 1);
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    assert_int_equal(res.n, 1);
    assert_string_equal(res.hits[0].title, "Effusion");
    assert_string_equal(res.hits[0].modality, "CR");
    assert_null(res.hits[0].body_part);
    assert_true(res.hits[0].age_years == 61);
    f = found_by(&res.hits[0], RS_PROBE_IMAGE_IMAGE);
    assert_string_equal(f->image, "/a/2.png");
    assert_true(fabs(f->score - 1) < 1e-6);
    f = found_by(&res.hits[0], RS_PROBE_TEXT_PASSAGE);
    assert_string_equal(f->passage->section, "impression");
    assert_null(f->image);
    f = found_by(&res.hits[0], RS_PROBE_BM25);
    assert_string_equal(f->passage->section, "findings");     /* two of the two words */
    assert_int_equal(f->passage->begin, 26);
    assert_int_equal(f->passage->n_matches, 2);
    assert_string_equal(rs_evidence_marked(res.hits[0].snippet, "[", "]", &mem),
                        "Small [left] pleural [effusion].");
    assert_int_equal(res.hits[0].n_found, 5);
    assert_true(fabs(res.hits[0].score - 5.0 / 61) < 1e-12);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* The passage that is shown says what was asked: not the doubt of the history, nor more words
 * that are denied. */
static void test_snippet_says_it(void **state)
{
    static const char report[] = "HISTORY: Rule out pneumothorax. FINDINGS: No pneumothorax. "
                                 "No left effusion. IMPRESSION: Effusion.";
    static const float x[DIM] = {1};
    static const struct { const char *text, *snippet; } table[] = {
        {"no pneumothorax", "No pneumothorax."}, {"left effusion", "Effusion."},
        {"no left effusion", "No left effusion."},
    };
    rs_section sections[] = {{"history", 9, 31}, {"findings", 42, 76}, {"impression", 89, 98}};
    rs_passage passages[] = {
        {.section = "history", .text = "Rule out pneumothorax.", .begin = 9, .end = 31, .vector = x},
        {.section = "findings", .text = "No pneumothorax.", .begin = 42, .end = 58, .vector = x},
        {.section = "findings", .text = "No left effusion.", .begin = 59, .end = 76, .vector = x},
        {.section = "impression", .text = "Effusion.", .begin = 89, .end = 98, .vector = x}};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_one(a, &(rs_case){.key = "one", .title = "film", .report = report, .age_years = -1,
                          .sections = sections, .n_sections = 3, .passages = passages,
                          .n_passages = 4});
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        rs_query q = rs_query_default();
        rs_result res;
        ask_text(&q, table[i].text, NULL);
        ok(rs_search(a, &q, &mem, &res, &err), &err);
        assert_int_equal(res.n, 1);
        assert_string_equal(res.hits[0].snippet->text, table[i].snippet);
    }
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

static void test_bad_queries(void **state)
{
    static const float nan_vector[DIM] = {NAN};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);     /* asks for nothing */
    ask_text(&q, "x", NULL);
    q.k = 0;
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);
    q.k = 10;
    q.weight[RS_PROBE_BM25] = -1;
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "bm25"));
    q = rs_query_default();
    ask_images(&q, nan_vector, 1);
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);
    q = rs_query_default();
    ask_text(&q, "x", NULL);
    q.filter = "age:old";
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "character 5"));
    q.filter = NULL;
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);     /* inside a batch */
    rs_archive_rollback(a);
    ok(rs_search(a, &q, &mem, &res, &err), &err);                      /* an empty archive */
    assert_int_equal(res.n, 0);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- With an encoder ------------------------------------------------- */

/* A random-weight model folder with a vocabulary of bytes. */
static rs_encoder *make_encoder(const char *folder, uint64_t seed)
{
    const rs_dual_config config = {
        .vision = {16, 1, 2, 32, 1e-5f, RS_ACT_GELU, RS_TOWER_CLIP},
        .text = {16, 1, 2, 32, 1e-5f, RS_ACT_GELU, RS_TOWER_CLIP},
        .image_size = 16, .patch_size = 8, .vocab_size = RS_VOCAB_SIZE_MIN, .max_tokens = 32,
        .eos_id = RS_VOCAB_SIZE_MIN - 1, .bos_id = RS_VOCAB_SIZE_MIN - 2, .dim = DIM,
        .logit_scale = 2.6592f};
    rs_random rnd = rs_random_seed(seed);
    rs_encoder *e = NULL;
    rs_dual *m = NULL;
    rs_vocab *v = NULL;
    rs_err err = {RS_OK, ""};

    ok(rs_mkdirs(folder, &err), &err);
    ok(rs_dual_new(&m, &config, &rnd, &err), &err);
    ok(rs_dual_save(m, folder, false, &err), &err);
    rs_dual_close(m);
    ok(rs_vocab_new(&v, &err), &err);
    ok(rs_vocab_train(v, RS_VOCAB_SIZE_MIN, NULL, &err), &err);
    ok(rs_vocab_write(v, folder, &err), &err);
    rs_vocab_free(v);
    ok(rs_encoder_open(&e, folder, &err), &err);
    return e;
}

/* Texts and images are encoded by the query's encoder, which must be the archive's:
 * what was indexed finds itself with a cosine of 1. */
static void test_encoder_of_the_query(void **state)
{
    char dir[64], mine[80], foreign[80], archive[80];
    float x[2 * DIM];
    rs_query q = rs_query_default();
    const char *text = "large mass -left";
    rs_encoder *e, *other;
    rs_image im;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_result res;
    rs_archive *a;

    (void)state;
    make_folder(dir);
    snprintf(mine, sizeof mine, "%s/mine", dir);
    snprintf(foreign, sizeof foreign, "%s/foreign", dir);
    snprintf(archive, sizeof archive, "%s/archive", dir);
    e = make_encoder(mine, 1);
    other = make_encoder(foreign, 2);
    ok(rs_image_new(&im, 20, 18, 1, 8, &err), &err);
    for (size_t i = 0; i < 20 * 18; i++)
        ((uint8_t *)im.pixels)[i] = (uint8_t)(i * 7);
    ok(rs_encoder_images(e, &im, 1, NULL, x, &err), &err);
    ok(rs_encoder_texts(e, &(const char *){"large mass"}, 1, NULL, x + DIM, NULL, &err), &err);
    a = open_archive(archive, RS_ARCHIVE_WRITE);
    ok(rs_archive_bind_encoder(a, &(rs_encoder_identity){rs_encoder_id(e), rs_encoder_name(e),
                                                         mine, rs_encoder_dim(e)}, &err), &err);
    put_one(a, &(rs_case){.key = "it", .age_years = -1, .n_images = 1, .n_passages = 1,
                          .images = &(rs_case_image){.path = "/x", .vector = x},
                          .passages = &(rs_passage){.text = "y", .vector = x + DIM}});
    ask_text(&q, text, NULL);
    rs_query_add(&q)->image = &im;
    q.encoder = e;
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    assert_int_equal(res.n, 1);
    assert_true(found_by(&res.hits[0], RS_PROBE_IMAGE_IMAGE)->score > 0.999);
    assert_true(found_by(&res.hits[0], RS_PROBE_TEXT_PASSAGE)->score > 0.999);
    assert_true(res.ran[RS_PROBE_TEXT_IMAGE] && res.ran[RS_PROBE_IMAGE_PASSAGE]);
    q.encoder = other;
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EMISMATCH);
    assert_non_null(strstr(err.msg, "mine"));
    assert_non_null(strstr(err.msg, "foreign"));
    q.encoder = NULL;
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);     /* images, no encoder */
    q.n_parts = 1;
    ok(rs_search(a, &q, &mem, &res, &err), &err);                      /* words alone */
    assert_true(res.ran[RS_PROBE_BM25] && !res.ran[RS_PROBE_TEXT_IMAGE]);
    rs_image_clear(&im);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    rs_encoder_close(e);
    rs_encoder_close(other);
    remove_folder(dir);
}

/* ---- Other processes' rows ------------------------------------------- */

static size_t hits_for(rs_archive *a, const char *text)
{
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    static const float x[DIM] = {1};
    rs_result res;
    size_t n;

    ask_text(&q, text, NULL);
    ask_images(&q, x, 1);
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    n = res.n;
    rs_arena_clear(&mem);
    return n;
}

static void test_reader_follows_writer(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_archive *writer, *reader;
    bool found;
    char dir[64];

    (void)state;
    make_folder(dir);
    writer = open_archive(dir, RS_ARCHIVE_WRITE);
    reader = open_archive(dir, RS_ARCHIVE_READ);        /* before there is an encoder */
    assert_int_equal(hits_for(reader, "effusion"), 0);
    ok(rs_archive_bind_encoder(writer, &fixture_encoder, &err), &err);
    put_documented(writer);
    assert_int_equal(hits_for(reader, "zzz"), 1);       /* by its image */
    ok(rs_archive_rebuild(writer, &err), &err);
    assert_int_equal(hits_for(reader, "effusion"), 1);
    ok(rs_archive_begin(writer, &err), &err);
    ok(rs_archive_remove(writer, "one", &found, &err), &err);
    assert_true(found);
    assert_int_equal(hits_for(reader, "effusion"), 1);  /* not committed */
    ok(rs_archive_commit(writer, &err), &err);
    assert_int_equal(hits_for(reader, "effusion"), 0);
    put_documented(writer);
    assert_int_equal(hits_for(reader, "effusion"), 1);
    ok(rs_archive_rebuild(writer, &err), &err);
    assert_int_equal(hits_for(reader, "effusion"), 1);
    rs_archive_close(reader);
    rs_archive_close(writer);
    remove_folder(dir);
}

/* ---- Out of memory --------------------------------------------------- */

static rs_status open_and_search(const char *dir, size_t *n, rs_err *err)
{
    static const float x[DIM] = {0, 1};
    rs_query q = rs_query_default();
    rs_archive *a = NULL;
    rs_arena mem = {0};
    rs_result res;
    rs_status st;

    ask_text(&q, "left \"pleural effusion\" -fracture", x);
    ask_images(&q, x, 1);
    q.filter = "modality:CR";
    st = rs_archive_open(&a, dir, RS_ARCHIVE_READ, err);
    if (st == RS_OK)
        st = rs_search(a, &q, &mem, &res, err);
    *n = st == RS_OK ? res.n : 0;
    rs_arena_clear(&mem);
    rs_archive_close(a);
    return st;
}

/* Let the k-th allocation fail, for every k until open and search succeed. */
static void test_out_of_memory(void **state)
{
    rs_err err = {RS_OK, ""};
    size_t n = 0, live;
    rs_status st = RS_ENOMEM;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_documented(a);
    ok(rs_archive_rebuild(a, &err), &err);
    put_documented(a);                     /* so that there is a tail and a tombstone */
    rs_archive_close(a);
    live = rs_alloc_live();
    for (long k = 0; st != RS_OK; k++) {
        assert_true(k < 2000);
        rs_alloc_fail_after(k);
        st = open_and_search(dir, &n, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
    }
    assert_int_equal(n, 1);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_probes_equal_naive),
        cmocka_unit_test(test_words_and_filters),
        cmocka_unit_test(test_like_leaves_itself_out),
        cmocka_unit_test(test_depth_is_a_prefix),
        cmocka_unit_test(test_hit_explains_itself),
        cmocka_unit_test(test_snippet_says_it),
        cmocka_unit_test(test_bad_queries),
        cmocka_unit_test(test_encoder_of_the_query),
        cmocka_unit_test(test_reader_follows_writer),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
