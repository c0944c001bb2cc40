/* text_tower.c - the text tower: tokens and positions, causal transformer, end token.
 *
 * Texts lie end to end without padding. No token sees a later one, so nothing after the
 * end token is computed: a 10-token query costs an eighth of a 77-token text. See dual.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tower_int.h"

#include "embeddings/kernels.h"

static rs_tower_at tower_at(const rs_dual *m)
{
    const rs_text_at *at = &m->at.text;
    return (rs_tower_at){at->layer, at->final_g, at->final_b, at->proj_w, m->config.dim};
}

/* Where the text is read: at the first end token, or, for checkpoints whose eos_id is
 * the old 2, at the largest id. *end is the place, < length. RS_EARG names what is wrong. */
static rs_status find_end(size_t *end, const rs_dual_config *c, const int32_t *ids,
                          size_t length, size_t text, rs_err *err)
{
    size_t top = 0;
    bool found = c->eos_id == 2;

    if (length == 0 || length > c->max_tokens)
        return rs_fail(err, RS_EARG, "text %zu: %zu tokens, wanted 1..%zu", text, length,
                       c->max_tokens);
    for (size_t i = 0; i < length; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= c->vocab_size)
            return rs_fail(err, RS_EARG, "text %zu: token %zu is %d, the vocabulary has %zu",
                           text, i, (int)ids[i], c->vocab_size);
        if (c->eos_id == 2 ? ids[i] > ids[top] : !found && ids[i] == c->eos_id)
            top = i, found = true;
    }
    if (!found)
        return rs_fail(err, RS_EARG, "text %zu: no end token %d", text, (int)c->eos_id);
    *end = top;
    return RS_OK;
}

/* The n texts as sequences that stop at their end tokens. */
static rs_status pack(rs_tape *t, const rs_dual *m, const int32_t *ids, const size_t *length,
                      size_t n, size_t first, bool keep, rs_err *err)
{
    rs_packed *in = &t->in;
    size_t end = 0;
    rs_status st;

    if ((st = rs_tape_index(t, n, err)) != RS_OK)
        return st;
    in->c = &m->config.text;
    in->causal = true;
    in->rows = in->longest = in->pairs = 0;
    for (size_t i = 0; i < n; ids += length[i], i++) {
        if ((st = find_end(&end, &m->config, ids, length[i], first + i, err)) != RS_OK)
            return st;
        in->start[i] = in->rows;
        in->pool[i] = in->rows + end;
        in->rows += end + 1;
        in->pairs += (end + 1) * (end + 1);
        in->longest = end + 1 > in->longest ? end + 1 : in->longest;
    }
    in->start[n] = in->rows;
    return rs_tape_lay_out(t, keep, 0, err);
}

/* t->layer[0].in = token[id] + position */
static void embed(rs_tape *t, const rs_dual *m, const int32_t *ids, const size_t *length)
{
    const rs_kernels *kn = rs_kernels_best();
    const float *token = m->params + m->at.text.token, *pos = m->params + m->at.text.position;
    const size_t d = m->config.text.width;
    float *x = t->layer[0].in;

    for (size_t i = 0; i < t->in.n; ids += length[i], i++)
        for (size_t j = 0; j < t->in.start[i + 1] - t->in.start[i]; j++, x += d)
            kn->add_bias(x, token + (size_t)ids[j] * d, pos + j * d, 1, d);
}

static void embed_grad(const rs_tape *t, const rs_dual *m, const int32_t *ids,
                       const size_t *length, float *grads)
{
    const rs_kernels *kn = rs_kernels_best();
    float *token = grads + m->at.text.token, *pos = grads + m->at.text.position;
    const size_t d = m->config.text.width;
    const float *dx = t->dx;

    for (size_t i = 0; i < t->in.n; ids += length[i], i++) {
        for (size_t j = 0; j < t->in.start[i + 1] - t->in.start[i]; j++, dx += d) {
            kn->add(token + (size_t)ids[j] * d, dx, d);
            kn->add(pos + j * d, dx, d);
        }
    }
}

/* How many texts from `length` on make one chunk, and how many ids they have. */
static size_t chunk(const size_t *length, size_t n, bool keep, size_t *ids)
{
    size_t i = 0;

    for (*ids = 0; i < n && (keep || i == 0 || *ids + length[i] <= RS_CHUNK_ROWS); i++)
        *ids += length[i];
    return i;
}

rs_status rs_dual_text_forward(const rs_dual *m, const int32_t *ids, const size_t *length, size_t n,
                               rs_tape *scratch, bool keep, float *features, rs_err *err)
{
    const rs_tower_at at = tower_at(m);
    rs_status st;

    for (size_t i = 0, count, used; i < n; i += count, ids += used) {
        count = chunk(length + i, n - i, keep, &used);
        if ((st = pack(scratch, m, ids, length + i, count, i, keep, err)) != RS_OK)
            return st;
        embed(scratch, m, ids, length + i);
        rs_tower_forward(scratch, m->params, &at, keep, features + i * m->config.dim);
    }
    scratch->kept = keep && n > 0;
    return RS_OK;
}

rs_status rs_dual_text_backward(const rs_dual *m, rs_tape *tape, const int32_t *ids,
                                const size_t *length, size_t n,
                                const float *d_features, float *grads, rs_err *err)
{
    const rs_tower_at at = tower_at(m);

    if (n == 0)
        return RS_OK;
    if (!tape->kept || tape->in.c != &m->config.text || tape->in.n != n)
        return rs_fail(err, RS_EARG, "text backward: the tape holds no forward pass of these "
                       "%zu texts", n);
    rs_tower_backward(tape, m->params, &at, d_features, grads);
    embed_grad(tape, m, ids, length, grads);
    tape->kept = false;
    return RS_OK;
}
