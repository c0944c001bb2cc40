/* eval_labels.c - the cases of an archive ask for each other, their labels say what is right.
 * See eval.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include "base/alloc.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

/* Of a report so much is asked for: a query is not a book. Images of a case that ask: a query has
 * room for 64 parts. */
enum { TEXT_BYTES = 400, IMAGES = 32 };

typedef struct {
    rs_census       census;
    rs_eval_by      by;
    const uint32_t *asking;        /* the case, or the label, of each query */
} labelled;

/* ---- What is right ---------------------------------------------------- */

static bool has_label(const rs_census_case *c, uint32_t label)
{
    const rs_census_case alone = {.labels = &label, .n_labels = 1};

    return rs_census_shared(&alone, c) > 0;
}

/* The grade of case `c` for a query; 0: not relevant. */
static int grade_for(const labelled *l, uint32_t asking, const rs_census_case *c)
{
    const rs_census_case *q = &l->census.cases[asking];

    if (l->by == RS_EVAL_BY_LABEL)
        return has_label(c, asking);
    return c->group == q->group ? RS_EVAL_LEFT_OUT : (int)rs_census_shared(q, c);
}

static rs_status judged(const rs_eval_set *s, size_t query, rs_arena *mem,
                        const rs_beir_judgement **of, size_t *n, rs_err *err)
{
    const labelled *l = s->data;
    rs_beir_judgement *list;
    size_t found = 0;

    for (size_t i = 0; i < l->census.n_cases; i++)
        found += grade_for(l, l->asking[query], &l->census.cases[i]) != 0;
    list = rs_new(mem, rs_beir_judgement, found + 1);
    *of = list;
    *n = 0;
    if (!list)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu judgements", found);
    for (size_t i = 0; i < l->census.n_cases; i++) {
        const int grade = grade_for(l, l->asking[query], &l->census.cases[i]);
        if (grade)
            list[(*n)++] = (rs_beir_judgement){s->queries[query].id, l->census.cases[i].key, grade};
    }
    return RS_OK;
}

/* ---- What asks -------------------------------------------------------- */

static bool can_ask(const labelled *l, uint32_t of)
{
    const rs_census_case *c = &l->census.cases[of];
    const bool image = c->n_images > 0, text = c->n_passages > 0;

    if (c->n_labels == 0 || !(l->by == RS_EVAL_BY_IMAGE ? image : l->by == RS_EVAL_BY_TEXT ? text
                                                                 : image && text))
        return false;
    for (size_t i = 0; i < l->census.n_cases; i++)
        if (grade_for(l, of, &l->census.cases[i]) > 0)
            return true;
    return false;
}

/* Cases in a random order; labels in turn take the next that has them and can ask. */
static size_t choose_cases(const labelled *l, size_t most, uint64_t seed, size_t *order,
                           bool *taken, size_t *next, uint32_t *asking)
{
    rs_random rnd = rs_random_seed(seed);
    const size_t n = l->census.n_cases;
    size_t chosen = 0;

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    rs_random_shuffle(&rnd, order, n);
    for (bool any = true; any && chosen < most;) {
        any = false;
        for (uint32_t label = 0; label < l->census.n_labels && chosen < most; label++)
            for (bool got = false; !got && next[label] < n; next[label]++) {
                const uint32_t at = (uint32_t)order[next[label]];
                if (taken[at] || !has_label(&l->census.cases[at], label) || !can_ask(l, at))
                    continue;
                taken[at] = got = any = true;
                asking[chosen++] = at;
            }
    }
    return chosen;
}

static rs_status choose(labelled *l, size_t most, uint64_t seed, rs_arena *mem, size_t *n,
                        rs_err *err)
{
    const size_t cases = l->census.n_cases, labels = l->census.n_labels;
    const size_t room = l->by == RS_EVAL_BY_LABEL ? labels : most < cases ? most : cases;
    uint32_t *asking = rs_new(mem, uint32_t, room + 1);
    size_t *order = rs_calloc(cases + 1, sizeof *order);
    size_t *next = rs_calloc(labels + 1, sizeof *next);
    bool *taken = rs_calloc(cases + 1, sizeof *taken);
    rs_status st = RS_OK;

    *n = 0;
    if (!asking || !order || !next || !taken)
        st = rs_fail(err, RS_ENOMEM, "no memory for %zu queries", room);
    else if (l->by == RS_EVAL_BY_LABEL)
        for (; *n < labels; ++*n)
            asking[*n] = (uint32_t)*n;
    else
        *n = choose_cases(l, room, seed, order, taken, next, asking);
    l->asking = asking;
    rs_free(taken);
    rs_free(next);
    rs_free(order);
    return st;
}

/* ---- Queries --------------------------------------------------------- */

/* A report's beginning without what the query language obeys. In `mem`; NULL on OOM. */
static const char *plain_words(const rs_case *c, rs_arena *mem)
{
    const char *text = c->report && *c->report ? c->report : c->title ? c->title : "";
    size_t len = strlen(text);
    char *out;

    if (len > TEXT_BYTES)
        for (len = TEXT_BYTES; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;)
            len--;
    out = rs_arena_strndup(mem, text, len);
    for (char *p = out; p && *p; p++)
        if (strchr("\":*", *p) || (*p == '-' && (p == out || p[-1] == ' ')))
            *p = ' ';
    return out;
}

/* The mean of a case's passages, of unit length. In `mem`; NULL on OOM. */
static const float *mean_passage(const rs_census *all, const rs_census_case *c, rs_arena *mem)
{
    float *mean = rs_new(mem, float, all->dim);
    double len = 0;

    for (size_t p = c->first_passage; mean && p < c->first_passage + c->n_passages; p++)
        for (size_t k = 0; k < all->dim; k++)
            mean[k] += all->passage_vectors[p * all->dim + k];
    for (size_t k = 0; mean && k < all->dim; k++)
        len += (double)mean[k] * (double)mean[k];
    for (size_t k = 0; mean && len > 0 && k < all->dim; k++)
        mean[k] = (float)(mean[k] / sqrt(len));
    return mean;
}

/* `text` between quotation marks, as the filter language reads it; NULL on OOM. */
static const char *quoted(const char *text, rs_arena *mem)
{
    char *out = rs_new(mem, char, 2 * strlen(text) + 3), *p = out;

    if (!out)
        return NULL;
    *p++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *p++ = '\\';
        *p++ = *text;
    }
    *p = '"';
    return out;
}

/* Everything but the case itself and what else is of its patient; NULL on OOM. */
static const char *others(const rs_census_case *c, rs_arena *mem)
{
    const char *owner = c->patient ? c->patient : c->attribute_group;
    const char *key = quoted(c->key, mem), *group = owner ? quoted(owner, mem) : "";

    if (!key || !group)
        return NULL;
    return owner ? rs_arena_sprintf(mem, "not (case:%s or %s:%s)", key,
                                    c->patient ? "patient" : "attr.group", group)
                 : rs_arena_sprintf(mem, "not case:%s", key);
}

static rs_status case_query(rs_archive *a, const labelled *l, uint32_t of, rs_eval_query *q,
                            rs_arena *mem, rs_err *err)
{
    const rs_census *all = &l->census;
    const rs_census_case *c = &all->cases[of];
    rs_case *text;
    rs_status st;

    *q = (rs_eval_query){.id = c->key, .filter = others(c, mem)};
    if (!q->filter)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", c->key);
    if (l->by != RS_EVAL_BY_TEXT) {
        q->images = all->image_vectors + c->first_image * all->dim;
        q->n_images = c->n_images < IMAGES ? c->n_images : IMAGES;
    }
    if (l->by == RS_EVAL_BY_IMAGE)
        return RS_OK;
    if ((st = rs_archive_get(a, c->key, mem, &text, err)) != RS_OK)
        return st;
    q->text = plain_words(text, mem);
    q->text_vector = mean_passage(all, c, mem);
    return q->text && q->text_vector ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", c->key);
}

static rs_status make_queries(rs_archive *a, const labelled *l, rs_eval_query *q, size_t n,
                              rs_arena *mem, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        if (l->by == RS_EVAL_BY_LABEL)
            q[i] = (rs_eval_query){.id = l->census.labels[i], .text = l->census.labels[i]};
        else
            st = case_query(a, l, l->asking[i], &q[i], mem, err);
    }
    return st;
}

/* How many documents have a grade above 0, of all queries. */
static size_t count_judgements(const labelled *l, size_t n)
{
    size_t all = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < l->census.n_cases; k++)
            all += grade_for(l, l->asking[i], &l->census.cases[k]) > 0;
    return all;
}

rs_status rs_eval_set_labels(rs_eval_set *out, rs_archive *a, rs_eval_by by, size_t most,
                             uint64_t seed, rs_arena *mem, rs_err *err)
{
    labelled *l = rs_new(mem, labelled, 1);
    rs_eval_query *q = NULL;
    size_t n;
    rs_status st;

    if (!l)
        return rs_fail(err, RS_ENOMEM, "no memory for queries");
    l->by = by;
    if ((st = rs_census_take(a, mem, &l->census, err)) != RS_OK ||
        (st = choose(l, most, seed, mem, &n, err)) != RS_OK)
        return st;
    if (n == 0)
        return rs_fail(err, RS_ENOENT, "no case can ask: wanted cases with %s and a label that a "
                       "case of another patient shares", by == RS_EVAL_BY_IMAGE ? "an image"
                       : by == RS_EVAL_BY_TEXT ? "a report" : by == RS_EVAL_BY_BOTH
                       ? "an image, a report" : "any content");
    for (size_t i = 0; by != RS_EVAL_BY_LABEL && i < n; i++)
        l->census.cases[l->asking[i]].wanted = true;
    q = rs_new(mem, rs_eval_query, n + 1);
    if (!q)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", n);
    if ((st = rs_census_vectors(a, mem, &l->census, err)) != RS_OK ||
        (st = make_queries(a, l, q, n, mem, err)) != RS_OK)
        return st;
    *out = (rs_eval_set){q, n, l->census.n_cases, count_judgements(l, n), judged, l};
    return RS_OK;
}
