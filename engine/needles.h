/* needles.h - are any of these bytes anywhere in the files below a folder? How an erasure
 * proves that it left nothing.
 *
 * One pass over each file, whatever the number of needles. One thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_NEEDLES_H
#define RS_ENGINE_NEEDLES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RS_NEEDLE_LEAST = 6 };          /* shorter ones are found everywhere */

typedef struct {
    const char *what;                  /* "patient", "case key" ...: for the message */
    const void *bytes;                 /* borrowed */
    size_t      len;                   /* >= RS_NEEDLE_LEAST */
    const void *blob;                  /* of use to `shared`: see erase.c */
    size_t      blob_len;
    bool        in_names;              /* looked for in names of files and folders too */
    bool        shared;                /* found, and it belongs there */
} rs_needle;

typedef struct {
    size_t      files;
    uint64_t    bytes;
    const rs_needle *found;            /* the first that should not be there; NULL: none */
    char        file[512];             /* where */
    uint64_t    at;                    /* the byte; 0 where it is the file's name */
    bool        in_name;
} rs_needle_report;

/* What one that was found is. */
typedef enum {
    RS_NEEDLE_STRAY,                   /* it should not be there: the search ends */
    RS_NEEDLE_SHARED,                  /* it belongs to what stays: passed over from now on */
    RS_NEEDLE_OF_FILE                  /* this file as a whole belongs to what stays, whatever
                                          its bytes are: on to the next */
} rs_needle_kind;

/* `judge` is asked of each that is found, in `file`. RS_EIO names a file that cannot be read.
 * RS_ENOMEM. */
rs_status rs_needles_search(const char *folder, rs_needle *list, size_t n,
                            rs_status (*judge)(void *ctx, const rs_needle *n, const char *file,
                                               rs_needle_kind *kind, rs_err *err),
                            void *ctx, rs_needle_report *out, rs_err *err);

#endif
