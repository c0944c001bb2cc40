/* test_config.c - four places, one precedence; loopback only; whose names we answer to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include "scratch.h"

#include <stdlib.h>

static const char *flag_queue, *flag_bind;

static const char *flag(const void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "queue") == 0 ? flag_queue : strcmp(name, "bind") == 0 ? flag_bind : NULL;
}

static void test_precedence(void **state)
{
    rs_config c;
    rs_err err = {0};

    (void)state;
    put("c.json", "{\"queue\": 5, \"port\": 81, \"log_level\": \"warn\"}");
    ok(rs_config_load(&c, NULL, NULL, NULL, &err), &err);
    assert_int_equal(c.queue, 128);
    assert_string_equal(c.bind, "127.0.0.1");
    ok(rs_config_load(&c, at("c.json"), flag, NULL, &err), &err);
    assert_int_equal(c.queue, 5);
    assert_int_equal(c.port, 81);
    assert_string_equal(c.log_level, "warn");
    setenv("RADSCOUT_QUEUE", "6", 1);
    setenv("RADSCOUT_LOG_LEVEL", "error", 1);
    ok(rs_config_load(&c, at("c.json"), flag, NULL, &err), &err);
    assert_int_equal(c.queue, 6);
    assert_string_equal(c.log_level, "error");
    flag_queue = "7";
    ok(rs_config_load(&c, at("c.json"), flag, NULL, &err), &err);
    assert_int_equal(c.queue, 7);
    assert_int_equal(c.port, 81);
    flag_queue = NULL;
    unsetenv("RADSCOUT_QUEUE");
    unsetenv("RADSCOUT_LOG_LEVEL");
}

static void test_refusals(void **state)
{
    static const struct { const char *file, *says; rs_status st; } rows[] = {
        {"{\"queu\": 5}", "queu: there is no such setting", RS_ECORRUPT},
        {"{\"queue\": \"5\"}", "queue: wanted a whole number", RS_ECORRUPT},
        {"{\"queue\": 0}", "queue: wanted 1 to 100000, found 0", RS_EARG},
        {"{\"bind\": 1}", "bind: wanted a string", RS_ECORRUPT},
        {"[1]", "wanted an object", RS_ECORRUPT},
        {"{\"queue\": 1, \"queue\": 2}", "duplicate", RS_ECORRUPT},
        {"{", "c.json", RS_ECORRUPT},
        {"{\"log_level\": \"loud\"}", "log_level: wanted debug", RS_EARG},
        {"{\"log_level\": \"something long\"}", "log_level: longer than", RS_EARG},
        {"{\"bind\": \"0.0.0.0\"}", "TLS and authentication", RS_EARG},
        {"{\"bind\": \"::\"}", "TLS and authentication", RS_EARG},
        {"{\"bind\": \"192.0.2.1\"}", "TLS and authentication", RS_EARG},
        {"{\"bind\": \"localhost\"}", "TLS and authentication", RS_EARG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_config c;
        rs_err err = {0};
        rs_status st;
        put("c.json", rows[i].file);
        st = rs_config_load(&c, at("c.json"), NULL, NULL, &err);
        if (st != rows[i].st || !strstr(err.msg, rows[i].says))
            fail_msg("%s: %s: %s", rows[i].file, rs_status_name(st), err.msg);
    }
}

static void test_values_that_are_text(void **state)
{
    rs_config c;
    rs_err err = {0};

    (void)state;
    flag_queue = "5x";
    assert_int_equal(rs_config_load(&c, NULL, flag, NULL, &err), RS_EARG);
    assert_string_equal(err.msg, "--queue: wanted a whole number, found '5x'");
    flag_queue = "";
    assert_int_equal(rs_config_load(&c, NULL, flag, NULL, &err), RS_EARG);
    flag_queue = NULL;
    flag_bind = "::1";
    ok(rs_config_load(&c, NULL, flag, NULL, &err), &err);
    flag_bind = "127.8.9.1";
    ok(rs_config_load(&c, NULL, flag, NULL, &err), &err);
    flag_bind = NULL;
    assert_int_equal(rs_config_load(&c, at("none.json"), NULL, NULL, &err), RS_ENOENT);
}

static void test_names(void **state)
{
    static const struct { const char *host; bool ours; } rows[] = {
        {"localhost", true}, {"LOCALHOST:8080", true}, {"127.0.0.1:1", true}, {"127.1.2.3", true},
        {"[::1]:8080", true}, {"[::1]", true}, {"archive.example:80", true}, {"other", true},
        {"example", false}, {"localhost.evil.example", false}, {"xlocalhost", false},
        {"10.0.0.1", false}, {"[::2]", false}, {"127.0.0.1.evil.example", false}, {"", false},
        {"archive.example.evil", false},
    };
    rs_config c;
    rs_err err = {0};

    (void)state;
    ok(rs_config_load(&c, NULL, NULL, NULL, &err), &err);
    strcpy(c.hosts, "archive.example, other");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rs_config_is_host(&c, rows[i].host) != rows[i].ours)
            fail_msg("%s", rows[i].host);
}

static int make_scratch(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_values_that_are_text),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, make_scratch, scratch_drop);
}
