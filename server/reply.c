/* reply.c - see reply.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/reply.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zlib.h>

const char *rs_status_phrase(int status)
{
    static const struct { int status; const char *phrase; } table[] = {
        {200, "OK"}, {201, "Created"}, {204, "No Content"}, {206, "Partial Content"}, {304, "Not Modified"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
        {405, "Method Not Allowed"}, {429, "Too Many Requests"},
        {408, "Request Timeout"}, {409, "Conflict"}, {413, "Content Too Large"},
        {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"}, {421, "Misdirected Request"},
        {422, "Unprocessable Content"}, {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].phrase;
    return "Unknown";
}

void rs_reply_init(rs_reply *r)
{
    *r = (rs_reply){.status = 200, .fd = -1};
}

void rs_reply_clear(rs_reply *r)
{
    rs_buf_clear(&r->body);
    if (r->fd >= 0)
        close(r->fd);
    rs_reply_init(r);
}

void rs_reply_field(rs_reply *r, const char *name, const char *value)
{
    if (value && r->n_fields < RS_REPLY_MAX_FIELDS) {
        r->field[r->n_fields].name = name;
        r->field[r->n_fields++].value = value;
    }
}

/* ---- What was asked -------------------------------------------------- */

rs_range_kind rs_range_parse(const char *text, uint64_t size, uint64_t *offset, uint64_t *length)
{
    uint64_t first, last = size ? size - 1 : 0;
    size_t before, after;
    const char *dash;

    *offset = 0;
    *length = size;
    if (!text || strncasecmp(text, "bytes=", 6) != 0)
        return RS_RANGE_NONE;
    text += 6;
    before = strspn(text, "0123456789");
    dash = text + before;
    after = *dash == '-' ? strspn(dash + 1, "0123456789") : 0;
    if (*dash != '-' || dash[1 + after] != '\0' || before > 18 || after > 18 || before + after == 0)
        return RS_RANGE_NONE;
    if (before == 0) {                         /* the last so many bytes */
        uint64_t tail = strtoull(dash + 1, NULL, 10);
        if (tail == 0 || size == 0)
            return RS_RANGE_UNSATISFIABLE;
        *length = tail < size ? tail : size;
        *offset = size - *length;
        return RS_RANGE_PART;
    }
    first = strtoull(text, NULL, 10);
    if (after) {
        uint64_t asked = strtoull(dash + 1, NULL, 10);
        if (asked < first)
            return RS_RANGE_NONE;
        last = asked < last ? asked : last;
    }
    if (first >= size)
        return RS_RANGE_UNSATISFIABLE;
    *offset = first;
    *length = last - first + 1;
    return RS_RANGE_PART;
}

bool rs_etag_listed(const char *list, const char *etag)
{
    size_t n = strlen(etag);

    while (list && *list) {
        list += strspn(list, " \t,");
        if (*list == '*')
            return true;
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        if (strncmp(list, etag, n) == 0 && (list[n] == '\0' || strchr(" \t,", list[n])))
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

bool rs_accepts_gzip(const char *text)
{
    while (text && *text) {
        size_t n;
        text += strspn(text, " \t,");
        n = strcspn(text, " \t,;");
        if ((n == 4 && strncasecmp(text, "gzip", 4) == 0) || (n == 1 && *text == '*')) {
            const char *q = text + n + strspn(text + n, " \t;");
            const bool none = strncasecmp(q, "q=0", 3) == 0 &&
                              strspn(q + 2, "0.") == strcspn(q + 2, " \t,");
            return !none;
        }
        text += strcspn(text, ",");
    }
    return false;
}

/* ---- Fitting --------------------------------------------------------- */

static void drop_body(rs_reply *r)
{
    rs_buf_clear(&r->body);
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    r->length = 0;
}

static void fit_range(rs_reply *r, const rs_http_request *q, rs_arena *mem)
{
    const char *condition = rs_http_field_of(q, "if-range");
    const uint64_t size = rs_reply_length(r);
    uint64_t offset, length;
    rs_range_kind kind;
    const char *text;

    rs_reply_field(r, "Accept-Ranges", "bytes");
    if (condition && (!r->etag || strcmp(condition, r->etag) != 0))
        return;                                /* strong comparison: else the whole */
    kind = rs_range_parse(rs_http_field_of(q, "range"), size, &offset, &length);
    if (kind == RS_RANGE_NONE)
        return;
    text = kind == RS_RANGE_PART
        ? rs_arena_sprintf(mem, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
                           offset + length - 1,
                           size)
        : rs_arena_sprintf(mem, "bytes */%" PRIu64, size);
    if (!text)
        return;
    rs_reply_field(r, "Content-Range", text);
    if (kind == RS_RANGE_PART) {
        r->status = 206;
        r->offset += offset;
        r->length = length;
        if (r->fd < 0) {                       /* a body in memory */
            memmove(r->body.data, r->body.data + offset, (size_t)length);
            r->body.len = (size_t)length;
        }
    } else {
        drop_body(r);
        r->status = 416;
        r->type = NULL;
    }
}

static bool is_text(const char *type)
{
    return type && (strstr(type, "json") || strncmp(type, "text/", 5) == 0);
}

/* Deflate's fastest level: JSON of hits shrinks to a fifth at 150 MB/s. */
static void compress_body(rs_reply *r)
{
    z_stream z = {0};
    rs_buf out = {0};

    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return;                                /* no memory: as it is */
    if (r->body.len <= UINT32_MAX && rs_buf_reserve(&out, deflateBound(&z, r->body.len))) {
        z.next_in = (Bytef *)r->body.data;
        z.avail_in = (uInt)r->body.len;
        z.next_out = (Bytef *)out.data;
        z.avail_out = (uInt)deflateBound(&z, r->body.len);
        if (deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < r->body.len) {
            out.len = z.total_out;
            rs_buf_clear(&r->body);
            r->body = out;
            out = (rs_buf){0};
            r->gzip = true;
        }
    }
    deflateEnd(&z);
    rs_buf_clear(&out);
}

void rs_reply_finish(rs_reply *r, const rs_http_request *q, rs_arena *mem)
{
    const char *known = rs_http_field_of(q, "if-none-match");

    if (r->status == 200 && r->etag && known && rs_etag_listed(known, r->etag)) {
        drop_body(r);
        r->status = 304;
        return;
    }
    if (r->status == 200 && (r->fd >= 0 || (r->etag && !is_text(r->type))))
        fit_range(r, q, mem);
    if (r->fd < 0 && !r->stream && is_text(r->type) && r->body.len >= RS_GZIP_MIN) {
        rs_reply_field(r, "Vary", "Accept-Encoding");
        if (rs_accepts_gzip(rs_http_field_of(q, "accept-encoding")))
            compress_body(r);
    }
}

/* ---- The head -------------------------------------------------------- */

uint64_t rs_reply_length(const rs_reply *r)
{
    return r->fd >= 0 ? r->length : r->body.len;
}

static void put_field(rs_buf *out, const char *name, const char *value)
{
    rs_buf_puts(out, name);
    rs_buf_puts(out, ": ");
    rs_buf_puts(out, value);
    rs_buf_puts(out, "\r\n");
}

/* snprintf would be a tenth of a small answer's time. */
static void put_number(rs_buf *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    rs_buf_append(out, digits + at, sizeof digits - at);
}

void rs_reply_head(const rs_reply *r, const char *date, bool keep_alive, rs_buf *out)
{
    const bool bodiless = r->status == 304 || r->status == 204;

    rs_buf_puts(out, "HTTP/1.1 ");
    put_number(out, (uint64_t)r->status);
    rs_buf_putc(out, ' ');
    rs_buf_puts(out, rs_status_phrase(r->status));
    rs_buf_puts(out, "\r\n");
    put_field(out, "Date", date);
    if (r->type && !bodiless)
        put_field(out, "Content-Type", r->type);
    if (r->stream) {
        put_field(out, "Transfer-Encoding", "chunked");
    } else if (!bodiless) {
        rs_buf_puts(out, "Content-Length: ");
        put_number(out, rs_reply_length(r));
        rs_buf_puts(out, "\r\n");
    }
    if (r->gzip)
        put_field(out, "Content-Encoding", "gzip");
    put_field(out, "Cache-Control", r->cache ? r->cache : "no-store");
    if (r->etag)
        put_field(out, "ETag", r->etag);
    for (size_t i = 0; i < r->n_fields; i++)
        put_field(out, r->field[i].name, r->field[i].value);
    rs_buf_puts(out, "X-Content-Type-Options: nosniff\r\n"
                     "Cross-Origin-Resource-Policy: same-origin\r\n");
    rs_buf_puts(out, keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
}
