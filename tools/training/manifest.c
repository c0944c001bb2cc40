/* manifest.c - from the sets that the default model is trained on to one training
 * manifest (see embeddings/dataset.h): JSON lines, one row an image.
 *
 *   training_manifest --out FILE [--phantoms FOLDER]... [--openrad FOLDER] [--cxr FOLDER]
 *                     [--tiles FOLDER] [--phantom-split SPLIT]
 *
 * Each row has the image's path, several texts that say the same, a label (rows of
 * equal label are positives for each other), the kind, the set, the split and the group, and
 * the attributes that the model is measured by (modality, region, finding).
 *
 * Splits keep patients apart: cxr by `patient`, openrad by `group`; MedNIST names no
 * patients, so its tiles are split in runs of 100 file numbers, since neighbours may be
 * slices of one study. 70% train, 10% val, 20% test by a hash. Phantoms are split as they
 * were drawn, their test cases trained on as well: what a model is tested on is drawn from
 * another seed (--phantom-split test).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 1 << 20, TILE_RUN = 100 };

/* ---- Rows ------------------------------------------------------------ */

/* A stable number in [0, 100) from a text. */
static unsigned percent_of(const char *text)
{
    char hex[RS_SHA256_HEX];

    if (rs_sha256_of(hex, text, strlen(text), NULL) != RS_OK)
        return 0;
    hex[8] = '\0';
    return (unsigned)(strtoul(hex, NULL, 16) % 100);
}

static const char *split_of(const char *group)
{
    unsigned p = percent_of(group);
    return p < 70 ? "train" : p < 80 ? "val" : "test";
}

static json_t *new_row(const char *folder, const char *image, const char *set,
                       const char *group, const char *split)
{
    char *path = rs_path_join(folder, image);
    json_t *row = json_object();

    json_object_set_new(row, "image", json_string(path));
    json_object_set_new(row, "texts", json_array());
    json_object_set_new(row, "set", json_string(set));
    json_object_set_new(row, "group", json_string(group));
    json_object_set_new(row, "split", json_string(split));
    rs_free(path);
    return row;
}

static void add_text(json_t *row, const char *text)
{
    if (text && *text)
        json_array_append_new(json_object_get(row, "texts"), json_string(text));
}

static void set_text(json_t *row, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(row, key, json_string(value));
}

/* "hand: fracture, left" is of kind "hand", to be told from other hands. */
static void set_kind(json_t *row)
{
    const char *label = json_string_value(json_object_get(row, "label"));
    const char *colon = label ? strchr(label, ':') : NULL;

    if (colon)
        json_object_set_new(row, "kind", json_stringn(label, (size_t)(colon - label)));
}

static bool write_row(FILE *out, json_t *row)
{
    set_kind(row);
    char *text = rs_json_text(row);
    bool ok = text && json_array_size(json_object_get(row, "texts")) > 0 &&
              fprintf(out, "%s\n", text) > 0;

    rs_free(text);
    json_decref(row);
    return ok;
}

/* Calls `take` for each line of FOLDER/cases.jsonl; returns rows taken, -1 on failure. */
static long each_case(const char *folder, FILE *out, const char *split,
                      bool (*take)(FILE *out, const char *folder, const json_t *c, const char *split))
{
    char *path = rs_path_join(folder, "cases.jsonl"), *line = NULL;
    FILE *in = fopen(path, "r");
    size_t cap = 0, number = 0;
    long taken = 0, len;

    if (!in) {
        fprintf(stderr, "training_manifest: cannot open %s\n", path);
        rs_free(path);
        return -1;
    }
    while (taken >= 0 && (len = getline(&line, &cap, in)) >= 0) {
        json_t *c;
        rs_err err = {0};
        number++;
        if (len > MAX_LINE || rs_json_parse(&c, line, (size_t)len, path, &err) != RS_OK) {
            fprintf(stderr, "training_manifest: %s, row %zu: %s\n", path, number, err.msg);
            taken = -1;
            break;
        }
        taken = take(out, folder, c, split) ? taken + 1 : -1;
        json_decref(c);
    }
    free(line);
    fclose(in);
    rs_free(path);
    return taken;
}

static const char *str(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));
    return s ? s : "";
}

/* ---- openrad --------------------------------------------------------- */

/* What a study is called by the people who ask for it. */
static const struct { const char *modality, *part; const char *names[4]; } studies[] = {
    {"CR", "chest", {"Frontal chest radiograph", "Chest X-ray", "Chest radiograph", "CXR"}},
    {"CT", "chest", {"Axial chest CT", "CT of the chest", "Chest CT slice", "Thoracic CT"}},
    {"CT", "abdomen", {"Axial CT of the abdomen", "Abdominal CT", "Abdomen CT slice", "CT abdomen"}},
    {"CT", "pelvis", {"Axial CT of the pelvis", "Pelvic CT", "Pelvis CT slice", "CT pelvis"}},
    {"CT", "thoracic inlet", {"Axial CT of the thoracic inlet", "CT of the lower neck",
                              "Thoracic inlet CT", "CT thoracic inlet"}},
    {"MR", "brain", {"Brain MRI", "MR of the brain", "Contrast-enhanced T1-weighted brain MRI",
                     "Cranial MRI"}},
};

static const char *const *study_names(const char *modality, const char *part)
{
    for (size_t i = 0; i < sizeof studies / sizeof *studies; i++)
        if (strcmp(studies[i].modality, modality) == 0 && strcmp(studies[i].part, part) == 0)
            return studies[i].names;
    return NULL;
}

/* Words that say where or how a picture was taken, not what it shows. */
static bool is_finding(const char *label)
{
    static const char *const other[] = {
        "pediatric", "chest CT", "abdomen CT", "pelvis CT", "thoracic inlet CT", "brain tumor",
        "lung window", "soft tissue window", "intravenous contrast", "no intravenous contrast",
        "no pneumonia",
    };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(label, other[i]) == 0)
            return false;
    return true;
}

/* "a, b and c" of the labels that `wanted` keeps. */
static char *join_labels(const json_t *labels, bool (*wanted)(const char *))
{
    size_t n = 0, k = 0, i;
    rs_buf b = {0};
    json_t *v;

    json_array_foreach(labels, i, v)
        n += wanted(json_string_value(v)) ? 1u : 0u;
    json_array_foreach(labels, i, v) {
        if (!wanted(json_string_value(v)))
            continue;
        rs_buf_puts(&b, k == 0 ? "" : k + 1 == n ? " and " : ", ");
        rs_buf_puts(&b, json_string_value(v));
        k++;
    }
    return rs_buf_take(&b);
}

static bool any_label(const char *label) { return label != NULL; }

static bool take_openrad(FILE *out, const char *folder, const json_t *c, const char *split)
{
    const char *group = str(c, "group"), *modality = str(c, "modality"), *part = str(c, "body_part");
    const char *const *names = study_names(modality, part);
    const json_t *labels = json_object_get(c, "labels");
    char *finding = join_labels(labels, is_finding), *all = join_labels(labels, any_label);
    json_t *row = new_row(folder, str(c, "image"), "openrad", group, split ? split : split_of(group));
    char *label = rs_sprintf("%s %s: %s", modality, part, all);
    bool child = strstr(all, "pediatric") != NULL;

    add_text(row, str(c, "caption"));
    for (size_t i = 0; names && i < 4; i++) {
        static const char *const links[] = {"showing", "with", "with findings of", "-"};
        char *text = *finding
            ? rs_sprintf("%s%s %s %s.", names[i], child ? " of a child" : "", links[i], finding)
            : rs_sprintf("%s, %s.", names[i], all);
        add_text(row, text);
        rs_free(text);
    }
    set_text(row, "label", label);
    set_text(row, "modality", modality);
    set_text(row, "region", part);
    set_text(row, "finding", finding);
    set_text(row, "dataset", str(c, "dataset"));
    rs_free(finding);
    rs_free(all);
    rs_free(label);
    return write_row(out, row);
}

/* ---- MedNIST tiles, and the tiles inside cxr ------------------------- */

static const struct { const char *name, *modality, *region; const char *texts[5]; } classes[] = {
    {"AbdomenCT", "CT", "abdomen", {"Axial CT of the abdomen.", "Abdominal CT.", "CT abdomen slice.",
        "A CT image through the abdomen.", "Abdomen, CT scan."}},
    {"BreastMRI", "MR", "breast", {"Breast MRI.", "MR image of the breast.", "Axial breast MRI slice.",
        "Magnetic resonance imaging of the breasts.", "Breast, MR."}},
    {"CXR", "CR", "chest", {"Chest radiograph.", "Chest X-ray.", "Frontal chest radiograph.",
        "CXR.", "A plain film of the chest."}},
    {"ChestCT", "CT", "chest", {"Axial CT of the chest.", "Chest CT.", "CT chest slice.",
        "A CT image through the thorax.", "Thorax, CT scan."}},
    {"Hand", "CR", "hand", {"Hand radiograph.", "Radiograph of the hand.", "X-ray of the hand.",
        "A plain film of the hand and wrist.", "Hand, plain radiograph."}},
    {"HeadCT", "CT", "head", {"Axial CT of the head.", "Head CT.", "CT head slice.",
        "A CT image through the brain and skull.", "Brain CT scan."}},
};
enum { N_CLASSES = sizeof classes / sizeof *classes };

static json_t *tile_row(const char *folder, const char *image, const char *class_name,
                        long number, const char *set)
{
    for (size_t i = 0; i < N_CLASSES; i++) {
        char *group, *label;
        json_t *row;
        if (strcmp(classes[i].name, class_name) != 0)
            continue;
        group = rs_sprintf("mednist-%s-%ld", class_name, number / TILE_RUN);
        label = rs_sprintf("tile %s", class_name);
        row = new_row(folder, image, set, group, split_of(group));
        for (size_t k = 0; k < 5; k++)
            add_text(row, classes[i].texts[k]);
        set_text(row, "label", label);
        set_text(row, "modality", classes[i].modality);
        set_text(row, "region", classes[i].region);
        rs_free(group);
        rs_free(label);
        return row;
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in `folder`, sorted, so that the manifest does not depend on the disk. */
static char **list_folder(const char *folder, size_t *n)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    char **names = NULL;

    *n = 0;
    while (d && (e = readdir(d)) != NULL) {
        char **more;
        if (e->d_name[0] == '.' || !(more = rs_realloc(names, *n + 1, sizeof *names)))
            continue;
        names = more;
        names[(*n)++] = rs_strdup(e->d_name);
    }
    if (d)
        closedir(d);
    if (names)
        qsort(names, *n, sizeof *names, by_name);
    return names;
}

static long take_tiles(FILE *out, const char *folder)
{
    long taken = 0;

    for (size_t i = 0; i < N_CLASSES && taken >= 0; i++) {
        char *inside = rs_path_join(folder, classes[i].name);
        size_t n;
        char **names = list_folder(inside, &n);
        for (size_t k = 0; k < n; k++) {
            json_t *row = tile_row(inside, names[k], classes[i].name, atol(names[k]), "mednist");
            taken = taken >= 0 && write_row(out, row) ? taken + 1 : -1;
            rs_free(names[k]);
        }
        rs_free(names);
        rs_free(inside);
    }
    return taken;
}

/* ---- cxr ------------------------------------------------------------- */

static bool take_cxr(FILE *out, const char *folder, const json_t *c, const char *split)
{
    const char *image = json_string_value(json_array_get(json_object_get(c, "images"), 0));
    const char *source = str(c, "source_file"), *view = str(c, "view"), *patient = str(c, "patient");
    const char *finding = json_string_value(json_array_get(json_object_get(c, "findings"), 0));
    char class_name[32] = "", *text, *label;
    long number = 0;
    json_t *row;

    if (sscanf(source, "resized/%31[A-Za-z]/%ld", class_name, &number) == 2)
        return write_row(out, tile_row(folder, image, class_name, number, "cxr"));
    row = new_row(folder, image, "cxr", patient, split ? split : split_of(patient));
    text = rs_sprintf("Chest radiograph, %s projection, showing %s.", view, finding ? finding : "no finding");
    add_text(row, text);
    rs_free(text);
    text = rs_sprintf("%s chest X-ray of a patient with %s.", view, finding ? finding : "no finding");
    add_text(row, text);
    rs_free(text);
    add_text(row, str(c, "report"));
    label = rs_sprintf("CR chest: %s", finding ? finding : "");
    set_text(row, "label", label);
    set_text(row, "modality", "CR");
    set_text(row, "region", "chest");
    set_text(row, "finding", finding);
    rs_free(label);
    return write_row(out, row);
}

/* ---- phantoms -------------------------------------------------------- */

static const char *first_finding(const json_t *c)
{
    const json_t *f = json_array_get(json_object_get(c, "findings_list"), 0);
    return f ? str(f, "finding") : "normal";
}

static bool take_phantom(FILE *out, const char *folder, const json_t *c, const char *split)
{
    const json_t *images = json_object_get(c, "images"), *views = json_object_get(c, "view");
    const char *caption = str(c, "caption");
    size_t i;
    json_t *image;

    json_array_foreach(images, i, image) {
        const char *view = json_string_value(json_array_get(views, i));
        const char *own = strcmp(str(c, "split"), "test") == 0 ? "train" : str(c, "split");
        json_t *row = new_row(folder, json_string_value(image), "phantom", str(c, "id"),
                              split ? split : own);
        char *text = view ? rs_sprintf("%s. %s", view, caption) : NULL;
        add_text(row, caption);                 /* twice: one is drawn at random */
        add_text(row, caption);
        add_text(row, text);
        add_text(row, str(c, "impression"));
        add_text(row, str(c, "impression"));
        add_text(row, str(c, "findings"));
        rs_free(text);
        set_text(row, "label", str(c, "label"));
        set_text(row, "finding", first_finding(c));
        set_text(row, "modality", str(c, "modality"));
        set_text(row, "region", str(c, "body_part"));
        set_text(row, "view", view);
        if (!write_row(out, row))
            return false;
    }
    return true;
}

/* ---- main ------------------------------------------------------------ */

int main(int argc, char **argv)
{
    const char *out_path = NULL, *split = NULL;
    FILE *out = NULL;
    long n = 0;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--out") == 0)
            out_path = argv[i + 1];
        if (strcmp(argv[i], "--phantom-split") == 0)
            split = argv[i + 1];
    }
    if (!out_path || argc % 2 == 0 || !(out = fopen(out_path, "w"))) {
        fprintf(stderr, "usage: training_manifest --out FILE [--phantoms|--openrad|--cxr|--tiles FOLDER]...\n");
        return 2;
    }
    for (int i = 1; i + 1 < argc && n >= 0; i += 2) {
        const char *what = argv[i], *folder = argv[i + 1];
        if (strcmp(what, "--phantoms") == 0)
            n = each_case(folder, out, split, take_phantom);
        else if (strcmp(what, "--openrad") == 0)
            n = each_case(folder, out, NULL, take_openrad);
        else if (strcmp(what, "--cxr") == 0)
            n = each_case(folder, out, NULL, take_cxr);
        else if (strcmp(what, "--tiles") == 0)
            n = take_tiles(out, folder);
        else
            continue;
        printf("%s %s: %ld cases\n", what, folder, n);
    }
    if (fclose(out) != 0 || n < 0) {
        fprintf(stderr, "training_manifest: %s could not be made whole\n", out_path);
        return 1;
    }
    return 0;
}
