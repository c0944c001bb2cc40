/* scan.h - the two inner loops of looking at vectors one by one, a table an instruction
 * set: products of 8-bit codes, and exact products with the half-precision vectors that an
 * archive keeps. codes.h says what codes are and how far they may be off.
 *
 * Which set runs is chosen at run time; tests hold each to rs_scan_reference. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SCAN_H
#define RS_ENGINE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Codes of a row come in steps of so many bytes, the last one filled up. */
enum { RS_SCAN_STEP = 64 };

typedef struct {
    const char *name;
    bool wide;                 /* `q` of codes() is int16_t; else int8_t */
    /* sum[i] = sum over j < width of row[j] * q[j], where row is rows + at[i] * width (`at`
     * NULL: i). width is a multiple of RS_SCAN_STEP and at most 65,536, |q[j]| <= 127: no
     * sum overflows, and it is the same in every set. */
    void (*codes)(int32_t *sum, const uint8_t *rows, const uint32_t *at, size_t n, const void *q,
                  size_t width);
    /* score[i] = <q, row[i]>; row[i]: [dim] half floats at any alignment, q: [dim]. Summed in
     * float in an order of the set's own: sets differ in the last bits. */
    void (*halves)(float *score, const uint8_t *const *row, size_t n, const float *q, size_t dim);
} rs_scan_set;

extern const rs_scan_set rs_scan_reference, rs_scan_generic;
#ifdef __x86_64__
extern const rs_scan_set rs_scan_avx2, rs_scan_avx512, rs_scan_vnni;
#endif

/* Every set that this processor runs, the slowest first: list[0..return value). */
enum { RS_SCAN_SETS = 5 };
size_t rs_scan_list(const rs_scan_set *list[RS_SCAN_SETS]);
const rs_scan_set *rs_scan_best(void);

#endif
