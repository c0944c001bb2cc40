/* thumbs.h - small pictures on a terminal that can show them: kitty's graphics protocol
 * (base64 PNG in APC sequences of at most 4096 bytes) or DEC sixel, 16 greys.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_THUMBS_H
#define RS_TOOLS_THUMBS_H

#include "base/bytes.h"
#include "embeddings/image.h"

#include <stdbool.h>

typedef enum { RS_THUMB_NONE, RS_THUMB_KITTY, RS_THUMB_SIXEL } rs_thumb_kind;

/* What the terminal of the environment can show: from TERM, KITTY_WINDOW_ID, TERM_PROGRAM;
 * RADSCOUT_THUMBS=kitty|sixel|none decides by hand. */
rs_thumb_kind rs_thumb_kind_of_terminal(void);
/* Whether stdout is a terminal that shows pictures (or the variable says so); if not,
 * `command` says on stderr that there will be none. */
bool rs_thumb_wanted(const char *command);
/* Print the image of `path`, at most 160 pixels wide and high, 16 bits by their own
 * range; a line in its place if it fails. */
void rs_thumb_print(const char *path);

/* The escape sequences alone, appended to `out`; 8-bit images. */
rs_status rs_thumb_kitty(const rs_image *im, rs_buf *out, rs_err *err);
void      rs_thumb_sixel(const rs_image *im, rs_buf *out);

#endif
