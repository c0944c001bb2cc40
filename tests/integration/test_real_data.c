/* test_real_data.c - real images and texts through the whole path: manifest, index,
 * search. With the shipped model where it is there, else with a random one, of which
 * only what does not depend on knowledge is asked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "run.h"
#include "tiny_model.h"

#define CXR "../shared/data/cxr"
#define MEDPIX "../shared/data/medpix-dev"
#define SCOUT "data/models/scout-mini"

enum { A_CLASS = 40, CLASSES = 7 };

static char archive[300], model[300], here[300];
static bool trained;

/* At most A_CLASS rows of each class, their images by absolute path. Class: the key up to
 * its last '_', as "mednist_Hand"; all others together. */
static void put_sample(const char *from, const char *to)
{
    struct { char name[64]; size_t n; } seen[CLASSES] = {{"", 0}};
    FILE *in = fopen(from, "r");
    rs_buf rows = {0};
    char *line = NULL;
    size_t cap = 0;

    assert_non_null(in);
    while (getline(&line, &cap, in) > 0) {
        json_t *o = json_loads(line, 0, NULL), *image = json_array_get(json_object_get(o, "images"), 0);
        const char *id = json_string_value(json_object_get(o, "id"));
        size_t c = 0, n = strncmp(id, "mednist_", 8) == 0 ? (size_t)(strrchr(id, '_') - id) : 5;
        char path[700], *text;
        while (c < CLASSES - 1 && seen[c].n && (strncmp(seen[c].name, n > 5 ? id : "other", n) != 0))
            c++;
        snprintf(seen[c].name, sizeof seen[c].name, "%.*s", (int)n, n > 5 ? id : "other");
        if (seen[c].n++ < A_CLASS) {
            snprintf(path, sizeof path, "%s/" CXR "/%s", here, json_string_value(image));
            json_array_set_new(json_object_get(o, "images"), 0, json_string(path));
            text = rs_json_text(o);
            rs_buf_printf(&rows, "%s\n", text);
            rs_free(text);
        }
        json_decref(o);
    }
    free(line);
    fclose(in);
    put(to, rows.data);
    rs_buf_clear(&rows);
}

static int make_all(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch) || !getcwd(here, sizeof here))
        return -1;
    trained = rs_is_folder(SCOUT);
    snprintf(archive, sizeof archive, "%s/archive", scratch);
    snprintf(model, sizeof model, "%s", trained ? SCOUT : at("model"));
    return trained ? 0 : (int)tiny_model_write(model, 7, &err);
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static json_t *hits(json_t **all)
{
    *all = json_loadb(said_out, said_out_len, 0, NULL);
    assert_non_null(*all);
    return json_object_get(*all, "hits");
}

static void test_hands_and_an_image_of_its_own(void **state)
{
    static const char *const classes[] = {"AbdomenCT", "BreastMRI", "Hand", "HeadCT"};
    json_t *all, *list, *hit;
    size_t i, hands = 0;

    (void)state;
    if (!rs_is_folder(CXR)) {
        print_message("skipped: ../shared/data is absent\n");
        skip();
    }
    put_sample(CXR "/cases.jsonl", "cases.jsonl");
    assert_exit(0, "index", archive, at("cases.jsonl"), "--model", model, "--quiet");
    assert_exit(0, "search", archive, "--text", "hand radiograph", "--json");
    list = hits(&all);
    json_array_foreach(list, i, hit)
        hands += strncmp(json_string_value(json_object_get(hit, "case")), "mednist_Hand", 12) == 0;
    assert_int_equal(i, 10);
    json_decref(all);
    if (trained && hands < 9)
        fail_msg("\"hand radiograph\": %zu of 10 are hands", hands);
    if (!trained)
        print_message("%s is absent: a random model finds %zu hands among ten\n", SCOUT, hands);

    for (i = 0; i < sizeof classes / sizeof *classes; i++) {
        char found[700], pattern[100];
        const char *image;
        snprintf(pattern, sizeof pattern, "radiograph MRI CT slice %s", classes[i]);
        assert_exit(0, "search", archive, "--text", pattern, "-k", "1", "--json");
        image = json_string_value(json_object_get(json_array_get(hits(&all), 0), "image"));
        assert_non_null(image);
        snprintf(found, sizeof found, "%s", image);
        json_decref(all);
        assert_exit(0, "search", archive, "--image", found, "-k", "1", "--json");
        hit = json_array_get(hits(&all), 0);
        assert_string_equal(json_string_value(json_object_get(hit, "image")), found);
        json_decref(all);
    }
}

/* 1,275 rows of 405 case_ids: one case each, with all its images. */
static void test_rows_of_one_case(void **state)
{
    json_t *all;

    (void)state;
    if (!rs_is_folder(MEDPIX)) {
        print_message("skipped: ../shared/data is absent\n");
        skip();
    }
    {
        rs_err err = {0};
        ok(tiny_model_write(at("tiny"), 7, &err), &err);
    }
    assert_exit(0, "index", at("medpix"), MEDPIX "/cases.jsonl", "--model", at("tiny"), "--json");
    all = json_loadb(said_out, said_out_len, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(all, "cases")), 405);
    assert_int_equal(json_integer_value(json_object_get(all, "images")), 1275);
    json_decref(all);
    assert_exit(0, "show", at("medpix"), "MPX1024", "--json");
    all = json_loadb(said_out, said_out_len, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(all, "images")), 2);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hands_and_an_image_of_its_own), cmocka_unit_test(test_rows_of_one_case),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
