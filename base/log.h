/* log.h - the program's log: one JSON object a line, to stderr or a file.
 *
 *   {"t":"2026-01-31T23:59:59.123Z","level":"warn","event":"image skipped",
 *    "file":"a.png","reason":"cut short"}
 *
 * Field values are given as pairs, so that nothing from outside is ever parsed as
 * a format. Any thread; a line is written with one write(). Below RS_LOG_WARN
 * nothing is written unless rs_log_level() allows it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_LOG_H
#define RS_BASE_LOG_H

#include "base/status.h"

#include <stddef.h>

typedef enum { RS_LOG_DEBUG, RS_LOG_INFO, RS_LOG_WARN, RS_LOG_ERROR } rs_log_level;

void rs_log_set_level(rs_log_level lowest);          /* default RS_LOG_WARN */
/* Append to `path` (NULL: back to stderr). */
rs_status rs_log_open(const char *path, rs_err *err);
void rs_log_close(void);

/* Fields: (name, value) string pairs ended by NULL. Values longer than 4 KB are
 * cut; bytes that are not UTF-8 become U+FFFD. */
void rs_log_event(rs_log_level level, const char *event, ...);
/* event with "status" and "error" fields from `err`. */
void rs_log_error(rs_log_level level, const char *event, const rs_err *err);

#endif
