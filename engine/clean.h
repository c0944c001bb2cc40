/* clean.h - text from outside made plain before a generator reads it.
 *
 * A report is data. What could make it more to a reader that obeys what it reads is taken
 * out (Greshake et al. 2023, arXiv:2302.12173, call the danger indirect prompt injection):
 *
 *   control characters, line ends      a blank: a report cannot begin a line of its own;
 *                                      a terminal's sequences nothing
 *   marks of direction, zero widths,   nothing: letters that no person sees (Boucher,
 *   tag letters (U+E0000), variation   Anderson 2021, arXiv:2111.00169)
 *   selectors, unassigned, private use
 *   [3], [INST]                        (3), (INST): only we write citations
 *   <b>, </s>, <|end|>, <<SYS>>        < b>, < /s>, < |end|>: no tags, no chat marks
 *   ```                                '''
 *   bytes that are not UTF-8           ?
 *   the patient's identifier           (patient)
 *
 * Words stay as they are, so that a quotation is still one. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CLEAN_H
#define RS_ENGINE_CLEAN_H

#include "base/arena.h"

#include <stddef.h>

/* text[0, len) as one line without blanks at its ends; `patient` may be NULL, one shorter
 * than 3 bytes is not looked for. In `mem`; NULL on OOM. */
const char *rs_clean_line(const char *text, size_t len, const char *patient, rs_arena *mem);

/* What a generator wrote, the same way, but lines stay lines and [3] stays a citation, and no
 * link or image of Markdown is one: "](" becomes "] (". In `mem`; NULL on OOM. */
const char *rs_clean_answer(const char *text, rs_arena *mem);

/* How many tokens a generator's tokenizer makes of the text, by a rule of our own, so that
 * budgets are the same everywhere: 1.3 a word, or one for every 4 bytes, whichever is more
 * (words of medicine are long and fall into pieces), rounded up. */
size_t rs_clean_tokens(const char *text);

/* A line that none of the n texts holds, so that it may part them from what is ours: "-----
 * DATA " and 16 hex digits of SHA-256 over all of them. A text that foresees it would have
 * to hold its own digest. NULL on OOM. */
const char *rs_clean_fence(const char *const *texts, size_t n, rs_arena *mem);

#endif
