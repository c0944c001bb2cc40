/* sections.h - a report cut where a reader would cut it: into sections by their
 * headings, into sentences, into passages that the text encoder can read whole.
 *
 * Threading: any thread; results live in the caller's arena. Positions are bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_SECTIONS_H
#define RS_INDEXER_SECTIONS_H

#include "base/arena.h"
#include "base/status.h"
#include "embeddings/tokenizer.h"
#include "engine/archive.h"

#include <stddef.h>

/* Sections of `report` found by headings ("FINDINGS:", "Clinical history:", at the start
 * or after a line end or a full stop). Names are the standard ones of a report
 * ("history", "technique", "comparison", "findings", "impression", ...); text before the
 * first heading belongs to no section. NULL on OOM, else [*n]. */
rs_section *rs_sections_find(const char *report, rs_arena *mem, size_t *n);

/* The end of the sentence that starts at text[begin]: past its full stop and the white
 * space after it. Full stops inside numbers (3.5), after abbreviations (Dr., vs., e.g.,
 * approx.) and single letters (T. S.) end nothing; a line end does when an empty line or
 * a list item follows. */
size_t rs_sentence_end(const char *text, size_t begin, size_t end);

/* Passages of a report: sentences of one section joined while they fit `max_tokens`
 * (without bos and eos) of `t`; a sentence that alone does not fit stands alone, and
 * *cut counts it. Title first, as a passage of section "title". The vectors are left
 * NULL. RS_ENOMEM. */
rs_status rs_passages_make(const char *title, const char *report, const rs_section *sections,
                           size_t n_sections, const rs_tokenizer *t, size_t max_tokens,
                           rs_arena *mem, rs_passage **out, size_t *n, size_t *cut, rs_err *err);

#endif
