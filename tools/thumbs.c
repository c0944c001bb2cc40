/* thumbs.c - see thumbs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "thumbs.h"

#include "command.h"
#include "embeddings/preprocess.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 160, CHUNK = 4096, GREYS = 16, BAND = 6 };

rs_thumb_kind rs_thumb_kind_of_terminal(void)
{
    const char *forced = getenv("RADSCOUT_THUMBS"), *term = getenv("TERM");
    const char *program = getenv("TERM_PROGRAM");

    if (forced)
        return strcmp(forced, "kitty") == 0 ? RS_THUMB_KITTY :
               strcmp(forced, "sixel") == 0 ? RS_THUMB_SIXEL : RS_THUMB_NONE;
    if (getenv("KITTY_WINDOW_ID") || (term && strstr(term, "kitty")) ||
        (program && (strcmp(program, "ghostty") == 0 || strcmp(program, "WezTerm") == 0)))
        return RS_THUMB_KITTY;
    if (term && (strstr(term, "sixel") || strstr(term, "mlterm") || strstr(term, "foot")))
        return RS_THUMB_SIXEL;
    return RS_THUMB_NONE;
}

bool rs_thumb_wanted(const char *command)
{
    bool forced = getenv("RADSCOUT_THUMBS") != NULL;

    if (rs_thumb_kind_of_terminal() != RS_THUMB_NONE && (forced || isatty(STDOUT_FILENO) == 1))
        return true;
    fprintf(stderr, "radscout %s: this terminal shows no pictures; RADSCOUT_THUMBS=kitty or "
            "=sixel draws them all the same\n", command);
    return false;
}

/* ---- Kitty ----------------------------------------------------------- */

/* RFC 4648, section 4. */
static void base64(rs_buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? p[i + 2] : 0u);
        rs_buf_putc(out, digits[v >> 18]);
        rs_buf_putc(out, digits[v >> 12 & 63]);
        rs_buf_putc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        rs_buf_putc(out, i + 2 < n ? digits[v & 63] : '=');
    }
}

rs_status rs_thumb_kitty(const rs_image *im, rs_buf *out, rs_err *err)
{
    char *png;
    size_t len;
    rs_buf text = {0};
    rs_status st = rs_image_to_png(&png, &len, im, err);

    if (st != RS_OK)
        return st;
    base64(&text, (const uint8_t *)png, len);
    rs_free(png);
    out->failed = out->failed || text.failed;
    for (size_t at = 0; at < text.len; at += CHUNK) {
        size_t n = text.len - at < CHUNK ? text.len - at : CHUNK;
        rs_buf_printf(out, "\x1b_G%sm=%d;", at ? "" : "a=T,f=100,q=2,", at + n < text.len);
        rs_buf_append(out, text.data + at, n);
        rs_buf_puts(out, "\x1b\\");
    }
    rs_buf_clear(&text);
    rs_buf_putc(out, '\n');
    return RS_OK;
}

/* ---- Sixel ----------------------------------------------------------- */

static unsigned grey_at(const rs_image *im, size_t x, size_t y)
{
    const uint8_t *p = (const uint8_t *)im->pixels + (y * im->width + x) * im->channels;
    unsigned v = im->channels == 1 ? p[0] : (299u * p[0] + 587u * p[1] + 114u * p[2]) / 1000;

    return v * GREYS / 256;
}

/* The six pixels of column x from row y on that are of grey g, the topmost in bit 0. */
static int sixel_at(const rs_image *im, size_t x, size_t y, unsigned g)
{
    size_t rows = im->height - y < BAND ? im->height - y : BAND;
    int bits = 0;

    for (size_t r = 0; r < rows; r++)
        bits |= (grey_at(im, x, y + r) == g) << r;
    return bits;
}

/* One grey's pass over a band, runs counted; nothing where it does not occur. */
static void sixel_pass(const rs_image *im, size_t y, unsigned g, rs_buf *out)
{
    size_t x = 0;

    while (x < im->width && sixel_at(im, x, y, g) == 0)
        x++;
    if (x == im->width)
        return;
    rs_buf_printf(out, "#%u", g);
    if (x)
        rs_buf_printf(out, "!%zu?", x);
    while (x < im->width) {
        int bits = sixel_at(im, x, y, g);
        size_t run = 1;
        while (x + run < im->width && sixel_at(im, x + run, y, g) == bits)
            run++;
        if (run > 3)
            rs_buf_printf(out, "!%zu%c", run, '?' + bits);
        for (size_t i = 0; run <= 3 && i < run; i++)
            rs_buf_putc(out, (char)('?' + bits));
        x += run;
    }
    rs_buf_putc(out, '$');                     /* back to the left edge for the next grey */
}

void rs_thumb_sixel(const rs_image *im, rs_buf *out)
{
    rs_buf_printf(out, "\x1bPq\"1;1;%zu;%zu", im->width, im->height);
    for (unsigned g = 0; g < GREYS; g++) {
        unsigned percent = g * 100 / (GREYS - 1);
        rs_buf_printf(out, "#%u;2;%u;%u;%u", g, percent, percent, percent);
    }
    for (size_t y = 0; y < im->height; y += BAND) {
        for (unsigned g = 0; g < GREYS; g++)
            sixel_pass(im, y, g, out);
        rs_buf_putc(out, '-');                 /* the next band */
    }
    rs_buf_puts(out, "\x1b\\\n");
}

/* ---- Print ----------------------------------------------------------- */

/* 16 bits to 8: grey by its own range, colour by its high bytes. In place of *im. */
static rs_status to_eight_bits(rs_image *im, rs_err *err)
{
    size_t n = im->width * im->height * im->channels;
    const uint16_t *from = im->pixels;
    unsigned low = 0xffff, high = 0;
    rs_image out = {0};
    rs_status st = rs_image_new(&out, im->width, im->height, im->channels, 8, err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        low = from[i] < low ? from[i] : low;
        high = from[i] > high ? from[i] : high;
    }
    if (im->channels == 3 || high == low) {
        low = 0;
        high = 0xffff;
    }
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out.pixels)[i] = (uint8_t)((from[i] - low) * 255u / (high - low));
    rs_image_clear(im);
    *im = out;
    return RS_OK;
}

/* Into a square of SIDE, never larger than it is. In place of *im. */
static rs_status to_thumb(rs_image *im, rs_err *err)
{
    size_t longer = im->width > im->height ? im->width : im->height;
    size_t width = im->width * SIDE / longer, height = im->height * SIDE / longer;
    rs_image small = {0};
    rs_status st;

    if (longer <= SIDE)
        return RS_OK;
    st = rs_image_resize(&small, im, width ? width : 1, height ? height : 1, RS_RESAMPLE_BILINEAR, err);
    if (st != RS_OK)
        return st;
    rs_image_clear(im);
    *im = small;
    return RS_OK;
}

void rs_thumb_print(const char *path)
{
    rs_image im = {0};
    rs_buf out = {0};
    rs_err err = {0};
    rs_status st = rs_image_load(&im, path, &err);

    if (st == RS_OK)
        st = to_thumb(&im, &err);
    if (st == RS_OK && im.depth == 16)
        st = to_eight_bits(&im, &err);
    if (st == RS_OK && rs_thumb_kind_of_terminal() == RS_THUMB_KITTY)
        st = rs_thumb_kitty(&im, &out, &err);
    else if (st == RS_OK)
        rs_thumb_sixel(&im, &out);
    if (st == RS_OK && out.failed)
        st = rs_fail(&err, RS_ENOMEM, "%s: no memory", path);
    if (st == RS_OK) {
        fwrite(out.data, 1, out.len, stdout);
    } else {
        printf("     (no picture: ");
        rs_print_line(err.msg);
        printf(")\n");
    }
    rs_buf_clear(&out);
    rs_image_clear(&im);
}
