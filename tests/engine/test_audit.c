/* test_audit.c - an archive of three kinds of cases, with a few planted that are wrong: each is
 * found for what it is, nothing else is, and what was not planted is not flagged.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/audit.h"

enum { CASES = 180, KINDS = 3 };

/* Case i is of kind i % 3: images lie near axis k, reports between the axes k and k + 3. Two cases
 * next to each other of one kind (i, i + 3 for even i / 3) are of one patient. */
static const char *const labels[KINDS] = {"pleural effusion", "fracture", "nodule"};
static const char *const reports[KINDS] = {"There is a pleural effusion.", "There is a fracture.",
                                           "There is a nodule."};
static const char *const modalities[KINDS] = {"CR", "CT", "MR"};

enum {
    LABELS_A = 12, LABELS_B = 25,           /* their labels are exchanged */
    REPORT_A = 42, REPORT_B = 55,           /* their reports */
    NEGATED = 60,                           /* label effusion, report negates it */
    COPY = 72, ORIGINAL = 85,               /* one picture */
    FAR = 90,                               /* a picture like no other */
    RARE = 102                              /* also has a label that nobody else has */
};

typedef struct { bool planted, shifted; } plan;

static void near_axes(rs_random *rnd, size_t a, size_t b, double noise, float x[DIM])
{
    double sum = 0;

    for (size_t k = 0; k < DIM; k++) {
        x[k] = (float)((k == a || k == b ? 1 : 0) + noise * rs_random_normal(rnd));
        sum += (double)x[k] * (double)x[k];
    }
    for (size_t k = 0; k < DIM; k++)
        x[k] = (float)((double)x[k] / sqrt(sum));
}

static const char *digest_of(size_t i, char out[65])
{
    snprintf(out, 65, "%064zx", i);
    return out;
}

static void put_number(rs_archive *a, rs_random *rnd, size_t i, const plan *p)
{
    const size_t kind = i % KINDS;
    size_t label = kind, report = kind;
    float image[DIM], passage[DIM];
    char key[16], path[32], patient[16], sha[65];
    rs_err err = {0};
    const char *findings[2] = {NULL, "hernia"};
    rs_case_image im = {.path = path, .width = 8, .height = 8, .vector = image, .hashed = true,
                        .phash = rs_random_u64(rnd)};
    rs_passage text = {.vector = passage};
    rs_case c = {.key = key, .images = &im, .n_images = 1, .passages = &text, .n_passages = 1,
                 .findings = findings, .n_findings = 1, .modality = modalities[kind],
                 .sex = i / 3 % 2 ? "F" : "M", .age_years = 50, .patient = patient,
                 .attributes = "{\"site\":\"A\"}"};

    if (p->planted && (i == LABELS_A || i == LABELS_B))
        label = (i == LABELS_A ? (size_t)LABELS_B : LABELS_A) % KINDS;
    if (p->planted && (i == REPORT_A || i == REPORT_B))
        report = (i == REPORT_A ? (size_t)REPORT_B : REPORT_A) % KINDS;
    snprintf(key, sizeof key, "c%03zu", i);
    snprintf(path, sizeof path, "/i/%zu.png", i);
    snprintf(patient, sizeof patient, "p%zu-%zu", kind, i / 6);
    near_axes(rnd, kind, kind, 0.05, image);
    near_axes(rnd, report, report + 3, 0.03, passage);
    if (p->shifted && i >= CASES - 40)
        near_axes(rnd, kind, 6, 0.05, image);
    im.sha256 = digest_of(i, sha);
    c.report = reports[report];
    findings[0] = labels[label];
    if (p->planted && i == NEGATED)
        c.report = "There is no pleural effusion.";
    if (p->planted && i == FAR)
        near_axes(rnd, 7, 7, 0, image);
    if (p->planted && i == RARE)
        c.n_findings = 2;
    if (p->planted && (i == COPY || i == ORIGINAL)) {
        rs_random same = rs_random_seed(99);
        near_axes(&same, ORIGINAL % KINDS, ORIGINAL % KINDS, 0.05, image);
        im.sha256 = digest_of(ORIGINAL, sha);
    }
    text.text = c.report;
    text.end = strlen(c.report);
    ok(rs_archive_put(a, &c, NULL, &err), &err);
}

static rs_archive *make_archive(const char *dir, const plan *p, size_t n)
{
    rs_archive *a = open_writer(dir);
    rs_random rnd = rs_random_seed(7);
    rs_err err = {0};

    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < n; i++)
        put_number(a, &rnd, i, p);
    ok(rs_archive_commit(a, &err), &err);
    return a;
}

/* The planted, and the plain of the same size; made once. */
static char folders[3][64];
static rs_archive *archives[3];
enum { PLAIN, PLANTED, SHIFTED };

static rs_audit_options small(void)
{
    rs_audit_options o = rs_audit_default();

    o.since = "last 40";
    o.top = 200;
    return o;
}

static const rs_suspect *suspect(const rs_audit *f, rs_suspect_kind kind, size_t i)
{
    char key[16];

    snprintf(key, sizeof key, "c%03zu", i);
    for (size_t k = 0; k < f->suspects[kind].n; k++)
        if (strcmp(f->suspects[kind].list[k].key, key) == 0)
            return &f->suspects[kind].list[k];
    return NULL;
}

static void test_planted_are_found(void **state)
{
    const rs_audit_options o = small();
    rs_arena mem = {0};
    rs_audit f;
    rs_err err = {0};

    (void)state;
    ok(rs_audit_run(archives[PLANTED], &o, &mem, &f, &err), &err);
    assert_non_null(suspect(&f, RS_SUSPECT_LABELS, LABELS_A));
    assert_non_null(suspect(&f, RS_SUSPECT_LABELS, LABELS_B));
    assert_non_null(strstr(suspect(&f, RS_SUSPECT_LABELS, LABELS_A)->reason,
                           "20 have pleural effusion"));
    assert_non_null(suspect(&f, RS_SUSPECT_LABELS, COPY));      /* the picture is another's */
    assert_non_null(suspect(&f, RS_SUSPECT_REPORT, REPORT_A));
    assert_non_null(suspect(&f, RS_SUSPECT_REPORT, REPORT_B));
    assert_non_null(suspect(&f, RS_SUSPECT_AGREEMENT, REPORT_A));
    assert_non_null(suspect(&f, RS_SUSPECT_AGREEMENT, REPORT_B));
    assert_non_null(suspect(&f, RS_SUSPECT_CONTRADICTION, NEGATED));
    assert_int_equal(f.suspects[RS_SUSPECT_CONTRADICTION].n, 1);
    assert_int_equal(f.suspects[RS_SUSPECT_DUPLICATE].n, 1);
    assert_string_equal(f.suspects[RS_SUSPECT_DUPLICATE].list[0].key, "c085");
    assert_string_equal(f.suspects[RS_SUSPECT_DUPLICATE].list[0].other, "c072");
    assert_in_range(f.suspects[RS_SUSPECT_OUTLIER].n, 1, 4);
    assert_string_equal(f.suspects[RS_SUSPECT_OUTLIER].list[0].key, "c090");
    /* Nobody else: labels 2 and the copy, the far one is nobody's neighbour; reports 2, copy. */
    assert_in_range(f.suspects[RS_SUSPECT_LABELS].all, 3, 5);
    assert_in_range(f.suspects[RS_SUSPECT_REPORT].all, 3, 5);
    for (int k = 0; k < RS_SUSPECTS; k++)
        for (size_t i = 1; i < f.suspects[k].n; i++)
            assert_true(f.suspects[k].list[i - 1].strength >= f.suspects[k].list[i].strength);
    rs_arena_clear(&mem);
}

static void test_nothing_planted(void **state)
{
    const rs_audit_options o = small();
    rs_arena mem = {0};
    rs_audit f;
    rs_err err = {0};

    (void)state;
    ok(rs_audit_run(archives[PLAIN], &o, &mem, &f, &err), &err);
    for (int k = 0; k < RS_SUSPECTS; k++)
        if (f.suspects[k].all > (k == RS_SUSPECT_OUTLIER ? 1 : 0))      /* the odd one by chance */
            fail_msg("%s: %zu, %s", rs_suspect_name((rs_suspect_kind)k), f.suspects[k].all,
                     f.suspects[k].list[0].reason);
    assert_int_equal(f.n_holes, 0);
    for (int i = 0; i < RS_SHIFTS; i++)
        assert_false(f.shifts[i].shifted);
    for (size_t i = 0; i < f.n_groups; i++)
        assert_false(f.groups[i].p < 0.05);
    assert_true(f.precision.mean == 1 && f.ndcg.mean == 1);
    rs_arena_clear(&mem);
}

static void test_coverage_and_holes(void **state)
{
    rs_audit_options o = small();
    rs_arena mem = {0};
    rs_audit f;
    size_t seen = 0;
    rs_err err = {0};

    (void)state;
    o.top = 1;
    ok(rs_audit_run(archives[PLANTED], &o, &mem, &f, &err), &err);
    assert_int_equal(f.census.n_cases, CASES);
    assert_int_equal(f.images, CASES);
    assert_int_equal(f.without_report + f.without_image + f.without_label, 0);
    for (size_t i = 0; i < f.n_groups; i++) {
        const rs_quality_group *g = &f.groups[i];
        if (strcmp(g->facet, "modality") == 0 && strcmp(g->value, "CT") == 0) {
            assert_int_equal(g->cases, 60);
            seen |= 1;
        }
        if (strcmp(g->facet, "site") == 0) {
            assert_string_equal(g->value, "A");
            assert_true(isnan(g->rest));                 /* there are no others */
            seen |= 2;
        }
        if (strcmp(g->facet, "age") == 0) {
            assert_string_equal(g->value, "40-59");
            seen |= 4;
        }
        if (strcmp(g->facet, "finding") == 0 && strcmp(g->value, "hernia") == 0) {
            assert_int_equal(g->cases, 1);
            seen |= 8;
        }
    }
    assert_int_equal(seen, 15);
    assert_int_equal(f.n_holes, 1);
    assert_string_equal(f.holes[0].label, "hernia");
    assert_true(f.holes[0].few && f.holes[0].never);
    assert_int_equal(f.suspects[RS_SUSPECT_LABELS].n, 1);
    assert_in_range(f.suspects[RS_SUSPECT_LABELS].all, 3, 5);
    rs_arena_clear(&mem);
}

static void test_shift(void **state)
{
    rs_audit_options o = small();
    rs_arena mem = {0};
    rs_audit f;
    rs_err err = {0};

    (void)state;
    ok(rs_audit_run(archives[SHIFTED], &o, &mem, &f, &err), &err);
    assert_int_equal(f.newest.n, 40);
    assert_true(f.shifts[0].shifted);                    /* images */
    assert_false(f.shifts[1].shifted);                   /* reports are as they were */
    assert_in_range(f.shifts[0].n_new, 18, 21);          /* patients: 40 cases, mostly in pairs */
    for (int i = 2; i < RS_SHIFTS; i++)
        assert_false(f.shifts[i].shifted);
    rs_arena_clear(&mem);
}

/* What `since` may be. */
static void test_since(void **state)
{
    static const struct { const char *since; size_t n; } good[] = {
        {"last 1", 1}, {"last 1000", CASES}, {"50%", CASES / 2}, {"0.1%", 1}, {"100%", CASES},
        {"1999-01-01", CASES}, {"2999-01-01", 0}, {"2999-01-01T10:00", 0}};
    static const char *const bad[] = {"", "last", "last 0", "last x", "last 1.5", "5", "0%", "101%",
                                      "-5%", "2024", "2024-1-1", "2024-01-01x", "nan%"};
    rs_arena mem = {0};
    rs_census c;
    rs_newest found;
    rs_err err = {0};

    (void)state;
    ok(rs_census_take(archives[PLAIN], &mem, &c, &err), &err);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ok(rs_newest_of(&found, &c, good[i].since, &mem, &err), &err);
        if (found.n != good[i].n)
            fail_msg("'%s': %zu cases, wanted %zu", good[i].since, found.n, good[i].n);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (rs_newest_of(&found, &c, bad[i], &mem, &err) != RS_EARG)
            fail_msg("'%s' was taken", bad[i]);
    rs_arena_clear(&mem);
}

/* One patient in two spellings of a letter is one; a sample takes vectors of its cases alone. */
static void test_census(void **state)
{
    rs_arena mem = {0};
    rs_census c;
    size_t wanted = 0;
    rs_err err = {0};

    (void)state;
    ok(rs_census_take(archives[PLANTED], &mem, &c, &err), &err);
    assert_int_equal(c.n_labels, 4);
    assert_string_equal(c.labels[1], "hernia");
    assert_int_equal(c.n_groups, CASES / 2);
    assert_int_equal(c.cases[0].group, c.cases[3].group);
    assert_int_not_equal(c.cases[0].group, c.cases[6].group);
    assert_ptr_equal(c.cases[0].facet[RS_TRAIT_SEX], c.cases[6].facet[RS_TRAIT_SEX]);
    assert_int_equal(rs_census_shared(&c.cases[0], &c.cases[3]), 1);
    assert_int_equal(rs_census_shared(&c.cases[0], &c.cases[1]), 0);
    ok(rs_census_sample(&c, 10, 3, &err), &err);
    ok(rs_census_vectors(archives[PLANTED], &mem, &c, &err), &err);
    for (size_t i = 0; i < c.n_cases; i++)
        wanted += c.cases[i].wanted;
    assert_int_equal(wanted, 10);
    assert_int_equal(c.n_images, 10);
    assert_int_equal(c.n_passages, 10);
    rs_arena_clear(&mem);
}

/* The same again, and a sample that is smaller. */
static void test_deterministic(void **state)
{
    rs_audit_options o = small();
    rs_arena mem = {0};
    rs_audit f, g;
    rs_err err = {0};

    (void)state;
    o.sample = 100;
    o.queries = 30;
    ok(rs_audit_run(archives[PLANTED], &o, &mem, &f, &err), &err);
    ok(rs_audit_run(archives[PLANTED], &o, &mem, &g, &err), &err);
    assert_int_equal(f.n_asked, 30);
    assert_in_range(f.vicinity.n, 100, CASES);           /* those of the shift are wanted, too */
    assert_int_equal(f.vicinity.n, g.vicinity.n);
    assert_true(f.ndcg.mean <= g.ndcg.mean && f.ndcg.mean >= g.ndcg.mean);
    assert_true(f.shifts[0].p <= g.shifts[0].p && f.shifts[0].p >= g.shifts[0].p);
    for (int k = 0; k < RS_SUSPECTS; k++)
        assert_int_equal(f.suspects[k].all, g.suspects[k].all);
    rs_arena_clear(&mem);
}

/* Nothing there, words alone, one case. */
static void test_little(void **state)
{
    rs_audit_options o = rs_audit_default();
    char dir[64];
    rs_arena mem = {0};
    rs_audit f;
    rs_err err = {0};

    (void)state;
    for (size_t n = 0; n < 4; n++) {
        const plan p = {false, false};
        rs_archive *a;
        make_folder(dir);
        a = make_archive(dir, &p, n);
        ok(rs_audit_run(a, &o, &mem, &f, &err), &err);
        assert_int_equal(f.census.n_cases, n);
        assert_int_equal(f.n_asked, 0);
        assert_true(isnan(f.ndcg.mean));
        rs_archive_close(a);
        remove_folder(dir);
    }
    rs_arena_clear(&mem);
}

static void test_out_of_memory(void **state)
{
    rs_audit_options o = rs_audit_default();
    const plan p = {true, false};
    char dir[64];
    rs_archive *a;
    rs_status st = RS_ENOMEM;
    rs_err err = {0};

    (void)state;
    make_folder(dir);
    a = make_archive(dir, &p, 30);
    for (long k = 0; st != RS_OK; k++) {
        rs_arena mem = {0};
        rs_audit f;
        rs_alloc_fail_after(k);
        st = rs_audit_run(a, &o, &mem, &f, &err);
        rs_alloc_fail_after(-1);
        rs_arena_clear(&mem);
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
    }
    rs_archive_close(a);
    remove_folder(dir);
}

static int set_up(void **state)
{
    static const plan plans[] = {{false, false}, {true, false}, {false, true}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        make_folder(folders[i]);
        archives[i] = make_archive(folders[i], &plans[i], CASES);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        rs_archive_close(archives[i]);
        remove_folder(folders[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted_are_found),
        cmocka_unit_test(test_nothing_planted),
        cmocka_unit_test(test_coverage_and_holes),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_since),
        cmocka_unit_test(test_census),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_little),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
