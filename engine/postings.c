/* postings.c - documents and words; see postings.h. pieces in postings_piece.c, keeping up
 * with the catalog in postings_follow.c, ranking in postings_rank.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/postings_int.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

/* FTS5 cuts off what of a token is longer. */
enum { MAX_TOKEN = 32768, SHORT_TOKEN = 256 };

rs_status rs_postings_new(rs_postings **out, rs_db *db, rs_tokens *tokens, rs_err *err)
{
    rs_postings *p = rs_calloc(1, sizeof *p);

    *out = p;
    if (!p)
        return rs_fail(err, RS_ENOMEM, "posting lists: no memory");
    p->db = db;
    p->tokens = tokens;
    p->seq = -1;
    return RS_OK;
}

void rs_postings_forget(rs_postings *p)
{
    rs_postings fresh = {.db = p->db, .tokens = p->tokens, .seq = -1, .given_up = p->given_up,
                         .made_anew = p->made_anew, .data_version = p->data_version,
                         .changes = p->changes};

    memcpy(fresh.reading, p->reading, sizeof fresh.reading);
    rs_postings_forget_pieces(p);
    for (uint32_t i = 0; i < p->n_lists; i++)
        rs_posting_clear(&p->lists[i]);
    rs_free(p->lists);
    rs_free(p->name);
    rs_free(p->head);
    rs_free(p->tail);
    rs_free(p->ids);
    rs_free(p->lengths);
    rs_free(p->dead);
    rs_free(p->doc_of);
    rs_free(p->again);
    rs_free(p->now.word);
    rs_free(p->now.place);
    rs_free(p->now.next);
    rs_free(p->now.places);
    rs_free(p->now.words);
    rs_arena_clear(&p->names_mem);
    rs_arena_clear(&p->counts_mem);
    *p = fresh;
}

void rs_postings_free(rs_postings *p)
{
    if (!p)
        return;
    rs_postings_forget(p);
    rs_free(p);
}

bool   rs_postings_ready(const rs_postings *p) { return p->current; }
size_t rs_postings_cases(const rs_postings *p) { return p->n_docs - p->n_dead; }

double rs_postings_mean(const rs_postings *p)
{
    size_t n = rs_postings_cases(p);

    return n && p->live_tokens ? (double)p->live_tokens / (double)n : 1;
}

rs_postings_size rs_postings_measure(const rs_postings *p)
{
    size_t bytes = p->names_mem.used_bytes + p->cap_docs * (sizeof *p->ids + sizeof *p->lengths) +
                   p->cap_docs / 8 + p->cap_ids * sizeof *p->doc_of +
                   p->cap_lists * (sizeof *p->lists + sizeof *p->name + 2 * sizeof *p->head);

    for (uint32_t i = 0; i < p->n_lists; i++)
        bytes += rs_posting_bytes(&p->lists[i]);
    return (rs_postings_size){rs_postings_cases(p), p->n_dead, p->n_lists, p->n_pieces,
                              bytes + rs_postings_piece_bytes(p)};
}

/* ---- Room ------------------------------------------------------------ */

/* The array grown to `cap` elements; false on OOM, and nothing is lost. */
static bool grow(void **array, size_t cap, size_t size)
{
    void *more = rs_realloc(*array, cap, size);

    if (more)
        *array = more;
    return more != NULL;
}

static bool room_for_document(rs_postings *p)
{
    size_t cap = p->cap_docs ? (size_t)p->cap_docs + p->cap_docs / 2 : 1024;

    if (p->n_docs < p->cap_docs)
        return true;
    if (cap >= UINT32_MAX || !grow((void **)&p->ids, cap, sizeof *p->ids) ||
        !grow((void **)&p->lengths, cap, sizeof *p->lengths) ||
        !grow((void **)&p->dead, cap / 64 + 1, sizeof *p->dead))
        return false;
    memset(p->dead + (p->n_docs + 63) / 64, 0,
           (cap / 64 + 1 - (p->n_docs + 63) / 64) * sizeof *p->dead);
    p->cap_docs = (uint32_t)cap;
    return true;
}

static bool room_for_id(rs_postings *p, int64_t id)
{
    size_t cap = (size_t)id + (size_t)id / 2 + 1024;

    if ((size_t)id < p->cap_ids)
        return true;
    if (!grow((void **)&p->doc_of, cap, sizeof *p->doc_of))
        return false;
    memset(p->doc_of + p->cap_ids, 0, (cap - p->cap_ids) * sizeof *p->doc_of);
    p->cap_ids = cap;
    return true;
}

static bool room_for_word(rs_postings *p)
{
    size_t cap = p->cap_lists ? (size_t)p->cap_lists + p->cap_lists / 2 : 1024;

    if (p->n_lists < p->cap_lists)
        return true;
    if (cap >= UINT32_MAX || !grow((void **)&p->lists, cap, sizeof *p->lists) ||
        !grow((void **)&p->name, cap, sizeof *p->name) ||
        !grow((void **)&p->head, cap, sizeof *p->head) ||
        !grow((void **)&p->tail, cap, sizeof *p->tail))
        return false;
    p->cap_lists = (uint32_t)cap;
    return true;
}

static bool room_for_token(rs_case_tokens *c)
{
    size_t cap = c->cap ? 2 * (size_t)c->cap : 256;

    if (c->n < c->cap)
        return true;
    if (cap >= UINT32_MAX || !grow((void **)&c->word, cap, sizeof *c->word) ||
        !grow((void **)&c->place, cap, sizeof *c->place) ||
        !grow((void **)&c->next, cap, sizeof *c->next) ||
        !grow((void **)&c->places, cap, sizeof *c->places) ||
        !grow((void **)&c->words, cap, sizeof *c->words))
        return false;
    c->cap = (uint32_t)cap;
    return true;
}

/* ---- Words ----------------------------------------------------------- */

const rs_posting_list *rs_postings_word(const rs_postings *p, const char *word)
{
    uint32_t at;

    return rs_strmap_get(&p->names, word, &at) ? &p->lists[at] : NULL;
}

/* The number of a word, made where it is new; false on OOM. */
static bool number_of(rs_postings *p, const char *word, uint32_t *out)
{
    const char *kept;

    p->names.mem = &p->names_mem;
    if (rs_strmap_get(&p->names, word, out))
        return true;
    if (!room_for_word(p) || !(kept = rs_arena_strdup(&p->names_mem, word)) ||
        !rs_strmap_put(&p->names, kept, p->n_lists))
        return false;
    *out = p->n_lists++;
    p->lists[*out] = (rs_posting_list){0};
    p->name[*out] = kept;
    p->head[*out] = p->tail[*out] = 0;
    return true;
}

static bool note_token(rs_postings *p, const char *word)
{
    rs_case_tokens *c = &p->now;
    uint32_t w;

    if (!room_for_token(c) || !number_of(p, word, &w))
        return false;
    c->word[c->n] = w;
    c->place[c->n] = RS_PLACE(c->column, c->offset);
    c->next[c->n] = 0;
    c->offset++;
    c->n++;
    if (p->head[w])
        c->next[p->tail[w] - 1] = c->n;
    else {
        p->head[w] = c->n;
        c->words[c->n_words++] = w;
    }
    p->tail[w] = c->n;
    return true;
}

static bool on_token(void *ctx, const char *token, size_t len)
{
    rs_postings *p = ctx;
    char brief[SHORT_TOKEN], *word;
    bool done;

    if (p->now.offset >= 1u << 28) {
        p->now.st = RS_ELIMIT;
        return false;
    }
    if (len > MAX_TOKEN)
        len = MAX_TOKEN;
    word = len < sizeof brief ? brief : rs_malloc(len + 1);
    if (!word)
        return false;
    memcpy(word, token, len);
    word[len] = '\0';
    done = note_token(p, word);
    if (word != brief)
        rs_free(word);
    return done;
}

/* ---- Documents ------------------------------------------------------- */

static bool write_lists(rs_postings *p, uint32_t doc)
{
    rs_case_tokens *c = &p->now;

    for (uint32_t i = 0; i < c->n_words; i++) {
        uint32_t w = c->words[i], n = 0;
        for (uint32_t t = p->head[w]; t; t = c->next[t - 1])
            c->places[n++] = c->place[t - 1];
        p->head[w] = 0;
        if (!rs_posting_add(&p->lists[w], doc, c->n, c->places, n))
            return false;
    }
    return true;
}

rs_status rs_postings_add(rs_postings *p, int64_t id, const char *const text[RS_TEXT_COUNT],
                          rs_err *err)
{
    rs_case_tokens *c = &p->now;
    rs_status st = RS_OK;
    uint32_t doc = p->n_docs;

    _Static_assert((int)RS_TEXT_COUNT <= (int)RS_POSTING_MAX_COLUMNS, "as lists have columns");
    assert(id > 0);
    c->n = c->n_words = 0;
    c->st = RS_OK;
    for (uint32_t i = 0; st == RS_OK && i < RS_TEXT_COUNT; i++) {
        c->column = i;
        c->offset = 0;
        if (text[i])
            st = rs_tokens_each(p->tokens, text[i], strlen(text[i]), on_token, p, err);
    }
    if (st != RS_OK)
        return c->st == RS_OK ? st : rs_fail(err, c->st, "case %lld: too long", (long long)id);
    if (!room_for_document(p) || !room_for_id(p, id) || !write_lists(p, doc))
        return rs_fail(err, RS_ENOMEM, "posting lists: no memory");
    p->ids[doc] = id;
    p->lengths[doc] = c->n;
    p->doc_of[id] = doc + 1;
    p->live_tokens += c->n;
    p->n_docs++;
    return RS_OK;
}

bool rs_postings_kill(rs_postings *p, int64_t id)
{
    uint32_t doc;

    if (id <= 0 || (uint64_t)id >= p->cap_ids || !p->doc_of[id])
        return false;
    doc = p->doc_of[id] - 1;
    rs_bit_set(p->dead, doc);
    p->n_dead++;
    p->live_tokens -= p->lengths[doc];
    p->doc_of[id] = 0;
    return true;
}
