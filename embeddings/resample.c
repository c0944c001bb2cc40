/* resample.c - resizing as PIL's Image.resize does it, to the bit for 8-bit samples.
 *
 * An output sample is a weighted mean of the input samples under a kernel. When the
 * image gets smaller the kernel is stretched by the reduction, so nothing is skipped
 * over (antialiasing):
 *
 *     centre of output i    c = (i + 0.5) * scale          scale = in / out
 *     kernel's reach        r = support * max(scale, 1)
 *     samples               j in [round(c - r), round(c + r)), cut at the edges
 *     weights               w_j = kernel((j - c + 0.5) / max(scale, 1)), sum 1
 *
 * Rows first, then columns. For 8-bit samples the weights are integers of 22
 * fractional bits, rounded away from zero; between the passes samples are rounded to
 * 8 bits again. 16-bit samples take the same path in floats.
 *
 * For speed, rows are unzipped into one plane a channel, as 16-bit integers, and the
 * weights of the row pass are split into two 16-bit halves: a sum of products of
 * 16-bit integers is what every vector unit does best. Weights are padded with zeros
 * to whole vectors, so that loop has no remainder. The numbers stay the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/resample_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/clones_int.h"

#include <math.h>
#include <string.h>

enum {
    LANES = 8,                  /* taps are padded to a multiple of this */
    FRACTION = 32 - 8 - 2,      /* bits of a weight: the sum of 8-bit samples fits 32 bits
                                   with two bits to spare for overshoot */
    HALF_BITS = 12,             /* a weight is high * HALF + low, -HALF/2 <= low < HALF/2 */
    HALF = 1 << HALF_BITS,
    CHUNK = 1024                /* samples of one column pass over a row: stays in L1 */
};

/* ---- Kernels --------------------------------------------------------- */

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys 1981, "Cubic convolution interpolation", equation 4 with a = -0.5. */
static double bicubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    const double pi = 3.14159265358979323846;

    return x == 0.0 ? 1.0 : sin(x * pi) / (x * pi);
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

typedef struct {
    double support;
    double (*at)(double x);
} kernel;

static const kernel kernels[] = {
    [RS_RESAMPLE_BILINEAR] = {1.0, bilinear},
    [RS_RESAMPLE_BICUBIC]  = {2.0, bicubic},
    [RS_RESAMPLE_LANCZOS]  = {3.0, lanczos},
};

/* ---- Weights of one axis --------------------------------------------- */

/* Output i of n is the sum over t < count[i] of sample first[i] + t times weight
 * [i * taps + t]; the weights up to `taps` are zero. */
typedef struct {
    size_t   n, taps;
    size_t  *first, *count;
    int32_t *fixed;             /* for 8-bit samples, else NULL */
    float   *real;              /* for 16-bit samples, else NULL */
} axis;

static void axis_clear(axis *a)
{
    rs_free(a->first);
    rs_free(a->count);
    rs_free(a->fixed);
    rs_free(a->real);
    *a = (axis){0};
}

static int32_t to_fixed(double w)
{
    return (int32_t)(w * (1 << FRACTION) + (w < 0 ? -0.5 : 0.5));
}

/* Weights of output `i` of `out`, summing to 1, into w; sets where they begin. */
static size_t weigh(double *w, size_t *first, size_t i, size_t in, size_t out, const kernel *k)
{
    double scale = (double)in / (double)out;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double centre = ((double)i + 0.5) * scale, reach = k->support * stretch;
    double lo = centre - reach + 0.5, hi = centre + reach + 0.5, sum = 0;
    size_t begin = lo < 0 ? 0 : (size_t)lo;
    size_t end = hi > (double)in ? in : (size_t)hi;
    size_t n = end - begin;

    for (size_t t = 0; t < n; t++) {
        w[t] = k->at(((double)(begin + t) - centre + 0.5) * (1.0 / stretch));
        sum += w[t];
    }
    for (size_t t = 0; t < n && sum != 0; t++)
        w[t] /= sum;
    *first = begin;
    return n;
}

/* Plan outputs from..from+n of an axis of `in` samples resized to `out`. */
static rs_status axis_plan(axis *a, size_t in, size_t out, size_t from, size_t n,
                           size_t depth, const kernel *k, rs_err *err)
{
    double scale = (double)in / (double)out;
    size_t reach = (size_t)ceil(k->support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
    size_t taps = (reach + LANES - 1) / LANES * LANES, weights = 0;
    double *w = rs_calloc(taps, sizeof *w);

    *a = (axis){.n = n, .taps = taps};
    a->first = rs_calloc(n, sizeof *a->first);
    a->count = rs_calloc(n, sizeof *a->count);
    if (rs_mul_size(&weights, n, taps) && depth == 8)
        a->fixed = rs_calloc_aligned(weights, sizeof *a->fixed);
    else if (weights)
        a->real = rs_calloc_aligned(weights, sizeof *a->real);
    if (!w || !a->first || !a->count || (!a->fixed && !a->real)) {
        rs_free(w);
        return rs_fail(err, RS_ENOMEM, "no memory to resize an image");
    }
    for (size_t i = 0; i < n; i++) {
        a->count[i] = weigh(w, &a->first[i], from + i, in, out, k);
        for (size_t t = 0; t < a->count[i]; t++) {
            if (a->fixed)
                a->fixed[i * taps + t] = to_fixed(w[t]);
            else
                a->real[i * taps + t] = (float)w[t];
        }
    }
    rs_free(w);
    return RS_OK;
}

/* ---- 8-bit passes ---------------------------------------------------- */

static inline uint8_t from_fixed(int32_t v)
{
    v >>= FRACTION;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* out[i * step] for the axis' outputs from one padded plane of a row. `halves` holds,
 * for each output, the high halves of its weights and then the low ones. Neither sum
 * overflows: where a weight is below HALF / 2 its high half is 0, so the low halves
 * add up to no more than the weights do. */
RS_CLONES static void row_u8(uint8_t *out, size_t step, const int16_t *plane, const axis *a,
                             const int16_t *halves)
{
    const size_t taps = a->taps / LANES * LANES;

    for (size_t i = 0; i < a->n; i++) {
        const int16_t *p = plane + a->first[i];
        const int16_t *high = halves + 2 * i * taps, *low = high + taps;
        int32_t h = 0, l = 0;
        int64_t sum;

        for (size_t t = 0; t < taps; t++)
            h += p[t] * high[t];
        for (size_t t = 0; t < taps; t++)
            l += p[t] * low[t];
        sum = (int64_t)h * HALF + l + (1 << (FRACTION - 1));
        out[i * step] = from_fixed((int32_t)sum);
    }
}

/* One output row of n samples: `count` input rows, `stride` apart, weighed by k. */
RS_CLONES static void column_u8(uint8_t *restrict out, const uint8_t *restrict in,
                                size_t stride, const int32_t *k, size_t count, size_t n)
{
    int32_t sum[CHUNK];

    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        for (size_t x = 0; x < m; x++)
            sum[x] = 1 << (FRACTION - 1);
        for (size_t t = 0; t < count; t++) {
            const uint8_t *p = in + t * stride + at;
            for (size_t x = 0; x < m; x++)
                sum[x] += p[x] * k[t];
        }
        for (size_t x = 0; x < m; x++)
            out[at + x] = from_fixed(sum[x]);
    }
}

static void unzip_u8(int16_t *planes, size_t plane, const uint8_t *row, size_t width,
                     size_t channels)
{
    if (channels == 1)
        for (size_t x = 0; x < width; x++)
            planes[x] = row[x];
    else
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++)
                planes[c * plane + x] = row[x * 3 + c];
}

/* Rows y0..y0+rows of `im`, each shrunk or stretched along x, into `to`
 * [rows x a->n x channels]. */
static rs_status across_u8(uint8_t *to, const rs_image *im, size_t y0, size_t rows,
                           const axis *a, rs_err *err)
{
    size_t ch = im->channels, n = a->n * a->taps;
    size_t plane = im->width + a->taps;         /* reads past the end meet zero weights */
    int16_t *planes = rs_calloc_aligned(plane * ch, sizeof *planes);
    int16_t *halves = rs_calloc_aligned(n, 2 * sizeof *halves);
    rs_status st = RS_OK;

    if (!planes || !halves) {
        st = rs_fail(err, RS_ENOMEM, "no memory to resize an image");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t high = (a->fixed[i] + HALF / 2) >> HALF_BITS;   /* floor */
        size_t at = i / a->taps * 2 * a->taps + i % a->taps;
        halves[at] = (int16_t)high;
        halves[at + a->taps] = (int16_t)(a->fixed[i] - high * HALF);
    }
    for (size_t y = 0; y < rows; y++, to += a->n * ch) {
        const uint8_t *row = im->pixels;
        unzip_u8(planes, plane, row + (y0 + y) * im->width * ch, im->width, ch);
        for (size_t c = 0; c < ch; c++)
            row_u8(to + c, ch, planes + c * plane, a, halves);
    }
done:
    rs_free(planes);
    rs_free(halves);
    return st;
}

/* ---- 16-bit passes --------------------------------------------------- */

static inline uint16_t from_real(float v)
{
    v += 0.5f;
    return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
}

static void across_u16(uint16_t *to, const rs_image *im, size_t y0, size_t rows, const axis *a)
{
    size_t ch = im->channels;

    for (size_t y = 0; y < rows; y++, to += a->n * ch) {
        const uint16_t *row = (const uint16_t *)im->pixels + (y0 + y) * im->width * ch;
        for (size_t i = 0; i < a->n * ch; i++) {
            const float *w = a->real + i / ch * a->taps;
            const uint16_t *p = row + a->first[i / ch] * ch + i % ch;
            float sum = 0;
            for (size_t t = 0; t < a->count[i / ch]; t++)
                sum += p[t * ch] * w[t];
            to[i] = from_real(sum);
        }
    }
}

static void column_u16(uint16_t *restrict out, const uint16_t *restrict in, size_t stride,
                       const float *w, size_t count, size_t n)
{
    for (size_t x = 0; x < n; x++) {
        float sum = 0;
        for (size_t t = 0; t < count; t++)
            sum += in[t * stride + x] * w[t];
        out[x] = from_real(sum);
    }
}

/* ---- The two passes -------------------------------------------------- */

/* The columns of `from` [.. x n samples], whose first row is row y0 of the image. */
static void down(rs_image *out, const void *from, size_t y0, const axis *a)
{
    size_t n = out->width * out->channels;

    for (size_t y = 0; y < a->n; y++) {
        size_t at = (a->first[y] - y0) * n;
        if (out->depth == 8)
            column_u8((uint8_t *)out->pixels + y * n, (const uint8_t *)from + at, n,
                      a->fixed + y * a->taps, a->count[y], n);
        else
            column_u16((uint16_t *)out->pixels + y * n, (const uint16_t *)from + at, n,
                       a->real + y * a->taps, a->count[y], n);
    }
}

static rs_status weighted(rs_image *out, const rs_image *im, rs_window w, const kernel *k,
                          rs_err *err)
{
    axis ax = {0}, ay = {0};
    void *middle = NULL;
    size_t y0, rows, bytes = 0;
    rs_status st;

    if ((st = axis_plan(&ax, im->width, w.full_width, w.x, w.width, im->depth, k, err)) != RS_OK ||
        (st = axis_plan(&ay, im->height, w.full_height, w.y, w.height, im->depth, k, err)) != RS_OK)
        goto done;
    y0 = ay.first[0];
    rows = ay.first[ay.n - 1] + ay.count[ay.n - 1] - y0;
    if (rs_mul_size(&bytes, rows, w.width * im->channels * (im->depth / 8)))
        middle = rs_calloc_aligned(bytes, 1);
    if (!middle) {
        st = rs_fail(err, RS_ENOMEM, "no memory to resize an image");
        goto done;
    }
    if (im->depth == 8)
        st = across_u8(middle, im, y0, rows, &ax, err);
    else
        across_u16(middle, im, y0, rows, &ax);
    if (st == RS_OK)
        down(out, middle, y0, &ay);
done:
    rs_free(middle);
    axis_clear(&ax);
    axis_clear(&ay);
    return st;
}

/* ---- Nearest neighbour ----------------------------------------------- */

/* source[i] for outputs from..from+n. PIL walks the axis by adding up the step, and
 * so do we: the sum differs from a product in the last bit. */
static void nearest_plan(size_t *source, size_t in, size_t out, size_t from, size_t n)
{
    double step = (double)in / (double)out, at = step * 0.5;

    for (size_t i = 0; i < from + n; i++, at += step)
        if (i >= from)
            source[i - from] = (size_t)at < in ? (size_t)at : in - 1;
}

static rs_status nearest(rs_image *out, const rs_image *im, rs_window w, rs_err *err)
{
    size_t sample = im->channels * (im->depth / 8);
    size_t *sx = rs_calloc(w.width, sizeof *sx), *sy = rs_calloc(w.height, sizeof *sy);
    rs_status st = RS_OK;

    if (!sx || !sy) {
        st = rs_fail(err, RS_ENOMEM, "no memory to resize an image");
        goto done;
    }
    nearest_plan(sx, im->width, w.full_width, w.x, w.width);
    nearest_plan(sy, im->height, w.full_height, w.y, w.height);
    for (size_t y = 0; y < w.height; y++) {
        const unsigned char *from = (const unsigned char *)im->pixels + sy[y] * im->width * sample;
        unsigned char *to = (unsigned char *)out->pixels + y * w.width * sample;
        for (size_t x = 0; x < w.width; x++)
            memcpy(to + x * sample, from + sx[x] * sample, sample);
    }
done:
    rs_free(sx);
    rs_free(sy);
    return st;
}

/* ---- Public ---------------------------------------------------------- */

static void copy_window(rs_image *out, const rs_image *im, rs_window w)
{
    size_t sample = im->channels * (im->depth / 8);

    for (size_t y = 0; y < w.height; y++)
        memcpy((unsigned char *)out->pixels + y * w.width * sample,
               (const unsigned char *)im->pixels + ((w.y + y) * im->width + w.x) * sample,
               w.width * sample);
}

rs_status rs_resample_window(rs_image *out, const rs_image *im, rs_window w,
                             rs_resample how, rs_err *err)
{
    rs_status st;

    *out = (rs_image){0};
    if (!im->pixels || w.width > w.full_width || w.x > w.full_width - w.width ||
        w.height > w.full_height || w.y > w.full_height - w.height)
        return rs_fail(err, RS_EARG, "%zu x %zu pixels at (%zu, %zu) of %zu x %zu",
                       w.width, w.height, w.x, w.y, w.full_width, w.full_height);
    st = rs_image_new(out, w.width, w.height, im->channels, im->depth, err);
    if (st != RS_OK)
        return st;
    if (im->width == w.full_width && im->height == w.full_height)
        copy_window(out, im, w);
    else if (how == RS_RESAMPLE_NEAREST)
        st = nearest(out, im, w, err);
    else
        st = weighted(out, im, w, &kernels[how], err);
    if (st != RS_OK)
        rs_image_clear(out);
    return st;
}

rs_status rs_image_resize(rs_image *out, const rs_image *im, size_t width, size_t height,
                          rs_resample how, rs_err *err)
{
    rs_window w = {width, height, 0, 0, width, height};

    return rs_resample_window(out, im, w, how, err);
}
