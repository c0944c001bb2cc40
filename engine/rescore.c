/* rescore.c - the best of a fused list ordered anew by how well query and case agree. See
 * fusion.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/search_int.h"

#include "engine/catalog.h"

/* One agreement: what of the query against which vectors of a case. */
typedef struct {
    const rs_asked *asked;
    rs_kind         kind;
    double          weight;
    double         *z;                 /* [n], by row of the fused list */
} agreement;

enum { MOST = 6 };

/* Those that this query has. */
static size_t list(const rs_search_state *s, agreement out[MOST])
{
    const double *w = s->weight;
    const agreement all[MOST] = {
        {&s->texts, RS_KIND_IMAGE, w[RS_PROBE_TEXT_IMAGE], NULL},
        {&s->texts, RS_KIND_PASSAGE, w[RS_PROBE_TEXT_PASSAGE], NULL},
        {&s->images, RS_KIND_IMAGE, w[RS_PROBE_IMAGE_IMAGE], NULL},
        {&s->images, RS_KIND_PASSAGE, w[RS_PROBE_IMAGE_PASSAGE], NULL},
        {&s->like[RS_KIND_IMAGE], RS_KIND_IMAGE, w[RS_PROBE_LIKE_IMAGE], NULL},
        {&s->like[RS_KIND_PASSAGE], RS_KIND_PASSAGE, w[RS_PROBE_LIKE_PASSAGE], NULL},
    };
    size_t n = 0;

    for (size_t i = 0; i < MOST; i++) {
        bool wanted = false;
        for (size_t k = 0; k < all[i].asked->n; k++)
            wanted |= all[i].asked->rows[k].weight > 0;
        if (wanted && all[i].weight > 0)
            out[n++] = all[i];
    }
    return n;
}

/* The agreements of one case; a case without such vectors agrees with nothing. */
static rs_status compare(rs_search_state *s, agreement *a, size_t n_a, size_t row)
{
    rs_arena mem = {0};
    rs_status st = RS_OK;

    for (int kind = RS_KIND_IMAGE; st == RS_OK && kind <= RS_KIND_PASSAGE; kind++) {
        float *y;
        size_t n;
        st = rs_catalog_vectors(s->a, (rs_kind)kind, s->fused[row].case_id, &mem, &y, NULL, &n,
                                s->err);
        for (size_t i = 0; st == RS_OK && n && i < n_a; i++)
            if ((int)a[i].kind == kind)
                a[i].z[row] = rs_late_interaction(a[i].asked->rows, a[i].asked->n, y, n,
                                                  s->a->encoder.dim, NULL);
    }
    rs_arena_clear(&mem);
    return st;
}

/* In units of the fused scores, so that a score stays the sum of its parts. */
static void sum_up(rs_fused *rows, size_t n, const agreement *a, size_t n_a, double *room)
{
    double weight = 0, sd;

    for (size_t i = 0; i < n; i++)
        room[i] = rows[i].score;
    sd = rs_deviation(room, n);
    for (size_t i = 0; i < n_a; i++) {
        rs_standardise(a[i].z, n);
        weight += a[i].weight;
    }
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < n_a; k++)
            sum += a[k].weight * a[k].z[i];
        rows[i].agreement = RS_RESCORE * sd * sum / weight;
        rows[i].score += rows[i].agreement;
    }
}

rs_status rs_search_rescore(rs_search_state *s, size_t n)
{
    agreement a[MOST];
    const size_t n_a = list(s, a);
    double *room;
    rs_status st = RS_OK;

    if (n > s->n_fused)
        n = s->n_fused;
    if (n < 2 || n_a == 0)
        return RS_OK;
    room = rs_new(s->mem, double, n);
    for (size_t i = 0; i < n_a; i++)
        if (!(a[i].z = rs_new(s->mem, double, n)))
            room = NULL;
    if (!room)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = compare(s, a, n_a, i);
    if (st != RS_OK)
        return st;
    sum_up(s->fused, n, a, n_a, room);
    rs_fused_sort(s->fused, n);
    return RS_OK;
}
