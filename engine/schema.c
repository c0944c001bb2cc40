/* schema.c - see schema.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/schema.h"

#include "engine/tokens.h"

/* "RSCT", so that file(1) and we know a catalog from another SQLite file. */
enum { APPLICATION_ID = 0x52534354 };

/* All that facets_load.c reads of a case, so that it need not read its report. */
#define FACETS_INDEX                                                                       \
    "CREATE INDEX cases_by_facets ON cases(modality, body_part, view, sex, age, collection," \
    "  source, study_date, tier);"

static const char tables[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
    "CREATE TABLE encoders("
    "  id INTEGER PRIMARY KEY, hex TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    "  folder TEXT NOT NULL, dim INTEGER NOT NULL) STRICT;"
    "CREATE TABLE cases("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, source TEXT,"
    "  title TEXT, report TEXT, modality TEXT COLLATE NOCASE, body_part TEXT COLLATE NOCASE,"
    "  view TEXT COLLATE NOCASE, sex TEXT COLLATE NOCASE, patient TEXT COLLATE NOCASE,"
    "  collection TEXT COLLATE NOCASE, age REAL, attributes TEXT, digest TEXT,"
    "  indexed_at TEXT NOT NULL, study_date TEXT, tier INTEGER) STRICT;"
    "CREATE INDEX cases_by_source ON cases(source, key);"
    "CREATE INDEX cases_by_patient ON cases(patient);"
    FACETS_INDEX
    "CREATE TABLE sections("
    "  case_id INTEGER NOT NULL REFERENCES cases(id), ordinal INTEGER NOT NULL,"
    "  name TEXT NOT NULL, first INTEGER NOT NULL, past INTEGER NOT NULL,"
    "  PRIMARY KEY(case_id, ordinal)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE case_findings("
    "  case_id INTEGER NOT NULL REFERENCES cases(id), ordinal INTEGER NOT NULL,"
    "  label TEXT NOT NULL COLLATE NOCASE,"
    "  PRIMARY KEY(case_id, ordinal)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX case_findings_by_label ON case_findings(label);"
    "CREATE TABLE images("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, case_id INTEGER NOT NULL REFERENCES cases(id),"
    "  ordinal INTEGER NOT NULL, path TEXT NOT NULL, given TEXT, sha256 TEXT, view TEXT,"
    "  width INTEGER NOT NULL, height INTEGER NOT NULL, phash INTEGER,"
    "  UNIQUE(case_id, ordinal)) STRICT;"
    "CREATE INDEX images_by_sha256 ON images(sha256);"
    "CREATE TABLE passages("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, case_id INTEGER NOT NULL REFERENCES cases(id),"
    "  ordinal INTEGER NOT NULL, section TEXT, first INTEGER NOT NULL, past INTEGER NOT NULL,"
    "  text TEXT NOT NULL, UNIQUE(case_id, ordinal)) STRICT;"
    "CREATE TABLE image_vectors("
    "  id INTEGER PRIMARY KEY REFERENCES images(id),"
    "  encoder INTEGER NOT NULL REFERENCES encoders(id), vector BLOB NOT NULL) STRICT;"
    "CREATE TABLE passage_vectors("
    "  id INTEGER PRIMARY KEY REFERENCES passages(id),"
    "  encoder INTEGER NOT NULL REFERENCES encoders(id), vector BLOB NOT NULL) STRICT;"
    "CREATE TABLE tombstones("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, id INTEGER NOT NULL) STRICT;"
    "CREATE TABLE vector_caches("
    "  kind INTEGER PRIMARY KEY, generation INTEGER NOT NULL, factory TEXT NOT NULL,"
    "  file TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,"
    "  vectors INTEGER NOT NULL, last_id INTEGER NOT NULL) STRICT;"
    "CREATE TABLE sources(name TEXT PRIMARY KEY, mark TEXT) STRICT, WITHOUT ROWID;"
    "CREATE TABLE source_files("
    "  source TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT, case_key TEXT,"
    "  mtime_ns INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    "  PRIMARY KEY(source, file)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE problems("
    "  source TEXT NOT NULL, item TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL,"
    "  PRIMARY KEY(source, item)) STRICT, WITHOUT ROWID;";

static const char since_3[] =
    "CREATE TABLE case_vectors("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  case_id INTEGER NOT NULL UNIQUE REFERENCES cases(id),"
    "  encoder INTEGER NOT NULL REFERENCES encoders(id), vector BLOB NOT NULL) STRICT;"
    "CREATE TABLE region_vectors("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, image_id INTEGER NOT NULL REFERENCES images(id),"
    "  x0 REAL NOT NULL, y0 REAL NOT NULL, x1 REAL NOT NULL, y1 REAL NOT NULL,"
    "  encoder INTEGER NOT NULL REFERENCES encoders(id), vector BLOB NOT NULL) STRICT;"
    "CREATE INDEX region_vectors_by_image ON region_vectors(image_id);"
    "CREATE TABLE case_attributes("
    "  name TEXT NOT NULL COLLATE NOCASE, value TEXT NOT NULL COLLATE NOCASE,"
    "  case_id INTEGER NOT NULL REFERENCES cases(id),"
    "  PRIMARY KEY(name, value, case_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX case_attributes_by_case ON case_attributes(case_id);"
    "CREATE TABLE case_changes("
    "  seq INTEGER PRIMARY KEY AUTOINCREMENT, case_id INTEGER NOT NULL) STRICT;";

/* By a case's key, not its row: a case that is put anew keeps what was said of it. */
static const char since_4[] =
    "CREATE TABLE judgments("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, case_key TEXT NOT NULL, query TEXT NOT NULL,"
    "  verdict TEXT NOT NULL, note TEXT, who TEXT, at TEXT NOT NULL) STRICT;"
    "CREATE INDEX judgments_by_case ON judgments(case_key);"
    "CREATE TABLE requests("
    "  who TEXT NOT NULL, key TEXT NOT NULL, sha256 TEXT NOT NULL, case_key TEXT,"
    "  status INTEGER NOT NULL, answer TEXT NOT NULL, at INTEGER NOT NULL,"
    "  PRIMARY KEY(who, key)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX requests_by_case ON requests(case_key);";

/* New in tables that versions 1 and 2 have. */
static const char new_columns[] =
    "ALTER TABLE cases ADD COLUMN study_date TEXT;"
    "ALTER TABLE cases ADD COLUMN tier INTEGER;"
    "ALTER TABLE images ADD COLUMN phash INTEGER;"
    "DROP INDEX cases_by_facets;"
    FACETS_INDEX;

/* A text, a number, a truth value, or several in a list. */
#define ATTRIBUTE_KINDS "('text', 'integer', 'real', 'true', 'false')"
static const char old_attributes[] =
    "INSERT OR IGNORE INTO case_attributes"
    " SELECT j.key, CASE j.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
    "   ELSE CAST(j.value AS TEXT) END, c.id FROM cases c, json_each(c.attributes) j"
    " WHERE c.attributes IS NOT NULL AND j.type IN " ATTRIBUTE_KINDS ";"
    "INSERT OR IGNORE INTO case_attributes"
    " SELECT j.key, CASE k.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
    "   ELSE CAST(k.value AS TEXT) END, c.id FROM cases c, json_each(c.attributes) j,"
    "   json_each(j.value) k"
    " WHERE c.attributes IS NOT NULL AND j.type = 'array' AND k.type IN " ATTRIBUTE_KINDS ";";

/* Its own copy of the text: with 3.40 an index without one cannot forget a row unless
 * given the exact old words. Columns as in text_index.h. */
static const char words[] =
    "DROP TABLE IF EXISTS case_fts;"
    "CREATE VIRTUAL TABLE case_fts USING fts5("
    "  title, findings, impression, uncertain, negated, normal, history, other, labels,"
    "  tokenize = '" RS_TOKENIZER "');";

static rs_status pragma_int(rs_db *db, const char *sql, int64_t *out, rs_err *err)
{
    rs_stmt s = rs_db_use(db, sql, err);

    *out = 0;
    if (rs_step(&s))
        *out = rs_col_int(&s, 0);
    return rs_done(&s);
}

rs_status rs_schema_renew_words(rs_db *db, rs_err *err) { return rs_db_exec(db, words, err); }

static rs_status note_version(rs_db *db, rs_err *err)
{
    rs_stmt s = rs_db_use(db, "INSERT INTO meta VALUES('schema_version', ?1)"
                          " ON CONFLICT(key) DO UPDATE SET value = ?1", err);

    rs_bind_int(&s, 1, RS_SCHEMA_VERSION);
    return rs_run(&s);
}

static rs_status create(rs_db *db, rs_err *err)
{
    rs_status st;

    if ((st = rs_db_begin(db, err)) != RS_OK)
        return st;
    if ((st = rs_db_exec(db, tables, err)) == RS_OK &&
        (st = rs_db_exec(db, since_3, err)) == RS_OK &&
        (st = rs_db_exec(db, since_4, err)) == RS_OK &&
        (st = rs_db_exec(db, "PRAGMA application_id = 1381188436", err)) == RS_OK &&
        (st = rs_schema_renew_words(db, err)) == RS_OK &&
        (st = note_version(db, err)) == RS_OK)
        st = rs_db_commit(db, err);
    rs_db_rollback(db);
    return st;
}

rs_status rs_schema_upgrade(rs_db *db, int version, rs_err *err)
{
    rs_status st = RS_OK;

    if (version < 3 && ((st = rs_db_exec(db, since_3, err)) != RS_OK ||
                        (st = rs_db_exec(db, new_columns, err)) != RS_OK ||
                        (st = rs_db_exec(db, old_attributes, err)) != RS_OK))
        return st;
    if (version < 4 && (st = rs_db_exec(db, since_4, err)) != RS_OK)
        return st;
    return note_version(db, err);
}

rs_status rs_schema_check(rs_db *db, bool writing, int *version, rs_err *err)
{
    int64_t app, count, known = 0;
    rs_status st;
    rs_stmt s;

    _Static_assert(APPLICATION_ID == 1381188436, "as in create()");
    if ((st = pragma_int(db, "PRAGMA application_id", &app, err)) != RS_OK ||
        (st = pragma_int(db, "SELECT count(*) FROM sqlite_schema", &count, err)) != RS_OK)
        return st;
    if (app == 0 && count == 0)
        return writing ? (*version = RS_SCHEMA_VERSION, create(db, err))
                       : rs_fail(err, RS_ENOENT, "%s: nothing was indexed yet", rs_db_path(db));
    if (app != APPLICATION_ID)
        return rs_fail(err, RS_ECORRUPT, "%s: an SQLite file, but no radscout catalog",
                       rs_db_path(db));
    s = rs_db_use(db, "SELECT value FROM meta WHERE key = 'schema_version'", err);
    if (rs_step(&s))
        known = rs_col_int(&s, 0);
    if ((st = rs_done(&s)) != RS_OK)
        return st;
    if (known < 1)
        return rs_fail(err, RS_ECORRUPT, "%s: schema version %lld", rs_db_path(db),
                       (long long)known);
    if (known > RS_SCHEMA_VERSION)
        return rs_fail(err, RS_EMISMATCH,
                       "%s: written by a newer radscout (schema version %lld, this one reads "
                       "up to %d)", rs_db_path(db), (long long)known, RS_SCHEMA_VERSION);
    *version = (int)known;
    return RS_OK;
}
