/* test_ask_generator.c - radscout ask with generators of the user's own: the draft on stderr while
 * it comes, the checked answer on stdout; one that fails, is silent, talks nonsense or is not there
 * costs a line, and the built-in one answers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../server/fake_generator.h"
#include "run.h"
#include "tiny_model.h"

#include "base/json.h"

static char archive[300];

static int make_all(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch) || tiny_model_write(at("model"), 7, &err) != RS_OK)
        return -1;
    snprintf(archive, sizeof archive, "%s/archive", scratch);
    unsetenv("RADSCOUT_MODEL");
    unsetenv("RADSCOUT_GENERATORS");
    put_picture("a.png", 1);
    put("cases.jsonl",
        "{\"id\":\"a\",\"image\":\"a.png\",\"modality\":\"CR\",\"patient\":\"PAT-1\",\"findings\":"
        "\"A small left pleural effusion.\",\"impression\":\"Left effusion.\"}\n"
        "{\"id\":\"b\",\"modality\":\"CR\",\"findings\":\"Large right pleural effusion.\"}\n");
    return radscout("index", archive, at("cases.jsonl"), "--model", at("model"), "--quiet");
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

/* `big` at f's port drafts for all; `check` may be "". */
static void generators(int port, const char *more)
{
    char text[600];

    snprintf(text, sizeof text, "{\"generators\": {\"big\": {\"url\": \"http://127.0.0.1:%d/v1\", "
             "\"retries\": 0, \"idle_ms\": 2000, \"images\": true}}, \"templates\": {\"*\": {"
             "\"draft\": \"big\"%s}}}", port, more);
    put("generators.json", text);
}

/* What the fake says, as its ctx. */
static void speak(fake *f, int fd, int number, const char *request)
{
    (void)number;
    (void)request;
    fake_answer(f, fd, f->ctx, 3);
}

static void break_off(fake *f, int fd, int number, const char *request)
{
    (void)number;
    (void)request;
    fake_say(f, fd, FAKE_OK "data: {\"choices\":[{\"delta\":{\"content\":\"There is \"}}]}\n\n");
    fake_reset(fd);
}

static void nonsense(fake *f, int fd, int number, const char *request)
{
    (void)number;
    (void)request;
    fake_say(f, fd, FAKE_OK "data: {{{\n\n");
}

static void refuse(fake *f, int fd, int number, const char *request)
{
    (void)number;
    (void)request;
    fake_say(f, fd, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
}

static const char good[] = "<think>Look \x1b[2J twice. </think>A left pleural effusion [1]. "
                           "A right pleural effusion [1]. And [9].";

static void test_drafted_and_checked(void **state)
{
    json_t *o;
    fake f;

    (void)state;
    fake_begin(&f, speak, good);
    generators(f.port, "");
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion", "--generators",
                at("generators.json"));
    assert_says(said_err, "Draft of big, not checked yet\n(reasoning) Look ");
    assert_says(said_err, "(answer) A left pleural effusion [1].");
    assert_null(strstr(said_err, "[9]"));
    assert_null(strchr(said_err, '\x1b'));
    assert_null(strchr(said_out, '\x1b'));
    assert_says(said_out, "A right pleural effusion [1]. (?side)");
    assert_says(said_out, "Written by big.");
    assert_null(strstr(f.last, "PAT-1"));
    /* No draft is shown where what does not hold is withheld, none beside JSON. */
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion", "--generators",
                at("generators.json"), "--withhold");
    assert_int_equal(said_err_len, 0);
    assert_null(strstr(said_out, "right"));
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion", "--generators",
                at("generators.json"), "--json", "--image", at("a.png"));
    assert_int_equal(said_err_len, 0);
    assert_non_null(strstr(f.last, "data:image/jpeg;base64,"));
    o = json_loads(said_out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "generator")), "big");
    assert_string_equal(json_string_value(json_object_get(o, "finish")), "stop");
    assert_true(json_is_null(json_object_get(o, "problem")));
    json_decref(o);
    /* By the environment; and the built-in one where it is asked for. */
    setenv("RADSCOUT_GENERATORS", at("generators.json"), 1);
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion");
    assert_says(said_out, "Written by big.");
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion", "--generator",
                "built-in");
    assert_null(strstr(said_out, "Written by"));
    unsetenv("RADSCOUT_GENERATORS");
    fake_end(&f);
}

static void test_second_reader(void **state)
{
    fake f;

    (void)state;
    fake_begin(&f, speak, "There is a left pleural effusion [1].");
    generators(f.port, ", \"check\": \"big\"");
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion", "--generators",
                at("generators.json"));
    assert_int_equal(f.requests, 2);
    assert_says(said_out, "Second reader: its answer is no list of verdicts.");
    fake_end(&f);
}

static void test_failures(void **state)
{
    static const struct { fake_speak *speak; const char *says; } rows[] = {
        {break_off, "big: "}, {nonsense, "big: "},
        {refuse, "big: the generator answers with HTTP status 500"},
        {NULL, "big: "}};
    json_t *o;
    fake f;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_begin(&f, rows[i].speak, NULL);
        generators(f.port, "");
        assert_exit(0, "ask", archive, "--text", "pleural effusion", "--generators",
                    at("generators.json"));
        assert_says(said_err, rows[i].says);
        assert_says(said_err, "; the built-in generator answers\n");
        assert_null(strstr(said_err, "{\"t\":"));      /* no line of a server's log */
        assert_says(said_out, "cases in this archive come nearest");
        assert_null(strstr(said_out, "Written by"));
        fake_end(&f);
    }
    generators(fake_nobody(), "");
    assert_exit(0, "ask", archive, "--text", "pleural effusion", "--generators",
                at("generators.json"), "--json");
    assert_says(said_err, "big: the generator cannot be reached; the built-in generator answers\n");
    o = json_loads(said_out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "generator")), "built-in");
    assert_string_equal(json_string_value(json_object_get(o, "problem")),
                        "the generator cannot be reached");
    json_decref(o);
}

static void test_usage(void **state)
{
    (void)state;
    generators(1, "");
    assert_exit(1, "ask", archive, "--text", "effusion", "--generators", at("generators.json"),
                "--generator", "small");
    assert_says(said_err, "there is no 'small'; there are: built-in, big");
    assert_exit(1, "ask", archive, "--text", "effusion", "--generators", at("nothing.json"));
    put("broken.json", "{\"generators\": {\"big\": {}}}");
    assert_exit(1, "ask", archive, "--text", "effusion", "--generators", at("broken.json"));
    assert_says(said_err, "big");
    put("answer.txt", "A left pleural effusion [1].");      /* nobody is asked */
    assert_exit(0, "ask", archive, "--text", "small left pleural effusion", "--answer",
                at("answer.txt"), "--generators", at("broken.json"), "--json");
    assert_says(said_out, "\"generator\":null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drafted_and_checked),
        cmocka_unit_test(test_second_reader),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_usage),
    };

    return cmocka_run_group_tests_name("tools/ask_generator", tests, make_all, drop_all);
}
