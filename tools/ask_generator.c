/* ask_generator.c - see ask_generator.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ask_generator.h"

#include "base/bytes.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- Which one ----------------------------------------------------------- */

static rs_status choose(const rs_cli_generator *g, rs_ask *k, rs_err *err)
{
    const char *name = rs_cli_value(g->c, "generator", NULL);
    char names[160] = "built-in";

    k->route = rs_generators_route(g->all, rs_prompt_name(k->request.template));
    if (!name)
        return RS_OK;
    k->route.draft = rs_generators_find(g->all, name);
    if (k->route.draft || strcmp(name, "built-in") == 0)
        return RS_OK;
    for (size_t i = 0; i < rs_generators_count(g->all); i++) {
        const size_t len = strlen(names);
        snprintf(names + len, sizeof names - len, ", %s", rs_generators_at(g->all, i)->name);
    }
    return rs_fail(err, RS_EARG, "--generator: there is no '%.40s'; there are: %s", name, names);
}

/* The files that are asked with, for a generator that sees. */
static rs_status take_pictures(const rs_cli_generator *g, rs_ask *k, rs_err *err)
{
    rs_search_request *s = &k->request.search;
    size_t n;
    const char *const *files = rs_cli_values(g->c, "image", &n);

    for (size_t i = 0; i < n && i < RS_SEARCH_PICTURES; i++) {
        char *bytes = NULL, *kept;
        size_t len;
        rs_status st = rs_file_read(&bytes, &len, files[i], RS_CHAT_IMAGE_BYTES, err);
        if (st == RS_ELIMIT)                   /* found with, but too large to be sent */
            continue;
        if (st != RS_OK)
            return st;
        kept = rs_arena_alloc(rs_cli_arena(g->c), len + 1, 1);
        if (kept) {
            memcpy(kept, bytes, len);
            s->pictures[s->n_pictures].bytes = kept;
            s->pictures[s->n_pictures++].len = len;
        }
        rs_free(bytes);
        if (!kept)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", files[i]);
    }
    return RS_OK;
}

rs_status rs_cli_generator_open(rs_cli_generator *g, rs_cli *c, rs_archive *a, const rs_query *q,
                                rs_ask *k, rs_err *err)
{
    const char *file = rs_cli_value(c, "generators", NULL);
    rs_status st;

    *g = (rs_cli_generator){.c = c, .service = {.encoder = q->encoder}};
    g->worker = (rs_worker){.service = &g->service, .archive = a};
    k->request.search.query = *q;
    k->request.learner = rs_cli_value(c, "learner", NULL);
    k->request.policy = rs_cli_flag(c, "withhold") ? RS_CHECK_WITHHOLD : RS_CHECK_MARK;
    k->request.images = true;
    if (rs_cli_value(c, "answer", NULL))       /* nobody else is asked */
        return RS_OK;
    if (!file)
        file = getenv("RADSCOUT_GENERATORS");
    if (file && *file && (st = rs_generators_load(&g->all, file, err)) != RS_OK)
        return st;
    g->service.generators = g->all;
    if ((st = choose(g, k, err)) != RS_OK)
        return st;
    g->name = k->route.draft ? k->route.draft->name : "built-in";
    return k->route.draft && k->route.draft->images ? take_pictures(g, k, err) : RS_OK;
}

void rs_cli_generator_close(rs_cli_generator *g)
{
    rs_generators_free(g->all);
    g->all = NULL;
}

/* ---- The draft ------------------------------------------------------------ */

static void on_piece(void *ctx, const char *text, bool reasoning)
{
    rs_cli_generator *g = ctx;

    if (!g->begun) {
        fprintf(stderr, "Draft of ");
        rs_put_safe(stderr, g->name, false);
        fprintf(stderr, ", not checked yet\n");
    }
    if (reasoning && !g->thinking)
        fprintf(stderr, "%s(reasoning) ", g->begun ? "\n" : "");
    else if (!reasoning && g->thinking)
        fprintf(stderr, "\n(answer) ");
    g->begun = true;
    g->thinking = reasoning;
    rs_put_safe(stderr, text, true);
    fflush(stderr);
}

rs_status rs_cli_generator_write(rs_cli_generator *g, rs_ask *k, rs_err *err)
{
    rs_status st;

    g->wait = (rs_ask_wait){.on_piece = rs_cli_flag(g->c, "json") ? NULL : on_piece, .ctx = g};
    rs_log_set_level(RS_LOG_ERROR);            /* of a problem a sentence is enough here */
    st = rs_ask_write(k, &g->worker, &g->wait, rs_cli_arena(g->c), err);
    if (g->begun)
        fprintf(stderr, "\n\n");
    if (st == RS_OK && *g->wait.problem) {
        fprintf(stderr, "radscout ask: ");
        rs_put_safe(stderr, g->name, false);
        fprintf(stderr, ": ");
        rs_put_safe(stderr, g->wait.problem, false);
        fprintf(stderr, "; the built-in generator answers\n");
    }
    return st;
}
