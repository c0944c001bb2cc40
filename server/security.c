/* security.c - what a server needs to know who asks, to keep it from being overheard, and to
 * write it down: begun with the server, changed by SIGHUP, ended with it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/server_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <string.h>

/* Where the audit log is; *path NULL: nowhere. Caller rs_free()s. */
static rs_status audit_path(const rs_server *s, char **path, rs_err *err)
{
    const char *set = s->config.audit;

    *path = NULL;
    if (strcmp(set, "none") == 0 || (!*set && !rs_auth_asks(s->auth)))
        return RS_OK;
    *path = *set ? rs_strdup(set) : rs_beside_archive(s->plan.service.archive, ".audit");
    return *path ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for the audit log's path");
}

static void note(rs_server *s, rs_audit_kind kind)
{
    const rs_audit_event e = {.kind = kind};
    char head[RS_SHA256_HEX];
    rs_err err = {0};

    if (rs_audit_log_append(s->audit, &e, &err) != RS_OK)
        rs_log_error(RS_LOG_ERROR, "audit log", &err);
    rs_audit_log_head(s->audit, head);
    rs_log_event(RS_LOG_INFO, "audit log", "event", rs_audit_name(kind), "head", head,
                 (const char *)NULL);
}

rs_status rs_security_audit(rs_server *s, rs_err *err)
{
    rs_audit_plan plan = {.plain = strcmp(s->config.audit_text, "plain") == 0,
                          .max_bytes = (uint64_t)s->config.audit_mb << 20};
    char *path;
    rs_status st = audit_path(s, &path, err);

    if (st != RS_OK || !path)
        return st;
    plan.path = path;
    st = rs_audit_log_open(&s->audit, &plan, err);
    rs_free(path);
    if (st == RS_OK)
        note(s, RS_AUDIT_START);
    return st;
}

rs_status rs_security_begin(rs_server *s, rs_err *err)
{
    rs_status st;

    if (*s->config.tls_cert &&
        (st = rs_tls_open(&s->tls, s->config.tls_cert, s->config.tls_key, err)) != RS_OK)
        return st;
    if ((st = rs_auth_new(&s->auth, &s->config, s->plan.service.archive, err)) != RS_OK)
        return st;
    return rs_security_audit(s, err);
}

/* Another certificate serves the connections that begin from now on. */
static void renew_certificate(rs_server *s)
{
    rs_tls *new;
    rs_err err = {0};

    if (rs_tls_open(&new, s->config.tls_cert, s->config.tls_key, &err) != RS_OK) {
        rs_log_error(RS_LOG_ERROR, "the certificate stays as it was", &err);
        return;
    }
    rs_tls_close(s->tls);
    s->tls = new;
}

static void put_back(char *to, const char *from, size_t size, bool *changed)
{
    *changed |= strcmp(to, from) != 0;
    memcpy(to, from, size);
}

void rs_security_configure(rs_server *s, const rs_config *old)
{
    rs_config *c = &s->config;
    bool changed = !*c->tls_cert != !*old->tls_cert;

    put_back(c->auth, old->auth, sizeof c->auth, &changed);
    put_back(c->tokens, old->tokens, sizeof c->tokens, &changed);
    put_back(c->audit, old->audit, sizeof c->audit, &changed);
    if (!*c->tls_cert != !*old->tls_cert) {
        memcpy(c->tls_cert, old->tls_cert, sizeof c->tls_cert);
        memcpy(c->tls_key, old->tls_key, sizeof c->tls_key);
    }
    if (changed)
        rs_log_event(RS_LOG_WARN, "settings need a restart", "settings",
                     "auth, tokens, audit, TLS or none", (const char *)NULL);
    rs_auth_configure(s->auth, c);
    if (s->audit)
        rs_audit_log_plain(s->audit, strcmp(c->audit_text, "plain") == 0);
    if (s->tls)
        renew_certificate(s);
}

void rs_security_end(rs_server *s)
{
    if (s->audit)
        note(s, RS_AUDIT_STOP);
    rs_audit_log_close(s->audit);
    rs_auth_free(s->auth);
    rs_tls_close(s->tls);
    rs_buf_clear(&s->plain);
}
