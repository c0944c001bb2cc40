/* charsmap.c - see charsmap_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/charsmap_int.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <string.h>

enum { CHARSMAP_MAX = 16 << 20 };        /* bytes; nmt_nfkc has 240 K */

/* ---- Units ----------------------------------------------------------- */

static bool has_leaf(uint32_t unit) { return unit >> 8 & 1; }
static size_t value_of(uint32_t unit) { return unit & 0x7fffffffu; }
static uint32_t label_of(uint32_t unit) { return unit & 0x800000ffu; }
static size_t distance(uint32_t unit) { return (size_t)(unit >> 10) << ((unit & 0x200u) >> 6); }

/* ---- Looking up ------------------------------------------------------ */

/* Every place reached was found to be inside by check_trie(). */
static const char *look_up(const rs_charsmap *m, const char *text, size_t len, bool shortest,
                           size_t *n)
{
    const char *found = NULL;
    size_t at;

    if (m->n_units == 0 || len == 0 || ((uint8_t)text[0] < 0x80 && !m->ascii[(uint8_t)text[0]]))
        return NULL;
    at = distance(m->unit[0]);
    for (size_t i = 0; i < len && text[i]; i++) {
        uint8_t byte = (uint8_t)text[i];
        uint32_t unit;

        at ^= byte;
        if (at >= m->n_units || label_of(unit = m->unit[at]) != byte)
            break;
        at ^= distance(unit);
        if (has_leaf(unit)) {
            found = m->text + value_of(m->unit[at]);
            *n = i + 1;
            if (shortest)
                break;
        }
    }
    return found;
}

const char *rs_charsmap_shortest(const rs_charsmap *m, const char *text, size_t len, size_t *n)
{
    return look_up(m, text, len, true, n);
}

const char *rs_charsmap_longest(const rs_charsmap *m, const char *text, size_t len, size_t *n)
{
    return look_up(m, text, len, false, n);
}

/* ---- Checking -------------------------------------------------------- */

/* One node on the way down: its children's place, the next byte to try. */
typedef struct { uint32_t at, node; unsigned next; } level;
enum { NEW, OPEN, SEEN };

typedef struct {
    const rs_charsmap *m;
    const char *where;
    uint8_t *state;              /* [n_units] */
    level *stack;                /* [n_units] */
    size_t depth;
} walk;

static rs_status enter(walk *w, size_t node, rs_err *err)
{
    const rs_charsmap *m = w->m;
    size_t at = node ^ distance(m->unit[node]);

    if (has_leaf(m->unit[node]) || node == 0) {
        if (at >= m->n_units)
            return rs_fail(err, RS_ECORRUPT, "%s: unit %zu points to unit %zu of %zu", w->where,
                           node, at, m->n_units);
        if (has_leaf(m->unit[node]) && value_of(m->unit[at]) > m->text_len)
            return rs_fail(err, RS_ECORRUPT, "%s: unit %zu points to byte %zu of %zu", w->where,
                           at, value_of(m->unit[at]), m->text_len);
    }
    w->state[node] = OPEN;
    w->stack[w->depth++] = (level){(uint32_t)at, (uint32_t)node, 1};
    return RS_OK;
}

/* Every node that a text can lead to, depth first; nodes may be shared, but no way may
 * lead back to itself. */
static rs_status check_trie(walk *w, rs_err *err)
{
    const rs_charsmap *m = w->m;
    rs_status st = enter(w, 0, err);

    while (st == RS_OK && w->depth > 0) {
        level *l = &w->stack[w->depth - 1];
        unsigned label;
        size_t child;

        if (l->next > 255) {
            w->state[l->node] = SEEN;
            w->depth--;
            continue;
        }
        label = l->next++;
        child = l->at ^ label;
        if (child >= m->n_units || label_of(m->unit[child]) != label)
            continue;
        if (w->state[child] == OPEN)
            return rs_fail(err, RS_ECORRUPT, "%s: the trie runs in a circle at unit %zu",
                           w->where, child);
        if (w->state[child] == NEW)
            st = enter(w, child, err);
    }
    return st;
}

static rs_status check(const rs_charsmap *m, const char *where, rs_err *err)
{
    walk w = {.m = m, .where = where};
    rs_status st;

    w.state = rs_calloc(m->n_units, sizeof *w.state);
    w.stack = rs_calloc(m->n_units, sizeof *w.stack);
    st = w.state && w.stack ? check_trie(&w, err) :
         rs_fail(err, RS_ENOMEM, "%s: no memory", where);
    rs_free(w.stack);
    rs_free(w.state);
    return st;
}

/* ---- Reading --------------------------------------------------------- */

static rs_status take(rs_charsmap *m, rs_reader *r, size_t trie_bytes, const char *where,
                      rs_err *err)
{
    m->n_units = trie_bytes / 4;
    m->text_len = r->len - r->at - trie_bytes;
    m->unit = rs_calloc(m->n_units, sizeof *m->unit);
    m->text = rs_malloc(m->text_len + 1);
    if (!m->unit || !m->text)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", where);
    for (size_t i = 0; i < m->n_units; i++)
        m->unit[i] = rs_read_u32le(r);
    memcpy(m->text, r->p + r->at, m->text_len);
    m->text[m->text_len] = '\0';
    for (size_t b = 1; b < 128; b++) {
        size_t child = distance(m->unit[0]) ^ b;
        m->ascii[b] = child < m->n_units && label_of(m->unit[child]) == b;
    }
    return check(m, where, err);
}

rs_status rs_charsmap_read(rs_charsmap *m, const void *bytes, size_t len, const char *where,
                           rs_err *err)
{
    rs_reader r = {.p = bytes, .len = len};
    size_t trie_bytes = rs_read_u32le(&r);
    rs_status st;

    *m = (rs_charsmap){0};
    if (len > CHARSMAP_MAX)
        return rs_fail(err, RS_ELIMIT, "%s: %zu bytes, at most %d", where, len, CHARSMAP_MAX);
    if (r.failed || trie_bytes < 4 || trie_bytes % 4 != 0 || trie_bytes > len - 4)
        return rs_fail(err, RS_ECORRUPT, "%s: a trie of %zu bytes in %zu", where, trie_bytes, len);
    if ((st = take(m, &r, trie_bytes, where, err)) != RS_OK)
        rs_charsmap_clear(m);
    return st;
}

static int sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

rs_status rs_charsmap_read64(rs_charsmap *m, const char *base64, size_t len, const char *where,
                             rs_err *err)
{
    rs_buf bytes = {0};
    uint32_t bits = 0;
    size_t digits = len;
    rs_status st;

    *m = (rs_charsmap){0};
    while (digits > 0 && base64[digits - 1] == '=')
        digits--;
    if (len % 4 != 0 || len - digits > 2)
        return rs_fail(err, RS_ECORRUPT, "%s: %zu characters are not base64", where, len);
    rs_buf_reserve(&bytes, len / 4 * 3);
    for (size_t i = 0; i < digits; i++) {
        int v = sextet(base64[i]);
        if (v < 0) {
            rs_buf_clear(&bytes);
            return rs_fail(err, RS_ECORRUPT, "%s: character %zu is not base64", where, i);
        }
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 != 0)
            rs_buf_putc(&bytes, (char)(bits >> (6 - 2 * (i % 4)) & 0xff));
    }
    st = bytes.failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", where) :
         rs_charsmap_read(m, bytes.data, bytes.len, where, err);
    rs_buf_clear(&bytes);
    return st;
}

void rs_charsmap_clear(rs_charsmap *m)
{
    rs_free(m->unit);
    rs_free(m->text);
    *m = (rs_charsmap){0};
}
