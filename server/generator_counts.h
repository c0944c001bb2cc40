/* generator_counts.h - what is counted of each generator, as Prometheus text:
 *
 *   radscout_generator_requests_total{generator="big"}      answers and readings asked for
 *   radscout_generator_attempts_total{generator}            HTTP requests for them
 *   radscout_generator_failures_total{generator,reason}     that came to nothing
 *   radscout_generator_pieces_total{generator}              pieces streamed: tokens, as a rule
 *   radscout_generator_text_bytes_total{generator}          of answers and reasoning
 *   radscout_generator_first_piece_seconds{generator}       histogram: until the first piece, with
 *                                                           all attempts before it
 *
 * What is under way has a request and no failure yet. Threading: counted where generations run, on
 * the loop's thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_GENERATOR_COUNTS_H
#define RS_SERVER_GENERATOR_COUNTS_H

#include "server/histogram.h"

#include <stddef.h>

/* Why there was no answer, after all attempts. */
#define RS_GENERATOR_FAILURE_MAP(X)                                                         \
    X(UNREACHABLE, "unreachable")    /* nobody listens                                   */ \
    X(SILENT,      "silent")         /* no byte for idle_ms                              */ \
    X(LATE,        "late")           /* not connected or done in time                    */ \
    X(BROKEN,      "broken")         /* the connection                                   */ \
    X(ERROR,       "error")          /* it says so itself, by HTTP status or an event    */ \
    X(NONSENSE,    "nonsense")       /* not what such servers say                        */ \
    X(TOO_MUCH,    "too_much")       /* more than an answer may have                     */ \
    X(CANCELLED,   "cancelled")      /* who asked is gone                                */ \
    X(BUSY,        "busy")           /* too many at once: it was not asked               */ \
    X(MEMORY,      "memory")         /* of ours                                          */

typedef enum {
#define RS_GENERATOR_FAILURE_ENUM(name, text) RS_GENERATOR_##name,
    RS_GENERATOR_FAILURE_MAP(RS_GENERATOR_FAILURE_ENUM)
#undef RS_GENERATOR_FAILURE_ENUM
    RS_GENERATOR_FAILURES
} rs_generator_failure;

/* {0} with its name is one of which nothing has been counted. */
typedef struct {
    const char  *name;                       /* outlives it */
    uint64_t     requests, attempts, pieces, text_bytes;
    uint64_t     failures[RS_GENERATOR_FAILURES];
    rs_histogram first_piece;
} rs_generator_counts;

/* `c` may be NULL: not counted. */
void rs_generator_count_failure(rs_generator_counts *c, rs_generator_failure why);
/* A piece of `bytes`; `waited_s` since it was asked for, if it is the first, else negative. */
void rs_generator_count_piece(rs_generator_counts *c, size_t bytes, double waited_s);
/* Nothing for n = 0. */
void rs_generator_counts_write(const rs_generator_counts *list, size_t n, rs_buf *out);

#endif
