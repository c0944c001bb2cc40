/* gather.c - which cases of a source are new or changed, a batch at a time; see
 * index_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index_int.h"

#include "base/alloc.h"

#include <string.h>

enum { DEFAULT_BATCH = 64, MAX_BATCH_IMAGES = 256, SKIPS_A_BATCH = 1000 };

/* ---- Problems -------------------------------------------------------- */

/* Remember for the end of the run that `item` was found wrong. */
static bool note_refused(rs_index_job *x, const char *item)
{
    if (x->n_refused == x->cap_refused) {
        size_t cap = x->cap_refused ? 2 * x->cap_refused : 64;
        char **more = rs_realloc(x->refused, cap, sizeof *more);
        if (!more)
            return false;
        x->refused = more;
        x->cap_refused = cap;
    }
    return (x->refused[x->n_refused] = rs_strdup(item)) != NULL && ++x->n_refused;
}

rs_status rs_index_problem(rs_index_job *x, rs_index_batch *b, const char *item, const char *reason,
                           rs_err *err)
{
    rs_problem p = {x->name, item ? rs_arena_strdup(&b->mem, item) : NULL,
                    reason ? rs_arena_strdup(&b->mem, reason) : NULL, NULL};

    if (b->n_problems == b->cap_problems) {
        size_t cap = b->cap_problems ? 2 * b->cap_problems : 16;
        rs_problem *more = rs_new(&b->mem, rs_problem, cap);
        if (!more)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", x->name);
        if (b->n_problems)
            memcpy(more, b->problems, b->n_problems * sizeof *more);
        b->problems = more;
        b->cap_problems = cap;
    }
    if (!p.item || !p.reason || !note_refused(x, item))
        return rs_fail(err, RS_ENOMEM, "%s: no memory", x->name);
    b->problems[b->n_problems++] = p;
    return RS_OK;
}

/* ---- Gather ---------------------------------------------------------- */

rs_status rs_index_known(rs_index_job *x, const char *key, rs_arena *mem, const rs_case **before,
                         rs_err *err)
{
    rs_case *c = NULL;
    rs_status st = rs_archive_get(x->archive, key, mem, &c, err);

    *before = st == RS_OK ? c : NULL;
    return st == RS_ENOENT ? RS_OK : st;
}

/* Look at case i: RS_OK with b->n grown when it is new or changed. */
static rs_status gather_one(rs_index_job *x, rs_index_batch *b, size_t i, rs_err *err)
{
    rs_case_job *job = &b->jobs[b->n];
    const char *known, *other;
    rs_status st;

    *job = (rs_case_job){0};
    st = rs_source_get(x->source, i, &b->mem, &job->from, err);
    if (st != RS_OK)
        return st;
    b->r.cases++;
    if (job->from.problem) {
        b->r.refused_cases++;
        return rs_index_problem(x, b, job->from.item, job->from.problem, err);
    }
    if ((st = rs_case_digest(job, x->regions, &b->mem, err)) != RS_OK)
        return st;
    job->record.key = x->o->prefix
        ? rs_arena_sprintf(&b->mem, "%s%s", x->o->prefix, job->from.key) : job->from.key;
    job->record.source = x->name;
    if (!job->record.key)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", job->from.item);
    st = rs_archive_digest(x->archive, job->record.key, &b->mem, &known, err);
    if (st == RS_OK && strcmp(known, job->digest) == 0) {
        b->r.unchanged++;
        return RS_OK;
    }
    if (st == RS_OK)
        st = rs_index_known(x, job->record.key, &b->mem, &job->before, err);
    if (st != RS_OK && st != RS_ENOENT)
        return st;
    other = job->before ? job->before->source : NULL;
    if (other && strcmp(other, x->name) != 0) {
        b->r.refused_cases++;
        return rs_index_problem(x, b, job->from.item, rs_arena_sprintf(&b->mem,
            "its key '%s' is already taken by a case of %s; --prefix keeps sources apart",
            job->record.key, other), err);
    }
    b->n++;
    b->n_images += job->from.n_images;
    return RS_OK;
}

rs_status rs_index_cut(rs_index_job *x, rs_index_batch *b, rs_err *err)
{
    size_t n = 0, d = rs_encoder_dim(x->encoder);
    rs_case_job_image **images = rs_new(&b->mem, rs_case_job_image *, b->n_images);
    float *vectors = rs_new(&b->mem, float, b->n_images * d);

    b->n_chunks = (b->n_images + x->chunk - 1) / x->chunk;
    b->chunks = rs_new(&b->mem, rs_index_chunk, b->n_chunks);
    if (!images || !vectors || !b->chunks)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for %zu images", x->name, b->n_images);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->jobs[i].from.n_images; k++)
            images[n++] = &b->jobs[i].images[k];
    for (size_t i = 0; i < b->n_chunks; i++) {
        size_t at = i * x->chunk;
        b->chunks[i] = (rs_index_chunk){
            .batch = b, .images = images + at, .vectors = vectors + at * d,
            .n = n - at < x->chunk ? n - at : x->chunk, .last = i + 1 == b->n_chunks};
    }
    return RS_OK;
}

/* Fill the batch from case b->first on. */
static rs_status fill(rs_index_job *x, rs_index_batch *b, rs_err *err)
{
    size_t size = x->o->batch ? x->o->batch : DEFAULT_BATCH;
    rs_status st = RS_OK;

    b->jobs = rs_new(&b->mem, rs_case_job, size);
    if (!b->jobs)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for a batch of %zu", x->name, size);
    while (st == RS_OK && b->next < x->count && b->n < size && b->n_images < MAX_BATCH_IMAGES &&
           b->r.unchanged < SKIPS_A_BATCH)
        st = gather_one(x, b, b->next++, err);
    return st;
}

void rs_index_gather(rs_index_job *x, rs_index_batch *b, size_t first)
{
    *b = (rs_index_batch){.first = first, .next = first};
    b->empty = (rs_index_chunk){.batch = b, .last = true};
    b->st = fill(x, b, &b->err);
    if (b->st == RS_OK && b->n_images)
        b->st = rs_index_cut(x, b, &b->err);
    if (b->st != RS_OK || !b->n_images) {
        b->chunks = &b->empty;
        b->n_chunks = 1;
    }
}
