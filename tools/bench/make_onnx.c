/* make_onnx.c - a CLIP model as ONNX files for ONNX Runtime, the other side of
 * tools/bench/encode:
 *
 *   make_onnx OUT [MODEL]     OUT/{image,text}-{f32,int8}.onnx, OUT/{image,text}.f32;
 *                             prints image size, patch, tokens, vocabulary, end token
 *
 * Without MODEL the random ViT-B/32 of `radscout bench encode`: the same shape and the
 * same weights. The graphs are what ONNX Runtime runs fastest: its own fused nodes for
 * attention, layer norm, quick gelu and, in int8, DynamicQuantizeMatMul with one scale an
 * output, which is what its quantiser and optimiser make of a published model. *.f32:
 * what we compute for a batch of one, against which the script holds its answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "onnx.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/bench_encode.h"
#include "embeddings/dual.h"
#include "embeddings/linear.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    rs_dual *m;
    bool text, int8;
    float *turned;                 /* [k x n] one weight, transposed */
    int8_t *q, *turned_q;
    float *scale;
    bool failed;                   /* a tensor that is not there */
} job;

static const float *param(job *j, const char *name, const rs_param **found)
{
    size_t n;
    const rs_param *table = rs_dual_param_table(j->m, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0) {
            if (found)
                *found = &table[i];
            return rs_dual_params(j->m) + table[i].offset;
        }
    fprintf(stderr, "make_onnx: no tensor %s: only CLIP models\n", name);
    j->failed = true;
    return NULL;
}

/* The parameter `name` as it is, under the same name. */
static void constant(onnx *o, job *j, const char *name, size_t rank, const int64_t *shape)
{
    const float *x = param(j, name, NULL);
    if (x)
        onnx_floats(o, name, x, rank, shape);
}

static char *text_of(char *to, size_t size, const char *format, ...) RS_PRINTF(3, 4);

static char *text_of(char *to, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(to, size, format, args);
    va_end(args);
    return to;
}

#define TEXT(format, ...) text_of((char[400]){0}, 400, format, __VA_ARGS__)

/* out = in W^T + b. `name` is the layer's, without ".weight"; bias: there is one. */
static void linear(onnx *o, job *j, const char *name, const char *in, const char *out, bool bias)
{
    const char *weight = TEXT("%s.weight", name), *b = TEXT("%s.bias", name);
    const rs_param *p = NULL;
    const float *w = param(j, weight, &p);

    if (!w)
        return;
    const size_t n = p->shape[0], k = p->count / n;
    const int64_t shape[] = {(int64_t)k, (int64_t)n};
    if (bias)
        constant(o, j, b, 1, (const int64_t[]){(int64_t)n});
    if (j->int8) {
        for (size_t i = 0; i < n; i++) {
            j->scale[i] = rs_quantise_row(j->q, w + i * k, k);
            for (size_t l = 0; l < k; l++)
                j->turned_q[l * n + i] = j->q[l];
        }
        onnx_int8s(o, weight, j->turned_q, 2, shape);
        onnx_floats(o, TEXT("%s.scale", name), j->scale, 1, shape + 1);
        onnx_node(o, "com.microsoft", "DynamicQuantizeMatMul",
                  TEXT("%s %s %s.scale -%s%s", in, weight, name, bias ? " " : "", bias ? b : ""),
                  out, NULL);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t l = 0; l < k; l++)
            j->turned[l * n + i] = w[i * k + l];
    onnx_floats(o, weight, j->turned, 2, shape);
    onnx_node(o, "", "MatMul", TEXT("%s %s", in, weight), bias ? TEXT("%s.product", out) : out, NULL);
    if (bias)
        onnx_node(o, "", "Add", TEXT("%s.product %s", out, b), out, NULL);
}

static void norm(onnx *o, job *j, const char *name, const char *in, const char *out,
                 const rs_tower_config *c)
{
    const int64_t d = (int64_t)c->width;
    const onnx_attribute a[] = {{.name = "axis", .kind = ONNX_INT, .i = -1},
                                {.name = "epsilon", .kind = ONNX_FLOAT, .f = c->eps}, {0}};

    constant(o, j, TEXT("%s.weight", name), 1, &d);
    constant(o, j, TEXT("%s.bias", name), 1, &d);
    onnx_node(o, "", "LayerNormalization", TEXT("%s %s.weight %s.bias", in, name, name), out, a);
}

/* One transformer layer, from "x<i>" to "x<i + 1>". */
static void layer(onnx *o, job *j, const char *tower, size_t i, const rs_tower_config *c)
{
    const char *at = TEXT("%s.encoder.layers.%zu", tower, i);
    const onnx_attribute heads[] = {
        {.name = "num_heads", .kind = ONNX_INT, .i = (int64_t)c->heads},
        {.name = "unidirectional", .kind = ONNX_INT, .i = j->text}, {0}};
    const onnx_attribute quick[] = {{.name = "alpha", .kind = ONNX_FLOAT, .f = 1.702f}, {0}};

    norm(o, j, TEXT("%s.layer_norm1", at), TEXT("x%zu", i), TEXT("%zu.h1", i), c);
    for (size_t p = 0; p < 3; p++)
        linear(o, j, TEXT("%s.self_attn.%c_proj", at, "qkv"[p]), TEXT("%zu.h1", i),
               TEXT("%zu.%c", i, "qkv"[p]), true);
    onnx_node(o, "com.microsoft", "MultiHeadAttention", TEXT("%zu.q %zu.k %zu.v", i, i, i),
              TEXT("%zu.ctx", i), heads);
    linear(o, j, TEXT("%s.self_attn.out_proj", at), TEXT("%zu.ctx", i), TEXT("%zu.o", i), true);
    onnx_node(o, "", "Add", TEXT("x%zu %zu.o", i, i), TEXT("%zu.mid", i), NULL);
    norm(o, j, TEXT("%s.layer_norm2", at), TEXT("%zu.mid", i), TEXT("%zu.h2", i), c);
    linear(o, j, TEXT("%s.mlp.fc1", at), TEXT("%zu.h2", i), TEXT("%zu.u", i), true);
    if (c->act == RS_ACT_QUICK_GELU)
        onnx_node(o, "com.microsoft", "QuickGelu", TEXT("%zu.u", i), TEXT("%zu.a", i), quick);
    else
        onnx_node(o, "com.microsoft", "Gelu", TEXT("%zu.u", i), TEXT("%zu.a", i), NULL);
    linear(o, j, TEXT("%s.mlp.fc2", at), TEXT("%zu.a", i), TEXT("%zu.f", i), true);
    onnx_node(o, "", "Add", TEXT("%zu.mid %zu.f", i, i), TEXT("x%zu", i + 1), NULL);
}

/* Row `row` of the last layer's "x<layers>", normed and projected, to "features". */
static void read_out(onnx *o, job *j, const char *norm_name, const char *projection, int64_t row,
                     const rs_tower_config *c)
{
    const onnx_attribute axis[] = {{.name = "axis", .kind = ONNX_INT, .i = 1}, {0}};
    const onnx_attribute squeeze[] = {{0}};
    const int64_t shape[] = {-1, (int64_t)rs_dual_config_of(j->m)->dim};

    onnx_int64s(o, "row", &row, 1);
    onnx_node(o, "", "Gather", TEXT("x%zu row", c->layers), "picked", axis);
    onnx_int64s(o, "one", (const int64_t[]){1}, 1);
    onnx_node(o, "", "Squeeze", "picked one", "read", squeeze);
    norm(o, j, norm_name, "read", "normed", c);
    linear(o, j, projection, "normed", "features", false);
    onnx_output(o, "features", ONNX_TYPE_FLOAT, 2, shape);
}

static void build_image(onnx *o, void *ctx)
{
    job *j = ctx;
    const rs_dual_config *c = rs_dual_config_of(j->m);
    const int64_t d = (int64_t)c->vision.width, size = (int64_t)c->image_size;
    const int64_t patch = (int64_t)c->patch_size, patches = size / patch * (size / patch);
    const char *at = "vision_model.embeddings";
    const onnx_attribute conv[] = {
        {.name = "kernel_shape", .kind = ONNX_INTS, .ints = (const int64_t[]){patch, patch}, .n = 2},
        {.name = "strides", .kind = ONNX_INTS, .ints = (const int64_t[]){patch, patch}, .n = 2}, {0}};
    const onnx_attribute turn[] = {
        {.name = "perm", .kind = ONNX_INTS, .ints = (const int64_t[]){0, 2, 1}, .n = 3}, {0}};
    const onnx_attribute axis[] = {{.name = "axis", .kind = ONNX_INT, .i = 1}, {0}};

    onnx_input(o, "pixels", ONNX_TYPE_FLOAT, 4, (const int64_t[]){-1, 3, size, size});
    constant(o, j, TEXT("%s.patch_embedding.weight", at), 4, (const int64_t[]){d, 3, patch, patch});
    onnx_node(o, "", "Conv", TEXT("pixels %s.patch_embedding.weight", at), "conv", conv);
    onnx_int64s(o, "flat", (const int64_t[]){0, d, patches}, 3);
    onnx_node(o, "", "Reshape", "conv flat", "columns", NULL);
    onnx_node(o, "", "Transpose", "columns", "patches", turn);
    constant(o, j, TEXT("%s.class_embedding", at), 3, (const int64_t[]){1, 1, d});
    onnx_node(o, "", "Shape", "pixels", "shape", NULL);
    onnx_int64s(o, "zero", (const int64_t[]){0}, 1);
    onnx_node(o, "", "Gather", "shape zero", "batch_size", NULL);
    onnx_int64s(o, "one_d", (const int64_t[]){1, d}, 2);
    onnx_node(o, "", "Concat", "batch_size one_d", "class_shape",
              (const onnx_attribute[]){{.name = "axis", .kind = ONNX_INT, .i = 0}, {0}});
    onnx_node(o, "", "Expand", TEXT("%s.class_embedding class_shape", at), "class", NULL);
    onnx_node(o, "", "Concat", "class patches", "tokens", axis);
    constant(o, j, TEXT("%s.position_embedding.weight", at), 2, (const int64_t[]){patches + 1, d});
    onnx_node(o, "", "Add", TEXT("tokens %s.position_embedding.weight", at), "placed", NULL);
    norm(o, j, "vision_model.pre_layrnorm", "placed", "x0", &c->vision);
    for (size_t i = 0; i < c->vision.layers; i++)
        layer(o, j, "vision_model", i, &c->vision);
    read_out(o, j, "vision_model.post_layernorm", "visual_projection", 0, &c->vision);
}

static void build_text(onnx *o, void *ctx)
{
    job *j = ctx;
    const rs_dual_config *c = rs_dual_config_of(j->m);
    const int64_t d = (int64_t)c->text.width;
    const char *at = "text_model.embeddings";

    onnx_input(o, "ids", ONNX_TYPE_INT64, 2, (const int64_t[]){-1, -1});
    constant(o, j, TEXT("%s.token_embedding.weight", at), 2,
             (const int64_t[]){(int64_t)c->vocab_size, d});
    constant(o, j, TEXT("%s.position_embedding.weight", at), 2,
             (const int64_t[]){(int64_t)c->max_tokens, d});
    onnx_node(o, "", "Gather", TEXT("%s.token_embedding.weight ids", at), "tokens", NULL);
    onnx_node(o, "", "Shape", "ids", "shape", NULL);
    onnx_int64s(o, "zero", (const int64_t[]){0}, 1);
    onnx_int64s(o, "second", (const int64_t[]){1}, 1);
    onnx_node(o, "", "Gather", "shape second", "length", NULL);
    onnx_node(o, "", "Slice", TEXT("%s.position_embedding.weight zero length zero", at), "places",
              NULL);
    onnx_node(o, "", "Add", "tokens places", "x0", NULL);
    for (size_t i = 0; i < c->text.layers; i++)
        layer(o, j, "text_model", i, &c->text);
    read_out(o, j, "text_model.final_layer_norm", "text_projection", -1, &c->text);
}

/* ---- What we compute -------------------------------------------------------------------- */

/* The first item of rs_bench_encode's batches, through our towers in f32. */
static rs_status our_answer(job *j, const char *path, rs_err *err)
{
    const rs_dual_config *c = rs_dual_config_of(j->m);
    const size_t floats = 3 * c->image_size * c->image_size, tokens = c->max_tokens < 77 ? c->max_tokens : 77;
    float *pixels = rs_calloc(floats, sizeof *pixels), *out = rs_calloc(c->dim, sizeof *out);
    int32_t *ids = rs_calloc(tokens, sizeof *ids);
    rs_tape *tape = rs_tape_new();
    rs_status st;

    if (!pixels || !out || !ids || !tape) {
        st = rs_fail(err, RS_ENOMEM, "no memory");
        goto done;
    }
    rs_bench_pixels(pixels, 1, c);
    rs_bench_ids(ids, 1, tokens, c);
    st = j->text ? rs_dual_text_forward(j->m, ids, &tokens, 1, tape, false, out, err)
                 : rs_dual_image_forward(j->m, pixels, 1, tape, false, out, err);
    if (st == RS_OK)
        st = rs_file_write(path, out, c->dim * sizeof *out, err);
done:
    rs_tape_free(tape);
    rs_free(ids);
    rs_free(out);
    rs_free(pixels);
    return st;
}

static rs_status run(job *j, const char *folder, rs_err *err)
{
    const rs_dual_config *c = rs_dual_config_of(j->m);
    const size_t wide = c->vision.width > c->text.width ? c->vision.width : c->text.width;
    const size_t mlp = c->vision.mlp > c->text.mlp ? c->vision.mlp : c->text.mlp;
    const size_t n = (wide > c->dim ? wide : c->dim) > mlp ? wide : mlp;
    rs_status st = rs_mkdirs(folder, err);

    j->turned = rs_calloc(n * (wide > c->dim ? wide : c->dim), sizeof *j->turned);
    j->turned_q = rs_calloc(n * (wide > c->dim ? wide : c->dim), 1);
    j->q = rs_calloc(n, 1);
    j->scale = rs_calloc(n, sizeof *j->scale);
    if (!j->turned || !j->turned_q || !j->q || !j->scale)
        return rs_fail(err, RS_ENOMEM, "no memory");
    for (int text = 0; text < 2 && st == RS_OK; text++) {
        j->text = text;
        st = our_answer(j, TEXT("%s/%s.f32", folder, text ? "text" : "image"), err);
        for (int int8 = 0; int8 < 2 && st == RS_OK; int8++) {
            j->int8 = int8;
            st = onnx_save(TEXT("%s/%s-%s.onnx", folder, text ? "text" : "image",
                                int8 ? "int8" : "f32"), text ? build_text : build_image, j, err);
        }
    }
    return st == RS_OK && j->failed ? rs_fail(err, RS_EARG, "not a CLIP model") : st;
}

int main(int argc, char **argv)
{
    job j = {0};
    rs_err err = {0};
    rs_status st;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: make_onnx OUT [MODEL]\n");
        return 2;
    }
    st = argc > 2 ? rs_dual_open(&j.m, argv[2], &err) : rs_bench_random(&j.m, &err);
    if (st == RS_OK)
        st = run(&j, argv[1], &err);
    if (st == RS_OK) {
        const rs_dual_config *c = rs_dual_config_of(j.m);
        printf("%zu %zu %zu %zu %d\n", c->image_size, c->patch_size, c->max_tokens, c->vocab_size,
               (int)c->eos_id);
    }
    rs_dual_close(j.m);
    rs_free(j.turned);
    rs_free(j.turned_q);
    rs_free(j.q);
    rs_free(j.scale);
    if (st != RS_OK)
        fprintf(stderr, "make_onnx: %s\n", err.msg);
    return st == RS_OK ? 0 : 1;
}
