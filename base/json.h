/* json.h - jansson with bounds and with errors that name the file and the field.
 *
 * Wanted fields are read with rs_json_* getters: an absent or mistyped one gives
 * "config.json: vision_config.hidden_size: wanted an integer, found a string".
 * jansson's nesting limit (2048) stands; sizes are bounded here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_JSON_H
#define RS_BASE_JSON_H

#include "base/arena.h"
#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Parse a file of at most `max` bytes. On RS_OK the caller json_decref()s *out.
 * RS_ECORRUPT names line and column. Duplicate keys are refused. */
rs_status rs_json_load(json_t **out, const char *path, size_t max, rs_err *err);
/* The same of bytes in memory; `what` names them in messages. */
rs_status rs_json_parse(json_t **out, const char *text, size_t len, const char *what, rs_err *err);
/* Compact text, keys in insertion order, reals as the shortest text that is read as the
 * same number (0.1, not 0.10000000000000001); caller rs_free()s; NULL on OOM. */
char *rs_json_text(const json_t *v);
/* The same in `mem`, and the value is let go; NULL for NULL or on OOM. */
const char *rs_json_keep(json_t *v, rs_arena *mem);
/* A JSON string of any bytes ('?' for what is not UTF-8); null for NULL. Never NULL. */
json_t *rs_json_any(const char *text);

/* Where a field is looked up and how it is named in a message. */
typedef struct {
    const json_t *object;      /* may be NULL: every field is then absent */
    const char *where;         /* "config.json: vision_config" */
} rs_json_at;

/* The field's value, or `fallback` where it is absent or null. A value of another
 * type or outside [min, max] fails with RS_ECORRUPT and leaves *out alone. */
rs_status rs_json_int(rs_json_at at, const char *key, long long min, long long max,
                      long long fallback, long long *out, rs_err *err);
rs_status rs_json_real(rs_json_at at, const char *key, double min, double max,
                       double fallback, double *out, rs_err *err);
rs_status rs_json_bool(rs_json_at at, const char *key, bool fallback, bool *out, rs_err *err);
/* Borrowed from the document. */
rs_status rs_json_str(rs_json_at at, const char *key, const char *fallback,
                      const char **out, rs_err *err);
/* RS_ECORRUPT where `key` is absent: for fields that must be there. */
rs_status rs_json_need(rs_json_at at, const char *key, rs_err *err);

#endif
