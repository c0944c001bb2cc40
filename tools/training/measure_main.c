/* measure_main.c - scout_measure: the table of a model card; see measure.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/dual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIGURES = 64, COLUMNS = 3 };

typedef struct {
    char name[96];
    size_t n;
    double value[COLUMNS];
} figure;

typedef struct {
    figure list[MAX_FIGURES];
    size_t n;
    size_t column;
} figures;

/* The same figure of the next encoder goes into the same line. */
static void put(figures *f, size_t n, double value, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i].name, name) == 0) {
            f->list[i].value[f->column] = value;
            return;
        }
    if (f->n == MAX_FIGURES)
        return;
    snprintf(f->list[f->n].name, sizeof f->list[f->n].name, "%s", name);
    f->list[f->n].n = n;
    f->list[f->n++].value[f->column] = value;
}

static const char *const attribute_names[MS_ATTRIBUTES] = {"label", "modality", "region", "finding",
                                                           "plane", "dataset"};

static void retrieval(figures *f, const ms_set *s, size_t d, const char *set, const ms_attribute *list,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char name[96];
        size_t queries;
        double p = ms_precision_at_5(s, d, list[i], &queries);
        snprintf(name, sizeof name, "%s: %s P@5", set, attribute_names[list[i]]);
        put(f, queries, p, name);
    }
}

static void recalls(figures *f, const ms_set *s, size_t d)
{
    static const size_t ks[] = {1, 5, 10};

    for (size_t by_case = 0; by_case < 2; by_case++)
        for (size_t way = 0; way < 2; way++)
            for (size_t i = 0; i < 3; i++) {
                char name[96];
                double r = ms_recall(s, way ? s->vectors : s->texts, way ? s->texts : s->vectors, d,
                                     ks[i], by_case == 1);
                snprintf(name, sizeof name, "phantoms: %s R@%zu (same %s)",
                         way ? "image->text" : "text->image", ks[i],
                         by_case ? "case" : "finding, side, site");
                put(f, s->n, r, name);
            }
}

typedef struct { const char *manifest, *phantoms, *medpix; } places;

/* One image a case: the first. */
static void first_images(ms_set *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        if (n == 0 || strcmp(s->rows[n - 1].group, s->rows[i].group) != 0)
            s->rows[n++] = s->rows[i];
    s->n = n;
}

static rs_status measure_sets(ms_encoder *e, const places *p, figures *f, rs_err *err)
{
    static const ms_attribute tiles[] = {MS_LABEL, MS_MODALITY, MS_REGION};
    static const ms_attribute openrad[] = {MS_MODALITY, MS_REGION, MS_FINDING, MS_LABEL};
    static const ms_attribute medpix[] = {MS_MODALITY, MS_PLANE, MS_REGION};
    static const ms_attribute phantom[] = {MS_FINDING, MS_LABEL, MS_REGION};
    static const char *const sets[] = {"mednist", "openrad"};
    rs_status st = RS_OK;

    for (size_t i = 0; i < 2 && st == RS_OK; i++) {
        ms_set s = {0};
        st = ms_read_manifest(&s, p->manifest, sets[i], err);
        if (st == RS_OK)
            st = ms_encode_set(e, &s, err);
        if (st == RS_OK)
            retrieval(f, &s, e->dim, sets[i], i ? openrad : tiles, i ? 4 : 3);
        for (size_t k = 0; k < ms_n_questions && st == RS_OK; k++) {
            size_t n;
            double accuracy;
            char name[96];
            if (strcmp(ms_questions[k].set, sets[i]) != 0)
                continue;
            st = ms_zero_shot(e, &s, &ms_questions[k], &n, &accuracy, err);
            snprintf(name, sizeof name, "%s: %s, zero-shot", sets[i], ms_questions[k].name);
            put(f, n, accuracy, name);
        }
        ms_set_clear(&s);
    }
    if (st == RS_OK && p->phantoms) {
        ms_set s = {0};
        st = ms_read_manifest(&s, p->phantoms, "phantom", err);
        first_images(&s);
        if (st == RS_OK)
            st = ms_encode_set(e, &s, err);
        if (st == RS_OK) {
            recalls(f, &s, e->dim);
            retrieval(f, &s, e->dim, "phantoms", phantom, 3);
        }
        ms_set_clear(&s);
    }
    if (st == RS_OK && p->medpix) {
        ms_set s = {0};
        st = ms_read_medpix(&s, p->medpix, err);
        if (st == RS_OK)
            st = ms_encode_set(e, &s, err);
        if (st == RS_OK)
            retrieval(f, &s, e->dim, "medpix-dev", medpix, 3);
        ms_set_clear(&s);
    }
    return st;
}

/* An encoder of the same shape with fresh random weights, in a folder of its own. */
static rs_status make_untrained(const rs_encoder *e, const char *model, const char *folder, rs_err *err)
{
    static const char *const files[] = {"vocab.json", "merges.txt", "preprocessor_config.json"};
    rs_random r = rs_random_seed(1);
    rs_dual *m;
    rs_status st = rs_dual_new(&m, rs_dual_config_of(rs_encoder_dual(e)), &r, err);

    if (st == RS_OK)
        st = rs_mkdirs(folder, err);
    if (st == RS_OK)
        st = rs_dual_save(m, folder, false, err);
    rs_dual_close(m);
    for (size_t i = 0; i < 3 && st == RS_OK; i++) {
        char *from = rs_path_join(model, files[i]), *to = rs_path_join(folder, files[i]), *data;
        size_t len;
        st = from && to ? rs_file_read(&data, &len, from, 64 << 20, err) : RS_ENOMEM;
        if (st == RS_OK) {
            st = rs_file_write(to, data, len, err);
            rs_free(data);
        }
        rs_free(from);
        rs_free(to);
    }
    return st;
}

static void print_table(const figures *f)
{
    printf("| on data kept out of training | n | model | untrained | random |\n"
           "|---|---:|---:|---:|---:|\n");
    for (size_t i = 0; i < f->n; i++)
        printf("| %s | %zu | %.3f | %.3f | %.3f |\n", f->list[i].name, f->list[i].n,
               f->list[i].value[0], f->list[i].value[1], f->list[i].value[2]);
}

int main(int argc, char **argv)
{
    places p = {0};
    static figures f;
    ms_encoder e = {.name = "model"};
    char untrained[] = "/tmp/radscout-untrained-XXXXXX", command[80];
    rs_precision precision = RS_AUTO;
    bool understood = true;
    rs_err err = {0};
    rs_status st;

    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--manifest") == 0)
            p.manifest = argv[i + 1];
        else if (strcmp(argv[i], "--phantoms") == 0)
            p.phantoms = argv[i + 1];
        else if (strcmp(argv[i], "--medpix") == 0)
            p.medpix = argv[i + 1];
        else if (strcmp(argv[i], "--precision") == 0)
            understood = rs_precision_parse(&precision, argv[i + 1]);
    }
    if (!understood || argc < 4 || argc % 2 || !p.manifest || !mkdtemp(untrained)) {
        fprintf(stderr, "usage: scout_measure MODEL --manifest FILE [--phantoms FILE] [--medpix FOLDER]\n"
                "                     [--precision f32|bf16|int8|auto]\n");
        return 2;
    }
    st = rs_pool_new(&e.pool, 0, &err);
    for (f.column = 0; f.column < COLUMNS && st == RS_OK; f.column++) {
        if (f.column == 0)
            st = rs_encoder_open_as(&e.encoder, argv[1], precision, &err);
        else if (f.column == 1 && (st = make_untrained(e.encoder, argv[1], untrained, &err)) == RS_OK) {
            rs_encoder_close(e.encoder);
            st = rs_encoder_open(&e.encoder, untrained, &err);
        } else if (f.column == 2) {
            rs_encoder_close(e.encoder);
            e.encoder = NULL;
            e.random = rs_random_seed(2);
        }
        if (st == RS_OK && e.encoder)
            e.dim = rs_encoder_dim(e.encoder);
        if (st == RS_OK)
            st = measure_sets(&e, &p, &f, &err);
    }
    rs_encoder_close(e.encoder);
    rs_pool_free(e.pool);
    snprintf(command, sizeof command, "rm -rf '%s'", untrained);
    if (system(command) != 0)
        fprintf(stderr, "scout_measure: %s could not be removed\n", untrained);
    if (st != RS_OK) {
        fprintf(stderr, "scout_measure: %s\n", err.msg);
        return 1;
    }
    print_table(&f);
    return 0;
}
