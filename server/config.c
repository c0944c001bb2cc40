/* config.c - see config.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include "base/alloc.h"
#include "base/json.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_FILE = 1 << 20 };

typedef struct {
    const char *name;
    size_t      offset;
    const char *text;              /* the default of a text; NULL: a number */
    size_t      size;
    long long   fallback, min, max;
} setting;

static const setting settings[] = {
#define SETTING_TEXT(name, fallback, size) \
    {#name, offsetof(rs_config, name), fallback, size, 0, 0, 0},
#define SETTING_NUMBER(name, fallback, min, max) \
    {#name, offsetof(rs_config, name), NULL, 0, fallback, min, max},
    RS_SETTING_MAP(SETTING_TEXT, SETTING_NUMBER)
#undef SETTING_TEXT
#undef SETTING_NUMBER
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static void *field(rs_config *c, const setting *s)
{
    return (char *)c + s->offset;
}

static rs_status set_text(rs_config *c, const setting *s, const char *from, const char *value,
                          rs_err *err)
{
    if (strlen(value) >= s->size)
        return rs_fail(err, RS_EARG, "%s%s: longer than %zu bytes", from, s->name, s->size - 1);
    memset(field(c, s), 0, s->size);           /* so that equal texts are equal bytes */
    snprintf(field(c, s), s->size, "%s", value);
    return RS_OK;
}

static rs_status set_number(rs_config *c, const setting *s, const char *from, long long value,
                            rs_err *err)
{
    if (value < s->min || value > s->max)
        return rs_fail(err, RS_EARG, "%s%s: wanted %lld to %lld, found %lld", from, s->name, s->min,
                       s->max, value);
    memcpy(field(c, s), &value, sizeof value);
    return RS_OK;
}

/* A value that comes as text: of a flag or the environment. */
static rs_status set(rs_config *c, const setting *s, const char *from, const char *value,
                     rs_err *err)
{
    char *end;
    long long n;

    if (s->text)
        return set_text(c, s, from, value, err);
    n = strtoll(value, &end, 10);
    if (end == value || *end)
        return rs_fail(err, RS_EARG, "%s%s: wanted a whole number, found '%s'", from, s->name,
                       value);
    return set_number(c, s, from, n, err);
}

static rs_status read_file(rs_config *c, const char *path, rs_err *err)
{
    char from[160];
    json_t *o, *v;
    const char *key;
    rs_status st = rs_json_load(&o, path, MAX_FILE, err);

    if (st != RS_OK)
        return st;
    if (!json_is_object(o))
        st = rs_fail(err, RS_ECORRUPT, "%s: wanted an object of settings", path);
    snprintf(from, sizeof from, "%.150s: ", path);
    json_object_foreach(o, key, v) {
        const setting *s = NULL;
        for (size_t i = 0; i < SETTINGS; i++)
            if (strcmp(settings[i].name, key) == 0)
                s = &settings[i];
        if (st != RS_OK)
            break;
        if (!s)
            st = rs_fail(err, RS_ECORRUPT, "%s%s: there is no such setting", from, key);
        else if (s->text ? !json_is_string(v) : !json_is_integer(v))
            st = rs_fail(err, RS_ECORRUPT, "%s%s: wanted a %s", from, key,
                         s->text ? "string" : "whole number");
        else
            st = s->text ? set_text(c, s, from, json_string_value(v), err)
                         : set_number(c, s, from, json_integer_value(v), err);
    }
    json_decref(o);
    return st;
}

/* RADSCOUT_NAME and --name of one setting. */
static rs_status read_outside(rs_config *c, const setting *s, rs_config_flag flag, const void *ctx,
                              rs_err *err)
{
    char env[64] = "RADSCOUT_", name[32];
    const char *value;
    rs_status st = RS_OK;

    snprintf(name, sizeof name, "%s", s->name);
    for (size_t i = 0; name[i]; i++) {
        env[9 + i] = (char)toupper((unsigned char)name[i]);
        name[i] = (char)(name[i] == '_' ? '-' : name[i]);
    }
    if ((value = getenv(env)) != NULL)
        st = set(c, s, "environment: ", value, err);
    if (st == RS_OK && flag && (value = flag(ctx, name)) != NULL)
        st = set(c, s, "--", value, err);
    return st;
}

rs_status rs_config_load(rs_config *c, const char *file, rs_config_flag flag, const void *ctx,
                         rs_err *err)
{
    rs_status st = RS_OK;

    *c = (rs_config){0};
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *s = &settings[i];
        st = s->text ? set_text(c, s, "", s->text, err) : set_number(c, s, "", s->fallback, err);
    }
    if (file && (st = read_file(c, file, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < SETTINGS && st == RS_OK; i++)
        st = read_outside(c, &settings[i], flag, ctx, err);
    return st == RS_OK ? rs_config_check(c, err) : st;
}

static bool is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, address, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool is_one_of(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

/* Whoever reaches another address than loopback could read every report. */
static rs_status check_far(const rs_config *c, rs_err *err)
{
    static const char why[] = "is not a loopback address. Whoever reaches another one could read "
                              "every report: that needs TLS and authentication";

    if (strcmp(c->auth, "open") == 0)
        return rs_fail(err, RS_EARG, "bind: %s %s, and auth is open. Leave auth out, or use "
                       "127.0.0.1", c->bind, why);
    if (!*c->tls_cert)
        return rs_fail(err, RS_EARG, "bind: %s %s. Set tls_cert and tls_key and make a token, or "
                       "use 127.0.0.1 and a tunnel (ssh -L)", c->bind, why);
    return RS_OK;
}

rs_status rs_config_check(const rs_config *c, rs_err *err)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const auths[] = {"auto", "required", "open"};
    static const char *const texts[] = {"hash", "plain"};

    if (!is_one_of(c->log_level, levels, 4))
        return rs_fail(err, RS_EARG, "log_level: wanted debug, info, warn or error, found '%s'",
                       c->log_level);
    if (!is_one_of(c->auth, auths, 3))
        return rs_fail(err, RS_EARG, "auth: wanted auto, required or open, found '%s'", c->auth);
    if (!is_one_of(c->audit_text, texts, 2))
        return rs_fail(err, RS_EARG, "audit_text: wanted hash or plain, found '%s'", c->audit_text);
    if (!*c->tls_cert != !*c->tls_key)
        return rs_fail(err, RS_EARG, "%s: needs %s too", *c->tls_cert ? "tls_cert" : "tls_key",
                       *c->tls_cert ? "tls_key" : "tls_cert");
    return rs_config_is_loopback(c) ? RS_OK : check_far(c, err);
}

bool rs_config_is_loopback(const rs_config *c)
{
    return is_loopback(c->bind);
}

/* Is s[0, n) a name in the comma-separated `list`? */
static bool listed(const char *list, const char *s, size_t n)
{
    while (*list) {
        size_t len;
        list += strspn(list, ", ");
        len = strcspn(list, ", ");
        if (len && len == n && strncasecmp(list, s, n) == 0)
            return true;
        list += len;
    }
    return false;
}

bool rs_config_is_host(const rs_config *c, const char *host)
{
    size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    char name[64];

    if (listed("localhost,[::1]", host, n) || listed(c->hosts, host, n) ||
        listed(c->bind, host, n))
        return true;
    if (n >= sizeof name)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)n, host);
    return is_loopback(name);
}

char *rs_config_text(const rs_config *c)
{
    json_t *o = json_object();
    char *text;

    for (size_t i = 0; i < SETTINGS; i++) {
        const void *at = (const char *)c + settings[i].offset;
        long long n;
        if (!settings[i].text)
            memcpy(&n, at, sizeof n);
        json_object_set_new(o, settings[i].name, settings[i].text ? rs_json_any(at)
                                                                  : json_integer(n));
    }
    text = o ? rs_json_text(o) : NULL;
    json_decref(o);
    return text;
}
