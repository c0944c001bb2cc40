/* shingle.c - see shingle.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/shingle.h"

#include <stdlib.h>

/* FNV-1a, with a byte between stems. */
static uint64_t hash(const rs_token *tokens, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++) {
        for (const char *s = tokens[i].text; *s; s++)
            h = (h ^ (unsigned char)*s) * 1099511628211u;
        h = (h ^ 0xff) * 1099511628211u;
    }
    return h;
}

static int by_hash(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

bool rs_shingles_make(rs_shingles *out, const rs_token *tokens, size_t n, size_t size,
                      rs_arena *mem)
{
    size_t each = n < size ? n : size, made = n ? n - each + 1 : 0;

    *out = (rs_shingles){rs_new(mem, uint64_t, made + 1), 0};
    if (!out->hashes)
        return false;
    for (size_t i = 0; i < made; i++)
        out->hashes[i] = hash(tokens + i, each);
    qsort(out->hashes, made, sizeof *out->hashes, by_hash);
    for (size_t i = 0; i < made; i++)
        if (i == 0 || out->hashes[i] != out->hashes[out->n - 1])
            out->hashes[out->n++] = out->hashes[i];
    return true;
}

static size_t common(const rs_shingles *a, const rs_shingles *b)
{
    size_t i = 0, k = 0, n = 0;

    while (i < a->n && k < b->n) {
        const uint64_t x = a->hashes[i], y = b->hashes[k];
        n += x == y;
        i += x <= y;
        k += y <= x;
    }
    return n;
}

double rs_shingles_jaccard(const rs_shingles *a, const rs_shingles *b)
{
    size_t both = common(a, b), any = a->n + b->n - both;

    return any ? (double)both / (double)any : 0;
}

double rs_shingles_within(const rs_shingles *a, const rs_shingles *b)
{
    return a->n ? (double)common(a, b) / (double)a->n : 0;
}
