/* auth.h - may this be asked, and by whom? Tokens, sessions and rates, for one request.
 *
 *   rs_auth_check(auth, &question, &mem, &grant) == RS_AUTH_OK
 *       -> grant.name, .role and .access: all that a handler needs to know of who asks
 *
 * Whether tokens are asked for at all:
 *
 *   auth = required    always
 *   auth = open        never; only a loopback address may be bound
 *   auth = auto        always where the address is not loopback; on loopback as soon as a
 *                      token was ever made for the archive, and from then on for good
 *
 * Threading: the loop's thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_AUTH_H
#define RS_SERVER_AUTH_H

#include "base/arena.h"
#include "server/config.h"
#include "server/http_request.h"
#include "server/tokens.h"

/* Who asks. Texts live in the arena given to rs_auth_check. */
typedef struct {
    const char *name;              /* of the token; NULL: no token was asked for */
    rs_role     role;
    const char *access;            /* filter of what may be seen, for rs_query.access; NULL: all */
    const char *collections;       /* the same as JSON, for the page; NULL: "all" */
    char        token[RS_SHA256_HEX];          /* its hash */
    const char *csrf;              /* of the session that was used; NULL: none was */
} rs_grant;

typedef enum {
    RS_AUTH_OK,
    RS_AUTH_NO_TOKEN,              /* 401: none, or one that does not hold */
    RS_AUTH_NO_CSRF,               /* 403: a session's unsafe request without its CSRF token */
    RS_AUTH_ROLE,                  /* 403: the role may not */
    RS_AUTH_PARTIAL,               /* 403: the route tells of all collections */
    RS_AUTH_TOO_OFTEN,             /* 429 */
    RS_AUTH_NO_MEMORY              /* 503 */
} rs_auth_verdict;

/* What is asked. */
typedef struct {
    const rs_http_request *request;
    rs_role role;                  /* at least this one */
    bool    whole;                 /* and all collections */
    double  now_s;                 /* rs_now_s() */
} rs_auth_question;

typedef struct rs_auth rs_auth;

/* Reads the tokens. RS_EARG: the address is not loopback and there is no token that holds. */
rs_status rs_auth_new(rs_auth **out, const rs_config *config, const char *archive, rs_err *err);
void      rs_auth_free(rs_auth *a);                /* NULL is fine */
/* Settings that may change while it runs: rate, burst. */
void      rs_auth_configure(rs_auth *a, const rs_config *config);
/* Now and then: takes in what was added and revoked. */
void      rs_auth_refresh(rs_auth *a);
bool      rs_auth_asks(const rs_auth *a);          /* are tokens asked for? */

/* With RS_AUTH_TOO_OFTEN *wait_s says for how long. *grant is who asked, as far as known. */
rs_auth_verdict rs_auth_check(rs_auth *a, const rs_auth_question *q, rs_arena *mem,
                              rs_grant *grant, double *wait_s);
const char *rs_auth_verdict_text(rs_auth_verdict v);           /* a sentence for who asked */

/* A session for who has shown a token: the Set-Cookie field and its CSRF token, in `mem`. */
rs_status rs_auth_begin_session(rs_auth *a, const rs_grant *grant, double now_s, rs_arena *mem,
                                const char **set_cookie, const char **csrf, rs_err *err);
/* End the session of the request, if there is one; the field that makes the browser forget. */
const char *rs_auth_end_session(rs_auth *a, const rs_http_request *r, double now_s);

#endif
