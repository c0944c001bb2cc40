/* test_bench_text.c - radscout bench text: what it says, key by key, what it writes for
 * another program, what it refuses. That all ways give the same scores it checks itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "run.h"

static int make_all(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void test_rows(void **state)
{
    static const char *const numbers[] = {"cases", "queries", "matches", "p50_ms", "p99_ms",
                                          "build_s", "memory_mib", NULL};
    static const char *const files[] = {"export/cases.txt", "export/queries.txt",
                                        "export/scores.txt"};
    const char *line;
    size_t rows = 0;

    (void)state;
    assert_exit(0, "bench", "text", "-n", "1500", "-q", "12", "-k", "5", "--export", at("export"),
                "--json");
    for (line = said_out; *line; rows++) {
        size_t len = strcspn(line, "\n");
        json_t *o = json_loadb(line, len, 0, NULL);
        assert_non_null(o);
        for (const char *const *n = numbers; *n; n++)
            assert_true(json_is_number(json_object_get(o, *n)));
        assert_true(json_is_string(json_object_get(o, "way")));
        assert_true(json_is_string(json_object_get(o, "words")));
        assert_true(json_is_string(json_object_get(o, "asked")));
        json_decref(o);
        line += len + (line[len] == '\n');
    }
    assert_int_equal(rows, 4 * 5 + 2 * 4 + 2 * 2);
    for (size_t i = 0; i < 3; i++)
        assert_true(rs_file_exists(at(files[i])));
}

static void test_refused(void **state)
{
    (void)state;
    assert_exit(2, "bench", "text", "-n", "7");
    assert_exit(2, "bench", "text", "-k", "0");
    assert_exit(1, "bench", "text", "-n", "100", "-q", "10", "--export", "/proc/none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
