/* http_target.c - see http_target.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/http_target.h"

#include <stdbool.h>
#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* s[0, n) decoded; 0, or the status to refuse with. */
static int decode(const char **out, const char *s, size_t n, bool plus, rs_arena *mem,
                  const char **why)
{
    char *to = rs_arena_alloc(mem, n + 1, 1);
    size_t len = 0;

    *out = to;
    if (!to) {
        *why = "There is no memory for the request.";
        return 503;
    }
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_value(s[i + 1]) : -1;
            int low = i + 2 < n ? hex_value(s[i + 2]) : -1;
            if (high < 0 || low < 0) {
                *why = "The target has a % without two hexadecimal digits.";
                return 400;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0') {
            *why = "The target has a NUL in it.";
            return 400;
        }
        to[len++] = c;
    }
    return 0;
}

static int read_path(rs_target *t, const char *s, rs_arena *mem, const char **why)
{
    int status;

    if (strcmp(s, "/") == 0 || *s != '/')
        return 0;
    while (*s == '/') {
        size_t n = strcspn(++s, "/");
        const char *one;
        if (t->n_segments == RS_TARGET_SEGMENTS) {
            *why = "There is nothing at this path.";
            return 404;
        }
        if ((status = decode(&one, s, n, false, mem, why)) != 0)
            return status;
        if (strcmp(one, ".") == 0 || strcmp(one, "..") == 0) {
            *why = "A path has no segments . and .. here.";
            return 400;
        }
        t->segment[t->n_segments++] = one;
        s += n;
    }
    return 0;
}

static int read_query(rs_target *t, const char *s, rs_arena *mem, const char **why)
{
    while (*s) {
        size_t n = strcspn(s, "&"), eq = strcspn(s, "=&");
        rs_http_param *p = &t->param[t->n_params];
        int status;
        if (n && t->n_params == RS_TARGET_PARAMS) {
            *why = "There are more than 32 query parameters.";
            return 400;
        }
        if (n) {
            if ((status = decode(&p->name, s, eq, true, mem, why)) != 0 ||
                (status = decode(&p->value, s + eq + (eq < n), n - eq - (eq < n), true, mem, why)))
                return status;
            t->n_params++;
        }
        s += n + (s[n] == '&');
    }
    return 0;
}

int rs_target_parse(rs_target *t, const char *target, rs_arena *mem, const char **why)
{
    size_t n = strcspn(target, "?");
    int status;

    *t = (rs_target){0};
    t->path = rs_arena_strndup(mem, target, n);
    if (!t->path) {
        *why = "There is no memory for the request.";
        return 503;
    }
    status = read_path(t, t->path, mem, why);
    return status || target[n] == '\0' ? status : read_query(t, target + n + 1, mem, why);
}

const char *rs_target_param(const rs_target *t, const char *name)
{
    for (size_t i = 0; i < t->n_params; i++)
        if (strcmp(t->param[i].name, name) == 0)
            return t->param[i].value;
    return NULL;
}
