/* test_filter.c - the language of filters: what is read, what is refused and where, values of
 * any bytes quoted and read back, texts that mean no good.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/dates.h"
#include "engine/filter.h"

/* ---- What is read ------------------------------------------------------ */

/* Steps as a text: "modality=CT sex=F or not". */
static void write_steps(const rs_filter *f, rs_buf *b)
{
    static const char *const ops[] = {"", "and", "or", "not"};

    for (size_t i = 0; i < f->n; i++) {
        const rs_filter_step *s = &f->steps[i];
        rs_buf_printf(b, "%s%s", i ? " " : "", ops[s->op]);
        if (s->op != RS_FILTER_TEST)
            continue;
        rs_buf_printf(b, "%s%s%s", rs_field_name(s->field), s->attribute ? "." : "",
                      s->attribute ? s->attribute : "");
        for (size_t k = 0; k < s->n_values; k++) {
            const rs_filter_value *v = &s->values[k];
            if (v->kind == RS_VALUE_KNOWN)
                rs_buf_puts(b, k ? "|*" : "=*");
            else if (v->kind == RS_VALUE_EQUAL)
                rs_buf_printf(b, "%s%s", k ? "|" : "=", v->text);
            else
                rs_buf_printf(b, "%s%.10g..%.10g", k ? "|" : "=", v->from, v->below);
        }
    }
}

static void test_read(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"modality:CT", "modality=CT"},
        {"  Modality : \"CT\"  ", "modality=CT"},
        {"body-part:chest and BODY_PART:head", "body_part=chest body_part=head and"},
        {"plane:axial view:PA", "view=axial view=PA and"},
        {"modality:CT sex:F or sex:M", "modality=CT sex=F and sex=M or"},
        {"modality:CT (sex:F or sex:M)", "modality=CT sex=F sex=M or and"},
        {"NOT sex:F AND not not sex:M", "sex=F not sex=M and"},
        {"not(sex:F)", "sex=F not"},
        {"modality:CT|MR | \"C R\"|*", "modality=CT|MR|C R|*"},
        {"finding:\"pleural effusion\"", "finding=pleural effusion"},
        {"case:\"a \\\"b\\\" \\\\ \\c\"", "case=a \"b\" \\ \\c"},
        {"patient:>=7 source:/a:b/..c", "patient=>=7 source=/a:b/..c and"},
        {"finding:and or finding:not", "finding=and finding=not or"},
        {"modality:\"*\" modality:*", "modality=* modality=* and"},
        {"age:40", "age=40..41"},
        {"age:40..60", "age=40..61"},
        {"age:..40", "age=-inf..41"},
        {"age:40..", "age=40..inf"},
        {"age:>=40 age:>40", "age=40..inf age=41..inf and"},
        {"age:<=40 age:<40 age:=40", "age=-inf..41 age=-inf..40 and age=40..41 and"},
        {"age:1.5..2.5|80..", "age=1.5..2.5|80..inf"},
        {"age:\"40..49\"", "age=40..50"},
        {"date:2020", "date=20200101..20201232"},
        {"date:2020-02..2020-02-29", "date=20200201..20200230"},
        {"date:20200229", "date=20200229..20200230"},
        {"date:<2020-03 date:>2020-03", "date=-inf..20200301 date=20200332..inf and"},
        {"date:..2020", "date=-inf..20201232"},
        {"tier:proven", "tier=4..5"},
        {"tier:>=Reviewed", "tier=2..inf"},
        {"tier:<reviewed", "tier=1..2"},                   /* not known is no tier here, */
        {"tier:unknown tier:unknown..reported", "tier=0..1 tier=0..2 and"},    /* but here */
        {"attr.scanner:Siemens", "attr.scanner=Siemens"},
        {"ATTR.\"slice thickness\":>=1.25", "attr.slice thickness=1.25..inf"},
        {"attr.a:1..2|\"1..2\"|x", "attr.a=1..2|1..2|x"},
        {"attr.n:-1e3..2", "attr.n=-1000..2"},
    };
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_buf b = {0};
        rs_filter f;
        if (rs_filter_parse(rows[i].text, &mem, &f, &err) != RS_OK)
            fail_msg("%s: %s", rows[i].text, err.msg);
        write_steps(&f, &b);
        if (strcmp(b.data, rows[i].want) != 0)
            fail_msg("%s: %s, wanted %s", rows[i].text, b.data, rows[i].want);
        rs_buf_clear(&b);
    }
    rs_arena_clear(&mem);
}

static void test_refused(void **state)
{
    static const struct { const char *text, *part[2]; } rows[] = {
        {"", {"at its end", "FIELD:VALUE"}},
        {"   ", {"at its end", "FIELD:VALUE"}},
        {"modality", {"at its end", "':'"}},
        {"modality:", {"at its end", "a value"}},
        {"modality:CT)", {"character 12", "and, or"}},
        {"modality:CT|", {"at its end", "a value"}},
        {"(modality:CT", {"at its end", "')'"}},
        {"()", {"character 2", "FIELD:VALUE"}},
        {"modality:CT and", {"at its end", "FIELD:VALUE"}},
        {"modality:CT or or sex:F", {"character 16", "FIELD:VALUE"}},
        {"not", {"at its end", "FIELD:VALUE"}},
        {"colour:red", {"character 1", "'colour:red'"}},
        {"attr:red", {"character 1", "FIELD:VALUE"}},
        {"attr.:red", {"character 6", "name of an attribute"}},
        {"modality:\"CT", {"at its end", "closing"}},
        {"age:old", {"character 5", "age in years"}},
        {"age:..", {"character 5", "age"}},
        {"age:1e999", {"character 5", "age"}},
        {"age:nan", {"character 5", "age"}},
        {"age:>=", {"character 5", "age"}},
        {"age:\"\"", {"character 5", "age"}},
        {"date:2020-13", {"character 6", "date"}},
        {"date:2021-02-29", {"character 6", "date"}},
        {"date:20-01-2020", {"character 6", "date"}},
        {"tier:best", {"character 6", "proven"}},
        {"attr.n:a..b", {"character 8", "number"}},
        {"attr.n:>=x", {"character 8", "number"}},
        {"modality:CT \x01", {"character 13", "FIELD:VALUE"}},
    };
    rs_err err = {RS_OK, ""};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rs_filter_check(rows[i].text, &err), RS_EARG);
        for (int k = 0; k < 2; k++)
            if (!strstr(err.msg, rows[i].part[k]))
                fail_msg("'%s': %s, wanted %s", rows[i].text, err.msg, rows[i].part[k]);
    }
}

/* ---- What means no good ------------------------------------------------ */

static char *repeated(const char *what, size_t n, const char *end)
{
    const size_t len = strlen(what);
    char *text = malloc(n * len + strlen(end) + 1);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * len, what, len);
    strcpy(text + n * len, end);
    return text;
}

static void test_hostile(void **state)
{
    static const struct { const char *what; size_t n; const char *end; bool fine; } rows[] = {
        {"(", 100000, "sex:F", false},      {"(", 40000, "sex:F", false},
        {"not ", 16000, "sex:F", true},     {"not (", 10000, "sex:F", false},
        {"sex:F ", 10000, "", false},       {"sex:F or ", 500, "sex:M", true},
        {"(sex:F or ", 60, "sex:M", false}, {"(sex:F or ", 65, "sex:M", false},
        {"x", 60000, "", false},            {"\"", 60000, "", false},
        {"sex:", 10000, "", true},         {"|", 10000, "", false},
    };
    rs_err err = {RS_OK, ""};
    rs_random rnd = rs_random_seed(3);
    char *many = repeated("a|", 5000, "a"), *deep = repeated("(sex:F or ", 64, "sex:M");
    rs_buf b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeated(rows[i].what, rows[i].n, rows[i].end);
        assert_int_equal(rs_filter_check(text, &err), rows[i].fine ? RS_OK : RS_EARG);
        free(text);
    }
    rs_buf_printf(&b, "sex:%s", many);
    assert_int_equal(rs_filter_check(b.data, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "values"));
    b.len = 0;
    rs_buf_puts(&b, deep);                               /* as deep as may be */
    for (int i = 0; i < RS_FILTER_MAX_DEPTH; i++)
        rs_buf_putc(&b, ')');
    ok(rs_filter_check(b.data, &err), &err);
    for (int round = 0; round < 20000; round++) {        /* what it is made of, in any order */
        static const char *const bits[] = {"(", ")", "not ", "and ", "or ", "sex:", "F", "age:",
            "..", "40", "|", "\"", "\\", " ", "*", "attr.", "x", "date:", ">=", "2020", "tier:"};
        b.len = 0;
        for (size_t k = rs_random_below(&rnd, 24); k-- > 0;)
            rs_buf_puts(&b, bits[rs_random_below(&rnd, sizeof bits / sizeof *bits)]);
        rs_buf_puts(&b, "");
        rs_filter_check(b.data ? b.data : "", NULL);
    }
    rs_buf_clear(&b);
    free(many);
    free(deep);
}

/* ---- Written ----------------------------------------------------------- */

/* Any value comes back as it was. */
static void test_quoting(void **state)
{
    rs_random rnd = rs_random_seed(4);
    rs_err err = {RS_OK, ""};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        char value[24] = "", name[12] = "";
        rs_arena mem = {0};
        rs_buf b = {0};
        rs_filter f;
        for (size_t k = rs_random_below(&rnd, 20); k-- > 0;)
            value[k] = rs_random_below(&rnd, 3) ? "\"\\ ():|*.a"[rs_random_below(&rnd, 10)]
                                                : (char)(1 + rs_random_below(&rnd, 255));
        for (size_t k = 1 + rs_random_below(&rnd, 8); k-- > 0;)
            name[k] = "\"\\ ():|.b"[rs_random_below(&rnd, 9)];
        rs_filter_add_filter(&b, "sex:F or sex:M");
        rs_filter_add(&b, "patient", value);
        {
            char field[24];
            snprintf(field, sizeof field, "attr.%s", name);
            rs_filter_add(&b, field, value);
        }
        ok(rs_filter_parse(b.data, &mem, &f, &err), &err);
        assert_int_equal(f.n, 7);
        assert_string_equal(f.steps[3].values[0].text, value);
        assert_string_equal(f.steps[5].values[0].text, value);
        assert_string_equal(f.steps[5].attribute, name);
        assert_true(f.room <= 3);
        rs_buf_clear(&b);
        rs_arena_clear(&mem);
    }
}

/* ---- Dates ------------------------------------------------------------- */

static void test_dates(void **state)
{
    static const struct { const char *text, *want; int first, last; } rows[] = {
        {"2024", "2024", 20240101, 20241231},
        {"2024-02", "2024-02", 20240201, 20240231},
        {"2024-02-29", "2024-02-29", 20240229, 20240229},
        {"20240229", "2024-02-29", 20240229, 20240229},
        {"2000-02-29", "2000-02-29", 20000229, 20000229},
        {"1900-02-29", NULL, 0, 0}, {"2023-02-29", NULL, 0, 0}, {"2024-00", NULL, 0, 0},
        {"2024-04-31", NULL, 0, 0}, {"2024-4", NULL, 0, 0},     {"202402", NULL, 0, 0},
        {"0999", NULL, 0, 0},       {"24", NULL, 0, 0},         {"2024/02", NULL, 0, 0},
        {"2024-02-29T", NULL, 0, 0}, {"-024", NULL, 0, 0},      {"", NULL, 0, 0},
        {"2024-0a", NULL, 0, 0},    {"2024.02.01", NULL, 0, 0}, {"2024-02/01", NULL, 0, 0},
    };
    char text[RS_DATE_SIZE];
    rs_date d;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bool fine = rs_date_read(&d, rows[i].text, strlen(rows[i].text));
        if (fine != (rows[i].want != NULL))
            fail_msg("%s", rows[i].text);
        if (!fine)
            continue;
        rs_date_text(d, text);
        assert_string_equal(text, rows[i].want);
        assert_int_equal(rs_date_first(d), rows[i].first);
        assert_int_equal(rs_date_last(d), rows[i].last);
    }
}

/* ---- Out of memory ------------------------------------------------------- */

static void test_out_of_memory(void **state)
{
    const char *text = "not (sex:\"F\"|M or attr.\"a b\":x) date:2020 finding:a finding:b";
    const size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;
    rs_err err;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        assert_true(k < 100);
        rs_alloc_fail_after(k);
        st = rs_filter_check(text, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
