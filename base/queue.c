/* queue.c - see queue.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include "base/alloc.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

struct rs_queue {
    pthread_mutex_t lock;
    pthread_cond_t  has_item, has_room;
    void  **ring;
    size_t  capacity, first, n;
    bool    closed;
};

rs_status rs_queue_new(rs_queue **out, size_t capacity, rs_err *err)
{
    rs_queue *q = rs_calloc(1, sizeof *q);

    *out = NULL;
    if (q)
        q->ring = rs_calloc(capacity, sizeof *q->ring);
    if (!q || !q->ring) {
        rs_free(q);
        return rs_fail(err, RS_ENOMEM, "no memory for a queue of %zu", capacity);
    }
    q->capacity = capacity;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->has_item, NULL);
    pthread_cond_init(&q->has_room, NULL);
    *out = q;
    return RS_OK;
}

void rs_queue_free(rs_queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->has_item);
    pthread_cond_destroy(&q->has_room);
    pthread_mutex_destroy(&q->lock);
    rs_free(q->ring);
    rs_free(q);
}

void rs_queue_push(rs_queue *q, void *item)
{
    assert(item);
    pthread_mutex_lock(&q->lock);
    while (q->n == q->capacity)
        pthread_cond_wait(&q->has_room, &q->lock);
    assert(!q->closed);
    q->ring[(q->first + q->n++) % q->capacity] = item;
    pthread_cond_signal(&q->has_item);
    pthread_mutex_unlock(&q->lock);
}

void *rs_queue_pop(rs_queue *q)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed)
        pthread_cond_wait(&q->has_item, &q->lock);
    if (q->n > 0) {
        item = q->ring[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->n--;
        pthread_cond_signal(&q->has_room);
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void rs_queue_close(rs_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->has_item);
    pthread_mutex_unlock(&q->lock);
}
