/* generation.h - one answer of one generator, with its retries.
 *
 *   begin -> fetch -> bytes -> chat_stream -> on_text ... -> on_end
 *              ^                                   |
 *              '--- back-off: refused, 503, 429 <--'
 *
 * Again, after backoff_ms, twice that, four times ... (8 s at most), where nobody listens or
 * the server says 503 (a model that is loading) or 429, as long as no text has come, at most
 * `retries` times and within total_ms. Where a JSON schema is refused (400, 422, 501) once
 * more without it. All else is an error at once.
 *
 * Threading: everything on the loop's thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_GENERATION_H
#define RS_SERVER_GENERATION_H

#include "server/chat_request.h"
#include "server/fetch.h"
#include "server/generator_counts.h"

typedef struct rs_generation rs_generation;

typedef struct {
    rs_status   st;                /* RS_OK; RS_EIO: the generator failed or cannot be reached;
                                      RS_ECORRUPT: it talks nonsense; RS_ELIMIT: too much;
                                      RS_ENOMEM */
    const char *why;               /* for people; "" for RS_OK */
    const char *text, *reasoning;  /* what came, also before a failure; until on_end returns */
    const char *finish;            /* "stop", "length", "" */
    int         attempts;
} rs_generated;

typedef struct {
    const rs_generator *generator; /* outlives it */
    const char *request;           /* rs_chat_request; copied */
    const char *plain;             /* the same without a schema; NULL: there is none in it */
    void (*on_text)(void *ctx, const char *text, bool reasoning);   /* may be NULL, may cancel */
    void (*on_end)(void *ctx, const rs_generated *g);   /* once; the generation is gone then */
    void  *ctx;
    rs_generator_counts *counts;   /* outlives it; NULL: not counted */
} rs_generation_plan;

/* RS_ENOMEM, RS_ECANCEL. on_end is never called from within. */
rs_status rs_generation_begin(rs_generation **out, rs_fetcher *f, const rs_generation_plan *plan,
                              rs_err *err);
/* Close the connection to the generator, which ends its work; on_end is not called. NULL is
 * fine. */
void      rs_generation_cancel(rs_generation *g);

#endif
