/* status.c - see status.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

rs_status rs_fail(rs_err *err, rs_status code, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return code;
}

rs_status rs_fail_errno(rs_err *err, const char *fmt, ...)
{
    int e = errno;
    rs_status code = e == ENOENT ? RS_ENOENT : e == ENOMEM ? RS_ENOMEM : RS_EIO;
    char reason[120];
    size_t used;
    va_list ap;

    if (!err)
        return code;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    if (strerror_r(e, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", e);
    used = strlen(err->msg);
    snprintf(err->msg + used, sizeof err->msg - used, ": %s", reason);
    return code;
}

rs_status rs_wrap(rs_err *err, rs_status code, const char *fmt, ...)
{
    char inner[sizeof err->msg];
    size_t used;
    va_list ap;

    if (!err)
        return code;
    memcpy(inner, err->msg, sizeof inner);
    inner[sizeof inner - 1] = '\0';
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    used = strlen(err->msg);
    snprintf(err->msg + used, sizeof err->msg - used, ": %s", inner);
    err->code = code;
    return code;
}

const char *rs_status_name(rs_status code)
{
    static const char *const names[] = {
#define RS_STATUS_NAME(name, text) #name,
        RS_STATUS_MAP(RS_STATUS_NAME)
#undef RS_STATUS_NAME
    };
    return (unsigned)code < RS_STATUS_COUNT ? names[code] : "?";
}

const char *rs_status_text(rs_status code)
{
    static const char *const texts[] = {
#define RS_STATUS_TEXT(name, text) text,
        RS_STATUS_MAP(RS_STATUS_TEXT)
#undef RS_STATUS_TEXT
    };
    return (unsigned)code < RS_STATUS_COUNT ? texts[code] : "unknown status";
}
