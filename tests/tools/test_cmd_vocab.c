/* test_cmd_vocab.c - radscout vocab as a user runs it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "embeddings/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static char folder[] = "/tmp/rs_cmd_vocab_XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(rs_file_write(path, text, strlen(text), NULL), RS_OK);
}

/* Runs `radscout vocab ARGS` in the temporary folder; what it says is put in `said`. */
static int vocab(char said[4000], const char *args)
{
    const char *bin = getenv("RADSCOUT_BIN");
    char command[1000];
    size_t n;
    FILE *p;
    int status;

    assert_non_null(bin);
    snprintf(command, sizeof command, "cd '%s' && '%s' vocab %s 2>&1", folder, bin, args);
    p = popen(command, "r");
    assert_non_null(p);
    n = fread(said, 1, 3999, p);
    said[n] = '\0';
    status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_texts_and_records(void **state)
{
    char said[4000], path[200];
    rs_tokenizer *t;
    size_t n;

    (void)state;
    write_file("a.txt", "pleural effusion\n\npleural effusion\n");
    write_file("b.jsonl",
               "{\"report\": \"pleural effusion\", \"id\": \"xylophone xylophone\"}\n  \n"
               "{\"texts\": [\"pleural\", {\"en\": \"effusion\"}], \"title\": null}\n");
    assert_int_equal(vocab(said, "--quiet --size 600 --out model a.txt b.jsonl"), 0);
    assert_string_equal(said, "527 tokens from 5 texts, 2 different words\n");
    snprintf(path, sizeof path, "%s/model", folder);
    assert_int_equal(rs_tokenizer_open(&t, path, NULL), RS_OK);
    assert_int_equal(rs_tokenizer_count(t, "Pleural effusion", 16, &n, NULL), RS_OK);
    assert_int_equal(n, 2);
    rs_tokenizer_close(t);
}

static void test_fields_are_chosen(void **state)
{
    char said[4000];

    (void)state;
    write_file("c.jsonl", "{\"text\": \"one two\", \"note\": \"three\", \"more\": \"four\"}\n");
    assert_int_equal(vocab(said, "-q --size 514 -o m2 --fields note,more c.jsonl"), 0);
    assert_string_equal(said, "514 tokens from 2 texts, 2 different words\n");
}

static void test_what_is_wrong_is_said(void **state)
{
    static const struct { const char *args, *want; int code; } rows[] = {
        {"--help", "usage: radscout vocab", 0},
        {"", "", 2},
        {"--size 600 d.txt", "--out FOLDER is missing", 2},
        {"--out m --size 513 d.txt", "514 to 49408", 2},
        {"--out m nothing.txt", "nothing.txt", 1},
        {"-q --out m bad.jsonl", "bad.jsonl: record 2: line 1", 1},
        {"-q --out m empty.txt", "no text was found", 1},
        {"-q --out d.txt/x d.txt", "d.txt", 1},
    };
    char said[4000];

    (void)state;
    write_file("d.txt", "words\n");
    write_file("empty.txt", "");
    write_file("bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \"not\"\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = vocab(said, rows[i].args);
        if (code != rows[i].code || !strstr(said, rows[i].want))
            fail_msg("vocab %s: %d: %s", rows[i].args, code, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_and_records),
        cmocka_unit_test(test_fields_are_chosen),
        cmocka_unit_test(test_what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
