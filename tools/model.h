/* model.h - which model folder a command uses, and opening it with the archive.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_MODEL_H
#define RS_TOOLS_MODEL_H

#include "command.h"
#include "embeddings/encoder.h"
#include "engine/archive.h"

/* The option that every command with a model has. */
#define RS_MODEL_OPTION \
    {"model", 'm', "FOLDER", "the encoder: a model folder as published (see model check)\n" \
                             "(default: the archive's own, else $RADSCOUT_MODEL, else scout-mini)"}
#define RS_PRECISION_OPTION \
    {"precision", 0, "P", "f32, bf16, int8 or auto: how the encoder computes (default auto:\n" \
                          "int8 for a quantised model folder, else f32); vectors may be mixed"}
#define RS_THREADS_OPTION \
    {"threads", 't', "N", "threads to encode with (default: all cores)"}

/* Where the running program lies; false where that cannot be told. */
enum { RS_PROGRAM_PATH = 4096 };
bool rs_program_path(char out[RS_PROGRAM_PATH]);

/* The folder `name` of what ships with the program, of the source tree or of the
 * installation; NULL where neither is there. Borrowed until the next call. */
const char *rs_data_folder(const char *name);
/* The default model's folder: of the source tree or of the installation; NULL where
 * neither is there. */
const char *rs_model_default(void);

/* --model, what `a` (may be NULL) was made with, $RADSCOUT_MODEL, the default. On RS_OK
 * the caller closes *out and *folder (may be NULL) is its absolute path, until run()
 * returns. RS_ENOENT says what to give when there is none, RS_EMISMATCH when the vectors
 * of `a` come from another model. */
rs_status rs_model_open(rs_encoder **out, rs_cli *c, const rs_archive *a, const char **folder,
                        rs_err *err);

/* Open the archive `folder` for reading. RS_ENOENT says how one is made. */
rs_status rs_cli_archive(rs_archive **out, const char *folder, rs_err *err);
/* How long a command waits for another process to let go of an archive: a server that takes
 * uploads in does so every few seconds. */
#define RS_CLI_WRITER_WAIT_S 8.0
/* The same for writing; one that is not there is not made. */
rs_status rs_cli_archive_write(rs_archive **out, const char *folder, rs_err *err);

/* --precision; false after having printed what is wrong. */
bool rs_model_precision(rs_precision *out, const rs_cli *c);

/* A pool of --threads threads. false after having printed what is wrong, with --precision
 * too, before anything slow is done. */
bool rs_model_pool(rs_pool **out, const rs_cli *c, int *exit_code);

#endif
