/* http_request.c - see http_request.h. The head is read line by line as the lines come, so
 * that what is wrong is told at once, and by llhttp when it is whole; bodies are followed
 * byte by byte by a small machine (chunk_*) beside llhttp.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/http_request.h"

#include "base/alloc.h"

#include <llhttp.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where in a chunked body (RFC 9112, section 7.1) the next byte lies. */
typedef enum {
    CHUNK_SIZE, CHUNK_EXT, CHUNK_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF,
    CHUNK_LAST_CR, CHUNK_LAST_LF, CHUNK_END
} chunk_state;

struct rs_http_parser {
    rs_http_request r;
    rs_http_field   fields[RS_HTTP_MAX_HEADERS];
    rs_buf   head;
    size_t   line;                 /* where in the head the line being read begins */
    size_t   lines;                /* read so far */
    bool     blank_skipped;        /* one empty line before a request is let pass */
    bool     head_done, done;
    llhttp_t llhttp;
    bool     llhttp_done;
    size_t   body_max;
    uint64_t left;                 /* bytes of a body with Content-Length to come */
    chunk_state chunk;
    uint64_t chunk_left;
    uint64_t chunk_sum;            /* the sizes of all chunks so far */
    unsigned chunk_digits;
    size_t   ext_bytes;
    int      status;
    const char *why;
};

/* ---- Small readings -------------------------------------------------- */

static const char *const method_names[] = {
#define METHOD_NAME(name) #name,
    RS_HTTP_METHOD_MAP(METHOD_NAME)
#undef METHOD_NAME
};

const char *rs_http_method_name(rs_http_method m)
{
    return (unsigned)m < RS_HTTP_METHODS ? method_names[m] : "?";
}

const char *rs_http_field_of(const rs_http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_fields; i++)
        if (strcmp(r->fields[i].name, name) == 0)
            return r->fields[i].value;
    return NULL;
}

bool rs_http_type_is(const char *content_type, const char *wanted)
{
    const size_t n = strlen(wanted);

    return content_type && strncasecmp(content_type, wanted, n) == 0 &&
           (content_type[n] == '\0' || strchr("; \t", content_type[n]));
}

bool rs_http_has_document(const rs_http_request *r)
{
    const char *type = rs_http_field_of(r, "content-type");

    return rs_http_type_is(type, "application/json") || rs_http_type_is(type, "multipart/form-data");
}

static rs_http_state bad(rs_http_parser *p, int status, const char *why)
{
    p->status = status;
    p->why = why;
    return RS_PARSE_BAD;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110, section 5.6.2: tchar. */
static bool is_token(char c)
{
    return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* What RFC 3986 lets into a path and a query. */
static bool is_target(char c)
{
    return is_alnum(c) || (c && strchr("-._~:/?[]@!$&'()*+,;=%", c));
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* uri-host [":" port], as far as a Host can name us: a name, IPv4, or [IPv6]. */
static bool is_host(const char *s)
{
    const char *at = s;

    if (*at == '[') {
        for (at++; hex_value(*at) >= 0 || *at == ':' || *at == '.'; at++)
            ;
        if (*at++ != ']')
            return false;
    } else {
        while (is_alnum(*at) || *at == '-' || *at == '.' || *at == '_')
            at++;
    }
    if (at == s)
        return false;
    if (*at == ':')
        for (at++; is_digit(*at); at++)
            ;
    return *at == '\0';
}

/* ---- llhttp ---------------------------------------------------------- */

static int on_body(llhttp_t *l, const char *at, size_t n)
{
    rs_http_parser *p = l->data;

    rs_buf_append(&p->r.body, at, n);
    return 0;
}

static int on_complete(llhttp_t *l)
{
    ((rs_http_parser *)l->data)->llhttp_done = true;
    return 0;
}

/* llhttp's own verdict on the next n bytes, which end the message or lie within it. */
static rs_http_state second_reading(rs_http_parser *p, const char *bytes, size_t n, bool ends)
{
    llhttp_errno_t e = llhttp_execute(&p->llhttp, bytes, n);

    if (p->r.body.failed)
        return bad(p, 503, "There is no memory for the body.");
    if (e == HPE_PAUSED_UPGRADE && ends)
        e = HPE_OK;                          /* nobody is upgraded: the request stands as it is */
    if (e != HPE_OK)
        return bad(p, 400, "The request is malformed.");
    if (p->llhttp_done != ends)
        return bad(p, 400, "The request's end is ambiguous.");
    return ends ? RS_PARSE_DONE : RS_PARSE_MORE;
}

/* ---- The head, line by line ------------------------------------------ */

/* METHOD SP target SP HTTP/1.1; s[n] is its CR. */
static rs_http_state read_request_line(rs_http_parser *p, const char *s, size_t n)
{
    const char *end = s + n, *target, *version, *at = s;

    while (at < end && is_token(*at))
        at++;
    if (at == s || at == end || *at != ' ')
        return bad(p, 400, "The request line does not begin with a method and one blank.");
    p->r.method = RS_HTTP_METHODS;
    for (int m = 0; m < RS_HTTP_METHODS; m++)
        if (strlen(method_names[m]) == (size_t)(at - s) &&
            memcmp(method_names[m], s, (size_t)(at - s)) == 0)
            p->r.method = (rs_http_method)m;
    target = ++at;
    while (at < end && is_target(*at))
        at++;
    if (at == target || at == end || *at != ' ')
        return bad(p, 400, "The request line wants: METHOD, a blank, a target of characters that "
                   "RFC 3986 allows, a blank, HTTP/1.1.");
    version = ++at;
    if (end - version != 8 || memcmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) ||
        version[6] != '.' || !is_digit(version[7]))
        return bad(p, 400, "The request line does not end with HTTP/1.1.");
    if (version[5] != '1' || version[7] > '1')
        return bad(p, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    if (p->r.method == RS_HTTP_METHODS)
        return bad(p, 501, "This method is not known here.");
    p->r.http10 = version[7] == '0';
    if (*target == '*' ? p->r.method != RS_HTTP_OPTIONS || version - target != 2 : *target != '/')
        return bad(p, 400, "The target wants to begin with a slash: no proxy is offered here.");
    return RS_PARSE_MORE;
}

/* token ":" value; s[n] is its CR. Blanks at its begin are obs-fold or worse. */
static rs_http_state read_field_line(rs_http_parser *p, const char *s, size_t n)
{
    const char *end = s + n, *at = s;

    if (p->r.n_fields == RS_HTTP_MAX_HEADERS)
        return bad(p, 431, "There are more than 100 header fields.");
    if (*s == ' ' || *s == '\t')
        return bad(p, 400, "A header line begins with a blank; folded fields are not taken.");
    while (at < end && is_token(*at))
        at++;
    if (at == s || at == end || *at != ':')
        return bad(p, 400, "A header line is not of the form name: value.");
    for (; at < end; at++)
        if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
            return bad(p, 400, "A header field has a control character in it.");
    p->r.n_fields++;
    return RS_PARSE_MORE;
}

/* ---- What the fields say --------------------------------------------- */

/* Cut the head into NUL-terminated names and values, names in lower case. */
static void cut_fields(rs_http_parser *p)
{
    char *s = p->head.data, *end;

    p->r.target = strchr(s, ' ') + 1;
    end = strchr(s, '\r');
    end[-9] = '\0';                            /* before " HTTP/1.1" */
    for (size_t i = 0; i < p->r.n_fields; i++) {
        char *value;
        s = end + 2;
        end = strchr(s, '\r');
        value = strchr(s, ':');
        *value++ = '\0';
        while (*value == ' ' || *value == '\t')
            value++;
        *end = '\0';
        for (char *tail = end; tail > value && (tail[-1] == ' ' || tail[-1] == '\t');)
            *--tail = '\0';
        for (char *c = s; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        p->fields[i] = (rs_http_field){s, value};
    }
    p->r.fields = p->fields;
}

/* Fields of which a second one would let two readers differ. */
static rs_http_state check_once(rs_http_parser *p)
{
    static const char *const once[] = {
        "host", "content-length", "transfer-encoding", "content-type", "content-encoding",
        "authorization", "expect", "range", "origin", "if-range"};

    for (size_t k = 0; k < sizeof once / sizeof *once; k++) {
        size_t n = 0;
        for (size_t i = 0; i < p->r.n_fields; i++)
            n += strcmp(p->fields[i].name, once[k]) == 0;
        if (n > 1)
            return bad(p, 400, k == 0 ? "There are two Host fields."
                                      : "A header field that may be there once is there twice.");
    }
    return RS_PARSE_MORE;
}

static rs_http_state check_length(rs_http_parser *p)
{
    const char *length = rs_http_field_of(&p->r, "content-length");
    const char *coding = rs_http_field_of(&p->r, "transfer-encoding");

    if (coding && p->r.http10)
        return bad(p, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (coding && length)
        return bad(p, 400, "Transfer-Encoding and Content-Length cannot both be there.");
    if (coding && strcasecmp(coding, "chunked") != 0)
        return bad(p, 501, "The only Transfer-Encoding taken is chunked.");
    p->r.chunked = coding != NULL;
    if (length) {
        size_t digits = strspn(length, "0123456789");
        if (digits == 0 || digits > 18 || length[digits] != '\0')
            return bad(p, 400, "Content-Length is not a number.");
        p->r.length = strtoull(length, NULL, 10);
    }
    if ((p->r.method == RS_HTTP_GET || p->r.method == RS_HTTP_HEAD) &&
        (p->r.chunked || p->r.length))
        return bad(p, 400, "GET and HEAD come without a body.");
    return RS_PARSE_MORE;
}

/* Is `word` in the comma-separated `list`? */
static bool list_has(const char *list, const char *word)
{
    size_t n = strlen(word);

    while (list && *list) {
        list += strspn(list, " \t,");
        if (strncasecmp(list, word, n) == 0 && strspn(list + n, " \t,") + (list[n] == '\0') > 0)
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

static rs_http_state check_rest(rs_http_parser *p)
{
    const char *expect = rs_http_field_of(&p->r, "expect"), *hangs;

    p->r.host = rs_http_field_of(&p->r, "host");
    if (!p->r.host && !p->r.http10)
        return bad(p, 400, "There is no Host field.");
    if (p->r.host && !is_host(p->r.host))
        return bad(p, 400, "The Host field names no host.");
    if (!p->r.host)
        p->r.host = "";
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return bad(p, 417, "The only thing to expect is 100-continue.");
    p->r.expects_continue = expect && !p->r.http10 && (p->r.chunked || p->r.length);
    p->r.keep_alive = !p->r.http10;
    for (size_t i = 0; i < p->r.n_fields; i++) {
        if (strcmp(p->fields[i].name, "connection") != 0)
            continue;
        hangs = p->fields[i].value;
        if (p->r.http10 && list_has(hangs, "keep-alive"))
            p->r.keep_alive = true;
        if (list_has(hangs, "close")) {
            p->r.keep_alive = false;
            break;
        }
    }
    return RS_PARSE_MORE;
}

/* The whole head has been read as lines: llhttp's turn, then what the fields mean. */
static rs_http_state end_head(rs_http_parser *p)
{
    rs_http_state st;
    llhttp_errno_t e = llhttp_execute(&p->llhttp, p->head.data, p->head.len);

    cut_fields(p);
    if ((st = check_once(p)) != RS_PARSE_MORE || (st = check_length(p)) != RS_PARSE_MORE ||
        (st = check_rest(p)) != RS_PARSE_MORE)
        return st;
    if (e != HPE_OK && e != HPE_PAUSED_UPGRADE)        /* last: it cannot say what is wrong */
        return bad(p, 400, "The head of the request is malformed.");
    p->head_done = true;
    p->left = p->r.length;
    p->chunk = CHUNK_SIZE;
    if (p->r.chunked || p->r.length)
        return p->llhttp_done ? bad(p, 400, "The request's end is ambiguous.") : RS_PARSE_HEAD;
    if (!p->llhttp_done)
        return bad(p, 400, "The request's end is ambiguous.");
    p->done = true;
    return RS_PARSE_DONE;
}

/* The line head[line, len) is complete, its LF counted in. */
static rs_http_state read_line(rs_http_parser *p)
{
    const char *s = p->head.data + p->line;
    size_t n = p->head.len - p->line;
    rs_http_state st;

    if (n < 2 || s[n - 2] != '\r')
        return bad(p, 400, "A line ends in LF without CR.");
    n -= 2;
    if (memchr(s, '\0', n) || memchr(s, '\r', n))
        return bad(p, 400, "There is a CR or NUL inside a line.");
    if (p->lines == 0 && n == 0) {
        if (p->blank_skipped)
            return bad(p, 400, "Empty lines come before the request.");
        p->blank_skipped = true;
        p->head.len = 0;
        return RS_PARSE_MORE;
    }
    if (n == 0)
        return end_head(p);
    if (p->lines == 0 && n > RS_HTTP_MAX_LINE)
        return bad(p, 414, "The request line is longer than 8 KiB.");
    st = p->lines == 0 ? read_request_line(p, s, n) : read_field_line(p, s, n);
    p->lines++;
    p->line = p->head.len;
    return st;
}

static rs_http_state feed_head(rs_http_parser *p, const char *bytes, size_t n, size_t *used)
{
    rs_http_state st = RS_PARSE_MORE;

    while (*used < n && st == RS_PARSE_MORE) {
        const char *from = bytes + *used, *lf = memchr(from, '\n', n - *used);
        size_t take = lf ? (size_t)(lf - from) + 1 : n - *used;
        if (p->head.len == 0 && !is_token(*from) && *from != '\r' && *from != '\n')
            return bad(p, 400, "This is not HTTP.");
        if (p->lines == 0 && p->head.len + take > RS_HTTP_MAX_LINE + 2)
            return bad(p, 414, "The request line is longer than 8 KiB.");
        if (p->head.len + take > RS_HTTP_MAX_HEAD)
            return bad(p, 431, "The header fields are larger than 32 KiB.");
        rs_buf_append(&p->head, from, take);
        if (p->head.failed)
            return bad(p, 503, "There is no memory for the request.");
        *used += take;
        if (lf)
            st = read_line(p);
    }
    return st;
}

/* ---- Bodies ---------------------------------------------------------- */

/* A byte of a line "SIZE[;extensions]"; false where it does not belong there. */
static bool chunk_line(rs_http_parser *p, char c)
{
    int digit = hex_value(c);

    if (p->chunk == CHUNK_SIZE && digit >= 0) {
        p->chunk_left = p->chunk_left * 16 + (unsigned)digit;
        return ++p->chunk_digits <= 8;
    }
    if (c == '\r' && p->chunk_digits > 0) {
        p->chunk = CHUNK_LF;
        return true;
    }
    if (p->chunk == CHUNK_SIZE && (c != ';' || p->chunk_digits == 0))
        return false;
    p->chunk = CHUNK_EXT;
    return ((unsigned char)c >= 0x20 || c == '\t') && c != 0x7f &&
           ++p->ext_bytes <= RS_HTTP_MAX_CHUNK_EXT;
}

/* The next byte, outside of a chunk's data. */
static bool chunk_byte(rs_http_parser *p, char c)
{
    switch (p->chunk) {
    case CHUNK_SIZE:
    case CHUNK_EXT:
        return chunk_line(p, c);
    case CHUNK_LF:
        p->chunk = p->chunk_left ? CHUNK_DATA : CHUNK_LAST_CR;
        return c == '\n';
    case CHUNK_DATA_CR:
        p->chunk = CHUNK_DATA_LF;
        return c == '\r';
    case CHUNK_DATA_LF:
        p->chunk = CHUNK_SIZE;
        p->chunk_digits = 0;
        return c == '\n';
    case CHUNK_LAST_CR:                        /* anything else would be a trailer field */
        p->chunk = CHUNK_LAST_LF;
        return c == '\r';
    case CHUNK_LAST_LF:
        p->chunk = CHUNK_END;
        return c == '\n';
    case CHUNK_DATA:
    case CHUNK_END:
        break;
    }
    return false;
}

/* How many of the n bytes belong to this body. A size is judged when its line is complete, so
 * that it does not matter how the bytes come: *taken ends there where it is too large. */
static rs_http_state chunk_walk(rs_http_parser *p, const char *bytes, size_t n, size_t *taken,
                                bool *large)
{
    size_t i = 0;

    while (i < n && p->chunk != CHUNK_END && !*large) {
        if (p->chunk == CHUNK_DATA) {
            size_t take = p->chunk_left < n - i ? (size_t)p->chunk_left : n - i;
            i += take;
            p->chunk_left -= take;
            if (p->chunk_left == 0)
                p->chunk = CHUNK_DATA_CR;
            continue;
        }
        if (!chunk_byte(p, bytes[i++]))
            return bad(p, 400, "The chunked body is malformed, or has trailer fields.");
        if (p->chunk == CHUNK_DATA)
            *large = (p->chunk_sum += p->chunk_left) > p->body_max;
    }
    *taken = i;
    return RS_PARSE_MORE;
}

static rs_http_state feed_body(rs_http_parser *p, const char *bytes, size_t n, size_t *used)
{
    size_t taken;
    bool large = false;
    rs_http_state st;

    if (p->r.chunked) {
        if ((st = chunk_walk(p, bytes, n, &taken, &large)) != RS_PARSE_MORE)
            return st;
    } else {
        taken = p->left < n ? (size_t)p->left : n;
        p->left -= taken;
    }
    st = second_reading(p, bytes, taken, p->r.chunked ? p->chunk == CHUNK_END : p->left == 0);
    if (st != RS_PARSE_BAD && (large || p->r.body.len > p->body_max))
        return bad(p, 413, "The body is larger than is taken here.");
    *used += taken;
    p->done = st == RS_PARSE_DONE;
    return st;
}

/* ---- The door -------------------------------------------------------- */

rs_http_parser *rs_http_parser_new(void)
{
    rs_http_parser *p = rs_calloc(1, sizeof *p);

    if (p)
        rs_http_parser_reset(p);
    return p;
}

void rs_http_parser_free(rs_http_parser *p)
{
    if (!p)
        return;
    rs_buf_clear(&p->head);
    rs_buf_clear(&p->r.body);
    rs_free(p);
}

void rs_http_parser_reset(rs_http_parser *p)
{
    static const llhttp_settings_t wanted = {.on_body = on_body,
                                             .on_message_complete = on_complete};
    rs_buf head = p->head;

    head.len = 0;
    head.failed = false;
    rs_buf_clear(&p->r.body);
    p->r = (rs_http_request){0};
    p->head = head;
    p->line = p->lines = 0;
    p->blank_skipped = p->head_done = p->done = p->llhttp_done = false;
    p->body_max = 0;
    p->left = p->chunk_left = p->chunk_sum = 0;
    p->chunk_digits = 0;
    p->ext_bytes = 0;
    p->status = 0;
    p->why = NULL;
    llhttp_init(&p->llhttp, HTTP_REQUEST, (llhttp_settings_t *)(uintptr_t)&wanted);
    p->llhttp.data = p;
}

rs_http_state rs_http_feed(rs_http_parser *p, const char *bytes, size_t n, size_t *used)
{
    *used = 0;
    if (p->status)
        return RS_PARSE_BAD;
    if (p->done)
        return RS_PARSE_DONE;
    if (!p->head_done)
        return feed_head(p, bytes, n, used);
    if (!p->r.chunked && p->r.length > p->body_max)
        return bad(p, 413, "The body is larger than is taken here.");
    return n ? feed_body(p, bytes, n, used) : RS_PARSE_MORE;
}

void rs_http_body_max(rs_http_parser *p, size_t max_bytes)
{
    p->body_max = max_bytes;
}

const rs_http_request *rs_http_request_of(const rs_http_parser *p)
{
    return &p->r;
}

int rs_http_bad(const rs_http_parser *p, const char **why)
{
    *why = p->why;
    return p->status;
}

bool rs_http_idle(const rs_http_parser *p)
{
    return p->head.len == 0 && !p->head_done;
}

bool rs_http_in_body(const rs_http_parser *p)
{
    return p->head_done;
}
