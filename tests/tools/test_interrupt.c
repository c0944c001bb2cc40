/* test_interrupt.c - radscout index, interrupted: killed at any moment it has lost at
 * most the batch in flight and goes on where it was; ^C ends it in good order. And radscout
 * delete, killed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "engine/archive.h"
#include "indexer/holdings.h"
#include "run.h"
#include "tiny_model.h"

#include <time.h>

enum { CASES = 150, KILLS = 10, PICTURES = 12 };

static int make_all(void **state)
{
    rs_buf rows = {0};
    rs_err err = {0};
    char name[32];

    (void)state;
    if (!mkdtemp(scratch) || tiny_model_write(at("model"), 7, &err) != RS_OK)
        return -1;
    for (unsigned i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "p/%u.png", i);
        put_picture(name, i);
    }
    for (int i = 0; i < CASES; i++)
        rs_buf_printf(&rows, "{\"id\":\"case-%d\",\"images\":[\"p/%d.png\",\"p/%s\"],\"title\":\"Case %d\","
                      "\"findings\":\"A nodule of %d mm. No effusion.\",\"labels\":[\"nodule\"]}\n", i,
                      i % PICTURES, i % 20 ? "0.png" : "none.png", i, i);
    put("cases.jsonl", rows.data);
    rs_buf_clear(&rows);
    return 0;
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void pause_s(double s)
{
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    nanosleep(&t, NULL);
}

static void assert_whole(const char *archive)
{
    rs_archive *a;
    rs_err err = {0};

    ok(rs_archive_open(&a, archive, RS_ARCHIVE_WRITE, &err), &err);
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
}

static void test_killed_at_random(void **state)
{
    char archive[300], cases[300], model[300];
    const char *const args[] = {"index", archive, cases, "--model", model, "--batch", "5",
                                "--threads", "1", "--quiet", NULL};
    rs_random rnd = rs_random_seed((uint64_t)getpid());
    holdings want, got;
    double start = rs_now_s(), whole_s;
    size_t killed = 0;

    (void)state;
    snprintf(archive, sizeof archive, "%s/killed", scratch);
    snprintf(cases, sizeof cases, "%s/cases.jsonl", scratch);
    snprintf(model, sizeof model, "%s/model", scratch);
    assert_exit(3, "index", at("straight"), at("cases.jsonl"), "--model", at("model"), "--batch", "5",
                "--threads", "1", "--quiet");
    whole_s = rs_now_s() - start;
    want = holdings_of(at("straight"), "%");
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = start_radscout(args);
        int status;
        pause_s(rs_random_unit(&rnd) * whole_s * 0.6);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        killed += WIFSIGNALED(status);
    }
    assert_true(killed > 0);
    assert_int_equal(end_radscout(start_radscout(args)), 3);
    assert_whole(archive);
    got = holdings_of(archive, "%");
    assert_same_holdings(&want, &got);
    holdings_clear(&want);
    holdings_clear(&got);
    assert_int_equal(end_radscout(start_radscout(args)), 3);
    assert_says(said_out, "0 added, 0 updated, 150 unchanged");
    print_message("%zu of %d runs were killed before they ended\n", killed, KILLS);
}

/* How many cases a reader sees; 0 where there is no archive yet. */
static size_t cases_in(const char *archive)
{
    rs_archive *a;
    rs_arena mem = {0};
    rs_stats stats = {0};

    if (rs_archive_open(&a, archive, RS_ARCHIVE_READ, NULL) != RS_OK)
        return 0;
    rs_archive_stats(a, &mem, &stats, NULL);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    return stats.cases;
}

/* The process id of a run that has begun to write, which a signal then reaches. */
static pid_t start_and_wait(const char *archive)
{
    pid_t pid = start_radscout((const char *const[]){"index", archive, at("cases.jsonl"), "--model",
        at("model"), "--batch", "1", "--threads", "1", "--quiet", NULL});

    for (int i = 0; i < 10000 && cases_in(archive) == 0; i++)
        pause_s(0.002);
    return pid;
}

static void test_signals_end_it_in_good_order(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM};

    (void)state;
    for (int i = 0; i < 2; i++) {
        char archive[300];
        pid_t pid;
        snprintf(archive, sizeof archive, "%s/signal-%d", scratch, i);
        pid = start_and_wait(archive);
        kill(pid, signals[i]);
        assert_int_equal(end_radscout(pid), 1);
        assert_says(said_err, "run it again to go on");
        assert_says(said_err, "stopped at case ");
        assert_whole(archive);
        assert_true(cases_in(archive) > 0 && cases_in(archive) < CASES);
        assert_exit(3, "index", archive, at("cases.jsonl"), "--quiet");
        assert_says(said_out, "150 cases: ");
    }
}

/* One writer at a time: the second is told who the first is. Readers are not kept out. */
static void test_two_writers(void **state)
{
    char number[64], two[300];
    pid_t pid;

    (void)state;
    snprintf(two, sizeof two, "%s/two", scratch);
    pid = start_and_wait(two);
    snprintf(number, sizeof number, "process %ld is writing it", (long)pid);
    {
        rs_archive *a;
        rs_err err = {0};
        assert_int_equal(rs_archive_open(&a, two, RS_ARCHIVE_WRITE, &err), RS_EBUSY);
        assert_non_null(strstr(err.msg, number));
        ok(rs_archive_open(&a, two, RS_ARCHIVE_READ, &err), &err);
        rs_archive_close(a);
    }
    kill(pid, SIGKILL);
    assert_int_equal(end_radscout(pid), -SIGKILL);
}

static bool has_case(const char *archive, const char *key)
{
    rs_archive *a;
    rs_arena mem = {0};
    rs_err err = {0};
    rs_case *c;
    rs_status st;

    ok(rs_archive_open(&a, archive, RS_ARCHIVE_READ, &err), &err);
    st = rs_archive_get(a, key, &mem, &c, &err);
    assert_true(st == RS_OK || st == RS_ENOENT);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    return st == RS_OK;
}

/* Deleting, the caches written anew in its course: whole at any moment, and what was
 * acknowledged stays deleted. */
static void test_deleting_killed_at_random(void **state)
{
    char archive[300], key[32];
    rs_random rnd = rs_random_seed((uint64_t)getpid() + 1);
    double start, whole_s;
    size_t killed = 0;

    (void)state;
    snprintf(archive, sizeof archive, "%s/deleting", scratch);
    assert_exit(3, "index", archive, at("cases.jsonl"), "--model", at("model"), "--quiet");
    start = rs_now_s();
    assert_exit(0, "delete", archive, "case-1");
    whole_s = rs_now_s() - start;
    for (int i = 2; i < 2 + KILLS; i++) {
        pid_t pid;
        int status;
        snprintf(key, sizeof key, "case-%d", i);
        pid = start_radscout((const char *const[]){"delete", archive, key, NULL});
        pause_s(rs_random_unit(&rnd) * whole_s);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        killed += WIFSIGNALED(status);
        assert_whole(archive);
        assert_false(has_case(archive, "case-1"));
        assert_true(WIFSIGNALED(status) || !has_case(archive, key));
        if (has_case(archive, key))
            assert_exit(0, "delete", archive, key);
        assert_false(has_case(archive, key));
    }
    assert_true(killed > 0);
    assert_exit(0, "rebuild", archive, "--purge");  /* what a killed one had left in the files */
    assert_whole(archive);
    assert_int_equal(cases_in(archive), CASES - 1 - KILLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_random), cmocka_unit_test(test_deleting_killed_at_random), cmocka_unit_test(test_signals_end_it_in_good_order),
        cmocka_unit_test(test_two_writers),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
