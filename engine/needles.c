/* needles.c - see needles.h. Needles hang in chains by their first two bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/needles.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { HEADS = 1 << 16, DEEPEST = 16 };

typedef struct {
    rs_needle *list;
    size_t     n;
    uint32_t  *head, *next;            /* needle + 1 of a chain; 0: its end */
    rs_status (*judge)(void *ctx, const rs_needle *n, const char *file, rs_needle_kind *kind,
                       rs_err *err);
    void      *ctx;
    rs_needle_report *out;
} search;

/* Bytes that are looked through: a file's, or its name. */
typedef struct {
    const char    *path;
    const uint8_t *p;
    size_t         len;
    bool           name;
    bool           over;               /* no need to look on */
} hay;

static size_t head_of(const uint8_t *p)
{
    return (size_t)p[0] | (size_t)p[1] << 8;
}

static rs_status hang(search *s, rs_err *err)
{
    s->head = rs_calloc(HEADS, sizeof *s->head);
    s->next = rs_calloc(s->n + 1, sizeof *s->next);
    if (!s->head || !s->next)
        return rs_fail(err, RS_ENOMEM, "search of files: no memory");
    for (size_t i = 0; i < s->n; i++) {
        uint32_t *head = &s->head[head_of(s->list[i].bytes)];
        s->next[i] = *head;
        *head = (uint32_t)(i + 1);
    }
    return RS_OK;
}

/* One found at `at`: does it belong there? */
static rs_status found(search *s, rs_needle *n, hay *h, size_t at, rs_err *err)
{
    rs_needle_kind kind = RS_NEEDLE_STRAY;
    rs_status st = s->judge(s->ctx, n, h->path, &kind, err);

    if (st != RS_OK)
        return st;
    n->shared = kind == RS_NEEDLE_SHARED;
    h->over = kind != RS_NEEDLE_SHARED;
    if (kind == RS_NEEDLE_STRAY) {
        s->out->found = n;
        s->out->at = h->name ? 0 : at;
        s->out->in_name = h->name;
        snprintf(s->out->file, sizeof s->out->file, "%s", h->path);
    }
    return st;
}

static rs_status search_bytes(search *s, hay *h, rs_err *err)
{
    const uint8_t *p = h->p;
    const size_t len = h->len;
    rs_status st = RS_OK;

    for (size_t i = 0; i + RS_NEEDLE_LEAST <= len && st == RS_OK && !h->over; i++)
        for (uint32_t k = s->head[head_of(p + i)]; k && st == RS_OK && !h->over; k = s->next[k - 1]) {
            rs_needle *n = &s->list[k - 1];
            if (!n->shared && (n->in_names || !h->name) && n->len <= len - i &&
                memcmp(n->bytes, p + i, n->len) == 0)
                st = found(s, n, h, i, err);
        }
    return st;
}

static rs_status search_name(search *s, const char *path, const char *name, rs_err *err)
{
    hay h = {.path = path, .p = (const uint8_t *)name, .len = strlen(name), .name = true};

    return search_bytes(s, &h, err);
}

static rs_status search_file(search *s, const char *path, rs_err *err)
{
    rs_map map = {0};
    rs_status st = rs_map_open(&map, path, err);
    hay h;

    if (st != RS_OK)
        return st;
    s->out->files++;
    s->out->bytes += map.len;
    h = (hay){.path = path, .p = map.data, .len = map.len};
    st = search_bytes(s, &h, err);
    rs_map_close(&map);
    return st;
}

static rs_status search_folder(search *s, const char *folder, int depth, rs_err *err)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    rs_status st = RS_OK;

    if (!d)
        return rs_fail_errno(err, "open folder %s", folder);
    while (st == RS_OK && !s->out->found && (e = readdir(d)) != NULL) {
        struct stat sb;
        char *path;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (!(path = rs_path_join(folder, e->d_name)))
            st = rs_fail(err, RS_ENOMEM, "search of files: no memory");
        else if (lstat(path, &sb) != 0)
            st = errno == ENOENT ? RS_OK : rs_fail_errno(err, "stat %s", path);
        else if ((st = search_name(s, path, e->d_name, err)) != RS_OK || s->out->found)
            ;                                    /* that was it */
        else if (S_ISDIR(sb.st_mode) && depth < DEEPEST)
            st = search_folder(s, path, depth + 1, err);
        else if (S_ISREG(sb.st_mode))
            st = search_file(s, path, err);
        rs_free(path);
    }
    closedir(d);
    return st;
}

rs_status rs_needles_search(const char *folder, rs_needle *list, size_t n,
                            rs_status (*judge)(void *ctx, const rs_needle *n, const char *file,
                                               rs_needle_kind *kind, rs_err *err),
                            void *ctx, rs_needle_report *out, rs_err *err)
{
    search s = {.list = list, .n = n, .judge = judge, .ctx = ctx, .out = out};
    rs_status st;

    *out = (rs_needle_report){0};
    st = hang(&s, err);
    if (st == RS_OK)
        st = search_folder(&s, folder, 0, err);
    rs_free(s.head);
    rs_free(s.next);
    return st;
}
