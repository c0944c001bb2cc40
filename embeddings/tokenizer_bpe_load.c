/* tokenizer_bpe_load.c - CLIP's tokenizer from the files of a model folder.
 *
 *   vocab.json        {"!": 0, ..., "<|startoftext|>": 49406, "<|endoftext|>": 49407}
 *   merges.txt        "#version: 0.2", then one "left right" a line, best first
 *
 * or, where one of those two is not there,
 *
 *   tokenizer.json    both under "model", and "added_tokens" with their flags
 *
 * Ids must be 0..n-1, each given once; a merge's parts and its result must be in the
 * vocabulary. From the first form the two special tokens are looked for in normalised
 * text, as CLIPTokenizerFast does when it is made from these files; tokenizer.json says
 * for each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tokenizer_bpe_int.h"

#include "base/alloc.h"
#include "embeddings/words_int.h"

#include <string.h>

static const char BOS[] = "<|startoftext|>", EOS[] = "<|endoftext|>", END_OF_WORD[] = "</w>";

typedef struct {
    rs_bpe_tokenizer *t;
    const json_t *vocab;         /* token -> id, borrowed */
    const char *vocab_where;     /* "clip/tokenizer.json: model.vocab" */
    const char **text;           /* [t->base.size] the token of each id, borrowed */
    size_t room;                 /* of text */
    rs_buf key;                  /* room to join a merge's parts */
} loader;

/* ---- Tokens ---------------------------------------------------------- */

/* The id of a token, -1 if it is not in the vocabulary. Ids were checked before. */
static int32_t id_of(const loader *l, const char *token)
{
    const json_t *v = json_object_get(l->vocab, token);
    return v ? (int32_t)json_integer_value(v) : -1;
}

static rs_status take_vocab(loader *l, size_t n_more, rs_err *err)
{
    size_t n = json_object_size(l->vocab);
    const char *token;
    json_t *v;

    if (n == 0 || n > RS_TOKENS_MAX)
        return rs_fail(err, RS_ECORRUPT, "%s: %zu tokens, wanted 1 to %d", l->vocab_where, n,
                       RS_TOKENS_MAX);
    l->room = n + n_more;
    l->text = rs_calloc(l->room, sizeof *l->text);
    if (!l->text)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for %zu tokens", l->vocab_where, n);
    json_object_foreach((json_t *)(uintptr_t)l->vocab, token, v) {
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || (size_t)id >= n)
            return rs_fail(err, RS_ECORRUPT, "%s: \"%.40s\": wanted an id from 0 to %zu",
                           l->vocab_where, token, n - 1);
        if (l->text[id])
            return rs_fail(err, RS_ECORRUPT, "%s: id %lld is both \"%.40s\" and \"%.40s\"",
                           l->vocab_where, (long long)id, l->text[id], token);
        l->text[id] = token;
    }
    l->t->base.size = n;
    return RS_OK;
}

/* The ids of the single bytes, inside a word and at its end. */
static void take_bytes(loader *l)
{
    for (unsigned b = 0; b < 256; b++) {
        rs_buf *k = &l->key;
        k->len = 0;
        rs_utf8_put(k, rs_byte_symbol((uint8_t)b));
        l->t->byte_id[0][b] = k->failed ? -1 : id_of(l, k->data);
        rs_buf_puts(k, END_OF_WORD);
        l->t->byte_id[1][b] = k->failed ? -1 : id_of(l, k->data);
    }
}

static rs_status add_token(loader *l, const char *text, int32_t id, bool normalised, rs_err *err)
{
    rs_bpe_tokenizer *t = l->t;
    rs_added_token *a = &t->added[t->n_added];
    rs_buf plain = {0};

    if (normalised && rs_words_normalise(&plain, text, strlen(text), err) != RS_OK) {
        rs_buf_clear(&plain);
        return RS_ENOMEM;
    }
    *a = (rs_added_token){normalised ? rs_buf_take(&plain) : rs_strdup(text), 0, id, normalised};
    if (!a->text)
        return rs_fail(err, RS_ENOMEM, "no memory for token \"%.40s\"", text);
    t->n_added++;
    a->len = strlen(a->text);
    t->added_first[(uint8_t)a->text[0]] = 1;
    t->any_raw |= !normalised;
    return RS_OK;
}

static bool was_added(const rs_bpe_tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->n_added; i++)
        if (t->added[i].id == id)
            return true;
    return false;
}

/* Both special tokens must be known by now, and are found in texts in any case. */
static rs_status take_specials(loader *l, const char *where, rs_err *err)
{
    const char *const name[2] = {BOS, EOS};
    int32_t id[2] = {-1, -1};
    rs_status st;

    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < l->t->base.size && id[i] < 0; k++)
            if (l->text[k] && strcmp(l->text[k], name[i]) == 0)
                id[i] = (int32_t)k;
        if (id[i] < 0)
            return rs_fail(err, RS_ECORRUPT, "%s: %s is missing", where, name[i]);
        if (!was_added(l->t, id[i]) &&
            (st = add_token(l, name[i], id[i], true, err)) != RS_OK)
            return st;
    }
    l->t->base.bos = id[0];
    l->t->base.eos = id[1];
    return RS_OK;
}

/* ---- Merges ---------------------------------------------------------- */

/* Where a merge stands, for messages. */
typedef struct { const char *where, *unit; size_t number; } merge_place;

static rs_status out_of_vocabulary(const char *token, merge_place at, rs_err *err)
{
    return rs_fail(err, RS_ECORRUPT, "%s: %s %zu: \"%.40s\" is not in the vocabulary",
                   at.where, at.unit, at.number, token);
}

static rs_status take_merge(loader *l, const char *left, size_t n_left, const char *right,
                            size_t n_right, merge_place at, rs_err *err)
{
    const char *part[3];
    int32_t id[3];
    rs_buf *k = &l->key;

    k->len = 0;                                  /* "left\0right\0leftright\0" */
    rs_buf_append(k, left, n_left);
    rs_buf_putc(k, '\0');
    rs_buf_append(k, right, n_right);
    rs_buf_putc(k, '\0');
    rs_buf_append(k, left, n_left);
    rs_buf_append(k, right, n_right);
    if (k->failed)
        return rs_fail(err, RS_ENOMEM, "%s: %s %zu: no memory", at.where, at.unit, at.number);
    part[0] = k->data;
    part[1] = part[0] + n_left + 1;
    part[2] = part[1] + n_right + 1;
    for (size_t i = 0; i < 3; i++) {
        id[i] = id_of(l, part[i]);
        if (id[i] < 0)
            return out_of_vocabulary(part[i], at, err);
    }
    rs_bpe_add(&l->t->bpe, (uint32_t)id[0], (uint32_t)id[1], (uint32_t)id[2]);
    return RS_OK;                                /* a pair listed again keeps its first rank */
}

/* "left right" in line[0..n). */
static rs_status take_merge_text(loader *l, const char *line, size_t n, merge_place at,
                                 rs_err *err)
{
    const char *space = memchr(line, ' ', n);
    size_t n_left = space ? (size_t)(space - line) : 0;
    size_t n_right = space ? n - n_left - 1 : 0;

    if (n_left == 0 || n_right == 0 || memchr(space + 1, ' ', n_right) || memchr(line, '\0', n))
        return rs_fail(err, RS_ECORRUPT, "%s: %s %zu: wanted two tokens and one space between",
                       at.where, at.unit, at.number);
    return take_merge(l, line, n_left, space + 1, n_right, at, err);
}

static rs_status take_merges_txt(loader *l, const char *text, size_t len, const char *path,
                                 rs_err *err)
{
    const char *end = text + len;
    size_t lines = 1;
    rs_status st;

    for (const char *s = text; (s = memchr(s, '\n', (size_t)(end - s))) != NULL; s++)
        lines++;
    st = rs_bpe_init(&l->t->bpe, lines, err);
    for (size_t number = 1; st == RS_OK && text < end; number++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *next = stop ? stop + 1 : end;
        size_t n = (size_t)((stop ? stop : end) - text);

        if (n && text[n - 1] == '\r')
            n--;
        if (n && !(number == 1 && n >= 8 && memcmp(text, "#version", 8) == 0))
            st = take_merge_text(l, text, n, (merge_place){path, "line", number}, err);
        text = next;
    }
    return st;
}

/* Each a "left right" or, as written since 2024, a ["left", "right"]. */
static rs_status take_merges_json(loader *l, const json_t *list, const char *path, rs_err *err)
{
    size_t n = json_array_size(list);
    rs_status st;

    if (!json_is_array(list))
        return rs_fail(err, RS_ECORRUPT, "%s: model.merges: wanted a list", path);
    st = rs_bpe_init(&l->t->bpe, n, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        const json_t *m = json_array_get(list, i);
        const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
        merge_place at = {path, "model.merges", i};

        if (json_is_string(m))
            st = take_merge_text(l, json_string_value(m), json_string_length(m), at, err);
        else if (json_array_size(m) == 2 && json_is_string(a) && json_is_string(b))
            st = take_merge(l, json_string_value(a), json_string_length(a),
                            json_string_value(b), json_string_length(b), at, err);
        else
            st = rs_fail(err, RS_ECORRUPT, "%s: %s %zu: wanted two tokens", path, at.unit, i);
    }
    return st;
}

/* ---- For decoding ---------------------------------------------------- */

static void put_piece(rs_buf *out, const char *token)
{
    size_t len = strlen(token), from = out->len, at = 0;
    size_t end = strlen(END_OF_WORD);
    bool ends = len > end && memcmp(token + len - end, END_OF_WORD, end) == 0;

    if (ends)
        len -= end;
    while (at < len) {
        int byte = rs_symbol_byte(rs_utf8_next(token, len, &at));
        if (byte < 0) {                          /* not in the byte alphabet: as it stands */
            out->len = from;
            rs_buf_append(out, token, len);
            break;
        }
        rs_buf_putc(out, (char)byte);
    }
    if (ends)
        rs_buf_putc(out, ' ');
}

static rs_status build_pieces(loader *l, rs_err *err)
{
    rs_bpe_tokenizer *t = l->t;
    rs_buf all = {0};

    t->piece_at = rs_calloc(t->base.size + 1, sizeof *t->piece_at);
    for (size_t i = 0; t->piece_at && i < t->base.size; i++) {
        if (l->text[i] && (int32_t)i != t->base.bos && (int32_t)i != t->base.eos)
            put_piece(&all, l->text[i]);
        t->piece_at[i + 1] = (uint32_t)all.len;  /* at most RS_TOKENIZER_FILE_MAX */
    }
    t->pieces = rs_buf_take(&all);
    if (!t->piece_at || !t->pieces)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for the tokens' texts", l->vocab_where);
    return RS_OK;
}

/* ---- vocab.json + merges.txt ----------------------------------------- */

static rs_status load_two(rs_bpe_tokenizer *t, const char *vocab_path, const char *merges_path,
                          rs_err *err)
{
    loader l = {.t = t, .vocab_where = vocab_path};
    json_t *vocab = NULL;
    char *merges = NULL;
    size_t len;
    rs_status st;

    if ((st = rs_json_load(&vocab, vocab_path, RS_TOKENIZER_FILE_MAX, err)) != RS_OK ||
        (st = rs_file_read(&merges, &len, merges_path, RS_TOKENIZER_FILE_MAX, err)) != RS_OK)
        goto done;
    l.vocab = vocab;
    t->added = rs_calloc(2, sizeof *t->added);
    if (!t->added) {
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", vocab_path);
        goto done;
    }
    if ((st = take_vocab(&l, 0, err)) != RS_OK ||
        (st = take_merges_txt(&l, merges, len, merges_path, err)) != RS_OK ||
        (st = take_specials(&l, vocab_path, err)) != RS_OK ||
        (st = build_pieces(&l, err)) != RS_OK)
        goto done;
    take_bytes(&l);
    t->unknown = t->base.eos;
    if (l.key.failed)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", vocab_path);
done:
    rs_buf_clear(&l.key);
    rs_free(l.text);
    rs_free(merges);
    json_decref(vocab);
    return st;
}

/* ---- tokenizer.json -------------------------------------------------- */

static rs_status take_added(loader *l, const json_t *one, const char *where, rs_err *err)
{
    rs_json_at at = {one, where};
    const char *text = NULL;
    long long id = -1;
    bool single, left, right, normalised;
    rs_status st;

    if ((st = rs_json_str(at, "content", NULL, &text, err)) != RS_OK ||
        (st = rs_json_int(at, "id", 0, (long long)l->room - 1, -1, &id, err)) != RS_OK ||
        (st = rs_json_bool(at, "single_word", false, &single, err)) != RS_OK ||
        (st = rs_json_bool(at, "lstrip", false, &left, err)) != RS_OK ||
        (st = rs_json_bool(at, "rstrip", false, &right, err)) != RS_OK ||
        (st = rs_json_bool(at, "normalized", true, &normalised, err)) != RS_OK)
        return st;
    if (!text || !*text || id < 0)
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an id and a content", where);
    if (single || left || right)
        return rs_fail(err, RS_EFORMAT, "%s: \"%.40s\": single_word, lstrip and rstrip are not "
                       "supported", where, text);
    if (l->text[id] && strcmp(l->text[id], text) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: id %lld is both \"%.40s\" and \"%.40s\"", where, id,
                       l->text[id], text);
    l->text[id] = text;
    if ((size_t)id >= l->t->base.size)
        l->t->base.size = (size_t)id + 1;
    return add_token(l, text, (int32_t)id, normalised, err);
}

static rs_status take_all_added(loader *l, const json_t *list, const char *path, rs_err *err)
{
    rs_status st = RS_OK;
    char where[300];

    l->t->added = rs_calloc(json_array_size(list) + 2, sizeof *l->t->added);
    if (!l->t->added)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", path);
    for (size_t i = 0; st == RS_OK && i < json_array_size(list); i++) {
        snprintf(where, sizeof where, "%s: added_tokens %zu", path, i);
        st = take_added(l, json_array_get(list, i), where, err);
    }
    for (size_t i = 0; st == RS_OK && i < l->t->base.size; i++)
        if (!l->text[i])
            st = rs_fail(err, RS_ECORRUPT, "%s: no token has id %zu", path, i);
    return st;
}

/* Refuses tokenizers of another kind, which would give ids that mean something else. */
static rs_status check_kind(const json_t *root, const json_t *model, const char *path, rs_err *err)
{
    static const char *const want[] = {"NFC", "Replace", "Lowercase"};
    const json_t *steps = json_object_get(json_object_get(root, "normalizer"), "normalizers");
    rs_json_at at = {model, path};
    const char *type, *prefix, *suffix;
    bool fallback, ignore;
    rs_status st;

    if ((st = rs_json_str(at, "type", "BPE", &type, err)) != RS_OK ||
        (st = rs_json_str(at, "continuing_subword_prefix", "", &prefix, err)) != RS_OK ||
        (st = rs_json_str(at, "end_of_word_suffix", "", &suffix, err)) != RS_OK ||
        (st = rs_json_bool(at, "byte_fallback", false, &fallback, err)) != RS_OK ||
        (st = rs_json_bool(at, "ignore_merges", false, &ignore, err)) != RS_OK)
        return st;
    if (strcmp(type, "BPE") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: model.type: \"%.40s\": only CLIP's BPE, Unigram and "
                       "WordPiece are supported", path, type);
    if (*prefix || strcmp(suffix, END_OF_WORD) != 0 || fallback ||
        ignore)
        return rs_fail(err, RS_EFORMAT, "%s: model: BPE with end_of_word_suffix \"%.20s\": only "
                       "CLIP's BPE with \"</w>\" is supported", path, suffix);
    for (size_t i = 0; i < 3; i++) {
        const char *step = json_string_value(json_object_get(json_array_get(steps, i), "type"));
        if (json_array_size(steps) != 3 || !step || strcmp(step, want[i]) != 0)
            return rs_fail(err, RS_EFORMAT, "%s: normalizer: only CLIP's NFC, Replace, Lowercase "
                           "is supported", path);
    }
    return RS_OK;
}

static rs_status load_one(rs_bpe_tokenizer *t, const json_t *root, const char *path, rs_err *err)
{
    loader l = {.t = t};
    const json_t *model = json_object_get(root, "model");
    const json_t *added = json_object_get(root, "added_tokens");
    const char *unknown;
    char where[300];
    rs_status st;

    snprintf(where, sizeof where, "%s: model.vocab", path);
    l.vocab_where = where;
    l.vocab = json_object_get(model, "vocab");
    if (json_array_size(added) > RS_ADDED_MAX)
        return rs_fail(err, RS_ELIMIT, "%s: %zu added tokens, at most %d", path,
                       json_array_size(added), RS_ADDED_MAX);
    if ((st = check_kind(root, model, path, err)) != RS_OK ||
        (st = rs_json_str((rs_json_at){model, path}, "unk_token", NULL, &unknown, err)) != RS_OK ||
        (st = take_vocab(&l, json_array_size(added), err)) != RS_OK ||
        (st = take_merges_json(&l, json_object_get(model, "merges"), path, err)) != RS_OK ||
        (st = take_all_added(&l, added, path, err)) != RS_OK ||
        (st = take_specials(&l, path, err)) != RS_OK ||
        (st = build_pieces(&l, err)) != RS_OK)
        goto done;
    take_bytes(&l);
    t->unknown = unknown ? id_of(&l, unknown) : -1;
    if (l.key.failed)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", path);
done:
    rs_buf_clear(&l.key);
    rs_free(l.text);
    return st;
}

/* ---- Opening --------------------------------------------------------- */

/* Hands `t` to the caller, or ends it. CLIP pads with eos, which nobody looks at. */
static rs_status finish(rs_tokenizer **out, rs_bpe_tokenizer *t, rs_status st)
{
    if (st == RS_OK) {
        t->base.pad = t->base.eos;
        *out = &t->base;
    } else {
        rs_tokenizer_close(&t->base);
    }
    return st;
}

static rs_bpe_tokenizer *new_bpe(const char *path, rs_err *err)
{
    rs_bpe_tokenizer *t = rs_calloc(1, sizeof *t);

    if (t)
        t->base.ops = &rs_bpe_ops;
    else
        rs_fail(err, RS_ENOMEM, "%s: no memory", path);
    return t;
}

rs_status rs_bpe_load_two(rs_tokenizer **out, const char *vocab_path, const char *merges_path,
                          rs_err *err)
{
    rs_bpe_tokenizer *t = new_bpe(vocab_path, err);

    return t ? finish(out, t, load_two(t, vocab_path, merges_path, err)) : RS_ENOMEM;
}

rs_status rs_bpe_load_json(rs_tokenizer **out, const json_t *root, const char *path, rs_err *err)
{
    rs_bpe_tokenizer *t = new_bpe(path, err);

    return t ? finish(out, t, load_one(t, root, path, err)) : RS_ENOMEM;
}
