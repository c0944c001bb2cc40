/* dataset.h - what a model is trained on: images in memory, texts as tokens.
 *
 * A manifest is a file of JSON lines, one image a line:
 *
 *   {"image": "images/a.png",           relative to the manifest's folder
 *    "texts": ["...", ...],             one or more; one is drawn each time
 *    "label": "hand radiograph",        or null. Rows of equal label are positives for
 *                                       each other; null: of equal texts only
 *    "kind": "hand",                    optional. Rows of equal kind are hard to tell apart,
 *                                       see sampler.h
 *    "set": "mednist",                  sampled and reported set by set
 *    "split": "train",                  "train", "val", or "test" (never loaded)
 *    "group": "patient 12"}             optional; a group in two splits is refused
 *
 * Images are decoded once, all cores at work, and kept as small 8-bit pictures in a
 * mapped cache file (image_cache.h): training rows with their shortest side at 1.15 times the
 * model's image size, center-cropped to a square (room for augmentation); validation
 * rows exactly as the model's own preprocessing makes them.
 *
 * Threading: built by one thread (with a pool), then read by any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_DATASET_H
#define RS_EMBEDDINGS_DATASET_H

#include "base/arena.h"
#include "base/progress.h"
#include "base/status.h"
#include "base/threads.h"
#include "embeddings/image.h"
#include "embeddings/image_cache.h"
#include "embeddings/preprocess.h"
#include "embeddings/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *image;              /* path, manifest's folder in front */
    size_t  line;                /* row number over all lines of all manifests, from 0 */
    int32_t label;               /* equal: positives for each other */
    int32_t set;                 /* index into set_names */
    int32_t named_label;         /* index into label_names, -1: the label was null */
    int32_t kind;                /* equal: of one kind; -1: none was given */
    size_t  first_text, n_texts; /* in text_of */
    size_t  cached;              /* number in the image cache */
    bool    val;
} rs_row;

typedef struct {
    rs_row  *rows;               /* the train and val rows whose image could be read */
    size_t   n_rows;
    size_t  *train, n_train;     /* row indices */
    size_t  *val, n_val;
    int32_t *text_of;            /* distinct text numbers */
    int32_t *tokens;             /* of all distinct texts, end to end */
    size_t  *token_at;           /* [n_texts + 1]: text t is tokens[token_at[t] .. token_at[t + 1]) */
    const char **text_strings;   /* [n_texts] */
    size_t   n_texts, cut_texts; /* cut: longer than the model reads */
    const char **set_names, **label_names;
    size_t   n_sets, n_labels;
    size_t   lines;              /* of all manifests, test rows and broken ones counted */
    size_t   broken;             /* rows left out; the first ones were logged with a reason */
    rs_image_cache *images;
    rs_arena mem, strings;       /* the arrays above; what their strings point into */
} rs_dataset;

typedef struct {
    const char *const *manifests;
    size_t n_manifests;
    const char *cache;                     /* folder of cache files */
    const rs_preprocess *preprocess;
    const rs_tokenizer *tokenizer;
    size_t max_tokens;
    rs_pool *pool;
    rs_progress_mode progress;
} rs_dataset_spec;

/* RS_ENOENT, RS_ECORRUPT (naming file, line and field) for manifests; RS_EARG when no
 * row is left to train on. Broken images are logged as warnings, counted and skipped. */
rs_status rs_dataset_open(rs_dataset *ds, const rs_dataset_spec *spec, rs_err *err);
void      rs_dataset_clear(rs_dataset *ds);              /* {0} is fine */

/* Row i's cached picture: square, grey or RGB, 8 bits. Borrowed until clear. */
rs_image  rs_dataset_image(const rs_dataset *ds, size_t i);
/* A cached picture of the model's crop size as the model's input, [3 x size x size]. */
void      rs_dataset_pixels(const rs_preprocess *p, const rs_image *im, float *out);

#endif
