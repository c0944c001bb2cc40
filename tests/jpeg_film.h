/* jpeg_film.h - a JPEG larger than an encoder's input, made by libjpeg.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_JPEG_FILM_H
#define TESTS_JPEG_FILM_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* Bars two pixels and more wide over a slope: edges show a shift, the slope a wrong scale. */
static inline unsigned film_sample(size_t x, size_t y, unsigned most)
{
    unsigned v = (unsigned)(x * 7 + y * 3) % (most / 2) + (x / 24 % 2 ? most / 4 : 0);
    return v + (y / 40 % 2 ? most / 5 : 0);
}

/* The caller calls rs_free. */
static inline char *jpeg_film(unsigned width, unsigned height, bool colour, size_t *len)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    size_t channels = colour ? 3 : 1;
    JSAMPLE *row = malloc(width * channels);
    char *out;

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &n);
    c.image_width = width;
    c.image_height = height;
    c.input_components = (int)channels;
    c.in_color_space = colour ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 95, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < height) {
        for (size_t i = 0; i < width * channels; i++)
            row[i] = (JSAMPLE)film_sample(i / channels, c.next_scanline, 200);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    out = rs_malloc(n);
    memcpy(out, bytes, n);
    *len = n;
    free(bytes);
    free(row);
    return out;
}

#endif
