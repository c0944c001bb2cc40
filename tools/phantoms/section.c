/* section.c - see section.h: the scene, ink, noise, and the way out to pixels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "section.h"

#include "base/alloc.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- Noise ----------------------------------------------------------- */

float sec_normal(rs_random *r)
{
    uint64_t x = rs_random_u64(r);
    float sum = (float)(x & 0xffff) + (float)((x >> 16) & 0xffff) +
                (float)((x >> 32) & 0xffff) + (float)(x >> 48);

    return (sum * (1.0f / 65536.0f) - 2.0f) * 1.7320508f;
}

void sec_noise(float *out, size_t width, size_t height, double cell, float amplitude,
               float *scratch, rs_random *r)
{
    size_t nx = (size_t)((double)width / cell + 0.5), ny = (size_t)((double)height / cell + 0.5);

    nx = nx < 2 ? 2 : nx;
    ny = ny < 2 ? 2 : ny;
    for (size_t i = 0; i < nx * ny; i++)
        scratch[i] = sec_normal(r) * amplitude * 1.35f;      /* what interpolation loses */
    for (size_t y = 0; y < height; y++) {
        float fy = (float)y * (float)ny / (float)height;
        size_t iy = (size_t)fy;
        float ty = sec_step(0.0f, 1.0f, fy - (float)iy);
        const float *a = scratch + iy % ny * nx, *b = scratch + (iy + 1) % ny * nx;
        float step = (float)nx / (float)width;

        for (size_t x = 0; x < width; x++) {
            float fx = (float)x * step, t;
            size_t ix = (size_t)fx, jx;

            t = fx - (float)ix;
            t = t * t * (3.0f - 2.0f * t);
            ix = ix < nx ? ix : nx - 1;
            jx = ix + 1 < nx ? ix + 1 : 0;
            out[y * width + x] += sec_mix(sec_mix(a[ix], a[jx], t), sec_mix(b[ix], b[jx], t), ty);
        }
    }
}

void sec_blur(float *a, size_t width, size_t height, unsigned times, float *scratch)
{
    for (unsigned k = 0; k < times; k++) {
        for (size_t y = 0; y < height; y++) {
            float *row = a + y * width, before = row[0];

            for (size_t x = 0; x < width; x++) {
                float here = row[x], after = x + 1 < width ? row[x + 1] : here;

                row[x] = 0.25f * (before + after) + 0.5f * here;
                before = here;
            }
        }
        memcpy(scratch, a, width * sizeof *a);
        for (size_t y = 0; y < height; y++) {
            float *row = a + y * width, *next = y + 1 < height ? row + width : row;

            for (size_t x = 0; x < width; x++) {
                float here = row[x];

                row[x] = 0.25f * (scratch[x] + next[x]) + 0.5f * here;
                scratch[x] = here;
            }
        }
    }
}

void sec_ct_noise(sec_scene *s, float sigma, float sharpness, rs_random *r)
{
    size_t n = s->width * s->height;
    float *white = s->spare[0], *soft = s->spare[1];

    for (size_t i = 0; i < n; i++)
        white[i] = soft[i] = sec_normal(r);
    sec_blur(soft, s->width, s->height, 1, s->spare[2]);
    /* One pass of (1 2 1) leaves 0.375 of the standard deviation. */
    for (size_t i = 0; i < n; i++)
        s->picture[0][i] += sigma * sec_mix(soft[i] * 2.6f, white[i], sharpness);
}

void sec_rician(sec_scene *s, size_t channel, float sigma, rs_random *r)
{
    float *p = s->picture[channel];

    for (size_t i = 0, n = s->width * s->height; i < n; i++) {
        float re = p[i] + sigma * sec_normal(r), im = sigma * sec_normal(r);
        p[i] = sqrtf(re * re + im * im);
    }
}

/* ---- Scene ----------------------------------------------------------- */

/* u, v: rotation about the body's centre, then a smooth warp of bounded size. */
static void place_pixels(sec_scene *s, const sec_setup *p, rs_random *r)
{
    size_t n = s->width * s->height;
    float *du = s->spare[0], *dv = s->spare[1], most = 2.2f * p->warp;
    double cell = p->warp_size / p->mm;

    memset(du, 0, n * sizeof *du);
    memset(dv, 0, n * sizeof *dv);
    if (p->warp > 0.0f) {
        sec_noise(du, s->width, s->height, cell, p->warp, s->spare[2], r);
        sec_noise(dv, s->width, s->height, cell, p->warp, s->spare[2], r);
    }
    for (size_t y = 0; y < s->height; y++)
        for (size_t x = 0; x < s->width; x++) {
            size_t i = y * s->width + x;
            float px = ((float)x - s->centre_x) * s->mm, py = ((float)y - s->centre_y) * s->mm;
            float wu = fminf(fmaxf(du[i], -most), most), wv = fminf(fmaxf(dv[i], -most), most);

            s->u[i] = s->cosine * px + s->sine * py + wu;
            s->v[i] = -s->sine * px + s->cosine * py + wv;
        }
}

rs_status sec_scene_init(sec_scene *s, const sec_setup *p, rs_random *r, rs_err *err)
{
    size_t n = p->width * p->height, fields = 4 + p->channels + SEC_SPARE;
    float *at;

    assert(p->channels >= 1 && p->channels <= SEC_CHANNELS && p->width >= 16 && p->height >= 16);
    memset(s, 0, sizeof *s);
    s->block = at = rs_calloc(fields, n * sizeof *at);
    if (!at)
        return rs_fail(err, RS_ENOMEM, "a picture of %zu x %zu: no memory", p->width, p->height);
    s->width = p->width;
    s->height = p->height;
    s->channels = p->channels;
    s->mm = p->mm;
    s->centre_x = (float)p->width * 0.5f + p->shift.x / p->mm;
    s->centre_y = (float)p->height * 0.5f + p->shift.y / p->mm;
    s->cosine = cosf(p->turn);
    s->sine = sinf(p->turn);
    s->stretch_x = s->stretch_y = 1.0f;
    s->slack = 2.5f * p->warp;
    s->u = at;
    s->v = at += n;
    s->rough = at += n;
    s->fine = at += n;
    for (size_t k = 0; k < p->channels; k++)
        s->picture[k] = at += n;
    for (size_t k = 0; k < SEC_SPARE; k++)
        s->spare[k] = at += n;
    place_pixels(s, p, r);
    sec_noise(s->rough, s->width, s->height, 6.0 / p->mm, 0.85f, s->spare[0], r);
    sec_noise(s->rough, s->width, s->height, 2.6 / p->mm, 0.5f, s->spare[0], r);
    sec_noise(s->fine, s->width, s->height, 2.2 / p->mm > 2.0 ? 2.2 / p->mm : 2.0, 1.0f,
              s->spare[0], r);
    return RS_OK;
}

void sec_stretch(sec_scene *s, float x, float y, float taper)
{
    s->stretch_x = x;
    s->stretch_y = y;
    s->taper = taper;
    for (size_t i = 0, n = s->width * s->height; i < n; i++) {
        s->v[i] /= y;
        s->u[i] /= x * (1.0f + taper * s->v[i] / 100.0f);
    }
}

void sec_scene_clear(sec_scene *s)
{
    rs_free(s->block);
    memset(s, 0, sizeof *s);
}

/* ---- Ink ------------------------------------------------------------- */

void sec_box_add(sec_box *b, double x, double y)
{
    b->x0 = x < b->x0 ? x : b->x0;
    b->y0 = y < b->y0 ? y : b->y0;
    b->x1 = x + 1 > b->x1 ? x + 1 : b->x1;
    b->y1 = y + 1 > b->y1 ? y + 1 : b->y1;
}

sec_region sec_everywhere(const sec_scene *s)
{
    return (sec_region){0, 0, s->width, s->height};
}

static void lay(sec_scene *s, size_t i, float alpha, float grain, const sec_ink *ink)
{
    for (size_t k = 0; k < s->channels; k++) {
        float *p = s->picture[k] + i;

        if (ink->add)
            *p += alpha * (ink->value[k] + grain);
        else
            *p = sec_mix(*p, ink->value[k] + grain, alpha);
    }
}

void sec_paint_field(sec_scene *s, const float *d, sec_region g, const sec_ink *ink,
                     rs_random *r)
{
    float soft = 0.5f * (ink->soft > s->mm ? ink->soft : s->mm);
    float full = ink->alpha > 0.0f ? ink->alpha : 1.0f;
    size_t n = s->width * s->height, off = rs_random_below(r, s->height) * s->width;

    for (size_t y = g.y0; y < g.y1; y++)
        for (size_t x = g.x0; x < g.x1; x++) {
            size_t i = y * s->width + x, j = i + off < n ? i + off : i + off - n;
            float e = d[i] - ink->grow + ink->ragged * s->rough[j], a;

            if (e >= soft)
                continue;
            a = full * sec_step(-soft, soft, -e);
            if (ink->clip)
                a *= ink->clip[i];
            if (a <= 0.002f)
                continue;
            if (ink->box && a > 0.35f * full)
                sec_box_add(ink->box, (double)x, (double)y);
            if (!ink->blank)
                lay(s, i, a, ink->grain * s->fine[j], ink);
        }
}

void sec_paint(sec_scene *s, const sec_shape *a, const sec_ink *ink, rs_random *r)
{
    float *d = s->spare[SEC_SPARE - 1];
    sec_region g = sec_distances(s, a, ink->grow + ink->soft + 2.5f * ink->ragged, d);

    sec_paint_field(s, d, g, ink, r);
}

/* ---- Output ---------------------------------------------------------- */

rs_status sec_to_image(rs_image *im, const sec_scene *s, size_t channel, float low,
                       float high, rs_err *err)
{
    const float *p = s->picture[channel];
    float scale = 255.0f / (high - low);
    rs_status st = rs_image_new(im, s->width, s->height, 1, 8, err);
    uint8_t *out;

    if (st != RS_OK)
        return st;
    out = im->pixels;
    for (size_t i = 0, n = s->width * s->height; i < n; i++) {
        float x = (p[i] - low) * scale + 0.5f;
        out[i] = x <= 0.0f ? 0 : x >= 255.0f ? 255 : (uint8_t)x;
    }
    return RS_OK;
}
