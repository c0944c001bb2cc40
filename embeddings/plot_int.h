/* plot_int.h - the font of plot.c. Inside embeddings/ only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PLOT_INT_H
#define RS_EMBEDDINGS_PLOT_INT_H

enum { RS_FONT_COLUMNS = 5, RS_FONT_ROWS = 9 };

extern const unsigned char rs_plot_font[95][RS_FONT_ROWS];     /* ' ' .. '~' */

#endif
