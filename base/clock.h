/* clock.h - monotonic seconds for durations, wall time for records.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_CLOCK_H
#define RS_BASE_CLOCK_H

#include <stddef.h>

double rs_now_s(void);                      /* monotonic; only differences mean anything */
double rs_cpu_s(void);                      /* CPU seconds of this process so far */
double rs_thread_cpu_s(void);               /* and of this thread: what others do does not show */
size_t rs_peak_rss_bytes(void);             /* highest resident size so far */
size_t rs_rss_bytes(void);                  /* now; 0 where that cannot be told */
void   rs_utc_text(char out[32]);           /* "2026-01-31T23:59:59.123Z" */

#endif
