/* test_text_index.c - query lines and what becomes of them, BM25 against its textbook,
 * hostile queries, marks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/archive_int.h"
#include "engine/text_index_int.h"

/* An archive of cases that are nothing but titles. */
static rs_archive *archive_of(char dir[64], const char *const (*rows)[2], size_t n)
{
    rs_archive *a;

    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < n; i++) {
        rs_case c = {.key = rows[i][0], .title = rows[i][1], .age_years = -1};
        put_one(a, &c);
    }
    return a;
}

static void close_archive(rs_archive *a, const char *dir)
{
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Query lines ----------------------------------------------------- */

static void test_compile(void **state)
{
    static const struct { const char *text, *match, *exclude, *plain; } rows[] = {
        {"pleural effusion", "\"pleural\" OR \"effusion\"", NULL, "pleural effusion"},
        {"the effusion of the lung", "\"effusion\" OR \"lung\"", NULL, "the effusion of the lung"},
        {"of the", "\"of\" OR \"the\"", NULL, "of the"},
        {"\"ground glass\" opacity", "\"ground glass\" OR \"opacity\"", NULL,
         "ground glass opacity"},
        {"right-sided", "\"right-sided\"", NULL, "right-sided"},
        {"3.5 cm.", "\"3.5\" OR \"cm\"", NULL, "3.5 cm."},
        {"effus* -left", "\"effus\" *", "\"left\"", "effus"},
        {"mass -\"brain stem\" -left", "\"mass\"", "\"brain stem\" OR \"left\"", "mass"},
        {"- mass", "\"mass\"", NULL, "- mass"},
        {"a AND b OR NOT c", "\"b\" OR \"NOT\" OR \"c\"", NULL, "a AND b OR NOT c"},
        {"title: x", "\"title\" OR \"x\"", NULL, "title: x"},
        {"{title findings}: NEAR(a b, 3)^",
         "\"title\" OR \"findings\" OR \"NEAR\" OR \"b\" OR \"3\"", NULL,
         "{title findings}: NEAR(a b, 3)^"},
        {"50% of C:\\path", "\"50\" OR \"C\" OR \"path\"", NULL, "50% of C:\\path"},
        {"Effusion effusions EFFUSION", "\"Effusion\"", NULL, "Effusion effusions EFFUSION"},
        {"\"unfinished phrase", "\"unfinished phrase\"", NULL, "unfinished phrase"},
        {"!?* \"\" -", NULL, NULL, "!?*  -"},
        {"-only", NULL, "\"only\"", ""},
        {"", NULL, NULL, ""},
        {"\xff\xfelung\x01\xc3", "\"lung\"", NULL, "lung"},
        {"\xc5\x93" "d\xc3\xa8me", "\"\xc5\x93" "d\xc3\xa8me\"", NULL, "\xc5\x93" "d\xc3\xa8me"},
    };
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_archive *a;
    char dir[64];

    (void)state;
    a = archive_of(dir, NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(rs_text_query_compile(a->text, rows[i].text, RS_WORDS_PLAIN, &mem, &q, &err), &err);
        assert_string_equal(q.match ? q.match : "(null)", rows[i].match ? rows[i].match : "(null)");
        assert_string_equal(q.exclude ? q.exclude : "(null)",
                            rows[i].exclude ? rows[i].exclude : "(null)");
        assert_string_equal(q.plain, rows[i].plain);
    }
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* A line that is read: states, columns, operators. Groups as "asked@columns", with how
 * many terms, then what is ruled out. */
static void test_compile_read(void **state)
{
    static const char most[] = "title findings impression uncertain history other labels";
    static const struct { const char *text; size_t n; const char *asked[3], *columns[3];
                          const char *exclude; } rows[] = {
        {"zebra", 1, {"zebra"}, {most}, NULL},
        {"no zebra", 1, {"zebra"}, {"negated"}, NULL},
        {"zebra without stripes", 2, {"zebra", "stripes"}, {most, "negated"}, NULL},
        {"normal zebra", 2, {"normal", "zebra"}, {"normal", "normal"}, NULL},
        {"history of zebra", 1, {"zebra"}, {most}, NULL},
        {"impression:zebra", 1, {"zebra"}, {"impression"}, NULL},
        {"NEGATED:zebra", 1, {"zebra"}, {"negated"}, NULL},
        {"negated:\"white zebra\" report:horse", 2, {"white zebra", "horse"}, {"negated", ""}, NULL},
        {"zebra -horse", 1, {"zebra"}, {most},
         "{title findings impression uncertain labels } : \"horse\""},
        {"zebra -negated:horse", 1, {"zebra"}, {most}, "{negated } : \"horse\""},
        {"title: zebra", 2, {"title", "zebra"}, {most, most}, NULL},
        {"no", 1, {"no"}, {"negated"}, NULL},
        {"possible zebra", 1, {"zebra"}, {most}, NULL},
    };
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_archive *a;
    char dir[64];

    (void)state;
    a = archive_of(dir, NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(rs_text_query_compile(a->text, rows[i].text, RS_WORDS_READ, &mem, &q, &err), &err);
        assert_int_equal(q.n_groups, rows[i].n);
        for (size_t g = 0; g < q.n_groups; g++) {
            rs_buf columns = {0};
            for (int c = 0; c < RS_TEXT_COUNT; c++)
                if (q.groups[g].weight[c] > 0)
                    rs_buf_printf(&columns, "%s%s", columns.len ? " " : "",
                                  rs_text_column_name((rs_text_column)c));
            if (strncmp(q.groups[g].match, "{", 1) != 0)
                columns.len = 0, columns.data[0] = '\0';        /* all of them */
            assert_string_equal(q.groups[g].asked, rows[i].asked[g]);
            assert_string_equal(columns.data, rows[i].columns[g]);
            rs_buf_clear(&columns);
        }
        assert_string_equal(q.exclude ? q.exclude : "(null)",
                            rows[i].exclude ? rows[i].exclude : "(null)");
    }
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* The best 10 of those that have no word which the line rules out. */
static rs_status rank(rs_archive *a, const rs_text_query *q, rs_arena *mem, rs_ranked **out,
                      size_t *n, rs_err *err)
{
    rs_restriction r;
    rs_status st = rs_restriction_make(a, NULL, q->exclude, mem, &r, err);

    return st == RS_OK ? rs_text_index_rank(a->text, q, &r, NULL, 10, mem, out, n, err) : st;
}

/* What a query finds, best first, in an archive of reports that say one thing each. */
static void test_read_finds(void **state)
{
    static const char *const reports[][2] = {
        {"has", "There is a right pneumothorax."},
        {"ptx", "Small apical PTX."},
        {"not", "No pneumothorax or oedema."},
        {"may", "Possible pneumothorax."},
        {"big", "The heart is moderately enlarged."},
        {"fine", "The heart is normal in size."},
        {"wet", "Pulmonary edema and a mass in the left lung. The spleen is large."},
        {"far", "Mass in the spleen. Unrelated words of many kinds stand here. Left hand."},
        {"x1", "Hand."}, {"x2", "Knee."}, {"x3", "Foot."}, {"x4", "Hip."}, {"x5", "Elbow."}};
    static const struct { const char *query, *want; } rows[] = {
        {"pneumothorax", "has may ptx "},
        {"no pneumothorax", "not "},
        {"cardiomegaly", "big "},
        {"normal heart", "fine "},
        {"pulmonary oedema", "wet "},
        {"left mass", "wet far "},
        {"pneumothorax -right", "may ptx "},
        {"pneumothorax -edema", "has may ptx "},
        {"negated:pneumothorax", "not "},
        {"report:pneumothorax", "may not has "},
        {"\"ptx\"", "ptx "},
        {"cardiomeg*", ""},
    };
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_archive *a;
    char dir[64];

    (void)state;
    a = archive_of(dir, NULL, 0);
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        put_one(a, &(rs_case){.key = reports[i][0], .report = reports[i][1], .age_years = -1});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_buf got = {0};
        rs_ranked *list;
        size_t n;
        ok(rs_text_query_compile(a->text, rows[i].query, RS_WORDS_READ, &mem, &q, &err), &err);
        ok(rank(a, &q, &mem, &list, &n, &err), &err);
        rs_buf_puts(&got, "");
        for (size_t k = 0; k < n; k++)
            rs_buf_printf(&got, "%s ", list[k].key);
        assert_string_equal(got.data ? got.data : "", rows[i].want);
        rs_buf_clear(&got);
    }
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* A whole report as a query is read up to its limits. */
static void test_long_query(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_buf b = {0};
    rs_archive *a;
    rs_ranked *rows;
    char dir[64];
    size_t n;

    (void)state;
    a = archive_of(dir, NULL, 0);
    for (int i = 0; i < 20000; i++)
        rs_buf_printf(&b, "w%d ", i);
    ok(rs_text_query_compile(a->text, b.data, RS_WORDS_PLAIN, &mem, &q, &err), &err);
    assert_int_equal(q.n, RS_QUERY_MAX_TERMS);
    assert_true(strlen(q.plain) <= RS_QUERY_MAX_BYTES);
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &rows, &n, &err),
       &err);
    rs_buf_clear(&b);
    for (int i = 0; i < 300; i++)              /* words with many names */
        rs_buf_printf(&b, "%s%d heart catheter device opacity lung fracture mass %d ",
                      i % 2 ? "no " : "", i, i);
    ok(rs_text_query_compile(a->text, b.data, RS_WORDS_READ, &mem, &q, &err), &err);
    assert_true(q.n_groups <= RS_QUERY_MAX_TERMS && q.n <= RS_QUERY_MAX_PHRASES + 64);
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &rows, &n, &err),
       &err);
    rs_buf_clear(&b);
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* ---- BM25 ------------------------------------------------------------ */

static const char *const five[][2] = {
    {"A", "pleural effusion"}, {"B", "effusion, effusion; large"}, {"C", "normal heart"},
    {"D", "large heart failure"}, {"E", "clear"}};

/* N = 5 cases, 11 words, mean length 2.2; k1 = 1.2, b = 0.75;
 * idf(effusion) = idf(large) = ln((5 - 2 + 0.5) / (2 + 0.5)) = 0.336472,
 * idf(pleural) = ln(4.5 / 1.5) = 1.098612;
 * tf(A, 1 of 2 words) = 2.2 / (1 + 1.2 (0.25 + 0.75 * 2 / 2.2)) = 1.038627 ... */
static void test_bm25_is_the_textbook(void **state)
{
    static const struct { const char *text; size_t n; const char *key[3]; double score[3]; }
    rows[] = {
        {"effusion", 2, {"B", "A"}, {0.419723099, 0.349469018}},
        {"Large effusions", 3, {"B", "A", "D"}, {0.712623392, 0.349469018, 0.292900292}},
        {"pleural large", 3, {"A", "B", "D"}, {1.141047956, 0.292900292, 0.292900292}},
        {"spleen", 0, {NULL}, {0}},
    };
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    rs_archive *a;
    char dir[64];
    size_t n;

    (void)state;
    a = archive_of(dir, five, 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(rs_text_query_compile(a->text, rows[i].text, RS_WORDS_PLAIN, &mem, &q, &err), &err);
        ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &got, &n, &err),
           &err);
        assert_int_equal(n, rows[i].n);
        for (size_t k = 0; k < n; k++) {
            assert_string_equal(got[k].key, rows[i].key[k]);
            assert_true(fabs(got[k].score - rows[i].score[k]) < 1e-8);
        }
    }
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* Sections are searched in their columns, and a column counts by its weight. */
static void test_columns(void **state)
{
    static const char report[] = "loose ends. IMPRESSION: nodule here. HISTORY: nodule there.";
    static const rs_section sections[] = {{"Impression", 24, 36}, {"HISTORY", 46, 59}};
    static const struct { rs_text_column heavy; const char *first; } rows[] = {
        {RS_TEXT_IMPRESSION, "report"}, {RS_TEXT_TITLE, "title"}, {RS_TEXT_LABELS, "label"}};
    static const char *const labels[] = {"Nodule"};
    rs_case by_report = {.key = "report", .report = report, .sections = sections,
                         .n_sections = 2, .age_years = -1};
    rs_case by_title = {.key = "title", .title = "a nodule", .age_years = -1};
    rs_case by_label = {.key = "label", .findings = labels, .n_findings = 1, .age_years = -1};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    rs_archive *a;
    char dir[64];
    size_t n;

    (void)state;
    a = archive_of(dir, five, 5);
    put_one(a, &by_report);
    put_one(a, &by_title);
    put_one(a, &by_label);
    ok(rs_text_query_compile(a->text, "nodule", RS_WORDS_PLAIN, &mem, &q, &err), &err);
    for (size_t i = 0; i < 3; i++) {
        double weights[RS_TEXT_COUNT] = {.1, .1, .1, .1, .1, .1, .1, .1, .1};
        weights[rows[i].heavy] = 10;
        ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, weights, 10, &mem, &got, &n,
                              &err), &err);
        assert_int_equal(n, 3);
        assert_string_equal(got[0].key, rows[i].first);
    }
    ok(rs_text_query_compile(a->text, "loose", RS_WORDS_PLAIN, &mem, &q, &err), &err);    /* in no section */
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &got, &n, &err),
       &err);
    assert_int_equal(n, 1);
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* A replaced case is found by its new words only, a removed one by none. */
static void test_words_go_with_the_case(void **state)
{
    static const struct { const char *word; size_t n; } rows[] = {
        {"effusion", 1}, {"spleen", 1}, {"clear", 0}, {"heart", 2}};
    rs_case c = {.key = "A", .title = "spleen", .age_years = -1};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    rs_archive *a;
    char dir[64];
    size_t n;

    (void)state;
    a = archive_of(dir, five, 5);
    put_one(a, &c);
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_remove(a, "E", NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(rs_text_query_compile(a->text, rows[i].word, RS_WORDS_PLAIN, &mem, &q, &err), &err);
        ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, 10, &mem, &got, &n, &err),
           &err);
        assert_int_equal(n, rows[i].n);
    }
    ok(rs_archive_verify(a, &err), &err);
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* ---- Hostile queries ------------------------------------------------- */

static void hostile(rs_random *rnd, char *out, size_t max)
{
    static const char *const bits[] = {
        "\"", "'", "*", "-", "+", "(", ")", "^", ":", "{", "}", ",", " ", " AND ", " OR ", " NOT ",
        "NEAR(", "title", "negated:", "no ", "-", "heart", "effusion", "\xc3\xa9", "\xcc\x81", "\xf0\x9f\xab\x81",
        "\xe2\x80\x99",
        "0", "3.5", ";",
        "--", "/*", "\\", "%", "?1", "\xef\xbf\xbf", "\xed\xa0\x80"};
    size_t n = rs_random_below(rnd, 13), used = 0;

    for (size_t i = 0; i < n; i++) {
        char byte[2] = {(char)(1 + rs_random_below(rnd, 255)), '\0'};
        const char *bit = rs_random_below(rnd, 3)
                        ? bits[rs_random_below(rnd, sizeof bits / sizeof *bits)] : byte;
        size_t len = strlen(bit);
        if (used + len >= max)
            break;
        memcpy(out + used, bit, len);
        used += len;
    }
    out[used] = '\0';
}

/* 100,000 lines of operators, halves of characters and noise: no SQL error, ever. */
static void test_any_bytes_are_a_query(void **state)
{
    rs_random rnd = rs_random_seed(11);
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_ranked *got;
    rs_archive *a;
    char dir[64], text[128];
    size_t n, hits = 0;
    const int rounds = getenv("RADSCOUT_SLOW") ? 1000000 : 100000;

    (void)state;
    a = archive_of(dir, five, 5);
    ok(rs_db_read_begin(a->db, &err), &err);
    for (int i = 0; i < rounds; i++) {
        hostile(&rnd, text, sizeof text);
        ok(rs_text_query_compile(a->text, text, i % 20 ? RS_WORDS_PLAIN : RS_WORDS_READ, &mem, &q,
                                 &err), &err);
        ok(rank(a, &q, &mem, &got, &n, &err), &err);
        hits += n;
        rs_arena_reset(&mem);
    }
    rs_db_read_end(a->db);
    assert_true(hits > 10000);              /* they were queries, not all empty */
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* ---- Marks ----------------------------------------------------------- */

static void test_marks(void **state)
{
    static const struct { const char *query, *text, *marked; size_t distinct; } rows[] = {
        {"effusions left", "Left effusion. No effusion right.",
         "[Left] [effusion]. No [effusion] right.", 2},
        {"\"pleural effusion\"", "pleural thickening, pleural effusion",
         "pleural thickening, [pleural effusion]", 1},
        {"pneumo*", "Pneumonia or pneumothorax", "[Pneumonia] or [pneumothorax]", 1},
        {"left \"left lung\"", "left lung left", "[left lung] [left]", 2},
        {"\"a b\" \"b c\"", "a b c", "[a b c]", 2},
        {"oedeme", "\xc5\x93" "d\xc3\xa8me et d\xc3\xa9g\xc3\xa2t",
         "\xc5\x93" "d\xc3\xa8me et d\xc3\xa9g\xc3\xa2t", 0},
        {"degat", "\xc5\x93" "d\xc3\xa8me et d\xc3\xa9g\xc3\xa2t",
         "\xc5\x93" "d\xc3\xa8me et [d\xc3\xa9g\xc3\xa2t]", 1},
        {"spleen", "", "", 0},
        {"-left lung", "left lung", "left [lung]", 1},
    };
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_text_query q;
    rs_archive *a;
    char dir[64];

    (void)state;
    a = archive_of(dir, NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_evidence e = {.text = rows[i].text};
        rs_span *spans;
        size_t distinct;
        ok(rs_text_query_compile(a->text, rows[i].query, RS_WORDS_PLAIN, &mem, &q, &err), &err);
        ok(rs_text_query_spans(a->text, &q, e.text, &mem, &spans, &e.n_matches, &distinct, &err),
           &err);
        e.matches = spans;
        assert_string_equal(rs_evidence_marked(&e, "[", "]", &mem), rows[i].marked);
        assert_int_equal(distinct, rows[i].distinct);
    }
    rs_arena_clear(&mem);
    close_archive(a, dir);
}

/* Let the k-th allocation fail, for every k until a line is read and ranked. */
static void test_out_of_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    a = archive_of(dir, five, 5);
    for (long k = 0; st != RS_OK; k++) {
        rs_arena mem = {0};
        rs_text_query q;
        rs_ranked *got;
        size_t n = 0;
        assert_true(k < 1000);
        rs_lengths_clear(&a->text->lengths);
        rs_alloc_fail_after(k);
        st = rs_text_query_compile(a->text, "large effusion -mass no oedema", RS_WORDS_READ, &mem,
                                   &q, &err);
        if (st == RS_OK)
            st = rank(a, &q, &mem, &got, &n, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_ENOMEM || (st == RS_OK && n == 3));
        rs_arena_clear(&mem);
    }
    close_archive(a, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compile),
        cmocka_unit_test(test_compile_read),
        cmocka_unit_test(test_read_finds),
        cmocka_unit_test(test_long_query),
        cmocka_unit_test(test_bm25_is_the_textbook),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_words_go_with_the_case),
        cmocka_unit_test(test_any_bytes_are_a_query),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
