/* test_facets.c - filters and counts over random archives against an evaluation of our own:
 * every kind of vectors and the words find just what passes, in the order that they have without
 * a filter; counts are exact; a reader follows a writer through its log of changes, and beyond.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/catalog.h"
#include "engine/facets_int.h"
#include "engine/probe.h"

#include <strings.h>
#include <time.h>

enum { CASES = 60, VALUES = 3 };

/* A case with all that a filter can ask for. */
typedef struct {
    random_case r;
    bool        there;
    char        attributes[96];
    const char *scanner, *dose[2];     /* what those say, NULL: nothing */
    rs_region   regions[3];
    float       region[3][DIM];
} any_case;

typedef struct { any_case c[CASES]; } world;

static const char *const modalities[] = {"CR", "CT", "ct", "MR", NULL};
static const char *const views[] = {"PA", "lateral", NULL};
static const char *const sexes[] = {"F", "f", "M", NULL};
static const char *const patients[] = {"p1", "P1", "p 2", "p\"3", NULL};
static const char *const collections[] = {"test", "Other one", "and", NULL};
static const char *const sources[] = {"/a/b", "/A/B", "c (d)", NULL};
static const char *const dates[] = {"2019", "2020", "2020-02", "2020-02-29", "2020-03-01",
                                    "2021-12-31", "2021-12", NULL};
static const char *const labels[] = {"nodule", "Nodule", "mass", "pleural effusion", "or"};
static const char *const scanners[] = {"Siemens", "siemens", "GE 1..2", NULL};
static const char *const doses[] = {"1", "2.5", "-3", "high", "20", NULL};
static const double ages[] = {-1, -1, 0, 0.5, 39, 40, 40.5, 41, 60.9, 89, 201};

#define one_of(rnd, list) pick((rnd), (list), sizeof(list) / sizeof *(list))

static void make_any(any_case *a, rs_random *rnd, size_t i)
{
    rs_case *c = &a->r.c;

    make_case(&a->r, rnd, i);
    c->modality = one_of(rnd, modalities);
    c->view = one_of(rnd, views);
    c->sex = one_of(rnd, sexes);
    c->patient = one_of(rnd, patients);
    c->collection = one_of(rnd, collections);
    c->source = one_of(rnd, sources);
    c->study_date = one_of(rnd, dates);
    c->tier = (rs_tier)rs_random_below(rnd, RS_TIERS);
    c->age_years = ages[rs_random_below(rnd, sizeof ages / sizeof *ages)];
    for (size_t k = 0; k < c->n_findings; k++)
        a->r.findings[k] = one_of(rnd, labels);
    a->scanner = one_of(rnd, scanners);
    a->dose[0] = one_of(rnd, doses);
    a->dose[1] = a->dose[0] ? one_of(rnd, doses) : NULL;
    snprintf(a->attributes, sizeof a->attributes, "{\"n\": %zu%s%s%s%s%s%s%s%s%s}", i,
             a->scanner ? ", \"Scanner\": \"" : "", a->scanner ? a->scanner : "",
             a->scanner ? "\"" : "", a->dose[0] ? ", \"dose\": [\"" : "",
             a->dose[0] ? a->dose[0] : "", a->dose[0] ? "\"" : "", a->dose[1] ? ", \"" : "",
             a->dose[1] ? a->dose[1] : "", a->dose[1] ? "\"]" : a->dose[0] ? "]" : "");
    c->attributes = a->attributes;
    for (size_t k = 0; k < c->n_images; k++) {
        unit_vector(rnd, a->region[k]);
        a->regions[k] = (rs_region){{0, 0, 0.5, 1}, a->region[k]};
        a->r.images[k].regions = &a->regions[k];
        a->r.images[k].n_regions = rs_random_below(rnd, 2);
    }
    a->there = true;
}

/* ---- Random filters, with an evaluation of their own -------------------- */

typedef enum { ANY, EQUAL, AT_LEAST, ABOVE, AT_MOST, BELOW, BETWEEN } relation;

typedef struct node node;
struct node {
    enum { TEST, AND, OR, NOT } op;
    const node *left, *right;
    rs_field    field;
    const char *attribute;
    size_t      n;
    struct { relation is; const char *text, *to; } value[VALUES];
};

static relation random_relation(rs_random *rnd)
{
    return (relation)(1 + rs_random_below(rnd, 6));
}

static void random_value(rs_random *rnd, node *t, size_t i)
{
    static const char *const years[] = {"0", "39", "40", "40.5", "41", "60", "200"};
    static const char *const days[] = {"2019", "2020", "2020-02", "2020-02-29", "20200301", "2021",
                                       "2022"};
    static const char *const tiers[] = {"unknown", "reported", "REVIEWED", "followed", "proven"};
    static const char *const numbers[] = {"-3", "1", "2.5", "2.50", "3"};
    const char *text[2] = {NULL, NULL};

    for (int k = 0; k < 2; k++)
        switch (t->field) {
        case RS_FIELD_MODALITY:   text[k] = rs_random_below(rnd, 2) ? "cr" : "CT"; break;
        case RS_FIELD_BODY_PART:  text[k] = rs_random_below(rnd, 2) ? "chest" : "HAND"; break;
        case RS_FIELD_VIEW:       text[k] = rs_random_below(rnd, 2) ? "pa" : "none"; break;
        case RS_FIELD_SEX:        text[k] = rs_random_below(rnd, 2) ? "F" : "m"; break;
        case RS_FIELD_COLLECTION: text[k] = pick(rnd, collections, 3); break;
        case RS_FIELD_SOURCE:     text[k] = pick(rnd, sources, 3); break;
        case RS_FIELD_FINDING:    text[k] = one_of(rnd, labels); break;
        case RS_FIELD_PATIENT:    text[k] = pick(rnd, patients, 4); break;
        case RS_FIELD_CASE:       text[k] = rs_random_below(rnd, 2) ? "case-37" : "CASE-37"; break;
        case RS_FIELD_AGE:        text[k] = one_of(rnd, years); break;
        case RS_FIELD_DATE:       text[k] = one_of(rnd, days); break;
        case RS_FIELD_TIER:       text[k] = one_of(rnd, tiers); break;
        case RS_FIELD_ATTRIBUTE:  text[k] = one_of(rnd, numbers); break;
        case RS_FIELDS: break;
        }
    t->value[i].text = text[0];
    t->value[i].to = text[1];
    t->value[i].is = rs_random_below(rnd, 8) == 0 ? ANY :
                     t->field >= RS_FIELD_AGE ? random_relation(rnd) : EQUAL;
    if (t->field == RS_FIELD_ATTRIBUTE && t->value[i].is == EQUAL)
        t->value[i].text = strcmp(t->attribute, "dose") == 0 ? pick(rnd, doses, 5)
                                                             : pick(rnd, scanners, 3);
}

static const node *random_node(rs_random *rnd, size_t depth, rs_arena *mem)
{
    static const char *const names[] = {"scanner", "Dose", "dose", "missing"};
    node *t = rs_new(mem, node, 1);

    t->op = depth ? (int)rs_random_below(rnd, 4) : TEST;
    if (t->op != TEST) {
        t->left = random_node(rnd, depth - 1, mem);
        t->right = t->op == NOT ? NULL : random_node(rnd, depth - 1, mem);
        return t;
    }
    t->field = (rs_field)rs_random_below(rnd, RS_FIELDS);
    t->attribute = t->field == RS_FIELD_ATTRIBUTE ? one_of(rnd, names) : NULL;
    t->n = rs_random_below(rnd, 3) ? 1 : 1 + rs_random_below(rnd, VALUES);
    for (size_t i = 0; i < t->n; i++)
        random_value(rnd, t, i);
    return t;
}

static void write_value(const node *t, size_t i, rs_buf *b)
{
    static const char *const before[] = {"*", "", ">=", ">", "<=", "<", ""};
    const char *text = t->value[i].text;
    const relation is = t->value[i].is;

    rs_buf_puts(b, before[is]);
    if (is == EQUAL && t->field != RS_FIELD_AGE && t->field != RS_FIELD_DATE &&
        t->field != RS_FIELD_TIER) {
        rs_buf_putc(b, '"');
        for (; *text; text++)
            rs_buf_printf(b, "%s%c", *text == '"' ? "\\" : "", *text);
        rs_buf_putc(b, '"');
    } else if (is == BETWEEN) {
        rs_buf_printf(b, "%s..%s", text, t->value[i].to);
    } else if (is != ANY) {
        rs_buf_puts(b, text);
    }
}

static void write_node(const node *t, rs_buf *b)
{
    if (t->op != TEST) {
        rs_buf_puts(b, t->op == NOT ? "NOT (" : "(");
        write_node(t->left, b);
        if (t->op != NOT) {
            rs_buf_puts(b, t->op == OR ? " or " : " ");
            write_node(t->right, b);
        }
        rs_buf_putc(b, ')');
        return;
    }
    rs_buf_printf(b, "%s%s%s:", rs_field_name(t->field), t->attribute ? "." : "",
                  t->attribute ? t->attribute : "");
    for (size_t i = 0; i < t->n; i++) {
        rs_buf_puts(b, i ? "|" : "");
        write_value(t, i, b);
    }
}

/* A range over things that compare as numbers: [first, last] of the value, [low, high] and
 * [low2, high2] those of the ends. */
static bool holds(relation is, double first, double last, double low, double high, double high2)
{
    switch (is) {
    case ANY:      return true;
    case EQUAL:    return first >= low && last <= high;
    case AT_LEAST: return first >= low;
    case ABOVE:    return first > high;
    case AT_MOST:  return last <= high;
    case BELOW:    return last < low;
    case BETWEEN:  return first >= low && last <= high2;
    }
    return false;
}

/* A whole year goes on until just before the next. */
static double year_end(const char *text)
{
    return strchr(text, '.') ? atof(text) : atof(text) + 0.999999;
}

/* 2020-02 -> 20200200 filled up with `fill`, "0101" or "1231". */
static double day_of(const char *text, const char *fill)
{
    char digits[9] = "";
    size_t n = 0;

    for (; *text; text++)
        if (*text != '-')
            digits[n++] = *text;
    for (; n < 8; n++)
        digits[n] = fill[n - 4];
    return atof(digits);
}

static double tier_of(const char *name) { return (double)rs_tier_of(name); }

static bool same(const char *a, const char *b) { return a && b && strcasecmp(a, b) == 0; }

/* Of one of an attribute's values. */
static bool attribute_is(const node *t, size_t i, const char *have)
{
    char *end;
    const double x = have ? strtod(have, &end) : 0;
    const relation is = t->value[i].is;

    if (!have || is == ANY)
        return have != NULL;
    if (is == EQUAL)
        return same(have, t->value[i].text);
    return *end == '\0' && holds(is, x, x, atof(t->value[i].text), atof(t->value[i].text),
                                 atof(t->value[i].to));
}

static bool value_is(const node *t, size_t i, const any_case *a)
{
    const rs_case *c = &a->r.c;
    const char *text = t->value[i].text, *to = t->value[i].to;
    const relation is = t->value[i].is;
    bool any = false;

    switch (t->field) {
    case RS_FIELD_MODALITY:   return is == ANY ? c->modality != NULL : same(c->modality, text);
    case RS_FIELD_BODY_PART:  return is == ANY ? c->body_part != NULL : same(c->body_part, text);
    case RS_FIELD_VIEW:       return is == ANY ? c->view != NULL : same(c->view, text);
    case RS_FIELD_SEX:        return is == ANY ? c->sex != NULL : same(c->sex, text);
    case RS_FIELD_COLLECTION: return is == ANY ? c->collection != NULL : same(c->collection, text);
    case RS_FIELD_SOURCE:     return is == ANY ? c->source != NULL : same(c->source, text);
    case RS_FIELD_PATIENT:    return is == ANY ? c->patient != NULL : same(c->patient, text);
    case RS_FIELD_CASE:       return is == ANY || strcmp(c->key, text) == 0;
    case RS_FIELD_FINDING:
        for (size_t k = 0; k < c->n_findings; k++)
            any |= is == ANY || same(c->findings[k], text);
        return any;
    case RS_FIELD_AGE:
        return c->age_years >= 0 && holds(is, c->age_years, c->age_years, atof(text),
                                          year_end(text), year_end(to));
    case RS_FIELD_DATE:
        return c->study_date && holds(is, day_of(c->study_date, "0101"),
                                      day_of(c->study_date, "1231"), day_of(text, "0101"),
                                      day_of(text, "1231"), day_of(to, "1231"));
    case RS_FIELD_TIER:
        if (c->tier == RS_TIER_UNKNOWN && (is == ANY || is == AT_MOST || is == BELOW))
            return false;
        return holds(is, c->tier, c->tier, tier_of(text), tier_of(text), tier_of(to));
    case RS_FIELD_ATTRIBUTE:
        if (strcasecmp(t->attribute, "scanner") == 0)
            return attribute_is(t, i, a->scanner);
        return strcasecmp(t->attribute, "dose") == 0 &&
               (attribute_is(t, i, a->dose[0]) || attribute_is(t, i, a->dose[1]));
    case RS_FIELDS: break;
    }
    return false;
}

static bool passes(const node *t, const any_case *a)
{
    if (t->op == NOT)
        return !passes(t->left, a);
    if (t->op != TEST)
        return t->op == AND ? passes(t->left, a) && passes(t->right, a)
                            : passes(t->left, a) || passes(t->right, a);
    for (size_t i = 0; i < t->n; i++)
        if (value_is(t, i, a))
            return true;
    return false;
}

/* ---- Probes ------------------------------------------------------------- */

typedef struct { const char *key; double score; } naive_row;

static int naive_order(const void *a, const void *b)
{
    const naive_row *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return strcmp(x->key, y->key);
}

/* All that pass, by the best of their vectors as the catalog has them. */
static size_t naive_vectors(rs_archive *a, const world *w, const bool *pass, rs_kind kind,
                            const float *q, rs_arena *mem, naive_row *out)
{
    rs_err err = {RS_OK, ""};
    size_t n = 0;

    for (size_t i = 0; i < CASES; i++) {
        float *x;
        size_t have;
        int64_t id;
        double best = -2;
        if (!pass[i])
            continue;
        ok(rs_catalog_find(a, w->c[i].r.key, &id, &err), &err);
        ok(rs_catalog_vectors(a, kind, id, mem, &x, NULL, &have, &err), &err);
        for (size_t v = 0; v < have; v++) {
            double sum = 0;
            for (size_t k = 0; k < DIM; k++)
                sum += (double)q[k] * (double)x[v * DIM + k];
            best = sum > best ? sum : best;
        }
        if (have)
            out[n++] = (naive_row){w->c[i].r.key, best};
    }
    qsort(out, n, sizeof *out, naive_order);
    return n;
}

static void check_ranking(const rs_ranked *got, size_t n_got, const naive_row *want, size_t n,
                          const char *filter)
{
    if (n_got != n)
        fail_msg("%s: %zu cases, wanted %zu", filter, n_got, n);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < n && strcmp(got[i].key, want[k].key) != 0)
            k++;
        assert_true(k < n && (i == 0 || strcmp(got[i - 1].key, got[i].key) != 0));
        assert_true(fabs(got[i].score - want[k].score) < 1e-5);
        assert_true(fabs(got[i].score - want[i].score) < 1e-5);     /* all but equal may change */
    }                                                               /* places: floats */
}

static void check_vectors(rs_archive *a, const world *w, const bool *pass, const rs_restriction *r,
                          rs_random *rnd, rs_arena *mem, const char *filter)
{
    static const rs_probe probes[RS_KINDS] = {RS_PROBE_IMAGE_IMAGE, RS_PROBE_TEXT_PASSAGE,
                                              RS_PROBE_CASE, RS_PROBE_REGION};
    rs_err err = {RS_OK, ""};
    naive_row want[CASES];
    float x[DIM];

    for (int kind = 0; kind < RS_KINDS; kind++) {
        rs_ranking got;
        rs_scope scope;
        size_t n;
        unit_vector(rnd, x);
        ok(rs_scope_make(a, (rs_kind)kind, r, mem, &scope, &err), &err);
        ok(rs_probe_vectors(a, probes[kind], (rs_kind)kind, &(rs_asked_vector){x, 1}, 1, &scope,
                            CASES, mem, &got, &err), &err);
        n = naive_vectors(a, w, pass, (rs_kind)kind, x, mem, want);
        check_ranking(got.rows, got.n, want, n, filter);
    }
}

/* What is found without a filter, less what does not pass. */
static void check_words(rs_archive *a, const world *w, const bool *pass, const rs_restriction *r,
                        rs_random *rnd, rs_arena *mem, const char *filter)
{
    rs_err err = {RS_OK, ""};
    naive_row want[CASES];
    rs_ranked *all, *got;
    size_t n_all, n_got, n = 0;
    rs_text_query q;

    ok(rs_text_query_compile(a->text, pick(rnd, fixture_words, 12), RS_WORDS_READ, mem, &q, &err),
       &err);
    ok(rs_text_index_rank(a->text, &q, &(rs_restriction){0}, NULL, CASES, mem, &all, &n_all, &err),
       &err);
    for (size_t i = 0; i < n_all; i++)
        for (size_t k = 0; k < CASES; k++)
            if (pass[k] && strcmp(w->c[k].r.key, all[i].key) == 0)
                want[n++] = (naive_row){all[i].key, all[i].score};
    ok(rs_text_index_rank(a->text, &q, r, NULL, CASES, mem, &got, &n_got, &err), &err);
    check_ranking(got, n_got, want, n, filter);
}

/* ---- Counts ------------------------------------------------------------- */

static size_t count_passing(rs_archive *a, const char *filter, const char *field, const char *value)
{
    rs_err err = {RS_OK, ""};
    rs_facet_report r;
    rs_arena mem = {0};
    rs_buf b = {0};
    size_t n;

    if (filter)
        rs_filter_add_filter(&b, filter);
    if (value)
        rs_filter_add(&b, field, value);
    else
        rs_buf_printf(&b, " not %s:*", field);
    if (rs_facet_counts(a, b.data, NULL, 0, &mem, &r, &err) != RS_OK)
        fail_msg("%s: %s", b.data, err.msg);
    n = r.passing;
    rs_buf_clear(&b);
    rs_arena_clear(&mem);
    return n;
}

/* What a case has of a facet that is a text, up to two; how many. */
static size_t texts_of(const any_case *a, const char *facet, const char *out[2])
{
    const rs_case *c = &a->r.c;
    const char *text = NULL;

    if (strcmp(facet, "finding") == 0 || strcmp(facet, "attr.dose") == 0) {
        const char *const *list = facet[0] == 'f' ? c->findings : a->dose;
        size_t n = facet[0] == 'f' ? c->n_findings : a->dose[1] ? 2 : a->dose[0] != NULL;
        for (size_t i = 0; i < n; i++)
            out[i] = list[i];
        return n == 2 && same(out[0], out[1]) ? 1 : n;
    }
    text = strcmp(facet, "modality") == 0   ? c->modality :
           strcmp(facet, "body_part") == 0  ? c->body_part :
           strcmp(facet, "view") == 0       ? c->view :
           strcmp(facet, "sex") == 0        ? c->sex :
           strcmp(facet, "collection") == 0 ? c->collection :
           strcmp(facet, "attr.scanner") == 0 ? a->scanner :
           strcmp(facet, "tier") == 0 && c->tier ? rs_tier_name(c->tier) : NULL;
    out[0] = text;
    return text != NULL;
}

/* The facet against counting by hand; ages and years by the filter that each value is. */
static void check_facet(rs_archive *a, const world *w, const bool *pass, const char *filter,
                        const rs_facet *f)
{
    const bool by_text = strcmp(f->name, "age") != 0 && strcmp(f->name, "date") != 0;
    size_t n[16] = {0}, unknown = 0, sum = 0, passing = 0, all = 0;

    for (size_t i = 1; i < f->n; i++)
        assert_true(f->values[i - 1].count > f->values[i].count ||
                    (f->values[i - 1].count == f->values[i].count &&
                     strcmp(f->values[i - 1].label, f->values[i].label) < 0));
    for (size_t i = 0; by_text && i < CASES; i++) {
        const char *have[2];
        const size_t m = pass[i] ? texts_of(&w->c[i], f->name, have) : 1;
        unknown += m == 0;
        for (size_t k = 0; pass[i] && k < m; k++, all++)
            for (size_t v = 0; v < f->n; v++)
                n[v] += same(f->values[v].label, have[k]);
    }
    for (size_t i = 0; i < CASES; i++)
        passing += pass[i];
    for (size_t v = 0; v < f->n; v++) {
        assert_true(f->values[v].count > 0);
        if (by_text)
            assert_int_equal(f->values[v].count, n[v]);
        if (!by_text || v == 0)
            assert_int_equal(f->values[v].count,
                             count_passing(a, filter, f->name, f->values[v].label));
        sum += f->values[v].count;
    }
    if (by_text)
        assert_int_equal(sum, all);
    else
        assert_int_equal(sum + f->unknown, passing);
    if (by_text)
        assert_int_equal(f->unknown, unknown);
    else
        assert_int_equal(f->unknown, count_passing(a, filter, f->name, NULL));
}

static void check_counts(rs_archive *a, const world *w, const bool *pass, const char *filter)
{
    static const char *const attributes[] = {"scanner", "dose", "missing"};
    rs_err err = {RS_OK, ""};
    rs_facet_report r;
    rs_arena mem = {0};
    size_t there = 0, passing = 0;

    for (size_t i = 0; i < CASES; i++) {
        there += w->c[i].there;
        passing += pass[i];
    }
    ok(rs_facet_counts(a, filter, attributes, 3, &mem, &r, &err), &err);
    assert_int_equal(r.cases, there);
    if (r.passing != passing)
        fail_msg("%s: %zu pass, wanted %zu", filter, r.passing, passing);
    assert_int_equal(r.n, 12);
    for (size_t i = 0; i < 11; i++)
        check_facet(a, w, pass, filter, &r.facets[i]);
    assert_string_equal(r.facets[11].name, "attr.missing");
    assert_int_equal(r.facets[11].n, 0);
    assert_int_equal(r.facets[11].unknown, passing);
    rs_arena_clear(&mem);
}

/* ---- Random archives ----------------------------------------------------- */

static void check_one(rs_archive *a, const world *w, rs_random *rnd, bool with_counts)
{
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    rs_restriction r;
    bool pass[CASES];
    rs_buf b = {0};
    rs_filter f;
    const node *t = random_node(rnd, rs_random_below(rnd, 4), &mem);

    write_node(t, &b);
    for (size_t i = 0; i < CASES; i++)
        pass[i] = w->c[i].there && passes(t, &w->c[i]);
    if (rs_filter_parse(b.data, &mem, &f, &err) != RS_OK)
        fail_msg("%s: %s", b.data, err.msg);
    ok(rs_db_read_begin(a->db, &err), &err);
    ok(rs_archive_refresh(a, &err), &err);
    ok(rs_restriction_make(a, &f, NULL, &mem, &r, &err), &err);
    for (size_t i = 0; i < CASES; i++) {
        int64_t id;
        if (!w->c[i].there)
            continue;
        ok(rs_catalog_find(a, w->c[i].r.key, &id, &err), &err);
        if (rs_restriction_passes(&r, id) != pass[i])
            fail_msg("%s: case %s %s", b.data, w->c[i].r.key, pass[i] ? "is lost" : "passes");
    }
    check_vectors(a, w, pass, &r, rnd, &mem, b.data);
    check_words(a, w, pass, &r, rnd, &mem, b.data);
    rs_db_read_end(a->db);
    if (with_counts)
        check_counts(a, w, pass, b.data);
    rs_buf_clear(&b);
    rs_arena_clear(&mem);
}

/* Put, replace and take out some, in one batch. */
static void change(rs_archive *a, world *w, rs_random *rnd, size_t n)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    while (n-- > 0) {
        const size_t i = rs_random_below(rnd, CASES);
        any_case *c = &w->c[i];
        if (c->there && rs_random_below(rnd, 3) == 0) {
            ok(rs_archive_remove(a, c->r.key, NULL, &err), &err);
            c->there = false;
        } else {
            make_any(c, rnd, i);
            ok(rs_archive_put(a, &c->r.c, NULL, &err), &err);
        }
    }
    ok(rs_archive_commit(a, &err), &err);
}

static void fill(rs_archive *a, world *w, rs_random *rnd)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < CASES; i++) {
        make_any(&w->c[i], rnd, i);
        ok(rs_archive_put(a, &w->c[i].r.c, NULL, &err), &err);
    }
    ok(rs_archive_commit(a, &err), &err);
}

static void test_filters_equal_naive(void **state)
{
    const uint64_t seeds = getenv("RADSCOUT_SLOW") ? 200 : 5;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        rs_random rnd = rs_random_seed(seed);
        world *w = calloc(1, sizeof *w);
        rs_archive *writer, *reader;
        rs_err err = {RS_OK, ""};
        char dir[64];
        make_folder(dir);
        writer = open_writer(dir);
        reader = open_archive(dir, RS_ARCHIVE_READ);
        fill(writer, w, &rnd);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 16; i++)
                check_one(i % 2 ? writer : reader, w, &rnd, i < 4);
            if (rs_random_below(&rnd, 2))
                ok(rs_archive_rebuild(writer, &err), &err);
            change(writer, w, &rnd, 1 + rs_random_below(&rnd, 30));
        }
        ok(rs_archive_verify(writer, &err), &err);
        rs_archive_close(reader);
        rs_archive_close(writer);
        remove_folder(dir);
        free(w);
    }
}

/* ---- Following the log ----------------------------------------------------- */

static int64_t newest_change(rs_archive *a)
{
    rs_err err = {RS_OK, ""};
    rs_stmt s = rs_db_use(a->db, "SELECT max(seq) FROM case_changes", &err);
    int64_t n = rs_step(&s) ? rs_col_int(&s, 0) : 0;

    ok(rs_done(&s), &err);
    return n;
}

/* A reader reads only what has changed, and all again where the log does not reach back to it. */
static void test_reader_follows_the_log(void **state)
{
    rs_random rnd = rs_random_seed(77);
    world *w = calloc(1, sizeof *w);
    rs_archive *writer, *reader;
    rs_err err = {RS_OK, ""};
    char dir[64], sql[96];

    (void)state;
    make_folder(dir);
    writer = open_writer(dir);
    fill(writer, w, &rnd);
    reader = open_archive(dir, RS_ARCHIVE_READ);
    check_one(reader, w, &rnd, true);
    assert_int_equal(reader->facets->changed, 0);
    change(writer, w, &rnd, 2);
    check_one(reader, w, &rnd, true);
    assert_in_range(reader->facets->changed, 1, 2);
    assert_int_equal(reader->facets->seq, newest_change(writer));
    change(writer, w, &rnd, 20);
    snprintf(sql, sizeof sql, "DELETE FROM case_changes WHERE seq < %lld",
             (long long)newest_change(writer));
    ok(rs_db_exec(writer->db, sql, &err), &err);
    check_one(reader, w, &rnd, true);
    assert_int_equal(reader->facets->changed, 0);       /* loaded anew */
    ok(rs_db_exec(writer->db, "DELETE FROM case_changes", &err), &err);
    change(writer, w, &rnd, 3);
    check_one(reader, w, &rnd, true);                   /* its next entry is there: followed */
    assert_in_range(reader->facets->changed, 1, 3);
    for (int i = 0; i < 80; i++) {                      /* until following is not worth it */
        change(writer, w, &rnd, 30);
        check_one(reader, w, &rnd, false);
    }
    assert_true(reader->facets->changed < CASES + 1100);
    rs_archive_close(reader);
    rs_archive_close(writer);
    remove_folder(dir);
    free(w);
}

/* A commit keeps the log short. */
static void test_log_is_trimmed(void **state)
{
    rs_archive *a;
    rs_err err = {RS_OK, ""};
    char dir[64];
    rs_stmt s;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_db_exec(a->db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                  " WHERE i < 60000) INSERT INTO case_changes(case_id) SELECT 1 FROM n", &err),
       &err);
    put_one(a, &(rs_case){.key = "one", .title = "One", .age_years = -1});
    s = rs_db_use(a->db, "SELECT count(*), max(seq) FROM case_changes", &err);
    assert_true(rs_step(&s));
    assert_int_equal(rs_col_int(&s, 0), RS_CHANGES_KEPT);
    assert_int_equal(rs_col_int(&s, 1), 60001);
    ok(rs_done(&s), &err);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Many cases --------------------------------------------------------------- */

static const char many_sql[] =
    "CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    "  WHERE i < %d) SELECT i, (i * 2654435761) %% 4294967296 AS h FROM n;"
    "INSERT INTO cases(key, source, modality, body_part, view, sex, patient, collection, age,"
    "  indexed_at, study_date, tier) SELECT 'case' || i, 'source ' || (h %% 3),"
    "  substr('CRCTMRUS', 1 + 2 * (h %% 4), 2), 'part ' || (h / 7 %% 40),"
    "  nullif('view ' || (h / 11 %% 6), 'view 0'), substr('FM', 1 + h / 13 %% 2, 1),"
    "  'patient ' || (i / 3), 'collection ' || (h / 17 %% 12), nullif(h / 19 %% 100, 0), '',"
    "  date('2005-01-01', (h / 23 %% 7300) || ' days'), nullif(h / 29 %% 5, 0) FROM numbers;"
    "INSERT INTO case_findings SELECT i, 0, 'finding ' || (h / 31 %% 14) FROM numbers;"
    "INSERT INTO case_findings SELECT i, 1, 'finding ' || (h / 37 %% 300) FROM numbers"
    "  WHERE h / 41 %% 2;"
    "INSERT INTO case_attributes SELECT 'scanner', 'maker ' || (h / 43 %% 9), i FROM numbers"
    "  WHERE h / 47 %% 2;"
    "INSERT INTO images(case_id, ordinal, path, width, height)"
    "  SELECT i, 0, '/x', 1, 1 FROM numbers;"
    "INSERT INTO image_vectors SELECT i, 1, zeroblob(16) FROM numbers;"
    "DROP TABLE numbers";

/* `sql` (value, count) says the same as the facet. */
static void check_by_sql(rs_archive *a, const rs_facet_report *r, const char *name, const char *sql)
{
    rs_err err = {RS_OK, ""};
    rs_stmt s = rs_db_use(a->db, sql, &err);
    const rs_facet *f = r->facets;
    size_t n = 0;

    while (strcmp(f->name, name) != 0)
        f++;
    for (; rs_step(&s); n++) {
        const char *value = rs_col_text(&s, 0);
        size_t i = 0;
        while (i < f->n && strcmp(f->values[i].label, value) != 0)
            i++;
        assert_true(i < f->n);
        assert_int_equal(f->values[i].count, rs_col_int(&s, 1));
    }
    ok(rs_done(&s), &err);
    assert_int_equal(f->n, n);
}

/* What this process has used of processors: other work does not count. */
static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How many cases pass; with `show`, the median time of 9 of reading it and of the bits of its
 * images. */
static size_t time_filter(rs_archive *a, const char *text, bool show)
{
    rs_err err = {RS_OK, ""};
    double took[2][9];
    size_t n = 0;

    for (int i = 0; i < 9; i++) {
        rs_arena mem = {0};
        rs_restriction r;
        rs_filter f;
        rs_scope scope;
        double start = cpu_s();
        ok(rs_filter_parse(text, &mem, &f, &err), &err);
        ok(rs_restriction_make(a, &f, NULL, &mem, &r, &err), &err);
        took[0][i] = cpu_s() - start;
        start = cpu_s();
        ok(rs_scope_make(a, RS_KIND_IMAGE, &r, &mem, &scope, &err), &err);
        took[1][i] = cpu_s() - start;
        n = rs_bits_count(r.cases, r.cap);
        assert_int_equal(scope.selection.n, n);          /* an image each */
        rs_arena_clear(&mem);
    }
    for (int k = 0; k < 2; k++)                          /* the median, by insertion */
        for (int i = 1; i < 9; i++)
            for (int j = i; j > 0 && took[k][j] < took[k][j - 1]; j--) {
                const double t = took[k][j];
                took[k][j] = took[k][j - 1];
                took[k][j - 1] = t;
            }
    if (show)
        print_message("%9zu pass, cases %7.2f ms, images %7.2f ms: %s\n", n, 1e3 * took[0][4],
                      1e3 * took[1][4], text);
    return n;
}

static void time_counts(rs_archive *a, const char *filter, rs_facet_report *r, rs_arena *mem,
                        bool show)
{
    const double start = cpu_s();
    rs_err err = {RS_OK, ""};

    ok(rs_facet_counts(a, filter, NULL, 0, mem, r, &err), &err);
    if (show)
        print_message("%9zu counted in %.1f ms\n", r->passing, 1e3 * (cpu_s() - start));
}

/* Counts as SQL has them. With RADSCOUT_SLOW a million cases, and what it takes. */
static void test_many_cases(void **state)
{
    const bool slow = getenv("RADSCOUT_SLOW") != NULL;
    const int cases = slow ? 1000000 : 20000;
    static const char *const filters[] = {"modality:CT",
        "modality:CT and not (sex:F or age:..40) and date:2020..2023-06", "finding:\"finding 7\"",
        "tier:>=reviewed", "attr.scanner:\"maker 3\"", "patient:\"patient 77\""};
    rs_facet_report r;
    rs_archive *a;
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    double start;
    char dir[64], *sql = rs_sprintf(many_sql, cases);

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_db_exec(a->db, sql, &err), &err);
    rs_free(sql);
    time_counts(a, NULL, &r, &mem, slow);                /* with the loading */
    time_counts(a, NULL, &r, &mem, slow);
    assert_int_equal(r.passing, cases);
    check_by_sql(a, &r, "modality", "SELECT modality, count(*) FROM cases GROUP BY 1");
    check_by_sql(a, &r, "view", "SELECT view, count(*) FROM cases WHERE view NOT NULL GROUP BY 1");
    check_by_sql(a, &r, "date", "SELECT substr(study_date, 1, 4), count(*) FROM cases GROUP BY 1");
    check_by_sql(a, &r, "age", "SELECT format('%d..%d', age / 10 * 10, age / 10 * 10 + 9), count(*)"
                 " FROM (SELECT CAST(age AS INTEGER) AS age FROM cases WHERE age NOT NULL)"
                 " GROUP BY 1");
    check_by_sql(a, &r, "finding", "SELECT label, count(DISTINCT case_id) FROM case_findings"
                 " GROUP BY 1");
    time_counts(a, filters[1], &r, &mem, slow);
    if (slow)
        print_message("%.1f bytes a case\n", (double)rs_facets_bytes(a->facets) / cases);
    ok(rs_db_read_begin(a->db, &err), &err);
    ok(rs_archive_refresh(a, &err), &err);
    {
        rs_scope scope;
        rs_restriction all;
        ok(rs_restriction_make(a, NULL, "nothing", &mem, &all, &err), &err);
        start = cpu_s();
        ok(rs_scope_make(a, RS_KIND_IMAGE, &all, &mem, &scope, &err), &err);
        assert_int_equal(scope.selection.n, cases);
    }
    if (slow)
        print_message("whose each image is, is read in %.1f ms\n", 1e3 * (cpu_s() - start));
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        assert_true(time_filter(a, filters[i], slow) > 0);
    rs_db_read_end(a->db);
    put_one(a, &(rs_case){.key = "one more", .title = "T", .age_years = -1});
    time_counts(a, filters[1], &r, &mem, slow);          /* with following the log */
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Odd archives ------------------------------------------------------------ */

static void test_empty_and_odd(void **state)
{
    const char *finding[] = {"a", "A", "a"};
    rs_facet_report r;
    rs_archive *a;
    rs_err err = {RS_OK, ""};
    rs_arena mem = {0};
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_facet_counts(a, "not sex:F", NULL, 0, &mem, &r, &err), &err);
    assert_int_equal(r.cases + r.passing, 0);
    put_one(a, &(rs_case){.key = "one", .title = "One", .age_years = 250, .modality = "",
                          .findings = finding, .n_findings = 3});
    ok(rs_facet_counts(a, "modality:\"\" finding:a age:200..", NULL, 0, &mem, &r, &err), &err);
    assert_int_equal(r.passing, 1);
    assert_string_equal(r.facets[0].values[0].label, "");
    assert_string_equal(r.facets[4].values[0].label, "200..");
    assert_int_equal(r.facets[8].n, 1);
    assert_int_equal(r.facets[8].values[0].count, 1);
    assert_int_equal(rs_facet_counts(a, "sex:", NULL, 0, &mem, &r, &err), RS_EARG);
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_facet_counts(a, NULL, NULL, 0, &mem, &r, &err), RS_EARG);
    assert_int_equal(rs_archive_put(a, &(rs_case){.key = "x", .age_years = INFINITY}, NULL, &err),
                     RS_EARG);
    assert_int_equal(rs_archive_put(a, &(rs_case){.key = "x", .age_years = -1,
                                                  .study_date = "2023-02-29"}, NULL, &err),
                     RS_EARG);
    assert_non_null(strstr(err.msg, "2023-02-29"));
    rs_archive_rollback(a);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Out of memory ------------------------------------------------------------- */

/* Open, count, follow a change, search under a filter. */
static rs_status count_and_search(const char *dir, size_t *n, rs_err *err)
{
    static const char *const attributes[] = {"scanner"};
    static const float x[DIM] = {0, 1};
    rs_query q = rs_query_default();
    rs_archive *a = NULL;
    rs_facet_report r;
    rs_arena mem = {0};
    rs_result res;
    rs_status st;

    *n = 0;
    rs_query_add(&q)->vector = x;
    q.filter = "not sex:nobody and date:*|2020 age:..400 or finding:mass or attr.dose:>1";
    q.keep_patients = q.keep_duplicates = true;
    q.scores_only = true;
    q.k = q.depth = 1000;
    if ((st = rs_archive_open(&a, dir, RS_ARCHIVE_READ, err)) == RS_OK &&
        (st = rs_facet_counts(a, "sex:F or patient:*", attributes, 1, &mem, &r, err)) == RS_OK &&
        (st = rs_search(a, &q, &mem, &res, err)) == RS_OK)
        *n = r.passing + res.n;
    rs_arena_clear(&mem);
    rs_archive_close(a);
    return st;
}

static void test_out_of_memory(void **state)
{
    rs_random rnd = rs_random_seed(5);
    rs_status st = RS_ENOMEM;
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    size_t n, want, live;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < 8; i++) {
        any_case *c = calloc(1, sizeof *c);
        make_any(c, &rnd, i);
        put_one(a, &c->r.c);
        free(c);
    }
    rs_archive_close(a);
    ok(count_and_search(dir, &want, &err), &err);
    assert_true(want > 4);
    live = rs_alloc_live();
    for (long k = 0; st != RS_OK; k++) {
        assert_true(k < 3000);
        rs_alloc_fail_after(k);
        st = count_and_search(dir, &n, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK)
            assert_int_equal(st, RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
    }
    assert_int_equal(n, want);
    remove_folder(dir);
}

/* "test_engine_facets test_many_cases" runs that one alone. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters_equal_naive),
        cmocka_unit_test(test_reader_follows_the_log),
        cmocka_unit_test(test_log_is_trimmed),
        cmocka_unit_test(test_many_cases),
        cmocka_unit_test(test_empty_and_odd),
        cmocka_unit_test(test_out_of_memory),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
