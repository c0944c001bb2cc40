/* context.h - numbered evidence for a generator: what of the found cases answers the query,
 * cut to a budget.
 *
 *   hits -> how many cases -> their sentences, scored against the query -> budget -> order
 *
 * How many. Never a fixed k. A case whose fused score is below RS_CONTEXT_FLOOR of the best
 * one's does not count; behind the second case, the list ends where a score is less than
 * RS_CONTEXT_DROP of the one before. To a question of words alone, a case counts of which some
 * sentence names RS_CONTEXT_WORDS as much of what is asked for as the best case's best does. "Nothing similar enough" (rs_result.verdict) leaves
 * RS_CONTEXT_NOTHING cases: enough to see how far away they are. Cases whose reports are
 * nearly the same (three-word shingles, Jaccard >= RS_CONTEXT_SAME, shingle.h) are folded
 * into the best of them, which then stands for them by name.
 *
 * Which sentences. Each sentence of a report has an agreement with the query:
 *
 *   2 words + 1 vectors + 1 section
 *
 * words: the share of the things asked for that it names (text_index.h), halved where it
 * negates what was asked for as present; vectors: late interaction of the query's vectors
 * with its passage's (query.h), from 0 for the least of all these cases' to 1 for the most;
 * section: what its section is worth (a diagnosis 1, findings 0.8, ... technique 0). The best
 * sentence of each case comes first, then any case's best, while they fit. A sentence that
 * another one in the context says already counts half.
 *
 * What is kept: the section and the bytes of the report that a sentence stands at, its
 * findings with state, side and size (report.h), so that "no effusion" stays one. What is
 * not: the patient's identifier and dates, ages above 89 (45 CFR 164.514(b)), and whatever
 * is in a report to be obeyed (clean.h).
 *
 * Order. Generators read the middle of what they are given least (Liu et al. 2023,
 * arXiv:2307.03172), so the best evidence stands at both ends: 1 3 5 6 4 2. Numbers are
 * those of the ranking.
 *
 * Deterministic: the same archive, query and budget give the same bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CONTEXT_H
#define RS_ENGINE_CONTEXT_H

#include "base/arena.h"
#include "base/json.h"
#include "engine/query.h"
#include "engine/report.h"

#include <stdbool.h>
#include <stddef.h>

#define RS_CONTEXT_FLOOR 0.4
#define RS_CONTEXT_DROP  0.7
#define RS_CONTEXT_SAME  0.7
#define RS_CONTEXT_WORDS 0.5

enum { RS_CONTEXT_NOTHING = 2, RS_CONTEXT_BUDGET = 1500, RS_CONTEXT_MAX = 24 };

typedef struct {
    size_t budget;               /* tokens of rs_context_text, by the rule of clean.h */
    size_t max_cases;            /* at most; 1..RS_CONTEXT_MAX */
    size_t examples;             /* reports to learn the style from; a quarter of the budget */
    bool   images;               /* paths of images, for generators that see */
    const char *favour;          /* a section whose worth is 1; NULL for none */
} rs_context_options;

rs_context_options rs_context_defaults(void);    /* RS_CONTEXT_BUDGET, 8, 0, false, NULL */

/* One sentence of a report. */
typedef struct {
    const char *section;         /* "findings", "title"; NULL outside of all */
    const char *text;            /* made plain, one line */
    size_t      begin, end;      /* where in the report (in the title for "title") */
    rs_state    state;           /* what it says of most of its words */
    const rs_mention *mentions;  size_t n_mentions;      /* positions in `text` */
    double      agreement;       /* with the query, 0 to 4; */
    double      words;           /* of it, the share of what the texts ask for, 0 to 1 */
} rs_cited;

/* One case. */
typedef struct {
    size_t      number;          /* [number] cites it; from 1 */
    bool        contrast;        /* not a hit: the nearest case of another diagnosis */
    const char *key, *title;
    const char *modality, *body_part, *view, *sex, *age;         /* NULL where not known */
    rs_tier     tier;
    double      score;           /* fused, 0 for a contrast */
    const char *const *diagnoses; size_t n_diagnoses;    /* labels; else its diagnosis; else what
                                                            its impression affirms, */
    bool        concluded;       /* which this says */
    const rs_cited *sentences;   size_t n_sentences;     /* in the order of the report */
    const char *const *folded;   size_t n_folded;        /* keys of those it stands for */
    const char *image;           /* path; NULL unless asked for */
} rs_context_item;

/* A report's findings and what was concluded from them. */
typedef struct { size_t number; const char *findings, *impression; } rs_context_example;

typedef struct {
    const char *question;        /* the wanted texts, made plain; "" for images alone */
    const rs_context_item *items; size_t n;      /* items[i].number is i + 1; contrasts last */
    size_t      n_cases;         /* of them, no contrasts */
    const size_t *order;         /* [n] indices of items, as shown */
    const rs_context_example *examples; size_t n_examples;
    rs_verdict  verdict;
    const char *end;             /* why there are not more cases: "score", "verdict", "words",
                                    "budget", "most", "hits" */
    const char *fence;           /* see clean.h */
    size_t      budget, tokens;
} rs_context;

/* Everything in `mem`; `a`, `q` and `r` as for rs_search. A case that is gone since the search
 * is left out. RS_EARG: an option out of range. Else as rs_search. */
rs_status rs_context_make(rs_archive *a, const rs_query *q, const rs_result *r,
                          const rs_context_options *o, rs_arena *mem, rs_context *out,
                          rs_err *err);

/* The context as a generator reads it, between two fences; NULL on OOM.
 *
 *   ----- DATA 5f0c... -----
 *   [1] case MPX1024; CT; Thorax; F; 60 years; diagnosis: ...
 *     > findings 12-96: CT reveals an obstructing mass. (affirmed: mass)
 *   ----- DATA 5f0c... -----                                                            */
const char *rs_context_text(const rs_context *c, rs_arena *mem);
/* One item's lines of it, and the first of them. */
const char *rs_context_item_text(const rs_context_item *item, rs_arena *mem);
const char *rs_context_item_head(const rs_context_item *item, rs_arena *mem);
/* "affirmed: mass; negated: left effusion", "" for nothing to say. */
const char *rs_cited_says(const rs_cited *s, rs_arena *mem);

/* {"question", "budget", "tokens", "cases", "end", "similarity", "evidence": [{"n", "case",
 * "contrast", "title", ..., "passages": [{"section", "begin", "end", "text", "state",
 * "findings": [{"finding", "state", "side", "size", "unit"}]}], "image", "folded"}], "order",
 * "examples", "text"}; the caller json_decref()s; NULL on OOM. */
json_t *rs_context_json(const rs_context *c, rs_arena *mem);
/* Its "similarity", which a search says too: {"verdict", "false_alarm", "typical": {PROBE: share}}. */
json_t *rs_verdict_json(const rs_verdict *v);

#endif
