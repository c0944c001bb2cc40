/* text_query.c - a query line read: its words, what it says of each, and which of them
 * together are a term of the lexicon. term_group.c makes FTS5's expression of them. See
 * text_index.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/text_query_int.h"

#include "engine/report.h"

#include <string.h>

enum { WINDOW = RS_TERM_MAX_TOKENS };

/* ---- Reading the line ------------------------------------------------ */

/* The word as the lexicon spells it, American, where that is another. */
static rs_status respell(rs_query_compiler *c, rs_query_word *w)
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

static rs_status cut_words(rs_query_compiler *c)
{
    const char *at = c->clean;
    void *rows = NULL;
    size_t cap = 0;
    rs_query_item it;
    rs_status st;

    while (rs_query_next(&at, c->clean, &it)) {
        rs_query_word w = {.it = it, .stop = rs_query_is_stop_word(&it)};
        rs_token *tokens;
        if ((st = rs_tokens_cut(c->t->tokens, it.text, it.len, c->mem, &tokens, &w.n,
                                c->err)) != RS_OK)
            return st;
        w.stems = tokens;
        if (c->mode == RS_WORDS_READ && (st = respell(c, &w)) != RS_OK)
            return st;
        if (!rs_arena_grow(c->mem, &rows, &cap, c->n_words, sizeof w))
            return rs_query_no_memory(c);
        ((rs_query_word *)rows)[c->n_words++] = w;
    }
    c->words = rows;
    return RS_OK;
}

/* Words that stand there as they are: their meaning is the lexicon's and the context's. */
static bool is_free(const rs_query_word *w)
{
    return !w->it.quoted && !w->it.prefix && w->it.column == RS_COLUMN_ANY;
}

/* Mark the words of the trigger that begins at word i. */
static void mark_cue(rs_query_compiler *c, size_t i)
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
static rs_status read_states(rs_query_compiler *c)
{
    rs_statement *list;
    size_t n, k = 0;
    rs_status st = rs_report_read(c->t->lexicon, c->clean, 0, strlen(c->clean), c->mem, &list, &n,
                                  c->err);

    for (size_t i = 0; st == RS_OK && i < c->n_words; i++) {
        rs_query_word *w = &c->words[i];
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
static size_t known_at(const rs_query_compiler *c, size_t i, uint32_t *which)
{
    const rs_query_word *w = &c->words[i];
    const char *stems[WINDOW];
    size_t of_word[WINDOW], n = 0, found;

    for (size_t k = i; k < c->n_words && is_free(&c->words[k]) && n < WINDOW; k++) {
        const rs_query_word *one = &c->words[k];
        if (k > i && (w->it.negative || one->it.negative || one->cue || one->state != w->state))
            break;
        for (size_t j = 0; j < one->n_known && n < WINDOW; j++) {
            of_word[n] = k;
            stems[n++] = one->known[j].text;
        }
    }
    for (found = rs_lexicon_find(c->t->lexicon, stems, n, which); found;
         found = rs_lexicon_find(c->t->lexicon, stems, found - 1, which)) {
        const rs_query_word *last = &c->words[of_word[found - 1]];
        if ((found == n || of_word[found] != of_word[found - 1]) &&
            strcmp(stems[found - 1], last->known[last->n_known - 1].text) == 0)
            return of_word[found - 1] - i + 1;
    }
    return 0;
}

/* All words as groups; small ones and cues only if `all`. */
static rs_status take_words(rs_query_compiler *c, bool all)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_words;) {
        const rs_query_word *w = &c->words[i];
        uint32_t which;
        size_t n;
        bool room = w->it.negative ? true
                  : c->n_groups < RS_QUERY_MAX_TERMS && c->n < RS_QUERY_MAX_PHRASES;
        if (w->n == 0 || !room || (!w->it.negative && !all && (w->stop || w->cue))) {
            i++;
            continue;
        }
        n = c->mode == RS_WORDS_READ && is_free(w) ? known_at(c, i, &which) : 0;
        st = n ? rs_group_known(c, w, n, which) : rs_group_alone(c, w);
        i += n ? n : 1;
    }
    return st;
}

/* The text as a sentence: what lies between is kept, operators are not. */
static void make_plain(rs_query_compiler *c)
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
static const char *match_any(const rs_query_compiler *c)
{
    const char *text;
    rs_buf b = {0};

    for (size_t i = 0; i < c->n_groups; i++)
        rs_buf_printf(&b, "%s%s", i ? " OR " : "", c->groups[i].match);
    text = b.failed ? NULL : rs_arena_strdup(c->mem, b.data);
    rs_buf_clear(&b);
    return text;
}

static rs_status hand_over(rs_query_compiler *c, rs_text_query *out)
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
         ? RS_OK : rs_query_no_memory(c);
}

static rs_status compile(rs_query_compiler *c, rs_text_query *out)
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
    rs_query_compiler c = {.t = t, .mode = words, .mem = mem, .err = err,
                  .clean = rs_query_clean(text, mem),
                  .groups = rs_new(mem, rs_term_group, RS_QUERY_MAX_TERMS + 1)};
    rs_status st;

    *out = (rs_text_query){.plain = ""};
    if (!c.clean || !c.groups)
        return rs_query_no_memory(&c);
    st = compile(&c, out);
    rs_buf_clear(&c.expr);
    rs_buf_clear(&c.core);
    rs_buf_clear(&c.own);
    rs_buf_clear(&c.piece);
    rs_buf_clear(&c.exclude);
    rs_buf_clear(&c.plain);
    return st;
}
