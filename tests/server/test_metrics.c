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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
