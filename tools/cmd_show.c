/* cmd_show.c - radscout show ARCHIVE CASE
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/json.h"
#include "commands.h"
#include "engine/archive.h"
#include "thumbs.h"

#include <stdio.h>

static json_t *text_or_null(const char *s)
{
    json_t *v = s ? json_string(s) : NULL;
    return v ? v : json_null();
}

static json_t *json_images(const rs_case *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_images; i++) {
        const rs_case_image *im = &c->images[i];
        json_array_append_new(list, json_pack("{s:o,s:o,s:o,s:o,s:I,s:I}",
            "path", text_or_null(im->path), "given", text_or_null(im->given),
            "sha256", text_or_null(im->sha256), "view", text_or_null(im->view),
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
            text_or_null(p->section), "text", text_or_null(p->text),
            "begin", (json_int_t)p->begin, "end", (json_int_t)p->end));
    }
    return list;
}

static int show_json(const rs_cli *cli, const rs_case *c)
{
    json_t *findings = json_array(), *o, *attributes = NULL;
    char *text;

    for (size_t i = 0; i < c->n_findings; i++)
        json_array_append_new(findings, text_or_null(c->findings[i]));
    if (c->attributes)
        attributes = json_loads(c->attributes, 0, NULL);
    o = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
        "case", text_or_null(c->key), "source", text_or_null(c->source),
        "title", text_or_null(c->title), "modality", text_or_null(c->modality),
        "body_part", text_or_null(c->body_part), "view", text_or_null(c->view),
        "sex", text_or_null(c->sex), "patient", text_or_null(c->patient),
        "collection", text_or_null(c->collection),
        "age_years", c->age_years < 0 ? json_null() : json_real(c->age_years),
        "findings", findings, "report", text_or_null(c->report),
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
    rs_print_safe(value);
    putchar('\n');
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
    for (size_t i = 0; i < c->n_images; i++) {
        printf("%-12s", i ? "" : "images");
        rs_print_safe(c->images[i].path);
        printf("  (%zu x %zu%s%s)\n", c->images[i].width, c->images[i].height,
               c->images[i].view ? ", " : "", c->images[i].view ? c->images[i].view : "");
        if (thumbs)
            rs_thumb_print(c->images[i].path);
    }
    if (c->report) {
        putchar('\n');
        rs_print_safe(c->report);
        putchar('\n');
    }
    line("\nattributes  ", c->attributes);
}

static int run(rs_cli *cli)
{
    rs_archive *a;
    rs_case *c;
    rs_err err = {0};
    int code = RS_EXIT_OK;

    if (rs_archive_open(&a, rs_cli_arg(cli, 0), RS_ARCHIVE_READ, &err) != RS_OK)
        return rs_cli_fail(cli, &err);
    if (rs_archive_get(a, rs_cli_arg(cli, 1), rs_cli_arena(cli), &c, &err) != RS_OK)
        code = rs_cli_fail(cli, &err);
    else if (rs_cli_flag(cli, "json"))
        code = show_json(cli, c);
    else
        show_text(c, rs_cli_flag(cli, "thumbs") && rs_thumb_supported());
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
    .options = options, .min_args = 2, .max_args = 2, .run = run,
};
