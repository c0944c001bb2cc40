/* regions.c - see regions.h and regions_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/regions_int.h"

#include "base/alloc.h"
#include "embeddings/regions.h"
#include "engine/catalog.h"
#include "engine/regions.h"

/* ---- The archive's choice -------------------------------------------- */

rs_status rs_archive_regions(rs_archive *a, rs_arena *mem, const char **recipe, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db, "SELECT value FROM meta WHERE key = 'regions'", err);

    *recipe = NULL;
    if (rs_step(&s) && !(*recipe = rs_col_dup(&s, 0, mem)))
        rs_stmt_nomem(&s);
    return rs_done(&s);
}

rs_status rs_archive_set_regions(rs_archive *a, const char *recipe, rs_err *err)
{
    rs_status st = rs_archive_may_write(a, "regions", err);
    rs_stmt s;

    if (st != RS_OK || (st = rs_db_begin(a->db, err)) != RS_OK)
        return st;
    s = rs_db_use(a->db, recipe ? "INSERT OR REPLACE INTO meta VALUES('regions', ?1)"
                                : "DELETE FROM meta WHERE key = 'regions'", err);
    if (recipe)
        rs_bind_text(&s, 1, recipe);
    if ((st = rs_run(&s)) == RS_OK)
        st = rs_db_commit(a->db, err);
    rs_db_rollback(a->db);
    return st;
}

/* ---- A query's box --------------------------------------------------- */

rs_status rs_region_encode(const rs_query *q, const rs_query_part *p, rs_arena *mem,
                           const float **region, const float **whole, rs_err *err)
{
    const rs_preprocess *how = rs_encoder_preprocess(q->encoder);
    const size_t dim = rs_encoder_dim(q->encoder);
    float *x = rs_new(mem, float, 2 * dim), *pixels;
    double square[4];
    rs_status st;
    rs_view view;

    pixels = rs_calloc(3 * how->crop_height * how->crop_width, sizeof *pixels);
    if (!x || !pixels) {
        st = rs_fail(err, RS_ENOMEM, "query: no memory");
        goto done;
    }
    if ((st = rs_preprocess_view(how, p->image->width, p->image->height, &view, err)) != RS_OK ||
        (st = rs_region_seen(&view, p->box, square, err)) != RS_OK ||
        (st = rs_preprocess_run(how, p->image, pixels, err)) != RS_OK)
        goto done;
    st = rs_encoder_regions(q->encoder, pixels, 1, square, 1, q->pool, x + dim, x, err);
    *region = x;
    *whole = x + dim;
done:
    rs_free(pixels);
    return st;
}

/* ---- A hit's --------------------------------------------------------- */

rs_status rs_region_evidence(rs_archive *a, int64_t region, rs_arena *mem, rs_found *f, rs_err *err)
{
    rs_stmt s = rs_db_use(a->db,
        "SELECT i.path, r.x0, r.y0, r.x1, r.y1 FROM region_vectors r"
        " JOIN images i ON i.id = r.image_id WHERE r.id = ?1", err);

    rs_bind_int(&s, 1, region);
    if (rs_step(&s)) {
        f->image = rs_catalog_path(a, &s, 0, mem);
        f->boxed = true;
        for (int k = 0; k < 4; k++)
            f->box[k] = rs_col_real(&s, 1 + k);
        if (!f->image)
            rs_stmt_nomem(&s);
    }
    return rs_done(&s);
}
