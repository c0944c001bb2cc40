/* scan_generic.c - the loops of scan.h in plain C for any processor, written so that the
 * compiler uses whatever vectors there are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/half.h"
#include "engine/scan.h"

enum { PIECE = 256, PARTS = 8 };

static void codes(int32_t *sum, const uint8_t *rows, const uint32_t *at, size_t n, const void *q,
                  size_t width)
{
    const int16_t *w = q;

    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = rows + (at ? at[i] : i) * width;
        int32_t s = 0;
        for (size_t j = 0; j < width; j++)
            s += (int16_t)row[j] * w[j];
        sum[i] = s;
    }
}

static void halves(float *score, const uint8_t *const *row, size_t n, const float *q, size_t dim)
{
    float x[PIECE];

    for (size_t i = 0; i < n; i++) {
        float part[PARTS] = {0}, s = 0;
        for (size_t j = 0; j < dim; j += PIECE) {
            const size_t m = dim - j < PIECE ? dim - j : PIECE;
            rs_half_unpack(x, row[i] + 2 * j, m);
            for (size_t l = 0; l < m / PARTS * PARTS; l++)
                part[l % PARTS] += q[j + l] * x[l];
            for (size_t l = m / PARTS * PARTS; l < m; l++)
                s += q[j + l] * x[l];
        }
        for (size_t l = 0; l < PARTS; l++)
            s += part[l];
        score[i] = s;
    }
}

const rs_scan_set rs_scan_generic = {"generic", true, codes, halves};
