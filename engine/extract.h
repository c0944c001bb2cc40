/* extract.h - the built-in generator: a cited summary made of what the evidence says.
 *
 * Nothing is written that no source has, apart from the phrases of answer.h: sentences are
 * the reports' own, chosen by their agreement with the query's images and texts (context.h;
 * as CXR-RePaiR chooses sentences for an image, Endo et al. 2021, arXiv:2109.13424), and
 * counts are of the cases of which the context shows a sentence that says so. No network, no
 * weights.
 *
 *   cases        how many are similar
 *   sentences    what answers the query: maximal marginal relevance (Carbonell, Goldstein,
 *                SIGIR 1998): RS_MMR agreement - (1 - RS_MMR) likeness to what is said already
 *   findings     what the cases show, how many of them
 *   diagnoses    what they were, the commonest first
 *   for_against  each diagnosis with what speaks for it and against it
 *   differs      findings that some affirm and others negate, or that change sides
 *   discussion   what discussions of the cases say
 *   draft        findings of one report: nothing that contradicts what stands before, in state,
 *                side or measure; nor that compares with studies of another patient
 *   impression   the same of impressions and diagnoses
 *   quiz         a learner's findings beside the cases'
 *   contrast     the nearest case of another diagnosis
 *
 * Where the verdict is "nothing similar enough", or a question of words alone has no word in
 * any sentence, the answer is "not enough evidence".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_EXTRACT_H
#define RS_ENGINE_EXTRACT_H

#include "engine/answer.h"
#include "engine/context.h"

#define RS_MMR 0.7
#define RS_EXTRACT_PARTS "cases sentences findings diagnoses differs contrast"

typedef struct {
    const char *parts;           /* in this order; NULL or "": RS_EXTRACT_PARTS */
    const char *learner;         /* for `quiz`; may be NULL */
    bool        words_only;      /* the query has no image and no case */
} rs_extract_options;

/* The answer in `mem`. RS_EARG names a part that is none; RS_ENOMEM. */
rs_status rs_extract(const rs_lexicon *l, const rs_context *c, const rs_extract_options *o,
                     rs_arena *mem, rs_answer *out, rs_err *err);

#endif
