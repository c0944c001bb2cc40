/* image_jpeg_write.c - JPEG out, by libjpeg-turbo (ITU-T T.81): pictures for looking at.
 *
 * Baseline, with Huffman tables of the picture's own: a twentieth to a tenth smaller than
 * with the usual ones. From quality 90 on colour has full resolution, for a coloured mark on a
 * film is thin. As in image_jpeg.c errors arrive by longjmp in one guarded function, and of all
 * memory only the bytes that come out are from rs_malloc.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/image_int.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

enum { PIECE = 16 << 10, FULL_COLOUR_FROM = 90 };

typedef struct {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr       errors;
    struct jpeg_destination_mgr to;
    jmp_buf   jump;
    char      msg[JMSG_LENGTH_MAX];
    rs_status code;                     /* what the jump was for */
    rs_buf    out;
    JOCTET    piece[PIECE];
} jpeg_write;

/* ---- What libjpeg calls back ------------------------------------------ */

static void on_error(j_common_ptr c)
{
    jpeg_write *job = c->client_data;

    job->code = c->err->msg_code == JERR_OUT_OF_MEMORY ? RS_ENOMEM : RS_EARG;
    c->err->format_message(c, job->msg);
    longjmp(job->jump, 1);
}

static void on_message(j_common_ptr c) { (void)c; }     /* nothing to stderr */

static void begin_piece(jpeg_write *job)
{
    job->to.next_output_byte = job->piece;
    job->to.free_in_buffer = PIECE;
}

static void on_begin(j_compress_ptr c) { begin_piece(c->client_data); }

static void keep(j_compress_ptr c, size_t n)
{
    jpeg_write *job = c->client_data;

    rs_buf_append(&job->out, job->piece, n);
    if (job->out.failed)
        ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
    begin_piece(job);
}

static boolean on_full(j_compress_ptr c)
{
    keep(c, PIECE);                     /* all of it, whatever free_in_buffer says by now */
    return TRUE;
}

static void on_end(j_compress_ptr c)
{
    keep(c, PIECE - c->dest->free_in_buffer);
}

/* ---- Encoding -------------------------------------------------------- */

static rs_status write_guarded(jpeg_write *job, const rs_image *im, int quality, rs_err *err)
{
    struct jpeg_compress_struct *c = &job->cinfo;
    const size_t stride = im->width * im->channels;

    if (setjmp(job->jump)) {
        if (job->code == RS_ENOMEM)
            return rs_fail(err, RS_ENOMEM, "JPEG: no memory");
        return rs_fail(err, job->code, "writing JPEG: %s", job->msg);
    }
    jpeg_create_compress(c);
    c->client_data = job;               /* create clears all but err */
    c->dest = &job->to;
    c->image_width = (JDIMENSION)im->width;
    c->image_height = (JDIMENSION)im->height;
    c->input_components = (int)im->channels;
    c->in_color_space = im->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, quality, TRUE);
    c->optimize_coding = TRUE;
    if (quality >= FULL_COLOUR_FROM)
        c->comp_info[0].h_samp_factor = c->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(c, TRUE);
    for (size_t y = 0; y < im->height; y++) {
        JSAMPROW row = (JSAMPLE *)im->pixels + y * stride;
        jpeg_write_scanlines(c, &row, 1);
    }
    jpeg_finish_compress(c);
    return RS_OK;
}

rs_status rs_image_to_jpeg(char **bytes, size_t *len, const rs_image *im, int quality, rs_err *err)
{
    jpeg_write *job;
    rs_status st;

    *bytes = NULL;
    *len = 0;
    if (!im->pixels || im->depth != 8)
        return rs_fail(err, RS_EARG, "an image of %zu bits cannot be written as JPEG", im->depth);
    if (quality < 1 || quality > 100)
        return rs_fail(err, RS_EARG, "JPEG of quality %d, wanted 1 to 100", quality);
    job = rs_calloc(1, sizeof *job);
    if (!job)
        return rs_fail(err, RS_ENOMEM, "JPEG: no memory");
    job->cinfo.err = jpeg_std_error(&job->errors);
    job->cinfo.client_data = job;
    job->errors.error_exit = on_error;
    job->errors.output_message = on_message;
    job->to = (struct jpeg_destination_mgr){
        .init_destination = on_begin, .empty_output_buffer = on_full, .term_destination = on_end};
    st = write_guarded(job, im, quality, err);
    if (st == RS_OK) {
        *len = job->out.len;
        *bytes = rs_buf_take(&job->out);
    }
    jpeg_destroy_compress(&job->cinfo);
    rs_buf_clear(&job->out);
    rs_free(job);
    return st;
}
