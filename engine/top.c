/* top.c - see top.h. Rows are gathered until they are twice as many as were left last
 * time, then sorted and cut: a few operations a row, whatever their order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/top.h"

#include "engine/db.h"

#include <stdlib.h>

enum { FIRST_CUT = 1024 };

static int better_first(const void *a, const void *b)
{
    const rs_scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool same_score(double a, double b) { return a <= b && a >= b; }

void rs_top_end(rs_top *t)
{
    if (t->n)
        qsort(t->rows, t->n, sizeof *t->rows, better_first);
    if (t->n <= t->limit || t->limit == 0) {
        t->n = t->limit ? t->n : 0;
        return;
    }
    t->floor = t->rows[t->limit - 1].score;
    t->cut = true;
    for (size_t i = t->limit; i < t->n; i++)
        if (!same_score(t->rows[i].score, t->floor)) {
            t->n = i;
            return;
        }
}

bool rs_top_add(rs_top *t, double score, int64_t id)
{
    void *rows = t->rows;

    if (t->cut && score < t->floor)
        return true;
    if (!rs_arena_grow(t->mem, &rows, &t->cap, t->n, sizeof *t->rows))
        return false;
    t->rows = rows;
    t->rows[t->n++] = (rs_scored){score, id};
    if (t->cut_at == 0)
        t->cut_at = 4 * t->limit > FIRST_CUT ? 4 * t->limit : FIRST_CUT;
    if (t->n >= t->cut_at) {
        rs_top_end(t);
        t->cut_at = 2 * t->n > t->cut_at ? 2 * t->n : t->cut_at;
    }
    return true;
}
