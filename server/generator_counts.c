/* generator_counts.c - see generator_counts.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/generator_counts.h"

#include <inttypes.h>

/* A small model says its first word in 50 ms; one that is loading takes minutes. */
static const double bounds[RS_HISTOGRAM_BUCKETS] = {
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};

static const char *const reasons[] = {
#define REASON(name, text) text,
    RS_GENERATOR_FAILURE_MAP(REASON)
#undef REASON
};

void rs_generator_count_failure(rs_generator_counts *c, rs_generator_failure why)
{
    if (c)
        c->failures[why]++;
}

void rs_generator_count_piece(rs_generator_counts *c, size_t bytes, double waited_s)
{
    if (!c)
        return;
    c->pieces++;
    c->text_bytes += bytes;
    if (waited_s >= 0)
        rs_histogram_add(&c->first_piece, bounds, waited_s);
}

/* generator="NAME" as the exposition format quotes it. */
static void put_label(const char *name, rs_buf *out)
{
    rs_buf_puts(out, "generator=\"");
    for (const char *c = name; *c; c++)
        if (*c == '\n')
            rs_buf_puts(out, "\\n");
        else
            rs_buf_printf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    rs_buf_puts(out, "\"");
}

static void put_head(const char *name, const char *type, const char *help, rs_buf *out)
{
    rs_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One counter of all. */
static void put_counter(const rs_generator_counts *list, size_t n, size_t offset, const char *name,
                        const char *help, rs_buf *out)
{
    put_head(name, "counter", help, out);
    for (size_t i = 0; i < n; i++) {
        const uint64_t *value = (const void *)((const char *)&list[i] + offset);
        rs_buf_printf(out, "%s{", name);
        put_label(list[i].name, out);
        rs_buf_printf(out, "} %" PRIu64 "\n", *value);
    }
}

static void put_failures(const rs_generator_counts *list, size_t n, rs_buf *out)
{
    static const char name[] = "radscout_generator_failures_total";

    put_head(name, "counter", "Answers that did not come, by reason.", out);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < RS_GENERATOR_FAILURES; r++) {
            rs_buf_printf(out, "%s{", name);
            put_label(list[i].name, out);
            rs_buf_printf(out, ",reason=\"%s\"} %" PRIu64 "\n", reasons[r], list[i].failures[r]);
        }
}

void rs_generator_counts_write(const rs_generator_counts *list, size_t n, rs_buf *out)
{
    static const struct { size_t offset; const char *name, *help; } counters[] = {
        {offsetof(rs_generator_counts, requests), "radscout_generator_requests_total",
         "Answers and readings asked for."},
        {offsetof(rs_generator_counts, attempts), "radscout_generator_attempts_total",
         "HTTP requests for them."},
        {offsetof(rs_generator_counts, pieces), "radscout_generator_pieces_total",
         "Pieces of text streamed, as a rule tokens."},
        {offsetof(rs_generator_counts, text_bytes), "radscout_generator_text_bytes_total",
         "Bytes of answers and reasoning."},
    };
    static const char first[] = "radscout_generator_first_piece_seconds";

    if (n == 0)
        return;
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        put_counter(list, n, counters[i].offset, counters[i].name, counters[i].help, out);
    put_failures(list, n, out);
    put_head(first, "histogram", "Until the first piece of an answer.", out);
    for (size_t i = 0; i < n; i++) {
        rs_buf label = {0};
        put_label(list[i].name, &label);
        if (label.failed)
            out->failed = true;
        else
            rs_histogram_write(&list[i].first_piece, bounds, first, label.data, out);
        rs_buf_clear(&label);
    }
}
