/* suspects_int.h - the finders of suspects.c and where they put what they find.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_SUSPECTS_INT_H
#define RS_ENGINE_SUSPECTS_INT_H

#include "engine/suspects.h"

typedef struct {
    rs_archive        *a;
    const rs_vicinity *v;
    rs_arena          *mem;
    rs_suspect_kind    kind;
    void              *rows;       /* rs_suspect */
    size_t             n, cap;
    rs_err            *err;
} rs_suspecting;

/* Another one; `reason` in the arena, NULL counts as no memory. */
rs_status rs_suspect_add(rs_suspecting *s, const char *key, const char *other, double strength,
                         const char *reason);

/* suspects_reports.c and suspects_images.c */
rs_status rs_suspect_contradictions(rs_suspecting *s);
rs_status rs_suspect_duplicates(rs_suspecting *s);
rs_status rs_suspect_outliers(rs_suspecting *s);

/* Robust: the median of x[0, n), n >= 1, which is sorted, and 1.4826 times the median of what
 * the others are off by; `off` is scratch of n. */
double rs_robust(double *x, size_t n, double *off, double *spread);

#endif
