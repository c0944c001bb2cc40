/* sampler.c - see sampler.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/sampler.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t *rows, n;                            /* in this epoch's order */
    uint64_t epoch, at;                         /* rows[at] is next */
    double share, owed;
} set_state;

typedef struct {
    uint64_t run;                               /* the place of its run in the epoch */
    size_t   at, row;                           /* the place of the row in the run */
} placed;

struct rs_sampler {
    const rs_dataset *ds;
    set_state *sets;
    size_t n_sets, run, mixed_epochs, n_kinds;
    size_t *of_kind;                            /* [n_kinds] rows seen so far */
    placed *order;                              /* [rows of the largest set] */
    uint64_t seed;
    rs_arena mem;
};

static int by_row(const void *a, const void *b)
{
    const size_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int by_place(const void *a, const void *b)
{
    const placed *x = a, *y = b;

    if (x->run != y->run)
        return x->run < y->run ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Rows in any order -> rows of a kind in runs of s->run; the runs in a random order. */
static void gather_runs(rs_sampler *s, set_state *t, uint64_t seed)
{
    memset(s->of_kind, 0, s->n_kinds * sizeof *s->of_kind);
    for (size_t i = 0; i < t->n; i++) {
        size_t kind = (size_t)(s->ds->rows[t->rows[i]].kind + 1);
        size_t at = s->of_kind[kind]++;
        rs_random r = rs_random_derive(seed, (uint64_t)kind << 32 | at / s->run);
        s->order[i] = (placed){rs_random_u64(&r), at, t->rows[i]};
    }
    qsort(s->order, t->n, sizeof *s->order, by_place);
    for (size_t i = 0; i < t->n; i++)
        t->rows[i] = s->order[i].row;
}

/* Put a set's rows in the order of its epoch, whatever order they are in. */
static void shuffle(rs_sampler *s, size_t set)
{
    set_state *t = &s->sets[set];
    rs_random r = rs_random_derive(s->seed, (uint64_t)set << 40 | t->epoch);

    qsort(t->rows, t->n, sizeof *t->rows, by_row);      /* the past does not count */
    rs_random_shuffle(&r, t->rows, t->n);
    if (s->run > 1 && t->epoch >= s->mixed_epochs)
        gather_runs(s, t, rs_random_u64(&r));
}

static rs_status make_room(rs_sampler *s, const rs_dataset *ds, rs_err *err)
{
    size_t largest = 0;

    s->n_kinds = 1;                             /* none given */
    for (size_t i = 0; i < ds->n_train; i++) {
        const rs_row *r = &ds->rows[ds->train[i]];
        size_t n = ++s->sets[r->set].n;
        largest = n > largest ? n : largest;
        s->n_kinds = (size_t)(r->kind + 2) > s->n_kinds ? (size_t)(r->kind + 2) : s->n_kinds;
    }
    s->of_kind = rs_new(&s->mem, size_t, s->n_kinds);
    s->order = rs_new(&s->mem, placed, largest);
    return s->of_kind && s->order ? RS_OK : rs_fail(err, RS_ENOMEM, "sampler: no memory");
}

static rs_status fill_sets(rs_sampler *s, const rs_dataset *ds, const double *weight,
                           double balance, rs_err *err)
{
    double total = 0;

    for (size_t k = 0; k < s->n_sets; k++) {
        set_state *t = &s->sets[k];
        t->rows = rs_new(&s->mem, size_t, t->n);
        if (!t->rows)
            return rs_fail(err, RS_ENOMEM, "sampler: no memory");
        t->share = t->n ? weight[k] * pow((double)t->n, balance) : 0.0;
        total += t->share;
        t->n = 0;
    }
    if (!(total > 0) || !isfinite(total))
        return rs_fail(err, RS_EARG, "sampler: no set with rows has a weight above 0");
    for (size_t i = 0; i < ds->n_train; i++) {
        set_state *t = &s->sets[ds->rows[ds->train[i]].set];
        t->rows[t->n++] = ds->train[i];
    }
    for (size_t k = 0; k < s->n_sets; k++) {
        s->sets[k].share /= total;
        shuffle(s, k);
    }
    return RS_OK;
}

rs_status rs_sampler_new(rs_sampler **out, const rs_dataset *ds, const rs_sampler_spec *spec,
                         rs_err *err)
{
    rs_sampler *s = rs_calloc(1, sizeof *s);
    rs_status st = RS_OK;

    *out = NULL;
    if (!s)
        return rs_fail(err, RS_ENOMEM, "sampler: no memory");
    s->ds = ds;
    s->seed = spec->seed;
    s->run = spec->run ? spec->run : 1;
    s->mixed_epochs = spec->mixed_epochs;
    s->n_sets = ds->n_sets;
    s->sets = rs_new(&s->mem, set_state, ds->n_sets);
    if (!s->sets)
        st = rs_fail(err, RS_ENOMEM, "sampler: no memory");
    if (st == RS_OK)
        st = make_room(s, ds, err);
    if (st == RS_OK)
        st = fill_sets(s, ds, spec->set_weight, spec->balance, err);
    if (st == RS_OK)
        *out = s;
    else
        rs_sampler_free(s);
    return st;
}

void rs_sampler_free(rs_sampler *s)
{
    if (!s)
        return;
    rs_arena_clear(&s->mem);
    rs_free(s);
}

double rs_sampler_share(const rs_sampler *s, size_t set)
{
    return s->sets[set].share;
}

void rs_sampler_draw(rs_sampler *s, size_t *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t best = s->n_sets;
        for (size_t k = 0; k < s->n_sets; k++) {
            s->sets[k].owed += s->sets[k].share;
            if (s->sets[k].share > 0 && (best == s->n_sets || s->sets[k].owed > s->sets[best].owed))
                best = k;
        }
        set_state *t = &s->sets[best];
        t->owed -= 1.0;
        rows[i] = t->rows[t->at++];
        if (t->at == t->n) {
            t->at = 0;
            t->epoch++;
            shuffle(s, best);
        }
    }
}

/* ---- Checkpoints ----------------------------------------------------- */

static void put_u64(rs_buf *out, uint64_t v)
{
    char le[8];

    for (size_t i = 0; i < 8; i++)
        le[i] = (char)(v >> (8 * i));
    rs_buf_append(out, le, sizeof le);
}

void rs_sampler_save(const rs_sampler *s, rs_buf *out)
{
    put_u64(out, s->n_sets);
    for (size_t k = 0; k < s->n_sets; k++) {
        const set_state *t = &s->sets[k];
        uint64_t owed;
        memcpy(&owed, &t->owed, sizeof owed);
        put_u64(out, t->n);
        put_u64(out, t->epoch);
        put_u64(out, t->at);
        put_u64(out, owed);
    }
}

rs_status rs_sampler_restore(rs_sampler *s, rs_reader *in, rs_err *err)
{
    uint64_t n_sets = rs_read_u64le(in);

    if (n_sets != s->n_sets)
        return rs_fail(err, RS_EMISMATCH, "checkpoint of %llu sets, but there are %zu now",
                       (unsigned long long)n_sets, s->n_sets);
    for (size_t k = 0; k < s->n_sets; k++) {
        set_state *t = &s->sets[k];
        uint64_t n = rs_read_u64le(in), epoch = rs_read_u64le(in), at = rs_read_u64le(in);
        uint64_t owed = rs_read_u64le(in);
        if (in->failed || n != t->n || (n && at >= n))
            return rs_fail(err, RS_EMISMATCH, "checkpoint: set %zu had %llu rows, now %zu", k,
                           (unsigned long long)n, t->n);
        t->epoch = epoch;
        t->at = at;
        memcpy(&t->owed, &owed, sizeof owed);
        shuffle(s, k);
    }
    return RS_OK;
}
