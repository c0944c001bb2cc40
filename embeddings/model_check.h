/* model_check.h - what a model folder holds, and whether it works here.
 *
 * Everything of a folder that a person asks before trusting it with an archive: family,
 * sizes, licence, the tensors that found no use, a self-test, the speed on this machine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_MODEL_CHECK_H
#define RS_EMBEDDINGS_MODEL_CHECK_H

#include "base/arena.h"
#include "base/status.h"
#include "base/threads.h"
#include "embeddings/encoder.h"
#include "embeddings/safetensors.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name;                    /* "unit vectors" */
    bool        ok;
    char        detail[240];             /* figures, or what went wrong */
} rs_model_test;

enum { RS_MODEL_TESTS = 8 };

/* Strings live as long as `mem`. */
typedef struct {
    const char *name, *layout, *id;      /* "MedSigLIP", "Hugging Face", 64 digits ("" if unknown) */
    const char *licence;                 /* "license" of README.md's front matter; NULL: none */
    rs_dual_config config;
    size_t  parameters, vision_parameters, text_parameters;
    size_t  bytes;                       /* of the weights on disk */
    size_t  dtypes[RS_DTYPE_COUNT];      /* tensors of each */
    size_t  used, unused;                /* tensors of the file */
    const char **unused_name;            /* [unused] */
    const char *tokenizer;               /* "WordPiece, 30522 tokens" */
    rs_preprocess preprocess;
    rs_model_test test[RS_MODEL_TESTS];
    size_t  tests;
    bool    ok;                          /* every test */
    double  images_per_second, texts_per_second;   /* 0: not measured */
    rs_arena mem;
} rs_model_report;

/* `seconds` to measure images and texts for, each; 0: not. On RS_OK the report is whole,
 * failed tests included; a folder whose weights cannot be opened is an error. The caller
 * clears the report either way. */
rs_status rs_model_check(rs_model_report *r, const char *folder, rs_pool *pool, double seconds,
                         rs_err *err);
void      rs_model_report_clear(rs_model_report *r);       /* {0} is fine */

/* "license" in the front matter of a model card, "license_name" in brackets behind it: of a
 * file that begins with a line "---", up to the next. Copied into mem; NULL where there is
 * none, or no memory. */
const char *rs_card_licence(rs_arena *mem, const char *path);

const char *rs_activation_name(rs_activation a);           /* "gelu_tanh" */

#endif
