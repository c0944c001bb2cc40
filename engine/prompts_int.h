/* prompts_int.h - what a template is made of; inside engine/ only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_PROMPTS_INT_H
#define RS_ENGINE_PROMPTS_INT_H

#include "engine/prompts.h"

#include <stdint.h>

/* Where a placeholder is known. */
typedef enum { RS_IN_ALL, RS_IN_CASES, RS_IN_SENTENCES, RS_IN_EXAMPLES } rs_prompt_scope;

/* X(identifier, as written, scope) */
#define RS_PLACE_MAP(X)                                                                     \
    X(QUESTION, "question", ALL) X(EVIDENCE, "evidence", ALL) X(FENCE, "fence", ALL)        \
    X(N_CASES, "n_cases", ALL) X(NOTHING, "nothing", ALL) X(CONTRAST, "contrast", ALL)      \
    X(LEARNER, "learner", ALL) X(CASES, "cases", ALL) X(EXAMPLES, "examples", ALL)          \
    X(N, "n", CASES) X(CASE, "case", CASES) X(MODALITY, "modality", CASES)                  \
    X(BODY_PART, "body_part", CASES) X(VIEW, "view", CASES) X(SEX, "sex", CASES)            \
    X(AGE, "age", CASES) X(TIER, "tier", CASES) X(DIAGNOSES, "diagnoses", CASES)            \
    X(FOLDED, "folded", CASES) X(SENTENCES, "sentences", CASES)                             \
    X(SECTION, "section", SENTENCES) X(BEGIN, "begin", SENTENCES) X(END, "end", SENTENCES)  \
    X(TEXT, "text", SENTENCES) X(SAYS, "says", SENTENCES)                                   \
    X(EXAMPLE_N, "n", EXAMPLES) X(FINDINGS, "findings", EXAMPLES)                           \
    X(IMPRESSION, "impression", EXAMPLES)

typedef enum {
#define RS_PLACE_ENUM(id, text, scope) RS_PLACE_##id,
    RS_PLACE_MAP(RS_PLACE_ENUM)
#undef RS_PLACE_ENUM
    RS_PLACES
} rs_place;

typedef enum { RS_NODE_TEXT, RS_NODE_PLACE, RS_NODE_IF, RS_NODE_LOOP, RS_NODE_CLOSE } rs_node_kind;

typedef struct {
    rs_node_kind kind;
    rs_place     place;
    const char  *text;             /* TEXT: bytes of the template */
    size_t       len;
    size_t       close;            /* IF, LOOP: the node that closes it */
} rs_node;

struct rs_prompt {
    const char *name, *title, *parts;
    long long   version;
    size_t      examples;
    struct { const char *role; size_t first, end; } messages[RS_PROMPT_MESSAGES];
    size_t      n_messages;
    rs_node    *nodes;
    size_t      n, cap;
};

/* Read one template; `name` is "x.txt" in messages. Everything in `mem`. */
rs_status rs_prompt_parse(rs_prompt *out, const char *name, const char *text, rs_arena *mem,
                          rs_err *err);

/* The files built in. */
typedef struct { const char *name; const unsigned char *bytes; size_t len; } rs_prompt_file;
extern const rs_prompt_file rs_prompt_files[];

#endif
