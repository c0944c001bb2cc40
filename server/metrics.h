/* metrics.h - what the server counts, as Prometheus text (exposition format 0.0.4).
 *
 *   radscout_requests_total{route="/v1/search",status="200"}
 *   radscout_stage_seconds{stage="search"}      histogram; stages: queue, encode, search, write
 *   radscout_renditions_total{result="cached"}   of images; or "made"
 *   radscout_query_texts_total{vector="kept"}   remembered; "ahead": encoded with those of
 *                                               others; "alone"
 *   radscout_generator_*                        see generator_counts.h
 *   radscout_queue_depth, _connections, _archive_generation{index}, _archive_cases,
 *   process_resident_memory_bytes, process_open_fds
 *
 * Everything is counted on the loop's thread: a worker hands its times back with its job,
 * so there is no lock and nothing atomic here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_METRICS_H
#define RS_SERVER_METRICS_H

#include "base/bytes.h"
#include "server/generator_counts.h"
#include "server/generators.h"
#include "server/histogram.h"

#include <stddef.h>
#include <stdint.h>

#define RS_STAGE_MAP(X) X(QUEUE, "queue") X(ENCODE, "encode") X(SEARCH, "search") X(WRITE, "write")

typedef enum {
#define RS_STAGE_ENUM(name, text) RS_STAGE_##name,
    RS_STAGE_MAP(RS_STAGE_ENUM)
#undef RS_STAGE_ENUM
    RS_STAGES
} rs_stage;

/* Routes by number; the last one counts what matched none. Statuses 100 to 599. */
enum { RS_METRICS_ROUTES = 40 };

typedef struct {
    uint64_t requests[RS_METRICS_ROUTES][500];
    rs_histogram stage[RS_STAGES];
    uint64_t refused_connections, dropped_jobs, timeouts;
    uint64_t renditions_cached, renditions_made;
    uint64_t connections_total;
    uint64_t texts_kept, texts_ahead, texts_alone;     /* of queries, by where vectors came from */
    rs_generator_counts generators[RS_GENERATORS_MAX];
    size_t   n_generators;
    /* Set before writing: */
    size_t   connections, waiting, running, streams;
    int64_t  image_generation, passage_generation;
    size_t   cases;
    double   uptime_s;
} rs_metrics;

void rs_metrics_request(rs_metrics *m, size_t route, int status);
void rs_metrics_stage(rs_metrics *m, rs_stage stage, double seconds);
/* route_names: [RS_METRICS_ROUTES], NULL where there is none. */
void rs_metrics_write(const rs_metrics *m, const char *const *route_names, rs_buf *out);

#endif
