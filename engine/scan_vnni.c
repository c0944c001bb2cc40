/* scan_vnni.c - scan.inc built for AVX-512 with VNNI: 64 products of bytes an instruction.
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AVX512VNNI__
#include "engine/scan512_int.h"

#include <stddef.h>

#define SET vnni
#define WIDE false
#define BYTES 64

static inline ints dot(ints s, const uint8_t *row, const void *q, size_t j)
{
    return _mm512_dpbusd_epi32(s, _mm512_loadu_si512(row + j),
                               _mm512_loadu_si512((const int8_t *)q + j));
}

#include "engine/scan.inc"
#else
typedef int rs_no_vnni;
#endif
