/* text_query.c - from a query line to what FTS5 is asked for; see text_index.h.
 *
 * Nothing of a query reaches FTS5's own query syntax: each word is handed over between
 * double quotes, and one that the tokenizer makes nothing of is dropped before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/text_index_int.h"

#include "base/bytes.h"
#include "engine/lexicon_int.h"
#include "engine/query_line.h"
#include "engine/report.h"

#include <string.h>

/* How many names a word is looked for under, and what the last may be worth. */
enum { MAX_NAMES = 48, MAX_SPELLINGS = 3, WINDOW = RS_TERM_MAX_TOKENS };
static const double LEAST_WEIGHT = 0.3, QUITE_THE_SAME = 0.8, NEAR_WEIGHT = 0.9, OWN_WEIGHT = 0.9, CORE_WEIGHT = 0.65;

/* A word or phrase of the line, as stems. */
typedef struct {
    rs_query_item it;
    const rs_token *stems;  size_t n;
    const rs_token *known;  size_t n_known;   /* as the lexicon spells it */
    rs_state state;
    bool     cue;              /* "no", "history of": it says how, not what */
    bool     stop;
} word;

typedef struct {
    rs_text_index *t;
    rs_words  mode;
    rs_arena *mem;
    rs_err   *err;
    char     *clean;
    word     *words;           size_t n_words;
    rs_term  *terms;           size_t n, cap;
    rs_term_group *groups;     size_t n_groups;
    rs_buf    piece;           /* of FTS5's expression: a phrase, or parts near each other */
    rs_buf    expr, core, own; /* of the group being made: all pieces, those quite the same,
                                  those that are what was asked */
    rs_buf    exclude, plain;
    size_t    n_exclude;
} compiler;

static rs_status no_memory(const compiler *c)
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
static void column_weights(const compiler *c, const word *w, double out[RS_TEXT_COUNT])
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

static bool add_term(compiler *c, const char *const *tokens, size_t n, bool prefix, double weight)
{
    void *rows = c->terms;

    if (!rs_arena_grow(c->mem, &rows, &c->cap, c->n, sizeof *c->terms))
        return false;
    c->terms = rows;
    c->terms[c->n++] = (rs_term){tokens, n, prefix, c->n_groups, weight, weight >= OWN_WEIGHT};
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
static bool is_covered(const compiler *c, size_t first, const char *const *tokens, size_t n,
                       bool prefix, double weight)
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
static void take_piece(compiler *c, double weight)
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
static void put_quoted(compiler *c, const char *text, size_t len)
{
    rs_buf_putc(&c->piece, '"');
    for (size_t i = 0; i < len; i++)
        rs_buf_putc(&c->piece, text[i] == '"' ? ' ' : text[i]);
    rs_buf_putc(&c->piece, '"');
}

static rs_status stems_of(compiler *c, const char *text, size_t len, const char *const **out,
                          size_t *n)
{
    rs_token *tokens;
    const char **stems;
    rs_status st = rs_tokens_cut(c->t->tokens, text, len, c->mem, &tokens, n, c->err);

    if (st != RS_OK)
        return st;
    stems = rs_new(c->mem, const char *, *n + 1);
    if (!stems)
        return no_memory(c);
    for (size_t i = 0; i < *n; i++)
        stems[i] = tokens[i].text;
    *out = stems;
    return RS_OK;
}

/* One phrase of the group that began at term `first`. */
static rs_status add_phrase(compiler *c, size_t first, const char *text, size_t len, bool prefix,
                            double weight)
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
    return add_term(c, stems, n, prefix, weight) ? RS_OK : no_memory(c);
}

/* Is any part of a term in parts covered? *covered tells. */
static rs_status look_at_parts(compiler *c, size_t first, const char *text, double weight,
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
static rs_status add_near(compiler *c, size_t group, const char *text, double weight)
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
            return no_memory(c);
        first = false;
        part = amp ? amp + 1 : NULL;
    }
    rs_buf_printf(&c->piece, ", %d)", RS_TERM_NEAR);
    take_piece(c, weight);
    return RS_OK;
}

/* A name out of the lexicon, and its other spellings. */
static rs_status add_name(compiler *c, size_t first, const char *text, double weight)
{
    const char *other[MAX_SPELLINGS];
    size_t n = rs_lexicon_spellings(c->t->lexicon, text, strlen(text), MAX_SPELLINGS, c->mem,
                                    other);
    rs_status st;

    st = strchr(text, '&') ? add_near(c, first, text, weight)
                           : add_phrase(c, first, text, strlen(text), false, weight);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = strchr(other[i], '&') ? add_near(c, first, other[i], weight)
                                   : add_phrase(c, first, other[i], strlen(other[i]), false, weight);
    return st;
}

/* ---- Groups ---------------------------------------------------------- */

/* Pieces in the columns of `weight`, in the query's memory; NULL on OOM. */
static const char *in_columns(compiler *c, const rs_buf *pieces, const double *weight)
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
static bool same_group(const compiler *c, size_t g, size_t first, const double *weight)
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
static rs_status end_group(compiler *c, size_t first, const word *w, const char *asked)
{
    rs_term_group *g = &c->groups[c->n_groups];

    if (c->n == first)
        return RS_OK;
    if (c->expr.failed || c->core.failed || c->own.failed)
        return no_memory(c);
    column_weights(c, w, g->weight);
    g->asked = asked;
    g->match = in_columns(c, &c->expr, g->weight);
    g->core = c->core.len ? in_columns(c, &c->core, g->weight) : g->match;
    g->own = c->own.len ? in_columns(c, &c->own, g->weight) : NULL;
    if (!g->match || !g->core || (c->own.len && !g->own))
        return no_memory(c);
    if (w->it.negative) {
        c->n = first;
        if (c->n_exclude++ < RS_QUERY_MAX_TERMS)
            rs_buf_printf(&c->exclude, "%s%s", c->exclude.len ? " OR " : "", g->match);
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
static rs_status take_known(compiler *c, const word *w, size_t n, uint32_t which)
{
    double least = w->it.negative ? QUITE_THE_SAME : LEAST_WEIGHT;
    const word *last = &w[n - 1];
    const char *asked = rs_arena_strndup(c->mem, w->it.text,
                                         (size_t)(last->it.text + last->it.len - w->it.text));
    size_t first = c->n, names;
    rs_expansion *list;
    rs_status st;

    rs_buf_clear(&c->expr);
    rs_buf_clear(&c->core);
    rs_buf_clear(&c->own);
    if (!asked)
        return no_memory(c);
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
        st = parts.failed ? no_memory(c)
           : parts.len && strchr(parts.data, '&') ? add_near(c, first, parts.data, NEAR_WEIGHT) : RS_OK;
        rs_buf_clear(&parts);
    }
    return st == RS_OK ? end_group(c, first, w, asked) : st;
}

/* A word as it stands; of a line that is read, in its other spellings too. */
static rs_status take_alone(compiler *c, const word *w)
{
    bool exact = c->mode == RS_WORDS_PLAIN || w->it.quoted || w->it.prefix;
    const char *other[MAX_SPELLINGS], *asked = rs_arena_strndup(c->mem, w->it.text, w->it.len);
    size_t first = c->n, n = 0;
    rs_status st;

    rs_buf_clear(&c->expr);
    rs_buf_clear(&c->core);
    rs_buf_clear(&c->own);
    if (!asked)
        return no_memory(c);
    st = add_phrase(c, first, w->it.text, w->it.len, w->it.prefix, 1);
    if (!exact)
        n = rs_lexicon_spellings(c->t->lexicon, w->it.text, w->it.len, MAX_SPELLINGS, c->mem, other);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = add_phrase(c, first, other[i], strlen(other[i]), false, 1);
    return st == RS_OK ? end_group(c, first, w, asked) : st;
}

/* ---- Reading the line ------------------------------------------------ */

/* The word as the lexicon spells it, American, where that is another. */
static rs_status respell(compiler *c, word *w)
{
    const char *other = rs_lexicon_american(c->t->lexicon, w->it.text, w->it.len, c->mem);
    rs_token *tokens;
    rs_status st;

    w->known = w->stems;
    w->n_known = w->n;
    if (!other)
        return RS_OK;
    st = rs_tokens_cut(c->t->tokens, other, strlen(other), c->mem, &tokens, &w->n_known, c->err);
    w->known = tokens;
    return st;
}

static rs_status cut_words(compiler *c)
{
    const char *at = c->clean;
    void *rows = NULL;
    size_t cap = 0;
    rs_query_item it;
    rs_status st;

    while (rs_query_next(&at, c->clean, &it)) {
        word w = {.it = it, .stop = rs_query_is_stop_word(&it)};
        rs_token *tokens;
        if ((st = rs_tokens_cut(c->t->tokens, it.text, it.len, c->mem, &tokens, &w.n,
                                c->err)) != RS_OK)
            return st;
        w.stems = tokens;
        if (c->mode == RS_WORDS_READ && (st = respell(c, &w)) != RS_OK)
            return st;
        if (!rs_arena_grow(c->mem, &rows, &cap, c->n_words, sizeof w))
            return no_memory(c);
        ((word *)rows)[c->n_words++] = w;
    }
    c->words = rows;
    return RS_OK;
}

/* Words that stand there as they are: their meaning is the lexicon's and the context's. */
static bool is_free(const word *w)
{
    return !w->it.quoted && !w->it.prefix && w->it.column == RS_COLUMN_ANY;
}

/* Mark the words of the trigger that begins at word i. */
static void mark_cue(compiler *c, size_t i)
{
    rs_token tokens[RS_TRIGGER_MAX_TOKENS];
    const rs_trigger *t;
    size_t n = 0, covered = 0;

    for (size_t k = i; k < c->n_words && n < RS_TRIGGER_MAX_TOKENS; k++)
        for (size_t j = 0; j < c->words[k].n && n < RS_TRIGGER_MAX_TOKENS; j++)
            tokens[n++] = c->words[k].stems[j];
    t = rs_lexicon_trigger(c->t->lexicon, tokens, n);
    if (!t || t->side > RS_TRIGGER_BOTH || t->state == RS_STATE_NORMAL)
        return;
    for (size_t k = i; k < c->n_words && covered < t->n; covered += c->words[k++].n)
        if (is_free(&c->words[k]) && !c->words[k].it.negative)
            c->words[k].cue = true;
}

/* What the line says of each of its words. */
static rs_status read_states(compiler *c)
{
    rs_statement *list;
    size_t n, k = 0;
    rs_status st = rs_report_read(c->t->lexicon, c->clean, 0, strlen(c->clean), c->mem, &list, &n,
                                  c->err);

    for (size_t i = 0; st == RS_OK && i < c->n_words; i++) {
        word *w = &c->words[i];
        size_t at = (size_t)(w->it.text - c->clean);
        while (k < n && list[k].end <= at)
            k++;
        if (k < n && list[k].begin <= at && is_free(w) && !w->it.negative)
            w->state = list[k].state;
        if (w->state != RS_STATE_AFFIRMED)
            mark_cue(c, i);
    }
    return st;
}

/* How many words from word i on are a term of the lexicon. */
static size_t known_at(const compiler *c, size_t i, uint32_t *which)
{
    const word *w = &c->words[i];
    const char *stems[WINDOW];
    size_t of_word[WINDOW], n = 0, found;

    for (size_t k = i; k < c->n_words && is_free(&c->words[k]) && n < WINDOW; k++) {
        const word *one = &c->words[k];
        if (k > i && (w->it.negative || one->it.negative || one->cue || one->state != w->state))
            break;
        for (size_t j = 0; j < one->n_known && n < WINDOW; j++) {
            of_word[n] = k;
            stems[n++] = one->known[j].text;
        }
    }
    for (found = rs_lexicon_find(c->t->lexicon, stems, n, which); found;
         found = rs_lexicon_find(c->t->lexicon, stems, found - 1, which)) {
        const word *last = &c->words[of_word[found - 1]];
        if ((found == n || of_word[found] != of_word[found - 1]) &&
            strcmp(stems[found - 1], last->known[last->n_known - 1].text) == 0)
            return of_word[found - 1] - i + 1;
    }
    return 0;
}

/* All words as groups; small ones and cues only if `all`. */
static rs_status take_words(compiler *c, bool all)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_words;) {
        const word *w = &c->words[i];
        uint32_t which;
        size_t n;
        bool room = w->it.negative ? true
                  : c->n_groups < RS_QUERY_MAX_TERMS && c->n < RS_QUERY_MAX_PHRASES;
        if (w->n == 0 || !room || (!w->it.negative && !all && (w->stop || w->cue))) {
            i++;
            continue;
        }
        n = c->mode == RS_WORDS_READ && is_free(w) ? known_at(c, i, &which) : 0;
        st = n ? take_known(c, w, n, which) : take_alone(c, w);
        i += n ? n : 1;
    }
    return st;
}

/* The text as a sentence: what lies between is kept, operators are not. */
static void make_plain(compiler *c)
{
    const char *at = c->clean, *from = at;
    rs_query_item it;

    while (rs_query_next(&at, c->clean, &it)) {
        rs_buf_append(&c->plain, from, (size_t)(it.from - from));
        if (!it.negative)
            rs_buf_append(&c->plain, it.text, it.len);
        from = at;
    }
    rs_buf_puts(&c->plain, from);
}

/* Without blanks at both ends; "" for NULL. */
static const char *trimmed(const rs_buf *b, rs_arena *mem)
{
    const char *p = b->data ? b->data : "";
    size_t len;

    p += strspn(p, " ");
    len = strlen(p);
    while (len && p[len - 1] == ' ')
        len--;
    return rs_arena_strndup(mem, p, len);
}

/* Any of the groups, in their order. */
static const char *match_any(const compiler *c)
{
    const char *text;
    rs_buf b = {0};

    for (size_t i = 0; i < c->n_groups; i++)
        rs_buf_printf(&b, "%s%s", i ? " OR " : "", c->groups[i].match);
    text = b.failed ? NULL : rs_arena_strdup(c->mem, b.data);
    rs_buf_clear(&b);
    return text;
}

static rs_status hand_over(compiler *c, rs_text_query *out)
{
    out->read = c->mode == RS_WORDS_READ;
    out->terms = c->terms;
    out->n = c->n;
    out->groups = c->groups;
    out->n_groups = c->n_groups;
    out->match = c->n_groups ? match_any(c) : NULL;
    out->exclude = c->n_exclude && !c->exclude.failed ? rs_arena_strdup(c->mem, c->exclude.data)
                                                      : NULL;
    out->plain = c->plain.failed ? NULL : trimmed(&c->plain, c->mem);
    return out->plain && (out->match || !c->n_groups) && (out->exclude || !c->n_exclude)
         ? RS_OK : no_memory(c);
}

static rs_status compile(compiler *c, rs_text_query *out)
{
    rs_status st = cut_words(c);

    if (st == RS_OK && c->mode == RS_WORDS_READ)
        st = read_states(c);
    if (st == RS_OK)
        st = take_words(c, false);
    if (st == RS_OK && c->n_groups == 0) {
        rs_buf_clear(&c->exclude);
        c->n_exclude = 0;
        st = take_words(c, true);
    }
    if (st != RS_OK)
        return st;
    make_plain(c);
    return hand_over(c, out);
}

rs_status rs_text_query_compile(rs_text_index *t, const char *text, rs_words words, rs_arena *mem,
                                rs_text_query *out, rs_err *err)
{
    compiler c = {.t = t, .mode = words, .mem = mem, .err = err,
                  .clean = rs_query_clean(text, mem),
                  .groups = rs_new(mem, rs_term_group, RS_QUERY_MAX_TERMS + 1)};
    rs_status st;

    *out = (rs_text_query){.plain = ""};
    if (!c.clean || !c.groups)
        return no_memory(&c);
    st = compile(&c, out);
    rs_buf_clear(&c.expr);
    rs_buf_clear(&c.core);
    rs_buf_clear(&c.own);
    rs_buf_clear(&c.piece);
    rs_buf_clear(&c.exclude);
    rs_buf_clear(&c.plain);
    return st;
}
