/* alloc.h - all heap memory goes through here, counted, with a hook that makes
 * the k-th allocation fail, so that tests can walk every out-of-memory path.
 *
 * Threading: any thread. The counters are atomic; the failure hook counts
 * allocations of all threads together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_ALLOC_H
#define RS_BASE_ALLOC_H

#include <stddef.h>

/* n * size bytes; NULL on out-of-memory or if the product overflows. Never NULL
 * for a size of 0 that succeeds. rs_malloc's bytes are not initialised. */
void *rs_malloc(size_t size);
void *rs_calloc(size_t n, size_t size);
/* Grow or shrink to n * size bytes; on failure NULL and `p` stays valid. */
void *rs_realloc(void *p, size_t n, size_t size);
void  rs_free(void *p);                          /* NULL is fine */
char *rs_strdup(const char *s);
char *rs_strndup(const char *s, size_t n);       /* copies at most n bytes, adds NUL */
char *rs_sprintf(const char *fmt, ...)           /* caller frees; NULL on OOM */
#if defined(__GNUC__)
    __attribute__((format(printf, 1, 2)))
#endif
    ;
/* 64-byte aligned, zeroed, for float blocks, the large ones in huge pages where the kernel
 * grants them; ended with rs_free(). */
void *rs_calloc_aligned(size_t n, size_t size);

/* Tests: let k more allocations succeed, then fail every one; -1 switches off. */
void   rs_alloc_fail_after(long k);
size_t rs_alloc_live(void);       /* allocations not yet freed */
size_t rs_alloc_total(void);      /* allocations ever made */

#endif
