/* regions.c - boxes of pictures and of the encoder's square; see regions.h. The passes are in
 * encoder.c and tower_regions.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/regions.h"

#include <math.h>

/* What is seen of the picture along one edge, as fractions of the picture. */
static void seen_part(const rs_view *v, int axis, double *lo, double *hi)
{
    *lo = fmax(0, -v->shift[axis] / v->scale[axis]);
    *hi = fmin(1, (1 - v->shift[axis]) / v->scale[axis]);
}

static double to_square(const rs_view *v, int axis, double x)
{
    return fmin(fmax(v->scale[axis] * x + v->shift[axis], 0), 1);
}

void rs_region_windows(const rs_view *v, double picture[RS_REGIONS_EACH][4],
                       double square[RS_REGIONS_EACH][4])
{
    const double size = 2.0 / (RS_REGIONS_ROW + 1);     /* half overlapping */

    for (int axis = 0; axis < 2; axis++) {
        double lo, hi;
        seen_part(v, axis, &lo, &hi);
        for (int i = 0; i < RS_REGIONS_EACH; i++) {
            const double at = (axis ? i / RS_REGIONS_ROW : i % RS_REGIONS_ROW) * size / 2;
            picture[i][axis] = fmin(lo + (hi - lo) * at, 1);
            picture[i][axis + 2] = fmin(lo + (hi - lo) * (at + size), 1);
            square[i][axis] = to_square(v, axis, picture[i][axis]);
            square[i][axis + 2] = to_square(v, axis, picture[i][axis + 2]);
        }
    }
}

rs_status rs_region_seen(const rs_view *v, const double picture[4], double square[4], rs_err *err)
{
    const double *b = picture;

    if (!(b[0] >= 0 && b[0] < b[2] && b[2] <= 1 && b[1] >= 0 && b[1] < b[3] && b[3] <= 1))
        return rs_fail(err, RS_EARG, "a box of %g %g %g %g, wanted fractions x0 < x1, y0 < y1",
                       b[0], b[1], b[2], b[3]);
    for (int k = 0; k < 4; k++)
        square[k] = to_square(v, k % 2, b[k]);
    if (!(square[0] < square[2] && square[1] < square[3]))
        return rs_fail(err, RS_EARG, "a box of %g %g %g %g: the encoder sees nothing of it, it "
                       "looks at the middle of an image alone", b[0], b[1], b[2], b[3]);
    return RS_OK;
}
