/* tokenizer_json.c - Unigram and WordPiece from a tokenizer.json, and from the vocab.txt
 * that older folders have (tokenizer_txt.c turns that into the same form).
 *
 *   model            Unigram:   vocab [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0],
 *                               ["\u2581", -2.01], ...], unk_id, byte_fallback
 *                    WordPiece: vocab {"[PAD]": 0, ...}, unk_token,
 *                               continuing_subword_prefix, max_input_chars_per_word
 *   normalizer       normaliser_int.h
 *   pre_tokenizer    pretoken_int.h
 *   post_processor   TemplateProcessing, BertProcessing, RobertaProcessing: at most one
 *                    token before a text and one after it
 *   added_tokens     added_int.h; their ids follow the vocabulary's without a gap
 *
 * and, from the tokenizer_config.json beside it, pad_token and what BertTokenizerFast
 * lets it override. Pieces must differ, ids be 0..n-1, scores be finite.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "embeddings/tokenizer_words_int.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

enum { WHERE = 300 };            /* bytes of the name of a place in a file */

typedef struct {
    rs_word_tokenizer *t;
    const json_t *root, *model, *config;     /* config: tokenizer_config.json or NULL */
    const char *path;
    const char **text;                       /* [room] the token of each id, borrowed */
    bool *silent;                            /* [room] it is not read out when decoding */
    size_t room;                             /* the vocabulary and the added tokens */
    const char *prefix;                      /* WordPiece: of pieces inside a word */
    rs_buf key;
} loader;

static rs_status no_memory(const loader *l, rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "%s: no memory", l->path);
}

/* ---- The vocabulary -------------------------------------------------- */

static rs_status make_room(loader *l, size_t n_vocab, rs_err *err)
{
    size_t n_added = json_array_size(json_object_get(l->root, "added_tokens"));

    if (n_vocab == 0 || n_vocab > RS_TOKENS_MAX)
        return rs_fail(err, RS_ECORRUPT, "%s: model.vocab: %zu tokens, wanted 1 to %d", l->path,
                       n_vocab, RS_TOKENS_MAX);
    if (n_added > RS_ADDED_MAX)
        return rs_fail(err, RS_ELIMIT, "%s: %zu added tokens, at most %d", l->path, n_added,
                       RS_ADDED_MAX);
    l->room = n_vocab + n_added;
    l->text = rs_calloc(l->room, sizeof *l->text);
    l->silent = rs_calloc(l->room, sizeof *l->silent);
    l->t->base.size = n_vocab;
    return l->text && l->silent ? RS_OK : no_memory(l, err);
}

static rs_status put_piece(loader *l, rs_trie *trie, const char *piece, size_t id, rs_err *err)
{
    size_t len = strlen(piece);
    int32_t before;
    rs_status st;

    if (len == 0 || len > RS_PIECE_BYTES)
        return rs_fail(err, RS_ECORRUPT, "%s: model.vocab %zu: a piece of %zu bytes, wanted 1 to "
                       "%d", l->path, id, len, RS_PIECE_BYTES);
    if ((st = rs_trie_put(trie, piece, len, (int32_t)id, &before, err)) != RS_OK)
        return rs_wrap(err, st, "%s: model.vocab", l->path);
    if (before >= 0)
        return rs_fail(err, RS_ECORRUPT, "%s: model.vocab: \"%.40s\" is both %d and %zu", l->path,
                       piece, (int)before, id);
    l->text[id] = piece;
    return RS_OK;
}

static rs_status take_scores(loader *l, const json_t *list, rs_err *err)
{
    rs_unigram *u = &l->t->unigram;
    double least = INFINITY;
    rs_status st = RS_OK;

    u->score = rs_calloc(json_array_size(list), sizeof *u->score);
    if (!u->score)
        return no_memory(l, err);
    for (size_t i = 0; st == RS_OK && i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const json_t *piece = json_array_get(row, 0), *score = json_array_get(row, 1);

        if (json_array_size(row) != 2 || !json_is_string(piece) || !json_is_number(score))
            return rs_fail(err, RS_ECORRUPT, "%s: model.vocab %zu: wanted a piece and its score",
                           l->path, i);
        u->score[i] = json_number_value(score);
        if (!(fabs(u->score[i]) <= 1e30))
            return rs_fail(err, RS_ECORRUPT, "%s: model.vocab %zu: a score of %g", l->path, i,
                           u->score[i]);
        least = fmin(least, u->score[i]);
        st = put_piece(l, &u->trie, json_string_value(piece), i, err);
    }
    u->unknown_score = least - 10;
    return st;
}

/* The ids of <0x00> to <0xFF>, which unknown characters become where all are there. */
static void take_bytes(loader *l)
{
    rs_unigram *u = &l->t->unigram;

    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        u->byte_id[b] = rs_trie_find(&u->trie, name, strlen(name));
    }
}

static rs_status take_unigram(loader *l, rs_err *err)
{
    rs_json_at at = {l->model, l->path};
    const json_t *list = json_object_get(l->model, "vocab");
    rs_unigram *u = &l->t->unigram;
    long long unknown;
    rs_status st;

    if (!json_is_array(list))
        return rs_fail(err, RS_ECORRUPT, "%s: model.vocab: wanted a list", l->path);
    if ((st = make_room(l, json_array_size(list), err)) != RS_OK ||
        (st = take_scores(l, list, err)) != RS_OK ||
        (st = rs_json_need(at, "unk_id", err)) != RS_OK ||
        (st = rs_json_int(at, "unk_id", 0, (long long)l->t->base.size - 1, 0, &unknown, err)) !=
            RS_OK ||
        (st = rs_json_bool(at, "byte_fallback", false, &u->bytes, err)) != RS_OK)
        return st;
    u->unknown = (int32_t)unknown;
    u->whole_unknown = true;
    l->silent[unknown] = true;
    if (u->bytes)
        take_bytes(l);
    return RS_OK;
}

static rs_status take_ids(loader *l, const json_t *vocab, rs_err *err)
{
    size_t n = json_object_size(vocab);
    const char *piece;
    json_t *v;
    rs_status st;

    json_object_foreach((json_t *)(uintptr_t)vocab, piece, v) {
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || (size_t)id >= n)
            return rs_fail(err, RS_ECORRUPT, "%s: model.vocab: \"%.40s\": wanted an id from 0 to "
                           "%zu", l->path, piece, n - 1);
        if (l->text[id])
            return rs_fail(err, RS_ECORRUPT, "%s: model.vocab: id %lld is both \"%.40s\" and "
                           "\"%.40s\"", l->path, (long long)id, l->text[id], piece);
        if ((st = put_piece(l, &l->t->wordpiece.trie, piece, (size_t)id, err)) != RS_OK)
            return st;
    }
    return RS_OK;
}

static rs_status take_wordpiece(loader *l, rs_err *err)
{
    rs_json_at at = {l->model, l->path};
    const json_t *vocab = json_object_get(l->model, "vocab");
    rs_wordpiece *w = &l->t->wordpiece;
    const char *unknown;
    long long longest;
    rs_status st;

    if (!json_is_object(vocab))
        return rs_fail(err, RS_ECORRUPT, "%s: model.vocab: wanted an object", l->path);
    if ((st = make_room(l, json_object_size(vocab), err)) != RS_OK ||
        (st = take_ids(l, vocab, err)) != RS_OK ||
        (st = rs_json_str(at, "unk_token", "[UNK]", &unknown, err)) != RS_OK ||
        (st = rs_json_str(at, "continuing_subword_prefix", "##", &l->prefix, err)) != RS_OK ||
        (st = rs_json_int(at, "max_input_chars_per_word", 1, RS_WORD_MAX, 100, &longest, err)) !=
            RS_OK)
        return st;
    w->unknown = rs_trie_find(&w->trie, unknown, strlen(unknown));
    if (w->unknown < 0)
        return rs_fail(err, RS_ECORRUPT, "%s: model.unk_token: \"%.40s\" is not in the vocabulary",
                       l->path, unknown);
    l->silent[w->unknown] = true;
    w->longest = (size_t)longest;
    w->prefixed = *l->prefix != '\0';
    w->inside = rs_trie_node(&w->trie, l->prefix, strlen(l->prefix));
    return RS_OK;
}

static bool is_unigram(const loader *l)
{
    return l->t->base.ops->kind == RS_TOKENIZER_UNIGRAM;
}

/* The id of a token, added ones too; -1 if there is none. */
static int32_t id_of(const loader *l, const char *text)
{
    const rs_trie *trie = is_unigram(l) ? &l->t->unigram.trie : &l->t->wordpiece.trie;
    int32_t id = rs_trie_find(trie, text, strlen(text));

    for (size_t i = 0; id < 0 && i < l->t->base.size; i++)
        if (l->text[i] && strcmp(l->text[i], text) == 0)
            id = (int32_t)i;
    return id;
}

/* ---- Added tokens ---------------------------------------------------- */

/* A token that is looked for after normalising has itself to be normalised. */
static rs_status put_added(loader *l, const char *text, rs_added token, bool normalised,
                           rs_err *err)
{
    rs_buf room = {0};
    rs_status st = RS_OK;

    l->key.len = 0;
    rs_buf_puts(&l->key, text);
    if (l->key.failed)
        return no_memory(l, err);
    if (normalised)
        st = rs_normaliser_run(&l->t->normaliser, &l->key, &room, err);
    if (st == RS_OK && l->key.len > 0)
        st = rs_added_put(normalised ? &l->t->normalised : &l->t->raw, l->key.data, l->key.len,
                          token, err);
    rs_buf_clear(&room);
    return st;
}

static rs_status take_added(loader *l, const json_t *one, const char *where, rs_err *err)
{
    rs_json_at at = {one, where};
    rs_added token = {0};
    const char *text = NULL;
    long long id = -1;
    bool single, normalised, special;
    rs_status st;

    if ((st = rs_json_str(at, "content", NULL, &text, err)) != RS_OK ||
        (st = rs_json_int(at, "id", 0, (long long)l->room - 1, -1, &id, err)) != RS_OK ||
        (st = rs_json_bool(at, "single_word", false, &single, err)) != RS_OK ||
        (st = rs_json_bool(at, "lstrip", false, &token.strip_left, err)) != RS_OK ||
        (st = rs_json_bool(at, "rstrip", false, &token.strip_right, err)) != RS_OK ||
        (st = rs_json_bool(at, "special", false, &special, err)) != RS_OK ||
        (st = rs_json_bool(at, "normalized", !special, &normalised, err)) != RS_OK)
        return st;
    if (!text || !*text || id < 0)
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an id and a content", where);
    if (single)
        return rs_fail(err, RS_EFORMAT, "%s: \"%.40s\": single_word is not supported", where, text);
    if (l->text[id] && strcmp(l->text[id], text) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: id %lld is both \"%.40s\" and \"%.40s\"", where, id,
                       l->text[id], text);
    l->text[id] = text;
    l->silent[id] |= special;
    if ((size_t)id >= l->t->base.size)
        l->t->base.size = (size_t)id + 1;
    token.id = (int32_t)id;
    st = put_added(l, text, token, normalised, err);
    return st == RS_OK ? RS_OK : rs_wrap(err, st, "%s", where);
}

static rs_status take_all_added(loader *l, rs_err *err)
{
    const json_t *list = json_object_get(l->root, "added_tokens");
    rs_status st = RS_OK;
    char where[WHERE];

    for (size_t i = 0; st == RS_OK && i < json_array_size(list); i++) {
        snprintf(where, sizeof where, "%s: added_tokens %zu", l->path, i);
        st = take_added(l, json_array_get(list, i), where, err);
    }
    for (size_t i = 0; st == RS_OK && i < l->t->base.size; i++)
        if (!l->text[i])
            st = rs_fail(err, RS_ECORRUPT, "%s: no token has id %zu", l->path, i);
    return st;
}

/* ---- How a text is finished ------------------------------------------ */

static rs_status take_end(const loader *l, const json_t *id, const char *where, int32_t *out,
                          rs_err *err)
{
    json_int_t n = json_integer_value(id);

    if (!json_is_integer(id) || n < 0 || (size_t)n >= l->t->base.size)
        return rs_fail(err, RS_ECORRUPT, "%s: post_processor: %s: wanted an id from 0 to %zu",
                       l->path, where, l->t->base.size - 1);
    if (*out >= 0)
        return rs_fail(err, RS_EFORMAT, "%s: post_processor: more than one token before or after "
                       "a text", l->path);
    *out = (int32_t)n;
    return RS_OK;
}

/* "single": [SpecialToken], Sequence A, [SpecialToken]. */
static rs_status take_template(const loader *l, const json_t *post, rs_err *err)
{
    const json_t *single = json_object_get(post, "single");
    const json_t *specials = json_object_get(post, "special_tokens");
    rs_tokenizer *base = &l->t->base;
    bool after = false;
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < json_array_size(single); i++) {
        const json_t *one = json_array_get(single, i);
        const json_t *special = json_object_get(one, "SpecialToken");
        const char *name = json_string_value(json_object_get(special, "id"));
        const json_t *ids = json_object_get(name ? json_object_get(specials, name) : NULL, "ids");

        if (json_object_get(one, "Sequence") && !after)
            after = true;
        else if (json_array_size(ids) != 1)
            st = rs_fail(err, RS_EFORMAT, "%s: post_processor: single %zu: wanted one special "
                         "token or the sequence", l->path, i);
        else
            st = take_end(l, json_array_get(ids, 0), name, after ? &base->eos : &base->bos, err);
    }
    if (st == RS_OK && !after)
        st = rs_fail(err, RS_ECORRUPT, "%s: post_processor: single has no sequence", l->path);
    return st;
}

static rs_status take_ends(const loader *l, rs_err *err)
{
    const json_t *post = json_object_get(l->root, "post_processor");
    rs_tokenizer *base = &l->t->base;
    const char *type;
    rs_status st;

    if (!post || json_is_null(post))
        return RS_OK;
    if ((st = rs_json_str((rs_json_at){post, l->path}, "type", "", &type, err)) != RS_OK)
        return st;
    if (strcmp(type, "TemplateProcessing") == 0)
        return take_template(l, post, err);
    if (strcmp(type, "BertProcessing") != 0 && strcmp(type, "RobertaProcessing") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: post_processor: type \"%.40s\" is not supported",
                       l->path, type);
    st = take_end(l, json_array_get(json_object_get(post, "cls"), 1), "cls", &base->bos, err);
    if (st == RS_OK)
        st = take_end(l, json_array_get(json_object_get(post, "sep"), 1), "sep", &base->eos, err);
    return st;
}

/* pad_token, else what the file pads with, else the family's: [PAD], or eos as SigLIP. */
static rs_status take_pad(const loader *l, rs_err *err)
{
    rs_tokenizer *base = &l->t->base;
    const char *name = rs_config_token(l->config, "pad_token");
    long long id = -1;
    rs_json_at padding = {json_object_get(l->root, "padding"), l->path};
    rs_status st = RS_OK;

    base->pads = is_unigram(l) && base->bos < 0;     /* with a bos it is a BERT's, and masked */
    if (name) {
        base->pad = id_of(l, name);
        return base->pad >= 0 ? RS_OK :
               rs_fail(err, RS_ECORRUPT, "%s: pad_token \"%.40s\" of tokenizer_config.json is not "
                       "in the vocabulary", l->path, name);
    }
    if (json_is_object(padding.object))
        st = rs_json_int(padding, "pad_id", 0, (long long)base->size - 1, -1, &id, err);
    base->pad = id >= 0 ? (int32_t)id : is_unigram(l) ? base->eos : id_of(l, "[PAD]");
    return st;
}

/* BertTokenizerFast: what tokenizer_config.json says, or its defaults, goes before the
 * normalizer of tokenizer.json. */
static rs_status override_bert(loader *l, rs_err *err)
{
    rs_json_at at = {l->config, "tokenizer_config.json"};
    const json_t *accents = json_object_get(l->config, "strip_accents");
    const char *class;
    rs_normaliser *n = &l->t->normaliser;
    rs_step *s = n->n == 1 && n->step[0].kind == RS_STEP_BERT ? n->step : NULL;
    rs_status st = rs_json_str(at, "tokenizer_class", "", &class, err);

    if (st != RS_OK || !s ||
        (strcmp(class, "BertTokenizer") != 0 && strcmp(class, "BertTokenizerFast") != 0))
        return st;
    if ((st = rs_json_bool(at, "do_lower_case", true, &s->lower, err)) != RS_OK ||
        (st = rs_json_bool(at, "tokenize_chinese_chars", true, &s->chinese, err)) != RS_OK)
        return st;
    s->accents = json_is_boolean(accents) ? json_is_true(accents) : s->lower;
    return RS_OK;
}

/* ---- For decoding ---------------------------------------------------- */

static void put_wordpiece_reading(const loader *l, rs_buf *out, size_t id)
{
    size_t n = strlen(l->prefix);
    bool inside = n && strncmp(l->text[id], l->prefix, n) == 0;

    if (!inside)
        rs_buf_putc(out, ' ');
    rs_buf_puts(out, l->text[id] + (inside ? n : 0));
}

static rs_status build_readings(loader *l, rs_err *err)
{
    rs_tokenizer *base = &l->t->base;
    rs_readings *r = &l->t->readings;
    rs_buf all = {0};

    r->at = rs_calloc(base->size + 1, sizeof *r->at);
    for (size_t i = 0; r->at && i < base->size; i++) {
        bool silent = l->silent[i] || (int32_t)i == base->bos || (int32_t)i == base->eos ||
                      (int32_t)i == base->pad;
        if (!silent && is_unigram(l))
            rs_reading_put(&all, l->text[i], strlen(l->text[i]), l->t->unigram.bytes);
        else if (!silent)
            put_wordpiece_reading(l, &all, i);
        r->at[i + 1] = (uint32_t)all.len;        /* less than the file's bytes twice */
    }
    r->text = rs_buf_take(&all);
    return r->at && r->text ? RS_OK : no_memory(l, err);
}

/* ---- Opening --------------------------------------------------------- */

static rs_status load(loader *l, rs_err *err)
{
    char where[WHERE];
    rs_status st = is_unigram(l) ? take_unigram(l, err) : take_wordpiece(l, err);

    if (st != RS_OK)
        return st;
    snprintf(where, sizeof where, "%s: normalizer", l->path);
    if ((st = rs_normaliser_read(&l->t->normaliser, json_object_get(l->root, "normalizer"), where,
                                 err)) != RS_OK ||
        (st = override_bert(l, err)) != RS_OK)
        return st;
    snprintf(where, sizeof where, "%s: pre_tokenizer", l->path);
    if ((st = rs_cutter_read(&l->t->cutter, json_object_get(l->root, "pre_tokenizer"), where,
                             err)) != RS_OK ||
        (st = take_all_added(l, err)) != RS_OK ||
        (st = take_ends(l, err)) != RS_OK ||
        (st = take_pad(l, err)) != RS_OK)
        return st;
    return build_readings(l, err);
}

rs_status rs_words_load_json(rs_tokenizer **out, rs_tokenizer_kind kind, const json_t *root,
                             const json_t *config, const char *path, rs_err *err)
{
    loader l = {.root = root, .model = json_object_get(root, "model"), .config = config,
                .path = path, .prefix = ""};
    rs_status st;

    l.t = rs_calloc(1, sizeof *l.t);
    if (!l.t)
        return no_memory(&l, err);
    l.t->base = (rs_tokenizer){.bos = -1, .eos = -1, .pad = -1};
    l.t->base.ops = kind == RS_TOKENIZER_UNIGRAM ? &rs_unigram_ops : &rs_wordpiece_ops;
    st = load(&l, err);
    rs_buf_clear(&l.key);
    rs_free(l.text);
    rs_free(l.silent);
    if (st == RS_OK)
        *out = &l.t->base;
    else
        rs_tokenizer_close(&l.t->base);
    return st;
}
