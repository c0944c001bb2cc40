/* image.c - pixels in memory; which decoder a file needs. See image.h, image_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/image.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/image_int.h"

#include <string.h>

rs_status rs_image_check_claim(size_t width, size_t height, rs_err *err)
{
    if (width == 0 || height == 0)
        return rs_fail(err, RS_ECORRUPT, "the image claims %zu x %zu pixels", width, height);
    if (width > RS_IMAGE_MAX_SIDE || height > RS_IMAGE_MAX_SIDE)
        return rs_fail(err, RS_ELIMIT, "%zu x %zu pixels, at most %d a side are decoded",
                       width, height, RS_IMAGE_MAX_SIDE);
    if (width * height > RS_IMAGE_MAX_PIXELS)
        return rs_fail(err, RS_ELIMIT, "%zu x %zu pixels, at most %d in all are decoded",
                       width, height, RS_IMAGE_MAX_PIXELS);
    return RS_OK;
}

rs_status rs_image_new(rs_image *im, size_t width, size_t height, size_t channels,
                       size_t depth, rs_err *err)
{
    *im = (rs_image){0};
    if (width == 0 || height == 0 || width > RS_IMAGE_MAX_SIDE || height > RS_IMAGE_MAX_SIDE ||
        width * height > RS_IMAGE_MAX_PIXELS || (channels != 1 && channels != 3) ||
        (depth != 8 && depth != 16))
        return rs_fail(err, RS_EARG, "an image of %zu x %zu pixels, %zu channels, %zu bits",
                       width, height, channels, depth);
    im->pixels = rs_calloc_aligned(width * height, channels * (depth / 8));
    if (!im->pixels)
        return rs_fail(err, RS_ENOMEM, "no memory for an image of %zu x %zu pixels", width, height);
    im->width = width;
    im->height = height;
    im->channels = channels;
    im->depth = depth;
    return RS_OK;
}

void rs_image_clear(rs_image *im)
{
    rs_free(im->pixels);
    *im = (rs_image){0};
}

/* ---- Decoding -------------------------------------------------------- */

size_t rs_eighths_of(size_t n, size_t eighths)
{
    return (n * eighths + 7) / 8;
}

size_t rs_eighths_for(const rs_file_shape *s, double width, double height)
{
    size_t n = s->scalable ? 1 : 8;

    while (n < 8 && ((double)(s->width * n) < 8 * width || (double)(s->height * n) < 8 * height))
        n *= 2;
    return n;
}

rs_status rs_image_rows(const void *bytes, size_t len, const rs_row_sink *to, rs_err *err)
{
    static const struct {
        const char *signature;
        size_t n;
        rs_status (*rows)(const unsigned char *, size_t, const rs_row_sink *, rs_err *);
    } formats[] = {
        {"\x89PNG\r\n\x1a\n", 8, rs_png_rows},
        {"\xff\xd8\xff",      3, rs_jpeg_rows},
    };

    if (len == 0)
        return rs_fail(err, RS_ECORRUPT, "the file is empty");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t n = len < formats[i].n ? len : formats[i].n;
        if (memcmp(bytes, formats[i].signature, n) != 0)
            continue;
        if (n < formats[i].n)
            return rs_fail(err, RS_ECORRUPT, "cut off after %zu bytes", len);
        return formats[i].rows(bytes, len, to, err);
    }
    return rs_fail(err, RS_EFORMAT, "neither PNG nor JPEG");
}

/* The sink that keeps the whole picture. */
static rs_status keep_all(void *ctx, rs_file_shape *s, rs_err *err)
{
    return rs_image_new(ctx, s->width, s->height, s->channels, s->depth, err);
}

static void *place_in_image(void *ctx, size_t y)
{
    const rs_image *im = ctx;

    return (unsigned char *)im->pixels + y * im->width * im->channels * (im->depth / 8);
}

rs_status rs_image_decode(rs_image *im, const void *bytes, size_t len, rs_err *err)
{
    const rs_row_sink whole = {.ctx = im, .begin = keep_all, .place = place_in_image};
    rs_status st;

    *im = (rs_image){0};
    st = rs_image_rows(bytes, len, &whole, err);
    if (st != RS_OK)
        rs_image_clear(im);
    return st;
}

/* The sink that only looks. */
static rs_status note_size(void *ctx, rs_file_shape *s, rs_err *err)
{
    size_t *size = ctx;

    size[0] = s->width;
    size[1] = s->height;
    return rs_fail(err, RS_ECANCEL, "that is all");
}

rs_status rs_image_size(size_t *width, size_t *height, const void *bytes, size_t len, rs_err *err)
{
    size_t size[2] = {0};
    const rs_row_sink look = {.ctx = size, .begin = note_size};
    const rs_status st = rs_image_rows(bytes, len, &look, err);

    *width = size[0];
    *height = size[1];
    return st == RS_ECANCEL ? RS_OK : st;
}

rs_status rs_image_load(rs_image *im, const char *path, rs_err *err)
{
    rs_status st;
    char *bytes;
    size_t len;

    *im = (rs_image){0};
    st = rs_file_read(&bytes, &len, path, RS_IMAGE_MAX_FILE, err);
    if (st != RS_OK)
        return st;                      /* names the path already */
    st = rs_image_decode(im, bytes, len, err);
    if (st != RS_OK)
        rs_wrap(err, st, "%s", path);
    rs_free(bytes);
    return st;
}

rs_status rs_image_save_png(const rs_image *im, const char *path, rs_err *err)
{
    char *bytes;
    size_t len;
    rs_status st = rs_image_to_png(&bytes, &len, im, err);

    if (st != RS_OK) {
        rs_wrap(err, st, "%s", path);
        return st;
    }
    st = rs_file_write(path, bytes, len, err);
    rs_free(bytes);
    return st;
}
