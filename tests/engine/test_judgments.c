/* test_judgments.c - judgments: one spelling of a query, said again, listed page by page, seen by
 * who may see all that they name, agreed upon, forgotten.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/agreement.h"
#include "engine/judgments.h"

static char folder[64];
static const char SHA[] = "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
static const char LOWER[] = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";

/* Ten cases, of which the odd ones are in collection "seen"; case 2 has an image. */
static int make(void **state)
{
    rs_archive *a;

    (void)state;
    make_folder(folder);
    a = open_writer(folder);
    for (size_t i = 0; i < 10; i++) {
        char key[32], patient[16];
        float x[DIM] = {1};
        rs_case_image im = {.path = "/x.png", .sha256 = LOWER, .width = 1, .height = 1,
                            .vector = x};
        rs_case c = {.key = key, .source = "test", .age_years = -1, .report = "Effusion.",
                     .digest = "d", .collection = i % 2 ? "seen" : "hidden", .patient = patient,
                     .attributes = i % 2 ? "{\"ward\":\"A\"}" : "{\"ward\":\"B\"}",
                     .images = &im, .n_images = i == 2};
        snprintf(key, sizeof key, "case-%zu", i);
        snprintf(patient, sizeof patient, "P%zu", i % 2);
        put_one(a, &c);
    }
    rs_archive_close(a);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

/* ---- Queries ---------------------------------------------------------- */

static void test_one_spelling(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"effusion", "{\"text\":[\"effusion\"]}"},
        {"{ \"text\" : \"b\" }", "{\"text\":[\"b\"]}"},
        {"{\"text\":[\"b\",\"a\"]}", "{\"text\":[\"a\",\"b\"]}"},
        {"{\"filter\":\"sex:F\",\"like\":[\"y\",\"x\"],\"text\":[],\"images\":[]}",
         "{\"like\":[\"x\",\"y\"],\"filter\":\"sex:F\"}"},
        {"{\"like\":\"x\",\"filter\":null}", "{\"like\":[\"x\"]}"},
        {"caf\xe9", "{\"text\":[\"caf?\"]}"},
        {"{\"text\":\"caf\xe9\"}", "{\"text\":[\"caf?\"]}"},
    };
    static const struct { const char *text, *message; } wrong[] = {
        {"", "text: is empty"}, {"{", "query: line 1"}, {"{}", "nothing is asked for"},
        {"{\"filter\":\"sex:F\"}", "nothing is asked for"},
        {"{\"text\":[\"a\",\"\"]}", "text[1]: is empty"}, {"{\"text\":7}", "text: wanted a string"},
        {"{\"text\":\"a\",\"k\":7}", "k: there is no such member"},
        {"{\"text\":\"a\",\"filter\":\"sex:\"}", "filter: "},
        {"{\"images\":[\"abc\"]}", "images[0]: wanted the SHA-256"},
    };
    rs_arena mem = {0};
    rs_err err = {0};
    rs_judged_query q;
    char long_text[70000], text[256];
    bool nomem = false;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok(rs_judged_query_parse(&q, rows[i].text, &mem, &err), &err);
        assert_string_equal(q.canonical, rows[i].want);
        ok(rs_judged_query_parse(&q, q.canonical, &mem, &err), &err);    /* and stays so */
        assert_string_equal(q.canonical, rows[i].want);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(rs_judged_query_parse(&q, wrong[i].text, &mem, &err), RS_EARG);
        if (strncmp(err.msg, wrong[i].message, strlen(wrong[i].message)) != 0)
            fail_msg("%s: %s", wrong[i].text, err.msg);
    }
    snprintf(text, sizeof text, "{\"images\":\"%s\"}", SHA);
    ok(rs_judged_query_parse(&q, text, &mem, &err), &err);
    assert_string_equal(q.images[0], LOWER);
    assert_null(rs_judged_query_words(&q, &mem, &nomem));
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_int_equal(rs_judged_query_parse(&q, long_text, &mem, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "65536"));
    ok(rs_judged_query_parse(&q, "{\"text\":[\"left\",\"effusion\"]}", &mem, &err), &err);
    assert_string_equal(rs_judged_query_words(&q, &mem, &nomem), "effusion left");
    assert_false(nomem);
    rs_arena_clear(&mem);
}

static void test_verdicts(void **state)
{
    (void)state;
    for (int v = 0; v < RS_JUDGED_VERDICTS; v++) {
        assert_int_equal(rs_judged_of(rs_judged_name((rs_judged)v)), v);
        assert_non_null(strstr(rs_judged_names(), rs_judged_name((rs_judged)v)));
        assert_in_range(rs_judged_grade((rs_judged)v), 0, 3);
    }
    assert_int_equal(rs_judged_of("great"), RS_JUDGED_VERDICTS);
    assert_memory_equal(rs_judged_names(), "same_diagnosis, relevant", 24);
}

/* ---- Adding, listing, removing ---------------------------------------- */

/* In a batch of its own. */
static rs_status try_add(rs_archive *a, const char *key, const char *query, rs_judged verdict,
                         const char *note, const char *who, int64_t *id, bool *replaced,
                         rs_err *err)
{
    const rs_judgment j = {.key = key, .query = query, .verdict = verdict, .note = note,
                           .who = who};
    rs_status st;

    ok(rs_archive_begin(a, err), err);
    st = rs_judgments_add(a, &j, id, replaced, err);
    ok(rs_archive_commit(a, err), err);
    return st;
}

static int64_t add(rs_archive *a, const char *key, const char *query, rs_judged verdict,
                   const char *who)
{
    rs_err err = {0};
    int64_t id;
    bool replaced;

    ok(try_add(a, key, query, verdict, NULL, who, &id, &replaced, &err), &err);
    return id;
}

static void empty(rs_archive *a)
{
    rs_err err = {0};
    rs_arena mem = {0};
    const rs_judgments_wanted all = {.limit = 10000};
    const rs_judgment *j;
    size_t n;

    ok(rs_judgments_list(a, &all, &mem, &j, &n, NULL, &err), &err);
    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < n; i++)
        ok(rs_judgments_remove(a, j[i].id, NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    rs_arena_clear(&mem);
}

static void test_said_again(void **state)
{
    rs_archive *a = open_writer(folder);
    rs_arena mem = {0};
    rs_err err = {0};
    rs_judgment j;
    int64_t id, second;
    bool replaced;
    size_t n;

    (void)state;
    ok(try_add(a, "case-1", "left effusion", RS_JUDGED_RELEVANT, "no\xffte", "anna", &id,
               &replaced, &err), &err);
    assert_false(replaced);
    ok(rs_judgments_get(a, NULL, id, &mem, &j, &err), &err);
    assert_string_equal(j.note, "no?te");
    assert_string_equal(j.query, "{\"text\":[\"left effusion\"]}");
    assert_string_equal(j.who, "anna");
    assert_int_equal(strlen(j.at), 24);
    ok(try_add(a, "case-1", "{\"text\":\"left effusion\"}", RS_JUDGED_NOT_RELEVANT, "", "anna",
               &second, &replaced, &err), &err);
    assert_true(replaced);
    assert_int_equal(second, id);
    ok(rs_judgments_get(a, NULL, id, &mem, &j, &err), &err);
    assert_int_equal(j.verdict, RS_JUDGED_NOT_RELEVANT);
    assert_null(j.note);
    assert_true(add(a, "case-1", "left effusion", RS_JUDGED_RELEVANT, "ben") != id);
    assert_true(add(a, "case-1", "left effusion", RS_JUDGED_RELEVANT, NULL) != id);
    assert_true(add(a, "case-3", "left effusion", RS_JUDGED_RELEVANT, "anna") != id);
    ok(rs_judgments_count(a, NULL, &n, &err), &err);
    assert_int_equal(n, 4);
    /* What cannot be said. */
    assert_int_equal(try_add(a, "nobody", "x", RS_JUDGED_RELEVANT, NULL, "", &id, &replaced, &err),
                     RS_ENOENT);
    assert_int_equal(try_add(a, "case-1", "{}", RS_JUDGED_RELEVANT, NULL, "", &id, &replaced,
                             &err), RS_EARG);
    assert_int_equal(try_add(a, "case-1", "x", RS_JUDGED_VERDICTS, NULL, "", &id, &replaced,
                             &err), RS_EARG);
    {
        static char note[RS_JUDGMENT_NOTE_BYTES + 2];
        memset(note, 'n', sizeof note - 1);
        assert_int_equal(try_add(a, "case-1", "x", RS_JUDGED_RELEVANT, note, "", &id, &replaced,
                                 &err), RS_EARG);
        note[RS_JUDGMENT_NOTE_BYTES] = '\0';
        ok(try_add(a, "case-1", "x", RS_JUDGED_RELEVANT, note, "", &id, &replaced, &err), &err);
    }
    assert_int_equal(rs_judgments_remove(a, id, NULL, &err), RS_EARG);      /* no batch */
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_judgments_remove(a, id, "anna", &err), RS_ENOENT);
    ok(rs_judgments_remove(a, id, "", &err), &err);
    assert_int_equal(rs_judgments_remove(a, id, NULL, &err), RS_ENOENT);
    ok(rs_archive_commit(a, &err), &err);
    /* A case that is put anew keeps them. */
    put_one(a, &(rs_case){.key = "case-3", .source = "test", .age_years = -1, .digest = "e",
                          .collection = "seen", .patient = "P1", .attributes = "{\"ward\":\"A\"}"});
    ok(rs_judgments_count(a, NULL, &n, &err), &err);
    assert_int_equal(n, 4);
    empty(a);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* Pages of every size are the whole list, for each way to ask. */
static void test_pages(void **state)
{
    static const char *const people[] = {"anna", "ben", ""};
    rs_archive *a = open_writer(folder);
    rs_arena mem = {0};
    rs_err err = {0};
    int64_t ids[60];
    size_t n_ids = 0;

    (void)state;
    for (size_t i = 0; i < 60; i++) {
        char key[32], query[32];
        snprintf(key, sizeof key, "case-%zu", i % 5);
        snprintf(query, sizeof query, "query %zu", i % 4);
        ids[n_ids++] = add(a, key, query, (rs_judged)(i % RS_JUDGED_VERDICTS), people[i % 3]);
    }
    for (size_t limit = 1; limit < 70; limit += limit < 5 ? 1 : 13)
        for (int way = 0; way < 4; way++) {
            rs_judgments_wanted want = {.limit = limit, .key = way == 1 ? "case-2" : NULL,
                                        .query = way == 2 ? "{\"text\":[\"query 3\"]}" : NULL,
                                        .who = way == 3 ? "" : NULL};
            size_t n, seen = 0;
            bool more = true;
            while (more) {
                const rs_judgment *j;
                ok(rs_judgments_list(a, &want, &mem, &j, &n, &more, &err), &err);
                assert_true(n <= limit && (n == limit || !more));
                for (size_t i = 0; i < n; i++) {
                    assert_true(j[i].id > want.after);
                    want.after = j[i].id;
                    assert_true(way != 1 || strcmp(j[i].key, "case-2") == 0);
                    assert_true(way != 3 || strcmp(j[i].who, "") == 0);
                    assert_true(way || j[i].id == ids[seen + i]);
                }
                seen += n;
            }
            assert_int_equal(seen, way == 0 ? 60 : way == 1 ? 12 : way == 2 ? 15 : 20);
        }
    {
        const rs_judgments_wanted want = {.limit = 50, .bytes = 60};   /* of 22 each */
        const rs_judgment *j;
        size_t n;
        bool more;
        ok(rs_judgments_list(a, &want, &mem, &j, &n, &more, &err), &err);
        assert_int_equal(n, 3);
        assert_true(more);
    }
    empty(a);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* ---- Who may see one --------------------------------------------------- */

static void test_seen(void **state)
{
    static const struct { const char *key, *query; bool seen; } rows[] = {
        {"case-1", "effusion", true}, {"case-2", "effusion", false},
        {"case-1", "{\"like\":[\"case-3\"]}", true}, {"case-1", "{\"like\":[\"case-2\"]}", false},
        {"case-1", "{\"like\":[\"case-3\",\"case-2\"]}", false},
        {"case-1", "{\"like\":[\"nobody\"]}", false},
        {"case-1", "{\"text\":\"a\",\"filter\":\"case:case-2\"}", false},
        {"case-1", "{\"text\":\"a\",\"filter\":\"not (sex:F or case:case-3|case-2)\"}", false},
        {"case-1", "{\"text\":\"a\",\"filter\":\"case:case-3 sex:F\"}", true},
        {"case-1", "{\"text\":\"a\",\"filter\":\"patient:P0\"}", false},
        {"case-1", "{\"text\":\"a\",\"filter\":\"patient:P1\"}", true},
        {"case-1", "{\"text\":\"a\",\"filter\":\"patient:*\"}", true},
        {"case-1", "{\"text\":\"a\",\"filter\":\"collection:hidden\"}", false},
        {"case-1", "{\"text\":\"a\",\"filter\":\"collection:seen\"}", true},
        {"case-1", "{\"text\":\"a\",\"filter\":\"attr.ward:B\"}", false},
        {"case-1", "{\"text\":\"a\",\"filter\":\"attr.ward:A modality:CT\"}", true},
        {"case-1", "{\"images\":\"abcdef0123456789abcdef0123456789abcdef0123456789"
                   "abcdef0123456789\"}", true},
        {"case-1", "{\"images\":\"0000000000000000000000000000000000000000000000000000000000000000"
                   "\"}", true},
    };
    rs_archive *a = open_writer(folder);
    const char *access = "collection:\"seen\"";
    rs_arena mem = {0};
    rs_err err = {0};
    size_t want = 0, n;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t id = add(a, rows[i].key, rows[i].query, RS_JUDGED_RELEVANT, "anna");
        rs_judgment j;
        rs_status st = rs_judgments_get(a, access, id, &mem, &j, &err);
        if (st != (rows[i].seen ? RS_OK : RS_ENOENT))
            fail_msg("%s: %s", rows[i].query, rs_status_name(st));
        ok(rs_judgments_get(a, NULL, id, &mem, &j, &err), &err);
        want += rows[i].seen;
        ok(rs_judgments_count(a, access, &n, &err), &err);
        assert_int_equal(n, want);
    }
    ok(rs_judgments_count(a, "not case:*", &n, &err), &err);
    assert_int_equal(n, 0);
    empty(a);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* ---- Agreement --------------------------------------------------------- */

static void test_agreement(void **state)
{
    static const struct { int grades[5]; size_t n; int want; bool disputed; } rows[] = {
        {{3}, 1, 3, false}, {{3, 0}, 2, 0, true}, {{3, 3, 0}, 3, 3, true},
        {{1, 2, 3, 3}, 4, 2, true}, {{2, 2}, 2, 2, false}, {{0, 1, 2, 3, 3}, 5, 2, true}};
    static const rs_judged of_grade[] = {RS_JUDGED_NOT_RELEVANT, RS_JUDGED_NEAR_MISS,
                                         RS_JUDGED_OTHER_STAGE, RS_JUDGED_SAME_DIAGNOSIS};
    rs_archive *a = open_writer(folder);
    rs_arena mem = {0};
    rs_err err = {0};
    const rs_agreed_query *q;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < rows[i].n; k++) {
            char key[32], who[16];
            snprintf(key, sizeof key, "case-%zu", i);
            snprintf(who, sizeof who, "judge %zu", (k * 7 + i) % 5);
            add(a, key, "effusion", of_grade[rows[i].grades[k]], who);
        }
    add(a, "case-1", "{\"like\":\"case-3\"}", RS_JUDGED_RELEVANT, "");
    ok(rs_judgments_agree(a, &mem, &q, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_null(q[0].words);
    assert_string_equal(q[1].words, "effusion");
    assert_int_equal(strlen(q[1].id), 17);
    assert_int_equal(q[1].n, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < q[1].n; i++) {
        assert_int_equal(q[1].cases[i].grade, rows[i].want);
        assert_int_equal(q[1].cases[i].judges, rows[i].n);
        assert_int_equal(q[1].cases[i].disputed, rows[i].disputed);
    }
    empty(a);
    ok(rs_judgments_agree(a, &mem, &q, &n, &err), &err);
    assert_int_equal(n, 0);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

static void test_forgotten(void **state)
{
    rs_archive *a = open_writer(folder);
    rs_arena mem = {0};
    rs_err err = {0};
    int64_t id;
    bool replaced;
    size_t n;

    (void)state;
    add(a, "case-2", "effusion", RS_JUDGED_RELEVANT, "");
    add(a, "case-1", "{\"like\":[\"case-2\",\"case-3\"]}", RS_JUDGED_RELEVANT, "");
    add(a, "case-1", "{\"text\":\"a\",\"filter\":\"not case:case-2\"}", RS_JUDGED_RELEVANT, "");
    add(a, "case-1", "{\"images\":\"ABCDEF0123456789abcdef0123456789abcdef0123456789"
        "abcdef0123456789\"}", RS_JUDGED_RELEVANT, "");
    ok(try_add(a, "case-1", "x", RS_JUDGED_RELEVANT, "as case-2 is", "", &id, &replaced, &err),
       &err);
    id = add(a, "case-1", "effusion", RS_JUDGED_RELEVANT, "");
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_judgments_forget(a, "case-2", &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    ok(rs_judgments_count(a, NULL, &n, &err), &err);
    assert_int_equal(n, 1);
    {
        rs_judgment j;
        ok(rs_judgments_get(a, NULL, id, &mem, &j, &err), &err);
    }
    empty(a);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* ---- When memory runs out ---------------------------------------------- */

static rs_status all_of_it(rs_archive *a, rs_arena *mem, rs_err *err)
{
    const rs_judgment j = {.key = "case-1", .who = "anna", .note = "n", .query =
        "{\"text\":\"a\",\"like\":\"case-3\",\"filter\":\"patient:P1 case:case-5\"}"};
    const rs_judgments_wanted want = {.access = "collection:\"seen\"", .limit = 5};
    const rs_judgment *list;
    const rs_agreed_query *q;
    int64_t id;
    size_t n;
    bool replaced, more;
    rs_status st;

    if ((st = rs_archive_begin(a, err)) != RS_OK ||
        (st = rs_judgments_add(a, &j, &id, &replaced, err)) != RS_OK ||
        (st = rs_archive_commit(a, err)) != RS_OK ||
        (st = rs_judgments_list(a, &want, mem, &list, &n, &more, err)) != RS_OK ||
        (st = rs_judgments_agree(a, mem, &q, &n, err)) != RS_OK)
        return st;
    assert_int_equal(list[0].id, id);
    return RS_OK;
}

static void test_out_of_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    rs_err err = {0};
    rs_archive *a;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_arena mem = {0};
        a = open_writer(folder);
        rs_alloc_fail_after(k);
        st = all_of_it(a, &mem, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_archive_rollback(a);
        rs_arena_clear(&mem);
        rs_archive_close(a);
    }
    a = open_writer(folder);
    empty(a);
    rs_archive_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_spelling), cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_said_again),   cmocka_unit_test(test_pages),
        cmocka_unit_test(test_seen),         cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_forgotten),    cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
