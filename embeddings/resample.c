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
 * The image comes row by row. A row is shrunk along x at once and rests in a ring of as
 * many rows as one output row is made of; when the last of these has come, the output
 * row is computed. A picture of any height so costs its width and the result.
 *
 *     row y ->  [ along x ]  ->  ring[y % cap]  ->  [ along y ]  ->  output row i
 *                                first[i] .. first[i] + count[i] - 1, the last is y
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/resample_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/clones_int.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
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

/* Weights of output `i` of `out`, summing to 1, into w; sets where they begin. The axis
 * is `extent` samples long, the last of its `in` samples may lie across its end. */
static size_t weigh(double *w, size_t *first, size_t i, size_t in, double extent, size_t out,
                    const kernel *k)
{
    double scale = extent / (double)out;
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
static rs_status axis_plan(axis *a, size_t in, double extent, size_t out, size_t from, size_t n,
                           size_t depth, const kernel *k, rs_err *err)
{
    double scale = extent / (double)out;
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
        a->count[i] = weigh(w, &a->first[i], from + i, in, extent, out, k);
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

/* One output row of n samples: `count` rows weighed by k. */
RS_CLONES static void column_u8(uint8_t *restrict out, const void *const *rows,
                                const int32_t *k, size_t count, size_t n)
{
    int32_t sum[CHUNK];

    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        for (size_t x = 0; x < m; x++)
            sum[x] = 1 << (FRACTION - 1);
        for (size_t t = 0; t < count; t++) {
            const uint8_t *restrict p = (const uint8_t *)rows[t] + at;
            const int32_t weight = k[t];
            for (size_t x = 0; x < m; x++)
                sum[x] += p[x] * weight;
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

/* The weights of an axis as high and low halves, in row_u8's order; NULL on OOM. */
static int16_t *halves_of(const axis *a)
{
    size_t n = a->n * a->taps;
    int16_t *halves = rs_calloc_aligned(n, 2 * sizeof *halves);

    for (size_t i = 0; halves && i < n; i++) {
        int32_t high = (a->fixed[i] + HALF / 2) >> HALF_BITS;   /* floor */
        size_t at = i / a->taps * 2 * a->taps + i % a->taps;
        halves[at] = (int16_t)high;
        halves[at + a->taps] = (int16_t)(a->fixed[i] - high * HALF);
    }
    return halves;
}

/* ---- 16-bit passes --------------------------------------------------- */

static inline uint16_t from_real(float v)
{
    v += 0.5f;
    return (uint16_t)(v < 0 ? 0 : v > 65535 ? 65535 : v);
}

static void row_u16(uint16_t *to, const uint16_t *row, size_t ch, const axis *a)
{
    for (size_t i = 0; i < a->n * ch; i++) {
        const float *w = a->real + i / ch * a->taps;
        const uint16_t *p = row + a->first[i / ch] * ch + i % ch;
        float sum = 0;
        for (size_t t = 0; t < a->count[i / ch]; t++)
            sum += p[t * ch] * w[t];
        to[i] = from_real(sum);
    }
}

static void column_u16(uint16_t *restrict out, const void *const *rows, const float *w,
                       size_t count, size_t n)
{
    for (size_t x = 0; x < n; x++) {
        float sum = 0;
        for (size_t t = 0; t < count; t++)
            sum += ((const uint16_t *)rows[t])[x] * w[t];
        out[x] = from_real(sum);
    }
}

/* ---- One picture on its way ------------------------------------------- */

struct rs_resampler {
    rs_rows   in;
    rs_window w;
    rs_image *out;
    void    (*take)(rs_resampler *r, const void *row);
    size_t    y;                    /* the row that comes next */
    size_t    next;                 /* the output row that is made next */

    axis      ax, ay;               /* weighted */
    size_t    cap, stride;          /* rows of the ring, bytes each */
    unsigned char *ring;
    const void **rows;              /* [cap] of one output row, in order */
    int16_t  *planes, *halves;      /* 8 bits: a row unzipped; ax's weights in halves */
    size_t    plane;                /* samples of a plane */

    size_t   *sx, *sy;              /* nearest: where each output comes from */
};

static size_t sample_bytes(const rs_rows *in)
{
    return in->channels * (in->depth / 8);
}

/* ---- Weighted --------------------------------------------------------- */

static void along_x(rs_resampler *r, void *to, const void *row)
{
    if (r->in.depth == 16) {
        row_u16(to, row, r->in.channels, &r->ax);
        return;
    }
    unzip_u8(r->planes, r->plane, row, r->in.width, r->in.channels);
    for (size_t c = 0; c < r->in.channels; c++)
        row_u8((uint8_t *)to + c, r->in.channels, r->planes + c * r->plane, &r->ax, r->halves);
}

static void along_y(rs_resampler *r, size_t i)
{
    size_t n = r->w.width * r->in.channels, count = r->ay.count[i];
    unsigned char *to = (unsigned char *)r->out->pixels + i * r->stride;

    for (size_t t = 0; t < count; t++)
        r->rows[t] = r->ring + (r->ay.first[i] + t) % r->cap * r->stride;
    if (r->in.depth == 8)
        column_u8(to, r->rows, r->ay.fixed + i * r->ay.taps, count, n);
    else
        column_u16((uint16_t *)(void *)to, r->rows, r->ay.real + i * r->ay.taps, count, n);
}

/* Both ends of the outputs' ranges ascend, so outputs are finished in order. */
static void take_weighted(rs_resampler *r, const void *row)
{
    const axis *a = &r->ay;

    if (r->next == a->n || r->y < a->first[r->next])
        return;                             /* no output row needs it */
    along_x(r, r->ring + r->y % r->cap * r->stride, row);
    for (; r->next < a->n && a->first[r->next] + a->count[r->next] == r->y + 1; r->next++)
        along_y(r, r->next);
}

static rs_status plan_weighted(rs_resampler *r, const kernel *k, rs_err *err)
{
    const rs_rows *in = &r->in;
    size_t bytes = 0;
    rs_status st;

    r->take = take_weighted;
    if ((st = axis_plan(&r->ax, in->width, in->extent_x, r->w.full_width, r->w.x, r->w.width,
                        in->depth, k, err)) != RS_OK ||
        (st = axis_plan(&r->ay, in->height, in->extent_y, r->w.full_height, r->w.y, r->w.height,
                        in->depth, k, err)) != RS_OK)
        return st;
    for (size_t i = 0; i < r->ay.n; i++)
        r->cap = r->ay.count[i] > r->cap ? r->ay.count[i] : r->cap;
    r->plane = in->width + r->ax.taps;      /* reads past the end meet zero weights */
    if (rs_mul_size(&bytes, r->cap, r->stride))
        r->ring = rs_calloc_aligned(bytes, 1);
    r->rows = rs_calloc(r->cap, sizeof *r->rows);
    if (in->depth == 8) {
        r->planes = rs_calloc_aligned(r->plane * in->channels, sizeof *r->planes);
        r->halves = halves_of(&r->ax);
    }
    if (!r->ring || !r->rows || (in->depth == 8 && (!r->planes || !r->halves)))
        return rs_fail(err, RS_ENOMEM, "no memory to resize an image");
    return RS_OK;
}

/* ---- Nearest neighbour ------------------------------------------------ */

/* source[i] for outputs from..from+n. PIL walks the axis by adding up the step, and
 * so do we: the sum differs from a product in the last bit. */
static void nearest_plan(size_t *source, size_t in, double extent, size_t out, size_t from,
                         size_t n)
{
    double step = extent / (double)out, at = step * 0.5;

    for (size_t i = 0; i < from + n; i++, at += step)
        if (i >= from)
            source[i - from] = (size_t)at < in ? (size_t)at : in - 1;
}

static void take_nearest(rs_resampler *r, const void *row)
{
    size_t sample = sample_bytes(&r->in);

    for (; r->next < r->w.height && r->sy[r->next] == r->y; r->next++) {
        unsigned char *to = (unsigned char *)r->out->pixels + r->next * r->stride;
        for (size_t x = 0; x < r->w.width; x++)
            memcpy(to + x * sample, (const unsigned char *)row + r->sx[x] * sample, sample);
    }
}

static rs_status plan_nearest(rs_resampler *r, rs_err *err)
{
    r->take = take_nearest;
    r->sx = rs_calloc(r->w.width, sizeof *r->sx);
    r->sy = rs_calloc(r->w.height, sizeof *r->sy);
    if (!r->sx || !r->sy)
        return rs_fail(err, RS_ENOMEM, "no memory to resize an image");
    nearest_plan(r->sx, r->in.width, r->in.extent_x, r->w.full_width, r->w.x, r->w.width);
    nearest_plan(r->sy, r->in.height, r->in.extent_y, r->w.full_height, r->w.y, r->w.height);
    return RS_OK;
}

/* ---- Neither: the size stays ------------------------------------------- */

static void take_as_it_is(rs_resampler *r, const void *row)
{
    if (r->next < r->w.height && r->y == r->w.y + r->next)
        memcpy((unsigned char *)r->out->pixels + r->next++ * r->stride,
               (const unsigned char *)row + r->w.x * sample_bytes(&r->in), r->stride);
}

static bool same_size(const rs_rows *in, rs_window w)
{
    return in->width == w.full_width && in->height == w.full_height &&
           in->extent_x == (double)in->width && in->extent_y == (double)in->height;
}

/* ---- Public ---------------------------------------------------------- */

rs_status rs_resampler_new(rs_resampler **out, rs_image *to, const rs_rows *in, rs_window w,
                           rs_resample how, rs_err *err)
{
    rs_resampler *r;
    rs_status st;

    *out = NULL;
    *to = (rs_image){0};
    if (w.width > w.full_width || w.x > w.full_width - w.width ||
        w.height > w.full_height || w.y > w.full_height - w.height)
        return rs_fail(err, RS_EARG, "%zu x %zu pixels at (%zu, %zu) of %zu x %zu",
                       w.width, w.height, w.x, w.y, w.full_width, w.full_height);
    st = rs_image_new(to, w.width, w.height, in->channels, in->depth, err);
    if (st != RS_OK)
        return st;
    r = rs_calloc(1, sizeof *r);
    if (!r) {
        rs_image_clear(to);
        return rs_fail(err, RS_ENOMEM, "no memory to resize an image");
    }
    *r = (rs_resampler){.in = *in, .w = w, .out = to, .take = take_as_it_is,
                        .stride = w.width * sample_bytes(in)};
    if (!same_size(in, w))
        st = how == RS_RESAMPLE_NEAREST ? plan_nearest(r, err)
                                        : plan_weighted(r, &kernels[how], err);
    if (st != RS_OK) {
        rs_resampler_free(r);
        rs_image_clear(to);
        return st;
    }
    *out = r;
    return RS_OK;
}

void rs_resampler_row(rs_resampler *r, const void *row)
{
    assert(r->y < r->in.height);
    r->take(r, row);
    r->y++;
}

void rs_resampler_free(rs_resampler *r)
{
    if (!r)
        return;
    axis_clear(&r->ax);
    axis_clear(&r->ay);
    rs_free(r->ring);
    rs_free(r->rows);
    rs_free(r->planes);
    rs_free(r->halves);
    rs_free(r->sx);
    rs_free(r->sy);
    rs_free(r);
}

rs_status rs_image_resize(rs_image *out, const rs_image *im, size_t width, size_t height,
                          rs_resample how, rs_err *err)
{
    rs_rows in = {im->width, im->height, im->channels, im->depth,
                  (double)im->width, (double)im->height};
    rs_window w = {width, height, 0, 0, width, height};
    rs_resampler *r;
    rs_status st;

    *out = (rs_image){0};
    if (!im->pixels)
        return rs_fail(err, RS_EARG, "an empty image cannot be resized");
    st = rs_resampler_new(&r, out, &in, w, how, err);
    for (size_t y = 0; st == RS_OK && y < im->height; y++)
        rs_resampler_row(r, (const unsigned char *)im->pixels + y * im->width * sample_bytes(&in));
    rs_resampler_free(r);
    return st;
}
