/* prompts.h - what a generator is told: templates in plain files, filled with a context.
 *
 * A template is NAME.txt of data/prompts (built in) or of a folder of the user's, whose files
 * come before those built in:
 *
 *   version: 1                          lines of the head; # begins a comment
 *   title: Case comparison
 *   parts: cases sentences diagnoses    what the built-in generator writes (extract.h)
 *   examples: 2                         reports to learn the style from, 0 to 4
 *   ---
 *   === system                          a message: system or user, in order
 *   You compare ...
 *   === user
 *   {{question}}                        a placeholder
 *   {{?examples}} ... {{/examples}}     only where there is one, or where it is not ""
 *   {{#cases}} [{{n}}] {{case}} {{#sentences}} {{text}} {{/sentences}} {{/cases}}
 *
 * Placeholders, everywhere:  question  evidence (rs_context_text)  fence  n_cases  nothing
 *   (not "" where nothing is similar enough)  contrast (number of the contrast case)  learner
 * in #cases:     n case modality body_part view sex age tier diagnoses folded
 * in #sentences: section begin end text says
 * in #examples:  n findings impression
 *
 * One that is not known is an error that names file and line, when the template is loaded.
 * Whatever comes from reports is plain already (clean.h); a template that shows it outside of
 * {{evidence}} puts {{fence}} around it.
 *
 * Templates ask for <reasoning>...</reasoning> before <answer>...</answer>, so that what a
 * generator thinks is kept apart from what is checked and shown: rs_answer_split().
 *
 * Loaded templates do not change: any thread may fill them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_PROMPTS_H
#define RS_ENGINE_PROMPTS_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/context.h"

#include <stddef.h>

typedef struct rs_prompts rs_prompts;
typedef struct rs_prompt rs_prompt;

/* `folder` NULL: those built in. RS_ENOENT: no such folder. RS_ECORRUPT names file and line.
 * RS_EIO, RS_ENOMEM. */
rs_status rs_prompts_load(rs_prompts **out, const char *folder, rs_err *err);
void      rs_prompts_free(rs_prompts *p);                        /* NULL is fine */
size_t    rs_prompts_count(const rs_prompts *p);
const rs_prompt *rs_prompts_at(const rs_prompts *p, size_t i);   /* by name */
/* RS_ENOENT lists the names there are. */
rs_status rs_prompts_find(const rs_prompts *p, const char *name, const rs_prompt **out,
                          rs_err *err);
/* One template from memory, checked as one from a file: for tests and tools. */
rs_status rs_prompts_add(rs_prompts *p, const char *name, const char *text, rs_err *err);

const char *rs_prompt_name(const rs_prompt *t);                  /* "case-comparison" */
const char *rs_prompt_title(const rs_prompt *t);
const char *rs_prompt_parts(const rs_prompt *t);                 /* "" for none */
long long   rs_prompt_version(const rs_prompt *t);
size_t      rs_prompt_examples(const rs_prompt *t);

enum { RS_PROMPT_MESSAGES = 4 };

/* A message to a generator. */
typedef struct { const char *role, *text; } rs_message;

typedef struct {
    rs_message messages[RS_PROMPT_MESSAGES];
    size_t     n;
} rs_filled;

/* `learner`: what a learner answered, for quizzes; NULL or "" for nothing. RS_ENOMEM. */
rs_status rs_prompt_fill(const rs_prompt *t, const rs_context *c, const char *learner,
                         rs_arena *mem, rs_filled *out, rs_err *err);

/* What a generator wrote, its reasoning apart: in <reasoning> or <think>; the answer is what
 * stands in <answer>, or else outside of the reasoning. Neither is NULL; in `mem`; RS_ENOMEM. */
rs_status rs_answer_split(const char *text, rs_arena *mem, const char **reasoning,
                          const char **answer, rs_err *err);

#endif
