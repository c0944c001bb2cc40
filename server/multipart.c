/* multipart.c - see multipart.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/multipart.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { MAX_BOUNDARY = 70, MAX_PART_HEAD = 4096 };

/* The first `needle` in [at, end), or NULL. A boundary begins with CR, which is rare. */
static const char *find(const char *at, const char *end, const char *needle, size_t n)
{
    while ((size_t)(end - at) >= n) {
        const char *c = memchr(at, needle[0], (size_t)(end - at) - n + 1);
        if (!c || memcmp(c, needle, n) == 0)
            return c;
        at = c + 1;
    }
    return NULL;
}

/* Parameter `name` of a field value, quoted or not, into `mem`; NULL where it is not there. */
static const char *parameter(const char *value, const char *name, rs_arena *mem)
{
    size_t n = strlen(name);

    for (const char *s = strchr(value, ';'); s; s = strchr(s, ';')) {
        char *out;
        size_t len = 0;
        s += 1 + strspn(s + 1, " \t");
        if (strncasecmp(s, name, n) != 0 || s[n] != '=')
            continue;
        s += n + 1;
        out = rs_arena_alloc(mem, strlen(s) + 1, 1);
        if (!out)
            return NULL;
        if (*s != '"') {
            memcpy(out, s, strcspn(s, "; \t"));
            return out;
        }
        for (s++; *s && *s != '"'; s++) {
            if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
                s++;
            out[len++] = *s;
        }
        return *s == '"' ? out : NULL;
    }
    return NULL;
}

/* One line of a part's head. */
static rs_status read_field(rs_part *p, const char *line, rs_arena *mem, rs_err *err)
{
    const char *value = strchr(line, ':');
    size_t n = value ? (size_t)(value - line) : 0;

    if (!value)
        return rs_fail(err, RS_EARG, "a part's head has a line that is not name: value");
    value += 1 + strspn(value + 1, " \t");
    if (n == 19 && strncasecmp(line, "content-disposition", n) == 0) {
        if (strncasecmp(value, "form-data", 9) != 0)
            return rs_fail(err, RS_EARG, "a part's Content-Disposition is not form-data");
        p->name = parameter(value, "name", mem);
        p->filename = parameter(value, "filename", mem);
    } else if (n == 12 && strncasecmp(line, "content-type", n) == 0) {
        p->type = value;
    } else if (n == 25 && strncasecmp(line, "content-transfer-encoding", n) == 0) {
        return rs_fail(err, RS_EARG, "parts come as they are, without Content-Transfer-Encoding");
    }
    return RS_OK;
}

/* A part's head in [at, *body): lines up to an empty one. */
static rs_status read_head(rs_part *p, const char *at, const char *end, const char **body,
                           rs_arena *mem, rs_err *err)
{
    for (const char *begin = at;;) {
        const char *cr = find(at, end, "\r\n", 2);
        char *line;
        rs_status st;
        if (!cr || cr - begin > MAX_PART_HEAD)
            return rs_fail(err, RS_EARG, "a part's head does not end, or is longer than 4 KiB");
        *body = cr + 2;
        if (cr == at)
            break;
        if (memchr(at, '\0', (size_t)(cr - at)))
            return rs_fail(err, RS_EARG, "a part's head has a NUL in it");
        if (!(line = rs_arena_strndup(mem, at, (size_t)(cr - at))))
            return rs_fail(err, RS_ENOMEM, "no memory for a form");
        if ((st = read_field(p, line, mem, err)) != RS_OK)
            return st;
        at = cr + 2;
    }
    if (!p->name)
        return rs_fail(err, RS_EARG, "a part has no name: Content-Disposition: form-data; "
                                     "name=...");
    return RS_OK;
}

/* "\r\n--boundary" into `out`; its length, or 0. */
static size_t delimiter(const char *type, char out[MAX_BOUNDARY + 5], rs_arena *mem)
{
    const char *boundary = parameter(type, "boundary", mem);
    size_t n = boundary ? strlen(boundary) : 0;

    if (n == 0 || n > MAX_BOUNDARY || strpbrk(boundary, "\r\n"))
        return 0;
    memcpy(out, "\r\n--", 4);
    memcpy(out + 4, boundary, n);
    return n + 4;
}

rs_status rs_multipart_parse(const char *type, const char *body, size_t len, rs_arena *mem,
                             rs_part **parts, size_t *n, rs_err *err)
{
    char mark[MAX_BOUNDARY + 5];
    const size_t mark_len = delimiter(type, mark, mem);
    const char *at = body, *end = body + len;

    *n = 0;
    *parts = rs_new(mem, rs_part, RS_MULTIPART_MAX);
    if (!*parts)
        return rs_fail(err, RS_ENOMEM, "no memory for a form");
    if (mark_len == 0)
        return rs_fail(err, RS_EARG, "Content-Type: multipart/form-data wants a boundary of 1 to "
                       "70 characters");
    if (len < mark_len - 2 || memcmp(body, mark + 2, mark_len - 2) != 0)
        return rs_fail(err, RS_EARG, "the form does not begin with its boundary");
    for (at += mark_len - 2;;) {
        rs_part *p = &(*parts)[*n];
        rs_status st;
        if (end - at >= 2 && memcmp(at, "--", 2) == 0)
            break;
        if (end - at < 2 || memcmp(at, "\r\n", 2) != 0)
            return rs_fail(err, RS_EARG, "the form is cut short, or a boundary goes on");
        if (*n == RS_MULTIPART_MAX)
            return rs_fail(err, RS_EARG, "the form has more than %d parts", RS_MULTIPART_MAX);
        if ((st = read_head(p, at + 2, end, &p->bytes, mem, err)) != RS_OK)
            return st;
        at = find(p->bytes - 2, end, mark, mark_len);      /* a part may be empty */
        if (!at)
            return rs_fail(err, RS_EARG, "part %s does not end with the boundary", p->name);
        p->len = at > p->bytes ? (size_t)(at - p->bytes) : 0;
        at += mark_len;
        ++*n;
    }
    at += 2;
    if (at != end && !(end - at == 2 && memcmp(at, "\r\n", 2) == 0))
        return rs_fail(err, RS_EARG, "there is something after the form");
    return RS_OK;
}

/* ---- Base64 ---------------------------------------------------------- */

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

rs_status rs_base64_decode(const char *text, rs_arena *mem, unsigned char **bytes, size_t *len,
                           rs_err *err)
{
    const size_t n = strlen(text);
    const size_t pad = n < 2 || text[n - 1] != '=' ? 0 : text[n - 2] == '=' ? 2 : 1;
    unsigned char *out;

    *len = 0;
    if (n == 0 || n % 4)
        return rs_fail(err, RS_EARG, "no base64: its length is not a multiple of 4");
    *bytes = out = rs_arena_alloc(mem, n / 4, 3);
    if (!out)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu bytes of base64", n);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int s = i + k >= n - pad ? 0 : sextet(text[i + k]);
            if (s < 0)
                return rs_fail(err, RS_EARG, "no base64 at character %zu", i + k + 1);
            v = v << 6 | (uint32_t)s;
        }
        *out++ = (unsigned char)(v >> 16);
        *out++ = (unsigned char)(v >> 8);
        *out++ = (unsigned char)v;
    }
    *len = n / 4 * 3 - pad;
    return RS_OK;
}
