/* writer.c - see writer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/writer.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { NICE = 10, CATCH_UP = 64 };
static const double IDLE_S = 1, HOLD_S = 5;

rs_status rs_writer_start(void *service, void **writer, rs_err *err)
{
    rs_writer *w = rs_calloc(1, sizeof *w);

    *writer = w;
    if (!w)
        return rs_fail(err, RS_ENOMEM, "no memory for the writer");
    w->service = service;
    setpriority(PRIO_PROCESS, 0, NICE);        /* on Linux of the calling thread; as good as we can */
    return RS_OK;
}

static void catch_up(rs_writer *w, size_t least)
{
    rs_err err = {0};

    if (!w->archive || w->changes < least)
        return;
    if (rs_archive_catch_up(w->archive, &err) != RS_OK)
        rs_log_error(RS_LOG_WARN, "vector caches stay as they were", &err);
    w->changes = 0;
}

void rs_writer_stop(void *service, void *writer)
{
    rs_writer *w = writer;

    (void)service;
    catch_up(w, 1);
    rs_archive_close(w->archive);
    rs_free(w);
}

/* One that knows the encoder already knows its folder too, which we do not. */
static rs_status bind(rs_archive *a, const rs_encoder *e, rs_err *err)
{
    const rs_encoder_identity *known = rs_archive_encoder(a);
    const rs_encoder_identity id = {.id = rs_encoder_id(e), .name = rs_encoder_name(e),
                                    .dim = rs_encoder_dim(e)};

    return known && strcmp(known->id, id.id) == 0 ? RS_OK : rs_archive_bind_encoder(a, &id, err);
}

static rs_status open_archive(rs_writer *w, double until_s, rs_err *err)
{
    const rs_encoder *e = w->service->encoder;
    rs_status st;

    st = rs_archive_open_writer(&w->archive, w->service->archive, until_s - rs_now_s(), err);
    w->opened_s = rs_now_s();
    if (st == RS_OK && w->service->lexicon)
        st = rs_archive_use_lexicon(w->archive, w->service->lexicon, err);
    if (st == RS_OK && e)
        st = bind(w->archive, e, err);
    if (st != RS_OK) {
        rs_archive_close(w->archive);
        w->archive = NULL;
    }
    return st;
}

/* Others look for the lock twenty times a second. */
static void let_others(rs_writer *w)
{
    const struct timespec t = {.tv_nsec = 150000000};

    rs_archive_close(w->archive);
    w->archive = NULL;
    nanosleep(&t, NULL);
}

rs_status rs_writer_archive(rs_writer *w, double until_s, rs_archive **a, rs_err *err)
{
    rs_status st;

    if (w->archive && rs_now_s() > w->opened_s + HOLD_S)
        let_others(w);
    st = w->archive ? RS_OK : open_archive(w, until_s, err);
    w->used_s = rs_now_s();
    *a = w->archive;
    return st;
}

bool rs_writer_rest(rs_writer *w)
{
    catch_up(w, CATCH_UP);
    if (w->archive && rs_now_s() > w->used_s + IDLE_S) {
        rs_archive_close(w->archive);
        w->archive = NULL;
    }
    return !w->archive;
}
