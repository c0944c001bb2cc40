/* cmd_index.c - radscout index ARCHIVE SOURCE...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "commands.h"
#include "indexer/index.h"
#include "indexer/source.h"
#include "lexicon_folder.h"
#include "model.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHOWN = 10 };                           /* problems a source */

static atomic_int stop_asked;

/* The first signal ends the run after the batch in flight; a second one ends the process,
 * as it would have without us (the catalog bears that too). */
static void on_signal(int sig)
{
    static const char text[] = "\nstopping after this batch; once more to stop at once\n";

    (void)sig;
    atomic_store(&stop_asked, 1);
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        return;                            /* nobody reads: nothing to be done about it here */
}

static void catch_signals(void)
{
    struct sigaction once = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};

    sigemptyset(&once.sa_mask);
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &once, NULL);
}

/* ---- The report ------------------------------------------------------ */

static void print_count(const char *before, size_t n, const char *one, const char *many)
{
    printf("%s%zu %s", before, n, n == 1 ? one : many);
}

static void print_text(const rs_index_report *r, const char *source)
{
    rs_print_line(source);
    print_count(": ", r->cases, "case", "cases");
    printf(": %zu added, %zu updated, %zu unchanged", r->added, r->updated, r->unchanged);
    if (r->pruned)
        printf(", %zu removed", r->pruned);
    if (r->refused_cases || r->refused_images) {
        print_count("; refused: ", r->refused_cases, "case", "cases");
        print_count(", ", r->refused_images, "image", "images");
    }
    print_count("\n  ", r->images, "image", "images");
    if (r->regions)
        print_count(", ", r->regions, "region", "regions");
    print_count(" and ", r->passages, "passage", "passages");
    printf(" encoded in %.1f s (decode %.1f, encode %.1f, write %.1f)\n", r->seconds,
           r->decode_s, r->encode_s, r->write_s);
    if (r->texts_cut) {
        print_count("  ", r->texts_cut, "sentence", "sentences");
        printf(" longer than the encoder reads: %s by the beginning alone\n",
               r->texts_cut == 1 ? "it counts" : "they count");
    }
    if (r->gone) {
        print_count("  ", r->gone, "case of the archive is", "cases of the archive are");
        printf(" no longer in the source; ");
        if (r->unreadable)
            print_count("nothing is removed while ", r->unreadable, "part of it cannot be read\n",
                        "parts of it cannot be read\n");
        else
            printf("--prune removes %s\n", r->gone == 1 ? "it" : "them");
    }
}

static void print_json(const rs_index_report *r, const char *source, const rs_problem *p, size_t n)
{
    json_t *problems = json_array(), *o;
    char *text;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(problems, json_pack("{s:o,s:o}", "item", rs_json_any(p[i].item),
                                                  "reason", rs_json_any(p[i].reason)));
    o = json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:o}",
        "source", rs_json_any(source), "cases", (json_int_t)r->cases,
        "added", (json_int_t)r->added, "updated", (json_int_t)r->updated,
        "unchanged", (json_int_t)r->unchanged, "pruned", (json_int_t)r->pruned,
        "gone", (json_int_t)r->gone, "images", (json_int_t)r->images,
        "passages", (json_int_t)r->passages, "regions", (json_int_t)r->regions, "refused_cases", (json_int_t)r->refused_cases,
        "refused_images", (json_int_t)r->refused_images, "texts_cut", (json_int_t)r->texts_cut,
        "seconds", r->seconds, "decode_s", r->decode_s, "encode_s", r->encode_s,
        "write_s", r->write_s, "problems", problems);
    text = o ? rs_json_text(o) : NULL;
    if (text)
        puts(text);
    rs_free(text);
    json_decref(o);
}

/* What was done with one source, and what of it is refused: at most SHOWN lines of that. */
static rs_status print_report(const rs_cli *c, rs_archive *a, const char *source,
                              const rs_index_report *r, rs_err *err)
{
    rs_arena mem = {0};
    const rs_problem *p = NULL;
    size_t n = 0;
    char *name = realpath(source, NULL);       /* as the archive calls it */
    rs_status st = name ? rs_archive_problems(a, name, &mem, &p, &n, err) : RS_OK;

    free(name);
    if (st == RS_OK && rs_cli_flag(c, "json")) {
        print_json(r, source, p, n);
    } else if (st == RS_OK) {
        print_text(r, source);
        for (size_t i = 0; i < n && i < SHOWN; i++) {
            printf("  refused: ");
            rs_print_line(p[i].item);
            printf(": ");
            rs_print_line(p[i].reason);
            putchar('\n');
        }
        if (n > SHOWN)
            printf("  and %zu more; radscout stats --problems lists them all\n", n - SHOWN);
    }
    fflush(stdout);
    rs_arena_clear(&mem);
    return st;
}

/* ---- The run --------------------------------------------------------- */

static int index_sources(rs_cli *c, rs_archive *a, const rs_encoder *e, const char *folder,
                         rs_index_options *o)
{
    rs_encoder_identity id = {rs_encoder_id(e), rs_encoder_name(e), folder, rs_encoder_dim(e)};
    size_t problems = 0;
    rs_err err = {0};

    if (rs_archive_bind_encoder(a, &id, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    for (size_t i = 1; i < rs_cli_args(c); i++) {
        rs_index_report r;
        rs_err unused = {0};
        rs_status st = rs_index_run(a, e, rs_cli_arg(c, i), o, &r, &err);
        if (st != RS_OK && st != RS_ECANCEL)
            return rs_cli_fail(c, &err);
        if (print_report(c, a, rs_cli_arg(c, i), &r, &unused) != RS_OK)
            return rs_cli_fail(c, &unused);
        problems += r.problems;
        if (st == RS_ECANCEL) {
            fflush(stdout);
            fprintf(stderr, "radscout index: %s; nothing is lost: run it again to go on\n", err.msg);
            return RS_EXIT_FAILED;
        }
    }
    return problems ? RS_EXIT_PARTIAL : RS_EXIT_OK;
}

/* What can be wrong with the command line is said before an archive is made. */
static rs_status look_first(rs_cli *c, rs_err *err)
{
    char *catalog = rs_path_join(rs_cli_arg(c, 0), "catalog.db");
    bool is_new = catalog && !rs_file_exists(catalog);
    rs_encoder *e = NULL;
    rs_status st = RS_OK;

    rs_free(catalog);
    for (size_t i = 1; i < rs_cli_args(c) && st == RS_OK; i++) {
        rs_source *s = NULL;
        if (access(rs_cli_arg(c, i), F_OK) != 0)
            st = rs_fail_errno(err, "source %s", rs_cli_arg(c, i));
        else if (is_new)
            st = rs_source_open(&s, rs_cli_arg(c, i), err);
        rs_source_close(s);
    }
    if (st == RS_OK && is_new)
        st = rs_model_open(&e, c, NULL, NULL, err);
    rs_encoder_close(e);
    return st;
}

static int run(rs_cli *c)
{
    rs_archive *a = NULL;
    rs_encoder *e = NULL;
    rs_pool *pool;
    rs_index_options o = {.prefix = rs_cli_value(c, "prefix", NULL), .stop = &stop_asked,
                          .prune = rs_cli_flag(c, "prune"), .progress = rs_cli_progress(c)};
    const char *folder;
    long long batch;
    rs_err err = {0};
    int code;

    if (!rs_cli_number(c, "batch", 1, 4096, 0, &batch))
        return RS_EXIT_USAGE;
    if (rs_cli_flag(c, "regions") && rs_cli_flag(c, "no-regions"))
        return rs_cli_usage(c, "--regions or --no-regions, not both");
    o.regions = rs_cli_flag(c, "regions") ? RS_REGIONS_ON :
                rs_cli_flag(c, "no-regions") ? RS_REGIONS_OFF : RS_REGIONS_AS_BEFORE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    o.batch = (size_t)batch;
    o.pool = pool;
    catch_signals();
    if (look_first(c, &err) != RS_OK ||
        rs_archive_open_writer(&a, rs_cli_arg(c, 0), RS_CLI_WRITER_WAIT_S, &err) != RS_OK ||
        rs_cli_lexicon(c, a, &err) != RS_OK ||
        rs_model_open(&e, c, a, &folder, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else
        code = index_sources(c, a, e, folder, &o);
    rs_encoder_close(e);
    rs_archive_close(a);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    RS_MODEL_OPTION,
    RS_LEXICON_OPTION,
    RS_PRECISION_OPTION,
    {"prune", 0, NULL, "remove cases of the source that it no longer holds"},
    {"regions", 0, NULL, "vectors of 25 parts of each image too, so that search --box finds\n"
                         "a lesion wherever it lies; later runs do so too"},
    {"no-regions", 0, NULL, "none any more"},
    {"prefix", 0, "TEXT", "put TEXT before the key of each case, so that two sources may use\n"
                          "the same keys"},
    {"batch", 0, "N", "cases written in one transaction (default 64)"},
    RS_THREADS_OPTION,
    {"quiet", 'q', NULL, "no progress"},
    {"json", 0, NULL, "the report as one JSON object a source; progress as JSON lines"},
    {0},
};

const rs_command rs_command_index = {
    .name = "index", .args = "ARCHIVE SOURCE...",
    .summary = "bring images and reports into an archive, which is made if absent",
    .description =
        "A SOURCE is a folder or a manifest. Of a folder every PNG and JPEG below it is a case,\n"
        "with STEM.txt beside STEM.png as its report; a folder that holds a report.txt is one\n"
        "case of all its images. A manifest is a .jsonl file (one JSON object a line), or a .csv\n"
        "or .tsv file (a header row names the fields).\n"
        "\n"
        "Fields of a manifest: case_id or id, the key of the case; image or images, paths\n"
        "relative to the manifest (in .csv parted by semicolons); view or plane; title, modality,\n"
        "body_part, sex, age, patient, collection or dataset; report, or its parts: history,\n"
        "technique, comparison, findings, impression, caption, diagnosis, differential,\n"
        "discussion; labels (a list, or parted by semicolons). Other fields are kept as\n"
        "attributes. Rows that share a case_id are one case of several images.\n"
        "\n"
        "Interrupted, run it again: it goes on where it was. Run again later, it adds nothing\n"
        "twice and updates what changed. A broken file is listed with its reason and does not\n"
        "stop the others; the exit status is then 3.\n"
        "\n"
        "Without --regions an image is one vector, with it 26: the catalog and what is kept in\n"
        "memory for a search grow by so much, encoding takes hardly longer. An archive that was\n"
        "indexed without gets them when its sources are indexed again with --regions; later runs\n"
        "go on with what the archive has. --no-regions takes them out likewise.\n"
        "\n"
        "With --json one object a source is printed: {\"source\", \"cases\", \"added\", \"updated\",\n"
        "\"unchanged\", \"pruned\", \"gone\", \"images\", \"passages\", \"regions\",\n"
        "\"refused_cases\", \"refused_images\", \"texts_cut\", \"seconds\",\n"
        "\"decode_s\", \"encode_s\", \"write_s\", \"problems\": [{\"item\", \"reason\"}]}. With several threads decoding, encoding and writing\n"
        "overlap: their seconds add up to more than the run took.",
    .examples = "  radscout index archive cases.jsonl\n"
                "  radscout index archive /media/teaching --prefix teaching/\n"
                "  radscout index archive cases.jsonl --prune --quiet",
    .options = options, .min_args = 2, .max_args = -1, .run = run,
};
