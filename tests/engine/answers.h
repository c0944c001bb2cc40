/* answers.h - contexts for tests without an archive: each report a case, each of its sentences
 * cited.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_ENGINE_ANSWERS_H
#define RS_TESTS_ENGINE_ANSWERS_H

#include "fixture.h"

#include "engine/check.h"
#include "engine/clean.h"
#include "engine/extract.h"
#include "engine/sentences.h"

static rs_lexicon *lexicon;

static int load_lexicon(void **state)
{
    (void)state;
    return rs_lexicon_load(&lexicon, NULL, NULL) == RS_OK ? 0 : -1;
}

static int free_lexicon(void **state)
{
    (void)state;
    rs_lexicon_free(lexicon);
    return 0;
}

/* The state of most of its words. */
static inline rs_state state_of_text(const char *text, rs_arena *mem)
{
    size_t bytes[RS_STATE_COUNT] = {0}, n;
    rs_statement *list;
    rs_err err = {RS_OK, ""};
    rs_state most = RS_STATE_AFFIRMED;

    ok(rs_report_read(lexicon, text, 0, strlen(text), mem, &list, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        bytes[list[i].state] += list[i].end - list[i].begin;
    for (int k = 0; k < RS_STATE_COUNT; k++)
        if (bytes[k] > bytes[most])
            most = (rs_state)k;
    return most;
}

static inline rs_context_item item_of(size_t number, const char *report, const char *diagnosis,
                                      rs_arena *mem)
{
    size_t len = strlen(report), n = 0;
    rs_cited *rows = rs_new(mem, rs_cited, len / 2 + 1);
    const char **names = rs_new(mem, const char *, 1);
    rs_err err = {RS_OK, ""};

    for (size_t at = 0; at < len;) {
        size_t mark = strspn(report + at, "0123456789");
        size_t next = rs_sentence_end(report, at, len);
        rs_cited *c = &rows[n];
        rs_mention *m;
        if (mark && mark < 3 && strchr(".)", report[at + mark]) && report[at + mark + 1] == ' ')
            at += mark + 2;                      /* the number of a list's item */
        c->text = rs_clean_line(report + at, next - at, NULL, mem);
        if (*c->text) {
            ok(rs_report_mentions(lexicon, c->text, NULL, 0, mem, &m, &c->n_mentions, &err), &err);
            c->section = "findings";
            c->begin = at;
            c->end = next;
            c->mentions = m;
            c->state = state_of_text(c->text, mem);
            c->agreement = 2 - 0.01 * (double)n;
            c->words = 1;
            n++;
        }
        at = next;
    }
    names[0] = diagnosis;
    return (rs_context_item){.number = number, .key = rs_arena_sprintf(mem, "case-%zu", number),
                             .modality = "CR", .body_part = "CHEST", .sex = "F", .age = "60 years",
                             .score = 1, .sentences = rows, .n_sentences = n, .diagnoses = names,
                             .n_diagnoses = diagnosis ? 1 : 0};
}

static inline rs_context context_of(const char *const *reports, const char *const *diagnoses,
                                    size_t n, rs_arena *mem)
{
    rs_context_item *items = rs_new(mem, rs_context_item, n + 1);
    size_t *order = rs_new(mem, size_t, n + 1);

    for (size_t i = 0; i < n; i++) {
        items[i] = item_of(i + 1, reports[i], diagnoses ? diagnoses[i] : NULL, mem);
        order[i] = i;
    }
    return (rs_context){.question = "", .items = items, .n = n, .n_cases = n, .order = order,
                        .end = "hits", .fence = "----- DATA 0123456789abcdef -----",
                        .budget = 1500};
}

/* The flags of the only sentence of an answer. */
static inline unsigned flags_of(const rs_context *c, const char *text, rs_arena *mem)
{
    rs_check_options o = rs_check_defaults();
    rs_err err = {RS_OK, ""};
    rs_verified v;
    rs_answer a;
    unsigned flags = 0;

    ok(rs_answer_read(text, mem, &a, &err), &err);
    ok(rs_check(lexicon, c, &a, &o, mem, &v, &err), &err);
    for (size_t i = 0; i < v.n; i++)
        flags |= v.rows[i].flags;
    return flags;
}

#endif
