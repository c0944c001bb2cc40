/* hash.h - SHA-256 by libcrypto, for content addresses and identities; a quick one for tables.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_HASH_H
#define RS_BASE_HASH_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { RS_SHA256_HEX = 65 };                  /* 64 hex digits and the NUL */

typedef struct rs_sha256 rs_sha256;

rs_sha256 *rs_sha256_new(void);               /* NULL on OOM */
void rs_sha256_add(rs_sha256 *h, const void *bytes, size_t n);
/* Writes the hex digest and frees `h`. */
void rs_sha256_end(rs_sha256 *h, char hex[RS_SHA256_HEX]);

rs_status rs_sha256_of(char hex[RS_SHA256_HEX], const void *bytes, size_t n, rs_err *err);
/* FNV-1a, 64 bits, of a text: for tables, where equal hashes are compared. */
uint64_t  rs_hash_text(const char *text);
rs_status rs_sha256_file(char hex[RS_SHA256_HEX], const char *path, rs_err *err);

#endif
