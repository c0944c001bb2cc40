/* sentences.h - where a sentence of a report ends.
 *
 * Any thread. Positions are bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SENTENCES_H
#define RS_ENGINE_SENTENCES_H

#include <stddef.h>

/* The end of the sentence that starts at text[begin]: past its full stop and the white
 * space after it. Full stops inside numbers (3.5), after abbreviations (Dr., vs., e.g.,
 * approx.), single letters (T. S.) and weightings or levels that a small letter follows
 * ("T2. weighted") end nothing; a full stop without a blank does when a capital follows
 * a word ("apex.There"); a line end does when an empty line or a list item follows. */
size_t rs_sentence_end(const char *text, size_t begin, size_t end);

#endif
