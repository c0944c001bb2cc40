/* vision_tower.c - the image tower: patches, class token, positions, transformer.
 * Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1. What a family has of these its
 * traits say. See dual.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tower_int.h"

#include "embeddings/kernels.h"

#include <string.h>

/* Floats of one image's patches. */
static size_t patch_floats(const rs_dual_config *c)
{
    return rs_dual_patches(c) * 3 * c->patch_size * c->patch_size;
}

static size_t image_floats(const rs_dual_config *c)
{
    return 3 * c->image_size * c->image_size;
}

/* n sequences of a class token, where there is one, and the patches each. */
static rs_status pack(rs_tape *t, const rs_dual *m, size_t n, bool keep, rs_err *err)
{
    const rs_dual_config *c = &m->config;
    const size_t rows = rs_dual_image_rows(c);
    rs_status st;

    if (n > UINT32_MAX / rows)
        return rs_fail(err, RS_ELIMIT, "image tower: %zu images at once", n);
    if ((st = rs_tape_index(t, &c->vision, rs_vision_traits(c), c->dim, n, err)) != RS_OK)
        return st;
    t->in.rows = n * rows;
    t->in.longest = rows;
    t->in.pairs = n * rows * rows;
    for (size_t i = 0; i <= n; i++)
        t->in.start[i] = i * rows;
    for (size_t i = 0; i < n; i++)
        t->in.pool[i] = i * rows;
    return rs_tape_lay_out(t, keep, n * patch_floats(c), err);
}

static void cut_patches(const rs_tape *t, const rs_dual *m, const float *pixels)
{
    const rs_dual_config *c = &m->config;

    for (size_t i = 0; i < t->in.n; i++)
        rs_patches(t->spare + i * patch_floats(c), pixels + i * image_floats(c),
                   c->image_size, c->patch_size);
}

/* t->emb = [class; patches W^T + b] + position */
static void embed(rs_tape *t, const rs_dual *m, const float *pixels)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_tower_at *at = &m->at.vision;
    const rs_dual_config *c = &m->config;
    const size_t d = c->vision.width, np = rs_dual_patches(c), rows = rs_dual_image_rows(c);
    const size_t k = 3 * c->patch_size * c->patch_size;
    const bool class_token = t->in.f->class_token;
    float *x = t->emb, *patches = class_token ? t->layer[0].qkv : x;

    cut_patches(t, m, pixels);
    rs_tower_linear(&t->in, patches, NULL, t->spare, m->params, at->patch_w,
                    t->in.f->patch_bias ? at->patch_b : RS_NOWHERE, t->in.n * np, k, d);
    for (size_t i = 0; i < t->in.n; i++, x += rows * d, patches += np * d) {
        if (class_token) {
            memcpy(x, m->params + at->class_token, d * sizeof *x);
            memcpy(x + d, patches, np * d * sizeof *x);
        }
        kn->add(x, m->params + at->position, rows * d);
    }
}

/* From t->dx, the gradient of t->emb. The pixels get none. */
static void embed_grad(rs_tape *t, const rs_dual *m, const float *pixels, float *grads)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_tower_at *at = &m->at.vision;
    const rs_dual_config *c = &m->config;
    const size_t d = c->vision.width, np = rs_dual_patches(c), rows = rs_dual_image_rows(c);
    const bool class_token = t->in.f->class_token;
    const float *dx = t->dx;
    float *patches = class_token ? t->dqkv : t->dx;

    for (size_t i = 0; i < t->in.n; i++, dx += rows * d) {
        kn->add(grads + at->position, dx, rows * d);
        if (class_token) {
            kn->add(grads + at->class_token, dx, d);
            memcpy(patches + i * np * d, dx + d, np * d * sizeof *dx);
        }
    }
    cut_patches(t, m, pixels);
    rs_linear_grad(NULL, grads + at->patch_w, t->in.f->patch_bias ? grads + at->patch_b : NULL,
                   patches, t->spare, m->params + at->patch_w, t->in.n * np,
                   3 * c->patch_size * c->patch_size, d);
}

rs_status rs_dual_image_forward(const rs_dual *m, const float *pixels, size_t n,
                                rs_tape *scratch, bool keep, float *features, rs_err *err)
{
    const size_t rows = rs_dual_image_rows(&m->config);
    const size_t most = RS_CHUNK_ROWS > rows ? RS_CHUNK_ROWS / rows : 1;
    rs_status st;

    for (size_t i = 0, count; i < n; i += count) {
        count = keep || n - i < most ? n - i : most;
        if ((st = pack(scratch, m, count, keep, err)) != RS_OK)
            return st;
        embed(scratch, m, pixels + i * image_floats(&m->config));
        rs_tower_forward(scratch, m->params, &m->at.vision, keep, features + i * m->config.dim);
    }
    scratch->kept = keep && n > 0;
    return RS_OK;
}

rs_status rs_dual_image_regions(const rs_dual *d, const float *pixels, size_t n,
                                const double *boxes, size_t m, rs_tape *scratch, float *features,
                                float *region_features, rs_err *err)
{
    const rs_dual_config *c = &d->config;
    const size_t rows = rs_dual_image_rows(c), side = c->image_size / c->patch_size;
    const size_t most = RS_CHUNK_ROWS > rows ? RS_CHUNK_ROWS / rows : 1;
    rs_status st = RS_OK;

    for (size_t i = 0, count; i < n && st == RS_OK; i += count) {
        count = n - i < most ? n - i : most;
        st = rs_dual_image_forward(d, pixels + i * image_floats(c), count, scratch, false,
                                   features + i * c->dim, err);
        if (st == RS_OK)
            st = rs_tower_regions(scratch, d->params, &d->at.vision, boxes + i * m * 4, m, side,
                                  region_features + i * m * c->dim, err);
    }
    return st;
}

rs_status rs_dual_image_backward(const rs_dual *m, rs_tape *tape, const float *pixels, size_t n,
                                 const float *d_features, float *grads, rs_err *err)
{
    if (n == 0)
        return RS_OK;
    if (!tape->kept || tape->in.c != &m->config.vision || tape->in.n != n)
        return rs_fail(err, RS_EARG, "image backward: the tape holds no forward pass of these "
                       "%zu images", n);
    rs_tower_backward(tape, m->params, &m->at.vision, d_features, grads);
    embed_grad(tape, m, pixels, grads);
    tape->kept = false;
    return RS_OK;
}
