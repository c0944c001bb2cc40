/* api_archive.c - what the archive holds: counts, a case, an image's file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "base/log.h"
#include "engine/access.h"
#include "server/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void rs_api_json(rs_exchange *x, json_t *o)
{
    char *text = o ? rs_json_text(o) : NULL;

    json_decref(o);
    if (!text) {
        rs_err err = {.code = RS_ENOMEM};
        rs_problem_err_reply(&x->reply, &err);
        return;
    }
    x->reply.type = "application/json";
    x->reply.body = (rs_buf){text, strlen(text), strlen(text) + 1, false};
}

void rs_api_fail(rs_exchange *x, const rs_worker *w, const rs_err *err)
{
    const char *folder = w->service->archive;
    const size_t n = strlen(folder);
    rs_err told = *err;

    if (strncmp(err->msg, "archive ", 8) == 0 && strncmp(err->msg + 8, folder, n) == 0 &&
        strncmp(err->msg + 8 + n, ": ", 2) == 0)
        snprintf(told.msg, sizeof told.msg, "%s", err->msg + 8 + n + 2);
    rs_problem_err_reply(&x->reply, &told);
}

/* RFC 3986, section 2.3: what stands for itself. */
static bool unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static const char *percent_encoded(rs_arena *mem, const char *key)
{
    static const char hex[] = "0123456789ABCDEF";
    char *first = rs_arena_alloc(mem, strlen(key) * 3 + 1, 1), *to = first;

    if (!first)
        return NULL;
    for (const char *s = key; *s; s++) {
        if (unreserved(*s)) {
            *to++ = *s;
            continue;
        }
        *to++ = '%';
        *to++ = hex[(unsigned char)*s >> 4];
        *to++ = hex[(unsigned char)*s & 15];
    }
    return first;
}

const char *rs_api_case_url(rs_arena *mem, const char *key)
{
    const char *encoded = percent_encoded(mem, key);

    return encoded ? rs_arena_sprintf(mem, "/v1/cases/%s", encoded) : NULL;
}

const char *rs_api_image_url(rs_arena *mem, const char *key, size_t n)
{
    const char *encoded = percent_encoded(mem, key);

    return encoded ? rs_arena_sprintf(mem, "/v1/images/%s/%zu", encoded, n) : NULL;
}

void rs_api_stats(rs_exchange *x, rs_worker *w)
{
    rs_err err = {0};
    rs_stats s;

    if (rs_access_stats(w->archive, x->grant.access, &x->mem, &s, &err) != RS_OK)
        rs_api_fail(x, w, &err);
    else
        rs_api_json(x, rs_wire_stats(&s, NULL, 0, false));
}

/* ?filter=EXPR&attribute=NAME, the latter any number of times. */
void rs_api_facets(rs_exchange *x, rs_worker *w)
{
    const char *filter = NULL, *attributes[RS_TARGET_PARAMS];
    rs_facet_report r;
    rs_err err = {0};
    size_t n = 0;

    for (size_t i = 0; i < x->target.n_params; i++) {
        const rs_http_param *p = &x->target.param[i];
        if (strcmp(p->name, "attribute") == 0) {
            attributes[n++] = p->value;
        } else if (strcmp(p->name, "filter") == 0 && !filter) {
            filter = p->value;
        } else {
            rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, p->name, "Facets are asked for with "
                             "filter, once, and attribute.");
            return;
        }
    }
    if (rs_access_facets(w->archive, x->grant.access, filter, attributes, n, &x->mem, &r,
                         &err) != RS_OK)
        rs_api_fail(x, w, &err);
    else
        rs_api_json(x, rs_wire_facets(&r));
}

/* ---- A case ---------------------------------------------------------- */

typedef struct { rs_arena *mem; const rs_case *c; } one_case;

static const char *image_name(void *ctx, const char *key, const char *path)
{
    const one_case *o = ctx;

    for (size_t i = 0; i < o->c->n_images; i++)
        if (o->c->images[i].path == path)
            return rs_api_image_url(o->mem, key, i);
    return NULL;
}

void rs_api_case(rs_exchange *x, rs_worker *w)
{
    rs_err err = {0};
    rs_mention *m = NULL;
    size_t n = 0;
    rs_case *c;
    rs_status st = rs_access_case(w->archive, x->grant.access, x->arg[0], &x->mem, &c, &err);

    if (st == RS_OK && c->report)
        st = rs_report_mentions(rs_archive_lexicon(w->archive), c->report, c->sections,
                                c->n_sections, &x->mem, &m, &n, &err);
    if (st != RS_OK) {
        rs_api_fail(x, w, &err);
    } else {
        one_case ctx = {&x->mem, c};
        rs_wire wire = {.image = image_name, .thumbnail = "/thumbnail", .ctx = &ctx};
        rs_exchange_shows(x, x->arg[0]);
        rs_api_json(x, rs_wire_case(c, m, n, &wire));
    }
}

/* ---- An image's file ------------------------------------------------- */

/* By the file's first bytes, never by its name. */
static const char *type_by_signature(int fd)
{
    static const struct { const char *type; size_t at, n; const char *bytes; } kinds[] = {
        {"image/png", 0, 8, "\x89PNG\r\n\x1a\n"}, {"image/jpeg", 0, 3, "\xff\xd8\xff"},
        {"image/jp2", 0, 12, "\0\0\0\x0cjP  \r\n\x87\n"}, {"application/dicom", 128, 4, "DICM"},
    };
    char head[132];
    ssize_t n = pread(fd, head, sizeof head, 0);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= (ssize_t)(kinds[i].at + kinds[i].n) &&
            memcmp(head + kinds[i].at, kinds[i].bytes, kinds[i].n) == 0)
            return kinds[i].type;
    return NULL;
}

rs_status rs_api_image_open(const rs_case_image *im, int *fd, uint64_t *length, rs_err *err)
{
    struct stat sb;

    *fd = open(im->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return rs_fail_errno(err, "open %s", im->path);
    if (fstat(*fd, &sb) == 0 && S_ISREG(sb.st_mode)) {
        *length = (uint64_t)sb.st_size;
        return RS_OK;
    }
    close(*fd);
    *fd = -1;
    return rs_fail(err, RS_EIO, "%s is no regular file", im->path);
}

void rs_api_image_gone(rs_exchange *x, const rs_err *err)
{
    rs_log_error(RS_LOG_ERROR, "image not served", err);
    rs_problem_reply(&x->reply, RS_PROBLEM_NOT_FOUND, NULL, "The image's file is not where it "
                     "was when it was indexed; the server's log names it.");
}

rs_status rs_api_image_reply(rs_exchange *x, const char *type, const char *digest, rs_err *err)
{
    rs_reply *r = &x->reply;

    r->type = type;
    r->etag = rs_arena_sprintf(&x->mem, "\"%s\"", digest);
    r->cache = "private, no-cache";            /* kept, but asked about each time */
    rs_reply_field(r, "Content-Security-Policy", "default-src 'none'; sandbox");
    return r->etag ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for an ETag");
}

const rs_case_image *rs_api_image_of(rs_exchange *x, rs_worker *w)
{
    const size_t digits = strspn(x->arg[1], "0123456789");
    rs_err err = {0};
    rs_case *c;
    size_t n;

    if (digits == 0 || digits > 6 || x->arg[1][digits] != '\0') {
        rs_problem_reply(&x->reply, RS_PROBLEM_NOT_FOUND, NULL,
                         "An image is named by its case's key and its number among the case's, "
                         "from 0.");
        return NULL;
    }
    n = strtoul(x->arg[1], NULL, 10);
    if (rs_access_case(w->archive, x->grant.access, x->arg[0], &x->mem, &c, &err) != RS_OK)
        rs_api_fail(x, w, &err);
    else if (n >= c->n_images)
        rs_problem_reply(&x->reply, RS_PROBLEM_NOT_FOUND, NULL, "The case has fewer images.");
    else
        return &c->images[n];
    return NULL;
}

/* The file that the catalog names, as the answer. */
static rs_status open_image(rs_exchange *x, rs_worker *w, const rs_case_image *im, rs_err *err)
{
    rs_reply *r = &x->reply;
    char hex[RS_SHA256_HEX];
    const char *type;
    rs_status st;

    if ((st = rs_api_image_open(im, &r->fd, &r->length, err)) != RS_OK ||
        (st = rs_digests_of(w->service->digests, r->fd, hex, err)) != RS_OK)
        return st;
    type = type_by_signature(r->fd);
    if (!type)                                 /* no picture: nothing that a browser may run */
        rs_reply_field(r, "Content-Disposition", "attachment");
    return rs_api_image_reply(x, type ? type : "application/octet-stream", hex, err);
}

void rs_api_image(rs_exchange *x, rs_worker *w)
{
    const rs_case_image *im = rs_api_image_of(x, w);
    rs_err err = {0};

    if (!im)
        return;
    if (open_image(x, w, im, &err) != RS_OK)
        rs_api_image_gone(x, &err);
    else
        rs_exchange_shows(x, x->arg[0]);
}
