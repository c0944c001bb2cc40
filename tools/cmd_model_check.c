/* cmd_model_check.c - radscout model check FOLDER
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "commands.h"
#include "embeddings/model_check.h"
#include "model.h"

#include <stdio.h>

static const char *const resamplers[] = {"nearest", "bilinear", "bicubic", "lanczos"};

/* "F16 398, F32 1" */
static const char *dtype_words(rs_arena *mem, const rs_model_report *r)
{
    const char *words = "";

    for (int t = 0; words && t < RS_DTYPE_COUNT; t++)
        if (r->dtypes[t])
            words = rs_arena_sprintf(mem, "%s%s%s %zu", words, *words ? ", " : "",
                                     rs_dtype_name((rs_dtype)t), r->dtypes[t]);
    return words ? words : "";
}

static const char *preprocess_words(rs_arena *mem, const rs_preprocess *p)
{
    const char *how = resamplers[p->resample];
    const char *words = p->keep_aspect
        ? rs_arena_sprintf(mem, "shorter side to %zu, %s", p->resize_height, how)
        : rs_arena_sprintf(mem, "to %zu x %zu, %s", p->resize_width, p->resize_height, how);

    if (words && p->do_center_crop)
        words = rs_arena_sprintf(mem, "%s, middle %zu x %zu", words, p->crop_width,
                                 p->crop_height);
    return words ? words : "";
}

/* ---- For people ------------------------------------------------------ */

static void print_tower(const char *what, const rs_tower_config *t, size_t parameters,
                        const char *reads)
{
    printf("%-12s %.2f M parameters; %zu layers of width %zu, %zu heads, MLP %zu (%s); %s\n", what,
           (double)parameters * 1e-6, t->layers, t->width, t->heads, t->mlp,
           rs_activation_name(t->act), reads);
}

static void print_unused(const rs_model_report *r)
{
    printf("tensors      %zu used, %zu unused%s\n", r->used, r->unused, r->unused ? ":" : "");
    for (size_t i = 0; i < r->unused; i++) {
        printf("             ");
        rs_print_line(r->unused_name[i]);
        putchar('\n');
    }
}

static void print_tests(const rs_model_report *r)
{
    for (size_t i = 0; i < r->tests; i++) {
        printf("%-12s %-6s %s", i ? "" : "self-test", r->test[i].ok ? "ok" : "FAILED",
               r->test[i].name);
        if (r->test[i].detail[0]) {
            printf(": ");
            rs_print_line(r->test[i].detail);
        }
        putchar('\n');
    }
}

static void print_text(rs_cli *c, const rs_model_report *r, size_t threads)
{
    rs_arena *mem = rs_cli_arena(c);
    const rs_dual_config *m = &r->config;
    const char *images = rs_arena_sprintf(mem, "%zu x %zu pixels in patches of %zu", m->image_size,
                                          m->image_size, m->patch_size);
    const char *texts = rs_arena_sprintf(mem, "%zu tokens of a vocabulary of %zu", m->max_tokens,
                                         m->vocab_size);

    rs_print_line(r->name);
    printf("\nfamily       %s (%s layout), trained with a %s loss\nlicence      ", rs_dual_family(m),
           r->layout, rs_dual_sigmoid(m) ? "sigmoid" : "softmax");
    rs_print_line(r->licence ? r->licence : "not told (no \"license:\" in README.md)");
    printf("\nvectors      of %zu floats\nparameters   %.2f M, %.2f MB of tensors (%s)\n", m->dim,
           (double)r->parameters * 1e-6, (double)r->bytes * 1e-6, dtype_words(mem, r));
    print_tower("images", &m->vision, r->vision_parameters, images ? images : "");
    print_tower("texts", &m->text, r->text_parameters, texts ? texts : "");
    if (r->tokenizer)
        printf("tokenizer    %s\nprepared     %s\nid           %s\n", r->tokenizer,
               preprocess_words(mem, &r->preprocess), r->id);
    print_unused(r);
    print_tests(r);
    if (r->images_per_second > 0)
        printf("speed here   %.1f images/s, %.1f texts/s (f32, batches of 4, %zu thread%s)\n",
               r->images_per_second, r->texts_per_second, threads, threads == 1 ? "" : "s");
}

/* ---- For programs ---------------------------------------------------- */

static json_t *tower_json(const rs_tower_config *t, size_t parameters)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "parameters", (json_int_t)parameters,
                     "width", (json_int_t)t->width, "layers", (json_int_t)t->layers, "heads",
                     (json_int_t)t->heads, "mlp", (json_int_t)t->mlp, "activation",
                     rs_activation_name(t->act));
}

static json_t *tests_json(const rs_model_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->tests; i++)
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "name", r->test[i].name, "ok",
                                              r->test[i].ok, "detail",
                                              rs_json_any(r->test[i].detail)));
    return list;
}

static json_t *unused_json(const rs_model_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->unused; i++)
        json_array_append_new(list, rs_json_any(r->unused_name[i]));
    return list;
}

static json_t *dtypes_json(const rs_model_report *r)
{
    json_t *o = json_object();

    for (int t = 0; t < RS_DTYPE_COUNT; t++)
        if (r->dtypes[t])
            json_object_set_new(o, rs_dtype_name((rs_dtype)t),
                                json_integer((json_int_t)r->dtypes[t]));
    return o;
}

static int print_json(rs_cli *c, const rs_model_report *r, size_t threads)
{
    const rs_dual_config *m = &r->config;
    json_t *all = json_pack(
        "{s:o, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o,"
        " s:I, s:o, s:o, s:f, s:f, s:I, s:b}",
        "model", rs_json_any(r->name), "family", rs_dual_family(m), "layout", r->layout,
        "loss", rs_dual_sigmoid(m) ? "sigmoid" : "softmax", "licence", rs_json_any(r->licence),
        "id", r->id, "dim", (json_int_t)m->dim, "parameters", (json_int_t)r->parameters,
        "bytes", (json_int_t)r->bytes, "dtypes", dtypes_json(r),
        "image_size", (json_int_t)m->image_size, "patch_size", (json_int_t)m->patch_size,
        "max_tokens", (json_int_t)m->max_tokens, "vocab_size", (json_int_t)m->vocab_size,
        "vision", tower_json(&m->vision, r->vision_parameters),
        "text", tower_json(&m->text, r->text_parameters),
        "tokenizer", rs_json_any(r->tokenizer),
        "preprocess", r->tokenizer ? rs_json_any(preprocess_words(rs_cli_arena(c), &r->preprocess))
                                   : json_null(),
        "tensors_used", (json_int_t)r->used, "tensors_unused", unused_json(r),
        "self_test", tests_json(r), "images_per_second", r->images_per_second,
        "texts_per_second", r->texts_per_second, "threads", (json_int_t)threads, "ok", r->ok);
    return rs_cli_print_json(c, all);
}

/* ---- The command ----------------------------------------------------- */

static int run(rs_cli *c)
{
    rs_model_report r = {0};
    rs_pool *pool;
    rs_err err = {0};
    double seconds;
    int code;

    if (!rs_cli_real(c, "seconds", 0, 600, 1, &seconds))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    code = RS_EXIT_OK;
    if (rs_model_check(&r, rs_cli_arg(c, 0), pool, seconds, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = print_json(c, &r, rs_pool_size(pool));
    else
        print_text(c, &r, rs_pool_size(pool));
    if (code == RS_EXIT_OK && !r.ok)
        code = rs_cli_fail(c, &(rs_err){RS_ECORRUPT, "this model does not work here: see the "
                                                     "self-test"});
    rs_model_report_clear(&r);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    {"json", 0, NULL, "print one JSON object"},
    {"seconds", 's', "S", "measure images and texts for S seconds each (default 1; 0: not)"},
    RS_THREADS_OPTION,
    {0},
};

const rs_command rs_command_model_check = {
    .name = "model check", .args = "FOLDER",
    .summary = "tell what a model is, and whether it works here",
    .description =
        "FOLDER is a model as published: CLIP or SigLIP in Hugging Face layout (config.json,\n"
        "model.safetensors), or an open_clip model such as BiomedCLIP\n"
        "(open_clip_config.json, open_clip_model.safetensors). Weights in a pickle\n"
        "(pytorch_model.bin) are refused with the line that converts them.\n"
        "\n"
        "Prints family, licence, sizes, the tensors of the file that found no use, a\n"
        "self-test (images and texts become unit vectors, different ones differ, alone and\n"
        "in a batch they are the same) and the speed on this machine, preprocessing and\n"
        "tokenising included. Fails where the self-test does.",
    .examples = "  radscout model check data/models/scout-mini\n"
                "  radscout model check models/BiomedCLIP --json",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
