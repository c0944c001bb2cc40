/* test_metrics.c - counters, and histograms that add up.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_text(void **state)
{
    static const char *const names[RS_METRICS_ROUTES] = {"/healthz", "/v1/cases/{key}"};
    rs_metrics *m = rs_calloc(1, sizeof *m);
    rs_buf b = {0};

    (void)state;
    rs_metrics_request(m, 0, 200);
    rs_metrics_request(m, 0, 200);
    rs_metrics_request(m, 1, 404);
    rs_metrics_request(m, RS_METRICS_ROUTES - 1, 400);
    rs_metrics_request(m, RS_METRICS_ROUTES, 200);       /* no such route, no such status */
    rs_metrics_request(m, 0, 99);
    rs_metrics_request(m, 0, 600);
    rs_metrics_stage(m, RS_STAGE_SEARCH, 0.00005);
    rs_metrics_stage(m, RS_STAGE_SEARCH, 0.001);         /* a bound is within */
    rs_metrics_stage(m, RS_STAGE_SEARCH, 0.3);
    rs_metrics_stage(m, RS_STAGE_SEARCH, 60);
    m->image_generation = 7;
    m->renditions_cached = 3;
    rs_metrics_write(m, names, &b);
    assert_non_null(strstr(b.data, "radscout_requests_total{route=\"/healthz\",status=\"200\"} "
                                   "2\n"));
    assert_non_null(strstr(b.data, "{route=\"/v1/cases/{key}\",status=\"404\"} 1\n"));
    assert_non_null(strstr(b.data, "{route=\"none\",status=\"400\"} 1\n"));
    assert_non_null(strstr(b.data, "\nradscout_renditions_total{result=\"cached\"} 3\n"
                                   "radscout_renditions_total{result=\"made\"} 0\n"));
    assert_non_null(strstr(b.data, "{stage=\"search\",le=\"0.0001\"} 1\n"));
    assert_non_null(strstr(b.data, "{stage=\"search\",le=\"0.0005\"} 1\n"));
    assert_non_null(strstr(b.data, "{stage=\"search\",le=\"0.001\"} 2\n"));
    assert_non_null(strstr(b.data, "{stage=\"search\",le=\"0.5\"} 3\n"));
    assert_non_null(strstr(b.data, "{stage=\"search\",le=\"5\"} 3\n"));
    assert_non_null(strstr(b.data, "{stage=\"search\",le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(b.data, "radscout_stage_seconds_count{stage=\"search\"} 4\n"));
    assert_non_null(strstr(b.data, "radscout_archive_generation{index=\"image\"} 7\n"));
    assert_non_null(strstr(b.data, "\nprocess_open_fds "));
    for (const char *line = b.data; *line; line = strchr(line, '\n') + 1)
        assert_true(*line == '#' || strncmp(line, "radscout_", 9) == 0 ||
                    strncmp(line, "process_", 8) == 0);
    rs_buf_clear(&b);
    rs_free(m);
}

static void test_generators(void **state)
{
    rs_generator_counts list[2] = {{.name = "a\"b\\c"}, {.name = "small"}};
    rs_buf b = {0};

    (void)state;
    rs_generator_counts_write(list, 0, &b);
    assert_int_equal(b.len, 0);
    list[0].requests = 3;
    rs_generator_count_piece(&list[0], 10, 0.07);
    rs_generator_count_piece(&list[0], 5, -1);
    rs_generator_count_piece(&list[0], 5, 400);
    rs_generator_count_failure(&list[1], RS_GENERATOR_SILENT);
    rs_generator_count_piece(NULL, 1, 1);                /* not counted */
    rs_generator_count_failure(NULL, RS_GENERATOR_LATE);
    rs_generator_counts_write(list, 2, &b);
    assert_non_null(strstr(b.data, "_requests_total{generator=\"a\\\"b\\\\c\"} 3\n"));
    assert_non_null(strstr(b.data, "_pieces_total{generator=\"a\\\"b\\\\c\"} 3\n"));
    assert_non_null(strstr(b.data, "_text_bytes_total{generator=\"a\\\"b\\\\c\"} 20\n"));
    assert_non_null(strstr(b.data, "_requests_total{generator=\"small\"} 0\n"));
    assert_non_null(strstr(b.data, "{generator=\"small\",reason=\"silent\"} 1\n"));
    assert_non_null(strstr(b.data, "{generator=\"small\",reason=\"late\"} 0\n"));
    assert_non_null(strstr(b.data, "c\",le=\"0.05\"} 0\n"));
    assert_non_null(strstr(b.data, "c\",le=\"0.1\"} 1\n"));
    assert_non_null(strstr(b.data, "c\",le=\"300\"} 1\n"));
    assert_non_null(strstr(b.data, "c\",le=\"+Inf\"} 2\n"));
    rs_buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_generators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
