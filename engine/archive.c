/* archive.c - opening and closing an archive, its lock, its encoder, its batches.
 *
 * The lock is an flock on writer.lock: it goes with the process, however that ends. What
 * stands in the file, the holder's process id, is only for the message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/archive_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "engine/catalog.h"
#include "engine/files_int.h"
#include "engine/schema.h"
#include "engine/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <sys/file.h>
#include <unistd.h>

enum { MAX_DIM = 8192 };

/* ---- Lock ------------------------------------------------------------ */

static rs_status locked_by_another(int fd, const char *folder, rs_err *err)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    long who;

    pid[n > 0 ? n : 0] = '\0';
    who = strtol(pid, NULL, 10);
    if (who <= 0)
        return rs_fail(err, RS_EBUSY, "archive %s: another process is writing it", folder);
    return rs_fail(err, RS_EBUSY, "archive %s: process %ld is writing it; wait for it to end",
                   folder, who);
}

static rs_status take_lock(int *out, const char *folder, rs_err *err)
{
    char *path = rs_path_join(folder, "writer.lock");
    rs_status st = RS_OK;
    char pid[16];
    int fd, n;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "open archive %s: no memory", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        st = rs_fail_errno(err, "open %s", path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        st = errno == EWOULDBLOCK ? locked_by_another(fd, folder, err)
                                  : rs_fail_errno(err, "lock %s", path);
        close(fd);
    } else {
        n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
            pid[0] = '\0';                 /* the lock holds all the same */
        *out = fd;
    }
    rs_free(path);
    return st;
}

/* ---- Encoder --------------------------------------------------------- */

static void forget_encoder(rs_archive *a)
{
    rs_free((void *)(uintptr_t)a->encoder.id);
    rs_free((void *)(uintptr_t)a->encoder.name);
    rs_free((void *)(uintptr_t)a->encoder.folder);
    a->encoder = (rs_encoder_identity){0};
}

static rs_status set_encoder(rs_archive *a, rs_stmt *s)
{
    const char *id = rs_col_text(s, 1), *name = rs_col_text(s, 2), *folder = rs_col_text(s, 3);
    int64_t dim = rs_col_int(s, 4);

    if (dim < 1 || dim > MAX_DIM || !id || strlen(id) != RS_SHA256_HEX - 1)
        return rs_fail(s->err, RS_ECORRUPT, "%s: encoder row: id of %zu digits, dimension %lld",
                       rs_db_path(a->db), id ? strlen(id) : 0, (long long)dim);
    forget_encoder(a);
    a->encoder_row = rs_col_int(s, 0);
    a->encoder.dim = (size_t)dim;
    a->encoder.id = rs_strdup(id);
    a->encoder.name = rs_strdup(name ? name : "");
    a->encoder.folder = rs_strdup(folder ? folder : "");
    if (a->encoder.id && a->encoder.name && a->encoder.folder)
        return RS_OK;
    forget_encoder(a);
    return rs_fail(s->err, RS_ENOMEM, "archive %s: no memory", a->folder);
}

/* The encoder row, and the vectors that hang on it. */
rs_status rs_archive_refresh_encoder(rs_archive *a, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT id, hex, name, folder, dim FROM encoders ORDER BY id LIMIT 1", err);
    rs_status st = RS_OK, done;

    if (rs_step(&s))
        st = set_encoder(a, &s);
    done = rs_done(&s);
    if (st == RS_OK)
        st = done;
    for (int kind = 0; st == RS_OK && a->encoder.id && kind < RS_KINDS; kind++)
        if (!a->vectors[kind])
            st = rs_vectors_new(&a->vectors[kind], a->db, a->folder, (rs_kind)kind,
                                a->encoder.id, a->encoder.dim, err);
    return st;
}

const rs_encoder_identity *rs_archive_encoder(const rs_archive *a)
{
    return a->encoder.id ? &a->encoder : NULL;
}

static rs_status check_identity(const rs_archive *a, const rs_encoder_identity *e, rs_err *err)
{
    if (!e->id || strlen(e->id) != RS_SHA256_HEX - 1 ||
        strspn(e->id, "0123456789abcdef") != RS_SHA256_HEX - 1)
        return rs_fail(err, RS_EARG, "encoder id: wanted 64 hex digits");
    if (e->dim < 1 || e->dim > MAX_DIM)
        return rs_fail(err, RS_EARG, "encoder %s: dimension %zu, wanted 1 to %d",
                       e->name ? e->name : "", e->dim, MAX_DIM);
    if (a->lock < 0)
        return rs_fail(err, RS_EARG, "archive %s: opened for reading only", a->folder);
    if (a->encoder.id && (strcmp(a->encoder.id, e->id) != 0 || a->encoder.dim != e->dim))
        return rs_fail(err, RS_EMISMATCH,
                       "archive %s: its vectors come from encoder %s (%.12s, %zu floats), not "
                       "from %s (%.12s, %zu floats); use that encoder or another archive",
                       a->folder, a->encoder.name, a->encoder.id, a->encoder.dim,
                       e->name ? e->name : "", e->id, e->dim);
    return RS_OK;
}

rs_status rs_archive_bind_encoder(rs_archive *a, const rs_encoder_identity *e, rs_err *err)
{
    rs_status st = check_identity(a, e, err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "bind an encoder: not inside a batch");
    s = rs_db_use(a->db,
        "INSERT INTO encoders(hex, name, folder, dim) VALUES(?1, ?2, ?3, ?4) "
        "ON CONFLICT(hex) DO UPDATE SET name = ?2, folder = ?3", err);
    rs_bind_text(&s, 1, e->id);
    rs_bind_text(&s, 2, e->name ? e->name : "");
    rs_bind_text(&s, 3, e->folder ? e->folder : "");
    rs_bind_int(&s, 4, (int64_t)e->dim);
    if ((st = rs_run(&s)) != RS_OK)
        return st;
    a->data_version = -1;
    return rs_archive_refresh_encoder(a, err);
}

/* ---- Open, close ----------------------------------------------------- */

/* A catalog of an earlier version becomes one of this, in one transaction. */
static rs_status bring_up(rs_archive *a, int version, rs_err *err)
{
    rs_status st = rs_archive_refresh_encoder(a, err);

    if (st != RS_OK || (st = rs_db_begin(a->db, err)) != RS_OK)
        return st;
    if ((st = rs_schema_upgrade(a->db, version, err)) == RS_OK &&
        (version >= 2 || (st = rs_archive_read_words(a, err)) == RS_OK) &&
        (version >= 3 || (st = rs_put_case_vectors(a, err)) == RS_OK))
        st = rs_db_commit(a->db, err);
    rs_db_rollback(a->db);
    return st;
}

static rs_status open_catalog(rs_archive *a, const char *path, bool writing, int *version,
                              rs_err *err)
{
    rs_status st;

    if (!writing && !rs_file_exists(path))
        return rs_fail(err, RS_ENOENT, "archive %s: there is no %s", a->folder, path);
    if ((st = rs_lexicon_load(&a->lexicon, NULL, err)) != RS_OK ||
        (st = rs_db_open(&a->db, path, writing, err)) != RS_OK ||
        (st = rs_schema_check(a->db, writing, version, err)) != RS_OK ||
        (st = rs_case_keys_new(&a->keys, a->db, err)) != RS_OK ||
        (st = rs_text_index_new(&a->text, a->db, a->keys, a->lexicon, err)) != RS_OK)
        return st;
    if (writing && *version < RS_SCHEMA_VERSION && (st = bring_up(a, *version, err)) != RS_OK)
        return rs_wrap(err, st, "archive %s: upgrade", a->folder);
    return rs_archive_refresh_encoder(a, err);
}

static rs_status open_as(rs_archive **out, const char *folder, bool writing, int *version,
                         rs_err *err)
{
    char *path = NULL;
    rs_archive *a;
    rs_status st;

    *out = NULL;
    a = rs_calloc(1, sizeof *a);
    if (!a)
        return rs_fail(err, RS_ENOMEM, "open archive %s: no memory", folder);
    a->lock = -1;
    a->data_version = -1;
    if (!(a->folder = rs_strdup(folder)) || !(a->root = rs_files_root(folder)) ||
        !(path = rs_path_join(folder, "catalog.db"))) {
        st = rs_fail(err, RS_ENOMEM, "open archive %s: no memory", folder);
        goto done;
    }
    if (writing && ((st = rs_mkdirs(folder, err)) != RS_OK ||
                    (st = take_lock(&a->lock, folder, err)) != RS_OK))
        goto done;
    if ((st = open_catalog(a, path, writing, version, err)) != RS_OK)
        goto done;
    *out = a;
    a = NULL;
done:
    rs_free(path);
    rs_archive_close(a);
    return st;
}

/* A reader cannot upgrade; so a writer does, for a moment. */
static rs_status upgrade(const char *folder, int version, rs_err *err)
{
    rs_archive *a;
    rs_status st = open_as(&a, folder, true, &version, err);

    rs_archive_close(a);
    return st == RS_OK ? RS_OK : rs_wrap(err, st, "it is of an earlier version (%d) and must be "
                                         "upgraded first", version);
}

rs_status rs_archive_open(rs_archive **out, const char *folder, rs_archive_mode mode,
                          rs_err *err)
{
    bool writing = mode == RS_ARCHIVE_WRITE;
    int version = RS_SCHEMA_VERSION;
    rs_status st = open_as(out, folder, writing, &version, err);

    if (st != RS_OK || writing || version == RS_SCHEMA_VERSION)
        return st;
    rs_archive_close(*out);
    *out = NULL;
    if ((st = upgrade(folder, version, err)) != RS_OK)
        return st;
    return open_as(out, folder, false, &version, err);
}

rs_status rs_archive_open_writer(rs_archive **out, const char *folder, double wait_s, rs_err *err)
{
    const struct timespec little = {.tv_nsec = 50000000};
    const double until_s = rs_now_s() + wait_s;
    rs_status st;

    while ((st = rs_archive_open(out, folder, RS_ARCHIVE_WRITE, err)) == RS_EBUSY &&
           rs_now_s() < until_s)
        nanosleep(&little, NULL);
    return st;
}

void rs_archive_close(rs_archive *a)
{
    if (!a)
        return;
    rs_archive_rollback(a);
    for (int kind = 0; kind < RS_KINDS; kind++)
        rs_vectors_free(a->vectors[kind]);
    rs_facets_free(a->facets);
    rs_calibration_forget(a);
    rs_text_index_free(a->text);
    rs_case_keys_free(a->keys);
    rs_db_close(a->db);
    rs_lexicon_free(a->lexicon);
    forget_encoder(a);
    if (a->lock >= 0)
        close(a->lock);
    rs_free(a->root);
    rs_free(a->folder);
    rs_free(a);
}

const char *rs_archive_folder(const rs_archive *a) { return a->folder; }

const char *rs_tier_name(rs_tier t)
{
    static const char *const names[RS_TIERS] = {
#define RS_TIER_NAME(name, text) text,
        RS_TIER_MAP(RS_TIER_NAME)
#undef RS_TIER_NAME
    };
    return (unsigned)t < RS_TIERS ? names[t] : names[RS_TIER_UNKNOWN];
}

rs_tier rs_tier_of(const char *name)
{
    int t = 0;

    while (t < RS_TIERS && strcasecmp(name, rs_tier_name((rs_tier)t)) != 0)
        t++;
    return (rs_tier)t;
}

/* ---- Lexicon --------------------------------------------------------- */

const rs_lexicon *rs_archive_lexicon(const rs_archive *a) { return a->lexicon; }

rs_status rs_archive_use_lexicon(rs_archive *a, const char *folder, rs_err *err)
{
    rs_lexicon *other;
    rs_status st;

    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "use a lexicon: not inside a batch");
    if ((st = rs_lexicon_load(&other, folder, err)) != RS_OK)
        return st;
    rs_lexicon_free(a->lexicon);
    a->lexicon = other;
    a->words_current = false;
    rs_text_index_use(a->text, other);
    return RS_OK;
}

static rs_status read_cases(rs_archive *a, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT id FROM cases ORDER BY id", err);
    rs_arena mem = {0};

    while (rs_step(&s)) {
        int64_t id = rs_col_int(&s, 0);
        rs_case c;
        if ((s.status = rs_catalog_case(a, id, &mem, &c, err)) == RS_OK &&
            (s.status = rs_catalog_sections(a, id, &mem, &c, err)) == RS_OK)
            s.status = rs_put_words(a, id, &c, &mem, err);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    return rs_done(&s);
}

rs_status rs_archive_read_words(rs_archive *a, rs_err *err)
{
    rs_status st;
    rs_stmt s;

    if ((st = rs_schema_renew_words(a->db, err)) != RS_OK || (st = read_cases(a, err)) != RS_OK)
        return st;
    s = rs_db_use(a->db, "INSERT INTO meta VALUES('reading', ?1)"
                  " ON CONFLICT(key) DO UPDATE SET value = ?1", err);
    rs_bind_text(&s, 1, rs_lexicon_digest(a->lexicon));
    return rs_run(&s);
}

static rs_status read_again(rs_archive *a, rs_err *err)
{
    rs_status st = rs_db_begin(a->db, err);

    if (st != RS_OK)
        return st;
    if ((st = rs_archive_read_words(a, err)) == RS_OK)
        st = rs_db_commit(a->db, err);
    a->words_current = st == RS_OK;
    rs_db_rollback(a->db);
    return st;
}

/* Were the reports read by other tables than now? Then they are read by these. */
static rs_status read_by_others(rs_archive *a, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT value FROM meta WHERE key = 'reading'", err);
    rs_status st;

    if (rs_step(&s)) {
        const char *by = rs_col_text(&s, 0);
        a->words_current = by && strcmp(by, rs_lexicon_digest(a->lexicon)) == 0;
    }
    st = rs_done(&s);
    return st == RS_OK && !a->words_current ? read_again(a, err) : st;
}

/* ---- Batches --------------------------------------------------------- */

rs_status rs_archive_begin(rs_archive *a, rs_err *err)
{
    rs_status st;

    if (a->lock < 0)
        return rs_fail(err, RS_EARG, "archive %s: opened for reading only", a->folder);
    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "begin a batch: one is open already");
    if (!a->words_current && (st = read_by_others(a, err)) != RS_OK)
        return st;
    return rs_db_begin(a->db, err);
}

/* Who has not read the log of changes for so long reads the cases themselves. */
static rs_status trim_changes(rs_archive *a, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "DELETE FROM case_changes WHERE seq <="
                          " (SELECT max(seq) FROM case_changes) - ?1", err);

    rs_bind_int(&s, 1, RS_CHANGES_KEPT);
    return rs_run(&s);
}

rs_status rs_archive_commit(rs_archive *a, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "commit", err);

    if (st != RS_OK)
        return st;
    a->data_version = -1;
    if ((st = trim_changes(a, err)) == RS_OK)
        return rs_db_commit(a->db, err);
    rs_db_rollback(a->db);
    return st;
}

void rs_archive_rollback(rs_archive *a)
{
    if (a->db && rs_db_writing(a->db))
        rs_db_rollback(a->db);
}

rs_status rs_archive_may_write(const rs_archive *a, const char *what, rs_err *err)
{
    if (a->lock < 0)
        return rs_fail(err, RS_EARG, "%s: archive %s is opened for reading only", what, a->folder);
    if (rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "%s: not inside a batch", what);
    return RS_OK;
}

rs_status rs_archive_need_batch(const rs_archive *a, const char *what, rs_err *err)
{
    if (!rs_db_writing(a->db))
        return rs_fail(err, RS_EARG, "%s: needs an open batch", what);
    return RS_OK;
}

rs_status rs_archive_warm_words(rs_archive *a, rs_err *err)
{
    return rs_text_index_prepare(a->text, err);
}

/* ---- What others have written ---------------------------------------- */

rs_status rs_archive_refresh(rs_archive *a, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "PRAGMA data_version", err);
    int64_t version = -1;
    rs_status st;

    if (rs_step(&s))
        version = rs_col_int(&s, 0);
    if ((st = rs_done(&s)) != RS_OK || version == a->data_version)
        return st;
    if ((st = rs_archive_refresh_encoder(a, err)) != RS_OK)
        return st;
    for (int kind = 0; a->encoder.id && kind < RS_KINDS; kind++)
        if ((st = rs_vectors_refresh(a->vectors[kind], err)) != RS_OK)
            return st;
    a->data_version = version;
    return RS_OK;
}
