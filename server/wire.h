/* wire.h - hits, cases and counts as JSON: one shape for the HTTP API and for --json of the
 * commands, which tests hold key by key.
 *
 * The command line names an image by its file's path, the API by the URL that serves it:
 * that is what `image` is for. Functions return NULL on OOM.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_WIRE_H
#define RS_SERVER_WIRE_H

#include "base/json.h"
#include "engine/archive.h"
#include "engine/facets.h"
#include "engine/judgments.h"
#include "engine/query.h"
#include "engine/report.h"

typedef struct {
    bool explain;                  /* by what each probe found a hit */
    bool contrast;                 /* say that there is none, too */
    bool facts;                    /* of a hit's case: modality, findings ... */
    /* What to call image `path` of case `key`; NULL: its path. May return NULL. */
    const char *(*image)(void *ctx, const char *key, const char *path);
    const char *thumbnail;         /* behind that, the URL of its thumbnail; NULL: it has none */
    void *ctx;
} rs_wire;

json_t *rs_wire_hits(const rs_result *r, const rs_wire *w);              /* a list */
json_t *rs_wire_box(const double box[4]);                            /* [x0, y0, x1, y1] */
json_t *rs_wire_case(const rs_case *c, const rs_mention *m, size_t n, const rs_wire *w);
/* `local`: with what names files of this machine, the encoder's folder and the problems. */
json_t *rs_wire_stats(const rs_stats *s, const rs_problem *p, size_t n, bool local);
json_t *rs_wire_facets(const rs_facet_report *r);
json_t *rs_wire_erasure(const rs_erasure *e);
json_t *rs_wire_judgment(const rs_judgment *j);

#endif
