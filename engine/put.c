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
#include "engine/dates.h"
#include "engine/files_int.h"

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

static rs_status check_region(const rs_archive *a, const rs_case *c, size_t image,
                              const rs_region *r, rs_err *err)
{
    const double *b = r->box;

    if (!(b[0] >= 0 && b[0] < b[2] && b[2] <= 1 && b[1] >= 0 && b[1] < b[3] && b[3] <= 1))
        return rs_fail(err, RS_EARG, "case '%.100s': image %zu: a region of %g %g %g %g, wanted"
                       " fractions x0 < x1, y0 < y1", c->key, image, b[0], b[1], b[2], b[3]);
    return check_vector(a, c, "region of image", image, r->vector, err);
}

/* An image whose file is the archive's own: named by its digest, and there. */
static rs_status check_own(const rs_archive *a, const rs_case *c, size_t i, rs_err *err)
{
    const rs_case_image *im = &c->images[i];
    const char *stored = rs_files_stored(a, im->path), *digest = rs_files_digest(stored);

    if (!digest)
        return RS_OK;
    if (stored == im->path)
        return rs_fail(err, RS_EARG, "case '%.100s': image %zu: %s, wanted an absolute path", c->key, i,
                       stored);
    if (im->sha256 && (strlen(im->sha256) != RS_DIGEST_DIGITS ||
                       strncmp(im->sha256, digest, RS_DIGEST_DIGITS) != 0))
        return rs_fail(err, RS_EARG, "case '%.100s': image %zu: sha256 %.64s of a file that is named"
                       " %.64s", c->key, i, im->sha256, digest);
    if (!rs_files_there(a, stored))
        return rs_fail(err, RS_ENOENT, "case '%.100s': image %zu: the archive has no %s", c->key, i,
                       stored);
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
        if ((st = check_own(a, c, i, err)) == RS_OK)
            st = check_vector(a, c, "image", i, c->images[i].vector, err);
        for (size_t k = 0; st == RS_OK && k < c->images[i].n_regions; k++)
            st = check_region(a, c, i, &c->images[i].regions[k], err);
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

    rs_date unused;

    if (!c->key || !*c->key)
        return rs_fail(err, RS_EARG, "case without a key");
    if (isinf(c->age_years))
        return rs_fail(err, RS_EARG, "case '%.100s': an age of %g years", c->key, c->age_years);
    if (c->study_date && (strlen(c->study_date) == 8 ||
                          !rs_date_read(&unused, c->study_date, strlen(c->study_date))))
        return rs_fail(err, RS_EARG, "case '%.100s': study_date '%.30s', wanted as 2024-03-01,"
                       " 2024-03 or 2024", c->key, c->study_date);
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

/* For whoever keeps something about cases in memory. */
static rs_status note_change(rs_archive *a, int64_t id, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "INSERT INTO case_changes(case_id) VALUES(?1)", err);

    rs_bind_int(&s, 1, id);
    return rs_run(&s);
}

/* *id: the row id the case had (kept), or 0; after it the one it has. */
static rs_status put_row(rs_archive *a, const rs_case *c, int64_t *id, rs_arena *mem,
                         rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "INSERT INTO cases(id, key, source, title, report, modality, body_part, view, sex,"
        " patient, collection, age, attributes, digest, indexed_at, study_date, tier)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        err);
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
    rs_bind_text(&s, 16, c->study_date);
    if (c->tier != RS_TIER_UNKNOWN)
        rs_bind_int(&s, 17, c->tier);
    st = rs_run(&s);
    *id = sqlite3_last_insert_rowid(rs_db_handle(a->db));
    return st == RS_OK ? note_change(a, *id, err) : st;
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

/* The regions of the image just inserted. */
static rs_status put_regions(rs_archive *a, const rs_case_image *im, uint16_t *half, rs_err *err)
{
    const int64_t image = sqlite3_last_insert_rowid(rs_db_handle(a->db));
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < im->n_regions; i++) {
        rs_stmt s = rs_db_use(a->db,
            "INSERT INTO region_vectors(image_id, encoder, x0, y0, x1, y1, vector)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", err);
        rs_half_pack(half, im->regions[i].vector, a->encoder.dim);
        rs_bind_int(&s, 1, image);
        rs_bind_int(&s, 2, a->encoder_row);
        for (int k = 0; k < 4; k++)
            rs_bind_real(&s, 3 + k, im->regions[i].box[k]);
        rs_bind_blob(&s, 7, half, a->encoder.dim * sizeof *half);
        st = rs_run(&s);
    }
    return st;
}

static rs_status put_images(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem,
                            uint16_t *half, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_images; i++) {
        const rs_case_image *im = &c->images[i];
        const char *stored = rs_files_stored(a, im->path), *digest = rs_files_digest(stored);
        rs_stmt s = rs_db_use(a->db,
            "INSERT INTO images(case_id, ordinal, path, given, sha256, view, width, height, phash)"
            " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)", err);
        rs_bind_int(&s, 1, id);
        rs_bind_int(&s, 2, (int64_t)i);
        rs_bind_text(&s, 3, stored);
        rs_bind_text(&s, 4, im->given);
        rs_bind_text_n(&s, 5, digest ? digest : im->sha256,
                       digest ? RS_DIGEST_DIGITS : im->sha256 ? strlen(im->sha256) : 0);
        bind_valid(&s, 6, im->view, mem);
        rs_bind_int(&s, 7, (int64_t)im->width);
        rs_bind_int(&s, 8, (int64_t)im->height);
        if (im->hashed)
            rs_bind_int(&s, 9, (int64_t)im->phash);
        if ((st = rs_run(&s)) == RS_OK &&
            (st = put_vector(a, "INSERT INTO image_vectors(id, encoder, vector)"
                             " VALUES(?1, ?2, ?3)", im->vector, half, err)) == RS_OK)
            st = put_regions(a, im, half, err);
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

/* ---- Attributes ------------------------------------------------------ */

/* A value as the catalog's attributes have it; NULL for none, an object or a list. */
static const char *attribute_text(const json_t *v, rs_arena *mem)
{
    if (json_is_string(v))
        return rs_arena_strdup(mem, json_string_value(v));
    if (json_is_integer(v))
        return rs_arena_sprintf(mem, "%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return rs_arena_sprintf(mem, "%.15g", json_real_value(v));
    return json_is_true(v) ? "true" : json_is_false(v) ? "false" : NULL;
}

static rs_status put_attribute(rs_archive *a, int64_t id, const char *name, const json_t *v,
                               rs_arena *mem, rs_err *err)
{
    const char *text = attribute_text(v, mem);
    rs_stmt s;

    if (!text)
        return RS_OK;
    s = rs_db_use(a->db, "INSERT OR IGNORE INTO case_attributes(name, value, case_id)"
                  " VALUES(?1, ?2, ?3)", err);
    rs_bind_text(&s, 1, name);
    rs_bind_text(&s, 2, text);
    rs_bind_int(&s, 3, id);
    return rs_run(&s);
}

/* Each text, number or truth value, or each of a list, by its name. */
static rs_status put_attributes(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem,
                                rs_err *err)
{
    json_t *all = NULL, *v;
    rs_status st = RS_OK;
    const char *name;

    if (!c->attributes)
        return RS_OK;
    st = rs_json_parse(&all, c->attributes, strlen(c->attributes), "attributes", err);
    json_object_foreach(all, name, v) {
        const size_t n = json_is_array(v) ? json_array_size(v) : 1;
        for (size_t i = 0; st == RS_OK && i < n; i++)
            st = put_attribute(a, id, name, json_is_array(v) ? json_array_get(v, i) : v, mem, err);
    }
    json_decref(all);
    return st;
}

/* ---- The case as one vector ------------------------------------------ */

/* Adds the mean direction of n unit vectors [n x d] to `sum`, whose images and passages so
 * count the same however many there are. */
static void add_mean(double *sum, const float *const *x, size_t n, size_t d)
{
    double length = 0;

    for (int pass = 0; pass < 2; pass++)
        for (size_t k = 0; k < d && n; k++) {
            double mean = 0;
            for (size_t i = 0; i < n; i++)
                mean += (double)x[i][k];
            if (pass == 0)
                length += mean * mean;
            else if (length > 0)
                sum[k] += mean / sqrt(length);
        }
}

/* Images and passages of a case as one unit vector: the "early" side of fusion (query.h).
 * false where there is nothing, or it cancels out. */
static bool case_vector(float *out, const float *const *images, size_t n_images,
                        const float *const *passages, size_t n_passages, double *sum, size_t d)
{
    double length = 0;

    memset(sum, 0, d * sizeof *sum);
    add_mean(sum, images, n_images, d);
    add_mean(sum, passages, n_passages, d);
    for (size_t k = 0; k < d; k++)
        length += sum[k] * sum[k];
    for (size_t k = 0; k < d; k++)
        out[k] = length > 0 ? (float)(sum[k] / sqrt(length)) : k == 0;
    return n_images + n_passages > 0;
}

static rs_status put_case_vector(rs_archive *a, int64_t id, const float *const *images,
                                 size_t n_images, const float *const *passages, size_t n_passages,
                                 rs_arena *mem, rs_err *err)
{
    const size_t d = a->encoder.dim;
    double *sum = rs_new(mem, double, d + 1);
    float *x = rs_new(mem, float, d + 1);
    uint16_t *half = rs_new(mem, uint16_t, d + 1);
    rs_stmt s;

    if (!sum || !x || !half)
        return rs_fail(err, RS_ENOMEM, "case %lld: no memory", (long long)id);
    if (!case_vector(x, images, n_images, passages, n_passages, sum, d))
        return RS_OK;
    rs_half_pack(half, x, d);
    s = rs_db_use(a->db, "INSERT INTO case_vectors(case_id, encoder, vector)"
                  " VALUES(?1, ?2, ?3)", err);
    rs_bind_int(&s, 1, id);
    rs_bind_int(&s, 2, a->encoder_row);
    rs_bind_blob(&s, 3, half, d * sizeof *half);
    return rs_run(&s);
}

/* The case's own, from its record. */
static rs_status put_whole(rs_archive *a, int64_t id, const rs_case *c, rs_arena *mem, rs_err *err)
{
    const float **images = rs_new(mem, const float *, c->n_images + 1);
    const float **passages = rs_new(mem, const float *, c->n_passages + 1);

    if (!images || !passages)
        return rs_fail(err, RS_ENOMEM, "case '%.100s': no memory", c->key);
    for (size_t i = 0; i < c->n_images; i++)
        images[i] = c->images[i].vector;
    for (size_t i = 0; i < c->n_passages; i++)
        passages[i] = c->passages[i].vector;
    return put_case_vector(a, id, images, c->n_images, passages, c->n_passages, mem, err);
}

/* n rows of [n x d] one by one. */
static const float **rows_of(const float *x, size_t n, size_t d, rs_arena *mem)
{
    const float **rows = rs_new(mem, const float *, n + 1);

    for (size_t i = 0; rows && i < n; i++)
        rows[i] = x + i * d;
    return rows;
}

rs_status rs_put_case_vectors(rs_archive *a, rs_err *err)
{
    const size_t d = a->encoder.dim;
    rs_arena mem = {0};
    rs_stmt s;

    if (!a->encoder.id)
        return RS_OK;
    s = rs_db_use(a->db, "SELECT id FROM cases ORDER BY id", err);
    while (rs_step(&s)) {
        const int64_t id = rs_col_int(&s, 0);
        const float **images, **passages;
        size_t n_images, n_passages;
        float *x, *y;
        rs_arena_reset(&mem);
        if ((s.status = rs_catalog_vectors(a, RS_KIND_IMAGE, id, &mem, &x, NULL, &n_images,
                                           err)) != RS_OK ||
            (s.status = rs_catalog_vectors(a, RS_KIND_PASSAGE, id, &mem, &y, NULL, &n_passages,
                                           err)) != RS_OK)
            break;
        images = rows_of(x, n_images, d, &mem);
        passages = rows_of(y, n_passages, d, &mem);
        if (!images || !passages)
            rs_stmt_nomem(&s);
        else
            s.status = put_case_vector(a, id, images, n_images, passages, n_passages, &mem, err);
    }
    rs_arena_clear(&mem);
    return rs_done(&s);
}

/* ---- Take out -------------------------------------------------------- */

/* All rows of a case, children first. */
static rs_status take_out(rs_archive *a, int64_t id, rs_err *err)
{
    static const char *const sql[] = {
        "INSERT INTO tombstones(kind, id) SELECT 0, id FROM images WHERE case_id = ?1",
        "INSERT INTO tombstones(kind, id) SELECT 1, id FROM passages WHERE case_id = ?1",
        "INSERT INTO tombstones(kind, id) SELECT 2, id FROM case_vectors WHERE case_id = ?1",
        "INSERT INTO tombstones(kind, id) SELECT 3, r.id FROM images i JOIN region_vectors r"
        " ON r.image_id = i.id WHERE i.case_id = ?1",
        "INSERT INTO case_changes(case_id) VALUES(?1)",
        "DELETE FROM region_vectors WHERE image_id IN (SELECT id FROM images WHERE case_id = ?1)",
        "DELETE FROM case_vectors WHERE case_id = ?1",
        "DELETE FROM case_attributes WHERE case_id = ?1",
        "DELETE FROM image_vectors WHERE id IN (SELECT id FROM images WHERE case_id = ?1)",
        "DELETE FROM passage_vectors WHERE id IN (SELECT id FROM passages WHERE case_id = ?1)",
        "DELETE FROM images WHERE case_id = ?1",
        "DELETE FROM passages WHERE case_id = ?1",
        "DELETE FROM sections WHERE case_id = ?1",
        "DELETE FROM case_findings WHERE case_id = ?1",
        "DELETE FROM cases WHERE id = ?1",
    };
    rs_status st = rs_text_index_remove(a->text, id, err);

    _Static_assert(RS_KIND_IMAGE == 0 && RS_KIND_PASSAGE == 1 && RS_KIND_CASE == 2 &&
                   RS_KIND_REGION == 3, "as in the tombstones");
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
        (st = put_passages(a, id, c, &mem, half, err)) != RS_OK ||
        (st = put_attributes(a, id, c, &mem, err)) != RS_OK ||
        (st = put_whole(a, id, c, &mem, err)) != RS_OK)
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

/* What was said and asked of a case: a replaced one keeps it, so its rows go by the key. */
static rs_status forget_case(rs_archive *a, const char *key, rs_err *err)
{
    static const char *const sql[] = {
        "DELETE FROM judgments WHERE case_key = ?1",
        "DELETE FROM requests WHERE case_key = ?1",
    };
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < sizeof sql / sizeof *sql; i++) {
        rs_stmt s = rs_db_use(a->db, sql[i], err);
        rs_bind_text(&s, 1, key);
        st = rs_run(&s);
    }
    return st;
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
    if (st == RS_OK)
        st = forget_case(a, key, err);
    if (found)
        *found = st == RS_OK && id;
    return end_item(a, st, err);
}
