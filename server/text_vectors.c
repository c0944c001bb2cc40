/* text_vectors.c - see text_vectors.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/text_vectors.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WAYS = 4, SETS = RS_TEXT_VECTORS / WAYS };

typedef struct {
    char    *text;                   /* NULL: free */
    uint64_t hash, used;
    bool     ahead;                  /* made for somebody who has not come for it yet */
} slot;

struct rs_text_vectors {
    const rs_encoder *encoder;
    size_t  dim;
    pthread_mutex_t lock;
    uint64_t clock;                  /* counts uses: the least recent of a set goes */
    slot    slots[SETS * WAYS];
    float  *vectors;                 /* [SETS x WAYS x dim] */
};

rs_status rs_text_vectors_new(rs_text_vectors **out, const rs_encoder *e, rs_err *err)
{
    rs_text_vectors *v = rs_calloc(1, sizeof *v);

    *out = NULL;
    if (v)
        v->vectors = rs_calloc((size_t)SETS * WAYS * rs_encoder_dim(e), sizeof *v->vectors);
    if (!v || !v->vectors) {
        rs_free(v);
        return rs_fail(err, RS_ENOMEM, "no memory for the vectors of %d texts", SETS * WAYS);
    }
    v->encoder = e;
    v->dim = rs_encoder_dim(e);
    pthread_mutex_init(&v->lock, NULL);
    *out = v;
    return RS_OK;
}

void rs_text_vectors_free(rs_text_vectors *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < SETS * WAYS; i++)
        rs_free(v->slots[i].text);
    pthread_mutex_destroy(&v->lock);
    rs_free(v->vectors);
    rs_free(v);
}

/* With the lock. */
static slot *find(rs_text_vectors *v, const char *text, uint64_t hash)
{
    slot *set = &v->slots[hash % SETS * WAYS];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].text && set[i].hash == hash && strcmp(set[i].text, text) == 0)
            return &set[i];
    return NULL;
}

static float *row_of(rs_text_vectors *v, const slot *s)
{
    return v->vectors + (size_t)(s - v->slots) * v->dim;
}

static bool take(rs_text_use *use, const char *text, float *out)
{
    rs_text_vectors *v = use->from;
    const uint64_t hash = rs_hash_text(text);
    slot *s;

    pthread_mutex_lock(&v->lock);
    s = find(v, text, hash);
    if (s) {
        memcpy(out, row_of(v, s), v->dim * sizeof *out);
        s->used = ++v->clock;
        *(s->ahead ? &use->ahead : &use->kept) += 1;
        s->ahead = false;
    }
    pthread_mutex_unlock(&v->lock);
    return s != NULL;
}

static void keep(rs_text_vectors *v, const char *text, const float *x, bool ahead)
{
    const uint64_t hash = rs_hash_text(text);
    char *copy = strlen(text) <= RS_TEXT_KEPT ? rs_strdup(text) : NULL;
    slot *set = &v->slots[hash % SETS * WAYS], *oldest = set;

    if (!copy)
        return;
    pthread_mutex_lock(&v->lock);
    if (!find(v, text, hash)) {
        char *before;
        for (size_t i = 1; i < WAYS; i++)
            if (!set[i].text || (oldest->text && set[i].used < oldest->used))
                oldest = &set[i];
        before = oldest->text;
        *oldest = (slot){copy, hash, ++v->clock, ahead};
        memcpy(row_of(v, oldest), x, v->dim * sizeof *x);
        copy = before;
    }
    pthread_mutex_unlock(&v->lock);
    rs_free(copy);
}

/* Texts that are not known, in one call. */
static rs_status make(rs_text_vectors *v, const char *const *texts, const size_t *at, size_t n,
                      float *out, bool ahead, rs_err *err)
{
    const char **list = rs_calloc(n + 1, sizeof *list);
    float *x = rs_calloc(n * v->dim + 1, sizeof *x);
    rs_status st = list && x ? RS_OK : rs_fail(err, RS_ENOMEM, "encode %zu texts: no memory", n);

    for (size_t i = 0; i < n && st == RS_OK; i++)
        list[i] = texts[at[i]];
    if (st == RS_OK)
        st = rs_encoder_texts(v->encoder, list, n, NULL, x, NULL, err);
    for (size_t i = 0; i < n && st == RS_OK; i++) {
        keep(v, list[i], x + i * v->dim, ahead);
        if (out)
            memcpy(out + at[i] * v->dim, x + i * v->dim, v->dim * sizeof *out);
    }
    rs_free(list);
    rs_free(x);
    return st;
}

rs_status rs_text_vectors_of(void *ctx, const char *const *texts, size_t n, float *out, rs_err *err)
{
    rs_text_use *use = ctx;
    size_t *missing = rs_calloc(n + 1, sizeof *missing), m = 0;
    rs_status st = RS_OK;

    if (!missing)
        return rs_fail(err, RS_ENOMEM, "encode %zu texts: no memory", n);
    for (size_t i = 0; i < n; i++)
        if (!take(use, texts[i], out + i * use->from->dim))
            missing[m++] = i;
    if (m)
        st = make(use->from, texts, missing, m, out, false, err);
    use->alone += m;
    rs_free(missing);
    return st;
}

void rs_text_vectors_ahead(rs_text_vectors *v, const char *const *texts, size_t n)
{
    size_t missing[RS_TEXTS_AHEAD], m = 0;

    for (size_t i = 0; i < n && m < RS_TEXTS_AHEAD; i++) {
        bool known = strlen(texts[i]) > RS_TEXT_KEPT;
        for (size_t k = 0; k < m && !known; k++)
            known = strcmp(texts[missing[k]], texts[i]) == 0;
        if (!known) {
            pthread_mutex_lock(&v->lock);
            known = find(v, texts[i], rs_hash_text(texts[i])) != NULL;
            pthread_mutex_unlock(&v->lock);
        }
        if (!known)
            missing[m++] = i;
    }
    if (m)
        make(v, texts, missing, m, NULL, true, NULL);
}

double rs_text_vectors_gain(const rs_encoder *e, size_t n)
{
    static const char text[] = "small left pleural effusion with atelectasis";
    const char *texts[RS_TEXTS_AHEAD];
    float *x = rs_calloc(RS_TEXTS_AHEAD * rs_encoder_dim(e), sizeof *x);
    double alone = 1e9, together = 1e9;

    for (size_t i = 0; i < RS_TEXTS_AHEAD; i++)
        texts[i] = text;
    n = n > RS_TEXTS_AHEAD ? RS_TEXTS_AHEAD : n;
    for (int round = 0; x && round < 2; round++) {         /* the least of each: others run too */
        double begin, took;
        for (int i = 0; i < 4; i++) {
            begin = rs_now_s();
            rs_encoder_texts(e, texts, 1, NULL, x, NULL, NULL);
            took = (double)n * (rs_now_s() - begin);
            alone = took < alone ? took : alone;
        }
        begin = rs_now_s();
        rs_encoder_texts(e, texts, n, NULL, x, NULL, NULL);
        took = rs_now_s() - begin;
        together = took < together ? took : together;
    }
    rs_free(x);
    return together > 0 && together < 1e9 ? alone / together : 1;
}
