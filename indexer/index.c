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

enum {
    DEFAULT_BATCH = 64, MAX_BATCH_IMAGES = 256, SKIPS_A_BATCH = 1000,
    CHUNK_BYTES = 128 << 20, MIN_CHUNK = 8         /* images whose pixels are held at once */
};

/* One run. */
typedef struct {
    rs_archive *archive;
    const rs_encoder *encoder;
    const rs_index_options *o;
    rs_index_report *r;
    rs_source *source;
    const char *name;                /* of the source */
    rs_progress *progress;
    size_t pixels_each, chunk;       /* floats an image; images of `pixels` */
    float *pixels;                   /* made when the first image comes */
    char **refused;                  /* items of this run */
    size_t n_refused, cap_refused;
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

/* Remember for the end of the run that `item` was found wrong. */
static bool note_refused(run *x, const char *item)
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

static rs_status add_problem(run *x, batch *b, const char *item, const char *reason, rs_err *err)
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

/* What the archive holds of this key: *before, or NULL. */
static rs_status look_up(run *x, const char *key, rs_arena *mem, const rs_case **before,
                         rs_err *err)
{
    rs_case *c = NULL;
    rs_status st = rs_archive_get(x->archive, key, mem, &c, err);

    *before = st == RS_OK ? c : NULL;
    return st == RS_ENOENT ? RS_OK : st;
}

/* Look at case i: RS_OK with b->n grown when it is new or changed. */
static rs_status gather_one(run *x, batch *b, size_t i, rs_err *err)
{
    rs_case_job *job = &b->jobs[b->n];
    const char *known, *other;
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
        st = look_up(x, job->record.key, &b->mem, &job->before, err);
    if (st != RS_OK && st != RS_ENOENT)
        return st;
    other = job->before ? job->before->source : NULL;
    if (other && strcmp(other, x->name) != 0) {
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
    rs_case_job_image **images;
} decode_context;

static void decode_one(void *ctx, size_t i, size_t worker)
{
    decode_context *d = ctx;

    (void)worker;
    rs_case_decode(d->images[i], rs_encoder_preprocess(d->x->encoder));
}

/* The images of all jobs in one list. */
static rs_status list_images(run *x, batch *b, rs_err *err)
{
    size_t n = 0;

    b->images = rs_new(&b->mem, rs_case_job_image *, b->n_images + 1);
    if (!b->images)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", x->name);
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->jobs[i].from.n_images; k++)
            b->images[n++] = &b->jobs[i].images[k];
    return RS_OK;
}

/* Decode n images (at most x->chunk) into x->pixels, close the gaps that refused ones
 * leave, and encode the rest in one go. vectors: [n x d], for those that are whole. */
static rs_status encode_chunk(run *x, rs_case_job_image **images, size_t n, float *vectors,
                              rs_err *err)
{
    size_t d = rs_encoder_dim(x->encoder), whole = 0;
    decode_context context = {x, images};
    double start = rs_now_s();

    for (size_t i = 0; i < n; i++)
        images[i]->pixels = x->pixels + i * x->pixels_each;
    rs_pool_for(x->o->pool, n, decode_one, &context);
    for (size_t i = 0; i < n; i++) {
        float *to = x->pixels + whole * x->pixels_each;
        if (images[i]->st == RS_ENOMEM)
            return rs_fail(err, RS_ENOMEM, "%s: %s", images[i]->from->given, images[i]->err.msg);
        if (images[i]->st != RS_OK)
            continue;
        if (images[i]->pixels != to)
            memcpy(to, images[i]->pixels, x->pixels_each * sizeof *to);
        images[i]->vector = vectors + d * whole++;
    }
    x->r->decode_s += rs_now_s() - start;
    x->r->images += whole;
    return whole ? rs_encoder_pixels(x->encoder, x->pixels, whole, x->o->pool, vectors, err) : RS_OK;
}

static rs_status encode_images(run *x, batch *b, rs_err *err)
{
    size_t d = rs_encoder_dim(x->encoder);
    float *vectors = rs_new(&b->mem, float, b->n_images * d);
    rs_status st = list_images(x, b, err);

    if (!x->pixels && b->n_images)
        x->pixels = rs_calloc_aligned(x->chunk * x->pixels_each, sizeof *x->pixels);
    if (st == RS_OK && (!vectors || (b->n_images && !x->pixels)))
        st = rs_fail(err, RS_ENOMEM, "%s: no memory for the pixels of %zu images", x->name, x->chunk);
    for (size_t i = 0; i < b->n_images && st == RS_OK; i += x->chunk)
        st = encode_chunk(x, b->images + i, b->n_images - i < x->chunk ? b->n_images - i : x->chunk,
                          vectors + i * d, err);
    return st;
}

/* The whole images of each case into its record. */
static rs_status fill_images(batch *b, rs_err *err)
{
    for (size_t i = 0; i < b->n; i++) {
        rs_case_job *job = &b->jobs[i];
        rs_case_image *list = rs_new(&b->mem, rs_case_image, job->from.n_images + 1);
        if (!list)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", job->from.item);
        for (size_t k = 0; k < job->from.n_images; k++) {
            const rs_case_job_image *im = &job->images[k];
            if (im->st == RS_OK)
                list[job->record.n_images++] = (rs_case_image){
                    im->from->path, im->from->given, im->sha256, im->from->view,
                    im->width, im->height, im->vector};
        }
        job->record.images = list;
    }
    return RS_OK;
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

/* Forget what was remembered of images that the case no longer has. */
static rs_status forget_files(run *x, const rs_case_job *job, rs_err *err)
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

static rs_status write_files(run *x, batch *b, rs_case_job *job, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t k = 0; k < job->from.n_images && st == RS_OK; k++) {
        rs_case_job_image *im = &job->images[k];
        if (im->st != RS_OK) {
            x->r->refused_images++;
            st = rs_archive_forget_file(x->archive, x->name, im->from->given, err);
            if (st == RS_OK)
                st = add_problem(x, b, im->from->given, im->err.msg, err);
            continue;
        }
        im->file.case_key = job->record.key;
        st = rs_archive_set_file(x->archive, x->name, &im->file, err);
    }
    return st == RS_OK ? forget_files(x, job, err) : st;
}

/* The case and what is remembered of its files. */
static rs_status write_case(run *x, batch *b, rs_case_job *job, rs_err *err)
{
    rs_put_kind kind;
    rs_status st = write_files(x, b, job, err);

    if (st != RS_OK)
        return st;
    if (!job->record.n_images && !job->record.n_passages && !job->record.report) {
        x->r->refused_cases++;             /* its images, all refused, have said why */
        return RS_OK;
    }
    st = rs_archive_put(x->archive, &job->record, &kind, err);
    if (st == RS_OK)
        *(kind == RS_PUT_ADDED ? &x->r->added : &x->r->updated) += 1;
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
    rs_status st = gather(x, &b, i, count, err);

    if (st == RS_OK && (b.n || b.n_problems)) {
        double decoding = x->r->decode_s, start = rs_now_s();
        st = encode_images(x, &b, err);
        if (st == RS_OK)
            st = fill_images(&b, err);
        if (st == RS_OK)
            st = encode_passages(x, &b, err);
        x->r->encode_s += rs_now_s() - start - (x->r->decode_s - decoding);
        if (st == RS_OK)
            st = write_batch(x, &b, *i, count, err);
    }
    rs_progress_add(x->progress, *i - first);
    rs_arena_clear(&b.mem);
    return st;
}

/* ---- What is gone ---------------------------------------------------- */

typedef struct { const char **list; size_t n; } name_list;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool holds(const name_list *names, const char *name)
{
    return names->n && bsearch(&name, names->list, names->n, sizeof *names->list, by_name);
}

/* What the source holds now. */
typedef struct {
    name_list keys;              /* sorted */
    name_list problems;          /* sorted: the archive's problems of this source, */
    bool *still;                 /* and which of them are still to be said */
} inventory;

static rs_status take_problems(run *x, rs_arena *mem, inventory *v, rs_err *err)
{
    const rs_problem *p;
    rs_status st = rs_archive_problems(x->archive, x->name, mem, &p, &v->problems.n, err);

    if (st != RS_OK)
        return st;
    v->problems.list = rs_new(mem, const char *, v->problems.n + 1);
    v->still = rs_new(mem, bool, v->problems.n + 1);
    if (!v->problems.list || !v->still)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for its problems", x->name);
    for (size_t i = 0; i < v->problems.n; i++)
        v->problems.list[i] = p[i].item;
    qsort(v->problems.list, v->problems.n, sizeof *v->problems.list, by_name);
    return RS_OK;
}

static void keep_problem(inventory *v, const char *item)
{
    const char **at = v->problems.n ? bsearch(&item, v->problems.list, v->problems.n,
                                              sizeof *v->problems.list, by_name) : NULL;
    if (at)
        v->still[at - v->problems.list] = true;
}

/* An image counts as still refused when no file of this name was taken in. */
static rs_status keep_images(run *x, inventory *v, const rs_source_case *c, rs_arena *mem,
                             rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; i < c->n_images && st == RS_OK; i++) {
        const rs_source_file *known = NULL;
        if (!holds(&v->problems, c->images[i].given))
            continue;
        st = rs_archive_file(x->archive, x->name, c->images[i].given, mem, &known, err);
        if (!known)
            keep_problem(v, c->images[i].given);
    }
    return st;
}

static rs_status take_inventory(run *x, size_t count, rs_arena *mem, inventory *v, rs_err *err)
{
    rs_arena one = {0};
    rs_status st = take_problems(x, mem, v, err);

    v->keys.list = rs_new(mem, const char *, count + 1);
    if (st == RS_OK && !v->keys.list)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory for its keys", x->name);
    for (size_t i = 0; i < count && st == RS_OK; i++) {
        rs_source_case c;
        st = rs_source_get(x->source, i, &one, &c, err);
        if (st == RS_OK)
            st = keep_images(x, v, &c, &one, err);
        if (st == RS_OK && c.key) {
            const char *key = rs_arena_sprintf(mem, "%s%s", x->o->prefix ? x->o->prefix : "", c.key);
            v->keys.list[v->keys.n++] = key;
            if (!key)
                st = rs_fail(err, RS_ENOMEM, "%s: no memory for its keys", x->name);
        } else if (st == RS_OK) {
            x->r->unreadable++;
        }
        rs_arena_reset(&one);
    }
    rs_arena_clear(&one);
    for (size_t i = 0; i < x->n_refused && st == RS_OK; i++)
        keep_problem(v, x->refused[i]);
    if (st == RS_OK)
        qsort(v->keys.list, v->keys.n, sizeof *v->keys.list, by_name);
    return st;
}

/* Remove a case and what is remembered of its files. */
static rs_status prune_case(run *x, const char *key, rs_err *err)
{
    rs_arena mem = {0};
    rs_case_job job = {.from = {.n_images = 0}};
    rs_status st = look_up(x, key, &mem, &job.before, err);

    if (st == RS_OK)
        st = forget_files(x, &job, err);
    if (st == RS_OK)
        st = rs_archive_remove(x->archive, key, NULL, err);
    x->r->pruned += st == RS_OK;
    rs_arena_clear(&mem);
    return st;
}

/* Count, or with `prune` remove, the archive's cases that the source no longer holds. */
static rs_status look_for_gone(run *x, const inventory *v, rs_arena *mem, rs_err *err)
{
    bool prune = x->o->prune && x->r->unreadable == 0;
    const char **keys, *after = NULL;
    size_t n = 0;
    rs_status st;

    do {
        st = rs_archive_keys(x->archive, x->name, after, SKIPS_A_BATCH, mem, &keys, &n, err);
        if (st == RS_OK && prune)
            st = rs_archive_begin(x->archive, err);
        for (size_t i = 0; i < n && st == RS_OK; i++) {
            after = keys[i];
            if (holds(&v->keys, keys[i]))
                continue;
            if (prune)
                st = prune_case(x, keys[i], err);
            else
                x->r->gone++;
        }
        if (st == RS_OK && prune)
            st = rs_archive_commit(x->archive, err);
        else if (st != RS_OK)
            rs_archive_rollback(x->archive);
    } while (st == RS_OK && n == SKIPS_A_BATCH);
    return st;
}

static rs_status forget_problems(run *x, const inventory *v, rs_err *err)
{
    rs_status st;

    for (size_t i = 0; i < v->problems.n; i++)
        x->r->problems += v->still[i];
    if (x->r->problems == v->problems.n)
        return RS_OK;
    if ((st = rs_archive_begin(x->archive, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < v->problems.n && st == RS_OK; i++)
        if (!v->still[i])
            st = rs_archive_clear_problem(x->archive, x->name, v->problems.list[i], err);
    if (st == RS_OK)
        return rs_archive_commit(x->archive, err);
    rs_archive_rollback(x->archive);
    return st;
}

/* After the last batch: what the source no longer holds, and what is no longer wrong. */
static rs_status clean_up(run *x, size_t count, rs_err *err)
{
    rs_arena mem = {0};
    inventory v = {0};
    rs_status st = take_inventory(x, count, &mem, &v, err);

    if (st == RS_OK)
        st = look_for_gone(x, &v, &mem, err);
    if (st == RS_OK)
        st = forget_problems(x, &v, err);
    rs_arena_clear(&mem);
    return st;
}

/* ---- The run --------------------------------------------------------- */

static size_t chunk_of(size_t pixels_each)
{
    size_t n = CHUNK_BYTES / (pixels_each * sizeof(float));
    return n < MIN_CHUNK ? MIN_CHUNK : n > MAX_BATCH_IMAGES ? MAX_BATCH_IMAGES : n;
}

static void end_run(run *x)
{
    for (size_t i = 0; i < x->n_refused; i++)
        rs_free(x->refused[i]);
    rs_free(x->refused);
    rs_free(x->pixels);
    rs_source_close(x->source);
}

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
    x.chunk = chunk_of(x.pixels_each);
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
        st = clean_up(&x, count, err);
    if (st == RS_OK && !stopped)
        st = rs_archive_rebuild(a, err);
    end_run(&x);
    r->seconds = rs_now_s() - start;
    if (st == RS_OK && stopped)
        st = rs_fail(err, RS_ECANCEL, "stopped at case %zu of %zu of %s", i, count, source);
    return st;
}
