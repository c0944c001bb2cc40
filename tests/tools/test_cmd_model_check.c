/* test_cmd_model_check.c - radscout model check as a user runs it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "run.h"
#include "tiny_model.h"

static int set_up(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    ok(tiny_model_write(at("model"), 5, &err), &err);
    put("model/README.md", "---\nlicense: cc0-1.0\n---\n");
    return 0;
}

static void a_model_is_told_of(void **state)
{
    (void)state;
    assert_exit(0, "model", "check", at("model"), "--seconds", "0.01", "-t", "1");
    assert_says(said_out, "family       CLIP (Hugging Face layout), trained with a softmax loss");
    assert_says(said_out, "licence      cc0-1.0");
    assert_says(said_out, "vectors      of 16 floats");
    assert_says(said_out, "2 layers of width 32, 2 heads, MLP 64 (quick_gelu)");
    assert_says(said_out, "tokenizer    byte-level BPE, 722 tokens");
    assert_says(said_out, "shorter side to 32, bicubic, middle 32 x 32");
    assert_says(said_out, "0 unused");
    assert_says(said_out, "ok     two images differ");
    assert_says(said_out, "images/s");
    assert_string_equal(said_err, "");
}

static void as_json(void **state)
{
    json_t *doc = NULL;
    rs_err err = {0};

    (void)state;
    assert_exit(0, "model", "check", at("model"), "--json", "--seconds", "0");
    ok(rs_json_parse(&doc, said_out, said_out_len, "report", &err), &err);
    assert_string_equal(json_string_value(json_object_get(doc, "family")), "CLIP");
    assert_string_equal(json_string_value(json_object_get(doc, "licence")), "cc0-1.0");
    assert_true(json_is_true(json_object_get(doc, "ok")));
    assert_int_equal(json_array_size(json_object_get(doc, "tensors_unused")), 0);
    assert_int_equal(json_array_size(json_object_get(doc, "self_test")), 7);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "vision"), "width")),
                     32);
    json_decref(doc);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    assert_exit(1, "model", "check", "tests/data/siglip_tiny", "--seconds", "0");
    assert_says(said_out, "family       SigLIP (Hugging Face layout), trained with a sigmoid loss");
    assert_says(said_out, "FAILED opens as an encoder");
    assert_says(said_err, "does not work here");
    assert_exit(1, "model", "check", at("nowhere"));
    assert_says(said_err, "radscout model check: ");
    put("pickle/config.json", "{}");
    put("pickle/pytorch_model.bin", "x");
    assert_exit(1, "model", "check", at("pickle"));
    assert_says(said_err, "python3 -c \"import torch,safetensors.torch as s;");
    assert_exit(2, "model", "check");
    assert_exit(2, "model", "check", at("model"), "--seconds", "-1");
    assert_exit(2, "model");
    assert_says(said_err, "model check");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_told_of),
        cmocka_unit_test(as_json),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, scratch_drop);
}
