/* session.c - see session.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/session.h"

#include "base/alloc.h"

#include <string.h>

void rs_sessions_clear(rs_sessions *s)
{
    if (s->rows)
        rs_secret_wipe(s->rows, RS_SESSIONS * sizeof *s->rows);
    rs_free(s->rows);
    *s = (rs_sessions){0};
}

static bool is_over(const rs_session *one, double now_s)
{
    return now_s > one->begun_s + RS_SESSION_S || now_s > one->used_s + RS_SESSION_IDLE_S;
}

void rs_sessions_end(rs_sessions *s, rs_session *which)
{
    *which = s->rows[--s->n];
    rs_secret_wipe(&s->rows[s->n], sizeof s->rows[s->n]);
}

/* A place for a new one. */
static rs_session *make_room(rs_sessions *s, double now_s)
{
    rs_session *oldest = s->rows;

    for (size_t i = s->n; i-- > 0;)
        if (is_over(&s->rows[i], now_s))
            rs_sessions_end(s, &s->rows[i]);
    if (s->n < RS_SESSIONS)
        return &s->rows[s->n++];
    for (size_t i = 1; i < s->n; i++)
        if (s->rows[i].used_s < oldest->used_s)
            oldest = &s->rows[i];
    return oldest;
}

rs_status rs_sessions_begin(rs_sessions *s, const char *token_sha256, double now_s,
                            char cookie[RS_SECRET_HEX], const rs_session **out, rs_err *err)
{
    rs_session new = {.begun_s = now_s, .used_s = now_s}, *place;
    rs_status st;

    *out = NULL;
    if (!s->rows && !(s->rows = rs_calloc(RS_SESSIONS, sizeof *s->rows)))
        return rs_fail(err, RS_ENOMEM, "no memory for sessions");
    if ((st = rs_secret_make(cookie, err)) != RS_OK ||
        (st = rs_secret_make(new.csrf, err)) != RS_OK ||
        (st = rs_sha256_of(new.id, cookie, strlen(cookie), err)) != RS_OK)
        return st;
    memcpy(new.token, token_sha256, sizeof new.token);
    place = make_room(s, now_s);
    *place = new;
    *out = place;
    return RS_OK;
}

rs_session *rs_sessions_find(rs_sessions *s, const char *cookie, double now_s)
{
    char id[RS_SHA256_HEX];
    rs_session *found = NULL;

    if (rs_sha256_of(id, cookie, strlen(cookie), NULL) != RS_OK)
        return NULL;
    for (size_t i = 0; i < s->n; i++)
        if (rs_secret_equal(s->rows[i].id, id))
            found = &s->rows[i];
    if (found && is_over(found, now_s)) {
        rs_sessions_end(s, found);
        return NULL;
    }
    if (found)
        found->used_s = now_s;
    return found;
}

bool rs_cookie_find(const char *field, const char *name, char out[RS_SECRET_HEX])
{
    const size_t n = strlen(name);

    while (field && *field) {
        size_t len;
        field += strspn(field, " \t;");
        len = strcspn(field, ";");
        if (strncmp(field, name, n) == 0 && field[n] == '=') {
            len -= n + 1;
            if (len == 0 || len >= RS_SECRET_HEX)
                return false;
            memcpy(out, field + n + 1, len);
            out[len] = '\0';
            return true;
        }
        field += len;
    }
    return false;
}
