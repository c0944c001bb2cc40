/* quality.c - see quality.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/quality.h"

#include "base/alloc.h"
#include "base/random.h"
#include "engine/db.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static rs_status no_memory(rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "no memory to measure groups of cases");
}

/* ---- Queries --------------------------------------------------------- */

/* The RS_QUALITY_CUT best grades there are for a case, falling; how many are above 0. */
static size_t best_grades(const rs_vicinity *v, const rs_census_case *q, int best[RS_QUALITY_CUT])
{
    size_t n = 0;

    for (size_t i = 0; i < v->n; i++) {
        const rs_census_case *c = &v->census->cases[v->cases[i]];
        const int grade = c->group == q->group ? 0 : (int)rs_census_shared(q, c);
        size_t at = n < RS_QUALITY_CUT ? n : RS_QUALITY_CUT - 1;
        if (grade == 0 || (n == RS_QUALITY_CUT && grade <= best[at]))
            continue;
        for (; at > 0 && best[at - 1] < grade; at--)
            best[at] = best[at - 1];
        best[at] = grade;
        n += n < RS_QUALITY_CUT;
    }
    return n;
}

/* False where there is nothing to find. */
static bool ask(const rs_vicinity *v, uint32_t of, rs_quality_case *out)
{
    const rs_census_case *q = &v->census->cases[of];
    int retrieved[RS_QUALITY_CUT], judged[RS_QUALITY_CUT] = {0};
    rs_graded g = {retrieved, 0, judged, 0};
    size_t n;
    const rs_neighbour *near = rs_vicinity_of(v, of, &n);

    if (q->n_labels == 0 || !near || !(g.n_judged = best_grades(v, q, judged)))
        return false;
    for (; g.n_retrieved < RS_QUALITY_CUT && g.n_retrieved < n; g.n_retrieved++)
        retrieved[g.n_retrieved] =
            (int)rs_census_shared(q, &v->census->cases[near[g.n_retrieved].row]);
    *out = (rs_quality_case){of, rs_precision_at(&g, RS_QUALITY_CUT),
                             rs_ndcg_at(&g, RS_QUALITY_CUT)};
    return true;
}

rs_status rs_quality_ask(const rs_vicinity *v, size_t most, uint64_t seed, rs_arena *mem,
                         rs_quality_case **out, size_t *n, rs_err *err)
{
    const size_t room = most < v->n ? most : v->n;
    rs_random rnd = rs_random_seed(seed);
    size_t *order = rs_calloc(v->n + 1, sizeof *order);

    *n = 0;
    *out = rs_new(mem, rs_quality_case, room + 1);
    if (!order || !*out) {
        rs_free(order);
        return no_memory(err);
    }
    for (size_t i = 0; i < v->n; i++)
        order[i] = i;
    rs_random_shuffle(&rnd, order, v->n);
    for (size_t i = 0; i < v->n && *n < room; i++)
        *n += ask(v, v->cases[order[i]], *out + *n);
    rs_free(order);
    return RS_OK;
}

/* ---- Groups ---------------------------------------------------------- */

typedef struct {
    const rs_census       *c;
    const rs_quality_case *asked;
    size_t                 n, rounds, test_rounds;
    uint64_t               seed;
    double                *precision, *ndcg, *shuffled;    /* [n] scratch */
} measuring;

/* Whether a case is in the group (facet, value), or with a label. */
static bool in_group(const rs_census_case *c, int facet, const char *value, uint32_t label)
{
    if (facet < RS_TRAITS)
        return c->facet[facet] == value;
    for (size_t i = 0; i < c->n_labels; i++)
        if (c->labels[i] == label)
            return true;
    return false;
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n ? sum / (double)n : NAN;
}

/* Rounds enough that the smallest p there can be is still small when put up for so many tests. */
static size_t rounds_for(const rs_census *c, size_t n, size_t rounds)
{
    const size_t tests = (n / RS_QUALITY_FEW < c->n_labels ? n / RS_QUALITY_FEW : c->n_labels) + 40;
    const size_t wanted = 100 * tests;

    return wanted < rounds ? rounds : wanted < 50000 ? wanted : 50000;
}

/* How often n of `all` values drawn by chance have a sum as small as that of the first n. */
static double lower_p(double *x, size_t n, size_t all, size_t rounds, uint64_t seed)
{
    rs_random rnd = rs_random_seed(seed);
    double seen = 0;
    size_t as_low = 1;

    for (size_t i = 0; i < n; i++)
        seen += x[i];
    for (size_t r = 0; r < rounds; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) {
            const size_t k = i + rs_random_below(&rnd, all - i);
            const double swap = x[i];
            x[i] = x[k];
            x[k] = swap;
            sum += x[i];
        }
        as_low += sum <= seen + 1e-9;
    }
    return (double)as_low / (double)(rounds + 1);
}

/* The group's queries to the front of the scratch, the others behind. */
static void measure(measuring *m, rs_quality_group *g, int facet, uint32_t label)
{
    size_t behind = m->n;

    for (size_t i = 0; i < m->n; i++) {
        const rs_quality_case *a = &m->asked[i];
        if (in_group(&m->c->cases[a->of], facet, g->value, label)) {
            m->precision[g->n] = a->precision;
            m->ndcg[g->n++] = a->ndcg;
        }
    }
    for (size_t i = 0; i < m->n; i++)
        if (!in_group(&m->c->cases[m->asked[i].of], facet, g->value, label))
            m->ndcg[--behind] = m->asked[i].ndcg;
    g->precision = g->ndcg = (rs_interval){NAN, NAN, NAN};
    g->rest = mean_of(m->ndcg + g->n, m->n - g->n);
    g->p = NAN;
    if (g->n == 0)
        return;
    g->precision = rs_bootstrap(m->precision, g->n, m->rounds, m->seed);
    g->ndcg = rs_bootstrap(m->ndcg, g->n, m->rounds, m->seed);
    if (g->n >= RS_QUALITY_FEW && m->n - g->n >= RS_QUALITY_FEW) {
        memcpy(m->shuffled, m->ndcg, m->n * sizeof *m->ndcg);
        g->p = lower_p(m->shuffled, g->n, m->n, m->test_rounds, m->seed);
    }
}

static int most_first(const void *a, const void *b)
{
    const rs_quality_group *x = a, *y = b;

    if (x->cases != y->cases)
        return x->cases < y->cases ? 1 : -1;
    if (!x->value || !y->value)
        return (x->value != NULL) - (y->value != NULL);
    return strcmp(x->value, y->value);
}

/* A case into its group of a facet, which is made if new. */
static bool count_case(const rs_census_case *c, const char *facet, const char *value,
                       rs_arena *mem, void **groups, size_t *cap, size_t first, size_t *n)
{
    rs_quality_group *g = *groups;
    size_t at = first;

    while (at < *n && g[at].value != value)
        at++;
    if (at == *n) {
        if (!rs_arena_grow(mem, groups, cap, *n, sizeof *g))
            return false;
        g = *groups;
        g[(*n)++] = (rs_quality_group){.facet = facet, .value = value};
    }
    g[at].cases++;
    g[at].images += c->n_images > 0;
    g[at].reports += c->report;
    return true;
}

static bool count_labels(const rs_census *c, rs_arena *mem, void **groups, size_t *cap, size_t *n)
{
    const size_t first = *n;
    rs_quality_group *g;

    for (size_t i = 0; i < c->n_labels; i++) {
        if (!rs_arena_grow(mem, groups, cap, *n, sizeof *g))
            return false;
        ((rs_quality_group *)*groups)[(*n)++] =
            (rs_quality_group){.facet = "finding", .value = c->labels[i]};
    }
    g = *groups;
    for (size_t i = 0; i < c->n_cases; i++)
        for (size_t k = 0; k < c->cases[i].n_labels; k++) {
            rs_quality_group *of = &g[first + c->cases[i].labels[k]];
            of->cases++;
            of->images += c->cases[i].n_images > 0;
            of->reports += c->cases[i].report;
        }
    return true;
}

/* Holm's p over all groups; false on OOM. */
static bool adjust(rs_quality_group *g, size_t n)
{
    double *p = rs_calloc(n + 1, sizeof *p);

    for (size_t i = 0; p && i < n; i++)
        p[i] = g[i].p;
    if (p)
        rs_holm(p, n);
    for (size_t i = 0; p && i < n; i++)
        g[i].p = p[i];
    rs_free(p);
    return p != NULL;
}

static bool measure_all(measuring *m, rs_arena *mem, void **groups, size_t *n)
{
    size_t cap = 0;

    for (int f = 0; f < RS_TRAITS; f++) {
        const size_t first = *n;
        for (size_t i = 0; i < m->c->n_cases; i++)
            if (!count_case(&m->c->cases[i], rs_trait_name((rs_trait)f), m->c->cases[i].facet[f],
                            mem, groups, &cap, first, n))
                return false;
        for (size_t i = first; i < *n; i++)
            measure(m, (rs_quality_group *)*groups + i, f, 0);
        if (*n > first)
            qsort((rs_quality_group *)*groups + first, *n - first, sizeof(rs_quality_group),
                  most_first);
    }
    const size_t first = *n;
    if (!count_labels(m->c, mem, groups, &cap, n))
        return false;
    for (size_t i = first; i < *n; i++)
        measure(m, (rs_quality_group *)*groups + i, RS_TRAITS, (uint32_t)(i - first));
    if (*n > first)
        qsort((rs_quality_group *)*groups + first, *n - first, sizeof(rs_quality_group),
              most_first);
    return true;
}

rs_status rs_quality_groups(const rs_census *c, const rs_quality_case *asked, size_t n,
                            size_t rounds, uint64_t seed, rs_arena *mem, rs_quality_group **out,
                            size_t *n_groups, rs_err *err)
{
    measuring m = {c, asked, n, rounds, rounds_for(c, n, rounds), seed, NULL, NULL, NULL};
    void *groups = NULL;
    bool good;

    *n_groups = 0;
    m.precision = rs_calloc(n + 1, sizeof *m.precision);
    m.ndcg = rs_calloc(n + 1, sizeof *m.ndcg);
    m.shuffled = rs_calloc(n + 1, sizeof *m.shuffled);
    good = m.precision && m.ndcg && m.shuffled && measure_all(&m, mem, &groups, n_groups) &&
           adjust(groups, *n_groups);
    *out = groups;
    rs_free(m.shuffled);
    rs_free(m.ndcg);
    rs_free(m.precision);
    return good ? RS_OK : no_memory(err);
}

/* ---- Holes ----------------------------------------------------------- */

static int least_found(const void *a, const void *b)
{
    const rs_quality_hole *x = a, *y = b;
    const double s = x->asked ? (double)x->found / (double)x->asked : 0;
    const double t = y->asked ? (double)y->found / (double)y->asked : 0;

    if (s != t)
        return s < t ? -1 : 1;
    if (x->cases != y->cases)
        return x->cases < y->cases ? -1 : 1;
    return strcmp(x->label, y->label);
}

static bool near_has(const rs_vicinity *v, const rs_neighbour *near, size_t n, uint32_t label)
{
    for (size_t i = 0; i < n && i < RS_QUALITY_CUT; i++)
        if (in_group(&v->census->cases[near[i].row], RS_TRAITS, NULL, label))
            return true;
    return false;
}

/* Every label's numbers but its patients. */
static void fill_holes(const rs_vicinity *v, rs_quality_hole *h)
{
    const rs_census *c = v->census;

    for (size_t i = 0; i < c->n_cases; i++) {
        size_t n;
        const rs_neighbour *near = rs_vicinity_of(v, (uint32_t)i, &n);
        for (size_t k = 0; k < c->cases[i].n_labels; k++) {
            rs_quality_hole *of = &h[c->cases[i].labels[k]];
            of->cases++;
            of->asked += near != NULL;
            of->found += near && near_has(v, near, n, c->cases[i].labels[k]);
        }
    }
}

typedef struct { uint32_t label, group; } belonging;

static int by_label(const void *a, const void *b)
{
    const belonging *x = a, *y = b;

    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

static bool count_patients(const rs_census *c, rs_quality_hole *h)
{
    size_t n = 0, at = 0;
    belonging *b;

    for (size_t i = 0; i < c->n_cases; i++)
        n += c->cases[i].n_labels;
    if (!(b = rs_calloc(n + 1, sizeof *b)))
        return false;
    for (size_t i = 0; i < c->n_cases; i++)
        for (size_t k = 0; k < c->cases[i].n_labels; k++)
            b[at++] = (belonging){c->cases[i].labels[k], c->cases[i].group};
    qsort(b, n, sizeof *b, by_label);
    for (size_t i = 0; i < n; i++)
        h[b[i].label].patients += i == 0 || by_label(&b[i - 1], &b[i]) != 0;
    rs_free(b);
    return true;
}

rs_status rs_quality_holes(const rs_vicinity *v, size_t least, rs_arena *mem,
                           rs_quality_hole **out, size_t *n, rs_err *err)
{
    const rs_census *c = v->census;
    rs_quality_hole *h = rs_new(mem, rs_quality_hole, c->n_labels + 1);

    *n = 0;
    *out = h;
    if (!h || !count_patients(c, h))
        return no_memory(err);
    fill_holes(v, h);
    for (size_t i = 0; i < c->n_labels; i++) {
        h[i].label = c->labels[i];
        h[i].few = h[i].cases < least;
        h[i].never = h[i].asked > 0 && h[i].found == 0;
        if (h[i].few || h[i].never)
            h[(*n)++] = h[i];
    }
    qsort(h, *n, sizeof *h, least_found);
    return RS_OK;
}
