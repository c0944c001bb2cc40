/* test_care.c - radscout delete, forget, verify, rebuild, backup and export as a user meets them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "engine/archive.h"
#include "engine/files.h"
#include "run.h"
#include "tiny_model.h"

#include <dirent.h>
#include <math.h>

static char archive[300], model[300];

static int make_all(void **state)
{
    rs_buf rows = {0};
    rs_err err = {0};
    char name[32];

    (void)state;
    if (!mkdtemp(scratch) || tiny_model_write(at("model"), 7, &err) != RS_OK)
        return -1;
    snprintf(archive, sizeof archive, "%s/archive", scratch);
    snprintf(model, sizeof model, "%s/model", scratch);
    for (unsigned i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "p/%u.png", i);
        put_picture(name, i + 50);
        rs_buf_printf(&rows, "{\"id\":\"study-%u\",\"image\":\"p/%u.png\",\"patient\":\"P-%04u\","
                      "\"findings\":\"Finding number %u of this series of films.\"}\n", i, i, 1000 + i / 2, i);
    }
    put("cases.jsonl", rows.data);
    rs_buf_clear(&rows);
    return radscout("index", archive, at("cases.jsonl"), "--model", model, "--quiet");
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void test_delete(void **state)
{
    (void)state;
    assert_exit(0, "delete", archive, "study-5");
    assert_says(said_out, "1 case erased, with 1 image and 1 passage\n");
    assert_says(said_out, "none found");
    assert_exit(1, "show", archive, "study-5");
    assert_exit(1, "delete", archive, "study-4", "study-5");
    assert_says(said_err, "study-5");
    assert_exit(0, "show", archive, "study-4");
    assert_exit(2, "delete", archive);
    assert_exit(1, "delete", at("nowhere"), "study-1");
    assert_says(said_err, "there is no archive");
    assert_false(rs_is_folder(at("nowhere")));      /* nor was one made */
}

static void test_forget(void **state)
{
    json_t *o;

    (void)state;
    assert_exit(0, "forget", archive, "p-1001", "--json");
    o = json_loads(said_out, 0, NULL);
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "cases")), 2);
    assert_int_equal(json_integer_value(json_object_get(o, "images")), 2);
    assert_true(json_integer_value(json_object_get(o, "looked_for")) > 10);
    assert_true(json_integer_value(json_object_get(o, "bytes")) > 4096);
    json_decref(o);
    assert_exit(1, "forget", archive, "P-1001");
    assert_says(said_err, "no case of patient P-1001");
    assert_exit(1, "show", archive, "study-2");
    assert_exit(0, "show", archive, "study-1");
    /* The source still has them, so the next index brings them back, as --help says. */
    assert_exit(0, "index", archive, at("cases.jsonl"), "--model", model, "--quiet");
    assert_exit(0, "show", archive, "study-2");
}

static void test_verify_and_rebuild(void **state)
{
    char damage[400], cache[400];
    const struct dirent *e;
    FILE *f;
    DIR *d;

    (void)state;
    assert_exit(0, "verify", archive);
    assert_says(said_out, "in step: ");
    /* A byte of a cache is another. */
    snprintf(cache, sizeof cache, "%s/vectors", archive);
    damage[0] = '\0';
    for (int depth = 0; depth < 2; depth++) {
        d = opendir(cache);
        assert_non_null(d);
        while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
            ;
        assert_non_null(e);
        snprintf(damage, sizeof damage, "%.190s/%.190s", cache, e->d_name);
        snprintf(cache, sizeof cache, "%s", damage);
        closedir(d);
    }
    f = fopen(damage, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 100, SEEK_SET), 0);
    fputc(0x5a, f);
    fclose(f);
    assert_exit(1, "verify", archive);
    assert_says(said_err, ".faiss");
    assert_exit(0, "search", archive, "--text", "finding", "--model", model);   /* all the same */
    assert_exit(0, "rebuild", archive);
    assert_exit(0, "verify", archive);
    assert_exit(0, "rebuild", archive, "--purge");
    assert_exit(0, "verify", archive);
}

static void test_backup(void **state)
{
    char copy[400];

    (void)state;
    snprintf(copy, sizeof copy, "%s/copy", scratch);
    assert_exit(0, "backup", archive, copy);
    assert_says(said_out, "checked");
    assert_exit(0, "verify", copy);
    assert_exit(0, "search", copy, "--text", "finding", "--model", model);
    assert_says(said_out, "study-");
    assert_exit(1, "backup", archive, copy);
    assert_says(said_err, "there already");
}

/* The same cases, as rs_archive_get tells them. */
static void assert_same_cases(const char *one, const char *other)
{
    rs_arena mem = {0};
    rs_archive *a, *b;
    rs_err err = {0};
    const char **keys, **others;
    size_t n, m;

    assert_int_equal(rs_archive_open(&a, one, RS_ARCHIVE_READ, &err), RS_OK);
    assert_int_equal(rs_archive_open(&b, other, RS_ARCHIVE_READ, &err), RS_OK);
    assert_int_equal(rs_archive_keys(a, NULL, NULL, 1000, &mem, &keys, &n, &err), RS_OK);
    assert_int_equal(rs_archive_keys(b, NULL, NULL, 1000, &mem, &others, &m, &err), RS_OK);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        rs_case *x, *y;
        assert_string_equal(keys[i], others[i]);
        assert_int_equal(rs_archive_get(a, keys[i], &mem, &x, &err), RS_OK);
        assert_int_equal(rs_archive_get(b, keys[i], &mem, &y, &err), RS_OK);
        const char *const of_x[] = {x->title, x->report, x->modality, x->body_part, x->view, x->sex,
                                    x->patient, x->collection, x->attributes, x->study_date};
        const char *const of_y[] = {y->title, y->report, y->modality, y->body_part, y->view, y->sex,
                                    y->patient, y->collection, y->attributes, y->study_date};
        for (size_t k = 0; k < sizeof of_x / sizeof *of_x; k++)
            if ((of_x[k] == NULL) != (of_y[k] == NULL) || (of_x[k] && strcmp(of_x[k], of_y[k]) != 0))
                fail_msg("%s: field %zu: '%s', wanted '%s'", keys[i], k, of_y[k] ? of_y[k] : "NULL",
                         of_x[k] ? of_x[k] : "NULL");
        assert_true(fabs(x->age_years - y->age_years) < 1e-9);
        assert_int_equal(x->tier, y->tier);
        assert_int_equal(x->n_images, y->n_images);
        for (size_t k = 0; k < x->n_images; k++) {
            assert_string_equal(x->images[k].sha256, y->images[k].sha256);
            assert_string_equal(x->images[k].view ? x->images[k].view : "", y->images[k].view ? y->images[k].view : "");
        }
        assert_int_equal(x->n_findings, y->n_findings);
        for (size_t k = 0; k < x->n_findings; k++)
            assert_string_equal(x->findings[k], y->findings[k]);
        assert_int_equal(x->n_passages, y->n_passages);
        for (size_t k = 0; k < x->n_passages; k++)
            assert_string_equal(x->passages[k].text, y->passages[k].text);
    }
    rs_archive_close(a);
    rs_archive_close(b);
    rs_arena_clear(&mem);
}

static const char odd[] =
    "{\"case_id\":\"x 1\",\"images\":[\"p/0.png\",\"p/1.png\"],\"view\":[\"axial\",\"coronal\"],\"age\":\"18M\","
    "\"title\":\"\u00dcber \\\"quotes\\\"\",\"sex\":\"F\",\"modality\":\"CT\",\"body_part\":\"HEAD\",\"labels\":[\"a;b\","
    "\"c\"],\"report\":\"FINDINGS: A mass.\\nIMPRESSION: Odd.\",\"date\":\"spring\",\"tier\":3,\"accession\":17,\"deep\":{\"of\":[1,2]}}\n"
    "{\"case_id\":\"x 2\",\"image\":\"p/2.png\",\"view\":\"PA\",\"collection\":\"teach\",\"patient\":\"7\",\"age\":61,"
    "\"study_date\":\"2024-03\",\"tier\":\"followed\"}\n"
    "{\"case_id\":\"x 3\",\"title\":\"Words only\",\"history\":\"Cough.\",\"findings\":\"No effusion. 3.5 cm mass.\"}\n"
    "{\"case_id\":\"x 4\",\"images\":[\"p/2.png\",\"p/3.png\"]}\n";

static void test_export_and_index_again(void **state)
{
    char one[400], out[400], manifest[500], again[400];

    (void)state;
    snprintf(one, sizeof one, "%s/one", scratch);
    snprintf(out, sizeof out, "%s/out", scratch);
    snprintf(manifest, sizeof manifest, "%s/cases.jsonl", out);
    snprintf(again, sizeof again, "%s/again", scratch);
    put("odd.jsonl", odd);
    assert_exit(0, "index", one, at("odd.jsonl"), "--model", model, "--quiet");
    assert_exit(0, "export", one, out);
    assert_says(said_out, "4 cases with 5 images");
    assert_says(said_out, "4 files copied");         /* one picture is in two cases */
    assert_exit(0, "index", again, manifest, "--model", model, "--quiet");
    assert_same_cases(one, again);
    assert_exit(1, "export", one, out);
    assert_says(said_err, "there already");
    /* Without copies; and what is gone is told. */
    snprintf(out, sizeof out, "%s/links", scratch);
    assert_exit(0, "export", one, out, "--links");
    assert_says(said_out, " 0 files copied");
    assert_int_equal(rename(at("p/3.png"), at("p/moved.png")), 0);
    snprintf(out, sizeof out, "%s/partly", scratch);
    assert_exit(3, "export", one, out);
    assert_says(said_out, "4 cases with 4 images");
    assert_says(said_err, "p/3.png");
    assert_int_equal(rename(at("p/moved.png"), at("p/3.png")), 0);
}

/* ---- Images of the archive's own ------------------------------------------------- */

/* Keep a picture of the scratch folder in the archive `folder`; where it is then. */
static void keep(const char *folder, const char *name, char path[500])
{
    char *bytes, sha[RS_SHA256_HEX];
    rs_arena mem = {0};
    rs_err err = {0};
    const char *where;
    rs_archive *a;
    size_t len;

    assert_int_equal(rs_file_read(&bytes, &len, at(name), 1 << 24, &err), RS_OK);
    assert_int_equal(rs_archive_open(&a, folder, RS_ARCHIVE_WRITE, &err), RS_OK);
    assert_int_equal(rs_files_keep(a, bytes, len, &mem, &where, sha, &err), RS_OK);
    snprintf(path, 500, "%s", where);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    rs_free(bytes);
}

/* The path of the case's first image. */
static void first_image(const char *folder, const char *key, char path[500])
{
    rs_arena mem = {0};
    rs_err err = {0};
    rs_archive *a;
    rs_case *c;

    assert_int_equal(rs_archive_open(&a, folder, RS_ARCHIVE_READ, &err), RS_OK);
    assert_int_equal(rs_archive_get(a, key, &mem, &c, &err), RS_OK);
    snprintf(path, 500, "%s", c->images[0].path);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* Moved, exported, indexed elsewhere, backed up, checked and erased with its images. */
static void test_own_images(void **state)
{
    char own[400], moved[400], out[400], manifest[500], again[400], copy[400], path[500], was[500];
    rs_buf rows = {0};

    (void)state;
    snprintf(own, sizeof own, "%s/own", scratch);
    snprintf(moved, sizeof moved, "%s/moved", scratch);
    snprintf(out, sizeof out, "%s/own-out", scratch);
    snprintf(manifest, sizeof manifest, "%s/cases.jsonl", out);
    snprintf(again, sizeof again, "%s/own-again", scratch);
    snprintf(copy, sizeof copy, "%s/own-copy", scratch);
    for (unsigned i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "p/%u.png", i);
        keep(own, name, path);
        rs_buf_printf(&rows, "{\"id\":\"own-%u\",\"title\":\"Films\",\"image\":\"%s\",\"findings\":\"Film number %u.\"}\n", i,
                      path, i);
    }
    put("own.jsonl", rows.data);
    rs_buf_clear(&rows);
    assert_exit(0, "index", own, at("own.jsonl"), "--model", model, "--quiet");
    assert_int_equal(rename(own, moved), 0);
    first_image(moved, "own-1", path);
    assert_true(strncmp(path, moved, strlen(moved)) == 0 && rs_file_exists(path));
    assert_exit(0, "verify", moved);
    assert_exit(0, "search", moved, "--image", path, "--model", model);
    assert_says(said_out, "own-1");

    assert_exit(0, "export", moved, out);
    assert_says(said_out, "2 cases with 2 images");
    assert_says(said_out, "2 files copied");
    assert_exit(0, "index", again, manifest, "--model", model, "--quiet");
    assert_same_cases(moved, again);
    first_image(again, "own-1", was);
    assert_true(strncmp(was, out, strlen(out)) == 0 && rs_file_exists(was));

    assert_exit(0, "backup", moved, copy);
    assert_exit(0, "delete", moved, "own-1");
    assert_false(rs_file_exists(path));
    assert_exit(0, "verify", moved);
    assert_exit(0, "verify", copy);
    assert_exit(0, "show", copy, "own-1");
    first_image(copy, "own-1", path);
    assert_true(strncmp(path, copy, strlen(copy)) == 0 && rs_file_exists(path));
    assert_int_equal(unlink(path), 0);
    assert_exit(1, "verify", copy);
    assert_says(said_err, "is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_verify_and_rebuild),
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_export_and_index_again),
        cmocka_unit_test(test_own_images),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
