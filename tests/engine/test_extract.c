/* test_extract.c - the built-in generator: no word that no source has, a citation in every
 * sentence, counts that are right, nothing that contradicts what stands before, answers that
 * hold against their own evidence.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answers.h"

#include "base/json.h"

#include <ctype.h>

#define OPENI "../shared/data/openi/corpus.jsonl"
#define MEDPIX "../shared/data/medpix-dev/cases.jsonl"

static const char all_parts[] = "cases sentences findings diagnoses for_against differs discussion "
                                "draft impression quiz contrast";

static const char *const reports[] = {
    "There is a small left pleural effusion. No pneumothorax. The heart is enlarged.",
    "Moderate right pleural effusion. No pneumothorax. Cardiomegaly.",
    "No pleural effusion. Small apical pneumothorax on the left. A 12 mm nodule.",
    "Large left pleural effusion with atelectasis. No pneumothorax is seen.",
};
static const char *const diagnoses[] = {"Heart failure", "Congestive heart failure, decompensated",
                                        "Metastatic melanoma", "Heart failure"};

static rs_answer answer_of(const rs_context *c, const char *parts, const char *learner,
                           rs_arena *mem)
{
    rs_extract_options o = {.parts = parts, .learner = learner, .words_only = true};
    rs_err err = {RS_OK, ""};
    rs_answer a;

    ok(rs_extract(lexicon, c, &o, mem, &a, &err), &err);
    return a;
}

static const char *joined(const rs_answer *a, rs_arena *mem)
{
    const char *all = "";

    for (size_t i = 0; i < a->n; i++)
        all = rs_arena_sprintf(mem, "%s%s\n", all, a->sentences[i].text);
    return all;
}

/* ---- By hand --------------------------------------------------------- */

static void test_parts(void **state)
{
    static const struct { const char *parts, *want; } rows[] = {
        {"cases", "4 cases in this archive come nearest [1][2][3][4].\n"},
        {"findings", "Pleural effusion: in 3 of 4 cases [1][2][4].\n"
                     "No pleural effusion in 1 of 4 cases [3].\n"
                     "Cardiomegaly: in 2 of 4 cases [1][2].\n"},
        {"diagnoses", "Diagnosis in 3 of 4 cases: Heart failure [1][2][4].\n"
                      "Diagnosis in 1 of 4 cases: Metastatic melanoma [3].\n"},
        {"differs", "They differ: pleural effusion in [1][2][4], no pleural effusion in [3].\n"
                    "They differ: left pleural effusion in [1][4], right pleural effusion in [2].\n"
                    "They differ: pneumothorax in [3], no pneumothorax in [1][2][4].\n"},
    };
    rs_arena mem = {0};
    rs_context c = context_of(reports, diagnoses, 4, &mem);

    (void)state;
    c.question = "pleural effusion";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_answer a = answer_of(&c, rows[i].parts, NULL, &mem);
        assert_string_equal(joined(&a, &mem), rows[i].want);
    }
    rs_arena_clear(&mem);
}

static void test_quiz(void **state)
{
    rs_arena mem = {0};
    rs_context c = context_of(reports, diagnoses, 4, &mem);
    rs_answer a = answer_of(&c, "quiz", "An effusion? Emphysema! Pneumothorax", &mem);
    const char *text = joined(&a, &mem);

    (void)state;
    assert_non_null(strstr(text, "None of the cases names emphysema [1][2][3][4]."));
    assert_non_null(strstr(text, "ffusion: in 3 of 4 cases [1][2][4]."));
    assert_non_null(strstr(text, "No pneumothorax in 3 of 4 cases [1][2][4]."));
    assert_non_null(strstr(text, "Missing: cardiomegaly, in 2 of 4 cases [1][2]."));
    rs_arena_clear(&mem);
}

/* A draft is of one report: it has no two sides, states or sizes of one finding. */
static void test_draft_does_not_contradict_itself(void **state)
{
    static const char *const some[] = {
        "Left pleural effusion.", "Right pleural effusion.", "No pleural effusion.",
        "A nodule of 5 mm.", "A nodule of 9 mm.", "The cyst measures 3 cm today.",
        "The cyst measures 4 cm today.", "Interval improvement of a cavity.",
    };
    rs_arena mem = {0};
    rs_context c = context_of(some, NULL, 8, &mem);
    rs_answer a = answer_of(&c, "draft", NULL, &mem);

    (void)state;
    assert_string_equal(joined(&a, &mem), "Left pleural effusion [1].\nA nodule of 5 mm [4].\n"
                                          "The cyst measures 3 cm today [6].\n");
    rs_arena_clear(&mem);
}

static void test_not_enough_evidence(void **state)
{
    rs_arena mem = {0};
    rs_context c = context_of(reports, diagnoses, 4, &mem);
    rs_extract_options o = {.words_only = true};
    rs_err err = {RS_OK, ""};
    rs_answer a;

    (void)state;
    c.verdict.kind = RS_VERDICT_NOTHING;
    a = answer_of(&c, NULL, NULL, &mem);
    assert_int_equal(a.n, 1);
    assert_string_equal(a.sentences[0].part, "nothing");
    assert_int_equal(a.sentences[0].n_cites, 4);
    c.verdict.kind = RS_VERDICT_SIMILAR;
    for (size_t i = 0; i < c.n; i++)
        for (size_t k = 0; k < c.items[i].n_sentences; k++)
            ((rs_cited *)(uintptr_t)c.items[i].sentences)[k].words = 0;
    a = answer_of(&c, NULL, NULL, &mem);
    assert_true(a.n == 1 && strstr(a.sentences[0].text, "none of the cases names") != NULL);
    c.n = c.n_cases = 0;
    a = answer_of(&c, NULL, NULL, &mem);
    assert_string_equal(joined(&a, &mem), "Not enough evidence: nothing was found.\n");
    c = context_of(reports, diagnoses, 4, &mem);
    o.parts = "cases poetry";
    assert_int_equal(rs_extract(lexicon, &c, &o, &mem, &a, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "poetry"));
    rs_arena_clear(&mem);
}

static void test_allocation_failures(void **state)
{
    rs_arena mem = {0}, once = {0};
    rs_context c = context_of(reports, diagnoses, 4, &mem);
    rs_extract_options o = {.parts = all_parts, .learner = "Emphysema"};
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_answer a;
        rs_arena_clear(&once);
        rs_alloc_fail_after(k);
        st = rs_extract(lexicon, &c, &o, &once, &a, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
    }
    rs_arena_clear(&once);
    rs_arena_clear(&mem);
}

/* ---- Every word has a source ----------------------------------------- */

static bool word_in(const char *text, const char *word, size_t len)
{
    for (const char *s = text; *s; s++)
        if (strncasecmp(s, word, len) == 0 && (s == text || !isalnum((unsigned char)s[-1])) &&
            !isalnum((unsigned char)s[len]))
            return true;
    return false;
}

static bool has_source(const rs_context *c, const char *learner, const char *word, size_t len)
{
    static const char *const said[] = RS_SAY_ALL;

    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (word_in(said[i], word, len))
            return true;
    if (word_in(c->question, word, len) || word_in(learner, word, len))
        return true;
    for (size_t i = 0; i < c->n; i++) {
        const rs_context_item *item = &c->items[i];
        for (size_t k = 0; k < item->n_sentences; k++)
            if (word_in(item->sentences[k].text, word, len))
                return true;
        for (size_t k = 0; k < item->n_diagnoses; k++)
            if (word_in(item->diagnoses[k], word, len))
                return true;
    }
    return false;
}

/* Words of letters; numbers are counts or stand in quotations, which check.h compares. */
static void assert_sources(const rs_context *c, const char *learner, const rs_answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *s = a->sentences[i].bare;
        assert_true(a->sentences[i].n_cites > 0);
        for (size_t k = 0; k < a->sentences[i].n_cites; k++)
            assert_in_range(a->sentences[i].cites[k], 1, c->n);
        while (*s) {
            size_t len = 0;
            while (isalnum((unsigned char)s[len]))
                len++;
            if (len && isalpha((unsigned char)*s) && !has_source(c, learner, s, len))
                fail_msg("'%.*s' has no source: %s", (int)len, s, a->sentences[i].text);
            s += len ? len : 1;
        }
    }
}

/* ---- Real reports ---------------------------------------------------- */

enum { ROUNDS = 100, CASES = 6, MAX_REPORTS = 4000 };

static size_t read_reports(const char *path, const char *second, char **texts, char **ends)
{
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0, n = 0;

    while (in && n < MAX_REPORTS && getline(&line, &cap, in) > 0) {
        json_t *o = json_loads(line, 0, NULL);
        const char *a = json_string_value(json_object_get(o, "findings"));
        const char *b = json_string_value(json_object_get(o, second));
        if (a && b && *b && strlen(a) > 40) {
            texts[n] = rs_strdup(a);
            ends[n++] = rs_strdup(b);
        }
        json_decref(o);
    }
    free(line);
    if (in)
        fclose(in);
    return n;
}

/* The same answer twice; every word with a source; its statements hold. */
static void on_real(const char *path, const char *second, uint64_t seed)
{
    static char *texts[MAX_REPORTS], *ends[MAX_REPORTS];
    rs_random rnd = rs_random_seed(seed);
    rs_check_options check = rs_check_defaults();
    size_t n, claims = 0, held = 0;

    if (!rs_file_exists(path)) {
        print_message("skipped: ../shared/data is absent\n");
        skip();
    }
    n = read_reports(path, second, texts, ends);
    for (size_t round = 0; round < ROUNDS; round++) {
        const char *some[CASES], *named[CASES];
        rs_err err = {RS_OK, ""};
        rs_arena mem = {0};
        rs_verified v;
        rs_context c;
        rs_answer a;
        for (size_t i = 0; i < CASES; i++) {
            size_t at = rs_random_below(&rnd, n);
            some[i] = texts[at];
            named[i] = ends[at];
        }
        c = context_of(some, strcmp(second, "diagnosis") == 0 ? named : NULL, CASES, &mem);
        c.question = "mass or effusion";
        a = answer_of(&c, all_parts, "pneumothorax, cardiomegaly", &mem);
        assert_sources(&c, "pneumothorax, cardiomegaly", &a);
        {
            rs_answer again = answer_of(&c, all_parts, "pneumothorax, cardiomegaly", &mem);
            assert_string_equal(joined(&a, &mem), joined(&again, &mem));
        }
        ok(rs_check(lexicon, &c, &a, &check, &mem, &v, &err), &err);
        claims += v.claims;
        held += v.held;
        for (size_t i = 0; i < v.n && getenv("RADSCOUT_SHOW"); i++)
            if (v.rows[i].flags)
                print_message("%x %s: %s\n", v.rows[i].flags, v.rows[i].about,
                              v.rows[i].sentence->text);
        rs_arena_clear(&mem);
    }
    print_message("%s: %zu of %zu own statements hold\n", path, held, claims);
    assert_true((double)held >= 0.97 * (double)claims);
    for (size_t i = 0; i < n; i++) {
        rs_free(texts[i]);
        rs_free(ends[i]);
    }
}

static void test_real_chest_reports(void **state)
{
    (void)state;
    on_real(OPENI, "impression", 81);
}

static void test_real_teaching_files(void **state)
{
    (void)state;
    on_real(MEDPIX, "diagnosis", 82);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_quiz),
        cmocka_unit_test(test_draft_does_not_contradict_itself),
        cmocka_unit_test(test_not_enough_evidence),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_real_chest_reports),
        cmocka_unit_test(test_real_teaching_files),
    };

    return cmocka_run_group_tests_name("engine/extract", tests, load_lexicon, free_lexicon);
}
