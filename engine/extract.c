/* extract.c - the built-in generator: its parts, and sentences by maximal marginal relevance.
 * See extract.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/extract_int.h"

#include "base/bytes.h"
#include "engine/db.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Sentences of one part, of one case in it; words of one sentence; what counts as said. */
enum { MOST_SENTENCES = 4, MOST_A_CASE = 2, LEAST_WORDS = 3, MOST_WORDS = 60, MOST_DRAFT = 8 };
#define SAID 0.6
#define LIKE 0.5
#define ASKED 0.6

/* ---- Saying ---------------------------------------------------------- */

rs_status rs_extract_no_memory(const rs_extractor *x)
{
    return rs_fail(x->err, RS_ENOMEM, "answer: no memory");
}

rs_status rs_extract_say(rs_extractor *x, const char *fmt, ...)
{
    va_list args;
    rs_status st;
    char *text;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    text = len < 0 ? NULL : rs_new(x->mem, char, (size_t)len + 1);
    if (!text || !rs_arena_grow(x->mem, &x->out, &x->cap_out, x->n_out, sizeof(rs_sentence)))
        return rs_extract_no_memory(x);
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    if (*text >= 'a' && *text <= 'z')
        *text = (char)(*text - 'a' + 'A');
    st = rs_sentence_read(x->part, text, x->mem, &((rs_sentence *)x->out)[x->n_out], x->err);
    x->n_out += st == RS_OK;
    return st;
}

const char *rs_extract_cites(rs_extractor *x, rs_items items)
{
    rs_buf b = {0};
    const char *text;

    for (size_t i = 0; i < x->c->n; i++)
        if (items >> i & 1)
            rs_buf_printf(&b, "[%zu]", x->c->items[i].number);
    text = b.failed ? NULL : rs_arena_strdup(x->mem, b.data ? b.data : "");
    rs_buf_clear(&b);
    return text ? text : "";
}

size_t rs_extract_count(rs_items items)
{
    size_t n = 0;

    for (; items; items &= items - 1)
        n++;
    return n;
}

const char *rs_extract_quote(rs_extractor *x, const rs_cited *c)
{
    size_t len = strlen(c->text);
    const char *text;

    while (len && strchr(".;:, ", c->text[len - 1]))
        len--;
    text = rs_arena_strndup(x->mem, c->text, len);
    return text ? text : "";
}

rs_status rs_extract_stems(rs_extractor *x, const char *text, rs_shingles *out, size_t *n)
{
    rs_token *tokens;
    size_t all, kept = 0;
    rs_status st = rs_tokens_cut(rs_lexicon_tokens(x->l), text, strlen(text), x->mem, &tokens,
                                 &all, x->err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < all; i++)
        if (!rs_small_word(tokens[i].text))
            tokens[kept++] = tokens[i];
    *n = all;
    return rs_shingles_make(out, tokens, kept, 1, x->mem) ? RS_OK : rs_extract_no_memory(x);
}

void rs_extract_mark(rs_extractor *x, rs_sayable *row)
{
    row->said = true;
    x->said[x->n_said++] = row;
}

static rs_status collect(rs_extractor *x)
{
    size_t n = 0;

    for (size_t i = 0; i < x->c->n; i++)
        n += x->c->items[i].n_sentences;
    x->rows = rs_new(x->mem, rs_sayable, n + 1);
    x->said = rs_new(x->mem, const rs_sayable *, n + 1);
    if (!x->rows || !x->said)
        return rs_extract_no_memory(x);
    for (size_t i = 0; i < x->c->n; i++)
        for (size_t k = 0; k < x->c->items[i].n_sentences; k++) {
            rs_sayable *row = &x->rows[x->n];
            rs_status st;
            row->item = &x->c->items[i];
            row->cited = &x->c->items[i].sentences[k];
            st = rs_extract_stems(x, row->cited->text, &row->words, &row->n_words);
            if (st != RS_OK)
                return st;
            x->n += row->n_words <= MOST_WORDS && row->n_words >= LEAST_WORDS && row->words.n > 0;
        }
    return RS_OK;
}

/* ---- What may stand beside what -------------------------------------- */

static bool opposite(rs_state a, rs_state b)
{
    const bool absent_a = a == RS_STATE_NEGATED || a == RS_STATE_NORMAL;
    const bool absent_b = b == RS_STATE_NEGATED || b == RS_STATE_NORMAL;

    return (a == RS_STATE_AFFIRMED && absent_b) || (absent_a && b == RS_STATE_AFFIRMED);
}

static bool other_side(rs_side a, rs_side b)
{
    return (a == RS_SIDE_LEFT && b == RS_SIDE_RIGHT) || (a == RS_SIDE_RIGHT && b == RS_SIDE_LEFT);
}

/* Millimetres. */
static double length_of(const rs_mention *m)
{
    return !m->unit ? 0 : m->size * (strcmp(m->unit, "cm") == 0 ? 10 : 1);
}

/* In state; of one report (`strict`) in side and measure too. */
static bool contradict(const rs_cited *a, const rs_cited *b, bool strict)
{
    for (size_t i = 0; i < a->n_mentions; i++)
        for (size_t k = 0; k < b->n_mentions; k++) {
            const rs_mention *x = &a->mentions[i], *y = &b->mentions[k];
            double more = length_of(x) - length_of(y);
            if (strcmp(x->finding, y->finding) != 0)
                continue;
            if (opposite(x->state, y->state))
                return true;
            if (strict && x->state == RS_STATE_AFFIRMED && y->state == RS_STATE_AFFIRMED &&
                (other_side(x->side, y->side) ||
                 (x->unit && y->unit && (more > 0.05 || more < -0.05))))
                return true;
        }
    return false;
}

/* Like one another but for their numbers: two measures of one thing. */
static bool numbers_only(const rs_sayable *a, const rs_sayable *b)
{
    const char *x = a->cited->text, *y = b->cited->text;

    if (rs_shingles_jaccard(&a->words, &b->words) < LIKE)
        return false;
    for (;;) {
        x += strcspn(x, "0123456789");
        y += strcspn(y, "0123456789");
        if (!*x && !*y)
            return false;
        if (strspn(x, "0123456789.") != strspn(y, "0123456789.") ||
            strncmp(x, y, strspn(x, "0123456789.")) != 0)
            return true;
        x += strspn(x, "0123456789.");
        y += strspn(y, "0123456789.");
    }
}

/* ---- Maximal marginal relevance -------------------------------------- */

typedef struct {
    bool (*section)(const char *section);
    size_t most, most_a_case;
    bool   strict;               /* as of one report */
    double asked;                /* only what names so much of what the query asks for */
    bool   finding;              /* only what names a finding */
    bool   apart;                /* may say again what sentences of other sections said */
} choice;

static bool any_of(const char *section, const char *const *names)
{
    for (; *names; names++)
        if (section && strcmp(section, *names) == 0)
            return true;
    return false;
}

static bool answers(const char *section)
{
    static const char *const others[] = {"technique", "comparison", "discussion",
                                         "recommendation", "history", "differential",
                                         "diagnosis", "title", NULL};
    return !any_of(section, others);
}

static bool describes(const char *section)
{
    static const char *const names[] = {"findings", "caption", NULL};
    return !section || any_of(section, names);
}

static bool concludes(const char *section)
{
    static const char *const names[] = {"impression", "diagnosis", NULL};
    return any_of(section, names);
}

static bool discusses(const char *section)
{
    static const char *const names[] = {"discussion", NULL};
    return any_of(section, names);
}

/* Has it findings, all of which are said already? */
static bool nothing_new(const rs_extractor *x, const rs_cited *c, const choice *how)
{
    for (size_t m = 0; m < c->n_mentions; m++) {
        bool said = false;
        for (size_t i = 0; i < x->n_said && !said; i++)
            for (size_t k = 0; (!how->apart || how->section(x->said[i]->cited->section)) &&
                               k < x->said[i]->cited->n_mentions; k++)
                said |= strcmp(x->said[i]->cited->mentions[k].finding, c->mentions[m].finding) == 0;
        if (!said)
            return false;
    }
    return c->n_mentions > 0;
}

/* Does it compare with an earlier study? The case that is drafted may have none (Ramesh, Chi,
 * Rajpurkar 2022, arXiv:2210.06340). */
static bool looks_back(const char *text)
{
    static const char *const begins[] = {"interval", "unchanged", "improv", "worsen", "compar",
        "previous", "prior", "again", "redemonstrat", "stable", "persist", "since", "resol",
        "residual", "recurrent"};

    for (const char *s = text; *s; s++) {
        if (!isalpha((unsigned char)*s) || (s > text && isalpha((unsigned char)s[-1])))
            continue;
        for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
            if (strncasecmp(s, begins[i], strlen(begins[i])) == 0)
                return true;
    }
    return false;
}

static bool fits(const rs_extractor *x, const rs_sayable *row, const choice *how)
{
    size_t of_case = 0;

    if (row->said || row->item->contrast || !how->section(row->cited->section) ||
        row->cited->words < how->asked || (how->finding && row->cited->n_mentions == 0) ||
        (how->strict && looks_back(row->cited->text)))
        return false;
    for (size_t i = 0; i < x->n_said; i++) {
        const rs_sayable *other = x->said[i];
        if (other->item->contrast)
            continue;
        const bool again = !how->apart || how->section(other->cited->section);
        of_case += other->item == row->item && how->section(other->cited->section);
        if ((again && (rs_shingles_jaccard(&other->words, &row->words) >= SAID ||
                       rs_shingles_within(&row->words, &other->words) >= 1)) ||
            contradict(row->cited, other->cited, how->strict) ||
            (how->strict && numbers_only(row, other)))
            return false;
    }
    return of_case < how->most_a_case && !(how->strict && nothing_new(x, row->cited, how));
}

static double marginal(const rs_extractor *x, const rs_sayable *row)
{
    double like = 0;

    for (size_t i = 0; i < x->n_said; i++) {
        double j = rs_shingles_jaccard(&x->said[i]->words, &row->words);
        like = j > like ? j : like;
    }
    return RS_MMR * row->cited->agreement / 4 - (1 - RS_MMR) * like;
}

static rs_status say_best(rs_extractor *x, const choice *how)
{
    for (size_t k = 0; k < how->most; k++) {
        rs_sayable *best = NULL;
        double value = 0;
        rs_status st;
        for (size_t i = 0; i < x->n; i++) {
            double v = fits(x, &x->rows[i], how) ? marginal(x, &x->rows[i]) : 0;
            if (v > value) {
                best = &x->rows[i];
                value = v;
            }
        }
        if (!best)
            break;
        rs_extract_mark(x, best);
        st = rs_extract_say(x, RS_SAY_QUOTE, rs_extract_quote(x, best->cited),
                            rs_extract_cites(x, (rs_items)1 << (best->item->number - 1)));
        if (st != RS_OK)
            return st;
    }
    return RS_OK;
}

rs_sayable *rs_extract_best(rs_extractor *x, rs_items items, bool negated)
{
    rs_sayable *best = NULL;

    for (size_t i = 0; i < x->n; i++) {
        rs_sayable *row = &x->rows[i];
        if (!(items >> (row->item->number - 1) & 1) || row->said || !answers(row->cited->section) ||
            (row->cited->state == RS_STATE_NEGATED) != negated)
            continue;
        if (!best || row->cited->agreement > best->cited->agreement)
            best = row;
    }
    return best;
}

/* ---- Parts ----------------------------------------------------------- */

static rs_items all_cases(const rs_extractor *x)
{
    return (rs_items)(((uint64_t)1 << x->c->n_cases) - 1);
}

static rs_status say_cases(rs_extractor *x)
{
    const char *cites = rs_extract_cites(x, all_cases(x));

    return x->c->n_cases == 1 ? rs_extract_say(x, RS_SAY_ONE, cites)
                              : rs_extract_say(x, RS_SAY_MANY, x->c->n_cases, cites);
}

/* To words, what names most of them, or ASKED as much. */
static rs_status say_sentences(rs_extractor *x)
{
    double most = 0;

    for (size_t i = 0; i < x->n; i++)
        if (answers(x->rows[i].cited->section) && x->rows[i].cited->words > most)
            most = x->rows[i].cited->words;
    return say_best(x, &(choice){.section = answers, .most = MOST_SENTENCES,
                                 .most_a_case = MOST_A_CASE,
                                 .asked = x->o->words_only ? ASKED * most : 0});
}

static rs_status say_discussion(rs_extractor *x)
{
    return say_best(x, &(choice){.section = discusses, .most = MOST_SENTENCES,
                                 .most_a_case = MOST_A_CASE});
}

static rs_status say_draft(rs_extractor *x)
{
    return say_best(x, &(choice){.section = describes, .most = MOST_DRAFT,
                                 .most_a_case = MOST_DRAFT, .strict = true});
}

static rs_status say_impression(rs_extractor *x)
{
    return say_best(x, &(choice){.section = concludes, .most = 2, .most_a_case = 1, .strict = true,
                                 .finding = true, .apart = true});
}

/* The sentence of a case that speaks of its diagnosis, or else a conclusion; NULL for none. */
static rs_status find_telling(rs_extractor *x, const rs_context_item *item, rs_sayable **out)
{
    rs_shingles name;
    double most = 0;
    size_t n;
    rs_status st = rs_extract_stems(x, item->diagnoses[0], &name, &n);

    *out = NULL;
    for (size_t i = 0; st == RS_OK && i < x->n; i++) {
        rs_sayable *row = &x->rows[i];
        double value = rs_shingles_within(&name, &row->words);
        if (row->item != item || rs_shingles_within(&row->words, &name) >= 1 ||
            (!answers(row->cited->section) && !concludes(row->cited->section)))
            continue;
        value += 0.5 * concludes(row->cited->section) + 0.1 * row->cited->agreement;
        if (value > most) {
            most = value;
            *out = row;
        }
    }
    if (most < 0.5)
        *out = NULL;
    return st;
}

static rs_status say_contrast(rs_extractor *x)
{
    for (size_t i = x->c->n_cases; i < x->c->n; i++) {
        const rs_context_item *item = &x->c->items[i];
        const char *cites = rs_extract_cites(x, (rs_items)1 << i);
        rs_sayable *best = NULL;
        rs_status st;
        if (item->n_diagnoses == 0)
            continue;                            /* it could not be said what it is */
        st = rs_extract_say(x, RS_SAY_CONTRAST, item->diagnoses[0], cites);
        if (st == RS_OK)
            st = find_telling(x, item, &best);
        if (st == RS_OK && best)
            st = rs_extract_say(x, RS_SAY_CONTRASTS, rs_extract_quote(x, best->cited), cites);
        if (st != RS_OK)
            return st;
    }
    return RS_OK;
}

static const struct {
    const char *name;
    rs_status (*say)(rs_extractor *);
} parts[] = {
    {"cases", say_cases}, {"sentences", say_sentences}, {"findings", rs_extract_findings},
    {"diagnoses", rs_extract_diagnoses}, {"for_against", rs_extract_for_against},
    {"differs", rs_extract_differs}, {"discussion", say_discussion}, {"draft", say_draft},
    {"impression", say_impression}, {"quiz", rs_extract_quiz}, {"contrast", say_contrast},
};

static rs_status say_part(rs_extractor *x, const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strlen(parts[i].name) == len && strncmp(parts[i].name, name, len) == 0) {
            x->part = parts[i].name;
            return parts[i].say(x);
        }
    return rs_fail(x->err, RS_EARG, "answer: no such part: %.*s", (int)(len < 60 ? len : 60), name);
}

/* Does any sentence name anything of what was asked for? */
static bool any_words(const rs_context *c)
{
    for (size_t i = 0; i < c->n_cases; i++)
        for (size_t k = 0; k < c->items[i].n_sentences; k++)
            if (c->items[i].sentences[k].words > 0)
                return true;
    return false;
}

rs_status rs_extract(const rs_lexicon *l, const rs_context *c, const rs_extract_options *o,
                     rs_arena *mem, rs_answer *out, rs_err *err)
{
    rs_extractor x = {.l = l, .c = c, .o = o, .mem = mem, .err = err, .part = "nothing"};
    const char *at = o->parts && *o->parts ? o->parts : RS_EXTRACT_PARTS;
    rs_status st = collect(&x);

    *out = (rs_answer){NULL, 0};
    if (st != RS_OK)
        return st;
    if (c->n_cases == 0) {
        st = rs_extract_say(&x, RS_SAY_EMPTY);
    } else if (c->verdict.kind == RS_VERDICT_NOTHING) {
        st = rs_extract_say(&x, RS_SAY_NOTHING, rs_extract_cites(&x, all_cases(&x)));
    } else if (o->words_only && !any_words(c)) {
        st = rs_extract_say(&x, RS_SAY_NO_WORDS, rs_extract_cites(&x, all_cases(&x)));
    } else {
        for (at += strspn(at, " ,"); st == RS_OK && *at; at += strspn(at, " ,")) {
            size_t len = strcspn(at, " ,");
            st = say_part(&x, at, len);
            at += len;
        }
    }
    *out = (rs_answer){x.out, x.n_out};
    return st;
}
