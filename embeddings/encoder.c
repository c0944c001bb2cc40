/* encoder.c - a model folder as a function from images and texts to unit vectors.
 *
 * A call cuts its batch into chunks, the pool's threads take them one by one, each with
 * its own tape. Tapes rest in the encoder between calls, so that a server allocates
 * them once. See encoder.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/encoder.h"

#include "base/alloc.h"
#include "embeddings/dual_fast.h"
#include "embeddings/model_id.h"
#include "embeddings/regions.h"
#include "embeddings/tower_int.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXTS_AT_ONCE = 8192,          /* tokenised together: bounds memory, not results */
    SHELF = 64
};

/* Where tapes rest between calls. */
typedef struct {
    pthread_mutex_t lock;
    rs_tape *tape[SHELF];
    size_t n;
} shelf;

struct rs_encoder {
    rs_dual      *dual;
    rs_dual_fast *fast;            /* its layers, packed */
    rs_tokenizer *tokenizer;
    rs_preprocess preprocess;
    char   id[RS_SHA256_HEX];
    char  *name;
    shelf *tapes;                  /* the one thing that changes */
};

/* ---- Open and close -------------------------------------------------------------- */

static char *last_part(const char *folder)
{
    char path[PATH_MAX];
    const char *full = realpath(folder, path) ? path : folder;
    const char *slash = strrchr(full, '/');
    return rs_strdup(slash && slash[1] ? slash + 1 : full);
}

/* The parts of a folder come from different files: do they speak of one model? */
static rs_status check_parts(const rs_encoder *e, rs_err *err)
{
    const rs_dual_config *c = rs_dual_config_of(e->dual);
    const rs_tower_traits *text = rs_text_traits(c);
    const rs_preprocess *p = &e->preprocess;
    const rs_tokenizer *t = e->tokenizer;

    if (rs_tokenizer_size(t) > c->vocab_size)
        return rs_fail(err, RS_ECORRUPT, "tokenizer has %zu tokens, the model's vocab_size is %zu",
                       rs_tokenizer_size(t), c->vocab_size);
    if (text->pool == RS_POOL_END && c->eos_id != 2 && c->eos_id != rs_tokenizer_eos(t))
        return rs_fail(err, RS_ECORRUPT, "tokenizer ends texts with %d, config.json eos_token_id "
                       "is %d", (int)rs_tokenizer_eos(t), (int)c->eos_id);
    if (text->pads && (!rs_tokenizer_pads(t) || rs_tokenizer_pad(t) != c->pad_id))
        return rs_fail(err, RS_ECORRUPT, "tokenizer fills texts with %d, config.json pad_token_id "
                       "is %d", (int)rs_tokenizer_pad(t), (int)c->pad_id);
    if (p->crop_width != c->image_size || p->crop_height != c->image_size)
        return rs_fail(err, RS_ECORRUPT, "preprocessing makes %zu x %zu pixels, the model's "
                       "image_size is %zu", p->crop_width, p->crop_height, c->image_size);
    if (c->max_tokens < rs_tokenizer_extra(t) || c->max_tokens < 2)
        return rs_fail(err, RS_ECORRUPT, "a model that reads %zu tokens", c->max_tokens);
    return RS_OK;
}

static rs_status open_parts(rs_encoder *e, const char *folder, rs_err *err)
{
    const rs_dual_config *c;
    rs_status st;

    e->name = last_part(folder);
    if (!e->name)
        return rs_fail(err, RS_ENOMEM, "no memory");
    if ((st = rs_dual_open(&e->dual, folder, err)) != RS_OK)
        return st;
    c = rs_dual_config_of(e->dual);
    if ((st = rs_tokenizer_open(&e->tokenizer, folder, err)) != RS_OK ||
        (st = rs_preprocess_open(&e->preprocess, folder,
                                 rs_dual_sigmoid(c) ? RS_PROCESSOR_SIGLIP : RS_PROCESSOR_CLIP,
                                 c->image_size, err)) != RS_OK ||
        (st = check_parts(e, err)) != RS_OK)
        return st;
    return rs_model_id(e->id, folder, err);
}

rs_status rs_encoder_open(rs_encoder **out, const char *folder, rs_err *err)
{
    return rs_encoder_open_as(out, folder, RS_AUTO, err);
}

static rs_status pack(rs_encoder *e, rs_precision precision, rs_err *err)
{
    if (precision == RS_AUTO)
        precision = rs_dual_int8(e->dual) && rs_precision_pays(RS_INT8) ? RS_INT8 : RS_F32;
    return rs_dual_fast_new(&e->fast, e->dual, precision, err);
}

rs_status rs_encoder_open_as(rs_encoder **out, const char *folder, rs_precision precision,
                             rs_err *err)
{
    rs_encoder *e = rs_calloc(1, sizeof *e);
    rs_status st;

    *out = NULL;
    if (!e || !(e->tapes = rs_calloc(1, sizeof *e->tapes))) {
        rs_free(e);
        return rs_fail(err, RS_ENOMEM, "encoder %s: no memory", folder);
    }
    pthread_mutex_init(&e->tapes->lock, NULL);
    if ((st = open_parts(e, folder, err)) != RS_OK || (st = pack(e, precision, err)) != RS_OK) {
        rs_encoder_close(e);
        return rs_wrap(err, st, "encoder %s", folder);
    }
    *out = e;
    return RS_OK;
}

void rs_encoder_close(rs_encoder *e)
{
    if (!e)
        return;
    while (e->tapes->n > 0)
        rs_tape_free(e->tapes->tape[--e->tapes->n]);
    pthread_mutex_destroy(&e->tapes->lock);
    rs_free(e->tapes);
    rs_dual_fast_free(e->fast);
    rs_dual_close(e->dual);
    rs_tokenizer_close(e->tokenizer);
    rs_free(e->name);
    rs_free(e);
}

size_t rs_encoder_dim(const rs_encoder *e)
{
    return rs_dual_config_of(e->dual)->dim;
}

size_t rs_encoder_max_tokens(const rs_encoder *e)
{
    return rs_dual_config_of(e->dual)->max_tokens;
}

rs_precision rs_encoder_precision(const rs_encoder *e)
{
    return rs_dual_fast_precision(e->fast);
}

const rs_dual_fast *rs_encoder_fast(const rs_encoder *e)
{
    return e->fast;
}

const char *rs_encoder_id(const rs_encoder *e)
{
    return e->id;
}

const char *rs_encoder_name(const rs_encoder *e)
{
    return e->name;
}

const rs_tokenizer *rs_encoder_tokenizer(const rs_encoder *e)
{
    return e->tokenizer;
}

const rs_preprocess *rs_encoder_preprocess(const rs_encoder *e)
{
    return &e->preprocess;
}

const rs_dual *rs_encoder_dual(const rs_encoder *e)
{
    return e->dual;
}

/* ---- One call ---------------------------------------------------------------------- */

/* What the threads of a call share. The failure of the earliest chunk is the one told. */
typedef struct {
    const rs_encoder *e;
    size_t n, chunk;               /* images: in all, in each chunk */
    rs_pool *alone;                /* the pool, where one chunk has it to itself; else NULL */
    const rs_image *images;
    const float *pixels;
    const double *boxes;           /* [n x regions x 4], with pixels; NULL: none */
    size_t regions;                /* of each image */
    float *region_out;             /* [n x regions x d] */
    float *scratch;                /* [workers x chunk x image floats], for images */
    const char *const *texts;
    size_t text0;                  /* where `texts` begins in the caller's list */
    int32_t *ids;                  /* [texts x max_tokens], then end to end */
    size_t *length, *first, *id_at;   /* [texts]; [chunks + 1] first text; its place in ids */
    bool   *cut;                   /* [texts] */
    float  *out;
    pthread_mutex_t lock;
    rs_status st;
    rs_err  err;
    size_t  failed;                /* index of the chunk that failed */
} job;

static void job_fail(job *j, size_t chunk, rs_status st, const rs_err *err)
{
    pthread_mutex_lock(&j->lock);
    if (j->st == RS_OK || chunk < j->failed) {
        j->st = st;
        j->err = *err;
        j->failed = chunk;
    }
    pthread_mutex_unlock(&j->lock);
}

static rs_status job_end(job *j, rs_err *err)
{
    pthread_mutex_destroy(&j->lock);
    if (j->st != RS_OK && err)
        *err = j->err;
    return j->st;
}

static rs_tape *tape_take(shelf *s)
{
    rs_tape *t = NULL;

    pthread_mutex_lock(&s->lock);
    if (s->n > 0)
        t = s->tape[--s->n];
    pthread_mutex_unlock(&s->lock);
    return t ? t : rs_tape_new();
}

static void tape_rest(shelf *s, rs_tape *t)
{
    pthread_mutex_lock(&s->lock);
    if (s->n < SHELF) {
        s->tape[s->n++] = t;
        t = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    rs_tape_free(t);
}

static void normalise(float *x, size_t n, size_t d)
{
    for (size_t r = 0; r < n; r++, x += d) {
        double sum = 0;
        for (size_t i = 0; i < d; i++)
            sum += (double)x[i] * (double)x[i];
        for (size_t i = 0; i < d && sum > 0; i++)
            x[i] = (float)((double)x[i] / sqrt(sum));
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t up(size_t n, size_t parts)
{
    return (n + parts - 1) / parts;
}

/* ---- Images -------------------------------------------------------------------------- */

static size_t image_floats(const rs_encoder *e)
{
    const size_t s = rs_dual_config_of(e->dual)->image_size;
    return 3 * s * s;
}

/* Images per chunk: shared out evenly, RS_CHUNK_ROWS tokens at most. */
static size_t image_chunk(const rs_encoder *e, size_t n, const rs_pool *pool)
{
    const size_t tokens = rs_dual_image_rows(rs_dual_config_of(e->dual));
    const size_t most = RS_CHUNK_ROWS > tokens ? RS_CHUNK_ROWS / tokens : 1;
    return smaller(most, up(n, rs_pool_size(pool)));
}

static rs_status encode_images(job *j, size_t first, size_t n, size_t worker, rs_err *err)
{
    const size_t d = rs_encoder_dim(j->e), floats = image_floats(j->e);
    const float *pixels = j->pixels ? j->pixels + first * floats : NULL;
    rs_status st = RS_OK;
    rs_tape *tape = NULL;

    if (!pixels) {
        float *mine = j->scratch + worker * j->chunk * floats;
        for (size_t i = 0; i < n && st == RS_OK; i++) {
            st = rs_preprocess_run(&j->e->preprocess, &j->images[first + i], mine + i * floats,
                                   err);
            if (st != RS_OK)
                return rs_wrap(err, st, "image %zu", first + i);
        }
        pixels = mine;
    }
    tape = tape_take(j->e->tapes);
    if (!tape)
        return rs_fail(err, RS_ENOMEM, "encode images: no memory");
    rs_tape_use(tape, j->e->fast, j->alone);
    if (j->boxes)
        st = rs_dual_image_regions(j->e->dual, pixels, n, j->boxes + first * j->regions * 4,
                                   j->regions, tape, j->out + first * d,
                                   j->region_out + first * j->regions * d, err);
    else
        st = rs_dual_image_forward(j->e->dual, pixels, n, tape, false, j->out + first * d, err);
    tape_rest(j->e->tapes, tape);
    if (st == RS_OK)
        normalise(j->out + first * d, n, d);
    if (st == RS_OK && j->boxes)
        normalise(j->region_out + first * j->regions * d, n * j->regions, d);
    return st;
}

static void on_image_chunk(void *ctx, size_t i, size_t worker)
{
    job *j = ctx;
    rs_err err = {0};
    rs_status st = encode_images(j, i * j->chunk, smaller(j->chunk, j->n - i * j->chunk), worker,
                                 &err);
    if (st != RS_OK)
        job_fail(j, i, st, &err);
}

static rs_status run_images(job *j, rs_pool *pool, rs_err *err)
{
    pthread_mutex_init(&j->lock, NULL);
    j->alone = j->n <= j->chunk ? pool : NULL;
    rs_pool_for(pool, up(j->n, j->chunk), on_image_chunk, j);
    return job_end(j, err);
}

rs_status rs_encoder_images(const rs_encoder *e, const rs_image *images, size_t n,
                            rs_pool *pool, float *out, rs_err *err)
{
    job j = {.e = e, .n = n, .images = images, .out = out};
    rs_status st;

    if (n == 0)
        return RS_OK;
    j.chunk = image_chunk(e, n, pool);
    j.scratch = rs_calloc(rs_pool_size(pool) * j.chunk, image_floats(e) * sizeof *j.scratch);
    if (!j.scratch)
        return rs_fail(err, RS_ENOMEM, "encode %zu images: no memory", n);
    st = run_images(&j, pool, err);
    rs_free(j.scratch);
    return st;
}

rs_status rs_encoder_pixels(const rs_encoder *e, const float *pixels, size_t n,
                            rs_pool *pool, float *out, rs_err *err)
{
    job j = {.e = e, .n = n, .pixels = pixels, .out = out};

    if (n == 0)
        return RS_OK;
    j.chunk = image_chunk(e, n, pool);
    return run_images(&j, pool, err);
}

rs_status rs_encoder_regions(const rs_encoder *e, const float *pixels, size_t n,
                             const double *boxes, size_t m, rs_pool *pool, float *images,
                             float *regions, rs_err *err)
{
    job j = {.e = e, .n = n, .pixels = pixels, .boxes = boxes, .regions = m,
             .region_out = regions, .out = images};

    if (n == 0)
        return RS_OK;
    j.chunk = image_chunk(e, n, pool);
    return run_images(&j, pool, err);
}

/* ---- Texts --------------------------------------------------------------------------- */

static void on_tokenize(void *ctx, size_t i, size_t worker)
{
    job *j = ctx;
    const size_t max = rs_encoder_max_tokens(j->e);
    rs_err err = {0};
    rs_status st;

    (void)worker;
    st = rs_tokenizer_encode(j->e->tokenizer, j->texts[i], strlen(j->texts[i]), j->ids + i * max,
                             max, &j->length[i], &j->cut[i], &err);
    if (st != RS_OK) {
        rs_wrap(&err, st, "text %zu", j->text0 + i);
        job_fail(j, i, st, &err);
    }
}

/* Rows that a text is computed as. */
static size_t text_rows(const rs_encoder *e, size_t length)
{
    const rs_dual_config *c = rs_dual_config_of(e->dual);
    return rs_text_traits(c)->pads ? c->max_tokens : length;
}

/* Close the gaps between the texts' ids and cut them into chunks of like size, as many
 * as keep all threads busy to the end. Returns their number. */
static size_t pack_texts(job *j, size_t n, size_t threads)
{
    const size_t max = rs_encoder_max_tokens(j->e);
    size_t ids = 0, total = 0, rows = 0, chunks = 0;

    for (size_t i = 0; i < n; ids += j->length[i], i++) {
        memmove(j->ids + ids, j->ids + i * max, j->length[i] * sizeof *j->ids);
        total += text_rows(j->e, j->length[i]);
    }
    const size_t wanted = up(up(total, RS_CHUNK_ROWS), threads) * threads;
    ids = 0;
    for (size_t i = 0; i < n; ids += j->length[i], i++) {
        /* Chunk c begins at the first text that lies past c shares of the whole. */
        if (rows * wanted >= chunks * total) {
            j->first[chunks] = i;
            j->id_at[chunks++] = ids;
        }
        rows += text_rows(j->e, j->length[i]);
    }
    j->first[chunks] = n;
    return chunks;
}

static void on_text_chunk(void *ctx, size_t i, size_t worker)
{
    job *j = ctx;
    const size_t d = rs_encoder_dim(j->e), first = j->first[i], n = j->first[i + 1] - first;
    float *out = j->out + first * d;
    rs_err err = {0};
    rs_tape *tape = tape_take(j->e->tapes);
    rs_status st;

    (void)worker;
    if (tape) {
        rs_tape_use(tape, j->e->fast, j->alone);
        st = rs_dual_text_forward(j->e->dual, j->ids + j->id_at[i], j->length + first, n, tape,
                                  false, out, &err);
        tape_rest(j->e->tapes, tape);
        normalise(out, n, d);
    } else {
        st = rs_fail(&err, RS_ENOMEM, "encode texts: no memory");
    }
    if (st != RS_OK)
        job_fail(j, i, st, &err);
}

static rs_status encode_texts(job *j, size_t n, rs_pool *pool, rs_err *err)
{
    pthread_mutex_init(&j->lock, NULL);
    j->st = RS_OK;
    rs_pool_for(pool, n, on_tokenize, j);
    if (j->st == RS_OK) {
        const size_t chunks = pack_texts(j, n, rs_pool_size(pool));
        j->alone = chunks == 1 ? pool : NULL;
        rs_pool_for(pool, chunks, on_text_chunk, j);
    }
    return job_end(j, err);
}

rs_status rs_encoder_texts(const rs_encoder *e, const char *const *texts, size_t n,
                           rs_pool *pool, float *out, size_t *cut, rs_err *err)
{
    const size_t most = smaller(n, TEXTS_AT_ONCE), max = rs_encoder_max_tokens(e);
    job j = {.e = e};
    rs_status st = RS_OK;
    size_t over = 0;

    if (n == 0)
        goto done;
    j.ids = rs_calloc(most * max, sizeof *j.ids);
    j.length = rs_calloc(3 * most + 1, sizeof *j.length);
    j.cut = rs_calloc(most, sizeof *j.cut);
    if (!j.ids || !j.length || !j.cut) {
        st = rs_fail(err, RS_ENOMEM, "encode %zu texts: no memory", n);
        goto done;
    }
    j.id_at = j.length + most;
    j.first = j.id_at + most;
    for (size_t i = 0, count; i < n && st == RS_OK; i += count) {
        count = smaller(n - i, most);
        j.texts = texts + i;
        j.text0 = i;
        j.out = out + i * rs_encoder_dim(e);
        memset(j.cut, 0, most * sizeof *j.cut);
        st = encode_texts(&j, count, pool, err);
        for (size_t k = 0; k < count && st == RS_OK; k++)
            over += j.cut[k];
    }
done:
    if (cut)
        *cut = over;
    rs_free(j.ids);
    rs_free(j.length);
    rs_free(j.cut);
    return st;
}
