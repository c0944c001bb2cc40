/* scratch.h - a temporary folder for the tests of one program: texts, pictures, paths.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_SCRATCH_H
#define RS_TESTS_SCRATCH_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char scratch[] = "/tmp/radscout-test-XXXXXX";

/* RS_OK, or fail the test with the message. */
#define ok(call, err) ok_at((call), (err), #call, __FILE__, __LINE__)
static inline void ok_at(rs_status st, const rs_err *err, const char *what, const char *file, int line)
{
    if (st == RS_OK)
        return;
    print_error("%s: %s: %s\n", what, rs_status_name(st), err->msg);
    _fail(file, line);
}

static inline int scratch_drop(void **state)
{
    char command[2 * sizeof scratch + 32];

    (void)state;
    snprintf(command, sizeof command, "chmod -R u+rwX '%s'; rm -rf '%s'", scratch, scratch);
    return system(command);
}

/* "SCRATCH/name"; good until the eighth call after it. */
static inline const char *at(const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline void put_bytes(const char *name, const void *bytes, size_t len)
{
    char path[512], *slash;
    rs_err err = {0};

    snprintf(path, sizeof path, "%s/%s", scratch, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    ok(rs_mkdirs(path, &err), &err);
    *slash = '/';
    ok(rs_file_write(path, bytes, len, &err), &err);
}

static inline void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* Smooth blobs, different for each seed; the caller clears. */
static inline rs_image picture(uint64_t seed, size_t width, size_t height, size_t channels,
                               size_t depth)
{
    rs_random rnd = rs_random_seed(seed);
    rs_image im = {0};
    rs_err err = {0};
    double cx[4], cy[4], level[4];

    ok(rs_image_new(&im, width, height, channels, depth, &err), &err);
    for (int i = 0; i < 4; i++) {
        cx[i] = rs_random_unit(&rnd) * (double)width;
        cy[i] = rs_random_unit(&rnd) * (double)height;
        level[i] = rs_random_range(&rnd, 40, 255);
    }
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < channels; c++) {
                double v = 0;
                for (int i = 0; i < 4; i++) {
                    double dx = (double)x - cx[i], dy = (double)y - cy[i];
                    v += level[i] / (1 + (dx * dx + dy * dy) / (30.0 + 20.0 * (double)c));
                }
                v = v > 255 ? 255 : v;
                if (depth == 16)
                    ((uint16_t *)im.pixels)[(y * width + x) * channels + c] = (uint16_t)(v * 16);
                else
                    ((uint8_t *)im.pixels)[(y * width + x) * channels + c] = (uint8_t)v;
            }
    return im;
}

static inline void put_picture(const char *name, uint64_t seed)
{
    rs_image im = picture(seed, 40 + seed % 7, 48, 1, 8);
    rs_err err = {0};
    char *png;
    size_t len;

    ok(rs_image_to_png(&png, &len, &im, &err), &err);
    put_bytes(name, png, len);
    rs_free(png);
    rs_image_clear(&im);
}

/* A copy of a file of the source tree. */
static inline void put_copy(const char *name, const char *from)
{
    char *bytes;
    size_t len;
    rs_err err = {0};

    ok(rs_file_read(&bytes, &len, from, 1 << 24, &err), &err);
    put_bytes(name, bytes, len);
    rs_free(bytes);
}

#endif
