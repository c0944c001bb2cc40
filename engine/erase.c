/* erase.c - erasing cases for good, and the proof. See archive.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/archive_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/half.h"
#include "engine/files_int.h"
#include "engine/judgments.h"
#include "engine/needles.h"

#include <string.h>

enum { PIECE = 32 };                   /* bytes of a text that are looked for at a time */

typedef struct {
    rs_archive *a;
    rs_arena    mem;
    rs_needle  *list;
    size_t      n, cap;
    const char **digests;              /* of the cases' pictures */
    size_t      n_digests, digests_cap;
    bool        failed;                /* out of memory */
} erasing;

/* A request that names the case ?1: as what it wrote, or in its answer, as JSON has it there. */
#define OF_CASE "(case_key = ?1 OR instr(answer, json_quote(?1)))"

/* ---- What is looked for ---------------------------------------------------- */

/* NULL where it is too short to be looked for, or without memory. */
static rs_needle *add(erasing *e, const char *what, const void *bytes, size_t len)
{
    void *array = e->list;

    if (len < RS_NEEDLE_LEAST || e->failed)
        return NULL;
    if (!rs_arena_grow(&e->mem, &array, &e->cap, e->n, sizeof *e->list)) {
        e->failed = true;
        return NULL;
    }
    e->list = array;
    e->list[e->n] = (rs_needle){.what = what, .bytes = bytes, .len = len};
    return &e->list[e->n++];
}

static void add_name(erasing *e, const char *what, const char *text)
{
    if (text)
        add(e, what, text, strlen(text));
}

/* A long text by pieces: what is left of it may be cut anywhere. */
static void add_text(erasing *e, const char *what, const char *text)
{
    const size_t len = text ? strlen(text) : 0;

    if (len < 2 * PIECE)
        add(e, what, text, len);
    for (size_t i = 0; len >= 2 * PIECE && i + PIECE <= len; i += 4 * PIECE)
        add(e, what, text + i, PIECE);
}

/* Values of what the source said beside, an accession number say. */
static void add_attributes(erasing *e, const char *attributes)
{
    json_t *o = NULL, *value;
    const char *key;

    if (!attributes || rs_json_parse(&o, attributes, strlen(attributes), "attributes", NULL) != RS_OK)
        return;
    json_object_foreach(o, key, value)
        if (json_is_string(value)) {
            const char *copy = rs_arena_strdup(&e->mem, json_string_value(value));
            e->failed |= !copy;
            add_text(e, "attribute", copy);
        }
    json_decref(o);
}

/* One form of a vector; `blob` is how the catalog knows it. */
static void add_form(erasing *e, const char *what, const void *bytes, size_t len, const void *blob,
                     size_t blob_len)
{
    rs_needle *n = add(e, what, bytes, len);

    if (n) {
        n->blob = blob;
        n->blob_len = blob_len;
    }
}

/* A vector as the catalog has it, and as floats. */
static void add_vector(erasing *e, const char *what, const void *half, size_t len)
{
    void *blob = rs_new(&e->mem, uint16_t, len / 2 + 1);
    float *wide = rs_new(&e->mem, float, len / 2 + 1);

    if (!blob || !wide) {
        e->failed = true;
        return;
    }
    memcpy(blob, half, len);
    rs_half_unpack(wide, blob, len / 2);
    add_form(e, what, blob, len, blob, len);
    add_form(e, what, wide, len / 2 * sizeof *wide, blob, len);
}

static rs_status add_vectors(erasing *e, const char *sql, const char *what, const char *key, rs_err *err)
{
    rs_stmt s = rs_db_use(e->a->db, sql, err);

    rs_bind_text(&s, 1, key);
    while (rs_step(&s)) {
        size_t len;
        const void *blob = rs_col_blob(&s, 0, &len);
        if (blob && len >= RS_NEEDLE_LEAST)
            add_vector(e, what, blob, len);
    }
    return rs_done(&s);
}

/* A picture: what the catalog keeps of its path, its digest, by which files are named too. */
static void add_image(erasing *e, const rs_case_image *im)
{
    void *array = e->digests;
    rs_needle *n;

    add_name(e, "image path", rs_files_stored(e->a, im->path));
    add_name(e, "image path", im->given);
    if (!im->sha256)
        return;
    n = add(e, "image digest", im->sha256, strlen(im->sha256));
    if (n)
        n->in_names = true;
    if (!rs_arena_grow(&e->mem, &array, &e->digests_cap, e->n_digests, sizeof *e->digests)) {
        e->failed = true;
        return;
    }
    e->digests = array;
    e->digests[e->n_digests++] = im->sha256;
}

/* What was said and asked of the case: each column of `sql`'s rows is a text. */
static rs_status add_said(erasing *e, const char *sql, const char *what, const char *key, rs_err *err)
{
    rs_stmt s = rs_db_use(e->a->db, sql, err);

    rs_bind_text(&s, 1, key);
    while (rs_step(&s))
        for (int i = 0; i < sqlite3_column_count(s.st); i++)
            add_text(e, what, rs_col_dup(&s, i, &e->mem));
    return rs_done(&s);
}

static rs_status add_case(erasing *e, const char *key, rs_erasure *out, rs_err *err)
{
    rs_case *c;
    rs_status st = rs_archive_get(e->a, key, &e->mem, &c, err);

    if (st != RS_OK)
        return st;
    out->images += c->n_images;
    out->passages += c->n_passages;
    add_name(e, "case key", c->key);
    add_name(e, "patient", c->patient);
    add_text(e, "title", c->title);
    add_text(e, "report", c->report);
    add_attributes(e, c->attributes);
    for (size_t i = 0; i < c->n_images; i++)
        add_image(e, &c->images[i]);
    if ((st = add_said(e, "SELECT query, note FROM judgments WHERE case_key = ?1", "judgment", key,
                       err)) == RS_OK)
        st = add_said(e, "SELECT key, sha256, answer FROM requests WHERE " OF_CASE, "request", key, err);
    if (st == RS_OK && (st = add_vectors(e, "SELECT v.vector FROM cases c JOIN images i ON i.case_id = c.id"
                          " JOIN image_vectors v ON v.id = i.id WHERE c.key = ?1", "image vector",
                          key, err)) == RS_OK)
        st = add_vectors(e, "SELECT v.vector FROM cases c JOIN passages i ON i.case_id = c.id"
                         " JOIN passage_vectors v ON v.id = i.id WHERE c.key = ?1", "passage vector",
                         key, err);
    if (st == RS_OK)
        st = add_vectors(e, "SELECT v.vector FROM cases c JOIN case_vectors v ON v.case_id = c.id"
                         " WHERE c.key = ?1", "case vector", key, err);
    if (st == RS_OK)
        st = add_vectors(e, "SELECT v.vector FROM cases c JOIN images i ON i.case_id = c.id"
                         " JOIN region_vectors v ON v.image_id = i.id WHERE c.key = ?1",
                         "region vector", key, err);
    if (st == RS_OK && e->failed)
        st = rs_fail(err, RS_ENOMEM, "erase: no memory");
    return st;
}

/* ---- Does what was found belong to a case that stays? ------------------------ */

static rs_status any(rs_db *db, const char *sql, const rs_needle *n, bool *yes, rs_err *err)
{
    rs_stmt s = rs_db_use(db, sql, err);

    if (n->blob)
        rs_bind_blob(&s, 1, n->blob, n->blob_len);
    else
        rs_bind_text_n(&s, 1, n->bytes, n->len);
    if (rs_step(&s))
        *yes = rs_col_int(&s, 0) != 0;
    return rs_done(&s);
}

/* One word as the text index keeps it, without capitals? */
static bool is_word(const rs_needle *n)
{
    const unsigned char *p = n->bytes;
    size_t i = 0;

    while (i < n->len && ((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9') || p[i] >= 0x80))
        i++;
    return i == n->len;
}

/* Have the words of a case that stays this one among them? Its texts may have it in capitals. */
static rs_status is_word_of_others(erasing *e, const rs_needle *n, bool *yes, rs_err *err)
{
    rs_stmt s = rs_db_use(e->a->db, "SELECT EXISTS(SELECT 1 FROM case_fts WHERE case_fts MATCH ?1)", err);
    char *quoted = rs_sprintf("\"%.*s\"", (int)n->len, (const char *)n->bytes);
    rs_status st;

    if (quoted)
        rs_bind_text(&s, 1, quoted);
    else
        rs_stmt_nomem(&s);
    if (rs_step(&s))
        *yes = rs_col_int(&s, 0) != 0;
    st = rs_done(&s);
    rs_free(quoted);
    return st;
}

static rs_status is_shared(erasing *e, const rs_needle *n, bool *yes, rs_err *err)
{
    static const char *const in_text[] = {
        "SELECT EXISTS(SELECT 1 FROM cases WHERE instr(key, ?1) OR instr(patient, ?1)"
        " OR instr(title, ?1) OR instr(report, ?1) OR instr(source, ?1) OR instr(attributes, ?1)"
        " OR instr(modality, ?1) OR instr(body_part, ?1) OR instr(view, ?1) OR instr(collection, ?1))",
        "SELECT EXISTS(SELECT 1 FROM images WHERE instr(path, ?1) OR instr(given, ?1)"
        " OR instr(sha256, ?1))",
        "SELECT EXISTS(SELECT 1 FROM passages WHERE instr(text, ?1))",
        "SELECT EXISTS(SELECT 1 FROM case_findings WHERE instr(label, ?1))",
        "SELECT EXISTS(SELECT 1 FROM case_attributes WHERE instr(name, ?1) OR instr(value, ?1))",
        "SELECT EXISTS(SELECT 1 FROM source_files WHERE instr(file, ?1) OR instr(case_key, ?1)"
        " OR instr(source, ?1) OR instr(sha256, ?1))",
        "SELECT EXISTS(SELECT 1 FROM problems WHERE instr(item, ?1) OR instr(reason, ?1))",
        "SELECT EXISTS(SELECT 1 FROM sources WHERE instr(name, ?1) OR instr(mark, ?1))",
        "SELECT EXISTS(SELECT 1 FROM encoders WHERE instr(folder, ?1) OR instr(name, ?1))",
        /* As they lie, in rows and in indexes: "case-1" beside "2nd reader" holds "case-12". */
        "SELECT EXISTS(SELECT 1 FROM judgments WHERE"
        " instr(case_key || query || verdict || coalesce(note, '') || coalesce(who, '') || at, ?1))",
        "SELECT EXISTS(SELECT 1 FROM requests WHERE"
        " instr(who || key || sha256 || coalesce(case_key, ''), ?1)"
        " OR instr(coalesce(case_key, '') || who || key, ?1) OR instr(answer, ?1))",
        "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE instr(sql, ?1))",    /* "normal", a column */
    };
    static const char *const in_vectors[] = {
        "SELECT EXISTS(SELECT 1 FROM image_vectors WHERE vector = ?1)",
        "SELECT EXISTS(SELECT 1 FROM passage_vectors WHERE vector = ?1)",
        "SELECT EXISTS(SELECT 1 FROM case_vectors WHERE vector = ?1)",
        "SELECT EXISTS(SELECT 1 FROM region_vectors WHERE vector = ?1)",
    };
    const char *const *sql = n->blob ? in_vectors : in_text;
    const size_t count = n->blob ? sizeof in_vectors / sizeof *in_vectors
                                 : sizeof in_text / sizeof *in_text;
    rs_status st = RS_OK;

    *yes = false;
    for (size_t i = 0; i < count && st == RS_OK && !*yes; i++)
        st = any(e->a->db, sql[i], n, yes, err);
    return st == RS_OK && !*yes && !n->blob && is_word(n) ? is_word_of_others(e, n, yes, err) : st;
}

/* A picture's bytes are as good as random: six that were looked for are in them by chance, once
 * in some 256 TiB. What is in a picture that a case has is that case's. */
static rs_status judge(void *ctx, const rs_needle *n, const char *file, rs_needle_kind *kind, rs_err *err)
{
    erasing *e = ctx;
    bool yes;
    rs_status st = rs_files_had(e->a, file + strlen(e->a->folder), &yes, err);

    *kind = RS_NEEDLE_OF_FILE;
    if (st != RS_OK || yes)
        return st;
    st = is_shared(e, n, &yes, err);
    *kind = yes ? RS_NEEDLE_SHARED : RS_NEEDLE_STRAY;
    return st;
}

/* ---- Removing ---------------------------------------------------------------- */

static rs_status forget_sources(rs_archive *a, const char *key, rs_err *err)
{
    static const char *const sql[] = {
        "DELETE FROM problems WHERE EXISTS(SELECT 1 FROM source_files f"
        " WHERE f.case_key = ?1 AND f.source = problems.source AND f.file = problems.item)",
        "DELETE FROM problems WHERE item = ?1",
        "DELETE FROM source_files WHERE case_key = ?1",
        "DELETE FROM requests WHERE " OF_CASE,
    };
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < sizeof sql / sizeof *sql; i++) {
        rs_stmt s = rs_db_use(a->db, sql[i], err);
        rs_bind_text(&s, 1, key);
        st = rs_run(&s);
    }
    return st;
}

static rs_status remove_all(rs_archive *a, const char *const *keys, size_t n, rs_erasure *out,
                            rs_err *err)
{
    rs_status st = rs_archive_begin(a, err);

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        bool found = false;
        if ((st = rs_judgments_forget(a, keys[i], err)) == RS_OK &&
            (st = rs_archive_remove(a, keys[i], &found, err)) == RS_OK)
            st = forget_sources(a, keys[i], err);
        out->cases += found;
    }
    if (st == RS_OK)
        return rs_archive_commit(a, err);
    rs_archive_rollback(a);
    return st;
}

/* ---- Out of the files ---------------------------------------------------------- */

/* The WAL into the catalog, and empty. */
static rs_status empty_wal(rs_archive *a, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    int64_t busy = 0;
    rs_status st;

    if (rs_step(&s))
        busy = rs_col_int(&s, 0);
    st = rs_done(&s);
    if (st == RS_OK && busy)
        return rs_fail(err, RS_EBUSY, "archive %s: a reader keeps its journal: what was removed is "
                       "gone, but still in %s-wal; radscout rebuild --purge clears it later", a->folder,
                       rs_db_path(a->db));
    return st;
}

/* FTS5 keeps removed words until its segments are merged. */
static rs_status out_of_files(rs_archive *a, rs_err *err)
{
    rs_status st = rs_db_exec(a->db, "INSERT INTO case_fts(case_fts) VALUES('optimize')", err);

    if (st == RS_OK)
        st = rs_archive_rebuild(a, err);
    return st == RS_OK ? empty_wal(a, err) : st;
}

static rs_status vacuum(rs_archive *a, rs_err *err)
{
    rs_status st = rs_db_exec(a->db, "VACUUM", err);

    return st == RS_OK ? empty_wal(a, err) : st;
}

/* ---- The proof -------------------------------------------------------------------- */

static rs_status prove(erasing *e, rs_erasure *out, rs_err *err)
{
    rs_needle_report r;
    rs_status st;

    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            out->vacuumed = true;
            if ((st = vacuum(e->a, err)) != RS_OK)
                return st;
        }
        if ((st = rs_needles_search(e->a->folder, e->list, e->n, judge, e, &r, err)) != RS_OK)
            return st;
        if (!r.found)
            break;
    }
    out->looked_for = e->n;
    out->files = r.files;
    out->bytes = r.bytes;
    for (size_t i = 0; i < e->n; i++)
        out->shared += e->list[i].shared;
    if (r.found && r.in_name)
        return rs_fail(err, RS_ECORRUPT, "erase: %s of a removed case is still the name of %s",
                       r.found->what, r.file);
    if (r.found)
        return rs_fail(err, RS_ECORRUPT, "erase: %s of a removed case is still in %s, at byte %llu",
                       r.found->what, r.file, (unsigned long long)r.at);
    return RS_OK;
}

rs_status rs_archive_erase(rs_archive *a, const char *const *keys, size_t n, rs_erasure *out,
                           rs_err *err)
{
    erasing e = {.a = a};
    rs_status st = rs_archive_may_write(a, "erase", err);

    *out = (rs_erasure){0};
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = add_case(&e, keys[i], out, err);
    if (st == RS_OK && n > 0 && (st = remove_all(a, keys, n, out, err)) == RS_OK &&
        (st = rs_files_sweep(a, e.digests, e.n_digests, err)) == RS_OK &&
        (st = out_of_files(a, err)) == RS_OK)
        st = prove(&e, out, err);
    rs_arena_clear(&e.mem);
    return st;
}

rs_status rs_archive_purge(rs_archive *a, rs_err *err)
{
    rs_status st = rs_archive_may_write(a, "purge", err);

    if (st == RS_OK)
        st = rs_files_sweep_orphans(a, err);
    if (st == RS_OK)
        st = rs_db_exec(a->db, "INSERT INTO case_fts(case_fts) VALUES('rebuild')", err);
    if (st == RS_OK && (st = out_of_files(a, err)) == RS_OK)
        st = vacuum(a, err);
    return st;
}

rs_status rs_archive_patient(rs_archive *a, const char *patient, rs_arena *mem, const char ***keys,
                             size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT key FROM cases WHERE patient = ?1 ORDER BY key", err);
    void *array = NULL;
    size_t cap = 0;

    *n = 0;
    rs_bind_text(&s, 1, patient);
    while (rs_step(&s)) {
        const char *key = rs_col_dup(&s, 0, mem);
        if (!key || !rs_arena_grow(mem, &array, &cap, *n, sizeof(const char *))) {
            rs_stmt_nomem(&s);
            break;
        }
        ((const char **)array)[(*n)++] = key;
    }
    *keys = array;
    return rs_done(&s);
}
