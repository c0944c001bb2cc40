/* arena.c - see arena.h. A list of blocks, each at least twice the one before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BLOCK = 16 * 1024, ALIGN = 64 };

struct rs_arena_block {
    rs_arena_block *before;
    size_t size, used;
    unsigned char *bytes;        /* aligned; inside this allocation */
};

static rs_arena_block *block_new(size_t size)
{
    rs_arena_block *b;

    if (size > SIZE_MAX - sizeof *b - ALIGN)
        return NULL;
    b = rs_malloc(sizeof *b + ALIGN + size);
    if (!b)
        return NULL;
    b->before = NULL;
    b->size = size;
    b->used = 0;
    b->bytes = (unsigned char *)(b + 1);
    b->bytes += (ALIGN - (uintptr_t)b->bytes % ALIGN) % ALIGN;
    return b;
}

void *rs_arena_alloc(rs_arena *a, size_t n, size_t size)
{
    size_t bytes, want;
    rs_arena_block *b = a->last;
    void *p;

    if (size && n > (SIZE_MAX / 4) / size)
        return NULL;
    bytes = (n * size + ALIGN - 1) / ALIGN * ALIGN;
    if (!b || b->size - b->used < bytes) {
        want = b ? 2 * b->size : FIRST_BLOCK;
        b = block_new(want < bytes ? bytes : want);
        if (!b)
            return NULL;
        b->before = a->last;
        a->last = b;
    }
    p = b->bytes + b->used;
    b->used += bytes;
    a->used_bytes += bytes;
    memset(p, 0, bytes);
    return p;
}

char *rs_arena_strndup(rs_arena *a, const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = rs_arena_alloc(a, len + 1, 1);

    if (copy)
        memcpy(copy, s, len);
    return copy;
}

char *rs_arena_strdup(rs_arena *a, const char *s)
{
    return rs_arena_strndup(a, s, strlen(s));
}

char *rs_arena_sprintf(rs_arena *a, const char *fmt, ...)
{
    va_list ap;
    char *text;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0 || !(text = rs_arena_alloc(a, (size_t)len + 1, 1)))
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return text;
}

void rs_arena_reset(rs_arena *a)
{
    rs_arena_block *keep = a->last;     /* the last block is the largest */
    rs_arena_block *b = keep ? keep->before : NULL;

    while (b) {
        rs_arena_block *before = b->before;
        rs_free(b);
        b = before;
    }
    if (keep) {
        keep->before = NULL;
        keep->used = 0;
    }
    a->used_bytes = 0;
}

void rs_arena_clear(rs_arena *a)
{
    rs_arena_reset(a);
    rs_free(a->last);
    a->last = NULL;
}
