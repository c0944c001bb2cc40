/* test_phantom_prose.c - templates: choices, weights, variables, and the tidying.
 * The phantoms are a program, not a library: its source is taken in here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../../tools/phantoms/prose.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static ph_prose prose(bool american)
{
    rs_random r = rs_random_seed(1);
    ph_case c = {.sex = 'F', .age = 54, .study = "Frontal chest radiograph"};
    ph_prose p = ph_prose_new(&c, &r);

    p.american = american;
    return p;
}

static void test_what_is_said(void **state)
{
    static const struct { const char *text, *want; bool american; } table[] = {
        {"plain text", "Plain text", false},
        {"a {age} {sex}", "A 54-year-old woman", false},
        {"{gender}, {unknown}", "Female, {unknown}", false},
        {"{{age}|{age}}", "54-year-old", false},
        {"x{|}", "X", false},
        {"a  b   c .", "A b c.", false},
        {"no fluid. no air. done", "No fluid. No air. Done", false},
        {"a 8 mm and a 18 mm and a 180 mm nodule", "An 8 mm and an 18 mm and a 180 mm nodule", false},
        {"a effusion, a unilateral one", "An effusion, a unilateral one", false},
        {"a 1.5 cm lesion", "A 1.5 cm lesion", false},
        {"oedema of a tumour. haemorrhage", "Oedema of a tumour. Haemorrhage", false},
        {"oedema of a tumour. haemorrhage", "Edema of a tumor. Hemorrhage", true},
        {"an {open brace", "An {open brace", false},
    };

    (void)state;
    for (size_t i = 0; i < ph_count(table); i++) {
        ph_prose p = prose(table[i].american);
        char *said = ph_expand(&p, table[i].text);

        if (!said || strcmp(said, table[i].want) != 0)
            fail_msg("\"%s\": said \"%s\", wanted \"%s\"", table[i].text, said, table[i].want);
        rs_free(said);
    }
}

/* {a*3|b}: a three times in four, within four standard deviations. */
static void test_weights(void **state)
{
    ph_prose p = prose(false);
    size_t a = 0, n = 4000;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char *said = ph_expand(&p, "{a*3|b}");

        assert_non_null(said);
        a += strcmp(said, "A") == 0;
        rs_free(said);
    }
    assert_in_range(a, 3000 - 110, 3000 + 110);
}

static void test_finding_words(void **state)
{
    ph_prose p = prose(false);
    ph_finding f = {.kind = "nodule", .side = "left", .site = "upper zone", .size = "12 mm"};

    (void)state;
    ph_set_finding(&p, &f);
    char *said = ph_expand(&p, "a {size} {sided} {kind}, {side} {site}");

    assert_string_equal(said, "A 12 mm left-sided nodule, left upper zone");
    rs_free(said);
    f.side = "";
    ph_set_finding(&p, &f);                  /* a later value replaces the first */
    said = ph_expand(&p, "{sided} {kind}");
    assert_string_equal(said, "Nodule");
    rs_free(said);
}

static void test_some_are_different(void **state)
{
    static const char *const texts[] = {"one.", "two.", "three."};
    ph_prose p = prose(false);

    (void)state;
    for (int i = 0; i < 20; i++) {
        rs_buf out = {0};

        ph_say_some(&out, &p, texts, 3, 3);
        assert_int_equal(out.len, strlen("One. Two. Three."));
        assert_non_null(strstr(out.data, "One."));
        assert_non_null(strstr(out.data, "Two."));
        assert_non_null(strstr(out.data, "Three."));
        rs_buf_clear(&out);
    }
}

static void test_out_of_memory(void **state)
{
    size_t live = rs_alloc_live();
    char *said = NULL;

    (void)state;
    for (long k = 0; !said; k++) {
        ph_prose p = prose(true);

        rs_alloc_fail_after(k);
        said = ph_expand(&p, "a {age} {sex} with {oedema|haemorrhage} of {the study|{study}}");
        rs_alloc_fail_after(-1);
        assert_true(k < 100);
    }
    rs_free(said);
    assert_int_equal(rs_alloc_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_finding_words),
        cmocka_unit_test(test_some_are_different),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("phantom_prose", tests, NULL, NULL);
}
