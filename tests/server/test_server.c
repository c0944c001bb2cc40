/* test_server.c - the loop, its workers and its clients: order, limits, time, load, the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/clock.h"
#include "server/api.h"

/* ---- Routes of the test's own ----------------------------------------- */

static atomic_int slow_runs, slow_waiting;
static atomic_bool gate_open;

/* Waits until the gate opens. */
static void work_slow(rs_exchange *x, rs_worker *w)
{
    (void)w;
    atomic_fetch_add(&slow_waiting, 1);
    while (!atomic_load(&gate_open))
        pause_ms(1);
    atomic_fetch_add(&slow_runs, 1);
    atomic_fetch_sub(&slow_waiting, 1);
    x->reply.type = "text/plain";
    rs_buf_puts(&x->reply.body, "slow");
}

/* As many bytes as asked for: /big/1000. */
static void work_big(rs_exchange *x, rs_worker *w)
{
    const size_t n = strtoul(x->arg[0], NULL, 10);

    (void)w;
    x->reply.type = "application/octet-stream";
    if (rs_buf_reserve(&x->reply.body, n)) {
        memset(x->reply.body.data, 'x', n);
        x->reply.body.len = n;
    }
}

static void work_echo(rs_exchange *x, rs_worker *w)
{
    (void)w;
    x->reply.type = "text/plain";
    rs_buf_append(&x->reply.body, x->request->body.data, x->request->body.len);
}

static const rs_route routes[] = {
    {RS_HTTP_GET, "/healthz", .loop = rs_api_health,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/metrics", .loop = rs_api_metrics,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/readyz", .loop = rs_api_ready,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/v1/events", .loop = rs_api_events,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/slow", .work = work_slow,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/big/{n}", .work = work_big,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_POST, "/echo", .work = work_echo,
     .takes_body = true, .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {0},
};

static void begin(served *v)
{
    atomic_store(&slow_runs, 0);
    atomic_store(&slow_waiting, 0);
    atomic_store(&gate_open, false);
    v->plan.routes = routes;
    serve_begin(v);
}

/* Until `n` slow jobs are under way. */
static void wait_for_slow(int n)
{
    for (int i = 0; atomic_load(&slow_waiting) < n; i++) {
        assert_true(i < WAIT_MS);
        pause_ms(1);
    }
}

static void wait_for_metric(int port, const char *name, double value)
{
    for (int i = 0; metric(port, name) < value; i++) {
        assert_true(i < WAIT_MS / 10);
        pause_ms(10);
    }
}

/* ---- Order ----------------------------------------------------------- */

static void test_one_connection_many_requests(void **state)
{
    served v;
    int fd;

    (void)state;
    serve_plan(&v);
    begin(&v);
    fd = dial(v.port);
    for (int i = 0; i < 100; i++) {
        answer a;
        say(fd, i % 2 ? REQUEST("GET /healthz") : REQUEST("GET /big/10"));
        a = hear(fd);
        assert_int_equal(a.status, 200);
        assert_false(a.closes);
        assert_string_equal(a.body, i % 2 ? "ok\n" : "xxxxxxxxxx");
    }
    say(fd, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_true(hear(fd).closes);
    hear_end(fd);
    close(fd);
    assert_string_equal(ask(v.port, "GET /healthz HTTP/1.0\r\n\r\n").body, "ok\n");
    assert_true(ask(v.port, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").closes);
    assert_int_equal(ask(v.port, "GET /v1/events HTTP/1.0\r\n\r\n").status, 505);
    serve_end(&v);
}

/* Slow, quick, unknown and large ones in one packet: answered in order, a byte at a time
 * too. */
static void test_pipelining(void **state)
{
    static const char *const kinds[] = {REQUEST("GET /big/5"), REQUEST("GET /healthz"),
        REQUEST("GET /none"), REQUEST("HEAD /big/7"), REQUEST("GET /big/300000"),
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"};
    static const struct { int status; size_t len; } want[] = {
        {200, 5}, {200, 3}, {404, 0}, {200, 0}, {200, 300000}, {200, 6}};
    served v;
    rs_buf all = {0};

    (void)state;
    serve_plan(&v);
    begin(&v);
    for (int i = 0; i < 60; i++)
        rs_buf_puts(&all, kinds[i % 6]);
    for (size_t step = 1; step <= all.len; step *= 37) {
        int fd = dial(v.port);
        size_t at = 0;
        for (int i = 0; i < 60; i++) {
            answer a;
            while (at < all.len && (step > 1 || at < (size_t)(i + 1) * all.len / 60 + 10)) {
                size_t n = step < all.len - at ? step : all.len - at;
                assert_true(say_bytes(fd, all.data + at, n));
                at += n;
            }
            a = hear_answer(fd, i % 6 == 3);
            if (a.status != want[i % 6].status ||
                (want[i % 6].len && a.body_len != want[i % 6].len))
                fail_msg("step %zu, request %d: %d, %zu bytes", step, i, a.status, a.body_len);
        }
        hang_up(fd);
    }
    rs_buf_clear(&all);
    serve_end(&v);
}

/* ---- What is not taken ------------------------------------------------ */

static void test_refused(void **state)
{
    static const struct { const char *request; int status; bool closes; } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400, true},
        {"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, true},
        {REQUEST("GET /none"), 404, false},
        {REQUEST("GET /../etc/passwd"), 400, false},
        {REQUEST("POST /healthz"), 405, false},
        {REQUEST("OPTIONS /healthz"), 204, false},
        {REQUEST("OPTIONS *"), 204, false},
        {"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, false},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403,
         false},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", 403, false},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403,
         false},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n"
         "Sec-Fetch-Mode: navigate\r\n\r\n", 200, false},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n", 200,
         false},
        {"POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", 404, true},
        {"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", 405, true},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n", 413, true},
    };
    served v;

    (void)state;
    serve_plan(&v);
    begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        answer a = ask(v.port, rows[i].request);
        if (a.status != rows[i].status || a.closes != rows[i].closes)
            fail_msg("row %zu: %d %s", i, a.status, a.head);
        if (a.status >= 400)
            assert_non_null(strstr(a.head, "Content-Type: application/problem+json\r\n"));
    }
    assert_non_null(strstr(ask(v.port, REQUEST("POST /healthz")).head,
                           "Allow: GET, HEAD, OPTIONS\r\n"));
    serve_end(&v);
}

/* Heads and bodies without end: the right status, and no memory. */
static void test_floods(void **state)
{
    static const struct { const char *head, *more; int status; } rows[] = {
        {"GET / HTTP/1.1\r\nHost: localhost\r\n", "x: y\r\n", 431},
        {"GET /", "aaaaaaaaaaaaaaaa", 414},
        {"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "aaaaaaaaaaaaaaaa", 431},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
         "10\r\naaaaaaaaaaaaaaaa\r\n", 413},
        {"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;",
         "eeeeeeeeeeeeeeee", 400},
    };
    served v;
    size_t before;

    (void)state;
    serve_plan(&v);
    v.plan.config.body_mb = 1;
    begin(&v);
    before = rs_rss_bytes();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = dial(v.port);
        say(fd, rows[i].head);
        for (int k = 0; k < 200000 && say(fd, rows[i].more); k++)
            if (k % 1000 == 0) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                if (poll(&p, 1, 0) > 0)
                    break;
            }
        assert_int_equal(hear(fd).status, rows[i].status);
        hear_end(fd);
        close(fd);
    }
    assert_true(rs_rss_bytes() < before + (64u << 20));
    assert_int_equal(ask(v.port, REQUEST("GET /healthz")).status, 200);
    serve_end(&v);
}

static void test_expect(void **state)
{
    served v;
    int fd;
    char some[64] = "";

    (void)state;
    serve_plan(&v);
    begin(&v);
    fd = dial(v.port);
    say(fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
            "2\r\n\r\n");
    assert_int_equal(hear_some(fd, some, 25, WAIT_MS), 25);
    assert_string_equal(some, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "ok");
    assert_string_equal(hear(fd).body, "ok");
    hang_up(fd);
    assert_int_equal(ask(v.port, "POST /none HTTP/1.1\r\nHost: localhost\r\nExpect: "
                                 "100-continue\r\n"
                         "Content-Length: 2\r\n\r\n").status, 404);
    serve_end(&v);
}

/* ---- Slow clients ---------------------------------------------------- */

static void test_slow_clients(void **state)
{
    served v;
    int head, body, reader, idle, trickle;
    double begin_s;

    (void)state;
    serve_plan(&v);
    v.plan.config.header_ms = v.plan.config.body_ms = 300;
    v.plan.config.write_ms = v.plan.config.idle_ms = 600;
    begin(&v);
    begin_s = rs_now_s();
    head = dial(v.port);
    say(head, "GET / HTTP/1.1\r\nHost:");
    body = dial(v.port);
    say(body, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nab");
    idle = dial(v.port);
    reader = dial(v.port);
    say(reader, REQUEST("GET /big/30000000"));           /* and never reads */
    trickle = dial(v.port);
    say(trickle, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 20 && say(trickle, "X: y\r\n"); i++)
        pause_ms(50);                                    /* a line now and then helps nobody */
    assert_int_equal(hear(head).status, 408);
    hear_end(head);
    assert_int_equal(hear(body).status, 408);
    hear_end(body);
    hear_end(trickle);
    hear_end(idle);
    wait_for_metric(v.port, "radscout_timeouts_total", 4);   /* the reader has been cut off */
    assert_true(rs_now_s() - begin_s < 15);
    close(head);
    close(body);
    close(trickle);
    close(idle);
    close(reader);
    assert_int_equal(ask(v.port, REQUEST("GET /healthz")).status, 200);
    serve_end(&v);
}

static void test_connection_cap(void **state)
{
    served v;
    int fd[8], over;

    (void)state;
    serve_plan(&v);
    v.plan.config.connections = 8;
    begin(&v);
    for (int i = 0; i < 8; i++) {
        fd[i] = dial(v.port);
        say(fd[i], REQUEST("GET /healthz"));
        assert_int_equal(hear(fd[i]).status, 200);
    }
    over = dial(v.port);
    assert_int_equal(hear(over).status, 503);
    hear_end(over);
    close(over);
    hang_up(fd[0]);
    for (int i = 0; i < 100; i++) {                      /* a place is free soon */
        over = dial(v.port);
        say(over, REQUEST("GET /healthz"));
        if (hear(over).status == 200)
            break;
        hang_up(over);
        pause_ms(10);
        assert_true(i < 99);
    }
    hang_up(over);
    for (int i = 1; i < 8; i++)
        close(fd[i]);
    serve_end(&v);
}

/* ---- Load ------------------------------------------------------------ */

static void test_full_queue(void **state)
{
    served v;
    int fd[3];
    answer a;

    (void)state;
    serve_plan(&v);
    v.plan.config.workers = 1;
    v.plan.config.queue = 2;
    begin(&v);
    for (int i = 0; i < 3; i++) {
        fd[i] = dial(v.port);
        say(fd[i], REQUEST("GET /slow"));
        if (i == 0)
            wait_for_slow(1);
    }
    /* The watch of the archive may hold a place of the queue for a moment. */
    for (int i = 0; i < 1000 && metric(v.port, "radscout_queue_depth") < 2; i++)
        pause_ms(1);
    a = ask(v.port, REQUEST("GET /slow"));
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.head, "Retry-After: "));
    assert_int_equal(ask(v.port, REQUEST("GET /healthz")).status, 200);
    atomic_store(&gate_open, true);
    for (int i = 0; i < 3; i++) {
        int status = hear(fd[i]).status;
        assert_true(status == 200 || (i == 2 && status == 503));
        hang_up(fd[i]);
    }
    serve_end(&v);
}

/* Who goes away while waiting is not worked for; who goes in the midst of it gets nothing. */
static void test_client_goes_away(void **state)
{
    served v;
    int first, second;

    (void)state;
    serve_plan(&v);
    v.plan.config.workers = 1;
    begin(&v);
    first = dial(v.port);
    say(first, REQUEST("GET /slow"));
    wait_for_slow(1);
    second = dial(v.port);
    say(second, REQUEST("GET /slow"));
    for (int i = 0; i < 1000 && metric(v.port, "radscout_queue_depth") < 1; i++)
        pause_ms(1);
    pause_ms(50);
    close(second);
    wait_for_metric(v.port, "radscout_jobs_dropped_total", 1);
    close(first);
    pause_ms(50);
    atomic_store(&gate_open, true);
    wait_for_metric(v.port, "radscout_jobs_dropped_total", 2);
    assert_int_equal(atomic_load(&slow_runs), 1);
    serve_end(&v);
}

static void test_deadline(void **state)
{
    served v;
    int first, second;

    (void)state;
    serve_plan(&v);
    v.plan.config.workers = 1;
    v.plan.config.deadline_ms = 200;
    begin(&v);
    first = dial(v.port);
    say(first, REQUEST("GET /slow"));
    wait_for_slow(1);
    second = dial(v.port);
    say(second, REQUEST("GET /slow"));
    assert_int_equal(hear(second).status, 503);          /* never began */
    hang_up(second);
    assert_int_equal(hear(first).status, 504);           /* began, and does not end */
    hear_end(first);
    close(first);
    atomic_store(&gate_open, true);
    serve_end(&v);
    assert_int_equal(atomic_load(&slow_runs), 1);
}

/* ---- The end --------------------------------------------------------- */

static void test_drain(void **state)
{
    served v;
    int slow, idle, listener, half;

    (void)state;
    serve_plan(&v);
    begin(&v);
    idle = dial(v.port);
    say(idle, REQUEST("GET /healthz"));
    assert_int_equal(hear(idle).status, 200);
    listener = dial(v.port);
    say(listener, REQUEST("GET /v1/events"));
    assert_int_equal(hear(listener).status, 200);
    slow = dial(v.port);
    say(slow, REQUEST("GET /slow"));
    half = dial(v.port);
    say(half, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n");
    wait_for_slow(1);
    pause_ms(50);
    rs_server_stop(v.s);
    hear_end(idle);
    hear_end(listener);
    assert_int_equal(try_dial(v.port), -1);
    say(half, "\r\n");                                   /* was under way already */
    assert_true(hear(half).closes);
    hear_end(half);
    atomic_store(&gate_open, true);
    assert_string_equal(hear(slow).body, "slow");
    hear_end(slow);
    pthread_join(v.thread, NULL);
    rs_server_free(v.s);
    close(idle);
    close(listener);
    close(slow);
    close(half);
}

/* What does not end is cut, after drain_ms or at the second word. */
static void test_drain_is_bounded(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        served v;
        int fd, slow;
        double begin_s;
        serve_plan(&v);
        v.plan.config.drain_ms = twice ? 3600000 : 300;
        begin(&v);
        fd = dial(v.port);
        say(fd, REQUEST("GET /big/30000000"));           /* never read */
        slow = dial(v.port);
        say(slow, "GET /he");                            /* never finished */
        pause_ms(200);
        begin_s = rs_now_s();
        rs_server_stop(v.s);
        for (int more; twice && (more = try_dial(v.port)) >= 0; pause_ms(5))
            close(more);                                 /* until the first word was heard */
        if (twice)
            rs_server_stop(v.s);
        pthread_join(v.thread, NULL);
        assert_true(rs_now_s() - begin_s < 10);
        rs_server_free(v.s);
        close(fd);
        close(slow);
    }
}

static void test_port_is_taken(void **state)
{
    served v, w;
    rs_err err = {0};

    (void)state;
    serve_plan(&v);
    begin(&v);
    serve_plan(&w);
    w.plan.config.port = v.port;
    assert_int_equal(rs_server_new(&w.s, &w.plan, &err), RS_EBUSY);
    assert_null(w.s);
    assert_non_null(strstr(err.msg, "listen at 127.0.0.1 port "));
    serve_plan(&w);
    w.plan.service.archive = "/nowhere";
    assert_int_equal(rs_server_new(&w.s, &w.plan, &err), RS_ENOENT);
    serve_end(&v);
}

static int make_archive(void **state)
{
    (void)state;
    make_folder(serve_folder);
    rs_archive_close(open_writer(serve_folder));
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    remove_folder(serve_folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_connection_many_requests),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_connection_cap),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_client_goes_away),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_is_bounded),
        cmocka_unit_test(test_port_is_taken),
    };
    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
