/* ask.h - a question on its way to a checked answer: the steps that workers do.
 *
 *   rs_ask_find     search, numbered evidence, who is to answer
 *   rs_ask_prompt   the request to a generator               built in: rs_ask_extract
 *   rs_ask_check    what it wrote against what it cites; the request to a second reader
 *   rs_ask_second   what that one said: it can only take away
 *
 * What waits for generators between them is api_ask.c's, and ask_wait.h's for who can wait. A
 * generator sees what the evidence holds (context.h) and nothing else of the archive.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_ASK_H
#define RS_SERVER_ASK_H

#include "server/ask_request.h"
#include "server/chat_request.h"

typedef struct {
    rs_ask_request request;
    rs_generator_route route;      /* who drafts (NULL: built in), who reads it again */
    rs_context  context;
    double      encode_ms, search_ms;
    const char *send, *send_plain; /* what a generator is asked; NULL: nothing to ask */
    const rs_generator *to;        /* that generator */

    const rs_generator *by;        /* who wrote the answer; NULL: built in */
    const char *reasoning;         /* "" for none */
    rs_answer   answer;
    rs_verified verified;
    const char *second;            /* "agreed", "objected", or why there was no second reading;
                                      NULL: none was to be */
} rs_ask;

/* `k->request` has been read; `access`: what the asker may see (access.h), NULL for all. As
 * rs_search and rs_context_make. */
rs_status rs_ask_find(rs_ask *k, rs_worker *w, const char *access, double left_s, rs_arena *mem,
                      rs_err *err);
/* k->send for k->route.draft, which is not NULL. */
rs_status rs_ask_prompt(rs_ask *k, rs_arena *mem, rs_err *err);
/* The built-in generator's answer, checked. */
rs_status rs_ask_extract(rs_ask *k, rs_worker *w, rs_arena *mem, rs_err *err);
enum { RS_ASK_DRAFT_BYTES = 64 << 10, RS_ASK_SENTENCES = 500, RS_ASK_MEANT = 64,
       RS_ASK_REASONING = 32 << 10 };

/* What the drafting generator wrote, checked; `reasoning` came apart from it, and is cut. k->send
 * is set where a second reader is to be asked. RS_ELIMIT: more than RS_ASK_DRAFT_BYTES or
 * RS_ASK_SENTENCES, which nobody reads and checking would take long. Of more than RS_ASK_MEANT
 * sentences only the words are compared. */
rs_status rs_ask_check(rs_ask *k, rs_worker *w, const char *draft, const char *reasoning,
                       rs_arena *mem, rs_err *err);
/* What the second reader said; nonsense changes nothing. */
rs_status rs_ask_second(rs_ask *k, const char *text, rs_arena *mem, rs_err *err);

enum { RS_ASK_PROBLEM = 400 };     /* bytes of a sentence that says why there is no answer */

/* A draft has ended: rs_ask_check, or, where `problem` says why there is none, or it is too long
 * (which becomes the problem), rs_ask_extract. `problem`: [RS_ASK_PROBLEM], "" for none; it is made
 * plain. */
rs_status rs_ask_drafted(rs_ask *k, rs_worker *w, const char *draft, const char *reasoning,
                         char *problem, rs_arena *mem, rs_err *err);
/* The second reading has ended: rs_ask_second, or k->second tells the problem; the answer stands. */
rs_status rs_ask_seconded(rs_ask *k, const char *text, const char *problem, rs_arena *mem,
                          rs_err *err);

/* As much evidence as k->request asks for, if the window of who drafts has room for it: tokens. */
size_t rs_ask_budget(const rs_ask *k);
const char *rs_ask_by(const rs_ask *k);          /* a generator's name, "built-in" */

#endif
