/* test_faults.c - the disk fails at every point of a writer's life: what was acknowledged is
 * there afterwards, what was not is there whole or not at all, and the archive is in step.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fault_vfs.h"

#include "base/log.h"

enum { BATCHES = 4, PER_BATCH = 3, POINTS = 40 };

/* What the writer was told. */
typedef struct {
    bool put[BATCHES];                 /* the batch's commit came back RS_OK */
    bool removed;                      /* of case 0 */
} told;

static void key_of(char out[32], int batch, int i)
{
    snprintf(out, 32, "case-%d-%d", batch, i);
}

static rs_status put_batch(rs_archive *a, int batch, rs_err *err)
{
    rs_random rnd = rs_random_seed((uint64_t)batch + 5);
    rs_status st = rs_archive_begin(a, err);

    for (int i = 0; st == RS_OK && i < PER_BATCH; i++) {
        random_case r;
        char key[32];
        make_case(&r, &rnd, (size_t)i);
        key_of(key, batch, i);
        r.c.key = key;
        st = rs_archive_put(a, &r.c, NULL, err);
    }
    if (st == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

static rs_status remove_first(rs_archive *a, rs_err *err)
{
    rs_status st = rs_archive_begin(a, err);
    char key[32];

    key_of(key, 0, 0);
    if (st == RS_OK && (st = rs_archive_remove(a, key, NULL, err)) == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

/* A writer's life; goes on after an error as long as it can. */
static told live(const char *dir)
{
    told t = {0};
    rs_archive *a;
    rs_err err = {RS_OK, ""};

    if (rs_archive_open(&a, dir, RS_ARCHIVE_WRITE, &err) != RS_OK)
        return t;
    if (rs_archive_bind_encoder(a, &fixture_encoder, &err) == RS_OK) {
        for (int b = 0; b < BATCHES; b++) {
            t.put[b] = put_batch(a, b, &err) == RS_OK;
            if (b == 1)
                rs_archive_rebuild(a, &err);
            if (b == 2)
                t.removed = remove_first(a, &err) == RS_OK;
        }
        rs_archive_rebuild(a, &err);
    }
    rs_archive_close(a);
    return t;
}

static bool there(rs_archive *a, int batch, int i)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_case *c;
    char key[32];
    rs_status st;

    key_of(key, batch, i);
    st = rs_archive_get(a, key, &mem, &c, &err);
    assert_true(st == RS_OK || st == RS_ENOENT);
    rs_arena_clear(&mem);
    return st == RS_OK;
}

/* The disk is well again: look at what it holds. */
static void look(const char *what, size_t point, const char *dir, const told *t)
{
    rs_archive *a = NULL;
    rs_err err = {RS_OK, ""};
    rs_status st = rs_archive_open(&a, dir, RS_ARCHIVE_WRITE, &err);

    if (st == RS_OK)
        st = rs_archive_verify(a, &err);
    if (st == RS_ECORRUPT && strstr(err.msg, ".faiss")) {      /* a cache may be behind; never more */
        ok(rs_archive_rebuild(a, &err), &err);
        st = rs_archive_verify(a, &err);
    }
    if (st != RS_OK)
        fail_msg("%s at change %zu: %s", what, point, err.msg);
    for (int b = 0; b < BATCHES; b++) {
        const bool rest = there(a, b, 1);
        if (there(a, b, 2) != rest || (t->put[b] && !rest))
            fail_msg("%s at change %zu: batch %d, acknowledged %d, is there in part", what, point, b,
                     t->put[b]);
        if (b > 0 && there(a, b, 0) != rest)
            fail_msg("%s at change %zu: batch %d is there in part", what, point, b);
    }
    if (t->removed && there(a, 0, 0))
        fail_msg("%s at change %zu: a removed case is there", what, point);
    ok(rs_archive_bind_encoder(a, &fixture_encoder, &err), &err);
    ok(put_batch(a, 0, &err), &err);                           /* and it is written on */
    ok(rs_archive_rebuild(a, &err), &err);
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
}

static size_t changes_of_a_life(void)
{
    char dir[64];
    told t;
    size_t n;

    make_folder(dir);
    fault_arm(FAULT_NONE, -1, false);
    t = live(dir);
    n = fault.changes;
    fault_synced(NULL);
    for (int b = 0; b < BATCHES; b++)
        assert_true(t.put[b]);
    assert_true(t.removed);
    look("nothing", 0, dir, &t);
    fault_synced(NULL);
    remove_folder(dir);
    return n;
}

static void fail_at_points(const char *what, fault_kind kind, bool lasting)
{
    const size_t all = changes_of_a_life();
    rs_random rnd = rs_random_seed((uint64_t)kind * 2 + lasting);
    size_t failed = 0;

    assert_true(all > 60);
    for (size_t i = 0; i < POINTS; i++) {
        const size_t point = i * all / POINTS + rs_random_below(&rnd, all / POINTS);
        char dir[64], shm[96];
        told t;
        make_folder(dir);
        fault_arm(kind, (long)point, lasting);
        t = live(dir);
        failed += fault.failed;
        fault_arm(FAULT_NONE, -1, false);
        if (kind == FAULT_POWER) {
            fault_power_loss(&rnd);
            snprintf(shm, sizeof shm, "%s/catalog.db-shm", dir);     /* memory of the machine that was */
            unlink(shm);
        }
        fault_synced(NULL);
        look(what, point, dir, &t);
        fault_synced(NULL);
        remove_folder(dir);
    }
    assert_true(failed > POINTS * 3 / 4);
}

static void test_input_output_errors(void **state)
{
    (void)state;
    fail_at_points("an error", FAULT_IO, false);
    fail_at_points("errors from then on", FAULT_IO, true);
}

static void test_short_writes(void **state)
{
    (void)state;
    fail_at_points("half a write", FAULT_SHORT, true);
}

static void test_full_disk(void **state)
{
    (void)state;
    fail_at_points("a full disk", FAULT_FULL, false);
    fail_at_points("a disk that stays full", FAULT_FULL, true);
}

static void test_loss_of_power(void **state)
{
    (void)state;
    fail_at_points("loss of power", FAULT_POWER, true);
}

static int install(void **state)
{
    (void)state;
    rs_log_set_level(RS_LOG_ERROR);
    fault_install();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_output_errors),
        cmocka_unit_test(test_short_writes),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_loss_of_power),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
