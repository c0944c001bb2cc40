/* api_similar.c - GET /v1/cases/{key}/similar?k=&depth=&filter=&image=: a search with the case,
 * or one of its images, as what is looked for. The answer is a search's.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/api.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/search_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMAGE = 999999 };                   /* as in an image's URL */

/* A whole number of [min, max]; false after having answered what is wrong. */
static bool read_number(rs_exchange *x, const rs_http_param *p, size_t min, size_t max, size_t *out)
{
    const size_t n = strspn(p->value, "0123456789");
    char detail[96];

    *out = n && n <= 9 && !p->value[n] ? strtoul(p->value, NULL, 10) : max + 1;
    if (*out >= min && *out <= max)
        return true;
    snprintf(detail, sizeof detail, "%s: wanted a whole number from %zu to %zu.", p->name, min,
             max);
    rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, p->name, detail);
    return false;
}

/* Each parameter once. false after having answered what is wrong. */
static bool read_parameters(rs_exchange *x, rs_query *q)
{
    rs_query_part *part = &q->parts[0];
    bool seen[4] = {false};

    for (size_t i = 0; i < x->target.n_params; i++) {
        static const char *const names[] = {"k", "depth", "image", "filter"};
        const rs_http_param *p = &x->target.param[i];
        size_t which = 0;
        bool good = true;
        while (which < 4 && strcmp(p->name, names[which]) != 0)
            which++;
        if (which == 4 || seen[which]) {
            rs_problem_reply(&x->reply, RS_PROBLEM_FIELD, p->name, "Similar cases are asked for "
                             "with k, depth, filter and image, each once.");
            return false;
        }
        seen[which] = true;
        if (which == 0)
            good = read_number(x, p, 1, RS_SEARCH_MAX_K, &q->k);
        else if (which == 1)
            good = read_number(x, p, 1, RS_SEARCH_MAX_DEPTH, &q->depth);
        else if (which == 2)
            good = read_number(x, p, 0, MAX_IMAGE, &part->like_image);
        else
            q->filter = p->value;
        if (!good)
            return false;
        part->like_image += which == 2;        /* the engine counts from 1 */
    }
    if (q->depth < 2 * q->k)
        q->depth = 2 * q->k;
    return true;
}

void rs_api_similar(rs_exchange *x, rs_worker *w)
{
    rs_query *q = rs_calloc(1, sizeof *q);
    const double begin = rs_now_s();
    rs_err err = {0};
    rs_result r;

    if (!q) {
        err.code = RS_ENOMEM;
        rs_problem_err_reply(&x->reply, &err);
        return;
    }
    *q = rs_query_default();
    rs_query_add(q)->like = x->arg[0];
    if (read_parameters(x, q)) {
        rs_exchange_query(x, w, q);
        x->asked = rs_api_asked(&x->mem, q);
        if (rs_search(w->archive, q, &x->mem, &r, &err) == RS_OK)
            rs_api_result(x, w, q, false, &r, rs_now_s() - begin);
        else
            rs_api_fail(x, w, &err);
    }
    rs_free(q);
}
