/* plot.h - curves as a PNG: how a training went, to be looked at by a person.
 *
 * Panels of 720 x 440 pixels, two beside each other; each has a title, axes with
 * numbers, a legend, and lines in colours that the colour-blind tell apart
 * (Okabe, Ito 2008).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PLOT_H
#define RS_EMBEDDINGS_PLOT_H

#include "base/status.h"
#include "embeddings/image.h"

#include <stdbool.h>
#include <stddef.h>

/* All strings are UTF-8, of which ASCII is drawn and the rest is '?'. All borrowed. */
typedef struct {
    const char   *name;              /* in the legend; NULL or "": not there */
    const double *x, *y;             /* [n], x rising; a y that is not finite is a gap */
    size_t        n;
    bool          faint;             /* drawn pale: the raw values behind a smoothed line */
    int           colour;            /* 1..8; 0: by its place among the series */
} rs_plot_series;

typedef struct {
    const char *title, *x_label, *y_label;       /* NULL: none */
    const rs_plot_series *series;
    size_t      n_series;
    bool        log_y;               /* values of 0 and below are gaps */
    double      y_min, y_max;        /* equal: from the data */
} rs_plot_panel;

enum { RS_PLOT_MAX_PANELS = 24 };

/* RS_EARG for 0 or too many panels, RS_ENOMEM; of saving also RS_EIO, RS_ENOENT. */
rs_status rs_plot_draw(rs_image *im, const rs_plot_panel *panels, size_t n, rs_err *err);
rs_status rs_plot_save_png(const char *path, const rs_plot_panel *panels, size_t n, rs_err *err);

#endif
