/* test_rebuild.c - the vector indexes of an archive over time: made beside a writer, of the
 * kind that was tuned, measured, and never in the way of finding what there is.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "embeddings/half.h"
#include "engine/archive_int.h"
#include "engine/query.h"
#include "engine/tune.h"

#include <sqlite3.h>

enum { MOST = 1000, QUERIES = 40, K = 10 };

/* What the archive should hold. */
typedef struct {
    char   dir[64], key[MOST][32];
    float  x[MOST][3][DIM];
    size_t images[MOST], n;
    bool   live[MOST];
    rs_random rnd;
    rs_archive *a;
} world;

static void start(world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->rnd = rs_random_seed(seed);
    make_folder(w->dir);
    w->a = open_writer(w->dir);
}

static void end(world *w)
{
    rs_archive_close(w->a);
    remove_folder(w->dir);
}

static void add(world *w, size_t n)
{
    rs_err err = {RS_OK, ""};
    uint16_t half[DIM];
    random_case r;

    ok(rs_archive_begin(w->a, &err), &err);
    for (size_t end_at = w->n + n; w->n < end_at; w->n++) {
        make_case(&r, &w->rnd, w->n);
        ok(rs_archive_put(w->a, &r.c, NULL, &err), &err);
        snprintf(w->key[w->n], sizeof w->key[w->n], "%s", r.key);
        w->images[w->n] = r.c.n_images;
        for (size_t i = 0; i < r.c.n_images; i++) {
            rs_half_pack(half, r.vectors[i], DIM);
            rs_half_unpack(w->x[w->n][i], half, DIM);
        }
        w->live[w->n] = true;
    }
    ok(rs_archive_commit(w->a, &err), &err);
}

static void take_away(world *w, size_t n)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(w->a, &err), &err);
    for (size_t i = 0; i < n; i++) {
        size_t at = rs_random_below(&w->rnd, w->n);
        bool found;
        ok(rs_archive_remove(w->a, w->key[at], &found, &err), &err);
        assert_int_equal(found, w->live[at]);
        w->live[at] = false;
    }
    ok(rs_archive_commit(w->a, &err), &err);
}

/* The case with the largest cosine of those not yet taken. */
static size_t best_of(const world *w, const float *q, bool *taken, double *score)
{
    size_t best = MOST;

    *score = -2;
    for (size_t c = 0; c < w->n; c++)
        for (size_t i = 0; w->live[c] && !taken[c] && i < w->images[c]; i++) {
            double s = 0;
            for (int j = 0; j < DIM; j++)
                s += (double)q[j] * (double)w->x[c][i][j];
            if (s > *score) {
                *score = s;
                best = c;
            }
        }
    return best;
}

/* The share of the K best cases by image that a reader finds. */
static double recall(const world *w, rs_archive *reader)
{
    rs_random rnd = rs_random_seed(9);
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    size_t hits = 0, all = 0;

    for (size_t i = 0; i < QUERIES; i++) {
        rs_query query = rs_query_default();
        bool taken[MOST] = {false};
        rs_result res;
        float q[DIM];
        unit_vector(&rnd, q);
        ask_images(&query, q, 1);
        query.weight[RS_PROBE_IMAGE_PASSAGE] = 0;
        query.depth = query.k = K;
        ok(rs_search(reader, &query, &mem, &res, &err), &err);
        for (size_t k = 0; k < K; k++) {
            double score;
            size_t best = best_of(w, q, taken, &score);
            if (best == MOST)
                break;
            taken[best] = true;
            all++;
            for (size_t h = 0; h < res.n; h++)
                hits += strcmp(res.hits[h].key, w->key[best]) == 0;
        }
        for (size_t h = 0; h < res.n; h++)             /* nothing that is gone */
            for (size_t c = 0; c < w->n; c++)
                assert_false(!w->live[c] && strcmp(res.hits[h].key, w->key[c]) == 0);
    }
    rs_arena_clear(&mem);
    return all ? (double)hits / (double)all : 1;
}

/* What a reader that opens now finds. */
static double recall_now(const world *w)
{
    rs_archive *reader = open_archive(w->dir, RS_ARCHIVE_READ);
    double r = recall(w, reader);

    rs_archive_close(reader);
    return r;
}

/* One text out of the catalog; "" where there is none. */
static void ask(const world *w, const char *sql, char *out, size_t size)
{
    char path[96];
    sqlite3_stmt *s;
    sqlite3 *db;

    out[0] = '\0';
    snprintf(path, sizeof path, "%s/catalog.db", w->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    if (sqlite3_step(s) == SQLITE_ROW)
        snprintf(out, size, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static const char factory_sql[] = "SELECT factory FROM vector_caches WHERE kind = 0";
static const char setting_sql[] = "SELECT value FROM meta WHERE key = 'vectors.image'";
static const char generation_sql[] = "SELECT generation FROM vector_caches WHERE kind = 0";

static void test_flat_by_default(void **state)
{
    rs_err err = {RS_OK, ""};
    char text[96];
    world *w = malloc(sizeof *w);

    (void)state;
    start(w, 1);
    ok(rs_archive_rebuild(w->a, &err), &err);
    ask(w, factory_sql, text, sizeof text);
    assert_string_equal(text, "");                     /* nothing to index yet */
    add(w, 200);
    ok(rs_archive_rebuild(w->a, &err), &err);
    ask(w, factory_sql, text, sizeof text);
    assert_string_equal(text, "IDMap,SQfp16");
    assert_true(recall_now(w) == 1);
    end(w);
    free(w);
}

/* The writer writes and readers read while a generation is made beside them. */
static void test_beside_a_writer(void **state)
{
    rs_err err = {RS_OK, ""};
    world *w = malloc(sizeof *w);
    rs_archive *reader;
    rs_rebuild *job;
    char text[32];

    (void)state;
    start(w, 2);
    add(w, 100);
    reader = open_archive(w->dir, RS_ARCHIVE_READ);
    for (int round = 0; round < 8; round++) {
        ok(rs_archive_rebuild_start(w->a, &job, &err), &err);
        add(w, 10);
        take_away(w, 5);
        assert_true(recall(w, reader) == 1);
        ok(rs_archive_rebuild_end(w->a, job, &err), &err);
        assert_true(recall(w, reader) == 1);
        assert_true(recall(w, w->a) == 1);
        take_away(w, 3);
        assert_true(recall_now(w) == 1);
    }
    ok(rs_archive_rebuild(w->a, &err), &err);
    ok(rs_archive_verify(w->a, &err), &err);
    assert_true(recall(w, reader) == 1);
    ok(rs_archive_rebuild_end(w->a, NULL, &err), &err);
    take_away(w, 2);
    ok(rs_archive_catch_up(w->a, &err), &err);         /* a small one is always current */
    ask(w, "SELECT count(*) FROM tombstones", text, sizeof text);
    assert_string_equal(text, "0");
    rs_archive_close(reader);
    reader = open_archive(w->dir, RS_ARCHIVE_READ);
    assert_int_equal(rs_archive_catch_up(reader, &err), RS_EARG);
    assert_int_equal(rs_archive_rebuild_start(reader, &job, &err), RS_EARG);
    assert_null(job);
    rs_archive_close(reader);
    end(w);
    free(w);
}

/* What was tuned stays: kind and efforts, from generation to generation. */
static void tune_to(rs_index_kind kind)
{
    rs_tune_options o = {.recall = 0.99};
    rs_tune_report report[RS_KINDS];
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    char text[96], want[RS_FACTORY_SIZE];
    world *w = malloc(sizeof *w);
    rs_archive *reader;

    start(w, 3 + (uint64_t)kind);
    add(w, 700);
    reader = open_archive(w->dir, RS_ARCHIVE_READ);
    assert_true(recall(w, reader) == 1);
    o.kinds[kind] = true;
    ok(rs_archive_tune(w->a, &o, &mem, report, &err), &err);
    for (int k = 0; k <= RS_KIND_PASSAGE; k++) {
        const rs_tune_try *t = report[k].tries;
        assert_true(report[k].vectors > 500);
        assert_int_equal(report[k].n, 1);
        assert_true(t->chosen && t->tuned.reached);
        assert_int_equal(t->setting.kind, kind);
        assert_true(t->file_bytes > 0 && t->memory_bytes > 0);
        assert_true(t->tuned.recall[0] >= 0.99 && t->tuned.recall[1] >= 0.99);
        rs_index_factory(&t->setting, want);
        assert_string_equal(t->factory, want);
    }
    ask(w, factory_sql, text, sizeof text);
    rs_index_factory(&report[0].tries->setting, want);
    assert_string_equal(text, want);
    ask(w, setting_sql, text, sizeof text);
    assert_non_null(strstr(text, rs_index_kind_name(kind)));
    assert_non_null(strstr(text, "tuned"));
    assert_true(recall(w, reader) >= 0.99);
    add(w, 30);                                        /* in the tail */
    take_away(w, 100);
    assert_true(recall(w, reader) >= 0.99);
    ok(rs_archive_rebuild(w->a, &err), &err);
    ask(w, factory_sql, text, sizeof text);
    assert_string_equal(text, want);
    ask(w, generation_sql, text, sizeof text);
    assert_string_equal(text, "2");
    assert_true(recall(w, reader) >= 0.99);
    assert_true(recall_now(w) >= 0.99);
    ok(rs_archive_verify(w->a, &err), &err);
    rs_archive_close(reader);
    rs_arena_clear(&mem);
    end(w);
    free(w);
}

static void test_tuned_lists(void **state) { (void)state; tune_to(RS_INDEX_IVF); }
static void test_tuned_bytes(void **state) { (void)state; tune_to(RS_INDEX_SQ8); }
static void test_tuned_graph(void **state) { (void)state; tune_to(RS_INDEX_HNSW); }

/* Left to itself it takes the exact index of a small archive, which answers at once. */
static void test_tune_chooses(void **state)
{
    rs_tune_options o = {.recall = 0.95, .kinds = {true, true, true, true}};
    rs_tune_report report[RS_KINDS];
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    char text[96];
    world *w = malloc(sizeof *w);
    rs_archive *reader;

    (void)state;
    start(w, 11);
    ok(rs_archive_tune(w->a, &o, &mem, report, &err), &err);
    assert_int_equal(report[0].vectors, 0);
    add(w, 300);
    ok(rs_archive_tune(w->a, &o, &mem, report, &err), &err);
    assert_int_equal(report[0].n, RS_INDEX_KINDS);
    assert_true(report[0].tries[0].chosen);
    assert_int_equal(report[0].tries[0].setting.kind, RS_INDEX_FLAT);
    ask(w, setting_sql, text, sizeof text);
    assert_non_null(strstr(text, "flat 0 "));
    assert_true(recall_now(w) == 1);
    o.recall = 1.5;
    assert_int_equal(rs_archive_tune(w->a, &o, &mem, report, &err), RS_EARG);
    reader = open_archive(w->dir, RS_ARCHIVE_READ);
    o.recall = 0.9;
    assert_int_equal(rs_archive_tune(reader, &o, &mem, report, &err), RS_EARG);
    rs_archive_close(reader);
    rs_arena_clear(&mem);
    end(w);
    free(w);
}

/* A setting that makes no sense is no setting. */
static void test_setting_is_not_trusted(void **state)
{
    static const char *const texts[] = {
        "", "ivf", "lsh 5 1 1 0.2 0.99 tuned", "ivf 99999999999999999999 1 1 0 0.99 tuned",
        "ivf 16 0 0 nan 0.99 tuned", "ivf 16 1 1 0.1 7 tuned", "hnsw 3 1 1 0 0.9 auto"};
    rs_err err = {RS_OK, ""};
    char path[96], sql[200];
    world *w = malloc(sizeof *w);

    (void)state;
    start(w, 12);
    add(w, 150);
    snprintf(path, sizeof path, "%s/catalog.db", w->dir);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO meta VALUES('vectors.image', '%s')",
                 texts[i]);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        add(w, 2);
        ok(rs_archive_rebuild(w->a, &err), &err);
        assert_true(recall_now(w) >= 0.99);
    }
    end(w);
    free(w);
}

static void test_out_of_memory(void **state)
{
    rs_tune_options o = {.recall = 0.9, .kinds = {true, false, true, false}};
    rs_tune_report report[RS_KINDS];
    rs_status st = RS_ENOMEM;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    world *w = malloc(sizeof *w);

    (void)state;
    start(w, 13);
    add(w, 60);
    /* Far apart: one tuning allocates thousands of times. */
    for (long k = 0; st != RS_OK; k += 1 + k / 5) {
        size_t live = rs_alloc_live();
        rs_alloc_fail_after(k);
        st = rs_archive_tune(w->a, &o, &mem, report, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_arena_clear(&mem);
        if (k > 100)
            continue;
        assert_true(rs_alloc_live() < live + 200);     /* statements are kept */
        ok(rs_archive_verify(w->a, &err), &err);
    }
    assert_true(recall_now(w) >= 0.9);
    end(w);
    free(w);
}

/* n more images of one case, straight into the tables: what is looked at is the generation. */
static void add_rows(world *w, size_t n)
{
    rs_err err = {RS_OK, ""};

    ok(rs_db_begin(w->a->db, &err), &err);
    for (size_t i = 0; i < n; i++, w->n++) {
        rs_stmt s = rs_db_use(w->a->db, "INSERT INTO images(case_id, ordinal, path, width, height)"
                              " VALUES(1, ?1, '/x', 1, 1)", &err);
        float x[DIM];
        uint16_t half[DIM];
        rs_bind_int(&s, 1, 1000 + (int64_t)w->n);
        ok(rs_run(&s), &err);
        unit_vector(&w->rnd, x);
        rs_half_pack(half, x, DIM);
        s = rs_db_use(w->a->db, "INSERT INTO image_vectors VALUES(last_insert_rowid(), 1, ?1)", &err);
        rs_bind_blob(&s, 1, half, sizeof half);
        ok(rs_run(&s), &err);
    }
    ok(rs_db_commit(w->a->db, &err), &err);
}

static long generation(world *w)
{
    rs_err err = {RS_OK, ""};
    char text[32];

    ok(rs_archive_catch_up(w->a, &err), &err);
    ask(w, generation_sql, text, sizeof text);
    return strtol(text, NULL, 10);
}

/* Up to RS_FLAT_MOST vectors each run of an indexer writes a generation; above, only when a
 * sixteenth has changed, unless one is asked for. */
static void test_large_waits_for_a_sixteenth(void **state)
{
    world *w = malloc(sizeof *w);
    const size_t sixteenth = RS_FLAT_MOST / 16;
    rs_err err = {RS_OK, ""};
    char text[64];

    (void)state;
    start(w, 77);
    put_one(w->a, &(rs_case){.key = "all", .title = "t", .age_years = -1});
    add_rows(w, RS_FLAT_MOST);
    assert_int_equal(generation(w), 1);
    add_rows(w, 1);
    assert_int_equal(generation(w), 2);                /* of another kind now */
    ask(w, factory_sql, text, sizeof text);
    assert_non_null(strstr(text, "IVF"));
    add_rows(w, sixteenth - 1);
    assert_int_equal(generation(w), 2);
    add_rows(w, sixteenth / 8);
    assert_int_equal(generation(w), 3);
    add_rows(w, 1);
    assert_int_equal(generation(w), 3);
    ok(rs_archive_rebuild(w->a, &err), &err);
    assert_int_equal(generation(w), 4);
    end(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_by_default),
        cmocka_unit_test(test_beside_a_writer),
        cmocka_unit_test(test_tuned_lists),
        cmocka_unit_test(test_tuned_bytes),
        cmocka_unit_test(test_tuned_graph),
        cmocka_unit_test(test_tune_chooses),
        cmocka_unit_test(test_setting_is_not_trusted),
        cmocka_unit_test(test_large_waits_for_a_sixteenth),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
