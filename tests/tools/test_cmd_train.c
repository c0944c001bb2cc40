/* test_cmd_train.c - radscout train as a user runs it: help, exit codes, a kill, a resume.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "embeddings/train_config.h"
#include "embeddings/train_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { SAID = 16000 };

/* Runs `radscout train ARGS`; what it prints, errors too, is put in `said`. */
static int train(char said[SAID], const char *args)
{
    const char *bin = getenv("RADSCOUT_BIN");
    char *command;
    size_t n;
    FILE *p;
    int status;

    assert_non_null(bin);
    command = rs_sprintf("'%s' train %s 2>&1", bin, args);
    p = popen(command, "r");
    assert_non_null(p);
    n = fread(said, 1, SAID - 1, p);
    said[n] = '\0';
    status = pclose(p);
    rs_free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* FOLDER/train.json for `steps` steps; returns its path. */
static char *write_config(const char *folder, unsigned steps)
{
    char *text = rs_sprintf(
        "{\"out\": \"%s/out\", \"vocab\": \"tests/data/tokenizer/small\", \"threads\": 2,\n"
        " \"manifests\": [\"%s/manifest.jsonl\"], \"steps\": %u, \"batch\": 8,\n"
        " \"model\": {\"image_size\": 16, \"patch_size\": 8, \"dim\": 16, \"max_tokens\": 24,\n"
        "   \"vision\": {\"width\": 32, \"layers\": 2, \"heads\": 2},\n"
        "   \"text\": {\"width\": 32, \"layers\": 2, \"heads\": 2}},\n"
        " \"eval_every\": 0, \"checkpoint_every\": 3}\n", folder, folder, steps);

    fixture_write(folder, "train.json", text);
    rs_free(text);
    return rs_path_join(folder, "train.json");
}

static char *read_log(const char *folder)
{
    char *path = rs_path_join(folder, "out/metrics.jsonl"), *data = NULL;
    size_t len;

    if (rs_file_read(&data, &len, path, 1 << 24, NULL) != RS_OK)
        data = NULL;
    rs_free(path);
    return data;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; text && *text; text++)
        n += *text == '\n';
    return n;
}

static void every_field_is_told_by_help(void **state)
{
    static const char *const fields[] = {
        "out", "cache", "vocab", "init", "manifests", "model", "image_size", "patch_size", "dim",
        "max_tokens", "activation", "logit_scale", "width", "layers", "heads", "mlp", "batch",
        "micro_batch", "steps", "epochs", "lr", "last_lr", "warmup", "weight_decay", "beta1", "beta2",
        "eps", "clip", "freeze_logit_scale", "recompute", "seed", "threads", "contrastive",
        "two_views", "temperature", "skip_labels", "distill", "features", "kind",
        "teacher_temperature", "augment", "balance", "run", "mixed_epochs", "sets", "eval_every", "eval_rows",
        "checkpoint_every", "half",
    };
    char said[SAID];

    (void)state;
    assert_int_equal(train(said, "--help"), 0);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!strstr(said, fields[i]))
            fail_msg("--help does not tell %s", fields[i]);
    assert_int_equal(train(said, "--augment"), 0);
    assert_non_null(strstr(said, "rotate"));
}

static void wrong_use_and_failures_have_their_codes(void **state)
{
    static const struct { const char *args, *want; int code; } rows[] = {
        {"", "CONFIG", 2},
        {"--steps x c.json", "--steps", 2},
        {"--nothing c.json", "nothing", 2},
        {"/nowhere/c.json", "/nowhere/c.json", 1},
    };
    char said[SAID];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(train(said, rows[i].args), rows[i].code);
        if (!strstr(said, rows[i].want))
            fail_msg("row %zu said: %s", i, said);
    }
}

static void a_run_ends_with_one_line_of_json(void **state)
{
    char *folder = fixture_folder(), *config, *args, said[SAID];
    json_t *v;

    (void)state;
    fixture_set(folder, 1, 1);
    config = write_config(folder, 4);
    args = rs_sprintf("--json '%s'", config);
    assert_int_equal(train(said, args), 0);
    assert_non_null(strstr(said, "{\"steps\""));      /* progress came before it, on stderr */
    v = json_loads(strstr(said, "{\"steps\""), JSON_DISABLE_EOF_CHECK, NULL);
    assert_int_equal(json_integer_value(json_object_get(v, "steps")), 4);
    assert_true(json_real_value(json_object_get(v, "samples_s")) > 0);
    json_decref(v);
    rs_free(args);
    rs_free(config);
    fixture_remove(folder);
}

/* Start a long run and send it `number` once it has logged five steps. */
static int run_and_signal(const char *folder, const char *config, int number)
{
    const struct timespec nap = {0, 5 * 1000 * 1000};
    char *old = rs_path_join(folder, "out/metrics.jsonl");
    size_t seen = 0;
    int status = 0;
    pid_t child;

    unlink(old);
    rs_free(old);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(getenv("RADSCOUT_BIN"), "radscout", "train", "--quiet", config, (char *)NULL);
        _exit(127);
    }
    for (size_t i = 0; seen < 5 && i < 12000; i++) {
        char *log = read_log(folder);
        seen = lines_of(log);
        rs_free(log);
        nanosleep(&nap, NULL);
    }
    assert_int_equal(kill(child, number), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(seen >= 5);
    return status;
}

/* The loss of each step of the log, as text; each step once and in order. */
static void read_losses(const char *folder, char loss[][32], size_t steps)
{
    char *log = read_log(folder), *rest = log, *line;
    size_t step = 0;

    assert_non_null(log);
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        const char *at = strstr(line, "\"loss\": ");
        if (strncmp(line, "{\"step\"", 7) != 0)
            continue;
        step++;
        assert_int_equal(strtoul(line + 9, NULL, 10), step);
        assert_true(at && step <= steps);
        snprintf(loss[step - 1], 32, "%.20s", at + 8);
        *strchr(loss[step - 1], ',') = '\0';
    }
    assert_int_equal(step, steps);
    rs_free(log);
}

static void a_killed_run_resumes_on_the_same_curve(void **state)
{
    enum { STEPS = 400 };
    static const struct { int number; bool clean; } rows[] = {{SIGTERM, true}, {SIGKILL, false}};
    static char want[STEPS][32], found[STEPS][32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = fixture_folder(), *config, *args, said[SAID];
        int status;

        fixture_set(folder, 2, 0);
        config = write_config(folder, STEPS);
        args = rs_sprintf("--quiet '%s'", config);
        assert_int_equal(train(said, args), 0);
        read_losses(folder, want, STEPS);
        rs_free(args);
        status = run_and_signal(folder, config, rows[i].number);
        if (rows[i].clean)
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        else
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        args = rs_sprintf("--quiet --resume '%s'", config);
        assert_int_equal(train(said, args), 0);
        read_losses(folder, found, STEPS);
        for (size_t s = 0; s < STEPS; s++)
            if (strcmp(want[s], found[s]) != 0)
                fail_msg("row %zu, step %zu: loss %s, wanted %s", i, s + 1, found[s], want[s]);
        rs_free(args);
        rs_free(config);
        fixture_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_told_by_help),
        cmocka_unit_test(wrong_use_and_failures_have_their_codes),
        cmocka_unit_test(a_run_ends_with_one_line_of_json),
        cmocka_unit_test(a_killed_run_resumes_on_the_same_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
