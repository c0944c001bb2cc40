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
    rs_status (*shared)(void *ctx, const rs_needle *n, bool *yes, rs_err *err);
    void      *ctx;
    rs_needle_report *out;
} search;

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

/* One found at `at` of a file: does it belong there? */
static rs_status judge(search *s, rs_needle *n, const char *path, size_t at, rs_err *err)
{
    rs_status st = s->shared(s->ctx, n, &n->shared, err);

    if (st == RS_OK && !n->shared) {
        s->out->found = n;
        s->out->at = at;
        snprintf(s->out->file, sizeof s->out->file, "%s", path);
    }
    return st;
}

static rs_status search_bytes(search *s, const char *path, const uint8_t *p, size_t len, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; i + RS_NEEDLE_LEAST <= len; i++)
        for (uint32_t k = s->head[head_of(p + i)]; k && st == RS_OK && !s->out->found;
             k = s->next[k - 1]) {
            rs_needle *n = &s->list[k - 1];
            if (!n->shared && n->len <= len - i && memcmp(n->bytes, p + i, n->len) == 0)
                st = judge(s, n, path, i, err);
        }
    return st;
}

static rs_status search_file(search *s, const char *path, rs_err *err)
{
    rs_map map = {0};
    rs_status st = rs_map_open(&map, path, err);

    if (st != RS_OK)
        return st;
    s->out->files++;
    s->out->bytes += map.len;
    st = search_bytes(s, path, map.data, map.len, err);
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
                            rs_status (*shared)(void *ctx, const rs_needle *n, bool *yes, rs_err *err),
                            void *ctx, rs_needle_report *out, rs_err *err)
{
    search s = {.list = list, .n = n, .shared = shared, .ctx = ctx, .out = out};
    rs_status st;

    *out = (rs_needle_report){0};
    st = hang(&s, err);
    if (st == RS_OK)
        st = search_folder(&s, folder, 0, err);
    rs_free(s.head);
    rs_free(s.next);
    return st;
}
