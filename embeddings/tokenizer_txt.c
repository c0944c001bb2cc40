/* tokenizer_txt.c - WordPiece from a vocab.txt, a token a line, with the settings of the
 * tokenizer_config.json beside it. It is put into the form of a tokenizer.json, as
 * BertTokenizerFast does, and read like one.
 *
 *   do_lower_case, tokenize_chinese_chars (true), strip_accents (null: as lower case),
 *   unk_token, sep_token, pad_token, cls_token, mask_token ([UNK] [SEP] [PAD] [CLS] [MASK])
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tokenizer_words_int.h"

#include "base/alloc.h"

#include <string.h>

enum { UNKNOWN, SEPARATOR, PAD, CLASS, MASK, SPECIALS };

typedef struct {
    const char *path;
    json_t *vocab;
    const char *special[SPECIALS];           /* borrowed from the config */
    bool lower, chinese;
    json_t *accents;                         /* borrowed; NULL: null */
} txt;

static rs_status no_memory(const txt *f, rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "%s: no memory", f->path);
}

/* ---- Lines ----------------------------------------------------------- */

/* line[len] is this function's to end the line with. */
static rs_status take_line(txt *f, char *line, size_t len, size_t number, rs_err *err)
{
    const json_t *before;

    line[len] = '\0';
    if (len == 0 || memchr(line, '\0', len) || !rs_utf8_valid(line, len))
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: wanted a token in UTF-8", f->path,
                       number + 1);
    before = json_object_get(f->vocab, line);
    if (before)
        return rs_fail(err, RS_ECORRUPT, "%s: line %zu: \"%.40s\" is on line %lld too", f->path,
                       number + 1, line, (long long)json_integer_value(before) + 1);
    if (json_object_set_new_nocheck(f->vocab, line, json_integer((json_int_t)number)) != 0)
        return no_memory(f, err);
    return RS_OK;
}

static rs_status take_lines(txt *f, char *text, size_t len, rs_err *err)
{
    char *end = text + len;
    rs_status st = RS_OK;

    for (size_t number = 0; st == RS_OK && text < end; number++) {
        char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);

        if (number == RS_TOKENS_MAX)
            return rs_fail(err, RS_ELIMIT, "%s: more than %d lines", f->path, RS_TOKENS_MAX);
        if (n && text[n - 1] == '\r')
            n--;
        st = take_line(f, text, n, number, err);
        text = stop ? stop + 1 : end;
    }
    return st;
}

/* ---- Settings -------------------------------------------------------- */

static rs_status take_config(txt *f, const json_t *config, rs_err *err)
{
    static const char *const key[SPECIALS] = {"unk_token", "sep_token", "pad_token", "cls_token",
                                              "mask_token"};
    static const char *const usual[SPECIALS] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    rs_json_at at = {config, "tokenizer_config.json"};
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < SPECIALS; i++) {
        const json_t *v = json_object_get(config, key[i]);
        rs_json_at where = json_is_object(v) ? (rs_json_at){v, key[i]} : at;
        st = rs_json_str(where, json_is_object(v) ? "content" : key[i], usual[i], &f->special[i],
                         err);
    }
    if (st != RS_OK || (st = rs_json_bool(at, "do_lower_case", true, &f->lower, err)) != RS_OK ||
        (st = rs_json_bool(at, "tokenize_chinese_chars", true, &f->chinese, err)) != RS_OK)
        return st;
    f->accents = json_object_get(config, "strip_accents");
    return RS_OK;
}

static rs_status check_specials(const txt *f, rs_err *err)
{
    static const int needed[] = {UNKNOWN, SEPARATOR, CLASS, PAD};

    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!json_object_get(f->vocab, f->special[needed[i]]))
            return rs_fail(err, RS_ECORRUPT, "%s: \"%.40s\" is missing", f->path,
                           f->special[needed[i]]);
    return RS_OK;
}

/* ---- The same as one file -------------------------------------------- */

static json_t *added_tokens(const txt *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < SPECIALS; i++) {
        json_t *id = json_object_get(f->vocab, f->special[i]);
        if (id && json_array_append_new(list, json_pack("{s:O,s:s,s:b,s:b}", "id", id, "content",
                                        f->special[i], "normalized", 0, "special", 1)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *as_json(const txt *f)
{
    return json_pack(
        "{s:o, s:{s:s,s:b,s:b,s:b,s:O?}, s:{s:s}, s:{s:s,s:[s,O],s:[s,O]}, s:{s:s,s:s,s:s,s:O}}",
        "added_tokens", added_tokens(f),
        "normalizer", "type", "BertNormalizer", "clean_text", 1,
        "handle_chinese_chars", (int)f->chinese, "lowercase", (int)f->lower,
        "strip_accents", f->accents,
        "pre_tokenizer", "type", "BertPreTokenizer",
        "post_processor", "type", "BertProcessing",
        "sep", f->special[SEPARATOR], json_object_get(f->vocab, f->special[SEPARATOR]),
        "cls", f->special[CLASS], json_object_get(f->vocab, f->special[CLASS]),
        "model", "type", "WordPiece", "unk_token", f->special[UNKNOWN],
        "continuing_subword_prefix", "##", "vocab", f->vocab);
}

rs_status rs_words_load_txt(rs_tokenizer **out, const char *path, const json_t *config,
                            rs_err *err)
{
    txt f = {.path = path};
    json_t *root = NULL;
    char *text = NULL;
    size_t len;
    rs_status st;

    if ((st = rs_file_read(&text, &len, path, RS_TOKENIZER_FILE_MAX, err)) != RS_OK)
        return st;
    f.vocab = json_object();
    if (!f.vocab)
        st = no_memory(&f, err);
    if (st == RS_OK && (st = take_lines(&f, text, len, err)) == RS_OK &&
        (st = take_config(&f, config, err)) == RS_OK &&
        (st = check_specials(&f, err)) == RS_OK) {
        root = as_json(&f);
        st = root ? rs_words_load_json(out, RS_TOKENIZER_WORDPIECE, root, config, path, err) :
             no_memory(&f, err);
    }
    json_decref(root);
    json_decref(f.vocab);
    rs_free(text);
    return st;
}
