/* measure.c - what a model can do, on images that were kept out of its training.
 *
 *   scout_measure MODEL --manifest FILE [--phantoms FILE] [--medpix FOLDER] [--precision P]
 *
 * FILE is a training manifest (training/manifest.c); only rows of split "test" are used.
 * Beside each figure stand the same of an untrained encoder of the same shape and of
 * random vectors: what they reach, the task gives away for nothing.
 *
 *   retrieval   image -> images: share of the 5 nearest that agree in an attribute; the
 *               query's own group (patient, case) is left out
 *   zero-shot   image -> the class whose prompts (their mean vector) are nearest
 *   R@k         one text against n images, or one image against n texts: is a match among
 *               the first k. A match is the same finding, side and site ("label"), or the
 *               very same case ("case")
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "measure.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PER_SET = 1500, NEAREST = 5 };

/* ---- Rows ------------------------------------------------------------ */

static bool add_row(ms_set *s, const ms_row *r)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 256;
        ms_row *more = rs_realloc(s->rows, cap, sizeof *more);
        if (!more)
            return false;
        s->rows = more;
        s->cap = cap;
    }
    s->rows[s->n++] = *r;
    return true;
}

static const char *copy(ms_set *s, const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? rs_arena_strdup(&s->mem, text) : NULL;
}

static void take_row(ms_set *s, const json_t *row, const char *folder)
{
    const char *image = json_string_value(json_object_get(row, "image"));
    const char *text = json_string_value(json_array_get(json_object_get(row, "texts"), 0));
    ms_row r = {.set = copy(s, row, "set"), .group = copy(s, row, "group"),
                .label = copy(s, row, "label")};

    if (!image)
        return;
    r.image = image[0] == '/' || !folder ? rs_arena_strdup(&s->mem, image)
                                         : rs_arena_sprintf(&s->mem, "%s/%s", folder, image);
    r.text = text ? rs_arena_strdup(&s->mem, text) : NULL;
    r.value[MS_MODALITY] = copy(s, row, "modality");
    r.value[MS_REGION] = copy(s, row, "region");
    r.value[MS_FINDING] = copy(s, row, "finding");
    r.value[MS_DATASET] = copy(s, row, "dataset");
    r.value[MS_LABEL] = r.label;
    add_row(s, &r);
}

/* Every `step`-th of the wanted rows, so that at most MAX_PER_SET are kept. */
rs_status ms_read_manifest(ms_set *s, const char *path, const char *set, rs_err *err)
{
    FILE *in = fopen(path, "r");
    char *line = NULL, *folder = rs_strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    size_t cap = 0, step;
    ssize_t len;
    ms_set all = {0};

    if (slash)
        *slash = '\0';
    if (!in) {
        rs_free(folder);
        return rs_fail_errno(err, "open %s", path);
    }
    while ((len = getline(&line, &cap, in)) >= 0) {
        json_t *row;
        const char *split, *name;
        if (rs_json_parse(&row, line, (size_t)len, path, err) != RS_OK)
            continue;
        split = json_string_value(json_object_get(row, "split"));
        name = json_string_value(json_object_get(row, "set"));
        if (split && strcmp(split, "test") == 0 && name && strcmp(name, set) == 0)
            take_row(&all, row, slash ? folder : NULL);
        json_decref(row);
    }
    fclose(in);
    free(line);
    rs_free(folder);
    step = (all.n + MAX_PER_SET - 1) / MAX_PER_SET;
    for (size_t i = 0; i < all.n; i += step)
        add_row(s, &all.rows[i]);
    rs_free(all.rows);
    s->mem = all.mem;
    return RS_OK;
}

/* medpix-dev/cases.jsonl: modality, plane and location; the case is the group. */
rs_status ms_read_medpix(ms_set *s, const char *folder, rs_err *err)
{
    char *path = rs_path_join(folder, "cases.jsonl"), *line = NULL;
    FILE *in = path ? fopen(path, "r") : NULL;
    size_t cap = 0;
    ssize_t len;

    rs_free(path);
    if (!in)
        return rs_fail_errno(err, "open %s/cases.jsonl", folder);
    while ((len = getline(&line, &cap, in)) >= 0) {
        json_t *row;
        const char *image;
        ms_row r = {.set = "medpix-dev"};
        if (rs_json_parse(&row, line, (size_t)len, "medpix", err) != RS_OK)
            continue;
        image = json_string_value(json_array_get(json_object_get(row, "images"), 0));
        r.group = copy(s, row, "case_id");
        r.text = copy(s, row, "caption");
        r.value[MS_MODALITY] = copy(s, row, "modality");
        r.value[MS_PLANE] = copy(s, row, "plane");
        r.value[MS_REGION] = copy(s, row, "body_part");
        if (image && (r.image = rs_arena_sprintf(&s->mem, "%s/%s", folder, image)) != NULL)
            add_row(s, &r);
        json_decref(row);
    }
    fclose(in);
    free(line);
    return RS_OK;
}

void ms_set_clear(ms_set *s)
{
    rs_free(s->rows);
    rs_free(s->vectors);
    rs_free(s->texts);
    rs_arena_clear(&s->mem);
    *s = (ms_set){0};
}

/* ---- Vectors --------------------------------------------------------- */

static void random_vectors(float *v, size_t n, size_t d, rs_random *r)
{
    for (size_t i = 0; i < n; i++) {
        double norm = 0;
        for (size_t k = 0; k < d; k++) {
            v[i * d + k] = (float)rs_random_normal(r);
            norm += (double)v[i * d + k] * (double)v[i * d + k];
        }
        for (size_t k = 0; k < d; k++)
            v[i * d + k] /= (float)sqrt(norm);
    }
}

rs_status ms_text_vectors(ms_encoder *e, const char *const *texts, size_t n, float *out, rs_err *err)
{
    if (!e->encoder) {
        random_vectors(out, n, e->dim, &e->random);
        return RS_OK;
    }
    return rs_encoder_texts(e->encoder, texts, n, e->pool, out, NULL, err);
}

/* All images of the set, 64 at a time; one that cannot be read ends it. */
static rs_status image_vectors(ms_encoder *e, ms_set *s, rs_err *err)
{
    enum { AT_ONCE = 64 };
    rs_image images[AT_ONCE];
    rs_status st = RS_OK;

    if (!e->encoder) {
        random_vectors(s->vectors, s->n, e->dim, &e->random);
        return RS_OK;
    }
    for (size_t i = 0; i < s->n && st == RS_OK; i += AT_ONCE) {
        size_t n = s->n - i < AT_ONCE ? s->n - i : AT_ONCE, have = 0;
        for (; have < n && st == RS_OK; have += st == RS_OK)
            st = rs_image_load(&images[have], s->rows[i + have].image, err);
        if (st == RS_OK)
            st = rs_encoder_images(e->encoder, images, n, e->pool, s->vectors + i * e->dim, err);
        for (size_t k = 0; k < have; k++)
            rs_image_clear(&images[k]);
    }
    return st;
}

rs_status ms_encode_set(ms_encoder *e, ms_set *s, rs_err *err)
{
    const char **texts = rs_calloc(s->n + 1, sizeof *texts);
    rs_status st;

    rs_free(s->vectors);
    rs_free(s->texts);
    s->vectors = rs_calloc_aligned(s->n * e->dim, sizeof *s->vectors);
    s->texts = rs_calloc_aligned(s->n * e->dim, sizeof *s->texts);
    if (!texts || !s->vectors || !s->texts) {
        rs_free(texts);
        return rs_fail(err, RS_ENOMEM, "no memory for %zu vectors", s->n);
    }
    for (size_t i = 0; i < s->n; i++)
        texts[i] = s->rows[i].text ? s->rows[i].text : "";
    st = image_vectors(e, s, err);
    if (st == RS_OK)
        st = ms_text_vectors(e, texts, s->n, s->texts, err);
    rs_free(texts);
    return st;
}

double ms_dot(const float *a, const float *b, size_t d)
{
    double sum = 0;

    for (size_t k = 0; k < d; k++)
        sum += (double)a[k] * (double)b[k];
    return sum;
}

/* ---- Retrieval ------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* The NEAREST images to image q, not of its own group; returns how many. */
static size_t nearest(const ms_set *s, size_t d, size_t q, size_t out[NEAREST])
{
    double score[NEAREST];
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        double v;
        size_t at;
        if (i == q || same(s->rows[i].group, s->rows[q].group))
            continue;
        v = ms_dot(s->vectors + q * d, s->vectors + i * d, d);
        if (n == NEAREST && v <= score[n - 1])
            continue;
        at = n < NEAREST ? n++ : n - 1;
        for (; at > 0 && score[at - 1] < v; at--) {
            score[at] = score[at - 1];
            out[at] = out[at - 1];
        }
        score[at] = v;
        out[at] = i;
    }
    return n;
}

double ms_precision_at_5(const ms_set *s, size_t d, ms_attribute a, size_t *queries)
{
    double sum = 0;

    *queries = 0;
    for (size_t q = 0; q < s->n; q++) {
        size_t list[NEAREST], n, good = 0;
        if (!s->rows[q].value[a] || (n = nearest(s, d, q, list)) == 0)
            continue;
        for (size_t i = 0; i < n; i++)
            good += same(s->rows[list[i]].value[a], s->rows[q].value[a]);
        sum += (double)good / (double)n;
        (*queries)++;
    }
    return *queries ? sum / (double)*queries : 0;
}

/* R@k of rows of `from` against rows of `to` ([n x d] each, row i belongs to row i). */
double ms_recall(const ms_set *s, const float *from, const float *to, size_t d, size_t k,
                 bool by_case)
{
    size_t hits = 0;

    for (size_t q = 0; q < s->n; q++) {
        double best = -2;                /* of the matches */
        size_t ahead = 0;
        for (size_t i = 0; i < s->n; i++) {
            bool match = by_case ? same(s->rows[i].group, s->rows[q].group)
                                 : same(s->rows[i].label, s->rows[q].label);
            double v = match ? ms_dot(from + q * d, to + i * d, d) : -2;
            if (v > best)
                best = v;
        }
        for (size_t i = 0; i < s->n && ahead < k; i++) {
            bool match = by_case ? same(s->rows[i].group, s->rows[q].group)
                                 : same(s->rows[i].label, s->rows[q].label);
            ahead += !match && ms_dot(from + q * d, to + i * d, d) >= best;
        }
        hits += ahead < k;
    }
    return s->n ? (double)hits / (double)s->n : 0;
}
