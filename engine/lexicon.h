/* lexicon.h - what radscout knows of the language of reports, read from tables of text:
 *
 *   headings.tsv   section <tab> heading | heading ...
 *   context.tsv    state <tab> side <tab> reach <tab> trigger | trigger ...
 *   terms.tsv      kind <tab> term <tab> relation <tab> weight <tab> term | term:0.8 ...
 *   spelling.tsv   British letters <tab> American letters
 *
 * Lines that begin with # and empty ones are left out. The tables that ship are in
 * data/lexicon and say what each field means; a copy of them is built into the library,
 * so that no archive is ever read without. A folder given in their place must have all
 * four.
 *
 * Terms are kept as stems (tokens.h), so one spelling of a word stands for its
 * inflections. "heart & enlarged" is a term whose parts stand near each other, either
 * way round.
 *
 * One thread at a time; rs_lexicon_heading may be called by any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_LEXICON_H
#define RS_ENGINE_LEXICON_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/tokens.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rs_lexicon rs_lexicon;

/* `folder` NULL: the tables built in. RS_ENOENT, RS_ECORRUPT (names file and line),
 * RS_EIO, RS_ENOMEM. */
rs_status  rs_lexicon_load(rs_lexicon **out, const char *folder, rs_err *err);
void       rs_lexicon_free(rs_lexicon *l);                      /* NULL is fine */
/* Digest of what a report is read by, headings and contexts: text columns made with
 * another one are to be made anew. Terms and spelling are used by queries alone. */
const char *rs_lexicon_digest(const rs_lexicon *l);
rs_tokens  *rs_lexicon_tokens(const rs_lexicon *l);

/* The section that a heading (lower case, single blanks) begins, or NULL. */
const char *rs_lexicon_heading(const rs_lexicon *l, const char *heading);

/* ---- Contexts: ConText's triggers ------------------------------------- */

/* What a report says of a thing. NORMAL: "the heart is normal in size" speaks of the
 * heart, yet whoever looks for hearts looks for others. */
#define RS_STATE_MAP(X)                                                              \
    X(AFFIRMED,  "affirmed") X(UNCERTAIN, "uncertain") X(NORMAL, "normal")           \
    X(HISTORICAL, "historical") X(NEGATED, "negated")

typedef enum {
#define RS_STATE_ENUM(name, text) RS_STATE_##name,
    RS_STATE_MAP(RS_STATE_ENUM)
#undef RS_STATE_ENUM
    RS_STATE_COUNT
} rs_state;
const char *rs_state_name(rs_state s);               /* "affirmed" */

typedef enum {
    RS_TRIGGER_BEFORE = 1,        /* "no": speaks of what comes after it */
    RS_TRIGGER_AFTER  = 2,        /* "is absent": of what came before */
    RS_TRIGGER_BOTH   = 3,
    RS_TRIGGER_PSEUDO = 4,        /* "no change in": speaks of nothing, hides "no" */
    RS_TRIGGER_END    = 5         /* "but": no scope goes across */
} rs_trigger_side;

typedef struct {
    rs_state        state;
    rs_trigger_side side;
    size_t          reach;        /* tokens it speaks of at most; 0: to the end */
    size_t          n;            /* tokens it has itself */
} rs_trigger;

/* The longest trigger that begins at tokens[0], or NULL. */
const rs_trigger *rs_lexicon_trigger(const rs_lexicon *l, const rs_token *tokens, size_t n);

/* ---- Terms: findings, anatomy and what else they are called ------------ */

typedef enum {
    RS_TERM_FINDING, RS_TERM_DEVICE, RS_TERM_ANATOMY, RS_TERM_WORD, RS_TERM_KINDS
} rs_term_kind;

enum { RS_TERM_MAX_TOKENS = 8, RS_TERM_MAX_PARTS = 4 };

/* A term: one phrase, or parts near each other. */
typedef struct {
    const char *text;                            /* as written */
    const char *tokens[RS_TERM_MAX_TOKENS];
    size_t      n;
    uint8_t     end[RS_TERM_MAX_PARTS];          /* part p is tokens [end[p-1], end[p]) */
    size_t      parts;
} rs_lexicon_term;

/* A term that means what was asked for, more or less. */
typedef struct {
    const rs_lexicon_term *term;
    double weight;                               /* in (0, 1] */
} rs_expansion;

/* How many of the n stems begin a term, in whatever order they stand and small words
 * left out; the longest there is, 0 for none. *which names it for rs_lexicon_expand. */
size_t rs_lexicon_find(const rs_lexicon *l, const char *const *stems, size_t n, uint32_t *which);

/* All terms that `which` may be written as: itself, its synonyms, then what is narrower
 * or related, with what each is worth; at most `max`, best first, none below `least`. */
rs_status rs_lexicon_expand(const rs_lexicon *l, uint32_t which, double least, size_t max,
                            rs_arena *mem, rs_expansion **out, size_t *n, rs_err *err);

/* A finding or device that is named at tokens[0]: the name it is listed by and the
 * tokens that name it (of a term in parts, those of its first part; the others stand
 * within the n). 0 where there is none. */
size_t rs_lexicon_mention(const rs_lexicon *l, const rs_token *tokens, size_t n,
                          const char **name, rs_term_kind *kind);

/* Other spellings of a word ("oedema": "edema"), at most `max`, in `mem`. */
size_t rs_lexicon_spellings(const rs_lexicon *l, const char *word, size_t len, size_t max,
                            rs_arena *mem, const char **out);

/* The word in American spelling, in which the tables are written; NULL where it is so
 * already (or on OOM). */
const char *rs_lexicon_american(const rs_lexicon *l, const char *word, size_t len, rs_arena *mem);

/* Whether a stem is a small word ("of", "the") that a term's meaning does not hang on. */
bool rs_small_word(const char *stem);

#endif
