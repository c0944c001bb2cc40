/* lexicon.c - looking things up in a lexicon; see lexicon.h. Loading is lexicon_load.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/lexicon_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *rs_state_name(rs_state s)
{
    static const char *const names[] = {
#define STATE_NAME(name, text) text,
        RS_STATE_MAP(STATE_NAME)
#undef STATE_NAME
    };
    return (unsigned)s < RS_STATE_COUNT ? names[s] : "?";
}

bool rs_small_word(const char *stem)
{
    static const char *const words[] = {"a", "an", "and", "at", "by", "for", "in", "of", "on",
                                        "or", "the", "to", "with"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], stem) == 0)
            return true;
    return false;
}

const char *rs_lexicon_digest(const rs_lexicon *l) { return l->digest; }
rs_tokens *rs_lexicon_tokens(const rs_lexicon *l) { return l->tokens; }

const char *rs_lexicon_heading(const rs_lexicon *l, const char *heading)
{
    uint32_t i;

    return rs_strmap_get(&l->headings, heading, &i) ? l->sections[i] : NULL;
}

/* ---- Triggers -------------------------------------------------------- */

const rs_trigger *rs_lexicon_trigger(const rs_lexicon *l, const rs_token *tokens, size_t n)
{
    const rs_trigger *longest = NULL;
    char key[256];
    size_t used = 0;
    uint32_t i;

    if (n == 0 || !rs_strmap_get(&l->trigger_begins, tokens[0].text, &i))
        return NULL;
    for (size_t k = 0; k < n && k < RS_TRIGGER_MAX_TOKENS; k++) {
        size_t len = strlen(tokens[k].text);
        if (used + len + 2 > sizeof key)
            break;
        if (used)
            key[used++] = ' ';
        memcpy(key + used, tokens[k].text, len + 1);
        used += len;
        if (rs_strmap_get(&l->trigger_of, key, &i))
            longest = &l->triggers[i];
    }
    return longest;
}

/* ---- Finding terms --------------------------------------------------- */

size_t rs_lexicon_find(const rs_lexicon *l, const char *const *stems, size_t n, uint32_t *which)
{
    char key[RS_BAG_KEY];

    if (n == 0 || rs_small_word(stems[0]))
        return 0;
    for (size_t k = n < RS_TERM_MAX_TOKENS ? n : RS_TERM_MAX_TOKENS; k > 0; k--) {
        if (rs_small_word(stems[k - 1]))
            continue;
        rs_bag_key(stems, k, key);
        if (*key && rs_strmap_get(&l->bag_of, key, which))
            return k;
    }
    return 0;
}

/* Do the tokens of part p of `t` begin at tokens[0]? */
static size_t part_at(const rs_lexicon_term *t, size_t p, const rs_token *tokens, size_t n)
{
    size_t from = p ? t->end[p - 1] : 0, len = t->end[p] - from;

    if (len > n)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (strcmp(t->tokens[from + i], tokens[i].text) != 0)
            return 0;
    return len;
}

/* The tokens from tokens[0] on within which all parts of `t` stand, part `first` at
 * once and the others soon after; 0 where they do not. */
static size_t term_at(const rs_lexicon_term *t, size_t first, const rs_token *tokens, size_t n)
{
    size_t end = part_at(t, first, tokens, n), begin = end;

    for (size_t p = 0; begin && p < t->parts; p++) {
        size_t len = 0;
        if (p == first)
            continue;
        for (size_t i = begin; !len && i < n && i <= begin + RS_TERM_NEAR; i++)
            if ((len = part_at(t, p, tokens + i, n - i)) && i + len > end)
                end = i + len;
        if (!len)
            return 0;
    }
    return end;
}

/* What a term is listed as: itself where it heads a row, else the head of one in which it
 * means quite the same. */
static const rs_term_entry *head_of(const rs_lexicon *l, uint32_t which)
{
    const double quite_the_same = 0.8;

    for (uint32_t i = l->terms[which].links; i != RS_NO_TERM; i = l->links[i].next)
        if (l->links[i].kind == RS_LINK_SAME)
            return &l->terms[which];
    for (uint32_t i = l->terms[which].links; i != RS_NO_TERM; i = l->links[i].next)
        if (l->links[i].kind == RS_LINK_UP && l->links[i].weight >= quite_the_same)
            return &l->terms[l->links[i].to];
    return &l->terms[which];
}

size_t rs_lexicon_mention(const rs_lexicon *l, const rs_token *tokens, size_t n,
                          const char **name, rs_term_kind *kind)
{
    size_t best = 0, words = 0;
    uint32_t i = RS_NO_TERM;

    if (n == 0 || !rs_strmap_get(&l->part_begins, tokens[0].text, &i))
        return 0;
    for (; i != RS_NO_TERM; i = l->parts[i].next) {
        const rs_part_entry *e = &l->parts[i];
        const rs_lexicon_term *t = &l->terms[e->term].term;
        const rs_term_entry *head = head_of(l, e->term);
        size_t end = head->kind == RS_TERM_FINDING || head->kind == RS_TERM_DEVICE
                   ? term_at(t, e->part, tokens, n) : 0;
        if (!end || t->n < words || (t->n == words && end >= best))
            continue;
        words = t->n;
        best = end;
        *name = head->name;
        *kind = head->kind;
    }
    return best;
}

/* ---- What else it is called ------------------------------------------ */

enum { MAX_NODES = 512, MAX_NARROWER = 2 };
static const double STEP = 0.85;       /* another name is not quite the name asked for */

/* A term on the way through the links. */
typedef struct {
    uint32_t term;
    double   weight;
    bool     head;             /* its links may be followed; else it is a leaf */
    bool     related;          /* came by a related link: only synonyms follow */
    uint8_t  narrower;         /* narrower links followed so far */
    bool     done;
} node;

typedef struct { node *list; size_t n; double least; } walk;

static void reach(walk *w, node to)
{
    if (to.weight < w->least)
        return;
    for (size_t i = 0; i < w->n; i++) {
        node *have = &w->list[i];
        if (have->term != to.term)
            continue;
        if (to.weight > have->weight || (to.weight >= have->weight && to.head && !have->head))
            *have = to;
        return;
    }
    if (w->n < MAX_NODES)
        w->list[w->n++] = to;
}

static void follow(walk *w, const rs_lexicon *l, const node *from)
{
    for (uint32_t i = l->terms[from->term].links; i != RS_NO_TERM; i = l->links[i].next) {
        const rs_link *k = &l->links[i];
        node to = {.term = k->to, .weight = from->weight * k->weight,
                   .related = from->related, .narrower = from->narrower};
        switch (k->kind) {
        case RS_LINK_UP:
            to.weight *= STEP;
            to.head = true;
            break;
        case RS_LINK_SAME:
            to.weight *= STEP;
            break;
        case RS_LINK_RELATED:
            if (from->related)
                continue;
            to.head = to.related = true;
            break;
        case RS_LINK_NARROWER:
            if (from->related || from->narrower == MAX_NARROWER)
                continue;
            to.head = true;
            to.narrower++;
            break;
        }
        reach(w, to);
    }
}

static int by_weight(const void *a, const void *b)
{
    const node *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->term > y->term) - (x->term < y->term);
}

/* Best first: what has been followed once is never found better later. */
static void walk_all(walk *w, const rs_lexicon *l)
{
    for (;;) {
        node *best = NULL, from;
        for (size_t i = 0; i < w->n; i++) {
            node *one = &w->list[i];
            if (!one->done && one->head && (!best || one->weight > best->weight))
                best = one;
        }
        if (!best)
            return;
        best->done = true;
        from = *best;
        follow(w, l, &from);
    }
}

rs_status rs_lexicon_expand(const rs_lexicon *l, uint32_t which, double least, size_t max,
                            rs_arena *mem, rs_expansion **out, size_t *n, rs_err *err)
{
    walk w = {rs_new(mem, node, MAX_NODES), 0, least};

    *n = 0;
    *out = rs_new(mem, rs_expansion, max);
    if (!w.list || !*out)
        return rs_fail(err, RS_ENOMEM, "lexicon: no memory");
    for (; which != RS_NO_TERM; which = l->terms[which].same_bag)
        reach(&w, (node){.term = which, .weight = 1, .head = true});
    walk_all(&w, l);
    qsort(w.list, w.n, sizeof *w.list, by_weight);
    for (; *n < w.n && *n < max; ++*n)
        (*out)[*n] = (rs_expansion){&l->terms[w.list[*n].term].term, w.list[*n].weight};
    return RS_OK;
}

/* ---- Spelling -------------------------------------------------------- */

/* `word` with `from` at `at` replaced by `to`. */
static const char *respell(const char *word, size_t len, size_t at, const char *from,
                           const char *to, rs_arena *mem)
{
    size_t cut = strlen(from);

    return rs_arena_sprintf(mem, "%.*s%s%.*s", (int)at, word, to, (int)(len - at - cut),
                            word + at + cut);
}

/* Where `letters` stand in word[0, len); len where they do not. */
static size_t find_letters(const char *word, size_t len, const char *letters)
{
    size_t m = strlen(letters);

    for (size_t at = 0; m && at + m <= len; at++)         /* the first letter tells most */
        if ((word[at] | 32) == (letters[0] | 32) && strncasecmp(word + at, letters, m) == 0)
            return at;
    return len;
}

size_t rs_lexicon_spellings(const rs_lexicon *l, const char *word, size_t len, size_t max,
                            rs_arena *mem, const char **out)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n_spellings && n < max; i++) {
        const rs_spelling *s = &l->spellings[i];
        size_t british = find_letters(word, len, s->british);
        size_t american = british < len ? len : find_letters(word, len, s->american);
        if (british < len)
            out[n] = respell(word, len, british, s->british, s->american, mem);
        else if (american < len)
            out[n] = respell(word, len, american, s->american, s->british, mem);
        n += (british < len || american < len) && out[n];
    }
    return n;
}

const char *rs_lexicon_american(const rs_lexicon *l, const char *word, size_t len, rs_arena *mem)
{
    for (size_t i = 0; i < l->n_spellings; i++) {
        size_t at = find_letters(word, len, l->spellings[i].british);
        if (at < len)
            return respell(word, len, at, l->spellings[i].british, l->spellings[i].american, mem);
    }
    return NULL;
}
