/* fold.c - see fold.h.
 *
 * Groups are a forest over rows in which a row's parent is never behind it, so that a root
 * is the best of its group. There are two: what pictures join, and what all joins.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/fold.h"

#include "embeddings/half.h"
#include "embeddings/phash.h"
#include "engine/catalog.h"
#include "engine/scan.h"

#include <stdlib.h>
#include <string.h>

/* Measured: fold.h. */
static const struct { unsigned bits; float cosine; } near_enough[] = {
    {2, 0.90f}, {4, 0.95f}, {6, 0.99f}, {8, 0.995f}};
enum { NEARNESSES = sizeof near_enough / sizeof *near_enough };
static const float ALONE = 0.998f;

/* Of a series of slices nobody waits for all: it would be most of a search. */
enum { LOOKED_AT = 16 };

typedef struct {
    int64_t        id;
    const char    *sha256;         /* NULL: not known */
    uint64_t       phash;
    bool           hashed;
    const uint8_t *half;           /* its vector as it is kept, once it was asked for, */
    const float   *x;              /* and as floats */
} picture;

typedef struct {
    const char *patient;           /* NULL: not known */
    size_t      row;
    size_t      first, n;          /* pictures that are looked at */
    int64_t     total;             /* that it has */
} member;

typedef struct {
    rs_archive *a;
    rs_arena   *mem;
    rs_err     *err;
    rs_status   st;                /* the first failure; nothing is joined after it */
    member     *members;
    size_t      n;
    void       *pictures;          /* picture[n_pictures] */
    size_t      n_pictures, cap;
    size_t     *alike, *all;       /* parents: by pictures, by everything */
    const rs_scan_set *scan;
} folding;

/* ---- Groups ---------------------------------------------------------- */

static size_t root(size_t *parent, size_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void join(size_t *parent, size_t i, size_t j)
{
    i = root(parent, i);
    j = root(parent, j);
    if (i < j)
        parent[j] = i;
    else
        parent[i] = j;
}

static size_t *alone(rs_arena *mem, size_t n)
{
    size_t *parent = rs_new(mem, size_t, n);

    for (size_t i = 0; parent && i < n; i++)
        parent[i] = i;
    return parent;
}

/* ---- Reading --------------------------------------------------------- */

rs_status rs_patient_of(rs_db *db, int64_t case_id, rs_arena *mem, const char **patient,
                        rs_err *err)
{
    rs_stmt s = rs_db_use(db, "SELECT patient FROM cases WHERE id = ?1", err);
    bool there = false;
    rs_status st;

    *patient = NULL;
    rs_bind_int(&s, 1, case_id);
    if (rs_step(&s)) {
        there = true;
        if (rs_patient_known(rs_col_text(&s, 0)))
            *patient = rs_col_dup(&s, 0, mem);
    }
    st = rs_done(&s);
    if (st == RS_OK && !there)
        return rs_fail(err, RS_ECORRUPT, "%s: there is no case row %lld", rs_db_path(db),
                       (long long)case_id);
    return st;
}

static rs_status count_pictures(folding *f, int64_t id, member *m)
{
    rs_stmt s = rs_db_use(f->a->db, "SELECT count(*) FROM images WHERE case_id = ?1", f->err);

    rs_bind_int(&s, 1, id);
    if (rs_step(&s))
        m->total = rs_col_int(&s, 0);
    return rs_done(&s);
}

static rs_status read_pictures(folding *f, int64_t id, member *m)
{
    rs_stmt s = rs_db_use(f->a->db,
        "SELECT id, sha256, phash FROM images WHERE case_id = ?1 ORDER BY ordinal LIMIT ?2",
        f->err);
    rs_status st;

    m->first = f->n_pictures;
    rs_bind_int(&s, 1, id);
    rs_bind_int(&s, 2, LOOKED_AT);
    while (rs_step(&s)) {
        if (!rs_arena_grow(f->mem, &f->pictures, &f->cap, f->n_pictures, sizeof(picture))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((picture *)f->pictures)[f->n_pictures++] = (picture){
            .id = rs_col_int(&s, 0), .sha256 = rs_col_dup(&s, 1, f->mem),
            .hashed = !rs_col_null(&s, 2), .phash = (uint64_t)rs_col_int(&s, 2)};
    }
    m->n = f->n_pictures - m->first;
    m->total = (int64_t)m->n;
    st = rs_done(&s);
    return st == RS_OK && m->n == LOOKED_AT ? count_pictures(f, id, m) : st;
}

/* The vector of a picture; false and f->st where there is none. */
static bool know_vector(folding *f, picture *p)
{
    const size_t dim = f->a->encoder.dim;
    uint8_t *half;
    float *x;
    size_t len = 0;
    rs_stmt s;

    if (p->x)
        return true;
    s = rs_db_use(f->a->db, "SELECT vector FROM image_vectors WHERE id = ?1", f->err);
    half = rs_arena_alloc(f->mem, dim, 2);
    x = rs_new(f->mem, float, dim);
    rs_bind_int(&s, 1, p->id);
    if (!half || !x) {
        rs_stmt_nomem(&s);
    } else if (rs_step(&s)) {
        const void *blob = rs_col_blob(&s, 0, &len);
        if (blob && len == 2 * dim)
            memcpy(half, blob, len);
    }
    f->st = rs_done(&s);
    if (f->st == RS_OK && len != 2 * dim)
        f->st = rs_fail(f->err, RS_ECORRUPT, "%s: image %lld: a vector of %zu bytes, wanted %zu",
                        rs_db_path(f->a->db), (long long)p->id, len, 2 * dim);
    if (f->st != RS_OK)
        return false;
    rs_half_unpack(x, half, dim);
    p->half = half;
    p->x = x;
    return true;
}

/* ---- Twins ----------------------------------------------------------- */

/* Is their cosine at least `least`? */
static bool vectors_near(folding *f, picture *a, picture *b, float least)
{
    float cosine;

    if (!know_vector(f, a) || !know_vector(f, b))
        return false;
    f->scan->halves(&cosine, &b->half, 1, a->x, f->a->encoder.dim);
    return cosine >= least;
}

static bool same_file(const picture *a, const picture *b)
{
    return a->sha256 && b->sha256 && strcmp(a->sha256, b->sha256) == 0;
}

double rs_twin_cosine(bool hashed, unsigned bits)
{
    if (!hashed)
        return (double)ALONE;
    for (int i = 0; i < NEARNESSES; i++)
        if (bits <= near_enough[i].bits)
            return (double)near_enough[i].cosine;
    return 2;
}

static bool twins(folding *f, picture *a, picture *b)
{
    const bool hashed = a->hashed && b->hashed;
    const unsigned bits = rs_phash_distance(a->phash, b->phash);

    const double least = rs_twin_cosine(hashed, bits);

    if ((!hashed || bits == 0) && same_file(a, b))           /* equal files have equal hashes */
        return true;
    return least <= 1 && vectors_near(f, a, b, (float)least);
}

/* Has every picture of `a` a twin among those of `b`? As far as they are looked at. */
static bool contained(folding *f, const member *a, const member *b)
{
    picture *all = f->pictures;

    if (a->total > LOOKED_AT && a->total != b->total)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        bool found = false;
        for (size_t j = 0; j < b->n && !found && f->st == RS_OK; j++)
            found = twins(f, &all[a->first + i], &all[b->first + j]);
        if (!found)
            return false;
    }
    return a->n > 0;
}

static void join_pictures(folding *f)
{
    for (size_t i = 1; i < f->n; i++)
        for (size_t j = 0; j < i && f->st == RS_OK; j++) {
            const member *a = &f->members[i], *b = &f->members[j];
            if (root(f->alike, i) != root(f->alike, j) &&
                (contained(f, a, b) || (a->n > 1 && contained(f, b, a)))) {
                join(f->alike, i, j);
                join(f->all, i, j);
            }
        }
}

/* ---- Patients -------------------------------------------------------- */

bool rs_patient_known(const char *patient)
{
    static const char *const nobody[] = {
        "", "unknown", "anonymous", "anonymized", "anonymised", "anon", "none", "null", "n/a",
        "na", "nan", "-", "?"};

    for (size_t i = 0; patient && i < sizeof nobody / sizeof *nobody; i++)
        if (sqlite3_stricmp(patient, nobody[i]) == 0)
            return false;
    return patient != NULL;
}

static int by_patient(const void *a, const void *b)
{
    const member *x = *(member *const *)a, *y = *(member *const *)b;
    const int order = sqlite3_stricmp(x->patient, y->patient);

    return order ? order : (x->row > y->row) - (x->row < y->row);
}

static rs_status join_patients(folding *f)
{
    member **known = rs_new(f->mem, member *, f->n);
    size_t n = 0;

    if (!known)
        return rs_fail(f->err, RS_ENOMEM, "%zu cases: no memory", f->n);
    for (size_t i = 0; i < f->n; i++)
        if (f->members[i].patient)
            known[n++] = &f->members[i];
    qsort(known, n, sizeof *known, by_patient);
    for (size_t i = 1; i < n; i++)
        if (sqlite3_stricmp(known[i - 1]->patient, known[i]->patient) == 0)
            join(f->all, known[i - 1]->row, known[i]->row);
    return RS_OK;
}

/* ---- Rows ------------------------------------------------------------ */

const char *rs_fold_why_text(rs_fold_why why)
{
    return why == RS_FOLD_PATIENT ? "same patient" : why == RS_FOLD_PICTURE ? "same picture" : "";
}

static rs_status read_members(folding *f, const int64_t *cases, bool patients, bool pictures)
{
    rs_status st = RS_OK;

    for (size_t i = 0; i < f->n && st == RS_OK; i++) {
        member *m = &f->members[i];
        m->row = i;
        if (patients)
            st = rs_patient_of(f->a->db, cases[i], f->mem, &m->patient, f->err);
        if (st == RS_OK && pictures)
            st = read_pictures(f, cases[i], m);
    }
    return st;
}

rs_status rs_fold_rows(rs_archive *a, const int64_t *cases, size_t n, bool patients,
                       bool pictures, rs_arena *mem, rs_fold **out, rs_err *err)
{
    folding f = {.a = a, .mem = mem, .err = err, .n = n, .scan = rs_scan_best(),
                 .members = rs_new(mem, member, n), .alike = alone(mem, n), .all = alone(mem, n)};
    rs_status st;

    *out = rs_new(mem, rs_fold, n);
    if (!f.members || !f.alike || !f.all || !*out)
        return rs_fail(err, RS_ENOMEM, "%zu cases: no memory", n);
    if ((st = read_members(&f, cases, patients, pictures)) != RS_OK)
        return st;
    if (patients && (st = join_patients(&f)) != RS_OK)
        return st;
    if (pictures)
        join_pictures(&f);
    for (size_t i = 0; i < n; i++) {
        const size_t best = root(f.all, i);
        (*out)[i] = (rs_fold){best, best == i ? RS_FOLD_ITSELF
                                    : root(f.alike, i) == root(f.alike, best) ? RS_FOLD_PICTURE
                                                                              : RS_FOLD_PATIENT};
    }
    return f.st;
}
