/* vision_tower.c - the image tower: patches, class token, positions, transformer.
 * Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1, with CLIP's extra layer norm
 * before the layers. See dual.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tower_int.h"

#include "embeddings/kernels.h"
#include "embeddings/matmul.h"

#include <string.h>

static rs_tower_at tower_at(const rs_dual *m)
{
    const rs_vision_at *at = &m->at.vision;
    return (rs_tower_at){at->layer, at->post_g, at->post_b, at->proj_w, m->config.dim};
}

/* Floats of one image's patches. */
static size_t patch_floats(const rs_dual_config *c)
{
    return rs_dual_patches(c) * 3 * c->patch_size * c->patch_size;
}

static size_t image_floats(const rs_dual_config *c)
{
    return 3 * c->image_size * c->image_size;
}

/* n sequences of one class token and the patches each. */
static rs_status pack(rs_tape *t, const rs_dual *m, size_t n, bool keep, rs_err *err)
{
    const size_t tokens = rs_dual_patches(&m->config) + 1;
    rs_status st;

    if (n > UINT32_MAX / tokens)
        return rs_fail(err, RS_ELIMIT, "image tower: %zu images at once", n);
    if ((st = rs_tape_index(t, n, err)) != RS_OK)
        return st;
    t->in.c = &m->config.vision;
    t->in.causal = false;
    t->in.rows = n * tokens;
    t->in.longest = tokens;
    t->in.pairs = n * tokens * tokens;
    for (size_t i = 0; i <= n; i++)
        t->in.start[i] = i * tokens;
    for (size_t i = 0; i < n; i++)
        t->in.pool[i] = i * tokens;
    return rs_tape_lay_out(t, keep, n * patch_floats(&m->config), err);
}

static void cut_patches(const rs_tape *t, const rs_dual *m, const float *pixels)
{
    const rs_dual_config *c = &m->config;

    for (size_t i = 0; i < t->in.n; i++)
        rs_patches(t->spare + i * patch_floats(c), pixels + i * image_floats(c),
                   c->image_size, c->patch_size);
}

/* t->layer[0].in = pre_layrnorm([class; patches W^T] + position) */
static void embed(rs_tape *t, const rs_dual *m, const float *pixels)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_vision_at *at = &m->at.vision;
    const rs_dual_config *c = &m->config;
    const size_t d = c->vision.width, np = rs_dual_patches(c);
    const size_t k = 3 * c->patch_size * c->patch_size;
    float *rows = t->layer[0].h1, *x = t->emb;

    cut_patches(t, m, pixels);
    rs_matmul(RS_NT, t->in.n * np, d, k, 1, (rs_mat){t->spare, k},
              (rs_mat){m->params + at->patch_w, k}, 0, rows, d);
    for (size_t i = 0; i < t->in.n; i++, x += (np + 1) * d, rows += np * d) {
        memcpy(x, m->params + at->class_token, d * sizeof *x);
        memcpy(x + d, rows, np * d * sizeof *x);
        kn->add(x, m->params + at->position, (np + 1) * d);
    }
    kn->layer_norm(t->layer[0].in, t->emb_stat, t->emb, m->params + at->pre_g,
                   m->params + at->pre_b, c->vision.eps, t->in.rows, d);
}

/* From t->dx, the gradient of layer[0].in. The pixels get none. */
static void embed_grad(rs_tape *t, const rs_dual *m, const float *pixels, float *grads)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_vision_at *at = &m->at.vision;
    const rs_dual_config *c = &m->config;
    const size_t d = c->vision.width, np = rs_dual_patches(c);
    const size_t k = 3 * c->patch_size * c->patch_size;
    float *rows = t->dqkv, *dx = t->dh;

    memset(dx, 0, t->in.rows * d * sizeof *dx);
    kn->layer_norm_grad(dx, grads + at->pre_g, grads + at->pre_b, t->dx, t->emb, t->emb_stat,
                        m->params + at->pre_g, t->in.rows, d);
    for (size_t i = 0; i < t->in.n; i++, dx += (np + 1) * d, rows += np * d) {
        kn->add(grads + at->class_token, dx, d);
        kn->add(grads + at->position, dx, (np + 1) * d);
        memcpy(rows, dx + d, np * d * sizeof *dx);
    }
    cut_patches(t, m, pixels);
    rs_matmul(RS_TN, d, k, t->in.n * np, 1, (rs_mat){t->dqkv, d}, (rs_mat){t->spare, k}, 1,
              grads + at->patch_w, k);
}

rs_status rs_dual_image_forward(const rs_dual *m, const float *pixels, size_t n,
                                rs_tape *scratch, bool keep, float *features, rs_err *err)
{
    const rs_tower_at at = tower_at(m);
    const size_t tokens = rs_dual_patches(&m->config) + 1;
    const size_t most = RS_CHUNK_ROWS > tokens ? RS_CHUNK_ROWS / tokens : 1;
    rs_status st;

    for (size_t i = 0, count; i < n; i += count) {
        count = keep || n - i < most ? n - i : most;
        if ((st = pack(scratch, m, count, keep, err)) != RS_OK)
            return st;
        embed(scratch, m, pixels + i * image_floats(&m->config));
        rs_tower_forward(scratch, m->params, &at, keep, features + i * m->config.dim);
    }
    scratch->kept = keep && n > 0;
    return RS_OK;
}

rs_status rs_dual_image_backward(const rs_dual *m, rs_tape *tape, const float *pixels, size_t n,
                                 const float *d_features, float *grads, rs_err *err)
{
    const rs_tower_at at = tower_at(m);

    if (n == 0)
        return RS_OK;
    if (!tape->kept || tape->in.c != &m->config.vision || tape->in.n != n)
        return rs_fail(err, RS_EARG, "image backward: the tape holds no forward pass of these "
                       "%zu images", n);
    rs_tower_backward(tape, m->params, &at, d_features, grads);
    embed_grad(tape, m, pixels, grads);
    tape->kept = false;
    return RS_OK;
}
