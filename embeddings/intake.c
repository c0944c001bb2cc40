/* intake.c - see intake.h.
 *
 * 16-bit grey keeps its rows rather than being decoded twice, once for the range and once
 * for the pixels: inflating is most of the time of a PNG, and the rows are half of what
 * the picture and its 8-bit copy took.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/intake.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "embeddings/image_int.h"
#include "embeddings/preprocess_int.h"

#include <pthread.h>

typedef struct {
    const rs_preprocess *p;
    double margin;
    rs_intake_facts *facts;
    rs_file_shape shape;
    rs_sample_range range;
    rs_preprocess_rows *rows;       /* made at once, or after decoding where rows are kept */
    rs_image kept;                  /* the rows that are kept; else empty */
    void *row;                      /* the one row that is not kept */
} intake;

/* The least fraction, in eighths, at which both sides are margin times what is wanted. */
static rs_status choose_eighths(intake *in, rs_file_shape *s, rs_err *err)
{
    size_t width, height;
    rs_status st = rs_preprocess_size(in->p, s->width, s->height, &width, &height, err);

    if (st == RS_OK && in->margin > 0)
        s->eighths = rs_eighths_for(s, in->margin * (double)width, in->margin * (double)height);
    return st;
}

static rs_status make_rows(intake *in, rs_err *err)
{
    const rs_file_shape *s = &in->shape;

    return rs_preprocess_rows_new(&in->rows, in->p, s->width, s->height, s->channels, s->depth,
                                  s->eighths, &in->range, err);
}

static bool must_keep(const rs_file_shape *s)
{
    return s->in_passes || (s->depth == 16 && s->channels == 1);
}

static rs_status on_begin(void *ctx, rs_file_shape *s, rs_err *err)
{
    intake *in = ctx;
    rs_status st = choose_eighths(in, s, err);

    in->shape = *s;
    in->facts->width = s->width;
    in->facts->height = s->height;
    in->facts->eighths = s->eighths;
    if (st != RS_OK)
        return st;
    if (must_keep(s))
        return rs_image_new(&in->kept, s->width, s->height, s->channels, s->depth, err);
    in->row = rs_malloc(rs_eighths_of(s->width, s->eighths) * s->channels * (s->depth / 8));
    if (!in->row)
        return rs_fail(err, RS_ENOMEM, "no memory for a row of an image");
    return make_rows(in, err);
}

static size_t kept_stride(const intake *in)
{
    return in->kept.width * in->kept.channels * (in->kept.depth / 8);
}

static void *on_place(void *ctx, size_t y)
{
    intake *in = ctx;

    return in->row ? in->row : (unsigned char *)in->kept.pixels + y * kept_stride(in);
}

static void on_row(void *ctx, size_t y)
{
    intake *in = ctx;
    double start = rs_now_s();

    if (in->row)
        rs_preprocess_rows_take(in->rows, in->row);
    else
        rs_sample_range_widen(&in->range, on_place(in, y), in->kept.width);
    in->facts->resize_s += rs_now_s() - start;
}

/* What was kept, through the resampler. */
static rs_status take_kept(intake *in, rs_err *err)
{
    const rs_image *im = &in->kept;
    rs_status st;

    if (im->depth == 16 && im->channels == 1 && in->shape.in_passes)
        rs_sample_range_widen(&in->range, im->pixels, im->width * im->height);
    st = make_rows(in, err);
    for (size_t y = 0; st == RS_OK && y < im->height; y++)
        rs_preprocess_rows_take(in->rows, on_place(in, y));
    return st;
}

rs_status rs_intake_bytes(const rs_preprocess *p, const void *bytes, size_t len, double margin,
                          float *out, rs_intake_facts *facts, rs_err *err)
{
    rs_intake_facts unused;
    intake in = {.p = p, .margin = margin, .facts = facts ? facts : &unused,
                 .range = {UINT16_MAX, 0}};
    const rs_row_sink sink = {.ctx = &in, .begin = on_begin, .place = on_place, .row = on_row};
    double start = rs_now_s(), decoded;
    rs_status st;

    *in.facts = (rs_intake_facts){0};
    st = rs_image_rows(bytes, len, &sink, err);
    decoded = rs_now_s();
    in.facts->decode_s = decoded - start - in.facts->resize_s;
    if (st == RS_OK && in.kept.pixels)
        st = take_kept(&in, err);
    if (st == RS_OK)
        rs_preprocess_rows_emit(in.rows, out);
    in.facts->resize_s += rs_now_s() - decoded;
    rs_preprocess_rows_free(in.rows);
    rs_image_clear(&in.kept);
    rs_free(in.row);
    return st;
}

/* ---- Files ----------------------------------------------------------- */

typedef struct {
    const rs_preprocess *p;
    const char *const *paths;
    float *out;
    pthread_mutex_t lock;
    rs_status st;                   /* of file `failed`, the first that has an error */
    rs_err err;
    size_t failed;
} file_job;

static rs_status take_file(const rs_preprocess *p, const char *path, float *out, rs_err *err)
{
    char *bytes;
    size_t len;
    rs_status st = rs_file_read(&bytes, &len, path, RS_IMAGE_MAX_FILE, err);

    if (st != RS_OK)
        return st;                      /* names the path already */
    st = rs_intake_bytes(p, bytes, len, RS_INTAKE_MARGIN, out, NULL, err);
    if (st != RS_OK)
        rs_wrap(err, st, "%s", path);
    rs_free(bytes);
    return st;
}

static void on_file(void *ctx, size_t i, size_t worker)
{
    file_job *j = ctx;
    rs_err err = {0};
    rs_status st = take_file(j->p, j->paths[i],
                             j->out + i * 3 * j->p->crop_height * j->p->crop_width, &err);

    (void)worker;
    if (st == RS_OK)
        return;
    pthread_mutex_lock(&j->lock);
    if (j->st == RS_OK || i < j->failed) {
        j->st = st;
        j->err = err;
        j->failed = i;
    }
    pthread_mutex_unlock(&j->lock);
}

rs_status rs_intake_files(const rs_preprocess *p, const char *const *paths, size_t n,
                          rs_pool *pool, float *out, rs_err *err)
{
    file_job j = {.p = p, .paths = paths, .out = out};

    pthread_mutex_init(&j.lock, NULL);
    rs_pool_for(pool, n, on_file, &j);
    pthread_mutex_destroy(&j.lock);
    if (j.st != RS_OK && err)
        *err = j.err;
    return j.st;
}
