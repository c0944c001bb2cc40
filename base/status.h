/* status.h - a status to branch on, a message to read.
 *
 * Every function that can fail for a reason of the world (files, users, memory,
 * peers) returns an rs_status and fills a caller-owned rs_err. Nothing is
 * thread-local, nothing needs freeing, and out-of-memory can be told too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_STATUS_H
#define RS_BASE_STATUS_H

#if defined(__GNUC__)
#define RS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define RS_PRINTF(fmt, args)
#endif

#define RS_STATUS_MAP(X)                              \
    X(OK,        "ok")                                \
    X(EARG,      "bad argument")                      \
    X(ENOENT,    "no such thing")                     \
    X(EIO,       "input/output error")                \
    X(ENOMEM,    "out of memory")                     \
    X(ECORRUPT,  "corrupt data")                      \
    X(EFORMAT,   "format not supported")              \
    X(ELIMIT,    "over a limit")                      \
    X(EBUSY,     "in use by another process")         \
    X(EMISMATCH, "does not fit what is there")        \
    X(ECANCEL,   "stopped on request")

typedef enum {
#define RS_STATUS_ENUM(name, text) RS_##name,
    RS_STATUS_MAP(RS_STATUS_ENUM)
#undef RS_STATUS_ENUM
    RS_STATUS_COUNT
} rs_status;

typedef struct {
    rs_status code;
    char msg[400];            /* NUL-terminated; cut, never overrun */
} rs_err;

/* Record a failure and return `code`. `err` may be NULL: the code still travels. */
rs_status rs_fail(rs_err *err, rs_status code, const char *fmt, ...) RS_PRINTF(3, 4);

/* Record the failure of a system call from `errno`: "open x: No such file ...".
 * ENOENT, ENOMEM map to their own status, everything else to RS_EIO. */
rs_status rs_fail_errno(rs_err *err, const char *fmt, ...) RS_PRINTF(2, 3);

/* Put where we were in front of what went wrong: "study 12: open x: ...".
 * Returns `code`. */
rs_status rs_wrap(rs_err *err, rs_status code, const char *fmt, ...) RS_PRINTF(3, 4);

const char *rs_status_name(rs_status code);    /* "ECORRUPT" */
const char *rs_status_text(rs_status code);    /* "corrupt data" */

#endif
