/* test_unigram.c - the same ids as the tokenizers library gives with a SigLIP's
 * tokenizer.json, and as SiglipTokenizer gives with its spiece.model; the best cut
 * against a naive search; damaged files refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/charsmap_int.h"
#include "embeddings/spiece_int.h"
#include "embeddings/unigram_int.h"

#include "base/clock.h"
#include "base/random.h"
#include "word_strings.h"

#include <math.h>

/* ---- tokenizer.json, put together again -------------------------------- */

static void put_base64(rs_buf *out, const uint8_t *bytes, size_t len)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)bytes[i] << 16 | (i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (i + 2 < len ? bytes[i + 2] : 0u);
        rs_buf_putc(out, digit[v >> 18]);
        rs_buf_putc(out, digit[v >> 12 & 63]);
        rs_buf_putc(out, i + 1 < len ? digit[v >> 6 & 63] : '=');
        rs_buf_putc(out, i + 2 < len ? digit[v & 63] : '=');
    }
}

/* The charsmap of spiece.model: the field after the normaliser's name. */
static const uint8_t *find_charsmap(const char *model, size_t len, size_t *n)
{
    static const char name[] = "\x0a\x08nmt_nfkc\x12";

    for (size_t i = 0; i + sizeof name + 3 < len; i++) {
        const uint8_t *p = (const uint8_t *)model + i + sizeof name - 1;
        if (memcmp(model + i, name, sizeof name - 1) != 0)
            continue;
        *n = (size_t)(p[0] & 0x7f) | (size_t)(p[1] & 0x7f) << 7 | (size_t)p[2] << 14;
        assert_true(p[2] < 0x80 && i + sizeof name + 2 + *n <= len);
        return p + 3;
    }
    fail_msg("spiece.model has no charsmap");
    *n = 0;
    return NULL;
}

static void fill_charsmap(json_t *normalizer, const char *base64)
{
    json_t *list = json_object_get(normalizer, "normalizers");

    if (json_object_get(normalizer, "precompiled_charsmap"))
        json_object_set_new(normalizer, "precompiled_charsmap", json_string(base64));
    for (size_t i = 0; i < json_array_size(list); i++)
        fill_charsmap(json_array_get(list, i), base64);
}

/* tests/data/tokenizer_words/NAME.json with vocabulary and charsmap of spiece.model. */
static json_t *whole_json(const char *name)
{
    char path[100];
    size_t len, n = 0;
    char *model = read_bytes(WORDS "spiece.model", &len);
    json_t *root, *vocab = json_array();
    const uint8_t *charsmap;
    rs_buf base64 = {0};
    rs_spiece s;

    snprintf(path, sizeof path, WORDS "%s.json", name);
    root = read_json(path);
    charsmap = find_charsmap(model, len, &n);
    put_base64(&base64, charsmap, n);
    assert_int_equal(rs_spiece_read(&s, model, len, "spiece.model", NULL), RS_OK);
    for (size_t i = 0; i < s.n; i++)
        json_array_append_new(vocab, json_pack("[s#f]", s.piece[i].text, (int)s.piece[i].len,
                                               (double)s.piece[i].score));
    json_object_set_new(json_object_get(root, "model"), "vocab", vocab);
    fill_charsmap(json_object_get(root, "normalizer"), base64.data);
    rs_spiece_clear(&s);
    rs_buf_clear(&base64);
    rs_free(model);
    return root;
}

static rs_tokenizer *open_json(const char *name)
{
    json_t *root = whole_json(name);
    rs_tokenizer *t;

    write_json("tokenizer.json", root);
    json_decref(root);
    t = open_folder(folder);
    remove_file("tokenizer.json");
    return t;
}

static rs_tokenizer *open_spiece(void)
{
    size_t len;
    char *model = read_bytes(WORDS "spiece.model", &len);
    rs_tokenizer *t;

    write_file("spiece.model", model, len);
    rs_free(model);
    t = open_folder(folder);
    remove_file("spiece.model");
    return t;
}

/* ---- The published ids ------------------------------------------------- */

static void test_published_ids(void **state)
{
    judged j[4] = {{.name = "siglip", .column = 0}, {.name = "spiece", .column = 1},
                   {.name = "t5", .column = 2}, {.name = "odd", .column = 3}};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        j[i].t = i == 1 ? open_spiece() : open_json(j[i].name);
        check_strings(j[i].t, j[i].name);
    }
    check_generated(j, 4);
    check_captions(j, 4);
    for (size_t i = 0; i < 4; i++)
        rs_tokenizer_close(j[i].t);
}

static void test_how_texts_are_finished(void **state)
{
    rs_tokenizer *t[3] = {open_json("siglip"), open_spiece(), open_json("odd")};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bool ends = i < 2;
        assert_int_equal(rs_tokenizer_kind_of(t[i]), RS_TOKENIZER_UNIGRAM);
        assert_int_equal(rs_tokenizer_bos(t[i]), -1);
        assert_int_equal(rs_tokenizer_eos(t[i]), ends ? 1 : -1);
        assert_int_equal(rs_tokenizer_pad(t[i]), ends ? 1 : -1);
        assert_int_equal(rs_tokenizer_extra(t[i]), ends);
        assert_true(rs_tokenizer_pads(t[i]));
        rs_tokenizer_close(t[i]);
    }
}

static void test_pad_token(void **state)
{
    static const char named[] = "{\"pad_token\": {\"content\": \"<pad>\"}}", lost[] =
        "{\"pad_token\": \"[PAD]\"}";
    json_t *root = whole_json("siglip");
    rs_tokenizer *t;
    rs_err err;

    (void)state;
    write_json("tokenizer.json", root);
    write_file("tokenizer_config.json", named, strlen(named));
    t = open_folder(folder);
    assert_int_equal(rs_tokenizer_pad(t), 0);
    rs_tokenizer_close(t);
    write_file("tokenizer_config.json", lost, strlen(lost));
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "pad_token \"[PAD]\""));
    remove_file("tokenizer_config.json");
    json_object_set_new(root, "padding", json_pack("{s:i}", "pad_id", 0));
    write_json("tokenizer.json", root);
    t = open_folder(folder);
    assert_int_equal(rs_tokenizer_pad(t), 0);
    rs_tokenizer_close(t);
    remove_file("tokenizer.json");
    json_decref(root);
}

/* With both forms in a folder, as published, the config's class says which is run. */
static void test_both_forms(void **state)
{
    static const char *const config[] = {"{}", "{\"tokenizer_class\": \"SiglipTokenizer\"}"};
    size_t len;
    char *model = read_bytes(WORDS "spiece.model", &len);
    json_t *root = whole_json("siglip");

    (void)state;
    write_file("spiece.model", model, len);
    write_json("tokenizer.json", root);
    for (size_t i = 0; i < 2; i++) {
        rs_tokenizer *t;
        write_file("tokenizer_config.json", config[i], strlen(config[i]));
        t = open_folder(folder);
        check_strings(t, i ? "spiece" : "siglip");
        rs_tokenizer_close(t);
    }
    remove_file("spiece.model");
    remove_file("tokenizer.json");
    remove_file("tokenizer_config.json");
    json_decref(root);
    rs_free(model);
}

static void check_decode(const rs_tokenizer *t, const char *text, const char *want)
{
    int32_t ids[ROOM];
    rs_buf out = {0};
    size_t n;
    bool cut;

    assert_int_equal(rs_tokenizer_encode(t, text, strlen(text), ids, ROOM, &n, &cut, NULL), RS_OK);
    rs_buf_puts(&out, ">");
    rs_tokenizer_decode(t, ids, n, &out);
    assert_string_equal(out.data + 1, want);
    rs_buf_clear(&out);
}

static void test_decode(void **state)
{
    rs_tokenizer *t[2] = {open_json("siglip"), open_spiece()};
    const int32_t odd[] = {-1, 100000, INT32_MAX, 0, 1, 2};
    rs_buf out = {0};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        check_decode(t[i], "", "");
        check_decode(t[i], "No  pleural EFFUSION.", "no pleural effusion");
        check_decode(t[i], "the lung </s> b", i ? "the lungb" : "the lung b");
        rs_tokenizer_decode(t[i], odd + 1, 2, &out);
        rs_tokenizer_decode(t[i], odd, 1, &out);
        assert_int_equal(out.len, 0);
        rs_alloc_fail_after(0);
        rs_tokenizer_decode(t[i], (const int32_t[]){40, 41}, 2, &out);
        rs_alloc_fail_after(-1);
        assert_true(out.failed);
        rs_buf_clear(&out);
        rs_tokenizer_close(t[i]);
    }
}

/* ---- The best cut, against a naive search ------------------------------- */

typedef struct { char text[16]; size_t len; double score; } naive_piece;

/* The same by looking at every piece at every place; ids of the best cut, unknown
 * neighbours as one. Returns how many; *sum: the best sum. */
static size_t naive_cut(const naive_piece *piece, size_t n, double unknown, const char *text,
                        size_t len, int32_t *ids, double *sum)
{
    double best[64];
    size_t from[64], n_ids = 0;
    int32_t id[64];

    best[0] = 0;
    for (size_t end = 1; end <= len; end++) {
        best[end] = -INFINITY;
        for (size_t start = 0; start < end; start++) {
            size_t size = end - start;
            bool letter = size == 1 || (size == 2 && (uint8_t)text[start] == 0xc3);
            int32_t found = -1;

            if (best[start] == -INFINITY)
                continue;
            for (size_t i = 1; i < n; i++)
                if (piece[i].len == size && memcmp(piece[i].text, text + start, size) == 0)
                    found = (int32_t)i;
            if (found < 0 && (!letter || ((uint8_t)text[start] == 0xc3 && size == 1) ||
                              ((uint8_t)text[start] & 0xc0) == 0x80))
                continue;
            if (best[start] + (found < 0 ? unknown : piece[found].score) > best[end]) {
                best[end] = best[start] + (found < 0 ? unknown : piece[found].score);
                from[end] = start;
                id[end] = found < 0 ? 0 : found;
            }
        }
    }
    *sum = best[len];
    for (size_t end = len; end > 0; end = from[end])
        if (id[end] != 0 || n_ids == 0 || ids[n_ids - 1] != 0)
            ids[n_ids++] = id[end];
    return n_ids;                        /* last token first */
}

static size_t random_text(rs_random *r, char *text, size_t letters)
{
    size_t len = 0;

    for (size_t i = 0; i < letters; i++) {
        uint64_t c = rs_random_below(r, 5);
        if (c == 4)
            text[len++] = '\xc3';
        text[len++] = c == 4 ? '\xa9' : (char)('a' + (char)c);
    }
    return len;
}

/* Scores are quarters, so sums are exact and ties are many. */
static void test_best_cut(void **state)
{
    rs_random r = rs_random_seed(5);
    rs_unigram_room room = {0};

    (void)state;
    for (size_t round = 0; round < 400; round++) {
        naive_piece piece[24] = {{"<unk>", 5, 0}};
        double score[24] = {0}, least = 0;
        rs_unigram u = {.score = score, .narrow = round % 2};
        size_t n = 1;

        for (size_t tries = 0; tries < 23; tries++) {
            int32_t before;
            piece[n].len = random_text(&r, piece[n].text, 1 + rs_random_below(&r, 4));
            assert_int_equal(rs_trie_put(&u.trie, piece[n].text, piece[n].len, (int32_t)n, &before,
                                         NULL), RS_OK);
            if (before >= 0)
                continue;
            piece[n].score = score[n] = -0.25 * (double)rs_random_below(&r, 16);
            least = score[n] < least ? score[n] : least;
            n++;
        }
        u.unknown_score = least - 10;
        for (size_t k = 0; k < 20; k++) {
            char text[64];
            int32_t want[64];
            double sum;
            size_t len = random_text(&r, text, rs_random_below(&r, 24));
            size_t n_want = naive_cut(piece, n, u.unknown_score, text, len, want, &sum);

            assert_int_equal(rs_unigram_run(&u, text, len, &room, NULL), RS_OK);
            assert_int_equal(room.n, n_want);
            for (size_t i = 0; i < n_want; i++)
                assert_int_equal(room.id[i], want[n_want - 1 - i]);
        }
        rs_trie_clear(&u.trie);
    }
    rs_unigram_room_clear(&room);
}

/* ---- Any text ------------------------------------------------------------ */

static void check_any(const rs_tokenizer *t, const char *text, size_t len)
{
    size_t n, count, max = 40 * len + 8;
    int32_t *ids = rs_calloc(max, sizeof *ids);
    bool cut;
    rs_err err;

    assert_non_null(ids);
    if (rs_tokenizer_encode(t, text, len, ids, max, &n, &cut, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_false(cut);
    for (size_t i = 0; i < n; i++)
        assert_true(ids[i] >= 0 && (size_t)ids[i] < rs_tokenizer_size(t));
    assert_int_equal(rs_tokenizer_count(t, text, len, &count, &err), RS_OK);
    assert_int_equal(count, n - rs_tokenizer_extra(t));
    rs_free(ids);
}

static void test_any_bytes(void **state)
{
    rs_tokenizer *t[3] = {open_json("siglip"), open_spiece(), open_json("odd")};
    rs_random r = rs_random_seed(11);
    char text[200];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        check_any(t[i], NULL, 0);
    for (size_t round = 0; round < 1000; round++) {
        size_t len = rs_random_below(&r, sizeof text);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)rs_random_below(&r, round % 2 ? 256 : 128);
        check_any(t[round % 3], text, len);
    }
    for (size_t i = 0; i < 3; i++)
        rs_tokenizer_close(t[i]);
}

/* A text made to be slow takes about as long as any other of its length. */
static void test_hostile_texts(void **state)
{
    static const char *const unit[] = {"a", "the", "\xff", "\u0301\u0327", "</s>", "</", "\u2581",
                                       " ", "\uac01", "</s> ", "\U0001f469\u200d", "\r\n", "."};
    rs_tokenizer *t[3] = {open_json("siglip"), open_spiece(), open_json("odd")};

    (void)state;
    for (size_t i = 0; i < 3 * sizeof unit / sizeof *unit; i++) {
        double start = rs_cpu_s();
        rs_buf b = {0};
        size_t n;

        while (b.len < 100000)
            rs_buf_puts(&b, unit[i / 3]);
        assert_int_equal(rs_tokenizer_count(t[i % 3], b.data, b.len, &n, NULL), RS_OK);
        assert_true(rs_cpu_s() - start < 10);
        rs_buf_clear(&b);
    }
    for (size_t i = 0; i < 3; i++)
        rs_tokenizer_close(t[i]);
}

static void test_too_little_room(void **state)
{
    rs_tokenizer *t = open_json("siglip");
    int32_t ids[2];
    size_t n;
    bool cut;

    (void)state;
    assert_int_equal(rs_tokenizer_encode(t, "a", 1, ids, 0, &n, &cut, NULL), RS_EARG);
    assert_int_equal(rs_tokenizer_encode(t, "a", 1, ids, 1, &n, &cut, NULL), RS_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], 1);
    assert_true(cut);
    rs_tokenizer_close(t);
}

/* ---- Damaged tokenizer.json --------------------------------------------- */

/* A whole file with one part put in: MODEL, ADDED, NORMALIZER, PRE, POST in order. */
static void test_damaged_json(void **state)
{
#define V "[\"<unk>\",0],[\"\u2581\",-1.5]"
#define M "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" V "]}"
    static const struct { const char *model, *rest, *want; rs_status st; } rows[] = {
        {M, "", NULL, RS_OK},
        {"{\"type\":\"Unigram\",\"unk_id\":0}", "", "model.vocab: wanted a list", RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[]}", "", "model.vocab: 0 tokens", RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"vocab\":[" V "]}", "", "unk_id is missing", RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[" V "]}", "", "unk_id: 2 is not within 0..1",
         RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" V ",[\"a\"]]}", "", "model.vocab 2: wanted a",
         RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" V ",[\"a\",\"1\"]]}", "", "vocab 2: wanted a",
         RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" V ",[\"a\",-1e300]]}", "",
         "vocab 2: a score of -1e+300", RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" V ",[\"\",1]]}", "", "vocab 2: a piece of 0",
         RS_ECORRUPT},
        {"{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[" V ",[\"<unk>\",1]]}", "",
         "\"<unk>\" is both 0 and 2", RS_ECORRUPT},
        {M, ",\"added_tokens\":[{\"id\":3,\"content\":\"x\"}]", "id: 3 is not within 0..2", RS_ECORRUPT},
        {M, ",\"added_tokens\":[{\"id\":1,\"content\":\"x\"}]", "id 1 is both", RS_ECORRUPT},
        {M, ",\"added_tokens\":[{\"id\":2}]", "wanted an id and a content", RS_ECORRUPT},
        {M, ",\"added_tokens\":[{\"id\":2,\"content\":\"x\",\"single_word\":true}]", "single_word",
         RS_EFORMAT},
        {M, ",\"added_tokens\":[{\"id\":2,\"content\":\"x\"}]", NULL, RS_OK},
        {M, ",\"normalizer\":{\"type\":\"Backwards\"}", "normalizer: type \"Backwards\"", RS_EFORMAT},
        {M, ",\"normalizer\":{\"type\":\"Sequence\"}", "normalizers: wanted a list", RS_ECORRUPT},
        {M, ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{}]}",
         "normalizers 1: type \"\"", RS_EFORMAT},
        {M, ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a|b)\"},\"content\":\"\"}",
         "\"(a|b)\", byte 1", RS_EFORMAT},
        {M, ",\"normalizer\":{\"type\":\"Replace\",\"content\":\"\"}", "pattern: wanted", RS_ECORRUPT},
        {M, ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}",
         "nothing to look for", RS_EFORMAT},
        {M, ",\"normalizer\":{\"type\":\"Prepend\"}", "prepend is missing", RS_ECORRUPT},
        {M, ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}",
         "3 characters are not base64", RS_ECORRUPT},
        {M, ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AA*A\"}",
         "character 2 is not base64", RS_ECORRUPT},
        {M, ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"CAAAAAAA\"}",
         "a trie of 8 bytes in 6", RS_ECORRUPT},
        {M, ",\"pre_tokenizer\":{\"type\":\"ByteLevel\"}", "pre_tokenizer: type \"ByteLevel\"", RS_EFORMAT},
        {M, ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", "wanted one character",
         RS_ECORRUPT},
        {M, ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}", "\"last\"",
         RS_EFORMAT},
        {M, ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Metaspace\"},3]}",
         "pretokenizers 1: type", RS_EFORMAT},
        {M, ",\"post_processor\":{\"type\":\"ByteLevel\"}", "post_processor: type", RS_EFORMAT},
        {M, ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[]}", "no sequence",
         RS_ECORRUPT},
        {M, ",\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",1],\"sep\":[\"b\",2]}",
         "sep: wanted an id from 0 to 1", RS_ECORRUPT},
        {M, ",\"padding\":{\"pad_id\":2}", "pad_id: 2 is not within", RS_ECORRUPT},
    };
#undef M
#undef V
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_buf b = {0};
        rs_tokenizer *t;
        rs_err err = {0};
        rs_status st;

        rs_buf_printf(&b, "{\"model\":%s%s}", rows[i].model, rows[i].rest);
        write_file("tokenizer.json", b.data, b.len);
        st = rs_tokenizer_open(&t, folder, &err);
        if (st != rows[i].st || (rows[i].want && (!strstr(err.msg, rows[i].want) ||
                                                  !strstr(err.msg, "tokenizer.json"))))
            fail_msg("row %zu: %s: %s", i, rs_status_name(st), err.msg);
        assert_true((st == RS_OK) == (t != NULL));
        rs_tokenizer_close(t);
        rs_buf_clear(&b);
    }
    remove_file("tokenizer.json");
}

/* ---- A small spiece.model, to be damaged --------------------------------- */

static void put_bytes(rs_buf *out, unsigned field, const void *bytes, size_t n)
{
    rs_buf_putc(out, (char)(field << 3 | 2));
    rs_buf_putc(out, (char)(n & 0x7f) | (char)(n > 0x7f ? 0x80 : 0));
    if (n > 0x7f)
        rs_buf_putc(out, (char)(n >> 7));
    rs_buf_append(out, bytes, n);
}

static void put_piece(rs_buf *out, const char *text, float score, char type)
{
    rs_buf p = {0};

    put_bytes(&p, 1, text, strlen(text));
    rs_buf_putc(&p, 2 << 3 | 5);
    rs_buf_append(&p, &score, sizeof score);
    rs_buf_putc(&p, 3 << 3);
    rs_buf_putc(&p, type);
    put_bytes(out, 1, p.data, p.len);
    rs_buf_clear(&p);
}

/* A table of characters: "A" becomes "b", "\xc3\x81" (A acute) "ba". */
static void put_charsmap(rs_buf *out)
{
    uint32_t unit[1024] = {0}, n = sizeof unit;

    unit[0] = 256u << 10;
    unit[256 ^ 0x41] = (321u ^ 600u) << 10 | 1u << 8 | 0x41;
    unit[600] = 1u << 31;
    unit[256 ^ 0xc3] = ((256u ^ 0xc3) ^ 512u) << 10 | 0xc3;
    unit[512 ^ 0x81] = ((512u ^ 0x81) ^ 700u) << 10 | 1u << 8 | 0x81;
    unit[700] = 1u << 31 | 2;
    rs_buf_append(out, &n, 4);
    rs_buf_append(out, unit, sizeof unit);
    rs_buf_append(out, "b\0ba", 5);
}

static void put_model(rs_buf *out, const char *piece, float score, char type)
{
    static const char trainer[] = {3 << 3, 1};
    rs_buf map = {0}, normaliser = {0};

    put_piece(out, "<pad>", 0, 3);
    put_piece(out, "</s>", 0, 3);
    put_piece(out, "<unk>", 0, 2);
    put_piece(out, "\u2581", -2, 1);
    put_piece(out, "b", -3, 1);
    put_piece(out, "[Z]", 0, 4);
    put_piece(out, piece, score, type);
    put_bytes(out, 2, trainer, sizeof trainer);
    put_charsmap(&map);
    put_bytes(&normaliser, 2, map.data, map.len);
    put_bytes(out, 3, normaliser.data, normaliser.len);
    rs_buf_clear(&map);
    rs_buf_clear(&normaliser);
}

static rs_status open_model(rs_tokenizer **t, const void *bytes, size_t len, rs_err *err)
{
    rs_status st;

    write_file("spiece.model", bytes, len);
    st = rs_tokenizer_open(t, folder, err);
    remove_file("spiece.model");
    return st;
}

static void test_small_model(void **state)
{
    static const int32_t want[] = {3, 4, 6, 4, 4, 2, 5, 1};
    rs_buf b = {0};
    rs_tokenizer *t;
    int32_t ids[16];
    size_t n;
    bool cut;
    rs_err err;

    (void)state;
    put_model(&b, "a", -2, 1);
    rs_buf_puts(&b, "\x3a\x02xy");               /* a field that nobody knows */
    if (open_model(&t, b.data, b.len, &err) != RS_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(rs_tokenizer_size(t), 7);
    /* lower case first, so only what is small is mapped: nothing here */
    assert_int_equal(rs_tokenizer_encode(t, "BABBxy", 6, ids, 16, &n, &cut, NULL), RS_OK);
    assert_int_equal(n, 7);
    assert_memory_equal(ids, want, 6 * sizeof *ids);
    rs_tokenizer_close(t);
    write_file("tokenizer_config.json", "{\"do_lower_case\": false}", 24);
    assert_int_equal(open_model(&t, b.data, b.len, &err), RS_OK);
    assert_int_equal(rs_tokenizer_encode(t, "A\u00c1bbxy", 7, ids, 16, &n, &cut, NULL), RS_OK);
    assert_memory_equal(ids, ((const int32_t[]){3, 4, 4, 6, 4, 4, 2, 1}), 8 * sizeof *ids);
    assert_int_equal(n, 8);
    rs_tokenizer_close(t);
    write_file("tokenizer_config.json", "{\"tokenizer_class\": \"T5Tokenizer\"}", 34);
    assert_int_equal(open_model(&t, b.data, b.len, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, "only SiglipTokenizer"));
    remove_file("tokenizer_config.json");
    rs_buf_clear(&b);
}

/* Tokens that only the config knows. */
static void test_added_to_a_model(void **state)
{
    static const struct { const char *tokens, *want; } rows[] = {
        {"\"1\": {\"content\": \"</s>\"}, \"9\": {\"content\": \"[x]\"}", NULL},
        {"\"0\": {\"content\": \"</s>\"}", "\"0\": wanted a piece"},
        {"\"3\": {\"content\": \"[x]\"}", "\"3\": wanted a piece"},
        {"\"1x\": {\"content\": \"</s>\"}", "\"1x\": wanted a piece"},
        {"\"100000\": {\"content\": \"[x]\"}", "\"100000\": wanted a piece"},
        {"\"7\": {}", "\"7\": wanted a piece"},
    };
    rs_buf b = {0};

    (void)state;
    put_model(&b, "a", -2, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char config[200];
        int32_t ids[8];
        rs_tokenizer *t;
        rs_err err = {0};
        size_t n;
        bool cut;

        snprintf(config, sizeof config, "{\"added_tokens_decoder\": {%s}}", rows[i].tokens);
        write_file("tokenizer_config.json", config, strlen(config));
        if (open_model(&t, b.data, b.len, &err) != (rows[i].want ? RS_ECORRUPT : RS_OK) ||
            (rows[i].want && !strstr(err.msg, rows[i].want)))
            fail_msg("row %zu: %s", i, err.msg);
        if (t) {
            assert_int_equal(rs_tokenizer_size(t), 10);
            assert_int_equal(rs_tokenizer_encode(t, "a [X] b", 7, ids, 8, &n, &cut, NULL), RS_OK);
            assert_int_equal(n, 5);
            assert_memory_equal(ids, ((const int32_t[]){3, 6, 9, 4, 1}), 5 * sizeof *ids);
        }
        rs_tokenizer_close(t);
    }
    remove_file("tokenizer_config.json");
    rs_buf_clear(&b);
}

static void test_damaged_model(void **state)
{
    static const struct { const char *piece; float score; char type; const char *want; } rows[] = {
        {"b", -1, 1, "pieces 4 and 6 are both \"b\""},
        {"c", NAN, 1, "pieces 6: a score of"},
        {"c", INFINITY, 1, "pieces 6: a score of"},
        {"c", -1, 7, "pieces 6: type 7"},
        {"c", -1, 0, "pieces 6: type 0"},
        {"c", -1, 2, "pieces 2 and 6 are both unknown"},
        {"", -1, 1, "pieces 6: wanted 1 to"},
        {"\xc3", -1, 1, "pieces 6: wanted 1 to"},
    };
    rs_tokenizer *t;
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_buf b = {0};
        put_model(&b, rows[i].piece, rows[i].score, rows[i].type);
        if (open_model(&t, b.data, b.len, &err) != RS_ECORRUPT || !strstr(err.msg, rows[i].want) ||
            !strstr(err.msg, "spiece.model"))
            fail_msg("row %zu: %s", i, err.msg);
        rs_buf_clear(&b);
    }
    assert_int_equal(open_model(&t, "", 0, &err), RS_ECORRUPT);
    assert_int_equal(open_model(&t, "\x12\x02\x18\x02\x0a\x00", 6, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, "model type 2"));
}

/* Cut anywhere, or with a bit turned: refused with a message, or used without harm. */
static void test_any_damage_to_a_model(void **state)
{
    static const char text[] = "A\u00c1bb <unk> [Z] xy";
    rs_random r = rs_random_seed(3);
    rs_buf b = {0};

    (void)state;
    put_model(&b, "a", -2, 1);
    for (size_t i = 0; i < 600; i++) {
        size_t len = i < 200 ? i : i < 250 ? b.len - 1 - (i - 200) * 80 : b.len;
        size_t at = rs_random_below(&r, b.len);
        char bit = (char)(len == b.len ? 1 << rs_random_below(&r, 7) : 0);
        rs_tokenizer *t;
        rs_err err = {0};

        b.data[at] = (char)(b.data[at] ^ bit);
        if (open_model(&t, b.data, len, &err) == RS_OK)
            check_any(t, text, strlen(text));
        else
            assert_true(err.msg[0] && !t);
        rs_tokenizer_close(t);
        b.data[at] = (char)(b.data[at] ^ bit);
    }
    rs_buf_clear(&b);
}

/* ---- The table of characters --------------------------------------------- */

static void test_charsmap(void **state)
{
    static const struct { size_t unit; uint32_t value; const char *want; } damage[] = {
        {0, 0, NULL},
        {256 ^ 0x41, 0x7fffffffu & ~0x3feu, NULL},
        {600, 1u << 31 | 5, "points to byte 5 of 4"},
        {256 ^ 0x41, (321u ^ 5000u) << 10 | 1u << 8 | 0x41, "points to unit 5000 of 1024"},
        {512 ^ 0x81, ((512u ^ 0x81) ^ 512u) << 10 | 0x81, "runs in a circle at unit 641"},
    };
    rs_charsmap m;
    rs_buf b = {0};
    rs_err err;
    size_t n;

    (void)state;
    put_charsmap(&b);
    assert_int_equal(rs_charsmap_read(&m, b.data, b.len, "map", &err), RS_OK);
    assert_string_equal(rs_charsmap_shortest(&m, "Ax", 2, &n), "b");
    assert_int_equal(n, 1);
    assert_string_equal(rs_charsmap_longest(&m, "\xc3\x81", 2, &n), "ba");
    assert_int_equal(n, 2);
    assert_null(rs_charsmap_longest(&m, "\xc3", 1, &n));
    assert_null(rs_charsmap_longest(&m, "b", 1, &n));
    assert_null(rs_charsmap_longest(&m, "", 0, &n));
    rs_charsmap_clear(&m);
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        rs_buf c = {0};
        rs_status st;

        rs_buf_append(&c, b.data, b.len - (damage[i].unit == 600));
        memcpy(c.data + 4 + 4 * damage[i].unit, &damage[i].value, 4);
        st = rs_charsmap_read(&m, c.data, c.len, "map", &err);
        if (damage[i].want && (st != RS_ECORRUPT || !strstr(err.msg, damage[i].want)))
            fail_msg("row %zu: %s", i, err.msg);
        rs_charsmap_clear(&m);
        rs_buf_clear(&c);
    }
    rs_buf_clear(&b);
}

/* ---- Out of memory ------------------------------------------------------- */

static void walk(const char *what)
{
    static const char text[] = "A\u00c1bb </s> <unk>  [X] R\u00f6ntgen \uac01 ``xy'' 12";
    size_t live = rs_alloc_live(), opened = 0;
    rs_status st = RS_ENOMEM;

    for (long k = 0; st != RS_OK; k++) {
        rs_tokenizer *t;
        int32_t ids[100];
        size_t n = 0;
        bool cut;

        rs_alloc_fail_after(k);
        st = rs_tokenizer_open(&t, folder, NULL);
        if (st == RS_OK) {
            opened++;
            st = rs_tokenizer_encode(t, text, strlen(text), ids, 100, &n, &cut, NULL);
        }
        rs_alloc_fail_after(-1);
        if (st != RS_OK && st != RS_ENOMEM)
            fail_msg("%s, allocation %ld: %s", what, k, rs_status_name(st));
        rs_tokenizer_close(t);
    }
    assert_true(opened > 3);
    assert_int_equal(rs_alloc_live(), live);
}

static void test_out_of_memory(void **state)
{
    rs_buf b = {0};
    json_t *root = read_json(WORDS "odd.json");

    (void)state;
    put_model(&b, "a", -2, 1);
    write_file("spiece.model", b.data, b.len);
    walk("spiece.model");
    remove_file("spiece.model");
    rs_buf_clear(&b);
    json_object_set_new(json_object_get(root, "model"), "vocab", json_pack(
        "[[s,i],[s,i],[s,i],[s,f]]", "<pad>", 0, "</s>", 0, "<unk>", 0, "b", -3.5));
    for (size_t i = 2; i < 5; i++)
        json_object_set_new(json_array_get(json_object_get(root, "added_tokens"), i), "id",
                            json_integer((json_int_t)i + 2));
    write_json("tokenizer.json", root);
    walk("tokenizer.json");
    remove_file("tokenizer.json");
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_ids),
        cmocka_unit_test(test_how_texts_are_finished),
        cmocka_unit_test(test_pad_token),
        cmocka_unit_test(test_both_forms),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_best_cut),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_too_little_room),
        cmocka_unit_test(test_damaged_json),
        cmocka_unit_test(test_small_model),
        cmocka_unit_test(test_added_to_a_model),
        cmocka_unit_test(test_damaged_model),
        cmocka_unit_test(test_any_damage_to_a_model),
        cmocka_unit_test(test_charsmap),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
