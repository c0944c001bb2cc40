/* judgments.c - see judgments.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/judgments.h"

#include "base/clock.h"
#include "engine/catalog.h"
#include "engine/judgments_int.h"

#include <string.h>

/* ---- Verdicts --------------------------------------------------------- */

static const struct { const char *name; int grade; } verdicts[] = {
#define VERDICT_ROW(name, text, grade) {text, grade},
    RS_JUDGED_MAP(VERDICT_ROW)
#undef VERDICT_ROW
};

const char *rs_judged_name(rs_judged v)
{
    return v < RS_JUDGED_VERDICTS ? verdicts[v].name : "?";
}

rs_judged rs_judged_of(const char *name)
{
    int v = 0;

    while (v < RS_JUDGED_VERDICTS && strcmp(verdicts[v].name, name) != 0)
        v++;
    return (rs_judged)v;
}

int rs_judged_grade(rs_judged v)
{
    return v < RS_JUDGED_VERDICTS ? verdicts[v].grade : 0;
}

const char *rs_judged_names(void)
{
#define VERDICT_NAME(name, text, grade) ", " text
    return &(RS_JUDGED_MAP(VERDICT_NAME))[2];
#undef VERDICT_NAME
}

/* ---- Writing ---------------------------------------------------------- */

/* The judgment that j->who has made of this query and case; 0: none. */
static rs_status find_before(rs_archive *a, const rs_judgment *j, int64_t *id, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT id FROM judgments WHERE case_key = ?1 AND query = ?2"
                          " AND coalesce(who, '') = ?3", err);

    *id = 0;
    rs_bind_text(&s, 1, j->key);
    rs_bind_text(&s, 2, j->query);
    rs_bind_text(&s, 3, j->who);
    if (rs_step(&s))
        *id = rs_col_int(&s, 0);
    return rs_done(&s);
}

static rs_status write_row(rs_archive *a, const rs_judgment *j, int64_t *id, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "INSERT INTO judgments(id, case_key, query, verdict, note, who, at)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO UPDATE SET"
        " verdict = excluded.verdict, note = excluded.note, at = excluded.at", err);
    char now[32];
    rs_status st;

    rs_utc_text(now);
    if (*id)
        rs_bind_int(&s, 1, *id);
    rs_bind_text(&s, 2, j->key);
    rs_bind_text(&s, 3, j->query);
    rs_bind_text(&s, 4, rs_judged_name(j->verdict));
    rs_bind_text(&s, 5, j->note && *j->note ? j->note : NULL);
    rs_bind_text(&s, 6, j->who);
    rs_bind_text(&s, 7, now);
    st = rs_run(&s);
    if (!*id)
        *id = sqlite3_last_insert_rowid(rs_db_handle(a->db));
    return st;
}

static rs_status add(rs_archive *a, rs_judgment j, int64_t *id, bool *replaced, rs_arena *mem,
                     rs_err *err)
{
    rs_judged_query q;
    int64_t case_id;
    rs_status st;

    if (j.verdict >= RS_JUDGED_VERDICTS)
        return rs_fail(err, RS_EARG, "verdict: wanted one of %s", rs_judged_names());
    if (j.note && strlen(j.note) > RS_JUDGMENT_NOTE_BYTES)
        return rs_fail(err, RS_EARG, "note: is longer than %d bytes", RS_JUDGMENT_NOTE_BYTES);
    if ((st = rs_judged_query_parse(&q, j.query, mem, err)) != RS_OK ||
        (st = rs_catalog_find(a, j.key, &case_id, err)) != RS_OK)
        return st;
    j.query = q.canonical;
    j.who = rs_judged_clean(j.who ? j.who : "", mem);
    if (j.note && !(j.note = rs_judged_clean(j.note, mem)))
        return rs_fail(err, RS_ENOMEM, "judgment: no memory");
    if (!j.who)
        return rs_fail(err, RS_ENOMEM, "judgment: no memory");
    if ((st = find_before(a, &j, id, err)) != RS_OK)
        return st;
    *replaced = *id != 0;
    return write_row(a, &j, id, err);
}

rs_status rs_judgments_add(rs_archive *a, const rs_judgment *j, int64_t *id, bool *replaced,
                           rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "judge a case", err);
    rs_arena mem = {0};

    if (st == RS_OK)
        st = add(a, *j, id, replaced, &mem, err);
    rs_arena_clear(&mem);
    return st;
}

rs_status rs_judgments_remove(rs_archive *a, int64_t id, const char *who, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "remove a judgment", err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(a->db, "DELETE FROM judgments WHERE id = ?1"
                  " AND (?2 IS NULL OR coalesce(who, '') = ?2)", err);
    rs_bind_int(&s, 1, id);
    rs_bind_text(&s, 2, who);
    if ((st = rs_run(&s)) == RS_OK && sqlite3_changes(rs_db_handle(a->db)) == 0)
        st = rs_fail(err, RS_ENOENT, "there is no judgment %lld", (long long)id);
    return st;
}

/* Of one that is damaged the words are still looked at. */
#define AS_JSON "CASE WHEN json_valid(query) THEN query END"

rs_status rs_judgments_forget(rs_archive *a, const char *key, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "forget judgments", err);
    rs_stmt s;

    if (st != RS_OK)
        return st;
    s = rs_db_use(a->db,
        "DELETE FROM judgments WHERE case_key = ?1"
        " OR EXISTS(SELECT 1 FROM json_each(" AS_JSON ", '$.like') j WHERE j.value = ?1)"
        " OR EXISTS(SELECT 1 FROM json_each(" AS_JSON ", '$.images') j JOIN images i"
        "   ON i.sha256 = j.value JOIN cases c ON c.id = i.case_id WHERE c.key = ?1)"
        " OR (length(?1) >= 6 AND (instr(query, ?1) OR instr(note, ?1)))", err);
    rs_bind_text(&s, 1, key);
    return rs_run(&s);
}

/* ---- Reading ---------------------------------------------------------- */

static rs_status take(rs_stmt *s, rs_arena *mem, rs_judgment *out, rs_err *err)
{
    *out = (rs_judgment){
        .id = rs_col_int(s, 0), .key = rs_col_dup(s, 1, mem), .query = rs_col_dup(s, 2, mem),
        .verdict = rs_judged_of(rs_col_text(s, 3)), .note = rs_col_dup(s, 4, mem),
        .who = rs_col_dup(s, 5, mem), .at = rs_col_dup(s, 6, mem)};
    return out->verdict < RS_JUDGED_VERDICTS ? RS_OK
         : rs_fail(err, RS_ECORRUPT, "judgment %lld: verdict '%.60s' is not known",
                   (long long)out->id, rs_col_text(s, 3));
}

static rs_status list(rs_archive *a, const rs_judgments_wanted *want, rs_judgment_view *v,
                      rs_arena *mem, rs_judgment **out, size_t *n, bool *more, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT id, case_key, query, verdict, note, coalesce(who, ''), at FROM judgments"
        " WHERE id > ?1 AND (?2 IS NULL OR case_key = ?2) AND (?3 IS NULL OR query = ?3)"
        " AND (?4 IS NULL OR coalesce(who, '') = ?4) ORDER BY id", err);
    rs_status st = RS_OK, ended;
    void *rows = NULL;
    size_t cap = 0, bytes = 0;
    bool shown;

    rs_bind_int(&s, 1, want->after);
    rs_bind_text(&s, 2, want->key);
    rs_bind_text(&s, 3, want->query);
    rs_bind_text(&s, 4, want->who);
    while (st == RS_OK && !*more && rs_step(&s)) {
        st = rs_judgment_view_shows(v, rs_col_text(&s, 1), rs_col_text(&s, 2), &shown, err);
        if (st != RS_OK || !shown)
            continue;
        if (*n == want->limit || (want->bytes && bytes >= want->bytes)) {
            *more = true;
        } else if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out)) {
            rs_stmt_nomem(&s);
        } else {
            const char *note = rs_col_text(&s, 4);
            bytes += strlen(rs_col_text(&s, 2)) + (note ? strlen(note) : 0);
            st = take(&s, mem, (rs_judgment *)rows + (*n)++, err);
        }
    }
    *out = rows;
    ended = rs_done(&s);
    return st == RS_OK ? ended : st;
}

rs_status rs_judgments_list(rs_archive *a, const rs_judgments_wanted *want, rs_arena *mem,
                            const rs_judgment **out, size_t *n, bool *more, rs_err *err)
{
    rs_judgment_view v;
    rs_judgment *rows = NULL;
    bool others = false;
    rs_status st = rs_db_read_begin(a->db, err);

    *out = NULL;
    *n = 0;
    if (st != RS_OK)
        return st;
    if ((st = rs_judgment_view_begin(&v, a, want->access, err)) == RS_OK)
        st = list(a, want, &v, mem, &rows, n, &others, err);
    rs_judgment_view_clear(&v);
    rs_db_read_end(a->db);
    *out = rows;
    if (more)
        *more = others;
    return st;
}

rs_status rs_judgments_get(rs_archive *a, const char *access, int64_t id, rs_arena *mem,
                           rs_judgment *out, rs_err *err)
{
    const rs_judgments_wanted want = {.access = access, .after = id - 1, .limit = 1};
    const rs_judgment *found;
    size_t n;
    rs_status st = rs_judgments_list(a, &want, mem, &found, &n, NULL, err);

    if (st == RS_OK && (n == 0 || found->id != id))
        st = rs_fail(err, RS_ENOENT, "there is no judgment %lld", (long long)id);
    if (st == RS_OK)
        *out = *found;
    return st;
}

static rs_status count(rs_archive *a, rs_judgment_view *v, size_t *n, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT case_key, query FROM judgments", err);
    rs_status st = RS_OK, ended;
    bool shown;

    while (st == RS_OK && rs_step(&s)) {
        st = rs_judgment_view_shows(v, rs_col_text(&s, 0), rs_col_text(&s, 1), &shown, err);
        *n += st == RS_OK && shown;
    }
    ended = rs_done(&s);
    return st == RS_OK ? ended : st;
}

rs_status rs_judgments_count(rs_archive *a, const char *access, size_t *n, rs_err *err)
{
    rs_judgment_view v;
    rs_status st = rs_db_read_begin(a->db, err);

    *n = 0;
    if (st != RS_OK)
        return st;
    if ((st = rs_judgment_view_begin(&v, a, access, err)) == RS_OK)
        st = count(a, &v, n, err);
    rs_judgment_view_clear(&v);
    rs_db_read_end(a->db);
    return st;
}
