/* api_write.c - the archive for a request that changes it, and what goes wrong with that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

static const double WAIT_S = 10;       /* for another process that writes, at most */

/* No room on the disk has no status of its own below: SQLite's words for it and the system's. */
static bool is_full(const rs_err *err)
{
    static const int codes[] = {ENOSPC, EDQUOT, EFBIG};

    if (err->code != RS_EIO)
        return false;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strstr(err->msg, strerror(codes[i])))
            return true;
    return strstr(err->msg, "disk is full") != NULL;
}

void rs_api_write_fail(rs_exchange *x, const rs_writer *w, const rs_err *err)
{
    const rs_worker as = {.service = w->service};

    if (is_full(err)) {
        rs_log_error(RS_LOG_ERROR, "request failed", err);
        rs_problem_reply(&x->reply, RS_PROBLEM_FULL, NULL, "The disk that the archive is on has no "
                         "room left for this. Nothing was changed.");
        return;
    }
    rs_api_fail(x, &as, err);
}

static void come_later(rs_exchange *x, const char *seconds, const char *detail)
{
    rs_problem_reply(&x->reply, RS_PROBLEM_BUSY, NULL, detail);
    for (size_t i = 0; i < x->reply.n_fields; i++)
        if (strcmp(x->reply.field[i].name, "Retry-After") == 0)
            x->reply.field[i].value = seconds;
}

bool rs_api_open_to_write(rs_exchange *x, rs_writer *w, rs_archive **a)
{
    const double soon = rs_now_s() + WAIT_S;
    rs_err err = {0};
    const rs_status st = rs_writer_archive(w, soon < x->until_s ? soon : x->until_s, a, &err);

    if (st == RS_EBUSY) {
        come_later(x, "10", "Another process is writing the archive, radscout index for example, "
                   "and only one can at a time. Nothing was changed: try again when it is done.");
    } else if (st == RS_EMISMATCH) {
        rs_log_error(RS_LOG_ERROR, "request failed", &err);
        rs_problem_reply(&x->reply, RS_PROBLEM_CONFLICT, NULL, "The archive's vectors are of "
                         "another model than the one that this server runs with; its log names "
                         "both. Nothing was changed.");
    } else if (st != RS_OK) {
        rs_api_write_fail(x, w, &err);
    }
    return st == RS_OK;
}
