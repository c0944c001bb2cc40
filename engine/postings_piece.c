/* postings_piece.c - a phrase, words near each other or a beginning, as a list of its own:
 * made once, then only grown; see postings.h.
 *
 * What FTS5 finds is found: a phrase's place is that of its first word, and of words near
 * each other those places of the first part are kept that FTS5 keeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/postings_int.h"

#include "base/alloc.h"
#include "engine/lexicon_int.h"

#include <stdlib.h>
#include <string.h>

/* How many places a beginning may have to be made, and how many pieces are kept. */
enum { MAX_BEGUN = 2000000, MAX_PIECES = 4096, BETWEEN_CHECKS = 1024 };
static const uint32_t NO_DOC = UINT32_MAX;

static rs_status no_memory(rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "posting lists: no memory");
}

void rs_postings_forget_pieces(rs_postings *p)
{
    for (size_t i = 0; i < p->n_pieces; i++) {
        rs_posting_clear(&p->pieces[i]->list);
        rs_free(p->pieces[i]);
    }
    rs_free(p->pieces);
    rs_arena_clear(&p->pieces_mem);
    p->pieces = NULL;
    p->n_pieces = p->cap_pieces = 0;
    p->piece_names = (rs_strmap){0};
}

size_t rs_postings_piece_bytes(const rs_postings *p)
{
    size_t bytes = p->pieces_mem.used_bytes;

    for (size_t i = 0; i < p->n_pieces; i++)
        bytes += sizeof **p->pieces + rs_posting_bytes(&p->pieces[i]->list);
    return bytes;
}

size_t rs_postings_parts(const rs_term *terms, size_t n, size_t k)
{
    size_t parts = 1;

    while (k + parts < n && !(terms[k + parts].weight > 0))
        parts++;
    return parts;
}

/* ---- Names ----------------------------------------------------------- */

/* Tokens between \1, parts between \2, a beginning ends with \3; NULL on OOM. */
static char *name_of(const rs_term *terms, size_t parts, rs_arena *mem)
{
    size_t len = 1;
    char *name, *at;

    for (size_t k = 0; k < parts; k++)
        for (size_t i = 0; i < terms[k].n; i++)
            len += strlen(terms[k].tokens[i]) + 3;
    if (!(name = at = rs_arena_alloc(mem, len, 1)))
        return NULL;
    for (size_t k = 0; k < parts; k++) {
        for (size_t i = 0; i < terms[k].n; i++) {
            size_t n = strlen(terms[k].tokens[i]);
            memcpy(at, terms[k].tokens[i], n);
            at += n;
            *at++ = '\1';
        }
        *at++ = terms[k].prefix ? '\3' : '\2';
    }
    return name;
}

static bool is_word(const rs_term *t, size_t parts)
{
    return parts == 1 && t->n == 1 && !t->prefix;
}

static rs_piece *known_piece(const rs_postings *p, const char *name)
{
    uint32_t at;

    return rs_strmap_get(&p->piece_names, name, &at) ? p->pieces[at] : NULL;
}

/* An empty piece, kept under `name`; NULL on OOM. */
static rs_piece *new_piece(rs_postings *p, const char *name)
{
    rs_piece *fresh, **more;
    char *kept;

    p->piece_names.mem = &p->pieces_mem;
    if (p->n_pieces == p->cap_pieces) {
        size_t cap = p->cap_pieces ? 2 * p->cap_pieces : 64;
        if (!(more = rs_realloc(p->pieces, cap, sizeof *more)))
            return NULL;
        p->pieces = more;
        p->cap_pieces = cap;
    }
    if (!(fresh = rs_calloc(1, sizeof *fresh)))
        return NULL;
    if (!(kept = rs_arena_strdup(&p->pieces_mem, name)) ||
        !rs_strmap_put(&p->piece_names, kept, (uint32_t)p->n_pieces)) {
        rs_free(fresh);
        return NULL;
    }
    return p->pieces[p->n_pieces++] = fresh;
}

const rs_posting_list *rs_postings_list(rs_postings *p, const rs_term *terms, size_t parts,
                                        rs_arena *mem, bool *nomem)
{
    rs_piece *piece;
    char *name;

    *nomem = false;
    if (is_word(terms, parts))
        return rs_postings_word(p, terms->tokens[0]);
    name = name_of(terms, parts, mem);
    *nomem = !name;
    piece = name ? known_piece(p, name) : NULL;
    return piece && piece->list.n ? &piece->list : NULL;
}

/* ---- Beginnings ------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Places of one list in documents from `from` on, as document << 32 | place, into `out`
 * unless NULL; how many. */
static size_t gather(const rs_posting_list *l, uint32_t from, uint64_t *out, rs_posting_page *page)
{
    size_t n = 0, parts = rs_posting_parts(l);

    for (size_t part = rs_posting_seek(l, from); part < parts; part++) {
        rs_posting_read(l, part, page);
        for (uint32_t i = 0; i < page->n; i++) {
            if (page->doc[i] < from)
                continue;
            for (uint32_t k = 0; out && k < page->count[i]; k++)
                out[n + k] = (uint64_t)page->doc[i] << 32 | rs_posting_place(page, i, k);
            n += page->count[i];
        }
    }
    return n;
}

/* All words that begin so, as one list. */
static rs_status add_begun(rs_postings *p, rs_piece *piece, const char *begin, rs_arena *mem,
                           rs_err *err)
{
    rs_posting_page *page = rs_new(mem, rs_posting_page, 1);
    size_t len = strlen(begin), n = 0, got = 0;
    uint64_t *all;
    uint32_t *places;

    if (!page)
        return no_memory(err);
    for (uint32_t w = 0; w < p->n_lists; w++)
        if (strncmp(p->name[w], begin, len) == 0)
            n += gather(&p->lists[w], piece->upto, NULL, page);
    if ((piece->too_large = n > MAX_BEGUN))
        return RS_OK;
    all = rs_new(mem, uint64_t, n + 1);
    places = rs_new(mem, uint32_t, n + 1);
    if (!all || !places)
        return no_memory(err);
    for (uint32_t w = 0; w < p->n_lists; w++)
        if (strncmp(p->name[w], begin, len) == 0)
            got += gather(&p->lists[w], piece->upto, all + got, page);
    if (n)
        qsort(all, n, sizeof *all, ascending);
    for (size_t i = 0, k; i < n; i = k) {
        uint32_t doc = (uint32_t)(all[i] >> 32);
        for (k = i; k < n && all[k] >> 32 == doc; k++)
            places[k - i] = (uint32_t)all[k];
        if (!rs_posting_add(&piece->list, doc, p->lengths[doc], places, (uint32_t)(k - i)))
            return no_memory(err);
    }
    piece->upto = p->n_docs;
    return RS_OK;
}

/* ---- Phrases --------------------------------------------------------- */

/* Places that grow as needed, in the query's memory. */
typedef struct { uint32_t *at; size_t n, cap; } places_of;

/* A part: its words one after another. */
typedef struct {
    rs_posting_cursor *words;
    size_t    n_words;
    places_of places;              /* in the document looked at */
} part_of;

static bool add_place(rs_arena *mem, places_of *l, uint32_t place)
{
    void *rows = l->at;

    if (!rs_arena_grow(mem, &rows, &l->cap, l->n, sizeof *l->at))
        return false;
    l->at = rows;
    l->at[l->n++] = place;
    return true;
}

/* Does the word the cursor is at stand at `place`? *k: the first of its places that may. */
static bool stands_at(rs_posting_cursor *c, uint32_t place, uint32_t *k)
{
    while (*k < c->page.count[c->i] && rs_posting_place(&c->page, c->i, *k) < place)
        ++*k;
    return *k < c->page.count[c->i] && rs_posting_place(&c->page, c->i, *k) == place;
}

/* The places of a part in `doc`, which all its words are in; false on OOM. */
static bool read_part(part_of *part, uint32_t *at, rs_arena *mem)
{
    rs_posting_cursor *first = &part->words[0];

    part->places.n = 0;
    memset(at, 0, part->n_words * sizeof *at);
    for (uint32_t k = 0; k < first->page.count[first->i]; k++) {
        uint32_t place = rs_posting_place(&first->page, first->i, k);
        size_t w = 1;
        while (w < part->n_words && stands_at(&part->words[w], place + (uint32_t)w, &at[w]))
            w++;
        if (w == part->n_words && !add_place(mem, &part->places, place))
            return false;
    }
    return true;
}

/* ---- Near each other ------------------------------------------------- */

/* FTS5's reader, which knows the next place too. */
typedef struct { const places_of *l; size_t i; int64_t at, next; } reader;

static const int64_t END = (int64_t)1 << 62;

static bool advance(reader *r)                     /* false at the end */
{
    r->at = r->next;
    r->next = r->i < r->l->n ? (int64_t)r->l->at[r->i++] : END;
    return r->at != END;
}

/* Move all readers to places that are near each other; false where there are none. */
static bool align(reader *r, const part_of *parts, size_t n)
{
    int64_t most = r[0].at;

    for (bool together = false; !together;) {
        together = true;
        for (size_t i = 0; i < n; i++) {
            int64_t least = most - (int64_t)parts[i].n_words - RS_TERM_NEAR;
            if (r[i].at >= least && r[i].at <= most)
                continue;
            together = false;
            while (r[i].at < least)
                if (!advance(&r[i]))
                    return false;
            most = r[i].at > most ? r[i].at : most;
        }
    }
    return true;
}

/* The places of the first part that stand near all others, as FTS5 3.40 finds them
 * (fts5ExprNearIsMatch); false on OOM. */
static bool near_places(const part_of *parts, size_t n, reader *r, places_of *out, rs_arena *mem)
{
    size_t first = 0;

    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        r[i] = (reader){.l = &parts[i].places};
        advance(&r[i]);
        if (!advance(&r[i]))
            return true;
    }
    while (align(r, parts, n)) {
        if (!out->n || r[0].at != (int64_t)out->at[out->n - 1])
            if (!add_place(mem, out, (uint32_t)r[0].at))
                return false;
        first = 0;
        for (size_t i = 1; i < n; i++)
            if (r[i].next < r[first].next)
                first = i;
        if (!advance(&r[first]))
            break;
    }
    return true;
}

/* ---- Making ---------------------------------------------------------- */

/* Everything that one piece is made with. */
typedef struct {
    rs_postings *p;
    rs_piece    *piece;
    part_of     *parts;
    size_t       n_parts;
    rs_posting_cursor *lead;       /* of the rarest word */
    reader      *readers;
    uint32_t    *at;               /* a place number for each word of a part */
    places_of    places;
    rs_arena    *mem;
    rs_err      *err;
} maker;

/* Cursors for the words of a part; *none where a word is in no case. */
static rs_status open_part(maker *m, const rs_term *t, part_of *part, bool *none, bool *can)
{
    part->n_words = t->n;
    part->words = rs_new(m->mem, rs_posting_cursor, t->n);
    if (!part->words)
        return no_memory(m->err);
    for (size_t i = 0; i < t->n && !*none; i++) {
        rs_term one = {.tokens = t->tokens + i, .n = 1, .prefix = t->prefix && i == t->n - 1};
        rs_posting_cursor *c = &part->words[i];
        bool nomem = false;
        rs_status st = rs_postings_piece(m->p, &one, 1, m->mem, can, m->err);
        if (st != RS_OK || !*can)
            return st;
        c->list = rs_postings_list(m->p, &one, 1, m->mem, &nomem);
        if (nomem)
            return no_memory(m->err);
        if (!c->list)
            *none = true;
        else if (!m->lead || c->list->n < m->lead->list->n)
            m->lead = c;
    }
    return RS_OK;
}

static rs_status open_parts(maker *m, const rs_term *terms, bool *none, bool *can)
{
    size_t most = 1;

    m->parts = rs_new(m->mem, part_of, m->n_parts);
    m->readers = rs_new(m->mem, reader, m->n_parts);
    if (!m->parts || !m->readers)
        return no_memory(m->err);
    for (size_t k = 0; k < m->n_parts && !*none && *can; k++) {
        rs_status st = open_part(m, &terms[k], &m->parts[k], none, can);
        if (st != RS_OK)
            return st;
        most = terms[k].n > most ? terms[k].n : most;
    }
    m->at = rs_new(m->mem, uint32_t, most);
    return m->at ? RS_OK : no_memory(m->err);
}

/* `doc` has the rarest word: is the piece in it? */
static rs_status look_at(maker *m, uint32_t doc)
{
    const places_of *found = &m->parts[0].places;

    for (size_t k = 0; k < m->n_parts; k++)
        for (size_t i = 0; i < m->parts[k].n_words; i++)
            if (!rs_posting_goto(&m->parts[k].words[i], doc))
                return RS_OK;
    for (size_t k = 0; k < m->n_parts; k++) {
        if (!read_part(&m->parts[k], m->at, m->mem))
            return no_memory(m->err);
        if (m->parts[k].places.n == 0)
            return RS_OK;
    }
    if (m->n_parts > 1) {
        if (!near_places(m->parts, m->n_parts, m->readers, &m->places, m->mem))
            return no_memory(m->err);
        found = &m->places;
    }
    if (found->n && !rs_posting_add(&m->piece->list, doc, m->p->lengths[doc], found->at,
                                    (uint32_t)found->n))
        return no_memory(m->err);
    return RS_OK;
}

/* The first document of the list from `doc` on; NO_DOC if none. */
static uint32_t document_from(rs_posting_cursor *c, uint32_t doc)
{
    size_t part;

    if (rs_posting_goto(c, doc))
        return doc;
    part = rs_posting_seek(c->list, doc);
    if (part == rs_posting_parts(c->list))
        return NO_DOC;
    if (rs_posting_part(c->list, part)->first > doc)
        return rs_posting_part(c->list, part)->first;
    return c->page.doc[c->i];                    /* goto has read this part */
}

static rs_status make(maker *m)
{
    uint32_t doc = m->piece->upto;
    rs_status st = RS_OK;

    for (size_t n = 0; (doc = document_from(m->lead, doc)) != NO_DOC; doc++, n++) {
        if (n % BETWEEN_CHECKS == 0 && (st = rs_db_in_time(m->p->db, m->err)) != RS_OK)
            return st;
        if ((st = look_at(m, doc)) != RS_OK)
            return st;
        m->piece->upto = doc + 1;
    }
    m->piece->upto = m->p->n_docs;
    return RS_OK;
}

/* Phrases and words near each other. */
static rs_status add_standing(rs_postings *p, rs_piece *piece, const rs_term *terms,
                              size_t parts, rs_arena *mem, bool *can, rs_err *err)
{
    maker m = {.p = p, .piece = piece, .n_parts = parts, .mem = mem, .err = err};
    bool none = false;
    rs_status st = open_parts(&m, terms, &none, can);

    if (st != RS_OK || !*can)
        return st;
    if (!none)
        return make(&m);
    piece->upto = p->n_docs;
    return RS_OK;
}

rs_status rs_postings_piece(rs_postings *p, const rs_term *terms, size_t parts, rs_arena *mem,
                            bool *can, rs_err *err)
{
    rs_status st = RS_OK;
    rs_piece *piece;
    char *name;

    *can = true;
    if (is_word(terms, parts))
        return RS_OK;
    if (!(name = name_of(terms, parts, mem)) ||
        (!(piece = known_piece(p, name)) && !(piece = new_piece(p, name))))
        return no_memory(err);
    if (piece->upto < p->n_docs && !piece->too_large)
        st = parts == 1 && terms->n == 1 && terms->prefix
           ? add_begun(p, piece, terms->tokens[0], mem, err)
           : add_standing(p, piece, terms, parts, mem, can, err);
    if (st == RS_ENOMEM) {                       /* it may be half written */
        rs_posting_clear(&piece->list);
        piece->upto = 0;
    }
    *can = *can && !piece->too_large;
    return st;
}

/* Pieces are kept while they take less than the words themselves, near enough. */
static bool too_many_pieces(const rs_postings *p)
{
    enum { LEAST_BYTES = 64 << 20 };
    size_t bytes;

    if (p->n_pieces < MAX_PIECES / 4)
        return false;
    bytes = rs_postings_piece_bytes(p);
    return p->n_pieces > MAX_PIECES || bytes > LEAST_BYTES + p->live_tokens * 2;
}

rs_status rs_postings_can(rs_postings *p, const rs_text_query *q, rs_arena *mem, bool *can,
                          rs_err *err)
{
    rs_status st = RS_OK;

    *can = true;
    if (too_many_pieces(p))
        rs_postings_forget_pieces(p);
    for (size_t k = 0, parts; st == RS_OK && *can && k < q->n; k += parts) {
        parts = rs_postings_parts(q->terms, q->n, k);
        st = rs_postings_piece(p, &q->terms[k], parts, mem, can, err);
    }
    return st;
}

/* ---- Counting -------------------------------------------------------- */

uint16_t rs_postings_columns(const double weight[RS_TEXT_COUNT])
{
    unsigned columns = 0;

    for (int i = 0; i < RS_TEXT_COUNT; i++)
        columns |= (unsigned)(weight[i] > 0) << i;
    return (uint16_t)columns;
}

static void set_bits(const rs_posting_list *l, uint16_t columns, uint64_t *bits,
                     rs_posting_page *page)
{
    for (size_t part = 0; part < rs_posting_parts(l); part++) {
        if (!(rs_posting_part(l, part)->columns & columns))
            continue;
        rs_posting_read(l, part, page);
        for (uint32_t i = 0; i < page->n; i++)
            if (page->columns[i] & columns)
                rs_bit_set(bits, page->doc[i]);
    }
}

/* Into `bits` all documents that have, in `columns`, a term of group g of those with the
 * flag asked for (0: any, 1: own, 2: core). */
static rs_status union_of(rs_postings *p, const rs_term *terms, size_t n, size_t g, int flag,
                          uint16_t columns, uint64_t *bits, rs_arena *mem, rs_err *err)
{
    rs_posting_page *page = rs_new(mem, rs_posting_page, 1);

    if (!page)
        return no_memory(err);
    for (size_t k = 0, parts; k < n; k += parts) {
        const rs_term *t = &terms[k];
        const rs_posting_list *l;
        bool nomem;
        parts = rs_postings_parts(terms, n, k);
        if (t->group != g || (flag == 1 && !t->own) || (flag == 2 && !t->core))
            continue;
        l = rs_postings_list(p, t, parts, mem, &nomem);
        if (nomem)
            return no_memory(err);
        if (l)
            set_bits(l, columns, bits, page);
    }
    return RS_OK;
}

/* Bits of documents that live. */
static size_t count_live(const rs_postings *p, const uint64_t *bits)
{
    size_t n = 0;

    for (size_t i = 0; i < ((size_t)p->n_docs + 63) / 64; i++)
        n += (size_t)__builtin_popcountll(bits[i] & ~p->dead[i]);
    return n;
}

/* Is the group one word that is looked for wherever it stands? Then its list knows. */
static const rs_posting_list *whole_word(const rs_postings *p, const rs_text_query *q, size_t g,
                                         uint16_t columns)
{
    const rs_term *only = NULL;
    size_t n = 0;

    for (size_t k = 0; k < q->n; k++)
        if (q->terms[k].group == g) {
            only = &q->terms[k];
            n++;
        }
    return n == 1 && is_word(only, 1) && only->own && p->n_dead == 0 &&
           columns == (1u << RS_TEXT_COUNT) - 1 ? rs_postings_word(p, only->tokens[0]) : NULL;
}

/* Counts are of a state of the documents. */
static void counts_of_now(rs_postings *p)
{
    enum { MAX_COUNTS = 4096 };

    if (p->counts_docs != p->n_docs || p->counts_dead != p->n_dead || p->counts.n > MAX_COUNTS) {
        rs_arena_clear(&p->counts_mem);
        p->counts = (rs_strmap){0};
        p->counts_docs = p->n_docs;
        p->counts_dead = p->n_dead;
    }
    p->counts.mem = &p->counts_mem;
}

rs_status rs_postings_count(rs_postings *p, const rs_text_query *q, size_t g, bool own,
                            rs_arena *mem, size_t *out, rs_err *err)
{
    const rs_term_group *group = &q->groups[g];
    const char *match = own ? group->own : group->core;
    int flag = own ? 1 : match == group->match ? 0 : 2;
    const uint16_t columns = rs_postings_columns(group->weight);
    const rs_posting_list *word;
    uint64_t *bits;
    uint32_t known;
    rs_status st;
    char *key;

    *out = 0;
    if (!match)
        return RS_OK;
    if ((word = whole_word(p, q, g, columns))) {
        *out = word->n;
        return RS_OK;
    }
    counts_of_now(p);
    if (rs_strmap_get(&p->counts, match, &known)) {
        *out = known;
        return RS_OK;
    }
    if (!(bits = rs_new(mem, uint64_t, (size_t)p->n_docs / 64 + 1)))
        return no_memory(err);
    st = union_of(p, q->terms, q->n, g, flag, columns, bits, mem, err);
    if (st != RS_OK)
        return st;
    *out = count_live(p, bits);
    key = rs_arena_strdup(&p->counts_mem, match);
    if (!key || !rs_strmap_put(&p->counts, key, (uint32_t)*out))
        return no_memory(err);
    return RS_OK;
}
