/* gone.c - what a source no longer holds, and what is no longer wrong with it; see
 * index_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index_int.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_AT_ONCE = 1000 };

typedef struct { const char **list; size_t n; } name_list;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool holds(const name_list *names, const char *name)
{
    return names->n && bsearch(&name, names->list, names->n, sizeof *names->list, by_name);
}

/* What the source holds now. */
typedef struct {
    name_list keys;              /* sorted */
    name_list problems;          /* sorted: the archive's problems of this source, */
    bool *still;                 /* and which of them are still to be said */
} inventory;

static rs_status take_problems(rs_index_job *x, rs_arena *mem, inventory *v, rs_err *err)
{
    const rs_problem *p;
    rs_status st = rs_archive_problems(x->archive, x->name, mem, &p, &v->problems.n, err);

    if (st != RS_OK)
        return st;
    v->problems.list = rs_new(mem, const char *, v->problems.n + 1);
    v->still = rs_new(mem, bool, v->problems.n + 1);
    if (!v->problems.list || !v->still)
        return rs_fail(err, RS_ENOMEM, "%s: no memory for its problems", x->name);
    for (size_t i = 0; i < v->problems.n; i++)
        v->problems.list[i] = p[i].item;
    qsort(v->problems.list, v->problems.n, sizeof *v->problems.list, by_name);
    return RS_OK;
}

static void keep_problem(inventory *v, const char *item)
{
    const char **at = v->problems.n ? bsearch(&item, v->problems.list, v->problems.n,
                                              sizeof *v->problems.list, by_name) : NULL;
    if (at)
        v->still[at - v->problems.list] = true;
}

/* An image counts as still refused when no file of this name was taken in. */
static rs_status keep_images(rs_index_job *x, inventory *v, const rs_source_case *c, rs_arena *mem,
                             rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; i < c->n_images && st == RS_OK; i++) {
        const rs_source_file *known = NULL;
        if (!holds(&v->problems, c->images[i].given))
            continue;
        st = rs_archive_file(x->archive, x->name, c->images[i].given, mem, &known, err);
        if (!known)
            keep_problem(v, c->images[i].given);
    }
    return st;
}

static rs_status take_inventory(rs_index_job *x, rs_arena *mem, inventory *v, rs_err *err)
{
    rs_arena one = {0};
    rs_status st = take_problems(x, mem, v, err);

    v->keys.list = rs_new(mem, const char *, x->count + 1);
    if (st == RS_OK && !v->keys.list)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory for its keys", x->name);
    for (size_t i = 0; i < x->count && st == RS_OK; i++) {
        rs_source_case c;
        st = rs_source_get(x->source, i, &one, &c, err);
        if (st == RS_OK)
            st = keep_images(x, v, &c, &one, err);
        if (st == RS_OK && c.key) {
            const char *prefix = x->o->prefix ? x->o->prefix : "";
            const char *key = rs_arena_sprintf(mem, "%s%s", prefix, c.key);
            v->keys.list[v->keys.n++] = key;
            if (!key)
                st = rs_fail(err, RS_ENOMEM, "%s: no memory for its keys", x->name);
        } else if (st == RS_OK) {
            x->r->unreadable++;
        }
        rs_arena_reset(&one);
    }
    rs_arena_clear(&one);
    for (size_t i = 0; i < x->n_refused && st == RS_OK; i++)
        keep_problem(v, x->refused[i]);
    if (st == RS_OK)
        qsort(v->keys.list, v->keys.n, sizeof *v->keys.list, by_name);
    return st;
}

/* Remove a case and what is remembered of its files. */
static rs_status prune_case(rs_index_job *x, const char *key, rs_err *err)
{
    rs_arena mem = {0};
    rs_case_job job = {.from = {.n_images = 0}};
    rs_status st = rs_index_known(x, key, &mem, &job.before, err);

    if (st == RS_OK)
        st = rs_index_forget_files(x, &job, err);
    if (st == RS_OK)
        st = rs_archive_remove(x->archive, key, NULL, err);
    x->r->pruned += st == RS_OK;
    rs_arena_clear(&mem);
    return st;
}

/* Count, or with `prune` remove, the archive's cases that the source no longer holds. */
static rs_status look_for_gone(rs_index_job *x, const inventory *v, rs_arena *mem, rs_err *err)
{
    bool prune = x->o->prune && x->r->unreadable == 0;
    const char **keys, *after = NULL;
    size_t n = 0;
    rs_status st;

    do {
        st = rs_archive_keys(x->archive, x->name, after, KEYS_AT_ONCE, mem, &keys, &n, err);
        if (st == RS_OK && prune)
            st = rs_archive_begin(x->archive, err);
        for (size_t i = 0; i < n && st == RS_OK; i++) {
            after = keys[i];
            if (holds(&v->keys, keys[i]))
                continue;
            if (prune)
                st = prune_case(x, keys[i], err);
            else
                x->r->gone++;
        }
        if (st == RS_OK && prune)
            st = rs_archive_commit(x->archive, err);
        else if (st != RS_OK)
            rs_archive_rollback(x->archive);
    } while (st == RS_OK && n == KEYS_AT_ONCE);
    return st;
}

static rs_status forget_problems(rs_index_job *x, const inventory *v, rs_err *err)
{
    rs_status st;

    for (size_t i = 0; i < v->problems.n; i++)
        x->r->problems += v->still[i];
    if (x->r->problems == v->problems.n)
        return RS_OK;
    if ((st = rs_archive_begin(x->archive, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < v->problems.n && st == RS_OK; i++)
        if (!v->still[i])
            st = rs_archive_clear_problem(x->archive, x->name, v->problems.list[i], err);
    if (st == RS_OK)
        return rs_archive_commit(x->archive, err);
    rs_archive_rollback(x->archive);
    return st;
}

rs_status rs_index_clean_up(rs_index_job *x, rs_err *err)
{
    rs_arena mem = {0};
    inventory v = {0};
    rs_status st = take_inventory(x, &mem, &v, err);

    if (st == RS_OK)
        st = look_for_gone(x, &v, &mem, err);
    if (st == RS_OK)
        st = forget_problems(x, &v, err);
    rs_arena_clear(&mem);
    return st;
}
