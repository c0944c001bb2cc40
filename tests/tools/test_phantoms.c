/* test_phantoms.c - the sample archive: the same numbers give the same bytes, in one
 * run or in parts; each row is whole; each finding is where its box says.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { CASES = 24, PART_FIRST = 9, PART = 5 };

static char folder[] = "/tmp/rs_phantoms_XXXXXX";
static json_t *rows[CASES];              /* of the whole run in folder/all */

/* ---- Running ----------------------------------------------------------------- */

/* phantoms folder/NAME ARGS; its exit code. */
static int phantoms(const char *name, const char *args)
{
    const char *radscout = getenv("RADSCOUT_BIN");
    const char *slash = radscout ? strrchr(radscout, '/') : NULL;
    char command[600];

    assert_non_null(slash);
    snprintf(command, sizeof command, "'%.*s/phantoms' '%s/%s' %s 2>/dev/null",
             (int)(slash - radscout), radscout, folder, name, args);
    int status = system(command);

    return status < 0 ? -1 : status / 256;
}

static char *read_text(const char *run, const char *name, size_t *len)
{
    char path[300], *text;
    size_t n;
    rs_err err;

    snprintf(path, sizeof path, "%s/%s/%s", folder, run, name);
    if (rs_file_read(&text, &n, path, 1 << 28, &err) != RS_OK)
        fail_msg("%s", err.msg);
    if (len)
        *len = n;
    return text;
}

/* The n rows of a run's cases.jsonl. */
static void read_rows(const char *run, json_t **out, size_t n)
{
    char *text = read_text(run, "cases.jsonl", NULL), *at = text;
    rs_err err;

    for (size_t i = 0; i < n; i++) {
        char *end = strchr(at, '\n');

        assert_non_null(end);
        if (rs_json_parse(&out[i], at, (size_t)(end - at), run, &err) != RS_OK)
            fail_msg("row %zu: %s", i, err.msg);
        at = end + 1;
    }
    assert_string_equal(at, "");
    rs_free(text);
}

static int draw_all(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    if (phantoms("all", "--cases 24 --seed 7 --quiet") != 0)
        return -1;
    read_rows("all", rows, CASES);
    return 0;
}

static int drop_all(void **state)
{
    char command[200];

    (void)state;
    for (size_t i = 0; i < CASES; i++)
        json_decref(rows[i]);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));

    if (!s)
        fail_msg("%s: not a string", key);
    return s;
}

static const char *image_of(const json_t *row, size_t k)
{
    return json_string_value(json_array_get(json_object_get(row, "images"), k));
}

static void load_image(rs_image *im, const char *run, const char *name)
{
    char path[300];
    rs_err err;

    snprintf(path, sizeof path, "%s/%s/%s", folder, run, name);
    if (rs_image_load(im, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
}

/* ---- The same bytes -------------------------------------------------------------- */

/* A part drawn alone, by one thread, is the same slice of the whole. */
static void test_a_part_equals_its_slice(void **state)
{
    json_t *part[PART];

    (void)state;
    assert_int_equal(phantoms("part", "--cases 5 --first 9 --seed 7 --threads 1 --quiet"), 0);
    read_rows("part", part, PART);
    for (size_t i = 0; i < PART; i++) {
        const json_t *whole = rows[PART_FIRST + i];

        if (!json_equal(part[i], whole))
            fail_msg("%s differs", text_of(whole, "id"));
        for (size_t k = 0; k < json_array_size(json_object_get(whole, "images")); k++) {
            size_t n, m;
            char *a = read_text("part", image_of(whole, k), &n);
            char *b = read_text("all", image_of(whole, k), &m);

            if (n != m || memcmp(a, b, n) != 0)
                fail_msg("%s differs", image_of(whole, k));
            rs_free(a);
            rs_free(b);
        }
        json_decref(part[i]);
    }
}

static void test_another_seed_is_another_archive(void **state)
{
    json_t *other[2];

    (void)state;
    assert_int_equal(phantoms("other", "--cases 2 --seed 8 --quiet"), 0);
    read_rows("other", other, 2);
    assert_false(json_equal(other[0], rows[0]) && json_equal(other[1], rows[1]));
    json_decref(other[0]);
    json_decref(other[1]);
}

/* ---- Rows -------------------------------------------------------------------------- */

static void check_texts(const json_t *row)
{
    static const char *const keys[] = {"id", "case_id", "title", "modality", "body_part", "sex",
                                       "patient", "history", "findings", "impression", "report",
                                       "caption", "label", "split"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *s = text_of(row, keys[i]);

        /* An open brace is a variable that nobody set. */
        if (!*s || strpbrk(s, "{}|") || strstr(s, "  "))
            fail_msg("%s: %s: \"%s\"", text_of(row, "id"), keys[i], s);
    }
    assert_non_null(strstr(text_of(row, "report"), text_of(row, "impression")));
    assert_non_null(strstr(text_of(row, "report"), text_of(row, "findings")));
}

/* "bilateral" may be said as "both". */
static bool says_side(const char *text, const char *side)
{
    char *low = rs_strdup(text);

    assert_non_null(low);
    for (char *c = low; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    bool says = strstr(low, side) || (strcmp(side, "bilateral") == 0 && strstr(low, "both"));

    rs_free(low);
    return says;
}

static void check_finding(const json_t *row, const json_t *f)
{
    double box[4];
    size_t k = (size_t)json_integer_value(json_object_get(f, "image"));
    const char *side = text_of(f, "side");
    rs_image im = {0};

    load_image(&im, "all", image_of(row, k));
    for (size_t i = 0; i < 4; i++)
        box[i] = json_number_value(json_array_get(json_object_get(f, "box"), i));
    if (!(box[0] >= 0 && box[0] + 2 < box[2] && box[2] <= (double)im.width && box[1] >= 0 &&
          box[1] + 2 < box[3] && box[3] <= (double)im.height))
        fail_msg("%s: box %g %g %g %g", text_of(row, "id"), box[0], box[1], box[2], box[3]);
    rs_image_clear(&im);
    assert_true(*text_of(f, "finding"));
    if (*side && strcmp(side, "midline") != 0 && !says_side(text_of(row, "impression"), side))
        fail_msg("%s: %s: impression does not say %s: %s", text_of(row, "id"),
                 text_of(row, "label"), side, text_of(row, "impression"));
}

static void test_rows_are_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        const json_t *row = rows[i], *images = json_object_get(row, "images"), *f;
        size_t n = json_array_size(images), k;
        long long age = json_integer_value(json_object_get(row, "age"));

        check_texts(row);
        assert_in_range(n, 1, 3);
        assert_int_equal(json_array_size(json_object_get(row, "view")), n);
        assert_in_range(age, 1, 99);
        for (k = 0; k < n; k++) {
            rs_image im = {0};

            load_image(&im, "all", image_of(row, k));
            assert_in_range(im.width, 320, 512);
            assert_in_range(im.height, 320, 512);
            assert_int_equal(im.channels, 1);
            rs_image_clear(&im);
        }
        json_array_foreach(json_object_get(row, "findings_list"), k, f)
            check_finding(row, f);
        bool normal = strstr(text_of(row, "label"), "normal") != NULL;

        assert_int_equal(json_array_size(json_object_get(row, "findings_list")) == 0, normal);
    }
}

/* Archive 1, as shipped: one fracture has an article, several have none. */
static void test_one_fracture_has_an_article(void **state)
{
    static const struct { int at; const char *caption; } cases[] = {
        {78, "Chest radiograph showing multiple left-sided rib fractures."},
        {222, "Frontal chest radiograph: a single right rib fracture."},
        {455, "A single left-sided rib fracture on frontal chest radiograph."},
        {921, "A displaced left rib fracture on a PA chest X-ray."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char args[80];
        json_t *row;

        snprintf(args, sizeof args, "--cases 1 --first %d --seed 1 --quiet", cases[i].at);
        assert_int_equal(phantoms("fracture", args), 0);
        read_rows("fracture", &row, 1);
        assert_string_equal(text_of(row, "caption"), cases[i].caption);
        json_decref(row);
    }
}

/* Cases of one patient are of one sex and on one side of the split. */
static void test_patients_stay_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        for (size_t j = 0; j < i; j++) {
            if (strcmp(text_of(rows[i], "patient"), text_of(rows[j], "patient")) != 0)
                continue;
            assert_string_equal(text_of(rows[i], "split"), text_of(rows[j], "split"));
            assert_string_equal(text_of(rows[i], "sex"), text_of(rows[j], "sex"));
            assert_string_equal(text_of(rows[i], "body_part"), text_of(rows[j], "body_part"));
        }
}

static void test_labels_are_many(void **state)
{
    char *text, *at;
    unsigned long sum = 0;
    size_t different = 0;

    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        size_t j = 0;

        while (strcmp(text_of(rows[i], "label"), text_of(rows[j], "label")) != 0)
            j++;
        different += i == j;
    }
    assert_true(different >= CASES / 2);
    assert_int_equal(phantoms("list", "--list > /dev/null"), 0);
    char args[300];

    snprintf(args, sizeof args, "--list > '%s/all/list'", folder);
    assert_int_equal(phantoms("list", args), 0);
    text = at = read_text("all", "list", NULL);
    for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
        sum += strtoul(strchr(at, ' '), NULL, 10);
    assert_true(sum >= 40);
    rs_free(text);
}

/* ---- The finding is where its box says ------------------------------------------------- */

typedef struct { double inside, outside; } change;

/* Mean absolute difference of two pictures inside and outside the box. */
static change compare(const rs_image *a, const rs_image *b, const json_t *box)
{
    double sum[2] = {0}, n[2] = {0}, e[4];
    const uint8_t *p = a->pixels, *q = b->pixels;

    for (size_t i = 0; i < 4; i++)
        e[i] = json_number_value(json_array_get(box, i));
    for (size_t y = 0; y < a->height; y++)
        for (size_t x = 0; x < a->width; x++) {
            double u = (double)x, v = (double)y;
            bool in = u >= e[0] && u < e[2] && v >= e[1] && v < e[3];

            sum[in] += fabs((double)p[y * a->width + x] - (double)q[y * a->width + x]);
            n[in] += 1;
        }
    return (change){sum[1] / fmax(n[1], 1), sum[0] / fmax(n[0], 1)};
}

/* Findings that reshape the whole chest change it outside their box too. */
static bool reshapes(const char *label)
{
    static const char *const words[] = {"hyperinflation", "cardiomegaly", "collapse", "oedema",
                                        "pneumothorax", "osteoarthritis"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(label, words[i]))
            return true;
    return false;
}

static void test_findings_are_in_their_boxes(void **state)
{
    json_t *bare[CASES];
    size_t compared = 0;

    (void)state;
    assert_int_equal(phantoms("bare", "--cases 24 --seed 7 --bare --quiet"), 0);
    read_rows("bare", bare, CASES);
    for (size_t i = 0; i < CASES; i++) {
        const char *label = text_of(rows[i], "label");
        bool film = strncmp(label, "chest", 5) == 0 || strncmp(label, "hand", 4) == 0 ||
                    strncmp(label, "knee", 4) == 0;
        const json_t *f = json_array_get(json_object_get(rows[i], "findings_list"), 0);
        rs_image with = {0}, without = {0};

        if (film && f) {
            load_image(&with, "all", image_of(rows[i], 0));
            load_image(&without, "bare", image_of(rows[i], 0));
            if (with.width == without.width && with.height == without.height) {
                change c = compare(&with, &without, json_object_get(f, "box"));

                if (c.inside < 1.5 || (!reshapes(label) && c.inside < 2 * c.outside))
                    fail_msg("%s: %s: changed by %.2f inside its box, %.2f outside",
                             text_of(rows[i], "id"), label, c.inside, c.outside);
                compared++;
            }
        }
        rs_image_clear(&with);
        rs_image_clear(&without);
        json_decref(bare[i]);
    }
    assert_true(compared >= 5);
}

/* ---- Wrong arguments --------------------------------------------------------------------- */

static void test_wrong_arguments(void **state)
{
    static const struct { const char *args; int want; } calls[] = {
        {"--cases ten", 2},     {"--cases", 2},          {"--cases -1", 2},
        {"--only elbow", 2},    {"--only", 2},           {"--seed 1x", 2},
        {"--loud", 2},          {"second-folder", 2},    {"--cases 0 --quiet", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (phantoms("wrong", calls[i].args) != calls[i].want)
            fail_msg("phantoms OUT %s: not exit code %d", calls[i].args, calls[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_part_equals_its_slice),
        cmocka_unit_test(test_another_seed_is_another_archive),
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_one_fracture_has_an_article),
        cmocka_unit_test(test_patients_stay_whole),
        cmocka_unit_test(test_labels_are_many),
        cmocka_unit_test(test_findings_are_in_their_boxes),
        cmocka_unit_test(test_wrong_arguments),
    };

    return cmocka_run_group_tests_name("phantoms", tests, draw_all, drop_all);
}
