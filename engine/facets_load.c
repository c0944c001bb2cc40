/* facets_load.c - the columns of all cases: loaded, and kept as the catalog is. See
 * facets_int.h; facets.c looks into them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/facets_int.h"

#include "base/alloc.h"
#include "engine/dates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_LEAST = 1024 };

/* The fields of a row, in this order; the index cases_by_facets has all of them. */
#define FIELDS "id, modality, body_part, view, sex, collection, source, study_date, tier, age"

/* ---- Dictionaries ---------------------------------------------------- */

const char *rs_facets_fold(rs_facets *f, const char *text)
{
    const size_t n = strlen(text) + 1;

    if (n > f->fold_cap) {
        char *more = rs_realloc(f->fold, 2 * n, 1);
        if (!more)
            return NULL;
        f->fold = more;
        f->fold_cap = 2 * n;
    }
    for (size_t i = 0; i < n; i++)
        f->fold[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
    return f->fold;
}

static bool begin_dictionary(rs_facets *f, rs_dictionary *d)
{
    void *entries = NULL;

    d->codes.mem = &f->mem;
    if (!rs_arena_grow(&f->mem, &entries, &d->cap, 0, sizeof *d->entries))
        return false;
    d->entries = entries;
    d->entries[d->n++] = (rs_entry){.text = "", .from = NAN, .to = NAN};
    return true;
}

/* The code of `key`, a new one where it has none; *entry is then its empty entry, else NULL.
 * 0 on OOM. */
static uint32_t code_of(rs_facets *f, rs_dictionary *d, const char *key, rs_entry **entry)
{
    void *entries = d->entries;
    uint32_t code;
    char *copy;

    *entry = NULL;
    if (rs_strmap_get(&d->codes, key, &code))
        return code;
    copy = rs_arena_strdup(&f->mem, key);
    if (!copy || d->n >= UINT32_MAX ||
        !rs_arena_grow(&f->mem, &entries, &d->cap, d->n, sizeof *d->entries))
        return 0;
    d->entries = entries;
    if (!rs_strmap_put(&d->codes, copy, (uint32_t)d->n))
        return 0;
    *entry = &d->entries[d->n];
    **entry = (rs_entry){.from = NAN, .to = NAN};
    return (uint32_t)d->n++;
}

/* The code of a text; 0 on OOM. Most rows have the value of the row before. */
static uint32_t code_of_text(rs_facets *f, rs_dictionary *d, const char *text)
{
    const char *key;
    rs_entry *entry;

    if (d->last && strcmp(d->entries[d->last].text, text) == 0)
        return d->last;
    key = rs_facets_fold(f, text);
    d->last = key ? code_of(f, d, key, &entry) : 0;
    if (d->last && entry && !(entry->text = rs_arena_strdup(&f->mem, text)))
        d->last = 0;
    return d->last;
}

/* Of a date; one that cannot be read is not known. False on OOM. */
static bool put_date(rs_facets *f, int64_t id, const char *text)
{
    rs_dictionary *d = &f->values[RS_COLUMN_DATE];
    rs_date day;
    uint32_t code;

    if (!rs_date_read(&day, text, strlen(text)))
        return true;
    code = code_of_text(f, d, text);
    if (!code)
        return false;
    d->entries[code].from = rs_date_first(day);
    d->entries[code].to = rs_date_last(day);
    f->code[RS_COLUMN_DATE][id] = code;
    return true;
}

static bool put_tier(rs_facets *f, int64_t id, int64_t tier)
{
    rs_dictionary *d = &f->values[RS_COLUMN_TIER];
    uint32_t code;

    if (tier <= RS_TIER_UNKNOWN || tier >= RS_TIERS)
        return true;
    code = code_of_text(f, d, rs_tier_name((rs_tier)tier));
    if (!code)
        return false;
    d->entries[code].from = d->entries[code].to = (double)tier;
    f->code[RS_COLUMN_TIER][id] = code;
    return true;
}

/* ---- Rows ------------------------------------------------------------ */

/* Room for ids up to `id`. */
static rs_status make_room(rs_facets *f, int64_t id, rs_err *err)
{
    bool all = id >= 0 && (uint64_t)id < UINT32_MAX;
    size_t cap = f->cap + f->cap / 2;
    uint64_t *present;
    double *age;

    if (all && (uint64_t)id < f->cap)
        return RS_OK;
    if (all && (uint64_t)id >= cap)
        cap = (size_t)id + 1;
    cap = (cap + 63) / 64 * 64;
    for (int c = 0; all && c < RS_COLUMNS; c++) {
        uint32_t *code = rs_realloc(f->code[c], cap, sizeof *code);
        if (!(all = code != NULL))
            break;
        f->code[c] = code;
        memset(code + f->cap, 0, (cap - f->cap) * sizeof *code);
    }
    if (all && (all = (age = rs_realloc(f->age, cap, sizeof *age)) != NULL)) {
        f->age = age;
        for (size_t i = f->cap; i < cap; i++)
            age[i] = NAN;
    }
    if (all && (all = (present = rs_realloc(f->present, cap / 64, sizeof *present)) != NULL)) {
        f->present = present;
        memset(present + f->cap / 64, 0, (cap - f->cap) / 64 * sizeof *present);
    }
    if (!all)
        return rs_fail(err, RS_ENOMEM, "facets: no memory for case %lld", (long long)id);
    f->cap = cap;
    return RS_OK;
}

static void clear_row(rs_facets *f, int64_t id)
{
    const uint64_t bit = UINT64_C(1) << (id & 63);

    f->live -= (f->present[id >> 6] & bit) != 0;
    f->present[id >> 6] &= ~bit;
    f->age[id] = NAN;
    for (int c = 0; c < RS_COLUMNS; c++)
        f->code[c][id] = 0;
}

/* The row that `s` stands on. */
static rs_status take_row(rs_facets *f, rs_stmt *s)
{
    const int64_t id = rs_col_int(s, 0);
    const char *date;
    rs_status st = make_room(f, id, s->err);
    bool all = true;

    if (st != RS_OK)
        return st;
    clear_row(f, id);
    f->present[id >> 6] |= UINT64_C(1) << (id & 63);
    f->live++;
    for (int c = 0; all && c <= RS_COLUMN_SOURCE; c++) {
        const char *text = rs_col_text(s, 1 + c);
        if (text)
            all = (f->code[c][id] = code_of_text(f, &f->values[c], text)) != 0;
    }
    if (all && (date = rs_col_text(s, 7)) != NULL)
        all = put_date(f, id, date);
    if (all && !rs_col_null(s, 8))
        all = put_tier(f, id, rs_col_int(s, 8));
    if (!rs_col_null(s, 9))
        f->age[id] = rs_col_real(s, 9);
    return all ? RS_OK : rs_fail(s->err, RS_ENOMEM, "facets: no memory");
}

/* ---- Findings -------------------------------------------------------- */

/* The labels of one case while they are read. */
typedef struct {
    int64_t   id;
    uint32_t *label;
    size_t    n, cap;
    rs_buf    key;
} case_labels;

static bool add_label(case_labels *s, uint32_t label)
{
    const size_t want = s->cap ? 2 * s->cap : 16;

    if (s->n == s->cap) {
        uint32_t *more = rs_realloc(s->label, want, sizeof *more);
        if (!more)
            return false;
        s->label = more;
        s->cap = want;
    }
    s->label[s->n++] = label;
    return true;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Sorted, each once, and as a text. False on OOM. */
static bool make_set(case_labels *s)
{
    size_t n = 0;

    qsort(s->label, s->n, sizeof *s->label, ascending);
    for (size_t i = 0; i < s->n; i++)
        if (n == 0 || s->label[n - 1] != s->label[i])
            s->label[n++] = s->label[i];
    s->n = n;
    s->key.len = 0;
    for (size_t i = 0; i < n; i++)
        rs_buf_printf(&s->key, "%u ", s->label[i]);
    return !s->key.failed;
}

/* The set as a value: its code under the case. False on OOM. */
static bool put_labels(rs_facets *f, case_labels *s)
{
    uint32_t *labels, code;
    rs_entry *entry;

    if (s->n == 0 || s->id < 0 || (uint64_t)s->id >= f->cap)
        return true;
    if (!make_set(s))
        return false;
    code = code_of(f, &f->values[RS_COLUMN_FINDING], s->key.data, &entry);
    if (code && entry) {
        labels = rs_new(&f->mem, uint32_t, s->n);
        if (!labels)
            return false;
        memcpy(labels, s->label, s->n * sizeof *labels);
        entry->labels = labels;
        entry->n_labels = s->n;
    }
    f->code[RS_COLUMN_FINDING][s->id] = code;
    return code != 0;
}

/* All rows (case, label) of `s`, those of a case together. */
static rs_status take_findings(rs_facets *f, rs_stmt *s)
{
    case_labels one = {0};
    bool all = true;

    while (all && rs_step(s)) {
        const int64_t id = rs_col_int(s, 0);
        const char *label = rs_col_text(s, 1);
        uint32_t code;
        if (id != one.id) {
            all = put_labels(f, &one);
            one.n = 0;
            one.id = id;
        }
        code = label ? code_of_text(f, &f->labels, label) : 0;
        all = all && code && add_label(&one, code);
    }
    if (!all || !put_labels(f, &one))
        rs_stmt_nomem(s);
    rs_free(one.label);
    rs_buf_clear(&one.key);
    return rs_done(s);
}

/* ---- All ------------------------------------------------------------- */

void rs_facets_free(rs_facets *f)
{
    if (!f)
        return;
    for (int c = 0; c < RS_COLUMNS; c++)
        rs_free(f->code[c]);
    rs_free(f->age);
    rs_free(f->present);
    rs_free(f->fold);
    rs_arena_clear(&f->mem);
    rs_free(f);
}

size_t rs_facets_bytes(const rs_facets *f)
{
    return sizeof *f + f->fold_cap + f->mem.used_bytes + f->cap / 8 +
           f->cap * (RS_COLUMNS * sizeof **f->code + sizeof *f->age);
}

static rs_status one_number(rs_db *db, const char *sql, int64_t *out, rs_err *err)
{
    rs_stmt s = rs_db_use(db, sql, err);

    *out = 0;
    if (rs_step(&s))
        *out = rs_col_int(&s, 0);
    return rs_done(&s);
}

static rs_status load(rs_facets *f, rs_db *db, rs_err *err)
{
    bool all = begin_dictionary(f, &f->labels);
    rs_status st = RS_OK;
    int64_t last;
    rs_stmt s;

    for (int c = 0; all && c < RS_COLUMNS; c++)
        all = begin_dictionary(f, &f->values[c]);
    if (!all)
        return rs_fail(err, RS_ENOMEM, "facets: no memory");
    f->values[RS_COLUMN_TIER].entries[0].from = f->values[RS_COLUMN_TIER].entries[0].to =
        RS_TIER_UNKNOWN;
    if ((st = one_number(db, "SELECT max(seq) FROM case_changes", &f->seq, err)) != RS_OK ||
        (st = one_number(db, "SELECT max(id) FROM cases", &last, err)) != RS_OK ||
        (st = make_room(f, last, err)) != RS_OK)
        return st;
    s = rs_db_use(db, "SELECT " FIELDS " FROM cases", err);
    while (s.status == RS_OK && rs_step(&s))
        if ((st = take_row(f, &s)) != RS_OK)
            s.status = st;
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    s = rs_db_use(db, "SELECT case_id, label FROM case_findings ORDER BY case_id", err);
    return take_findings(f, &s);
}

/* ---- What has changed ------------------------------------------------ */

static rs_status read_again(rs_facets *f, rs_db *db, int64_t id, rs_err *err)
{
    rs_stmt s = rs_db_use(db, "SELECT " FIELDS " FROM cases WHERE id = ?1", err);
    rs_status st = make_room(f, id, err);

    if (st == RS_OK)
        clear_row(f, id);
    s.status = s.status == RS_OK ? st : s.status;
    rs_bind_int(&s, 1, id);
    if (rs_step(&s) && (st = take_row(f, &s)) != RS_OK)
        s.status = st;
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    f->changed++;
    s = rs_db_use(db, "SELECT case_id, label FROM case_findings WHERE case_id = ?1", err);
    rs_bind_int(&s, 1, id);
    return take_findings(f, &s);
}

/* Does the log tell all that has happened since f->seq, and is it worth following? */
static rs_status log_reaches(const rs_facets *f, rs_db *db, bool *yes, rs_err *err)
{
    int64_t first, last;
    rs_status st = one_number(db, "SELECT min(seq) FROM case_changes", &first, err);

    if (st == RS_OK)
        st = one_number(db, "SELECT max(seq) FROM case_changes", &last, err);
    if (st != RS_OK)
        return st;
    *yes = last == f->seq ||
           (first && first <= f->seq + 1 && last > f->seq &&
            (uint64_t)(last - f->seq) + f->changed <= f->live + CAP_LEAST);
    return RS_OK;
}

static rs_status follow(rs_facets *f, rs_db *db, rs_err *err)
{
    rs_stmt s = rs_db_use(db, "SELECT seq, case_id FROM case_changes WHERE seq > ?1 ORDER BY seq",
                          err);
    int64_t before = 0;

    rs_bind_int(&s, 1, f->seq);
    while (s.status == RS_OK && rs_step(&s)) {
        const int64_t id = rs_col_int(&s, 1);
        rs_status st = id == before ? RS_OK : read_again(f, db, id, err);
        if (st != RS_OK)
            s.status = st;
        before = id;                   /* taken out and put in again: two entries */
        f->seq = rs_col_int(&s, 0);
    }
    return rs_done(&s);
}

static rs_status load_anew(rs_facets **f, rs_db *db, rs_err *err)
{
    rs_facets_free(*f);
    *f = rs_calloc(1, sizeof **f);
    return *f ? load(*f, db, err) : rs_fail(err, RS_ENOMEM, "facets: no memory");
}

rs_status rs_facets_refresh(rs_facets **f, rs_db *db, rs_err *err)
{
    const int64_t changes = sqlite3_total_changes64(rs_db_handle(db));
    bool reaches = false;
    int64_t version;
    rs_status st = one_number(db, "PRAGMA data_version", &version, err);

    if (st == RS_OK && *f && (*f)->data_version == version && (*f)->total_changes == changes)
        return RS_OK;
    if (st == RS_OK && *f)
        st = log_reaches(*f, db, &reaches, err);
    if (st == RS_OK)
        st = reaches ? follow(*f, db, err) : load_anew(f, db, err);
    if (st != RS_OK) {
        rs_facets_free(*f);
        *f = NULL;
        return st;
    }
    (*f)->data_version = version;
    (*f)->total_changes = changes;
    return RS_OK;
}
