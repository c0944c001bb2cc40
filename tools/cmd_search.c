/* cmd_search.c - radscout search ARCHIVE [--text T] [--image F] [--like CASE] ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "commands.h"
#include "engine/filter.h"
#include "engine/query.h"
#include "lexicon_folder.h"
#include "model.h"
#include "query_images.h"
#include "server/wire.h"
#include "thumbs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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
                    "similarity", rs_wire_verdict(&r->verdict), "hits", rs_wire_hits(r, &wire));
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

/* ---- The query ------------------------------------------------------- */

/* "40..60" of --age-min and --age-max; false after having said what is wrong. */
static bool add_ages(const rs_cli *c, rs_buf *b)
{
    const char *least = rs_cli_value(c, "age-min", NULL), *most = rs_cli_value(c, "age-max", NULL);
    double unused;

    if (!rs_cli_real(c, "age-min", 0, 150, 0, &unused) ||
        !rs_cli_real(c, "age-max", 0, 150, 0, &unused))
        return false;
    if (least || most)
        rs_buf_printf(b, "%sage:%s..%s", b->len ? " " : "", least ? least : "", most ? most : "");
    return true;
}

/* --filter and its shorthands as one. false after having said what is wrong. */
static bool fill_filter(rs_cli *c, rs_query *q, rs_err *err)
{
    static const char *const shorthands[] = {"modality", "body-part", "view", "sex", "patient",
        "collection", "finding", "date", "tier"};
    const char *filter = rs_cli_value(c, "filter", NULL), *value;
    rs_buf b = {0};
    bool fine;

    if (filter && rs_filter_check(filter, err) != RS_OK) {
        rs_cli_usage(c, "--%s", err->msg);
        return false;
    }
    if (filter)
        rs_filter_add_filter(&b, filter);
    for (size_t i = 0; i < sizeof shorthands / sizeof *shorthands; i++)
        if ((value = rs_cli_value(c, shorthands[i], NULL)) != NULL)
            rs_filter_add(&b, shorthands[i], value);
    fine = add_ages(c, &b);
    if (fine && b.len && rs_filter_check(b.data, err) != RS_OK) {
        rs_cli_usage(c, "%s", err->msg);
        fine = false;
    }
    q->filter = b.len ? rs_arena_strdup(rs_cli_arena(c), b.data) : NULL;
    if (b.failed || (b.len && !q->filter)) {
        rs_fail(err, RS_ENOMEM, "filter: no memory");
        rs_cli_fail(c, err);
        fine = false;
    }
    rs_buf_clear(&b);
    return fine;
}

/* How rankings are fused: --fusion NAME or NAME+N, which is hybrid. */
static bool fill_fusion(const rs_cli *c, rs_query *q)
{
    const char *text = rs_cli_value(c, "fusion", NULL), *plus;
    char name[16];
    char *end;

    if (!text)
        return true;
    plus = strchr(text, '+');
    snprintf(name, sizeof name, "%.*s", plus ? (int)(plus - text) : (int)strlen(text), text);
    q->fusion = rs_fusion_of(name);
    q->rescore = plus ? strtoul(plus + 1, &end, 10) : 0;
    if (q->fusion != RS_FUSIONS && (!plus || (*end == '\0' && q->rescore > 0)))
        return true;
    rs_cli_usage(c, "--fusion '%s': wanted rrf, minmax, zscore, atan or early, or one of them"
                 " with +N to rescore the best N", text);
    return false;
}

/* Texts and cases. */
static bool fill_parts(rs_cli *c, rs_query *q)
{
    static const struct { const char *option; double weight; bool like; } kinds[] = {
        {"text", 1, false}, {"not-text", -1, false}, {"like", 1, true}, {"not-like", -1, true},
    };

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n;
        const char *const *values = rs_cli_values(c, kinds[k].option, &n);
        for (size_t i = 0; i < n; i++) {
            rs_query_part *p = rs_query_add(q);
            if (!p) {
                rs_cli_usage(c, "asks for more than %d things", RS_QUERY_MAX_PARTS);
                return false;
            }
            *(kinds[k].like ? &p->like : &p->text) = values[i];
            p->weight = kinds[k].weight;
        }
    }
    return true;
}

/* Everything of the query but its images. false after having said what is wrong. */
static bool fill_query(rs_cli *c, rs_query *q)
{
    rs_err err = {0};
    long long k;

    *q = rs_query_default();
    if (!fill_filter(c, q, &err) || !rs_cli_number(c, "k", 1, 10000, 10, &k) ||
        !rs_cli_real(c, "deadline", 0, 86400, q->deadline_s, &q->deadline_s) ||
        !rs_cli_real(c, "diversity", 0, 1, 0, &q->diversity) ||
        !rs_cli_real(c, "false-alarm", 0, 0.5, q->false_alarm, &q->false_alarm) ||
        !fill_fusion(c, q) || !fill_parts(c, q))
        return false;
    q->words = rs_cli_flag(c, "plain") ? RS_WORDS_PLAIN : RS_WORDS_READ;
    q->keep_patients = rs_cli_flag(c, "keep-patients");
    q->keep_duplicates = rs_cli_flag(c, "keep-duplicates");
    q->contrast = rs_cli_flag(c, "contrast");
    q->k = (size_t)k;
    if (q->depth < 2 * q->k)
        q->depth = 2 * q->k;
    if (q->n_parts || rs_cli_value(c, "image", NULL))
        return true;
    rs_cli_usage(c, "wants something to look for: --text, --image or --like");
    return false;
}

static int run(rs_cli *c)
{
    rs_archive *a = NULL;
    rs_encoder *e = NULL;
    rs_pool *pool = NULL;
    rs_query_images images = {0};
    const bool with_images = rs_cli_value(c, "image", NULL) || rs_cli_value(c, "not-image", NULL);
    const bool with_texts = rs_cli_value(c, "text", NULL) || rs_cli_value(c, "not-text", NULL);
    rs_result r;
    rs_query q;
    rs_err err = {0};
    double start;
    int code;

    if (!fill_query(c, &q) || !rs_query_images_check(c))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    code = RS_EXIT_OK;
    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK || rs_cli_lexicon(c, a, &err) != RS_OK ||
        ((with_texts || with_images) && rs_model_open(&e, c, a, NULL, &err) != RS_OK) ||
        (with_images && rs_query_images_load(&images, c, e, pool, &q, &err) != RS_OK)) {
        code = rs_cli_fail(c, &err);
        goto done;
    }
    q.encoder = e;
    q.pool = pool;
    start = rs_now_s();
    if (rs_search(a, &q, rs_cli_arena(c), &r, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = print_json(c, &q, &r, 1000 * (rs_now_s() - start));
    else
        print_hits(c, &r, 1000 * (rs_now_s() - start));
done:
    rs_query_images_clear(&images);
    rs_encoder_close(e);
    rs_archive_close(a);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    {"text", 0, "TEXT", "words to look for; \"a phrase\", -without, begin* and column:word are\n"
                        "understood; may be given several times, as the next two"},
    {"image", 0, "FILE", "an image to look for"},
    {"box", 0, "X0,Y0,X1,Y1", "of the image before it, look for what is in this box, anywhere in an\n"
                              "image: fractions of its width and height, or pixels if above 1"},
    {"like", 0, "CASE", "look for cases like this one of the archive"},
    {"not-text", 0, "TEXT", "words that are not wanted: what matches them sinks"},
    {"not-image", 0, "FILE", "an image that is not wanted: what looks like it sinks"},
    {"not-like", 0, "CASE", "a case that is not wanted"},
    {"k", 'k', "N", "hits wanted (default 10)"},
    {"filter", 0, "EXPR", "only cases that pass, as in \"modality:CT not sex:F date:2020..2023\""},
    {"modality", 0, "M", "only cases of this modality"},
    {"body-part", 0, "B", "only cases of this body part"},
    {"view", 0, "V", "only cases of this view"},
    {"sex", 0, "S", "only cases of this sex"},
    {"age-min", 0, "Y", "only cases of at least this age in years"},
    {"age-max", 0, "Y", "only cases of at most this age: 40 is until the next birthday"},
    {"date", 0, "D", "only studies of this date or range: 2020, 2020-03..2021"},
    {"tier", 0, "T", "only diagnoses so well established: proven, \">=reviewed\""},
    {"patient", 0, "P", "only cases of this patient"},
    {"collection", 0, "C", "only cases of this collection"},
    {"finding", 0, "F", "only cases with this finding label"},
    {"fusion", 0, "F", "how rankings are fused: rrf, minmax, zscore, atan or early; with +N the\n"
                       "best N are rescored (default rrf)"},
    {"keep-patients", 0, NULL, "a patient may have several hits"},
    {"keep-duplicates", 0, NULL, "nearly the same pictures stand for themselves"},
    {"diversity", 0, "D", "0 to 1: how much likeness to the hits before counts against one"},
    {"contrast", 0, NULL, "for each hit, the nearest case of another diagnosis"},
    {"false-alarm", 0, "P", "say \"nothing similar enough\" of so many of the queries that are like\n"
                            "the archive's own cases (default 0.05; 0: never say it)"},
    {"plain", 0, NULL, "textbook BM25 over all text: no reading of the query, no synonyms"},
    {"deadline", 0, "S", "seconds that words are looked for at most, 0 without end (default 10)"},
    RS_LEXICON_OPTION,
    {"explain", 0, NULL, "say of each probe by which image or passage it found the case, and\n"
                         "what that is worth in the fused score (also with --json)"},
    {"json", 0, NULL, "print one JSON object"},
    {"thumbs", 0, NULL, "show the images, on a terminal with kitty or sixel graphics"},
    RS_MODEL_OPTION,
    RS_PRECISION_OPTION,
    RS_THREADS_OPTION,
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
