/* audit_line.c - see audit_line.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/audit_line.h"

#include "base/alloc.h"

#include <string.h>

#define BEFORE_HASH ",\"hash\":\""
#define AFTER_HASH  "\"}"
enum { TAIL = sizeof BEFORE_HASH - 1 + 64 + sizeof AFTER_HASH - 1 };

const char rs_audit_nothing[RS_SHA256_HEX] =
    "0000000000000000000000000000000000000000000000000000000000000000";

rs_status rs_audit_line_make(json_t *o, rs_buf *out, char hash[RS_SHA256_HEX], rs_err *err)
{
    char *text = o ? rs_json_text(o) : NULL;
    size_t n;
    rs_status st;

    json_decref(o);
    if (!text)
        return rs_fail(err, RS_ENOMEM, "audit log: no memory");
    n = strlen(text) - 1;                          /* without the bracket that closes it */
    st = rs_sha256_of(hash, text, n, err);
    if (st == RS_OK) {
        rs_buf_append(out, text, n);
        rs_buf_printf(out, BEFORE_HASH "%s" AFTER_HASH "\n", hash);
        if (out->failed)
            st = rs_fail(err, RS_ENOMEM, "audit log: no memory");
    }
    rs_free(text);
    return st;
}

rs_status rs_audit_line_read(const char *line, size_t n, const char *where, json_t **out,
                             char hash[RS_SHA256_HEX], rs_err *err)
{
    const char *tail = line + n - TAIL, *said = tail + sizeof BEFORE_HASH - 1;
    rs_status st;

    *out = NULL;
    if (n <= TAIL || memcmp(tail, BEFORE_HASH, sizeof BEFORE_HASH - 1) != 0 ||
        memcmp(said + 64, AFTER_HASH, sizeof AFTER_HASH - 1) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: it does not end with a hash", where);
    if ((st = rs_sha256_of(hash, line, n - TAIL, err)) != RS_OK)
        return st;
    if (memcmp(hash, said, 64) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: its bytes are not those that its hash was made of",
                       where);
    return rs_json_parse(out, line, n, where, err);
}
