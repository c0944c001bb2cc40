/* bytes.h - bytes in memory and in files: a growable buffer, a bounded reader,
 * whole-file reads with a cap, read-only maps, atomic writes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_BYTES_H
#define RS_BASE_BYTES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Growable buffer ------------------------------------------------- */

/* {0} is a valid empty buffer. After a failed append `failed` is set, later
 * appends do nothing: check once at the end. Always NUL-terminated once used. */
typedef struct {
    char  *data;
    size_t len, cap;
    bool   failed;
} rs_buf;

bool  rs_buf_reserve(rs_buf *b, size_t extra);
void  rs_buf_append(rs_buf *b, const void *bytes, size_t n);
void  rs_buf_puts(rs_buf *b, const char *s);
void  rs_buf_putc(rs_buf *b, char c);
void  rs_buf_printf(rs_buf *b, const char *fmt, ...) RS_PRINTF(2, 3);
char *rs_buf_take(rs_buf *b);     /* ownership moves (rs_free); NULL if failed; "" if empty */
void  rs_buf_clear(rs_buf *b);

/* ---- Bounded reader -------------------------------------------------- */

/* Reads little-endian values from p[0..len); a read past the end sets `failed`,
 * returns 0 and moves nothing. Borrowed memory. */
typedef struct {
    const uint8_t *p;
    size_t len, at;
    bool   failed;
} rs_reader;

uint8_t        rs_read_u8(rs_reader *r);
uint16_t       rs_read_u16le(rs_reader *r);
uint32_t       rs_read_u32le(rs_reader *r);
uint64_t       rs_read_u64le(rs_reader *r);
const uint8_t *rs_read_bytes(rs_reader *r, size_t n);   /* NULL past the end */

/* a * b and a + b for sizes from outside; false (and *out untouched) on overflow. */
bool rs_mul_size(size_t *out, size_t a, size_t b);
bool rs_add_size(size_t *out, size_t a, size_t b);

/* ---- Text ------------------------------------------------------------ */

/* Length of the UTF-8 sequence at s (n bytes left), 0 if it is not one: overlong
 * forms, surrogates and code points past U+10FFFF are not (RFC 3629, section 4). */
size_t rs_utf8_length(const unsigned char *s, size_t n);

/* ---- Files ----------------------------------------------------------- */

/* The whole of a regular file of at most `max` bytes, NUL-terminated (the NUL is
 * not counted). On RS_OK the caller rs_free()s *data. RS_ENOENT, RS_EIO,
 * RS_ELIMIT when larger, RS_ENOMEM. */
rs_status rs_file_read(char **data, size_t *len, const char *path, size_t max, rs_err *err);

/* Write via a temporary file in the same folder, fsync, rename: after a crash
 * the old file or the new one is there, whole. */
rs_status rs_file_write(const char *path, const void *data, size_t len, rs_err *err);

/* A read-only map. An empty file gives data NULL, len 0. */
typedef struct {
    const uint8_t *data;
    size_t len;
} rs_map;

rs_status rs_map_open(rs_map *m, const char *path, rs_err *err);
void      rs_map_close(rs_map *m);

/* mkdir -p; an existing folder is fine. */
rs_status rs_mkdirs(const char *path, rs_err *err);
bool      rs_file_exists(const char *path);
bool      rs_is_folder(const char *path);
/* "a/b" from ("a", "b"); `name` alone when it is absolute or `dir` is NULL/"".
 * Caller rs_free()s; NULL on OOM. */
char     *rs_path_join(const char *dir, const char *name);

#endif
