/* audit_log.h - who asked what, when, and which cases were shown: lines that cannot be changed
 * without its being seen.
 *
 *   {"n":1,"t":"2026-01-31T23:59:59.123Z","prev":"000…","event":"begin","salt":"…","hash":"…"}
 *   {"n":2,"t":"…","prev":"<hash of 1>","event":"query","who":"ward 3","role":"reader",
 *    "from":"192.0.2.7","method":"POST","path":"/v1/search","asked_sha256":"…",
 *    "cases":["c17","c4"],"status":200,"hash":"…"}
 *
 * "hash" is the SHA-256 of the line's bytes before ,"hash":, and "prev" is among them: so a
 * changed byte, a line missing, put in or moved is found, and where. Two things no file can
 * prove by itself: that its last lines are still there, and that it was not written anew from
 * the first line on. For both, keep the last hash somewhere else: the server puts it into its
 * own log when it starts, stops and begins a new file, and verify prints it.
 *
 * A full file is renamed FILE.<number of its last line>, and the next one begins with
 * "continue" and the hash of that line. What was asked is kept as a hash (salted with the
 * log's "salt"), since questions name patients and logs are kept long and read by others: one
 * can still show that a given question was asked. `plain` keeps the text.
 *
 * When a line is safe: it is with the system, in one write(), before the answer goes out, so
 * a crash of the server loses nothing; rs_audit_log_sync, which the server calls about twice
 * a second, brings it to the disk. A line that a power failure cut short is taken off at the
 * next start, and the line "recovered" says how long it was. Where no line can be written,
 * nothing is answered.
 *
 * Threading: append and sync from any thread. One process at a time has a log open.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_AUDIT_LOG_H
#define RS_SERVER_AUDIT_LOG_H

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What happened, and as what DICOM calls it (audit_xml.h). */
#define RS_AUDIT_MAP(X)                                                              \
    X(QUERY, "query")              /* a search, counts */                            \
    X(ACCESS, "access")            /* a case, its images */                          \
    X(LOGIN, "login") X(LOGOUT, "logout")                                            \
    X(DENIED, "denied")            /* 401, 403, 429 */                               \
    X(CHANGE, "change")            /* cases added, judged, deleted */                \
    X(START, "start") X(STOP, "stop")

typedef enum {
#define RS_AUDIT_ENUM(name, text) RS_AUDIT_##name,
    RS_AUDIT_MAP(RS_AUDIT_ENUM)
#undef RS_AUDIT_ENUM
    RS_AUDITS
} rs_audit_kind;

const char *rs_audit_name(rs_audit_kind k);        /* "query" */
rs_audit_kind rs_audit_of(const char *name);       /* RS_AUDITS: none */

/* Texts may be NULL: not known. */
typedef struct {
    rs_audit_kind kind;
    const char *who, *role, *from;
    const char *method, *path;
    const char *asked;
    const char *const *cases;  size_t n_cases;     /* shown */
    int         status;            /* of the answer; 0: none */
} rs_audit_event;

typedef struct {
    const char *path;
    bool        plain;             /* keep what was asked as it was */
    uint64_t    max_bytes;         /* of a file; 0: no end */
} rs_audit_plan;

typedef struct rs_audit_log rs_audit_log;

/* Goes on with the file or begins one (mode 0600). RS_ECORRUPT: its last line is not as it
 * was written; RS_EBUSY: another process has it. */
rs_status rs_audit_log_open(rs_audit_log **out, const rs_audit_plan *plan, rs_err *err);
void      rs_audit_log_close(rs_audit_log *l);     /* syncs; NULL is fine */
rs_status rs_audit_log_append(rs_audit_log *l, const rs_audit_event *e, rs_err *err);
rs_status rs_audit_log_sync(rs_audit_log *l, rs_err *err);     /* nothing new: costs nothing */
/* The hash of the last line. */
void      rs_audit_log_head(rs_audit_log *l, char hash[RS_SHA256_HEX]);
void      rs_audit_log_plain(rs_audit_log *l, bool plain);

/* ---- Reading --------------------------------------------------------- */

typedef struct {
    bool      begins;              /* the first file is the log's first */
    long long first, last;         /* numbers of lines */
    char      head[RS_SHA256_HEX]; /* of the last */
} rs_audit_span;

/* Each line in order, once it has been checked; anything but RS_OK ends the reading. */
typedef rs_status (*rs_audit_line)(void *ctx, const json_t *line, rs_err *err);

/* Read n files, oldest first, as one log. `line` may be NULL. RS_ECORRUPT: "FILE: line 7:
 * ..." says where it is not as it was written; what came before that is in *span. */
rs_status rs_audit_log_read(const char *const *paths, size_t n, rs_audit_line line, void *ctx,
                            rs_audit_span *span, rs_err *err);

#endif
