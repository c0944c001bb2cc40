/* index.c - see index.h. One batch: gather what is new -> decode -> encode -> write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "indexer/case_make.h"
#include "indexer/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_BATCH = 64, MAX_BATCH_IMAGES = 256, SKIPS_A_BATCH = 10000 };

/* One run. */
typedef struct {
    rs_archive *archive;
    const rs_encoder *encoder;
    const rs_index_options *o;
    rs_index_report *r;
    rs_source *source;
    const char *name;                /* of the source */
    rs_progress *progress;
    size_t pixels_each;              /* floats an image */
} run;

/* One batch; all memory is `mem`, cleared when it is written. */
typedef struct {
    rs_arena mem;
    rs_case_job *jobs;
    size_t n;
    rs_problem *problems;
    size_t n_problems, cap_problems;
    rs_case_job_image **images;      /* of all jobs, in order */
    size_t n_images;
} batch;

/* ---- Problems -------------------------------------------------------- */

static rs_status add_problem(run *x, batch *b, const char *item, const char *reason, rs_err *err)
{
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
    b->problems[b->n_problems++] = (rs_problem){
        x->name, rs_arena_strdup(&b->mem, item), rs_arena_strdup(&b->mem, reason), NULL};
    return RS_OK;
}

/* ---- Gather ---------------------------------------------------------- */

/* Whether another source has put a case of this key. */
static rs_status taken_by_other(run *x, const char *key, rs_arena *mem, const char **other,
                                rs_err *err)
{
    rs_case *c;
    rs_status st = rs_archive_get(x->archive, key, mem, &c, err);

    *other = NULL;
    if (st == RS_OK && c->source && strcmp(c->source, x->name) != 0)
        *other = c->source;
    return st == RS_ENOENT ? RS_OK : st;
}

/* Look at case i: RS_OK with b->n grown when it is new or changed. */
static rs_status gather_one(run *x, batch *b, size_t i, rs_err *err)
{
    rs_case_job *job = &b->jobs[b->n];
    const char *known, *other = NULL;
    rs_status st;

    *job = (rs_case_job){0};
    st = rs_source_get(x->source, i, &b->mem, &job->from, err);
    if (st != RS_OK)
        return st;
    x->r->cases++;
    if (job->from.problem) {
        x->r->refused_cases++;
        return add_problem(x, b, job->from.item, job->from.problem, err);
    }
    if ((st = rs_case_digest(job, &b->mem, err)) != RS_OK)
        return st;
    job->record.key = x->o->prefix
        ? rs_arena_sprintf(&b->mem, "%s%s", x->o->prefix, job->from.key) : job->from.key;
    job->record.source = x->name;
    if (!job->record.key)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", job->from.item);
    st = rs_archive_digest(x->archive, job->record.key, &b->mem, &known, err);
    if (st == RS_OK && strcmp(known, job->digest) == 0) {
        x->r->unchanged++;
        return RS_OK;
    }
    if (st == RS_OK)
        st = taken_by_other(x, job->record.key, &b->mem, &other, err);
    if (st != RS_OK && st != RS_ENOENT)
        return st;
    if (other) {
        x->r->refused_cases++;
        return add_problem(x, b, job->from.item, rs_arena_sprintf(&b->mem,
            "its key '%s' is already taken by a case of %s; --prefix keeps sources apart",
            job->record.key, other), err);
    }
    b->n++;
    b->n_images += job->from.n_images;
    return RS_OK;
}

/* Fill the batch from case *i on. */
static rs_status gather(run *x, batch *b, size_t *i, size_t count, rs_err *err)
{
    size_t size = x->o->batch ? x->o->batch : DEFAULT_BATCH, before = x->r->unchanged;
    rs_status st = RS_OK;

    b->jobs = rs_new(&b->mem, rs_case_job, size);
    if (!b->jobs)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for a batch of %zu", x->name, size);
    while (st == RS_OK && *i < count && b->n < size && b->n_images < MAX_BATCH_IMAGES &&
           x->r->unchanged - before < SKIPS_A_BATCH)
        st = gather_one(x, b, (*i)++, err);
    return st;
}

/* ---- Decode and encode ----------------------------------------------- */

typedef struct {
    run *x;
    batch *b;
} decode_context;

static void decode_one(void *ctx, size_t i, size_t worker)
{
    decode_context *d = ctx;

    (void)worker;
    rs_case_decode(d->b->images[i], rs_encoder_preprocess(d->x->encoder));
}

static rs_status decode(run *x, batch *b, rs_err *err)
{
    double start = rs_now_s();
    decode_context d = {x, b};
    size_t n = 0;
    float *pixels = rs_new(&b->mem, float, b->n_images * x->pixels_each);

    b->images = rs_new(&b->mem, rs_case_job_image *, b->n_images);
    if (!pixels || !b->images)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for the pixels of %zu images", x->name, b->n_images);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->jobs[i].from.n_images; k++, n++) {
            b->images[n] = &b->jobs[i].images[k];
            b->images[n]->pixels = pixels + n * x->pixels_each;
        }
    rs_pool_for(x->o->pool, n, decode_one, &d);
    x->r->decode_s += rs_now_s() - start;
    return RS_OK;
}

/* Close the gaps that refused images left, and encode the rest in one go. */
static rs_status encode_images(run *x, batch *b, rs_err *err)
{
    size_t d = rs_encoder_dim(x->encoder), n = 0;
    float *vectors, *first = b->n_images ? b->images[0]->pixels : NULL;
    rs_status st;

    for (size_t i = 0; i < b->n_images; i++) {
        rs_case_job_image *im = b->images[i];
        if (im->st != RS_OK)
            continue;
        if (im->pixels != first + n * x->pixels_each)
            memcpy(first + n * x->pixels_each, im->pixels, x->pixels_each * sizeof *first);
        n++;
    }
    vectors = rs_new(&b->mem, float, n * d);
    if (!vectors)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for %zu vectors", x->name, n);
    st = n ? rs_encoder_pixels(x->encoder, first, n, x->o->pool, vectors, err) : RS_OK;
    n = 0;
    for (size_t i = 0; i < b->n && st == RS_OK; i++) {
        rs_case_job *job = &b->jobs[i];
        rs_case_image *list = rs_new(&b->mem, rs_case_image, job->from.n_images);
        if (!list)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", job->from.item);
        for (size_t k = 0; k < job->from.n_images; k++) {
            rs_case_job_image *im = &job->images[k];
            if (im->st == RS_OK)
                list[job->record.n_images++] = (rs_case_image){
                    im->from->path, im->from->given, im->sha256, im->from->view,
                    im->width, im->height, vectors + d * n++};
        }
        job->record.images = list;
    }
    x->r->images += n;
    return st;
}

static rs_status encode_passages(run *x, batch *b, rs_err *err)
{
    size_t d = rs_encoder_dim(x->encoder), total = 0, n = 0;
    const char **texts;
    float *vectors;
    rs_status st = RS_OK;

    for (size_t i = 0; i < b->n && st == RS_OK; i++) {
        st = rs_case_read(&b->jobs[i], x->encoder, &b->mem, &x->r->texts_cut, err);
        total += b->jobs[i].record.n_passages;
    }
    if (st != RS_OK || total == 0)
        return st;
    texts = rs_new(&b->mem, const char *, total);
    vectors = rs_new(&b->mem, float, total * d);
    if (!texts || !vectors)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for %zu passages", x->name, total);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->jobs[i].record.n_passages; k++, n++) {
            texts[n] = b->jobs[i].passages[k].text;
            b->jobs[i].passages[k].vector = vectors + n * d;
        }
    x->r->passages += total;
    return rs_encoder_texts(x->encoder, texts, total, x->o->pool, vectors, NULL, err);
}

/* ---- Write ----------------------------------------------------------- */

/* The case and what is remembered of its files. */
static rs_status write_case(run *x, batch *b, rs_case_job *job, rs_err *err)
{
    rs_put_kind kind;
    rs_status st = RS_OK;

    for (size_t k = 0; k < job->from.n_images && st == RS_OK; k++) {
        rs_case_job_image *im = &job->images[k];
        if (im->st == RS_OK) {
            im->file.case_key = job->record.key;
            st = rs_archive_set_file(x->archive, x->name, &im->file, err);
            if (st == RS_OK)
                st = rs_archive_clear_problem(x->archive, x->name, im->from->given, err);
        } else if (im->st == RS_ENOMEM) {
            st = rs_fail(err, RS_ENOMEM, "%s", im->err.msg);
        } else {
            x->r->refused_images++;
            st = add_problem(x, b, im->from->given, im->err.msg, err);
        }
    }
    if (st != RS_OK)
        return st;
    if (!job->record.n_images && !job->record.n_passages && !job->record.report) {
        x->r->refused_cases++;             /* its images, all refused, have said why */
        return RS_OK;
    }
    st = rs_archive_put(x->archive, &job->record, &kind, err);
    if (st == RS_OK)
        *(kind == RS_PUT_ADDED ? &x->r->added : &x->r->updated) += 1;
    if (st == RS_OK)
        st = rs_archive_clear_problem(x->archive, x->name, job->from.item, err);
    return st;
}

static rs_status write_batch(run *x, batch *b, size_t next, size_t count, rs_err *err)
{
    double start = rs_now_s();
    char mark[64];
    rs_status st = rs_archive_begin(x->archive, err);

    for (size_t i = 0; i < b->n && st == RS_OK; i++)
        st = write_case(x, b, &b->jobs[i], err);
    for (size_t i = 0; i < b->n_problems && st == RS_OK; i++)
        st = rs_archive_set_problem(x->archive, &b->problems[i], err);
    snprintf(mark, sizeof mark, "case %zu of %zu", next, count);
    if (st == RS_OK)
        st = rs_archive_set_mark(x->archive, x->name, mark, err);
    if (st == RS_OK)
        st = rs_archive_commit(x->archive, err);
    else
        rs_archive_rollback(x->archive);
    x->r->write_s += rs_now_s() - start;
    return st;
}

/* Cases *i.. as one batch. */
static rs_status run_batch(run *x, size_t *i, size_t count, rs_err *err)
{
    batch b = {0};
    size_t first = *i;
    double start;
    rs_status st = gather(x, &b, i, count, err);

    if (st == RS_OK && (b.n || b.n_problems)) {
        st = decode(x, &b, err);
        start = rs_now_s();
        if (st == RS_OK)
            st = encode_images(x, &b, err);
        if (st == RS_OK)
            st = encode_passages(x, &b, err);
        x->r->encode_s += rs_now_s() - start;
        if (st == RS_OK)
            st = write_batch(x, &b, *i, count, err);
    }
    rs_progress_add(x->progress, *i - first);
    rs_arena_clear(&b.mem);
    return st;
}

/* ---- Cases that are gone --------------------------------------------- */

typedef struct { const char **keys; size_t n; } key_list;

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every key the source holds now, sorted. */
static rs_status present_keys(run *x, size_t count, rs_arena *mem, key_list *out, rs_err *err)
{
    rs_arena one = {0};
    rs_status st = RS_OK;

    out->keys = rs_new(mem, const char *, count);
    if (!out->keys)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for its keys", x->name);
    for (size_t i = 0; i < count && st == RS_OK; i++) {
        rs_source_case c;
        st = rs_source_get(x->source, i, &one, &c, err);
        if (st == RS_OK && c.key) {
            out->keys[out->n] = rs_arena_sprintf(mem, "%s%s", x->o->prefix ? x->o->prefix : "", c.key);
            if (!out->keys[out->n++])
                st = rs_fail(err, RS_ENOMEM, "%s: no memory for its keys", x->name);
        }
        rs_arena_reset(&one);
    }
    rs_arena_clear(&one);
    if (st == RS_OK)
        qsort(out->keys, out->n, sizeof *out->keys, by_key);
    return st;
}

/* Count, or with `prune` remove, the archive's cases that the source no longer holds. */
static rs_status look_for_gone(run *x, size_t count, rs_err *err)
{
    rs_arena mem = {0};
    key_list present = {0};
    const char **keys, *after = NULL;
    size_t n = 0;
    rs_status st = present_keys(x, count, &mem, &present, err);

    do {
        if (st == RS_OK)
            st = rs_archive_keys(x->archive, x->name, after, 1000, &mem, &keys, &n, err);
        if (st == RS_OK && x->o->prune)
            st = rs_archive_begin(x->archive, err);
        for (size_t i = 0; i < n && st == RS_OK; i++) {
            after = keys[i];
            if (present.n && bsearch(&keys[i], present.keys, present.n, sizeof *present.keys, by_key))
                continue;
            if (x->o->prune) {
                st = rs_archive_remove(x->archive, keys[i], NULL, err);
                x->r->pruned++;
            } else {
                x->r->gone++;
            }
        }
        if (st == RS_OK && x->o->prune)
            st = rs_archive_commit(x->archive, err);
        else if (st != RS_OK)
            rs_archive_rollback(x->archive);
    } while (st == RS_OK && n == 1000);
    rs_arena_clear(&mem);
    return st;
}

/* ---- The run --------------------------------------------------------- */

rs_status rs_index_run(rs_archive *a, const rs_encoder *e, const char *source,
                       const rs_index_options *o, rs_index_report *r, rs_err *err)
{
    const rs_preprocess *p = rs_encoder_preprocess(e);
    run x = {.archive = a, .encoder = e, .o = o, .r = r,
             .pixels_each = 3 * p->crop_height * p->crop_width};
    double start = rs_now_s();
    size_t count, i = 0;
    bool stopped = false;
    rs_status st;

    *r = (rs_index_report){0};
    st = rs_source_open(&x.source, source, err);
    if (st != RS_OK)
        return st;
    x.name = rs_source_name(x.source);
    count = rs_source_count(x.source);
    x.progress = rs_progress_new("indexing", "cases", count, o->progress);
    while (st == RS_OK && i < count && !stopped) {
        st = run_batch(&x, &i, count, err);
        stopped = o->stop && atomic_load(o->stop) != 0 && i < count;
    }
    rs_progress_end(x.progress);
    if (st == RS_OK && !stopped)
        st = look_for_gone(&x, count, err);
    if (st == RS_OK)
        st = rs_archive_rebuild(a, err);
    rs_source_close(x.source);
    r->seconds = rs_now_s() - start;
    if (st == RS_OK && stopped)
        st = rs_fail(err, RS_ECANCEL, "stopped at case %zu of %zu of %s", i, count, source);
    return st;
}
