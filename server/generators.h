/* generators.h - which generators there are, and which one writes for which template.
 *
 * A file of JSON, named by the setting `generators`:
 *
 *   {"generators": {
 *      "big":   {"url": "http://127.0.0.1:8000/v1", "model": "medgemma-27b",
 *                "api_key_env": "BIG_KEY", "images": true, "context_tokens": 32768},
 *      "small": {"url": "http://127.0.0.1:8001/v1", "model": "qwen-4b", "json_schema": true}},
 *    "templates": {
 *      "*":            {"draft": "big", "check": "small"},
 *      "report-draft": {"draft": "built-in"}}}
 *
 * "built-in" is the extractive generator (extract.h): it drafts where nothing else is named.
 * "check" is a generator that reads a draft's statements against what they cite, behind
 * check.h; none where it is not named. Only these URLs are ever contacted: http and https,
 * to the host named, without redirects and without a proxy that is not named here.
 *
 * Read once, then immutable: any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_GENERATORS_H
#define RS_SERVER_GENERATORS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct rs_generators rs_generators;

enum { RS_GENERATORS_MAX = 64 };   /* in one file */

/* The numbers of a generator.
 *   name            default    min   max        meaning */
#define RS_GENERATOR_NUMBERS(X)                                                              \
    X(context_tokens,  8192,    512,  10000000)  /* prompt and answer together          */   \
    X(max_tokens,      1024,    16,   1000000)   /* of an answer                        */   \
    X(connect_ms,      5000,    1,    3600000)                                               \
    X(idle_ms,         60000,   1,    3600000)   /* without a byte                      */   \
    X(total_ms,        300000,  1,    3600000)   /* of an answer, its retries included  */   \
    X(retries,         5,       0,    20)        /* on refusal and 503, with back-off   */   \
    X(backoff_ms,      250,     1,    60000)     /* before the first, then doubled      */

typedef struct {
    const char *name;
    const char *url;               /* ".../v1/chat/completions" */
    const char *model;             /* "" for whatever the server has */
    const char *key;               /* bearer token; NULL for none. Not to be logged */
    const char *proxy;             /* NULL for none */
    bool   images;                 /* it sees */
    bool   json_schema;            /* it takes response_format: json_schema */
    double temperature;            /* 0 */
#define RS_GENERATOR_NUMBER(name, fallback, min, max) long long name;
    RS_GENERATOR_NUMBERS(RS_GENERATOR_NUMBER)
#undef RS_GENERATOR_NUMBER
} rs_generator;

typedef struct {
    const rs_generator *draft;     /* NULL: built in */
    const rs_generator *check;     /* NULL: none */
} rs_generator_route;

/* RS_ENOENT, RS_EIO; RS_ECORRUPT names what is wrong in it; RS_ENOMEM. Keys are read from
 * api_key_env's variable or the first line of api_key_file's file. */
rs_status rs_generators_load(rs_generators **out, const char *path, rs_err *err);
/* The same of a text; `what` names it in messages. */
rs_status rs_generators_read(rs_generators **out, const char *text, size_t len, const char *what,
                             rs_err *err);
void      rs_generators_free(rs_generators *g);                  /* NULL is fine */

size_t    rs_generators_count(const rs_generators *g);           /* of NULL: 0 */
const rs_generator *rs_generators_at(const rs_generators *g, size_t i);
/* NULL where there is none of that name; `g` may be NULL. */
const rs_generator *rs_generators_find(const rs_generators *g, const char *name);
/* For a template, by its own row, else that of "*", else what is built in. `g` may be NULL. */
rs_generator_route rs_generators_route(const rs_generators *g, const char *template);

#endif
