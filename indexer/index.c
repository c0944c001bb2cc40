/* index.c - see index.h; index_int.h shows the way of a batch.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index_int.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "embeddings/regions.h"
#include "engine/regions.h"

#include <string.h>

enum {
    CHUNK_BYTES = 32 << 20, MIN_CHUNK = 16, MAX_CHUNK = 256        /* images whose pixels are one
                                                                      piece of work */
};

void rs_index_sizes(rs_index_job *x)
{
    const rs_preprocess *p = rs_encoder_preprocess(x->encoder);
    size_t n;

    x->pixels_each = 3 * p->crop_height * p->crop_width;
    n = CHUNK_BYTES / (x->pixels_each * sizeof(float));
    x->chunk = n < MIN_CHUNK ? MIN_CHUNK : n > MAX_CHUNK ? MAX_CHUNK : n;
}

rs_status rs_index_regions(rs_index_job *x, rs_arena *mem, rs_err *err)
{
    const char *before;
    rs_status st = rs_archive_regions(x->archive, mem, &before, err);
    const bool on = x->o->regions == RS_REGIONS_ON ||
                    (x->o->regions == RS_REGIONS_AS_BEFORE && before);

    if (st != RS_OK)
        return st;
    x->regions = on ? RS_REGIONS_RECIPE : NULL;
    if (on == (before != NULL) && (!on || strcmp(before, x->regions) == 0))
        return RS_OK;
    return rs_archive_set_regions(x->archive, x->regions, err);
}

static void end_run(rs_index_job *x)
{
    for (size_t i = 0; i < x->n_refused; i++)
        rs_free(x->refused[i]);
    rs_free(x->refused);
    rs_source_close(x->source);
}

rs_status rs_index_run(rs_archive *a, const rs_encoder *e, const char *source,
                       const rs_index_options *o, rs_index_report *r, rs_err *err)
{
    rs_index_job x = {.archive = a, .encoder = e, .o = o, .r = r};
    double start = rs_now_s();
    rs_arena mem = {0};
    size_t done;
    rs_status st;

    *r = (rs_index_report){0};
    rs_index_sizes(&x);
    st = rs_source_open(&x.source, source, err);
    if (st == RS_OK)
        st = rs_index_regions(&x, &mem, err);
    if (st != RS_OK)
        goto done;
    x.name = rs_source_name(x.source);
    x.count = rs_source_count(x.source);
    x.progress = rs_progress_new("indexing", "cases", x.count, o->progress);
    st = rs_index_batches(&x, &done, err);
    rs_progress_end(x.progress);
    if (st == RS_OK && done < x.count)
        st = rs_fail(err, RS_ECANCEL, "stopped at case %zu of %zu of %s", done, x.count, source);
    if (st == RS_OK)
        st = rs_index_clean_up(&x, err);
    if (st == RS_OK)
        st = rs_archive_catch_up(a, err);
done:
    end_run(&x);
    rs_arena_clear(&mem);
    r->seconds = rs_now_s() - start;
    return st;
}
