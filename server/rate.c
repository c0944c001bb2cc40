/* rate.c - see rate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/rate.h"

#include "base/alloc.h"

#include <string.h>

struct rs_bucket {
    char  *name;
    double left, at_s;
};

void rs_rates_clear(rs_rates *r)
{
    for (size_t i = 0; i < r->n; i++)
        rs_free(r->rows[i].name);
    rs_free(r->rows);
    *r = (rs_rates){0};
}

static struct rs_bucket *bucket_of(rs_rates *r, const char *name, double burst, double now_s)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->rows[i].name, name) == 0)
            return &r->rows[i];
    if (r->n == r->cap) {
        const size_t cap = r->cap ? 2 * r->cap : 16;
        struct rs_bucket *rows = rs_realloc(r->rows, cap, sizeof *rows);
        if (!rows)
            return NULL;
        r->rows = rows;
        r->cap = cap;
    }
    r->rows[r->n] = (struct rs_bucket){rs_strdup(name), burst, now_s};
    return r->rows[r->n].name ? &r->rows[r->n++] : NULL;
}

double rs_rates_take(rs_rates *r, const char *name, double rate, double burst, double now_s)
{
    struct rs_bucket *b;

    if (rate <= 0)
        return 0;
    if (!(b = bucket_of(r, name, burst, now_s)))
        return 1;
    b->left += rate * (now_s - b->at_s);
    b->left = b->left > burst ? burst : b->left;
    b->at_s = now_s;
    if (b->left < 1)
        return (1 - b->left) / rate;
    b->left -= 1;
    return 0;
}
