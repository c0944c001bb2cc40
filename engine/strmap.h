/* strmap.h - from strings to numbers: open addressing, FNV-1a, all in one arena.
 *
 * Keys are borrowed (they live as long as the map). Filled by one thread; then any
 * number may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_STRMAP_H
#define RS_ENGINE_STRMAP_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* {0} with `mem` set is a valid empty map. */
typedef struct {
    rs_arena *mem;
    struct rs_strmap_slot { const char *key; uint32_t value; } *slots;
    size_t n, cap;
} rs_strmap;

/* The place of the key's value, made with value `fresh` where it is new; NULL on OOM. */
uint32_t *rs_strmap_put(rs_strmap *m, const char *key, uint32_t fresh);
/* False where the key is not there. */
bool rs_strmap_get(const rs_strmap *m, const char *key, uint32_t *value);

#endif
