/* facets.c - which cases pass a filter, and how many have which value. See facets_int.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/facets_int.h"

#include "base/alloc.h"
#include "engine/archive_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One filter being looked at. */
typedef struct {
    rs_facets *f;
    rs_db     *db;
    rs_arena  *mem;
    size_t     words;                  /* of 64 cases */
    rs_err    *err;
} looking;

/* ---- Tests on columns ------------------------------------------------ */

static rs_column column_of(rs_field field)
{
    switch (field) {
    case RS_FIELD_MODALITY:   return RS_COLUMN_MODALITY;
    case RS_FIELD_BODY_PART:  return RS_COLUMN_BODY_PART;
    case RS_FIELD_VIEW:       return RS_COLUMN_VIEW;
    case RS_FIELD_SEX:        return RS_COLUMN_SEX;
    case RS_FIELD_COLLECTION: return RS_COLUMN_COLLECTION;
    case RS_FIELD_SOURCE:     return RS_COLUMN_SOURCE;
    case RS_FIELD_DATE:       return RS_COLUMN_DATE;
    case RS_FIELD_TIER:       return RS_COLUMN_TIER;
    case RS_FIELD_FINDING:    return RS_COLUMN_FINDING;
    case RS_FIELD_PATIENT: case RS_FIELD_CASE: case RS_FIELD_AGE: case RS_FIELD_ATTRIBUTE:
    case RS_FIELDS: break;
    }
    return RS_COLUMNS;
}

/* Sets with that label. */
static void pass_label(const rs_dictionary *sets, uint32_t label, uint8_t *pass)
{
    for (size_t i = 1; i < sets->n; i++)
        for (size_t k = 0; k < sets->entries[i].n_labels; k++)
            pass[i] |= sets->entries[i].labels[k] == label;
}

/* pass[code] = 1 of the values of a column that `v` is about. False on OOM. */
static bool pass_values(rs_facets *f, rs_column column, const rs_filter_value *v, uint8_t *pass)
{
    const rs_dictionary *d = &f->values[column];
    const char *key;
    uint32_t code;

    switch (v->kind) {
    case RS_VALUE_KNOWN:
        memset(pass + 1, 1, d->n - 1);
        break;
    case RS_VALUE_EQUAL:
        if (!(key = rs_facets_fold(f, v->text)))
            return false;
        if (!rs_strmap_get(column == RS_COLUMN_FINDING ? &f->labels.codes : &d->codes, key, &code))
            break;
        if (column == RS_COLUMN_FINDING)
            pass_label(d, code, pass);
        else
            pass[code] = 1;
        break;
    case RS_VALUE_RANGE:
        for (size_t i = 0; i < d->n; i++)
            pass[i] |= d->entries[i].from >= v->from && d->entries[i].to < v->below;
        break;
    }
    return true;
}

static rs_status test_column(looking *l, const rs_filter_step *t, uint64_t *bits)
{
    const rs_column column = column_of(t->field);
    const uint32_t *code = l->f->code[column];
    uint8_t *pass = rs_new(l->mem, uint8_t, l->f->values[column].n);
    bool all = pass != NULL;

    for (size_t i = 0; all && i < t->n_values; i++)
        all = pass_values(l->f, column, &t->values[i], pass);
    if (!all)
        return rs_fail(l->err, RS_ENOMEM, "filter: no memory");
    for (size_t w = 0; w < l->words; w++, code += 64) {
        uint64_t set = 0;
        for (size_t k = 0; k < 64; k++)
            set |= (uint64_t)pass[code[k]] << k;
        bits[w] = set;
    }
    return RS_OK;
}

static void test_age(looking *l, const rs_filter_step *t, uint64_t *bits)
{
    for (size_t i = 0; i < t->n_values; i++) {
        const rs_filter_value *v = &t->values[i];
        const double from = v->kind == RS_VALUE_KNOWN ? -INFINITY : v->from,
                     below = v->kind == RS_VALUE_KNOWN ? INFINITY : v->below;
        const double *age = l->f->age;
        for (size_t w = 0; w < l->words; w++, age += 64) {
            uint64_t set = 0;
            for (size_t k = 0; k < 64; k++)
                set |= (uint64_t)(age[k] >= from && age[k] < below) << k;
            bits[w] |= set;
        }
    }
}

/* ---- Tests by the catalog's indexes ---------------------------------- */

static bool has_place(const looking *l, int64_t id)
{
    return id > 0 && (uint64_t)id < 64 * (uint64_t)l->words;
}

/* The cases that `s` gives; with a range, those of them whose second column is in it. */
static rs_status take_ids(looking *l, rs_stmt *s, const rs_filter_value *range, uint64_t *bits)
{
    double x;

    while (rs_step(s)) {
        const int64_t id = rs_col_int(s, 0);
        const char *text = range ? rs_col_text(s, 1) : NULL;
        if (range && !(text && rs_filter_number(text, strlen(text), &x) && x >= range->from &&
                       x < range->below))
            continue;
        if (has_place(l, id))
            bits[id >> 6] |= UINT64_C(1) << (id & 63);
    }
    return rs_done(s);
}

static rs_status test_attribute(looking *l, const rs_filter_step *t, const rs_filter_value *v,
                                uint64_t *bits)
{
    const bool equal = v->kind == RS_VALUE_EQUAL;
    rs_stmt s = rs_db_use(l->db, equal
        ? "SELECT case_id FROM case_attributes WHERE name = ?1 AND value = ?2"
        : "SELECT case_id, value FROM case_attributes WHERE name = ?1", l->err);

    rs_bind_text(&s, 1, t->attribute);
    if (equal)
        rs_bind_text(&s, 2, v->text);
    return take_ids(l, &s, v->kind == RS_VALUE_RANGE ? v : NULL, bits);
}

static rs_status test_patient(looking *l, const rs_filter_value *v, uint64_t *bits)
{
    rs_stmt s = rs_db_use(l->db, v->kind == RS_VALUE_EQUAL
        ? "SELECT id FROM cases WHERE patient = ?1"
        : "SELECT id FROM cases WHERE patient IS NOT NULL", l->err);

    if (v->kind == RS_VALUE_EQUAL)
        rs_bind_text(&s, 1, v->text);
    return take_ids(l, &s, NULL, bits);
}

static rs_status test_key(looking *l, const rs_filter_value *v, uint64_t *bits)
{
    rs_stmt s;

    if (v->kind == RS_VALUE_KNOWN) {
        memcpy(bits, l->f->present, l->words * sizeof *bits);
        return RS_OK;
    }
    s = rs_db_use(l->db, "SELECT id FROM cases WHERE key = ?1", l->err);
    rs_bind_text(&s, 1, v->text);
    return take_ids(l, &s, NULL, bits);
}

static rs_status test_one(looking *l, const rs_filter_step *t, uint64_t *bits)
{
    rs_status st = RS_OK;

    if (column_of(t->field) < RS_COLUMNS)
        return test_column(l, t, bits);
    if (t->field == RS_FIELD_AGE)
        test_age(l, t, bits);
    else
        for (size_t i = 0; st == RS_OK && i < t->n_values; i++)
            st = t->field == RS_FIELD_ATTRIBUTE ? test_attribute(l, t, &t->values[i], bits) :
                 t->field == RS_FIELD_PATIENT   ? test_patient(l, &t->values[i], bits)
                                                : test_key(l, &t->values[i], bits);
    return st;
}

/* ---- The filter ------------------------------------------------------ */

size_t rs_bits_count(const uint64_t *bits, size_t cap)
{
    size_t n = 0;

    for (size_t w = 0; w < cap / 64; w++)
        n += (size_t)__builtin_popcountll(bits[w]);
    return n;
}

/* a = a op b */
static void combine(uint64_t *a, const uint64_t *b, bool both, size_t words)
{
    for (size_t w = 0; w < words; w++)
        a[w] = both ? a[w] & b[w] : a[w] | b[w];
}

static rs_status run(looking *l, const rs_filter *filter, uint64_t **stack)
{
    size_t n = 0;
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < filter->n; i++) {
        const rs_filter_step *s = &filter->steps[i];
        switch (s->op) {
        case RS_FILTER_TEST:
            memset(stack[n], 0, l->words * sizeof **stack);
            st = test_one(l, s, stack[n++]);
            break;
        case RS_FILTER_AND: case RS_FILTER_OR:
            n--;
            combine(stack[n - 1], stack[n], s->op == RS_FILTER_AND, l->words);
            break;
        case RS_FILTER_NOT:
            for (size_t w = 0; w < l->words; w++)
                stack[n - 1][w] = ~stack[n - 1][w];
            break;
        }
    }
    return st;
}

rs_status rs_facets_select(rs_facets *f, rs_db *db, const rs_filter *filter, rs_arena *mem,
                           uint64_t **bits, rs_err *err)
{
    looking l = {f, db, mem, f->cap / 64, err};
    uint64_t **stack = rs_new(mem, uint64_t *, filter->room + 1);
    rs_status st;

    for (size_t i = 0; stack && i < filter->room; i++)
        if (!(stack[i] = rs_new(mem, uint64_t, l.words)))
            stack = NULL;
    if (!stack)
        return rs_fail(err, RS_ENOMEM, "filter: no memory");
    if ((st = run(&l, filter, stack)) != RS_OK)
        return st;
    combine(stack[0], f->present, true, l.words);
    *bits = stack[0];
    return RS_OK;
}

/* ---- Counts ---------------------------------------------------------- */

enum { AGE_BANDS = 21 };               /* by decade; the last is 200 and above */

static int most_first(const void *a, const void *b)
{
    const rs_count *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->label, y->label);
}

/* A facet of count[i] cases with label[i], those that have any. */
static rs_status make_facet(looking *l, const char *name, const char *const *label,
                            const size_t *count, size_t n, size_t unknown, rs_facet *out)
{
    rs_count *values = rs_new(l->mem, rs_count, n + 1);
    size_t kept = 0;

    if (!values)
        return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    for (size_t i = 0; i < n; i++)
        if (count[i])
            values[kept++] = (rs_count){label[i], count[i]};
    qsort(values, kept, sizeof *values, most_first);
    *out = (rs_facet){name, values, kept, unknown};
    return RS_OK;
}

/* How many of the cases have each code. NULL on OOM. */
static size_t *count_codes(looking *l, rs_column column, const uint64_t *bits)
{
    size_t *count = rs_new(l->mem, size_t, l->f->values[column].n);

    for (size_t w = 0; count && w < l->words; w++) {
        const uint32_t *code = l->f->code[column] + 64 * w;
        for (uint64_t left = bits[w]; left; left &= left - 1)
            count[code[__builtin_ctzll(left)]]++;
    }
    return count;
}

/* A column as it is. */
static rs_status count_column(looking *l, rs_field field, const uint64_t *bits, rs_facet *out)
{
    const rs_column column = column_of(field);
    const rs_dictionary *d = &l->f->values[column];
    const char **label = rs_new(l->mem, const char *, d->n);
    size_t *count = count_codes(l, column, bits);

    if (!label || !count)
        return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    for (size_t i = 0; i < d->n; i++)
        label[i] = d->entries[i].text;
    return make_facet(l, rs_field_name(field), label + 1, count + 1, d->n - 1, count[0], out);
}

static rs_status count_findings(looking *l, const uint64_t *bits, rs_facet *out)
{
    const rs_dictionary *sets = &l->f->values[RS_COLUMN_FINDING], *labels = &l->f->labels;
    size_t *of_set = count_codes(l, RS_COLUMN_FINDING, bits);
    size_t *count = rs_new(l->mem, size_t, labels->n);
    const char **label = rs_new(l->mem, const char *, labels->n);

    if (!of_set || !count || !label)
        return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    for (size_t i = 1; i < sets->n; i++)
        for (size_t k = 0; k < sets->entries[i].n_labels; k++)
            count[sets->entries[i].labels[k]] += of_set[i];
    for (size_t i = 0; i < labels->n; i++)
        label[i] = labels->entries[i].text;
    return make_facet(l, rs_field_name(RS_FIELD_FINDING), label + 1, count + 1, labels->n - 1,
                      of_set[0], out);
}

/* By year: the days of a date that is known to the year are all in it. */
static rs_status count_years(looking *l, const uint64_t *bits, rs_facet *out)
{
    enum { YEARS = 10000 };
    const rs_dictionary *d = &l->f->values[RS_COLUMN_DATE];
    size_t *of_date = count_codes(l, RS_COLUMN_DATE, bits), *count = rs_new(l->mem, size_t, YEARS);
    const char **label = rs_new(l->mem, const char *, YEARS);

    if (!of_date || !count || !label)
        return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    for (size_t i = 1; i < d->n; i++) {
        const size_t year = (size_t)(d->entries[i].from / 10000) % YEARS;
        count[year] += of_date[i];
        if (!label[year] && !(label[year] = rs_arena_sprintf(l->mem, "%04zu", year)))
            return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    }
    return make_facet(l, rs_field_name(RS_FIELD_DATE), label, count, YEARS, of_date[0], out);
}

static rs_status count_ages(looking *l, const uint64_t *bits, rs_facet *out)
{
    const char **label = rs_new(l->mem, const char *, AGE_BANDS);
    size_t count[AGE_BANDS] = {0}, unknown = 0;

    for (int i = 0; label && i < AGE_BANDS; i++)
        if (!(label[i] = i < AGE_BANDS - 1 ? rs_arena_sprintf(l->mem, "%d..%d", 10 * i, 10 * i + 9)
                                           : rs_arena_sprintf(l->mem, "%d..", 10 * i)))
            label = NULL;
    if (!label)
        return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    for (size_t w = 0; w < l->words; w++)
        for (uint64_t left = bits[w]; left; left &= left - 1) {
            const double age = l->f->age[64 * w + (size_t)__builtin_ctzll(left)];
            if (age >= 0)
                count[age < 10 * (AGE_BANDS - 1) ? (int)(age / 10) : AGE_BANDS - 1]++;
            else
                unknown++;
        }
    return make_facet(l, rs_field_name(RS_FIELD_AGE), label, count, AGE_BANDS, unknown, out);
}

/* Values of an attribute come sorted, those that are equal but for capitals together. */
static rs_status count_attribute(looking *l, const char *name, const uint64_t *bits, size_t passing,
                                 rs_facet *out)
{
    rs_stmt s = rs_db_use(l->db, "SELECT value, case_id FROM case_attributes WHERE name = ?1"
                          " ORDER BY value, case_id", l->err);
    uint64_t *seen = rs_new(l->mem, uint64_t, l->words);
    void *values = NULL;
    size_t cap = 0, n = 0;

    rs_bind_text(&s, 1, name);
    if (!seen)
        rs_stmt_nomem(&s);
    while (rs_step(&s)) {
        const int64_t id = rs_col_int(&s, 1);
        const char *value = rs_col_text(&s, 0);
        rs_count *last = n ? (rs_count *)values + n - 1 : NULL;
        if (!value || !has_place(l, id) || !(bits[id >> 6] >> (id & 63) & 1))
            continue;
        seen[id >> 6] |= UINT64_C(1) << (id & 63);
        if (last && strcasecmp(last->label, value) == 0) {
            last->count++;
            continue;
        }
        if (!rs_arena_grow(l->mem, &values, &cap, n, sizeof *last))
            rs_stmt_nomem(&s);
        else
            ((rs_count *)values)[n++] = (rs_count){rs_col_dup(&s, 0, l->mem), 1};
    }
    if (n && s.status == RS_OK)
        qsort(values, n, sizeof(rs_count), most_first);
    *out = (rs_facet){rs_arena_sprintf(l->mem, "attr.%s", name), values, n,
                      seen ? passing - rs_bits_count(seen, 64 * l->words) : 0};
    if (!out->name)
        rs_stmt_nomem(&s);
    return rs_done(&s);
}

static rs_status count_all(looking *l, const uint64_t *bits, const char *const *attributes,
                           size_t n_attributes, rs_facet_report *out)
{
    static const rs_field order[] = {RS_FIELD_MODALITY, RS_FIELD_BODY_PART, RS_FIELD_VIEW,
        RS_FIELD_SEX, RS_FIELD_AGE, RS_FIELD_DATE, RS_FIELD_COLLECTION, RS_FIELD_TIER,
        RS_FIELD_FINDING};
    enum { FACETS = sizeof order / sizeof *order };
    rs_facet *facets = rs_new(l->mem, rs_facet, FACETS + n_attributes);
    rs_status st = RS_OK;

    if (!facets)
        return rs_fail(l->err, RS_ENOMEM, "facets: no memory");
    for (size_t i = 0; st == RS_OK && i < FACETS; i++)
        st = order[i] == RS_FIELD_AGE     ? count_ages(l, bits, &facets[i]) :
             order[i] == RS_FIELD_DATE    ? count_years(l, bits, &facets[i]) :
             order[i] == RS_FIELD_FINDING ? count_findings(l, bits, &facets[i])
                                          : count_column(l, order[i], bits, &facets[i]);
    for (size_t i = 0; st == RS_OK && i < n_attributes; i++)
        st = count_attribute(l, attributes[i], bits, out->passing, &facets[FACETS + i]);
    out->facets = facets;
    out->n = FACETS + n_attributes;
    return st;
}

/* Inside the snapshot. */
static rs_status count_passing(rs_archive *a, const rs_filter *filter,
                               const char *const *attributes, size_t n_attributes, rs_arena *mem,
                               rs_facet_report *out, rs_err *err)
{
    rs_status st = rs_facets_refresh(&a->facets, a->db, err);
    uint64_t *bits;
    looking l;

    if (st != RS_OK)
        return st;
    l = (looking){a->facets, a->db, mem, a->facets->cap / 64, err};
    bits = a->facets->present;
    if (filter && (st = rs_facets_select(a->facets, a->db, filter, mem, &bits, err)) != RS_OK)
        return st;
    out->cases = a->facets->live;
    out->passing = rs_bits_count(bits, a->facets->cap);
    return count_all(&l, bits, attributes, n_attributes, out);
}

rs_status rs_facet_counts(rs_archive *a, const char *filter, const char *const *attributes,
                          size_t n_attributes, rs_arena *mem, rs_facet_report *out, rs_err *err)
{
    rs_filter parsed;
    rs_status st;

    *out = (rs_facet_report){0};
    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "facets: a batch is open; commit it first");
    if ((filter && (st = rs_filter_parse(filter, mem, &parsed, err)) != RS_OK) ||
        (st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    st = count_passing(a, filter ? &parsed : NULL, attributes, n_attributes, mem, out, err);
    rs_db_read_end(a->db);
    return st;
}
