/* trie_int.h - byte strings to numbers, walked a byte at a time: vocabularies and added
 * tokens. Edges lie in one hash table keyed by (node, byte), so memory is that of the
 * distinct prefixes and a step costs one probe, whatever the strings are.
 *
 *   uint32_t node = RS_TRIE_ROOT;
 *   while (at < len && (node = rs_trie_step(t, node, text[at++])) != RS_TRIE_ROOT)
 *       if (rs_trie_value(t, node) >= 0) ...             a string ends here
 *
 * Private to embeddings/. {0} is a valid empty trie. Any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_TRIE_INT_H
#define RS_EMBEDDINGS_TRIE_INT_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { RS_TRIE_ROOT = 0, RS_TRIE_NODES_MAX = 1 << 24 };

typedef struct { uint32_t key, to; } rs_trie_edge;   /* key: node << 8 | byte; to 0: free */

typedef struct {
    rs_trie_edge *edge;
    size_t   mask;               /* places - 1, places a power of two */
    int32_t *value;              /* [n_nodes]; -1: no string ends there */
    size_t   n_nodes, room;
} rs_trie;

/* Gives `key` a value of 0 or more. *before: what it had, -1 if nothing, and then only is
 * it changed. RS_ENOMEM; RS_ELIMIT for more than RS_TRIE_NODES_MAX nodes. */
rs_status rs_trie_put(rs_trie *t, const char *key, size_t len, int32_t value, int32_t *before,
                      rs_err *err);
void      rs_trie_clear(rs_trie *t);

static inline size_t rs_trie_place(const rs_trie *t, uint32_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & t->mask;
}

/* The node after `byte`, RS_TRIE_ROOT where there is none. */
static inline uint32_t rs_trie_step(const rs_trie *t, uint32_t node, uint8_t byte)
{
    uint32_t key = node << 8 | byte;

    if (!t->edge)
        return RS_TRIE_ROOT;
    for (size_t i = rs_trie_place(t, key);; i = (i + 1) & t->mask)
        if (t->edge[i].to == 0 || t->edge[i].key == key)
            return t->edge[i].to;
}

static inline int32_t rs_trie_value(const rs_trie *t, uint32_t node)
{
    return node < t->n_nodes ? t->value[node] : -1;
}

/* The node of a whole string, RS_TRIE_ROOT if none begins so (or it is empty). */
uint32_t rs_trie_node(const rs_trie *t, const char *key, size_t len);
/* The value of a whole string, -1 if it has none. */
int32_t  rs_trie_find(const rs_trie *t, const char *key, size_t len);
/* The longest string that text[0..len) begins with, walked from `node`: its value and
 * *n bytes, or -1. */
int32_t  rs_trie_longest(const rs_trie *t, uint32_t node, const char *text, size_t len, size_t *n);

#endif
