/* fixture.h - archives for the tests of engine/: a temporary folder, random unit vectors,
 * random cases made of a small vocabulary.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_ENGINE_FIXTURE_H
#define RS_TESTS_ENGINE_FIXTURE_H

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/random.h"
#include "engine/archive.h"
#include "engine/query.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { DIM = 8 };

#define FIXTURE_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const rs_encoder_identity fixture_encoder = {
    .id = FIXTURE_ID, .name = "tiny", .folder = "/models/tiny", .dim = DIM};

/* RS_OK, or fail the test with the message. */
#define ok(call, err) ok_at((call), (err), __FILE__, __LINE__)
static inline void ok_at(rs_status st, const rs_err *err, const char *file, int line)
{
    if (st != RS_OK)
        print_error("%s: %s\n", rs_status_name(st), err->msg);
    _assert_int_equal((uintmax_t)st, RS_OK, file, line);
}

/* ---- Folders --------------------------------------------------------- */

/* A fresh folder; path into `dir`. */
static inline void make_folder(char dir[64])
{
    snprintf(dir, 64, "/tmp/radscout-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static inline void remove_folder(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    struct stat sb;
    char *path;

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        path = rs_path_join(dir, e->d_name);
        assert_non_null(path);
        if (lstat(path, &sb) == 0 && S_ISDIR(sb.st_mode))
            remove_folder(path);
        else
            unlink(path);
        rs_free(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

/* ---- Archives -------------------------------------------------------- */

static inline rs_archive *open_archive(const char *dir, rs_archive_mode mode)
{
    rs_archive *a = NULL;
    rs_err err = {RS_OK, ""};

    ok(rs_archive_open(&a, dir, mode, &err), &err);
    return a;
}

/* Open for writing with the fixture's encoder bound. */
static inline rs_archive *open_writer(const char *dir)
{
    rs_archive *a = open_archive(dir, RS_ARCHIVE_WRITE);
    rs_err err = {RS_OK, ""};

    ok(rs_archive_bind_encoder(a, &fixture_encoder, &err), &err);
    return a;
}

static inline void unit_vector(rs_random *rnd, float x[DIM])
{
    double sum = 0;

    for (int i = 0; i < DIM; i++) {
        x[i] = (float)rs_random_normal(rnd);
        sum += (double)x[i] * (double)x[i];
    }
    for (int i = 0; i < DIM; i++)
        x[i] = (float)((double)x[i] / sqrt(sum));
}

/* Look for a text, whose vector may be NULL, or for n images [n x DIM]. */
static inline void ask_text(rs_query *q, const char *text, const float *vector)
{
    rs_query_part *p = rs_query_add(q);

    p->text = text;
    p->vector = vector;
}

static inline void ask_images(rs_query *q, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rs_query_add(q)->vector = x + i * DIM;
}

static inline void put_one(rs_archive *a, const rs_case *c)
{
    rs_err err = {RS_OK, ""};

    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_put(a, c, NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
}

/* ---- Random cases ---------------------------------------------------- */

static const char *const fixture_words[] = {
    "effusion", "pneumothorax", "nodule", "fracture", "left", "right", "lung", "heart",
    "small", "large", "mass", "normal"};
static const char *const fixture_modality[] = {"CR", "CT", "MR", NULL};
static const char *const fixture_part[] = {"CHEST", "HEAD", "hand", NULL};
static const char *const fixture_label[] = {"nodule", "mass", "fracture"};

/* At most 3 images, 3 passages, 2 findings; everything it points to is inside. */
typedef struct {
    rs_case       c;
    char          key[32], title[64], report[512];
    rs_case_image images[3];
    rs_passage    passages[3];
    rs_section    sections[3];
    const char   *findings[2];
    char          texts[3][160], paths[3][48];
    float         vectors[6][DIM];
} random_case;

static inline const char *pick(rs_random *rnd, const char *const *of, size_t n)
{
    return of[rs_random_below(rnd, n)];
}

static inline void random_words(rs_random *rnd, size_t n, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", i ? " " : "", pick(rnd, fixture_words, 12));
    }
}

/* Case number `i`; keys sort otherwise than numbers. */
static inline void make_case(random_case *r, rs_random *rnd, size_t i)
{
    static const char *const names[] = {"history", "findings", "impression"};
    rs_case *c = &r->c;

    memset(r, 0, sizeof *r);
    snprintf(r->key, sizeof r->key, "case-%zu", (i * 37) % 1009);
    random_words(rnd, 2, r->title, sizeof r->title);
    *c = (rs_case){
        .key = r->key, .source = "folder", .title = r->title, .report = r->report,
        .modality = pick(rnd, fixture_modality, 4), .body_part = pick(rnd, fixture_part, 4),
        .sex = rs_random_below(rnd, 2) ? "F" : "M", .collection = "test",
        .age_years = rs_random_below(rnd, 5) ? (double)rs_random_below(rnd, 90) : -1,
        .digest = "d", .attributes = "{\"n\":1}", .images = r->images, .passages = r->passages,
        .sections = r->sections, .findings = r->findings,
        .n_images = rs_random_below(rnd, 4), .n_passages = rs_random_below(rnd, 4),
        .n_findings = rs_random_below(rnd, 3)};
    for (size_t k = 0; k < c->n_images; k++) {
        snprintf(r->paths[k], sizeof r->paths[k], "/images/%zu-%zu.png", i, k);
        unit_vector(rnd, r->vectors[k]);
        r->images[k] = (rs_case_image){.path = r->paths[k], .width = 10 + k, .height = 20,
                                       .vector = r->vectors[k]};
    }
    for (size_t k = 0; k < c->n_passages; k++) {
        size_t begin = strlen(r->report);
        random_words(rnd, 3 + rs_random_below(rnd, 8), r->texts[k], sizeof r->texts[k]);
        snprintf(r->report + begin, sizeof r->report - begin, "%s\n", r->texts[k]);
        unit_vector(rnd, r->vectors[3 + k]);
        r->sections[k] = (rs_section){names[k], begin, begin + strlen(r->texts[k])};
        r->passages[k] = (rs_passage){.section = names[k], .text = r->texts[k], .begin = begin,
                                      .end = begin + strlen(r->texts[k]),
                                      .vector = r->vectors[3 + k]};
    }
    c->n_sections = c->n_passages;
    for (size_t k = 0; k < c->n_findings; k++)
        r->findings[k] = pick(rnd, fixture_label, 3);
}

#endif
