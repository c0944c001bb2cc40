/* vicinity.c - see vicinity.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/vicinity.h"

#include "base/alloc.h"

/* Put (of, score) among the case's neighbours: each case once, at its best. */
static void offer(rs_neighbour *best, size_t *n, uint32_t of, float score)
{
    size_t at = 0;

    while (at < *n && best[at].row != of)
        at++;
    if (at < *n && best[at].score >= score)
        return;
    if (at == *n) {
        if (*n == RS_VICINITY_CASES && score <= best[*n - 1].score)
            return;
        if (*n < RS_VICINITY_CASES)
            ++*n;
        at = *n - 1;
    }
    for (; at > 0 && score > best[at - 1].score; at--)
        best[at] = best[at - 1];
    best[at] = (rs_neighbour){of, score};
}

/* Which rows of the matrix a case has. */
static size_t rows_of(const rs_vicinity *v, const rs_census_case *c, size_t *first)
{
    if (!c->wanted)
        return 0;
    *first = v->by_passages ? c->first_passage : c->first_image;
    return v->by_passages ? c->n_passages : c->n_images;
}

static uint32_t owner(const rs_vicinity *v, size_t row)
{
    return v->by_passages ? v->census->passages[row] : v->census->images[row].of;
}

static void collapse(const rs_vicinity *v, const rs_neighbour *rows, rs_neighbour *near)
{
    for (size_t i = 0; i < v->n; i++) {
        rs_neighbour *best = near + i * RS_VICINITY_CASES;
        size_t first = 0, found = 0;
        const size_t m = rows_of(v, &v->census->cases[v->cases[i]], &first);
        for (size_t k = first * RS_VICINITY_IMAGES; k < (first + m) * RS_VICINITY_IMAGES; k++)
            if (rows[k].row != RS_NEIGHBOUR_NONE)
                offer(best, &found, owner(v, rows[k].row), rows[k].score);
        for (; found < RS_VICINITY_CASES; found++)
            best[found] = (rs_neighbour){RS_NEIGHBOUR_NONE, 0};
    }
}

static void list_cases(rs_vicinity *v, uint32_t *cases, uint32_t *place)
{
    size_t first;

    for (size_t i = 0; i < v->census->n_cases; i++) {
        const bool has = rows_of(v, &v->census->cases[i], &first) > 0;
        place[i] = has ? (uint32_t)v->n : RS_NEIGHBOUR_NONE;
        if (has)
            cases[v->n++] = (uint32_t)i;
    }
    v->cases = cases;
    v->place = place;
}

rs_status rs_vicinity_find(rs_vicinity *out, const rs_census *c, rs_pool *pool, rs_arena *mem,
                           rs_err *err)
{
    const size_t n = c->n_images ? c->n_images : c->n_passages;
    uint32_t *cases = rs_new(mem, uint32_t, c->n_cases + 1);
    uint32_t *place = rs_new(mem, uint32_t, c->n_cases + 1);
    uint32_t *group = rs_calloc(n + 1, sizeof *group);
    rs_neighbour *rows = rs_calloc(n * RS_VICINITY_IMAGES + 1, sizeof *rows), *near = NULL;
    rs_status st = RS_OK;

    *out = (rs_vicinity){.census = c, .pool = pool, .by_passages = c->n_images == 0};
    if (cases && place) {
        list_cases(out, cases, place);
        near = rs_new(mem, rs_neighbour, out->n * RS_VICINITY_CASES + 1);
    }
    if (!near || !group || !rows) {
        st = rs_fail(err, RS_ENOMEM, "no memory for the neighbours of %zu vectors", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        group[i] = c->cases[owner(out, i)].group;
    st = rs_neighbours(c->n_images ? c->image_vectors : c->passage_vectors, n, c->dim, group,
                       RS_VICINITY_IMAGES, pool, rows, err);
    if (st == RS_OK)
        collapse(out, rows, near);
    out->near = near;
done:
    rs_free(rows);
    rs_free(group);
    return st;
}

const rs_neighbour *rs_vicinity_of(const rs_vicinity *v, uint32_t i, size_t *n)
{
    const uint32_t place = v->place[i];
    const rs_neighbour *near = v->near + (size_t)place * RS_VICINITY_CASES;

    *n = 0;
    if (place == RS_NEIGHBOUR_NONE)
        return NULL;
    while (*n < RS_VICINITY_CASES && near[*n].row != RS_NEIGHBOUR_NONE)
        ++*n;
    return near;
}
