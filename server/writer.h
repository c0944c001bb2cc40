/* writer.h - the one worker that changes the archive, and what it works with.
 *
 * Requests that write have a queue and a thread of their own, of lower priority than those
 * that answer searches, so that uploads of any number do not hold up a search. The archive is
 * opened for writing when the first of them comes, stays open while they follow each other, and
 * is closed when none came for a second, and every five seconds for a moment: another process
 * (radscout index) gets its turn.
 *
 * Threading: all of it on the writing worker's thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_WRITER_H
#define RS_SERVER_WRITER_H

#include "engine/archive.h"
#include "server/service.h"

typedef struct {
    const rs_service *service;
    rs_archive *archive;             /* NULL: not open now */
    size_t      changes;             /* cases put and taken out since caches last caught up */
    double      opened_s, used_s;    /* rs_now_s(); the last use */
} rs_writer;

/* As rs_worker_start and rs_worker_stop, for rs_jobs_plan. */
rs_status rs_writer_start(void *service, void **writer, rs_err *err);
void      rs_writer_stop(void *service, void *writer);

/* The archive, open for writing and bound to the service's encoder. Waits for another process
 * that writes it until `until_s`, then RS_EBUSY. Where the archive has another encoder:
 * RS_EMISMATCH. Borrowed until the end of this request. */
rs_status rs_writer_archive(rs_writer *w, double until_s, rs_archive **a, rs_err *err);

/* After requests: bring caches up to date where enough has changed, and close what was not used
 * for a second. Returns whether it is closed. */
bool rs_writer_rest(rs_writer *w);

#endif
