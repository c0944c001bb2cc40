/* source_int.h - what the kinds of source share inside this room.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_INDEXER_SOURCE_INT_H
#define RS_INDEXER_SOURCE_INT_H

#include "base/bytes.h"
#include "base/json.h"
#include "indexer/source.h"

/* One kind: how many cases, and the i-th. */
typedef struct {
    size_t    (*count)(const void *self);
    rs_status (*get)(void *self, size_t i, rs_arena *mem, rs_source_case *out, rs_err *err);
    void      (*close)(void *self);
} rs_source_kind;

extern const rs_source_kind rs_source_manifest, rs_source_folder;

/* `path` is absolute; CSV and TSV are told by `delimiter` (',' or '\t'), JSON lines by 0. */
rs_status rs_manifest_open(void **out, const char *path, char delimiter, rs_err *err);
rs_status rs_folder_open(void **out, const char *path, rs_err *err);

/* The case that `rows` (JSON objects of one case, in order) describe. `base` is the
 * folder that image paths are relative to; `item` and `row_key` name it. */
rs_status rs_rows_to_case(json_t *const *rows, size_t n, const char *base, const char *item,
                          const char *row_key, rs_arena *mem, rs_source_case *out, rs_err *err);

/* Where the CSV record that starts at text[at] ends: the first line end outside quotes (or
 * `len`). A quote opens only at the start of a field, so 5" is no quote; one that is never
 * closed does not swallow the rest of the file: its record ends with its line. */
size_t rs_csv_end(const char *text, size_t len, size_t at, char delimiter);

/* A CSV record starting at text[*at]: *n fields in `mem`, *at moved past its line end.
 * RFC 4180: quotes, doubled quotes, line ends inside quotes. false on a quote that is
 * never closed or on out-of-memory (*fields NULL). */
bool rs_csv_record(const char *text, size_t len, size_t *at, char delimiter, rs_arena *mem,
                   char ***fields, size_t *n);

#endif
