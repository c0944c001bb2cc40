/* posting_list.c - see posting_list.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/posting_list.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

enum { SLACK = 8, NARROW_OFFSET = 1 << 12 };     /* a packed value is read as 8 bytes */
enum { FAR = 8 };                                /* documents, from where on a jump is quicker */

void rs_posting_clear(rs_posting_list *l)
{
    rs_free(l->blocks);
    rs_free(l->bytes);
    rs_free(l->tail);
    *l = (rs_posting_list){0};
}

size_t rs_posting_bytes(const rs_posting_list *l)
{
    return l->cap_blocks * sizeof *l->blocks + l->cap + l->tail_cap * sizeof *l->tail;
}

/* ---- Bits ------------------------------------------------------------ */

static uint64_t load64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static void store64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static uint8_t bits_of(uint32_t v)
{
    uint8_t n = 0;

    for (; v; v >>= 1)
        n++;
    return n;
}

static size_t packed_bytes(unsigned bits) { return (size_t)bits * RS_POSTING_BLOCK / 8; }

static void pack(uint8_t *p, unsigned bits, const uint32_t *v)
{
    memset(p, 0, packed_bytes(bits) + SLACK);
    for (size_t i = 0; bits && i < RS_POSTING_BLOCK; i++) {
        uint8_t *at = p + (i * bits >> 3);
        store64(at, load64(at) | (uint64_t)v[i] << (i * bits & 7));
    }
}

static void unpack(const uint8_t *p, unsigned bits, uint32_t *v)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;

    if (bits == 0)
        memset(v, 0, RS_POSTING_BLOCK * sizeof *v);
    else if (bits == 8)                          /* many at a time */
        for (size_t i = 0; i < RS_POSTING_BLOCK; i++)
            v[i] = p[i];
    else if (bits == 16)
        for (size_t i = 0; i < RS_POSTING_BLOCK; i++)
            v[i] = (uint32_t)p[2 * i] | (uint32_t)p[2 * i + 1] << 8;
    else
        for (size_t i = 0; i < RS_POSTING_BLOCK; i++)
            v[i] = (uint32_t)(load64(p + (i * bits >> 3)) >> (i * bits & 7) & mask);
}

static unsigned lowest_bit(unsigned v)
{
    unsigned n = 0;

    while (v && !(v >> n & 1))
        n++;
    return n;
}

/* ---- Writing --------------------------------------------------------- */

static uint16_t columns_of(const uint32_t *places, uint32_t n)
{
    unsigned columns = 0;

    for (uint32_t i = 0; i < n; i++)
        columns |= 1u << RS_PLACE_COLUMN(places[i]);
    return (uint16_t)columns;
}

/* Room for `more` elements of `size` beyond `len`: growing by half, small ones by little. */
static bool room(void **array, uint32_t *cap, size_t len, size_t more, size_t size)
{
    size_t want = len + more, grown;
    void *p;

    if (want <= *cap)
        return true;
    grown = (size_t)*cap + *cap / 4 + 4;
    if (grown < want)
        grown = want;
    if (grown > UINT32_MAX)
        return false;
    p = rs_realloc(*array, grown, size);
    if (!p)
        return false;
    *array = p;
    *cap = (uint32_t)grown;
    return true;
}

/* What the tail is made of, in arrays. */
typedef struct {
    uint32_t gap[RS_POSTING_BLOCK], count[RS_POSTING_BLOCK], columns[RS_POSTING_BLOCK];
    size_t   n_places;
    bool     wide;
} columns_of_block;

static void read_tail(const rs_posting_list *l, columns_of_block *c)
{
    const uint32_t *t = l->tail;
    uint32_t before = l->open.first;

    c->n_places = 0;
    c->wide = false;
    for (size_t i = 0; i < RS_POSTING_BLOCK; i++) {
        c->gap[i] = i ? t[0] - before - 1 : 0;
        c->count[i] = t[1] - 1;
        c->columns[i] = columns_of(t + 2, t[1]);
        for (uint32_t k = 0; k < t[1]; k++)
            c->wide |= RS_PLACE_OFFSET(t[2 + k]) >= NARROW_OFFSET;
        c->n_places += t[1];
        before = t[0];
        t += 2 + t[1];
    }
}

static void put_places(uint8_t *at, const uint32_t *tail, bool wide)
{
    for (size_t i = 0; i < RS_POSTING_BLOCK; i++, tail += 2 + tail[1])
        for (uint32_t k = 0; k < tail[1]; k++) {
            uint32_t place = tail[2 + k];
            uint16_t narrow = (uint16_t)(place >> 28 << 12 | (place & (NARROW_OFFSET - 1)));
            memcpy(at, wide ? (const void *)&place : &narrow, wide ? sizeof place : sizeof narrow);
            at += wide ? sizeof place : sizeof narrow;
        }
}

static uint8_t widest(const uint32_t *v)
{
    uint32_t all = 0;

    for (size_t i = 0; i < RS_POSTING_BLOCK; i++)
        all |= v[i];
    return bits_of(all);
}

/* Whole bytes are read faster, and gaps are read by every query. */
static uint8_t rounded(uint8_t bits)
{
    return bits <= 4 ? bits : bits <= 8 ? 8 : bits <= 16 && bits > 12 ? 16 : bits;
}

/* A tail of 128 documents becomes a block. */
static bool close_block(rs_posting_list *l)
{
    rs_posting_block *b = &l->open;
    unsigned low = lowest_bit(b->columns);
    columns_of_block c;
    uint8_t *at;
    size_t bytes;

    read_tail(l, &c);
    b->gap_bits = rounded(widest(c.gap));
    b->count_bits = widest(c.count);
    b->column_bits = 0;
    b->wide = c.wide;
    for (size_t i = 0; i < RS_POSTING_BLOCK; i++) {
        if (c.columns[i] != b->columns)
            b->column_bits = bits_of((uint32_t)b->columns >> low);
        c.columns[i] >>= low;
    }
    bytes = packed_bytes((unsigned)b->gap_bits + b->count_bits + b->column_bits) +
            c.n_places * (c.wide ? sizeof(uint32_t) : sizeof(uint16_t));
    if (!room((void **)&l->blocks, &l->cap_blocks, l->n_blocks, 1, sizeof *b) ||
        !room((void **)&l->bytes, &l->cap, l->len, bytes + SLACK, 1))
        return false;
    b->at = l->len;
    at = l->bytes + l->len;
    pack(at, b->gap_bits, c.gap);
    at += packed_bytes(b->gap_bits);
    pack(at, b->count_bits, c.count);
    at += packed_bytes(b->count_bits);
    pack(at, b->column_bits, c.columns);
    put_places(at + packed_bytes(b->column_bits), l->tail, c.wide);
    l->len += (uint32_t)bytes;
    l->blocks[l->n_blocks++] = *b;
    l->n_tail = l->tail_len = 0;
    return true;
}

/* Take a document into what the tail's are at most. */
static void note(rs_posting_block *b, uint32_t doc, uint32_t length, uint32_t count,
                 uint16_t columns, bool first)
{
    uint16_t len = length < UINT16_MAX ? (uint16_t)length : UINT16_MAX - 1;
    uint32_t at = count < RS_POSTING_PAIRS ? count : RS_POSTING_PAIRS;

    if (first) {
        *b = (rs_posting_block){.first = doc};
        memset(b->shortest, 0xff, sizeof b->shortest);
    }
    b->last = doc;
    b->most = count > b->most ? count : b->most;
    b->columns |= columns;
    for (uint32_t i = 0; i < at; i++)
        if (len < b->shortest[i])
            b->shortest[i] = len;
}

bool rs_posting_add(rs_posting_list *l, uint32_t doc, uint32_t length, const uint32_t *places,
                    uint32_t n)
{
    assert(n && (l->n == 0 || doc > (l->n_tail ? l->open.last : l->blocks[l->n_blocks - 1].last)));
    if (!room((void **)&l->tail, &l->tail_cap, l->tail_len, 2 + (size_t)n, sizeof *l->tail))
        return false;
    l->tail[l->tail_len] = doc;
    l->tail[l->tail_len + 1] = n;
    memcpy(l->tail + l->tail_len + 2, places, n * sizeof *places);
    l->tail_len += 2 + n;
    note(&l->open, doc, length, n, columns_of(places, n), l->n_tail == 0);
    l->n_tail++;
    l->n++;
    return l->n_tail < RS_POSTING_BLOCK || close_block(l);
}

/* ---- Reading --------------------------------------------------------- */

size_t rs_posting_parts(const rs_posting_list *l) { return l->n_blocks + (l->n_tail > 0); }

const rs_posting_block *rs_posting_part(const rs_posting_list *l, size_t part)
{
    return part < l->n_blocks ? &l->blocks[part] : &l->open;
}

size_t rs_posting_seek(const rs_posting_list *l, uint32_t doc)
{
    size_t low = 0, high = l->n_blocks;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->blocks[middle].last < doc)
            low = middle + 1;
        else
            high = middle;
    }
    return low + (low == l->n_blocks && l->n_tail && l->open.last < doc);
}

static void read_tail_page(const rs_posting_list *l, rs_posting_page *p)
{
    uint32_t at = 0;

    p->n = l->n_tail;
    p->places = l->tail;
    p->wide = p->placed = true;
    for (uint32_t i = 0; i < p->n; i++) {
        p->doc[i] = l->tail[at];
        p->count[i] = l->tail[at + 1];
        p->columns[i] = columns_of(l->tail + at + 2, p->count[i]);
        p->start[i] = at + 2;
        at += 2 + p->count[i];
    }
}

void rs_posting_read(const rs_posting_list *l, size_t part, rs_posting_page *p)
{
    const rs_posting_block *b;
    uint32_t columns[RS_POSTING_BLOCK], doc;
    const uint8_t *at;
    unsigned low;

    if (part == l->n_blocks) {
        read_tail_page(l, p);
        return;
    }
    b = &l->blocks[part];
    at = l->bytes + b->at;
    low = lowest_bit(b->columns);
    p->n = RS_POSTING_BLOCK;
    p->placed = false;
    p->wide = b->wide;
    unpack(at, b->gap_bits, p->doc);
    at += packed_bytes(b->gap_bits);
    unpack(at, b->count_bits, p->count);
    at += packed_bytes(b->count_bits);
    if (b->column_bits)
        unpack(at, b->column_bits, columns);
    p->places = at + packed_bytes(b->column_bits);
    doc = b->first;
    p->doc[0] = doc;
    for (size_t i = 1; i < RS_POSTING_BLOCK; i++)
        p->doc[i] = doc += p->doc[i] + 1;
    for (size_t i = 0; i < RS_POSTING_BLOCK; i++) {
        p->count[i]++;
        p->columns[i] = b->columns;
        if (b->column_bits)
            p->columns[i] = (uint16_t)(columns[i] << low);
    }
}

uint32_t rs_posting_place(rs_posting_page *p, uint32_t i, uint32_t k)
{
    const uint8_t *places = p->places;
    uint32_t place;
    uint16_t narrow;

    if (!p->placed) {
        uint32_t sum = 0;
        for (uint32_t d = 0; d < p->n; d++) {
            p->start[d] = sum;
            sum += p->count[d];
        }
        p->placed = true;
    }
    if (p->wide) {
        memcpy(&place, places + (size_t)(p->start[i] + k) * sizeof place, sizeof place);
        return place;
    }
    memcpy(&narrow, places + (size_t)(p->start[i] + k) * sizeof narrow, sizeof narrow);
    return RS_PLACE(narrow >> 12, narrow & (NARROW_OFFSET - 1));
}

uint32_t rs_posting_find(const rs_posting_page *p, uint32_t doc)
{
    uint32_t at = 0;

    if (p->n == 0)
        return 0;
    for (uint32_t len = p->n; len > 1; len -= len / 2)       /* no branch depends on `doc` */
        at = p->doc[at + len / 2 - 1] < doc ? at + len / 2 : at;
    return at + (p->doc[at] < doc);
}

bool rs_posting_goto(rs_posting_cursor *c, uint32_t doc)
{
    const rs_posting_block *b = c->part ? rs_posting_part(c->list, c->part - 1) : NULL;

    if (!b || doc < b->first || doc > b->last) {
        size_t part = rs_posting_seek(c->list, doc);
        if (part == rs_posting_parts(c->list) || rs_posting_part(c->list, part)->first > doc)
            return false;
        rs_posting_read(c->list, part, &c->page);
        c->part = part + 1;
        c->i = 0;
    }
    if (c->i >= c->page.n || c->page.doc[c->i] > doc || doc - c->page.doc[c->i] > FAR)
        c->i = rs_posting_find(&c->page, doc);
    else
        while (c->page.doc[c->i] < doc)          /* the page's last is not below it */
            c->i++;
    return c->i < c->page.n && c->page.doc[c->i] == doc;
}
