/* cmd_show.c - radscout show ARCHIVE CASE
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/json.h"
#include "commands.h"
#include "engine/archive.h"
#include "engine/report.h"
#include "lexicon_folder.h"
#include "model.h"
#include "server/wire.h"
#include "thumbs.h"

#include <stdio.h>
#include <stdlib.h>

static void line(const char *name, const char *value)
{
    if (!value || !*value)
        return;
    printf("%-12s", name);
    rs_print_line(value);
    putchar('\n');
}

/* What the source said besides, a line each. */
static void attributes_text(const char *text)
{
    json_t *all = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL, *v;
    const char *key;

    if (json_object_size(all) > 0)
        putchar('\n');
    json_object_foreach(all, key, v) {
        char *other = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        rs_print_line(key);
        printf(": ");
        rs_print_line(other ? other : json_is_string(v) ? json_string_value(v) : "");
        putchar('\n');
        free(other);
    }
    json_decref(all);
}

static void image_text(const rs_case_image *im, bool first, bool thumbs)
{
    printf("%-12s", first ? "images" : "");
    rs_print_line(im->path);
    printf("  (%zu x %zu", im->width, im->height);
    if (im->view) {
        printf(", ");
        rs_print_line(im->view);
    }
    printf(")\n");
    if (thumbs)
        rs_thumb_print(im->path);
}

/* "pleural effusion, left, 3 cm: negated", each such line once. */
static void mentions_text(const rs_mention *m, size_t n)
{
    enum { LOOK_BACK = 200 };
    bool first = true;

    for (size_t i = 0; i < n; i++) {
        bool said = false;
        for (size_t k = i > LOOK_BACK ? i - LOOK_BACK : 0; k < i && !said; k++)
            said = m[k].finding == m[i].finding && m[k].state == m[i].state &&
                   m[k].side == m[i].side && (!m[i].unit || m[k].unit);
        if (said)
            continue;
        printf("%-12s", first ? "reported" : "");
        rs_print_line(m[i].finding);
        if (m[i].side != RS_SIDE_NONE)
            printf(", %s", rs_side_name(m[i].side));
        if (m[i].unit)
            printf(", %g %s", m[i].size, m[i].unit);
        printf(": %s\n", rs_state_name(m[i].state));
        first = false;
    }
}

static void show_text(const rs_case *c, const rs_mention *m, size_t n, bool thumbs)
{
    line("case", c->key);
    line("title", c->title);
    line("modality", c->modality);
    line("body part", c->body_part);
    line("view", c->view);
    line("sex", c->sex);
    if (c->age_years >= 0)
        printf("%-12s%.4g years\n", "age", c->age_years);
    line("date", c->study_date);
    if (c->tier != RS_TIER_UNKNOWN)
        line("tier", rs_tier_name(c->tier));
    line("patient", c->patient);
    line("collection", c->collection);
    line("source", c->source);
    for (size_t i = 0; i < c->n_findings; i++)
        line(i ? "" : "findings", c->findings[i]);
    mentions_text(m, n);
    for (size_t i = 0; i < c->n_images; i++)
        image_text(&c->images[i], i == 0, thumbs);
    if (c->report) {
        putchar('\n');
        rs_print_safe(c->report);
        putchar('\n');
    }
    attributes_text(c->attributes);
}

static rs_status read_case(rs_cli *cli, rs_archive *a, rs_case **c, rs_mention **m, size_t *n,
                           rs_err *err)
{
    rs_arena *mem = rs_cli_arena(cli);
    rs_status st;

    if ((st = rs_cli_lexicon(cli, a, err)) != RS_OK ||
        (st = rs_archive_get(a, rs_cli_arg(cli, 1), mem, c, err)) != RS_OK)
        return st;
    return rs_report_mentions(rs_archive_lexicon(a), (*c)->report, (*c)->sections,
                              (*c)->n_sections, mem, m, n, err);
}

static int run(rs_cli *cli)
{
    rs_archive *a;
    rs_case *c;
    rs_mention *m;
    size_t n;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (rs_cli_archive(&a, rs_cli_arg(cli, 0), &err) != RS_OK)
        return rs_cli_fail(cli, &err);
    if (read_case(cli, a, &c, &m, &n, &err) != RS_OK)
        code = rs_cli_fail(cli, &err);
    else if (rs_cli_flag(cli, "json"))
        code = rs_cli_print_json(cli, rs_wire_case(c, m, n, &(rs_wire){0}));
    else
        show_text(c, m, n, rs_cli_flag(cli, "thumbs") && rs_thumb_wanted("show"));
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"json", 0, NULL, "print one JSON object"},
    RS_LEXICON_OPTION,
    {"thumbs", 0, NULL, "show the images, on a terminal with kitty or sixel graphics"},
    {0},
};

const rs_command rs_command_show = {
    .name = "show", .args = "ARCHIVE CASE", .summary = "print one case: its report, images and labels",
    .description =
        "CASE is a case's key, as search prints it. Findings that the report names are listed\n"
        "as reported, each with what is said of it: affirmed, uncertain, normal, historical or\n"
        "negated, its side and its size.\n"
        "\n"
        "With --json: {\"case\", \"source\", \"title\", \"modality\", \"body_part\", \"view\", \"sex\",\n"
        "\"patient\", \"collection\", \"age_years\", \"study_date\", \"tier\", \"findings\": [...],\n"
        "\"report\", \"images\": [{\"path\", \"given\", \"sha256\", \"view\", \"width\", \"height\"}], \"passages\":\n"
        "[{\"section\", \"text\", \"begin\", \"end\"}], \"mentions\":\n"
        "[{\"finding\", \"state\", \"side\", \"size\", \"unit\", \"section\", \"begin\", \"end\"}],\n"
        "\"attributes\": {...}}.",
    .examples = "  radscout show archive MPX1024\n"
                "  radscout show archive MPX1024 --json",
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
