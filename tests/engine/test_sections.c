/* test_sections.c - reports are cut where a reader would cut them: sections, sentences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/sections.h"
#include "engine/sentences.h"


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

static void test_sections(void **state)
{
    static const struct { const char *report; const char *want; } rows[] = {
        {"Comparison: None. Indication: Cough. Findings: Clear lungs. Impression: Normal.",
         "comparison=None.|history=Cough.|findings=Clear lungs.|impression=Normal.|"},
        {"CLINICAL HISTORY :\nFever.\n\nFINDINGS:\nA mass.\nCONCLUSION: Cancer.\n",
         "history=Fever.|findings=A mass.|impression=Cancer.|"},
        {"No headings at all.", ""},
        {"Historyless: x. The finding was: y.", ""},
        {"Some words. Differential diagnosis: a, b.", "differential=a, b.|"},
        {"", ""},
        {"Findings:", "findings=|"},
        {"FINDINGS The lungs are clear. IMPRESSION Normal chest.",
         "findings=The lungs are clear.|impression=Normal chest.|"},
        {"Clinical history\nFever.\n\nImpression\nPneumonia.",
         "history=Fever.|impression=Pneumonia.|"},
        {"Reason for this examination: Pain. **Findings**: Mass. Impression - Cancer.",
         "history=Pain. **|findings=Mass.|impression=Cancer.|"},
        {"INDICATION/HISTORY: Fall. FINDINGS AND IMPRESSION: Fracture.",
         "history=Fall.|findings=Fracture.|"},
        {"The impression of normal findings: none.", ""},
        {"No comparison. Comparison: None. Lungs: clear.", "comparison=None. Lungs: clear.|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_arena mem = {0};
        rs_buf got = {0};
        size_t n;
        rs_section *s = rs_sections_find(lexicon, rows[i].report, &mem, &n);
        for (size_t k = 0; k < n; k++)
            rs_buf_printf(&got, "%s=%.*s|", s[k].name, (int)(s[k].end - s[k].begin),
                          rows[i].report + s[k].begin);
        assert_string_equal(got.data ? got.data : "", rows[i].want);
        rs_buf_clear(&got);
        rs_arena_clear(&mem);
    }
}

static void test_sentences(void **state)
{
    static const struct { const char *text; const char *want; } rows[] = {
        {"One. Two! Three?", "One. |Two! |Three?|"},
        {"A 3.5 cm mass. Seen by Dr. Smith.", "A 3.5 cm mass. |Seen by Dr. Smith.|"},
        {"Mild vs. severe, e.g. oedema. End.", "Mild vs. severe, e.g. oedema. |End.|"},
        {"First line\nsame sentence.\n\nNext", "First line\nsame sentence.\n\n|Next|"},
        {"Findings\n- a\n- b", "Findings\n|- a\n|- b|"},
        {"List\n1. one\n2. two", "List\n|1. one\n|2. two|"},
        {"J. B. Doe agrees. Yes.", "J. B. Doe agrees. |Yes.|"},
        {"Bright on T2. weighted images. End.", "Bright on T2. weighted images. |End.|"},
        {"Level L5. The disc.", "Level L5. |The disc.|"},
        {"At the left apex.There is more.", "At the left apex.|There is more.|"},
        {"Approx. 3.5 cm. Next", "Approx. 3.5 cm. |Next|"},
        {"(Stop.) Go.", "(Stop.) |Go.|"},
        {"No stop", "No stop|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_buf got = {0};
        size_t len = strlen(rows[i].text);
        for (size_t at = 0; at < len;) {
            size_t next = rs_sentence_end(rows[i].text, at, len);
            assert_true(next > at && next <= len);
            rs_buf_append(&got, rows[i].text + at, next - at);
            rs_buf_putc(&got, '|');
            at = next;
        }
        assert_string_equal(got.data, rows[i].want);
        rs_buf_clear(&got);
    }
}

/* Any bytes at all: progress is made, ranges stay inside, nothing is lost. */
static void test_any_text(void **state)
{
    static const char alphabet[] = "ab. \n:-(1)?!\xe2\x80\xa2\xff" "Findings: Dr. 3.5";
    rs_random r = rs_random_seed(3);
    char text[200];

    (void)state;
    for (int round = 0; round < 5000; round++) {
        size_t len = rs_random_below(&r, sizeof text - 1), n;
        rs_arena mem = {0};
        rs_section *s;
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[rs_random_below(&r, sizeof alphabet - 1)];
        text[len] = '\0';
        for (size_t at = 0; at < len;) {
            size_t next = rs_sentence_end(text, at, len);
            assert_true(next > at && next <= len);
            at = next;
        }
        s = rs_sections_find(lexicon, text, &mem, &n);
        for (size_t k = 0; k < n; k++) {
            assert_true(s[k].begin <= s[k].end && s[k].end <= len);
            assert_true(k == 0 || s[k - 1].end <= s[k].begin);
        }
        rs_arena_clear(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections), cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_any_text),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
