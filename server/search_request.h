/* search_request.h - what POST /v1/search asks for: a JSON document, or a form whose part
 * "query" is one and whose parts "image", "not_image", "text" are more of it.
 *
 *   {"text": "left pleural effusion", "filter": "modality:CR age:40..", "k": 5}
 *   {"parts": [{"image": "<base64>", "box": [0.1, 0.2, 0.5, 0.6]},
 *              {"text": "pneumothorax", "weight": -0.5}], "fusion": "minmax", "explain": true}
 *
 * Read strictly: an unknown field, a value of another type or outside its range is a problem
 * that names the field. openapi.json is the whole list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SEARCH_REQUEST_H
#define RS_SERVER_SEARCH_REQUEST_H

#include "base/arena.h"
#include "base/json.h"
#include "engine/query.h"
#include "server/http_request.h"

enum {
    RS_SEARCH_PICTURES = 3,
    RS_SEARCH_MAX_K = 1000, RS_SEARCH_MAX_DEPTH = 10000, RS_SEARCH_MAX_TEXT = 64 << 10,
    RS_SEARCH_MAX_VALUES = 100000    /* of a document, about: each costs some 50 bytes */
};

typedef struct {
    rs_query    query;
    bool        explain;
    double      deadline_s;        /* 0: the server's own */
    json_t     *document;          /* owned: the query's texts are in it */
    rs_image    images[RS_QUERY_MAX_PARTS];  size_t n_images;    /* owned: those with boxes */
    struct { const char *bytes; size_t len; } pictures[RS_SEARCH_PICTURES];
    size_t      n_pictures;        /* the first files wanted, as they came, borrowed */
    char        field[96];         /* that an error is about; "" for none */
} rs_search_request;

/* Read it. Images are decoded and preprocessed for `encoder` (NULL: RS_EARG where there is
 * one), those with boxes of RS_IMAGE_MAX_PIXELS together. RS_EARG, and RS_ECORRUPT for JSON that
 * is none: the request's own fault; RS_EFORMAT: an image that cannot be read; RS_ECANCEL: it is
 * past `until_s` (rs_now_s); RS_ENOMEM. Clear it in any case. */
rs_status rs_search_request_read(rs_search_request *s, const rs_http_request *r,
                                 const rs_encoder *encoder, double until_s, rs_arena *mem,
                                 rs_err *err);
/* A field that a search has not, but what is asked beside it (ask_request.h): RS_ENOENT where
 * it is unknown there too. The value is borrowed until the search is cleared. */
typedef rs_status rs_search_other(void *ctx, const char *field, const json_t *v, rs_err *err);
rs_status rs_search_request_read_with(rs_search_request *s, const rs_http_request *r,
                                      const rs_encoder *encoder, double until_s,
                                      rs_search_other *other, void *ctx, rs_arena *mem,
                                      rs_err *err);
void rs_search_request_clear(rs_search_request *s);

#endif
