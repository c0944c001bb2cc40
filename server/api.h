/* api.h - the handlers of the routes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_API_H
#define RS_SERVER_API_H

#include "base/json.h"
#include "engine/query.h"
#include "server/exchange.h"

/* On the loop: quick, and without the archive. */
void rs_api_health(rs_exchange *x, rs_server *s);
void rs_api_ready(rs_exchange *x, rs_server *s);
void rs_api_metrics(rs_exchange *x, rs_server *s);
void rs_api_openapi(rs_exchange *x, rs_server *s);
void rs_api_events(rs_exchange *x, rs_server *s);
void rs_api_session(rs_exchange *x, rs_server *s);
void rs_api_session_begin(rs_exchange *x, rs_server *s);
void rs_api_session_end(rs_exchange *x, rs_server *s);

/* By a worker. */
void rs_api_search(rs_exchange *x, rs_worker *w);
void rs_api_context(rs_exchange *x, rs_worker *w);
void rs_api_ask(rs_exchange *x, rs_worker *w);
void rs_api_stats(rs_exchange *x, rs_worker *w);
void rs_api_facets(rs_exchange *x, rs_worker *w);
void rs_api_case(rs_exchange *x, rs_worker *w);
void rs_api_image(rs_exchange *x, rs_worker *w);
void rs_api_judgments(rs_exchange *x, rs_worker *w);
void rs_api_thumbnail(rs_exchange *x, rs_worker *w);
void rs_api_display(rs_exchange *x, rs_worker *w);
void rs_api_gray16(rs_exchange *x, rs_worker *w);
void rs_api_similar(rs_exchange *x, rs_worker *w);

/* By the one that changes the archive. */
void rs_api_judge(rs_exchange *x, rs_writer *w);
void rs_api_judgment_remove(rs_exchange *x, rs_writer *w);

/* By the writer. */
void rs_api_case_add(rs_exchange *x, rs_writer *w);
void rs_api_case_put(rs_exchange *x, rs_writer *w);
void rs_api_case_delete(rs_exchange *x, rs_writer *w);

/* `o` (released; NULL counts as no memory) as the answer. */
void rs_api_json(rs_exchange *x, json_t *o);
/* The failure of the engine as a problem; the archive's folder is not told. */
void rs_api_fail(rs_exchange *x, const rs_worker *w, const rs_err *err);
/* The same of a request that changes the archive; a full disk is told apart. */
void rs_api_write_fail(rs_exchange *x, const rs_writer *w, const rs_err *err);
/* The archive, open for writing; waits some seconds for another process that has it. False after
 * having answered. */
bool rs_api_open_to_write(rs_exchange *x, rs_writer *w, rs_archive **a);
/* What was asked, for the audit log: texts, keys and the filter; pictures by their number. NULL
 * on OOM. */
const char *rs_api_asked(rs_arena *mem, const rs_query *q);
/* "/v1/cases/KEY", KEY percent-encoded; NULL on OOM. */
const char *rs_api_case_url(rs_arena *mem, const char *key);
/* "/v1/images/KEY/N", KEY percent-encoded; NULL on OOM. */
const char *rs_api_image_url(rs_arena *mem, const char *key, size_t n);
/* What a search has found, as the answer; its cases are shown. `took_s`: the request, so far. */
void rs_api_result(rs_exchange *x, rs_worker *w, const rs_query *q, bool explain,
                   const rs_result *r, double took_s);

/* ---- Images ---------------------------------------------------------- */

/* The image that /v1/images/{key}/{n} names and the asker may see, in x->mem; NULL after having
 * answered that there is none. */
const rs_case_image *rs_api_image_of(rs_exchange *x, rs_worker *w);
/* Its file, the caller's, and its length. RS_ENOENT, RS_EIO; then *fd is -1. */
rs_status rs_api_image_open(const rs_case_image *im, int *fd, uint64_t *length, rs_err *err);
/* That could not be: a problem, and `err` in the log. */
void rs_api_image_gone(rs_exchange *x, const rs_err *err);
/* The reply's fields, whose body is an image with that digest. RS_ENOMEM. */
rs_status rs_api_image_reply(rs_exchange *x, const char *type, const char *digest, rs_err *err);

#endif
