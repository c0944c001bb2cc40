/* test_postings.c - posting lists against arrays, against FTS5 on made reports and queries,
 * and through everything that may happen to an archive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/archive_int.h"
#include "engine/posting_list.h"
#include "engine/text_index_int.h"

/* ---- One list -------------------------------------------------------- */

enum { DOCS = 1000, MAX_COUNT = 9 };

typedef struct { uint32_t doc, length, n, place[MAX_COUNT]; } row;

static size_t make_rows(rs_random *rnd, row *rows, size_t n, bool far)
{
    uint32_t doc = 0;

    for (size_t i = 0; i < n; i++) {
        row *r = &rows[i];
        uint32_t place = 0;
        doc += (uint32_t)(1 + rs_random_below(rnd, rs_random_below(rnd, 50) ? 4 : 70000));
        *r = (row){.doc = doc, .length = (uint32_t)rs_random_below(rnd, far ? 100000 : 60),
                   .n = (uint32_t)(1 + rs_random_below(rnd, rs_random_below(rnd, 4) ? 2 : 9))};
        for (uint32_t k = 0; k < r->n; k++) {
            place += (uint32_t)(1 + rs_random_below(rnd, far && k == 2 ? 1u << 20 : 30));
            if (rs_random_below(rnd, 5) == 0 && RS_PLACE_COLUMN(place) < 8)
                place = RS_PLACE(RS_PLACE_COLUMN(place) + 1, 3);
            r->place[k] = place;
        }
    }
    return n;
}

static void check_row(rs_posting_page *page, uint32_t i, const rs_posting_block *b, const row *r)
{
    uint32_t pair = r->n < RS_POSTING_PAIRS ? r->n : RS_POSTING_PAIRS;
    unsigned columns = 0;

    assert_int_equal(page->doc[i], r->doc);
    assert_int_equal(page->count[i], r->n);
    for (uint32_t k = 0; k < r->n; k++) {
        assert_int_equal(rs_posting_place(page, i, k), r->place[k]);
        columns |= 1u << RS_PLACE_COLUMN(r->place[k]);
    }
    assert_int_equal(page->columns[i], columns);
    assert_true(b->first <= r->doc && r->doc <= b->last && (b->columns & columns) == columns);
    assert_true(r->n <= b->most && b->shortest[pair - 1] <= r->length);
}

/* What goes in comes out, in blocks and tail, and no block exceeds its bounds. */
static void test_lists(void **state)
{
    static row rows[DOCS];
    static rs_posting_page page;
    static rs_posting_cursor cursor;
    rs_random rnd = rs_random_seed(1);

    (void)state;
    for (int round = 0; round < 40; round++) {
        size_t n = make_rows(&rnd, rows, rs_random_below(&rnd, DOCS), round % 3 == 0), at = 0;
        rs_posting_list l = {0};
        for (size_t i = 0; i < n; i++)
            assert_true(rs_posting_add(&l, rows[i].doc, rows[i].length, rows[i].place, rows[i].n));
        assert_int_equal(l.n, n);
        for (size_t part = 0; part < rs_posting_parts(&l); part++) {
            rs_posting_read(&l, part, &page);
            for (uint32_t i = 0; i < page.n; i++)
                check_row(&page, i, rs_posting_part(&l, part), &rows[at++]);
        }
        assert_int_equal(at, n);
        cursor = (rs_posting_cursor){.list = &l};
        for (size_t i = 0; n && i < 200; i++) {
            const row *r = &rows[rs_random_below(&rnd, n)];
            uint32_t beside = r->doc + 1;
            assert_true(rs_posting_goto(&cursor, r->doc));
            assert_int_equal(cursor.page.doc[cursor.i], r->doc);
            assert_int_equal(rs_posting_goto(&cursor, beside),
                             r + 1 < rows + n && r[1].doc == beside);
        }
        assert_true(n == 0 || rs_posting_bytes(&l) > 0);
        rs_posting_clear(&l);
    }
}

/* ---- Made reports ---------------------------------------------------- */

static const char *const things[] = {
    "pneumothorax", "PTX", "pleural effusion", "left effusion", "oedema", "edema", "nodule",
    "lung nodules", "calcified granuloma", "granulomas", "mass", "large mass in the left lung",
    "fracture of the left rib", "rib fractures", "cardiomegaly", "enlarged heart", "heart",
    "spleen",
    "kidney stone", "stone in the left kidney", "left kidney", "atelectasis", "consolidation",
    "ground glass opacity", "opacities", "catheter", "scoliosis", "hiatal hernia", "emphysema",
    "pneumonia", "right", "left", "small", "chronic changes"};
static const char *const frames[] = {
    "There is %s. ", "No %s. ", "Possible %s. ", "The %s is normal. ", "History of %s. ",
    "%s and %s. ", "%s without %s. ", "Compare with %s. ", "Stable %s, %s. ", "%s %s. "};
enum { N_THINGS = sizeof things / sizeof *things, N_FRAMES = sizeof frames / sizeof *frames };

static void add_sentences(rs_random *rnd, size_t n, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(out);
        const char *frame = pick(rnd, frames, N_FRAMES), *at = frame;
        char text[160];
        size_t len = 0;
        for (; *at && len < sizeof text - 40; at++)
            if (*at == '%') {
                const char *thing = pick(rnd, things, N_THINGS);
                memcpy(text + len, thing, strlen(thing));
                len += strlen(thing);
                at++;
            } else {
                text[len++] = *at;
            }
        text[len] = '\0';
        snprintf(out + used, size - used, "%s", text);
    }
}

static void put_reports(rs_archive *a, rs_random *rnd, int from, int to)
{
    static const char *const labels[] = {"Effusion", "Mass"};
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    for (int i = from; i < to; i++) {
        char key[16], title[160], report[2000];
        rs_case c = {.key = key, .title = title, .report = report, .findings = labels,
                     .n_findings = rs_random_below(rnd, 3), .age_years = -1};
        snprintf(key, sizeof key, "c%d", i * 7919 % 10007);
        add_sentences(rnd, rs_random_below(rnd, 2), title, sizeof title);
        add_sentences(rnd, rs_random_below(rnd, 12), report, sizeof report);
        ok(rs_archive_put(a, &c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
}

/* A line of anything that a query may hold. */
static void make_query(rs_random *rnd, char *out, size_t size)
{
    static const char *const operators[] = {
        "", "", "", "", "", "no ", "history of ", "possible ", "-", "findings:", "negated:",
        "report:",
        "-negated:", "normal "};
    size_t n = 1 + rs_random_below(rnd, 4);

    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(out);
        const char *thing = pick(rnd, things, N_THINGS);
        int form = (int)rs_random_below(rnd, 8);
        snprintf(out + used, size - used,
                 form == 0 ? "%s\"%s\" " : form == 1 ? "%s%.4s* " : "%s%s ",
                 pick(rnd, operators, sizeof operators / sizeof *operators), thing);
    }
}

static rs_status rank_restricted(rs_archive *a, const rs_text_query *q, rs_arena *mem,
                                 rs_ranked **out, size_t *n, rs_err *err)
{
    rs_restriction r;
    rs_status st = rs_restriction_make(a, NULL, q->exclude, mem, &r, err);

    return st == RS_OK ? rs_text_index_rank(a->text, q, &r, NULL, 10, mem, out, n, err) : st;
}

/* ---- Against FTS5 ---------------------------------------------------- */

static void rank_as(rs_archive *a, rs_text_mode mode, const rs_text_query *q, const double *w,
                    int64_t not_case, size_t limit, rs_arena *mem, rs_ranked **out, size_t *n)
{
    rs_restriction r;
    rs_err err = {RS_OK, ""};

    ok(rs_restriction_make(a, NULL, q->exclude, mem, &r, &err), &err);
    if (not_case)
        ok(rs_restriction_leave_out(&r, &not_case, 1, mem, &err), &err);
    rs_text_index_mode(a->text, mode);
    ok(rs_text_index_rank(a->text, q, &r, w, limit, mem, out, n, &err), &err);
}

/* The same cases, the same scores to the last bit, in the same order. */
static void compare(rs_archive *a, const char *text, rs_words words, const double *w,
                    int64_t not_case, size_t limit)
{
    rs_ranked *want, *got;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    size_t n, m;
    double worth[2];

    ok(rs_text_query_compile(a->text, text, words, &mem, &q, &err), &err);
    rank_as(a, RS_TEXT_FTS5, &q, w, not_case, limit, &mem, &want, &n);
    assert_false(a->text->by_memory);
    ok(rs_text_query_worth(a->text, &q, &worth[0], &err), &err);
    rank_as(a, RS_TEXT_MEMORY, &q, w, not_case, limit, &mem, &got, &m);
    ok(rs_text_query_worth(a->text, &q, &worth[1], &err), &err);
    assert_true(fabs(worth[0] - worth[1]) <= 0);
    if (!a->text->by_memory && q.match)
        print_error("%s: FTS5 answered\n", text);
    assert_true(a->text->by_memory || !q.match);
    if (m != n)
        print_error("%s: %zu cases, FTS5 %zu\n", text, m, n);
    assert_int_equal(m, n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(got[i].key, want[i].key) != 0 || fabs(got[i].score - want[i].score) > 0)
            print_error("%s: %zu: %s %.17g, FTS5 %s %.17g\n", text, i, got[i].key, got[i].score,
                        want[i].key, want[i].score);
        assert_string_equal(got[i].key, want[i].key);
        assert_true(fabs(got[i].score - want[i].score) <= 0);
    }
    rs_arena_clear(&mem);
}

static void compare_some(rs_archive *a, rs_random *rnd, int rounds)
{
    static const size_t limits[] = {1, 3, 10, 100, 5000};
    rs_err err = {RS_OK, ""};

    ok(rs_db_read_begin(a->db, &err), &err);
    for (int i = 0; i < rounds; i++) {
        double w[RS_TEXT_COUNT];
        char text[400];
        for (int c = 0; c < RS_TEXT_COUNT; c++)
            w[c] = rs_random_range(rnd, 0.1, 3);
        make_query(rnd, text, sizeof text);
        compare(a, text, i % 2 ? RS_WORDS_READ : RS_WORDS_PLAIN, i % 5 == 0 ? w : NULL,
                i % 7 ? 0 : 1 + (int64_t)rs_random_below(rnd, 100), limits[i % 5]);
    }
    rs_db_read_end(a->db);
}

/* Any query over reports that affirm, doubt, negate: after cases were added, replaced and
 * removed, too. */
static void test_equals_fts5(void **state)
{
    const int rounds = getenv("RADSCOUT_SLOW") ? 4000 : 250;
    rs_random rnd = rs_random_seed(31);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64], key[16];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    compare_some(a, &rnd, 20);                   /* an empty archive */
    for (int part = 0; part < 3; part++) {
        put_reports(a, &rnd, part * 300, part * 350 + 400);
        compare_some(a, &rnd, rounds);
        ok(rs_archive_begin(a, &err), &err);
        for (int i = 0; i < 30; i++) {
            snprintf(key, sizeof key, "c%d", (part * 300 + i * 5) * 7919 % 10007);
            ok(rs_archive_remove(a, key, NULL, &err), &err);
        }
        ok(rs_archive_commit(a, &err), &err);
        compare_some(a, &rnd, rounds / 4);
    }
    rs_archive_close(a);
    remove_folder(dir);
}

/* More documents than a window and a block hold, few words: blocks and windows are passed
 * over, and ties are many. */
static void test_large(void **state)
{
    rs_random rnd = rs_random_seed(32);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_archive_begin(a, &err), &err);
    for (int i = 0; i < 9500; i++) {
        char key[16], report[120], rare[16];
        rs_case c = {.key = key, .report = report, .age_years = -1};
        snprintf(key, sizeof key, "%x", (unsigned)i * 2654435761u);
        random_words(&rnd, 2 + rs_random_below(&rnd, 6), report, sizeof report - sizeof rare);
        snprintf(rare, sizeof rare, " w%zu", rs_random_below(&rnd, 4000));
        strcat(report, rare);
        ok(rs_archive_put(a, &c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
    for (int i = 0; i < 60; i++) {
        char words[64], text[100];
        random_words(&rnd, 1 + rs_random_below(&rnd, 3), words, sizeof words);
        snprintf(text, sizeof text, i % 3 ? "%s" : "%s w%zu w1*", words,
                 rs_random_below(&rnd, 4000));
        compare(a, text, i % 4 ? RS_WORDS_PLAIN : RS_WORDS_READ, NULL, 0, i % 2 ? 10 : 100);
    }
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- What may happen to an archive ----------------------------------- */

static size_t found(rs_archive *a, const char *text)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    size_t n;

    ok(rs_text_query_compile(a->text, text, RS_WORDS_PLAIN, &mem, &q, &err), &err);
    rank_as(a, RS_TEXT_MEMORY, &q, NULL, 0, 10, &mem, &got, &n);
    rs_arena_clear(&mem);
    return n;
}

static void put_title(rs_archive *a, const char *key, const char *title)
{
    put_one(a, &(rs_case){.key = key, .title = title, .age_years = -1});
}

/* A reader sees at once what a writer does, case by case, and never what it took back. */
static void test_follows_the_writer(void **state)
{
    rs_random rnd = rs_random_seed(33);
    rs_err err = {RS_OK, ""};
    rs_archive *a, *reader;
    size_t dead;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_reports(a, &rnd, 0, 50);
    reader = open_archive(dir, RS_ARCHIVE_READ);
    assert_int_equal(found(reader, "aardvark"), 0);
    put_title(a, "new", "aardvark");
    assert_int_equal(found(reader, "aardvark"), 1);
    put_title(a, "new", "zebra");                /* as many words, the same row */
    assert_int_equal(found(reader, "aardvark"), 0);
    assert_int_equal(found(reader, "zebra"), 1);
    put_title(a, "new", "aardvark");
    put_title(a, "new", "zebra");
    assert_int_equal(found(reader, "zebra"), 1);
    assert_int_equal(found(a, "zebra"), 1);
    dead = rs_postings_measure(reader->text->postings).dead;
    assert_int_equal(dead, 2);
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_remove(a, "new", NULL, &err), &err);
    assert_int_equal(found(a, "zebra"), 0);      /* in the batch: by FTS5 */
    assert_false(a->text->by_memory);
    rs_archive_rollback(a);
    assert_int_equal(found(a, "zebra"), 1);
    assert_true(a->text->by_memory);
    assert_int_equal(found(reader, "zebra"), 1);
    compare_some(reader, &rnd, 20);
    rs_archive_close(reader);
    rs_archive_close(a);
    remove_folder(dir);
}

/* Reports read by other tables, a log that does not reach back, very many dead, someone who
 * keeps no log: all is made anew. */
static void test_made_anew(void **state)
{
    rs_random rnd = rs_random_seed(34);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_reports(a, &rnd, 0, 1500);
    compare_some(a, &rnd, 10);
    put_reports(a, &rnd, 0, 9);
    compare_some(a, &rnd, 10);
    assert_int_equal(rs_postings_measure(a->text->postings).dead, 9);
    ok(rs_db_exec(a->db, "UPDATE meta SET value = 'others' WHERE key = 'reading'", &err), &err);
    compare_some(a, &rnd, 10);
    assert_int_equal(rs_postings_measure(a->text->postings).dead, 0);
    put_reports(a, &rnd, 0, 9);
    ok(rs_db_exec(a->db, "DELETE FROM case_changes WHERE seq < (SELECT max(seq) FROM case_changes)",
                  &err), &err);
    compare_some(a, &rnd, 10);
    assert_int_equal(rs_postings_measure(a->text->postings).dead, 0);
    put_reports(a, &rnd, 0, 1200);
    compare_some(a, &rnd, 10);
    assert_int_equal(rs_postings_measure(a->text->postings).dead, 1200);
    put_title(a, "one", "zebra");
    compare_some(a, &rnd, 10);
    assert_int_equal(rs_postings_measure(a->text->postings).dead, 0);
    ok(rs_db_exec(a->db, "DELETE FROM case_fts WHERE rowid < 9", &err), &err);
    assert_int_equal(found(a, "heart"), 10);
    assert_false(a->text->by_memory);            /* found out, and thrown away */
    assert_int_equal(found(a, "heart"), 10);
    assert_true(a->text->by_memory);
    compare_some(a, &rnd, 10);
    rs_archive_close(a);
    remove_folder(dir);
}

/* Where FTS5's own counts are wrong, FTS5 answers, and it is tried only twice. */
static void test_damage(void **state)
{
    rs_random rnd = rs_random_seed(35);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64], *path;
    rs_db *db;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_reports(a, &rnd, 0, 50);
    rs_archive_close(a);
    path = rs_path_join(dir, "catalog.db");
    ok(rs_db_open(&db, path, true, &err), &err);
    sqlite3_db_config(rs_db_handle(db), SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    ok(rs_db_exec(db, "UPDATE case_fts_data SET block = x'ff' WHERE id = 1", &err), &err);
    rs_db_close(db);
    a = open_archive(dir, RS_ARCHIVE_READ);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(found(a, "heart"), 10);
        assert_false(a->text->by_memory);
    }
    assert_true(rs_postings_measure(a->text->postings).bytes < 1000);
    rs_archive_close(a);
    rs_free(path);
    remove_folder(dir);
}

/* Made beside queries, after some of them, bit by bit; a beginning of too many words and a
 * filter are FTS5's. */
static void test_auto(void **state)
{
    rs_random rnd = rs_random_seed(36);
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_restriction r;
    rs_filter filter;
    rs_ranked *got;
    rs_archive *a, *reader;
    char dir[64];
    size_t n, rounds = 0;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_reports(a, &rnd, 0, 2500);
    ok(rs_text_query_compile(a->text, "left effusion", RS_WORDS_READ, &mem, &q, &err), &err);
    for (; !a->text->by_memory; rounds++) {
        assert_true(rounds < 5000);
        rank_as(a, RS_TEXT_AUTO, &q, NULL, 0, 10, &mem, &got, &n);
    }
    assert_true(rounds > 4);
    put_title(a, "late", "left effusion");
    rank_as(a, RS_TEXT_AUTO, &q, NULL, 0, 10, &mem, &got, &n);
    assert_true(a->text->by_memory);
    assert_int_equal(rs_postings_cases(a->text->postings), 2501);
    ok(rs_filter_parse("not sex:F", &mem, &filter, &err), &err);
    ok(rs_restriction_make(a, &filter, NULL, &mem, &r, &err), &err);
    ok(rs_text_index_rank(a->text, &q, &r, NULL, 10, &mem, &got, &n, &err), &err);
    assert_true(a->text->by_memory && n == 10);          /* filters are no hindrance */
    reader = open_archive(dir, RS_ARCHIVE_READ);
    ok(rs_archive_warm_words(reader, &err), &err);
    rank_as(reader, RS_TEXT_AUTO, &q, NULL, 0, 10, &mem, &got, &n);
    assert_true(reader->text->by_memory);
    rs_archive_close(reader);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* A bitmap of cases rules out all others. */
static void test_pass(void **state)
{
    rs_random rnd = rs_random_seed(37);
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_reports(a, &rnd, 0, 300);
    assert_int_equal(found(a, "heart"), 10);
    for (int round = 0; round < 20; round++) {
        rs_arena mem = {0};
        rs_top all = {.mem = &mem, .limit = 1000}, some = {.mem = &mem, .limit = 1000};
        uint64_t pass[4];
        size_t k = 0;
        rs_text_query q;
        rs_bm25_phrase phrase = {0, 1, true};
        rs_bm25_group group = {.idf = 2, .wider_idf = 1, .column = {1, 1, 1, 1, 1, 1, 1, 1, 1}};
        rs_bm25_plan plan = {.mean = 30, .phrases = &phrase, .n_phrases = 1, .groups = &group,
                             .n_groups = 1, .b = RS_BM25_B};
        for (size_t i = 0; i < 4; i++)
            pass[i] = rs_random_u64(&rnd);
        ok(rs_text_query_compile(a->text, "heart", RS_WORDS_PLAIN, &mem, &q, &err), &err);
        assert_true(rs_bm25_room(&plan, &mem));
        ok(rs_postings_rank(a->text->postings, &q, &plan, &(rs_postings_scope){0}, &all, &mem,
                            &err), &err);
        ok(rs_postings_rank(a->text->postings, &q, &plan,
                            &(rs_postings_scope){.pass = pass, .n_pass = 200}, &some, &mem, &err),
           &err);
        rs_top_end(&all);
        rs_top_end(&some);
        for (size_t i = 0; i < all.n; i++) {
            int64_t id = all.rows[i].id;
            if (id < 200 && pass[id / 64] >> id % 64 & 1) {
                assert_true(k < some.n);
                assert_int_equal(some.rows[k++].id, id);
            }
        }
        assert_int_equal(k, some.n);
        rs_arena_clear(&mem);
    }
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Memory ---------------------------------------------------------- */

/* Let the k-th allocation fail: an error, or the whole answer by whichever way. */
static void test_out_of_memory(void **state)
{
    rs_random rnd = rs_random_seed(38);
    rs_status st = RS_ENOMEM;
    rs_err err = {RS_OK, ""};
    bool memory = false;
    size_t live;
    char dir[64];

    (void)state;
    make_folder(dir);
    rs_archive_close(open_writer(dir));
    {
        rs_archive *a = open_writer(dir);
        put_reports(a, &rnd, 0, 40);
        rs_archive_close(a);
    }
    live = rs_alloc_live();
    for (long k = 0; !memory; k++) {
        rs_archive *a = open_archive(dir, RS_ARCHIVE_READ);
        rs_arena mem = {0};
        rs_text_query q;
        rs_ranked *got;
        size_t n = 0;
        assert_true(k < 20000);
        rs_text_index_mode(a->text, RS_TEXT_MEMORY);
        ok(rs_text_query_compile(a->text, "left kidney effusion -\"hiatal hernia\" pneu*",
                                 RS_WORDS_READ, &mem, &q, &err), &err);
        rs_alloc_fail_after(k);
        st = rank_restricted(a, &q, &mem, &got, &n, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_ENOMEM || (st == RS_OK && n == 10));
        memory = st == RS_OK && a->text->by_memory;
        if (st != RS_OK) {                       /* and the next one is whole */
            ok(rank_restricted(a, &q, &mem, &got, &n, &err), &err);
            assert_int_equal(n, 10);
        }
        rs_arena_clear(&mem);
        rs_archive_close(a);
        assert_int_equal(rs_alloc_live(), live);
    }
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_equals_fts5),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_follows_the_writer),
        cmocka_unit_test(test_made_anew),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_pass),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
