/* threads.h - a fixed pool of worker threads and one way to use it: a loop over
 * [0, n) split among them. (Included as "base/threads.h".)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_THREADS_H
#define RS_BASE_THREADS_H

#include "base/status.h"

#include <stddef.h>

typedef struct rs_pool rs_pool;

/* `threads` workers in all, the calling thread counted; 0 means one a core. */
rs_status rs_pool_new(rs_pool **out, size_t threads, rs_err *err);
void      rs_pool_free(rs_pool *p);                    /* NULL is fine */
size_t    rs_pool_size(const rs_pool *p);              /* NULL counts as 1 */

/* Call fn(ctx, i, worker) for each i in [0, n), `worker` in [0, size) naming the
 * thread (for per-thread scratch). Items are handed out one by one. Returns when
 * all are done; the caller works too. With p NULL or n 1 it is a plain loop.
 * One rs_pool_for at a time per pool; fn must not call it again. */
void rs_pool_for(rs_pool *p, size_t n, void (*fn)(void *ctx, size_t i, size_t worker), void *ctx);

size_t rs_cores(void);                                 /* usable by this process, >= 1 */

#endif
