/* cmd_index.c - radscout index ARCHIVE SOURCE...
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "indexer/index.h"
#include "model.h"

#include <signal.h>
#include <stdio.h>

static atomic_int stop_asked;

static void on_signal(int sig)
{
    (void)sig;
    atomic_store(&stop_asked, 1);
}

/* What was refused, at most `most` lines of it. */
static rs_status list_problems(rs_archive *a, size_t most, rs_err *err)
{
    rs_arena mem = {0};
    const rs_problem *p;
    size_t n;
    rs_status st = rs_archive_problems(a, NULL, &mem, &p, &n, err);

    for (size_t i = 0; st == RS_OK && i < n && i < most; i++) {
        printf("  refused: ");
        rs_print_safe(p[i].item);
        printf(": ");
        rs_print_safe(p[i].reason);
        putchar('\n');
    }
    if (st == RS_OK && n > most)
        printf("  and %zu more; radscout stats --problems lists them all\n", n - most);
    rs_arena_clear(&mem);
    return st;
}

static void print_report(const rs_index_report *r, bool json, const char *source)
{
    if (json) {
        printf("{\"cases\":%zu,\"added\":%zu,\"updated\":%zu,\"unchanged\":%zu,\"pruned\":%zu,"
               "\"gone\":%zu,\"images\":%zu,\"passages\":%zu,\"refused_cases\":%zu,"
               "\"refused_images\":%zu,\"texts_cut\":%zu,\"seconds\":%.3f,\"decode_s\":%.3f,"
               "\"encode_s\":%.3f,\"write_s\":%.3f}\n",
               r->cases, r->added, r->updated, r->unchanged, r->pruned, r->gone, r->images,
               r->passages, r->refused_cases, r->refused_images, r->texts_cut, r->seconds,
               r->decode_s, r->encode_s, r->write_s);
        return;
    }
    rs_print_safe(source);
    printf(": %zu cases: %zu added, %zu updated, %zu unchanged", r->cases, r->added, r->updated,
           r->unchanged);
    if (r->refused_cases || r->refused_images)
        printf(", %zu cases and %zu images refused", r->refused_cases, r->refused_images);
    if (r->pruned)
        printf(", %zu removed", r->pruned);
    printf("\n  %zu images and %zu passages encoded in %.1f s (decode %.1f, encode %.1f, write %.1f)\n",
           r->images, r->passages, r->seconds, r->decode_s, r->encode_s, r->write_s);
    if (r->gone)
        printf("  %zu cases are no longer in the source; --prune removes them\n", r->gone);
    if (r->texts_cut)
        printf("  %zu sentences were longer than the encoder reads and count by their beginning\n",
               r->texts_cut);
}

static int index_sources(rs_cli *c, rs_archive *a, const rs_encoder *e, const char *folder,
                         rs_pool *pool)
{
    rs_index_options o = {.pool = pool, .prefix = rs_cli_value(c, "prefix", NULL),
                          .prune = rs_cli_flag(c, "prune"), .progress = rs_cli_progress(c),
                          .stop = &stop_asked};
    rs_encoder_identity id = {rs_encoder_id(e), rs_encoder_name(e), folder, rs_encoder_dim(e)};
    bool json = rs_cli_flag(c, "json");
    long long batch;
    size_t refused = 0;
    rs_err err = {0};

    if (!rs_cli_number(c, "batch", 1, 4096, 0, &batch))
        return RS_EXIT_USAGE;
    o.batch = (size_t)batch;
    if (rs_archive_bind_encoder(a, &id, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    for (size_t i = 1; i < rs_cli_args(c); i++) {
        rs_index_report r;
        rs_status st = rs_index_run(a, e, rs_cli_arg(c, i), &o, &r, &err);
        if (st != RS_OK && st != RS_ECANCEL)
            return rs_cli_fail(c, &err);
        print_report(&r, json, rs_cli_arg(c, i));
        refused += r.refused_cases + r.refused_images;
        if (st == RS_ECANCEL) {
            fprintf(stderr, "radscout index: %s; nothing is lost: run it again to go on\n", err.msg);
            return RS_EXIT_FAILED;
        }
    }
    if (refused && !json && list_problems(a, 10, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    return refused ? RS_EXIT_PARTIAL : RS_EXIT_OK;
}

static int run(rs_cli *c)
{
    rs_archive *a = NULL;
    rs_encoder *e = NULL;
    rs_pool *pool;
    const char *folder;
    rs_err err = {0};
    int code;

    if (!rs_model_pool(&pool, c, &code))
        return code;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (rs_archive_open(&a, rs_cli_arg(c, 0), RS_ARCHIVE_WRITE, &err) != RS_OK ||
        rs_model_open(&e, c, a, &folder, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else
        code = index_sources(c, a, e, folder, pool);
    rs_encoder_close(e);
    rs_archive_close(a);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    RS_MODEL_OPTION,
    {"prune", 0, NULL, "remove cases of the source that it no longer holds"},
    {"prefix", 0, "TEXT", "put TEXT before each case's key, so that sources cannot clash"},
    {"batch", 0, "N", "cases a transaction (default 64)"},
    RS_THREADS_OPTION,
    {"quiet", 'q', NULL, "no progress"},
    {"json", 0, NULL, "the report as one JSON object a source; progress as JSON lines"},
    {0},
};

const rs_command rs_command_index = {
    .name = "index", .args = "ARCHIVE SOURCE...",
    .summary = "bring images and reports into an archive, which is made if absent",
    .description =
        "A SOURCE is a folder of PNG and JPEG images (STEM.txt beside STEM.png is its report; a\n"
        "folder with a report.txt is one case of all its images), or a manifest: .jsonl with one\n"
        "object a line, .csv or .tsv with a header row.\n"
        "\n"
        "Manifest fields: case_id or id; images or image (paths relative to the manifest); view\n"
        "or plane; title, modality, body_part, sex, age, patient, collection or dataset; report,\n"
        "or its parts history, technique, comparison, findings, impression, caption, diagnosis,\n"
        "differential, discussion; labels (a list). Other fields are kept as attributes. Rows\n"
        "that share a case_id are one case of several images.\n"
        "\n"
        "Interrupted, run it again: it goes on where it was. Run again later, it adds nothing\n"
        "twice and updates what changed. A broken file is listed with its reason and does not\n"
        "stop the others; the exit code is then 3.",
    .examples = "  radscout index archive cases.jsonl\n"
                "  radscout index archive /media/teaching --prefix teaching/",
    .options = options, .min_args = 2, .max_args = -1, .run = run,
};
