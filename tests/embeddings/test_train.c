/* Training as a whole, on a small set drawn on the spot: it learns, it goes on after a
 * kill bit for bit, threads and recomputation do not show, bad numbers stop it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train.h"

#include "base/json.h"
#include "embeddings/encoder.h"
#include "embeddings/safetensors.h"
#include "embeddings/train_fixture.h"

enum { STEPS_MAX = 128, TEACHER_D = 12 };

/* ---- Set-up ---------------------------------------------------------- */

typedef struct {
    char *folder, *out;
    rs_train_config config;
    double loss[STEPS_MAX], norm[STEPS_MAX];     /* by step */
    size_t steps_seen;
    volatile sig_atomic_t stop;
    uint64_t stop_at;                            /* raise `stop` in this step; 0: never */
} rig;

/* FOLDER/NAME.json: the set of FOLDER, a tiny model, and `more` fields. */
static void write_config(const char *folder, const char *name, const char *more)
{
    char *text = rs_sprintf(
        "{\"out\": \"%s/out\", \"vocab\": \"tests/data/tokenizer/small\",\n"
        " \"manifests\": [\"%s/manifest.jsonl\"], \"cache\": \"%s/cache\",\n"
        " \"model\": {\"image_size\": 16, \"patch_size\": 8, \"dim\": 16, \"max_tokens\": 24,\n"
        "   \"vision\": {\"width\": 32, \"layers\": 2, \"heads\": 2},\n"
        "   \"text\": {\"width\": 32, \"layers\": 2, \"heads\": 2}},\n"
        " \"augment\": {\"rotate\": 3, \"scale_min\": 0.9},\n"
        " \"checkpoint_every\": 0, \"half\": false%s}\n",
        folder, folder, folder, more);

    assert_non_null(text);
    fixture_write(folder, name, text);
    rs_free(text);
}

static void load_config(rig *r, const char *more)
{
    char *path = rs_path_join(r->folder, "train.json");
    rs_err err = {0};

    rs_train_config_clear(&r->config);
    write_config(r->folder, "train.json", more);
    if (rs_train_config_load(&r->config, path, &err) != RS_OK)
        fail_msg("%s", err.msg);
    rs_free(path);
}

static void rig_open(rig *r, size_t train, size_t val, const char *more)
{
    *r = (rig){.folder = fixture_folder()};
    r->out = rs_path_join(r->folder, "out");
    fixture_set(r->folder, train, val);
    load_config(r, more);
}

static void rig_clear(rig *r)
{
    rs_train_config_clear(&r->config);
    rs_free(r->out);
    fixture_remove(r->folder);
}

static void on_step(void *ctx, const rs_step_report *s)
{
    rig *r = ctx;

    assert_in_range(s->step, 1, STEPS_MAX - 1);
    r->loss[s->step] = s->loss;
    r->norm[s->step] = s->grad_norm;
    r->steps_seen++;
    if (r->stop_at == s->step)
        r->stop = 1;
}

static rs_status train(rig *r, rs_train_options o, rs_train_summary *sum, rs_err *err)
{
    rs_train_summary unused;

    o.progress = RS_PROGRESS_QUIET;
    o.on_step = on_step;
    o.ctx = r;
    o.stop = &r->stop;
    if (o.threads == 0)
        o.threads = 2;
    r->steps_seen = 0;
    return rs_train(&r->config, &o, sum ? sum : &unused, err);
}

static void train_ok(rig *r, rs_train_options o, rs_train_summary *sum)
{
    rs_err err = {0};

    if (train(r, o, sum, &err) != RS_OK)
        fail_msg("%s", err.msg);
}

static char *read_out(const rig *r, const char *name, size_t *len)
{
    char *path = rs_path_join(r->out, name), *data = NULL;

    assert_int_equal(rs_file_read(&data, len, path, 1 << 26, NULL), RS_OK);
    rs_free(path);
    return data;
}

static void same_file(const char *what, const char *a, size_t n, const char *b, size_t m)
{
    if (n != m || memcmp(a, b, n) != 0)
        fail_msg("%s differs", what);
}

/* ---- It learns ------------------------------------------------------- */

/* New pictures, their texts: how many of KINDS texts find their own picture first. */
static size_t found_by_text(const rs_encoder *e, const char *folder)
{
    size_t d = rs_encoder_dim(e), right = 0;
    float *image = rs_calloc(KINDS * d, sizeof *image), *text = rs_calloc(KINDS * d, sizeof *text);
    const char *texts[KINDS];
    rs_image im[KINDS] = {{0}};
    rs_random r = rs_random_seed(99);

    for (size_t k = 0; k < KINDS; k++) {
        char *path = rs_path_join(folder, "new.png");
        fixture_picture(folder, "new.png", k, PICTURE, PICTURE, &r);
        assert_int_equal(rs_image_load(&im[k], path, NULL), RS_OK);
        texts[k] = kind_texts[k][0];
        rs_free(path);
    }
    assert_int_equal(rs_encoder_images(e, im, KINDS, NULL, image, NULL), RS_OK);
    assert_int_equal(rs_encoder_texts(e, texts, KINDS, NULL, text, NULL, NULL), RS_OK);
    for (size_t q = 0; q < KINDS; q++) {
        size_t best = 0;
        double top = -2;
        for (size_t k = 0; k < KINDS; k++) {
            double s = 0;
            for (size_t j = 0; j < d; j++)
                s += (double)text[q * d + j] * image[k * d + j];
            if (s > top)
                top = s, best = k;
        }
        right += best == q;
        rs_image_clear(&im[q]);
    }
    rs_free(image);
    rs_free(text);
    return right;
}

static void a_small_task_is_learned_and_the_model_opens(void **state)
{
    rig r;
    rs_train_summary sum;
    rs_encoder *e;

    (void)state;
    rig_open(&r, 4, 2, ", \"batch\": 16, \"micro_batch\": 4, \"steps\": 120, \"lr\": 2e-3, "
                       "\"eval_every\": 40");
    train_ok(&r, (rs_train_options){0}, &sum);
    assert_int_equal(sum.steps, 120);
    assert_int_equal(sum.train_rows, 4 * KINDS);
    assert_int_equal(sum.val_rows, 2 * KINDS);
    assert_true(r.loss[120] < 0.6 * r.loss[1]);
    assert_true(sum.eval.text_to_image.r1 >= 0.9);
    assert_true(sum.eval.image_to_text.r1 >= 0.9);
    assert_true(sum.eval.zero_shot >= 0.9);
    assert_true(sum.samples_s > 0 && sum.last.gflops > 0 && sum.of_peak > 0);
    assert_int_equal(rs_encoder_open(&e, r.out, NULL), RS_OK);
    assert_true(found_by_text(e, r.folder) >= KINDS - 1);
    rs_encoder_close(e);
    rig_clear(&r);
}

static void the_log_has_a_line_a_step_and_an_evaluation(void **state)
{
    rig r;
    char *log, *png;
    size_t len, steps = 0, evals = 0;

    (void)state;
    rig_open(&r, 1, 1, ", \"batch\": 8, \"micro_batch\": 3, \"steps\": 4, \"eval_every\": 2");
    train_ok(&r, (rs_train_options){0}, NULL);
    log = read_out(&r, "metrics.jsonl", &len);
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *v = json_loads(line, 0, NULL);
        assert_true(json_is_object(v));
        if (json_object_get(v, "step")) {
            steps++;
            assert_int_equal(json_integer_value(json_object_get(v, "step")), steps);
            assert_true(fabs(json_real_value(json_object_get(v, "loss")) - r.loss[steps]) < 1e-6);
        } else {
            evals++;
            assert_int_equal(json_integer_value(json_object_get(v, "eval")), 2 * evals);
            assert_int_equal(json_object_size(json_object_get(v, "sets")), 2);
        }
        json_decref(v);
    }
    assert_int_equal(steps, 4);
    assert_int_equal(evals, 2);
    png = read_out(&r, "curves.png", &len);
    assert_memory_equal(png, "\x89PNG", 4);
    rs_free(png);
    rs_free(log);
    rig_clear(&r);
}

/* ---- The same numbers ------------------------------------------------ */

static const char rich[] =
    ", \"batch\": 12, \"micro_batch\": 2, \"steps\": 12, \"lr\": 2e-3, \"eval_every\": 0, "
    "\"two_views\": {\"weight\": 0.3}, \"sets\": {\"first\": 2}";

/* FOLDER/teacher.safetensors: features of n rows, the third without any. */
static void write_teacher(const rig *r, size_t n)
{
    char *path = rs_path_join(r->folder, "teacher.safetensors");
    float *v = rs_calloc(n * TEACHER_D, sizeof *v);
    size_t shape[2] = {n, TEACHER_D};
    rs_random rnd = rs_random_seed(4);

    for (size_t i = 0; i < n * TEACHER_D; i++)
        v[i] = i / TEACHER_D == 2 ? 0.0f : (float)rs_random_unit(&rnd);
    assert_int_equal(rs_tensors_write(path, &(rs_tensor_out){
        .name = "features", .dtype = RS_DTYPE_F16, .rank = 2, .shape = shape, .data = v}, 1, NULL),
        RS_OK);
    rs_free(v);
    rs_free(path);
}

/* Twelve steps at once, and six, a stop, then the rest: losses, norms and the model agree
 * to the last bit, with every term and the teacher's map in play. */
static void a_stopped_run_goes_on_bit_for_bit(void **state)
{
    static const char *const kinds[] = {"relational", "cosine"};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        rig r;
        double loss[STEPS_MAX], norm[STEPS_MAX];
        char *straight, *resumed, *log;
        size_t n, m, len, lines = 0;
        rs_err err = {0};

        rig_open(&r, 3, 1, ", \"steps\": 1");
        write_teacher(&r, 4 * KINDS);
        char *more = rs_sprintf("%s, \"distill\": {\"features\": \"%s/teacher.safetensors\", "
                                "\"kind\": \"%s\", \"weight\": 0.5}", rich, r.folder, kinds[k]);
        load_config(&r, more);
        train_ok(&r, (rs_train_options){0}, NULL);
        memcpy(loss, r.loss, sizeof loss);
        memcpy(norm, r.norm, sizeof norm);
        straight = read_out(&r, "model.safetensors", &n);

        memset(r.loss, 0, sizeof r.loss);
        assert_int_equal(train(&r, (rs_train_options){.stop_after = 6}, NULL, &err), RS_ECANCEL);
        assert_non_null(strstr(err.msg, "step 6 of 12"));
        assert_int_equal(r.steps_seen, 6);
        train_ok(&r, (rs_train_options){.resume = true}, NULL);
        assert_int_equal(r.steps_seen, 6);
        assert_memory_equal(r.loss, loss, sizeof loss);
        assert_memory_equal(r.norm, norm, sizeof norm);
        resumed = read_out(&r, "model.safetensors", &m);
        same_file("model.safetensors", straight, n, resumed, m);
        log = read_out(&r, "metrics.jsonl", &len);
        for (size_t i = 0; i < len; i++)
            lines += log[i] == '\n';
        assert_int_equal(lines, 13);                   /* twelve steps and the evaluation */
        rs_free(log);
        rs_free(straight);
        rs_free(resumed);
        rs_free(more);
        rig_clear(&r);
    }
}

/* What is logged after the last checkpoint and then lost to a kill is not logged twice. */
static void a_signal_stops_after_the_step_with_a_checkpoint(void **state)
{
    rig r;
    double loss[STEPS_MAX];
    rs_err err = {0};

    (void)state;
    rig_open(&r, 2, 0, rich);
    train_ok(&r, (rs_train_options){0}, NULL);
    memcpy(loss, r.loss, sizeof loss);
    r.stop_at = 5;
    assert_int_equal(train(&r, (rs_train_options){0}, NULL, &err), RS_ECANCEL);
    assert_int_equal(r.steps_seen, 5);
    r.stop = 0;
    r.stop_at = 0;
    train_ok(&r, (rs_train_options){.resume = true}, NULL);
    assert_memory_equal(r.loss, loss, sizeof loss);
    rig_clear(&r);
}

static void threads_and_recomputation_do_not_show(void **state)
{
    static const struct { size_t threads; const char *more; } rows[] = {
        {1, ""}, {2, ""}, {3, ""}, {2, ", \"recompute\": true"},
    };
    rig r;
    double loss[STEPS_MAX];

    (void)state;
    rig_open(&r, 3, 0, ", \"steps\": 1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *more = rs_sprintf("%s%s", rich, rows[i].more);
        load_config(&r, more);
        train_ok(&r, (rs_train_options){.threads = rows[i].threads}, NULL);
        if (i == 0)
            memcpy(loss, r.loss, sizeof loss);
        for (size_t s = 1; s <= 12; s++)
            if (memcmp(&loss[s], &r.loss[s], sizeof loss[s]) != 0)
                fail_msg("row %zu, step %zu: loss %.17g, wanted %.17g", i, s, r.loss[s], loss[s]);
        rs_free(more);
    }
    rig_clear(&r);
}

/* GradCache: how the batch is cut changes nothing but rounding. */
static void micro_batches_give_the_gradient_of_the_whole(void **state)
{
    static const char *const sizes[] = {"12", "5", "1"};
    rig r;
    double loss[STEPS_MAX];

    (void)state;
    rig_open(&r, 2, 0, ", \"steps\": 1");
    for (size_t i = 0; i < 3; i++) {
        char *more = rs_sprintf(", \"batch\": 12, \"steps\": 5, \"micro_batch\": %s", sizes[i]);
        load_config(&r, more);
        train_ok(&r, (rs_train_options){0}, NULL);
        if (i == 0)
            memcpy(loss, r.loss, sizeof loss);
        for (size_t s = 1; s <= 5; s++)
            assert_true(fabs(loss[s] - r.loss[s]) < 1e-4);
        rs_free(more);
    }
    rig_clear(&r);
}

/* ---- From a model folder --------------------------------------------- */

static void training_starts_from_a_model_folder(void **state)
{
    rig r;
    double last;

    (void)state;
    rig_open(&r, 3, 1, ", \"batch\": 16, \"micro_batch\": 8, \"steps\": 60, \"lr\": 3e-3");
    train_ok(&r, (rs_train_options){0}, NULL);
    last = r.loss[60];
    char *more = rs_sprintf(", \"init\": \"%s\", \"batch\": 16, \"micro_batch\": 8, \"steps\": 2, "
                            "\"lr\": 1e-5, \"warmup\": 0, \"freeze_logit_scale\": true", r.out);
    load_config(&r, more);
    train_ok(&r, (rs_train_options){0}, NULL);
    assert_true(r.loss[1] < last + 0.7);
    rs_free(more);
    rig_clear(&r);
}

/* ---- Refusals -------------------------------------------------------- */

static void numbers_that_are_not_finite_stop_the_run(void **state)
{
    rig r;
    rs_dual *m;
    rs_err err = {0};
    rs_train_summary sum;

    (void)state;
    rig_open(&r, 2, 0, ", \"batch\": 8, \"micro_batch\": 4, \"steps\": 1");
    train_ok(&r, (rs_train_options){0}, NULL);
    assert_int_equal(rs_dual_open(&m, r.out, NULL), RS_OK);
    rs_dual_params(m)[0] = NAN;
    assert_int_equal(rs_dual_save(m, r.out, false, NULL), RS_OK);
    rs_dual_close(m);
    char *more = rs_sprintf(", \"init\": \"%s\", \"batch\": 8, \"micro_batch\": 4, \"steps\": 9",
                            r.out);
    load_config(&r, more);
    assert_int_equal(train(&r, (rs_train_options){0}, &sum, &err), RS_ECORRUPT);
    assert_non_null(strstr(err.msg, "not finite"));
    assert_int_equal(r.steps_seen, 3);
    assert_int_equal(sum.skipped, 3);
    rs_free(more);
    rig_clear(&r);
}

static void a_checkpoint_that_does_not_fit_is_refused(void **state)
{
    static const struct { const char *more; rs_status want; } rows[] = {
        {", \"steps\": 4", RS_OK},
        {", \"steps\": 4, \"seed\": 2", RS_EMISMATCH},
        {", \"steps\": 4, \"two_views\": {\"weight\": 1}", RS_OK},
    };
    rig r;
    char *data, *path;
    size_t len;

    (void)state;
    rig_open(&r, 1, 0, ", \"batch\": 4, \"steps\": 2");
    assert_int_equal(train(&r, (rs_train_options){.resume = true}, NULL, NULL), RS_ENOENT);
    train_ok(&r, (rs_train_options){0}, NULL);
    path = rs_path_join(r.out, "checkpoint.bin");
    data = read_out(&r, "checkpoint.bin", &len);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *more = rs_sprintf(", \"batch\": 4%s", rows[i].more);
        load_config(&r, more);
        assert_int_equal(rs_file_write(path, data, len, NULL), RS_OK);
        assert_int_equal(train(&r, (rs_train_options){.resume = true}, NULL, NULL), rows[i].want);
        rs_free(more);
    }
    for (size_t i = 0; i < 4; i++) {                  /* a changed byte, a missing one, nothing */
        size_t at = i == 0 ? 9 : i == 1 ? len / 2 : len - 3;
        data[at] ^= 1;
        assert_int_equal(rs_file_write(path, data, i < 3 ? len : 0, NULL), RS_OK);
        assert_int_equal(train(&r, (rs_train_options){.resume = true}, NULL, NULL), RS_ECORRUPT);
        data[at] ^= 1;
    }
    assert_int_equal(rs_file_write(path, data, len - 1, NULL), RS_OK);
    assert_int_equal(train(&r, (rs_train_options){.resume = true}, NULL, NULL), RS_ECORRUPT);
    fixture_set(r.folder, 2, 0);                      /* other rows than those it has seen */
    assert_int_equal(rs_file_write(path, data, len, NULL), RS_OK);
    assert_int_equal(train(&r, (rs_train_options){.resume = true}, NULL, NULL), RS_EMISMATCH);
    rs_free(data);
    rs_free(path);
    rig_clear(&r);
}

static void bad_configs_are_refused_by_name(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"[]", "object"},
        {"{\"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1}", "out"},
        {"{\"out\": \"o\", \"manifests\": [\"m\"], \"steps\": 1}", "vocab"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"steps\": 1}", "manifests"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [], \"steps\": 1}", "manifests"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [3], \"steps\": 1}", "manifests[0]"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"]}", "steps or epochs"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, \"epochs\": 1}",
         "steps or epochs"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, \"lrr\": 1}", "lrr"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, \"lr\": \"x\"}", "lr"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, \"batch\": 1}", "batch"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"model\": {\"vision\": {\"depth\": 3}}}", "model.vision.depth"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"model\": {\"vision\": {\"heads\": 5}}}", "heads"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"model\": {\"patch_size\": 17}}", "patch_size"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"model\": {\"activation\": \"relu\"}}", "relu"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"distill\": {\"features\": \"f\", \"kind\": \"other\"}}", "other"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"augment\": {\"twist\": 1}}", "twist"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"sets\": {\"a\": -1}}", "sets.a"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, \"two_views\": 3}",
         "two_views"},
        {"{\"out\": \"o\", \"vocab\": \"v\", \"manifests\": [\"m\"], \"steps\": 1, "
         "\"loss\": \"hinge\"}", "loss: wanted softmax or sigmoid, found hinge"},
    };
    char *folder = fixture_folder(), *path = rs_path_join(folder, "c.json");
    rs_train_config c;
    rs_err err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_write(folder, "c.json", rows[i].text);
        assert_int_equal(rs_train_config_load(&c, path, &err), RS_ECORRUPT);
        if (!strstr(err.msg, rows[i].want) || !strstr(err.msg, "c.json"))
            fail_msg("row %zu: message \"%s\" lacks \"%s\"", i, err.msg, rows[i].want);
        assert_null(c.out);
    }
    rs_free(path);
    fixture_remove(folder);
}

static void a_set_that_is_nowhere_is_refused(void **state)
{
    rig r;
    rs_err err = {0};

    (void)state;
    rig_open(&r, 1, 0, ", \"batch\": 4, \"steps\": 2, \"sets\": {\"mednits\": 2}");
    assert_int_equal(train(&r, (rs_train_options){0}, NULL, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "mednits"));
    rig_clear(&r);
}

static void running_out_of_memory_is_told(void **state)
{
    rig r;
    rs_status st = RS_ENOMEM;
    size_t live;

    (void)state;
    rig_open(&r, 1, 1, ", \"batch\": 4, \"micro_batch\": 2, \"steps\": 1");
    train_ok(&r, (rs_train_options){.threads = 1}, NULL);       /* the cache is there now */
    live = rs_alloc_live();
    for (long k = 0; st != RS_OK; k += k < 20 ? 1 : 11) {
        rs_alloc_fail_after(k);
        st = train(&r, (rs_train_options){.threads = 1}, NULL, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
    }
    rig_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_task_is_learned_and_the_model_opens),
        cmocka_unit_test(the_log_has_a_line_a_step_and_an_evaluation),
        cmocka_unit_test(a_stopped_run_goes_on_bit_for_bit),
        cmocka_unit_test(a_signal_stops_after_the_step_with_a_checkpoint),
        cmocka_unit_test(threads_and_recomputation_do_not_show),
        cmocka_unit_test(micro_batches_give_the_gradient_of_the_whole),
        cmocka_unit_test(training_starts_from_a_model_folder),
        cmocka_unit_test(numbers_that_are_not_finite_stop_the_run),
        cmocka_unit_test(a_checkpoint_that_does_not_fit_is_refused),
        cmocka_unit_test(bad_configs_are_refused_by_name),
        cmocka_unit_test(a_set_that_is_nowhere_is_refused),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
