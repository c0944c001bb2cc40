/* passages.h - a report cut into passages that the text encoder can read whole.
 *
 * Threading: any thread; results live in the caller's arena. Positions are bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_PASSAGES_H
#define RS_INDEXER_PASSAGES_H

#include "base/arena.h"
#include "base/status.h"
#include "embeddings/tokenizer.h"
#include "engine/archive.h"

#include <stddef.h>

/* Passages of a report: sentences of one section joined while they fit `max_tokens`
 * (without bos and eos) of `t`; a sentence that alone does not fit stands alone, and
 * *cut counts it. Title first, as a passage of section "title". The vectors are left
 * NULL. RS_ENOMEM. */
rs_status rs_passages_make(const char *title, const char *report, const rs_section *sections,
                           size_t n_sections, const rs_tokenizer *t, size_t max_tokens,
                           rs_arena *mem, rs_passage **out, size_t *n, size_t *cut, rs_err *err);

#endif
