/* suspects_images.c - pictures that are there twice, and pictures like no other. See suspects.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/suspects_int.h"

#include "base/alloc.h"
#include "embeddings/phash.h"
#include "engine/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TWINS = 8, FOR_OUTLIERS = 5 };            /* nearest images that are looked at */
#define LEAST_Z 3.5

/* ---- Twice ----------------------------------------------------------- */

/* What two cases of one picture cannot both be; NULL where they can, or on OOM. */
static const char *conflict(const rs_census *all, const rs_census_case *x, const rs_census_case *y,
                            const char *what, rs_arena *mem)
{
    const char *sx = x->facet[RS_TRAIT_SEX], *sy = y->facet[RS_TRAIT_SEX];

    if (x->n_labels && y->n_labels && rs_census_shared(x, y) == 0)
        return rs_arena_sprintf(mem, "%s picture, but labels %s here and %s there", what,
                                all->labels[x->labels[0]], all->labels[y->labels[0]]);
    if (sx && sy && sx != sy)
        return rs_arena_sprintf(mem, "%s picture, but sex %s here and %s there", what, sx, sy);
    return NULL;
}

static bool conflicts(const rs_census_case *x, const rs_census_case *y)
{
    const char *sx = x->facet[RS_TRAIT_SEX], *sy = y->facet[RS_TRAIT_SEX];

    return (x->n_labels && y->n_labels && rs_census_shared(x, y) == 0) || (sx && sy && sx != sy);
}

static rs_status add_pair(rs_suspecting *s, size_t i, size_t j, double score, const char *what)
{
    const rs_census *all = s->v->census;
    const rs_census_case *x = &all->cases[all->images[i].of], *y = &all->cases[all->images[j].of];

    if (x == y || !conflicts(x, y))
        return RS_OK;
    return rs_suspect_add(s, x->key, y->key, score, conflict(all, x, y, what, s->mem));
}

typedef struct { const char *sha256; size_t at; } digest;

static int by_digest(const void *a, const void *b)
{
    const digest *x = a, *y = b;
    const int order = strcmp(x->sha256, y->sha256);

    return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* The same file, byte for byte: each with the first of its kind. */
static rs_status same_files(rs_suspecting *s)
{
    const rs_census *all = s->v->census;
    digest *d = rs_calloc(all->n_images + 1, sizeof *d);
    size_t n = 0, first = 0;
    rs_status st = RS_OK;

    if (!d)
        return rs_fail(s->err, RS_ENOMEM, "no memory for %zu digests", all->n_images);
    for (size_t i = 0; i < all->n_images; i++)
        if (all->images[i].sha256)
            d[n++] = (digest){all->images[i].sha256, i};
    qsort(d, n, sizeof *d, by_digest);
    for (size_t i = 1; st == RS_OK && i < n; i++) {
        if (strcmp(d[i].sha256, d[first].sha256) != 0)
            first = i;
        else
            st = add_pair(s, d[i].at, d[first].at, 1, "the same");
    }
    rs_free(d);
    return st;
}

static bool same_file(const rs_census *all, size_t i, size_t j)
{
    const char *x = all->images[i].sha256, *y = all->images[j].sha256;

    return x && y && strcmp(x, y) == 0;
}

/* The nearest images of other cases, one patient's too: [n_images x k]; NULL on OOM. */
static rs_neighbour *nearest(const rs_vicinity *v, size_t k, rs_status *st, rs_err *err)
{
    const rs_census *all = v->census;
    uint32_t *group = rs_calloc(all->n_images + 1, sizeof *group);
    rs_neighbour *near = rs_calloc(all->n_images * k + 1, sizeof *near);

    for (size_t i = 0; group && i < all->n_images; i++)
        group[i] = all->images[i].of;
    *st = group && near
        ? rs_neighbours(all->image_vectors, all->n_images, all->dim, group, k, v->pool,
                        near, err)
        : rs_fail(err, RS_ENOMEM, "no memory to compare %zu images", all->n_images);
    rs_free(group);
    if (*st == RS_OK)
        return near;
    rs_free(near);
    return NULL;
}

/* As where hits are folded. */
static bool twins(const rs_census_image *x, const rs_census_image *y, double cosine)
{
    return cosine >= rs_twin_cosine(x->hashed && y->hashed, rs_phash_distance(x->phash, y->phash));
}

rs_status rs_suspect_duplicates(rs_suspecting *s)
{
    const rs_census *all = s->v->census;
    rs_neighbour *near;
    rs_status st;

    if ((st = same_files(s)) != RS_OK || !(near = nearest(s->v, TWINS, &st, s->err)))
        return st;
    for (size_t i = 0; st == RS_OK && i < all->n_images; i++)
        for (size_t k = 0; st == RS_OK && k < TWINS; k++) {
            const rs_neighbour *n = &near[i * TWINS + k];
            if (n->row != RS_NEIGHBOUR_NONE && n->row < i && !same_file(all, i, n->row) &&
                twins(&all->images[i], &all->images[n->row], (double)n->score))
                st = add_pair(s, i, n->row, fmin((double)n->score, 1), "nearly the same");
        }
    rs_free(near);
    return st;
}

/* ---- Far ------------------------------------------------------------- */

static rs_status list_far(rs_suspecting *s, const rs_neighbour *near, double *mean, double *sorted,
                          double *off)
{
    const rs_census *all = s->v->census;
    const size_t n = all->n_images;
    double median, spread;
    rs_status st = RS_OK;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < FOR_OUTLIERS; k++)
            mean[i] += near[i * FOR_OUTLIERS + k].score / FOR_OUTLIERS;
        sorted[i] = mean[i];
    }
    median = rs_robust(sorted, n, off, &spread);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        const double z = (median - mean[i]) / fmax(spread, 0.01);
        const rs_neighbour *first = &near[i * FOR_OUTLIERS];
        if (z >= LEAST_Z && first->row != RS_NEIGHBOUR_NONE)
            st = rs_suspect_add(s, all->cases[all->images[i].of].key,
                                all->cases[all->images[first->row].of].key, z,
                                rs_arena_sprintf(s->mem, "its nearest images are at cosine %.2f, "
                                                 "those of others at %.2f: %s", mean[i], median,
                                                 all->images[i].path));
    }
    return st;
}

rs_status rs_suspect_outliers(rs_suspecting *s)
{
    const size_t n = s->v->census->n_images;
    double *mean, *sorted, *off;
    rs_neighbour *near;
    rs_status st = RS_OK;

    if (n <= FOR_OUTLIERS || !(near = nearest(s->v, FOR_OUTLIERS, &st, s->err)))
        return st;
    mean = rs_calloc(n, sizeof *mean);
    sorted = rs_calloc(n, sizeof *sorted);
    off = rs_calloc(n, sizeof *off);
    st = mean && sorted && off ? list_far(s, near, mean, sorted, off)
       : rs_fail(s->err, RS_ENOMEM, "no memory to compare %zu images", n);
    rs_free(off);
    rs_free(sorted);
    rs_free(mean);
    rs_free(near);
    return st;
}
