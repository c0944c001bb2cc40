/* case_request.h - a case that is sent: a form, or a JSON document for one of words only.
 *
 *   part "case"     one, a JSON object with the fields of a manifest's row (indexer/source.h)
 *   part "image"    any number up to RS_CASE_IMAGES, PNG or JPEG files, in the case's order;
 *                   a list as its "view" gives one to each
 *
 * Files only ever come as parts: an "image" or "images" in the document is refused, as is a
 * field of a type that is not read. A case's key is that of the address it is put to, else its
 * case_id or id, else made of what was sent, so that the same again has the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_CASE_REQUEST_H
#define RS_SERVER_CASE_REQUEST_H

#include "base/hash.h"
#include "indexer/one.h"
#include "server/http_request.h"

#include <stdbool.h>

enum {
    RS_CASE_IMAGES = 64, RS_CASE_PIXELS = 512 * 1000 * 1000,       /* of all of them */
    RS_CASE_JSON_BYTES = 1 << 20, RS_CASE_JSON_VALUES = 10000, RS_CASE_JSON_DEPTH = 32,
    RS_CASE_REPEAT_KEY = 255           /* characters of an Idempotency-Key */
};

typedef struct {
    rs_source_case from;               /* for rs_one_put */
    char        sha256[RS_SHA256_HEX]; /* of method, key and parts: what an Idempotency-Key holds */
    const char *repeat_key;            /* Idempotency-Key, or NULL */
    size_t      pixels;                /* that the images' heads claim */
    json_t     *document;              /* owned */
    char        field[96];             /* that an error is about; "" for none */
} rs_case_request;

/* `key`: of the address, or NULL. Everything but the document is in `mem` or the request's body.
 * Of images only the heads are read. RS_EARG, and RS_ECORRUPT for JSON that is none: the
 * request's own fault; RS_ENOMEM. Clear it in any case. */
rs_status rs_case_request_read(rs_case_request *c, const rs_http_request *r, const char *key,
                               rs_arena *mem, rs_err *err);
void      rs_case_request_clear(rs_case_request *c);

#endif
