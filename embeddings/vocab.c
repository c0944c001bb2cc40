/* vocab.c - see vocab.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/vocab.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/words_int.h"

#include <assert.h>
#include <string.h>

enum { N_BYTES = 256, N_SINGLE = 2 * N_BYTES, N_SPECIAL = 2 };

/* ---- A set of strings, numbered as they come -------------------------- */

typedef struct { uint64_t hash; size_t at; uint32_t len; } entry;

typedef struct {
    rs_buf    bytes;
    entry    *list;              /* [cap] */
    size_t    n, cap;
    uint32_t *slot;              /* number + 1, 0 where empty; at most half full */
    size_t    mask;
} strings;

static uint64_t hash_bytes(const char *s, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);             /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

/* The place in slot[] of a string or of where it would go. */
static size_t strings_place(const strings *t, const char *s, size_t len, uint64_t hash)
{
    size_t i = (size_t)hash & t->mask;

    for (; t->slot[i]; i = (i + 1) & t->mask) {
        const entry *e = &t->list[t->slot[i] - 1];
        if (e->hash == hash && e->len == len && memcmp(t->bytes.data + e->at, s, len) == 0)
            break;
    }
    return i;
}

static bool strings_grow(strings *t)
{
    size_t cap = t->cap ? 2 * t->cap : 1024;
    entry *list = rs_realloc(t->list, cap, sizeof *list);
    uint32_t *slot;

    if (!list)
        return false;
    t->list = list;
    slot = cap < UINT32_MAX / 2 ? rs_calloc(2 * cap, sizeof *slot) : NULL;
    if (!slot)
        return false;
    rs_free(t->slot);
    t->slot = slot;
    t->cap = cap;
    t->mask = 2 * cap - 1;
    for (size_t n = 0; n < t->n; n++) {
        size_t i = (size_t)t->list[n].hash & t->mask;
        while (slot[i])
            i = (i + 1) & t->mask;
        slot[i] = (uint32_t)n + 1;
    }
    return true;
}

/* The number of a string, which is added if it is new. False on out-of-memory. */
static bool strings_take(strings *t, const char *s, size_t len, size_t *number)
{
    uint64_t hash = hash_bytes(s, len);
    size_t i;

    if (t->n == t->cap && !strings_grow(t))
        return false;
    i = strings_place(t, s, len, hash);
    if (!t->slot[i]) {
        entry e = {hash, t->bytes.len, (uint32_t)len};
        if (!rs_buf_reserve(&t->bytes, len)) {
            t->bytes.failed = false;                       /* what is there stays usable */
            return false;
        }
        rs_buf_append(&t->bytes, s, len);
        t->list[t->n++] = e;
        t->slot[i] = (uint32_t)t->n;
    }
    *number = t->slot[i] - 1;
    return true;
}

static void strings_clear(strings *t)
{
    rs_buf_clear(&t->bytes);
    rs_free(t->list);
    rs_free(t->slot);
    *t = (strings){0};
}

/* ---- Counting words --------------------------------------------------- */

typedef struct { uint32_t left, right; } symbol_pair;

struct rs_vocab {
    strings  words;
    int64_t *count;              /* [n_count] of each word */
    size_t   n_count;
    size_t   n_texts;
    rs_buf   plain;              /* room for a normalised text */
    strings  tokens;             /* in the byte alphabet, without the special ones */
    symbol_pair *merge;          /* [n_merges] */
    size_t   n_merges;
};

rs_status rs_vocab_new(rs_vocab **out, rs_err *err)
{
    *out = rs_calloc(1, sizeof **out);
    return *out ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a vocabulary");
}

static void forget_training(rs_vocab *v)
{
    strings_clear(&v->tokens);
    rs_free(v->merge);
    v->merge = NULL;
    v->n_merges = 0;
}

void rs_vocab_free(rs_vocab *v)
{
    if (!v)
        return;
    forget_training(v);
    strings_clear(&v->words);
    rs_free(v->count);
    rs_buf_clear(&v->plain);
    rs_free(v);
}

static bool count_word(rs_vocab *v, const char *word, size_t len)
{
    size_t i;

    if (v->words.n >= v->n_count) {
        size_t cap = v->n_count ? 2 * v->n_count : 1024;
        int64_t *grown = rs_realloc(v->count, cap, sizeof *grown);
        if (!grown)
            return false;
        memset(grown + v->n_count, 0, (cap - v->n_count) * sizeof *grown);
        v->count = grown;
        v->n_count = cap;
    }
    if (!strings_take(&v->words, word, len, &i))
        return false;
    v->count[i]++;
    return true;
}

rs_status rs_vocab_add(rs_vocab *v, const char *text, size_t len, rs_err *err)
{
    rs_words w = {0};
    const char *word;
    size_t n;
    rs_status st;

    v->plain.len = 0;
    st = rs_words_normalise(&v->plain, text, len, err);
    if (st != RS_OK) {
        rs_buf_clear(&v->plain);
        return st;
    }
    w = (rs_words){.text = v->plain.data, .len = v->plain.len};
    while (rs_words_next(&w, &word, &n))
        if (n <= RS_VOCAB_WORD_MAX && !count_word(v, word, n))
            return rs_fail(err, RS_ENOMEM, "no memory for word %zu", v->words.n + 1);
    v->n_texts += w.len > 0;
    return RS_OK;
}

size_t rs_vocab_texts(const rs_vocab *v) { return v->n_texts; }
size_t rs_vocab_words(const rs_vocab *v) { return v->words.n; }

size_t rs_vocab_size(const rs_vocab *v)
{
    return v->tokens.n ? v->tokens.n + N_SPECIAL : 0;
}

/* ---- Training --------------------------------------------------------- */

typedef struct {
    uint32_t  left, right;
    int64_t   count;             /* how often the two are neighbours now */
    uint32_t *word;              /* words that hold or held the pair, each once or more */
    uint32_t  n, cap;
} pair;

/* What the heap said when the pair was put in; its count may have fallen since. */
typedef struct { int64_t count; uint32_t left, right, pair; } best;

typedef struct {
    const rs_vocab *v;
    uint32_t *symbol;            /* the words' symbols, one word after another */
    uint32_t *start;             /* [words + 1] a word's place in symbol[] */
    uint16_t *len;               /* [words] its symbols now */
    pair     *pairs;
    size_t    n_pairs, cap_pairs;
    uint32_t *slot;              /* pair + 1, 0 where empty; at most half full */
    size_t    mask;
    best     *heap;              /* most frequent on top */
    size_t    n_heap, cap_heap;
} trainer;

static bool better(best a, best b)
{
    if (a.count != b.count)
        return a.count > b.count;
    return a.left != b.left ? a.left < b.left : a.right < b.right;
}

static bool heap_push(trainer *t, uint32_t index)
{
    const pair *p = &t->pairs[index];
    best b = {p->count, p->left, p->right, index};
    size_t i;

    if (t->n_heap == t->cap_heap) {
        size_t cap = t->cap_heap ? 2 * t->cap_heap : 1024;
        best *grown = rs_realloc(t->heap, cap, sizeof *grown);
        if (!grown)
            return false;
        t->heap = grown;
        t->cap_heap = cap;
    }
    for (i = t->n_heap++; i > 0 && better(b, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = b;
    return true;
}

static best heap_pop(trainer *t)
{
    best top = t->heap[0], last = t->heap[--t->n_heap];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < t->n_heap) {
        if (child + 1 < t->n_heap && better(t->heap[child + 1], t->heap[child]))
            child++;
        if (!better(t->heap[child], last))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = last;
    return top;
}

static size_t pair_place(const trainer *t, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9e3779b97f4a7c15);
    size_t i = (size_t)(h >> 32) & t->mask;

    for (; t->slot[i]; i = (i + 1) & t->mask) {
        const pair *p = &t->pairs[t->slot[i] - 1];
        if (p->left == left && p->right == right)
            break;
    }
    return i;
}

static bool pairs_grow(trainer *t)
{
    size_t cap = t->cap_pairs ? 2 * t->cap_pairs : 4096;
    pair *grown = rs_realloc(t->pairs, cap, sizeof *grown);
    uint32_t *slot;

    if (!grown)
        return false;
    t->pairs = grown;
    slot = cap < UINT32_MAX / 2 ? rs_calloc(2 * cap, sizeof *slot) : NULL;
    if (!slot)
        return false;
    rs_free(t->slot);
    t->slot = slot;
    t->cap_pairs = cap;
    t->mask = 2 * cap - 1;
    for (size_t i = 0; i < t->n_pairs; i++)
        slot[pair_place(t, grown[i].left, grown[i].right)] = (uint32_t)i + 1;
    return true;
}

/* `count` more of the pair, found in `word`. */
static bool more_pairs(trainer *t, uint32_t left, uint32_t right, uint32_t word, int64_t count)
{
    size_t i;
    pair *p;

    if (t->n_pairs == t->cap_pairs && !pairs_grow(t))
        return false;
    i = pair_place(t, left, right);
    if (!t->slot[i]) {
        t->pairs[t->n_pairs++] = (pair){.left = left, .right = right};
        t->slot[i] = (uint32_t)t->n_pairs;
    }
    p = &t->pairs[t->slot[i] - 1];
    p->count += count;
    if (p->n && p->word[p->n - 1] == word)
        return true;
    if (p->n == p->cap) {
        uint32_t cap = p->cap ? 2 * p->cap : 2;
        uint32_t *grown = rs_realloc(p->word, cap, sizeof *grown);
        if (!grown)
            return false;
        p->word = grown;
        p->cap = cap;
    }
    p->word[p->n++] = word;
    return true;
}

static void fewer_pairs(trainer *t, uint32_t left, uint32_t right, int64_t count)
{
    size_t i = pair_place(t, left, right);

    assert(t->slot[i]);
    t->pairs[t->slot[i] - 1].count -= count;
}

/* Joins every `left right` of a word into `into`, from the left, and moves the counts
 * of the neighbours: x left right y gives x into y. */
static bool merge_in_word(trainer *t, uint32_t word, uint32_t left, uint32_t right, uint32_t into)
{
    uint32_t *s = t->symbol + t->start[word];
    size_t n = t->len[word], out = 0;
    int64_t c = t->v->count[word];

    for (size_t i = 0; i < n; i++) {
        if (s[i] != left || i + 1 == n || s[i + 1] != right) {
            s[out++] = s[i];
            continue;
        }
        fewer_pairs(t, left, right, c);
        if (out) {
            fewer_pairs(t, s[out - 1], left, c);
            if (!more_pairs(t, s[out - 1], into, word, c))
                return false;
        }
        if (i + 2 < n) {
            fewer_pairs(t, right, s[i + 2], c);
            if (!more_pairs(t, into, s[i + 2], word, c))
                return false;
        }
        s[out++] = into;
        i++;
    }
    t->len[word] = (uint16_t)out;
    return true;
}

/* Everywhere. The pairs that come of it are new ones, so only they go on the heap. */
static bool merge_everywhere(trainer *t, uint32_t index, uint32_t into)
{
    pair p = t->pairs[index];
    size_t before = t->n_pairs;
    bool ok = true;

    t->pairs[index].word = NULL;
    t->pairs[index].n = t->pairs[index].cap = 0;
    for (size_t i = 0; ok && i < p.n; i++)
        ok = merge_in_word(t, p.word[i], p.left, p.right, into);
    for (size_t i = before; ok && i < t->n_pairs; i++)
        if (t->pairs[i].count >= RS_VOCAB_PAIR_MIN)
            ok = heap_push(t, (uint32_t)i);
    rs_free(p.word);
    return ok;
}

/* Every word as single bytes, every pair counted, the frequent ones on the heap. */
static rs_status start_training(trainer *t, rs_err *err)
{
    const strings *words = &t->v->words;
    uint16_t id[N_BYTES];
    bool ok;

    if (words->bytes.len > UINT32_MAX)
        return rs_fail(err, RS_ELIMIT, "%zu bytes of different words are too many",
                       words->bytes.len);
    for (size_t i = 0; i < N_BYTES; i++)
        id[rs_byte_in_order(i)] = (uint16_t)i;
    t->symbol = rs_calloc(words->bytes.len, sizeof *t->symbol);
    t->start = rs_calloc(words->n, sizeof *t->start);
    t->len = rs_calloc(words->n, sizeof *t->len);
    ok = t->symbol && t->start && t->len && pairs_grow(t);
    for (size_t w = 0; ok && w < words->n; w++) {
        const entry *e = &words->list[w];
        uint32_t *s = t->symbol + e->at;
        t->start[w] = (uint32_t)e->at;
        t->len[w] = (uint16_t)e->len;
        for (size_t i = 0; i < e->len; i++)
            s[i] = id[(uint8_t)words->bytes.data[e->at + i]];
        s[e->len - 1] += N_BYTES;
        for (size_t i = 0; ok && i + 1 < e->len; i++)
            ok = more_pairs(t, s[i], s[i + 1], (uint32_t)w, t->v->count[w]);
    }
    for (size_t i = 0; ok && i < t->n_pairs; i++)
        if (t->pairs[i].count >= RS_VOCAB_PAIR_MIN)
            ok = heap_push(t, (uint32_t)i);
    return ok ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory to train on %zu words", words->n);
}

static void end_training(trainer *t)
{
    for (size_t i = 0; i < t->n_pairs; i++)
        rs_free(t->pairs[i].word);
    rs_free(t->pairs);
    rs_free(t->slot);
    rs_free(t->heap);
    rs_free(t->symbol);
    rs_free(t->start);
    rs_free(t->len);
}

/* The 512 single bytes, in CLIP's order. */
static bool put_single_bytes(strings *tokens)
{
    rs_buf text = {0};
    bool ok = true;
    size_t number;

    for (size_t i = 0; ok && i < N_SINGLE; i++) {
        text.len = 0;
        rs_utf8_put(&text, rs_byte_symbol(rs_byte_in_order(i % N_BYTES)));
        rs_buf_puts(&text, i < N_BYTES ? "" : "</w>");
        ok = !text.failed && strings_take(tokens, text.data, text.len, &number);
    }
    rs_buf_clear(&text);
    return ok;
}

static void put_token(rs_buf *out, const strings *tokens, size_t i)
{
    rs_buf_append(out, tokens->bytes.data + tokens->list[i].at, tokens->list[i].len);
}

/* Merges the best pair; *more is false when there is none. Its text is a new one, see
 * vocab.h, so `into` is a new symbol. */
static bool merge_one(rs_vocab *v, trainer *t, rs_buf *text, bool *more)
{
    size_t into;

    *more = false;
    while (t->n_heap) {
        best b = heap_pop(t);
        if (t->pairs[b.pair].count != b.count) {
            if (t->pairs[b.pair].count >= RS_VOCAB_PAIR_MIN && !heap_push(t, b.pair))
                return false;
            continue;
        }
        text->len = 0;
        put_token(text, &v->tokens, b.left);
        put_token(text, &v->tokens, b.right);
        if (text->failed)
            return false;
        if (!strings_take(&v->tokens, text->data, text->len, &into))
            return false;
        v->merge[v->n_merges++] = (symbol_pair){b.left, b.right};
        *more = true;
        return merge_everywhere(t, b.pair, (uint32_t)into);
    }
    return true;
}

rs_status rs_vocab_train(rs_vocab *v, size_t size, rs_progress *progress, rs_err *err)
{
    trainer t = {.v = v};
    rs_buf text = {0};
    bool ok, more = true;
    rs_status st;

    if (size < RS_VOCAB_SIZE_MIN || size > RS_VOCAB_SIZE_MAX)
        return rs_fail(err, RS_EARG, "a vocabulary of %zu tokens: wanted %d to %d", size,
                       RS_VOCAB_SIZE_MIN, RS_VOCAB_SIZE_MAX);
    forget_training(v);
    v->merge = rs_calloc(size - N_SINGLE - N_SPECIAL, sizeof *v->merge);
    if (!v->merge || !put_single_bytes(&v->tokens)) {
        st = rs_fail(err, RS_ENOMEM, "no memory for %zu tokens", size);
        goto done;
    }
    if ((st = start_training(&t, err)) != RS_OK)
        goto done;
    for (ok = true; ok && more && v->tokens.n + N_SPECIAL < size;) {
        ok = merge_one(v, &t, &text, &more);
        rs_progress_add(progress, more);
    }
    if (!ok)
        st = rs_fail(err, RS_ENOMEM, "no memory after %zu merges", v->n_merges);
done:
    if (st != RS_OK)
        forget_training(v);
    rs_buf_clear(&text);
    end_training(&t);
    return st;
}

/* ---- Writing ---------------------------------------------------------- */

/* A token as a JSON string: the alphabet's only signs to escape are these two. */
static void put_json_token(rs_buf *out, const char *token, size_t len, size_t id)
{
    rs_buf_puts(out, id ? ",\"" : "\"");
    for (size_t i = 0; i < len; i++) {
        if (token[i] == '"' || token[i] == '\\')
            rs_buf_putc(out, '\\');
        rs_buf_putc(out, token[i]);
    }
    rs_buf_printf(out, "\":%zu", id);
}

static rs_status write_buf(rs_buf *b, const char *folder, const char *name, rs_err *err)
{
    char *path = rs_path_join(folder, name);
    rs_status st = path && !b->failed
        ? rs_file_write(path, b->data, b->len, err)
        : rs_fail(err, RS_ENOMEM, "write %s: no memory", name);

    rs_free(path);
    rs_buf_clear(b);
    return st;
}

rs_status rs_vocab_write(const rs_vocab *v, const char *folder, rs_err *err)
{
    static const char *const special[N_SPECIAL] = {"<|startoftext|>", "<|endoftext|>"};
    const strings *t = &v->tokens;
    rs_buf b = {0};
    rs_status st;

    if (!t->n)
        return rs_fail(err, RS_EARG, "write %s: the vocabulary is not trained", folder);
    st = rs_mkdirs(folder, err);
    if (st != RS_OK)
        return st;
    rs_buf_putc(&b, '{');
    for (size_t i = 0; i < t->n; i++)
        put_json_token(&b, t->bytes.data + t->list[i].at, t->list[i].len, i);
    for (size_t i = 0; i < N_SPECIAL; i++)
        put_json_token(&b, special[i], strlen(special[i]), t->n + i);
    rs_buf_puts(&b, "}\n");
    st = write_buf(&b, folder, "vocab.json", err);
    if (st != RS_OK)
        return st;
    rs_buf_puts(&b, "#version: 0.2\n");
    for (size_t i = 0; i < v->n_merges; i++) {
        put_token(&b, t, v->merge[i].left);
        rs_buf_putc(&b, ' ');
        put_token(&b, t, v->merge[i].right);
        rs_buf_putc(&b, '\n');
    }
    return write_buf(&b, folder, "merges.txt", err);
}
