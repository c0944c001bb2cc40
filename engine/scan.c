/* scan.c - which build of the scan runs here, and the definition that tests hold all builds
 * to. See scan.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/scan.h"

#include "base/cpu.h"
#include "embeddings/half.h"

#include <string.h>

static void reference_codes(int32_t *sum, const uint8_t *rows, const uint32_t *at, size_t n,
                            const void *q, size_t width)
{
    const int8_t *w = q;

    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + (at ? at[i] : i) * width;
        int32_t s = 0;
        for (size_t j = 0; j < width; j++)
            s += row[j] * w[j];
        sum[i] = s;
    }
}

static void reference_halves(float *score, const uint8_t *const *row, size_t n, const float *q,
                             size_t dim)
{
    for (size_t i = 0; i < n; i++) {
        double s = 0;
        for (size_t j = 0; j < dim; j++) {
            uint16_t h;
            memcpy(&h, row[i] + 2 * j, sizeof h);
            s += (double)q[j] * (double)rs_half_to_float_plain(h);
        }
        score[i] = (float)s;
    }
}

const rs_scan_set rs_scan_reference = {"reference", false, reference_codes, reference_halves};

size_t rs_scan_list(const rs_scan_set *list[RS_SCAN_SETS])
{
    size_t n = 0;

    list[n++] = &rs_scan_reference;
    list[n++] = &rs_scan_generic;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (rs_cpu_avx2()) {
        list[n++] = &rs_scan_avx2;
        if (rs_cpu_avx512()) {
            list[n++] = &rs_scan_avx512;
            if (__builtin_cpu_supports("avx512vnni"))
                list[n++] = &rs_scan_vnni;
        }
    }
#endif
    return n;
}

const rs_scan_set *rs_scan_best(void)
{
    const rs_scan_set *list[RS_SCAN_SETS];
    return list[rs_scan_list(list) - 1];
}
