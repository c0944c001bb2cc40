/* shingle.h - are two texts nearly the same? Broder 1997, "On the resemblance and containment
 * of documents": the Jaccard index of their sets of shingles, here three stems in a row (all
 * of a text that has fewer), as 64-bit hashes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SHINGLE_H
#define RS_ENGINE_SHINGLE_H

#include "base/arena.h"
#include "engine/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RS_SHINGLE = 3 };

/* Hashes, ascending, each once. */
typedef struct { uint64_t *hashes; size_t n; } rs_shingles;

/* Of n tokens, in shingles of `size`. In `mem`; false on OOM. */
bool   rs_shingles_make(rs_shingles *out, const rs_token *tokens, size_t n, size_t size,
                        rs_arena *mem);
/* |a and b| / |a or b|; 0 where both are empty. */
double rs_shingles_jaccard(const rs_shingles *a, const rs_shingles *b);
/* |a and b| / |a|: how much of a is in b; 0 where a is empty. */
double rs_shingles_within(const rs_shingles *a, const rs_shingles *b);

#endif
