/* auth.c - see auth.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/auth.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "server/rate.h"
#include "server/secret.h"
#include "server/session.h"

#include <string.h>
#include <strings.h>
#include <time.h>

struct rs_auth {
    rs_bearers  *tokens;
    rs_sessions sessions;
    rs_rates    rates;
    bool        asks, becomes;     /* `becomes`: asks once there is a token file */
    bool        tls, failed;
    double      rate, burst;
};

/* ---- The beginning --------------------------------------------------- */

static rs_status open_tokens(rs_auth *a, const rs_config *config, const char *archive, rs_err *err)
{
    char *path = *config->tokens ? rs_strdup(config->tokens)
                                 : rs_beside_archive(archive, ".tokens");
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "no memory for the tokens' path");
    st = rs_bearers_open(&a->tokens, path, err);
    if (st == RS_OK && !rs_config_is_loopback(config) && !rs_bearers_holding(a->tokens, time(NULL)))
        st = rs_fail(err, RS_EARG, "bind: %s is not a loopback address, and %.160s has no token "
                     "that holds: make one with radscout token add", config->bind, path);
    rs_free(path);
    return st;
}

rs_status rs_auth_new(rs_auth **out, const rs_config *config, const char *archive, rs_err *err)
{
    rs_auth *a = rs_calloc(1, sizeof *a);
    rs_status st;

    *out = NULL;
    if (!a)
        return rs_fail(err, RS_ENOMEM, "no memory for authentication");
    if ((st = open_tokens(a, config, archive, err)) != RS_OK) {
        rs_auth_free(a);
        return st;
    }
    a->becomes = strcmp(config->auth, "auto") == 0;
    a->asks = strcmp(config->auth, "required") == 0 || !rs_config_is_loopback(config) ||
              (a->becomes && rs_bearers_known(a->tokens));
    a->tls = *config->tls_cert != '\0';
    rs_auth_configure(a, config);
    *out = a;
    return RS_OK;
}

void rs_auth_free(rs_auth *a)
{
    if (!a)
        return;
    rs_bearers_close(a->tokens);
    rs_sessions_clear(&a->sessions);
    rs_rates_clear(&a->rates);
    rs_free(a);
}

void rs_auth_configure(rs_auth *a, const rs_config *config)
{
    a->rate = (double)config->rate;
    a->burst = (double)config->burst;
}

void rs_auth_refresh(rs_auth *a)
{
    rs_err err = {0};
    const bool failed = rs_bearers_refresh(a->tokens, &err) != RS_OK;

    if (failed && !a->failed)
        rs_log_error(RS_LOG_ERROR, "tokens cannot be read; none holds until they can", &err);
    a->failed = failed;
    a->asks = a->asks || (a->becomes && rs_bearers_known(a->tokens));
}

bool rs_auth_asks(const rs_auth *a)
{
    return a->asks;
}

/* ---- A request ------------------------------------------------------- */

static const char *cookie_name(const rs_auth *a)
{
    return a->tls ? "__Host-radscout" : "radscout";
}

static rs_session *session_of(rs_auth *a, const rs_http_request *r, double now_s)
{
    char value[RS_SECRET_HEX];
    rs_session *s = NULL;

    if (rs_cookie_find(rs_http_field_of(r, "cookie"), cookie_name(a), value))
        s = rs_sessions_find(&a->sessions, value, now_s);
    rs_secret_wipe(value, sizeof value);
    return s;
}

/* The text behind "Bearer ", or NULL. */
static const char *bearer(const rs_http_request *r)
{
    const char *text = rs_http_field_of(r, "authorization");

    if (!text || strncasecmp(text, "bearer ", 7) != 0)
        return NULL;
    text += 7;
    return text + strspn(text, " ");
}

/* Authorization comes before a cookie, and a wrong one is not helped by a right cookie. */
static const rs_bearer *token_of(rs_auth *a, const rs_auth_question *q, rs_session **session)
{
    const long long now = time(NULL);
    const rs_bearer *t;

    *session = NULL;
    if (rs_http_field_of(q->request, "authorization")) {
        const char *text = bearer(q->request);
        return text ? rs_bearers_find(a->tokens, text, now) : NULL;
    }
    *session = session_of(a, q->request, q->now_s);
    if (!*session)
        return NULL;
    t = rs_bearers_hashed(a->tokens, (*session)->token, now);
    if (!t) {
        rs_sessions_end(&a->sessions, *session);
        *session = NULL;
    }
    return t;
}

static const char *collections_text(const rs_bearer *t, rs_arena *mem)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n_collections; i++)
        json_array_append_new(list, rs_json_any(t->collections[i]));
    return rs_json_keep(list, mem);
}

/* Everything of the token that the request may need, which a refresh does not take away. */
static bool fill(rs_grant *g, const rs_bearer *t, const rs_session *session, rs_arena *mem)
{
    rs_status st;

    g->role = t->role;
    memcpy(g->token, t->sha256, sizeof g->token);
    g->name = rs_arena_strdup(mem, t->name);
    g->access = rs_bearer_filter(t, mem, &st);
    if (!t->all && !(g->collections = collections_text(t, mem)))
        return false;
    if (session && !(g->csrf = rs_arena_strdup(mem, session->csrf)))
        return false;
    return g->name && st == RS_OK;
}

static bool is_safe(rs_http_method m)
{
    return m == RS_HTTP_GET || m == RS_HTTP_HEAD || m == RS_HTTP_OPTIONS;
}

rs_auth_verdict rs_auth_check(rs_auth *a, const rs_auth_question *q, rs_arena *mem,
                              rs_grant *grant, double *wait_s)
{
    const rs_bearer *t;
    const char *csrf;
    rs_session *session;

    *grant = (rs_grant){.role = RS_ROLE_PUBLIC};
    *wait_s = 0;
    if (!a->asks) {
        grant->role = RS_ROLE_ADMIN;
        return RS_AUTH_OK;
    }
    if (q->role == RS_ROLE_PUBLIC)
        return RS_AUTH_OK;
    if (!(t = token_of(a, q, &session)))
        return RS_AUTH_NO_TOKEN;
    if (!fill(grant, t, session, mem))
        return RS_AUTH_NO_MEMORY;
    *wait_s = rs_rates_take(&a->rates, grant->name, a->rate, a->burst, q->now_s);
    if (*wait_s > 0)
        return RS_AUTH_TOO_OFTEN;
    csrf = rs_http_field_of(q->request, "x-csrf-token");
    if (session && !is_safe(q->request->method) &&
        !(csrf && rs_secret_equal(session->csrf, csrf)))
        return RS_AUTH_NO_CSRF;
    if (q->role == RS_ROLE_NONE || grant->role < q->role)
        return RS_AUTH_ROLE;
    return q->whole && grant->access ? RS_AUTH_PARTIAL : RS_AUTH_OK;
}

const char *rs_auth_verdict_text(rs_auth_verdict v)
{
    switch (v) {
    case RS_AUTH_NO_TOKEN:
        return "A token is asked for here: send Authorization: Bearer and one that holds "
               "(radscout token add makes it).";
    case RS_AUTH_NO_CSRF:
        return "A session's request that is no GET needs the field X-CSRF-Token, with what "
               "GET /v1/session told.";
    case RS_AUTH_ROLE:
        return "The token's role may not do this.";
    case RS_AUTH_PARTIAL:
        return "This tells of all collections, and the token may not see them all.";
    case RS_AUTH_TOO_OFTEN:
        return "The token has asked too often: try again after the seconds that Retry-After tells.";
    case RS_AUTH_NO_MEMORY:
        return "There is not enough memory just now: try again.";
    case RS_AUTH_OK:
        break;
    }
    return "";
}

/* ---- Sessions -------------------------------------------------------- */

rs_status rs_auth_begin_session(rs_auth *a, const rs_grant *grant, double now_s, rs_arena *mem,
                                const char **set_cookie, const char **csrf, rs_err *err)
{
    char value[RS_SECRET_HEX];
    const rs_session *s;
    rs_status st = rs_sessions_begin(&a->sessions, grant->token, now_s, value, &s, err);

    if (st != RS_OK)
        return st;
    *set_cookie = rs_arena_sprintf(mem, "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
                                   cookie_name(a), value, RS_SESSION_S, a->tls ? "; Secure" : "");
    *csrf = rs_arena_strdup(mem, s->csrf);
    rs_secret_wipe(value, sizeof value);
    return *set_cookie && *csrf ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a session");
}

const char *rs_auth_end_session(rs_auth *a, const rs_http_request *r, double now_s)
{
    rs_session *s = session_of(a, r, now_s);

    if (s)
        rs_sessions_end(&a->sessions, s);
    return a->tls ? "__Host-radscout=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
                  : "radscout=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";
}
