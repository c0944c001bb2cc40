/* verdict.c - see verdict.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/verdict.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "engine/catalog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ASKED_WORDS = 8 };

/* ---- Quantiles ------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

void rs_typical_make(rs_typical *t, float *score, size_t n)
{
    t->known = n >= RS_CALIBRATION_LEAST;
    if (!t->known)
        return;
    qsort(score, n, sizeof *score, ascending);
    for (size_t i = 0; i < RS_CALIBRATION_POINTS; i++) {
        const double at = (double)(n - 1) * (double)i / (RS_CALIBRATION_POINTS - 1);
        const size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;
        t->at[i] = score[below] + (float)(at - (double)below) * (score[above] - score[below]);
    }
}

double rs_typical_share(const rs_typical *t, double score)
{
    size_t below = 0;                  /* points that are no better */
    double part;

    while (below < RS_CALIBRATION_POINTS && (double)t->at[below] <= score)
        below++;
    if (below == 0 || below == RS_CALIBRATION_POINTS)
        return below ? 1 : 0;
    part = (score - (double)t->at[below - 1]) / (double)(t->at[below] - t->at[below - 1]);
    return ((double)below - 1 + part) / (RS_CALIBRATION_POINTS - 1);
}

/* ---- In the catalog -------------------------------------------------- */

static void read_typical(rs_typical *t, const json_t *list)
{
    *t = (rs_typical){.known = json_array_size(list) == RS_CALIBRATION_POINTS};
    for (size_t i = 0; t->known && i < RS_CALIBRATION_POINTS; i++) {
        t->at[i] = (float)json_number_value(json_array_get(list, i));
        if (!isfinite(t->at[i]) || (i > 0 && t->at[i] < t->at[i - 1]))
            t->known = false;
    }
}

/* The text as it was read last, and what it says. */
struct rs_calibration_memo {
    char          *text;
    rs_calibration said;
};

void rs_calibration_forget(rs_archive *a)
{
    if (a->calibration)
        rs_free(a->calibration->text);
    rs_free(a->calibration);
    a->calibration = NULL;
}

/* Without memory for it, it is read again next time. */
static void remember(rs_archive *a, const char *text, const rs_calibration *said)
{
    struct rs_calibration_memo *m = rs_calloc(1, sizeof *m);

    rs_calibration_forget(a);
    if (m && (m->text = rs_strdup(text)) != NULL) {
        m->said = *said;
        a->calibration = m;
    } else {
        rs_free(m);
    }
}

static void read_text(const char *text, rs_calibration *out)
{
    json_t *all = NULL;

    if (rs_json_parse(&all, text, strlen(text), "verdict", NULL) == RS_OK) {
        out->cases = json_integer_value(json_object_get(all, "cases"));
        for (int p = 0; p < RS_PROBE_COUNT; p++)
            read_typical(&out->probe[p], json_object_get(all, rs_probe_name((rs_probe)p)));
    }
    json_decref(all);
}

rs_status rs_calibration_read(rs_archive *a, rs_calibration *out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT value FROM meta WHERE key = 'verdict'", err);
    const char *text;

    *out = (rs_calibration){0};
    if (rs_step(&s) && (text = rs_col_text(&s, 0)) != NULL) {
        if (a->calibration && strcmp(a->calibration->text, text) == 0) {
            *out = a->calibration->said;
        } else {
            read_text(text, out);
            remember(a, text, out);
        }
    }
    return rs_done(&s);
}

static rs_status write_calibration(rs_archive *a, const rs_calibration *c, rs_err *err)
{
    json_t *all = json_object();
    char *text;
    rs_status st;
    rs_stmt s;

    json_object_set_new(all, "cases", json_integer(c->cases));
    for (int p = 0; p < RS_PROBE_COUNT; p++) {
        json_t *list = json_array();
        for (size_t i = 0; c->probe[p].known && i < RS_CALIBRATION_POINTS; i++)
            json_array_append_new(list, json_real((double)c->probe[p].at[i]));
        json_object_set_new(all, rs_probe_name((rs_probe)p), list);
    }
    text = rs_json_text(all);
    json_decref(all);
    if (!text)
        return rs_fail(err, RS_ENOMEM, "calibrate: no memory");
    s = rs_db_use(a->db, "INSERT OR REPLACE INTO meta VALUES('verdict', ?1)", err);
    rs_bind_text(&s, 1, text);
    st = rs_run(&s);
    rs_free(text);
    return st;
}

/* ---- Calibrate ------------------------------------------------------- */

/* A probe, with what it is asked, `whole`: with all of a case's. */
static const struct { rs_probe probe; rs_kind asked, index; bool whole; } vector_probes[] = {
    {RS_PROBE_TEXT_IMAGE, RS_KIND_PASSAGE, RS_KIND_IMAGE, false},
    {RS_PROBE_TEXT_PASSAGE, RS_KIND_PASSAGE, RS_KIND_PASSAGE, false},
    {RS_PROBE_IMAGE_IMAGE, RS_KIND_IMAGE, RS_KIND_IMAGE, false},
    {RS_PROBE_IMAGE_PASSAGE, RS_KIND_IMAGE, RS_KIND_PASSAGE, false},
    {RS_PROBE_REGION, RS_KIND_REGION, RS_KIND_REGION, false},
    {RS_PROBE_LIKE_IMAGE, RS_KIND_IMAGE, RS_KIND_IMAGE, true},
    {RS_PROBE_LIKE_PASSAGE, RS_KIND_PASSAGE, RS_KIND_PASSAGE, true},
    {RS_PROBE_CASE, RS_KIND_CASE, RS_KIND_CASE, true},
};

typedef struct {
    rs_archive *a;
    rs_arena    mem;                   /* of one case */
    float       score[RS_PROBE_COUNT][RS_CALIBRATION_CASES];
    size_t      n[RS_PROBE_COUNT];
} sampling;

/* The best score as it is compared. */
static double measured(rs_probe probe, const rs_ranking *r, double unit)
{
    const double score = r->rows[0].score / unit;

    return probe == RS_PROBE_BM25 ? fmin(score, 1) : score;
}

static void note(sampling *x, rs_probe probe, const rs_ranking *r, double unit)
{
    if (r->n > 0 && unit > 0)
        x->score[probe][x->n[probe]++] = (float)measured(probe, r, unit);
}

/* One case's vectors in each vector probe. `i`: which of several is taken. */
static rs_status ask_vectors(sampling *x, int64_t id, const rs_restriction *without, size_t i,
                             rs_err *err)
{
    rs_archive *a = x->a;
    rs_status st = RS_OK;

    for (size_t p = 0; st == RS_OK && p < sizeof vector_probes / sizeof *vector_probes; p++) {
        rs_asked_vector *asked;
        rs_scope scope;
        rs_ranking r;
        float *y;
        size_t n;
        st = rs_catalog_vectors(a, vector_probes[p].asked, id, &x->mem, &y, NULL, &n, err);
        if (st != RS_OK || n == 0)
            continue;
        asked = rs_new(&x->mem, rs_asked_vector, n);
        if (!asked)
            return rs_fail(err, RS_ENOMEM, "calibrate: no memory");
        for (size_t k = 0; k < n; k++)
            asked[k] = (rs_asked_vector){y + k * a->encoder.dim, 1};
        if (!vector_probes[p].whole) {
            asked += i % n;
            n = 1;
        }
        if ((st = rs_scope_make(a, vector_probes[p].index, without, &x->mem, &scope, err)) == RS_OK &&
            (st = rs_probe_vectors(a, vector_probes[p].probe, vector_probes[p].index, asked, n,
                                   &scope, 1, &x->mem, &r, err)) == RS_OK)
            note(x, vector_probes[p].probe, &r, 1);
    }
    return st;
}

/* The first words of a passage, nothing in them an operator. */
static char *first_words(const char *text, rs_arena *mem)
{
    char *words = rs_arena_strdup(mem, text);
    size_t n = 0;

    for (char *s = words; s && *s; s++) {
        if (strchr("\"*:-", *s))
            *s = ' ';
        if (*s == ' ' && s > words && s[-1] != ' ' && ++n == ASKED_WORDS)
            *s-- = '\0';
        if (s >= words && strchr(".;\n", *s) && n >= 2)
            *s-- = '\0';
    }
    return words;
}

static rs_status ask_words(sampling *x, int64_t id, const rs_restriction *without, size_t i,
                           rs_err *err)
{
    rs_passage *passages;
    rs_text_query q;
    const double one = 1;
    rs_ranking r;
    char *words;
    double worth;
    size_t n;
    rs_status st = rs_catalog_passages(x->a, id, &x->mem, &passages, NULL, &n, err);

    if (st != RS_OK || n == 0)
        return st;
    words = first_words(passages[i % n].text, &x->mem);
    if (!words)
        return rs_fail(err, RS_ENOMEM, "calibrate: no memory");
    if ((st = rs_text_query_compile(x->a->text, words, RS_WORDS_READ, &x->mem, &q, err)) != RS_OK ||
        (st = rs_text_query_worth(x->a->text, &q, &worth, err)) != RS_OK ||
        (st = rs_probe_words(x->a, &(const rs_text_query *){&q}, &one, 1, without, 1, &x->mem, &r,
                             err)) != RS_OK)
        return st;
    note(x, RS_PROBE_BM25, &r, worth);
    return RS_OK;
}

/* The i-th of about RS_CALIBRATION_CASES cases, evenly spread over the ids; *id 0: no more. */
static rs_status nth_case(rs_archive *a, int64_t last, size_t i, int64_t *after, int64_t *id,
                          rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT id FROM cases WHERE id > ?1 ORDER BY id LIMIT 1", err);
    const int64_t from = (int64_t)((double)last / RS_CALIBRATION_CASES * (double)i) - 1;

    *id = 0;
    rs_bind_int(&s, 1, from > *after ? from : *after);
    if (rs_step(&s))
        *id = *after = rs_col_int(&s, 0);
    return rs_done(&s);
}

static rs_status count_cases(rs_archive *a, int64_t *n, int64_t *last, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT count(*), coalesce(max(id), 0) FROM cases", err);

    *n = *last = 0;
    if (rs_step(&s)) {
        *n = rs_col_int(&s, 0);
        *last = rs_col_int(&s, 1);
    }
    return rs_done(&s);
}

/* Inside a snapshot. */
static rs_status ask_all(sampling *x, int64_t last, rs_err *err)
{
    int64_t after = 0, id = 0;
    rs_status st = rs_archive_refresh(x->a, err);

    for (size_t i = 0; st == RS_OK && i < RS_CALIBRATION_CASES; i++) {
        rs_restriction without = {0};
        rs_arena_reset(&x->mem);
        st = nth_case(x->a, last, i, &after, &id, err);
        if (st != RS_OK || !id)
            break;
        if ((st = rs_restriction_leave_out_case(&without, x->a->db, id, true, &x->mem, err)) == RS_OK &&
            (st = ask_words(x, id, &without, i, err)) == RS_OK && x->a->encoder.id)
            st = ask_vectors(x, id, &without, i, err);
    }
    return st;
}

static bool stale(const rs_calibration *c, int64_t cases)
{
    return c->cases == 0 || llabs(c->cases - cases) * 4 > c->cases;
}

rs_status rs_calibrate(rs_archive *a, rs_err *err)
{
    rs_calibration c;
    int64_t cases, last;
    sampling *x = NULL;
    rs_status st;

    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    if ((st = rs_calibration_read(a, &c, err)) != RS_OK ||
        (st = count_cases(a, &cases, &last, err)) != RS_OK || cases < RS_CALIBRATION_LEAST ||
        !stale(&c, cases)) {
        rs_db_read_end(a->db);
        return st;
    }
    x = rs_calloc(1, sizeof *x);
    if (x) {
        x->a = a;
        st = ask_all(x, last, err);
        rs_arena_clear(&x->mem);
    } else {
        st = rs_fail(err, RS_ENOMEM, "calibrate: no memory");
    }
    rs_db_read_end(a->db);
    c = (rs_calibration){.cases = cases};
    for (int p = 0; st == RS_OK && p < RS_PROBE_COUNT; p++)
        rs_typical_make(&c.probe[p], x->score[p], x->n[p]);
    if (st == RS_OK)
        st = write_calibration(a, &c, err);
    rs_free(x);
    return st;
}

/* ---- The verdict ------------------------------------------------------ */

/* What BM25's scores of this query are measured in: all that its wanted texts ask for. */
static rs_status words_worth(rs_search_state *s, double *out)
{
    double weight = 0;

    *out = 0;
    for (size_t i = 0; i < s->n_words; i++) {
        double worth;
        rs_status st;
        if (s->words[i].weight < 0)
            continue;
        if ((st = rs_text_query_worth(s->a->text, &s->words[i].query, &worth, s->err)) != RS_OK)
            return st;
        *out += s->words[i].weight * worth;
        weight += s->words[i].weight;
    }
    *out = weight > 0 ? *out / weight : 0;
    return RS_OK;
}

/* Reading and plain scores differ, and so do those of what is not wanted: such are not told. */
static bool comparable(const rs_search_state *s)
{
    if (s->q->words == RS_WORDS_PLAIN)
        return false;
    for (size_t i = 0; i < s->q->n_parts; i++)
        if (s->q->parts[i].weight < 0)
            return false;
    return true;
}

rs_status rs_verdict_reach(rs_search_state *s)
{
    rs_verdict *v = &s->out->verdict;
    rs_calibration c;
    size_t known = 0, typical = 0;
    rs_status st;

    *v = (rs_verdict){.false_alarm = s->q->false_alarm};
    for (int p = 0; p < RS_PROBE_COUNT; p++)
        v->typical[p] = -1;
    if (s->q->false_alarm <= 0 || s->q->scores_only || !comparable(s))
        return RS_OK;
    if ((st = rs_calibration_read(s->a, &c, s->err)) != RS_OK)
        return st;
    for (size_t i = 0; i < s->n_rankings; i++) {
        const rs_ranking *r = &s->rankings[i];
        double unit = 1;
        if (!c.probe[r->probe].known)
            continue;
        if (r->probe == RS_PROBE_BM25 && (st = words_worth(s, &unit)) != RS_OK)
            return st;
        v->typical[r->probe] = r->n && unit > 0
                               ? rs_typical_share(&c.probe[r->probe], measured(r->probe, r, unit)) : 0;
        known++;
        typical += v->typical[r->probe] >= s->q->false_alarm;
    }
    v->kind = !known ? RS_VERDICT_NONE : typical ? RS_VERDICT_SIMILAR : RS_VERDICT_NOTHING;
    return RS_OK;
}
