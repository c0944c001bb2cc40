/* metrics.c - see metrics.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include "base/clock.h"

#include <dirent.h>
#include <inttypes.h>

/* Upper bounds in seconds: a word query takes 1 ms, an image on one thread 100. */
static const double bounds[RS_HISTOGRAM_BUCKETS] = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5};

static const char *const stage_labels[] = {
#define STAGE_NAME(name, text) "stage=\"" text "\"",
    RS_STAGE_MAP(STAGE_NAME)
#undef STAGE_NAME
};

void rs_metrics_request(rs_metrics *m, size_t route, int status)
{
    if (route < RS_METRICS_ROUTES && status >= 100 && status < 600)
        m->requests[route][status - 100]++;
}

void rs_metrics_stage(rs_metrics *m, rs_stage stage, double seconds)
{
    rs_histogram_add(&m->stage[stage], bounds, seconds);
}

static size_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n > 3 ? n - 3 : 0;                  /* ".", ".." and the folder itself */
}

static void put_one(rs_buf *out, const char *name, const char *type, const char *help, double value)
{
    rs_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name,
                  value);
}

void rs_metrics_write(const rs_metrics *m, const char *const *route_names, rs_buf *out)
{
    rs_buf_puts(out, "# HELP radscout_requests_total Requests answered.\n"
                     "# TYPE radscout_requests_total counter\n");
    for (size_t r = 0; r < RS_METRICS_ROUTES; r++)
        for (int s = 0; s < 500; s++)
            if (m->requests[r][s])
                rs_buf_printf(out, "radscout_requests_total{route=\"%s\",status=\"%d\"} "
                              "%" PRIu64 "\n",
                              route_names[r] ? route_names[r] : "none", s + 100, m->requests[r][s]);
    rs_buf_puts(out, "# HELP radscout_stage_seconds Time of a request's stages.\n"
                     "# TYPE radscout_stage_seconds histogram\n");
    for (int s = 0; s < RS_STAGES; s++)
        rs_histogram_write(&m->stage[s], bounds, "radscout_stage_seconds", stage_labels[s], out);
    rs_generator_counts_write(m->generators, m->n_generators, out);
    put_one(out, "radscout_connections", "gauge", "Connections open.", (double)m->connections);
    put_one(out, "radscout_connections_total", "counter", "Connections accepted.",
            (double)m->connections_total);
    put_one(out, "radscout_connections_refused_total", "counter", "Connections over the cap.",
            (double)m->refused_connections);
    put_one(out, "radscout_event_streams", "gauge", "Connections that listen to events.",
            (double)m->streams);
    rs_buf_printf(out, "# HELP radscout_query_texts_total Texts of queries, by where their vectors "
                  "came from.\n# TYPE radscout_query_texts_total counter\n"
                  "radscout_query_texts_total{vector=\"kept\"} %" PRIu64 "\n"
                  "radscout_query_texts_total{vector=\"ahead\"} %" PRIu64 "\n"
                  "radscout_query_texts_total{vector=\"alone\"} %" PRIu64 "\n",
                  m->texts_kept, m->texts_ahead, m->texts_alone);
    put_one(out, "radscout_queue_depth", "gauge", "Jobs waiting for a worker.", (double)m->waiting);
    put_one(out, "radscout_jobs_running", "gauge", "Jobs being worked on.", (double)m->running);
    put_one(out, "radscout_jobs_dropped_total", "counter", "Jobs whose client went away.",
            (double)m->dropped_jobs);
    put_one(out, "radscout_timeouts_total", "counter", "Clients too slow, and deadlines passed.",
            (double)m->timeouts);
    rs_buf_printf(out, "# HELP radscout_renditions_total Images made smaller for looking at.\n"
                  "# TYPE radscout_renditions_total counter\n"
                  "radscout_renditions_total{result=\"cached\"} %" PRIu64 "\n"
                  "radscout_renditions_total{result=\"made\"} %" PRIu64 "\n",
                  m->renditions_cached, m->renditions_made);
    rs_buf_printf(out, "# HELP radscout_archive_generation Generation of the vector caches.\n"
                  "# TYPE radscout_archive_generation gauge\n"
                  "radscout_archive_generation{index=\"image\"} %" PRId64 "\n"
                  "radscout_archive_generation{index=\"passage\"} %" PRId64 "\n",
                  m->image_generation, m->passage_generation);
    put_one(out, "radscout_archive_cases", "gauge", "Cases in the archive.", (double)m->cases);
    put_one(out, "radscout_uptime_seconds", "gauge", "Since the server began.", m->uptime_s);
    put_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
            (double)rs_rss_bytes());
    put_one(out, "process_open_fds", "gauge", "Open file descriptors.", (double)open_files());
}
