/* server_generators.c - what a server counts of its generators: a row each, in the order of its
 * configuration. See server.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/server_int.h"

rs_generator_counts *rs_server_generator_counts(rs_server *s, const rs_generator *g)
{
    const rs_generators *all = s->plan.service.generators;
    rs_metrics *m = &s->metrics;

    while (m->n_generators < rs_generators_count(all) && m->n_generators < RS_GENERATORS_MAX) {
        m->generators[m->n_generators].name = rs_generators_at(all, m->n_generators)->name;
        m->n_generators++;
    }
    for (size_t i = 0; i < m->n_generators; i++)
        if (g == rs_generators_at(all, i))
            return &m->generators[i];
    return NULL;
}
