/* api_views.c - images as they are looked at: GET /v1/images/{key}/{n}/thumbnail, /display and
 * /gray16 (rendition.h says what each is).
 *
 *   the file's digest -> a rendition of it on the disk (renditions.h) -> sent from there
 *                         '-- none: made, sent from memory, kept
 *
 * Only what an erasure can find is kept: files that are as the catalog knows them, since an
 * erasure goes by the catalog's digests. A case that was erased while its rendition was being
 * made would leave that behind; so whoever has kept one asks for the case again, and takes the
 * file away where it is gone. If the case is still there, the erasure's own look at the files
 * comes later, and finds it.
 *
 * A window is computed each time and not kept: there are as many as numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/image.h"
#include "embeddings/rendition.h"
#include "engine/access.h"
#include "engine/files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    rs_exchange  *x;
    rs_worker    *w;
    rs_rendition  kind;
    const rs_case_image *im;
    rs_grey_window window;
    bool          windowed;
} view;

/* ---- What is asked --------------------------------------------------- */

/* "-1024.5": at most seven digits before the point and six behind it, nothing else. */
static bool read_number(const char **at, double *out)
{
    const char *s = *at, *digits = s + (*s == '-');
    size_t n = strspn(digits, "0123456789"), m = 0;

    if (digits[n] == '.')
        m = 1 + strspn(digits + n + 1, "0123456789");
    if (n < 1 || n > 7 || m == 1 || m > 7)
        return false;
    *out = strtod(s, NULL);
    *at = digits + n + m;
    return true;
}

static bool read_window(const char *text, rs_grey_window *w)
{
    return read_number(&text, &w->center) && *text++ == ',' && read_number(&text, &w->width) &&
           *text == '\0' && w->width >= 1;
}

/* false after having answered what is wrong. */
static bool read_parameters(view *v)
{
    const rs_target *t = &v->x->target;

    for (size_t i = 0; i < t->n_params; i++) {
        const rs_http_param *p = &t->param[i];
        if (v->kind != RS_RENDITION_DISPLAY || strcmp(p->name, "window") != 0 || v->windowed) {
            rs_problem_reply(&v->x->reply, RS_PROBLEM_FIELD, p->name, "A display is asked for with "
                             "window, once, or nothing; other renditions with nothing.");
            return false;
        }
        if (!read_window(p->value, &v->window)) {
            rs_problem_reply(&v->x->reply, RS_PROBLEM_FIELD, "window", "window: wanted "
                             "CENTER,WIDTH in the image's samples, of a width from 1.");
            return false;
        }
        v->windowed = true;
    }
    return true;
}

/* ---- On the disk ------------------------------------------------------ */

/* Where the rendition of the file with that digest lies; NULL where it is not to be kept. */
static const char *place_of(const view *v, const char *digest)
{
    if (v->windowed || !v->w->service->renditions || !v->im->sha256 ||
        strcmp(v->im->sha256, digest) != 0)
        return NULL;
    return rs_files_rendition(v->w->service->archive, digest, rs_rendition_file(v->kind),
                              &v->x->mem);
}

/* Has the case, as it is by now, this image? */
static bool is_still_there(view *v)
{
    rs_arena mem = {0};
    rs_case *c;
    bool there = false;

    if (rs_access_case(v->w->archive, NULL, v->x->arg[0], &mem, &c, NULL) == RS_OK)
        for (size_t i = 0; i < c->n_images && !there; i++)
            there = c->images[i].sha256 && strcmp(c->images[i].sha256, v->im->sha256) == 0;
    rs_arena_clear(&mem);
    return there;
}

/* Asked before too: what an erasure's look finds meanwhile counts as not erased. */
static void keep(view *v, const char *path, const rs_buf *bytes)
{
    rs_renditions *r = v->w->service->renditions;

    if (!is_still_there(v))
        return;
    rs_renditions_keep(r, path, bytes->data, bytes->len);
    if (!is_still_there(v))
        rs_renditions_drop(r, path);
}

/* ---- Sending --------------------------------------------------------- */

/* One that is there. RS_ENOENT: none is. */
static rs_status send_kept(view *v, rs_err *err)
{
    rs_reply *r = &v->x->reply;
    rs_digests *digests = v->w->service->digests;
    char hex[RS_SHA256_HEX];
    const char *path;
    uint64_t length;
    int fd;
    rs_status st = rs_api_image_open(v->im, &fd, &length, err);

    if (st != RS_OK)
        return rs_wrap(err, RS_EIO, "image");      /* not to be taken for "none is" */
    st = rs_digests_of(digests, fd, hex, err);
    close(fd);
    if (st != RS_OK)
        return st;
    path = place_of(v, hex);
    if (!path || (r->fd = rs_renditions_open(v->w->service->renditions, path, &r->length)) < 0)
        return RS_ENOENT;
    v->x->view = RS_VIEW_CACHED;
    st = rs_digests_of(digests, r->fd, hex, err);
    return st == RS_OK ? rs_api_image_reply(v->x, rs_rendition_type(v->kind), hex, err) : st;
}

/* What the client is told of an image that no rendition can be made of. */
static void refuse(view *v, const rs_err *err)
{
    rs_reply *r = &v->x->reply;

    if (err->code == RS_EARG)
        rs_problem_reply(r, RS_PROBLEM_FIELD, "window", err->msg);
    else if (err->code == RS_EFORMAT || err->code == RS_ECORRUPT || err->code == RS_ELIMIT)
        rs_problem_reply(r, RS_PROBLEM_IMAGE, NULL, err->msg);
    else
        rs_problem_err_reply(r, err);
}

static rs_status make(view *v, const char *bytes, size_t len, rs_err *err)
{
    rs_buf *body = &v->x->reply.body;
    char hex[RS_SHA256_HEX];
    const char *path;
    rs_status st = rs_rendition_make(&body->data, &body->len, v->kind,
                                     v->windowed ? &v->window : NULL, bytes, len, err);

    body->cap = body->len;
    if (st != RS_OK || (st = rs_sha256_of(hex, bytes, len, err)) != RS_OK)
        return st;
    v->x->view = RS_VIEW_MADE;
    path = place_of(v, hex);                   /* by what was read: it may have changed since */
    if (path)
        keep(v, path, body);
    if ((st = rs_sha256_of(hex, body->data, body->len, err)) == RS_OK)
        st = rs_api_image_reply(v->x, rs_rendition_type(v->kind), hex, err);
    return st;
}

static void send_made(view *v)
{
    rs_err err = {0};
    char *bytes;
    size_t len;

    if (rs_file_read(&bytes, &len, v->im->path, RS_IMAGE_MAX_FILE, &err) != RS_OK) {
        rs_api_image_gone(v->x, &err);
        return;
    }
    if (make(v, bytes, len, &err) != RS_OK)
        refuse(v, &err);
    rs_free(bytes);
}

static void answer(rs_exchange *x, rs_worker *w, rs_rendition kind)
{
    view v = {.x = x, .w = w, .kind = kind};
    rs_err err = {0};
    rs_status st;

    if (!read_parameters(&v) || !(v.im = rs_api_image_of(x, w)))
        return;
    st = send_kept(&v, &err);
    if (st == RS_ENOENT)
        send_made(&v);
    else if (st == RS_ENOMEM)
        rs_api_fail(x, w, &err);
    else if (st != RS_OK)
        rs_api_image_gone(x, &err);
    if (x->reply.status == 200)
        rs_exchange_shows(x, x->arg[0]);
}

void rs_api_thumbnail(rs_exchange *x, rs_worker *w)
{
    answer(x, w, RS_RENDITION_THUMBNAIL);
}

void rs_api_display(rs_exchange *x, rs_worker *w)
{
    answer(x, w, RS_RENDITION_DISPLAY);
}

void rs_api_gray16(rs_exchange *x, rs_worker *w)
{
    answer(x, w, RS_RENDITION_GRAY16);
}
