/* wire_answer.h - evidence and checked answers as JSON: one shape for the HTTP API and for
 * `radscout ask --json`. Functions return NULL on OOM.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_WIRE_ANSWER_H
#define RS_SERVER_WIRE_ANSWER_H

#include "base/json.h"
#include "engine/check.h"
#include "engine/prompts.h"

/* rs_context_json, images by the URLs that serve them. */
json_t *rs_wire_context(const rs_context *c, rs_arena *mem);
/* {"template", "version", "messages": [{"role", "content"}]} */
json_t *rs_wire_prompt(const rs_prompt *t, const rs_filled *f);
/* A generator's text, which cites nothing but items 1 to n (SIZE_MAX: whatever it cites). */
json_t *rs_wire_cited(const char *text, size_t n);
/* {"text", "part", "cites", "holds", "support", "flags", "about", "nearest"}; the text is null
 * where `policy` withholds it; `n` as above. */
json_t *rs_wire_sentence(const rs_checked *r, rs_check_policy policy, size_t n);
/* A list of them; [] where there is not enough that holds. */
json_t *rs_wire_sentences(const rs_verified *v, rs_check_policy policy, size_t n);
/* {"sentence", "n", "case"}: sentence number i (from 0) holds and cites item n. A list. */
json_t *rs_wire_citations(const rs_verified *v, const rs_context *c);

#endif
