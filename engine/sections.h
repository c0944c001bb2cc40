/* sections.h - a report cut into sections by its headings.
 *
 * Any thread; results live in the caller's arena. Positions are bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SECTIONS_H
#define RS_ENGINE_SECTIONS_H

#include "base/arena.h"
#include "engine/archive.h"
#include "engine/lexicon.h"

#include <stddef.h>

/* Sections of `report` found by the lexicon's headings, at the start or after a line end
 * or a full stop, written "Findings:", "FINDINGS :", "Findings - ", as a line of their
 * own, or in capitals before text that is not ("FINDINGS The lungs"). Names are the
 * standard ones ("history", "technique", "comparison", "findings", "impression", ...);
 * text before the first heading belongs to no section. NULL on OOM, else [*n]. */
rs_section *rs_sections_find(const rs_lexicon *l, const char *report, rs_arena *mem, size_t *n);

#endif
