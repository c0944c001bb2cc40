/* cmd_search.c - radscout search ARCHIVE [--text T] [--image F] [--like CASE] ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "commands.h"
#include "engine/query.h"
#include "model.h"
#include "thumbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_QUERY_IMAGES = 64, SNIPPET_BYTES = 220 };

/* ---- JSON ------------------------------------------------------------ */

static json_t *text_or_null(const char *s)
{
    json_t *v = s ? json_string(s) : NULL;
    return v ? v : json_null();
}

static json_t *json_passage(const rs_evidence *e)
{
    json_t *matches = json_array();

    for (size_t i = 0; i < e->n_matches; i++)
        json_array_append_new(matches, json_pack("[I,I]", (json_int_t)e->matches[i].begin,
                                                 (json_int_t)e->matches[i].end));
    return json_pack("{s:o,s:o,s:I,s:I,s:o}", "section", text_or_null(e->section),
                     "text", text_or_null(e->text), "begin", (json_int_t)e->begin,
                     "end", (json_int_t)e->end, "matches", matches);
}

static json_t *json_hit(const rs_hit *h)
{
    json_t *probes = json_array();
    json_t *o = json_pack("{s:I,s:o,s:f,s:o,s:o,s:o,s:o,s:o}", "rank", (json_int_t)h->rank,
                          "case", text_or_null(h->key), "score", h->score,
                          "title", text_or_null(h->title), "modality", text_or_null(h->modality),
                          "body_part", text_or_null(h->body_part),
                          "image", text_or_null(h->image),
                          "snippet", text_or_null(h->snippet ? h->snippet->text : NULL));

    for (size_t i = 0; i < h->n_found; i++) {
        const rs_found *f = &h->found[i];
        json_t *p = json_pack("{s:s,s:I,s:f,s:f}", "probe", rs_probe_name(f->probe),
                              "rank", (json_int_t)f->rank, "score", f->score, "part", f->part);
        if (f->image)
            json_object_set_new(p, "image", text_or_null(f->image));
        if (f->passage)
            json_object_set_new(p, "passage", json_passage(f->passage));
        json_array_append_new(probes, p);
    }
    json_object_set_new(o, "probes", probes);
    return o;
}

static int print_json(rs_cli *c, const rs_query *q, const rs_result *r, double took_ms)
{
    json_t *hits = json_array(), *query = json_object(), *images = json_array(), *all;
    size_t n;
    const char *const *paths = rs_cli_values(c, "image", &n);
    char *text;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(images, text_or_null(paths[i]));
    json_object_set_new(query, "text", text_or_null(q->text));
    json_object_set_new(query, "images", images);
    json_object_set_new(query, "like", text_or_null(q->like));
    json_object_set_new(query, "k", json_integer((json_int_t)q->k));
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(hits, json_hit(&r->hits[i]));
    all = json_pack("{s:o,s:f,s:o}", "query", query, "took_ms", took_ms, "hits", hits);
    text = all ? rs_json_text(all) : NULL;
    json_decref(all);
    if (!text)
        return rs_cli_fail(c, &(rs_err){RS_ENOMEM, "no memory for the result"});
    puts(text);
    rs_free(text);
    return RS_EXIT_OK;
}

/* ---- Lines for people ------------------------------------------------ */

/* The snippet on one line, cut at a word, matched words bold on a terminal. */
static void print_snippet(const rs_evidence *e, rs_arena *mem, bool tty)
{
    const char *text = rs_evidence_marked(e, "\x01", "\x02", mem);
    size_t shown = 0;

    printf("     ");
    for (const char *s = text ? text : ""; *s; s++) {
        if (*s == '\x01' || *s == '\x02') {
            if (tty)
                fputs(*s == '\x01' ? "\x1b[1m" : "\x1b[22m", stdout);
            continue;
        }
        if (shown >= SNIPPET_BYTES && *s == ' ') {
            fputs(tty ? "\x1b[22m ..." : " ...", stdout);
            break;
        }
        if (((unsigned char)*s < 0x20) || *s == 0x7f)
            putchar(' ');
        else
            putchar(*s);
        shown++;
    }
    putchar('\n');
}

static void print_hit(const rs_hit *h, rs_arena *mem, bool tty, bool thumbs)
{
    printf("%3zu  %.4f  ", h->rank, h->score);
    rs_print_safe(h->key);
    printf("  ");
    rs_print_safe(h->title ? h->title : "(no title)");
    printf("  [");
    for (size_t i = 0; i < h->n_found; i++)
        printf("%s%s #%zu %.3f", i ? ", " : "", rs_probe_name(h->found[i].probe),
               h->found[i].rank, h->found[i].score);
    printf("]\n");
    if (h->snippet)
        print_snippet(h->snippet, mem, tty);
    if (thumbs && h->image)
        rs_thumb_print(h->image);
}

static void print_hits(const rs_cli *c, const rs_result *r, rs_arena *mem, double took_ms)
{
    bool tty = isatty(STDOUT_FILENO) == 1, thumbs = rs_cli_flag(c, "thumbs");

    if (thumbs && !rs_thumb_supported())
        fprintf(stderr, "radscout search: this terminal shows no pictures (kitty or sixel "
                "graphics); lines only\n");
    thumbs = thumbs && rs_thumb_supported();
    for (size_t i = 0; i < r->n; i++)
        print_hit(&r->hits[i], mem, tty, thumbs);
    if (r->n == 0)
        printf("nothing found\n");
    printf("%zu hits in %.1f ms (encoding %.1f, searching %.1f). A finder, not a diagnosis.\n",
           r->n, took_ms, r->encode_ms, r->search_ms);
}

/* ---- The query ------------------------------------------------------- */

static void fill_filter(const rs_cli *c, rs_filter *f)
{
    f->modality = rs_cli_value(c, "modality", NULL);
    f->body_part = rs_cli_value(c, "body-part", NULL);
    f->view = rs_cli_value(c, "view", NULL);
    f->sex = rs_cli_value(c, "sex", NULL);
    f->patient = rs_cli_value(c, "patient", NULL);
    f->collection = rs_cli_value(c, "collection", NULL);
    f->finding = rs_cli_value(c, "finding", NULL);
}

/* Everything of the query but its images. false after having said what is wrong. */
static bool fill_query(const rs_cli *c, rs_query *q)
{
    long long k;
    bool aged;

    *q = rs_query_default();
    q->text = rs_cli_value(c, "text", NULL);
    q->like = rs_cli_value(c, "like", NULL);
    fill_filter(c, &q->filter);
    aged = rs_cli_value(c, "age-min", NULL) || rs_cli_value(c, "age-max", NULL);
    q->filter.by_age = aged;
    if (!rs_cli_number(c, "k", 1, 10000, 10, &k) ||
        !rs_cli_real(c, "age-min", 0, 150, 0, &q->filter.age_min) ||
        !rs_cli_real(c, "age-max", 0, 150, 150, &q->filter.age_max))
        return false;
    q->k = (size_t)k;
    if (q->depth < 2 * q->k)
        q->depth = 2 * q->k;
    if (q->text || q->like || rs_cli_value(c, "image", NULL))
        return true;
    rs_cli_usage(c, "wants something to look for: --text, --image or --like");
    return false;
}

static rs_status load_images(rs_cli *c, rs_image *images, size_t *n, rs_err *err)
{
    size_t wanted;
    const char *const *paths = rs_cli_values(c, "image", &wanted);
    rs_status st = RS_OK;

    if (wanted > MAX_QUERY_IMAGES)
        return rs_fail(err, RS_ELIMIT, "%zu query images, at most %d are taken", wanted, MAX_QUERY_IMAGES);
    for (*n = 0; *n < wanted && st == RS_OK; *n += st == RS_OK)
        st = rs_image_load(&images[*n], paths[*n], err);
    return st;
}

static int run(rs_cli *c)
{
    rs_archive *a = NULL;
    rs_encoder *e = NULL;
    rs_pool *pool = NULL;
    rs_image images[MAX_QUERY_IMAGES] = {{0}};
    rs_result r;
    rs_query q;
    rs_err err = {0};
    double start;
    int code;

    if (!fill_query(c, &q))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    code = RS_EXIT_OK;
    if (rs_archive_open(&a, rs_cli_arg(c, 0), RS_ARCHIVE_READ, &err) != RS_OK ||
        load_images(c, images, &q.n_images, &err) != RS_OK ||
        ((q.text || q.n_images) && rs_model_open(&e, c, a, NULL, &err) != RS_OK)) {
        code = rs_cli_fail(c, &err);
        goto done;
    }
    q.images = images;
    q.encoder = e;
    q.pool = pool;
    start = rs_now_s();
    if (rs_search(a, &q, rs_cli_arena(c), &r, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = print_json(c, &q, &r, 1000 * (rs_now_s() - start));
    else
        print_hits(c, &r, rs_cli_arena(c), 1000 * (rs_now_s() - start));
done:
    for (size_t i = 0; i < q.n_images; i++)
        rs_image_clear(&images[i]);
    rs_encoder_close(e);
    rs_archive_close(a);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    {"text", 0, "TEXT", "words to look for; \"a phrase\", -without and begin* are understood"},
    {"image", 0, "FILE", "an image to look for; may be given several times"},
    {"like", 0, "CASE", "look for cases like this one of the archive"},
    {"k", 'k', "N", "hits wanted (default 10)"},
    {"modality", 0, "M", "only cases of this modality"},
    {"body-part", 0, "B", "only cases of this body part"},
    {"view", 0, "V", "only cases of this view"},
    {"sex", 0, "S", "only cases of this sex"},
    {"age-min", 0, "Y", "only cases of at least this age in years"},
    {"age-max", 0, "Y", "only cases of at most this age in years"},
    {"patient", 0, "P", "only cases of this patient"},
    {"collection", 0, "C", "only cases of this collection"},
    {"finding", 0, "F", "only cases with this finding label"},
    {"json", 0, NULL, "print one JSON object"},
    {"thumbs", 0, NULL, "show the images, on a terminal with kitty or sixel graphics"},
    RS_MODEL_OPTION,
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
        "With --json: {\"query\", \"took_ms\", \"hits\": [{\"rank\", \"case\", \"score\", \"title\",\n"
        "\"probes\": [{\"probe\", \"rank\", \"score\"}], \"image\", \"snippet\"}]}.",
    .examples = "  radscout search archive --text \"left pleural effusion\"\n"
                "  radscout search archive --image film.png -k 5 --json\n"
                "  radscout search archive --like MPX1024 --modality CT",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
