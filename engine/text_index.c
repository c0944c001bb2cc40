/* text_index.c - rows, rankings and marks; see text_index.h. Queries are compiled in
 * text_query.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/text_index_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What standing near each other is worth to two groups of a query that was read. */
static const double NEAR = 5;
/* A long report that was read is one of many findings, not of many words. */
static const double READ_B = 0.5;
/* What all names of a thing are worth beside the one that was asked for. */
static const double WIDER = 0.8;
/* Posting lists are made for an archive of so many cases, once so many queries were asked;
 * each then gives as long as FTS5 took for it, which is at most twice the time in all. */
enum { MANY_CASES = 2000, FREE_QUERIES = 4 };
/* How long a query may wait for them to take in what is new, before FTS5 is asked. */
static const double CATCH_UP_S = 0.05;

const char *rs_text_column_name(rs_text_column c)
{
    static const char *const names[] = {
#define RS_TEXT_NAME(name, text, weight) text,
        RS_TEXT_COLUMNS(RS_TEXT_NAME)
#undef RS_TEXT_NAME
    };
    return (unsigned)c < RS_TEXT_COUNT ? names[c] : "?";
}

rs_status rs_text_index_new(rs_text_index **out, rs_db *db, rs_case_keys *keys,
                            const rs_lexicon *lexicon, rs_err *err)
{
    rs_text_index *t = rs_calloc(1, sizeof *t);
    rs_status st;

    *out = NULL;
    if (!t)
        return rs_fail(err, RS_ENOMEM, "text index: no memory");
    t->db = db;
    t->keys = keys;
    t->lexicon = lexicon;
    if ((st = rs_tokens_new(&t->tokens, err)) != RS_OK ||
        (st = rs_bm25_register(db, err)) != RS_OK ||
        (st = rs_postings_new(&t->postings, db, t->tokens, err)) != RS_OK) {
        rs_text_index_free(t);
        return st;
    }
    *out = t;
    return RS_OK;
}

void rs_text_index_free(rs_text_index *t)
{
    if (!t)
        return;
    rs_postings_free(t->postings);
    rs_tokens_free(t->tokens);
    rs_lengths_clear(&t->lengths);
    rs_free(t);
}

void rs_text_index_use(rs_text_index *t, const rs_lexicon *lexicon) { t->lexicon = lexicon; }

void rs_text_index_mode(rs_text_index *t, rs_text_mode mode) { t->mode = mode; }

rs_status rs_text_index_prepare(rs_text_index *t, rs_err *err)
{
    bool current;

    return rs_postings_follow(t->postings, INFINITY, &current, err);
}

/* ---- Rows ------------------------------------------------------------ */

rs_status rs_text_index_put(rs_text_index *t, int64_t case_id,
                            const char *const text[RS_TEXT_COUNT], rs_err *err)
{
    rs_stmt s = rs_db_use(t->db,
        "INSERT INTO case_fts(rowid, title, findings, impression, uncertain, negated, normal,"
        " history, other, labels) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", err);

    _Static_assert(RS_TEXT_COUNT == 9, "as in the statement");
    rs_bind_int(&s, 1, case_id);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        rs_bind_text(&s, i + 2, text[i]);
    return rs_run(&s);
}

rs_status rs_text_index_remove(rs_text_index *t, int64_t case_id, rs_err *err)
{
    rs_stmt s = rs_db_use(t->db, "DELETE FROM case_fts WHERE rowid = ?1", err);

    rs_bind_int(&s, 1, case_id);
    return rs_run(&s);
}

/* ---- Ranking --------------------------------------------------------- */

/* How rare a group is, of whose names `own` cases have one that was asked for, `core` one
 * that is quite the same. What the archive has only under other names is as rare as these,
 * and these are then as good as the thing itself. */
static void plan_group(rs_bm25_group *out, size_t cases, size_t own, size_t core)
{
    out->idf = rs_bm25_idf(cases, own);
    out->wider_idf = rs_bm25_idf(cases, core);
    if (own == 0)
        out->wider_idf *= (1 + WIDER) / WIDER;
}

/* How many cases have the group, by posting lists or by FTS5. */
static rs_status count_group(rs_text_index *t, const rs_text_query *q, size_t g, bool memory,
                             rs_arena *mem, size_t *own, size_t *core, rs_err *err)
{
    const rs_term_group *group = &q->groups[g];
    rs_status st = RS_OK;

    *own = *core = 0;
    if (memory) {
        st = rs_postings_count(t->postings, q, g, true, mem, own, err);
        if (st == RS_OK && q->read)
            st = rs_postings_count(t->postings, q, g, false, mem, core, err);
        return st;
    }
    if (group->own)
        st = rs_lengths_count(&t->lengths, t->db, group->own, own, err);
    if (st == RS_OK && q->read)
        st = rs_lengths_count(&t->lengths, t->db, group->core, core, err);
    return st;
}

/* What rs_bm25() is to know of the query; `memory`: for posting lists. */
static rs_status make_plan(rs_text_index *t, const rs_text_query *q,
                           const double weights[RS_TEXT_COUNT], bool memory, rs_arena *mem,
                           rs_bm25_plan *p, rs_err *err)
{
    rs_bm25_phrase *phrases = rs_new(mem, rs_bm25_phrase, q->n);
    rs_bm25_group *groups = rs_new(mem, rs_bm25_group, q->n_groups);
    rs_status st = memory ? RS_OK : rs_lengths_refresh(&t->lengths, t->db, err);
    size_t own, core, cases = memory ? rs_postings_cases(t->postings) : t->lengths.n;

    *p = (rs_bm25_plan){.lengths = &t->lengths, .phrases = phrases, .n_phrases = q->n,
                        .mean = memory ? rs_postings_mean(t->postings) : t->lengths.mean,
                        .groups = groups, .n_groups = q->n_groups,
                        .b = q->read ? READ_B : RS_BM25_B,
                        .wider = q->read ? WIDER : 0,
                        .near = q->read && q->n_groups > 1 ? NEAR : 0};
    if (st != RS_OK)
        return st;
    if (!phrases || !groups || !rs_bm25_room(p, mem))
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; i < q->n; i++)
        phrases[i] = (rs_bm25_phrase){q->terms[i].group, q->terms[i].weight, q->terms[i].own};
    for (size_t g = 0; st == RS_OK && g < q->n_groups; g++) {
        st = count_group(t, q, g, memory, mem, &own, &core, err);
        plan_group(&groups[g], cases, own, core);
        memcpy(groups[g].column, weights ? weights : q->groups[g].weight,
               RS_TEXT_COUNT * sizeof *weights);
    }
    return st;
}

static int better_first(const void *a, const void *b)
{
    const rs_ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(x->key, y->key);
}

/* The best rows with their keys, best first, equal scores by key. */
static rs_status read_keys(rs_text_index *t, const rs_top *top, rs_arena *mem, rs_ranked **out,
                           size_t *n, rs_err *err)
{
    rs_ranked *rows = rs_new(mem, rs_ranked, top->n + 1);
    rs_status st = rows ? RS_OK : rs_fail(err, RS_ENOMEM, "query: no memory");

    for (size_t i = 0; st == RS_OK && i < top->n; i++) {
        rows[i] = (rs_ranked){top->rows[i].id, NULL, top->rows[i].score, 0};
        st = rs_case_keys_get(t->keys, rows[i].case_id, mem, &rows[i].key, err);
        if (st == RS_OK && !rows[i].key)
            st = rs_fail(err, RS_ECORRUPT, "%s: words of case %lld, which is not there",
                         rs_db_path(t->db), (long long)rows[i].case_id);
    }
    if (st != RS_OK)
        return st;
    if (top->n)
        qsort(rows, top->n, sizeof *rows, better_first);
    *out = rows;
    *n = top->n < top->limit ? top->n : top->limit;
    return RS_OK;
}

static rs_status rank_by_fts5(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                              const double *weights, rs_top *top, rs_arena *mem, rs_err *err)
{
    rs_bm25_plan plan;
    rs_status st = make_plan(t, q, weights, false, mem, &plan, err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    plan.only = r;
    s = rs_db_use(t->db, "SELECT rowid, rs_bm25(case_fts, ?2) FROM case_fts"
                  " WHERE case_fts MATCH ?1", err);
    rs_bind_text(&s, 1, q->match);
    rs_bind_pointer(&s, 2, &plan, RS_BM25_POINTER);
    while (rs_step(&s))
        if (!rs_col_null(&s, 1) && !rs_top_add(top, rs_col_real(&s, 1), rs_col_int(&s, 0))) {
            rs_stmt_nomem(&s);
            break;
        }
    return rs_done(&s);
}

/* Can posting lists say as much? */
static bool fits_memory(const rs_text_index *t, const double *weights)
{
    if (t->mode == RS_TEXT_FTS5 || rs_db_writing(t->db))
        return false;
    for (int i = 0; weights && i < RS_TEXT_COUNT; i++)
        if (!(weights[i] > 0) || !isfinite(weights[i]))
            return false;
    return true;
}

/* Brings posting lists up to date with the catalog and the query; *ready is false where they
 * are not there, or it would take too long. */
static rs_status ready_memory(rs_text_index *t, const rs_text_query *q, rs_arena *mem,
                              bool *ready, rs_err *err)
{
    double wait_s = t->mode == RS_TEXT_MEMORY ? INFINITY : CATCH_UP_S;
    rs_status st = RS_OK;

    *ready = t->mode == RS_TEXT_MEMORY ||
             (t->mode == RS_TEXT_AUTO && rs_postings_ready(t->postings));
    if (*ready)
        st = rs_postings_follow(t->postings, wait_s, ready, err);
    if (st != RS_OK && st != RS_ECANCEL) {
        *ready = false;                          /* let FTS5 say what is wrong, if it finds it */
        st = RS_OK;
    }
    return st == RS_OK && *ready ? rs_postings_can(t->postings, q, mem, ready, err) : st;
}

/* *done is false where FTS5 is to be asked. */
static rs_status rank_by_memory(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                                const double *weights, rs_top *top, rs_arena *mem, bool *done,
                                rs_err *err)
{
    const rs_postings_scope scope = {.left_out = r->left_out, .n_left_out = r->n_left_out,
                                     .pass = r->cases, .n_pass = r->cap};
    rs_bm25_plan plan;
    rs_status st = ready_memory(t, q, mem, done, err);

    if (st != RS_OK || !*done)
        return st;
    if ((st = make_plan(t, q, weights, true, mem, &plan, err)) == RS_OK)
        st = rs_postings_rank(t->postings, q, &plan, &scope, top, mem, err);
    return st;
}

/* What FTS5 took for a query goes into the posting lists, until they are there. The query
 * has its answer: that they cannot be made now is no failure of it. */
static void make_some(rs_text_index *t, double took_s)
{
    bool current;

    if (t->mode == RS_TEXT_AUTO && t->lengths.n >= MANY_CASES && t->n_ranked++ >= FREE_QUERIES)
        (void)rs_postings_follow(t->postings, took_s, &current, NULL);
}

static rs_status rank(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                      const double *weights, rs_top *top, rs_arena *mem, rs_err *err)
{
    bool fits = fits_memory(t, weights), done = false;
    double start;
    rs_status st = RS_OK;

    if (fits)
        st = rank_by_memory(t, q, r, weights, top, mem, &done, err);
    if (st != RS_OK || (t->by_memory = done))
        return st;
    start = rs_now_s();
    st = rank_by_fts5(t, q, r, weights, top, mem, err);
    if (st == RS_OK && fits)
        make_some(t, rs_now_s() - start);
    return st;
}

rs_status rs_text_index_rank(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                             const double weights[RS_TEXT_COUNT], size_t limit, rs_arena *mem,
                             rs_ranked **out, size_t *n, rs_err *err)
{
    rs_top top = {.mem = mem, .limit = limit};
    rs_status st;

    *out = NULL;
    *n = 0;
    t->by_memory = false;
    if (!q->match || limit == 0)
        return RS_OK;
    if ((st = rs_db_read_begin(t->db, err)) != RS_OK)
        return st;
    st = rank(t, q, r, weights, &top, mem, err);
    rs_top_end(&top);
    if (st == RS_OK)
        st = read_keys(t, &top, mem, out, n, err);
    rs_db_read_end(t->db);
    return st;
}

rs_status rs_text_query_worth(rs_text_index *t, const rs_text_query *q, double *out, rs_err *err)
{
    rs_arena mem = {0};
    bool memory;
    rs_status st = ready_memory(t, q, &mem, &memory, err);
    size_t own, core;

    *out = 0;
    if (st == RS_OK && !memory)
        st = rs_lengths_refresh(&t->lengths, t->db, err);
    for (size_t g = 0; st == RS_OK && g < q->n_groups; g++) {
        st = count_group(t, q, g, memory, &mem, &own, &core, err);
        *out += rs_bm25_idf(memory ? rs_postings_cases(t->postings) : t->lengths.n,
                            own ? own : core);
    }
    rs_arena_clear(&mem);
    return st;
}

/* ---- Marking --------------------------------------------------------- */

/* Does `term` stand at tokens[0..n)? */
static bool term_at(const rs_term *term, const rs_token *tokens, size_t n)
{
    if (term->n > n)
        return false;
    for (size_t i = 0; i < term->n; i++) {
        bool part = term->prefix && i == term->n - 1;
        if (part ? strncmp(tokens[i].text, term->tokens[i], strlen(term->tokens[i])) != 0
                 : strcmp(tokens[i].text, term->tokens[i]) != 0)
            return false;
    }
    return true;
}

/* How many terms from k on are the parts of one. */
static size_t parts_of(const rs_text_query *q, size_t k)
{
    size_t n = 1;

    while (k + n < q->n && !(q->terms[k + n].weight > 0))
        n++;
    return n;
}

/* Does `part` stand within reach of tokens[i], which another part of its term is at? */
static bool stands_near(const rs_term *part, const rs_token *tokens, size_t n, size_t i)
{
    enum { REACH = 8 };
    size_t from = i > REACH ? i - REACH : 0, to = i + REACH < n ? i + REACH : n;

    for (size_t k = from; k < to; k++)
        if (term_at(part, tokens + k, n - k))
            return true;
    return false;
}

/* The longest term at tokens[i], as a number of tokens; 0: none. Notes its group. */
static size_t longest_at(const rs_text_query *q, const rs_token *tokens, size_t n, size_t i,
                         bool seen[RS_QUERY_MAX_TERMS], size_t *distinct)
{
    size_t longest = 0;

    for (size_t k = 0, parts; k < q->n; k += parts) {
        parts = parts_of(q, k);
        for (size_t p = k; p < k + parts; p++) {
            bool all = term_at(&q->terms[p], tokens + i, n - i);
            for (size_t o = k; all && o < k + parts; o++)
                all = o == p || stands_near(&q->terms[o], tokens, n, i);
            if (!all)
                continue;
            *distinct += !seen[q->terms[p].group];
            seen[q->terms[p].group] = true;
            longest = q->terms[p].n > longest ? q->terms[p].n : longest;
        }
    }
    return longest;
}

rs_status rs_text_query_spans(rs_text_index *t, const rs_text_query *q, const char *text,
                              rs_arena *mem, rs_span **spans, size_t *n, size_t *distinct,
                              rs_err *err)
{
    bool seen[RS_QUERY_MAX_TERMS] = {false};
    rs_token *tokens;
    size_t count;
    rs_status st = rs_tokens_cut(t->tokens, text, strlen(text), mem, &tokens, &count, err);

    *spans = NULL;
    *n = *distinct = 0;
    if (st != RS_OK || count == 0)
        return st;
    *spans = rs_new(mem, rs_span, count);       /* at most one begins at each token */
    if (!*spans)
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; i < count; i++) {
        size_t len = longest_at(q, tokens, count, i, seen, distinct);
        rs_span *last = *n ? &(*spans)[*n - 1] : NULL;
        if (!len)
            continue;
        if (last && tokens[i].begin < last->end) {
            if (tokens[i + len - 1].end > last->end)
                last->end = tokens[i + len - 1].end;
        } else {
            (*spans)[(*n)++] = (rs_span){tokens[i].begin, tokens[i + len - 1].end};
        }
    }
    return RS_OK;
}
