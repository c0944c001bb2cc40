/* term_group.c - one thing that a query asks for, as FTS5 is asked for it: every name it has,
 * in the columns that it is looked for in. See text_query_int.h.
 *
 * Nothing of a query reaches FTS5's own query syntax: each word is handed over between
 * double quotes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/text_query_int.h"

#include <string.h>

/* How many names a word is looked for under, and what the last may be worth. */
enum { MAX_NAMES = 48, MAX_SPELLINGS = 3 };
static const double LEAST_WEIGHT = 0.3;                /* of what is wanted */
static const double QUITE_THE_SAME = 0.8;              /* of what is ruled out */
static const double NEAR_WEIGHT = 0.9;                  /* all words of a term, in any order */
static const double OWN_WEIGHT = 0.9, CORE_WEIGHT = 0.65;    /* what was asked; quite the same */

rs_status rs_query_no_memory(const rs_query_compiler *c)
{
    return rs_fail(c->err, RS_ENOMEM, "query: no memory");
}

/* ---- Columns --------------------------------------------------------- */

static const double standing_weights[RS_TEXT_COUNT] = {
#define RS_TEXT_WEIGHT(name, text, weight) weight,
    RS_TEXT_COLUMNS(RS_TEXT_WEIGHT)
#undef RS_TEXT_WEIGHT
};

/* In which columns a word is looked for, and what it is worth there. */
static void column_weights(const rs_query_compiler *c, const rs_query_word *w,
                           double out[RS_TEXT_COUNT])
{
    memset(out, 0, RS_TEXT_COUNT * sizeof *out);
    if (w->it.column >= 0) {
        out[w->it.column] = 1;
    } else if (w->it.column == RS_COLUMN_ALL || c->mode == RS_WORDS_PLAIN) {
        for (int i = 0; i < RS_TEXT_COUNT; i++)
            out[i] = 1;
    } else if (w->state == RS_STATE_NEGATED) {
        out[RS_TEXT_NEGATED] = 1;
    } else if (w->state == RS_STATE_NORMAL) {
        out[RS_TEXT_NORMAL] = 1;
    } else {
        memcpy(out, standing_weights, sizeof standing_weights);
        if (w->state == RS_STATE_HISTORICAL)
            out[RS_TEXT_HISTORY] = 1;
        if (w->state == RS_STATE_UNCERTAIN)
            out[RS_TEXT_UNCERTAIN] = 1;
        if (w->it.negative)                  /* what was there once does not rule a case out */
            out[RS_TEXT_HISTORY] = out[RS_TEXT_OTHER] = 0;
    }
}

/* "{title findings} : " unless it is all columns. */
static void put_columns(rs_buf *b, const double weight[RS_TEXT_COUNT])
{
    size_t n = 0;

    for (int i = 0; i < RS_TEXT_COUNT; i++)
        n += weight[i] > 0;
    if (n == RS_TEXT_COUNT)
        return;
    rs_buf_putc(b, '{');
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        if (weight[i] > 0)
            rs_buf_printf(b, "%s ", rs_text_column_name((rs_text_column)i));
    rs_buf_puts(b, "} : ");
}

/* ---- Terms of a group ------------------------------------------------ */

static bool same_tokens(const rs_term *a, const char *const *tokens, size_t n, bool prefix)
{
    if (a->n != n || a->prefix != prefix)
        return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(a->tokens[i], tokens[i]) != 0)
            return false;
    return true;
}

static bool add_term(rs_query_compiler *c, const char *const *tokens, size_t n, bool prefix,
                     double weight)
{
    void *rows = c->terms;

    if (!rs_arena_grow(c->mem, &rows, &c->cap, c->n, sizeof *c->terms))
        return false;
    c->terms = rows;
    c->terms[c->n++] = (rs_term){tokens, n, prefix, c->n_groups, weight, weight >= OWN_WEIGHT,
                                 weight >= CORE_WEIGHT};
    return true;
}

/* Do the tokens of `t` stand somewhere in these? */
static bool holds(const char *const *tokens, size_t n, const rs_term *t)
{
    for (size_t i = 0; i + t->n <= n; i++) {
        size_t k = 0;
        while (k < t->n && strcmp(t->tokens[k], tokens[i + k]) == 0)
            k++;
        if (k == t->n)
            return true;
    }
    return false;
}

/* Whether whatever has this phrase has another of the group that began at `first`, which
 * is worth no less: "calcified granuloma" is a granuloma and is not to count twice. */
static bool is_covered(const rs_query_compiler *c, size_t first, const char *const *tokens,
                       size_t n, bool prefix, double weight)
{
    for (size_t i = first; i < c->n; i++) {
        const rs_term *t = &c->terms[i];
        bool in_parts = !(t->weight > 0) || (i + 1 < c->n && !(c->terms[i + 1].weight > 0));
        if (!in_parts && t->weight >= weight &&
            (t->prefix || prefix ? same_tokens(t, tokens, n, prefix) : holds(tokens, n, t)))
            return true;
    }
    return false;
}

/* The piece just written becomes one of those that are wanted. */
static void take_piece(rs_query_compiler *c, double weight)
{
    rs_buf *const to[] = {&c->expr, weight >= CORE_WEIGHT ? &c->core : NULL,
                          weight >= OWN_WEIGHT ? &c->own : NULL};

    for (size_t i = 0; i < 3 && to[i]; i++) {
        if (to[i]->len)
            rs_buf_puts(to[i], " OR ");
        if (c->piece.failed)
            to[i]->failed = true;
        else
            rs_buf_puts(to[i], c->piece.data);
    }
    rs_buf_clear(&c->piece);
}

/* The bytes of a phrase between quotes; it holds none itself. */
static void put_quoted(rs_query_compiler *c, const char *text, size_t len)
{
    rs_buf_putc(&c->piece, '"');
    for (size_t i = 0; i < len; i++)
        rs_buf_putc(&c->piece, text[i] == '"' ? ' ' : text[i]);
    rs_buf_putc(&c->piece, '"');
}

static rs_status stems_of(rs_query_compiler *c, const char *text, size_t len,
                          const char *const **out, size_t *n)
{
    rs_token *tokens;
    const char **stems;
    rs_status st = rs_tokens_cut(c->t->tokens, text, len, c->mem, &tokens, n, c->err);

    if (st != RS_OK)
        return st;
    stems = rs_new(c->mem, const char *, *n + 1);
    if (!stems)
        return rs_query_no_memory(c);
    for (size_t i = 0; i < *n; i++)
        stems[i] = tokens[i].text;
    *out = stems;
    return RS_OK;
}

/* One phrase of the group that began at term `first`. */
static rs_status add_phrase(rs_query_compiler *c, size_t first, const char *text, size_t len,
                            bool prefix, double weight)
{
    const char *const *stems = NULL;
    size_t n;
    rs_status st = stems_of(c, text, len, &stems, &n);

    if (st != RS_OK || n == 0 || is_covered(c, first, stems, n, prefix, weight))
        return st;
    put_quoted(c, text, len);
    if (prefix)
        rs_buf_puts(&c->piece, " *");
    take_piece(c, weight);
    return add_term(c, stems, n, prefix, weight) ? RS_OK : rs_query_no_memory(c);
}

/* Is any part of a term in parts covered? *covered tells. */
static rs_status look_at_parts(rs_query_compiler *c, size_t first, const char *text, double weight,
                               bool *covered)
{
    rs_status st = RS_OK;

    *covered = false;
    for (const char *part = text; st == RS_OK && part && !*covered;) {
        const char *amp = strchr(part, '&'), *const *stems = NULL;
        size_t n = 0;
        st = stems_of(c, part, amp ? (size_t)(amp - part) : strlen(part), &stems, &n);
        *covered = st == RS_OK && is_covered(c, first, stems, n, false, weight);
        part = amp ? amp + 1 : NULL;
    }
    return st;
}

/* A term whose parts, parted by '&', stand near each other, for the group that began at
 * term `group`. */
static rs_status add_near(rs_query_compiler *c, size_t group, const char *text, double weight)
{
    const char *part = text;
    bool first = true, covered;
    rs_status look = look_at_parts(c, group, text, weight, &covered);

    if (look != RS_OK || covered)
        return look;
    rs_buf_puts(&c->piece, "NEAR(");
    while (part) {
        const char *amp = strchr(part, '&'), *const *stems = NULL;
        size_t len = amp ? (size_t)(amp - part) : strlen(part), n = 0;
        rs_status st = stems_of(c, part, len, &stems, &n);
        if (st != RS_OK)
            return st;
        put_quoted(c, part, len);
        rs_buf_putc(&c->piece, ' ');
        if (!add_term(c, stems, n, false, first ? weight : 0))
            return rs_query_no_memory(c);
        first = false;
        part = amp ? amp + 1 : NULL;
    }
    rs_buf_printf(&c->piece, ", %d)", RS_TERM_NEAR);
    take_piece(c, weight);
    return RS_OK;
}

static rs_status add_either(rs_query_compiler *c, size_t first, const char *text, double weight)
{
    return strchr(text, '&') ? add_near(c, first, text, weight)
                             : add_phrase(c, first, text, strlen(text), false, weight);
}

/* A name out of the lexicon, and its other spellings. */
static rs_status add_name(rs_query_compiler *c, size_t first, const char *text, double weight)
{
    const char *other[MAX_SPELLINGS];
    size_t n = rs_lexicon_spellings(c->t->lexicon, text, strlen(text), MAX_SPELLINGS, c->mem,
                                    other);
    rs_status st;

    st = add_either(c, first, text, weight);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = add_either(c, first, other[i], weight);
    return st;
}

/* ---- Groups ---------------------------------------------------------- */

/* Pieces in the columns of `weight`, in the query's memory; NULL on OOM. */
static const char *in_columns(rs_query_compiler *c, const rs_buf *pieces, const double *weight)
{
    const char *text;
    rs_buf all = {0};

    if (pieces->failed)
        return NULL;
    put_columns(&all, weight);
    rs_buf_printf(&all, strstr(pieces->data, " OR ") ? "(%s)" : "%s", pieces->data);
    text = all.failed ? NULL : rs_arena_strdup(c->mem, all.data);
    rs_buf_clear(&all);
    return text;
}

/* Does group g ask for the terms from `first` on, in the same columns? */
static bool same_group(const rs_query_compiler *c, size_t g, size_t first, const double *weight)
{
    size_t from = 0, n = c->n - first;

    while (from < first && c->terms[from].group != g)
        from++;
    if (from + n > first || (from + n < first && c->terms[from + n].group == g) ||
        memcmp(c->groups[g].weight, weight, sizeof c->groups[g].weight) != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        const rs_term *a = &c->terms[from + i], *b = &c->terms[first + i];
        if (a->group != g || !same_tokens(a, b->tokens, b->n, b->prefix))
            return false;
    }
    return true;
}

/* The pieces made since term `first` become a group, or part of what is ruled out. */
static rs_status end_group(rs_query_compiler *c, size_t first, const rs_query_word *w,
                           const char *asked)
{
    rs_term_group *g = &c->groups[c->n_groups];

    if (c->n == first)
        return RS_OK;
    if (c->expr.failed || c->core.failed || c->own.failed)
        return rs_query_no_memory(c);
    column_weights(c, w, g->weight);
    g->asked = asked;
    g->match = in_columns(c, &c->expr, g->weight);
    g->core = c->core.len ? in_columns(c, &c->core, g->weight) : g->match;
    g->own = c->own.len ? in_columns(c, &c->own, g->weight) : NULL;
    if (!g->match || !g->core || (c->own.len && !g->own))
        return rs_query_no_memory(c);
    if (w->it.negative) {
        if (c->n_exclude++ < RS_QUERY_MAX_TERMS)
            rs_buf_printf(&c->exclude, "%s%s", c->exclude.len ? " OR " : "", g->match);
        c->n = first;
        return RS_OK;
    }
    for (size_t i = 0; i < c->n_groups; i++)
        if (same_group(c, i, first, g->weight)) {
            c->n = first;                              /* asked for before */
            return RS_OK;
        }
    c->n_groups++;
    return RS_OK;
}

/* Words [0, n) of the line under all names that the lexicon has for them. */
rs_status rs_group_known(rs_query_compiler *c, const rs_query_word *w, size_t n, uint32_t which)
{
    double least = w->it.negative ? QUITE_THE_SAME : LEAST_WEIGHT;
    const rs_query_word *last = &w[n - 1];
    const char *asked = rs_arena_strndup(c->mem, w->it.text,
                                         (size_t)(last->it.text + last->it.len - w->it.text));
    size_t first = c->n, names;
    rs_expansion *list;
    rs_status st;

    rs_buf_clear(&c->expr);
    rs_buf_clear(&c->core);
    rs_buf_clear(&c->own);
    if (!asked)
        return rs_query_no_memory(c);
    st = rs_lexicon_expand(c->t->lexicon, which, least, MAX_NAMES, c->mem, &list, &names, c->err);
    if (st == RS_OK && n == 1)
        st = add_phrase(c, first, w->it.text, w->it.len, false, 1);
    for (size_t i = 0; st == RS_OK && i < names && c->n < RS_QUERY_MAX_PHRASES; i++)
        st = add_name(c, first, list[i].term->text, list[i].weight);
    if (st == RS_OK && n > 1 && n <= RS_TERM_MAX_PARTS) {
        rs_buf parts = {0};
        for (size_t i = 0; i < n; i++)
            if (!w[i].stop)
                rs_buf_printf(&parts, "%s%.*s", parts.len ? " & " : "", (int)w[i].it.len,
                              w[i].it.text);
        if (parts.failed)
            st = rs_query_no_memory(c);
        else if (parts.len && strchr(parts.data, '&'))
            st = add_near(c, first, parts.data, NEAR_WEIGHT);
        rs_buf_clear(&parts);
    }
    return st == RS_OK ? end_group(c, first, w, asked) : st;
}

/* A word as it stands; of a line that is read, in its other spellings too. */
rs_status rs_group_alone(rs_query_compiler *c, const rs_query_word *w)
{
    bool exact = c->mode == RS_WORDS_PLAIN || w->it.quoted || w->it.prefix;
    const char *other[MAX_SPELLINGS], *asked = rs_arena_strndup(c->mem, w->it.text, w->it.len);
    size_t first = c->n, n = 0;
    rs_status st;

    rs_buf_clear(&c->expr);
    rs_buf_clear(&c->core);
    rs_buf_clear(&c->own);
    if (!asked)
        return rs_query_no_memory(c);
    st = add_phrase(c, first, w->it.text, w->it.len, w->it.prefix, 1);
    if (!exact)
        n = rs_lexicon_spellings(c->t->lexicon, w->it.text, w->it.len, MAX_SPELLINGS, c->mem,
                                 other);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = add_phrase(c, first, other[i], strlen(other[i]), false, 1);
    return st == RS_OK ? end_group(c, first, w, asked) : st;
}
