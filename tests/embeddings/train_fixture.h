/* train_fixture.h - a small training set drawn on the spot: eight kinds of pictures told
 * apart by where a bright square lies, in a folder of their own that is removed again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRAIN_FIXTURE_H
#define TRAIN_FIXTURE_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { KINDS = 8, PICTURE = 24 };

static const char *const kind_texts[KINDS][2] = {
    {"nodule in the left upper zone", "left upper nodule"},
    {"effusion on the right", "fluid, right side"},
    {"normal chest", "no finding"},
    {"hand radiograph", "film of the hand"},
    {"brain mass", "tumour of the brain"},
    {"fracture of the wrist", "broken wrist"},
    {"axial CT of the abdomen", "abdominal CT"},
    {"knee", "knee radiograph"},
};

/* A new folder under /tmp; ended with fixture_remove. */
static inline char *fixture_folder(void)
{
    char *path = rs_strdup("/tmp/radscout-test-XXXXXX");

    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void fixture_remove(char *path)
{
    char *command = rs_sprintf("rm -r '%s'", path);

    assert_non_null(command);
    assert_int_equal(system(command), 0);
    rs_free(command);
    rs_free(path);
}

static inline void fixture_write(const char *folder, const char *name, const char *text)
{
    char *path = rs_path_join(folder, name);

    assert_int_equal(rs_file_write(path, text, strlen(text), NULL), RS_OK);
    rs_free(path);
}

/* A grey picture of `kind`: a square at one of eight places, on noise. */
static inline void fixture_picture(const char *folder, const char *name, size_t kind,
                                   size_t width, size_t height, rs_random *r)
{
    static const size_t at[KINDS][2] = {{2, 2}, {9, 2}, {16, 2}, {2, 9}, {16, 9}, {2, 16},
                                        {9, 16}, {16, 16}};
    char *path = rs_path_join(folder, name);
    rs_image im = {0};
    uint8_t *p;

    assert_int_equal(rs_image_new(&im, width, height, 1, 8, NULL), RS_OK);
    p = im.pixels;
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            size_t u = x * PICTURE / width, v = y * PICTURE / height;
            bool in = u >= at[kind][0] && u < at[kind][0] + 6 && v >= at[kind][1]
                   && v < at[kind][1] + 6;
            p[y * width + x] = (uint8_t)((in ? 200 : 40) + rs_random_below(r, 40));
        }
    }
    assert_int_equal(rs_image_save_png(&im, path, NULL), RS_OK);
    rs_image_clear(&im);
    rs_free(path);
}

/* FOLDER/manifest.jsonl with `train` and `val` pictures of each kind; every second kind
 * has a label, the others only equal texts. */
static inline void fixture_set(const char *folder, size_t train, size_t val)
{
    rs_random r = rs_random_seed(11);
    rs_buf rows = {0};

    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < train + val; i++) {
            char name[64], label[32];
            snprintf(name, sizeof name, "k%zu_%zu.png", kind, i);
            snprintf(label, sizeof label, "\"kind %zu\"", kind);
            fixture_picture(folder, name, kind, PICTURE, PICTURE, &r);
            rs_buf_printf(&rows, "{\"image\": \"%s\", \"texts\": [\"%s\", \"%s\"], \"label\": %s, "
                          "\"kind\": %s, \"set\": \"%s\", \"split\": \"%s\", \"group\": \"%s\"}\n",
                          name, kind_texts[kind][0], kind_texts[kind][1],
                          kind % 2 ? "null" : label, kind % 4 == 0 ? "\"corner\"" : "null",
                          kind < 4 ? "first" : "second", i < train ? "train" : "val", name);
        }
    }
    assert_false(rows.failed);
    fixture_write(folder, "manifest.jsonl", rows.data);
    rs_buf_clear(&rows);
}

#endif
