/* rendition.c - see rendition.h.
 *
 *   decoder's row -> [ 16 to 8 bits, window, or to 16-bit grey ] -> resampler -> encoder
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/rendition.h"

#include "base/alloc.h"
#include "embeddings/image_int.h"
#include "embeddings/intake.h"
#include "embeddings/preprocess_int.h"
#include "embeddings/resample_int.h"

#include <math.h>

/* A display is a JPEG whatever the source is, for what is exact is the original, one URL away,
 * and gray16. Measured on a film of 2000 x 2500 with noise, one of 512 x 512 and a slice of 320,
 * against the resized pixels:
 *
 *   quality     85      90      92      95
 *   PSNR, dB    43-44   45-46   45-49   46-52
 *   bytes       7-38%   12-42%  14-43%  21-50%   of the PNG's, which takes up to ten times as long
 *
 * Beyond 92 bytes grow for what are noise's own levels. Thumbnails are looked at for a second. */
enum { THUMBNAIL_QUALITY = 85, DISPLAY_QUALITY = 92 };

static const struct {
    const char *name;
    size_t      side;
    const char *type, *file;
} kinds[] = {
#define RENDITION_ROW(name, text, side, type, file) {text, side, type, file},
    RS_RENDITION_MAP(RENDITION_ROW)
#undef RENDITION_ROW
};

const char *rs_rendition_name(rs_rendition r) { return kinds[r].name; }
const char *rs_rendition_type(rs_rendition r) { return kinds[r].type; }
const char *rs_rendition_file(rs_rendition r) { return kinds[r].file; }

/* `n` in the proportion to : from, rounded, at least 1. */
static size_t in_proportion(size_t n, size_t to, size_t from)
{
    size_t out = (n * to * 2 + from) / (2 * from);

    return out ? out : 1;
}

void rs_rendition_size(rs_rendition r, size_t width, size_t height, size_t *to_width,
                       size_t *to_height)
{
    const size_t most = kinds[r].side, longest = width > height ? width : height;

    *to_width = longest > most ? in_proportion(width, most, longest) : width;
    *to_height = longest > most ? in_proportion(height, most, longest) : height;
}

/* ---- One image on its way -------------------------------------------- */

typedef struct {
    rs_rendition   kind;
    const rs_grey_window *window;
    rs_file_shape  shape;
    rs_sample_range range;
    size_t         width;           /* of the rows that come */
    rs_image       kept;            /* the rows, where they must be kept; else empty */
    void          *row;             /* the one row that is not kept */
    void          *made;            /* that row as the resampler is given it */
    uint8_t       *byte_of;         /* 8 bits of a grey sample, less `lo`; NULL: no table */
    uint16_t       lo;
    rs_resampler  *resampler;
    rs_image       out;
} view;

static bool is_grey16(const rs_file_shape *s)
{
    return s->depth == 16 && s->channels == 1;
}

/* Its 8 bits follow from its own range. */
static bool needs_range(const view *v)
{
    return is_grey16(&v->shape) && v->kind != RS_RENDITION_GRAY16 && !v->window;
}

static uint8_t in_window(const rs_grey_window *w, double v)
{
    const double from = w->center - 0.5, half = (w->width - 1) / 2;

    if (v <= from - half)
        return 0;
    if (v > from + half)
        return 255;
    return (uint8_t)floor(((v - from) / (w->width - 1) + 0.5) * 255 + 0.5);
}

static uint8_t *window_bytes(const rs_grey_window *w, size_t depth)
{
    const size_t n = (size_t)1 << depth;
    uint8_t *byte_of = rs_malloc(n);

    for (size_t i = 0; byte_of && i < n; i++)
        byte_of[i] = in_window(w, (double)i);
    return byte_of;
}

/* Tables, the row that is made and the resampler; the range is known. */
static rs_status begin_rows(view *v, rs_err *err)
{
    const rs_file_shape *s = &v->shape;
    const bool gray16 = v->kind == RS_RENDITION_GRAY16;
    const rs_rows in = {v->width, rs_eighths_of(s->height, s->eighths), gray16 ? 1 : s->channels,
                        gray16 ? 16 : 8, (double)(s->width * s->eighths) / 8,
                        (double)(s->height * s->eighths) / 8};
    rs_window w = {0};

    rs_rendition_size(v->kind, s->width, s->height, &w.full_width, &w.full_height);
    w.width = w.full_width;
    w.height = w.full_height;
    v->made = rs_malloc(v->width * in.channels * (in.depth / 8));
    if (v->window)
        v->byte_of = window_bytes(v->window, s->depth);
    else if (needs_range(v))
        v->byte_of = rs_sample_range_bytes(v->range);
    if (needs_range(v))
        v->lo = v->range.lo;
    if (!v->made || ((v->window || needs_range(v)) && !v->byte_of))
        return rs_fail(err, RS_ENOMEM, "no memory for a row of an image");
    return rs_resampler_new(&v->resampler, &v->out, &in, w, RS_RESAMPLE_BICUBIC, err);
}

/* ---- Rows ------------------------------------------------------------ */

/* One sample of 8 or 16 bits as 16. */
static uint32_t wide(const view *v, const void *row, size_t i)
{
    return v->shape.depth == 16 ? ((const uint16_t *)row)[i]
                                : ((const uint8_t *)row)[i] * 257u;
}

/* BT.601 with weights of 16 bits that add up to 1, so that grey stays what it is; the sum
 * fits 32 bits. */
static void to_grey16(const view *v, const void *row)
{
    uint16_t *to = v->made;

    for (size_t x = 0; x < v->width; x++)
        to[x] = (uint16_t)(v->shape.channels == 1 ? wide(v, row, x)
            : (wide(v, row, 3 * x) * 19595u + wide(v, row, 3 * x + 1) * 38470u +
               wide(v, row, 3 * x + 2) * 7471u + 32768u) >> 16);
}

static void to_bytes(const view *v, const void *row)
{
    const size_t n = v->width * v->shape.channels;
    const uint16_t *wide_row = row;
    const uint8_t *narrow_row = row;
    uint8_t *to = v->made;

    if (v->shape.depth == 8)
        for (size_t i = 0; i < n; i++)
            to[i] = v->byte_of[narrow_row[i]];
    else if (v->byte_of)
        for (size_t i = 0; i < n; i++)
            to[i] = v->byte_of[wide_row[i] - v->lo];
    else
        for (size_t i = 0; i < n; i++)
            to[i] = (uint8_t)(wide_row[i] >> 8);        /* colour: as preprocess.h has it */
}

static void take_row(view *v, const void *row)
{
    const bool gray16 = v->kind == RS_RENDITION_GRAY16;
    const bool ready = gray16 ? is_grey16(&v->shape) : v->shape.depth == 8 && !v->byte_of;

    if (gray16 && !ready)
        to_grey16(v, row);
    else if (!ready)
        to_bytes(v, row);
    rs_resampler_row(v->resampler, ready ? row : v->made);
}

/* ---- The decoder's sink ---------------------------------------------- */

static rs_status on_begin(void *ctx, rs_file_shape *s, rs_err *err)
{
    view *v = ctx;
    size_t width, height;

    if (v->window && s->channels != 1)
        return rs_fail(err, RS_EARG, "the image is in colour, and only grey has a window");
    rs_rendition_size(v->kind, s->width, s->height, &width, &height);
    if (!v->window && v->kind != RS_RENDITION_GRAY16)
        s->eighths = rs_eighths_for(s, RS_INTAKE_MARGIN * (double)width,
                                    RS_INTAKE_MARGIN * (double)height);
    v->shape = *s;
    v->width = rs_eighths_of(s->width, s->eighths);
    if (s->in_passes || needs_range(v))
        return rs_image_new(&v->kept, s->width, s->height, s->channels, s->depth, err);
    v->row = rs_malloc(v->width * s->channels * (s->depth / 8));
    if (!v->row)
        return rs_fail(err, RS_ENOMEM, "no memory for a row of an image");
    return begin_rows(v, err);
}

static void *on_place(void *ctx, size_t y)
{
    view *v = ctx;
    const rs_image *im = &v->kept;

    return v->row ? v->row
                  : (unsigned char *)im->pixels + y * im->width * im->channels * (im->depth / 8);
}

static void on_row(void *ctx, size_t y)
{
    view *v = ctx;

    (void)y;
    if (v->row)
        take_row(v, v->row);
}

static rs_status take_kept(view *v, rs_err *err)
{
    rs_status st;

    v->range = (rs_sample_range){UINT16_MAX, 0};
    if (needs_range(v))
        rs_sample_range_widen(&v->range, v->kept.pixels, v->kept.width * v->kept.height);
    st = begin_rows(v, err);
    for (size_t y = 0; st == RS_OK && y < v->kept.height; y++)
        take_row(v, on_place(v, y));
    return st;
}

/* ---- Public ---------------------------------------------------------- */

static rs_status encode(char **out, size_t *len, const view *v, rs_err *err)
{
    switch (v->kind) {
    case RS_RENDITION_THUMBNAIL:
        return rs_image_to_jpeg(out, len, &v->out, THUMBNAIL_QUALITY, err);
    case RS_RENDITION_DISPLAY:
        return rs_image_to_jpeg(out, len, &v->out, DISPLAY_QUALITY, err);
    case RS_RENDITION_GRAY16:
        return rs_image_to_png_quick(out, len, &v->out, err);
    case RS_RENDITIONS:
        break;
    }
    return rs_fail(err, RS_EARG, "there is no such rendition");
}

rs_status rs_rendition_make(char **out, size_t *out_len, rs_rendition r,
                            const rs_grey_window *window, const void *bytes, size_t len,
                            rs_err *err)
{
    view v = {.kind = r, .window = window};
    const rs_row_sink sink = {.ctx = &v, .begin = on_begin, .place = on_place, .row = on_row};
    rs_status st = RS_OK;

    *out = NULL;
    *out_len = 0;
    if (window && (r != RS_RENDITION_DISPLAY || !(window->width >= 1) || !isfinite(window->width) ||
                   !isfinite(window->center)))
        st = rs_fail(err, RS_EARG, "a %s with a window of width %g around %g", rs_rendition_name(r),
                     window->width, window->center);
    if (st == RS_OK)
        st = rs_image_rows(bytes, len, &sink, err);
    if (st == RS_OK && v.kept.pixels)
        st = take_kept(&v, err);
    rs_image_clear(&v.kept);               /* before the encoder wants memory */
    if (st == RS_OK)
        st = encode(out, out_len, &v, err);
    rs_resampler_free(v.resampler);
    rs_image_clear(&v.out);
    rs_free(v.row);
    rs_free(v.made);
    rs_free(v.byte_of);
    return st;
}
