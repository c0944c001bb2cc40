/* ask_wait.h - a question's answer, waited for: the steps of ask.h one after another, and a loop of
 * its own for what generators send. What the server does in turns (api_ask.c), for one who has
 * nothing else to do: the command line.
 *
 * Threading: blocks the caller's thread; calls back on it. SIGPIPE is to be ignored (fetch.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_ASK_WAIT_H
#define RS_SERVER_ASK_WAIT_H

#include "server/ask.h"

typedef struct {
    /* A piece of the draft, made fit to be shown (token_stream.h) and not yet checked; NULL: none
     * is wanted. */
    void (*on_piece)(void *ctx, const char *text, bool reasoning);
    void  *ctx;
    /* Out: */
    char   finish[24];             /* how the generator ended: "stop", "length", "" */
    char   problem[RS_ASK_PROBLEM];   /* why the built-in one answers instead; "" */
} rs_ask_wait;

/* k->request, k->route and k->context are there; afterwards k->answer and k->verified are. A
 * generator that fails, in whatever way, is v->problem. `w` has archive and service, of which the
 * encoder is used. Errors as rs_ask_check. */
rs_status rs_ask_write(rs_ask *k, rs_worker *w, rs_ask_wait *v, rs_arena *mem, rs_err *err);

#endif
