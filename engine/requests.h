/* requests.h - requests that changed something and were answered, so that the same one sent
 * again is answered again and not done again (draft-ietf-httpapi-idempotency-key-header-06).
 *
 * A request is known by the key that its sender gave it, and by who sent it. What it was is
 * told by a digest: the same key with something else in it is a mistake of the sender's. The
 * answer is written in the transaction of what the request did: either both are there or
 * neither. RS_REQUESTS_S after that it may be forgotten; it is, when another one is kept.
 *
 * A request goes with its case: where that is erased, its answer, which names it, is too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_REQUESTS_H
#define RS_ENGINE_REQUESTS_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/archive.h"

#include <stdint.h>

enum { RS_REQUESTS_S = 24 * 3600 };

typedef struct {
    const char *who;               /* "" for anybody */
    const char *key;
    const char *sha256;            /* of what was asked, 64 hex digits */
    const char *case_key;          /* that it changed; may be NULL */
    int         status;            /* of the answer, and its text */
    const char *answer;
    int64_t     at;                /* Unix seconds */
} rs_request;

/* The request of that key that was answered since `now` - RS_REQUESTS_S, in `mem`; *out is NULL
 * where there is none. */
rs_status rs_requests_find(rs_archive *a, const char *who, const char *key, int64_t now,
                           rs_arena *mem, const rs_request **out, rs_err *err);
/* (batch) Keep it, instead of one of that key that is too old to be found, and forget what
 * is older than RS_REQUESTS_S at r->at. */
rs_status rs_requests_keep(rs_archive *a, const rs_request *r, rs_err *err);

#endif
