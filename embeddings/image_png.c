/* image_png.c - PNG in and out by libpng (ISO/IEC 15948).
 *
 * The header is read and judged by us before libpng sees a byte, so a bomb costs
 * nothing. Only the pixels matter: every ancillary chunk is skipped unread, tRNS
 * included, for transparency is dropped anyway. libpng's memory comes from
 * rs_malloc; its errors arrive by longjmp in one guarded function a direction,
 * whose state lives in the caller's frame and so survives the jump.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/image_int.h"

#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    HEADER_BYTES = 33,                  /* signature, then IHDR with length and CRC */
    CHUNK_MAX_BYTES = 1 << 20,          /* what one ancillary chunk may cost */
    DEFLATE_MAX_RATIO = 1032            /* the best that deflate can do */
};

typedef struct {
    png_structp png;
    png_infop   info;
    bool        oom;                    /* an allocation failed: whatever libpng says */
    char        msg[160];               /* libpng's last error */
    rs_reader   in;                     /* decoding */
    const rs_row_sink *to;
    rs_buf      out;                    /* encoding */
} png_job;

/* ---- What libpng calls back ------------------------------------------ */

static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
    png_job *job = png_get_mem_ptr(png);
    void *p = rs_malloc(n);

    if (!p)
        job->oom = true;
    return p;
}

static void on_free(png_structp png, png_voidp p)
{
    (void)png;
    rs_free(p);
}

static void on_error(png_structp png, png_const_charp msg)
{
    png_job *job = png_get_error_ptr(png);

    snprintf(job->msg, sizeof job->msg, "%s", msg);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp msg)
{
    (void)png;
    (void)msg;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    png_job *job = png_get_io_ptr(png);
    const uint8_t *p = rs_read_bytes(&job->in, n);

    if (!p)
        png_error(png, "the file ends too early");
    memcpy(to, p, n);
}

static void on_write(png_structp png, png_bytep from, size_t n)
{
    png_job *job = png_get_io_ptr(png);

    rs_buf_append(&job->out, from, n);
    if (job->out.failed) {
        job->oom = true;
        png_error(png, "no memory");
    }
}

static void on_flush(png_structp png) { (void)png; }

static bool is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;

    memcpy(&first, &one, 1);
    return first == 1;
}

static rs_status job_failed(const png_job *job, rs_status code, const char *what, rs_err *err)
{
    if (job->oom)
        return rs_fail(err, RS_ENOMEM, "PNG: no memory");
    return rs_fail(err, code, "%s PNG: %s", what, job->msg);
}

/* ---- Decoding -------------------------------------------------------- */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Judge IHDR: is it there, is the size allowed, can a file this long hold it? */
static rs_status check_header(const unsigned char *p, size_t len, rs_err *err)
{
    static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};     /* by colour type */
    uint64_t width, height, raw;
    rs_status st;

    if (len < HEADER_BYTES)
        return rs_fail(err, RS_ECORRUPT, "damaged PNG: cut off after %zu bytes", len);
    if (be32(p + 8) != 13 || memcmp(p + 12, "IHDR", 4) != 0)
        return rs_fail(err, RS_ECORRUPT, "damaged PNG: does not begin with IHDR");
    width = be32(p + 16);
    height = be32(p + 20);
    st = rs_image_check_claim(width, height, err);
    if (st != RS_OK)
        return st;
    raw = p[25] < sizeof samples ? width * samples[p[25]] * p[24] / 8 * height : 0;
    if (raw / DEFLATE_MAX_RATIO > len)
        return rs_fail(err, RS_ECORRUPT,
                       "damaged PNG: %zu bytes cannot hold %zu x %zu pixels",
                       len, (size_t)width, (size_t)height);
    return RS_OK;
}

static void skip_ancillary(png_structp png)
{
    static const png_byte names[] =
        "bKGD\0" "cHRM\0" "eXIf\0" "gAMA\0" "hIST\0" "iCCP\0" "iTXt\0" "oFFs\0" "pCAL\0"
        "pHYs\0" "sBIT\0" "sCAL\0" "sPLT\0" "sRGB\0" "sTER\0" "tEXt\0" "tIME\0" "tRNS\0"
        "zTXt";

    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, sizeof names / 5);
    png_set_chunk_malloc_max(png, CHUNK_MAX_BYTES);
}

/* Ask for grey or RGB of 8 or 16 bits in host order, and say what it will be. */
static void set_transforms(const png_job *job, rs_file_shape *shape)
{
    png_structp png = job->png;
    int colour = png_get_color_type(png, job->info);
    int bits = png_get_bit_depth(png, job->info);

    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (colour == PNG_COLOR_TYPE_GRAY && bits < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (colour & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(png);
    if (bits == 16 && is_little_endian())
        png_set_swap(png);
    *shape = (rs_file_shape){
        .width = png_get_image_width(png, job->info),
        .height = png_get_image_height(png, job->info),
        .channels = colour & PNG_COLOR_MASK_COLOR ? 3 : 1, .depth = bits == 16 ? 16 : 8,
        .in_passes = png_get_interlace_type(png, job->info) != PNG_INTERLACE_NONE, .eighths = 8,
    };
}

static rs_status decode_guarded(png_job *job, rs_err *err)
{
    const rs_row_sink *to = job->to;
    rs_file_shape shape;
    rs_status st;
    int passes;

    if (setjmp(png_jmpbuf(job->png)))
        return job_failed(job, RS_ECORRUPT, "damaged", err);
    png_set_user_limits(job->png, RS_IMAGE_MAX_SIDE, RS_IMAGE_MAX_SIDE);
    skip_ancillary(job->png);
    png_set_read_fn(job->png, job, on_read);
    png_read_info(job->png, job->info);
    set_transforms(job, &shape);
    passes = png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    if (png_get_rowbytes(job->png, job->info) != shape.width * shape.channels * (shape.depth / 8))
        png_error(job->png, "unexpected row size");

    st = to->begin(to->ctx, &shape, err);
    if (st != RS_OK)
        return st;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < shape.height; y++) {
            png_read_row(job->png, to->place(to->ctx, y), NULL);
            if (to->row && !shape.in_passes)
                to->row(to->ctx, y);
        }
    png_read_end(job->png, NULL);       /* a file without its end is a cut one */
    return RS_OK;
}

rs_status rs_png_rows(const unsigned char *bytes, size_t len, const rs_row_sink *to, rs_err *err)
{
    png_job job = {.in = {.p = bytes, .len = len}, .to = to};
    rs_status st = check_header(bytes, len, err);

    if (st != RS_OK)
        return st;
    job.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning,
                                       &job, on_malloc, on_free);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    st = job.info ? decode_guarded(&job, err) : rs_fail(err, RS_ENOMEM, "PNG: no memory");
    png_destroy_read_struct(&job.png, &job.info, NULL);
    return st;
}

/* ---- Encoding -------------------------------------------------------- */

/* Level 1 with one filter that suits films: a row much like the one above it. Choosing a filter
 * a row and searching longer take most of the time that libpng's defaults need. */
static void set_quick(png_structp png)
{
    png_set_compression_level(png, 1);
    png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_UP);
}

static rs_status encode_guarded(png_job *job, const rs_image *im, bool quick, rs_err *err)
{
    size_t stride = im->width * im->channels * (im->depth / 8);
    const unsigned char *row = im->pixels;

    if (setjmp(png_jmpbuf(job->png)))
        return job_failed(job, RS_EARG, "writing", err);
    png_set_write_fn(job->png, job, on_write, on_flush);
    png_set_IHDR(job->png, job->info, (png_uint_32)im->width, (png_uint_32)im->height,
                 (int)im->depth, im->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (quick)
        set_quick(job->png);
    png_write_info(job->png, job->info);
    if (im->depth == 16 && is_little_endian())
        png_set_swap(job->png);
    for (size_t y = 0; y < im->height; y++)
        png_write_row(job->png, row + y * stride);
    png_write_end(job->png, NULL);
    return RS_OK;
}

static rs_status encode(char **bytes, size_t *len, const rs_image *im, bool quick, rs_err *err)
{
    png_job job = {0};
    rs_status st;

    *bytes = NULL;
    *len = 0;
    if (!im->pixels)
        return rs_fail(err, RS_EARG, "an empty image cannot be written as PNG");
    job.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning,
                                        &job, on_malloc, on_free);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    st = job.info ? encode_guarded(&job, im, quick, err)
                  : rs_fail(err, RS_ENOMEM, "PNG: no memory");
    png_destroy_write_struct(&job.png, &job.info);
    if (st == RS_OK) {
        *len = job.out.len;
        *bytes = rs_buf_take(&job.out);
    }
    rs_buf_clear(&job.out);
    return st;
}

rs_status rs_image_to_png(char **bytes, size_t *len, const rs_image *im, rs_err *err)
{
    return encode(bytes, len, im, false, err);
}

rs_status rs_image_to_png_quick(char **bytes, size_t *len, const rs_image *im, rs_err *err)
{
    return encode(bytes, len, im, true, err);
}
