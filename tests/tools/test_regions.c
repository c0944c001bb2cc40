/* test_regions.c - index --regions and search --box as a user meets them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"
#include "tiny_model.h"

#include <jansson.h>
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
    unsetenv("RADSCOUT_MODEL");
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "p/%u.png", i);
        put_picture(name, i + 50);
        rs_buf_printf(&rows, "{\"id\":\"%u\",\"image\":\"p/%u.png\",\"title\":\"Case %u\"}\n", i, i,
                      i);
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

static json_t *parsed(void)
{
    json_error_t e;
    json_t *v = json_loadb(said_out, said_out_len, 0, &e);

    if (!v)
        fail_msg("not JSON: %s: %s", e.text, said_out);
    return v;
}

static void exits(int want, int code)
{
    if (code != want)
        fail_msg("exit code %d, wanted %d: %s%s", code, want, said_out, said_err);
}

static void says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("wanted '%s' in: %s", part, text);
}

static void a_wrong_box_is_told(void **state)
{
    static const char *const bad[] = {"", "0.1,0.2,0.3", "0.1,0.2,0.3,0.4,0.5", "a,b,c,d",
                                      "0.5,0,0.5,1", "-0.1,0,0.5,1", "nan,0,1,1", "0,0,1,1x"};
    const char *film = at("p/1.png");

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy = rs_strdup(film);
        exits(2, radscout("search", archive, "--image", copy, "--box", bad[i]));
        says(said_err, "wanted x0,y0,x1,y1");
        rs_free(copy);
    }
    exits(2, radscout("search", archive, "--box", "0,0,1,1", "--image", at("p/1.png")));
    says(said_err, "comes before the --image");
    exits(2, radscout("search", archive, "--box", "0,0,1,1", "--text", "lung"));
    exits(1, radscout("search", archive, "--image", at("p/1.png"), "--box", "0,0,5000,20"));
    says(said_err, "p/1.png: --box 0,0,5000,20: reaches out of the image, which is ");
}

static void without_regions_it_says_so(void **state)
{
    json_t *all;

    (void)state;
    exits(0, radscout("search", archive, "--image", at("p/1.png"), "--box", "0.2,0.2,0.8,0.8"));
    says(said_out, "has no regions, so the whole image was looked for");
    exits(0, radscout("search", archive, "--image", at("p/1.png"), "--box", "0.2,0.2,0.8,0.8",
                      "--json"));
    all = parsed();
    assert_true(json_is_true(json_object_get(all, "no_regions")));
    assert_int_equal(json_array_size(json_object_get(all, "hits")), 4);
    json_decref(all);
}

/* The region probe of a hit, or NULL. */
static json_t *region_of(json_t *hit)
{
    json_t *probe;
    size_t i;

    json_array_foreach(json_object_get(hit, "probes"), i, probe)
        if (strcmp(json_string_value(json_object_get(probe, "probe")), "region") == 0)
            return probe;
    return NULL;
}

static double number_at(json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static void with_regions_a_hit_has_its_box(void **state)
{
    json_t *all, *box, *hit;
    size_t i;

    (void)state;
    exits(2, radscout("index", archive, at("cases.jsonl"), "--regions", "--no-regions"));
    exits(0, radscout("index", archive, at("cases.jsonl"), "--regions", "--quiet"));
    says(said_out, "4 updated");
    says(said_out, "4 images, 100 regions and ");
    exits(0, radscout("stats", archive));
    says(said_out, "regions            100  (of 4 images)");
    exits(0, radscout("index", archive, at("cases.jsonl"), "--quiet"));
    says(said_out, "4 unchanged");

    exits(0, radscout("search", archive, "--image", at("p/1.png"), "--box", "0.25,0.25,0.75,0.75",
                      "--box", "5,5,20,20", "--json"));
    all = parsed();
    assert_null(json_object_get(all, "no_regions"));
    box = json_object_get(json_object_get(all, "query"), "boxes");
    assert_int_equal(json_array_size(box), 2);
    assert_true(number_at(json_array_get(box, 0), 2) == 0.75);
    assert_true(number_at(json_array_get(box, 1), 2) < 0.75);          /* pixels */
    json_array_foreach(json_object_get(all, "hits"), i, hit) {
        json_t *probe = region_of(hit);
        assert_non_null(probe);
        box = json_object_get(probe, "box");
        assert_int_equal(json_array_size(box), 4);
        assert_true(number_at(box, 0) < number_at(box, 2) && number_at(box, 2) <= 1);
        says(json_string_value(json_object_get(probe, "image")), "/p/");
    }
    json_decref(all);
    exits(0, radscout("search", archive, "--image", at("p/1.png"), "--box", "0.25,0.25,0.75,0.75",
                      "--explain"));
    says(said_out, ".png at 0.");
    exits(0, radscout("verify", archive));

    exits(0, radscout("index", archive, at("cases.jsonl"), "--no-regions", "--quiet"));
    exits(0, radscout("stats", archive, "--json"));
    all = parsed();
    assert_int_equal(json_integer_value(json_object_get(all, "region_vectors")), 0);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_box_is_told),
        cmocka_unit_test(without_regions_it_says_so),
        cmocka_unit_test(with_regions_a_hit_has_its_box),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
