/* stages.c - what happens to a batch on its way: decoding, encoding; see index_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "embeddings/regions.h"

#include <string.h>

/* ---- Decode ---------------------------------------------------------- */

typedef struct {
    const rs_index_job *x;
    rs_case_job_image **images;
} decode_context;

static void decode_one(void *ctx, size_t i, size_t worker)
{
    decode_context *d = ctx;

    (void)worker;
    rs_case_decode(d->images[i], rs_encoder_preprocess(d->x->encoder));
}

static bool make_room(const rs_index_job *x, rs_pixels *p, size_t images)
{
    if (p->images >= images)
        return true;
    rs_free(p->floats);
    p->floats = rs_calloc_aligned(images * x->pixels_each, sizeof *p->floats);
    p->images = p->floats ? images : 0;
    return p->floats != NULL;
}

/* The whole images close the gaps that refused ones leave. */
static rs_status gather_whole(const rs_index_job *x, rs_index_chunk *c)
{
    for (size_t i = 0; i < c->n; i++) {
        rs_case_job_image *im = c->images[i];
        float *to = c->pixels->floats + c->whole * x->pixels_each;
        if (im->st == RS_ENOMEM)
            return rs_fail(&c->err, RS_ENOMEM, "%s: %s", im->from->given, im->err.msg);
        if (im->st != RS_OK)
            continue;
        if (im->pixels != to)
            memcpy(to, im->pixels, x->pixels_each * sizeof *to);
        im->vector = c->vectors + c->whole++ * rs_encoder_dim(x->encoder);
    }
    return RS_OK;
}

void rs_index_decode(rs_index_job *x, rs_index_chunk *c, rs_pixels *pixels, rs_pool *pool)
{
    decode_context context = {x, c->images};
    double start = rs_now_s();

    c->pixels = pixels;
    if (c->n == 0)
        return;
    if (!make_room(x, pixels, c->n)) {
        c->st = rs_fail(&c->err, RS_ENOMEM, "%s: no memory for the pixels of %zu images", x->name,
                        c->n);
        return;
    }
    for (size_t i = 0; i < c->n; i++)
        c->images[i]->pixels = pixels->floats + i * x->pixels_each;
    rs_pool_for(pool, c->n, decode_one, &context);
    c->st = gather_whole(x, c);
    c->decode_s = rs_now_s() - start;
}

/* ---- Encode ---------------------------------------------------------- */

/* Each whole image's windows into `list` [whole x RS_REGIONS_EACH], with vectors that are
 * still to be filled, and in the encoder's square. */
static rs_status lay_windows(rs_index_job *x, rs_index_chunk *c, rs_region *list, float *vectors,
                             double *squares, rs_err *err)
{
    const size_t d = rs_encoder_dim(x->encoder);
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        rs_case_job_image *im = c->images[i];
        double picture[RS_REGIONS_EACH][4], square[RS_REGIONS_EACH][4];
        rs_status st;
        rs_view view;
        if (im->st != RS_OK)
            continue;
        st = rs_preprocess_view(rs_encoder_preprocess(x->encoder), im->width, im->height, &view,
                                err);
        if (st != RS_OK)
            return st;
        rs_region_windows(&view, picture, square);
        memcpy(squares + n * 4, square, sizeof square);
        im->regions = list + n;
        for (size_t k = 0; k < RS_REGIONS_EACH; k++, n++) {
            memcpy(list[n].box, picture[k], sizeof list[n].box);
            list[n].vector = vectors + n * d;
        }
    }
    return RS_OK;
}

static rs_status encode_regions(rs_index_job *x, rs_index_chunk *c, rs_err *err)
{
    const size_t n = c->whole * RS_REGIONS_EACH;
    float *vectors = rs_new(&c->batch->mem, float, n * rs_encoder_dim(x->encoder));
    double *squares = rs_new(&c->batch->mem, double, n * 4);
    rs_region *list = rs_new(&c->batch->mem, rs_region, n);
    rs_status st;

    if (!vectors || !squares || !list)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for %zu regions", x->name, n);
    if ((st = lay_windows(x, c, list, vectors, squares, err)) != RS_OK)
        return st;
    c->batch->r.regions += n;
    return rs_encoder_regions(x->encoder, c->pixels->floats, c->whole, squares, RS_REGIONS_EACH,
                              x->o->pool, c->vectors, vectors, err);
}

static rs_status encode_images(rs_index_job *x, rs_index_chunk *c, rs_err *err)
{
    rs_index_report *r = &c->batch->r;

    if (c->st != RS_OK) {
        *err = c->err;
        return c->st;
    }
    r->decode_s += c->decode_s;
    for (size_t i = 0; i < c->n; i++) {
        r->read_thread_s += c->images[i]->read_s;
        r->decode_thread_s += c->images[i]->decode_s;
        r->resize_thread_s += c->images[i]->resize_s;
    }
    r->images += c->whole;
    if (x->regions && c->whole)
        return encode_regions(x, c, err);
    return c->whole ? rs_encoder_pixels(x->encoder, c->pixels->floats, c->whole, x->o->pool,
                                        c->vectors, err) : RS_OK;
}

/* The whole images of each case into its record. */
static rs_status fill_images(rs_index_batch *b, rs_err *err)
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
                    .path = im->from->path, .given = im->from->given, .sha256 = im->sha256,
                    .view = im->from->view, .width = im->width, .height = im->height,
                    .vector = im->vector, .phash = im->phash, .hashed = im->hashed,
                    .regions = im->regions, .n_regions = im->regions ? RS_REGIONS_EACH : 0};
        }
        job->record.images = list;
    }
    return RS_OK;
}

static rs_status encode_passages(rs_index_job *x, rs_index_batch *b, rs_err *err)
{
    size_t d = rs_encoder_dim(x->encoder), total = 0, n = 0;
    const char **texts;
    float *vectors;
    rs_status st = RS_OK;

    for (size_t i = 0; i < b->n && st == RS_OK; i++) {
        st = rs_case_read(&b->jobs[i], x->encoder, rs_archive_lexicon(x->archive), &b->mem,
                          &b->r.texts_cut, err);
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
    b->r.passages += total;
    return rs_encoder_texts(x->encoder, texts, total, x->o->pool, vectors, NULL, err);
}

void rs_index_encode(rs_index_job *x, rs_index_chunk *c)
{
    rs_index_batch *b = c->batch;
    double start = rs_now_s();

    if (b->st == RS_OK)
        b->st = encode_images(x, c, &b->err);
    c->pixels = NULL;
    if (c->last && b->st == RS_OK)
        b->st = fill_images(b, &b->err);
    if (c->last && b->st == RS_OK)
        b->st = encode_passages(x, b, &b->err);
    if (b->n)
        b->r.encode_s += rs_now_s() - start;
}
