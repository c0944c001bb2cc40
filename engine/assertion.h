/* assertion.h - is a thing said to be there, not there, perhaps there, or once there?
 *
 * ConText (Harkema, Dowling, Thornblade, Chapman, J Biomed Inform 2009), the successor of
 * NegEx (Chapman et al. 2001): a trigger ("no", "may represent", "history of") speaks of
 * the words after or before it, as far as its reach, the end of the sentence or a word
 * that ends scopes ("but"); a pseudo-trigger ("no change in") speaks of nothing. The
 * triggers are the lexicon's. Added for reports: the state "normal", and commas, over
 * which a scope goes only along a list:
 *
 *   No pneumothorax, effusion, or edema.            all three are negated
 *   Heart, hila, and mediastinum are normal.        all three are normal
 *   Mild scoliosis, lungs are clear.                the lungs are
 *   No effusion, the heart is enlarged.             "no" ends at the comma
 *
 * Where scopes meet, negated wins over historical, normal and uncertain.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_ASSERTION_H
#define RS_ENGINE_ASSERTION_H

#include "base/arena.h"
#include "engine/lexicon.h"

#include <stddef.h>

/* The state of each of the n tokens of one sentence, which were cut from `text`. Time is
 * linear in n. NULL on OOM. */
rs_state *rs_assertion_states(const rs_lexicon *l, const char *text, const rs_token *tokens,
                              size_t n, rs_arena *mem);

#endif
