/* answer.h - sentences that cite evidence.
 *
 * "[3]", "[1][4]", "[1, 4]" and "[2-4]" cite items of a context by their numbers. A citation
 * belongs to the sentence that it stands in or right behind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_ANSWER_H
#define RS_ENGINE_ANSWER_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>

/* A piece of a sentence, up to the end of citations: "An effusion in [1][2]". */
typedef struct {
    const char   *text;          /* without them */
    const size_t *cites;         size_t n_cites;     /* none behind the last ones */
} rs_piece;

typedef struct {
    const char   *part;          /* what it is for: "findings"; NULL where that is not known */
    const char   *text;          /* with its citations */
    const char   *bare;          /* without them */
    const size_t *cites;         size_t n_cites;     /* ascending, each once; 0 is one too */
    const rs_piece *pieces;      size_t n_pieces;
} rs_sentence;

typedef struct { const rs_sentence *sentences; size_t n; } rs_answer;

/* A generator's text as sentences, made plain (rs_clean_answer). Lines of a list and headings
 * stand alone. RS_ENOMEM. */
rs_status rs_answer_read(const char *text, rs_arena *mem, rs_answer *out, rs_err *err);
/* One sentence that is known to be one. */
rs_status rs_sentence_read(const char *part, const char *text, rs_arena *mem, rs_sentence *out,
                           rs_err *err);

/* ---- What the built-in generator says itself ------------------------- */

/* All its own words; everything else that it writes is a report's, a title's, a label's or the
 * question's. They are such that report.h reads them as they are meant ("no", "left"), so
 * that check.h checks these sentences like any others. Formats of printf. */
#define RS_SAY_MANY       "%zu cases in this archive come nearest %s."
#define RS_SAY_ONE        "1 case in this archive comes nearest %s."
#define RS_SAY_QUOTE      "%s %s."
#define RS_SAY_SHOWS      "%s: in %zu of %zu cases %s."
#define RS_SAY_NEGATED    "No %s in %zu of %zu cases %s."
#define RS_SAY_DIAGNOSIS  "Diagnosis in %zu of %zu cases: %s %s."
#define RS_SAY_CONCLUDED  "Conclusion in %zu of %zu cases: %s %s."
#define RS_SAY_OTHERS     "The other cases had other diagnoses %s."
#define RS_SAY_DIFFERS    "They differ: %s in %s, no %s in %s."
#define RS_SAY_SIDES      "They differ: left %s in %s, right %s in %s."
#define RS_SAY_CONTRAST   "Nearest case of another diagnosis: %s %s."
#define RS_SAY_CONTRASTS  "Of that case: %s %s."
#define RS_SAY_FOR        "For %s: %s %s."
#define RS_SAY_AGAINST    "Against %s: %s %s."
#define RS_SAY_MISSED     "Missing: %s, in %zu of %zu cases %s."
#define RS_SAY_NOWHERE    "None of the cases names %s %s."
#define RS_SAY_NOTHING    "Not enough evidence: nothing in this archive is similar enough %s."
#define RS_SAY_NO_WORDS   "Not enough evidence: none of the cases names what was asked for %s."
#define RS_SAY_EMPTY      "Not enough evidence: nothing was found."

#define RS_SAY_ALL {RS_SAY_MANY, RS_SAY_ONE, RS_SAY_QUOTE, RS_SAY_SHOWS, RS_SAY_NEGATED,          \
                    RS_SAY_DIAGNOSIS, RS_SAY_OTHERS, RS_SAY_DIFFERS, RS_SAY_SIDES,                \
                    RS_SAY_CONTRAST, RS_SAY_CONCLUDED,                                            \
                    RS_SAY_CONTRASTS, RS_SAY_FOR, RS_SAY_AGAINST, RS_SAY_MISSED, RS_SAY_NOWHERE,  \
                    RS_SAY_NOTHING, RS_SAY_NO_WORDS, RS_SAY_EMPTY}

#endif
