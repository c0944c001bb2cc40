/* lines.h - a file's lines into rows of one type, in an arena.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_LINES_H
#define RS_TOOLS_LINES_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    rs_arena   *mem;
    const char *path;          /* for messages; set by rs_lines_each */
    void       *rows;
    size_t      n, cap, size;  /* of `size` bytes each */
} rs_lines;

/* Room for one more row, zeroed; NULL on OOM. */
void     *rs_lines_grow(rs_lines *t);
rs_status rs_lines_no_memory(const rs_lines *t, rs_err *err);

/* `take` is called for each line of FOLDER/NAME (FOLDER may be NULL) that is not empty, without
 * its end; `number` counts from 1. RS_ENOENT, RS_EIO, RS_ENOMEM, what `take` says. */
typedef rs_status rs_lines_take(rs_lines *t, const char *line, size_t len, size_t number,
                                rs_err *err);
rs_status rs_lines_each(rs_lines *t, const char *folder, const char *name, rs_lines_take *take,
                        rs_err *err);

/* The next run of bytes of [*at, end) that are no blanks or tabs: [returned, *at); NULL where
 * there is none. */
const char *rs_lines_field(const char **at, const char *end);
/* The whole number in text[0, len) if it is one within [-most, most]. */
bool rs_lines_number(const char *text, size_t len, long most, int *out);

#endif
