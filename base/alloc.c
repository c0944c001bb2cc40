/* alloc.c - see alloc.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    RS_ALIGN = 64,
    HUGE_PAGE = 2 << 20, LARGE = 1 << 20     /* from LARGE bytes on, huge pages are asked for */
};

static atomic_size_t live, total;
static atomic_long fail_after = -1;

/* Whether this allocation may go ahead; counts the hook down. */
static int allowed(void)
{
    long left = atomic_load(&fail_after);

    while (left >= 0) {
        if (left == 0)
            return 0;
        if (atomic_compare_exchange_weak(&fail_after, &left, left - 1))
            return 1;
    }
    return 1;
}

static void *counted(void *p)
{
    if (p) {
        atomic_fetch_add(&live, 1);
        atomic_fetch_add(&total, 1);
    }
    return p;
}

void *rs_malloc(size_t size)
{
    return allowed() ? counted(malloc(size ? size : 1)) : NULL;
}

void *rs_calloc(size_t n, size_t size)
{
    if ((size && n > SIZE_MAX / size) || !allowed())
        return NULL;
    return counted(calloc(n ? n : 1, size ? size : 1));
}

void *rs_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    void *q;

    if (size && n > SIZE_MAX / size)
        return NULL;
    if (!p)
        return rs_malloc(n * size);
    if (!allowed())
        return NULL;
    bytes = n * size;
    q = realloc(p, bytes > 0 ? bytes : 1);
    if (q)
        atomic_fetch_add(&total, 1);
    return q;
}

void rs_free(void *p)
{
    if (!p)
        return;
    atomic_fetch_sub(&live, 1);
    free(p);
}

char *rs_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = rs_malloc(len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *rs_strdup(const char *s)
{
    return rs_strndup(s, strlen(s));
}

char *rs_sprintf(const char *fmt, ...)
{
    va_list ap;
    char *text;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len < 0 || !(text = rs_malloc((size_t)len + 1)))
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, ap);
    va_end(ap);
    return text;
}

/* Weights are read from end to end for each query: with pages of 4 KiB much of that time
 * goes to finding them. The kernel is free to say no. */
static void ask_for_huge_pages(void *p, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(p, bytes, MADV_HUGEPAGE);
#else
    (void)p, (void)bytes;
#endif
}

void *rs_calloc_aligned(size_t n, size_t size)
{
    const bool large = size && n >= LARGE / size;
    size_t bytes;
    void *p = NULL;

    if ((size && n > (SIZE_MAX - HUGE_PAGE) / size) || !allowed())
        return NULL;
    bytes = n * size;
    if (posix_memalign(&p, large ? HUGE_PAGE : RS_ALIGN, bytes > 0 ? bytes : 1) != 0)
        return NULL;
    if (large)
        ask_for_huge_pages(p, bytes);
    memset(p, 0, bytes);
    return counted(p);
}

void rs_alloc_fail_after(long k) { atomic_store(&fail_after, k); }
size_t rs_alloc_live(void) { return atomic_load(&live); }
size_t rs_alloc_total(void) { return atomic_load(&total); }
