/* write.c - a batch into the archive, in one transaction; see index_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

rs_status rs_index_forget_files(rs_index_job *x, const rs_case_job *job, rs_err *err)
{
    const rs_case *was = job->before;
    rs_status st = RS_OK;

    for (size_t i = 0; was && i < was->n_images && st == RS_OK; i++) {
        bool still = false;
        for (size_t k = 0; k < job->from.n_images && !still; k++)
            still = was->images[i].given && strcmp(was->images[i].given, job->from.images[k].given) == 0;
        if (!still && was->images[i].given)
            st = rs_archive_forget_file(x->archive, x->name, was->images[i].given, err);
    }
    return st;
}

static rs_status write_files(rs_index_job *x, rs_index_batch *b, rs_case_job *job, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t k = 0; k < job->from.n_images && st == RS_OK; k++) {
        rs_case_job_image *im = &job->images[k];
        if (im->st != RS_OK) {
            b->r.refused_images++;
            st = rs_archive_forget_file(x->archive, x->name, im->from->given, err);
            if (st == RS_OK)
                st = rs_index_problem(x, b, im->from->given, im->err.msg, err);
            continue;
        }
        im->file.case_key = job->record.key;
        st = rs_archive_set_file(x->archive, x->name, &im->file, err);
    }
    return st == RS_OK ? rs_index_forget_files(x, job, err) : st;
}

/* The case and what is remembered of its files. */
static rs_status write_case(rs_index_job *x, rs_index_batch *b, rs_case_job *job, rs_err *err)
{
    rs_put_kind kind;
    rs_status st = write_files(x, b, job, err);

    if (st != RS_OK)
        return st;
    if (!job->record.n_images && !job->record.n_passages && !job->record.report) {
        b->r.refused_cases++;             /* its images, all refused, have said why */
        return RS_OK;
    }
    st = rs_archive_put(x->archive, &job->record, &kind, err);
    if (st == RS_OK)
        *(kind == RS_PUT_ADDED ? &b->r.added : &b->r.updated) += 1;
    return st;
}

rs_status rs_index_write(rs_index_job *x, rs_index_batch *b, rs_err *err)
{
    double start = rs_now_s();
    char mark[64];
    rs_status st = rs_archive_begin(x->archive, err);

    for (size_t i = 0; i < b->n && st == RS_OK; i++)
        st = write_case(x, b, &b->jobs[i], err);
    for (size_t i = 0; i < b->n_problems && st == RS_OK; i++)
        st = rs_archive_set_problem(x->archive, &b->problems[i], err);
    snprintf(mark, sizeof mark, "case %zu of %zu", b->next, x->count);
    if (st == RS_OK)
        st = rs_archive_set_mark(x->archive, x->name, mark, err);
    if (st == RS_OK)
        st = rs_archive_commit(x->archive, err);
    else
        rs_archive_rollback(x->archive);
    b->r.write_s += rs_now_s() - start;
    return st;
}
