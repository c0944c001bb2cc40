/* test_tokenizer.c - the same ids as the published tokenizer (tests/reference/
 * tokenizer.py wrote them), whatever the text; damaged files refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tokenizer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA   "tests/data/tokenizer/"
#define SHARED "../shared/data/"

enum { ROOM = 4096, CONTEXT = 77, FILE_MAX = 64 << 20 };

static char folder[] = "/tmp/rs_tokenizer_XXXXXX";
static rs_tokenizer *small;

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) && rs_tokenizer_open(&small, DATA "small", NULL) == RS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[200];

    (void)state;
    rs_tokenizer_close(small);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static void write_file(const char *name, const char *text, size_t len)
{
    char path[200];
    rs_err err;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (rs_file_write(path, text, len, &err) != RS_OK)
        fail_msg("%s", err.msg);
}

static void remove_file(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    remove(path);
}

static char *read_text(const char *path, size_t *len)
{
    char *text;
    rs_err err;

    if (rs_file_read(&text, len, path, FILE_MAX, &err) != RS_OK)
        fail_msg("%s", err.msg);
    return text;
}

/* The next line of *at, NUL-terminated in place; NULL at the end. */
static char *next_line(char **at)
{
    char *line = *at;
    size_t n = strcspn(line, "\n");

    if (!*line)
        return NULL;
    *at = line + n + (line[n] == '\n');
    line[n] = '\0';
    return line;
}

/* ---- Strings with the published ids ----------------------------------- */

static size_t unhex(const char *hex, char *bytes)
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
static void check_cuts(const rs_tokenizer *t, const char *text, size_t len, const int32_t *whole,
                       size_t n_whole)
{
    int32_t ids[ROOM];
    size_t n;
    bool cut;

    for (size_t max = 2; max <= n_whole + 1; max += max < 6 || max + 3 > n_whole ? 1 : 7) {
        size_t want = max < n_whole ? max : n_whole;
        assert_int_equal(rs_tokenizer_encode(t, text, len, ids, max, &n, &cut, NULL), RS_OK);
        assert_int_equal(n, want);
        assert_int_equal(cut, max < n_whole);
        assert_memory_equal(ids, whole, (n - 1) * sizeof *ids);
        assert_int_equal(ids[n - 1], rs_tokenizer_eos(t));
    }
}

static void check_string(const rs_tokenizer *t, const json_t *row, const char *which, size_t number)
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
    assert_int_equal(rs_tokenizer_encode(t, text, len, ids, ROOM, &n, &cut, NULL), RS_OK);
    assert_false(cut);
    for (size_t i = 0; i < n || i < json_array_size(want); i++)
        if (i >= n || ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("strings.jsonl, line %zu, %s: id %zu of %zu is %d, wanted %d of %zu", number,
                     which, i, n, i < n ? (int)ids[i] : -1,
                     (int)json_integer_value(json_array_get(want, i)), json_array_size(want));
    assert_int_equal(rs_tokenizer_count(t, text, len, &count, NULL), RS_OK);
    assert_int_equal(count, n - 2);
    check_cuts(t, text, len, ids, n);
}

static void check_strings(const rs_tokenizer *t, const char *which)
{
    size_t len, number = 0;
    char *text = read_text(DATA "strings.jsonl", &len), *at = text, *line;
    json_t *row;

    while ((line = next_line(&at)) != NULL) {
        assert_int_equal(rs_json_parse(&row, line, strlen(line), "strings.jsonl", NULL), RS_OK);
        check_string(t, row, which, ++number);
        json_decref(row);
    }
    assert_true(number > 300);
    rs_free(text);
}

static void test_published_ids_of_small_vocabulary(void **state)
{
    (void)state;
    assert_int_equal(rs_tokenizer_size(small), 722);
    assert_int_equal(rs_tokenizer_bos(small), 720);
    assert_int_equal(rs_tokenizer_eos(small), 721);
    check_strings(small, "small");
}

/* ---- CLIP's own vocabulary, which is not kept here --------------------- */

/* The lines of CLIP's list of merges, NULL where it is not at hand. */
static char *clip_merges(void)
{
    rs_buf b = {0};
    char block[1 << 16];
    size_t n;
    FILE *p;

    if (!rs_file_exists(SHARED "tokenizer/bpe_simple_vocab_16e6.txt.gz")) {
        print_message("skipped: ../shared/data is absent\n");
        return NULL;
    }
    p = popen("gzip -dc " SHARED "tokenizer/bpe_simple_vocab_16e6.txt.gz", "r");
    assert_non_null(p);
    while ((n = fread(block, 1, sizeof block, p)) > 0)
        rs_buf_append(&b, block, n);
    assert_int_equal(pclose(p), 0);
    return rs_buf_take(&b);
}

static void put_token(rs_buf *out, const char *a, const char *b, size_t id)
{
    json_t *s = json_pack("s++", a, b, "");
    char *text = json_dumps(s, JSON_ENCODE_ANY);

    rs_buf_printf(out, "%s%s:%zu", id ? ",\n" : "{", text, id);
    free(text);
    json_decref(s);
}

/* vocab.json and merges.txt of CLIP into the temporary folder: the bytes in the order
 * in which they lead the small vocabulary too, those that end a word, the merges. */
static void write_clip_files(char *list)
{
    enum { MERGES = 48894 };
    rs_buf vocab = {0}, merges = {0};
    json_t *tokens;
    const char *token;
    json_t *v;
    char *line;
    size_t id = 0;

    assert_int_equal(rs_json_load(&tokens, DATA "small/vocab.json", FILE_MAX, NULL), RS_OK);
    json_object_foreach(tokens, token, v)
        if (id < 512)
            put_token(&vocab, token, "", id++);
    json_decref(tokens);
    next_line(&list);
    rs_buf_puts(&merges, "#version: 0.2\n");
    while (id < 512 + MERGES && (line = next_line(&list)) != NULL) {
        char *space = strchr(line, ' ');
        rs_buf_printf(&merges, "%s\n", line);
        *space = '\0';
        put_token(&vocab, line, space + 1, id++);
    }
    put_token(&vocab, "<|startoftext|>", "", id++);
    put_token(&vocab, "<|endoftext|>", "", id++);
    rs_buf_puts(&vocab, "}");
    write_file("vocab.json", vocab.data, vocab.len);
    write_file("merges.txt", merges.data, merges.len);
    rs_buf_clear(&vocab);
    rs_buf_clear(&merges);
}

static uint64_t splitmix_state;

static uint64_t below(uint64_t n)
{
    uint64_t z = splitmix_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

static void put_utf8(rs_buf *out, uint32_t c)
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

/* The string that tests/reference/tokenizer.py generates from the same seed. */
static void generate(rs_buf *out, uint64_t seed)
{
    static const uint32_t ranges[][2] = {
        {0x20, 560}, {0x300, 112}, {0x391, 57}, {0x410, 64}, {0x5d0, 27}, {0x627, 36},
        {0x904, 54}, {0x1100, 256}, {0x2070, 32}, {0x2160, 41}, {0x3041, 86}, {0x4e00, 20000},
        {0xac00, 11172}, {0xfb00, 7}, {0xff10, 75}, {0x1d400, 80}, {0x1f1e6, 26}, {0x1f600, 80}};
    static const char *const spaces[] = {" ", " ", " ", " ", "  ", "\t", "\n", "\u00a0"};
    static const char *const pieces[] = {
        "<|endoftext|>", "<|startoftext|>", "n't", "'s", "'re", "'LL", "I'd", "X-ray", "\u0130",
        "\u03a3", "e\u0301", "\u200d", "\ufe0f", "effusion", "PNEUMOTHORAX", "5 mm"};

    splitmix_state = seed;
    for (uint64_t n = 1 + below(40); n > 0; n--) {
        uint64_t kind = below(12);
        if (kind < 4) {
            for (uint64_t k = 1 + below(9); k > 0; k--) {
                char first = below(5) == 0 ? 'A' : 'a';
                rs_buf_putc(out, (char)(first + (char)below(26)));
            }
        } else if (kind < 7) {
            rs_buf_puts(out, spaces[below(8)]);
        } else if (kind == 7) {
            rs_buf_puts(out, pieces[below(16)]);
        } else if (kind < 10) {
            const uint32_t *range = ranges[below(sizeof ranges / sizeof *ranges)];
            put_utf8(out, range[0] + (uint32_t)below(range[1]));
        } else if (kind == 10) {
            rs_buf_putc(out, (char)below(256));
        } else {
            rs_buf_putc(out, (char)(0x21 + (char)below(31)));
        }
    }
}

static uint64_t fnv(uint64_t h, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned shift = 0; shift < 32; shift += 8)
            h = (h ^ ((uint32_t)ids[i] >> shift & 0xff)) * UINT64_C(0x100000001b3);
    return h;
}

/* Compares one of the 10,000 with its line; true if it was cut. */
static bool check_digest(const rs_tokenizer *t, const char *text, size_t len, const char *want,
                         size_t number)
{
    int32_t ids[ROOM];
    size_t n;
    bool cut;
    char got[9];
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    assert_non_null(want);
    assert_int_equal(rs_tokenizer_encode(t, text, len, ids, ROOM, &n, &cut, NULL), RS_OK);
    assert_false(cut);
    h = fnv(h, ids, n);
    assert_int_equal(rs_tokenizer_encode(t, text, len, ids, CONTEXT, &n, &cut, NULL), RS_OK);
    h = fnv(h, ids, n);
    snprintf(got, sizeof got, "%08x", (unsigned)((h ^ h >> 32) & 0xffffffff));
    if (strcmp(got, want) != 0)
        fail_msg("string %zu of digests.txt: %s, wanted %s", number, got, want);
    return cut;
}

static void check_digests(const rs_tokenizer *t)
{
    size_t len, total, want_cut, cut = 0, number = 0;
    char *digests = read_text(DATA "digests.txt", &len), *at = digests, *line;
    char *captions = read_text(SHARED "roco_captions/captions.jsonl", &len), *from = captions;

    assert_int_equal(sscanf(next_line(&at), "%zu %zu", &total, &want_cut), 2);
    while ((line = next_line(&from)) != NULL) {
        json_t *row;
        const json_t *text;
        assert_int_equal(rs_json_parse(&row, line, strlen(line), "captions", NULL), RS_OK);
        text = json_object_get(row, "text");
        cut += check_digest(t, json_string_value(text), json_string_length(text), next_line(&at),
                            number++);
        json_decref(row);
    }
    for (uint64_t seed = 0; number < total; seed++) {
        rs_buf b = {0};
        generate(&b, seed);
        cut += check_digest(t, b.data, b.len, next_line(&at), number++);
        rs_buf_clear(&b);
    }
    assert_null(next_line(&at));
    assert_int_equal(total, 10000);
    assert_int_equal(cut, want_cut);
    rs_free(captions);
    rs_free(digests);
}

static void test_published_ids_of_clip(void **state)
{
    char *list = clip_merges();
    rs_tokenizer *t;
    rs_err err;

    (void)state;
    if (!list)
        skip();
    write_clip_files(list);
    rs_free(list);
    if (rs_tokenizer_open(&t, folder, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(rs_tokenizer_size(t), 49408);
    assert_int_equal(rs_tokenizer_bos(t), 49406);
    assert_int_equal(rs_tokenizer_eos(t), 49407);
    check_strings(t, "clip");
    if (rs_file_exists(SHARED "roco_captions/captions.jsonl"))
        check_digests(t);
    else
        print_message("skipped: ../shared/data/roco_captions is absent\n");
    rs_tokenizer_close(t);
    remove_file("vocab.json");
    remove_file("merges.txt");
}

/* ---- Any bytes --------------------------------------------------------- */

static void check_any(const char *text, size_t len)
{
    size_t n, count, max = 3 * len + 2;      /* U+FFFD is three bytes */
    int32_t *ids = rs_calloc(max, sizeof *ids);
    bool cut;
    rs_err err;

    assert_non_null(ids);
    if (rs_tokenizer_encode(small, text, len, ids, max, &n, &cut, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_false(cut);
    assert_in_range(n, 2, max);
    assert_int_equal(ids[0], rs_tokenizer_bos(small));
    assert_int_equal(ids[n - 1], rs_tokenizer_eos(small));
    for (size_t i = 0; i < n; i++)
        assert_true(ids[i] >= 0 && (size_t)ids[i] < rs_tokenizer_size(small));
    assert_int_equal(rs_tokenizer_count(small, text, len, &count, &err), RS_OK);
    assert_int_equal(count, n - 2);
    rs_free(ids);
}

static void test_any_bytes(void **state)
{
    rs_random r = rs_random_seed(11);
    char text[300];

    (void)state;
    check_any(NULL, 0);
    for (size_t round = 0; round < 5000; round++) {
        size_t len = rs_random_below(&r, sizeof text);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)rs_random_below(&r, round % 2 ? 256 : 128);
        check_any(text, len);
    }
}

/* A text made to be slow takes about as long as any other of its length. */
static void test_hostile_texts(void **state)
{
    static const char *const unit[] = {"a", "the", "'", "\xff", "\u0301\u0327", "<|", "<|endoftext|>",
                                       "\u0130", " ", "\uac01"};
    (void)state;
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        double start = rs_cpu_s();
        rs_buf b = {0};
        size_t n;

        while (b.len < 300000)
            rs_buf_puts(&b, unit[i]);
        assert_int_equal(rs_tokenizer_count(small, b.data, b.len, &n, NULL), RS_OK);
        assert_true(rs_cpu_s() - start < 20);
        rs_buf_clear(&b);
    }
}

static void test_too_little_room(void **state)
{
    int32_t ids[2];
    size_t n;
    bool cut;
    rs_err err;

    (void)state;
    assert_int_equal(rs_tokenizer_encode(small, "a", 1, ids, 1, &n, &cut, &err), RS_EARG);
    assert_int_equal(rs_tokenizer_encode(small, "a", 1, ids, 2, &n, &cut, &err), RS_OK);
    assert_int_equal(n, 2);
    assert_true(cut);
}

/* ---- Back to text ------------------------------------------------------ */

static void test_decode(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"", ""},
        {"No acute  DISEASE.", "no acute disease ."},
        {"it's 12%", "it 's 1 2 %"},
        {"\u00c9panchement  pleural", "\u00e9panchement pleural"},
        {"\u80f8\u90e8 \U0001f600", "\u80f8\u90e8 \U0001f600"},
        {"caf\xe9", "caf \ufffd"},
        {"a <|endoftext|> b", "a b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t ids[ROOM];
        rs_buf out = {0};
        size_t n;
        bool cut;

        assert_int_equal(rs_tokenizer_encode(small, rows[i].text, strlen(rows[i].text), ids, ROOM,
                                             &n, &cut, NULL), RS_OK);
        rs_buf_puts(&out, ">");
        rs_tokenizer_decode(small, ids, n, &out);
        assert_string_equal(out.data + 1, rows[i].want);
        rs_buf_clear(&out);
    }
}

static void test_decode_of_any_ids(void **state)
{
    const int32_t ids[] = {-1, 722, INT32_MAX, 64, 720, 0};
    rs_buf out = {0};

    (void)state;
    rs_tokenizer_decode(small, ids, 6, &out);
    assert_string_equal(out.data, "a!");             /* "a", nothing for bos, "!" */
    rs_alloc_fail_after(0);
    rs_tokenizer_decode(small, ids, 6, &out);
    rs_alloc_fail_after(-1);
    assert_true(out.failed);
    rs_buf_clear(&out);
}

/* ---- Files ------------------------------------------------------------- */

#define SPECIALS "\"<|startoftext|>\":3,\"<|endoftext|>\":4}"

static void test_damaged_files(void **state)
{
    static const struct { const char *vocab, *merges, *want; rs_status st; } rows[] = {
        {"", "", "vocab.json: line 1", RS_ECORRUPT},
        {"[1]", "", "vocab.json: 0 tokens", RS_ECORRUPT},
        {"{\"a\":0,\"a\":1}", "", "vocab.json: line 1", RS_ECORRUPT},
        {"{\"a\":0,\"b\":\"1\"}", "", "\"b\": wanted an id from 0 to 1", RS_ECORRUPT},
        {"{\"a\":0,\"b\":2}", "", "\"b\": wanted an id from 0 to 1", RS_ECORRUPT},
        {"{\"a\":0,\"b\":-1}", "", "\"b\": wanted an id from 0 to 1", RS_ECORRUPT},
        {"{\"a\":0,\"b\":0}", "", "id 0 is both \"a\" and \"b\"", RS_ECORRUPT},
        {"{\"a\":0,\"b\":1}", "", "<|startoftext|> is missing", RS_ECORRUPT},
        {"{\"a\":0,\"<|startoftext|>\":1}", "", "<|endoftext|> is missing", RS_ECORRUPT},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, "#version: 0.2\na b\nab", "merges.txt: line 3: wanted",
         RS_ECORRUPT},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, "a b c\n", "merges.txt: line 1: wanted", RS_ECORRUPT},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, " b\n", "merges.txt: line 1: wanted", RS_ECORRUPT},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, "\na c\n", "line 2: \"c\" is not in", RS_ECORRUPT},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, "a b\nb a\n", "line 2: \"ba\" is not in", RS_ECORRUPT},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, "#version: 0.2\r\na b\r\n", NULL, RS_OK},
        {"{\"a\":0,\"b\":1,\"ab\":2," SPECIALS, "", NULL, RS_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_tokenizer *t;
        rs_err err = {0};
        rs_status st;

        write_file("vocab.json", rows[i].vocab, strlen(rows[i].vocab));
        write_file("merges.txt", rows[i].merges, strlen(rows[i].merges));
        st = rs_tokenizer_open(&t, folder, &err);
        if (st != rows[i].st || (rows[i].want && !strstr(err.msg, rows[i].want)))
            fail_msg("row %zu: %s: %s", i, rs_status_name(st), err.msg);
        assert_true((st == RS_OK) == (t != NULL));
        rs_tokenizer_close(t);
    }
    remove_file("vocab.json");
    remove_file("merges.txt");
}

/* A byte that a vocabulary lacks becomes its unknown token, which is eos. */
static void test_vocabulary_without_some_bytes(void **state)
{
    static const char vocab[] = "{\"a\":0,\"b</w>\":1,\"ab</w>\":2," SPECIALS;
    int32_t ids[8];
    const int32_t want[] = {3, 2, 4, 1, 0, 4, 4};
    rs_tokenizer *t;
    size_t n;
    bool cut;

    (void)state;
    write_file("vocab.json", vocab, strlen(vocab));
    write_file("merges.txt", "a b</w>", 7);
    assert_int_equal(rs_tokenizer_open(&t, folder, NULL), RS_OK);
    assert_int_equal(rs_tokenizer_encode(t, "ab xb ax", 8, ids, 8, &n, &cut, NULL), RS_OK);
    assert_int_equal(n, 7);
    assert_memory_equal(ids, want, sizeof want);
    rs_tokenizer_close(t);
    remove_file("vocab.json");
    remove_file("merges.txt");
}

static void test_missing_files(void **state)
{
    rs_tokenizer *t;
    rs_err err;

    (void)state;
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_ENOENT);
    assert_null(t);
    assert_non_null(strstr(err.msg, "neither vocab.json with merges.txt nor tokenizer.json"));
    write_file("vocab.json", "{}", 2);
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_ENOENT);
    remove_file("vocab.json");
}

/* ---- tokenizer.json ---------------------------------------------------- */

/* The small vocabulary in one file. `pairs`: merges as lists of two. */
static json_t *small_as_one(bool pairs, bool normalised)
{
    json_t *vocab, *merges = json_array();
    size_t len;
    char *text = read_text(DATA "small/merges.txt", &len), *at = text, *line;

    assert_int_equal(rs_json_load(&vocab, DATA "small/vocab.json", FILE_MAX, NULL), RS_OK);
    next_line(&at);
    while ((line = next_line(&at)) != NULL) {
        char *space = strchr(line, ' ');
        if (pairs) {
            *space = '\0';
            json_array_append_new(merges, json_pack("[ss]", line, space + 1));
        } else {
            json_array_append_new(merges, json_string(line));
        }
    }
    rs_free(text);
    return json_pack(
        "{s:[{s:i,s:s,s:b,s:b},{s:i,s:s,s:b,s:b}],"
        " s:{s:s,s:[{s:s},{s:s,s:{s:s},s:s},{s:s}]},"
        " s:{s:s,s:n,s:s,s:s,s:s,s:b,s:o,s:o}}",
        "added_tokens",
        "id", 720, "content", "<|startoftext|>", "normalized", normalised, "special", true,
        "id", 721, "content", "<|endoftext|>", "normalized", normalised, "special", true,
        "normalizer", "type", "Sequence", "normalizers", "type", "NFC",
        "type", "Replace", "pattern", "Regex", "\\s+", "content", " ", "type", "Lowercase",
        "model", "type", "BPE", "dropout", "unk_token", "<|endoftext|>",
        "continuing_subword_prefix", "", "end_of_word_suffix", "</w>", "fuse_unk", false,
        "vocab", vocab, "merges", merges);
}

static rs_status open_one(rs_tokenizer **t, json_t *root, rs_err *err)
{
    char *text;
    rs_status st;

    assert_non_null(root);
    text = rs_json_text(root);
    write_file("tokenizer.json", text, strlen(text));
    rs_free(text);
    json_decref(root);
    st = rs_tokenizer_open(t, folder, err);
    remove_file("tokenizer.json");
    return st;
}

static void test_one_file_gives_the_same_ids(void **state)
{
    (void)state;
    for (int pairs = 0; pairs < 2; pairs++) {
        rs_tokenizer *t;
        rs_err err;
        if (open_one(&t, small_as_one(pairs, true), &err) != RS_OK)
            fail_msg("%s", err.msg);
        check_strings(t, "small");
        rs_tokenizer_close(t);
    }
}

static void check_ids(const rs_tokenizer *t, const char *text, const int32_t *want, size_t n_want)
{
    int32_t ids[ROOM];
    size_t n;
    bool cut;

    assert_int_equal(rs_tokenizer_encode(t, text, strlen(text), ids, ROOM, &n, &cut, NULL), RS_OK);
    assert_int_equal(n, n_want + 2);
    assert_memory_equal(ids + 1, want, n_want * sizeof *want);
}

/* "normalized": false: found as written only, before marks can join it. */
static void test_added_tokens_before_normalising(void **state)
{
    rs_tokenizer *raw;
    size_t n;

    (void)state;
    assert_int_equal(open_one(&raw, small_as_one(false, false), NULL), RS_OK);
    check_ids(raw, "<|endoftext|>", (int32_t[]){721}, 1);
    check_ids(raw, "<|endoftext|><|startoftext|>", (int32_t[]){721, 720}, 2);
    check_ids(small, "<|EndOfText|>", (int32_t[]){721}, 1);
    assert_int_equal(rs_tokenizer_count(raw, "<|EndOfText|>", 13, &n, NULL), RS_OK);
    assert_true(n > 1);
    assert_int_equal(rs_tokenizer_count(small, "<|endoftext|>\u0338", 15, &n, NULL), RS_OK);
    assert_true(n > 2);
    assert_int_equal(rs_tokenizer_count(raw, "<|endoftext|>\u0338", 15, &n, NULL), RS_OK);
    assert_true(n == 2 || n == 3);                   /* eos, then the mark alone */
    rs_tokenizer_close(raw);
}

/* A further token after the vocabulary's own; of two that fit the longer is found. */
static void test_more_added_tokens(void **state)
{
    json_t *root = small_as_one(false, true), *added = json_object_get(root, "added_tokens");
    rs_tokenizer *t;
    rs_buf out = {0};
    rs_err err;

    (void)state;
    json_array_append_new(added, json_pack("{s:i,s:s,s:b}", "id", 722, "content", "[X]",
                                           "normalized", true));
    json_array_append_new(added, json_pack("{s:i,s:s,s:b}", "id", 723, "content", "[x]y",
                                           "normalized", false));
    json_array_append_new(added, json_pack("{s:i,s:s,s:b}", "id", 724, "content", "[X][X]",
                                           "normalized", true));
    if (open_one(&t, root, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(rs_tokenizer_size(t), 725);
    check_ids(t, "[x] [X][x]y[X][x]", (int32_t[]){722, 722, 723, 724}, 4);
    rs_tokenizer_decode(t, (int32_t[]){722, 64 + 256, 723}, 3, &out);
    assert_string_equal(out.data, "[X]a [x]y");
    rs_buf_clear(&out);
    rs_tokenizer_close(t);
}

static void set_in(json_t *root, const char *object, const char *key, json_t *value)
{
    assert_int_equal(json_object_set_new(json_object_get(root, object), key, value), 0);
}

static void add_one(json_t *root, json_t *token)
{
    json_array_append_new(json_object_get(root, "added_tokens"), token);
}

static void test_other_kinds_refused(void **state)
{
    static const char *const want[] = {
        "only CLIP's BPE", "only CLIP's BPE", "only CLIP's BPE", "normalizer", "lstrip",
        "id 5 is both", "no token has id 722", "model.merges: wanted a list",
        "model.merges 0: wanted two tokens", "model.merges 1: wanted two tokens",
        "model.merges 0: \"zz\" is not in", "added_tokens 2: id: 725 is not within",
        "wanted an id and a content", "model.vocab: 0 tokens",
    };
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        json_t *r = small_as_one(i == 9, true);
        rs_tokenizer *t;
        rs_err err = {0};
        rs_status st;

        switch (i) {
        case 0: set_in(r, "model", "type", json_string("WordLevel")); break;
        case 1: set_in(r, "model", "end_of_word_suffix", json_null()); break;
        case 2: set_in(r, "model", "byte_fallback", json_true()); break;
        case 3: json_object_set_new(r, "normalizer", json_null()); break;
        case 4: add_one(r, json_pack("{s:i,s:s,s:b}", "id", 722, "content", "q", "lstrip", 1)); break;
        case 5: add_one(r, json_pack("{s:i,s:s}", "id", 5, "content", "q")); break;
        case 6: add_one(r, json_pack("{s:i,s:s}", "id", 723, "content", "q"));
                add_one(r, json_pack("{s:i,s:s}", "id", 723, "content", "q")); break;
        case 7: set_in(r, "model", "merges", json_object()); break;
        case 8: set_in(r, "model", "merges", json_pack("[i]", 1)); break;
        case 9: set_in(r, "model", "merges", json_pack("[[ss][s]]", "t", "h", "t")); break;
        case 10: set_in(r, "model", "merges", json_pack("[s]", "zz a")); break;
        case 11: add_one(r, json_pack("{s:i,s:s}", "id", 725, "content", "q")); break;
        case 12: add_one(r, json_pack("{s:i,s:s}", "id", 722, "content", "")); break;
        default: set_in(r, "model", "vocab", json_array()); break;
        }
        st = open_one(&t, r, &err);
        assert_null(t);
        if ((st != RS_ECORRUPT && st != RS_EFORMAT) || !strstr(err.msg, want[i]) ||
            !strstr(err.msg, "tokenizer.json"))
            fail_msg("row %zu: %s: %s", i, rs_status_name(st), err.msg);
    }
}

/* ---- Out of memory ----------------------------------------------------- */

static void test_out_of_memory_while_opening(void **state)
{
    size_t live = rs_alloc_live();

    (void)state;
    for (int one = 0; one < 2; one++) {
        const char *from = one ? folder : DATA "small";
        rs_status st = RS_ENOMEM;

        if (one) {
            json_t *root = small_as_one(false, true);
            char *text = rs_json_text(root);
            write_file("tokenizer.json", text, strlen(text));
            rs_free(text);
            json_decref(root);
        }
        for (long k = 0; st != RS_OK; k++) {
            rs_tokenizer *t;
            rs_err err;
            rs_alloc_fail_after(k);
            st = rs_tokenizer_open(&t, from, &err);
            rs_alloc_fail_after(-1);
            if (st != RS_OK) {
                assert_int_equal(st, RS_ENOMEM);
                assert_null(t);
            }
            rs_tokenizer_close(t);
            assert_int_equal(rs_alloc_live(), live);
            assert_true(k < 200);
        }
    }
    remove_file("tokenizer.json");
}

static void test_out_of_memory_while_encoding(void **state)
{
    static const char text[] = "\u00c9panchement aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaa x\u0301\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316\u0313\u0316"
        "\u0313\u0316\u0313\u0316\u0313";
    size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        int32_t ids[ROOM];
        size_t n;
        bool cut;
        rs_err err;
        rs_alloc_fail_after(k);
        st = rs_tokenizer_encode(small, text, sizeof text - 1, ids, ROOM, &n, &cut, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            assert_int_equal(st, RS_ENOMEM);
            assert_int_equal(n, 0);
        }
        assert_int_equal(rs_alloc_live(), live);
        assert_true(k < 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_ids_of_small_vocabulary),
        cmocka_unit_test(test_published_ids_of_clip),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_too_little_room),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_of_any_ids),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_vocabulary_without_some_bytes),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_one_file_gives_the_same_ids),
        cmocka_unit_test(test_added_tokens_before_normalising),
        cmocka_unit_test(test_more_added_tokens),
        cmocka_unit_test(test_other_kinds_refused),
        cmocka_unit_test(test_out_of_memory_while_opening),
        cmocka_unit_test(test_out_of_memory_while_encoding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
