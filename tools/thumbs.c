/* thumbs.c - see thumbs.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "thumbs.h"

#include "base/alloc.h"
#include "embeddings/preprocess.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 160, CHUNK = 4096, GREYS = 16, BAND = 6 };

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

bool rs_thumb_supported(void)
{
    return rs_thumb_kind_of_terminal() != RS_THUMB_NONE &&
           (getenv("RADSCOUT_THUMBS") || isatty(STDOUT_FILENO) == 1);
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
    for (size_t at = 0; at < text.len; at += CHUNK) {
        size_t n = text.len - at < CHUNK ? text.len - at : CHUNK;
        rs_buf_printf(out, "\x1b_G%sm=%d;", at ? "" : "a=T,f=100,", at + n < text.len);
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

/* Six rows at once: one pass a grey that occurs, runs counted. */
static void sixel_band(const rs_image *im, size_t y, rs_buf *out)
{
    size_t rows = im->height - y < BAND ? im->height - y : BAND;

    for (unsigned g = 0; g < GREYS; g++) {
        size_t run = 0;
        int last = -1;
        bool any = false;
        for (size_t x = 0; x <= im->width; x++) {
            int bits = 0;
            for (size_t r = 0; x < im->width && r < rows; r++)
                bits |= (grey_at(im, x, y + r) == g) << r;
            any = any || bits;
            if (x < im->width && bits == last) {
                run++;
                continue;
            }
            if (last >= 0)
                rs_buf_printf(out, "!%zu%c", run, '?' + last);
            else
                rs_buf_printf(out, "#%u", g);
            last = bits;
            run = 1;
        }
        if (any || g + 1 == GREYS)
            rs_buf_putc(out, '$');
    }
    rs_buf_putc(out, '-');
}

void rs_thumb_sixel(const rs_image *im, rs_buf *out)
{
    rs_buf_printf(out, "\x1bPq\"1;1;%zu;%zu", im->width, im->height);
    for (unsigned g = 0; g < GREYS; g++) {
        unsigned percent = g * 100 / (GREYS - 1);
        rs_buf_printf(out, "#%u;2;%u;%u;%u", g, percent, percent, percent);
    }
    for (size_t y = 0; y < im->height; y += BAND)
        sixel_band(im, y, out);
    rs_buf_puts(out, "\x1b\\\n");
}

/* ---- Print ----------------------------------------------------------- */

void rs_thumb_print(const char *path)
{
    rs_image im = {0}, small = {0};
    rs_buf out = {0};
    rs_err err = {0};
    rs_status st = rs_image_load(&im, path, &err);

    if (st == RS_OK && im.depth == 16)
        st = rs_fail(&err, RS_EFORMAT, "16-bit images are not shown here");
    if (st == RS_OK && im.width > WIDTH)
        st = rs_image_resize(&small, &im, WIDTH, (im.height * WIDTH + im.width - 1) / im.width,
                             RS_RESAMPLE_BILINEAR, &err);
    if (st == RS_OK && rs_thumb_kind_of_terminal() == RS_THUMB_KITTY)
        st = rs_thumb_kitty(small.pixels ? &small : &im, &out, &err);
    else if (st == RS_OK)
        rs_thumb_sixel(small.pixels ? &small : &im, &out);
    if (st == RS_OK && !out.failed)
        fwrite(out.data, 1, out.len, stdout);
    else
        printf("     (no picture: %s)\n", err.msg);
    rs_buf_clear(&out);
    rs_image_clear(&im);
    rs_image_clear(&small);
}
