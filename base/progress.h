/* progress.h - how far a long job is, for a person or for a program.
 *
 * On a terminal one line is redrawn from the start on: bar, count, rate, time left.
 * Elsewhere a plain line is printed every ten seconds and at the end. RS_PROGRESS_JSON prints
 * JSON lines instead; RS_PROGRESS_QUIET prints nothing. All to stderr, so that
 * stdout stays the result's.
 *
 * Threading: rs_progress_add from any thread; the rest from one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_PROGRESS_H
#define RS_BASE_PROGRESS_H

#include <stddef.h>

typedef enum { RS_PROGRESS_AUTO, RS_PROGRESS_JSON, RS_PROGRESS_QUIET } rs_progress_mode;
typedef struct rs_progress rs_progress;

/* `what` ("indexing"), `unit` ("images"), total 0 when unknown. NULL on OOM: every
 * function below then does nothing. */
rs_progress *rs_progress_new(const char *what, const char *unit, size_t total,
                             rs_progress_mode mode);
void rs_progress_add(rs_progress *p, size_t done);
void rs_progress_set_total(rs_progress *p, size_t total);
/* Prints the last line and frees. */
void rs_progress_end(rs_progress *p);

#endif
