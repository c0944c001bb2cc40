/* cmd_serve.c - radscout serve ARCHIVE [--port N] ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/log.h"
#include "commands.h"
#include "lexicon_folder.h"
#include "model.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *flag(const void *ctx, const char *name)
{
    return rs_cli_value(ctx, name, NULL);
}

static rs_status load_config(const rs_cli *c, rs_config *config, rs_err *err)
{
    const char *file = rs_cli_value(c, "config", NULL);

    if (!file)
        file = getenv("RADSCOUT_CONFIG");
    return rs_config_load(config, file, flag, c, err);
}

static rs_status reload(void *ctx, rs_config *config, rs_err *err)
{
    rs_config new;
    rs_status st = load_config(ctx, &new, err);

    if (st == RS_OK)
        *config = new;
    return st;
}

static rs_status open_log(const rs_config *config, rs_err *err)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (int i = 0; i < 4; i++)
        if (strcmp(config->log_level, names[i]) == 0)
            rs_log_set_level((rs_log_level)i);
    return *config->log ? rs_log_open(config->log, err) : RS_OK;
}

/* The encoder and the lexicon that the archive's workers share, and `kept_mb` of renditions. */
static rs_status open_service(rs_cli *c, rs_service *s, long long kept_mb, rs_encoder **e,
                              rs_err *err)
{
    rs_archive *a = NULL;
    rs_status st;

    if ((st = rs_cli_archive(&a, rs_cli_arg(c, 0), err)) != RS_OK ||
        (st = rs_cli_lexicon(c, a, err)) != RS_OK ||
        (st = rs_model_open(e, c, a, NULL, err)) != RS_OK ||
        (st = rs_digests_new(&s->digests, err)) != RS_OK ||
        (st = rs_renditions_new(&s->renditions, rs_cli_arg(c, 0), (uint64_t)kept_mb << 20, err)) !=
            RS_OK ||
        (*e && (st = rs_text_vectors_new(&s->texts, *e, err)) != RS_OK))
        goto done;
    s->archive = rs_cli_arg(c, 0);
    if (rs_lexicon_wanted(c) &&
        !(s->lexicon = rs_arena_strdup(rs_cli_arena(c), rs_lexicon_wanted(c))))
        st = rs_fail(err, RS_ENOMEM, "no memory for the lexicon's name");
    s->encoder = *e;
done:
    rs_archive_close(a);
    return st;
}

/* Templates and generators that are not built in. */
static rs_status open_generators(rs_cli *c, rs_server_plan *plan, rs_generators **g, rs_err *err)
{
    const rs_config *config = &plan->config;
    const char *folder = *config->prompts ? config->prompts : rs_data_folder("prompts");
    rs_status st = RS_OK;

    if (folder && !(plan->service.prompts = rs_arena_strdup(rs_cli_arena(c), folder)))
        return rs_fail(err, RS_ENOMEM, "no memory for the templates' folder");
    if (*config->generators)
        st = rs_generators_load(g, config->generators, err);
    plan->service.generators = *g;
    return st;
}

static rs_status serve(rs_cli *c, rs_server_plan *plan, rs_err *err)
{
    rs_server *s = NULL;
    rs_encoder *e = NULL;
    rs_generators *g = NULL;
    char url[128];
    rs_status st;

    if ((st = open_log(&plan->config, err)) != RS_OK ||
        (st = open_generators(c, plan, &g, err)) != RS_OK ||
        (st = open_service(c, &plan->service, plan->config.renditions_mb, &e, err)) != RS_OK ||
        (st = rs_server_new(&s, plan, err)) != RS_OK)
        goto done;
    snprintf(url, sizeof url, strchr(plan->config.bind, ':') ? "%s://[%s]:%d/" : "%s://%s:%d/",
             *plan->config.tls_cert ? "https" : "http", plan->config.bind, rs_server_port(s));
    printf("%s\n", url);
    fflush(stdout);
    rs_log_event(RS_LOG_INFO, "serving", "url", url, "archive", plan->service.archive, "model",
                 rs_encoder_name(e), (const char *)NULL);
    st = rs_server_run(s, err);
done:
    rs_server_free(s);
    rs_digests_free(plan->service.digests);
    rs_renditions_free(plan->service.renditions);
    rs_text_vectors_free(plan->service.texts);
    rs_generators_free(g);
    rs_encoder_close(e);
    rs_log_close();
    return st;
}

static int run(rs_cli *c)
{
    rs_server_plan plan = {.signals = true, .reload = reload, .ctx = c};
    rs_generators *g = NULL;
    rs_precision precision;
    rs_err err = {0};
    char *text;
    rs_status st;

    if (!rs_model_precision(&precision, c))
        return RS_EXIT_USAGE;
    st = load_config(c, &plan.config, &err);
    if (st == RS_EARG)
        return rs_cli_usage(c, "%s", err.msg);
    if (st == RS_OK && rs_cli_flag(c, "check")) {
        rs_archive *a;
        if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK)
            return rs_cli_fail(c, &err);
        rs_archive_close(a);
        if (*plan.config.generators &&
            rs_generators_load(&g, plan.config.generators, &err) != RS_OK)
            return rs_cli_fail(c, &err);
        rs_generators_free(g);
        text = rs_config_text(&plan.config);
        printf("%s\n", text ? text : "no memory");
        rs_free(text);
        return text ? RS_EXIT_OK : RS_EXIT_FAILED;
    }
    if (st == RS_OK)
        st = serve(c, &plan, &err);
    return st == RS_OK ? RS_EXIT_OK : rs_cli_fail(c, &err);
}

static const rs_option options[] = {
    {"config", 0, "FILE", "settings as a JSON object (default: $RADSCOUT_CONFIG)"},
    {"check", 0, NULL, "say what the settings are, and whether they are right; serve nothing"},
    {"bind", 0, "ADDRESS", "listen at 127.0.0.1 (default) or another address; one that is not\n"
                           "loopback needs TLS and a token"},
    {"port", 0, "N", "listen at this port (default 8080; 0: one that is free)"},
    {"workers", 0, "N", "threads that search (default: all cores); each reads the archive itself"},
    {"queue", 0, "N", "requests that may wait; more get 503 (default 128)"},
    {"connections", 0, "N", "open at once (default 1024)"},
    {"body-mb", 0, "N", "of a request's body (default 64)"},
    {"together", 0, "N", "waiting texts that are encoded at once (default: what is measured\n"
                         "to pay; 1: never)"},
    {"write-queue", 0, "N", "requests that change the archive and may wait (default 16)"},
    {"renditions-mb", 0, "N", "of thumbnails and the like kept in the archive's folder, 0: none\n"
                              "(default 1024)"},
    {"deadline-ms", 0, "N", "of a request (default 10000)"},
    {"write-deadline-ms", 0, "N", "of one that changes the archive (default 120000)"},
    {"header-ms", 0, "N", "that a request's head may take (default 10000)"},
    {"body-ms", 0, "N", "that a body may stand still (default 30000)"},
    {"idle-ms", 0, "N", "that a connection may wait for a request (default 60000)"},
    {"write-ms", 0, "N", "that a client may read nothing (default 30000)"},
    {"drain-ms", 0, "N", "after SIGTERM, for requests under way (default 20000)"},
    {"generators", 0, "FILE", "generators to answer with, by template (default: the built-in one)"},
    {"prompts", 0, "DIR", "templates of your own, before those that ship (default:\n"
                          "$RADSCOUT_PROMPTS)"},
    {"answers", 0, "N", "that may be with generators at once (default 16)"},
    {"hosts", 0, "NAMES", "what the server may be called besides localhost, with commas"},
    {"log", 0, "FILE", "where to log, a JSON object a line (default: stderr)"},
    {"log-level", 0, "L", "debug, info (default), warn or error"},
    {"access-log", 0, "N", "1: a line for each request that reads the archive (default), 0: none"},
    {"auth", 0, "WHEN", "ask for tokens: auto (default; once there is one), required, or open\n"
                        "(never; on loopback only)"},
    {"tokens", 0, "FILE", "where the tokens are (default: ARCHIVE.tokens, see radscout token add)"},
    {"rate", 0, "N", "requests a second of a token (default 50; 0: any number)"},
    {"burst", 0, "N", "of them at once (default 200)"},
    {"tls-cert", 0, "FILE", "serve HTTPS with this certificate chain, PEM"},
    {"tls-key", 0, "FILE", "and its key"},
    {"audit", 0, "FILE", "where to record who saw what (default: ARCHIVE.audit where tokens are\n"
                         "asked for); none: nowhere"},
    {"audit-text", 0, "HOW", "keep what was asked as a hash (default) or plain"},
    {"audit-mb", 0, "N", "of the audit log's file, then another is begun (default 256)"},
    RS_LEXICON_OPTION,
    RS_MODEL_OPTION,
    RS_PRECISION_OPTION,
    {0},
};

const rs_command rs_command_serve = {
    .name = "serve", .args = "ARCHIVE",
    .summary = "answer searches over HTTP: a JSON API",
    .description =
        "Prints its URL when it listens. GET /v1/openapi.json describes the API: POST /v1/search,\n"
        "/v1/ask, /v1/context; GET /v1/cases/KEY, /v1/images/KEY/N, /v1/stats, /v1/events;\n"
        "/healthz, /readyz, /metrics. Editors add and remove cases: POST /v1/cases, PUT and\n"
        "DELETE /v1/cases/KEY, images sent with them:\n"
        "  curl -F case='{\"case_id\": \"c1\", \"impression\": \"Effusion.\"}' -F image=@c1.png \\\n"
        "       http://localhost:8080/v1/cases\n"
        "\n"
        "It listens on 127.0.0.1 unless told otherwise, and on another machine's reach only with\n"
        "TLS and tokens (radscout token add). It answers only to its own names, so that no web\n"
        "page can reach it by another. Once the archive has a token, every request needs one,\n"
        "sees that token's collections, and is recorded (radscout audit-log verify).\n"
        "\n"
        "/v1/ask answers from the archive with what is built in, or with generators of yours that\n"
        "speak as OpenAI's do (llama.cpp, Ollama, vLLM), named in a file:\n"
        "  {\"generators\": {\"big\": {\"url\": \"http://127.0.0.1:8000/v1\", \"model\": \"m\",\n"
        "                        \"api_key_env\": \"KEY\", \"images\": true},\n"
        "                  \"small\": {\"url\": \"http://127.0.0.1:8001/v1\"}},\n"
        "   \"templates\": {\"*\": {\"draft\": \"big\", \"check\": \"small\"},\n"
        "                 \"teaching\": {\"draft\": \"built-in\"}}}\n"
        "No other address is contacted. What they write is checked before it counts as an answer.\n"
        "\n"
        "A setting is taken from its option, else from the environment (RADSCOUT_QUEUE for\n"
        "--queue), else from the file ({\"queue\": 128}), else its default. SIGHUP reads them\n"
        "again; SIGTERM finishes what is under way and ends. What radscout index adds meanwhile\n"
        "is found by the next search.",
    .examples = "  radscout serve archive\n"
                "  radscout serve archive --port 0 --workers 4\n"
                "  curl -s localhost:8080/v1/search --json '{\"text\": \"left pleural effusion\"}'",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
