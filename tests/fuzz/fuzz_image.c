/* fuzz_image.c - any bytes as an image file, and what decodes as an encoder's input.
 *
 * Whatever the status says must be true of the image; a decoded one must survive
 * preprocessing, and come back from PNG unchanged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "embeddings/image.h"
#include "embeddings/preprocess.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { SIDE = 16, SMALL = 10000 };
    static float pixels[3 * SIDE * SIDE];
    size_t before = rs_alloc_live();
    rs_preprocess p;
    rs_image im;
    rs_err err = {0};

    if (rs_image_decode(&im, data, size, &err) == RS_OK) {
        must(im.pixels && im.width && im.height);
        rs_preprocess_clip(&p, SIDE);
        must(rs_preprocess_run(&p, &im, pixels, NULL) == RS_OK);
        for (size_t i = 0; i < 3 * SIDE * SIDE; i++)
            must(pixels[i] > -3 && pixels[i] < 3);
        if (im.width * im.height <= SMALL)
            round_trip(&im);
    } else {
        must(!im.pixels && err.msg[0]);
    }
    rs_image_clear(&im);
    must(rs_alloc_live() == before);
    return 0;
}
