/* test_model_id.c - what changes a model's identity and what does not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_id.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[] = "/tmp/rs_model_id_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void put(const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (text)
        assert_int_equal(rs_file_write(path, text, strlen(text), NULL), RS_OK);
    else
        assert_int_equal(remove(path), 0);
}

static void id(char hex[RS_SHA256_HEX])
{
    rs_err err = {0};

    if (rs_model_id(hex, folder, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(strlen(hex), 64);
}

/* The identity is SHA-256 of what the header says, spelled out here. */
static void test_definition(void **state)
{
    static const char bytes[] = "config.json\0\2\0\0\0\0\0\0\0{}"
                                "merges.txt\0\0\0\0\0\0\0\0\0"
                                "model.safetensors\0\1\0\0\0\0\0\0\0w";
    char want[RS_SHA256_HEX], got[RS_SHA256_HEX];

    (void)state;
    put("model.safetensors", "w");
    put("config.json", "{}");
    put("merges.txt", "");
    assert_int_equal(rs_sha256_of(want, bytes, sizeof bytes - 1, NULL), RS_OK);
    id(got);
    assert_string_equal(got, want);
}

static void test_what_counts(void **state)
{
    static const struct { const char *name; const char *text; int changes; } steps[] = {
        {"README.md", "a card", 0},
        {"optimizer.safetensors", "state", 0},             /* beside model.safetensors */
        {"model.safetensors.index.json", "{}", 0},
        {"pytorch_model.bin", "x", 0},
        {"vocab.json", "{}", 1},
        {"tokenizer.json", "{}", 1},
        {"preprocessor_config.json", "{}", 1},
        {"preprocessor_config.json", "{ }", 1},
        {"model.safetensors", "v", 1},
        {"config.json", "{ }", 1},
        {"model.safetensors", NULL, 1},                    /* now the others are the weights */
        {"model-1.safetensors", "v", 1},
        {"model.safetensors.index.json", "{ }", 1},
        {"tokenizer.json", NULL, 1},
        {"README.md", NULL, 0},
    };
    char before[RS_SHA256_HEX], after[RS_SHA256_HEX];

    (void)state;
    id(before);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        put(steps[i].name, steps[i].text);
        id(after);
        if ((strcmp(before, after) != 0) != steps[i].changes)
            fail_msg("step %zu, %s: wanted %d", i, steps[i].name, steps[i].changes);
        memcpy(before, after, sizeof before);
    }
}

static void test_not_a_model(void **state)
{
    char hex[RS_SHA256_HEX] = "x";
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_model_id(hex, "tests/data/absent", &err), RS_ENOENT);
    assert_string_equal(hex, "");
    assert_int_equal(rs_model_id(hex, "tests/embeddings", &err), RS_ENOENT);
    assert_string_equal(err.msg, "tests/embeddings: no config.json there");
    put("model-1.safetensors", NULL);
    put("optimizer.safetensors", NULL);
    assert_int_equal(rs_model_id(hex, folder, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, ": no model.safetensors there"));
}

static void test_allocation_failures(void **state)
{
    char hex[RS_SHA256_HEX];
    rs_status st = RS_ENOMEM;
    size_t live = rs_alloc_live();

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_model_id(hex, "tests/data/clip_tiny_mixed", NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
        assert_int_equal(strlen(hex), st == RS_OK ? 64 : 0);
        assert_true(k < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition), cmocka_unit_test(test_what_counts),
        cmocka_unit_test(test_not_a_model), cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
