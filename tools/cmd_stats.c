/* cmd_stats.c - radscout stats ARCHIVE
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/json.h"
#include "commands.h"
#include "engine/archive.h"
#include "model.h"
#include "server/wire.h"

#include <stdio.h>

enum { SHOWN = 12 };

static void print_counts(const char *name, const rs_count *list, size_t n)
{
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        printf("%-14s%8zu  ", i ? "" : name, list[i].count);
        rs_print_line(*list[i].label ? list[i].label : "(not known)");
        putchar('\n');
    }
    if (n > SHOWN)
        printf("%-14s%8s  and %zu more\n", "", "", n - SHOWN);
}

static void print_encoder(const rs_encoder_identity *e)
{
    printf("%-14s          ", "encoder");
    rs_print_line(e->name);
    printf(" (%.12s), %zu floats a vector", e->id, e->dim);
    if (e->folder && *e->folder) {
        printf(", of ");
        rs_print_line(e->folder);
    }
    putchar('\n');
}

static void stats_text(const rs_stats *s, const rs_problem *p, size_t n, bool problems)
{
    printf("%-14s%8zu\n%-14s%8zu  (%zu vectors)\n%-14s%8zu  (%zu vectors)\n", "cases", s->cases,
           "images", s->images, s->image_vectors, "passages", s->passages, s->passage_vectors);
    if (s->region_vectors)
        printf("%-14s%8zu  (of %zu images)\n", "regions", s->region_vectors,
               s->images_with_regions);
    printf("%-14s%8zu\n%-14s%8zu%s\n", "sources", s->sources, "refused", s->problems,
           s->problems && !problems ? "  (--problems lists them)" : "");
    printf("%-14s%8.1f MiB catalog, %.1f MiB caches\n", "on disk",
           (double)s->catalog_bytes / 1048576, (double)s->cache_bytes / 1048576);
    if (s->encoder)
        print_encoder(s->encoder);
    print_counts("modality", s->modalities, s->n_modalities);
    print_counts("body part", s->body_parts, s->n_body_parts);
    print_counts("finding", s->findings, s->n_findings);
    for (size_t i = 0; problems && i < n; i++) {
        printf("refused: ");
        rs_print_line(p[i].source);
        printf(": ");
        rs_print_line(p[i].item);
        printf(": ");
        rs_print_line(p[i].reason);
        putchar('\n');
    }
}

static int run(rs_cli *c)
{
    rs_archive *a;
    rs_stats s;
    const rs_problem *p;
    size_t n;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (rs_archive_stats(a, rs_cli_arena(c), &s, &err) != RS_OK ||
        rs_archive_problems(a, NULL, rs_cli_arena(c), &p, &n, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = rs_cli_print_json(c, rs_wire_stats(&s, p, n, true));
    else
        stats_text(&s, p, n, rs_cli_flag(c, "problems"));
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"problems", 0, NULL, "list every refused file or row with its reason"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_stats = {
    .name = "stats", .args = "ARCHIVE", .summary = "count what an archive holds, and what was refused",
    .description =
        "With --json: {\"cases\", \"images\", \"passages\", \"image_vectors\", \"passage_vectors\",\n"
        "\"region_vectors\", \"images_with_regions\", \"sources\", \"refused\",\n"
        "\"catalog_bytes\", \"cache_bytes\", \"schema_version\",\n"
        "\"image_generation\", \"passage_generation\", \"encoder\": {\"id\", \"name\", \"folder\",\n"
        "\"dim\"}, \"modalities\": {NAME: CASES}, \"body_parts\", \"findings\", \"problems\":\n"
        "[{\"source\", \"item\", \"reason\", \"at\"}]}.",
    .examples = "  radscout stats archive\n"
                "  radscout stats archive --problems",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
