/* spiece.c - see spiece_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/spiece_int.h"

#include "base/alloc.h"
#include "embeddings/tokenizer_words_int.h"
#include "embeddings/words_int.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char METASPACE[] = "\xe2\x96\x81";

/* ---- Protocol buffers ------------------------------------------------ */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* One field of a message. */
typedef struct {
    uint64_t number, value;      /* value: of VARINT and FIXED32 */
    unsigned wire;
    rs_reader bytes;             /* of BYTES */
} field;

static uint64_t read_varint(rs_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = rs_read_u8(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    r->failed = true;            /* more than ten bytes */
    return 0;
}

/* The next field; false at the end and at what is not a field (r->failed). */
static bool next_field(rs_reader *r, field *f)
{
    uint64_t tag;

    if (r->failed || r->at >= r->len)
        return false;
    tag = read_varint(r);
    *f = (field){.number = tag >> 3, .wire = tag & 7};
    switch (f->wire) {
    case VARINT:  f->value = read_varint(r); break;
    case FIXED64: f->value = rs_read_u64le(r); break;
    case FIXED32: f->value = rs_read_u32le(r); break;
    case BYTES: {
        uint64_t n = read_varint(r);
        f->bytes.p = n <= r->len ? rs_read_bytes(r, (size_t)n) : NULL;
        f->bytes.len = (size_t)n;
        if (!f->bytes.p)
            r->failed = true;
        break;
    }
    default: r->failed = true;
    }
    return !r->failed;
}

/* ---- Reading --------------------------------------------------------- */

typedef struct {
    rs_spiece  *s;
    const char *path;
    uint64_t    model_type;
    bool        suffix;
    rs_reader   charsmap;
} reader;

static float as_float(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float x;

    memcpy(&x, &low, sizeof x);
    return x;
}

static rs_status read_piece(const reader *f, rs_reader r, rs_piece *p, size_t number, rs_err *err)
{
    field g;

    *p = (rs_piece){.text = "", .type = RS_PIECE_NORMAL};
    while (next_field(&r, &g)) {
        if (g.number == 1 && g.wire == BYTES) {
            p->text = (const char *)g.bytes.p;
            p->len = g.bytes.len;
        } else if (g.number == 2 && g.wire == FIXED32) {
            p->score = as_float(g.value);
        } else if (g.number == 3 && g.wire == VARINT) {
            if (g.value < RS_PIECE_NORMAL || g.value > RS_PIECE_BYTE)
                return rs_fail(err, RS_ECORRUPT, "%s: pieces %zu: type %llu", f->path, number,
                               (unsigned long long)g.value);
            p->type = (rs_piece_type)g.value;
        }
    }
    if (r.failed)
        return rs_fail(err, RS_ECORRUPT, "%s: pieces %zu: broken off at byte %zu of %zu", f->path,
                       number, r.at, r.len);
    if (p->len == 0 || p->len > RS_PIECE_BYTES || !rs_utf8_valid(p->text, p->len))
        return rs_fail(err, RS_ECORRUPT, "%s: pieces %zu: wanted 1 to %d bytes of UTF-8, found %zu",
                       f->path, number, RS_PIECE_BYTES, p->len);
    if (!(fabsf(p->score) <= 1e30f))
        return rs_fail(err, RS_ECORRUPT, "%s: pieces %zu: a score of %g", f->path, number,
                       (double)p->score);
    return RS_OK;
}

static void read_trainer(reader *f, rs_reader r)
{
    field g;

    while (next_field(&r, &g)) {
        if (g.number == 3 && g.wire == VARINT)
            f->model_type = g.value;
        else if (g.number == 24 && g.wire == VARINT)
            f->suffix = g.value != 0;
        else if (g.number == 35 && g.wire == VARINT)
            f->s->unigram.bytes = g.value != 0;
    }
}

static void read_normaliser(reader *f, rs_reader r)
{
    field g;

    while (next_field(&r, &g)) {
        if (g.number == 2 && g.wire == BYTES)
            f->charsmap = g.bytes;
        else if (g.number == 3 && g.wire == VARINT)
            f->s->dummy_prefix = g.value != 0;
        else if (g.number == 4 && g.wire == VARINT)
            f->s->trim = g.value != 0;
        else if (g.number == 5 && g.wire == VARINT)
            f->s->escape = g.value != 0;
    }
}

/* All fields of the file; with `pieces` the pieces are taken, else only counted. */
static rs_status read_fields(reader *f, rs_reader r, bool pieces, rs_err *err)
{
    size_t n = 0;
    field g;
    rs_status st;

    while (next_field(&r, &g)) {
        if (g.wire != BYTES)
            continue;
        if (g.number == 1) {
            if (pieces && (st = read_piece(f, g.bytes, &f->s->piece[n], n, err)) != RS_OK)
                return st;
            n++;
        } else if (g.number == 2) {
            read_trainer(f, g.bytes);
        } else if (g.number == 3) {
            read_normaliser(f, g.bytes);
        }
    }
    if (r.failed)
        return rs_fail(err, RS_ECORRUPT, "%s: broken off at byte %zu of %zu", f->path, r.at, r.len);
    if (n == 0 || n > RS_TOKENS_MAX)
        return rs_fail(err, RS_ECORRUPT, "%s: %zu pieces, wanted 1 to %d", f->path, n,
                       RS_TOKENS_MAX);
    f->s->n = n;
    return RS_OK;
}

/* ---- Building -------------------------------------------------------- */

static rs_status put(const reader *f, rs_trie *trie, size_t i, rs_err *err)
{
    const rs_piece *p = &f->s->piece[i];
    int32_t before;
    rs_status st = rs_trie_put(trie, p->text, p->len, (int32_t)i, &before, err);

    if (st != RS_OK)
        return rs_wrap(err, st, "%s", f->path);
    return before < 0 ? RS_OK :
           rs_fail(err, RS_ECORRUPT, "%s: pieces %d and %zu are both \"%.*s\"", f->path,
                   (int)before, i, p->len < 40 ? (int)p->len : 40, p->text);
}

static rs_status place_piece(const reader *f, size_t i, rs_err *err)
{
    rs_spiece *s = f->s;
    rs_unigram *u = &s->unigram;
    const rs_piece *p = &s->piece[i];
    rs_status st = put(f, &s->all, i, err);

    if (st != RS_OK)
        return st;
    switch (p->type) {
    case RS_PIECE_UNKNOWN:
        if (u->unknown >= 0)
            return rs_fail(err, RS_ECORRUPT, "%s: pieces %d and %zu are both unknown", f->path,
                           (int)u->unknown, i);
        u->unknown = (int32_t)i;
        return RS_OK;
    case RS_PIECE_USER:
        st = put(f, &s->user, i, err);
        return st == RS_OK ? put(f, &u->trie, i, err) : st;
    case RS_PIECE_NORMAL:
        return put(f, &u->trie, i, err);
    case RS_PIECE_CONTROL:
    case RS_PIECE_UNUSED:
    case RS_PIECE_BYTE:
        return RS_OK;
    }
    return RS_OK;
}

/* User-defined pieces go before others: their score is next to nothing. The limits begin
 * as they do in SentencePiece. */
static void take_scores(rs_spiece *s)
{
    float least = FLT_MAX, most = FLT_MIN;

    for (size_t i = 0; i < s->n; i++)
        if (s->piece[i].type == RS_PIECE_NORMAL) {
            least = fminf(least, s->piece[i].score);
            most = fmaxf(most, s->piece[i].score);
        }
    for (size_t i = 0; i < s->n; i++)
        s->unigram.score[i] = s->piece[i].type == RS_PIECE_USER ?
                              (double)((float)s->piece[i].len * most) - 0.1 :
                              (double)s->piece[i].score;
    s->unigram.unknown_score = (double)(least - 10.0f);
}

static rs_status build(const reader *f, rs_err *err)
{
    rs_spiece *s = f->s;
    rs_unigram *u = &s->unigram;
    rs_status st = RS_OK;

    u->score = rs_calloc(s->n, sizeof *u->score);
    if (!u->score)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", f->path);
    u->unknown = -1;
    u->narrow = u->whole_unknown = true;
    for (size_t i = 0; st == RS_OK && i < s->n; i++)
        st = place_piece(f, i, err);
    if (st == RS_OK && u->unknown < 0)
        st = rs_fail(err, RS_ECORRUPT, "%s: no piece is the unknown one", f->path);
    take_scores(s);
    for (unsigned b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        u->byte_id[b] = rs_trie_find(&s->all, name, strlen(name));
    }
    return st;
}

rs_status rs_spiece_read(rs_spiece *s, const void *bytes, size_t len, const char *path,
                         rs_err *err)
{
    reader f = {.s = s, .path = path, .model_type = 1};
    rs_reader r = {.p = bytes, .len = len};
    char where[300];
    rs_status st;

    *s = (rs_spiece){.dummy_prefix = true, .trim = true, .escape = true};
    if ((st = read_fields(&f, r, false, err)) != RS_OK)
        return st;
    if (f.model_type != 1 || f.suffix)
        return rs_fail(err, RS_EFORMAT, "%s: model type %llu%s: only Unigram (1) with white space "
                       "in front is supported", path, (unsigned long long)f.model_type,
                       f.suffix ? ", white space as suffix" : "");
    s->piece = rs_calloc(s->n, sizeof *s->piece);
    if (!s->piece)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory for %zu pieces", path, s->n);
    snprintf(where, sizeof where, "%s: precompiled_charsmap", path);
    if (st == RS_OK && (st = read_fields(&f, r, true, err)) == RS_OK && f.charsmap.len)
        st = rs_charsmap_read(&s->charsmap, f.charsmap.p, f.charsmap.len, where, err);
    if (st == RS_OK)
        st = build(&f, err);
    if (st != RS_OK)
        rs_spiece_clear(s);
    return st;
}

void rs_spiece_forget(rs_spiece *s)
{
    rs_free(s->piece);
    s->piece = NULL;
    rs_trie_clear(&s->all);
}

void rs_spiece_clear(rs_spiece *s)
{
    rs_spiece_forget(s);
    rs_unigram_clear(&s->unigram);
    rs_trie_clear(&s->user);
    rs_charsmap_clear(&s->charsmap);
    *s = (rs_spiece){0};
}

/* ---- Normalising ----------------------------------------------------- */

/* What the head of text[0..len) becomes, and *n, the bytes of it that are used up. */
static const char *head(const rs_spiece *s, const char *text, size_t len, size_t *n, size_t *n_to)
{
    const char *to;

    if (rs_trie_longest(&s->user, RS_TRIE_ROOT, text, len, n) >= 0) {
        *n_to = *n;
        return text;
    }
    to = rs_charsmap_longest(&s->charsmap, text, len, n);
    if (to) {
        *n_to = strlen(to);
        return to;
    }
    *n = 0;
    rs_utf8_next(text, len, n);
    *n_to = *n;
    return text;
}

void rs_spiece_normalise(const rs_spiece *s, rs_buf *out, const char *text, size_t len)
{
    const char *space = s->escape ? METASPACE : " ";
    size_t from = out->len, n_space = strlen(space), at = 0, n, n_to;
    bool after_space = s->trim;
    const char *to;

    while (s->trim && at < len) {
        to = head(s, text + at, len - at, &n, &n_to);
        if (n_to != 1 || *to != ' ')
            break;
        at += n;
    }
    if (at == len)
        return;
    if (s->dummy_prefix)
        rs_buf_puts(out, space);
    for (; at < len; at += n) {
        to = head(s, text + at, len - at, &n, &n_to);
        for (; after_space && n_to > 0 && *to == ' '; n_to--)
            to++;
        for (size_t i = 0; i < n_to; i++)
            if (to[i] == ' ')
                rs_buf_puts(out, space);
            else
                rs_buf_putc(out, to[i]);
        if (n_to > 0)
            after_space = s->trim && to[n_to - 1] == ' ';
    }
    while (s->trim && out->len - from >= n_space &&
           memcmp(out->data + out->len - n_space, space, n_space) == 0)
        out->len -= n_space;
}
