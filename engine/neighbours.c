/* neighbours.c - see neighbours.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/neighbours.h"

#include "base/alloc.h"
#include "embeddings/matmul.h"

/* A block of rows against a tile of columns: 512 KiB of products, which stay in the cache. */
enum { BLOCK = 128, TILE = 1024 };

typedef struct {
    const float    *x;
    const uint32_t *group;
    size_t          n, dim, k;
    rs_neighbour   *out;
    float          *products;      /* [threads x BLOCK x TILE] */
} job;

/* Put (row, score) where it belongs among the best k so far. Rows come in rising order, so an
 * equal score stays behind those that are there. */
static void offer(rs_neighbour *best, size_t k, uint32_t row, float score)
{
    size_t at = k - 1;

    if (best[at].row != RS_NEIGHBOUR_NONE && !(score > best[at].score))
        return;
    while (at > 0 && (best[at - 1].row == RS_NEIGHBOUR_NONE || score > best[at - 1].score)) {
        best[at] = best[at - 1];
        at--;
    }
    best[at] = (rs_neighbour){row, score};
}

static void one_block(void *ctx, size_t block, size_t worker)
{
    const job *j = ctx;
    float *p = j->products + worker * BLOCK * TILE;
    const size_t first = block * BLOCK, rows = j->n - first < BLOCK ? j->n - first : BLOCK;

    for (size_t i = 0; i < rows * j->k; i++)
        j->out[first * j->k + i] = (rs_neighbour){RS_NEIGHBOUR_NONE, 0};
    for (size_t tile = 0; tile < j->n; tile += TILE) {
        const size_t columns = j->n - tile < TILE ? j->n - tile : TILE;
        rs_matmul(RS_NT, rows, columns, j->dim, 1, (rs_mat){j->x + first * j->dim, j->dim},
                  (rs_mat){j->x + tile * j->dim, j->dim}, 0, p, TILE);
        for (size_t i = 0; i < rows; i++)
            for (size_t c = 0; c < columns; c++)
                if (j->group[tile + c] != j->group[first + i])
                    offer(j->out + (first + i) * j->k, j->k, (uint32_t)(tile + c),
                          p[i * TILE + c]);
    }
}

rs_status rs_neighbours(const float *x, size_t n, size_t dim, const uint32_t *group, size_t k,
                        rs_pool *pool, rs_neighbour *out, rs_err *err)
{
    job j = {x, group, n, dim, k, out, NULL};

    if (n == 0 || k == 0)
        return RS_OK;
    j.products = rs_calloc(rs_pool_size(pool) * BLOCK * TILE, sizeof *j.products);
    if (!j.products)
        return rs_fail(err, RS_ENOMEM, "no memory to compare %zu vectors", n);
    rs_pool_for(pool, (n + BLOCK - 1) / BLOCK, one_block, &j);
    rs_free(j.products);
    return RS_OK;
}
