/* trie.c - see trie_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/trie_int.h"

#include "base/alloc.h"

#include <stdbool.h>

enum { FIRST_NODES = 64 };       /* doubled as needed; four places for each */

static void place_edge(rs_trie *t, uint32_t key, uint32_t to)
{
    size_t i = rs_trie_place(t, key);

    while (t->edge[i].to)
        i = (i + 1) & t->mask;
    t->edge[i] = (rs_trie_edge){key, to};
}

/* Room for `room` nodes, of which one is the root. */
static bool grow(rs_trie *t, size_t room)
{
    rs_trie grown = {.mask = 4 * room - 1, .n_nodes = t->n_nodes, .room = room};

    grown.value = rs_realloc(t->value, room, sizeof *t->value);
    if (!grown.value)
        return false;
    t->value = grown.value;
    grown.edge = rs_calloc(4 * room, sizeof *grown.edge);
    if (!grown.edge)
        return false;
    for (size_t i = 0; t->edge && i <= t->mask; i++)
        if (t->edge[i].to)
            place_edge(&grown, t->edge[i].key, t->edge[i].to);
    rs_free(t->edge);
    *t = grown;
    return true;
}

static rs_status new_node(rs_trie *t, rs_err *err)
{
    if (t->n_nodes >= RS_TRIE_NODES_MAX)
        return rs_fail(err, RS_ELIMIT, "a vocabulary with more than %d different beginnings",
                       RS_TRIE_NODES_MAX);
    if (t->n_nodes == t->room && !grow(t, t->room ? 2 * t->room : FIRST_NODES))
        return rs_fail(err, RS_ENOMEM, "no memory for a vocabulary");
    t->value[t->n_nodes++] = -1;
    return RS_OK;
}

rs_status rs_trie_put(rs_trie *t, const char *key, size_t len, int32_t value, int32_t *before,
                      rs_err *err)
{
    uint32_t node = RS_TRIE_ROOT;
    rs_status st;

    if (t->n_nodes == 0 && (st = new_node(t, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < len; i++) {
        uint32_t next = rs_trie_step(t, node, (uint8_t)key[i]);
        if (next == RS_TRIE_ROOT) {
            next = (uint32_t)t->n_nodes;
            if ((st = new_node(t, err)) != RS_OK)
                return st;
            place_edge(t, node << 8 | (uint8_t)key[i], next);
        }
        node = next;
    }
    *before = t->value[node];
    if (*before < 0)
        t->value[node] = value;
    return RS_OK;
}

void rs_trie_clear(rs_trie *t)
{
    rs_free(t->edge);
    rs_free(t->value);
    *t = (rs_trie){0};
}

uint32_t rs_trie_node(const rs_trie *t, const char *key, size_t len)
{
    uint32_t node = RS_TRIE_ROOT;

    for (size_t i = 0; i < len; i++)
        if ((node = rs_trie_step(t, node, (uint8_t)key[i])) == RS_TRIE_ROOT)
            break;
    return node;
}

int32_t rs_trie_find(const rs_trie *t, const char *key, size_t len)
{
    uint32_t node = rs_trie_node(t, key, len);

    return node == RS_TRIE_ROOT ? -1 : rs_trie_value(t, node);
}

int32_t rs_trie_longest(const rs_trie *t, uint32_t node, const char *text, size_t len, size_t *n)
{
    int32_t found = -1;

    for (size_t i = 0; i < len; i++) {
        if ((node = rs_trie_step(t, node, (uint8_t)text[i])) == RS_TRIE_ROOT)
            break;
        if (rs_trie_value(t, node) >= 0) {
            found = rs_trie_value(t, node);
            *n = i + 1;
        }
    }
    return found;
}
