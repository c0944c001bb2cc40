/* postings_follow.c - posting lists keep up with case_fts; see postings.h.
 *
 * A step takes in the log of changed cases first, then the cases to look at again, then
 * those that are newer than any known, for as long as it may take; the next goes on from
 * there, in whatever snapshot it finds. What the log says of a case that is not taken in yet
 * means nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/postings_int.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BETWEEN_CHECKS = 32, BETWEEN_SIZES = 2048 };
/* An id may be so many times the number of cases: they have a place each. */
enum { MAX_SPARSE = 64, FREE_IDS = 1 << 22 };

static rs_status number(rs_postings *p, const char *literal, int64_t none, int64_t *out,
                        rs_err *err)
{
    rs_stmt s = rs_db_use(p->db, literal, err);

    *out = none;
    if (rs_step(&s) && !rs_col_null(&s, 0))
        *out = rs_col_int(&s, 0);
    return rs_done(&s);
}

/* ---- Is it all there? ------------------------------------------------ */

/* SQLite's variable-length integer; *at moves behind it. */
static uint64_t varint(const uint8_t *bytes, size_t len, size_t *at)
{
    uint64_t v = 0;

    for (int i = 0; *at < len; i++) {
        uint8_t b = bytes[(*at)++];
        if (i == 8)
            return v << 8 | b;
        v = v << 7 | (b & 0x7f);
        if (!(b & 0x80))
            break;
    }
    return v;
}

/* What FTS5 itself counts: rows, and tokens of each column. */
static rs_status fts5_counts(rs_postings *p, uint64_t *rows, uint64_t *tokens, rs_err *err)
{
    rs_stmt s = rs_db_use(p->db, "SELECT block FROM case_fts_data WHERE id = 1", err);

    *rows = *tokens = 0;
    if (rs_step(&s)) {
        size_t len, at = 0;
        const uint8_t *bytes = rs_col_blob(&s, 0, &len);
        *rows = bytes ? varint(bytes, len, &at) : 0;
        while (bytes && at < len)
            *tokens += varint(bytes, len, &at);
    }
    return rs_done(&s);
}

static rs_status check_counts(rs_postings *p, bool *right, rs_err *err)
{
    uint64_t rows, tokens;
    rs_status st = fts5_counts(p, &rows, &tokens, err);

    *right = st == RS_OK && rows == rs_postings_cases(p) && tokens == p->live_tokens;
    return st;
}

/* ---- Steps ----------------------------------------------------------- */

static bool look_again(rs_postings *p, int64_t id)
{
    if (p->n_again == p->cap_again) {
        size_t cap = p->cap_again ? 2 * p->cap_again : 64;
        int64_t *more = rs_realloc(p->again, cap, sizeof *more);
        if (!more)
            return false;
        p->again = more;
        p->cap_again = cap;
    }
    p->again[p->n_again++] = id;
    return true;
}

/* Were the reports read by other tables than when these were begun? */
static rs_status read_by_others(rs_postings *p, bool *others, rs_err *err)
{
    rs_stmt s = rs_db_use(p->db, "SELECT value FROM meta WHERE key = 'reading'", err);
    char now[sizeof p->reading] = "";

    if (rs_step(&s)) {
        const char *text = rs_col_text(&s, 0);
        snprintf(now, sizeof now, "%s", text ? text : "");
    }
    *others = strcmp(now, p->reading) != 0;
    memcpy(p->reading, now, sizeof now);
    return rs_done(&s);
}

/* Does the log tell all that has happened since? *newest: its last number. */
static rs_status look_at_log(rs_postings *p, bool *reaches, int64_t *newest, rs_err *err)
{
    int64_t oldest;
    rs_status st = number(p, "SELECT seq FROM sqlite_sequence WHERE name = 'case_changes'", 0,
                          newest, err);

    if (st == RS_OK)
        st = number(p, "SELECT min(seq) FROM case_changes", *newest + 1, &oldest, err);
    *reaches = st == RS_OK && p->seq >= 0 && oldest <= p->seq + 1 && *newest >= p->seq;
    return st;
}

/* Cases that are not what they were are dead at once. */
static rs_status take_changes(rs_postings *p, rs_err *err)
{
    bool others = false, reaches = false;
    int64_t newest = 0;
    rs_status st = read_by_others(p, &others, err);
    rs_stmt s;

    if (st == RS_OK)
        st = look_at_log(p, &reaches, &newest, err);
    if (st != RS_OK)
        return st;
    if (p->seq >= 0 && (others || !reaches))
        rs_postings_forget(p);
    if (p->seq < 0) {
        p->seq = newest;
        return RS_OK;
    }
    s = rs_db_use(p->db, "SELECT case_id FROM case_changes WHERE seq > ?1", err);
    rs_bind_int(&s, 1, p->seq);
    while (rs_step(&s)) {
        int64_t id = rs_col_int(&s, 0);
        if (rs_postings_kill(p, id) && !look_again(p, id))
            rs_stmt_nomem(&s);
    }
    if ((st = rs_done(&s)) == RS_OK)
        p->seq = newest;
    return st;
}

/* The row that a statement is at, its id first. */
static rs_status take_row(rs_postings *p, rs_stmt *s, rs_err *err)
{
    int64_t id = rs_col_int(s, 0);
    const char *text[RS_TEXT_COUNT];

    if (id <= 0 || (id > FREE_IDS && (uint64_t)id / MAX_SPARSE > (uint64_t)p->n_docs + 1))
        return rs_fail(err, RS_ELIMIT, "case %lld: its number is too large", (long long)id);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        text[i] = rs_col_text(s, 1 + i);
    if (s->status != RS_OK)
        return s->status;
    rs_postings_kill(p, id);
    return rs_postings_add(p, id, text, err);
}

static rs_status first_of(rs_status st, rs_status then) { return st != RS_OK ? st : then; }

/* Cases to look at again, until it is `when`. */
static rs_status take_changed(rs_postings *p, double when, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t n = 0; st == RS_OK && p->n_again; n++) {
        rs_stmt s;
        if (n % BETWEEN_CHECKS == BETWEEN_CHECKS - 1 && rs_now_s() > when)
            break;
        s = rs_db_use(p->db, "SELECT rowid, * FROM case_fts WHERE rowid = ?1", err);
        rs_bind_int(&s, 1, p->again[p->n_again - 1]);
        if (rs_step(&s))
            st = take_row(p, &s, err);
        st = first_of(st, rs_done(&s));
        p->n_again -= st == RS_OK;
    }
    return st;
}

/* Is there the memory? An archive's text is one thing among others. */
static bool fits(const rs_postings *p)
{
    static const double SHARE = 0.25;
    double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

    return all <= 0 || (double)rs_postings_measure(p).bytes < SHARE * all;
}

/* Cases newer than any known, until it is `when`; *all: there were no more. */
static rs_status take_new(rs_postings *p, double when, bool *all, rs_err *err)
{
    rs_stmt s = rs_db_use(p->db, "SELECT rowid, * FROM case_fts WHERE rowid > ?1 ORDER BY rowid",
                          err);
    rs_status st = RS_OK;

    *all = true;
    rs_bind_int(&s, 1, p->last_id);
    for (size_t n = 1; rs_step(&s); n++) {
        int64_t id = rs_col_int(&s, 0);
        if ((st = take_row(p, &s, err)) != RS_OK)
            break;
        p->last_id = id;
        if (n % BETWEEN_SIZES == 0 && !fits(p)) {
            st = rs_fail(err, RS_ELIMIT, "posting lists: not the memory for them");
            break;
        }
        if (n % BETWEEN_CHECKS == 0 && rs_now_s() > when) {
            *all = false;
            break;
        }
    }
    return first_of(st, rs_done(&s));
}

static rs_status step(rs_postings *p, double when, bool *current, rs_err *err)
{
    rs_status st = take_changes(p, err);
    bool all = false, right = false;

    *current = false;
    if (st == RS_OK)
        st = take_changed(p, when, err);
    if (st != RS_OK || p->n_again)
        return st;
    if ((st = take_new(p, when, &all, err)) != RS_OK || !all)
        return st;
    if ((st = check_counts(p, &right, err)) != RS_OK)
        return st;
    if (right) {
        p->made_anew = false;
        *current = true;
        return RS_OK;
    }
    /* Written by who keeps no log, or not as FTS5 has it: once from the start. */
    rs_postings_forget(p);
    p->given_up = p->made_anew;
    p->made_anew = true;
    return RS_OK;
}

/* ---- Following ------------------------------------------------------- */

/* Does the catalog stand as it did when these were current? */
static rs_status look_at_version(rs_postings *p, bool *same, rs_err *err)
{
    int64_t changes = sqlite3_total_changes64(rs_db_handle(p->db)), version;
    rs_status st = number(p, "PRAGMA data_version", -1, &version, err);

    if (st != RS_OK)
        return st;
    *same = p->current && p->data_version == version && p->changes == changes;
    p->data_version = version;
    p->changes = changes;
    return RS_OK;
}

static bool too_many_dead(const rs_postings *p)
{
    enum { SOME = 1000, SHARE = 4 };

    return p->n_dead > SOME && p->n_dead > p->n_docs / SHARE;
}

static rs_status follow(rs_postings *p, double budget_s, bool *current, rs_err *err)
{
    bool same;
    rs_status st = look_at_version(p, &same, err);

    if (st != RS_OK || same) {
        *current = st == RS_OK;
        return st;
    }
    p->current = false;
    if (too_many_dead(p))
        rs_postings_forget(p);
    st = step(p, rs_now_s() + budget_s, current, err);
    p->current = st == RS_OK && *current;
    return st;
}

rs_status rs_postings_follow(rs_postings *p, double budget_s, bool *current, rs_err *err)
{
    rs_err why = {RS_OK, ""};
    rs_status st;

    *current = false;
    if (p->given_up || rs_db_writing(p->db))
        return RS_OK;
    if ((st = rs_db_read_begin(p->db, err)) != RS_OK)
        return st;
    st = follow(p, budget_s, current, &why);
    rs_db_read_end(p->db);
    if (st == RS_ENOMEM || st == RS_ELIMIT) {
        rs_postings_forget(p);
        p->given_up = true;
        return RS_OK;
    }
    if (st != RS_OK && st != RS_ECANCEL)         /* what was taken in by then is whole */
        rs_postings_forget(p);
    if (st != RS_OK && err)
        *err = why;
    return st;
}
