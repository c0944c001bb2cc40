/* cmd_facets.c - radscout facets ARCHIVE [--filter EXPR] [--attribute NAME]
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "commands.h"
#include "engine/facets.h"
#include "engine/filter.h"
#include "model.h"
#include "server/wire.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 12, WIDE = 14 };

/* The name of a facet in its own column, on its first line alone. */
static void print_name(const rs_facet *f, bool first)
{
    if (!first) {
        printf("%-*s", WIDE, "");
        return;
    }
    rs_print_line(f->name);
    printf("%*s", (int)strlen(f->name) < WIDE ? WIDE - (int)strlen(f->name) : 1, "");
}

static void facet_text(const rs_facet *f, bool all)
{
    const size_t shown = all || f->n < SHOWN ? f->n : SHOWN;

    for (size_t i = 0; i < shown; i++) {
        print_name(f, i == 0);
        printf("%8zu  ", f->values[i].count);
        rs_print_line(*f->values[i].label ? f->values[i].label : "\"\"");
        putchar('\n');
    }
    if (f->n > shown)
        printf("%-*s%8s  and %zu more values\n", WIDE, "", "", f->n - shown);
    if (f->unknown || f->n == 0) {
        print_name(f, f->n == 0);
        printf("%8zu  (not known)\n", f->unknown);
    }
}

static void facets_text(const rs_facet_report *r, bool all)
{
    printf("%-*s%8zu  of %zu\n", WIDE, "cases", r->passing, r->cases);
    for (size_t i = 0; i < r->n; i++)
        facet_text(&r->facets[i], all);
}

static int run(rs_cli *c)
{
    size_t n;
    const char *const *attributes = rs_cli_values(c, "attribute", &n);
    const char *filter = rs_cli_value(c, "filter", NULL);
    rs_archive *a = NULL;
    rs_facet_report r;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (filter && rs_filter_check(filter, &err) != RS_OK)
        return rs_cli_usage(c, "--%s", err.msg);
    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK ||
        rs_facet_counts(a, filter, attributes, n, rs_cli_arena(c), &r, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = rs_cli_print_json(c, rs_wire_facets(&r));
    else
        facets_text(&r, rs_cli_flag(c, "all"));
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"filter", 0, "EXPR", "count only cases that pass, see radscout search --help"},
    {"attribute", 0, "NAME", "also count the values of this attribute of the source; may be given\n"
                             "several times"},
    {"all", 0, NULL, "list every value, not only the most frequent"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_facets = {
    .name = "facets", .args = "ARCHIVE", .summary = "count cases by modality, age, year and so on",
    .description =
        "Exact counts among all cases, or those that pass a filter: modality, body part, view,\n"
        "sex, age by decade, date by year, collection, tier (how well the diagnosis is\n"
        "established) and finding, most frequent first. A case with several findings counts for\n"
        "each. Each value is a test for --filter: FACET:\"VALUE\" finds the cases counted.\n"
        "\n"
        "With --json: {\"cases\", \"passing\", \"facets\": [{\"facet\", \"values\": [{\"value\",\n"
        "\"cases\"}], \"unknown\"}]}.",
    .examples = "  radscout facets archive\n"
                "  radscout facets archive --filter 'modality:CT not sex:F' --attribute scanner",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
