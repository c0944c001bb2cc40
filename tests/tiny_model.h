/* tiny_model.h - a model folder for tests: a CLIP of random weights (the same on every
 * run), 32-pixel images, 32 tokens, the small vocabulary of tests/data/tokenizer/small.
 * It knows nothing, but an image is its own nearest one and equal texts are equal.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_TINY_MODEL_H
#define RS_TESTS_TINY_MODEL_H

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/dual.h"
#include "embeddings/preprocess.h"

#include <stdio.h>

enum { TINY_DIM = 16, TINY_SIDE = 32, TINY_TOKENS = 32 };

/* Ids of <|startoftext|> and <|endoftext|> end the small vocabulary of 722. */
static const rs_dual_config tiny_model_config = {
    .vision = {.width = 32, .layers = 2, .heads = 2, .mlp = 64, .eps = 1e-5f},
    .text = {.width = 32, .layers = 2, .heads = 2, .mlp = 64, .eps = 1e-5f},
    .image_size = TINY_SIDE, .patch_size = 8, .vocab_size = 722, .max_tokens = TINY_TOKENS,
    .bos_id = 720, .eos_id = 721, .dim = TINY_DIM, .logit_scale = 2.6592f,
};

static inline rs_status tiny_model_copy(const char *folder, const char *name, rs_err *err)
{
    char from[128], to[512], *bytes;
    size_t len;
    rs_status st;

    snprintf(from, sizeof from, "tests/data/tokenizer/small/%s", name);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    st = rs_file_read(&bytes, &len, from, 1 << 20, err);
    if (st != RS_OK)
        return st;
    st = rs_file_write(to, bytes, len, err);
    rs_free(bytes);
    return st;
}

/* Write the model into `folder`, made if absent; `seed` tells one from another. */
static inline rs_status tiny_model_write(const char *folder, uint64_t seed, rs_err *err)
{
    rs_random rnd = rs_random_seed(seed);
    rs_preprocess p;
    rs_dual *m = NULL;
    char path[512];
    rs_status st = rs_mkdirs(folder, err);

    rs_preprocess_clip(&p, TINY_SIDE);
    snprintf(path, sizeof path, "%s/preprocessor_config.json", folder);
    if (st == RS_OK)
        st = rs_dual_new(&m, &tiny_model_config, &rnd, err);
    if (st == RS_OK)
        st = rs_dual_save(m, folder, false, err);
    if (st == RS_OK)
        st = rs_preprocess_save(&p, path, err);
    if (st == RS_OK)
        st = tiny_model_copy(folder, "vocab.json", err);
    if (st == RS_OK)
        st = tiny_model_copy(folder, "merges.txt", err);
    rs_dual_close(m);
    return st;
}

#endif
