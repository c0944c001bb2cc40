/* shift.c - see shift.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/shift.h"

#include "base/alloc.h"
#include "base/random.h"
#include "engine/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Which are new ---------------------------------------------------- */

typedef struct { const char *at; int64_t id; size_t place; } indexed;

static int oldest_first(const void *a, const void *b)
{
    const indexed *x = a, *y = b;
    const int order = strcmp(x->at, y->at);

    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* How many of n `since` stands for, when it is a number of cases or a share. */
static bool count_of(const char *since, size_t n, size_t *out)
{
    char *end;
    double v;

    if (strncmp(since, "last ", 5) == 0) {
        v = strtod(since + 5, &end);
        *out = v < (double)n ? (size_t)v : n;
        return end != since + 5 && !*end && v >= 1 && v == floor(v);
    }
    v = strtod(since, &end);
    if (end == since || strcmp(end, "%") != 0 || !(v > 0 && v <= 100))
        return false;
    *out = (size_t)ceil((double)n * v / 100);
    return true;
}

static bool is_date(const char *text)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    return !text[10] || text[10] == 'T' || text[10] == ' ';
}

rs_status rs_newest_of(rs_newest *out, const rs_census *c, const char *since, rs_arena *mem,
                       rs_err *err)
{
    bool *of = rs_new(mem, bool, c->n_cases + 1);
    indexed *list = rs_new(mem, indexed, c->n_cases + 1);
    size_t last = 0;
    const bool counted = count_of(since, c->n_cases, &last);

    *out = (rs_newest){of, 0, NULL};
    if (!counted && !is_date(since))
        return rs_fail(err, RS_EARG, "'%.60s' says no beginning: wanted a day as 2026-11-26, "
                       "'last 200' or '5%%'", since);
    if (!of || !list)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu cases", c->n_cases);
    for (size_t i = 0; i < c->n_cases; i++)
        list[i] = (indexed){c->cases[i].indexed_at, c->cases[i].id, i};
    qsort(list, c->n_cases, sizeof *list, oldest_first);
    for (size_t i = c->n_cases; i-- > 0;) {
        if (counted ? out->n == last : strcmp(list[i].at, since) < 0)
            break;
        of[list[i].place] = true;
        out->from = list[i].at;
        out->n++;
    }
    return RS_OK;
}

/* ---- Two samples ------------------------------------------------------ */

typedef enum { HAS_ANY, HAS_IMAGE, HAS_PASSAGE } needs;

/* Cases, the first `m` new; one a patient and side. */
typedef struct { uint32_t *of; size_t m, n; } samples;

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static bool fits(const rs_census_case *c, needs what)
{
    return what == HAS_ANY || (what == HAS_IMAGE ? c->n_images : c->n_passages) > 0;
}

/* How many cases of a side may be drawn, one a patient, so that what is drawn still has the mix of
 * the side's cases: who draws on until every patient is there has the mix of patients, of whom
 * some have one case and some have twenty. With e = n^2 / sum n_g^2 (Kish's effective number) of G
 * patients it is e^2 / G: all where each has as many cases. `size`: [groups] scratch. */
static size_t draw_most(const rs_census *c, const rs_newest *newest, bool new_side, needs what,
                        uint32_t *size)
{
    double n = 0, squares = 0, patients = 0, effective;

    memset(size, 0, c->n_groups * sizeof *size);
    for (size_t i = 0; i < c->n_cases; i++)
        if (newest->of[i] == new_side && fits(&c->cases[i], what))
            size[c->cases[i].group]++;
    for (size_t g = 0; g < c->n_groups; g++) {
        n += size[g];
        squares += (double)size[g] * size[g];
        patients += size[g] > 0;
    }
    if (patients < 1)
        return 0;
    effective = n * n / squares;
    return (size_t)ceil(effective * effective / patients);
}

/* At most `most` cases of one side, in a random order of all cases. */
static size_t draw_side(const rs_census *c, const rs_newest *newest, bool new_side,
                        const size_t *order, needs what, size_t most, uint8_t *seen, uint32_t *to)
{
    const uint8_t mark = new_side ? 1 : 2;
    size_t n = 0;

    for (size_t i = 0; i < c->n_cases && n < most; i++) {
        const rs_census_case *of = &c->cases[order[i]];
        if (newest->of[order[i]] != new_side || !fits(of, what) || seen[of->group] & mark)
            continue;
        seen[of->group] |= mark;
        to[n++] = (uint32_t)order[i];
    }
    return n;
}

static rs_status draw(samples *out, const rs_census *c, const rs_newest *newest, needs what,
                      size_t most, uint64_t seed, rs_err *err)
{
    rs_random rnd = rs_random_derive(seed, (uint64_t)what);
    size_t *order = rs_calloc(c->n_cases + 1, sizeof *order);
    uint8_t *seen = rs_calloc(c->n_groups + 1, 1);
    uint32_t *size = rs_calloc(c->n_groups + 1, sizeof *size);

    *out = (samples){rs_calloc(2 * most, sizeof *out->of), 0, 0};
    if (order && seen && size && out->of) {
        const size_t new_most = least(most, draw_most(c, newest, true, what, size));
        const size_t old_most = least(most, draw_most(c, newest, false, what, size));
        for (size_t i = 0; i < c->n_cases; i++)
            order[i] = i;
        rs_random_shuffle(&rnd, order, c->n_cases);
        out->m = draw_side(c, newest, true, order, what, new_most, seen, out->of);
        out->n = draw_side(c, newest, false, order, what, old_most, seen, out->of + out->m);
    }
    const bool failed = !order || !seen || !size || !out->of;
    rs_free(size);
    rs_free(seen);
    rs_free(order);
    if (!failed)
        return RS_OK;
    rs_free(out->of);
    out->of = NULL;
    return rs_fail(err, RS_ENOMEM, "no memory to draw from %zu cases", c->n_cases);
}

rs_status rs_shift_want(rs_census *c, const rs_newest *newest, uint64_t seed, rs_err *err)
{
    rs_status st = RS_OK;

    for (int what = HAS_IMAGE; st == RS_OK && what <= HAS_PASSAGE; what++) {
        samples s;
        if ((st = draw(&s, c, newest, (needs)what, RS_SHIFT_VECTORS, seed, err)) != RS_OK)
            return st;
        for (size_t i = 0; i < s.m + s.n; i++)
            c->cases[s.of[i]].wanted = true;
        rs_free(s.of);
    }
    return st;
}

/* ---- Vectors --------------------------------------------------------- */

static rs_status compare_vectors(const rs_census *c, const rs_newest *newest, needs what,
                                 uint64_t seed, rs_shift *out, rs_err *err)
{
    rs_random rnd = rs_random_derive(seed, 16 + (uint64_t)what);
    samples s;
    float *x;
    rs_status st;

    if ((st = draw(&s, c, newest, what, RS_SHIFT_VECTORS, seed, err)) != RS_OK)
        return st;
    x = rs_calloc((s.m + s.n) * c->dim + 1, sizeof *x);
    st = x ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for %zu vectors", s.m + s.n);
    for (size_t i = 0; x && i < s.m + s.n; i++) {
        const rs_census_case *of = &c->cases[s.of[i]];
        const size_t row = what == HAS_IMAGE
            ? of->first_image + rs_random_below(&rnd, of->n_images)
            : of->first_passage + rs_random_below(&rnd, of->n_passages);
        memcpy(x + i * c->dim, (what == HAS_IMAGE ? c->image_vectors : c->passage_vectors) +
               row * c->dim, c->dim * sizeof *x);
    }
    out->n_new = s.m;
    out->n_old = s.n;
    if (st == RS_OK)
        st = rs_drift_vectors(x, s.m, s.n, c->dim, RS_SHIFT_ROUNDS, seed, &out->drift, err);
    rs_free(x);
    rs_free(s.of);
    return st;
}

/* ---- Mix ------------------------------------------------------------- */

/* Each case's categories in a row: of[first[i] .. first[i + 1]). Names [n], the first NULL:
 * not known. */
typedef struct {
    uint32_t    *of;
    size_t      *first, n;
    const char **names;
} categories;

static uint32_t name_of(categories *k, const char *value)
{
    size_t at = 0;

    while (at < k->n && k->names[at] != value)
        at++;
    if (at == k->n)
        k->names[k->n++] = value;
    return (uint32_t)at;
}

/* Findings are numbered already; 0 is "none", as in a facet NULL is. */
static void fill(categories *k, const rs_census *c, const samples *s, int facet)
{
    size_t used = 0;

    k->names[k->n++] = NULL;
    for (size_t l = 0; facet == RS_TRAITS && l < c->n_labels; l++)
        k->names[k->n++] = c->labels[l];
    for (size_t i = 0; i < s->m + s->n; i++) {
        const rs_census_case *of = &c->cases[s->of[i]];
        k->first[i] = used;
        if (facet < RS_TRAITS)
            k->of[used++] = name_of(k, of->facet[facet]);
        else if (of->n_labels == 0)
            k->of[used++] = 0;
        for (size_t l = 0; facet == RS_TRAITS && l < of->n_labels; l++)
            k->of[used++] = of->labels[l] + 1;
    }
    k->first[s->m + s->n] = used;
}

static void find_most(const categories *k, const samples *s, double *there, rs_shift *out)
{
    double most = -1;

    memset(there, 0, 2 * k->n * sizeof *there);
    for (size_t i = 0; i < s->m + s->n; i++)
        for (size_t c = k->first[i]; c < k->first[i + 1]; c++)
            there[2 * k->of[c] + (i >= s->m)] += 1 / (double)(i < s->m ? s->m : s->n);
    for (size_t c = 0; c < k->n; c++)
        if (fabs(there[2 * c] - there[2 * c + 1]) > most) {
            most = fabs(there[2 * c] - there[2 * c + 1]);
            out->most = k->names[c];
            out->share_new = there[2 * c];
            out->share_old = there[2 * c + 1];
        }
}

static rs_status compare_mix(const rs_census *c, const samples *s, int facet, uint64_t seed,
                             rs_shift *out, rs_err *err)
{
    const size_t cases = s->m + s->n;
    size_t room = cases + 1, names = facet == RS_TRAITS ? c->n_labels + 1 : cases + 1;
    categories k = {0};
    double *there;
    rs_status st = RS_OK;

    for (size_t i = 0; i < cases; i++)
        room += c->cases[s->of[i]].n_labels;
    k.of = rs_calloc(room, sizeof *k.of);
    k.first = rs_calloc(cases + 1, sizeof *k.first);
    k.names = rs_calloc(names, sizeof *k.names);
    there = rs_calloc(2 * names, sizeof *there);
    out->n_new = s->m;
    out->n_old = s->n;
    if (!k.of || !k.first || !k.names || !there)
        st = rs_fail(err, RS_ENOMEM, "no memory for the mix of %zu cases", cases);
    else {
        fill(&k, c, s, facet);
        find_most(&k, s, there, out);
        st = rs_drift_categories(k.of, k.first, s->m, s->n, k.n, RS_SHIFT_ROUNDS, seed,
                                 &out->drift, err);
    }
    rs_free(there);
    rs_free(k.names);
    rs_free(k.first);
    rs_free(k.of);
    return st;
}

/* ---- All of it -------------------------------------------------------- */

static void adjust(rs_shift out[RS_SHIFTS])
{
    double p[RS_SHIFTS];

    for (int i = 0; i < RS_SHIFTS; i++)
        p[i] = out[i].drift.p;
    rs_holm(p, RS_SHIFTS);
    for (int i = 0; i < RS_SHIFTS; i++) {
        out[i].p = p[i];
        out[i].shifted = p[i] < RS_SHIFT_ALPHA;
    }
}

rs_status rs_shift_find(const rs_census *c, const rs_newest *newest, uint64_t seed,
                        rs_shift out[RS_SHIFTS], rs_err *err)
{
    samples s = {0};
    rs_status st;

    memset(out, 0, RS_SHIFTS * sizeof *out);
    out[0].what = "image vectors";
    out[1].what = "passage vectors";
    for (int i = 0; i < 2; i++) {
        out[i].vectors = true;
        if ((st = compare_vectors(c, newest, i == 0 ? HAS_IMAGE : HAS_PASSAGE, seed, &out[i],
                                  err)) != RS_OK)
            return st;
    }
    st = draw(&s, c, newest, HAS_ANY, RS_SHIFT_MIX, seed, err);
    for (int f = 0; st == RS_OK && f <= RS_TRAITS; f++) {
        out[2 + f].what = f < RS_TRAITS ? rs_trait_name((rs_trait)f) : "finding";
        st = compare_mix(c, &s, f, seed, &out[2 + f], err);
    }
    rs_free(s.of);
    if (st == RS_OK)
        adjust(out);
    return st;
}
