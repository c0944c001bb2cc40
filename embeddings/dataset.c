/* dataset.c - see dataset.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dataset.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "embeddings/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAMED = 50 };                        /* broken images that get a line of their own */

static rs_status no_memory(rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "training set: no memory");
}

/* ---- Equal strings get equal numbers --------------------------------- */

typedef struct { const char *s; size_t i; } keyed;

static int by_string(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    int order = strcmp(x->s, y->s);

    return order ? order : (x->i > y->i) - (x->i < y->i);
}

/* id[i] numbers strings[i] among the distinct ones in sorted order, -1 for NULL.
 * names (from mem) are the distinct strings, borrowed. */
static rs_status number_strings(const char *const *strings, size_t n, int32_t *id,
                                const char ***names, size_t *n_names, rs_arena *mem, rs_err *err)
{
    keyed *k = rs_calloc(n, sizeof *k);
    const char **list = rs_new(mem, const char *, n + 1);
    size_t used = 0, distinct = 0;

    if (!k || !list) {
        rs_free(k);
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        id[i] = -1;
        if (strings[i])
            k[used++] = (keyed){strings[i], i};
    }
    qsort(k, used, sizeof *k, by_string);
    for (size_t i = 0; i < used; i++) {
        if (i == 0 || strcmp(k[i].s, k[i - 1].s) != 0)
            list[distinct++] = k[i].s;
        id[k[i].i] = (int32_t)distinct - 1;
    }
    rs_free(k);
    *names = list;
    *n_names = distinct;
    return RS_OK;
}

/* ---- Rows ------------------------------------------------------------ */

/* What equal positives have in common: the label, or all texts of a row without one. */
static const char *positive_key(const rs_manifest_row *r, rs_arena *mem)
{
    rs_buf b = {0};
    char *key;

    if (r->label)
        return rs_arena_sprintf(mem, "label:%s", r->label);
    rs_buf_puts(&b, "texts:");
    for (size_t i = 0; i < r->n_texts; i++) {
        rs_buf_puts(&b, r->texts[i]);
        rs_buf_putc(&b, '\n');
    }
    key = b.failed ? NULL : rs_arena_strdup(mem, b.data);
    rs_buf_clear(&b);
    return key;
}

/* Sets, labels and positives of the rows in ds->rows (whose `line` is filled). */
static rs_status number_rows(rs_dataset *ds, const rs_manifest *m, rs_err *err)
{
    size_t n = ds->n_rows;
    rs_arena mem = {0};
    const char **s = rs_new(&mem, const char *, n), **keys = NULL;
    int32_t *set = rs_new(&mem, int32_t, n), *named = rs_new(&mem, int32_t, n);
    int32_t *label = rs_new(&mem, int32_t, n), *kind = rs_new(&mem, int32_t, n);
    size_t n_keys = 0, n_kinds = 0;
    rs_status st = s && set && named && label && kind ? RS_OK : no_memory(err);

    for (size_t i = 0; st == RS_OK && i < n; i++)
        s[i] = m->rows[ds->rows[i].line].set;
    if (st == RS_OK)
        st = number_strings(s, n, set, &ds->set_names, &ds->n_sets, &ds->mem, err);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        s[i] = m->rows[ds->rows[i].line].label;
    if (st == RS_OK)
        st = number_strings(s, n, named, &ds->label_names, &ds->n_labels, &ds->mem, err);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        s[i] = m->rows[ds->rows[i].line].kind;
    if (st == RS_OK)
        st = number_strings(s, n, kind, &keys, &n_kinds, &mem, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        s[i] = positive_key(&m->rows[ds->rows[i].line], &mem);
        if (!s[i])
            st = no_memory(err);
    }
    if (st == RS_OK)
        st = number_strings(s, n, label, &keys, &n_keys, &mem, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        ds->rows[i].set = set[i];
        ds->rows[i].named_label = named[i];
        ds->rows[i].label = label[i];
        ds->rows[i].kind = kind[i];
    }
    rs_arena_clear(&mem);
    return st;
}

/* ---- Texts ----------------------------------------------------------- */

/* Each distinct text once, as tokens. */
static rs_status tokenise(rs_dataset *ds, const rs_dataset_spec *spec, rs_err *err)
{
    size_t cap = 0, at = 0;
    int32_t *ids = rs_calloc(spec->max_tokens, sizeof *ids);
    rs_status st = ids ? RS_OK : no_memory(err);

    ds->token_at = rs_new(&ds->mem, size_t, ds->n_texts + 1);
    if (!ds->token_at)
        st = no_memory(err);
    for (size_t t = 0; st == RS_OK && t < ds->n_texts; t++) {
        size_t n = 0;
        bool cut = false;
        st = rs_tokenizer_encode(spec->tokenizer, ds->text_strings[t],
                                 strlen(ds->text_strings[t]), ids, spec->max_tokens, &n, &cut, err);
        if (st == RS_OK && at + n > cap) {
            size_t grown = 2 * cap + 64 * spec->max_tokens;
            int32_t *more = rs_realloc(ds->tokens, grown, sizeof *more);
            if (!more)
                st = no_memory(err);
            else
                ds->tokens = more, cap = grown;
        }
        if (st != RS_OK)
            break;
        memcpy(ds->tokens + at, ids, n * sizeof *ids);
        at += n;
        ds->token_at[t + 1] = at;
        ds->cut_texts += cut;
    }
    rs_free(ids);
    return st;
}

static rs_status number_texts(rs_dataset *ds, const rs_manifest *m, rs_err *err)
{
    size_t n = 0;
    const char **s = NULL, **names = NULL;
    rs_status st;

    for (size_t i = 0; i < ds->n_rows; i++) {
        ds->rows[i].first_text = n;
        n += ds->rows[i].n_texts = m->rows[ds->rows[i].line].n_texts;
    }
    s = rs_calloc(n, sizeof *s);
    ds->text_of = rs_new(&ds->mem, int32_t, n);
    if (!s || !ds->text_of) {
        rs_free(s);
        return no_memory(err);
    }
    for (size_t i = 0; i < ds->n_rows; i++)
        for (size_t k = 0; k < ds->rows[i].n_texts; k++)
            s[ds->rows[i].first_text + k] = m->rows[ds->rows[i].line].texts[k];
    st = number_strings(s, n, ds->text_of, &names, &ds->n_texts, &ds->mem, err);
    ds->text_strings = names;
    rs_free(s);
    return st;
}

/* ---- Images ---------------------------------------------------------- */

/* Train and val rows of the manifest, before any image is looked at. */
static rs_status choose_rows(rs_dataset *ds, const rs_manifest *m, rs_err *err)
{
    ds->rows = rs_new(&ds->mem, rs_row, m->n);
    if (!ds->rows)
        return no_memory(err);
    for (size_t i = 0; i < m->n; i++)
        if (m->rows[i].split != RS_SPLIT_TEST)
            ds->rows[ds->n_rows++] = (rs_row){.image = m->rows[i].image, .line = i,
                                              .val = m->rows[i].split == RS_SPLIT_VAL};
    return RS_OK;
}

static rs_status open_images(rs_dataset *ds, const rs_dataset_spec *spec, rs_err *err)
{
    size_t n = ds->n_rows;
    const char **paths = rs_calloc(n, sizeof *paths);
    bool *exact = rs_calloc(n, sizeof *exact);
    rs_status st = paths && exact ? RS_OK : no_memory(err);

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        paths[i] = ds->rows[i].image;
        exact[i] = ds->rows[i].val;
        ds->rows[i].cached = i;
    }
    if (st == RS_OK)
        st = rs_image_cache_open(&ds->images, &(rs_image_cache_spec){
            .folder = spec->cache, .paths = paths, .exact = exact, .n = n,
            .preprocess = spec->preprocess, .pool = spec->pool, .progress = spec->progress}, err);
    rs_free(paths);
    rs_free(exact);
    return st;
}

/* Leave out the rows whose image could not be read, the first ones with a line in the log. */
static void drop_broken(rs_dataset *ds)
{
    size_t kept = 0;

    for (size_t i = 0; i < ds->n_rows; i++) {
        if (rs_image_cache_get(ds->images, ds->rows[i].cached).pixels) {
            ds->rows[kept++] = ds->rows[i];
        } else if (ds->broken++ < MAX_NAMED) {
            char reason[400];
            rs_image_cache_reason(ds->images, ds->rows[i].cached, reason, sizeof reason);
            rs_log_event(RS_LOG_WARN, "image skipped", "file", ds->rows[i].image, "reason", reason,
                         (const char *)NULL);
        }
    }
    if (ds->broken > MAX_NAMED) {
        char count[32];
        snprintf(count, sizeof count, "%zu", ds->broken);
        rs_log_event(RS_LOG_WARN, "images skipped in all", "count", count, (const char *)NULL);
    }
    ds->n_rows = kept;
}

static rs_status split_rows(rs_dataset *ds, rs_err *err)
{
    ds->train = rs_new(&ds->mem, size_t, ds->n_rows);
    ds->val = rs_new(&ds->mem, size_t, ds->n_rows);
    if (!ds->train || !ds->val)
        return no_memory(err);
    for (size_t i = 0; i < ds->n_rows; i++) {
        if (ds->rows[i].val)
            ds->val[ds->n_val++] = i;
        else
            ds->train[ds->n_train++] = i;
    }
    if (ds->n_train == 0)
        return rs_fail(err, RS_EARG, "training set: no readable image of split train in %zu rows "
                       "(%zu broken)", ds->lines, ds->broken);
    return RS_OK;
}

/* ---- Public ---------------------------------------------------------- */

rs_status rs_dataset_open(rs_dataset *ds, const rs_dataset_spec *spec, rs_err *err)
{
    rs_manifest m = {0};
    rs_status st = RS_OK;

    *ds = (rs_dataset){0};
    for (size_t i = 0; st == RS_OK && i < spec->n_manifests; i++)
        st = rs_manifest_add(&m, spec->manifests[i], err);
    ds->lines = m.n;
    if (st == RS_OK)
        st = rs_manifest_check_groups(&m, err);
    if (st == RS_OK)
        st = choose_rows(ds, &m, err);
    if (st == RS_OK)
        st = open_images(ds, spec, err);
    if (st == RS_OK) {
        drop_broken(ds);
        st = split_rows(ds, err);
    }
    if (st == RS_OK)
        st = number_rows(ds, &m, err);
    if (st == RS_OK)
        st = number_texts(ds, &m, err);
    if (st == RS_OK)
        st = tokenise(ds, spec, err);
    ds->strings = m.mem;                        /* paths, names and texts live on */
    m.mem = (rs_arena){0};
    rs_manifest_clear(&m);
    if (st != RS_OK)
        rs_dataset_clear(ds);
    return st;
}

void rs_dataset_clear(rs_dataset *ds)
{
    rs_image_cache_close(ds->images);
    rs_free(ds->tokens);
    rs_arena_clear(&ds->mem);
    rs_arena_clear(&ds->strings);
    *ds = (rs_dataset){0};
}

rs_image rs_dataset_image(const rs_dataset *ds, size_t i)
{
    return rs_image_cache_get(ds->images, ds->rows[i].cached);
}

void rs_dataset_pixels(const rs_preprocess *p, const rs_image *im, float *out)
{
    const uint8_t *pixels = im->pixels;
    size_t area = im->width * im->height;

    for (size_t c = 0; c < 3; c++) {
        float table[256];
        size_t from = im->channels == 3 ? c : 0;
        for (size_t v = 0; v < 256; v++) {
            float x = p->do_rescale ? (float)((double)v * p->rescale) : (float)v;
            table[v] = p->do_normalize ? (x - p->mean[c]) / p->std[c] : x;
        }
        for (size_t i = 0; i < area; i++)
            out[c * area + i] = table[pixels[i * im->channels + from]];
    }
}
