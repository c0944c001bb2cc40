/* one.c - see one.h. A batch of one case, through the stages of index_int.h in turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/one.h"

#include "base/alloc.h"
#include "base/log.h"
#include "engine/files.h"
#include "indexer/index_int.h"

#include <string.h>

typedef struct {
    rs_index_job   x;
    rs_index_batch b;                /* b.jobs[0] is the case; all memory is b.mem */
    rs_one_report *r;
    rs_one_also   *also;
    void          *ctx;
    rs_arena      *mem;              /* of the report */
} sending;

/* Take away those files that no case has any more. What stays costs room, and is no untruth. */
static void sweep(rs_archive *a, const rs_case_image *images, size_t n)
{
    rs_arena mem = {0};
    const char **list = rs_new(&mem, const char *, n + 1);
    size_t count = 0;
    rs_err err = {0};
    rs_status st = RS_OK;

    for (size_t i = 0; list && i < n; i++)
        if (images[i].sha256)
            list[count++] = images[i].sha256;
    if (!list)
        st = rs_fail(&err, RS_ENOMEM, "no memory for their names");
    else if (count)
        st = rs_files_sweep(a, list, count, &err);
    if (st != RS_OK)
        rs_log_error(RS_LOG_WARN, "files that no case has are left", &err);
    rs_arena_clear(&mem);
}

/* ---- What was refused ------------------------------------------------ */

static rs_status tell_refused(sending *s, rs_err *err)
{
    const rs_case_job *job = &s->b.jobs[0];
    rs_one_refused *list = rs_new(s->mem, rs_one_refused, job->from.n_images + 1);

    s->r->refused = list;
    s->r->n_refused = 0;
    for (size_t i = 0; list && i < job->from.n_images; i++) {
        const rs_case_job_image *im = &job->images[i];
        if (im->st == RS_OK)
            continue;
        list[s->r->n_refused].image = i;
        list[s->r->n_refused].why = rs_arena_strdup(s->mem, im->err.msg);
        if (!list[s->r->n_refused++].why)
            list = NULL;
    }
    return list ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", s->x.name);
}

/* ---- Nothing new ----------------------------------------------------- */

static bool has_image(const rs_case *c, const char *sha256)
{
    for (size_t i = 0; i < c->n_images; i++)
        if (c->images[i].sha256 && strcmp(c->images[i].sha256, sha256) == 0)
            return true;
    return false;
}

/* What was sent and is not there was refused then: read again, it says why. The file of one
 * that is there is mended where it was lost. */
static rs_status look_again(sending *s, const rs_case *c, rs_err *err)
{
    const rs_case_job *job = &s->b.jobs[0];
    float *pixels = NULL;
    rs_status st = RS_OK;

    for (size_t i = 0; i < job->from.n_images && st == RS_OK; i++) {
        rs_case_job_image *im = &job->images[i];
        char sha256[RS_SHA256_HEX];
        const char *path;
        if (has_image(c, im->from->sha256)) {
            st = rs_files_keep(s->x.archive, im->from->bytes, im->from->len, &s->b.mem, &path,
                               sha256, err);
            continue;
        }
        if (!pixels && !(pixels = rs_new(&s->b.mem, float, s->x.pixels_each)))
            return rs_fail(err, RS_ENOMEM, "%s: no memory for an image", s->x.name);
        im->pixels = pixels;
        rs_case_decode(im, rs_encoder_preprocess(s->x.encoder));
        st = im->st == RS_ENOMEM ? rs_fail(err, RS_ENOMEM, "%s", im->err.msg) : RS_OK;
    }
    return st == RS_OK ? tell_refused(s, err) : st;
}

static rs_status leave(sending *s, rs_err *err)
{
    rs_archive *a = s->x.archive;
    rs_case *c;
    rs_status st = rs_archive_get(a, s->b.jobs[0].record.key, &s->b.mem, &c, err);

    if (st != RS_OK)
        return st;
    s->r->state = RS_ONE_UNCHANGED;
    s->r->images = c->n_images;
    s->r->passages = c->n_passages;
    if ((st = look_again(s, c, err)) != RS_OK || !s->also)
        return st;
    if ((st = rs_archive_begin(a, err)) != RS_OK)
        return st;
    if ((st = s->also(s->ctx, a, s->r, err)) == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

/* ---- New or changed -------------------------------------------------- */

/* Decode and encode all of it, a chunk of images at a time. */
static rs_status encode(sending *s, rs_err *err)
{
    rs_pixels pixels = {0};
    rs_index_batch *b = &s->b;

    b->empty = (rs_index_chunk){.batch = b, .last = true};
    b->chunks = &b->empty;
    b->n_chunks = 1;
    if (b->n_images)
        b->st = rs_index_cut(&s->x, b, &b->err);
    for (size_t i = 0; i < b->n_chunks && b->st == RS_OK; i++) {
        if (b->chunks[i].n)
            rs_index_decode(&s->x, &b->chunks[i], &pixels, s->x.o->pool);
        rs_index_encode(&s->x, &b->chunks[i]);
    }
    rs_free(pixels.floats);
    if (b->st != RS_OK && err)
        *err = b->err;
    return b->st;
}

static rs_status is_anything_left(const sending *s, rs_err *err)
{
    const rs_case *c = &s->b.jobs[0].record;
    const rs_one_report *r = s->r;

    if (c->n_images || c->n_passages || c->report)
        return RS_OK;
    if (r->n_refused == 0)
        return rs_fail(err, RS_EFORMAT, "there is nothing in it that can be found");
    return rs_fail(err, RS_EFORMAT, r->n_refused > 1 ? "%s: %s; none of the %zu images can be read"
                   : "%s: %s", s->b.jobs[0].from.images[r->refused[0].image].given,
                   r->refused[0].why, r->n_refused);
}

/* The images as files of the archive's, and the record's with their paths. */
static rs_status keep(sending *s, rs_err *err)
{
    rs_case_job *job = &s->b.jobs[0];
    rs_case_image *list = rs_new(&s->b.mem, rs_case_image, job->record.n_images + 1);
    char sha256[RS_SHA256_HEX];
    size_t n = 0;
    rs_status st = RS_OK;

    if (!list)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", s->x.name);
    for (size_t i = 0; i < job->from.n_images && st == RS_OK; i++) {
        const rs_source_image *from = job->images[i].from;
        if (job->images[i].st != RS_OK)
            continue;
        list[n] = job->record.images[n];
        list[n].given = NULL;                  /* names of files tell of patients */
        st = rs_files_keep(s->x.archive, from->bytes, from->len, &s->b.mem, &list[n++].path, sha256,
                           err);
    }
    job->record.images = list;
    return st;
}

static rs_status write(sending *s, rs_err *err)
{
    rs_archive *a = s->x.archive;
    const rs_case *c = &s->b.jobs[0].record;
    rs_put_kind kind;
    rs_status st = rs_archive_begin(a, err);

    if (st != RS_OK)
        return st;
    if ((st = rs_archive_put(a, c, &kind, err)) == RS_OK) {
        s->r->state = kind == RS_PUT_ADDED ? RS_ONE_ADDED : RS_ONE_REPLACED;
        s->r->images = c->n_images;
        s->r->passages = c->n_passages;
        if (!s->also || (st = s->also(s->ctx, a, s->r, err)) == RS_OK)
            return rs_archive_commit(a, err);
    }
    rs_archive_rollback(a);
    return st;
}

static rs_status put(sending *s, rs_err *err)
{
    rs_case_job *job = &s->b.jobs[0];
    rs_status st;

    if ((st = rs_index_known(&s->x, job->record.key, &s->b.mem, &job->before, err)) != RS_OK ||
        (st = encode(s, err)) != RS_OK || (st = tell_refused(s, err)) != RS_OK ||
        (st = is_anything_left(s, err)) != RS_OK)
        return st;
    st = keep(s, err);
    if (st == RS_OK)
        st = write(s, err);
    if (st != RS_OK)
        sweep(s->x.archive, job->record.images, job->record.n_images);
    else if (job->before)
        sweep(s->x.archive, job->before->images, job->before->n_images);
    return st;
}

rs_status rs_one_put(rs_archive *a, const rs_encoder *e, rs_pool *pool, const rs_source_case *c,
                     rs_one_also *also, void *ctx, rs_arena *mem, rs_one_report *r, rs_err *err)
{
    const rs_index_options options = {.pool = pool};
    rs_index_report report = {0};
    sending s = {.x = {.archive = a, .encoder = e, .o = &options, .r = &report, .name = "case"},
                 .r = r, .also = also, .ctx = ctx, .mem = mem};
    rs_case_job job = {.from = *c, .record = {.key = c->key, .source = RS_ONE_SOURCE}};
    const char *known;
    rs_status st;

    *r = (rs_one_report){0};
    rs_index_sizes(&s.x);
    s.b.jobs = &job;
    s.b.n = 1;
    s.b.n_images = c->n_images;
    if ((st = rs_index_regions(&s.x, &s.b.mem, err)) == RS_OK &&
        (st = rs_case_digest(&job, s.x.regions, &s.b.mem, err)) == RS_OK) {
        st = rs_archive_digest(a, c->key, &s.b.mem, &known, err);
        if (st == RS_OK && strcmp(known, job.digest) == 0)
            st = leave(&s, err);
        else if (st == RS_OK || st == RS_ENOENT)
            st = put(&s, err);
    }
    rs_arena_clear(&s.b.mem);
    return st;
}

rs_status rs_one_remove(rs_archive *a, const rs_case *c, rs_err *err)
{
    rs_status st = rs_archive_begin(a, err);

    if (st != RS_OK)
        return st;
    if ((st = rs_archive_remove(a, c->key, NULL, err)) != RS_OK)
        rs_archive_rollback(a);
    else if ((st = rs_archive_commit(a, err)) == RS_OK)
        sweep(a, c->images, c->n_images);
    return st;
}
