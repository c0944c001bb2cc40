/* problem.h - errors as RFC 9457 problem documents, which say what to change.
 *
 *   {"type": "https://radscout.invalid/problems/bad-field", "title": "Bad Request",
 *    "status": 400, "detail": "k: wanted an integer, found a string", "field": "k"}
 *
 * `type` is the problem's name, to branch on: the names are listed in openapi.json.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_PROBLEM_H
#define RS_SERVER_PROBLEM_H

#include "base/status.h"
#include "server/reply.h"

/*   name        status  type             what it stands for                                 */
#define RS_PROBLEM_MAP(X)                                                                      \
    X(REQUEST,      400, "bad-request")   /* the HTTP of it                                  */ \
    X(FIELD,        400, "bad-field")     /* a field of the document or form, named          */ \
    X(TOKEN,        401, "no-token")      /* none, or one that does not hold                 */ \
    X(ROLE,         403, "not-allowed")   /* the token's role, collections, or CSRF          */ \
    X(RATE,         429, "too-often")     /* again after Retry-After seconds                 */ \
    X(ORIGIN,       403, "other-origin")  /* a page of another site asks                     */ \
    X(NOT_FOUND,    404, "not-found")                                                          \
    X(METHOD,       405, "wrong-method")                                                       \
    X(CONFLICT,     409, "conflict")      /* with what is there: a key, the archive's model  */ \
    X(TOO_LARGE,    413, "too-large")                                                          \
    X(MEDIA_TYPE,   415, "media-type")                                                         \
    X(HOST,         421, "wrong-host")                                                         \
    X(IMAGE,        422, "unreadable-image")                                                   \
    X(OTHER,        422, "other-request") /* of an Idempotency-Key that was used before      */ \
    X(INTERNAL,     500, "internal")                                                           \
    X(GENERATOR,    502, "generator")     /* it failed or cannot be reached                  */ \
    X(BUSY,         503, "busy")          /* too much to do: again after Retry-After seconds */ \
    X(TIMEOUT,      504, "deadline")                                                           \
    X(FULL,         507, "no-space")

typedef enum {
#define RS_PROBLEM_ENUM(name, status, type) RS_PROBLEM_##name,
    RS_PROBLEM_MAP(RS_PROBLEM_ENUM)
#undef RS_PROBLEM_ENUM
    RS_PROBLEMS
} rs_problem_kind;

const char *rs_problem_type(rs_problem_kind k);        /* "bad-field" */
int         rs_problem_status(rs_problem_kind k);

/* Make `r` that problem, whatever it was before. `field` may be NULL. */
void rs_problem_reply(rs_reply *r, rs_problem_kind k, const char *field, const char *detail);
/* The same with a status of its own (414, 431 ...), of type bad-request or by the status. */
void rs_problem_status_reply(rs_reply *r, int status, const char *detail);
/* What a failure of the engine is to a client. Messages that tell of the server's own files
 * (RS_EIO, RS_ECORRUPT, RS_ENOMEM) stay in the log. */
void rs_problem_err_reply(rs_reply *r, const rs_err *err);

#endif
