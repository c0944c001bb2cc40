/* fuzz_answer.c - any bytes as a report, as a generator's answer to it and as a template: what is
 * clean is one line without marks, citations and ranges are where they are said to be, nothing
 * is read that is not there. A line "%%" parts report and answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "engine/check.h"
#include "engine/clean.h"
#include "engine/extract.h"
#include "engine/prompts.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
    if (!ok)
        abort();
}

static const rs_lexicon *lexicon(void)
{
    static rs_lexicon *l;
    rs_err err;

    if (!l && rs_lexicon_load(&l, NULL, &err) != RS_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return l;
}

/* Two cases of one sentence each. */
static rs_context context_of(const char *report, rs_arena *mem)
{
    static const size_t order[] = {0, 1};
    rs_context_item *items = rs_new(mem, rs_context_item, 2);
    rs_cited *cited = rs_new(mem, rs_cited, 2);

    want(items && cited);
    cited[0].text = rs_clean_line(report, strlen(report), "P-77", mem);
    cited[1].text = "A small left pleural effusion of 3 cm.";
    for (size_t i = 0; i < 2; i++) {
        rs_mention *m;
        want(cited[i].text != NULL && !strchr(cited[i].text, '\n'));
        want(rs_report_mentions(lexicon(), cited[i].text, NULL, 0, mem, &m, &cited[i].n_mentions,
                                NULL) == RS_OK);
        cited[i].mentions = m;
        cited[i].words = 1;
        cited[i].agreement = 2;
        items[i] = (rs_context_item){.number = i + 1, .key = "k", .sentences = &cited[i],
                                     .n_sentences = 1};
    }
    return (rs_context){.question = cited[0].text, .items = items, .n = 2, .n_cases = 2,
                        .order = order, .fence = "-----", .end = "hits"};
}

static void try_template(const char *text, const rs_context *c, rs_arena *mem)
{
    rs_prompts *p;
    const rs_prompt *t;
    rs_filled f;
    rs_status st;

    want(rs_prompts_load(&p, NULL, NULL) == RS_OK);
    st = rs_prompts_add(p, "fuzz.txt", text, NULL);
    want(st == RS_OK || st == RS_ECORRUPT);
    if (st == RS_OK && rs_prompts_find(p, "fuzz", &t, NULL) == RS_OK)
        want(rs_prompt_fill(t, c, text, mem, &f, NULL) == RS_OK);
    rs_prompts_free(p);
}

static void try_answer(const char *text, const rs_context *c, rs_arena *mem)
{
    rs_check_options o = rs_check_defaults();
    const char *reasoning, *answer;
    rs_verified v;
    rs_answer a;

    want(rs_answer_split(text, mem, &reasoning, &answer, NULL) == RS_OK);
    want(rs_answer_read(answer, mem, &a, NULL) == RS_OK);
    for (size_t i = 0; i < a.n; i++) {
        const rs_sentence *s = &a.sentences[i];
        want(strlen(s->bare) <= strlen(s->text));
        for (size_t k = 1; k < s->n_cites; k++)
            want(s->cites[k - 1] < s->cites[k]);
    }
    want(rs_check(lexicon(), c, &a, &o, mem, &v, NULL) == RS_OK);
    want(v.held <= v.claims && v.claims <= v.n && v.n == a.n && v.text);
    o.policy = RS_CHECK_WITHHOLD;
    o.enough = 0;
    want(rs_check(lexicon(), c, &a, &o, mem, &v, NULL) == RS_OK);
    for (size_t i = 0; i < v.n; i++)
        for (size_t k = 0; !v.rows[i].flags && k < a.sentences[i].n_cites; k++)
            want(a.sentences[i].cites[k] >= 1 && a.sentences[i].cites[k] <= c->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = rs_strndup((const char *)data, size), *answer;
    rs_extract_options o = {.parts = "cases sentences findings diagnoses for_against differs "
                                     "draft impression quiz contrast"};
    rs_arena mem = {0};
    rs_context c;
    rs_answer own;

    want(text != NULL);
    answer = strstr(text, "\n%%\n");
    if (answer) {
        *answer = '\0';
        answer += 4;
    }
    c = context_of(text, &mem);
    try_answer(answer ? answer : text, &c, &mem);
    try_template(answer ? answer : text, &c, &mem);
    o.learner = answer;
    want(rs_extract(lexicon(), &c, &o, &mem, &own, NULL) == RS_OK);
    for (size_t i = 0; i < own.n; i++)
        want(own.sentences[i].n_cites > 0);
    rs_arena_clear(&mem);
    rs_free(text);
    return 0;
}
