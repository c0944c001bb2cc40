/* rebuild.c - the vector indexes of an archive follow its catalog: now, beside other work, or
 * after measuring. See archive.h and tune.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/archive_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "engine/vectors_int.h"
#include "engine/verdict.h"

#include <pthread.h>
#include <string.h>

/* Whose vectors an index is also measured with, or NULL. */
static rs_vectors *other_of(rs_vectors *const vectors[RS_KINDS], rs_kind kind)
{
    const rs_kind other = rs_kind_asked_by(kind);

    return other == kind ? NULL : vectors[other];
}

static rs_status rebuild_all(rs_vectors *const vectors[RS_KINDS], bool lazy, rs_err *err)
{
    rs_status st = RS_OK;

    for (int kind = 0; st == RS_OK && kind < RS_KINDS; kind++)
        if (vectors[kind])
            st = rs_vectors_rebuild(vectors[kind], other_of(vectors, (rs_kind)kind), lazy, err);
    return st;
}

rs_status rs_archive_rebuild(rs_archive *a, rs_err *err)
{
    rs_status st = rs_archive_may_write(a, "rebuild", err);

    if (st != RS_OK)
        return st;
    a->data_version = -1;
    st = rebuild_all(a->vectors, false, err);
    return st == RS_OK ? rs_calibrate(a, err) : st;
}

rs_status rs_archive_catch_up(rs_archive *a, rs_err *err)
{
    rs_status st = rs_archive_may_write(a, "catch up", err);

    if (st != RS_OK)
        return st;
    a->data_version = -1;
    st = rebuild_all(a->vectors, true, err);
    return st == RS_OK ? rs_calibrate(a, err) : st;
}

rs_status rs_archive_tune(rs_archive *a, const rs_tune_options *o, rs_arena *mem,
                          rs_tune_report report[RS_KINDS], rs_err *err)
{
    rs_status st = rs_archive_may_write(a, "tune", err);

    for (int kind = 0; kind < RS_KINDS; kind++)
        report[kind] = (rs_tune_report){0};
    if (st == RS_OK && !(o->recall > 0 && o->recall <= 1))
        st = rs_fail(err, RS_EARG, "tune: recall %g, wanted above 0 and at most 1", o->recall);
    if (st != RS_OK)
        return st;
    a->data_version = -1;
    for (int kind = 0; st == RS_OK && kind < RS_KINDS; kind++)
        if (a->vectors[kind])
            st = rs_vectors_tune(a->vectors[kind], other_of(a->vectors, (rs_kind)kind), o, mem,
                                 &report[kind], err);
    return st;
}

/* ---- Beside other work -------------------------------------------------- */

struct rs_rebuild {
    pthread_t   thread;
    rs_db      *db;                    /* a connection of its own */
    rs_vectors *vectors[RS_KINDS];
    rs_status   st;
    rs_err      err;
};

static void free_job(rs_rebuild *job)
{
    if (!job)
        return;
    for (int kind = 0; kind < RS_KINDS; kind++)
        rs_vectors_free(job->vectors[kind]);
    rs_db_close(job->db);
    rs_free(job);
}

static void *run(void *arg)
{
    rs_rebuild *job = arg;

    job->st = rebuild_all(job->vectors, true, &job->err);
    return NULL;
}

rs_status rs_archive_rebuild_start(rs_archive *a, rs_rebuild **out, rs_err *err)
{
    rs_rebuild *job = NULL;
    rs_status st;
    int rc;

    *out = NULL;
    if (a->lock < 0)
        return rs_fail(err, RS_EARG, "archive %s: opened for reading only", a->folder);
    job = rs_calloc(1, sizeof *job);
    if (!job)
        return rs_fail(err, RS_ENOMEM, "archive %s: no memory", a->folder);
    st = rs_db_open(&job->db, rs_db_path(a->db), true, err);
    for (int kind = 0; st == RS_OK && a->encoder.id && kind < RS_KINDS; kind++)
        st = rs_vectors_new(&job->vectors[kind], job->db, a->folder, (rs_kind)kind, a->encoder.id,
                            a->encoder.dim, err);
    if (st == RS_OK && (rc = pthread_create(&job->thread, NULL, run, job)) != 0)
        st = rs_fail(err, RS_EIO, "archive %s: start a thread: %s", a->folder, strerror(rc));
    if (st != RS_OK) {
        free_job(job);
        return st;
    }
    *out = job;
    return RS_OK;
}

rs_status rs_archive_rebuild_end(rs_archive *a, rs_rebuild *job, rs_err *err)
{
    rs_status st;

    if (!job)
        return RS_OK;
    pthread_join(job->thread, NULL);
    st = job->st;
    if (st != RS_OK)
        rs_fail(err, st, "%s", job->err.msg);
    a->data_version = -1;
    free_job(job);
    return st;
}
