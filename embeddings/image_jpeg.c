/* image_jpeg.c - JPEG in, by libjpeg-turbo (ITU-T T.81).
 *
 * Pixels come out as PIL's convert("RGB") gives them: accurate DCT, smooth chroma
 * upsampling, CMYK read as Adobe writes it (inverted), no EXIF rotation. Where the
 * data is cut or cannot be decoded libjpeg only warns and goes on with grey; here
 * such a file is damaged.
 *
 * A sink may ask for a fraction in eighths: libjpeg then transforms only the low
 * frequencies of each block, and what is left to grow with the file is the entropy
 * decoding. Damage is noticed as in a whole decode.
 *
 * libjpeg's errors arrive by longjmp in one guarded function, whose state lives in
 * the caller's frame and so survives the jump. libjpeg offers no hook for its
 * memory: only the pixels and the CMYK row come from rs_malloc.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "embeddings/image_int.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

enum {
    MAX_SCANS = 100,                /* of a progressive file; 10 is usual, more is a bomb */
    PIXELS_A_BIT = 64               /* at most: a Huffman code for each block of 8 x 8 */
};

typedef struct {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr   errors;
    struct jpeg_source_mgr  source;
    struct jpeg_progress_mgr progress;
    jmp_buf    jump;
    rs_status  code;                /* what the jump was for */
    char       msg[JMSG_LENGTH_MAX];
    size_t     len;
    const rs_row_sink *to;
    JSAMPLE   *cmyk;                /* [4 x width] one row, where the file is CMYK */
} jpeg_job;

static jpeg_job *job_of(j_common_ptr c) { return c->client_data; }

/* ---- What libjpeg calls back ----------------------------------------- */

static rs_status code_of(int libjpeg_error)
{
    switch (libjpeg_error) {
    case JERR_OUT_OF_MEMORY:      return RS_ENOMEM;
    case JERR_IMAGE_TOO_BIG:      return RS_ELIMIT;
    case JERR_BAD_PRECISION:                            /* 12 bits */
    case JERR_SOF_UNSUPPORTED:                          /* lossless, hierarchical */
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL: return RS_EFORMAT;
    default:                      return RS_ECORRUPT;
    }
}

static void give_up(j_common_ptr c, rs_status code)
{
    jpeg_job *job = job_of(c);

    job->code = code;
    c->err->format_message(c, job->msg);
    longjmp(job->jump, 1);
}

static void on_error(j_common_ptr c) { give_up(c, code_of(c->err->msg_code)); }

/* level -1 is a warning, above that mere chatter. */
static void on_message(j_common_ptr c, int level)
{
    if (level >= 0)
        return;
    switch (c->err->msg_code) {
    case JWRN_HIT_MARKER:                               /* data ends within the image */
    case JWRN_JPEG_EOF:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        give_up(c, RS_ECORRUPT);
        break;
    default:                                            /* odd, but all the pixels are there */
        c->err->num_warnings++;
    }
}

static void on_output(j_common_ptr c) { (void)c; }      /* nothing to stderr */

static void on_source(j_decompress_ptr c) { (void)c; }

/* All bytes were there from the start: being asked for more means the file is cut. */
static boolean on_empty(j_decompress_ptr c)
{
    ERREXIT(c, JERR_INPUT_EOF);
    return FALSE;
}

static void on_skip(j_decompress_ptr c, long n)
{
    if (n <= 0)
        return;
    if ((size_t)n > c->src->bytes_in_buffer)
        ERREXIT(c, JERR_INPUT_EOF);
    c->src->next_input_byte += n;
    c->src->bytes_in_buffer -= (size_t)n;
}

static void on_progress(j_common_ptr c)
{
    jpeg_job *job = job_of(c);

    if (job->cinfo.input_scan_number > MAX_SCANS) {
        job->code = RS_ELIMIT;
        snprintf(job->msg, sizeof job->msg, "more than %d scans", MAX_SCANS);
        longjmp(job->jump, 1);
    }
}

/* ---- Decoding -------------------------------------------------------- */

static rs_status check_header(const jpeg_job *job, rs_err *err)
{
    const struct jpeg_decompress_struct *c = &job->cinfo;
    size_t pixels = (size_t)c->image_width * c->image_height;
    rs_status st = rs_image_check_claim(c->image_width, c->image_height, err);

    if (st != RS_OK)
        return st;
    if (c->num_components != 1 && c->num_components != 3 && c->num_components != 4)
        return rs_fail(err, RS_EFORMAT, "JPEG of %d components", c->num_components);
    if (c->arith_code)                  /* nobody writes it, and its size bounds nothing */
        return rs_fail(err, RS_EFORMAT, "JPEG with arithmetic coding");
    if (pixels / PIXELS_A_BIT / 8 > job->len)
        return rs_fail(err, RS_ECORRUPT, "damaged JPEG: %zu bytes cannot hold %u x %u pixels",
                       job->len, c->image_width, c->image_height);
    return RS_OK;
}

/* a * b / 255, rounded, for bytes. */
static unsigned mul255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* One row of Adobe's inverted CMYK: each sample is 255 - ink. */
static void cmyk_to_rgb(unsigned char *rgb, const unsigned char *cmyk, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned white = cmyk[4 * i + 3];
        for (size_t c = 0; c < 3; c++)
            rgb[3 * i + c] = (unsigned char)(white - mul255(255u - cmyk[4 * i + c], white));
    }
}

/* Tell the sink what comes, and set the fraction that it wants. */
static rs_status begin(jpeg_job *job, rs_err *err)
{
    struct jpeg_decompress_struct *c = &job->cinfo;
    rs_file_shape shape = {.width = c->image_width, .height = c->image_height,
                           .channels = c->num_components == 1 ? 1 : 3, .depth = 8,
                           .scalable = true, .eighths = 8};
    rs_status st = job->to->begin(job->to->ctx, &shape, err);

    if (st != RS_OK)
        return st;
    c->scale_num = (unsigned)shape.eighths;
    c->scale_denom = 8;
    c->out_color_space = c->num_components == 1 ? JCS_GRAYSCALE
                       : c->num_components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_calc_output_dimensions(c);
    if (c->output_width != rs_eighths_of(shape.width, shape.eighths) ||
        c->output_height != rs_eighths_of(shape.height, shape.eighths))
        return rs_fail(err, RS_EFORMAT, "JPEG: %zu/8 of %zu x %zu pixels became %u x %u",
                       shape.eighths, shape.width, shape.height, c->output_width,
                       c->output_height);
    if (c->num_components == 4 && !(job->cmyk = rs_malloc(4 * (size_t)c->output_width)))
        return rs_fail(err, RS_ENOMEM, "no memory for a row of a JPEG");
    return RS_OK;
}

static rs_status decode_guarded(jpeg_job *job, rs_err *err)
{
    struct jpeg_decompress_struct *c = &job->cinfo;
    const rs_row_sink *to = job->to;
    rs_status st;

    if (setjmp(job->jump)) {
        const char *what = job->code == RS_ECORRUPT ? "damaged JPEG" : "JPEG";
        return rs_fail(err, job->code, "%s: %s", what, job->msg);
    }
    jpeg_create_decompress(c);
    c->client_data = job;               /* create clears all but err */
    c->src = &job->source;
    c->progress = &job->progress;
    jpeg_read_header(c, TRUE);
    if ((st = check_header(job, err)) != RS_OK || (st = begin(job, err)) != RS_OK)
        return st;
    jpeg_start_decompress(c);
    for (size_t y = 0; y < c->output_height; y++) {
        unsigned char *row = to->place(to->ctx, y);
        JSAMPROW into = job->cmyk ? job->cmyk : row;
        jpeg_read_scanlines(c, &into, 1);
        if (job->cmyk)
            cmyk_to_rgb(row, job->cmyk, c->output_width);
        if (to->row)
            to->row(to->ctx, y);
    }
    jpeg_finish_decompress(c);
    return RS_OK;
}

rs_status rs_jpeg_rows(const unsigned char *bytes, size_t len, const rs_row_sink *to, rs_err *err)
{
    jpeg_job job = {.len = len, .to = to};
    rs_status st;

    job.cinfo.err = jpeg_std_error(&job.errors);
    job.cinfo.client_data = &job;
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    job.errors.output_message = on_output;
    job.progress.progress_monitor = on_progress;
    job.source = (struct jpeg_source_mgr){
        .next_input_byte = bytes, .bytes_in_buffer = len,
        .init_source = on_source, .fill_input_buffer = on_empty, .skip_input_data = on_skip,
        .resync_to_restart = jpeg_resync_to_restart, .term_source = on_source,
    };
    st = decode_guarded(&job, err);
    jpeg_destroy_decompress(&job.cinfo);
    rs_free(job.cmyk);
    return st;
}
