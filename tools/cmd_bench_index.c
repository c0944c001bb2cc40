/* cmd_bench_index.c - radscout bench index SOURCE
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/clock.h"
#include "commands.h"
#include "indexer/index.h"
#include "model.h"
#include "scratch_folder.h"

#include <stdio.h>
#include <stdlib.h>

static rs_status measure(const char *folder, rs_cli *c, const rs_encoder *e, rs_pool *pool,
                         size_t batch, rs_index_report *r, rs_err *err)
{
    rs_encoder_identity id = {rs_encoder_id(e), rs_encoder_name(e), "", rs_encoder_dim(e)};
    rs_index_options o = {.pool = pool, .batch = batch, .progress = RS_PROGRESS_QUIET};
    rs_archive *a = NULL;
    rs_status st = rs_archive_open(&a, folder, RS_ARCHIVE_WRITE, err);

    if (st == RS_OK)
        st = rs_archive_bind_encoder(a, &id, err);
    if (st == RS_OK)
        st = rs_index_run(a, e, rs_cli_arg(c, 0), &o, r, err);
    rs_archive_close(a);
    return st;
}

/* ---- What it took ---------------------------------------------------- */

static double per_second(const rs_index_report *r)
{
    return r->seconds > 0 ? (double)r->images / r->seconds : 0;
}

static double rss_mib(void)
{
    return (double)rs_peak_rss_bytes() / (1024 * 1024);
}

static int print_json(const rs_cli *c, const rs_encoder *e, size_t threads, const rs_index_report *r)
{
    json_t *o = json_pack("{s:o,s:o,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f}",
        "source", rs_json_any(rs_cli_arg(c, 0)), "model", rs_json_any(rs_encoder_name(e)),
        "threads", (json_int_t)threads, "images", (json_int_t)r->images,
        "refused_images", (json_int_t)r->refused_images, "passages", (json_int_t)r->passages,
        "seconds", r->seconds, "per_second", per_second(r), "read_s", r->read_thread_s,
        "decode_s", r->decode_thread_s, "resize_s", r->resize_thread_s, "encode_s", r->encode_s,
        "write_s", r->write_s, "rss_mib", rss_mib());

    return rs_cli_print_json(c, o);
}

static int print_text(const rs_cli *c, const rs_encoder *e, size_t threads, const rs_index_report *r)
{
    const struct { const char *stage; double s; const char *how; } rows[] = {
        {"read", r->read_thread_s, "of the decoding threads: file and digest"},
        {"decode", r->decode_thread_s, "of the decoding threads"},
        {"resize", r->resize_thread_s, "of the decoding threads"},
        {"encode", r->encode_s, "by the clock, images and passages"},
        {"write", r->write_s, "by the clock"},
    };

    rs_print_line(rs_cli_arg(c, 0));
    printf(": %zu image%s and %zu passage%s in %.2f s with ", r->images, r->images == 1 ? "" : "s",
           r->passages, r->passages == 1 ? "" : "s", r->seconds);
    rs_print_line(rs_encoder_name(e));
    printf(", %zu thread%s\n%.1f images/s, at most %.0f MiB in memory\n", threads,
           threads == 1 ? "" : "s", per_second(r), rss_mib());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %-8s %9.2f s  %s\n", rows[i].stage, rows[i].s, rows[i].how);
    if (r->refused_images)
        printf("  refused: %zu image%s\n", r->refused_images, r->refused_images == 1 ? "" : "s");
    return RS_EXIT_OK;
}

static int run(rs_cli *c)
{
    rs_encoder *e = NULL;
    rs_pool *pool = NULL;
    const char *folder = NULL;
    rs_index_report r;
    long long batch;
    rs_err err = {0};
    int code;

    if (!rs_cli_number(c, "batch", 1, 4096, 0, &batch))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    if (rs_model_open(&e, c, NULL, NULL, &err) != RS_OK ||
        !(folder = rs_scratch_make(rs_cli_arena(c), &err))) {
        code = rs_cli_fail(c, &err);
        goto done;
    }
    if (measure(folder, c, e, pool, (size_t)batch, &r, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = print_json(c, e, rs_pool_size(pool), &r);
    else
        code = print_text(c, e, rs_pool_size(pool), &r);
done:
    rs_scratch_remove(folder);
    rs_encoder_close(e);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    {"json", 0, NULL, "one JSON object"},
    RS_MODEL_OPTION,
    {"batch", 0, "N", "cases written in one transaction (default 64)"},
    RS_THREADS_OPTION,
    {0},
};

const rs_command rs_command_bench_index = {
    .name = "bench index", .args = "SOURCE",
    .summary = "measure how fast a source is indexed, and by stage",
    .description =
        "SOURCE is indexed once into an archive that is thrown away. Reading, decoding and\n"
        "resizing are told in seconds summed over the decoding threads, encoding and writing by\n"
        "the clock; with more than one thread all of them overlap, so they add up to more than\n"
        "the run took.\n"
        "\n"
        "With --json: {\"source\", \"model\", \"threads\", \"images\", \"refused_images\", \"passages\",\n"
        "\"seconds\", \"per_second\", \"read_s\", \"decode_s\", \"resize_s\", \"encode_s\", \"write_s\",\n"
        "\"rss_mib\"}.",
    .examples = "  radscout bench index cases.jsonl\n"
                "  radscout bench index films --model vit-b-32 --threads 2 --json",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
