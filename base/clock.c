/* clock.c - see clock.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t id)
{
    struct timespec t = {0};

    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double rs_now_s(void) { return seconds(CLOCK_MONOTONIC); }
double rs_cpu_s(void) { return seconds(CLOCK_PROCESS_CPUTIME_ID); }
double rs_thread_cpu_s(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }

size_t rs_peak_rss_bytes(void)
{
    struct rusage u;

    return getrusage(RUSAGE_SELF, &u) == 0 ? (size_t)u.ru_maxrss * 1024 : 0;
}

/* /proc/self/statm: total and resident pages. */
size_t rs_rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long total, resident = 0;
    const long page = sysconf(_SC_PAGESIZE);

    if (f && fscanf(f, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return page > 0 ? resident * (size_t)page : 0;
}

void rs_utc_text(char out[32])
{
    struct timespec t = {0};
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, 32 - n, ".%03dZ", (int)(t.tv_nsec / 1000000));
}
