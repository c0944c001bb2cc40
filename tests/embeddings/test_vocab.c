/* test_vocab.c - learning a vocabulary: against a naive trainer that recounts every
 * pair for every merge, and through the tokenizer that reads what was written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/vocab.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/tokenizer.h"
#include "embeddings/words_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA "tests/data/tokenizer/"

enum { FILE_MAX = 1 << 24 };

static char folder[] = "/tmp/rs_vocab_XXXXXX";

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

static char *read_text(const char *dir, const char *name)
{
    char *path = rs_path_join(dir, name), *text;
    size_t len;
    rs_err err;

    if (rs_file_read(&text, &len, path, FILE_MAX, &err) != RS_OK)
        fail_msg("%s", err.msg);
    rs_free(path);
    return text;
}

/* Trains on the lines of a text and writes; returns the size. */
static size_t train(const char *text, size_t size)
{
    rs_vocab *v;
    size_t got;
    rs_err err;

    assert_int_equal(rs_vocab_new(&v, &err), RS_OK);
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        assert_int_equal(rs_vocab_add(v, line, n, &err), RS_OK);
        line += n + (line[n] == '\n');
    }
    assert_int_equal(rs_vocab_size(v), 0);
    if (rs_vocab_train(v, size, NULL, &err) != RS_OK || rs_vocab_write(v, folder, &err) != RS_OK)
        fail_msg("%s", err.msg);
    got = rs_vocab_size(v);
    rs_vocab_free(v);
    return got;
}

/* ---- The naive trainer ------------------------------------------------- */

enum { IDS = 900, WORDS = 2000, LONGEST = 64 };

typedef struct {
    uint16_t s[WORDS][LONGEST];              /* every word as it comes, repeated ones too */
    size_t   len[WORDS], n_words;
    char     token[IDS][LONGEST * 4];
    size_t   n_tokens;
    int      count[IDS][IDS];
} naive;

static void naive_words(naive *t, const char *text)
{
    rs_buf plain = {0};
    rs_words w;
    const char *word;
    size_t n;

    assert_int_equal(rs_words_normalise(&plain, text, strlen(text), NULL), RS_OK);
    w = (rs_words){.text = plain.data, .len = plain.len};
    for (; rs_words_next(&w, &word, &n); t->n_words++) {
        assert_true(t->n_words < WORDS && n < LONGEST);
        t->len[t->n_words] = n;
        for (size_t i = 0; i < n; i++)
            for (size_t b = 0; b < 256; b++)
                if (rs_byte_in_order(b) == (uint8_t)word[i])
                    t->s[t->n_words][i] = (uint16_t)(i + 1 == n ? 256 + b : b);
    }
    rs_buf_clear(&plain);
}

static void naive_bytes(naive *t)
{
    for (t->n_tokens = 0; t->n_tokens < 512; t->n_tokens++) {
        rs_buf b = {0};
        rs_utf8_put(&b, rs_byte_symbol(rs_byte_in_order(t->n_tokens % 256)));
        snprintf(t->token[t->n_tokens], sizeof t->token[0], "%s%s", b.data,
                 t->n_tokens < 256 ? "" : "</w>");
        rs_buf_clear(&b);
    }
}

static bool naive_known(const naive *t, size_t left, size_t right)
{
    char joined[2 * sizeof t->token[0]];

    snprintf(joined, sizeof joined, "%s%s", t->token[left], t->token[right]);
    for (size_t i = 0; i < t->n_tokens; i++)
        if (strcmp(t->token[i], joined) == 0)
            return true;
    return false;
}

/* One merge, appended to `out`; false if no pair is left. */
static bool naive_merge(naive *t, rs_buf *out)
{
    size_t left = 0, right = 0, n_left;
    int best = 1;

    memset(t->count, 0, sizeof t->count);
    for (size_t w = 0; w < t->n_words; w++)
        for (size_t i = 0; i + 1 < t->len[w]; i++)
            t->count[t->s[w][i]][t->s[w][i + 1]]++;
    for (size_t l = 0; l < t->n_tokens; l++)
        for (size_t r = 0; r < t->n_tokens; r++)
            if (t->count[l][r] > best) {
                best = t->count[l][r];
                left = l;
                right = r;
            }
    if (best == 1)
        return false;
    assert_false(naive_known(t, left, right));         /* no text is made twice */
    rs_buf_printf(out, "%s %s\n", t->token[left], t->token[right]);
    n_left = strlen(t->token[left]);
    assert_true(n_left + strlen(t->token[right]) < sizeof t->token[0]);
    memcpy(t->token[t->n_tokens], t->token[left], n_left);
    memcpy(t->token[t->n_tokens] + n_left, t->token[right], strlen(t->token[right]) + 1);
    for (size_t w = 0; w < t->n_words; w++) {
        size_t n = 0;
        for (size_t i = 0; i < t->len[w]; i++) {
            bool here = i + 1 < t->len[w] && t->s[w][i] == left && t->s[w][i + 1] == right;
            t->s[w][n++] = here ? (uint16_t)t->n_tokens : t->s[w][i];
            i += here;
        }
        t->len[w] = n;
    }
    t->n_tokens++;
    return true;
}

static char *naive_merges(const char *text, size_t size)
{
    naive *t = rs_calloc(1, sizeof *t);
    rs_buf out = {0};

    assert_non_null(t);
    naive_words(t, text);
    naive_bytes(t);
    rs_buf_puts(&out, "#version: 0.2\n");
    while (t->n_tokens + 2 < size && naive_merge(t, &out))
        ;
    rs_free(t);
    return rs_buf_take(&out);
}

static void check_against_naive(const char *text, size_t size)
{
    char *want = naive_merges(text, size), *got;

    train(text, size);
    got = read_text(folder, "merges.txt");
    assert_string_equal(got, want);
    rs_free(want);
    rs_free(got);
}

static void test_same_merges_as_naive(void **state)
{
    static const char *const texts[] = {
        "", "a", "ab ab", "aaaaaa aaaaaa aaa", "abab ababab bababa", "abcabc bcabc bc abc ab",
        "don't won't can't it's it's", "banana bandana ananas", "\u00e9t\u00e9 \u00e9t\u00e9",
        "12 12 12", "a a a a", "(( (( )) ))",
    };
    char *corpus = read_text(DATA, "corpus.txt");

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_against_naive(texts[i], 600);
    corpus[900] = '\0';
    check_against_naive(corpus, 600);
    rs_free(corpus);
}

/* Words of few letters: many pairs overlap, many counts tie. */
static void test_same_merges_on_random_words(void **state)
{
    rs_random r = rs_random_seed(3);

    (void)state;
    for (size_t round = 0; round < 12; round++) {
        rs_buf text = {0};
        for (size_t w = 0; w < 150; w++) {
            for (size_t n = 1 + rs_random_below(&r, 12); n > 0; n--)
                rs_buf_putc(&text, (char)('a' + (char)rs_random_below(&r, 1 + round % 4)));
            rs_buf_putc(&text, ' ');
        }
        check_against_naive(text.data, 560);
        rs_buf_clear(&text);
    }
}

/* ---- What is written --------------------------------------------------- */

static void test_small_vocabulary_is_learned_again(void **state)
{
    static const char *const name[] = {"vocab.json", "merges.txt"};
    char *corpus = read_text(DATA, "corpus.txt");

    (void)state;
    assert_int_equal(train(corpus, 900), 722);         /* rarer pairs are met but once */
    for (size_t i = 0; i < 2; i++) {
        char *want = read_text(DATA "small", name[i]), *got = read_text(folder, name[i]);
        assert_string_equal(got, want);
        rs_free(want);
        rs_free(got);
    }
    rs_free(corpus);
}

static void test_order_of_texts_does_not_matter(void **state)
{
    char *corpus = read_text(DATA, "corpus.txt"), *forth, *back;
    rs_buf reversed = {0};
    size_t end = strlen(corpus);

    (void)state;
    train(corpus, 640);
    forth = read_text(folder, "vocab.json");
    while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && corpus[start - 1] != '\n')
            start--;
        rs_buf_append(&reversed, corpus + start, end - start);
        end = start;
    }
    assert_int_equal(reversed.len, strlen(corpus));
    train(reversed.data, 640);
    back = read_text(folder, "vocab.json");
    assert_string_equal(forth, back);
    rs_free(forth);
    rs_free(back);
    rs_free(corpus);
    rs_buf_clear(&reversed);
}

static void check_round_trip(const rs_tokenizer *t, const char *line, size_t n)
{
    int32_t ids[1000], again[1000];
    rs_buf once = {0};
    size_t n_ids, n_again;
    bool cut;

    assert_int_equal(rs_tokenizer_encode(t, line, n, ids, 1000, &n_ids, &cut, NULL), RS_OK);
    assert_false(cut);
    rs_tokenizer_decode(t, ids, n_ids, &once);
    assert_int_equal(rs_tokenizer_encode(t, once.data, once.len, again, 1000, &n_again, &cut, NULL),
                     RS_OK);
    assert_int_equal(n_ids, n_again);
    assert_memory_equal(ids, again, n_ids * sizeof *ids);
    rs_buf_clear(&once);
}

static void test_round_trip_through_the_tokenizer(void **state)
{
    char *corpus = read_text(DATA, "corpus.txt");
    rs_tokenizer *t;
    size_t size = train(corpus, 650), n;
    rs_err err;

    (void)state;
    assert_int_equal(size, 650);
    if (rs_tokenizer_open(&t, folder, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(rs_tokenizer_size(t), size);
    assert_int_equal(rs_tokenizer_bos(t), size - 2);
    assert_int_equal(rs_tokenizer_eos(t), size - 1);
    assert_int_equal(rs_tokenizer_count(t, "The pleural effusion", 20, &n, NULL), RS_OK);
    assert_int_equal(n, 3);                            /* frequent words are one token */
    for (const char *line = corpus; *line;) {
        n = strcspn(line, "\n");
        check_round_trip(t, line, n);
        line += n + (line[n] == '\n');
    }
    rs_tokenizer_close(t);
    rs_free(corpus);
}

static void test_no_text_gives_the_bytes(void **state)
{
    rs_tokenizer *t;
    size_t n;

    (void)state;
    assert_int_equal(train("", 49408), 514);
    assert_int_equal(rs_tokenizer_open(&t, folder, NULL), RS_OK);
    assert_int_equal(rs_tokenizer_count(t, "abc \xff", 5, &n, NULL), RS_OK);
    assert_int_equal(n, 6);                            /* U+FFFD has three bytes */
    rs_tokenizer_close(t);
}

static void test_long_words_are_left_out(void **state)
{
    rs_buf text = {0};
    rs_vocab *v;

    (void)state;
    for (size_t i = 0; i < RS_VOCAB_WORD_MAX; i++)
        rs_buf_putc(&text, 'x');
    assert_int_equal(rs_vocab_new(&v, NULL), RS_OK);
    assert_int_equal(rs_vocab_add(v, text.data, text.len, NULL), RS_OK);
    assert_int_equal(rs_vocab_words(v), 1);
    rs_buf_putc(&text, 'x');
    assert_int_equal(rs_vocab_add(v, text.data, text.len, NULL), RS_OK);
    assert_int_equal(rs_vocab_words(v), 1);
    assert_int_equal(rs_vocab_texts(v), 2);
    assert_int_equal(rs_vocab_train(v, 1000, NULL, NULL), RS_OK);
    assert_int_equal(rs_vocab_size(v), 514 + 7);       /* 2, 4, 8 .. 128 times x */
    rs_vocab_free(v);
    rs_buf_clear(&text);
}

static void test_wrong_use(void **state)
{
    char path[200];
    rs_vocab *v;
    rs_err err;

    (void)state;
    assert_int_equal(rs_vocab_new(&v, &err), RS_OK);
    assert_int_equal(rs_vocab_write(v, folder, &err), RS_EARG);
    assert_int_equal(rs_vocab_train(v, RS_VOCAB_SIZE_MIN - 1, NULL, &err), RS_EARG);
    assert_int_equal(rs_vocab_train(v, RS_VOCAB_SIZE_MAX + 1, NULL, &err), RS_EARG);
    assert_int_equal(rs_vocab_train(v, RS_VOCAB_SIZE_MIN, NULL, &err), RS_OK);
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(rs_file_write(path, "x", 1, &err), RS_OK);
    assert_int_equal(rs_vocab_write(v, path, &err), RS_EIO);
    rs_vocab_free(v);
    rs_vocab_free(NULL);
}

/* Training more is possible after a failed one: nothing of what was added is lost. */
static void test_out_of_memory(void **state)
{
    char *corpus = read_text(DATA, "corpus.txt");
    size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;
    rs_vocab *v;
    rs_err err;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_vocab_new(&v, &err);
        if (st == RS_OK)
            st = rs_vocab_add(v, corpus, strlen(corpus), &err);
        rs_alloc_fail_after(-1);
        if (st == RS_OK)
            break;
        assert_int_equal(st, RS_ENOMEM);
        rs_vocab_free(v);
        assert_int_equal(rs_alloc_live(), live);
        assert_true(k < 100);
    }
    st = RS_ENOMEM;
    for (long k = 0; st != RS_OK; k += 1 + k / 50) {
        rs_alloc_fail_after(k);
        st = rs_vocab_train(v, 700, NULL, &err);
        if (st == RS_OK)
            st = rs_vocab_write(v, folder, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_true(k < 100000);
    }
    assert_int_equal(rs_vocab_size(v), 700);
    rs_vocab_free(v);
    rs_free(corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_merges_as_naive),
        cmocka_unit_test(test_same_merges_on_random_words),
        cmocka_unit_test(test_small_vocabulary_is_learned_again),
        cmocka_unit_test(test_order_of_texts_does_not_matter),
        cmocka_unit_test(test_round_trip_through_the_tokenizer),
        cmocka_unit_test(test_no_text_gives_the_bytes),
        cmocka_unit_test(test_long_words_are_left_out),
        cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
