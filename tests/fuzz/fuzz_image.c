/* fuzz_image.c - any bytes as an image file, and what decodes as an encoder's input.
 *
 * Whatever the status says must be true of the image; a decoded one must survive
 * preprocessing, and come back from PNG unchanged. Row by row the file is judged alike
 * and gives the same floats; a JPEG at a fraction is judged alike, and so is each rendition,
 * which can be decoded again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "embeddings/image.h"
#include "embeddings/intake.h"
#include "embeddings/rendition.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int truth)
{
    if (!truth)
        abort();
}

static void round_trip(const rs_image *im)
{
    size_t n = im->width * im->height * im->channels * (im->depth / 8), len;
    rs_image back;
    char *bytes;

    must(rs_image_to_png(&bytes, &len, im, NULL) == RS_OK);
    must(rs_image_decode(&back, bytes, len, NULL) == RS_OK);
    must(back.channels == im->channels && back.depth == im->depth);
    must(memcmp(back.pixels, im->pixels, n) == 0);
    rs_image_clear(&back);
    rs_free(bytes);
}

enum { SIDE = 16, SMALL = 10000, FLOATS = 3 * SIDE * SIDE };

/* `want`: what a whole decode said; `pixels`: what it gave. */
static void row_by_row(const uint8_t *data, size_t size, rs_status want, const float *pixels)
{
    static float rows[FLOATS];
    rs_preprocess p;

    rs_preprocess_clip(&p, SIDE);
    must(rs_intake_bytes(&p, data, size, 0, rows, NULL, NULL) == want);
    must(want != RS_OK || memcmp(rows, pixels, sizeof rows) == 0);
    rs_preprocess_clip(&p, 3);
    must(rs_intake_bytes(&p, data, size, RS_INTAKE_MARGIN, rows, NULL, NULL) == want);
}

static void check_renditions(const uint8_t *data, size_t size, rs_status want, const rs_image *im)
{
    const rs_grey_window window = {100, 50};
    const rs_status windowed = want == RS_OK && im->channels == 3 ? RS_EARG : want;
    char *bytes;
    size_t len, width, height;
    rs_image out;

    for (int r = 0; r < RS_RENDITIONS; r++) {
        must(rs_rendition_make(&bytes, &len, (rs_rendition)r, NULL, data, size, NULL) == want);
        if (want != RS_OK)
            continue;
        rs_rendition_size((rs_rendition)r, im->width, im->height, &width, &height);
        must(rs_image_decode(&out, bytes, len, NULL) == RS_OK);
        must(out.width == width && out.height == height);
        must(r == RS_RENDITION_GRAY16 ? out.depth == 16 && out.channels == 1
                                      : out.depth == 8 && out.channels == im->channels);
        rs_image_clear(&out);
        rs_free(bytes);
    }
    if (want == RS_OK)
        must(rs_rendition_make(&bytes, &len, RS_RENDITION_DISPLAY, &window, data, size, NULL) ==
             windowed);
    rs_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float pixels[FLOATS];
    size_t before = rs_alloc_live();
    rs_preprocess p;
    rs_image im;
    rs_err err = {0};
    rs_status st = rs_image_decode(&im, data, size, &err);

    if (st == RS_OK) {
        must(im.pixels && im.width && im.height);
        rs_preprocess_clip(&p, SIDE);
        must(rs_preprocess_run(&p, &im, pixels, NULL) == RS_OK);
        for (size_t i = 0; i < FLOATS; i++)
            must(pixels[i] > -3 && pixels[i] < 3);
        if (im.width * im.height <= SMALL)
            round_trip(&im);
    } else {
        must(!im.pixels && err.msg[0]);
    }
    check_renditions(data, size, st, &im);
    rs_image_clear(&im);
    row_by_row(data, size, st, pixels);
    must(rs_alloc_live() == before);
    return 0;
}
