/* arena.h - memory that lives as long as one query or one batch.
 *
 * Blocks are taken from rs_malloc and grow; nothing is freed on its own, one
 * rs_arena_clear() ends it all. {0} is a valid empty arena. One thread at a time.
 *
 *   rs_arena mem = {0};
 *   float *score = rs_new(&mem, float, n);      zeroed; NULL on OOM or overflow
 *   ...
 *   rs_arena_clear(&mem);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_ARENA_H
#define RS_BASE_ARENA_H

#include <stddef.h>

typedef struct rs_arena_block rs_arena_block;
typedef struct {
    rs_arena_block *last;
    size_t used_bytes;          /* handed out so far, for reports */
} rs_arena;

/* n * size zeroed bytes, 64-byte aligned; NULL on out-of-memory or overflow. */
void *rs_arena_alloc(rs_arena *a, size_t n, size_t size);
char *rs_arena_strdup(rs_arena *a, const char *s);
char *rs_arena_strndup(rs_arena *a, const char *s, size_t n);
char *rs_arena_sprintf(rs_arena *a, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* Forget everything but keep the largest block for the next round. */
void  rs_arena_reset(rs_arena *a);
/* Free everything; the arena is empty and usable again. */
void  rs_arena_clear(rs_arena *a);

#define rs_new(arena, type, n) ((type *)rs_arena_alloc((arena), (n), sizeof(type)))

#endif
