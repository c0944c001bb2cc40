/* assertion.c - see assertion.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/assertion.h"

#include <stdbool.h>
#include <string.h>

/* No scope is longer, so that the time is linear whatever the text; no clause behind a
 * comma is looked at further; no label before a colon is longer. */
enum { MAX_REACH = 60, MAX_CLAUSE = 12, MAX_LABEL = 4 };

/* What stands between a token and the one before it. */
typedef enum { GAP_NONE, GAP_COMMA, GAP_COLON, GAP_END } gap;

typedef struct { size_t at; const rs_trigger *what; } found;

typedef struct {
    const rs_token *tokens;
    size_t    n;
    gap      *gaps;            /* [n] */
    bool     *ends;            /* [n]: a word that ends all scopes */
    bool     *ends_normal;     /* [n]: one that ends those of "normal" */
    found    *triggers;
    size_t    n_triggers;
    rs_state *states;          /* [n] */
} sentence;

/* ---- What stands where ----------------------------------------------- */

static gap gap_between(const char *text, size_t from, size_t to)
{
    gap g = GAP_NONE;

    for (size_t i = from; i < to; i++) {
        if (text[i] == ';')
            return GAP_END;
        if (text[i] == ':')
            g = GAP_COLON;
        if (text[i] == ',' && g == GAP_NONE)
            g = GAP_COMMA;
    }
    return g;
}

static void look_at(sentence *s, const rs_lexicon *l, const char *text)
{
    for (size_t i = 1; i < s->n; i++)
        s->gaps[i] = gap_between(text, s->tokens[i - 1].end, s->tokens[i].begin);
    for (size_t i = 0; i < s->n;) {
        const rs_trigger *t = rs_lexicon_trigger(l, s->tokens + i, s->n - i);
        if (!t) {
            i++;
            continue;
        }
        if (t->side == RS_TRIGGER_END)
            *(t->state == RS_STATE_NORMAL ? &s->ends_normal[i] : &s->ends[i]) = true;
        else if (t->side != RS_TRIGGER_PSEUDO)
            s->triggers[s->n_triggers++] = (found){i, t};
        i += t->n;
    }
}

/* ---- Lists and clauses ----------------------------------------------- */

static bool one_of(const char *stem, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(stem, *words) == 0)
            return true;
    return false;
}

static bool joins(const char *stem)
{
    static const char *const words[] = {"and", "or", "nor", NULL};

    return one_of(stem, words);
}

/* Whether the words from token i to the next comma are a clause of their own. */
static bool is_clause(const sentence *s, size_t i)
{
    static const char *const verbs[] = {"is", "are", "wa", "were", "remain", "appear", "ha",
                                        "have", "there", "demonstr", "show", NULL};

    if (joins(s->tokens[i].text))
        return false;
    for (size_t k = i; k < s->n && k < i + MAX_CLAUSE; k++) {
        if (k > i && s->gaps[k] != GAP_NONE)
            return false;
        if (one_of(s->tokens[k].text, verbs))
            return true;
    }
    return false;
}

/* ---- Scopes ---------------------------------------------------------- */

static void say(sentence *s, size_t i, rs_state state)
{
    if (state > s->states[i])
        s->states[i] = state;
}

static bool ends_at(const sentence *s, size_t i, rs_state state)
{
    return s->ends[i] || (state == RS_STATE_NORMAL && s->ends_normal[i]);
}

static size_t reach_of(const rs_trigger *t)
{
    return t->reach && t->reach < MAX_REACH ? t->reach : MAX_REACH;
}

static void say_after(sentence *s, const found *f)
{
    const rs_trigger *t = f->what;
    size_t from = f->at + t->n;

    for (size_t i = from; i < s->n && i < from + reach_of(t); i++) {
        if (s->gaps[i] == GAP_END || s->gaps[i] == GAP_COLON || ends_at(s, i, t->state))
            return;
        if (s->gaps[i] == GAP_COMMA && is_clause(s, i))
            return;
        say(s, i, t->state);
    }
}

static void say_before(sentence *s, const found *f)
{
    const rs_trigger *t = f->what;
    bool list = false;

    for (size_t i = f->at, k = 0; i-- > 0 && k < reach_of(t); k++) {
        gap g = s->gaps[i + 1];
        if (g == GAP_END || ends_at(s, i, t->state))
            return;
        if (g == GAP_COMMA && !list) {
            list = i + 1 < f->at && joins(s->tokens[i + 1].text);
            if (!list)
                return;
        }
        say(s, i, t->state);
    }
}

/* "Heart: normal": the label before a colon is what the rest speaks of. */
static void say_label(sentence *s)
{
    size_t colon = 1;

    while (colon < s->n && colon <= MAX_LABEL && s->gaps[colon] == GAP_NONE)
        colon++;
    if (colon >= s->n || s->gaps[colon] != GAP_COLON)
        return;
    for (size_t i = 0; i < colon; i++)
        say(s, i, s->states[colon]);
}

rs_state *rs_assertion_states(const rs_lexicon *l, const char *text, const rs_token *tokens,
                              size_t n, rs_arena *mem)
{
    sentence s = {.tokens = tokens, .n = n, .gaps = rs_new(mem, gap, n + 1),
                  .ends = rs_new(mem, bool, n + 1), .ends_normal = rs_new(mem, bool, n + 1),
                  .triggers = rs_new(mem, found, n + 1), .states = rs_new(mem, rs_state, n + 1)};

    if (!s.gaps || !s.ends || !s.ends_normal || !s.triggers || !s.states)
        return NULL;
    look_at(&s, l, text);
    for (size_t k = 0; k < s.n_triggers; k++) {
        const found *f = &s.triggers[k];
        for (size_t i = 0; i < f->what->n; i++)
            say(&s, f->at + i, f->what->state);
        if (f->what->side & RS_TRIGGER_BEFORE)
            say_after(&s, f);
        if (f->what->side & RS_TRIGGER_AFTER)
            say_before(&s, f);
    }
    say_label(&s);
    return s.states;
}
