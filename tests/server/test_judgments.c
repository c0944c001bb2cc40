/* test_judgments.c - /v1/judgments over sockets: who may judge, list and take back; fields that
 * are wrong are named; pages; and random judgments over random access lists, of which nothing
 * that is hidden comes back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/json.h"
#include "engine/judgments.h"
#include "server/tokens.h"

enum { CASES = 24, COLLECTIONS = 4 };

static const char *const collections[COLLECTIONS] = {"chest", "head", "hand", "knee"};
static struct { char key[40], patient[24]; size_t collection; } cases[CASES];
static char tokens[96];

static int make(void **state)
{
    rs_random rnd = rs_random_seed(11);
    rs_archive *a;

    (void)state;
    make_folder(serve_folder);
    snprintf(tokens, sizeof tokens, "%s.tokens", serve_folder);
    a = open_writer(serve_folder);
    for (size_t i = 0; i < CASES; i++) {
        rs_case c = {.key = cases[i].key, .source = "test", .age_years = -1, .digest = "d",
                     .report = "FINDINGS: Effusion.", .patient = cases[i].patient};
        cases[i].collection = rs_random_below(&rnd, COLLECTIONS);
        snprintf(cases[i].key, sizeof cases[i].key, "key%zu-%08llx", i,
                 (unsigned long long)(rs_random_u64(&rnd) & 0xffffffff));
        snprintf(cases[i].patient, sizeof cases[i].patient, "patient-%zu-of-%zu", i,
                 cases[i].collection);
        c.collection = collections[cases[i].collection];
        put_one(a, &c);
    }
    rs_archive_close(a);
    return 0;
}

static int drop(void **state)
{
    static const char *const suffixes[] = {".tokens", ".tokens.lock", ".audit", ".audit.lock"};
    char name[128];

    (void)state;
    remove_folder(serve_folder);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(name, sizeof name, "%s%s", serve_folder, suffixes[i]);
        unlink(name);
    }
    return 0;
}

/* No judgments, no tokens. */
static int fresh(void **state)
{
    rs_archive *a = open_writer(serve_folder);
    const rs_judgments_wanted all = {.limit = 100000};
    const rs_judgment *j;
    rs_arena mem = {0};
    rs_err err = {0};
    size_t n;

    (void)state;
    ok(rs_judgments_list(a, &all, &mem, &j, &n, NULL, &err), &err);
    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < n; i++)
        ok(rs_judgments_remove(a, j[i].id, NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    unlink(tokens);
    return 0;
}

static void add_token(const char *name, rs_role role, const char *const *list, size_t n,
                      char text[RS_TOKEN_TEXT])
{
    const rs_bearer want = {.name = name, .role = role, .all = !n, .collections = list,
                            .n_collections = n};
    rs_err err = {0};

    ok(rs_bearers_add(tokens, &want, text, &err), &err);
}

/* `token` may be NULL, `body` too. */
static answer ask_as(int port, const char *token, const char *line, const char *body)
{
    static char request[400000];
    char field[128] = "";

    if (token)
        snprintf(field, sizeof field, "Authorization: Bearer %s\r\n", token);
    if (body)
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s"
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", line, field,
                 strlen(body), body);
    else
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, field);
    return ask(port, request);
}

static answer judge(int port, const char *token, const char *key, const char *query,
                    const char *verdict)
{
    char body[2048];

    snprintf(body, sizeof body, "{\"case\":\"%s\",\"query\":%s,\"verdict\":\"%s\"}", key, query,
             verdict);
    return ask_as(port, token, "POST /v1/judgments", body);
}

static void expect(int line, int status, answer a)
{
    if (a.status != status)
        fail_msg("line %d: %d, wanted %d: %s", line, a.status, status, a.body ? a.body : "");
}
#define EXPECT(status, answer) expect(__LINE__, status, answer)

static json_t *parsed(const answer *a)
{
    json_t *o = NULL;
    rs_err err = {0};

    ok(rs_json_parse(&o, a->body, a->body_len, "answer", &err), &err);
    return o;
}

static long long id_of(answer a)
{
    json_t *o = parsed(&a);
    const long long id = json_integer_value(json_object_get(o, "id"));

    json_decref(o);
    assert_true(id > 0);
    return id;
}

static answer remove_one(int port, const char *token, long long id)
{
    char line[64];

    snprintf(line, sizeof line, "DELETE /v1/judgments/%lld", id);
    return ask_as(port, token, line, NULL);
}

/* How many the token sees. */
static size_t listed(int port, const char *token)
{
    answer a = ask_as(port, token, "GET /v1/judgments?limit=1000", NULL);
    json_t *o = parsed(&a);
    const size_t n = json_array_size(json_object_get(o, "judgments"));

    json_decref(o);
    return n;
}

/* ---- Without tokens ---------------------------------------------------- */

static void test_said_and_taken_back(void **state)
{
    served v;
    answer a;
    long long id;
    char line[256];

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    a = judge(v.port, NULL, cases[0].key, "{\"text\":[\"b\",\"a\"]}", "same_finding");
    EXPECT(201, a);
    assert_non_null(strstr(a.body, "\"query\":{\"text\":[\"a\",\"b\"]}"));
    assert_non_null(strstr(a.body, "\"grade\":2"));
    assert_non_null(strstr(a.body, "\"who\":\"\""));
    id = id_of(a);
    a = judge(v.port, NULL, cases[0].key, "{\"text\":[\"a\",\"b\"]}", "not_relevant");
    EXPECT(200, a);
    assert_int_equal(id_of(a), id);
    assert_non_null(strstr(a.body, "not_relevant"));
    EXPECT(201, judge(v.port, NULL, cases[1].key, "{\"text\":\"a\"}", "relevant"));
    assert_int_equal(listed(v.port, NULL), 2);
    snprintf(line, sizeof line, "GET /v1/judgments?case=%s", cases[1].key);
    a = ask_as(v.port, NULL, line, NULL);
    assert_non_null(strstr(a.body, cases[1].key));
    assert_null(strstr(a.body, cases[0].key));
    a = ask_as(v.port, NULL, "GET /v1/judgments?query=a", NULL);
    assert_non_null(strstr(a.body, cases[1].key));
    assert_null(strstr(a.body, cases[0].key));
    a = ask_as(v.port, NULL, "GET /v1/judgments?query=%7B%22text%22:[%22b%22,%22a%22]%7D", NULL);
    assert_null(strstr(a.body, cases[1].key));
    assert_non_null(strstr(a.body, cases[0].key));
    a = ask_as(v.port, NULL, "GET /v1/judgments?who=anna", NULL);
    assert_string_equal(a.body, "{\"judgments\":[],\"next\":null}");
    EXPECT(204, remove_one(v.port, NULL, id));
    EXPECT(404, remove_one(v.port, NULL, id));
    assert_int_equal(listed(v.port, NULL), 1);
    serve_end(&v);
}

static void test_pages(void **state)
{
    served v;
    size_t seen = 0;
    long long next = 0;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t i = 0; i < CASES; i++)
        EXPECT(201, judge(v.port, NULL, cases[i].key, "{\"text\":\"a\"}", "relevant"));
    do {
        char line[96];
        answer a;
        json_t *o, *list;
        snprintf(line, sizeof line, "GET /v1/judgments?limit=7&after=%lld", next);
        a = ask_as(v.port, NULL, line, NULL);
        EXPECT(200, a);
        o = parsed(&a);
        list = json_object_get(o, "judgments");
        for (size_t i = 0; i < json_array_size(list); i++, seen++)
            assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "case")),
                                cases[seen].key);
        next = json_integer_value(json_object_get(o, "next"));
        json_decref(o);
    } while (next);
    assert_int_equal(seen, CASES);
    serve_end(&v);
}

static void test_what_is_wrong_is_named(void **state)
{
    static const struct { const char *body; int status; const char *field; } rows[] = {
        {"", 400, NULL}, {"[]", 400, NULL}, {"{", 400, NULL},
        {"{}", 400, "query"},
        {"{\"query\":{\"text\":\"a\"}}", 400, "case"},
        {"{\"query\":{\"text\":\"a\"},\"case\":\"KEY\"}", 400, "verdict"},
        {"{\"query\":{\"text\":\"a\"},\"case\":\"KEY\",\"verdict\":\"fine\"}", 400, "verdict"},
        {"{\"query\":{\"text\":\"a\"},\"case\":\"KEY\",\"verdict\":1}", 400, "verdict"},
        {"{\"query\":{\"text\":\"a\"},\"case\":\"KEY\",\"verdict\":\"relevant\",\"who\":\"b\"}",
         400, "who"},
        {"{\"query\":{\"text\":\"a\"},\"case\":\"no\",\"verdict\":\"relevant\"}", 404, "case"},
        {"{\"query\":{},\"case\":\"KEY\",\"verdict\":\"relevant\"}", 400, "query"},
        {"{\"query\":\"a\",\"case\":\"KEY\",\"verdict\":\"relevant\"}", 400, "query"},
        {"{\"query\":{\"text\":[\"a\",1]},\"case\":\"KEY\",\"verdict\":\"relevant\"}", 400,
         "query.text[1]"},
        {"{\"query\":{\"k\":1},\"case\":\"KEY\",\"verdict\":\"relevant\"}", 400, "query.k"},
        {"{\"query\":{\"images\":\"ab\"},\"case\":\"KEY\",\"verdict\":\"relevant\"}", 400,
         "query.images"},
        {"{\"query\":{\"text\":\"a\",\"filter\":\"sex\"},\"case\":\"KEY\","
         "\"verdict\":\"relevant\"}", 400, "query.filter"},
        {"{\"query\":{\"like\":\"no\"},\"case\":\"KEY\",\"verdict\":\"relevant\"}", 404,
         "query.like"},
    };
    static const struct { const char *line, *field; } lists[] = {
        {"GET /v1/judgments?limit=0", "limit"}, {"GET /v1/judgments?limit=1001", "limit"},
        {"GET /v1/judgments?limit=x", "limit"}, {"GET /v1/judgments?after=-1", "after"},
        {"GET /v1/judgments?case=a&case=b", "case"}, {"GET /v1/judgments?page=2", "page"},
        {"GET /v1/judgments?query=%7B", "query"},
    };
    static char big[300000], note[RS_JUDGMENT_NOTE_BYTES + 2];
    served v;
    answer a;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows + sizeof lists / sizeof *lists; i++) {
        const size_t list = i - sizeof rows / sizeof *rows;
        const bool posts = i < sizeof rows / sizeof *rows;
        const char *field = posts ? rows[i].field : lists[list].field, *key;
        char body[512], wanted[64];
        if (posts && (key = strstr(rows[i].body, "KEY")) != NULL)
            snprintf(body, sizeof body, "%.*s%s%s", (int)(key - rows[i].body), rows[i].body,
                     cases[0].key, key + 3);
        else
            snprintf(body, sizeof body, "%s", posts ? rows[i].body : "");
        a = posts ? ask_as(v.port, NULL, "POST /v1/judgments", body)
                  : ask_as(v.port, NULL, lists[list].line, NULL);
        EXPECT(posts ? rows[i].status : 400, a);
        snprintf(wanted, sizeof wanted, "\"field\":\"%s\"", field ? field : "");
        if ((strstr(a.body, wanted) != NULL) != (field != NULL))
            fail_msg("%s: %s", body, a.body);
    }
    memset(note, 'n', sizeof note - 1);
    snprintf(big, sizeof big, "{\"query\":{\"text\":\"a\"},\"case\":\"%s\",\"verdict\":\"relevant\","
             "\"note\":\"%s\"}", cases[0].key, note);
    EXPECT(400, ask_as(v.port, NULL, "POST /v1/judgments", big));
    memset(big, ' ', sizeof big - 1);
    EXPECT(413, ask_as(v.port, NULL, "POST /v1/judgments", big));
    EXPECT(415, ask(v.port, "POST /v1/judgments HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"));
    EXPECT(404, ask_as(v.port, NULL, "DELETE /v1/judgments/0", NULL));
    EXPECT(404, ask_as(v.port, NULL, "DELETE /v1/judgments/9x", NULL));
    EXPECT(404, ask_as(v.port, NULL, "DELETE /v1/judgments/99999999999999999999", NULL));
    EXPECT(405, ask_as(v.port, NULL, "DELETE /v1/judgments", NULL));
    assert_int_equal(listed(v.port, NULL), 0);
    serve_end(&v);
}

/* ---- Roles -------------------------------------------------------------- */

/* Written past the server. */
static long long said_before(const char *who, const char *key)
{
    const rs_judgment j = {.key = key, .query = "b", .verdict = RS_JUDGED_RELEVANT, .who = who};
    rs_archive *a = open_writer(serve_folder);
    rs_err err = {0};
    int64_t id;
    bool replaced;

    ok(rs_archive_begin(a, &err), &err);
    ok(rs_judgments_add(a, &j, &id, &replaced, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    rs_archive_close(a);
    return id;
}

static void test_roles(void **state)
{
    char reader[RS_TOKEN_TEXT], anna[RS_TOKEN_TEXT], ben[RS_TOKEN_TEXT], editor[RS_TOKEN_TEXT],
         part[RS_TOKEN_TEXT];
    const char *const other = collections[(cases[0].collection + 1) % COLLECTIONS];
    served v;
    answer a;
    long long annas, bens, hidden;

    (void)state;
    hidden = said_before("part", cases[0].key);
    add_token("reader", RS_ROLE_READER, NULL, 0, reader);
    add_token("anna", RS_ROLE_EDUCATOR, NULL, 0, anna);
    add_token("ben", RS_ROLE_EDUCATOR, NULL, 0, ben);
    add_token("editor", RS_ROLE_EDITOR, NULL, 0, editor);
    add_token("part", RS_ROLE_EDITOR, &other, 1, part);
    serve_plan(&v);
    v.plan.config.rate = 0;
    serve_begin(&v);
    EXPECT(401, judge(v.port, NULL, cases[0].key, "{\"text\":\"a\"}", "relevant"));
    EXPECT(403, judge(v.port, reader, cases[0].key, "{\"text\":\"a\"}", "relevant"));
    EXPECT(403, ask_as(v.port, reader, "GET /v1/judgments", NULL));
    a = judge(v.port, anna, cases[0].key, "{\"text\":\"a\"}", "relevant");
    EXPECT(201, a);
    assert_non_null(strstr(a.body, "\"who\":\"anna\""));
    annas = id_of(a);
    a = judge(v.port, ben, cases[0].key, "{\"text\":\"a\"}", "near_miss");
    EXPECT(201, a);                                    /* beside anna's, not in its place */
    bens = id_of(a);
    assert_int_equal(listed(v.port, anna), 3);
    assert_int_equal(listed(v.port, part), 0);
    EXPECT(403, remove_one(v.port, reader, annas));
    EXPECT(403, remove_one(v.port, ben, annas));
    EXPECT(404, remove_one(v.port, part, annas));      /* an editor, but not of this */
    EXPECT(204, remove_one(v.port, part, hidden));     /* its own, of when it saw the case */
    EXPECT(204, remove_one(v.port, anna, annas));
    EXPECT(204, remove_one(v.port, editor, bens));
    assert_int_equal(listed(v.port, anna), 0);
    serve_end(&v);
}

/* ---- Nothing hidden ------------------------------------------------------ */

/* A random query that names one or two cases in some way. */
static void make_query(rs_random *rnd, char *out, size_t size)
{
    static const char *const forms[] = {
        "{\"like\":\"%s\"}", "{\"like\":[\"%s\",\"%s\"]}",
        "{\"text\":\"a\",\"filter\":\"case:%s\"}",
        "{\"text\":\"a\",\"filter\":\"not (case:\\\"%s\\\"|%s or sex:F)\"}",
        "{\"text\":\"b\",\"like\":\"%s\",\"filter\":\"not case:%s\"}",
        "{\"text\":\"a\",\"filter\":\"patient:%s\"}",
        "{\"text\":\"a\",\"filter\":\"modality:CT or not patient:%s|%s\"}",
        "{\"text\":\"effusion\"}"};
    const size_t form = rs_random_below(rnd, sizeof forms / sizeof *forms);
    const size_t i = rs_random_below(rnd, CASES), k = rs_random_below(rnd, CASES);
    const bool people = strstr(forms[form], "patient") != NULL;
    const char *one = people ? cases[i].patient : cases[i].key;
    const char *two = people ? cases[k].patient : cases[k].key;
    char *to = out;

    for (const char *f = forms[form]; *f && to < out + size - 64; f++) {
        if (strncmp(f, "%s", 2) == 0) {
            to += snprintf(to, 64, "%s", one);
            one = two;
            f++;
        } else {
            *to++ = *f;
        }
    }
    *to = '\0';
}

/* Names of cases outside of the set of collections. */
static void check_hidden(const answer *a, unsigned set, const char *what)
{
    for (size_t i = 0; i < CASES; i++)
        if (!(set >> cases[i].collection & 1) &&
            (strstr(a->body, cases[i].key) || strstr(a->body, cases[i].patient)))
            fail_msg("%s: %s leaks\n%.2000s", what, cases[i].key, a->body);
}

/* Is every case that the text names in the set? */
static bool all_seen(const char *text, unsigned set)
{
    for (size_t i = 0; i < CASES; i++)
        if (!(set >> cases[i].collection & 1) &&
            (strstr(text, cases[i].key) || strstr(text, cases[i].patient)))
            return false;
    return true;
}

static void test_nothing_hidden(void **state)
{
    enum { SAID = 150 };
    static char said[SAID][512];
    char all[RS_TOKEN_TEXT], token[1 << COLLECTIONS][RS_TOKEN_TEXT];
    rs_random rnd = rs_random_seed(12);
    size_t total = 0, shown = 0;
    served v;

    (void)state;
    add_token("all", RS_ROLE_EDUCATOR, NULL, 0, all);
    for (unsigned set = 1; set < 1 << COLLECTIONS; set++) {
        const char *list[COLLECTIONS];
        char name[16];
        size_t n = 0;
        for (size_t c = 0; c < COLLECTIONS; c++)
            if (set >> c & 1)
                list[n++] = collections[c];
        snprintf(name, sizeof name, "set%u", set);
        add_token(name, RS_ROLE_EDUCATOR, list, n, token[set]);
    }
    serve_plan(&v);
    v.plan.config.rate = 0;
    serve_begin(&v);
    for (size_t i = 0; i < SAID; i++) {
        const char *key = cases[rs_random_below(&rnd, CASES)].key;
        char query[400];
        answer a;
        make_query(&rnd, query, sizeof query);
        a = judge(v.port, all, key, query, "relevant");
        assert_true(a.status == 201 || a.status == 200);
        if (a.status == 201)
            snprintf(said[total++], sizeof *said, "%s %s", key, query);
    }
    for (unsigned set = 1; set < 1 << COLLECTIONS; set++) {
        answer a = ask_as(v.port, token[set], "GET /v1/judgments?limit=1000", NULL);
        size_t want = 0;
        char line[128];
        EXPECT(200, a);
        check_hidden(&a, set, "list");
        for (size_t i = 0; i < total; i++)
            want += all_seen(said[i], set);
        assert_int_equal(listed(v.port, token[set]), want);
        shown += want;
        for (size_t i = 0; i < CASES; i++) {
            const bool seen = set >> cases[i].collection & 1;
            snprintf(line, sizeof line, "GET /v1/judgments?case=%s", cases[i].key);
            a = ask_as(v.port, token[set], line, NULL);
            check_hidden(&a, set, line);
            if (!seen)                     /* word for word as of a case that never was */
                assert_string_equal(a.body, "{\"judgments\":[],\"next\":null}");
        }
    }
    assert_true(total > 100 && shown > 200);
    /* Judging tells no hidden case from one that never was, wherever it is named. */
    for (size_t i = 0; i < 6; i++) {
        static const char *const forms[] = {"{\"text\":\"a\"}", "{\"like\":\"%s\"}",
                                            "{\"text\":\"a\",\"filter\":\"case:%s\"}"};
        const unsigned set = (1u << COLLECTIONS) - 1 - (1u << cases[i].collection);
        for (size_t f = 0; f < 3; f++) {
            char query[2][256], first[1024], *at;
            const char *key = cases[i].key, *never = "key-that-never-was";
            size_t seen = 0;
            answer a;
            while (!(set >> cases[seen].collection & 1))
                seen++;
            for (int k = 0; k < 2; k++) {
                const char *name = k ? never : key, *hole = strstr(forms[f], "%s");
                if (hole)
                    snprintf(query[k], sizeof query[k], "%.*s%s%s", (int)(hole - forms[f]),
                             forms[f], name, hole + 2);
                else
                    snprintf(query[k], sizeof query[k], "%s", forms[f]);
            }
            a = judge(v.port, token[set], f ? cases[seen].key : key, query[0], "relevant");
            EXPECT(f < 2 ? 404 : 400, a);
            snprintf(first, sizeof first, "%s", a.body);
            a = judge(v.port, token[set], f ? cases[seen].key : never, query[1], "relevant");
            EXPECT(f < 2 ? 404 : 400, a);
            if ((at = strstr(first, key)) != NULL) {
                char rest[1024];
                snprintf(rest, sizeof rest, "%s", at + strlen(key));
                snprintf(at, sizeof first - (size_t)(at - first), "%s%s", never, rest);
            }
            assert_string_equal(a.body, first);
        }
    }
    serve_end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_said_and_taken_back, fresh),
        cmocka_unit_test_setup(test_pages, fresh),
        cmocka_unit_test_setup(test_what_is_wrong_is_named, fresh),
        cmocka_unit_test_setup(test_roles, fresh),
        cmocka_unit_test_setup(test_nothing_hidden, fresh),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
