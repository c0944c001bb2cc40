/* test_report.c - what a report says of a thing, and the findings that it names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/report.h"
#include "engine/sections.h"

static rs_lexicon *lexicon;

static int load(void **state)
{
    (void)state;
    return rs_lexicon_load(&lexicon, NULL, NULL) == RS_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    rs_lexicon_free(lexicon);
    return 0;
}

/* ---- Statements ------------------------------------------------------ */

/* a: affirmed, u: uncertain, m: normal, h: historical, n: negated. */
static void test_states(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"There is a left pneumothorax.", "a:There is a left pneumothorax|"},
        {"No pneumothorax, effusion, or edema.", "n:No pneumothorax, effusion, or edema|"},
        {"No effusion, but a mass.", "n:No effusion|a:but a mass|"},
        {"No effusion, the heart is enlarged.", "n:No effusion|a:the heart is enlarged|"},
        {"Pneumothorax is not seen.", "n:Pneumothorax is not seen|"},
        {"No change in the effusion.", "a:No change in the effusion|"},
        {"Not only a nodule.", "a:Not only a nodule|"},
        {"The effusion has resolved.", "n:The effusion has resolved|"},
        {"The heart is normal in size.", "m:The heart is normal in size|"},
        {"Heart, hila, and mediastinum are normal.", "m:Heart, hila, and mediastinum are normal|"},
        {"Mild scoliosis, lungs are clear.", "a:Mild scoliosis|m:lungs are clear|"},
        {"Heart size is at the upper limits of normal.",
         "a:Heart size is at the upper limits of normal|"},
        {"Heart: Normal.", "m:Heart: Normal|"},
        {"Lungs: No consolidation.", "n:Lungs: No consolidation|"},
        {"Possible pneumonia.", "u:Possible pneumonia|"},
        {"Rule out pneumothorax.", "u:Rule out pneumothorax|"},
        {"Pneumothorax has been ruled out.", "n:Pneumothorax has been ruled out|"},
        {"A small effusion cannot be excluded.", "u:A small effusion cannot be excluded|"},
        {"Streaky opacity, likely scarring.", "a:Streaky opacity|u:likely scarring|"},
        {"History of lymphoma.", "h:History of lymphoma|"},
        {"No history of lymphoma.", "n:No history of lymphoma|"},
        {"Compared with the prior study, a new mass.",
         "a:Compared with the prior study, a new mass|"},
        {"Clear lungs without effusion.", "m:Clear lungs|n:without effusion|"},
        {"Leads are intact.", "a:Leads|m:are intact|"},
        {"No effusion. Mass in the liver. 3.5 cm.",
         "n:No effusion|a:Mass in the liver|a:3.5 cm|"},
        {"", ""},
    };
    static const char letters[] = "aumhn";

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_arena mem = {0};
        rs_err err = {RS_OK, ""};
        rs_buf got = {0};
        rs_statement *list;
        size_t n;
        ok(rs_report_read(lexicon, rows[i].text, 0, strlen(rows[i].text), &mem, &list, &n, &err),
           &err);
        for (size_t k = 0; k < n; k++)
            rs_buf_printf(&got, "%c:%.*s|", letters[list[k].state],
                          (int)(list[k].end - list[k].begin), rows[i].text + list[k].begin);
        assert_string_equal(got.data ? got.data : "", rows[i].want);
        rs_buf_clear(&got);
        rs_arena_clear(&mem);
    }
}

/* ---- Mentions -------------------------------------------------------- */

static void test_mentions(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"Small left pleural effusion.", "pleural effusion affirmed left|"},
        {"No pneumothorax. Heart is mildly enlarged.",
         "pneumothorax negated|cardiomegaly affirmed|"},
        {"Heart is not enlarged.", "cardiomegaly normal|"},
        {"A 2.5 x 3 cm mass in the right upper lobe.", "lung mass affirmed right 3 cm|"},
        {"Nodules, the largest 12mm, in both lungs.", "nodule affirmed bilateral 12 mm|"},
        {"Possible RLL pneumonia, pacemaker in place.",
         "pneumonia uncertain right|pacemaker uncertain right|"},
        {"Indication: Pneumonia. Findings: Atelectasis.",
         "pneumonia historical|atelectasis affirmed|"},
        {"The lungs are clear.", ""},
        /* "marked" is a word that other rows name too; a term in parts has a name without "&" */
        {"Marked osteoarthritis.", "arthritis affirmed|"},
        {"Dilated bowel.", "bowel dilated affirmed|"},
        {"Calcified granuloma; granulomas.", "calcified granuloma affirmed|granuloma affirmed|"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_arena mem = {0};
        rs_err err = {RS_OK, ""};
        rs_buf got = {0};
        rs_mention *list;
        size_t n, n_sections;
        rs_section *sections = rs_sections_find(lexicon, rows[i].text, &mem, &n_sections);
        assert_non_null(sections);
        ok(rs_report_mentions(lexicon, rows[i].text, sections, n_sections, &mem, &list, &n, &err),
           &err);
        for (size_t k = 0; k < n; k++) {
            rs_buf_printf(&got, "%s %s", list[k].finding, rs_state_name(list[k].state));
            if (list[k].side != RS_SIDE_NONE)
                rs_buf_printf(&got, " %s", rs_side_name(list[k].side));
            if (list[k].unit)
                rs_buf_printf(&got, " %g %s", list[k].size, list[k].unit);
            rs_buf_putc(&got, '|');
        }
        assert_string_equal(got.data ? got.data : "", rows[i].want);
        rs_buf_clear(&got);
        rs_arena_clear(&mem);
    }
}

/* ---- Any text -------------------------------------------------------- */

/* Statements ascend and lie apart inside the text, mentions lie inside; whatever it is. */
static void test_any_text(void **state)
{
    static const char *const bits[] = {
        "no ", "without ", "possible ", "normal", ", ", "; ", ". ", ":", " and ", " or ", "but ",
        "effusion ", "heart ", "enlarged ", "left ", "3.5 cm ", "\n", "\n\n- ", "\xff", "\xc3\xa9",
        "Findings: ", "history of ", "is not seen", " 7 x 8 mm", "(", "\"", "12345678901234567890"};
    rs_random rnd = rs_random_seed(9);
    rs_arena mem = {0};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        rs_buf b = {0};
        rs_err err = {RS_OK, ""};
        rs_statement *list;
        rs_mention *found;
        size_t n, at = 0, n_sections;
        rs_section *sections;
        for (size_t i = rs_random_below(&rnd, 40); i > 0; i--)
            rs_buf_puts(&b, pick(&rnd, bits, sizeof bits / sizeof *bits));
        rs_buf_puts(&b, "");
        ok(rs_report_read(lexicon, b.data, 0, b.len, &mem, &list, &n, &err), &err);
        for (size_t i = 0; i < n; i++) {
            assert_true(list[i].begin >= at && list[i].end > list[i].begin && list[i].end <= b.len);
            at = list[i].end;
        }
        sections = rs_sections_find(lexicon, b.data, &mem, &n_sections);
        ok(rs_report_mentions(lexicon, b.data, sections, n_sections, &mem, &found, &n, &err), &err);
        for (size_t i = 0; i < n; i++)
            assert_true(found[i].begin < found[i].end && found[i].end <= b.len);
        rs_buf_clear(&b);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
}

/* A long run of the worst there is takes as long as twice half of it: no square. */
static void test_time_is_linear(void **state)
{
    static const char *const worst[] = {"no ", "heart ", "no, ", "( ", "3 x ", "a.b", "\n-", "  "};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};

    (void)state;
    for (size_t w = 0; w < sizeof worst / sizeof *worst; w++) {
        rs_buf b = {0};
        rs_statement *list;
        rs_mention *found;
        size_t n;
        while (b.len < 300000)
            rs_buf_puts(&b, worst[w]);
        ok(rs_report_read(lexicon, b.data, 0, b.len, &mem, &list, &n, &err), &err);
        ok(rs_report_mentions(lexicon, b.data, NULL, 0, &mem, &found, &n, &err), &err);
        assert_non_null(rs_sections_find(lexicon, b.data, &mem, &n));
        rs_buf_clear(&b);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
}

/* Let the k-th allocation fail, for every k until reading succeeds. */
static void test_out_of_memory(void **state)
{
    static const char text[] = "No effusion. A 3 cm mass on the left; heart is enlarged.";
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_arena mem = {0};
        rs_mention *list;
        size_t n;
        assert_true(k < 100);
        rs_alloc_fail_after(k);
        st = rs_report_mentions(lexicon, text, NULL, 0, &mem, &list, &n, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_arena_clear(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_mentions),
        cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_time_is_linear),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
