/* suspects.c - see suspects.h. Here: the comparing with neighbours.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/suspects_int.h"

#include "base/alloc.h"
#include "engine/db.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below so many neighbours that can be compared nothing is said of a case. */
enum { LEAST_NEIGHBOURS = 5 };
/* z from which on a case is listed. */
#define LEAST_Z 3.5

const char *rs_suspect_name(rs_suspect_kind k)
{
    static const char *const names[RS_SUSPECTS] = {
#define NAME(name, text) text,
        RS_SUSPECT_MAP(NAME)
#undef NAME
    };

    return (size_t)k < RS_SUSPECTS ? names[k] : "";
}

rs_status rs_suspect_add(rs_suspecting *s, const char *key, const char *other, double strength,
                         const char *reason)
{
    if (!reason || !rs_arena_grow(s->mem, &s->rows, &s->cap, s->n, sizeof(rs_suspect)))
        return rs_fail(s->err, RS_ENOMEM, "no memory for suspected cases");
    ((rs_suspect *)s->rows)[s->n++] = (rs_suspect){s->kind, key, other, strength, reason};
    return RS_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double rs_robust(double *x, size_t n, double *off, double *spread)
{
    double median;

    qsort(x, n, sizeof *x, ascending);
    median = (x[(n - 1) / 2] + x[n / 2]) / 2;
    for (size_t i = 0; i < n; i++)
        off[i] = fabs(x[i] - median);
    qsort(off, n, sizeof *off, ascending);
    *spread = 1.4826 * (off[(n - 1) / 2] + off[n / 2]) / 2;
    return median;
}

/* ---- A case beside its neighbours ------------------------------------- */

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static void unit(float *x, size_t n)
{
    const double len = sqrt(dot(x, x, n));

    for (size_t i = 0; len > 0 && i < n; i++)
        x[i] = (float)(x[i] / len);
}

/* Each case's mean passage, of unit length: [v->n x dim]; NULL on OOM. */
static float *reports_of(const rs_vicinity *v)
{
    const rs_census *c = v->census;
    float *reports = rs_calloc(v->n * c->dim + 1, sizeof *reports);

    for (size_t i = 0; reports && i < v->n; i++) {
        const rs_census_case *of = &c->cases[v->cases[i]];
        float *r = reports + i * c->dim;
        for (size_t p = of->first_passage; p < of->first_passage + of->n_passages; p++)
            for (size_t k = 0; k < c->dim; k++)
                r[k] += c->passage_vectors[p * c->dim + k];
        unit(r, c->dim);
    }
    return reports;
}

static double jaccard(const rs_census_case *x, const rs_census_case *y)
{
    const size_t both = rs_census_shared(x, y);

    return (double)both / (double)(x->n_labels + y->n_labels - both);
}

/* Which share of its neighbours has a label, for the cases that have it. */
typedef struct { double median, spread; size_t n; } label_shares;

typedef struct {
    const rs_vicinity *v;
    rs_suspect_kind    kind;
    label_shares      *typical;    /* [labels]; of labels alone */
    const float       *reports;
    double            *value;      /* [v->n]; NaN where nothing can be said */
    double             floor;      /* of a spread */
} comparing;

/* NaN where too few neighbours have labels. */
static double share_of(const rs_vicinity *v, uint32_t of, uint32_t label)
{
    const rs_census_case alone = {.labels = &label, .n_labels = 1};
    size_t n, labelled = 0, have = 0;
    const rs_neighbour *near = rs_vicinity_of(v, of, &n);

    for (size_t i = 0; i < n; i++) {
        labelled += v->census->cases[near[i].row].n_labels > 0;
        have += rs_census_shared(&alone, &v->census->cases[near[i].row]);
    }
    return labelled >= LEAST_NEIGHBOURS ? (double)have / (double)labelled : NAN;
}

static bool has_label(const rs_census_case *c, uint32_t label)
{
    const rs_census_case alone = {.labels = &label, .n_labels = 1};

    return rs_census_shared(&alone, c) > 0;
}

/* What is usual for each label: [labels]; NULL on OOM. */
static label_shares *typical_shares(const rs_vicinity *v)
{
    label_shares *out = rs_calloc(v->census->n_labels + 1, sizeof *out);
    double *x = rs_calloc(v->n + 1, sizeof *x), *off = rs_calloc(v->n + 1, sizeof *off);

    for (uint32_t l = 0; out && x && off && l < v->census->n_labels; l++) {
        size_t n = 0;
        for (size_t i = 0; i < v->n; i++)
            if (has_label(&v->census->cases[v->cases[i]], l)) {
                x[n] = share_of(v, v->cases[i], l);
                n += isnan(x[n]) ? 0 : 1;
            }
        out[l].n = n;
        if (n)
            out[l].median = rs_robust(x, n, off, &out[l].spread);
    }
    if (!x || !off) {
        rs_free(out);
        out = NULL;
    }
    rs_free(off);
    rs_free(x);
    return out;
}

static bool can_compare(const comparing *c, uint32_t of)
{
    const rs_census_case *x = &c->v->census->cases[of];

    return c->kind == RS_SUSPECT_LABELS ? x->n_labels > 0 : x->n_passages > 0;
}

static double pair(const comparing *c, uint32_t x, uint32_t y)
{
    const rs_census *all = c->v->census;

    if (c->kind == RS_SUSPECT_LABELS)
        return jaccard(&all->cases[x], &all->cases[y]);
    return dot(c->reports + (size_t)c->v->place[x] * all->dim,
               c->reports + (size_t)c->v->place[y] * all->dim, all->dim);
}

/* Image and report of one case: its best image. */
static double own(const comparing *c, uint32_t of)
{
    const rs_census *all = c->v->census;
    const rs_census_case *x = &all->cases[of];
    double best = -2;

    for (size_t i = x->first_image; i < x->first_image + x->n_images; i++)
        best = fmax(best, dot(all->image_vectors + i * all->dim,
                              c->reports + (size_t)c->v->place[of] * all->dim, all->dim));
    return best;
}

static double value_of(const comparing *c, uint32_t of)
{
    size_t n, m = 0;
    const rs_neighbour *near = rs_vicinity_of(c->v, of, &n);
    double sum = 0;

    if (!can_compare(c, of))
        return NAN;
    if (c->kind == RS_SUSPECT_AGREEMENT)
        return c->v->census->cases[of].n_images ? own(c, of) : NAN;
    for (size_t i = 0; i < n; i++)
        if (can_compare(c, near[i].row)) {
            sum += pair(c, of, near[i].row);
            m++;
        }
    return m >= LEAST_NEIGHBOURS ? sum / (double)m : NAN;
}

/* How far the shares of the neighbours that have a case's labels are below what cases of those
 * labels have: a z, the mean over its labels. */
static double label_z(const comparing *c, uint32_t of)
{
    const rs_census_case *x = &c->v->census->cases[of];
    double sum = 0;

    for (size_t l = 0; l < x->n_labels; l++) {
        const label_shares *s = &c->typical[x->labels[l]];
        const double share = share_of(c->v, of, x->labels[l]);
        if (!isnan(share) && s->n >= LEAST_NEIGHBOURS)
            sum += (s->median - share) / fmax(s->spread, c->floor);
    }
    return sum / (double)x->n_labels;
}

/* Of what is above 0: one large z weighs more than two middling ones. */
static double root_mean_square(double x, double y)
{
    const double a = fmax(x, 0), b = fmax(y, 0);

    return sqrt((a * a + b * b) / 2);
}

/* z of a case among its neighbours; NaN where too few can be compared. */
static double z_of(const comparing *c, uint32_t of, double *median)
{
    double x[RS_VICINITY_CASES], off[RS_VICINITY_CASES], spread, z;
    size_t n, m = 0;
    const rs_neighbour *near = rs_vicinity_of(c->v, of, &n);
    const double value = c->value[c->v->place[of]];

    for (size_t i = 0; i < n; i++)
        if (!isnan(c->value[c->v->place[near[i].row]]))
            x[m++] = c->value[c->v->place[near[i].row]];
    if (isnan(value) || m < LEAST_NEIGHBOURS)
        return NAN;
    *median = rs_robust(x, m, off, &spread);
    z = (*median - value) / fmax(spread, c->floor);
    return c->kind == RS_SUSPECT_LABELS ? root_mean_square(z, label_z(c, of)) : z;
}

/* The label that most neighbours have and the case has not; NULL where none has one. */
static const char *wanted_label(const rs_vicinity *v, uint32_t of, size_t *votes)
{
    const rs_census *c = v->census;
    size_t n, best = 0;
    uint32_t which = 0;
    const rs_neighbour *near = rs_vicinity_of(v, of, &n);

    for (size_t i = 0; i < n; i++) {
        const rs_census_case *x = &c->cases[near[i].row];
        for (size_t l = 0; l < x->n_labels; l++) {
            const rs_census_case alone = {.labels = &x->labels[l], .n_labels = 1};
            size_t m = 0;
            if (rs_census_shared(&alone, &c->cases[of]))
                continue;
            for (size_t k = 0; k < n; k++)
                m += rs_census_shared(&alone, &c->cases[near[k].row]);
            if (m > best) {
                best = m;
                which = x->labels[l];
            }
        }
    }
    *votes = best;
    return best ? c->labels[which] : NULL;
}

static const char *reason_of(const comparing *c, uint32_t of, double median, rs_arena *mem)
{
    const double value = c->value[c->v->place[of]];
    size_t votes, n;
    const char *label;

    switch (c->kind) {
    case RS_SUSPECT_LABELS:
        rs_vicinity_of(c->v, of, &n);
        if ((label = wanted_label(c->v, of, &votes)))
            return rs_arena_sprintf(mem, "labels agree %.2f with its neighbours', theirs %.2f; "
                                    "%zu of %zu have %s", value, median, votes, n, label);
        return rs_arena_sprintf(mem, "labels agree %.2f with its neighbours', theirs %.2f", value,
                                median);
    case RS_SUSPECT_REPORT:
        return rs_arena_sprintf(mem, "report is like its neighbours' by %.2f, theirs by %.2f",
                                value, median);
    case RS_SUSPECT_AGREEMENT:
        return rs_arena_sprintf(mem, "image and report agree by %.2f, its neighbours' by %.2f",
                                value, median);
    case RS_SUSPECT_CONTRADICTION: case RS_SUSPECT_DUPLICATE: case RS_SUSPECT_OUTLIER:
    case RS_SUSPECTS:
        break;
    }
    return NULL;
}

static rs_status compare_all(rs_suspecting *s, comparing *c)
{
    const rs_vicinity *v = s->v;
    rs_status st = RS_OK;

    for (size_t i = 0; i < v->n; i++)
        c->value[i] = value_of(c, v->cases[i]);
    for (size_t i = 0; st == RS_OK && i < v->n; i++) {
        const uint32_t of = v->cases[i];
        double median = 0;
        const double z = z_of(c, of, &median);
        if (z >= LEAST_Z)
            st = rs_suspect_add(s, v->census->cases[of].key,
                                v->census->cases[v->near[i * RS_VICINITY_CASES].row].key, z,
                                reason_of(c, of, median, s->mem));
    }
    return st;
}

static rs_status compare(rs_suspecting *s)
{
    /* What a spread is at least: neighbours that agree to the last digit do not make a case
     * odd that is off by a little. */
    const double floor = s->kind == RS_SUSPECT_LABELS ? 0.1 : 0.05;
    comparing c = {.v = s->v, .kind = s->kind, .floor = floor};
    float *reports = s->kind == RS_SUSPECT_LABELS ? NULL : reports_of(s->v);
    rs_status st;

    c.reports = reports;
    c.typical = s->kind == RS_SUSPECT_LABELS ? typical_shares(s->v) : NULL;
    c.value = rs_calloc(s->v->n + 1, sizeof *c.value);
    st = c.value && (reports || c.typical) ? compare_all(s, &c)
       : rs_fail(s->err, RS_ENOMEM, "no memory to compare %zu cases", s->v->n);
    rs_free(c.value);
    rs_free(c.typical);
    rs_free(reports);
    return st;
}

/* ---- All of a kind ---------------------------------------------------- */

static int strongest(const void *a, const void *b)
{
    const rs_suspect *x = a, *y = b;
    int order;

    if (x->strength != y->strength)
        return x->strength < y->strength ? 1 : -1;
    order = strcmp(x->key, y->key);
    return order ? order : strcmp(x->reason, y->reason);
}

rs_status rs_suspects_find(rs_archive *a, const rs_vicinity *v, rs_suspect_kind kind, size_t most,
                           rs_arena *mem, rs_suspect **out, size_t *n, size_t *n_all, rs_err *err)
{
    rs_suspecting s = {a, v, mem, kind, NULL, 0, 0, err};
    rs_status st = RS_OK;

    switch (kind) {
    case RS_SUSPECT_LABELS: case RS_SUSPECT_REPORT: case RS_SUSPECT_AGREEMENT:
        st = compare(&s);
        break;
    case RS_SUSPECT_CONTRADICTION: st = rs_suspect_contradictions(&s); break;
    case RS_SUSPECT_DUPLICATE:     st = rs_suspect_duplicates(&s); break;
    case RS_SUSPECT_OUTLIER:       st = rs_suspect_outliers(&s); break;
    case RS_SUSPECTS: break;
    }
    if (s.n)
        qsort(s.rows, s.n, sizeof(rs_suspect), strongest);
    *out = s.rows;
    *n = s.n < most ? s.n : most;
    if (n_all)
        *n_all = s.n;
    return st;
}
