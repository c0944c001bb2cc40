/* preprocess_run.c - an image as an encoder wants it; see preprocess.h, preprocess_int.h.
 *
 * Follows CLIPImageProcessor of transformers 4.38 step by step, one row at a time: to
 * 8 bits, into the resampler, and at the end from the crop's bytes to floats. Only the
 * crop is ever resized, and since the pixels are bytes until the end, rescaling and
 * normalising is one look-up in a table of 256 floats a channel.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/preprocess_int.h"

#include "base/alloc.h"
#include "embeddings/image_int.h"
#include "embeddings/resample_int.h"

#include <assert.h>

/* ---- Where the picture goes ------------------------------------------ */

/* Where one edge of the crop lies: `n` pixels from `from` of the resized image go to
 * `to` of the crop; the rest stays black. The halves round as the reference's do. */
typedef struct { size_t from, to, n; } span;

static span centre(size_t have, size_t want, rs_processor processor)
{
    const size_t over = have - want;

    if (have >= want && processor == RS_PROCESSOR_OPEN_CLIP)
        return (span){over / 2 + (over % 4 == 3), 0, want};
    if (have >= want)
        return (span){over / 2, 0, want};
    return (span){0, (want - have + 1) / 2, have};
}

rs_status rs_preprocess_size(const rs_preprocess *p, size_t width, size_t height,
                             size_t *full_width, size_t *full_height, rs_err *err)
{
    size_t edge = p->resize_height;

    *full_width = width;
    *full_height = height;
    if (p->do_resize && p->keep_aspect && width <= height) {
        *full_width = edge;
        *full_height = edge * height / width;
    } else if (p->do_resize && p->keep_aspect) {
        *full_height = edge;
        *full_width = edge * width / height;
    } else if (p->do_resize) {
        *full_width = p->resize_width;
        *full_height = p->resize_height;
    }
    if (!p->do_center_crop && (*full_width != p->crop_width || *full_height != p->crop_height))
        return rs_fail(err, RS_EARG, "%zu x %zu pixels without a crop, the encoder takes %zu x %zu",
                       *full_width, *full_height, p->crop_width, p->crop_height);
    return RS_OK;
}

static void view_edge(double *scale, double *shift, size_t full, span s, size_t crop)
{
    *scale = (double)full / (double)crop;
    *shift = ((double)s.to - (double)s.from) / (double)crop;
}

rs_status rs_preprocess_view(const rs_preprocess *p, size_t width, size_t height, rs_view *out,
                             rs_err *err)
{
    size_t w, h;
    rs_status st = rs_preprocess_size(p, width, height, &w, &h, err);

    if (st != RS_OK)
        return st;
    view_edge(&out->scale[0], &out->shift[0], w, centre(w, p->crop_width, p->processor),
              p->crop_width);
    view_edge(&out->scale[1], &out->shift[1], h, centre(h, p->crop_height, p->processor),
              p->crop_height);
    return RS_OK;
}

/* ---- 16 bits to 8 ---------------------------------------------------- */

void rs_sample_range_widen(rs_sample_range *r, const uint16_t *row, size_t n)
{
    uint16_t lo = r->lo, hi = r->hi;

    for (size_t i = 0; i < n; i++) {
        lo = row[i] < lo ? row[i] : lo;
        hi = row[i] > hi ? row[i] : hi;
    }
    *r = (rs_sample_range){lo, hi};
}

uint8_t *rs_sample_range_bytes(rs_sample_range range)
{
    uint32_t steps = (uint32_t)range.hi - range.lo;
    uint8_t *byte_of = rs_calloc(steps + 1, 1);

    for (uint32_t v = 0; byte_of && v <= steps && steps > 0; v++)
        byte_of[v] = (uint8_t)((v * 510 + steps) / (2 * steps));
    return byte_of;
}

/* ---- Row by row ------------------------------------------------------ */

struct rs_preprocess_rows {
    const rs_preprocess *p;
    span sx, sy;
    rs_rows in;
    rs_resampler *resampler;
    rs_image part;                      /* the crop's pixels, filled by the resampler */
    uint8_t *row8;                      /* 16 bits: a row in 8 */
    uint8_t *byte_of;                   /* 16-bit grey: of a sample, less the smallest one */
    uint16_t lo;
};

static rs_status prepare_16_bits(rs_preprocess_rows *r, const rs_sample_range *range, rs_err *err)
{
    r->row8 = rs_malloc(r->in.width * r->in.channels);
    if (r->in.channels == 1) {
        assert(range && range->lo <= range->hi);
        r->lo = range->lo;
        r->byte_of = rs_sample_range_bytes(*range);
    }
    if (!r->row8 || (r->in.channels == 1 && !r->byte_of))
        return rs_fail(err, RS_ENOMEM, "no memory to scale a 16-bit image");
    return RS_OK;
}

rs_status rs_preprocess_rows_new(rs_preprocess_rows **out, const rs_preprocess *p,
                                 size_t file_width, size_t file_height, size_t channels,
                                 size_t depth, size_t eighths, const rs_sample_range *range,
                                 rs_err *err)
{
    rs_preprocess_rows *r;
    rs_window w;
    rs_status st = rs_preprocess_size(p, file_width, file_height, &w.full_width, &w.full_height,
                                      err);

    *out = NULL;
    if (st != RS_OK)
        return st;
    r = rs_calloc(1, sizeof *r);
    if (!r)
        return rs_fail(err, RS_ENOMEM, "no memory to preprocess an image");
    r->p = p;
    r->sx = centre(w.full_width, p->crop_width, p->processor);
    r->sy = centre(w.full_height, p->crop_height, p->processor);
    w.x = r->sx.from;
    w.y = r->sy.from;
    w.width = r->sx.n;
    w.height = r->sy.n;
    r->in = (rs_rows){rs_eighths_of(file_width, eighths), rs_eighths_of(file_height, eighths),
                      channels, 8, (double)(file_width * eighths) / 8,
                      (double)(file_height * eighths) / 8};
    if (depth == 16)
        st = prepare_16_bits(r, range, err);
    if (st == RS_OK)
        st = rs_resampler_new(&r->resampler, &r->part, &r->in, w, p->resample, err);
    if (st != RS_OK) {
        rs_preprocess_rows_free(r);
        return st;
    }
    *out = r;
    return RS_OK;
}

void rs_preprocess_rows_take(rs_preprocess_rows *r, const void *row)
{
    size_t n = r->in.width * r->in.channels;
    const uint16_t *from = row;

    if (r->byte_of)
        for (size_t i = 0; i < n; i++)
            r->row8[i] = r->byte_of[from[i] - r->lo];
    else if (r->row8)
        for (size_t i = 0; i < n; i++)
            r->row8[i] = (uint8_t)(from[i] >> 8);   /* colour is display-ready: as PIL reads it */
    rs_resampler_row(r->resampler, r->row8 ? r->row8 : row);
}

/* out[c] = table_c[pixel], the border black. */
void rs_preprocess_rows_emit(const rs_preprocess_rows *r, float *out)
{
    const rs_preprocess *p = r->p;
    const rs_image *im = &r->part;

    for (size_t c = 0; c < 3; c++) {
        float table[256];
        float *plane = out + c * p->crop_height * p->crop_width;
        size_t channel = im->channels == 3 ? c : 0;

        for (size_t v = 0; v < 256; v++) {
            table[v] = p->do_rescale ? (float)((double)v * p->rescale) : (float)v;
            if (p->do_normalize)
                table[v] = (table[v] - p->mean[c]) / p->std[c];
        }
        for (size_t i = 0; i < p->crop_height * p->crop_width; i++)
            plane[i] = table[0];
        for (size_t y = 0; y < r->sy.n; y++) {
            const uint8_t *row = (const uint8_t *)im->pixels + y * im->width * im->channels +
                                 channel;
            float *to = plane + (r->sy.to + y) * p->crop_width + r->sx.to;
            for (size_t x = 0; x < r->sx.n; x++)
                to[x] = table[row[x * im->channels]];
        }
    }
}

void rs_preprocess_rows_free(rs_preprocess_rows *r)
{
    if (!r)
        return;
    rs_resampler_free(r->resampler);
    rs_image_clear(&r->part);
    rs_free(r->row8);
    rs_free(r->byte_of);
    rs_free(r);
}

/* ---- A whole image --------------------------------------------------- */

rs_status rs_preprocess_run(const rs_preprocess *p, const rs_image *im, float *out, rs_err *err)
{
    size_t n = im->width * im->channels, stride = n * (im->depth / 8);
    const unsigned char *pixels = im->pixels;
    rs_sample_range range = {UINT16_MAX, 0};
    rs_preprocess_rows *r;
    rs_status st;

    if (!im->pixels)
        return rs_fail(err, RS_EARG, "an empty image cannot be preprocessed");
    if (im->depth == 16 && im->channels == 1)
        rs_sample_range_widen(&range, im->pixels, n * im->height);
    st = rs_preprocess_rows_new(&r, p, im->width, im->height, im->channels, im->depth, 8, &range,
                                err);
    if (st != RS_OK)
        return st;
    for (size_t y = 0; y < im->height; y++)
        rs_preprocess_rows_take(r, pixels + y * stride);
    rs_preprocess_rows_emit(r, out);
    rs_preprocess_rows_free(r);
    return RS_OK;
}
