/* check.h - does the evidence say what an answer says it says?
 *
 * For the text of any generator, sentence by sentence against the items it cites:
 *
 *   uncited      it says something and cites nothing
 *   unknown      it cites a number that the context has not
 *   unsupported  too few of its words are in what it cites, or it names a finding that is not
 *   negation     what it says is there is cited as absent or normal, or the other way round
 *   side         left for right, or a side that the cited has nowhere
 *   number       a number that the cited has not, there where it speaks of the same
 *   unit         the number, with another unit (35 mm is 3.5 cm; 3.5 mm is not)
 *   count        "3 of 5 cases" with other than 3 citations or 5 cases
 *
 * Support is the share of its words (stems, without small ones and those that speak of cases
 * and reports as such) that the cited items have, under the lexicon's other names too; with an
 * encoder, half of what is missing may be made good by a sentence of the cited that is near
 * in meaning. Negation, side and number are compared there where the cited speaks of the same:
 * for a word, in those of its sentences that share most of the words around it; for a
 * finding, wherever the cited names it (report.h). So a sentence may join what two cases
 * say. What it cannot see: a finding that both cited cases have, given to the wrong one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CHECK_H
#define RS_ENGINE_CHECK_H

#include "embeddings/encoder.h"
#include "engine/answer.h"
#include "engine/context.h"

#include <stdbool.h>
#include <stddef.h>

#define RS_FLAG_MAP(X)                                                                   \
    X(UNCITED, "uncited") X(UNKNOWN, "unknown") X(UNSUPPORTED, "unsupported")            \
    X(NEGATION, "negation") X(SIDE, "side") X(NUMBER, "number") X(UNIT, "unit")          \
    X(COUNT, "count")

typedef enum {
#define RS_FLAG_ENUM(id, text) RS_FLAG_##id,
    RS_FLAG_MAP(RS_FLAG_ENUM)
#undef RS_FLAG_ENUM
    RS_FLAGS
} rs_flag;
const char *rs_flag_name(rs_flag f);             /* "negation" */

typedef struct {
    const rs_sentence *sentence;
    bool     claim;              /* it says something that can be wrong */
    unsigned flags;              /* bits 1 << rs_flag; 0: it holds */
    double   support;            /* 0 to 1 */
    const char *about;           /* the first word that a flag is about; NULL for none */
    size_t   item;               /* the number of the cited item that is nearest; 0: none */
    const rs_cited *nearest;     /* and its sentence; NULL for none */
} rs_checked;

/* What becomes of sentences that do not hold. */
typedef enum { RS_CHECK_MARK, RS_CHECK_WITHHOLD } rs_check_policy;

typedef struct {
    double support;              /* a sentence needs so much */
    double enough;               /* of the claims so many must hold, else the whole answer is
                                    "not enough evidence" */
    rs_check_policy policy;
    const rs_encoder *encoder;   /* may be NULL */
    rs_pool *pool;               /* for it; may be NULL */
} rs_check_options;

rs_check_options rs_check_defaults(void);        /* 0.6, 0.5, mark, no encoder */

typedef struct {
    const rs_checked *rows;      size_t n;       /* one a sentence of the answer */
    size_t claims, held;
    bool   enough;
    const char *text;            /* the answer as it may be shown: marked "(?side)", or without
                                    what does not hold, or "Not enough evidence ..." */
} rs_verified;

/* Everything in `mem`; `answer` is borrowed. RS_ENOMEM, RS_ELIMIT. */
rs_status rs_check(const rs_lexicon *l, const rs_context *c, const rs_answer *answer,
                   const rs_check_options *o, rs_arena *mem, rs_verified *out, rs_err *err);

/* The n rows of `v` with flags[i] added to row i, as another reader found them: counted and
 * shown anew. A flag is never taken away. RS_ENOMEM. */
rs_status rs_check_add(rs_verified *v, const unsigned *flags, const rs_check_options *o,
                       rs_arena *mem, rs_err *err);

#endif
