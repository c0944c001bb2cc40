/* case_request.c - see case_request.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/case_request.h"

#include "base/bytes.h"
#include "embeddings/image.h"
#include "server/multipart.h"

#include <stdio.h>
#include <string.h>

enum { MAX_KEY = 512, KEY_DIGITS = 32 };

/* "FIELD: what is wrong", and FIELD by itself. */
static rs_status wrong(rs_case_request *c, const char *field, const char *what, rs_err *err)
{
    snprintf(c->field, sizeof c->field, "%s", field);
    return rs_fail(err, RS_EARG, "%s: %s", field, what);
}

/* ---- Idempotency-Key -------------------------------------------------- */

static rs_status read_repeat_key(rs_case_request *c, const rs_http_request *r, rs_err *err)
{
    const char *key = rs_http_field_of(r, "idempotency-key");
    const size_t n = key ? strlen(key) : 0;

    c->repeat_key = key;
    if (key && (n == 0 || n > RS_CASE_REPEAT_KEY))
        return wrong(c, "Idempotency-Key", "wanted 1 to 255 characters", err);
    for (size_t i = 0; i < n; i++)
        if (key[i] < ' ' || key[i] > '~')
            return wrong(c, "Idempotency-Key", "wanted printable ASCII", err);
    return RS_OK;
}

/* ---- The document ----------------------------------------------------- */

/* How many values and levels the text has, were it JSON: at least, and at most. */
static void measure(const char *text, size_t len, size_t *values, size_t *depth)
{
    size_t now = 0;
    bool quoted = false;

    *values = 1;
    *depth = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        if (quoted)
            continue;
        *values += text[i] == ',' || text[i] == '[' || text[i] == '{' || text[i] == ':';
        now += text[i] == '[' || text[i] == '{';
        *depth = now > *depth ? now : *depth;
        now -= now > 0 && (text[i] == ']' || text[i] == '}');
    }
}

static bool begins_object(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && text[i] && strchr(" \t\r\n", text[i]))
        i++;
    return i < len && text[i] == '{';
}

static rs_status read_document(rs_case_request *c, const char *text, size_t len, rs_err *err)
{
    const char *field, *why;
    size_t values, depth;
    rs_status st;

    if (c->document)
        return wrong(c, "case", "is there twice", err);
    if (len > RS_CASE_JSON_BYTES)
        return wrong(c, "case", "is longer than 1 MiB", err);
    if (!begins_object(text, len))             /* a file in its place, say */
        return wrong(c, "case", "wanted a JSON object", err);
    measure(text, len, &values, &depth);
    if (values > RS_CASE_JSON_VALUES)
        return wrong(c, "case", "has more than 10000 values", err);
    if (depth > RS_CASE_JSON_DEPTH)
        return wrong(c, "case", "is nested deeper than 32 levels", err);
    if ((st = rs_json_parse(&c->document, text, len, "case", err)) != RS_OK) {
        snprintf(c->field, sizeof c->field, "case");
        return st;
    }
    field = rs_row_unread(c->document, &why);
    return field ? wrong(c, field, why, err) : RS_OK;
}

/* ---- The form --------------------------------------------------------- */

/* Pixels that it takes time to decode; one that cannot be read takes none. */
static size_t pixels_of(const rs_source_image *im)
{
    size_t width, height;

    return rs_image_size(&width, &height, im->bytes, im->len, NULL) == RS_OK ? width * height : 0;
}

static rs_status add_image(rs_case_request *c, rs_source_image *images, const rs_part *p,
                           rs_arena *mem, rs_err *err)
{
    rs_source_image *im = &images[c->from.n_images];
    char *sha256;

    if (c->from.n_images == RS_CASE_IMAGES)
        return wrong(c, "image", "a case has at most 64", err);
    im->given = p->filename && *p->filename
        ? rs_arena_sprintf(mem, "image %zu (%.80s)", c->from.n_images, p->filename)
        : rs_arena_sprintf(mem, "image %zu", c->from.n_images);
    im->bytes = p->bytes;
    im->len = p->len;
    c->pixels += pixels_of(im);
    if (c->pixels > RS_CASE_PIXELS)
        return wrong(c, "image", "the images have more than 512 million pixels together", err);
    im->sha256 = sha256 = rs_arena_alloc(mem, RS_SHA256_HEX, 1);
    c->from.n_images++;
    if (!im->given || !sha256)
        return rs_fail(err, RS_ENOMEM, "no memory for a case");
    return rs_sha256_of(sha256, p->bytes, p->len, err);
}

static rs_status read_form(rs_case_request *c, const rs_http_request *r, rs_source_image *images,
                           rs_arena *mem, rs_err *err)
{
    rs_part *parts;
    size_t n;
    rs_status st = rs_multipart_parse(rs_http_field_of(r, "content-type"),
                                      r->body.len ? r->body.data : "", r->body.len, mem, &parts,
                                      &n, err);

    for (size_t i = 0; i < n && st == RS_OK; i++) {
        if (strcmp(parts[i].name, "case") == 0)
            st = read_document(c, parts[i].bytes, parts[i].len, err);
        else if (strcmp(parts[i].name, "image") == 0)
            st = add_image(c, images, &parts[i], mem, err);
        else
            st = wrong(c, parts[i].name, "a form has the parts case, once, and image", err);
    }
    if (st == RS_OK && !c->document)
        st = wrong(c, "case", "the form has no such part, which says what the case is", err);
    return st;
}

/* ---- Key and digest --------------------------------------------------- */

static void add_text(rs_sha256 *h, const char *text, size_t n)
{
    char length[32];

    snprintf(length, sizeof length, "%zu:", n);
    rs_sha256_add(h, length, strlen(length));
    rs_sha256_add(h, text, n);
}

/* Of the parts, whatever stands between them in a form; and of `first` before. */
static bool digest(const rs_case_request *c, const char *document, const char *first,
                   char hex[RS_SHA256_HEX])
{
    rs_sha256 *h = rs_sha256_new();

    if (!h)
        return false;
    add_text(h, first, strlen(first));
    add_text(h, document, strlen(document));
    for (size_t i = 0; i < c->from.n_images; i++)
        add_text(h, c->from.images[i].sha256, strlen(c->from.images[i].sha256));
    rs_sha256_end(h, hex);
    return true;
}

/* A key that can be told, asked for by an address, and stand in a log. */
static rs_status check_key(rs_case_request *c, const char *field, const char *key, rs_err *err)
{
    const size_t n = strlen(key);

    if (n > MAX_KEY)
        return wrong(c, field, "a key has at most 512 bytes", err);
    if (strcmp(key, ".") == 0 || strcmp(key, "..") == 0)
        return wrong(c, field, "no address can have such a key", err);
    for (size_t i = 0, k; i < n; i += k)
        if ((k = rs_utf8_length((const unsigned char *)key + i, n - i)) == 0 ||
            (unsigned char)key[i] < ' ' || key[i] == 0x7f)
            return wrong(c, field, "a key is UTF-8 without control characters", err);
    return RS_OK;
}

/* `document`: the same as text, in one spelling. */
static rs_status make_case(rs_case_request *c, const char *key, const char *document,
                           rs_source_image *images, rs_arena *mem, rs_err *err)
{
    const size_t n = c->from.n_images;
    const char *made = key, *own;
    char hex[RS_SHA256_HEX];
    rs_status st;

    c->from.images = images;
    if (!digest(c, document, "", hex))
        return rs_fail(err, RS_ENOMEM, "no memory for a case");
    if (!made && !(made = rs_arena_sprintf(mem, "sent-%.*s", KEY_DIGITS, hex)))
        return rs_fail(err, RS_ENOMEM, "no memory for a case");
    if ((st = rs_row_sent(c->document, made, images, n, mem, &c->from, err)) != RS_OK)
        return st;
    own = c->from.key;
    if (key && strcmp(own, key) != 0)
        return wrong(c, "case_id", "is another key than the address has: leave it out", err);
    if ((st = check_key(c, key ? "key" : "case_id", own, err)) != RS_OK)
        return st;
    if (!n && !c->from.report && !c->from.n_parts && !c->from.title)
        return wrong(c, "case", "it has neither an image nor a text; images are sent as parts "
                     "\"image\" of a form", err);
    return c->from.problem ? wrong(c, "case", c->from.problem, err) : RS_OK;
}

rs_status rs_case_request_read(rs_case_request *c, const rs_http_request *r, const char *key,
                               rs_arena *mem, rs_err *err)
{
    rs_source_image *images = rs_new(mem, rs_source_image, RS_CASE_IMAGES);
    const char *document, *first;
    rs_status st;

    *c = (rs_case_request){0};
    if (!images)
        return rs_fail(err, RS_ENOMEM, "no memory for a case");
    if ((st = read_repeat_key(c, r, err)) != RS_OK)
        return st;
    st = rs_http_type_is(rs_http_field_of(r, "content-type"), "multipart/form-data")
        ? read_form(c, r, images, mem, err)
        : read_document(c, r->body.len ? r->body.data : "", r->body.len, err);
    if (st != RS_OK)
        return st;
    if (!(document = rs_json_keep(json_incref(c->document), mem)))
        return rs_fail(err, RS_ENOMEM, "no memory for a case");
    if ((st = make_case(c, key, document, images, mem, err)) != RS_OK)
        return st;
    first = rs_arena_sprintf(mem, "%s %s", rs_http_method_name(r->method), c->from.key);
    return first && digest(c, document, first, c->sha256)
        ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a case");
}

void rs_case_request_clear(rs_case_request *c)
{
    json_decref(c->document);
    c->document = NULL;
}
