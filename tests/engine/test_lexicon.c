/* test_lexicon.c - tables loaded, refused, looked up; what a term may be written as.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/lexicon.h"

static const char *const names[] = {"headings.tsv", "context.tsv", "terms.tsv", "spelling.tsv"};

static void put_file(const char *dir, const char *name, const char *text)
{
    char *path = rs_path_join(dir, name);
    rs_err err = {RS_OK, ""};

    assert_non_null(path);
    ok(rs_file_write(path, text, strlen(text), &err), &err);
    rs_free(path);
}

/* A folder of four tables, one of which is `text`. */
static void put_tables(const char *dir, const char *name, const char *text)
{
    for (size_t i = 0; i < 4; i++)
        put_file(dir, names[i], strcmp(names[i], name) == 0 ? text : "# nothing\n");
}

static const char terms[] =
    "finding\tcardiomegaly\t=\t1\tenlarged heart | heart & enlarged | big heart:0.5\n"
    "finding\tinfiltrate\t~\t0.6\tconsolidation\n"
    "finding\tconsolidation\t=\t1\tconsolidated lung\n"
    "device\tdevice\t>\t0.8\tpacemaker\r\n"
    "device\tpacemaker\t=\t1\tpacer\n";

/* "a:1.00 b:0.85": what the stems of `text` are looked for as. */
static const char *expansion(const rs_lexicon *l, const char *text, rs_arena *mem)
{
    rs_err err = {RS_OK, ""};
    rs_token *tokens;
    const char *stems[16];
    rs_expansion *list;
    rs_buf b = {0};
    uint32_t which;
    size_t n, found;
    const char *out;

    ok(rs_tokens_cut(rs_lexicon_tokens(l), text, strlen(text), mem, &tokens, &n, &err), &err);
    for (size_t i = 0; i < n && i < 16; i++)
        stems[i] = tokens[i].text;
    found = rs_lexicon_find(l, stems, n, &which);
    rs_buf_printf(&b, "%zu", found);
    if (found) {
        ok(rs_lexicon_expand(l, which, 0.2, 20, mem, &list, &n, &err), &err);
        for (size_t i = 0; i < n; i++)
            rs_buf_printf(&b, " %s:%.2f", list[i].term->text, list[i].weight);
    }
    out = rs_arena_strdup(mem, b.data);
    rs_buf_clear(&b);
    return out;
}

static void test_expansions(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"cardiomegaly", "1 cardiomegaly:1.00 enlarged heart:0.85 heart & enlarged:0.85 "
                         "big heart:0.42"},
        /* any order, small words left out, inflected */
        {"enlargement of the heart", "4 enlarged heart:1.00 heart & enlarged:1.00 "
                                     "cardiomegaly:0.85 big heart:0.36"},
        {"infiltrates", "1 infiltrate:1.00 consolidation:0.60 consolidated lung:0.51"},
        {"consolidation", "1 consolidation:1.00 consolidated lung:0.85 infiltrate:0.60"},
        {"device", "1 device:1.00 pacemaker:0.80 pacer:0.68"},
        {"pacemaker", "1 pacemaker:1.00 pacer:0.85"},           /* narrower is one way */
        {"spleen", "0"},
    };
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_lexicon *l;
    char dir[64];

    (void)state;
    make_folder(dir);
    put_tables(dir, "terms.tsv", terms);
    ok(rs_lexicon_load(&l, dir, &err), &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(expansion(l, rows[i].text, &mem), rows[i].want);
    rs_lexicon_free(l);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void test_damaged_tables(void **state)
{
    static const struct { const char *name, *text, *says; } rows[] = {
        {"headings.tsv", "findings\n", "headings.tsv: line 1: not as many fields"},
        {"context.tsv", "# x\nnegated\tbefore\t0\n", "line 2: not as many fields"},
        {"context.tsv", "denied\tbefore\t0\tno\n", "no such state: 'denied'"},
        {"context.tsv", "negated\tover\t0\tno\n", "no such side: 'over'"},
        {"context.tsv", "negated\tbefore\tx\tno\n", "a reach of 0 to 1000"},
        {"context.tsv", "negated\tbefore\t0\tno | ,\n", "a trigger of 1 to 8 words"},
        {"context.tsv", "negated\tbefore\t0\ta b c d e f g h i\n", "a trigger of 1 to 8 words"},
        {"terms.tsv", "thing\ta\t=\t1\tb\n", "no such kind: 'thing'"},
        {"terms.tsv", "word\ta\t+\t1\tb\n", "a relation =, ~ or >"},
        {"terms.tsv", "word\ta\t=\t2\tb\n", "a weight above 0"},
        {"terms.tsv", "word\ta\t=\tnan\tb\n", "a weight above 0"},
        {"terms.tsv", "word\ta\t=\t1\tb:0\n", "not a weight, behind 'b'"},
        {"terms.tsv", "word\ta\t=\t1\tb & \n", "a term of 1 to 8 words"},
        {"terms.tsv", "word\ta\t=\t1\ta & b & c & d & e\n", "a term of 1 to 8 words"},
        {"terms.tsv", "word\ta\t=\t1\tb\tc\td\te\tf\tg\th\n", "not as many fields"},
        {"spelling.tsv", "\tx\n", "a spelling of 1 to 32 letters"},
    };
    rs_err err = {RS_OK, ""};
    rs_lexicon *l;
    char dir[64];

    (void)state;
    make_folder(dir);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_tables(dir, rows[i].name, rows[i].text);
        assert_int_equal(rs_lexicon_load(&l, dir, &err), RS_ECORRUPT);
        assert_null(l);
        if (!strstr(err.msg, rows[i].says))
            print_error("row %zu: %s\n", i, err.msg);
        assert_non_null(strstr(err.msg, rows[i].says));
    }
    remove_folder(dir);
    assert_int_equal(rs_lexicon_load(&l, dir, &err), RS_ENOENT);
}

/* Any bytes as tables: loaded or refused, nothing else. */
static void test_any_tables(void **state)
{
    static const char *const bits[] = {"word", "finding", "\t", "=", "~", ">", "1", "0.5", " | ",
                                       "&", "heart", "\n", ":", "#", "\xff", "a b", "before",
                                       "negated", "0"};
    rs_random rnd = rs_random_seed(4);
    rs_lexicon *l;
    char dir[64];

    (void)state;
    make_folder(dir);
    for (int round = 0; round < 300; round++) {
        rs_buf b = {0};
        rs_status st;
        for (size_t i = rs_random_below(&rnd, 60); i > 0; i--)
            rs_buf_puts(&b, pick(&rnd, bits, sizeof bits / sizeof *bits));
        put_tables(dir, names[round % 4], b.data ? b.data : "");
        st = rs_lexicon_load(&l, dir, NULL);
        assert_true(st == RS_OK || st == RS_ECORRUPT);
        rs_lexicon_free(l);
        rs_buf_clear(&b);
    }
    remove_folder(dir);
}

/* What ships: known names, both spellings, a digest of what reports are read by. */
static void test_built_in(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    const char *other[4];
    rs_lexicon *l, *files;

    (void)state;
    ok(rs_lexicon_load(&l, NULL, &err), &err);
    ok(rs_lexicon_load(&files, "data/lexicon", &err), &err);
    assert_string_equal(rs_lexicon_digest(l), rs_lexicon_digest(files));
    assert_string_equal(rs_lexicon_heading(l, "clinical history"), "history");
    assert_null(rs_lexicon_heading(l, "weather"));
    assert_non_null(strstr(expansion(l, "PTX", &mem), "pneumothorax:0.85"));
    assert_non_null(strstr(expansion(l, "enlarged heart", &mem), "cardiomegaly:0.85"));
    assert_non_null(strstr(expansion(l, "calcinosis", &mem), "calcified"));
    assert_int_equal(rs_lexicon_spellings(l, "oedema", 6, 4, &mem, other), 1);
    assert_string_equal(other[0], "edema");
    assert_int_equal(rs_lexicon_spellings(l, "Tumor", 5, 4, &mem, other), 1);
    assert_string_equal(other[0], "tumour");
    assert_string_equal(rs_lexicon_american(l, "haemorrhage", 11, &mem), "hemorrhage");
    assert_null(rs_lexicon_american(l, "lung", 4, &mem));
    rs_lexicon_free(files);
    rs_lexicon_free(l);
    rs_arena_clear(&mem);
}

static void test_out_of_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    rs_lexicon *l;
    char dir[64];

    (void)state;
    make_folder(dir);
    put_tables(dir, "terms.tsv", terms);
    for (long k = 0; st != RS_OK; k++) {
        assert_true(k < 200);
        rs_alloc_fail_after(k);
        st = rs_lexicon_load(&l, dir, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_true((l != NULL) == (st == RS_OK));
    }
    rs_lexicon_free(l);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expansions),
        cmocka_unit_test(test_damaged_tables),
        cmocka_unit_test(test_any_tables),
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
