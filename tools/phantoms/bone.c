/* bone.c - see bone.h. SPDX-License-Identifier: Apache-2.0 */
#include "bone.h"

#include <math.h>

typedef struct {
    const ph_bone *bone;
    ph_point from, along;        /* of this piece, after its displacement; unit vector */
    float length, first, last;   /* of the whole bone; the piece's range of t */
} piece;

ph_point ph_bone_at(const ph_bone *bone, float t)
{
    return (ph_point){ph_mixf(bone->a.x, bone->b.x, t), ph_mixf(bone->a.y, bone->b.y, t)};
}

/* The frame in which the outer piece of a broken bone lies straight. */
static piece whole(const ph_bone *bone)
{
    float dx = bone->b.x - bone->a.x, dy = bone->b.y - bone->a.y;
    float len = sqrtf(dx * dx + dy * dy);

    if (len < 1e-3f)
        len = 1e-3f;
    return (piece){bone, bone->a, {dx / len, dy / len}, len, -1.f, 2.f};
}

static piece outer_piece(const ph_bone *bone)
{
    piece p = whole(bone);
    float cs = cosf(bone->bend), sn = sinf(bone->bend), reach = bone->break_at * p.length;
    ph_point u = p.along, at = ph_bone_at(bone, bone->break_at);

    p.along = (ph_point){u.x * cs - u.y * sn, u.x * sn + u.y * cs};
    at.x += -u.y * bone->slip + u.x * bone->gap;
    at.y += u.x * bone->slip + u.y * bone->gap;
    p.from = (ph_point){at.x - p.along.x * reach, at.y - p.along.y * reach};
    p.first = bone->break_at;
    return p;
}

ph_point ph_bone_end(const ph_bone *bone)
{
    if (bone->break_at <= 0.f)
        return bone->b;
    piece p = outer_piece(bone);

    return (ph_point){p.from.x + p.along.x * p.length, p.from.y + p.along.y * p.length};
}

/* 0 at the very end, 1 from `cap` on: the quarter of a rounded box. */
static float rounded(float x, float cap)
{
    if (x <= 0.f)
        return 0.f;
    if (x >= cap)
        return 1.f;
    float k = 1.f - x / cap;

    return cbrtf(1.f - k * k * k);
}

/* How much an end of reach 0.4 flares: 1 at the end, 0 from there on. */
static float flare(float t)
{
    float k = 1.f - t / 0.4f;

    return k > 0.f ? k * k : 0.f;
}

static float half_width(const ph_bone *b, float t, float length)
{
    float w = b->rm + (b->ra - b->rm) * flare(t) + (b->rb - b->rm) * flare(1.f - t);

    return w * rounded(t * length, b->cap_a) * rounded((1.f - t) * length, b->cap_b);
}

static float shade(const ph_bone *b, float t, float d, float length)
{
    float w = half_width(b, t, length);

    if (w < 0.3f || d > w + 0.5f)
        return 0.f;
    float end = flare(t) + flare(1.f - t), wall = b->wall * (1.f - 0.72f * end);
    float rho = d < w ? d / w : 1.f, k = 1.f - wall, inner = rho / k;
    float outer = sqrtf(1.f - rho * rho), marrow = 0.82f - 0.3f * end;
    float v = 0.06f + outer - (inner < 1.f ? marrow * k * sqrtf(1.f - inner * inner) : 0.f);
    float edge = w - d + 0.5f;

    if (b->plate > 0.f) {
        float off = (t - b->plate) * length / (b->plate_width > 0.f ? b->plate_width : 1.f);

        v *= 1.f - 0.72f * expf(-off * off);
    }
    return v * (edge < 1.f ? edge : 1.f);
}

/* The break is not straight: it zigzags a little across the bone. */
static float ragged(float side, float w)
{
    return 0.16f * w * sinf(2.6f * side / (w > 1.f ? w : 1.f)) + 0.08f * w * sinf(7.f * side / w);
}

static void paint_piece(ph_canvas *c, const piece *p, float value)
{
    const ph_bone *b = p->bone;
    float reach = fmaxf(fmaxf(b->ra, b->rb), b->rm) + 2.f;
    float from = p->first > 0.f ? p->first * p->length - reach : 0.f;
    float to = p->last < 1.f ? p->last * p->length + reach : p->length;
    ph_point u = p->along, e0 = {p->from.x + u.x * from, p->from.y + u.y * from};
    ph_point e1 = {p->from.x + u.x * to, p->from.y + u.y * to};
    long x0 = lrintf(fminf(e0.x, e1.x) - reach), x1 = lrintf(fmaxf(e0.x, e1.x) + reach);
    long y0 = lrintf(fminf(e0.y, e1.y) - reach), y1 = lrintf(fmaxf(e0.y, e1.y) + reach);

    for (long y = y0 < 0 ? 0 : y0; y < y1 && y < (long)c->height; y++)
        for (long x = x0 < 0 ? 0 : x0; x < x1 && x < (long)c->width; x++) {
            float dx = (float)x - p->from.x, dy = (float)y - p->from.y;
            float s = dx * u.x + dy * u.y, side = dy * u.x - dx * u.y;
            float t = s / p->length, cut = s + ragged(side, b->rm);

            if (cut < p->first * p->length || cut > p->last * p->length)
                continue;
            float v = shade(b, t, fabsf(side), p->length);

            if (v > 0.f)
                c->at[(size_t)y * c->width + (size_t)x] += value * v;
        }
}

void ph_paint_bone(ph_canvas *c, const ph_bone *bone, float value)
{
    piece p = whole(bone);

    if (bone->break_at > 0.f) {
        piece q = outer_piece(bone);

        p.last = bone->break_at;
        q.last = 2.f;
        paint_piece(c, &q, value);
    }
    paint_piece(c, &p, value);
}
