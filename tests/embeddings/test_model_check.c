/* test_model_check.c - what is told of a model folder, and what is found wrong with it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_check.h"

#include "embeddings/safetensors.h"
#include "scratch.h"
#include "tiny_model.h"

#include <math.h>

static int set_up(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    ok(tiny_model_write(at("model"), 5, &err), &err);
    return 0;
}

static const rs_model_test *test_named(const rs_model_report *r, const char *name)
{
    for (size_t i = 0; i < r->tests; i++)
        if (strstr(r->test[i].name, name))
            return &r->test[i];
    fail_msg("no test %s", name);
    return NULL;
}

static void a_sound_model(void **state)
{
    rs_model_report r;
    rs_err err = {0};

    (void)state;
    put("model/README.md", "---\nlanguage: en\nlicense: \"mit\"  # as its authors say\n---\n# A card\n");
    ok(rs_model_check(&r, at("model"), NULL, 0.01, &err), &err);
    assert_true(r.ok);
    assert_int_equal(r.tests, 7);
    assert_string_equal(r.licence, "mit");
    assert_string_equal(r.layout, "Hugging Face");
    assert_string_equal(rs_dual_family(&r.config), "CLIP");
    assert_string_equal(r.tokenizer, "byte-level BPE, 722 tokens");
    assert_int_equal(strlen(r.id), 64);
    assert_int_equal(r.parameters, r.vision_parameters + r.text_parameters + 1);
    assert_int_equal(r.bytes, 4 * r.parameters);
    assert_int_equal(r.dtypes[RS_DTYPE_F32], r.used);
    assert_int_equal(r.unused, 0);
    assert_true(r.images_per_second > 0 && r.texts_per_second > 0);
    rs_model_report_clear(&r);
    ok(rs_model_check(&r, at("model"), NULL, 0, &err), &err);
    assert_true(r.ok && r.images_per_second == 0);           /* not measured */
    rs_model_report_clear(&r);
}

/* Copies of the model's tensors, with one more that nobody knows and what `change` did. */
static void write_changed(const char *name, void (*change)(rs_dual *m))
{
    static const size_t shape[] = {16};
    rs_dual *m = NULL;
    const rs_param *table;
    rs_tensor_out list[256];
    rs_err err = {0};
    size_t n;

    ok(rs_dual_open(&m, at("model"), &err), &err);
    change(m);
    table = rs_dual_param_table(m, &n);
    for (size_t i = 0; i < n; i++)
        list[i] = (rs_tensor_out){.name = table[i].name, .rank = table[i].rank,
                                  .shape = table[i].shape, .dtype = RS_DTYPE_F32,
                                  .data = rs_dual_params(m) + table[i].offset};
    list[n++] = (rs_tensor_out){.name = "classifier.weight", .rank = 1, .shape = shape,
                                .dtype = RS_DTYPE_F32, .data = rs_dual_params(m)};
    ok(rs_tensors_write(at(name), list, n, &err), &err);
    rs_dual_close(m);
}

static void nothing(rs_dual *m)
{
    (void)m;
}

static void not_a_number(rs_dual *m)
{
    rs_dual_params(m)[rs_dual_param(m, "visual_projection.weight")->offset] = NAN;
}

/* A text projection of zeros: every text is the same vector of no length. */
static void no_texts(rs_dual *m)
{
    const rs_param *p = rs_dual_param(m, "text_projection.weight");

    memset(rs_dual_params(m) + p->offset, 0, p->count * sizeof(float));
}

static void what_the_self_test_finds(void **state)
{
    static const char *const files[] = {"config.json", "preprocessor_config.json", "vocab.json",
                                        "merges.txt"};
    static const struct { void (*change)(rs_dual *m); const char *fails; } rows[] = {
        {nothing, NULL},
        {not_a_number, "images become unit vectors"},
        {no_texts, "texts become unit vectors"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_model_report r;
        rs_err err = {0};
        for (size_t k = 0; k < 4; k++) {
            char from[600], to[100];
            snprintf(from, sizeof from, "%s/%s", at("model"), files[k]);
            snprintf(to, sizeof to, "changed/%s", files[k]);
            put_copy(to, from);
        }
        write_changed("changed/model.safetensors", rows[i].change);
        ok(rs_model_check(&r, at("changed"), NULL, 0, &err), &err);
        assert_int_equal(r.ok, rows[i].fails == NULL);
        if (rows[i].fails)
            assert_false(test_named(&r, rows[i].fails)->ok);
        assert_int_equal(r.unused, 1);
        assert_string_equal(r.unused_name[0], "classifier.weight");
        assert_null(r.licence);
        rs_model_report_clear(&r);
    }
}

/* Weights of a family whose tokenizer is not there are told of all the same. */
static void weights_alone(void **state)
{
    rs_model_report r;
    rs_err err = {0};

    (void)state;
    ok(rs_model_check(&r, "tests/data/biomed_tiny", NULL, 1, &err), &err);
    assert_false(r.ok);
    assert_false(test_named(&r, "opens as an encoder")->ok);
    assert_string_equal(rs_dual_family(&r.config), "BiomedCLIP");
    assert_string_equal(r.layout, "open_clip");
    assert_null(r.tokenizer);
    rs_model_report_clear(&r);
    assert_int_equal(rs_model_check(&r, at("nowhere"), NULL, 1, &err), RS_ENOENT);
    rs_model_report_clear(&r);
}

static void licences_of_cards(void **state)
{
    static const struct { const char *card, *want; } rows[] = {
        {"---\nlicense: apache-2.0\n---\n", "apache-2.0"},
        {"---\r\nlicense: mit\r\n---\r\n", "mit"},
        {"---\nlicense_name: own\nlicense: 'other'\nlicense_link: x\n---\n", "other (own)"},
        {"---\nlicense_name: own\n---\n", "own"},
        {"---\nlicense:\n---\n", NULL},
        {"---\ntags: [a]\n---\nlicense: mit\n", NULL},       /* not in the front matter */
        {"# A card\nlicense: mit\n", NULL},
        {"---\nlicense: mit", "mit"},
        {"---\n license: mit\n---\n", NULL},
        {"", NULL},
    };
    rs_arena mem = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("card.md", rows[i].card);
        const char *got = rs_card_licence(&mem, at("card.md"));
        if (!got != !rows[i].want || (got && strcmp(got, rows[i].want) != 0))
            fail_msg("row %zu: %s", i, got ? got : "none");
    }
    assert_null(rs_card_licence(&mem, at("absent.md")));
    rs_arena_clear(&mem);
}

static void running_out_of_memory(void **state)
{
    size_t live = rs_alloc_live();
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k += k < 200 ? 1 : 37) {
        rs_model_report r;
        rs_alloc_fail_after(k);
        st = rs_model_check(&r, at("model"), NULL, 0, NULL);
        rs_alloc_fail_after(-1);
        rs_model_report_clear(&r);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_model),
        cmocka_unit_test(what_the_self_test_finds),
        cmocka_unit_test(weights_alone),
        cmocka_unit_test(licences_of_cards),
        cmocka_unit_test(running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_drop);
}
