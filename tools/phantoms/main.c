/* main.c - the phantoms command: makes the sample archive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "archive.h"

#include "base/alloc.h"
#include "base/progress.h"
#include "base/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: phantoms OUT [--cases N] [--seed S] [--first I] [--only ANATOMY] [--quiet]\n"
    "\n"
    "Draws N cases (1200) into OUT/images, with OUT/cases.jsonl and OUT/README.\n"
    "\n"
    "  --seed S         another archive (1)\n"
    "  --first I        start at case I (0): extend an archive or make it in parts\n"
    "  --only ANATOMY   chest, hand, knee, head_ct, abdomen_ct or brain_mr\n"
    "  --bare           leave the findings out of the pictures, for comparison\n"
    "  --threads T      0: one a core\n"
    "  --list           print how many combinations each anatomy has, and stop\n"
    "  --quiet          no progress\n";

static const char readme[] =
    "A sample archive of procedural phantoms. No patient is in it: each picture is\n"
    "computed from a seed, each report is composed to fit it.\n"
    "\n"
    "images/       8-bit grey PNG, 320 to 512 pixels a side\n"
    "cases.jsonl   one case a line:\n"
    "  id, case_id, images, title, modality, body_part, view, sex, age, patient\n"
    "  history, findings, impression, report    the report in parts and whole\n"
    "  caption, label                           one line; the finding's class\n"
    "  findings_list                            finding, side, site, size, image, box\n"
    "  split                                    train, val or test, by patient\n"
    "\n"
    "A radiograph and an axial section are shown as they are read: the patient's left\n"
    "is on the right of the picture. Boxes are x0 y0 x1 y1 in pixels.\n";

typedef struct {
    ph_archive archive;
    size_t cases, first, threads;
    bool quiet, list;
} options;

typedef struct {
    const options *o;
    char **rows;                     /* [cases], owned */
    rs_err *errors;                  /* [cases]: told in order, whoever failed first */
    rs_progress *progress;
} job;

/* ---- Arguments ------------------------------------------------------------ */

static bool number(unsigned long long *out, const char *text)
{
    char *end;

    errno = 0;
    *out = text ? strtoull(text, &end, 10) : 0;
    return text && *text >= '0' && *text <= '9' && !*end && !errno;
}

/* The number after option argv[i]; false with a message where there is none. */
static bool take_number(size_t *out, unsigned long long most, char **argv, int i)
{
    unsigned long long v;

    if (!number(&v, argv[i + 1]) || v > most) {
        fprintf(stderr, "phantoms: %s: wanted a number up to %llu, got %s\n", argv[i], most,
                argv[i + 1] ? argv[i + 1] : "nothing");
        return false;
    }
    *out = (size_t)v;
    return true;
}

static bool known_anatomy(const char *name)
{
    for (size_t i = 0; i < ph_n_anatomies; i++)
        if (name && strcmp(ph_anatomies[i]->name, name) == 0)
            return true;
    fprintf(stderr, "phantoms: --only %s: no such anatomy\n", name ? name : "");
    return false;
}

static bool parse(options *o, int argc, char **argv)
{
    size_t seed = 1;
    bool ok = true;

    for (int i = 1; i < argc && ok; i++) {
        const char *a = argv[i];

        if (strcmp(a, "--cases") == 0)
            ok = take_number(&o->cases, 1000000, argv, i++);
        else if (strcmp(a, "--first") == 0)
            ok = take_number(&o->first, 100000000, argv, i++);
        else if (strcmp(a, "--seed") == 0)
            ok = take_number(&seed, 1ull << 60, argv, i++);
        else if (strcmp(a, "--threads") == 0)
            ok = take_number(&o->threads, 1024, argv, i++);
        else if (strcmp(a, "--only") == 0)
            ok = known_anatomy(o->archive.only = argv[++i]);
        else if (strcmp(a, "--bare") == 0)
            o->archive.bare = true;
        else if (strcmp(a, "--quiet") == 0)
            o->quiet = true;
        else if (strcmp(a, "--list") == 0)
            o->list = true;
        else if (a[0] != '-' && !o->archive.out)
            o->archive.out = a;
        else {
            fprintf(stderr, "phantoms: %s: not understood\n%s", a, usage);
            ok = false;
        }
    }
    o->archive.seed = seed;
    if (ok && !o->archive.out && !o->list) {
        fputs(usage, stderr);
        ok = false;
    }
    return ok;
}

/* ---- Work ------------------------------------------------------------------ */

static void draw_one(void *ctx, size_t i, size_t worker)
{
    job *j = ctx;

    (void)worker;
    ph_archive_case(&j->rows[i], &j->o->archive, j->o->first + i, &j->errors[i]);
    rs_progress_add(j->progress, 1);
}

static rs_status write_text(const options *o, const char *name, const char *text, size_t len,
                            rs_err *err)
{
    char *path = rs_path_join(o->archive.out, name);
    rs_status st = path ? rs_file_write(path, text, len, err)
                        : rs_fail(err, RS_ENOMEM, "%s: no memory", name);

    rs_free(path);
    return st;
}

static rs_status write_rows(const job *j, rs_err *err)
{
    rs_buf all = {0};
    rs_status st = RS_OK;

    for (size_t i = 0; i < j->o->cases && st == RS_OK; i++) {
        if (j->errors[i].code != RS_OK) {
            *err = j->errors[i];
            st = err->code;
            break;
        }
        rs_buf_puts(&all, j->rows[i]);
        rs_buf_putc(&all, '\n');
    }
    if (all.failed)
        st = rs_fail(err, RS_ENOMEM, "cases.jsonl: no memory");
    if (st == RS_OK)
        st = write_text(j->o, "cases.jsonl", all.data ? all.data : "", all.len, err);
    rs_buf_clear(&all);
    return st;
}

static rs_status run(const options *o, rs_err *err)
{
    rs_status st;
    rs_pool *pool = NULL;
    char *images = rs_path_join(o->archive.out, "images");
    job j = {o, rs_calloc(o->cases, sizeof *j.rows), rs_calloc(o->cases, sizeof *j.errors), NULL};

    if (!images || !j.rows || !j.errors) {
        st = rs_fail(err, RS_ENOMEM, "%zu cases: no memory", o->cases);
        goto done;
    }
    if ((st = rs_mkdirs(images, err)) != RS_OK ||
        (st = rs_pool_new(&pool, o->threads, err)) != RS_OK)
        goto done;
    j.progress = rs_progress_new("drawing", "cases", o->cases,
                                 o->quiet ? RS_PROGRESS_QUIET : RS_PROGRESS_AUTO);
    rs_pool_for(pool, o->cases, draw_one, &j);
    rs_progress_end(j.progress);
    if ((st = write_rows(&j, err)) == RS_OK)
        st = write_text(o, "README", readme, sizeof readme - 1, err);
done:
    for (size_t i = 0; j.rows && i < o->cases; i++)
        rs_free(j.rows[i]);
    rs_free(j.rows);
    rs_free(j.errors);
    rs_free(images);
    rs_pool_free(pool);
    return st;
}

int main(int argc, char **argv)
{
    options o = {.cases = 1200};
    rs_err err = {0};

    if (!parse(&o, argc, argv))
        return 2;
    if (o.list) {
        for (size_t i = 0; i < ph_n_anatomies; i++)
            printf("%s %zu\n", ph_anatomies[i]->name, ph_anatomies[i]->combinations);
        return 0;
    }
    if (run(&o, &err) != RS_OK) {
        fprintf(stderr, "phantoms: %s\n", err.msg);
        return 1;
    }
    return 0;
}
