/* Fine-tuning of models of other families than CLIP: SigLIP with its sigmoid loss and its
 * padded texts, BiomedCLIP with the softmax one; what comes out is a folder of the same
 * family.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train.h"

#include "embeddings/encoder.h"
#include "embeddings/train_fixture.h"

enum { STEPS = 40 };

static char *folder;
static double first_loss, last_loss;

static int set_up(void **state)
{
    (void)state;
    folder = fixture_folder();
    fixture_set(folder, 3, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_remove(folder);
    return 0;
}

static void ok(rs_status st, const rs_err *err)
{
    if (st != RS_OK)
        fail_msg("%s: %s", rs_status_name(st), err->msg);
}

static char *read_file(const char *name, size_t *len)
{
    char *path = rs_path_join(folder, name), *data = NULL;
    rs_err err = {0};

    ok(rs_file_read(&data, len, path, 1 << 24, &err), &err);
    rs_free(path);
    return data;
}

/* FOLDER/init: a tiny model of random weights and its tokenizer. */
static void write_init(bool siglip)
{
    const char *words = siglip ? "spiece.model" : "vocab.txt";
    char *init = rs_path_join(folder, "init"), *to = rs_path_join(init, words);
    char from[100], *bytes;
    rs_dual_config c = {
        .vision = {.width = 32, .layers = 1, .heads = 2, .mlp = 64, .eps = 1e-6f,
                   .act = siglip ? RS_ACT_GELU_TANH : RS_ACT_GELU,
                   .kind = siglip ? RS_TOWER_SIGLIP : RS_TOWER_TIMM},
        .text = {.width = 32, .layers = 1, .heads = 2, .mlp = 64, .eps = siglip ? 1e-6f : 1e-12f,
                 .act = siglip ? RS_ACT_GELU_TANH : RS_ACT_GELU,
                 .kind = siglip ? RS_TOWER_SIGLIP : RS_TOWER_BERT},
        .image_size = 16, .patch_size = 8, .max_tokens = 24, .dim = 32,
        .types = siglip ? 0 : 2, .positions = siglip ? 0 : 24,
        .logit_scale = 2.302585f, .logit_bias = -10,
    };
    rs_random rnd = rs_random_seed(8);
    rs_tokenizer *t = NULL;
    rs_dual *m = NULL;
    rs_err err = {0};
    size_t len;

    snprintf(from, sizeof from, "tests/data/tokenizer_words/%s", words);
    ok(rs_mkdirs(init, &err), &err);
    ok(rs_file_read(&bytes, &len, from, 1 << 24, &err), &err);
    ok(rs_file_write(to, bytes, len, &err), &err);
    ok(rs_tokenizer_open(&t, init, &err), &err);
    c.vocab_size = rs_tokenizer_size(t);
    c.pad_id = rs_tokenizer_pad(t);
    ok(rs_dual_new(&m, &c, &rnd, &err), &err);
    ok(rs_dual_save(m, init, false, &err), &err);
    rs_dual_close(m);
    rs_tokenizer_close(t);
    rs_free(bytes);
    rs_free(init);
    rs_free(to);
}

static void on_step(void *ctx, const rs_step_report *s)
{
    (void)ctx;
    if (s->step == 1)
        first_loss = s->loss;
    last_loss = s->loss;
}

static rs_status train(const char *more, rs_err *err)
{
    const rs_train_options o = {.threads = 1, .progress = RS_PROGRESS_QUIET, .on_step = on_step};
    char *text = rs_sprintf(
        "{\"out\": \"%s/out\", \"init\": \"%s/init\", \"vocab\": \"%s/init\",\n"
        " \"manifests\": [\"%s/manifest.jsonl\"], \"cache\": \"%s/cache\", \"half\": false,\n"
        " \"batch\": 16, \"micro_batch\": 8, \"steps\": %d, \"lr\": 3e-3,\n"
        " \"checkpoint_every\": 0%s}\n", folder, folder, folder, folder, folder, STEPS, more);
    char *path = rs_path_join(folder, "train.json");
    rs_train_config c;
    rs_train_summary sum;
    rs_status st;

    fixture_write(folder, "train.json", text);
    ok(rs_train_config_load(&c, path, err), err);
    st = rs_train(&c, &o, &sum, err);
    rs_train_config_clear(&c);
    rs_free(text);
    rs_free(path);
    return st;
}

/* The family of FOLDER/out, which opens as an encoder; *bias is its logit_bias. */
static const char *family_of_out(float *bias)
{
    char *out = rs_path_join(folder, "out");
    const char *family;
    const rs_param *p;
    rs_encoder *e = NULL;
    rs_dual *m = NULL;
    rs_err err = {0};

    ok(rs_encoder_open(&e, out, &err), &err);
    family = rs_dual_family(rs_dual_config_of(rs_encoder_dual(e)));
    rs_encoder_close(e);
    ok(rs_dual_open(&m, out, &err), &err);
    p = rs_dual_param(m, "logit_bias");
    *bias = p ? rs_dual_params(m)[p->offset] : 0;
    rs_dual_close(m);
    rs_free(out);
    return family;
}

static void siglip_with_its_sigmoid_loss(void **state)
{
    rs_err err = {0};
    float bias;

    (void)state;
    write_init(true);
    ok(train("", &err), &err);
    assert_true(last_loss < 0.6 * first_loss);
    assert_string_equal(family_of_out(&bias), "SigLIP");
    assert_true(bias != 0 && bias != -10);                   /* learned */
    ok(train(", \"freeze_logit_scale\": true", &err), &err);
    family_of_out(&bias);
    assert_true(bias == -10);
    ok(train(", \"loss\": \"softmax\"", &err), &err);        /* as asked for */
    assert_true(first_loss < 5);
}

static void biomed_clip_with_the_softmax_loss(void **state)
{
    rs_err err = {0};
    size_t n, m;
    float bias;
    char *was, *is;

    (void)state;
    write_init(false);
    ok(train("", &err), &err);
    assert_true(last_loss < 0.9 * first_loss);
    assert_string_equal(family_of_out(&bias), "BiomedCLIP");
    was = read_file("init/open_clip_config.json", &n);
    is = read_file("out/open_clip_config.json", &m);
    assert_int_equal(n, m);
    assert_memory_equal(was, is, n);
    assert_int_equal(train(", \"loss\": \"sigmoid\"", &err), RS_EARG);
    assert_non_null(strstr(err.msg, "loss: sigmoid is for models with a logit_bias, BiomedCLIP"));
    rs_free(was);
    rs_free(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(siglip_with_its_sigmoid_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(biomed_clip_with_the_softmax_loss, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
