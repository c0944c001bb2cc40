/* strmap.c - see strmap.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/strmap.h"

#include "base/hash.h"

#include <string.h>

static uint64_t hash(const char *s)
{
    const uint64_t h = rs_hash_text(s);

    return h ^ h >> 32;
}

/* The slot that holds the key or would. cap is a power of two above n. */
static struct rs_strmap_slot *slot_of(struct rs_strmap_slot *slots, size_t cap, const char *key)
{
    size_t i = (size_t)hash(key) & (cap - 1);

    while (slots[i].key && strcmp(slots[i].key, key) != 0)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static bool grow(rs_strmap *m)
{
    size_t cap = m->cap ? 2 * m->cap : 64;
    struct rs_strmap_slot *more = rs_new(m->mem, struct rs_strmap_slot, cap);

    if (!more)
        return false;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].key)
            *slot_of(more, cap, m->slots[i].key) = m->slots[i];
    m->slots = more;
    m->cap = cap;
    return true;
}

uint32_t *rs_strmap_put(rs_strmap *m, const char *key, uint32_t fresh)
{
    struct rs_strmap_slot *s;

    if (2 * (m->n + 1) > m->cap && !grow(m))
        return NULL;
    s = slot_of(m->slots, m->cap, key);
    if (!s->key) {
        *s = (struct rs_strmap_slot){key, fresh};
        m->n++;
    }
    return &s->value;
}

bool rs_strmap_get(const rs_strmap *m, const char *key, uint32_t *value)
{
    const struct rs_strmap_slot *s;

    if (!m->n)
        return false;
    s = slot_of(m->slots, m->cap, key);
    if (s->key)
        *value = s->value;
    return s->key != NULL;
}
