/* cmd_index_tune.c - radscout index-tune ARCHIVE
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "commands.h"
#include "engine/tune.h"
#include "model.h"

#include <stdio.h>

static const char *const kind_names[RS_KINDS] = {"image", "passage", "case", "region"};

/* ---- JSON --------------------------------------------------------------- */

static json_t *json_curve(const rs_tuned *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(list, json_pack("{s:I,s:f,s:f,s:f,s:f,s:f,s:f}",
            "effort", (json_int_t)t->curve[i].effort,
            "recall_10", t->curve[i].recall[0], "ms_10", t->curve[i].ms[0],
            "p99_ms_10", t->curve[i].p99_ms[0], "recall_100", t->curve[i].recall[1],
            "ms_100", t->curve[i].ms[1], "p99_ms_100", t->curve[i].p99_ms[1]));
    return list;
}

static json_t *json_tries(const rs_tune_report *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n; i++) {
        const rs_tune_try *t = &r->tries[i];
        json_array_append_new(list, json_pack(
            "{s:s,s:s,s:b,s:b,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:o}",
            "kind", rs_index_kind_name(t->setting.kind), "factory", t->factory,
            "chosen", t->chosen, "reached", t->tuned.reached,
            "effort_10", (json_int_t)t->setting.effort[0],
            "effort_100", (json_int_t)t->setting.effort[1], "margin", (double)t->setting.margin,
            "recall_10", t->tuned.recall[0], "recall_100", t->tuned.recall[1],
            "ms_10", t->tuned.ms[0], "ms_100", t->tuned.ms[1], "exact_ms_10", t->tuned.exact_ms[0],
            "build_s", t->build_s, "memory_bytes", (json_int_t)t->memory_bytes,
            "file_bytes", (json_int_t)t->file_bytes, "curve", json_curve(&t->tuned)));
    }
    return list;
}

static int print_json(const rs_cli *c, const rs_tune_report report[RS_KINDS], double recall)
{
    json_t *o = json_object();

    json_object_set_new(o, "archive", rs_json_any(rs_cli_arg(c, 0)));
    json_object_set_new(o, "recall", json_real(recall));
    for (int k = 0; k < RS_KINDS; k++)
        json_object_set_new(o, kind_names[k], json_pack("{s:I,s:o}",
            "vectors", (json_int_t)report[k].vectors, "tried", json_tries(&report[k])));
    return rs_cli_print_json(c, o);
}

/* ---- Text --------------------------------------------------------------- */

static void print_report(const char *name, const rs_tune_report *r)
{
    printf("%s vectors: %zu\n", name, r->vectors);
    for (size_t i = 0; i < r->n; i++) {
        const rs_tune_try *t = &r->tries[i];
        printf("%s %-22s built in %.1f s, %.1f MiB; all looked at: %.3f ms\n",
               t->chosen ? "->" : "  ", t->factory, t->build_s,
               (double)t->memory_bytes / 1048576, t->tuned.exact_ms[0]);
        for (size_t p = 0; p < t->tuned.n; p++) {
            const rs_tune_point *at = &t->tuned.curve[p];
            printf("     effort %5zu   10: recall %.4f %8.3f ms   100: recall %.4f %8.3f ms\n",
                   at->effort, at->recall[0], at->ms[0], at->recall[1], at->ms[1]);
        }
        if (!t->tuned.reached)
            puts("     does not reach the wanted recall");
    }
}

static int run(rs_cli *c)
{
    rs_tune_options o = {0};
    rs_tune_report report[RS_KINDS];
    const char *const *kinds;
    rs_archive *a = NULL;
    long long memory;
    rs_index_kind kind;
    rs_err err = {0};
    size_t n;
    int code = RS_EXIT_OK;

    if (!rs_cli_real(c, "recall", 0.5, 1, 0.99, &o.recall) ||
        !rs_cli_number(c, "memory", 1, 1 << 30, 0, &memory))
        return RS_EXIT_USAGE;
    kinds = rs_cli_values(c, "kind", &n);
    for (size_t i = 0; i < n; i++) {
        if (!rs_index_kind_of(kinds[i], &kind))
            return rs_cli_usage(c, "--kind %s: wanted flat, ivf, sq8 or hnsw", kinds[i]);
        o.kinds[kind] = true;
    }
    o.memory = (uint64_t)memory << 20;
    if (rs_cli_archive_write(&a, rs_cli_arg(c, 0), &err) != RS_OK ||
        rs_archive_tune(a, &o, rs_cli_arena(c), report, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = print_json(c, report, o.recall);
    else
        for (int k = 0; k < RS_KINDS; k++)
            print_report(kind_names[k], &report[k]);
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"recall", 0, "R", "the share of the exact nearest that must be found (default 0.99)"},
    {"kind", 'k', "K", "try this kind alone; may be repeated: flat, ivf, sq8, hnsw\n"
                       "(default: what may suit so many vectors)"},
    {"memory", 0, "MIB", "what an index may take (default: half of this machine's memory)"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_index_tune = {
    .name = "index-tune", .args = "ARCHIVE",
    .summary = "measure how an archive's vectors are best searched, and keep it",
    .description =
        "Builds each kind of vector index that may suit the archive, measures recall and time at\n"
        "rising effort on its own vectors against an exact search, and keeps the quickest that\n"
        "reaches the wanted recall, both for 10 results and for 100. Searches use it from then on\n"
        "and later generations are of that kind, measured anew. Half of the queries are texts\n"
        "among images and images among texts, which is harder; recall is that of the worse half.\n"
        "An exact index that answers within a millisecond is taken before any other. Readers go\n"
        "on meanwhile; times are of the processor.\n"
        "\n"
        "Indexing measures by itself with the wanted recall last given here, or 0.99.\n"
        "\n"
        "With --json: {\"archive\", \"recall\", \"image\": {\"vectors\", \"tried\": [{\"kind\", \"factory\",\n"
        "\"chosen\", \"reached\", \"effort_10\", \"effort_100\", \"margin\", \"recall_10\", \"recall_100\",\n"
        "\"ms_10\", \"ms_100\", \"exact_ms_10\", \"build_s\", \"memory_bytes\", \"file_bytes\", \"curve\":\n"
        "[{\"effort\", \"recall_10\", \"ms_10\", \"p99_ms_10\", \"recall_100\", \"ms_100\", \"p99_ms_100\"}]}]},\n"
        "\"passage\"}.",
    .examples = "  radscout index-tune archive\n"
                "  radscout index-tune archive --recall 0.999 --kind ivf --json",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
