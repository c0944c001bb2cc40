/* bpe.c - see bpe_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/bpe_int.h"

#include "base/alloc.h"

#include <string.h>

/* ---- The table ------------------------------------------------------- */

rs_status rs_bpe_init(rs_bpe *b, size_t n_merges, rs_err *err)
{
    size_t places = 4;

    *b = (rs_bpe){0};
    if (n_merges > UINT32_MAX / 4)
        return rs_fail(err, RS_ELIMIT, "%zu merges are too many", n_merges);
    while (places < 2 * n_merges)
        places *= 2;
    b->slot = rs_malloc(places * sizeof *b->slot);
    if (!b->slot)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu merges", n_merges);
    memset(b->slot, 0xff, places * sizeof *b->slot);       /* every rank RS_BPE_NONE */
    b->mask = places - 1;
    return RS_OK;
}

void rs_bpe_clear(rs_bpe *b)
{
    rs_free(b->slot);
    *b = (rs_bpe){0};
}

/* Where the pair is or would go. */
static size_t place_of(const rs_bpe *b, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 32) & b->mask;

    while (b->slot[i].rank != RS_BPE_NONE &&
           (b->slot[i].left != left || b->slot[i].right != right))
        i = (i + 1) & b->mask;
    return i;
}

bool rs_bpe_add(rs_bpe *b, uint32_t left, uint32_t right, uint32_t into)
{
    size_t i = place_of(b, left, right);

    if (b->slot[i].rank != RS_BPE_NONE || b->n >= (b->mask + 1) / 2)
        return false;
    b->slot[i] = (rs_bpe_merge){left, right, b->n++, into};
    return true;
}

const rs_bpe_merge *rs_bpe_find(const rs_bpe *b, uint32_t left, uint32_t right)
{
    const rs_bpe_merge *m;

    if (!b->slot)
        return NULL;
    m = &b->slot[place_of(b, left, right)];
    return m->rank == RS_BPE_NONE ? NULL : m;
}

/* ---- Short words: look at every pair, join the best, again ------------ */

static void apply_short(const rs_bpe *b, uint32_t *symbol, size_t *n)
{
    const rs_bpe_merge *pair[RS_BPE_SHORT];      /* pair[i] joins symbol[i], symbol[i + 1] */
    size_t len = *n;

    for (size_t i = 0; i + 1 < len; i++)
        pair[i] = rs_bpe_find(b, symbol[i], symbol[i + 1]);
    for (;;) {
        uint32_t best = RS_BPE_NONE;
        size_t at = 0;

        for (size_t i = 0; i + 1 < len; i++)
            if (pair[i] && pair[i]->rank < best) {
                best = pair[i]->rank;
                at = i;
            }
        if (best == RS_BPE_NONE)
            break;
        symbol[at] = pair[at]->into;
        len--;
        for (size_t i = at + 1; i < len; i++) {
            symbol[i] = symbol[i + 1];
            pair[i - 1] = pair[i];               /* pair[at] is looked up again below */
        }
        if (at + 1 < len)
            pair[at] = rs_bpe_find(b, symbol[at], symbol[at + 1]);
        if (at > 0)
            pair[at - 1] = rs_bpe_find(b, symbol[at - 1], symbol[at]);
    }
    *n = len;
}

/* ---- Long words: a heap over a linked list ---------------------------- */

typedef struct { uint32_t rank, at; } candidate;

typedef struct {
    const rs_bpe *bpe;
    uint32_t *symbol;            /* [n], RS_BPE_NONE where joined into its left */
    uint32_t *next, *prev;       /* [n], RS_BPE_NONE at the ends */
    candidate *heap;             /* lowest rank, then leftmost, on top */
    size_t n_heap;
} long_word;

static bool before(candidate a, candidate b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.at < b.at);
}

static void heap_push(long_word *w, candidate c)
{
    size_t i = w->n_heap++;

    for (; i > 0 && before(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static candidate heap_pop(long_word *w)
{
    candidate top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < w->n_heap) {
        if (child + 1 < w->n_heap && before(w->heap[child + 1], w->heap[child]))
            child++;
        if (!before(w->heap[child], last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* The merge of the symbol at `at` with the one that follows now, or NULL. */
static const rs_bpe_merge *pair_at(const long_word *w, uint32_t at)
{
    if (w->symbol[at] == RS_BPE_NONE || w->next[at] == RS_BPE_NONE)
        return NULL;
    return rs_bpe_find(w->bpe, w->symbol[at], w->symbol[w->next[at]]);
}

static void offer(long_word *w, uint32_t at)
{
    const rs_bpe_merge *m = pair_at(w, at);

    if (m)
        heap_push(w, (candidate){m->rank, at});
}

static void join_all(long_word *w)
{
    while (w->n_heap) {
        candidate c = heap_pop(w);
        const rs_bpe_merge *m = pair_at(w, c.at);
        uint32_t gone;

        if (!m || m->rank != c.rank)
            continue;                            /* one of the two has changed since */
        gone = w->next[c.at];
        w->symbol[c.at] = m->into;
        w->symbol[gone] = RS_BPE_NONE;
        w->next[c.at] = w->next[gone];
        if (w->next[c.at] != RS_BPE_NONE)
            w->prev[w->next[c.at]] = c.at;
        if (w->prev[c.at] != RS_BPE_NONE)
            offer(w, w->prev[c.at]);
        offer(w, c.at);
    }
}

static rs_status apply_long(const rs_bpe *b, uint32_t *symbol, size_t *n, rs_err *err)
{
    long_word w = {.bpe = b, .symbol = symbol};
    size_t len = *n;

    if (len >= RS_BPE_NONE)
        return rs_fail(err, RS_ELIMIT, "a word of %zu bytes is too long", len);
    /* n - 1 candidates at first, and each of at most n - 1 joins takes one and offers two. */
    w.heap = rs_calloc(2 * len, sizeof *w.heap);
    w.next = rs_calloc(2 * len, sizeof *w.next);
    if (!w.heap || !w.next) {
        rs_free(w.heap);
        rs_free(w.next);
        return rs_fail(err, RS_ENOMEM, "a word of %zu bytes: no memory", len);
    }
    w.prev = w.next + len;
    for (size_t i = 0; i < len; i++) {
        w.next[i] = i + 1 < len ? (uint32_t)i + 1 : RS_BPE_NONE;
        w.prev[i] = i > 0 ? (uint32_t)i - 1 : RS_BPE_NONE;
    }
    for (size_t i = 0; i + 1 < len; i++)
        offer(&w, (uint32_t)i);
    join_all(&w);
    *n = 0;
    for (size_t i = 0; i < len; i++)
        if (symbol[i] != RS_BPE_NONE)
            symbol[(*n)++] = symbol[i];
    rs_free(w.heap);
    rs_free(w.next);
    return RS_OK;
}

rs_status rs_bpe_apply(const rs_bpe *b, uint32_t *symbol, size_t *n, rs_err *err)
{
    if (*n > RS_BPE_SHORT)
        return apply_long(b, symbol, n, err);
    apply_short(b, symbol, n);
    return RS_OK;
}
