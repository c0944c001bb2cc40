/* test_care.c - radscout delete, forget, verify, rebuild and backup as a user meets them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "run.h"
#include "tiny_model.h"

#include <dirent.h>

static char archive[300], model[300];

static int make_all(void **state)
{
    rs_buf rows = {0};
    rs_err err = {0};
    char name[32];

    (void)state;
    if (!mkdtemp(scratch) || tiny_model_write(at("model"), 7, &err) != RS_OK)
        return -1;
    snprintf(archive, sizeof archive, "%s/archive", scratch);
    snprintf(model, sizeof model, "%s/model", scratch);
    for (unsigned i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "p/%u.png", i);
        put_picture(name, i + 50);
        rs_buf_printf(&rows, "{\"id\":\"study-%u\",\"image\":\"p/%u.png\",\"patient\":\"P-%04u\","
                      "\"findings\":\"Finding number %u of this series of films.\"}\n", i, i, 1000 + i / 2, i);
    }
    put("cases.jsonl", rows.data);
    rs_buf_clear(&rows);
    return radscout("index", archive, at("cases.jsonl"), "--model", model, "--quiet");
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void test_delete(void **state)
{
    (void)state;
    assert_exit(0, "delete", archive, "study-5");
    assert_says(said_out, "1 case erased, with 1 image and 1 passage\n");
    assert_says(said_out, "none found");
    assert_exit(1, "show", archive, "study-5");
    assert_exit(1, "delete", archive, "study-4", "study-5");
    assert_says(said_err, "study-5");
    assert_exit(0, "show", archive, "study-4");
    assert_exit(2, "delete", archive);
    assert_exit(1, "delete", at("nowhere"), "study-1");
    assert_says(said_err, "there is no archive");
    assert_false(rs_is_folder(at("nowhere")));      /* nor was one made */
}

static void test_forget(void **state)
{
    json_t *o;

    (void)state;
    assert_exit(0, "forget", archive, "p-1001", "--json");
    o = json_loads(said_out, 0, NULL);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "cases")), 2);
    assert_int_equal(json_integer_value(json_object_get(o, "images")), 2);
    assert_true(json_integer_value(json_object_get(o, "looked_for")) > 10);
    assert_true(json_integer_value(json_object_get(o, "bytes")) > 4096);
    json_decref(o);
    assert_exit(1, "forget", archive, "P-1001");
    assert_says(said_err, "no case of patient P-1001");
    assert_exit(1, "show", archive, "study-2");
    assert_exit(0, "show", archive, "study-1");
    /* The source still has them, so the next index brings them back, as --help says. */
    assert_exit(0, "index", archive, at("cases.jsonl"), "--model", model, "--quiet");
    assert_exit(0, "show", archive, "study-2");
}

static void test_verify_and_rebuild(void **state)
{
    char damage[400], cache[400];
    const struct dirent *e;
    FILE *f;
    DIR *d;

    (void)state;
    assert_exit(0, "verify", archive);
    assert_says(said_out, "in step: ");
    /* A byte of a cache is another. */
    snprintf(cache, sizeof cache, "%s/vectors", archive);
    damage[0] = '\0';
    for (int depth = 0; depth < 2; depth++) {
        d = opendir(cache);
        assert_non_null(d);
        while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
            ;
        assert_non_null(e);
        snprintf(damage, sizeof damage, "%.190s/%.190s", cache, e->d_name);
        snprintf(cache, sizeof cache, "%s", damage);
        closedir(d);
    }
    f = fopen(damage, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 100, SEEK_SET), 0);
    fputc(0x5a, f);
    fclose(f);
    assert_exit(1, "verify", archive);
    assert_says(said_err, ".faiss");
    assert_exit(0, "search", archive, "--text", "finding", "--model", model);   /* all the same */
    assert_exit(0, "rebuild", archive);
    assert_exit(0, "verify", archive);
    assert_exit(0, "rebuild", archive, "--purge");
    assert_exit(0, "verify", archive);
}

static void test_backup(void **state)
{
    char copy[400];

    (void)state;
    snprintf(copy, sizeof copy, "%s/copy", scratch);
    assert_exit(0, "backup", archive, copy);
    assert_says(said_out, "checked");
    assert_exit(0, "verify", copy);
    assert_exit(0, "search", copy, "--text", "finding", "--model", model);
    assert_says(said_out, "study-");
    assert_exit(1, "backup", archive, copy);
    assert_says(said_err, "there already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_verify_and_rebuild),
        cmocka_unit_test(test_backup),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
