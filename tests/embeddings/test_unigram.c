/* test_unigram.c - the same ids as the tokenizers library gives with a SigLIP's
 * tokenizer.json, and as SiglipTokenizer gives with its spiece.model; the best cut
 * against a naive search; damaged files refused by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/charsmap_int.h"
#include "embeddings/spiece_int.h"
#include "embeddings/unigram_int.h"

#include "base/random.h"
#include "word_strings.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_ids),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
