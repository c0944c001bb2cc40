/* check_align.c - the same thing elsewhere: is it said alike there? See check.h, check_int.h.
 *
 * Aligned is by words around: of the cited sentences that have a word, those that also have
 * most of the content words within AROUND of it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/check_int.h"

#include <math.h>
#include <string.h>

/* Content words on either side that say what a word is about. */
enum { AROUND = 4, MAX_AROUND = 2 * AROUND };
#define NEARLY_SAME 0.9

typedef struct { const char *stems[MAX_AROUND]; size_t n; } window;

void rs_check_flag(rs_checked *r, rs_flag flag, const char *about)
{
    r->flags |= 1u << flag;
    if (!r->about)
        r->about = about;
}

static bool has_stem(const rs_line *line, const char *stem)
{
    for (size_t i = 0; i < line->n; i++)
        if (strcmp(line->tokens[i].text, stem) == 0)
            return true;
    return false;
}

/* The content words nearest to token `at`, itself left out. */
static window around(const rs_line *a, size_t at)
{
    window w = {.n = 0};
    size_t left = 0, right = 0;

    for (size_t i = at; i-- > 0 && left < AROUND;)
        if (a->content[i]) {
            w.stems[w.n++] = a->tokens[i].text;
            left++;
        }
    for (size_t i = at + 1; i < a->n && right < AROUND; i++)
        if (a->content[i]) {
            w.stems[w.n++] = a->tokens[i].text;
            right++;
        }
    return w;
}

static size_t overlap(const window *w, const rs_line *line)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++)
        n += has_stem(line, w->stems[i]);
    return n;
}

/* ---- There or not there ---------------------------------------------- */

typedef enum { PRESENT, ABSENT, NORMAL } polarity;

static polarity polarity_of(rs_state s)
{
    return s == RS_STATE_NEGATED ? ABSENT : s == RS_STATE_NORMAL ? NORMAL : PRESENT;
}

/* Does any of the best aligned sentences with the word say it alike? True too where none has
 * it in such company. */
static bool said_alike(const rs_line *a, size_t at, const rs_lines *cited)
{
    const window w = around(a, at);
    size_t best = 0;
    bool found = false, alike = false;

    for (size_t i = 0; i < cited->n; i++) {
        const rs_line *e = cited->rows[i];
        size_t shared = overlap(&w, e);
        if (!has_stem(e, a->tokens[at].text) || (found && shared < best))
            continue;
        if (!found || shared > best)
            alike = false;
        found = true;
        best = shared;
        for (size_t k = 0; k < e->n; k++)
            alike |= strcmp(e->tokens[k].text, a->tokens[at].text) == 0 &&
                     polarity_of(e->states[k]) == polarity_of(a->states[at]);
    }
    return alike || !found || (w.n > 1 && best == 0);
}

/* Is the token part of a finding? Those are compared as findings. */
static bool in_mention(const rs_line *a, size_t at)
{
    for (size_t m = 0; m < a->n_mentions; m++)
        if (a->tokens[at].begin >= a->mentions[m].begin && a->tokens[at].end <= a->mentions[m].end)
            return true;
    return false;
}

void rs_check_states(const rs_line *a, const rs_lines *cited, rs_checked *r)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->content[i] && !in_mention(a, i) && !said_alike(a, i, cited))
            rs_check_flag(r, RS_FLAG_NEGATION, a->tokens[i].text);
}

/* ---- Sides ----------------------------------------------------------- */

/* The side nearest to token `at`, before it rather than behind it. */
static rs_side nearest_side(const rs_line *e, size_t at)
{
    for (size_t d = 0; d < e->n; d++) {
        if (d <= at && e->sides[at - d] != RS_SIDE_NONE)
            return e->sides[at - d];
        if (at + d < e->n && e->sides[at + d] != RS_SIDE_NONE)
            return e->sides[at + d];
    }
    return RS_SIDE_NONE;
}

static bool serves(rs_side said, rs_side asked)
{
    return said == asked || (said == RS_SIDE_BILATERAL && asked != RS_SIDE_NONE);
}

static bool line_has_side(const rs_line *e, rs_side side)
{
    for (size_t k = 0; k < e->n; k++)
        if (serves(e->sides[k], side))
            return true;
    return false;
}

/* Is the side given to any of the words around it in the line? */
static bool given_there(const rs_line *e, const window *w, rs_side side)
{
    for (size_t k = 0; k < e->n; k++)
        for (size_t i = 0; i < w->n; i++)
            if (strcmp(e->tokens[k].text, w->stems[i]) == 0 && serves(nearest_side(e, k), side))
                return true;
    return false;
}

static bool side_holds(const rs_line *a, size_t at, const rs_lines *cited)
{
    const window w = around(a, at);
    bool any = false, sided = false, given = false;
    size_t best = 0;

    for (size_t i = 0; i < cited->n; i++) {
        const rs_line *e = cited->rows[i];
        size_t shared = overlap(&w, e);
        any |= line_has_side(e, a->sides[at]);
        if (shared == 0 || shared < best)
            continue;
        if (shared > best)
            sided = given = false;
        best = shared;
        sided |= nearest_side(e, 0) != RS_SIDE_NONE;
        given |= given_there(e, &w, a->sides[at]);
    }
    return given || (any && !sided);
}

/* The share of a's content words that e has; 0 where it has too few to tell. */
static double coverage(const rs_line *a, const rs_line *e)
{
    enum { TOO_FEW = 3 };
    size_t all = 0, shared = 0;

    for (size_t i = 0; i < a->n; i++) {
        all += a->content[i];
        shared += a->content[i] && has_stem(e, a->tokens[i].text);
    }
    return all >= TOO_FEW ? (double)shared / (double)all : 0;
}

/* Do a and e name as many sides, and the same ones in the same order? */
static bool same_sides(const rs_line *a, const rs_line *e, bool *as_many)
{
    size_t i = 0, k = 0, n = 0;
    bool same = true;

    for (;; n++) {
        while (i < a->n && a->sides[i] == RS_SIDE_NONE)
            i++;
        while (k < e->n && e->sides[k] == RS_SIDE_NONE)
            k++;
        if (i == a->n || k == e->n)
            break;
        same &= serves(e->sides[k++], a->sides[i++]);
    }
    *as_many = n > 0 && i == a->n && k == e->n;
    return same;
}

/* "Left greater than right": does one of the sentences that say nearly the same with as many
 * sides have them in this order? *found: there are such. */
static bool order_holds(const rs_line *a, const rs_lines *cited, bool *found)
{
    bool same = false;

    *found = false;

    for (size_t i = 0; i < cited->n; i++) {
        bool as_many, alike = same_sides(a, cited->rows[i], &as_many);
        if (!as_many || coverage(a, cited->rows[i]) < NEARLY_SAME)
            continue;
        *found = true;
        same |= alike;
    }
    return same;
}

void rs_check_sides(const rs_line *a, const rs_lines *cited, rs_checked *r)
{
    bool found, same = order_holds(a, cited, &found);

    if (found && same)
        return;
    for (size_t i = 0; i < a->n; i++)
        if (a->sides[i] != RS_SIDE_NONE && (found || !side_holds(a, i, cited)))
            rs_check_flag(r, RS_FLAG_SIDE, a->tokens[i].text);
}

/* ---- Findings -------------------------------------------------------- */

/* The content words around a finding. */
static window around_mention(const rs_line *a, const rs_mention *m)
{
    size_t first = 0;

    while (first < a->n && a->tokens[first].begin < m->begin)
        first++;
    return around(a, first < a->n ? first : 0);
}

/* Does `said` serve for side `m`, where the other side was seen too or not? Left and right
 * are both. */
static bool side_serves(rs_side said, rs_side m, rs_side seen)
{
    return serves(said, m) || (m == RS_SIDE_BILATERAL && seen != RS_SIDE_NONE &&
                               said != RS_SIDE_NONE && said != seen);
}

static void check_mention(const rs_line *a, const rs_mention *m, const rs_lines *cited,
                          rs_checked *r)
{
    const window w = around_mention(a, m);
    bool named = false, alike = false, sided = false, side = false;
    rs_side seen = RS_SIDE_NONE;
    size_t best = 0;

    for (size_t i = 0; i < cited->n; i++) {
        const rs_line *e = cited->rows[i];
        const size_t shared = overlap(&w, e);
        for (size_t k = 0; k < e->n_mentions; k++) {
            const rs_mention *x = &e->mentions[k];
            if (strcmp(x->finding, m->finding) != 0)
                continue;
            if (!named || shared > best) {
                best = shared;
                alike = false;
            }
            named = true;
            if (polarity_of(x->state) != polarity_of(m->state))
                continue;
            alike |= shared == best;
            sided |= x->side != RS_SIDE_NONE;
            side |= side_serves(x->side, m->side, seen);
            seen = x->side != RS_SIDE_NONE ? x->side : seen;
        }
    }
    if (!named)
        rs_check_flag(r, RS_FLAG_UNSUPPORTED, m->finding);
    else if (!alike)
        rs_check_flag(r, RS_FLAG_NEGATION, m->finding);
    else if (m->side != RS_SIDE_NONE && sided && !side)
        rs_check_flag(r, RS_FLAG_SIDE, m->finding);
}

void rs_check_mentions(const rs_line *a, const rs_lines *cited, rs_checked *r)
{
    for (size_t i = 0; i < a->n_mentions; i++)
        check_mention(a, &a->mentions[i], cited, r);
}

/* ---- Numbers --------------------------------------------------------- */

static bool near(double a, double b)
{
    return fabs(a - b) <= 0.005 * fmax(fabs(a), fabs(b)) + 1e-9;
}

static bool same_unit(const char *a, const char *b)
{
    return !a || !b || strcmp(a, b) == 0;
}

static bool same_value(const rs_amount *a, const rs_amount *b)
{
    if (a->word || b->word)
        return a->word && b->word && strcmp(a->word, b->word) == 0;
    return near(a->value, b->value) && same_unit(a->unit, b->unit);
}

/* The figure with another unit, as 3.5 mm for 3.5 cm. */
static bool other_unit(const rs_amount *a, const rs_amount *b)
{
    return !a->word && !b->word && a->unit && b->unit &&
           ((near(a->value, b->value) && strcmp(a->unit, b->unit) != 0) ||
            (strcmp(a->unit, b->unit) == 0 &&
             (near(a->value, 10 * b->value) || near(10 * a->value, b->value))));
}

static void check_amount(const rs_line *a, const rs_amount *amount, const rs_lines *cited,
                         rs_checked *r)
{
    const window w = around(a, amount->token < a->n ? amount->token : a->n - 1);
    size_t most = 0;
    bool held = false, unit = false;

    for (size_t i = 0; i < cited->n; i++) {
        size_t shared = overlap(&w, cited->rows[i]);
        most = shared > most ? shared : most;
    }
    for (size_t i = 0; i < cited->n && !held; i++) {
        const rs_line *e = cited->rows[i];
        if (2 * overlap(&w, e) < most)
            continue;
        for (size_t k = 0; k < e->n_amounts; k++) {
            held |= same_value(amount, &e->amounts[k]);
            unit |= other_unit(amount, &e->amounts[k]);
        }
    }
    if (!held)
        rs_check_flag(r, unit ? RS_FLAG_UNIT : RS_FLAG_NUMBER,
                      amount->token < a->n ? a->tokens[amount->token].text : NULL);
}

void rs_check_amounts(const rs_line *a, const rs_lines *cited, rs_checked *r)
{
    for (size_t i = 0; a->n && i < a->n_amounts; i++)
        check_amount(a, &a->amounts[i], cited, r);
}
