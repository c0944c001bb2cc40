/* pipeline.c - batches through the stages, several at a time and in order; see index_int.h.
 *
 *              to_decode            to_encode            done
 *   caller  --- batches --->  decoder --- chunks --->  encoder --- batches --->  caller
 *                                 ^                       |
 *                                 +------ pixels ---------+
 *
 * The calling thread alone touches source and archive. It has at most IN_FLIGHT batches
 * under way, and there is memory for IN_FLIGHT chunks of pixels: whoever is ahead waits.
 * Decoding has a pool of its own, as large as the encoder's: the system shares the cores
 * between them, so a slow decoder or a slow encoder gets what the other leaves.
 *
 * A batch that failed, and what comes after it, is not written; what was before it is.
 * Asked to stop, the batch that is being encoded is the last.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/queue.h"

#include <assert.h>
#include <pthread.h>

enum { IN_FLIGHT = 3 };

typedef struct {
    rs_index_job *x;
    rs_index_batch batches[IN_FLIGHT];     /* used in turn */
    rs_pixels pixels[IN_FLIGHT];
    bool stopping;                   /* the encoder's: nothing is begun any more */
    atomic_bool drop;                /* the same for all: what is not begun is passed on as it is */
    bool threaded;
    rs_pool *decoders;
    rs_queue *to_decode, *to_encode, *done, *spare;
    pthread_t decoder, encoder;
} pipeline;

static bool stop_asked(const rs_index_job *x)
{
    return x->o->stop && atomic_load(x->o->stop) != 0;
}

/* ---- The two stages -------------------------------------------------- */

/* Encode a chunk, or nothing of a batch that is not begun any more. */
static void encode(pipeline *p, rs_index_chunk *c)
{
    rs_index_batch *b = c->batch;

    if (c == b->chunks)                    /* its first */
        b->dropped = p->stopping || atomic_load(&p->drop);
    if (!b->dropped)
        rs_index_encode(p->x, c);
    if (c->last && !b->dropped && stop_asked(p->x)) {
        p->stopping = true;
        atomic_store(&p->drop, true);
    }
}

static void *run_decoder(void *ctx)
{
    pipeline *p = ctx;
    rs_index_batch *b;

    while ((b = rs_queue_pop(p->to_decode)) != NULL) {
        bool skip = atomic_load(&p->drop) || b->st != RS_OK;
        size_t n = b->n_chunks;            /* after its last chunk, b is no longer ours */
        for (size_t i = 0; i < n; i++) {
            rs_index_chunk *c = &b->chunks[i];
            rs_pixels *pixels = skip || c->n == 0 ? NULL : rs_queue_pop(p->spare);
            if (pixels)
                rs_index_decode(p->x, c, pixels, p->decoders);
            rs_queue_push(p->to_encode, c);
        }
    }
    rs_queue_close(p->to_encode);
    return NULL;
}

static void *run_encoder(void *ctx)
{
    pipeline *p = ctx;
    rs_index_chunk *c;

    while ((c = rs_queue_pop(p->to_encode)) != NULL) {
        rs_pixels *pixels = c->pixels;
        rs_index_batch *finished = c->last ? c->batch : NULL;
        encode(p, c);
        if (pixels)
            rs_queue_push(p->spare, pixels);
        if (finished)
            rs_queue_push(p->done, finished);
    }
    return NULL;
}

/* ---- Start and end --------------------------------------------------- */

static rs_status start_threads(pipeline *p, rs_err *err)
{
    if (pthread_create(&p->decoder, NULL, run_decoder, p) != 0)
        return rs_fail(err, RS_ENOMEM, "%s: cannot start a thread to decode", p->x->name);
    if (pthread_create(&p->encoder, NULL, run_encoder, p) != 0) {
        rs_queue_close(p->to_decode);
        pthread_join(p->decoder, NULL);
        return rs_fail(err, RS_ENOMEM, "%s: cannot start a thread to encode", p->x->name);
    }
    p->threaded = true;
    return RS_OK;
}

static rs_status start(pipeline *p, rs_err *err)
{
    size_t threads = rs_pool_size(p->x->o->pool);
    rs_status st;

    if (threads == 1)
        return RS_OK;
    if ((st = rs_pool_new(&p->decoders, threads, err)) != RS_OK ||
        (st = rs_queue_new(&p->to_decode, IN_FLIGHT, err)) != RS_OK ||
        (st = rs_queue_new(&p->to_encode, IN_FLIGHT, err)) != RS_OK ||
        (st = rs_queue_new(&p->done, IN_FLIGHT, err)) != RS_OK ||
        (st = rs_queue_new(&p->spare, IN_FLIGHT, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < IN_FLIGHT; i++)
        rs_queue_push(p->spare, &p->pixels[i]);
    return start_threads(p, err);
}

static void end(pipeline *p)
{
    if (p->threaded) {
        rs_queue_close(p->to_decode);
        pthread_join(p->decoder, NULL);
        pthread_join(p->encoder, NULL);
    }
    rs_queue_free(p->to_decode);
    rs_queue_free(p->to_encode);
    rs_queue_free(p->done);
    rs_queue_free(p->spare);
    rs_pool_free(p->decoders);
    for (size_t i = 0; i < IN_FLIGHT; i++)
        rs_free(p->pixels[i].floats);
}

/* ---- The calling thread ---------------------------------------------- */

/* Send a batch on its way; with one thread, through all of it. */
static void launch(pipeline *p, rs_index_batch *b)
{
    if (p->threaded) {
        rs_queue_push(p->to_decode, b);
        return;
    }
    for (size_t i = 0; i < b->n_chunks; i++) {
        rs_index_chunk *c = &b->chunks[i];
        if (b->st == RS_OK && c->n)
            rs_index_decode(p->x, c, &p->pixels[0], NULL);
        encode(p, c);
    }
}

static void add_report(rs_index_report *sum, const rs_index_report *r)
{
    sum->cases += r->cases;
    sum->added += r->added;
    sum->updated += r->updated;
    sum->unchanged += r->unchanged;
    sum->images += r->images;
    sum->passages += r->passages;
    sum->regions += r->regions;
    sum->refused_cases += r->refused_cases;
    sum->refused_images += r->refused_images;
    sum->texts_cut += r->texts_cut;
    sum->decode_s += r->decode_s;
    sum->encode_s += r->encode_s;
    sum->write_s += r->write_s;
    sum->read_thread_s += r->read_thread_s;
    sum->decode_thread_s += r->decode_thread_s;
    sum->resize_thread_s += r->resize_thread_s;
}

/* The oldest batch, which has come through: into the archive. */
static rs_status finish(rs_index_job *x, rs_index_batch *b, size_t *done, rs_err *err)
{
    rs_status st = b->st;

    if (b->dropped)
        return RS_OK;
    if (st != RS_OK && err)
        *err = b->err;
    if (st == RS_OK && (b->n || b->n_problems))
        st = rs_index_write(x, b, err);
    add_report(x->r, &b->r);
    rs_progress_add(x->progress, b->next - b->first);
    if (st == RS_OK)
        *done = b->next;
    return st;
}

static rs_status run_all(pipeline *p, size_t *done, rs_err *err)
{
    rs_index_job *x = p->x;
    size_t next = 0, launched = 0, finished = 0, most = p->threaded ? IN_FLIGHT : 1;
    rs_status st = RS_OK;
    bool more = true;

    while (more || finished < launched) {
        rs_index_batch *b;
        more = more && st == RS_OK && next < x->count && !(next > 0 && stop_asked(x));
        if (more && launched - finished < most) {
            b = &p->batches[launched++ % IN_FLIGHT];
            rs_index_gather(x, b, next);
            next = b->next;
            more = b->st == RS_OK;
            launch(p, b);
        } else if (finished < launched) {
            b = &p->batches[finished++ % IN_FLIGHT];
            if (p->threaded && rs_queue_pop(p->done) != b)
                assert(!"batches come through in order");
            if (st == RS_OK)
                st = finish(x, b, done, err);
            if (st != RS_OK)
                atomic_store(&p->drop, true);
            rs_arena_clear(&b->mem);
        }
    }
    return st;
}

rs_status rs_index_batches(rs_index_job *x, size_t *done, rs_err *err)
{
    pipeline p = {.x = x};
    rs_status st;

    *done = 0;
    st = start(&p, err);
    if (st == RS_OK)
        st = run_all(&p, done, err);
    end(&p);
    return st;
}
