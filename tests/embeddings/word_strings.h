/* word_strings.h - the strings of tests/data/tokenizer_words and what is wanted of each
 * tokenizer there: shared by test_unigram.c and test_wordpiece.c. tests/reference/
 * tokenizer_words.py tells what the files hold.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_WORD_STRINGS_H
#define RS_TESTS_WORD_STRINGS_H

#include "base/alloc.h"
#include "base/json.h"
#include "embeddings/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORDS    "tests/data/tokenizer_words/"
#define CAPTIONS "../shared/data/roco_captions/captions.jsonl"

enum { ROOM = 4096, CONTEXT = 64, FILE_MAX = 64 << 20, TOKENIZERS = 6 };

static char folder[] = "/tmp/rs_words_XXXXXX";

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int drop_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* ---- Files ------------------------------------------------------------ */

static inline void write_file(const char *name, const void *bytes, size_t len)
{
    char path[200];
    rs_err err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (rs_file_write(path, bytes, len, &err) != RS_OK)
        fail_msg("%s", err.msg);
}

static inline void remove_file(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    remove(path);
}

static inline char *read_bytes(const char *path, size_t *len)
{
    char *bytes;
    rs_err err;

    if (rs_file_read(&bytes, len, path, FILE_MAX, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return bytes;
}

static inline void write_json(const char *name, const json_t *root)
{
    char *text = rs_json_text(root);

    assert_non_null(text);
    write_file(name, text, strlen(text));
    rs_free(text);
}

static inline json_t *read_json(const char *path)
{
    json_t *root;
    rs_err err;

    if (rs_json_load(&root, path, FILE_MAX, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return root;
}

static inline rs_tokenizer *open_folder(const char *path)
{
    rs_tokenizer *t;
    rs_err err;

    if (rs_tokenizer_open(&t, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return t;
}

/* The next line of *at, NUL-terminated in place; NULL at the end. */
static inline char *next_line(char **at)
{
    char *line = *at;
    size_t n = strcspn(line, "\n");

    if (!*line)
        return NULL;
    *at = line + n + (line[n] == '\n');
    line[n] = '\0';
    return line;
}

/* ---- Strings with the published ids ------------------------------------ */

static inline size_t unhex(const char *hex, char *bytes)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        unsigned x;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &x), 1);
        bytes[i] = (char)x;
    }
    return n;
}

/* A text cut to any room keeps its head and ends with eos. */
static inline void check_cuts(const rs_tokenizer *t, const char *text, size_t len, const int32_t *whole,
                       size_t n_whole)
{
    size_t extra = rs_tokenizer_extra(t), n;
    int32_t ids[ROOM];
    bool cut;

    for (size_t max = extra ? extra : 1; max <= n_whole + 1; max += max < 6 || max + 3 > n_whole ? 1 : 7) {
        size_t want = max < n_whole ? max : n_whole;
        assert_int_equal(rs_tokenizer_encode(t, text, len, ids, max, &n, &cut, NULL), RS_OK);
        if (n < want && max < n_whole && ids[n - 1] == rs_tokenizer_eos(t))
            continue;                    /* SiglipTokenizer: cut behind a </s> of the text */
        assert_int_equal(n, want);
        assert_int_equal(cut, max < n_whole);
        assert_memory_equal(ids, whole, (n - (rs_tokenizer_eos(t) >= 0)) * sizeof *ids);
        if (rs_tokenizer_eos(t) >= 0)
            assert_int_equal(ids[n - 1], rs_tokenizer_eos(t));
    }
}

static inline void check_string(const rs_tokenizer *t, const json_t *row, const char *which, size_t number)
{
    const char *hex = json_string_value(json_object_get(row, "hex"));
    const char *text = json_string_value(json_object_get(row, "text"));
    const json_t *want = json_object_get(row, which);
    size_t len = text ? strlen(text) : 0, n, count;
    int32_t ids[ROOM];
    char bytes[ROOM];
    bool cut;

    if (hex) {
        len = unhex(hex, bytes);
        text = bytes;
    }
    assert_non_null(text);
    assert_non_null(want);
    assert_int_equal(rs_tokenizer_encode(t, text, len, ids, ROOM, &n, &cut, NULL), RS_OK);
    assert_false(cut);
    for (size_t i = 0; i < n || i < json_array_size(want); i++)
        if (i >= n || ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("strings.jsonl, line %zu, %s: id %zu of %zu is %d, wanted %d of %zu", number,
                     which, i, n, i < n ? (int)ids[i] : -1,
                     (int)json_integer_value(json_array_get(want, i)), json_array_size(want));
    assert_int_equal(rs_tokenizer_count(t, text, len, &count, NULL), RS_OK);
    assert_int_equal(count, n - rs_tokenizer_extra(t));
    check_cuts(t, text, len, ids, n);
}

static inline void check_strings(const rs_tokenizer *t, const char *which)
{
    size_t len, number = 0;
    char *text = read_bytes(WORDS "strings.jsonl", &len), *at = text, *line;
    json_t *row;

    while ((line = next_line(&at)) != NULL) {
        assert_int_equal(rs_json_parse(&row, line, strlen(line), "strings.jsonl", NULL), RS_OK);
        check_string(t, row, which, ++number);
        json_decref(row);
    }
    assert_true(number > 350);
    rs_free(text);
}

/* ---- Hashes of ten strings each ----------------------------------------- */

static uint64_t splitmix_state;

static inline uint64_t below(uint64_t n)
{
    uint64_t z = splitmix_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

static inline void put_utf8(rs_buf *out, uint32_t c)
{
    if (c < 0x80) {
        rs_buf_putc(out, (char)c);
        return;
    }
    if (c < 0x800) {
        rs_buf_putc(out, (char)(0xc0 | c >> 6));
    } else {
        rs_buf_putc(out, (char)(c < 0x10000 ? 0xe0 | c >> 12 : 0xf0 | c >> 18));
        if (c >= 0x10000)
            rs_buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        rs_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    rs_buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

/* The string that tokenizer_words.py generates from the same seed. */
static inline void generate(rs_buf *out, uint64_t seed)
{
    static const uint32_t ranges[][2] = {
        {0x20, 560}, {0x300, 112}, {0x391, 57}, {0x410, 64}, {0x5d0, 27}, {0x627, 36},
        {0x904, 54}, {0x1100, 256}, {0x2000, 112}, {0x2160, 41}, {0x2460, 160}, {0x3041, 86},
        {0x3300, 256}, {0x4e00, 20000}, {0xac00, 11172}, {0xfb00, 7}, {0xfe30, 32},
        {0xff01, 240}, {0x1d400, 80}, {0x1f1e6, 26}, {0x1f600, 80}};
    static const char *const spaces[] = {" ", " ", " ", " ", "  ", "\t", "\n", "\u00a0"};
    static const char *const pieces[] = {
        "</s>", "<unk>", "[SEP]", "[MASK]", "[X]", "n't", "'s", "I'd", "X-ray", "\u0130",
        "\u03a3", "e\u0301", "\u200d", "\ufe0f", "effusion", "PNEUMOTHORAX", "5 mm", "the lung",
        "no pleural effusion", "\u2581", "\r\n", "lobe of the liver", "``", "R\u00f6ntgen"};

    splitmix_state = seed;
    for (uint64_t n = 1 + below(40); n > 0; n--) {
        uint64_t kind = below(14);
        if (kind < 4) {
            for (uint64_t k = 1 + below(9); k > 0; k--) {
                char first = below(5) == 0 ? 'A' : 'a';
                rs_buf_putc(out, (char)(first + (char)below(26)));
            }
        } else if (kind < 7) {
            rs_buf_puts(out, spaces[below(8)]);
        } else if (kind < 9) {
            rs_buf_puts(out, pieces[below(sizeof pieces / sizeof *pieces)]);
        } else if (kind < 12) {
            const uint32_t *range = ranges[below(sizeof ranges / sizeof *ranges)];
            put_utf8(out, range[0] + (uint32_t)below(range[1]));
        } else if (kind == 12) {
            rs_buf_putc(out, (char)below(256));
        } else {
            rs_buf_putc(out, (char)(0x21 + (char)below(31)));
        }
    }
}

static inline uint64_t fnv(uint64_t h, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned shift = 0; shift < 32; shift += 8)
            h = (h ^ ((uint32_t)ids[i] >> shift & 0xff)) * UINT64_C(0x100000001b3);
    return h;
}

static inline uint32_t fold(uint64_t h) { return (uint32_t)(h ^ h >> 32); }

/* A tokenizer and its column in generated.txt and captions.txt. */
typedef struct {
    const char *name;
    rs_tokenizer *t;
    size_t column;
    uint64_t hash;
} judged;

/* What is left of `whole` in CONTEXT: its head and its eos. */
static inline size_t shortened(const rs_tokenizer *t, const int32_t *whole, size_t n, int32_t *to)
{
    size_t kept = n < CONTEXT ? n : CONTEXT;

    memcpy(to, whole, kept * sizeof *to);
    if (n > CONTEXT && rs_tokenizer_eos(t) >= 0)
        to[kept - 1] = rs_tokenizer_eos(t);
    return kept;
}

static inline void take_text(judged *j, size_t n_judged, const char *text, size_t len)
{
    for (size_t i = 0; i < n_judged; i++) {
        int32_t ids[ROOM], head[CONTEXT];
        size_t n, kept;
        bool cut;

        assert_int_equal(rs_tokenizer_encode(j[i].t, text, len, ids, ROOM, &n, &cut, NULL), RS_OK);
        assert_false(cut);
        kept = shortened(j[i].t, ids, n, head);
        j[i].hash = fnv(fnv(j[i].hash, ids, n), head, kept);
    }
}

/* The next line of a file of hashes against what was gathered. */
static inline void check_ten(judged *j, size_t n_judged, char **at, const char *file, size_t number)
{
    unsigned want[TOKENIZERS];
    char *line = next_line(at);

    assert_non_null(line);
    assert_int_equal(sscanf(line, "%x %x %x %x %x %x", &want[0], &want[1], &want[2], &want[3],
                            &want[4], &want[5]), TOKENIZERS);
    for (size_t i = 0; i < n_judged; i++) {
        if (fold(j[i].hash) != want[j[i].column])
            fail_msg("%s, %s: one of the strings %zu to %zu has other ids", file, j[i].name,
                     number / 10 * 10, number);
        j[i].hash = UINT64_C(0xcbf29ce484222325);
    }
}

static inline void check_generated(judged *j, size_t n_judged)
{
    size_t len, total;
    char *hashes = read_bytes(WORDS "generated.txt", &len), *at = hashes;

    assert_int_equal(sscanf(next_line(&at), "%zu", &total), 1);
    assert_int_equal(total, 10000);
    for (size_t i = 0; i < n_judged; i++)
        j[i].hash = UINT64_C(0xcbf29ce484222325);
    for (size_t number = 0; number < total; number++) {
        rs_buf b = {0};
        generate(&b, number);
        take_text(j, n_judged, b.data, b.len);
        rs_buf_clear(&b);
        if (number % 10 == 9)
            check_ten(j, n_judged, &at, "generated.txt", number);
    }
    assert_null(next_line(&at));
    rs_free(hashes);
}

static inline void check_captions(judged *j, size_t n_judged)
{
    size_t len, total, number = 0;
    char *hashes, *captions, *at, *from, *line;

    if (!rs_file_exists(CAPTIONS)) {
        print_message("skipped: ../shared/data is absent\n");
        return;
    }
    at = hashes = read_bytes(WORDS "captions.txt", &len);
    from = captions = read_bytes(CAPTIONS, &len);
    assert_int_equal(sscanf(next_line(&at), "%zu", &total), 1);
    for (size_t i = 0; i < n_judged; i++)
        j[i].hash = UINT64_C(0xcbf29ce484222325);
    while ((line = next_line(&from)) != NULL) {
        json_t *row;
        const json_t *text;

        assert_int_equal(rs_json_parse(&row, line, strlen(line), "captions", NULL), RS_OK);
        text = json_object_get(row, "text");
        take_text(j, n_judged, json_string_value(text), json_string_length(text));
        json_decref(row);
        if (++number % 10 == 0 || number == total)
            check_ten(j, n_judged, &at, "captions.txt", number - 1);
    }
    assert_int_equal(number, total);
    assert_null(next_line(&at));
    rs_free(captions);
    rs_free(hashes);
}

#endif
