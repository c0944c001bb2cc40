/* test_auth.c - who is let in: tokens, roles, sessions, rates, over HTTP.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/json.h"
#include "server/audit_log.h"
#include "server/tokens.h"

static char tokens[96], audit[96];

static int make(void **state)
{
    rs_archive *a;
    rs_case c = {.key = "one", .source = "test", .collection = "chest", .age_years = -1,
                 .report = "FINDINGS: Effusion.", .digest = "d"};

    (void)state;
    make_folder(serve_folder);
    a = open_writer(serve_folder);
    put_one(a, &c);
    c.key = "hidden";
    c.collection = "trauma";
    put_one(a, &c);
    rs_archive_close(a);
    snprintf(tokens, sizeof tokens, "%s.tokens", serve_folder);
    snprintf(audit, sizeof audit, "%s.audit", serve_folder);
    return 0;
}

static int drop(void **state)
{
    char name[128];

    (void)state;
    remove_folder(serve_folder);
    unlink(tokens);
    unlink(audit);
    snprintf(name, sizeof name, "%s.lock", tokens);
    unlink(name);
    snprintf(name, sizeof name, "%s.lock", audit);
    unlink(name);
    return 0;
}

static void add(const char *name, rs_role role, const char *collection, char text[RS_TOKEN_TEXT])
{
    const rs_bearer want = {.name = name, .role = role, .all = !collection,
                            .collections = &collection, .n_collections = collection ? 1 : 0};
    rs_err err = {0};

    ok(rs_bearers_add(tokens, &want, text, &err), &err);
}

/* `fields` are whole lines. */
static answer ask_with(int port, const char *line, const char *fields)
{
    char request[2048];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, fields);
    return ask(port, request);
}

static answer ask_token(int port, const char *line, const char *token)
{
    char field[256];

    snprintf(field, sizeof field, "Authorization: Bearer %s\r\n", token);
    return ask_with(port, line, field);
}

static void expect(int line, int status, answer a)
{
    if (a.status != status)
        fail_msg("line %d: %d, wanted %d: %s", line, a.status, status, a.body ? a.body : "");
}
#define EXPECT(status, answer) expect(__LINE__, status, answer)

/* ---- Tokens and roles ------------------------------------------------ */

static void test_let_in(void **state)
{
    char reader[RS_TOKEN_TEXT], admin[RS_TOKEN_TEXT], part[RS_TOKEN_TEXT];
    served v;
    answer a;

    (void)state;
    add("reader", RS_ROLE_READER, NULL, reader);
    add("part", RS_ROLE_ADMIN, "chest", part);
    add("admin", RS_ROLE_ADMIN, NULL, admin);
    serve_plan(&v);
    serve_begin(&v);
    EXPECT(200, ask(v.port, REQUEST("GET /healthz")));
    a = ask(v.port, REQUEST("GET /v1/openapi.json"));
    EXPECT(200, a);
    a = ask(v.port, REQUEST("GET /v1/stats"));
    EXPECT(401, a);
    assert_non_null(strstr(a.head, "WWW-Authenticate: Bearer"));
    assert_non_null(strstr(a.body, "no-token"));
    EXPECT(200, ask_token(v.port, "GET /v1/stats", reader));
    EXPECT(200, ask_with(v.port, "GET /v1/openapi.json", "Authorization: Bearer wrong\r\n"));
    EXPECT(401, ask_token(v.port, "GET /v1/stats", ""));
    EXPECT(401, ask_token(v.port, "GET /v1/stats", "rst_0"));
    EXPECT(401, ask_with(v.port, "GET /v1/stats", "Authorization: Basic YTpi\r\n"));
    EXPECT(401, ask_with(v.port, "GET /v1/stats", "Authorization: \r\n"));
    a = ask_token(v.port, "GET /metrics", reader);
    EXPECT(403, a);
    assert_non_null(strstr(a.body, "not-allowed"));
    EXPECT(403, ask_token(v.port, "GET /metrics", part));
    EXPECT(200, ask_token(v.port, "GET /metrics", admin));
    EXPECT(403, ask_token(v.port, "GET /v1/events", part));
    /* A body is not read for who may not ask. */
    a = ask(v.port, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n");
    EXPECT(401, a);
    assert_true(a.closes);
    serve_end(&v);
}

static void test_revoked_while_it_runs(void **state)
{
    char one[RS_TOKEN_TEXT], two[RS_TOKEN_TEXT];
    rs_err err = {0};
    served v;
    int status = 0;

    (void)state;
    serve_plan(&v);
    serve_begin(&v);
    EXPECT(200, ask(v.port, REQUEST("GET /v1/stats")));        /* nobody has a token yet */
    assert_false(rs_file_exists(audit));
    add("one", RS_ROLE_READER, NULL, one);
    add("two", RS_ROLE_READER, NULL, two);
    for (int i = 0; i < 100 && status != 401; i++, pause_ms(50))
        status = ask(v.port, REQUEST("GET /v1/stats")).status;
    EXPECT(401, ask(v.port, REQUEST("GET /v1/stats")));
    EXPECT(200, ask_token(v.port, "GET /v1/stats", one));
    ok(rs_bearers_revoke(tokens, "one", &err), &err);
    for (int i = 0; i < 100 && status != 200; i++, pause_ms(50))
        status = ask_token(v.port, "GET /v1/stats", one).status == 401 ? 200 : 0;
    EXPECT(401, ask_token(v.port, "GET /v1/stats", one));
    EXPECT(200, ask_token(v.port, "GET /v1/stats", two));
    assert_int_equal(unlink(tokens), 0);                       /* no file opens no door */
    pause_ms(700);
    EXPECT(401, ask_token(v.port, "GET /v1/stats", two));
    EXPECT(401, ask(v.port, REQUEST("GET /v1/stats")));
    serve_end(&v);
    assert_true(rs_file_exists(audit));
}

static void test_settings(void **state)
{
    char token[RS_TOKEN_TEXT];
    rs_err err = {0};
    served v;

    (void)state;
    serve_plan(&v);
    snprintf(v.plan.config.auth, sizeof v.plan.config.auth, "required");
    serve_begin(&v);
    EXPECT(401, ask(v.port, REQUEST("GET /v1/stats")));
    serve_end(&v);
    add("one", RS_ROLE_READER, NULL, token);
    serve_plan(&v);
    snprintf(v.plan.config.auth, sizeof v.plan.config.auth, "open");
    serve_begin(&v);
    EXPECT(200, ask(v.port, REQUEST("GET /v1/stats")));
    serve_end(&v);
    /* Nobody could use it. */
    ok(rs_bearers_revoke(tokens, "one", &err), &err);
    serve_plan(&v);
    snprintf(v.plan.config.bind, sizeof v.plan.config.bind, "0.0.0.0");
    assert_int_equal(rs_server_new(&v.s, &v.plan, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "TLS"));
    assert_null(v.s);
}

static void test_too_often(void **state)
{
    char one[RS_TOKEN_TEXT], two[RS_TOKEN_TEXT];
    served v;
    answer a;

    (void)state;
    add("one", RS_ROLE_READER, NULL, one);
    add("two", RS_ROLE_READER, NULL, two);
    serve_plan(&v);
    v.plan.config.rate = 1;
    v.plan.config.burst = 3;
    serve_begin(&v);
    for (int i = 0; i < 3; i++)
        EXPECT(200, ask_token(v.port, "GET /v1/stats", one));
    do
        a = ask_token(v.port, "GET /v1/stats", one);
    while (a.status == 200);
    EXPECT(429, a);
    assert_non_null(strstr(a.head, "Retry-After: 1\r\n"));
    assert_non_null(strstr(a.body, "too-often"));
    EXPECT(200, ask_token(v.port, "GET /v1/stats", two));
    serve_end(&v);
}

/* ---- Sessions -------------------------------------------------------- */

/* The cookie's "name=value" and the CSRF token of an answer. */
static void take_session(const answer *a, char cookie[160], char csrf[96])
{
    const char *set = strstr(a->head, "Set-Cookie: ");
    const char *found = strstr(a->body, "\"csrf\":\"");

    assert_non_null(set);
    assert_non_null(found);
    snprintf(cookie, 160, "Cookie: a=b; %.*s\r\n", (int)strcspn(set + 12, ";"), set + 12);
    snprintf(csrf, 96, "X-CSRF-Token: %.64s\r\n", found + 8);
}

static void test_session(void **state)
{
    char token[RS_TOKEN_TEXT], cookie[160], csrf[96], both[320], wrong[320];
    rs_err err = {0};
    served v;
    answer a;

    (void)state;
    add("page", RS_ROLE_READER, "chest", token);
    serve_plan(&v);
    serve_begin(&v);
    EXPECT(401, ask_with(v.port, "POST /v1/session", ""));
    a = ask_token(v.port, "POST /v1/session", token);
    EXPECT(200, a);
    assert_non_null(strstr(a.head, "; HttpOnly; SameSite=Strict\r\n"));
    assert_null(strstr(a.head, "Secure"));
    assert_non_null(strstr(a.body, "\"name\":\"page\""));
    assert_non_null(strstr(a.body, "\"collections\":[\"chest\"]"));
    take_session(&a, cookie, csrf);
    snprintf(both, sizeof both, "%s%s", cookie, csrf);
    snprintf(wrong, sizeof wrong, "%sX-CSRF-Token: %064d\r\n", cookie, 0);
    EXPECT(200, ask_with(v.port, "GET /v1/stats", cookie));
    a = ask_with(v.port, "GET /v1/session", cookie);           /* after the page was loaded again */
    EXPECT(200, a);
    assert_non_null(strstr(csrf, "X-CSRF-Token: "));
    assert_non_null(strstr(a.body, "\"csrf\":\""));
    a = ask_with(v.port, "DELETE /v1/session", cookie);        /* another site's form could */
    EXPECT(403, a);
    EXPECT(403, ask_with(v.port, "DELETE /v1/session", wrong));
    EXPECT(200, ask_with(v.port, "GET /v1/stats", cookie));
    /* A wrong token is not helped by a right cookie. */
    snprintf(wrong, sizeof wrong, "%sAuthorization: Bearer x\r\n", cookie);
    EXPECT(401, ask_with(v.port, "GET /v1/stats", wrong));
    EXPECT(204, ask_with(v.port, "DELETE /v1/session", both));
    EXPECT(401, ask_with(v.port, "GET /v1/stats", cookie));
    /* The session ends with its token. */
    a = ask_token(v.port, "POST /v1/session", token);
    take_session(&a, cookie, csrf);
    EXPECT(200, ask_with(v.port, "GET /v1/stats", cookie));
    ok(rs_bearers_revoke(tokens, "page", &err), &err);
    pause_ms(700);
    EXPECT(401, ask_with(v.port, "GET /v1/stats", cookie));
    serve_end(&v);
}

/* ---- What is written down -------------------------------------------- */

typedef struct { int queries, accesses, denied, logins, ends; bool named, plain; } tally;

static rs_status count(void *ctx, const json_t *line, rs_err *err)
{
    const char *event = json_string_value(json_object_get(line, "event"));
    const char *who = json_string_value(json_object_get(line, "who"));
    const json_t *cases = json_object_get(line, "cases");
    tally *t = ctx;

    (void)err;
    t->queries += strcmp(event, "query") == 0;
    t->accesses += strcmp(event, "access") == 0;
    t->denied += strcmp(event, "denied") == 0;
    t->logins += strcmp(event, "login") == 0;
    t->ends += strcmp(event, "start") == 0 || strcmp(event, "stop") == 0;
    t->plain |= json_object_get(line, "asked") != NULL;
    if (strcmp(event, "access") == 0 && json_array_size(cases))
        t->named = who && strcmp(who, "ada") == 0 &&
                   strcmp(json_string_value(json_array_get(cases, 0)), "one") == 0;
    return RS_OK;
}

static void test_recorded(void **state)
{
    const char *const paths[] = {audit};
    char token[RS_TOKEN_TEXT];
    rs_audit_span span;
    rs_err err = {0};
    tally t = {0};
    served v;

    (void)state;
    add("ada", RS_ROLE_READER, NULL, token);
    serve_plan(&v);
    serve_begin(&v);
    EXPECT(200, ask_token(v.port, "GET /v1/cases/one", token));
    EXPECT(404, ask_token(v.port, "GET /v1/cases/two", token));
    EXPECT(200, ask_token(v.port, "GET /v1/stats", token));
    EXPECT(401, ask_token(v.port, "GET /v1/stats", "x"));
    EXPECT(200, ask_token(v.port, "POST /v1/session", token));
    EXPECT(200, ask(v.port, REQUEST("GET /healthz")));
    serve_end(&v);
    ok(rs_audit_log_read(paths, 1, count, &t, &span, &err), &err);
    assert_int_equal(t.queries, 1);
    assert_int_equal(t.accesses, 2);
    assert_int_equal(t.denied, 1);
    assert_int_equal(t.logins, 1);
    assert_int_equal(t.ends, 2);
    assert_true(t.named);
    assert_false(t.plain);
}

/* What cannot be written down is not answered. */
static void test_full_disk(void **state)
{
    char token[RS_TOKEN_TEXT];
    rs_err err = {0};
    served v;

    (void)state;
    if (!rs_file_exists("/dev/full"))
        skip();
    add("ada", RS_ROLE_READER, NULL, token);
    serve_plan(&v);
    snprintf(v.plan.config.audit, sizeof v.plan.config.audit, "/dev/full");
    assert_int_not_equal(rs_server_new(&v.s, &v.plan, &err), RS_OK);
    assert_null(v.s);
    unlink("/dev/full.lock");
}

/* Without memory nobody is let in further, and what was answered is in the log. */
static void test_out_of_memory(void **state)
{
    static const char *const lines[] = {"GET /v1/cases/one", "GET /v1/cases/hidden",
                                        "GET /v1/stats", "POST /v1/session", "GET /metrics"};
    const char *const paths[] = {audit};
    char token[RS_TOKEN_TEXT], request[512];
    rs_audit_span span;
    rs_err err = {0};
    size_t live = 0, answered = 0;
    served v;

    (void)state;
    add("part", RS_ROLE_READER, "chest", token);
    serve_plan(&v);
    v.plan.config.rate = 0;
    serve_begin(&v);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n"
                 "Authorization: Bearer %s\r\n\r\n", lines[i], token);
        for (long k = 0; k < 160; k += k < 60 ? 1 : 5) {
            int fd = dial(v.port);
            answer a;
            answer_kept = answer_end = 0;
            rs_alloc_fail_after(k);
            say(fd, request);
            a = hear(fd);
            rs_alloc_fail_after(-1);
            if (a.status == 200 && (i == 1 || i == 4))
                fail_msg("%s: allocation %ld: %s", lines[i], k, a.body);
            live += a.status == 200;
            answered += a.status != 0;
            hang_up(fd);
        }
    }
    assert_true(live > 20);
    assert_true(answered > live);
    serve_end(&v);
    ok(rs_audit_log_read(paths, 1, NULL, NULL, &span, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_let_in, make, drop),
        cmocka_unit_test_setup_teardown(test_revoked_while_it_runs, make, drop),
        cmocka_unit_test_setup_teardown(test_settings, make, drop),
        cmocka_unit_test_setup_teardown(test_too_often, make, drop),
        cmocka_unit_test_setup_teardown(test_session, make, drop),
        cmocka_unit_test_setup_teardown(test_recorded, make, drop),
        cmocka_unit_test_setup_teardown(test_full_disk, make, drop),
        cmocka_unit_test_setup_teardown(test_out_of_memory, make, drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
