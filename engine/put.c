/* put.c - writing a case into the catalog and taking one out, with everything it has:
 * rows, FTS row, vectors, tombstones. See archive.h.
 *
 * A replaced case keeps its row id; its images and passages get new ids, so that no
 * vector in a cache can stand for another picture than it was made of.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/catalog.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/json.h"
#include "embeddings/half.h"
#include "engine/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* A unit vector's squared length may be off by this much (fp32 sums, fp16 sources). */
#define UNIT_TOLERANCE 0.02

/* ---- Is the record fit to be written? -------------------------------- */

static rs_status check_range(const rs_case *c, const char *what, size_t i, size_t begin,
                             size_t end, const char *text, rs_err *err)
{
    size_t len = text ? strlen(text) : 0;

    if (begin > end || end > len)
        return rs_fail(err, RS_EARG, "case '%.100s': %s %zu: bytes %zu to %zu of %zu", c->key,
                       what, i, begin, end, len);
    return RS_OK;
}

static rs_status check_vector(const rs_archive *a, const rs_case *c, const char *what, size_t i,
                              const float *x, rs_err *err)
{
    double sum = 0;

    if (!x)
        return rs_fail(err, RS_EARG, "case '%.100s': %s %zu: has no vector", c->key, what, i);
    for (size_t k = 0; k < a->encoder.dim; k++)
        sum += (double)x[k] * (double)x[k];
    if (!(fabs(sum - 1) <= UNIT_TOLERANCE))          /* catches NaN too */
        return rs_fail(err, RS_EARG, "case '%.100s': %s %zu: vector of length %g, wanted 1",
                       c->key, what, i, sqrt(sum));
    return RS_OK;
}

static rs_status check_parts(const rs_archive *a, const rs_case *c, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_sections; i++) {
        if (!c->sections[i].name)
            return rs_fail(err, RS_EARG, "case '%.100s': section %zu: has no name", c->key, i);
        st = check_range(c, "section", i, c->sections[i].begin, c->sections[i].end, c->report,
                         err);
    }
    for (size_t i = 0; st == RS_OK && i < c->n_images; i++) {
        if (!c->images[i].path)
            return rs_fail(err, RS_EARG, "case '%.100s': image %zu: has no path", c->key, i);
        st = check_vector(a, c, "image", i, c->images[i].vector, err);
    }
    for (size_t i = 0; st == RS_OK && i < c->n_passages; i++) {
        const rs_passage *p = &c->passages[i];
        bool title = p->section && strcmp(p->section, "title") == 0;
        if (!p->text)
            return rs_fail(err, RS_EARG, "case '%.100s': passage %zu: has no text", c->key, i);
        st = check_range(c, "passage", i, p->begin, p->end, title ? c->title : c->report, err);
        if (st == RS_OK)
            st = check_vector(a, c, "passage", i, p->vector, err);
    }
    for (size_t i = 0; st == RS_OK && i < c->n_findings; i++)
        if (!c->findings[i])
            st = rs_fail(err, RS_EARG, "case '%.100s': finding %zu: is NULL", c->key, i);
    return st;
}

static rs_status check_case(const rs_archive *a, const rs_case *c, rs_err *err)
{
    rs_err why = {RS_OK, ""};
    json_t *v = NULL;

    if (!c->key || !*c->key)
        return rs_fail(err, RS_EARG, "case without a key");
    if (!a->encoder.id && (c->n_images || c->n_passages))
        return rs_fail(err, RS_EARG, "case '%.100s': no encoder is bound", c->key);
    if (c->attributes) {
        if (rs_json_parse(&v, c->attributes, strlen(c->attributes), "attributes", &why) != RS_OK)
            return rs_fail(err, RS_EARG, "case '%.100s': %s", c->key, why.msg);
        if (!json_is_object(v)) {
            json_decref(v);
            return rs_fail(err, RS_EARG, "case '%.100s': attributes: not an object", c->key);
        }
        json_decref(v);
    }
    return check_parts(a, c, err);
}

/* ---- Text ------------------------------------------------------------ */

/* `text` as valid UTF-8 of the same length, so that ranges stay true: itself where it is,
 * else a copy in `mem` with '?' for bytes that are none. NULL stays NULL. */
static const char *valid_text(const char *text, rs_arena *mem, bool *nomem)
{
    size_t len = text ? strlen(text) : 0, i = 0;
    char *copy = NULL;

    while (i < len) {
        const char *from = copy ? copy : text;
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)from + i,
                                              (utf8proc_ssize_t)(len - i), &c);
        if (n > 0) {
            i += (size_t)n;
            continue;
        }
        if (!copy && !(copy = rs_arena_strdup(mem, text))) {
            *nomem = true;
            return NULL;
        }
        copy[i++] = '?';
    }
    return copy ? copy : text;
}

static void bind_valid(rs_stmt *s, int at, const char *text, rs_arena *mem)
{
    bool nomem = false;

    rs_bind_text(s, at, valid_text(text, mem, &nomem));
    if (nomem)
        rs_stmt_nomem(s);
}

rs_status rs_put_words(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem, rs_err *err)
{
    rs_buf column[RS_TEXT_COUNT] = {{0}};
    const char *text[RS_TEXT_COUNT];
    bool nomem = false;
    rs_status st = rs_columns_fill(a->lexicon, c, mem, column, err);

    for (int i = 0; st == RS_OK && i < RS_TEXT_COUNT; i++)
        text[i] = valid_text(column[i].data, mem, &nomem);
    if (st == RS_OK)
        st = nomem ? rs_fail(err, RS_ENOMEM, "no memory")
                   : rs_text_index_put(a->text, id, text, err);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        rs_buf_clear(&column[i]);
    return st == RS_OK ? st : rs_wrap(err, st, "case '%.100s'", c->key);
}

/* ---- Rows ------------------------------------------------------------ */

/* *id: the row id the case had (kept), or 0; after it the one it has. */
static rs_status put_row(rs_archive *a, const rs_case *c, int64_t *id, rs_arena *mem,
                         rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "INSERT INTO cases(id, key, source, title, report, modality, body_part, view, sex,"
        " patient, collection, age, attributes, digest, indexed_at)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)", err);
    char now[32];
    rs_status st;

    rs_utc_text(now);
    if (*id)
        rs_bind_int(&s, 1, *id);
    rs_bind_text(&s, 2, c->key);
    rs_bind_text(&s, 3, c->source);
    bind_valid(&s, 4, c->title, mem);
    bind_valid(&s, 5, c->report, mem);
    bind_valid(&s, 6, c->modality, mem);
    bind_valid(&s, 7, c->body_part, mem);
    bind_valid(&s, 8, c->view, mem);
    bind_valid(&s, 9, c->sex, mem);
    bind_valid(&s, 10, c->patient, mem);
    bind_valid(&s, 11, c->collection, mem);
    if (c->age_years >= 0)
        rs_bind_real(&s, 12, c->age_years);
    rs_bind_text(&s, 13, c->attributes);
    rs_bind_text(&s, 14, c->digest);
    rs_bind_text(&s, 15, now);
    st = rs_run(&s);
    *id = sqlite3_last_insert_rowid(rs_db_handle(a->db));
    return st;
}

static rs_status put_sections(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem,
                              rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_sections; i++) {
        rs_stmt s = rs_db_use(a->db, "INSERT INTO sections VALUES(?1, ?2, ?3, ?4, ?5)", err);
        rs_bind_int(&s, 1, id);
        rs_bind_int(&s, 2, (int64_t)i);
        bind_valid(&s, 3, c->sections[i].name, mem);
        rs_bind_int(&s, 4, (int64_t)c->sections[i].begin);
        rs_bind_int(&s, 5, (int64_t)c->sections[i].end);
        st = rs_run(&s);
    }
    for (size_t i = 0; st == RS_OK && i < c->n_findings; i++) {
        rs_stmt s = rs_db_use(a->db, "INSERT INTO case_findings VALUES(?1, ?2, ?3)", err);
        rs_bind_int(&s, 1, id);
        rs_bind_int(&s, 2, (int64_t)i);
        bind_valid(&s, 3, c->findings[i], mem);
        st = rs_run(&s);
    }
    return st;
}

/* The vector of the row just inserted. `half`: room for dim halves. */
static rs_status put_vector(rs_archive *a, const char *sql, const float *x, uint16_t *half,
                            rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, sql, err);

    rs_half_pack(half, x, a->encoder.dim);
    rs_bind_int(&s, 1, sqlite3_last_insert_rowid(rs_db_handle(a->db)));
    rs_bind_int(&s, 2, a->encoder_row);
    rs_bind_blob(&s, 3, half, a->encoder.dim * sizeof *half);
    return rs_run(&s);
}

static rs_status put_images(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem,
                            uint16_t *half, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_images; i++) {
        const rs_case_image *im = &c->images[i];
        rs_stmt s = rs_db_use(a->db,
            "INSERT INTO images(case_id, ordinal, path, given, sha256, view, width, height)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", err);
        rs_bind_int(&s, 1, id);
        rs_bind_int(&s, 2, (int64_t)i);
        rs_bind_text(&s, 3, im->path);
        rs_bind_text(&s, 4, im->given);
        rs_bind_text(&s, 5, im->sha256);
        bind_valid(&s, 6, im->view, mem);
        rs_bind_int(&s, 7, (int64_t)im->width);
        rs_bind_int(&s, 8, (int64_t)im->height);
        st = rs_run(&s);
        if (st == RS_OK)
            st = put_vector(a, "INSERT INTO image_vectors(id, encoder, vector)"
                            " VALUES(?1, ?2, ?3)", im->vector, half, err);
    }
    return st;
}

static rs_status put_passages(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem,
                              uint16_t *half, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_passages; i++) {
        const rs_passage *p = &c->passages[i];
        rs_stmt s = rs_db_use(a->db,
            "INSERT INTO passages(case_id, ordinal, section, first, past, text)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6)", err);
        rs_bind_int(&s, 1, id);
        rs_bind_int(&s, 2, (int64_t)i);
        bind_valid(&s, 3, p->section, mem);
        rs_bind_int(&s, 4, (int64_t)p->begin);
        rs_bind_int(&s, 5, (int64_t)p->end);
        bind_valid(&s, 6, p->text, mem);
        st = rs_run(&s);
        if (st == RS_OK)
            st = put_vector(a, "INSERT INTO passage_vectors(id, encoder, vector)"
                            " VALUES(?1, ?2, ?3)", p->vector, half, err);
    }
    return st;
}

/* ---- Take out -------------------------------------------------------- */

/* All rows of a case, children first. */
static rs_status take_out(rs_archive *a, int64_t id, rs_err *err)
{
    static const char *const sql[] = {
        "INSERT INTO tombstones(kind, id) SELECT 0, id FROM images WHERE case_id = ?1",
        "INSERT INTO tombstones(kind, id) SELECT 1, id FROM passages WHERE case_id = ?1",
        "DELETE FROM image_vectors WHERE id IN (SELECT id FROM images WHERE case_id = ?1)",
        "DELETE FROM passage_vectors WHERE id IN (SELECT id FROM passages WHERE case_id = ?1)",
        "DELETE FROM images WHERE case_id = ?1",
        "DELETE FROM passages WHERE case_id = ?1",
        "DELETE FROM sections WHERE case_id = ?1",
        "DELETE FROM case_findings WHERE case_id = ?1",
        "DELETE FROM cases WHERE id = ?1",
    };
    rs_status st = rs_text_index_remove(a->text, id, err);

    _Static_assert(RS_KIND_IMAGE == 0 && RS_KIND_PASSAGE == 1, "as in the tombstones");
    for (size_t i = 0; st == RS_OK && i < sizeof sql / sizeof *sql; i++) {
        rs_stmt s = rs_db_use(a->db, sql[i], err);
        rs_bind_int(&s, 1, id);
        st = rs_run(&s);
    }
    return st;
}

/* The row id of `key`, 0 where there is none. */
static rs_status id_of(rs_archive *a, const char *key, int64_t *id, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT id FROM cases WHERE key = ?1", err);

    *id = 0;
    rs_bind_text(&s, 1, key);
    if (rs_step(&s))
        *id = rs_col_int(&s, 0);
    return rs_done(&s);
}

/* ---- All or nothing -------------------------------------------------- */

static rs_status put_all(rs_archive *a, const rs_case *c, rs_put_kind *kind, rs_err *err)
{
    rs_arena mem = {0};
    uint16_t *half = rs_new(&mem, uint16_t, a->encoder.dim);
    rs_status st;
    int64_t id;

    if (!half) {
        st = rs_fail(err, RS_ENOMEM, "case '%.100s': no memory", c->key);
        goto done;
    }
    if ((st = id_of(a, c->key, &id, err)) != RS_OK)
        goto done;
    if (kind)
        *kind = id ? RS_PUT_REPLACED : RS_PUT_ADDED;
    if ((id && (st = take_out(a, id, err)) != RS_OK) ||
        (st = put_row(a, c, &id, &mem, err)) != RS_OK ||
        (st = rs_put_words(a, id, c, &mem, err)) != RS_OK ||
        (st = put_sections(a, id, c, &mem, err)) != RS_OK ||
        (st = put_images(a, id, c, &mem, half, err)) != RS_OK ||
        (st = put_passages(a, id, c, &mem, half, err)) != RS_OK)
        goto done;
done:
    rs_arena_clear(&mem);
    return st;
}

/* Undo what was done since SAVEPOINT item, or keep it. */
static rs_status end_item(rs_archive *a, rs_status st, rs_err *err)
{
    if (st == RS_OK)
        return rs_db_exec(a->db, "RELEASE item", err);
    rs_db_exec(a->db, "ROLLBACK TO item; RELEASE item", NULL);
    return st;
}

rs_status rs_archive_put(rs_archive *a, const rs_case *c, rs_put_kind *kind, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "put a case", err);

    if (st != RS_OK || (st = check_case(a, c, err)) != RS_OK ||
        (st = rs_db_exec(a->db, "SAVEPOINT item", err)) != RS_OK)
        return st;
    return end_item(a, put_all(a, c, kind, err), err);
}

rs_status rs_archive_remove(rs_archive *a, const char *key, bool *found, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "remove a case", err);
    int64_t id = 0;

    if (st != RS_OK || (st = rs_db_exec(a->db, "SAVEPOINT item", err)) != RS_OK)
        return st;
    st = id_of(a, key, &id, err);
    if (st == RS_OK && id)
        st = take_out(a, id, err);
    if (found)
        *found = st == RS_OK && id;
    return end_item(a, st, err);
}
