/* multipart.h - a form with files in it: multipart/form-data (RFC 7578) of a whole body.
 * Parts are views into the body; at most RS_MULTIPART_MAX of them. Content-Transfer-Encoding
 * is refused (as RFC 7578 has it), and so is text before the first or after the last
 * boundary.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_MULTIPART_H
#define RS_SERVER_MULTIPART_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>

enum { RS_MULTIPART_MAX = 80 };

typedef struct {
    const char *name;              /* of the field; in the arena */
    const char *filename;          /* or NULL; only ever a label, never a path */
    const char *type;              /* or NULL */
    const char *bytes;  size_t len;      /* in the body; not NUL-terminated */
} rs_part;

/* `type`: the request's Content-Type. RS_EARG says what is wrong, RS_ENOMEM. */
rs_status rs_multipart_parse(const char *type, const char *body, size_t len, rs_arena *mem,
                             rs_part **parts, size_t *n, rs_err *err);

/* Base64 (RFC 4648, section 4), with its padding, without line ends: into `mem`.
 * RS_EARG where it is none, RS_ENOMEM. */
rs_status rs_base64_decode(const char *text, rs_arena *mem, unsigned char **bytes, size_t *len,
                           rs_err *err);

#endif
