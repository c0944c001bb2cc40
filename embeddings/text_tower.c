/* text_tower.c - the text tower: tokens, positions, token types, transformer.
 *
 * Texts lie end to end without padding. A causal tower that is read at the end token
 * computes nothing after it: a 10-token query costs an eighth of a 77-token text. A tower
 * that was trained with its padding (SigLIP) computes it too. See dual.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tower_int.h"

#include "embeddings/kernels.h"

/* Where the text is read: at the first end token, or, for checkpoints whose eos_id is
 * the old 2, at the largest id. *end is the place, < length. RS_EARG: there is none. */
static rs_status find_end(size_t *end, const rs_dual_config *c, const int32_t *ids,
                          size_t length, size_t text, rs_err *err)
{
    size_t top = 0;
    bool found = c->eos_id == 2;

    for (size_t i = 0; i < length; i++)
        if (c->eos_id == 2 ? ids[i] > ids[top] : !found && ids[i] == c->eos_id)
            top = i, found = true;
    if (!found)
        return rs_fail(err, RS_EARG, "text %zu: no end token %d", text, (int)c->eos_id);
    *end = top;
    return RS_OK;
}

/* Rows of one text, and the row that is read. RS_EARG names what is wrong. */
static rs_status measure(size_t *rows, size_t *read, const rs_dual_config *c, const int32_t *ids,
                         size_t length, size_t text, rs_err *err)
{
    const rs_tower_traits *f = rs_text_traits(c);
    rs_status st = RS_OK;

    if (length == 0 || length > c->max_tokens)
        return rs_fail(err, RS_EARG, "text %zu: %zu tokens, wanted 1..%zu", text, length,
                       c->max_tokens);
    for (size_t i = 0; i < length; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= c->vocab_size)
            return rs_fail(err, RS_EARG, "text %zu: token %zu is %d, the vocabulary has %zu",
                           text, i, (int)ids[i], c->vocab_size);
    *rows = f->pads ? c->max_tokens : length;
    *read = f->pool == RS_POOL_LAST ? *rows - 1 : 0;
    if (f->pool == RS_POOL_END) {
        st = find_end(read, c, ids, length, text, err);
        *rows = f->causal ? *read + 1 : *rows;
    }
    return st;
}

/* The n texts as sequences. */
static rs_status pack(rs_tape *t, const rs_dual *m, const int32_t *ids, const size_t *length,
                      size_t n, size_t first, bool keep, rs_err *err)
{
    const rs_dual_config *c = &m->config;
    rs_packed *in = &t->in;
    size_t rows = 0, read = 0;
    rs_status st;

    if ((st = rs_tape_index(t, &c->text, rs_text_traits(c), c->dim, n, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < n; ids += length[i], i++) {
        if ((st = measure(&rows, &read, c, ids, length[i], first + i, err)) != RS_OK)
            return st;
        in->start[i] = in->rows;
        in->pool[i] = in->rows + read;
        in->rows += rows;
        in->pairs += rows * rows;
        in->longest = rows > in->longest ? rows : in->longest;
    }
    in->start[n] = in->rows;
    return rs_tape_lay_out(t, keep, 0, err);
}

/* Token j of a text, the padding behind its end included. */
static size_t token(const rs_dual_config *c, const int32_t *ids, size_t length, size_t j)
{
    return (size_t)(j < length ? ids[j] : c->pad_id);
}

/* t->emb = token[id] + position (+ type[0]) */
static void embed(rs_tape *t, const rs_dual *m, const int32_t *ids, const size_t *length)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_tower_at *at = &m->at.text;
    const float *words = m->params + at->token, *pos = m->params + at->position;
    const float *type = t->in.f->token_types ? m->params + at->type : NULL;
    const size_t d = m->config.text.width;
    float *x = t->emb;

    for (size_t i = 0; i < t->in.n; ids += length[i], i++) {
        for (size_t j = 0; j < t->in.start[i + 1] - t->in.start[i]; j++, x += d) {
            kn->add_bias(x, words + token(&m->config, ids, length[i], j) * d, pos + j * d, 1, d);
            if (type)
                kn->add(x, type, d);
        }
    }
}

static void embed_grad(const rs_tape *t, const rs_dual *m, const int32_t *ids,
                       const size_t *length, float *grads)
{
    const rs_kernels *kn = rs_kernels_best();
    const rs_tower_at *at = &m->at.text;
    float *words = grads + at->token, *pos = grads + at->position;
    const size_t d = m->config.text.width;
    const float *dx = t->dx;

    if (t->in.f->token_types)
        kn->add_columns(grads + at->type, dx, d, t->in.rows, d);
    for (size_t i = 0; i < t->in.n; ids += length[i], i++) {
        for (size_t j = 0; j < t->in.start[i + 1] - t->in.start[i]; j++, dx += d) {
            kn->add(words + token(&m->config, ids, length[i], j) * d, dx, d);
            kn->add(pos + j * d, dx, d);
        }
    }
}

/* How many texts from `length` on make one chunk, and how many ids they have. */
static size_t chunk(const rs_dual *m, const size_t *length, size_t n, bool keep, size_t *ids)
{
    const size_t padded = rs_text_traits(&m->config)->pads ? m->config.max_tokens : 0;
    size_t i = 0, rows = 0;

    for (*ids = 0; i < n; i++) {
        const size_t more = padded ? padded : length[i];
        if (!keep && i > 0 && rows + more > RS_CHUNK_ROWS)
            break;
        rows += more;
        *ids += length[i];
    }
    return i;
}

rs_status rs_dual_text_forward(const rs_dual *m, const int32_t *ids, const size_t *length, size_t n,
                               rs_tape *scratch, bool keep, float *features, rs_err *err)
{
    rs_status st;

    for (size_t i = 0, count, used; i < n; i += count, ids += used) {
        count = chunk(m, length + i, n - i, keep, &used);
        if ((st = pack(scratch, m, ids, length + i, count, i, keep, err)) != RS_OK)
            return st;
        embed(scratch, m, ids, length + i);
        rs_tower_forward(scratch, m->params, &m->at.text, keep, features + i * m->config.dim);
    }
    scratch->kept = keep && n > 0;
    return RS_OK;
}

rs_status rs_dual_text_backward(const rs_dual *m, rs_tape *tape, const int32_t *ids,
                                const size_t *length, size_t n,
                                const float *d_features, float *grads, rs_err *err)
{
    if (n == 0)
        return RS_OK;
    if (!tape->kept || tape->in.c != &m->config.text || tape->in.n != n)
        return rs_fail(err, RS_EARG, "text backward: the tape holds no forward pass of these "
                       "%zu texts", n);
    rs_tower_backward(tape, m->params, &m->at.text, d_features, grads);
    embed_grad(tape, m, ids, length, grads);
    tape->kept = false;
    return RS_OK;
}
