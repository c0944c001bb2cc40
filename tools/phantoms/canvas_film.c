/* canvas_film.c - from what is drawn to a picture: texture, filters, measuring, output;
 * see canvas.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "canvas_int.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

/* ---- Texture ------------------------------------------------------------------- */

/* A lattice value in [-1, 1] from its place and the layer's seed (murmur finish). */
static inline float lattice(uint64_t seed, long x, long y)
{
    uint64_t h = seed ^ ((uint64_t)x * 0x9E3779B97F4A7C15u) ^ ((uint64_t)y * 0xC2B2AE3D27D4EB4Fu);

    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDu;
    h ^= h >> 33;
    h *= 0xC4CEB9FE1A85EC53u;
    h ^= h >> 33;
    return (float)((double)(h >> 40) / 8388607.5 - 1.0);
}

/* One layer of smooth noise: four lattice values are held while x stays in a cell. */
static void add_layer(ph_canvas *c, const ph_canvas *mask, float cell, float gain, uint64_t seed)
{
    for (size_t y = 0; y < c->height; y++) {
        float fy = (float)y / cell, ty = fy - floorf(fy);
        long iy = (long)floorf(fy), held = -1;
        float left = 0.f, right = 0.f, per = 1.f / cell;

        ty = ty * ty * (3.f - 2.f * ty);
        for (size_t x = 0; x < c->width; x++) {
            float fx = (float)x * per, tx;
            long ix = (long)fx;                        /* x is never negative */

            if (ix != held) {
                left = ph_mixf(lattice(seed, ix, iy), lattice(seed, ix, iy + 1), ty);
                right = ph_mixf(lattice(seed, ix + 1, iy), lattice(seed, ix + 1, iy + 1), ty);
                held = ix;
            }
            tx = fx - (float)ix;
            tx = tx * tx * (3.f - 2.f * tx);
            c->at[y * c->width + x] +=
                gain * ph_mixf(left, right, tx) * (mask ? mask->at[y * c->width + x] : 1.f);
        }
    }
}

void ph_add_noise(ph_canvas *c, const ph_canvas *mask, float scale, int octaves, float fall,
                  float amount, rs_random *r)
{
    float power = 0.f, gain = 1.f;

    /* One layer's standard deviation is about 0.43 of its gain. */
    for (int i = 0; i < octaves; i++, gain *= fall)
        power += gain * gain;
    gain = amount / (0.43f * sqrtf(power));
    if (mask && !ph_shared(c, mask))
        return;
    for (int i = 0; i < octaves; i++, gain *= fall, scale *= 0.5f)
        add_layer(c, mask, ph_greater(scale, 1.f), gain, rs_random_u64(r));
}

/* Near enough to normal: four 16-bit uniforms summed, variance 1. */
static inline float quick_normal(rs_random *r)
{
    uint64_t u = rs_random_u64(r);
    uint64_t sum = (u & 0xFFFF) + (u >> 16 & 0xFFFF) + (u >> 32 & 0xFFFF) + (u >> 48);

    return ((float)sum / 65535.f - 2.f) * 1.7320508f;
}

void ph_add_grain(ph_canvas *c, float sigma, float blur, rs_random *r)
{
    ph_canvas g = ph_canvas_new(c->width, c->height);
    double power = 0;

    for (size_t i = 0; i < g.width * g.height; i++)
        g.at[i] = quick_normal(r);
    if (blur > 0.f)
        ph_blur(&g, blur);
    for (size_t i = 0; i < g.width * g.height; i++)
        power += (double)g.at[i] * (double)g.at[i];
    if (power > 0)
        ph_add(c, &g, sigma / (float)sqrt(power / (double)(g.width * g.height)));
    c->failed |= g.failed;
    ph_canvas_clear(&g);
}

/* ---- Filters --------------------------------------------------------------------- */

/* Lines are filtered LANES at a time: value i of lane j lies at v[i * step + j * lane]. */
enum { LANES = 16 };
typedef struct { float *v; size_t n, step, lane, lanes; } bundle;

static void load(float (*tmp)[LANES], const bundle *b)
{
    for (size_t i = 0; i < b->n; i++)
        for (size_t j = 0; j < b->lanes; j++)
            tmp[i][j] = b->v[i * b->step + j * b->lane];
}

static inline size_t inside(long i, long last)
{
    return i < 0 ? 0 : (size_t)(i > last ? last : i);
}

/* Mean over [-r, r], edges repeated. */
static void box_lines(const bundle *b, long r, float (*tmp)[LANES])
{
    long last = (long)b->n - 1;
    float sum[LANES] = {0}, scale = 1.f / (float)(2 * r + 1);

    load(tmp, b);
    for (long k = -r; k <= r; k++)
        for (size_t j = 0; j < LANES; j++)
            sum[j] += tmp[inside(k, last)][j];
    for (long i = 0; i <= last; i++) {
        const float *in = tmp[inside(i + r + 1, last)], *out = tmp[inside(i - r, last)];

        for (size_t j = 0; j < b->lanes; j++)
            b->v[(size_t)i * b->step + j * b->lane] = sum[j] * scale;
        for (size_t j = 0; j < LANES; j++)
            sum[j] += in[j] - out[j];
    }
}

static void kernel_lines(const bundle *b, const float *k, long r, float (*tmp)[LANES])
{
    long last = (long)b->n - 1;

    load(tmp, b);
    for (long i = 0; i <= last; i++) {
        float sum[LANES] = {0};

        for (long m = -r; m <= r; m++) {
            const float *at = tmp[inside(i + m, last)];

            for (size_t j = 0; j < LANES; j++)
                sum[j] += k[m + r] * at[j];
        }
        for (size_t j = 0; j < b->lanes; j++)
            b->v[(size_t)i * b->step + j * b->lane] = sum[j];
    }
}

/* Rows, then columns, by the kernel k of 2 r + 1 values or by a box where k is NULL. */
static void blur_lines(ph_canvas *c, const float *k, long r, float (*tmp)[LANES])
{
    size_t w = c->width, h = c->height;

    for (int columns = 0; columns < 2; columns++) {
        size_t across = columns ? w : h, along = columns ? h : w;

        for (size_t from = 0; from < across; from += LANES) {
            bundle b = {c->at + (columns ? from : from * w), along, columns ? w : 1,
                        columns ? 1 : w, across - from < LANES ? across - from : LANES};

            if (k)
                kernel_lines(&b, k, r, tmp);
            else
                box_lines(&b, r, tmp);
        }
    }
}

void ph_blur(ph_canvas *c, float sigma)
{
    enum { MOST = 6 };
    float k[2 * MOST + 1], sum = 0.f;

    if (!c->at || sigma < 0.2f)
        return;
    float (*tmp)[LANES] =
        rs_calloc_aligned(c->width > c->height ? c->width : c->height, sizeof *tmp);

    if (!tmp) {
        c->failed = true;
        return;
    }
    if (sigma > 2.f) {
        /* Three boxes of width w have the variance of the Gaussian: w^2 = 4 s^2 + 1. */
        float radius = (sqrtf(4.f * sigma * sigma + 1.f) - 1.f) / 2.f;
        long small = (long)floorf(radius), extra = lrintf(3.f * (radius - (float)small));

        for (long pass = 0; pass < 3; pass++)
            blur_lines(c, NULL, small + (pass < extra), tmp);
    } else {
        long r = (long)ceilf(3.f * sigma);

        for (long i = -r; i <= r; i++)
            sum += k[i + r] = expf(-(float)(i * i) / (2.f * sigma * sigma));
        for (long i = 0; i <= 2 * r; i++)
            k[i] /= sum;
        blur_lines(c, k, r, tmp);
    }
    rs_free(tmp);
}

void ph_sharpen(ph_canvas *c, float sigma, float gain)
{
    ph_canvas low = ph_canvas_copy(c);
    size_t n = ph_shared(c, &low);

    ph_blur(&low, sigma);
    for (size_t i = 0; i < n; i++)
        c->at[i] += gain * (c->at[i] - low.at[i]);
    c->failed |= low.failed;
    ph_canvas_clear(&low);
}

/* Bilinear, edges repeated. */
static float sample(const ph_canvas *c, float x, float y)
{
    x = ph_lesser(ph_greater(x, 0.f), (float)(c->width - 1));
    y = ph_lesser(ph_greater(y, 0.f), (float)(c->height - 1));
    size_t ix = (size_t)x, iy = (size_t)y;
    size_t jx = ix + 1 < c->width ? ix + 1 : ix, jy = iy + 1 < c->height ? iy + 1 : iy;
    float tx = x - (float)ix, ty = y - (float)iy;

    return ph_mixf(ph_mixf(c->at[iy * c->width + ix], c->at[iy * c->width + jx], tx),
                   ph_mixf(c->at[jy * c->width + ix], c->at[jy * c->width + jx], tx), ty);
}

void ph_warp(ph_canvas *c, float scale, float amount, rs_random *r)
{
    ph_canvas dx = ph_canvas_new(c->width, c->height), dy = ph_canvas_new(c->width, c->height);
    ph_canvas from = ph_canvas_copy(c);

    ph_add_noise(&dx, NULL, scale, 1, 0.5f, 0.43f * amount, r);
    ph_add_noise(&dy, NULL, scale, 1, 0.5f, 0.43f * amount, r);
    c->failed |= dx.failed || dy.failed || from.failed;
    if (!c->failed)
        for (size_t y = 0; y < c->height; y++)
            for (size_t x = 0; x < c->width; x++) {
                size_t i = y * c->width + x;

                c->at[i] = sample(&from, (float)x + dx.at[i], (float)y + dy.at[i]);
            }
    ph_canvas_clear(&dx);
    ph_canvas_clear(&dy);
    ph_canvas_clear(&from);
}

void ph_vignette(ph_canvas *c, float amount)
{
    float w = (float)c->width * 0.5f, h = (float)c->height * 0.5f;

    for (size_t y = 0; y < c->height; y++)
        for (size_t x = 0; x < c->width; x++) {
            float u = ((float)x - w) / w, v = ((float)y - h) / h;

            c->at[y * c->width + x] -= amount * 0.5f * (u * u + v * v);
        }
}

/* ---- Measuring --------------------------------------------------------------------- */

bool ph_mask_box(const ph_canvas *mask, float level, double box[4])
{
    size_t x0 = mask->width, y0 = mask->height, x1 = 0, y1 = 0;

    for (size_t y = 0; y < mask->height; y++)
        for (size_t x = 0; x < mask->width; x++)
            if (mask->at[y * mask->width + x] > level) {
                x0 = x < x0 ? x : x0;
                x1 = x + 1 > x1 ? x + 1 : x1;
                y0 = y < y0 ? y : y0;
                y1 = y + 1;
            }
    bool any = x1 > 0;

    box[0] = any ? (double)x0 : 0;
    box[1] = any ? (double)y0 : 0;
    box[2] = (double)x1;
    box[3] = (double)y1;
    return any;
}

bool ph_diff_box(const ph_canvas *a, const ph_canvas *b, float level, double box[4])
{
    ph_canvas d = ph_canvas_copy(a);
    size_t n = ph_shared(&d, b);

    for (size_t i = 0; i < n; i++)
        d.at[i] = fabsf(d.at[i] - b->at[i]);
    bool any = ph_mask_box(&d, level, box);

    ph_canvas_clear(&d);
    return any;
}

void ph_box_grow(double box[4], double margin, size_t width, size_t height)
{
    box[0] = fmax(0, box[0] - margin);
    box[1] = fmax(0, box[1] - margin);
    box[2] = fmin((double)width, box[2] + margin);
    box[3] = fmin((double)height, box[3] + margin);
}

double ph_mean(const ph_canvas *c, const ph_canvas *mask)
{
    double sum = 0, weight = 0;

    for (size_t i = 0; i < c->width * c->height; i++) {
        double k = mask ? (double)mask->at[i] : 1;

        sum += k * (double)c->at[i];
        weight += k;
    }
    return weight > 0 ? sum / weight : 0;
}

/* ---- Output --------------------------------------------------------------------------- */

rs_status ph_to_image(rs_image *im, const ph_canvas *c, float lo, float hi, float gamma,
                      rs_err *err)
{
    rs_status st;

    if (c->failed || !c->at)
        return rs_fail(err, RS_ENOMEM, "drawing: no memory");
    if ((st = rs_image_new(im, c->width, c->height, 1, 8, err)) != RS_OK)
        return st;
    unsigned char *out = im->pixels;

    for (size_t i = 0; i < c->width * c->height; i++) {
        float t = ph_lesser(ph_greater((c->at[i] - lo) / (hi - lo), 0.f), 1.f);

        if (gamma != 1.f)
            t = powf(t, gamma);
        out[i] = (unsigned char)lrintf(255.f * t);
    }
    return RS_OK;
}
