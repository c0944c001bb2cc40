/* test_wordpiece.c - the same ids as BertTokenizerFast, from vocab.txt and from a
 * tokenizer.json; classes of characters as there; damaged files refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/normaliser_int.h"
#include "embeddings/pretoken_int.h"
#include "embeddings/tidy_int.h"
#include "embeddings/wordpiece_int.h"

#include "base/clock.h"
#include "base/random.h"
#include "word_strings.h"

#define TOKENS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"

/* The vocabulary of tests/data as vocab.txt, with a config if there is one. */
static rs_tokenizer *open_txt(const char *config)
{
    size_t len;
    char *vocab = read_bytes(WORDS "vocab.txt", &len);
    rs_tokenizer *t;

    write_file("vocab.txt", vocab, len);
    if (config)
        write_file("tokenizer_config.json", config, strlen(config));
    t = open_folder(folder);
    remove_file("vocab.txt");
    remove_file("tokenizer_config.json");
    rs_free(vocab);
    return t;
}

/* The same as the tokenizer.json that BertTokenizerFast saves. */
static json_t *as_json(bool lower)
{
    size_t len;
    char *text = read_bytes(WORDS "vocab.txt", &len), *at = text, *line;
    json_t *vocab = json_object(), *added = json_array(), *root;

    for (int id = 0; (line = next_line(&at)) != NULL; id++) {
        json_object_set_new(vocab, line, json_integer(id));
        if (id < 5)
            json_array_append_new(added, json_pack(
                "{s:i,s:s,s:b,s:b,s:b,s:b,s:b}", "id", id, "content", line, "single_word", 0,
                "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1));
    }
    rs_free(text);
    root = json_pack(
        "{s:o, s:{s:s,s:b,s:b,s:n,s:b}, s:{s:s},"
        " s:{s:s, s:[{s:{s:s,s:i}}, {s:{s:s,s:i}}, {s:{s:s,s:i}}],"
        "    s:{s:{s:s,s:[i],s:[s]}, s:{s:s,s:[i],s:[s]}}},"
        " s:{s:s,s:s,s:s,s:i,s:o}}",
        "added_tokens", added, "normalizer", "type", "BertNormalizer", "clean_text", 1,
        "handle_chinese_chars", 1, "strip_accents", "lowercase", (int)lower,
        "pre_tokenizer", "type", "BertPreTokenizer",
        "post_processor", "type", "TemplateProcessing", "single",
        "SpecialToken", "id", "[CLS]", "type_id", 0, "Sequence", "id", "A", "type_id", 0,
        "SpecialToken", "id", "[SEP]", "type_id", 0,
        "special_tokens", "[CLS]", "id", "[CLS]", "ids", 2, "tokens", "[CLS]",
        "[SEP]", "id", "[SEP]", "ids", 3, "tokens", "[SEP]",
        "model", "type", "WordPiece", "unk_token", "[UNK]", "continuing_subword_prefix", "##",
        "max_input_chars_per_word", 100, "vocab", vocab);
    assert_non_null(root);
    return root;
}

static rs_tokenizer *open_json(bool lower, const char *config)
{
    json_t *root = as_json(lower);
    rs_tokenizer *t;

    write_json("tokenizer.json", root);
    json_decref(root);
    if (config)
        write_file("tokenizer_config.json", config, strlen(config));
    t = open_folder(folder);
    remove_file("tokenizer.json");
    remove_file("tokenizer_config.json");
    return t;
}

/* ---- The published ids ------------------------------------------------- */

static void test_published_ids(void **state)
{
    judged j[2] = {{.name = "bert", .column = 4, .t = open_txt(NULL)},
                   {.name = "cased", .column = 5, .t = open_txt("{\"do_lower_case\": false}")}};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        check_strings(j[i].t, j[i].name);
    check_generated(j, 2);
    check_captions(j, 2);
    for (size_t i = 0; i < 2; i++)
        rs_tokenizer_close(j[i].t);
}

/* From tokenizer.json too; tokenizer_config.json of a BertTokenizer goes before it. */
static void test_one_file_gives_the_same_ids(void **state)
{
    static const struct { bool lower; const char *config, *want; } rows[] = {
        {true, NULL, "bert"}, {false, NULL, "cased"},
        {false, "{\"tokenizer_class\": \"BertTokenizer\"}", "bert"},
        {true, "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": false}", "cased"},
        {true, "{\"tokenizer_class\": \"PreTrainedTokenizerFast\", \"do_lower_case\": false}", "bert"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_tokenizer *t = open_json(rows[i].lower, rows[i].config);
        check_strings(t, rows[i].want);
        rs_tokenizer_close(t);
    }
}

static void test_how_texts_are_finished(void **state)
{
    rs_tokenizer *t = open_txt(NULL);
    int32_t ids[4];
    size_t n;
    bool cut;

    (void)state;
    assert_int_equal(rs_tokenizer_kind_of(t), RS_TOKENIZER_WORDPIECE);
    assert_int_equal(rs_tokenizer_size(t), 1500);
    assert_int_equal(rs_tokenizer_pad(t), 0);
    assert_int_equal(rs_tokenizer_bos(t), 2);
    assert_int_equal(rs_tokenizer_eos(t), 3);
    assert_int_equal(rs_tokenizer_extra(t), 2);
    assert_false(rs_tokenizer_pads(t));
    assert_int_equal(rs_tokenizer_encode(t, "a", 1, ids, 1, &n, &cut, NULL), RS_EARG);
    assert_int_equal(rs_tokenizer_encode(t, "a b c", 5, ids, 4, &n, &cut, NULL), RS_OK);
    assert_true(cut && n == 4 && ids[0] == 2 && ids[3] == 3);
    rs_tokenizer_close(t);
}

static void test_decode(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"", ""}, {"No pleural EFFUSION.", "no pleural effusion ."}, {"the [SEP] lung", "the lung"},
    };
    rs_tokenizer *t = open_txt(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t ids[64];
        rs_buf out = {0};
        size_t n;
        bool cut;

        assert_int_equal(rs_tokenizer_encode(t, rows[i].text, strlen(rows[i].text), ids, 64, &n,
                                             &cut, NULL), RS_OK);
        rs_buf_puts(&out, ">");
        rs_tokenizer_decode(t, ids, n, &out);
        assert_string_equal(out.data + 1, rows[i].want);
        rs_buf_clear(&out);
    }
    rs_tokenizer_close(t);
}

/* ---- Classes of characters ---------------------------------------------- */

typedef struct { size_t words; } counted;

static rs_status count_word(void *context, const char *word, size_t len, rs_err *err)
{
    (void)word, (void)len, (void)err;
    ((counted *)context)->words++;
    return RS_OK;
}

/* The words that BERT cuts a text into. */
static size_t words_of(const char *text, size_t len)
{
    rs_cutter c = {.cut = {{.kind = RS_CUT_BERT}}, .n = 1};
    rs_cut_room room = {0};
    counted n = {0};

    assert_int_equal(rs_cutter_run(&c, &room, text, len, count_word, &n, NULL), RS_OK);
    rs_cut_room_clear(&room);
    return n.words;
}

/* What is between `before` and `after` once normalised so, in `out`. */
static void normalise(rs_step step, const char *before, uint32_t c, const char *after, rs_buf *out)
{
    rs_normaliser n = {&step, 1};
    rs_buf room = {0};

    out->len = 0;
    rs_buf_puts(out, before);
    put_utf8(out, c);
    rs_buf_puts(out, after);
    assert_int_equal(rs_normaliser_run(&n, out, &room, NULL), RS_OK);
    rs_buf_clear(&room);
}

/* Each code point: dropped, a space, or kept when cleaned; a sign or not; how many
 * spaces are put around it. Hashed by blocks, as tokenizer_words.py does. */
static void test_every_code_point(void **state)
{
    const rs_step clean = {.kind = RS_STEP_BERT, .clean = true};
    const rs_step around = {.kind = RS_STEP_BERT, .chinese = true, .accents = true, .lower = true};
    size_t len;
    char *hashes = read_bytes(WORDS "classes.txt", &len), *at = hashes;
    rs_buf b = {0};

    (void)state;
    for (uint32_t block = 0; block < 0x110000; block += 0x2000) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        unsigned want = 0;
        const char *line = next_line(&at);

        assert_true(line && sscanf(line, "%x", &want) == 1);
        for (uint32_t c = block; c < block + 0x2000; c++) {
            int32_t found[3] = {2, 0, 0};

            if (c >= 0xd800 && c < 0xe000)
                continue;
            normalise(clean, "a", c, "b", &b);
            if (b.len <= 3 && b.data[b.len - 1] == 'b' && b.data[0] == 'a')
                found[0] = b.len == 2 ? 0 : b.data[1] == ' ' ? 1 : 2;
            b.len = 0;
            rs_buf_puts(&b, "a");
            put_utf8(&b, c);
            rs_buf_puts(&b, "b");
            found[1] = (int32_t)words_of(b.data, b.len);
            normalise(around, "", c, "", &b);
            for (size_t i = 0; c != ' ' && i < b.len; i++)
                found[2] += b.data[i] == ' ';
            h = fnv(h, found, 3);
        }
        if (fold(h) != want)
            fail_msg("code points from %#x: %08x, wanted %08x", block, fold(h), want);
    }
    rs_buf_clear(&b);
    rs_free(hashes);
}

/* ---- Tidied as open_clip does --------------------------------------------- */

static void check_tidy(const char *text, rs_tidy_kind kind, const char *want, size_t number)
{
    rs_buf b = {0}, room = {0};

    rs_buf_puts(&b, text);
    assert_int_equal(rs_tidy(kind, &b, &room, NULL), RS_OK);
    rs_buf_putc(&b, '\0');
    if (strcmp(b.data, want) != 0)
        fail_msg("tidy.jsonl, line %zu, way %d: \"%s\", wanted \"%s\"", number, (int)kind, b.data,
                 want);
    rs_buf_clear(&b);
    rs_buf_clear(&room);
}

static void test_tidy(void **state)
{
    size_t len, number = 0;
    char *text = read_bytes(WORDS "tidy.jsonl", &len), *at = text, *line;

    (void)state;
    while ((line = next_line(&at)) != NULL) {
        json_t *row;
        const char *s[4];

        assert_int_equal(rs_json_parse(&row, line, strlen(line), "tidy.jsonl", NULL), RS_OK);
        number++;
        for (size_t i = 0; i < 4; i++)
            s[i] = json_string_value(json_array_get(row, i));
        check_tidy(s[0], RS_TIDY_NONE, s[0], number);
        check_tidy(s[0], RS_TIDY_SPACE, s[1], number);
        check_tidy(s[0], RS_TIDY_LOWER, s[2], number);
        check_tidy(s[0], RS_TIDY_CANONICAL, s[3], number);
        json_decref(row);
    }
    assert_true(number > 70);
    rs_free(text);
}

static rs_tokenizer *open_beside(const char *open_clip)
{
    rs_tokenizer *t;

    write_file("open_clip_config.json", open_clip, strlen(open_clip));
    t = open_txt(NULL);
    remove_file("open_clip_config.json");
    return t;
}

/* BiomedCLIP's folder: the captions' ids are those of open_clip. */
static void test_tidied_captions(void **state)
{
    rs_tokenizer *t = open_beside("{\"model_cfg\": {\"text_cfg\": {\"context_length\": 256}}}");
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t len, number = 0;
    char *hashes = read_bytes(WORDS "captions_tidy.txt", &len), *at = hashes, *line;
    char *captions, *from;

    (void)state;
    if (!rs_file_exists(CAPTIONS)) {
        print_message("skipped: ../shared/data is absent\n");
        rs_free(hashes);
        rs_tokenizer_close(t);
        skip();
    }
    from = captions = read_bytes(CAPTIONS, &len);
    while ((line = next_line(&from)) != NULL) {
        int32_t ids[ROOM];
        unsigned want = 0;
        json_t *row;
        const json_t *text;
        size_t n;
        bool cut;

        assert_int_equal(rs_json_parse(&row, line, strlen(line), "captions", NULL), RS_OK);
        text = json_object_get(row, "text");
        assert_int_equal(rs_tokenizer_encode(t, json_string_value(text), json_string_length(text),
                                             ids, ROOM, &n, &cut, NULL), RS_OK);
        json_decref(row);
        h = fnv(h, ids, n);
        if (++number % 10 != 0 && *from)
            continue;
        line = next_line(&at);
        assert_true(line && sscanf(line, "%x", &want) == 1);
        if (fold(h) != want)
            fail_msg("one of the captions up to %zu has other ids", number);
        h = UINT64_C(0xcbf29ce484222325);
    }
    assert_null(next_line(&at));
    rs_free(captions);
    rs_free(hashes);
    rs_tokenizer_close(t);
}

static void test_ways_to_tidy(void **state)
{
    static const char quotes[] = "\u201cLUNG\u201d_a";
    static const char unknown[] = "{\"text_cfg\":{\"tokenizer_kwargs\":{\"clean\":\"x\"}}}";
    static const struct { const char *config, *same; } rows[] = {
        {"{}", "\"lung\"_a"}, {"{\"text_cfg\": {}}", "\"lung\"_a"},
        {"{\"text_cfg\": {\"tokenizer_kwargs\": {\"clean\": \"lower\"}}}", "\"lung\"_a"},
        {"{\"model_cfg\": {\"text_cfg\": {\"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}}}}",
         "lung a"},
    };
    rs_tokenizer *plain = open_txt(NULL), *t;
    rs_err err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t ids[2][32];
        size_t n[2];
        bool cut;

        t = open_beside(rows[i].config);
        assert_int_equal(rs_tokenizer_encode(t, quotes, strlen(quotes), ids[0], 32, &n[0], &cut,
                                             NULL), RS_OK);
        assert_int_equal(rs_tokenizer_encode(plain, rows[i].same, strlen(rows[i].same), ids[1], 32,
                                             &n[1], &cut, NULL), RS_OK);
        assert_int_equal(n[0], n[1]);
        assert_memory_equal(ids[0], ids[1], n[0] * sizeof ids[0][0]);
        rs_tokenizer_close(t);
    }
    rs_tokenizer_close(plain);
    write_file("vocab.txt", TOKENS, strlen(TOKENS));
    write_file("open_clip_config.json", unknown, strlen(unknown));
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_EFORMAT);
    assert_null(t);
    assert_non_null(strstr(err.msg, "open_clip_config.json: text_cfg.tokenizer_kwargs.clean: \"x\""));
    remove_file("open_clip_config.json");
    remove_file("vocab.txt");
}

/* ---- Any text ------------------------------------------------------------ */

static void test_any_bytes(void **state)
{
    rs_tokenizer *t = open_txt(NULL);
    rs_random r = rs_random_seed(11);
    char text[200];

    (void)state;
    for (size_t round = 0; round < 1000; round++) {
        size_t len = rs_random_below(&r, sizeof text), n, count;
        int32_t ids[ROOM];
        bool cut;

        for (size_t i = 0; i < len; i++)
            text[i] = (char)rs_random_below(&r, round % 2 ? 256 : 128);
        assert_int_equal(rs_tokenizer_encode(t, text, len, ids, ROOM, &n, &cut, NULL), RS_OK);
        assert_false(cut);
        for (size_t i = 0; i < n; i++)
            assert_in_range(ids[i], 0, 1499);
        assert_int_equal(rs_tokenizer_count(t, text, len, &count, NULL), RS_OK);
        assert_int_equal(count, n - 2);
    }
    rs_tokenizer_close(t);
}

static void test_hostile_texts(void **state)
{
    static const char *const unit[] = {"a", "the", "\xff", "\u0301\u0327", "[SEP]", "[", "\u80ba", "##",
                                       " ", "\uac01", "\u00e9"};
    rs_tokenizer *t = open_txt(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        double start = rs_cpu_s();
        rs_buf b = {0};
        size_t n;

        while (b.len < 100000)
            rs_buf_puts(&b, unit[i]);
        assert_int_equal(rs_tokenizer_count(t, b.data, b.len, &n, NULL), RS_OK);
        assert_true(rs_cpu_s() - start < 10);
        rs_buf_clear(&b);
    }
    rs_tokenizer_close(t);
}

/* Random words against a search that tries every piece at every place. */
static void test_longest_match(void **state)
{
    rs_random r = rs_random_seed(7);

    (void)state;
    for (size_t round = 0; round < 300; round++) {
        char piece[20][8];
        size_t n = 0;
        rs_wordpiece w = {.prefixed = true, .longest = 12, .unknown = 99};

        for (size_t tries = 0; tries < 20; tries++) {
            size_t inside = rs_random_below(&r, 2) ? 2 : 0, len = inside + 1 + rs_random_below(&r, 3);
            int32_t before;

            memcpy(piece[n], "##", 3);
            for (size_t i = inside; i < len; i++)
                piece[n][i] = (char)('a' + (char)rs_random_below(&r, 3));
            piece[n][len] = '\0';
            assert_int_equal(rs_trie_put(&w.trie, piece[n], len, (int32_t)n, &before, NULL), RS_OK);
            n += before < 0;
        }
        w.inside = rs_trie_node(&w.trie, "##", 2);
        for (size_t k = 0; k < 20; k++) {
            char word[16];
            int32_t ids[16], want[16];
            size_t len = 1 + rs_random_below(&r, 14), n_want = 0;
            rs_id_sink s = {.ids = ids, .max = 16};

            for (size_t i = 0; i < len; i++)
                word[i] = (char)('a' + (char)rs_random_below(&r, 3));
            for (size_t at = 0; at < len && len <= 12;) {
                size_t most = 0;
                for (size_t i = 0; i < n; i++) {
                    const char *p = piece[i] + (at ? 2 : 0);
                    bool fits = (at ? strncmp(piece[i], "##", 2) == 0 : true) && strlen(p) > most &&
                                strlen(p) <= len - at && memcmp(word + at, p, strlen(p)) == 0;
                    if (fits) {
                        most = strlen(p);
                        want[n_want] = (int32_t)i;
                    }
                }
                if (most == 0) {
                    n_want = 0;
                    break;
                }
                n_want++;
                at += most;
            }
            if (n_want == 0)
                want[n_want++] = 99;
            rs_wordpiece_run(&w, word, len, &s);
            assert_int_equal(s.n, n_want);
            assert_memory_equal(ids, want, n_want * sizeof *want);
        }
        rs_trie_clear(&w.trie);
    }
}

/* ---- Damaged files ------------------------------------------------------- */

static void test_damaged_txt(void **state)
{
    static const struct { const char *vocab, *config, *want; rs_status st; } rows[] = {
        {TOKENS "a\nb", NULL, NULL, RS_OK},
        {TOKENS "a\r\nb\r\n", NULL, NULL, RS_OK},
        {"", NULL, "vocab.txt: \"[UNK]\" is missing", RS_ECORRUPT},
        {"[PAD]\n[UNK]\n[CLS]\n", NULL, "vocab.txt: \"[SEP]\" is missing", RS_ECORRUPT},
        {TOKENS "a\nb\na\n", NULL, "vocab.txt: line 7: \"a\" is on line 5 too", RS_ECORRUPT},
        {TOKENS "a\n\nb\n", NULL, "vocab.txt: line 6: wanted a token", RS_ECORRUPT},
        {TOKENS "a\n\xff\n", NULL, "vocab.txt: line 6: wanted a token", RS_ECORRUPT},
        {TOKENS "a", "{", "tokenizer_config.json: line 1", RS_ECORRUPT},
        {TOKENS "a", "{\"cls_token\": 3}", "cls_token: wanted a string", RS_ECORRUPT},
        {TOKENS "a", "{\"cls_token\": \"<s>\"}", "\"<s>\" is missing", RS_ECORRUPT},
        {TOKENS "a", "{\"cls_token\": {\"content\": \"a\"}}", NULL, RS_OK},
        {TOKENS "a", "{\"do_lower_case\": 1}", "do_lower_case: wanted true or false", RS_ECORRUPT},
        {TOKENS "a", "{\"strip_accents\": false}", NULL, RS_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_tokenizer *t;
        rs_err err = {0};
        rs_status st;

        write_file("vocab.txt", rows[i].vocab, strlen(rows[i].vocab));
        if (rows[i].config)
            write_file("tokenizer_config.json", rows[i].config, strlen(rows[i].config));
        st = rs_tokenizer_open(&t, folder, &err);
        if (st != rows[i].st || (rows[i].want && !strstr(err.msg, rows[i].want)))
            fail_msg("row %zu: %s: %s", i, rs_status_name(st), err.msg);
        rs_tokenizer_close(t);
        remove_file("tokenizer_config.json");
    }
    remove_file("vocab.txt");
}

static void test_damaged_json(void **state)
{
    static const struct { const char *model, *want; } rows[] = {
        {"\"vocab\":[]", "model.vocab: wanted an object"},
        {"\"vocab\":{}", "model.vocab: 0 tokens"},
        {"\"vocab\":{\"[UNK]\":1}", "\"[UNK]\": wanted an id from 0 to 0"},
        {"\"vocab\":{\"[UNK]\":0,\"a\":0}", "id 0 is both \"[UNK]\" and \"a\""},
        {"\"vocab\":{\"[UNK]\":0,\"a\":\"1\"}", "\"a\": wanted an id"},
        {"\"vocab\":{\"[UNK]\":0,\"\":1}", "a piece of 0 bytes"},
        {"\"vocab\":{\"a\":0}", "unk_token: \"[UNK]\" is not in"},
        {"\"unk_token\":7,\"vocab\":{\"a\":0}", "unk_token: wanted a string"},
        {"\"vocab\":{\"[UNK]\":0},\"max_input_chars_per_word\":100000", "is not within 1..1000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_buf b = {0};
        rs_tokenizer *t;
        rs_err err = {0};
        rs_status st;

        rs_buf_printf(&b, "{\"model\":{\"type\":\"WordPiece\",%s}}", rows[i].model);
        write_file("tokenizer.json", b.data, b.len);
        st = rs_tokenizer_open(&t, folder, &err);
        if (st != RS_ECORRUPT || !strstr(err.msg, rows[i].want) ||
            !strstr(err.msg, "tokenizer.json"))
            fail_msg("row %zu: %s: %s", i, rs_status_name(st), err.msg);
        assert_null(t);
        rs_buf_clear(&b);
    }
    remove_file("tokenizer.json");
}

static void test_out_of_memory(void **state)
{
    static const char text[] = "A\u00c1bb [SEP] r\u00f6ntgen \u80ba \xff";
    size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;

    (void)state;
    write_file("vocab.txt", TOKENS "a\nb\n##b", strlen(TOKENS "a\nb\n##b"));
    for (long k = 0; st != RS_OK; k++) {
        rs_tokenizer *t;
        int32_t ids[100];
        size_t n;
        bool cut;

        rs_alloc_fail_after(k);
        st = rs_tokenizer_open(&t, folder, NULL);
        if (st == RS_OK)
            st = rs_tokenizer_encode(t, text, strlen(text), ids, 100, &n, &cut, NULL);
        rs_alloc_fail_after(-1);
        if (st != RS_OK && st != RS_ENOMEM)
            fail_msg("allocation %ld: %s", k, rs_status_name(st));
        rs_tokenizer_close(t);
    }
    assert_int_equal(rs_alloc_live(), live);
    remove_file("vocab.txt");
}

/* Which of several files decides. */
static void test_order_of_files(void **state)
{
    rs_tokenizer *t;
    rs_err err;

    (void)state;
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "spiece.model or vocab.txt"));
    write_file("vocab.txt", TOKENS "a", strlen(TOKENS "a"));
    t = open_folder(folder);
    assert_int_equal(rs_tokenizer_kind_of(t), RS_TOKENIZER_WORDPIECE);
    rs_tokenizer_close(t);
    write_file("spiece.model", "", 0);
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "spiece.model"));
    write_file("tokenizer.json", "{\"model\":{\"type\":\"WordLevel\"}}", 30);
    assert_int_equal(rs_tokenizer_open(&t, folder, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, "\"WordLevel\": only CLIP's BPE, Unigram and WordPiece"));
    remove_file("tokenizer.json");
    remove_file("spiece.model");
    remove_file("vocab.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_ids),
        cmocka_unit_test(test_one_file_gives_the_same_ids),
        cmocka_unit_test(test_how_texts_are_finished),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_tidy),
        cmocka_unit_test(test_tidied_captions),
        cmocka_unit_test(test_ways_to_tidy),
        cmocka_unit_test(test_any_bytes),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_longest_match),
        cmocka_unit_test(test_damaged_txt),
        cmocka_unit_test(test_damaged_json),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_order_of_files),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
