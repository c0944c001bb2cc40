/* http_target.h - the target of a request, taken apart: "/v1/cases/a%2Fb?x=1".
 *
 * A path is split at its slashes first and decoded then, segment by segment, so "%2F" is
 * part of a name and never a way into another folder. Nothing is normalised: "." and ".."
 * as segments, spelt any way, are refused (400), an empty segment matches no route. Segments
 * are only ever compared with route patterns or looked up in the catalog; none becomes a
 * file's name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_HTTP_TARGET_H
#define RS_SERVER_HTTP_TARGET_H

#include "base/arena.h"

#include <stddef.h>

enum { RS_TARGET_SEGMENTS = 8, RS_TARGET_PARAMS = 32 };

typedef struct {
    const char *name, *value;      /* decoded; '+' is a blank */
} rs_http_param;

typedef struct {
    const char *path;              /* as asked for, without the query */
    const char *segment[RS_TARGET_SEGMENTS];  size_t n_segments;     /* decoded; none for "/" */
    rs_http_param    param[RS_TARGET_PARAMS];      size_t n_params;
} rs_target;

/* 0, or the status to refuse with and a sentence in *why (400, 404; 503: no memory).
 * Everything in *t lives in `mem`. */
int rs_target_parse(rs_target *t, const char *target, rs_arena *mem, const char **why);

/* The value of the first parameter of that name, or NULL. */
const char *rs_target_param(const rs_target *t, const char *name);

#endif
