/* sampler.h - which rows make up the next batch.
 *
 * Every set gets its share of the draws, weight * rows^balance (balance 1: in
 * proportion to its rows; 0: the weights alone), spread evenly: the set that is owed
 * most is drawn from next. Within a set rows come in a seeded order, all of them before
 * any comes again; and rows of one kind ("hand", "head CT") come in runs. A batch that
 * holds many rows of a kind makes the model tell a left from a right effusion, where a
 * mixed one lets it get by with telling hands from heads: hard negatives by the order
 * alone (compare Robinson et al., arXiv:2010.04592, who draw them by similarity).
 *
 * Draws follow from the seed and the saved state alone. One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_SAMPLER_H
#define RS_EMBEDDINGS_SAMPLER_H

#include "base/bytes.h"
#include "base/status.h"
#include "embeddings/dataset.h"

#include <stddef.h>
#include <stdint.h>

typedef struct rs_sampler rs_sampler;

typedef struct {
    const double *set_weight;    /* [ds->n_sets], >= 0 */
    double        balance;       /* 0..1 */
    size_t        run;           /* rows of a kind in a row, >= 1; 1: in any order */
    size_t        mixed_epochs;  /* of a set, in any order, before its runs begin: who cannot
                                    tell hands from heads learns little from hands alone */
    uint64_t      seed;
} rs_sampler_spec;

/* ds is borrowed. RS_EARG when nothing may be drawn. */
rs_status rs_sampler_new(rs_sampler **out, const rs_dataset *ds, const rs_sampler_spec *spec,
                         rs_err *err);
void      rs_sampler_free(rs_sampler *s);              /* NULL is fine */
void      rs_sampler_draw(rs_sampler *s, size_t *rows, size_t n);
double    rs_sampler_share(const rs_sampler *s, size_t set);    /* of the draws, 0..1 */

/* Append the state; take it back. RS_EMISMATCH when it is of other sets. */
void      rs_sampler_save(const rs_sampler *s, rs_buf *out);
rs_status rs_sampler_restore(rs_sampler *s, rs_reader *in, rs_err *err);

#endif
