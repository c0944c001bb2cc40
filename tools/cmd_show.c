/* cmd_show.c - radscout show ARCHIVE CASE
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/json.h"
#include "commands.h"
#include "engine/archive.h"
#include "model.h"
#include "thumbs.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *json_images(const rs_case *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_images; i++) {
        const rs_case_image *im = &c->images[i];
        json_array_append_new(list, json_pack("{s:o,s:o,s:o,s:o,s:I,s:I}",
            "path", rs_json_any(im->path), "given", rs_json_any(im->given),
            "sha256", rs_json_any(im->sha256), "view", rs_json_any(im->view),
            "width", (json_int_t)im->width, "height", (json_int_t)im->height));
    }
    return list;
}

static json_t *json_passages(const rs_case *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_passages; i++) {
        const rs_passage *p = &c->passages[i];
        json_array_append_new(list, json_pack("{s:o,s:o,s:I,s:I}", "section",
            rs_json_any(p->section), "text", rs_json_any(p->text),
            "begin", (json_int_t)p->begin, "end", (json_int_t)p->end));
    }
    return list;
}

static int show_json(const rs_cli *cli, const rs_case *c)
{
    json_t *findings = json_array(), *o, *attributes = NULL;
    char *text;

    for (size_t i = 0; i < c->n_findings; i++)
        json_array_append_new(findings, rs_json_any(c->findings[i]));
    if (c->attributes)
        attributes = json_loads(c->attributes, 0, NULL);
    o = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
        "case", rs_json_any(c->key), "source", rs_json_any(c->source),
        "title", rs_json_any(c->title), "modality", rs_json_any(c->modality),
        "body_part", rs_json_any(c->body_part), "view", rs_json_any(c->view),
        "sex", rs_json_any(c->sex), "patient", rs_json_any(c->patient),
        "collection", rs_json_any(c->collection),
        "age_years", c->age_years < 0 ? json_null() : json_real(c->age_years),
        "findings", findings, "report", rs_json_any(c->report),
        "images", json_images(c), "passages", json_passages(c));
    json_object_set_new(o, "attributes", attributes ? attributes : json_null());
    text = o ? rs_json_text(o) : NULL;
    json_decref(o);
    if (!text)
        return rs_cli_fail(cli, &(rs_err){RS_ENOMEM, "no memory for the case"});
    puts(text);
    rs_free(text);
    return RS_EXIT_OK;
}

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

static void show_text(const rs_case *c, bool thumbs)
{
    line("case", c->key);
    line("title", c->title);
    line("modality", c->modality);
    line("body part", c->body_part);
    line("view", c->view);
    line("sex", c->sex);
    if (c->age_years >= 0)
        printf("%-12s%.4g years\n", "age", c->age_years);
    line("patient", c->patient);
    line("collection", c->collection);
    line("source", c->source);
    for (size_t i = 0; i < c->n_findings; i++)
        line(i ? "" : "findings", c->findings[i]);
    for (size_t i = 0; i < c->n_images; i++)
        image_text(&c->images[i], i == 0, thumbs);
    if (c->report) {
        putchar('\n');
        rs_print_safe(c->report);
        putchar('\n');
    }
    attributes_text(c->attributes);
}

static int run(rs_cli *cli)
{
    rs_archive *a;
    rs_case *c;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (rs_cli_archive(&a, rs_cli_arg(cli, 0), &err) != RS_OK)
        return rs_cli_fail(cli, &err);
    if (rs_archive_get(a, rs_cli_arg(cli, 1), rs_cli_arena(cli), &c, &err) != RS_OK)
        code = rs_cli_fail(cli, &err);
    else if (rs_cli_flag(cli, "json"))
        code = show_json(cli, c);
    else
        show_text(c, rs_cli_flag(cli, "thumbs") && rs_thumb_wanted("show"));
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"json", 0, NULL, "print one JSON object"},
    {"thumbs", 0, NULL, "show the images, on a terminal with kitty or sixel graphics"},
    {0},
};

const rs_command rs_command_show = {
    .name = "show", .args = "ARCHIVE CASE", .summary = "print one case: its report, images and labels",
    .description =
        "CASE is a case's key, as search prints it.\n"
        "\n"
        "With --json: {\"case\", \"source\", \"title\", \"modality\", \"body_part\", \"view\", \"sex\",\n"
        "\"patient\", \"collection\", \"age_years\", \"findings\": [...], \"report\", \"images\":\n"
        "[{\"path\", \"given\", \"sha256\", \"view\", \"width\", \"height\"}], \"passages\":\n"
        "[{\"section\", \"text\", \"begin\", \"end\"}], \"attributes\": {...}}.",
    .examples = "  radscout show archive MPX1024\n"
                "  radscout show archive MPX1024 --json",
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
