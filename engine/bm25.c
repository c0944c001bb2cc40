/* bm25.c - see bm25.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/bm25.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double K1 = RS_BM25_K1, LEAST_IDF = 1e-6;
enum { MAX_PLACES = 24, NEAR_TOKENS = 10 };

/* ---- Lengths --------------------------------------------------------- */

static void forget(rs_lengths *l)
{
    rs_free(l->ids);
    rs_free(l->tokens);
    rs_arena_clear(&l->mem);
    *l = (rs_lengths){0};
}

void rs_lengths_clear(rs_lengths *l) { forget(l); }

/* FTS5 keeps a row's length as one varint a column, seven bits a byte, high ones first. */
static uint32_t total_of(const unsigned char *p, size_t len)
{
    uint64_t sum = 0, v = 0;

    for (size_t i = 0; i < len; i++) {
        v = v << 7 | (p[i] & 0x7f);
        if (p[i] & 0x80)
            continue;
        sum += v;
        v = 0;
    }
    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static rs_status add_row(rs_lengths *l, size_t *cap, int64_t id, uint32_t tokens, rs_err *err)
{
    if (l->n == *cap) {
        size_t want = *cap ? 2 * *cap : 1024;
        int64_t *ids = rs_realloc(l->ids, want, sizeof *ids);
        uint32_t *lengths;
        if (ids)
            l->ids = ids;
        lengths = ids ? rs_realloc(l->tokens, want, sizeof *lengths) : NULL;
        if (!lengths)
            return rs_fail(err, RS_ENOMEM, "text index: no memory for %zu lengths", want);
        l->tokens = lengths;
        *cap = want;
    }
    l->ids[l->n] = id;
    l->tokens[l->n++] = tokens;
    return RS_OK;
}

static rs_status read_lengths(rs_lengths *l, rs_db *db, rs_err *err)
{
    rs_stmt s = rs_db_use(db, "SELECT id, sz FROM case_fts_docsize ORDER BY id", err);
    double sum = 0;
    size_t cap = 0, len;

    while (rs_step(&s)) {
        const void *bytes = rs_col_blob(&s, 1, &len);
        uint32_t tokens = bytes ? total_of(bytes, len) : 0;
        rs_status st = add_row(l, &cap, rs_col_int(&s, 0), tokens, err);
        if (st != RS_OK)
            s.status = st;
        sum += tokens;
    }
    l->mean = l->n && sum > 0 ? sum / (double)l->n : 1;
    if (l->n && l->ids[0] == 1 && l->ids[l->n - 1] == (int64_t)l->n) {
        rs_free(l->ids);
        l->ids = NULL;
    }
    return rs_done(&s);
}

rs_status rs_lengths_refresh(rs_lengths *l, rs_db *db, rs_err *err)
{
    int64_t changes = sqlite3_total_changes64(rs_db_handle(db)), version = -1;
    rs_stmt s = rs_db_use(db, "PRAGMA data_version", err);
    rs_status st;

    if (rs_step(&s))
        version = rs_col_int(&s, 0);
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    if (l->known && l->data_version == version && l->changes == changes)
        return RS_OK;
    forget(l);
    if ((st = read_lengths(l, db, err)) != RS_OK) {
        forget(l);
        return st;
    }
    l->counts.mem = NULL;
    l->data_version = version;
    l->changes = changes;
    l->known = true;
    return RS_OK;
}

/* 0 for a row that is not there, which FTS5 would not rank. */
static uint32_t length_of(const rs_lengths *l, int64_t id)
{
    size_t low = 0, high = l->n;

    if (!l->ids)
        return id >= 1 && (uint64_t)id <= l->n ? l->tokens[id - 1] : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->n && l->ids[low] == id ? l->tokens[low] : 0;
}

rs_status rs_lengths_count(rs_lengths *l, rs_db *db, const char *match, size_t *out, rs_err *err)
{
    enum { MAX_COUNTS = 4096 };
    uint32_t known;
    rs_status st;
    rs_stmt s;
    char *key;

    if (l->counts.n >= MAX_COUNTS) {
        rs_arena_clear(&l->mem);
        l->counts = (rs_strmap){0};
    }
    l->counts.mem = &l->mem;
    if (rs_strmap_get(&l->counts, match, &known)) {
        *out = known;
        return RS_OK;
    }
    *out = 0;
    s = rs_db_use(db, "SELECT count(*) FROM case_fts WHERE case_fts MATCH ?1", err);
    rs_bind_text(&s, 1, match);
    if (rs_step(&s))
        *out = (size_t)rs_col_int(&s, 0);
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    key = rs_arena_strdup(&l->mem, match);
    if (!key || !rs_strmap_put(&l->counts, key, (uint32_t)*out))
        return rs_fail(err, RS_ENOMEM, "text index: no memory");
    return RS_OK;
}

double rs_bm25_idf(size_t rows, size_t with)
{
    double idf = log(((double)rows - (double)with + 0.5) / ((double)with + 0.5));

    return idf > LEAST_IDF ? idf : LEAST_IDF;
}

/* ---- One row --------------------------------------------------------- */

/* What a group has in the row being scored. */
struct rs_bm25_count { double own, all, best; };

/* Where a group's phrases stand in the row being scored: the first few. */
struct rs_bm25_place {
    size_t n;
    struct { int column, offset; double weight; } at[MAX_PLACES];
};

bool rs_bm25_room(rs_bm25_plan *p, rs_arena *mem)
{
    p->counts = rs_new(mem, struct rs_bm25_count, p->n_groups + 1);
    p->places = p->near > 0 ? rs_new(mem, struct rs_bm25_place, p->n_groups + 1) : NULL;
    return p->counts && (p->places || !(p->near > 0));
}

void rs_bm25_begin(const rs_bm25_plan *p)
{
    for (size_t g = 0; g < p->n_groups; g++) {
        p->counts[g] = (struct rs_bm25_count){0};
        if (p->places)
            p->places[g].n = 0;
    }
}

void rs_bm25_at(const rs_bm25_plan *p, size_t phrase, int column, int offset)
{
    const rs_bm25_phrase *f = &p->phrases[phrase];
    struct rs_bm25_place *places = p->places ? &p->places[f->group] : NULL;
    struct rs_bm25_count *count = &p->counts[f->group];
    double of_column = column < RS_BM25_MAX_COLUMNS ? p->groups[f->group].column[column] : 0;
    double weight = f->weight * of_column;

    if (f->own)
        count->own += of_column;
    count->all += weight;
    if (weight > 0 && f->weight > count->best)
        count->best = f->weight;
    if (!places || places->n == MAX_PLACES)
        return;
    places->at[places->n].column = column;
    places->at[places->n].offset = offset;
    places->at[places->n++].weight = weight;
}

/* How near two groups stand: the best over their places. */
static double nearness(const struct rs_bm25_place *a, const struct rs_bm25_place *b)
{
    double best = 0;

    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++) {
            int d = abs(a->at[i].offset - b->at[k].offset);
            double weight = a->at[i].weight < b->at[k].weight ? a->at[i].weight : b->at[k].weight;
            if (a->at[i].column != b->at[k].column || d > NEAR_TOKENS)
                continue;
            weight /= d > 1 ? d : 1;
            best = weight > best ? weight : best;
        }
    return best;
}

static double saturated(double tf, double norm) { return tf * (K1 + 1) / (tf + norm); }

double rs_bm25_score(const rs_bm25_plan *p, uint32_t length)
{
    double norm = K1 * (1 - p->b + p->b * length / p->mean), score = 0;

    for (size_t g = 0; g < p->n_groups; g++) {
        const struct rs_bm25_count *c = &p->counts[g];
        score += p->groups[g].idf * saturated(c->own, norm);
        if (p->wider > 0 && c->best > 0)
            score += p->wider * p->groups[g].wider_idf * c->best *
                     saturated(c->all / c->best, norm);
    }
    if (!p->places)
        return score;
    for (size_t g = 0; g < p->n_groups; g++)
        for (size_t h = g + 1; p->places[g].n && h < p->n_groups; h++)
            if (p->places[h].n)
                score += p->near * (p->groups[g].wider_idf + p->groups[h].wider_idf) / 2 *
                         nearness(&p->places[g], &p->places[h]);
    return score;
}

/* Is the phrase in the row, and each further part of it? Where the parts do not stand near
 * each other FTS5 may leave places of the first ones behind. */
static int is_whole(const rs_bm25_plan *p, const Fts5ExtensionApi *api, Fts5Context *fts,
                    size_t phrase, bool *whole)
{
    Fts5PhraseIter at;
    int column = 0, offset, rc = SQLITE_OK;

    for (size_t k = phrase + 1; column >= 0 && rc == SQLITE_OK && k < p->n_phrases &&
                                !(p->phrases[k].weight > 0); k++)
        rc = api->xPhraseFirst(fts, (int)k, &at, &column, &offset);
    *whole = column >= 0;
    return rc;
}

static int count_phrase(const rs_bm25_plan *p, const Fts5ExtensionApi *api, Fts5Context *fts,
                        size_t phrase)
{
    Fts5PhraseIter at;
    int column, offset, rc;
    bool whole;

    rc = api->xPhraseFirst(fts, (int)phrase, &at, &column, &offset);
    if (rc != SQLITE_OK || column < 0 ||
        (rc = is_whole(p, api, fts, phrase, &whole)) != SQLITE_OK || !whole)
        return rc;
    for (; column >= 0; api->xPhraseNext(fts, &at, &column, &offset))
        rs_bm25_at(p, phrase, column, offset);
    return rc;
}

static void rank_row(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
                     int n_args, sqlite3_value **args)
{
    const rs_bm25_plan *p = n_args == 1 ? sqlite3_value_pointer(args[0], RS_BM25_POINTER) : NULL;
    int phrases = api->xPhraseCount(fts), rc = SQLITE_OK;

    if (!p || phrases < 0 || (size_t)phrases != p->n_phrases) {
        sqlite3_result_error(context, "rs_bm25: not the plan of this query", -1);
        return;
    }
    if (p->only && !rs_restriction_passes(p->only, api->xRowid(fts)))
        return;
    rs_bm25_begin(p);
    for (size_t i = 0; rc == SQLITE_OK && i < p->n_phrases; i++)
        if (p->phrases[i].weight > 0)
            rc = count_phrase(p, api, fts, i);
    if (rc != SQLITE_OK)
        sqlite3_result_error_code(context, rc);
    else
        sqlite3_result_double(context, rs_bm25_score(p, length_of(p->lengths, api->xRowid(fts))));
}

rs_status rs_bm25_register(rs_db *db, rs_err *err)
{
    fts5_api *api = rs_db_fts5(rs_db_handle(db), err);
    int rc;

    if (!api)
        return RS_EFORMAT;
    rc = api->xCreateFunction(api, "rs_bm25", NULL, rank_row, NULL);
    return rc == SQLITE_OK ? RS_OK : rs_db_fail(db, rc, "rs_bm25", err);
}
