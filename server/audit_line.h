/* audit_line.h - one line of an audit log as bytes: made, and checked; see audit_log.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_AUDIT_LINE_H
#define RS_SERVER_AUDIT_LINE_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"

/* The "prev" of the very first line. */
extern const char rs_audit_nothing[RS_SHA256_HEX];

/* `o` (released; NULL counts as no memory) as a line in the empty `out`, with its newline, and
 * its hash. */
rs_status rs_audit_line_make(json_t *o, rs_buf *out, char hash[RS_SHA256_HEX], rs_err *err);
/* Check line[0, n), without its newline, against its own hash. On RS_OK the caller
 * json_decref()s *out. RS_ECORRUPT in `where`. */
rs_status rs_audit_line_read(const char *line, size_t n, const char *where, json_t **out,
                             char hash[RS_SHA256_HEX], rs_err *err);

#endif
