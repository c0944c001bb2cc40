/* needles.c - see needles.h.
 *
 * A needle has six bytes or more, so wherever it is, one of its first three blocks of four begins
 * at a multiple of three: only these places are looked at, in a table of all such blocks. Most
 * are told off by a bit in a map that fits into the nearest cache (Wu and Manber 1994 skip the
 * same way, with the last block).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/needles.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BLOCK = 4, STRIDE = RS_NEEDLE_LEAST - BLOCK + 1,
    BITS_LEAST = 16, BITS_MOST = 24,   /* of the table's size; ROOM places an entry */
    ROOM = 8, DEEPEST = 16
};

typedef struct {
    rs_needle *list;
    size_t     n;
    unsigned   shift;                  /* of a hash, to a place in the table */
    uint8_t   *map;                    /* a bit a place: is a chain there? */
    uint32_t  *head, *next;            /* chains of blocks: STRIDE * needle + its place in that, + 1;
                                          0: the end */
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

/* Knuth's multiplicative hash, its upper bits. */
static size_t place_of(const search *s, const uint8_t *p)
{
    uint32_t block;

    memcpy(&block, p, sizeof block);
    return block * UINT32_C(2654435761) >> s->shift;
}

static rs_status hang(search *s, rs_err *err)
{
    const size_t blocks = STRIDE * s->n;
    unsigned bits = BITS_LEAST;

    while (bits < BITS_MOST && (size_t)1 << bits < ROOM * blocks)
        bits++;
    s->shift = 32 - bits;
    s->map = rs_calloc((size_t)1 << bits >> 3, 1);
    s->head = rs_calloc((size_t)1 << bits, sizeof *s->head);
    s->next = rs_calloc(blocks + 1, sizeof *s->next);
    if (!s->map || !s->head || !s->next)
        return rs_fail(err, RS_ENOMEM, "search of files: no memory");
    for (size_t i = 0; i < blocks; i++) {
        const size_t at = place_of(s, (const uint8_t *)s->list[i / STRIDE].bytes + i % STRIDE);
        s->map[at >> 3] |= (uint8_t)(1u << (at & 7));
        s->next[i] = s->head[at];
        s->head[at] = (uint32_t)(i + 1);
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

    for (size_t i = 0; i + BLOCK <= len && st == RS_OK && !h->over; i += STRIDE) {
        const size_t at = place_of(s, p + i);
        if (!(s->map[at >> 3] >> (at & 7) & 1))
            continue;
        for (uint32_t k = s->head[at]; k && st == RS_OK && !h->over; k = s->next[k - 1]) {
            rs_needle *n = &s->list[(k - 1) / STRIDE];
            const size_t into = (k - 1) % STRIDE, from = i - into;
            if (into <= i && !n->shared && (n->in_names || !h->name) && n->len <= len - from &&
                memcmp(n->bytes, p + from, n->len) == 0)
                st = found(s, n, h, from, err);
        }
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
        return st == RS_ENOENT ? RS_OK : st;     /* gone since: a temporary file, say */
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
    rs_free(s.map);
    rs_free(s.head);
    rs_free(s.next);
    return st;
}
