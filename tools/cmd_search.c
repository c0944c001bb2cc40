/* cmd_search.c - radscout search ARCHIVE [--text T] [--image F] [--like CASE] ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "ask_query.h"
#include "base/json.h"
#include "commands.h"
#include "engine/query.h"
#include "engine/context.h"
#include "server/wire.h"
#include "thumbs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SNIPPET_BYTES = 220 };

/* ---- JSON ------------------------------------------------------------ */

/* "boxes": those asked for, as fractions; nothing where there are none. */
static void add_boxes(json_t *query, const rs_query *q)
{
    json_t *list = json_array();

    for (size_t i = 0; i < q->n_parts; i++)
        if (q->parts[i].boxed)
            json_array_append_new(list, rs_wire_box(q->parts[i].box));
    if (json_array_size(list))
        json_object_set(query, "boxes", list);
    json_decref(list);
}

static int print_json(rs_cli *c, const rs_query *q, const rs_result *r, double took_ms)
{
    const rs_wire wire = {.explain = rs_cli_flag(c, "explain"), .contrast = q->contrast};
    json_t *query = json_object(), *images = json_array(), *all;
    size_t n;
    const char *const *paths = rs_cli_values(c, "image", &n);

    for (size_t i = 0; i < n; i++)
        json_array_append_new(images, rs_json_any(paths[i]));
    json_object_set_new(query, "text", rs_json_any(rs_cli_value(c, "text", NULL)));
    json_object_set_new(query, "images", images);
    json_object_set_new(query, "like", rs_json_any(rs_cli_value(c, "like", NULL)));
    json_object_set_new(query, "k", json_integer((json_int_t)q->k));
    add_boxes(query, q);
    all = json_pack("{s:o,s:f,s:o,s:o}", "query", query, "took_ms", round(took_ms * 1000) / 1000,
                    "similarity", rs_verdict_json(&r->verdict), "hits", rs_wire_hits(r, &wire));
    if (r->no_regions)
        json_object_set_new(all, "no_regions", json_true());
    return rs_cli_print_json(c, all);
}

/* ---- Lines for people ------------------------------------------------ */

/* A passage on one line, cut at words, from a little before its first match on; matched
 * words bold on a terminal. */
static void print_passage(const rs_evidence *e, bool tty)
{
    size_t at = 0, match = 0, len = strlen(e->text), shown = 0;
    bool bold = false;

    if (e->n_matches && e->matches[0].begin > SNIPPET_BYTES / 2) {
        for (at = e->matches[0].begin - SNIPPET_BYTES / 4; at > 0 && e->text[at - 1] != ' ';)
            at--;
        fputs(at ? "... " : "", stdout);
    }
    while (at < len && !(shown >= SNIPPET_BYTES && e->text[at] == ' ')) {
        size_t n;
        while (match < e->n_matches && e->matches[match].end <= at)
            match++;
        if (tty && bold != (match < e->n_matches && e->matches[match].begin <= at)) {
            bold = !bold;
            fputs(bold ? "\x1b[1m" : "\x1b[22m", stdout);
        }
        n = rs_put_char(stdout, e->text + at, false);
        at += n;
        shown += n;
    }
    fputs(bold ? "\x1b[22m" : "", stdout);
    fputs(at < len ? " ...\n" : "\n", stdout);
}

/* "(negated) " where the passage says so of the first match. */
static void print_state(const rs_evidence *e)
{
    if (e->n_matches && strcmp(e->states[0], "affirmed") != 0)
        printf("(%s) ", e->states[0]);
}

/* One line a probe: what it found the case by. */
static void explain_hit(const rs_hit *h, bool tty)
{
    for (size_t i = 0; i < h->n_found; i++) {
        const rs_found *f = &h->found[i];
        printf("     %-13s #%-4zu %8.3f  +%.4f  ", rs_probe_name(f->probe), f->rank, f->score, f->part);
        if (f->passage) {
            rs_print_line(f->passage->section ? f->passage->section : "text");
            printf(": ");
            print_state(f->passage);
            print_passage(f->passage, tty);
        } else {
            rs_print_line(f->image ? f->image : "");
            if (f->boxed)
                printf(" at %.2f,%.2f,%.2f,%.2f", f->box[0], f->box[1], f->box[2], f->box[3]);
            putchar('\n');
        }
    }
}

static void print_hit(const rs_hit *h, bool tty, bool thumbs, bool explain)
{
    printf("%3zu  %.4f  ", h->rank, h->score);
    rs_print_line(h->key);
    printf("  ");
    rs_print_line(h->title ? h->title : "(no title)");
    printf("  [");
    for (size_t i = 0; i < h->n_found; i++)
        printf("%s%s #%zu %.3f", i ? ", " : "", rs_probe_name(h->found[i].probe),
               h->found[i].rank, h->found[i].score);
    printf("]\n");
    if (explain) {
        explain_hit(h, tty);
    } else if (h->snippet && !(h->title && strcmp(h->title, h->snippet->text) == 0)) {
        printf("     ");                       /* a title is not said twice */
        print_passage(h->snippet, tty);
    }
    if (h->n_folded) {
        printf("     also:");
        for (size_t i = 0; i < h->n_folded; i++) {
            printf("%s ", i ? "," : "");
            rs_print_line(h->folded[i].key);
            printf(" (%s)", h->folded[i].why);
        }
        putchar('\n');
    }
    if (h->contrast) {
        printf("     but compare ");
        rs_print_line(h->contrast->key);
        for (size_t i = 0; i < h->contrast->n_findings; i++) {
            fputs(i ? ", " : ": ", stdout);
            rs_print_line(h->contrast->findings[i]);
        }
        printf(" (%.3f)\n", h->contrast->score);
    }
    if (thumbs && h->image)
        rs_thumb_print(h->image);
}

static void print_hits(const rs_cli *c, const rs_result *r, double took_ms)
{
    bool tty = isatty(STDOUT_FILENO) == 1;
    bool thumbs = rs_cli_flag(c, "thumbs") && rs_thumb_wanted("search");

    if (r->verdict.kind == RS_VERDICT_NOTHING && r->n)
        printf("Nothing in this archive is similar enough; the nearest are listed all the same.\n"
               "(Said wrongly of at most %g in 100 queries like the archive's own cases.)\n",
               100 * r->verdict.false_alarm);
    for (size_t i = 0; i < r->n; i++)
        print_hit(&r->hits[i], tty, thumbs, rs_cli_flag(c, "explain"));
    if (r->n == 0)
        printf("nothing found\n");
    if (r->no_regions)
        printf("The archive has no regions, so the whole image was looked for, not the box; "
               "radscout index --regions makes them.\n");
    printf("%zu hit%s in %.1f ms (encoding %.1f, searching %.1f). A finder, not a diagnosis.\n",
           r->n, r->n == 1 ? "" : "s", took_ms, r->encode_ms, r->search_ms);
}

/* ---- The command ----------------------------------------------------- */

static int show(rs_cli *c, rs_archive *a, rs_query *q, const rs_result *r, double took_ms)
{
    (void)a;
    if (rs_cli_flag(c, "json"))
        return print_json(c, q, r, took_ms);
    print_hits(c, r, took_ms);
    return RS_EXIT_OK;
}

static int run(rs_cli *c)
{
    return rs_cli_query(c, RS_QUERY_PLAIN, show);
}

static const rs_option options[] = {
    RS_QUERY_OPTIONS,
    {"explain", 0, NULL, "say of each probe by which image or passage it found the case, and\n"
                         "what that is worth in the fused score (also with --json)"},
    {"json", 0, NULL, "print one JSON object"},
    {"thumbs", 0, NULL, "show the images, on a terminal with kitty or sixel graphics"},
    {0},
};

const rs_command rs_command_search = {
    .name = "search", .args = "ARCHIVE",
    .summary = "find cases by words, by an image, or like another case",
    .description =
        "Looks with every probe that the query allows (words against report text by BM25, words\n"
        "and images against image and passage vectors) and fuses their rankings by reciprocal\n"
        "rank. One line a case: rank, fused score, case, title, and the probes that found it with\n"
        "their own rank and score; under it the passage that speaks for it.\n"
        "\n"
        "The text is read as a report is: \"pneumothorax\" finds reports that have one, \"no\n"
        "pneumothorax\" those that rule one out, and words are looked for under other names too\n"
        "(PTX, enlarged heart, oedema). \"Quoted words\" are looked for as they are; column:word\n"
        "looks in title, findings, impression, uncertain, negated, normal, history, other, labels\n"
        "or, as report:word, in all of them.\n"
        "\n"
        "A box around a lesion finds images that have such a lesion anywhere, if the archive was\n"
        "indexed with --regions, and --explain says where (\"box\" with --json). The whole image\n"
        "counts too. Without regions it is all that counts (\"no_regions\": true).\n"
        "\n"
        "A filter is applied before ranking, and capitals do not matter. A case that does not\n"
        "say does not pass a test, but passes its \"not\". --modality and the like are short for\n"
        "tests; all that are given must pass. --filter knows and, or, not and parentheses over\n"
        "  modality: body_part: view: sex: collection: source: patient: case: finding:VALUE\n"
        "  age:40 age:40..60 age:<40   date:2020 date:2020-03..2021   tier:>=reviewed\n"
        "  attr.NAME:VALUE, a range where values are numbers;   FIELD:*  what is known\n"
        "and VALUE is a word, \"several words\" or one|or|another. Tiers: unknown, reported,\n"
        "reviewed, followed, proven. \"radscout facets\" lists the values that there are.\n"
        "\n"
        "Cases of a patient who has a hit, or of a case asked for, are left out, and nearly the\n"
        "same pictures stand under the best of them, unless --keep-patients, --keep-duplicates.\n"
        "Where even the best case is further away than the archive's own cases are from each\n"
        "other, \"nothing similar enough\" is said first.\n"
        "\n"
        "With --json: {\"query\": {\"text\", \"images\", \"like\", \"k\", \"boxes\"}, \"took_ms\",\n"
        "\"similarity\": {\"verdict\", \"false_alarm\", \"typical\": {PROBE: share of own cases no nearer}},\n"
        "\"hits\": [{\"rank\", \"case\", \"score\", \"title\", \"probes\": [{\"probe\", \"rank\", \"score\"}],\n"
        "\"image\", \"snippet\", \"folded\": [{\"case\", \"why\"}], \"contrast\"}]}.\n"
        "\n"
        "radscout finds similar cases; it does not diagnose.",
    .examples = "  radscout search archive --text \"left pleural effusion\"\n"
                "  radscout search archive --image film.png -k 5 --json\n"
                "  radscout search archive --image film.png --box 0.2,0.3,0.5,0.6\n"
                "  radscout search archive --like MPX1024 --modality CT\n"
                "  radscout search archive --text nodule --filter 'age:..40 tier:>=reviewed'",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
