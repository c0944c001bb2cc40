/* census.c - see census.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/census.h"

#include "base/alloc.h"
#include "base/random.h"
#include "embeddings/half.h"
#include "engine/catalog.h"
#include "engine/fold.h"
#include "engine/strmap.h"

#include <stdlib.h>
#include <string.h>

const char *rs_trait_name(rs_trait f)
{
    static const char *const names[RS_TRAITS] = {
#define NAME(name, text) text,
        RS_TRAIT_MAP(NAME)
#undef NAME
    };

    return (size_t)f < RS_TRAITS ? names[f] : "";
}

/* ---- Words that are kept once ----------------------------------------- */

/* Texts that differ in ASCII case alone are one: the first that came. */
typedef struct {
    rs_strmap    map;              /* lower case -> place */
    const char **shown;
    size_t       cap;
} words;

static const char *lower(rs_arena *mem, const char *text)
{
    char *copy = rs_arena_strdup(mem, text);

    for (char *p = copy; copy && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return copy;
}

/* The place of `text` among the words, NONE on OOM. */
enum { NONE = -1 };
static int64_t place_of(words *w, const char *text)
{
    const char *key = lower(w->map.mem, text);
    const uint32_t fresh = (uint32_t)w->map.n;
    const uint32_t *at = key ? rs_strmap_put(&w->map, key, fresh) : NULL;

    if (!at)
        return NONE;
    if (*at == fresh && w->map.n == (size_t)fresh + 1) {
        void *rows = w->shown;
        if (!rs_arena_grow(w->map.mem, &rows, &w->cap, fresh, sizeof *w->shown))
            return NONE;
        w->shown = rows;
        if (!(w->shown[fresh] = rs_arena_strdup(w->map.mem, text)))
            return NONE;
    }
    return *at;
}

/* NULL for NULL and "", and on OOM, which *failed tells. */
static const char *word_of(words *w, const char *text, bool *failed)
{
    int64_t place;

    if (!text || !*text)
        return NULL;
    place = place_of(w, text);
    *failed |= place == NONE;
    return place == NONE ? NULL : w->shown[place];
}

static const char *band_of(double years)
{
    static const struct { double below; const char *name; } bands[] = {
        {1, "under 1"}, {18, "1-17"}, {40, "18-39"}, {60, "40-59"}, {80, "60-79"}};

    if (!(years >= 0))
        return NULL;
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++)
        if (years < bands[i].below)
            return bands[i].name;
    return "80 and over";
}

/* ---- Cases ----------------------------------------------------------- */

typedef struct {
    rs_arena *mem;
    words     words, groups;
    uint32_t  alone;               /* cases without a group */
} reading;

/* Columns as in take_cases(). */
static bool read_case(reading *r, rs_stmt *s, rs_census_case *c)
{
    static const struct { rs_trait facet; int column; } facets[] = {
        {RS_TRAIT_SEX, 2}, {RS_TRAIT_MODALITY, 3}, {RS_TRAIT_BODY_PART, 4}, {RS_TRAIT_SITE, 5}};
    const char *patient = rs_col_text(s, 7), *group = rs_col_text(s, 8), *owner;
    bool failed = false;
    int64_t place;

    c->id = rs_col_int(s, 0);
    c->key = rs_col_dup(s, 1, r->mem);
    for (size_t i = 0; i < sizeof facets / sizeof *facets; i++)
        c->facet[facets[i].facet] = word_of(&r->words, rs_col_text(s, facets[i].column), &failed);
    c->facet[RS_TRAIT_AGE] = rs_col_null(s, 6) ? NULL : band_of(rs_col_real(s, 6));
    c->indexed_at = rs_col_dup(s, 9, r->mem);
    c->report = rs_col_int(s, 10) != 0;
    c->n_images = (size_t)rs_col_int(s, 11);
    c->n_passages = (size_t)rs_col_int(s, 12);
    if (rs_patient_known(patient))
        owner = (c->patient = rs_arena_strdup(r->mem, patient))
              ? rs_arena_sprintf(r->mem, "p%s", patient) : NULL;
    else if (group && *group)
        owner = (c->attribute_group = rs_arena_strdup(r->mem, group))
              ? rs_arena_sprintf(r->mem, "g%s", group) : NULL;
    else
        owner = rs_arena_sprintf(r->mem, "a%u", r->alone++);
    place = owner ? place_of(&r->groups, owner) : NONE;
    c->group = (uint32_t)place;
    return !failed && place != NONE && c->key && c->indexed_at;
}

static rs_status take_cases(rs_archive *a, reading *r, rs_census *out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT c.id, c.key, c.sex, c.modality, c.body_part,"
        "  coalesce((SELECT value FROM case_attributes WHERE case_id = c.id AND name = 'site'),"
        "           c.collection),"
        "  c.age, c.patient,"
        "  (SELECT value FROM case_attributes WHERE case_id = c.id AND name = 'group'),"
        "  c.indexed_at, length(c.report) > 0,"
        "  (SELECT count(*) FROM images i WHERE i.case_id = c.id),"
        "  (SELECT count(*) FROM passages p WHERE p.case_id = c.id)"
        " FROM cases c ORDER BY c.key", err);
    void *rows = NULL;
    size_t cap = 0;

    while (rs_step(&s)) {
        if (!rs_arena_grow(r->mem, &rows, &cap, out->n_cases, sizeof *out->cases) ||
            !read_case(r, &s, memset((rs_census_case *)rows + out->n_cases, 0,
                                     sizeof *out->cases))) {
            rs_stmt_nomem(&s);
            break;
        }
        out->n_cases++;
    }
    out->cases = rows;
    out->n_groups = r->groups.map.n;
    return rs_done(&s);
}

/* ---- Labels ---------------------------------------------------------- */

typedef struct { int64_t case_id; uint32_t label; } labelled;

static int by_case(const void *a, const void *b)
{
    const labelled *x = a, *y = b;

    if (x->case_id != y->case_id)
        return x->case_id < y->case_id ? -1 : 1;
    return (x->label > y->label) - (x->label < y->label);
}

typedef struct { int64_t id; size_t place; } case_place;

static int by_id(const void *a, const void *b)
{
    const int64_t x = ((const case_place *)a)->id, y = ((const case_place *)b)->id;

    return (x > y) - (x < y);
}

/* Places of cases in order of id, in `mem`; NULL on OOM. */
static case_place *places_by_id(const rs_census *c, rs_arena *mem)
{
    case_place *p = rs_new(mem, case_place, c->n_cases + 1);

    for (size_t i = 0; p && i < c->n_cases; i++)
        p[i] = (case_place){c->cases[i].id, i};
    if (p)
        qsort(p, c->n_cases, sizeof *p, by_id);
    return p;
}

/* Rows in order of case, then label, to the cases that have them. */
static bool give_labels(rs_census *out, const labelled *rows, size_t n, rs_arena *mem)
{
    uint32_t *numbers = rs_new(mem, uint32_t, n + 1);
    const case_place *p = places_by_id(out, mem);
    size_t at = 0, used = 0;

    if (!numbers || !p)
        return false;
    for (size_t i = 0; i < out->n_cases; i++) {
        rs_census_case *c = &out->cases[p[i].place];
        c->labels = numbers + used;
        while (at < n && rows[at].case_id < c->id)
            at++;
        for (; at < n && rows[at].case_id == c->id; at++)
            if (c->n_labels == 0 || numbers[used - 1] != rows[at].label) {
                numbers[used++] = rows[at].label;
                c->n_labels++;
            }
    }
    return true;
}

static bool same_word(const char *x, const char *y)
{
    for (; *x && *y; x++, y++) {
        const char a = *x >= 'A' && *x <= 'Z' ? (char)(*x + 32) : *x;
        const char b = *y >= 'A' && *y <= 'Z' ? (char)(*y + 32) : *y;
        if (a != b)
            return false;
    }
    return *x == *y;
}

static rs_status take_labels(rs_archive *a, rs_arena *mem, rs_census *out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT label, case_id FROM case_findings"
                          " ORDER BY label COLLATE NOCASE, case_id", err);
    void *rows = NULL, *names = NULL;
    size_t n = 0, cap = 0, name_cap = 0;
    const char *last = NULL;
    rs_status st;

    while (rs_step(&s)) {
        const char *label = rs_col_text(&s, 0);
        if (!label)
            continue;
        if (!last || !same_word(last, label)) {
            last = rs_arena_strdup(mem, label);
            if (!last || !rs_arena_grow(mem, &names, &name_cap, out->n_labels, sizeof last)) {
                rs_stmt_nomem(&s);
                break;
            }
            ((const char **)names)[out->n_labels++] = last;
        }
        if (!rs_arena_grow(mem, &rows, &cap, n, sizeof(labelled))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((labelled *)rows)[n++] = (labelled){rs_col_int(&s, 1), (uint32_t)(out->n_labels - 1)};
    }
    out->labels = names;
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    if (n)
        qsort(rows, n, sizeof(labelled), by_case);
    return give_labels(out, rows, n, mem) ? RS_OK
         : rs_fail(err, RS_ENOMEM, "no memory for %zu labels", n);
}

rs_status rs_census_take(rs_archive *a, rs_arena *mem, rs_census *out, rs_err *err)
{
    reading r = {.mem = mem, .words = {.map = {.mem = mem}}, .groups = {.map = {.mem = mem}}};
    rs_status st;

    *out = (rs_census){0};
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    if ((st = rs_archive_refresh_encoder(a, err)) == RS_OK &&
        (st = take_cases(a, &r, out, err)) == RS_OK)
        st = take_labels(a, mem, out, err);
    out->dim = a->encoder.id ? a->encoder.dim : 0;
    rs_db_read_end(a->db);
    return st;
}

/* ---- Vectors --------------------------------------------------------- */

rs_status rs_census_sample(rs_census *c, size_t n, uint64_t seed, rs_err *err)
{
    rs_random rnd = rs_random_seed(seed);
    size_t *order = rs_calloc(c->n_cases + 1, sizeof *order);

    if (!order)
        return rs_fail(err, RS_ENOMEM, "no memory to draw %zu cases", n);
    for (size_t i = 0; i < c->n_cases; i++)
        order[i] = i;
    rs_random_shuffle(&rnd, order, c->n_cases);
    for (size_t i = 0; i < c->n_cases; i++)
        c->cases[order[i]].wanted = i < n;
    rs_free(order);
    return RS_OK;
}

/* A matrix that grows in an arena: its rows, and what each is of. */
typedef struct {
    rs_arena *mem;
    void     *x, *of;
    size_t    n, cap, of_cap, dim, of_size;
} matrix;

/* Another row from a blob of halves; `of` is of size of_size. */
static bool add_row(matrix *m, const void *halves, const void *of)
{
    if (!rs_arena_grow(m->mem, &m->x, &m->cap, m->n, m->dim * sizeof(float)) ||
        !rs_arena_grow(m->mem, &m->of, &m->of_cap, m->n, m->of_size))
        return false;
    rs_half_unpack((float *)m->x + m->n * m->dim, halves, m->dim);
    memcpy((char *)m->of + m->n * m->of_size, of, m->of_size);
    m->n++;
    return true;
}

/* NULL where the row's vector is not of the archive's size; the statement then says so. */
static const void *halves_of(rs_archive *a, rs_stmt *s, size_t dim, const rs_census_case *c)
{
    size_t len;
    const void *blob = rs_col_blob(s, 0, &len);

    if (blob && len == 2 * dim)
        return blob;
    s->status = rs_fail(s->err, RS_ECORRUPT, "%s: case %lld: a vector of %zu bytes, wanted %zu",
                        rs_db_path(a->db), (long long)c->id, len, 2 * dim);
    return NULL;
}

static rs_status add_images(rs_archive *a, matrix *m, rs_census_case *c, uint32_t of, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT v.vector, i.path, i.sha256, i.phash FROM images i"
                          " JOIN image_vectors v ON v.id = i.id WHERE i.case_id = ?1"
                          " ORDER BY i.ordinal", err);
    const void *halves;

    c->first_image = m->n;
    rs_bind_int(&s, 1, c->id);
    while (rs_step(&s) && (halves = halves_of(a, &s, m->dim, c))) {
        const rs_census_image im = {of, rs_catalog_path(a, &s, 1, m->mem), rs_col_dup(&s, 2, m->mem),
                                    (uint64_t)rs_col_int(&s, 3), !rs_col_null(&s, 3)};
        if (!im.path || !add_row(m, halves, &im)) {
            rs_stmt_nomem(&s);
            break;
        }
    }
    c->n_images = m->n - c->first_image;
    return rs_done(&s);
}

static rs_status add_passages(rs_archive *a, matrix *m, rs_census_case *c, uint32_t of, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT v.vector FROM passages i"
                          " JOIN passage_vectors v ON v.id = i.id WHERE i.case_id = ?1"
                          " ORDER BY i.ordinal", err);
    const void *halves;

    c->first_passage = m->n;
    rs_bind_int(&s, 1, c->id);
    while (rs_step(&s) && (halves = halves_of(a, &s, m->dim, c)))
        if (!add_row(m, halves, &of)) {
            rs_stmt_nomem(&s);
            break;
        }
    c->n_passages = m->n - c->first_passage;
    return rs_done(&s);
}

rs_status rs_census_vectors(rs_archive *a, rs_arena *mem, rs_census *c, rs_err *err)
{
    matrix images = {.mem = mem, .dim = c->dim, .of_size = sizeof(rs_census_image)};
    matrix passages = {.mem = mem, .dim = c->dim, .of_size = sizeof(uint32_t)};
    rs_status st;

    if (c->dim == 0)
        return RS_OK;                                  /* nothing was encoded yet */
    if ((st = rs_db_read_begin(a->db, err)) != RS_OK)
        return st;
    for (size_t i = 0; st == RS_OK && i < c->n_cases; i++)
        if (c->cases[i].wanted &&
            (st = add_images(a, &images, &c->cases[i], (uint32_t)i, err)) == RS_OK)
            st = add_passages(a, &passages, &c->cases[i], (uint32_t)i, err);
    rs_db_read_end(a->db);
    c->images = images.of;
    c->image_vectors = images.x;
    c->n_images = images.n;
    c->passages = passages.of;
    c->passage_vectors = passages.x;
    c->n_passages = passages.n;
    return st;
}

size_t rs_census_shared(const rs_census_case *x, const rs_census_case *y)
{
    size_t i = 0, k = 0, n = 0;

    while (i < x->n_labels && k < y->n_labels) {
        if (x->labels[i] == y->labels[k]) {
            n++;
            i++;
            k++;
        } else if (x->labels[i] < y->labels[k])
            i++;
        else
            k++;
    }
    return n;
}
