/* queue.h - items handed from thread to thread, in order, a bounded number at a time:
 * who is faster waits for who is slower.
 *
 *   producer                          consumer
 *   rs_queue_push(q, item);           while ((item = rs_queue_pop(q)) != NULL) ...
 *   rs_queue_close(q);                (ends when it is closed and empty)
 *
 * What one thread wrote before it pushed an item, the thread that pops it sees.
 * Threading: any number of producers and consumers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_QUEUE_H
#define RS_BASE_QUEUE_H

#include "base/status.h"

#include <stddef.h>

typedef struct rs_queue rs_queue;

/* capacity >= 1. RS_ENOMEM. */
rs_status rs_queue_new(rs_queue **out, size_t capacity, rs_err *err);
void      rs_queue_free(rs_queue *q);                /* NULL is fine; no thread waits in it */

void      rs_queue_push(rs_queue *q, void *item);    /* not NULL; waits while it is full */
void     *rs_queue_pop(rs_queue *q);                 /* waits; NULL: closed and empty */
void      rs_queue_close(rs_queue *q);               /* nothing is pushed after this */

#endif
