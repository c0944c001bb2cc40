/* cmd_encode.c - radscout encode MODEL [--text T]... [--image F]...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/json.h"
#include "commands.h"
#include "embeddings/intake.h"
#include "model.h"

#include <stdio.h>

enum { CHUNK = 64 };

/* What was encoded, in the order in which it is printed. */
typedef struct {
    const char *const *texts, *const *files;
    size_t n_texts, n_files, cut;
    float *vectors;              /* [(n_texts + n_files) x d] */
} job;

/* Files [first, first + n) of at most CHUNK, so that memory holds no more of them. */
static rs_status encode_files(const rs_encoder *e, rs_pool *pool, const job *j, float *pixels,
                              size_t first, size_t n, rs_err *err)
{
    size_t d = rs_encoder_dim(e);
    rs_status st = rs_intake_files(rs_encoder_preprocess(e), j->files + first, n, pool, pixels, err);

    if (st == RS_OK)
        st = rs_encoder_pixels(e, pixels, n, pool, j->vectors + (j->n_texts + first) * d, err);
    return st;
}

static rs_status encode(const rs_encoder *e, rs_pool *pool, rs_arena *mem, job *j, rs_err *err)
{
    const rs_preprocess *p = rs_encoder_preprocess(e);
    size_t n = j->n_texts + j->n_files, chunk = j->n_files < CHUNK ? j->n_files : CHUNK;
    float *pixels = rs_new(mem, float, chunk * 3 * p->crop_height * p->crop_width);
    rs_status st = RS_OK;

    j->vectors = rs_new(mem, float, n * rs_encoder_dim(e));
    if (!j->vectors || !pixels)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu vectors", n);
    if (j->n_texts)
        st = rs_encoder_texts(e, j->texts, j->n_texts, pool, j->vectors, &j->cut, err);
    for (size_t i = 0; i < j->n_files && st == RS_OK; i += CHUNK)
        st = encode_files(e, pool, j, pixels, i, j->n_files - i < CHUNK ? j->n_files - i : CHUNK, err);
    return st;
}

static int print_json(const rs_cli *c, const rs_encoder *e, const job *j)
{
    size_t d = rs_encoder_dim(e);
    json_t *list = json_array(), *all;

    for (size_t i = 0; i < j->n_texts + j->n_files; i++) {
        bool is_text = i < j->n_texts;
        json_t *v = json_array(), *name = rs_json_any(is_text ? j->texts[i] : j->files[i - j->n_texts]);
        for (size_t k = 0; k < d; k++)
            json_array_append_new(v, json_real((double)j->vectors[i * d + k]));
        json_array_append_new(list, json_pack("{s:o,s:o}", is_text ? "text" : "image",
                                              name, "vector", v));
    }
    all = json_pack("{s:o,s:s,s:I,s:I,s:o}", "model", rs_json_any(rs_encoder_name(e)), "id", rs_encoder_id(e),
                    "dim", (json_int_t)d, "texts_cut", (json_int_t)j->cut, "vectors", list);
    return rs_cli_print_json(c, all);
}

/* A table of cosines of everything with everything: what a person can look at. */
static void print_cosines(const rs_encoder *e, const job *j)
{
    size_t d = rs_encoder_dim(e), n = j->n_texts + j->n_files;

    rs_print_line(rs_encoder_name(e));
    printf(", %zu floats a vector; cosines:\n", d);
    for (size_t a = 0; a < n; a++) {
        printf("%3zu  ", a + 1);
        for (size_t b = 0; b <= a; b++) {
            double dot = 0;
            for (size_t k = 0; k < d; k++)
                dot += (double)j->vectors[a * d + k] * (double)j->vectors[b * d + k];
            printf("%7.3f", dot);
        }
        printf("   %s ", a < j->n_texts ? "text" : "image");
        rs_print_line(a < j->n_texts ? j->texts[a] : j->files[a - j->n_texts]);
        putchar('\n');
    }
}

static int run(rs_cli *c)
{
    rs_encoder *e = NULL;
    rs_precision precision;
    rs_pool *pool;
    job j = {0};
    rs_err err = {0};
    int code;

    j.texts = rs_cli_values(c, "text", &j.n_texts);
    j.files = rs_cli_values(c, "image", &j.n_files);
    if (!j.n_texts && !j.n_files)
        return rs_cli_usage(c, "wants something to encode: --text or --image");
    if (!rs_model_precision(&precision, c))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    code = RS_EXIT_OK;
    if (rs_encoder_open_as(&e, rs_cli_arg(c, 0), precision, &err) != RS_OK ||
        encode(e, pool, rs_cli_arena(c), &j, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = print_json(c, e, &j);
    else
        print_cosines(e, &j);
    if (code == RS_EXIT_OK && j.cut)
        fprintf(stderr, "radscout encode: %zu of the texts %s longer than the %zu tokens that the "
                "model reads: the beginning alone counts\n", j.cut, j.cut == 1 ? "is" : "are",
                rs_encoder_max_tokens(e));
    rs_encoder_close(e);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    {"text", 0, "TEXT", "a text to encode; may be given several times"},
    {"image", 0, "FILE", "an image to encode; may be given several times"},
    {"json", 0, NULL, "print one JSON object with the vectors"},
    RS_PRECISION_OPTION,
    RS_THREADS_OPTION,
    {0},
};

const rs_command rs_command_encode = {
    .name = "encode", .args = "MODEL", .summary = "turn texts and images into the vectors of a model",
    .description = "MODEL is a model folder as published; radscout model check tells what it is.\n"
                   "\n"
                   "Prints the cosines of everything given with everything given; with --json the\n"
                   "unit vectors themselves: {\"model\", \"id\", \"dim\", \"texts_cut\", \"vectors\":\n"
                   "[{\"text\" or \"image\", \"vector\": [...]}]}, texts first.",
    .examples = "  radscout encode data/models/scout-mini --text \"hand radiograph\" --image film.png",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
