/* conn_int.h - what the files that make up a connection share; in server/ alone.
 *
 *   connection.c   a connection's life: begin, phases, clock, end
 *   conn_in.c      bytes to requests           conn_route.c  whom a request concerns, who may
 *   conn_work.c    exchanges to workers, back  conn_out.c    answers to bytes
 *
 * Everything runs on the loop's thread, but for what workers run, which touches its exchange alone.
 * Any of these may close the connection: look at c->state before going on.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_CONN_INT_H
#define RS_SERVER_CONN_INT_H

#include "server/server_int.h"

/* ---- connection.c ------------------------------------------------------ */

uint64_t rs_conn_now(const rs_conn *c);                  /* of the loop, milliseconds */
void     rs_conn_begin_phase(rs_conn *c);                /* time-outs count from here */
/* Closed, and nobody has it: its memory goes. */
void     rs_conn_forget_if_free(rs_conn *c);
/* The answer is out and the last: say so, and let what the peer still sends fall. */
void     rs_conn_linger(rs_conn *c);
void     rs_conn_end_stream(rs_conn *c);

/* ---- conn_in.c ---------------------------------------------------------- */

void     rs_conn_read_more(rs_conn *c);
/* After an answer: go on with what came meanwhile. */
void     rs_conn_resume(rs_conn *c);

/* ---- conn_route.c ------------------------------------------------------- */

/* The head is complete: its route, and leave to take it. false after having answered. */
bool     rs_conn_find_route(rs_conn *c, bool body_follows);

/* ---- conn_work.c -------------------------------------------------------- */

/* The request is complete. */
void     rs_conn_begin_exchange(rs_conn *c);
void     rs_conn_tick_work(rs_conn *c);
/* For x.later: into the queue, or as soon as there is room. */
void     rs_conn_try_worker(rs_conn *c);

/* ---- conn_out.c --------------------------------------------------------- */

/* Put `r` on its way; whoever calls flushes, so that many small answers go out in one write. */
void     rs_conn_send(rs_conn *c, rs_reply *r);
/* Send what is in `out`: at once where the socket takes it. */
void     rs_conn_flush(rs_conn *c);
/* Answer with a problem; `last`: the connection ends, since the rest of the request is not read. */
void     rs_conn_refuse(rs_conn *c, int status, const char *detail, bool last);

#endif
