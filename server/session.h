/* session.h - the page's way to ask: a cookie that stands for a token.
 *
 * A page must not keep a token where a script could read it. It hands the token over once
 * (POST /v1/session) and gets a cookie that scripts cannot read and that other sites' pages
 * do not send (HttpOnly, SameSite=Strict; Secure and __Host- under TLS), and a CSRF token,
 * which it sends with whatever is not a GET. The server keeps hashes of cookies, in memory:
 * a restart ends every session, and so does the end of the token behind it.
 *
 * Threading: one thread at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SESSION_H
#define RS_SERVER_SESSION_H

#include "base/hash.h"
#include "base/status.h"
#include "server/secret.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    RS_SESSIONS = 1024,                          /* at a time; the one unused longest makes room */
    RS_SESSION_S = 12 * 3600,                    /* from its begin */
    RS_SESSION_IDLE_S = 3600                     /* from its last use */
};

typedef struct {
    char   id[RS_SHA256_HEX];                    /* the cookie's hash */
    char   csrf[RS_SECRET_HEX];
    char   token[RS_SHA256_HEX];                 /* the token's hash */
    double begun_s, used_s;                      /* rs_now_s() */
} rs_session;

typedef struct {
    rs_session *rows;
    size_t      n;
} rs_sessions;                                   /* {0} is empty */

void rs_sessions_clear(rs_sessions *s);
/* A new one for the token of that hash; `cookie` is its value. */
rs_status rs_sessions_begin(rs_sessions *s, const char *token_sha256, double now_s,
                            char cookie[RS_SECRET_HEX], const rs_session **out, rs_err *err);
/* The one of a cookie's value; NULL where there is none (any more). Counts as a use. */
rs_session *rs_sessions_find(rs_sessions *s, const char *cookie, double now_s);
void rs_sessions_end(rs_sessions *s, rs_session *which);

/* The value of cookie `name` in a Cookie field, into out; false where it is not there or
 * longer than a secret is. */
bool rs_cookie_find(const char *field, const char *name, char out[RS_SECRET_HEX]);

#endif
