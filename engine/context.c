/* context.c - hits to numbered evidence: how many cases, which of their sentences, in what
 * order. See context.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/context_int.h"

#include "engine/clean.h"

#include <math.h>
#include <string.h>

/* A sentence that stands in the context already; what a rank costs; how much of a contrast
 * is shown; examples, and what of the budget they may take. */
#define SAID_ALREADY 0.8
#define RANK_COST 0.1
enum { CONTRAST_SENTENCES = 3, MOST_EXAMPLES = 4, EXAMPLE_SHARE = 4, LEAST_BUDGET = 64 };

typedef struct {
    rs_search_state s;
    const rs_query *q;
    const rs_result *r;
    const rs_context_options *o;
    rs_context_case *cases;            /* [n], contrasts last */
    size_t n, n_hits;
    rs_context *out;
} maker;

static rs_status no_memory(const maker *m)
{
    return rs_fail(m->s.err, RS_ENOMEM, "context: no memory");
}

rs_context_options rs_context_defaults(void)
{
    return (rs_context_options){.budget = RS_CONTEXT_BUDGET, .max_cases = 8};
}

static rs_status check(const rs_context_options *o, rs_err *err)
{
    if (o->max_cases < 1 || o->max_cases > RS_CONTEXT_MAX)
        return rs_fail(err, RS_EARG, "context: %zu cases, wanted 1 to %d", o->max_cases,
                       RS_CONTEXT_MAX);
    if (o->budget < LEAST_BUDGET || o->budget > 1000000)
        return rs_fail(err, RS_EARG, "context: a budget of %zu tokens, wanted %d to 1000000",
                       o->budget, LEAST_BUDGET);
    if (o->examples > MOST_EXAMPLES)
        return rs_fail(err, RS_EARG, "context: %zu examples, wanted at most %d", o->examples,
                       MOST_EXAMPLES);
    return RS_OK;
}

/* ---- How many cases -------------------------------------------------- */

/* Hits that count, by score and verdict alone. */
static size_t count_hits(const rs_result *r, size_t most, const char **end)
{
    size_t n = r->n;

    *end = "hits";
    for (size_t i = 1; i < n; i++) {
        if (r->hits[i].score < RS_CONTEXT_FLOOR * r->hits[0].score ||
            (i > 1 && r->hits[i].score < RS_CONTEXT_DROP * r->hits[i - 1].score)) {
            n = i;
            *end = "score";
        }
    }
    if (r->verdict.kind == RS_VERDICT_NOTHING && n > RS_CONTEXT_NOTHING) {
        n = RS_CONTEXT_NOTHING;
        *end = "verdict";
    }
    if (n > most) {
        n = most;
        *end = "most";
    }
    return n;
}

/* The better case that has nearly the same report, or NULL. */
static rs_context_case *twin_of(const maker *m, const rs_context_case *c)
{
    for (size_t i = 0; i < m->n; i++)
        if (rs_shingles_jaccard(&m->cases[i].whole, &c->whole) >= RS_CONTEXT_SAME)
            return &m->cases[i];
    return NULL;
}

static rs_status fold(const maker *m, rs_context_case *into, const char *key)
{
    rs_context_item *item = &into->item;
    const char **keys = rs_new(m->s.mem, const char *, item->n_folded + 1);

    if (!keys)
        return no_memory(m);
    for (size_t i = 0; i < item->n_folded; i++)
        keys[i] = item->folded[i];
    keys[item->n_folded++] = key;
    item->folded = keys;
    return RS_OK;
}

/* The keys that the search folded into the hit. */
static rs_status take_folded(const maker *m, const rs_hit *h, rs_context_case *c)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < h->n_folded; i++) {
        const char *key = rs_clean_line(h->folded[i].key, strlen(h->folded[i].key), NULL, m->s.mem);
        st = key ? fold(m, c, key) : no_memory(m);
    }
    return st;
}

static rs_status read_hits(maker *m)
{
    size_t n = count_hits(m->r, m->r->n, &m->out->end);
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        rs_context_case c = {0}, *twin;
        if (m->n == m->o->max_cases) {
            m->out->end = "most";
            break;
        }
        st = rs_context_read(&m->s, m->r->hits[i].key, &c);
        if (st != RS_OK || c.gone)
            continue;
        if ((twin = twin_of(m, &c)) != NULL) {
            st = fold(m, twin, c.item.key);
            continue;
        }
        c.item.score = m->r->hits[i].score;
        if (m->r->hits[i].image)
            c.item.image = m->r->hits[i].image;          /* the one that was found */
        st = take_folded(m, &m->r->hits[i], &c);
        m->cases[m->n++] = c;
    }
    m->n_hits = m->n;
    return st;
}

/* The first hit's contrast that is no hit itself. */
static rs_status read_contrast(maker *m)
{
    for (size_t i = 0; i < m->r->n && m->n == m->n_hits && m->n; i++) {
        const rs_contrast *x = m->r->hits[i].contrast;
        bool shown = x == NULL;
        rs_context_case c = {0};
        rs_status st;
        for (size_t k = 0; !shown && k < m->n_hits; k++)
            shown = strcmp(m->cases[k].item.key, x->key) == 0;
        if (shown)
            continue;
        if ((st = rs_context_read(&m->s, x->key, &c)) != RS_OK)
            return st;
        c.item.contrast = true;
        if (!c.gone && !twin_of(m, &c))
            m->cases[m->n++] = c;
    }
    return RS_OK;
}

/* ---- What names what was asked for ----------------------------------- */

static bool words_only(const rs_query *q)
{
    for (size_t i = 0; i < q->n_parts; i++)
        if (!q->parts[i].text && q->parts[i].weight > 0)
            return false;
    return true;
}

static double most_words(const rs_context_case *c)
{
    double most = 0;

    for (size_t r = 0; r < c->n; r++)
        most = fmax(most, c->rows[r].cited.words);
    return most;
}

/* Leave out hits that name far less of it than the best does; contrasts stay. */
static void drop_silent(maker *m)
{
    double most = 0;
    size_t kept = 0, hits = 0;

    for (size_t i = 0; i < m->n_hits; i++)
        most = fmax(most, most_words(&m->cases[i]));
    if (!words_only(m->q) || most <= 0)
        return;
    for (size_t i = 0; i < m->n; i++) {
        if (i < m->n_hits && most_words(&m->cases[i]) < RS_CONTEXT_WORDS * most) {
            m->out->end = "words";
            continue;
        }
        hits += i < m->n_hits;
        m->cases[kept++] = m->cases[i];
    }
    m->n = kept;
    m->n_hits = hits;
}

/* ---- Agreement ------------------------------------------------------- */

/* Each origin's cosines to 0..1 over all sentences; then the sum of context.h. */
static void score_all(maker *m)
{
    double least[RS_CONTEXT_ORIGINS], most[RS_CONTEXT_ORIGINS];
    const rs_asked *asked[RS_CONTEXT_ORIGINS];

    rs_context_origins(&m->s, asked);
    for (size_t k = 0; k < RS_CONTEXT_ORIGINS; k++) {
        least[k] = HUGE_VAL;
        most[k] = -HUGE_VAL;
        for (size_t i = 0; i < m->n; i++)
            for (size_t r = 0; r < m->cases[i].n; r++)
                if (m->cases[i].rows[r].compared) {
                    least[k] = fmin(least[k], m->cases[i].rows[r].cosine[k]);
                    most[k] = fmax(most[k], m->cases[i].rows[r].cosine[k]);
                }
    }
    for (size_t i = 0; i < m->n; i++)
        for (size_t r = 0; r < m->cases[i].n; r++) {
            rs_candidate *c = &m->cases[i].rows[r];
            double sum = 0, origins = 0;
            if (m->o->favour && c->cited.section && strcmp(m->o->favour, c->cited.section) == 0)
                c->worth = 1;
            for (size_t k = 0; k < RS_CONTEXT_ORIGINS; k++)
                if (asked[k]->n) {
                    origins++;
                    if (c->compared && most[k] > least[k])
                        sum += (c->cosine[k] - least[k]) / (most[k] - least[k]);
                }
            c->cited.agreement = 2 * c->cited.words + (origins > 0 ? sum / origins : 0) + c->worth;
        }
}

/* ---- Which sentences ------------------------------------------------- */

/* Half where the context says it already, by any case. */
static double gain(size_t at, const rs_candidate *c)
{
    double value = c->cited.agreement / (1 + RANK_COST * (double)at);

    return c->said ? value / 2 : value;
}

static void take(maker *m, rs_candidate *c, size_t *left)
{
    c->taken = true;
    *left -= c->tokens;
    for (size_t i = 0; i < m->n; i++)
        for (size_t r = 0; r < m->cases[i].n; r++) {
            rs_candidate *other = &m->cases[i].rows[r];
            other->said |= rs_shingles_jaccard(&other->shingles, &c->shingles) >= SAID_ALREADY;
        }
}

/* The best sentence of a case that is not taken and fits; NULL where there is none. */
static rs_candidate *best_of(const maker *m, size_t at, size_t room, double *value)
{
    rs_context_case *c = &m->cases[at];
    rs_candidate *best = NULL;

    for (size_t r = 0; r < c->n; r++) {
        double g;
        if (c->rows[r].taken || c->rows[r].tokens > room)
            continue;
        g = gain(at, &c->rows[r]);
        if (!best || g > *value) {
            best = &c->rows[r];
            *value = g;
        }
    }
    return best;
}

/* First lines, and of each case its best sentence. Cases that do not fit go, the last first. */
static void take_first(maker *m, size_t *left)
{
    for (size_t i = 0; i < m->n; i++) {
        rs_context_case *c = &m->cases[i];
        double value = 0;
        rs_candidate *best;
        if (c->tokens > *left) {
            m->out->end = i < m->n_hits ? "budget" : m->out->end;
            m->n = i;
            m->n_hits = i < m->n_hits ? i : m->n_hits;
            return;
        }
        *left -= c->tokens;
        if ((best = best_of(m, i, *left, &value)) != NULL)
            take(m, best, left);
    }
}

static void take_rest(maker *m, size_t *left)
{
    size_t in_contrast = 1;

    for (;;) {
        rs_candidate *best = NULL;
        double value = 0;
        size_t from = 0;
        for (size_t i = 0; i < m->n; i++) {
            double v = 0;
            rs_candidate *c;
            if (i >= m->n_hits && in_contrast >= CONTRAST_SENTENCES)
                continue;
            c = best_of(m, i, *left, &v);
            if (c && (!best || v > value)) {
                best = c;
                value = v;
                from = i;
            }
        }
        if (!best)
            return;
        in_contrast += from >= m->n_hits;
        take(m, best, left);
    }
}

/* ---- Examples -------------------------------------------------------- */

static rs_status take_examples(maker *m, size_t *left)
{
    size_t room = m->o->budget / EXAMPLE_SHARE;
    rs_context_example *rows = rs_new(m->s.mem, rs_context_example, MOST_EXAMPLES);

    if (!rows)
        return no_memory(m);
    for (size_t i = 0; i < m->n_hits && m->out->n_examples < m->o->examples; i++) {
        const rs_context_case *c = &m->cases[i];
        size_t cost = c->findings && c->impression ?
            rs_clean_tokens(c->findings) + rs_clean_tokens(c->impression) + 8 : room + 1;
        if (cost > room || cost > *left)
            continue;
        rows[m->out->n_examples++] = (rs_context_example){i + 1, c->findings, c->impression};
        room -= cost;
        *left -= cost;
    }
    m->out->examples = rows;
    return RS_OK;
}

/* ---- What comes out -------------------------------------------------- */

static rs_status write_item(maker *m, size_t at, rs_context_item *item)
{
    rs_context_case *c = &m->cases[at];
    rs_cited *kept = rs_new(m->s.mem, rs_cited, c->n + 1);

    if (!kept)
        return no_memory(m);
    *item = c->item;
    item->number = at + 1;
    item->image = m->o->images ? item->image : NULL;
    for (size_t r = 0; r < c->n; r++)
        if (c->rows[r].taken)
            kept[item->n_sentences++] = c->rows[r].cited;
    item->sentences = kept;
    return RS_OK;
}

/* 1 3 5 ... contrasts ... 6 4 2. */
static void put_order(const maker *m, size_t *order)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_hits; i += 2)
        order[n++] = i;
    for (size_t i = m->n_hits; i < m->n; i++)
        order[n++] = i;
    for (size_t i = m->n_hits; i-- > 0;)
        if (i % 2)
            order[n++] = i;
}

static rs_status make_fence(maker *m)
{
    rs_arena *mem = m->s.mem;
    const char **texts;
    size_t n = 0, cap = 2 * MOST_EXAMPLES + 4 * m->n + 2;

    for (size_t i = 0; i < m->out->n; i++)
        cap += m->out->items[i].n_sentences;
    if (!(texts = rs_new(mem, const char *, cap)))
        return no_memory(m);
    texts[n++] = m->out->question;
    for (size_t i = 0; i < m->out->n; i++) {
        const rs_context_item *item = &m->out->items[i];
        if (!(texts[n++] = rs_context_item_head(item, mem)))
            return no_memory(m);
        for (size_t k = 0; k < item->n_sentences; k++)
            texts[n++] = item->sentences[k].text;
    }
    for (size_t i = 0; i < m->out->n_examples; i++) {
        texts[n++] = m->out->examples[i].findings;
        texts[n++] = m->out->examples[i].impression;
    }
    m->out->fence = rs_clean_fence(texts, n, mem);
    return m->out->fence ? RS_OK : no_memory(m);
}

static rs_status write_out(maker *m)
{
    rs_context_item *items = rs_new(m->s.mem, rs_context_item, m->n + 1);
    size_t *order = rs_new(m->s.mem, size_t, m->n + 1);
    const char *text;
    rs_status st = items && order ? RS_OK : no_memory(m);

    for (size_t i = 0; st == RS_OK && i < m->n; i++)
        st = write_item(m, i, &items[i]);
    if (st != RS_OK)
        return st;
    put_order(m, order);
    m->out->items = items;
    m->out->order = order;
    m->out->n = m->n;
    m->out->n_cases = m->n_hits;
    if ((st = make_fence(m)) != RS_OK)
        return st;
    if (!(text = rs_context_text(m->out, m->s.mem)))
        return no_memory(m);
    m->out->tokens = rs_clean_tokens(text);
    for (size_t i = 0; i < m->out->n_examples; i++)
        m->out->tokens += rs_clean_tokens(m->out->examples[i].findings) +
                          rs_clean_tokens(m->out->examples[i].impression) + 8;
    return RS_OK;
}

static rs_status put_question(maker *m)
{
    const char *all = "";

    for (size_t i = 0; i < m->q->n_parts; i++) {
        const rs_query_part *p = &m->q->parts[i];
        const char *line;
        if (!p->text || p->weight < 0)
            continue;
        line = rs_clean_line(p->text, strlen(p->text), NULL, m->s.mem);
        if (line)
            all = *all ? rs_arena_sprintf(m->s.mem, "%s; %s", all, line) : line;
        if (!line || !all)
            return no_memory(m);
    }
    m->out->question = all;
    return RS_OK;
}

rs_status rs_context_make(rs_archive *a, const rs_query *q, const rs_result *r,
                          const rs_context_options *o, rs_arena *mem, rs_context *out,
                          rs_err *err)
{
    enum { FENCES = 32 };
    maker m = {.s = {.a = a, .q = q, .mem = mem, .err = err}, .q = q, .r = r, .o = o, .out = out};
    size_t left = o->budget - (o->budget > FENCES ? FENCES : 0);
    rs_status st;

    *out = (rs_context){.verdict = r->verdict, .budget = o->budget, .end = "hits",
                        .question = "", .fence = ""};
    if ((st = check(o, err)) != RS_OK)
        return st;
    m.cases = rs_new(mem, rs_context_case, RS_CONTEXT_MAX + 1);
    if (!m.cases)
        return no_memory(&m);
    if ((st = rs_query_encode(&m.s)) != RS_OK || (st = rs_query_find_cases(&m.s)) != RS_OK ||
        (st = put_question(&m)) != RS_OK || (st = read_hits(&m)) != RS_OK ||
        (st = read_contrast(&m)) != RS_OK)
        return st;
    drop_silent(&m);
    score_all(&m);
    if ((st = take_examples(&m, &left)) != RS_OK)
        return st;
    take_first(&m, &left);
    take_rest(&m, &left);
    for (size_t i = 0; i < out->n_examples; i++)
        if (out->examples[i].number > m.n_hits)
            out->n_examples = i;
    return write_out(&m);
}
