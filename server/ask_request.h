/* ask_request.h - what POST /v1/ask and /v1/context ask for: all of a search
 * (search_request.h), and beside it
 *
 *   {"text": "ring-enhancing lesion", "template": "differential", "budget": 2000,
 *    "policy": "withhold", "generator": "small", "learner": "I see ...", "images": false}
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_ASK_REQUEST_H
#define RS_SERVER_ASK_REQUEST_H

#include "engine/check.h"
#include "server/search_request.h"
#include "server/service.h"

enum { RS_ASK_BUDGET_MIN = 64, RS_ASK_BUDGET_MAX = 16000 };

typedef struct {
    rs_search_request search;      /* contrasts are looked for too */
    const rs_prompt *template;     /* "case-comparison" where none is named */
    bool        templated;         /* one was named */
    const char *learner;           /* what a learner wrote, for quizzes; NULL: nothing */
    size_t      budget;            /* tokens of evidence */
    rs_check_policy policy;        /* mark */
    bool        chosen;            /* a generator was named: `draft`, NULL for "built-in" */
    const rs_generator *draft;
    bool        images;            /* a generator that sees gets them; true */
} rs_ask_request;

/* As rs_search_request_read_with. */
rs_status rs_ask_request_read(rs_ask_request *a, const rs_http_request *r, const rs_worker *w,
                              double until_s, rs_arena *mem, rs_err *err);
void      rs_ask_request_clear(rs_ask_request *a);

#endif
