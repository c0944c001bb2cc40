/* test_wordpiece.c - the same ids as BertTokenizerFast, from vocab.txt and from
 * tokenizer.json; damaged files refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "word_strings.h"

static void test_published(void **state)
{
    judged j[2] = {{.name = "bert", .column = 4}, {.name = "cased", .column = 5}};
    size_t len;
    char *vocab = read_bytes(WORDS "vocab.txt", &len);
    (void)state;
    write_file("vocab.txt", vocab, len);
    j[0].t = open_folder(folder);
    write_file("tokenizer_config.json", "{\"do_lower_case\": false}", 24);
    j[1].t = open_folder(folder);
    rs_free(vocab);
    for (int i = 0; i < 2; i++) check_strings(j[i].t, j[i].name);
    check_generated(j, 2);
    check_captions(j, 2);
    for (int i = 0; i < 2; i++) rs_tokenizer_close(j[i].t);
    remove_file("vocab.txt"); remove_file("tokenizer_config.json");
}
int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_published) };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
