/* phash.c - see phash.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/phash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, FREQUENCIES = 8 };

/* Of ITU-R BT.601; of grey, whose planes are alike, it changes nothing. */
static const double luminance[3] = {0.299, 0.587, 0.114};

/* Sums over means: what is left of a flat picture after the transform is rounding. */
static const double FLAT = 1e-9;

/* ---- 32 x 32 --------------------------------------------------------- */

/* Lengths are in 32nds of a pixel, so that n pixels make 32 parts of n each, whatever n. */

/* The integral of a row of pixels from `from` to `to`. */
static double integral(const float *row, size_t from, size_t to)
{
    const size_t first = from / SIDE, last = to / SIDE;
    double sum;
    float whole = 0;

    if (first == last)
        return row[first] * (double)(to - from);
    for (size_t i = first + 1; i < last; i++)
        whole += row[i];
    sum = row[first] * (double)(SIDE - from % SIDE) + (double)whole * SIDE;
    return to % SIDE ? sum + row[last] * (double)(to % SIDE) : sum;
}

/* Adds one row of pixels to the parts it lies in. */
static void add_row(double cells[SIDE][SIDE], const float *pixels, size_t y, size_t height,
                    size_t width)
{
    double sums[SIDE] = {0};
    size_t from = y * SIDE;
    const size_t to = from + SIDE;

    for (int c = 0; c < 3; c++)
        for (size_t i = 0; i < SIDE; i++)
            sums[i] += luminance[c] * integral(pixels + ((size_t)c * height + y) * width,
                                               i * width, (i + 1) * width);
    while (from < to) {
        const size_t part = from / height, edge = (part + 1) * height;
        const size_t end = edge < to ? edge : to;
        for (size_t i = 0; i < SIDE; i++)
            cells[part][i] += sums[i] * (double)(end - from);
        from = end;
    }
}

/* ---- DCT ------------------------------------------------------------- */

/* out[8 (v - 1) + u - 1] = sum over y, x of cells[y][x] cos(pi (2y + 1) v / 64) cos(... x ... u) */
static void transform(double out[FREQUENCIES * FREQUENCIES], double cells[SIDE][SIDE])
{
    double cosine[FREQUENCIES][SIDE], columns[FREQUENCIES][SIDE] = {{0}};

    for (int k = 0; k < FREQUENCIES; k++)
        for (int i = 0; i < SIDE; i++)
            cosine[k][i] = cos(3.14159265358979323846 * (2 * i + 1) * (k + 1) / (2.0 * SIDE));
    for (int v = 0; v < FREQUENCIES; v++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                columns[v][x] += cosine[v][y] * cells[y][x];
    for (int v = 0; v < FREQUENCIES; v++)
        for (int u = 0; u < FREQUENCIES; u++) {
            double sum = 0;
            for (int x = 0; x < SIDE; x++)
                sum += cosine[u][x] * columns[v][x];
            out[v * FREQUENCIES + u] = sum;
        }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- Public ---------------------------------------------------------- */

bool rs_phash(uint64_t *out, const float *pixels, size_t height, size_t width)
{
    enum { N = FREQUENCIES * FREQUENCIES };
    double cells[SIDE][SIDE] = {{0}}, c[N], sorted[N], median, scale = 0;

    *out = 0;
    for (size_t y = 0; y < height && width; y++)
        add_row(cells, pixels, y, height, width);
    transform(c, cells);
    for (int i = 0; i < SIDE * SIDE; i++)
        scale += fabs(cells[i / SIDE][i % SIDE]);
    memcpy(sorted, c, sizeof c);
    qsort(sorted, N, sizeof *sorted, ascending);
    if (!(sorted[N - 1] - sorted[0] > FLAT * scale))     /* catches NaN too */
        return false;
    median = (sorted[N / 2 - 1] + sorted[N / 2]) / 2;
    for (int i = 0; i < N; i++)
        *out |= (uint64_t)(c[i] > median) << i;
    return true;
}
