/* requests.c - see requests.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/requests.h"

#include "engine/archive_int.h"

rs_status rs_requests_find(rs_archive *a, const char *who, const char *key, int64_t now,
                           rs_arena *mem, const rs_request **out, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT sha256, case_key, status, answer, at FROM requests"
                          " WHERE who = ?1 AND key = ?2 AND at > ?3", err);
    rs_request *r = rs_new(mem, rs_request, 1);

    *out = NULL;
    rs_bind_text(&s, 1, who);
    rs_bind_text(&s, 2, key);
    rs_bind_int(&s, 3, now - RS_REQUESTS_S);
    if (!r) {
        rs_stmt_nomem(&s);
    } else if (rs_step(&s)) {
        *r = (rs_request){.who = who, .key = key, .sha256 = rs_col_dup(&s, 0, mem),
                          .case_key = rs_col_dup(&s, 1, mem), .status = (int)rs_col_int(&s, 2),
                          .answer = rs_col_dup(&s, 3, mem), .at = rs_col_int(&s, 4)};
        *out = r;
    }
    return rs_done(&s);
}

static rs_status forget(rs_archive *a, int64_t before, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "DELETE FROM requests WHERE at <= ?1", err);

    rs_bind_int(&s, 1, before);
    return rs_run(&s);
}

rs_status rs_requests_keep(rs_archive *a, const rs_request *r, rs_err *err)
{
    rs_status st = rs_archive_need_batch(a, "keep a request", err);
    rs_stmt s;

    if (st != RS_OK || (st = forget(a, r->at - RS_REQUESTS_S, err)) != RS_OK)
        return st;
    s = rs_db_use(a->db, "INSERT INTO requests(who, key, sha256, case_key, status, answer, at)"
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", err);
    rs_bind_text(&s, 1, r->who);
    rs_bind_text(&s, 2, r->key);
    rs_bind_text(&s, 3, r->sha256);
    rs_bind_text(&s, 4, r->case_key);
    rs_bind_int(&s, 5, r->status);
    rs_bind_text(&s, 6, r->answer);
    rs_bind_int(&s, 7, r->at);
    return rs_run(&s);
}
