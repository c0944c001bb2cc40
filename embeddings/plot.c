/* plot.c - see plot.h.
 *
 * A panel is drawn in this order: grid and numbers, frame, lines, title and legend.
 * A line's coverage is gathered in a mask of its own first, so that its joints are
 * not darker than the rest.
 *
 *     +-------------------------------+
 *     |  title        -- a  -- b      |   TOP
 *     |  +-------------------------+  |
 *     |  |                         |  |   BOTTOM holds the numbers and the label of x,
 *     |  +-------------------------+  |   LEFT those of y
 *     |         label of x            |
 *     +-------------------------------+
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/plot.h"

#include "base/alloc.h"
#include "embeddings/plot_int.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    PANEL_WIDTH = 720, PANEL_HEIGHT = 440,
    LEFT = 112, RIGHT = 40, TOP = 76, BOTTOM = 64,
    SCALE = 2,                                          /* of the font */
    GLYPH = (RS_FONT_COLUMNS + 1) * SCALE,              /* width of a character */
    CAP = 7 * SCALE,                                    /* height of a capital */
    MAX_TICKS = 16, SWATCH = 24
};

static const double LINE_WIDTH = 2.0, MARK_RADIUS = 3.5;

typedef struct { uint8_t rgb[3]; } colour;

static const colour WHITE = {{255, 255, 255}}, INK = {{40, 40, 40}}, FRAME = {{130, 130, 130}},
                    GRID = {{228, 228, 228}};

/* Okabe, Ito 2008, "Color Universal Design", the darkest first. */
static const colour palette[8] = {
    {{0, 114, 178}}, {{213, 94, 0}}, {{0, 158, 115}}, {{204, 121, 167}},
    {{230, 159, 0}}, {{86, 180, 233}}, {{0, 0, 0}}, {{200, 190, 20}},
};

/* ---- Dots and letters ------------------------------------------------ */

/* Lay `c` over a pixel, alpha 0..1; outside the image nothing happens. */
static void blend(rs_image *im, int x, int y, colour c, double alpha)
{
    uint8_t *p;

    if (x < 0 || y < 0 || (size_t)x >= im->width || (size_t)y >= im->height)
        return;
    p = (uint8_t *)im->pixels + 3 * ((size_t)y * im->width + (size_t)x);
    for (size_t k = 0; k < 3; k++)
        p[k] = (uint8_t)(p[k] + alpha * (c.rgb[k] - p[k]) + 0.5);
}

static void fill(rs_image *im, int x, int y, int width, int height, colour c)
{
    for (int j = 0; j < height; j++)
        for (int i = 0; i < width; i++)
            blend(im, x + i, y + j, c, 1);
}

/* The next character's glyph; moves *s past it. Beyond ASCII it is '?'. */
static const unsigned char *next_glyph(const char **s)
{
    unsigned char c = (unsigned char)*(*s)++;

    while (((unsigned char)**s & 0xc0) == 0x80)         /* the rest of a UTF-8 character */
        (*s)++;
    return rs_plot_font[(c < ' ' || c > '~' ? '?' : c) - ' '];
}

static int text_length(const char *s)
{
    int n = 0;

    while (*s) {
        next_glyph(&s);
        n++;
    }
    return n;
}

static int text_width(const char *s) { return text_length(s) * GLYPH - SCALE; }

/* Letters whose capitals begin at row y; `up` turns them a quarter to the left, to be
 * read from below, with (x, y) their lower left. */
static void draw_text(rs_image *im, int x, int y, const char *s, colour c, bool up)
{
    while (*s) {
        const unsigned char *rows = next_glyph(&s);
        for (int j = 0; j < RS_FONT_ROWS * SCALE; j++)
            for (int i = 0; i < RS_FONT_COLUMNS * SCALE; i++)
                if (rows[j / SCALE] >> (RS_FONT_COLUMNS - 1 - i / SCALE) & 1)
                    blend(im, up ? x + j : x + i, up ? y - i : y + j, c, 1);
        x += up ? 0 : GLYPH;
        y -= up ? GLYPH : 0;
    }
}

/* ---- Axes ------------------------------------------------------------ */

typedef struct {
    double lo, hi;                  /* on a logarithmic axis already logarithms */
    bool   log;
    int    from, to;                /* pixels of lo and hi */
    double tick[MAX_TICKS];         /* values as they are written */
    size_t n;
    int    decimals;
} axis;

static double position(const axis *a, double value)
{
    double v = a->log ? log10(value) : value;

    return a->from + (v - a->lo) / (a->hi - a->lo) * (a->to - a->from);
}

/* 1, 2 or 5 times a power of ten, so that about `wanted` steps span `range`. */
static double nice_step(double range, double wanted)
{
    double raw = range / wanted, power = pow(10, floor(log10(raw)));
    double lead = raw / power;

    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static void linear_ticks(axis *a, double wanted)
{
    double step = nice_step(a->hi - a->lo, wanted), first = ceil(a->lo / step - 1e-9);
    double digits = -floor(log10(step) + 1e-9);

    a->decimals = digits > 0 ? (int)digits : 0;
    for (double k = first; k * step <= a->hi + 1e-9 * step && a->n < MAX_TICKS; k++)
        a->tick[a->n++] = k * step;
}

/* Whole powers of ten, and 2 and 5 times them where there are few. */
static void log_ticks(axis *a)
{
    static const double leads[] = {1, 2, 5};
    size_t n = a->hi - a->lo > 3 ? 1 : 3;
    double stride = ceil((a->hi - a->lo) / 8);

    for (double power = floor(a->lo); power <= a->hi && a->n < MAX_TICKS; power += stride)
        for (size_t k = 0; k < n && a->n < MAX_TICKS; k++) {
            double value = leads[k] * pow(10, power);
            if (log10(value) >= a->lo - 1e-9 && log10(value) <= a->hi + 1e-9)
                a->tick[a->n++] = value;
        }
}

static void tick_text(char *text, size_t size, const axis *a, size_t i)
{
    double v = a->tick[i], largest = fmax(fabs(a->lo), fabs(a->hi));

    if (a->log || largest >= 1e7 || largest < 1e-5)
        snprintf(text, size, "%g", v);
    else
        snprintf(text, size, "%.*f", a->decimals, fabs(v) < 1e-12 * largest ? 0.0 : v);
}

static bool drawable(const rs_plot_panel *p, const rs_plot_series *s, size_t i)
{
    const double most = 1e300;          /* differences stay finite; false for NaN too */

    return fabs(s->x[i]) <= most && fabs(s->y[i]) <= most && (!p->log_y || s->y[i] > 0);
}

/* The least and the greatest of what is drawn; 0..1 where nothing is. */
static void data_range(const rs_plot_panel *p, bool of_x, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (size_t k = 0; k < p->n_series; k++)
        for (size_t i = 0; i < p->series[k].n; i++) {
            double v = of_x ? p->series[k].x[i] : p->series[k].y[i];
            if (!drawable(p, &p->series[k], i))
                continue;
            *lo = fmin(*lo, v);
            *hi = fmax(*hi, v);
        }
    if (*lo > *hi) {
        *lo = p->log_y && !of_x ? 1 : 0;
        *hi = p->log_y && !of_x ? 10 : 1;
    }
}

static void plan_axes(axis *x, axis *y, const rs_plot_panel *p, int left, int top)
{
    *x = (axis){.from = left + LEFT, .to = left + PANEL_WIDTH - RIGHT};
    *y = (axis){.from = top + PANEL_HEIGHT - BOTTOM, .to = top + TOP, .log = p->log_y};
    data_range(p, true, &x->lo, &x->hi);
    data_range(p, false, &y->lo, &y->hi);
    if (p->y_max > p->y_min && (!p->log_y || p->y_min > 0)) {
        y->lo = p->y_min;
        y->hi = p->y_max;
    }
    if (y->log) {
        y->lo = log10(y->lo);
        y->hi = log10(y->hi);
    }
    if (!(x->hi - x->lo > 1e-12 * fabs(x->hi))) {                   /* one point */
        x->hi += fmax(1e-6 * fabs(x->hi), 0.5);
        x->lo -= fmax(1e-6 * fabs(x->lo), 0.5);
    }
    if (!(y->hi - y->lo > 1e-9 * fabs(y->hi))) {                    /* a flat line */
        double room = y->log ? 0.5 : fmax(0.1 * fabs(y->hi), 1e-6);
        y->hi += room;
        y->lo -= room;
    } else if (!(p->y_max > p->y_min)) {
        double room = 0.04 * (y->hi - y->lo);
        y->lo -= y->lo == 0 && !y->log ? 0 : room;                  /* 0 stays the floor */
        y->hi += room;
    }
    linear_ticks(x, 5);
    if (y->log)
        log_ticks(y);
    else
        linear_ticks(y, 6);
}

static void draw_axes(rs_image *im, const axis *x, const axis *y, const rs_plot_panel *p)
{
    int width = x->to - x->from, height = y->from - y->to;
    int written = x->from - LEFT;                       /* where the last number ends */
    char text[40];

    for (size_t i = 0; i < x->n; i++) {
        int at = (int)lround(position(x, x->tick[i])), begin;
        tick_text(text, sizeof text, x, i);
        begin = at - text_width(text) / 2;
        fill(im, at, y->to, 1, height, GRID);
        if (begin < written + GLYPH)
            continue;
        draw_text(im, begin, y->from + 8, text, INK, false);
        written = begin + text_width(text);
    }
    for (size_t i = 0; i < y->n; i++) {
        int at = (int)lround(position(y, y->tick[i]));
        tick_text(text, sizeof text, y, i);
        fill(im, x->from, at, width, 1, GRID);
        draw_text(im, x->from - 8 - text_width(text), at - CAP / 2, text, INK, false);
    }
    fill(im, x->from, y->to, 1, height, FRAME);
    fill(im, x->from, y->from, width, 1, FRAME);
    if (p->x_label)
        draw_text(im, (x->from + x->to - text_width(p->x_label)) / 2, y->from + 34, p->x_label,
                  INK, false);
    if (p->y_label)
        draw_text(im, x->from - LEFT + 6, (y->from + y->to + text_width(p->y_label)) / 2,
                  p->y_label, INK, true);
}

/* ---- Lines ----------------------------------------------------------- */

/* Coverage of one series over the plot area, 0..255. */
typedef struct {
    int      left, top, width, height;
    uint8_t *at;
} mask;

static double distance(double px, double py, double x0, double y0, double x1, double y1)
{
    double dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    double t = length > 0 ? ((px - x0) * dx + (py - y0) * dy) / length : 0;

    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return hypot(px - x0 - t * dx, py - y0 - t * dy);
}

static int within(double v, int lo, int hi)
{
    return v < lo ? lo : v > hi ? hi : (int)v;
}

/* A stroke of radius r from (x0, y0) to (x1, y1), smoothed over one pixel. */
static void stroke(mask *m, double x0, double y0, double x1, double y1, double r)
{
    double reach = r + 1;
    int left = within(fmin(x0, x1) - reach, m->left, m->left + m->width);
    int right = within(fmax(x0, x1) + reach + 1, m->left, m->left + m->width);
    int top = within(fmin(y0, y1) - reach, m->top, m->top + m->height);
    int bottom = within(fmax(y0, y1) + reach + 1, m->top, m->top + m->height);

    for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++) {
            double cover = r + 0.5 - distance(x, y, x0, y0, x1, y1);
            uint8_t *p = &m->at[(y - m->top) * m->width + x - m->left];
            uint8_t value = (uint8_t)(255 * fmin(fmax(cover, 0), 1) + 0.5);
            if (value > *p)
                *p = value;
        }
}

static void trace(mask *m, const axis *x, const axis *y, const rs_plot_panel *p,
                  const rs_plot_series *s)
{
    const double far = 1e5;             /* pixels: keeps a wild value from costing a wild loop */
    double x0 = 0, y0 = 0;
    bool pen = false;

    for (size_t i = 0; i < s->n; i++) {
        bool last = i + 1 == s->n || !drawable(p, s, i + 1);
        if (!drawable(p, s, i)) {
            pen = false;
            continue;
        }
        double x1 = position(x, s->x[i]), y1 = fmin(fmax(position(y, s->y[i]), -far), far);
        if (pen)
            stroke(m, x0, y0, x1, y1, LINE_WIDTH / 2);
        else if (last)                                  /* a lone point */
            stroke(m, x1, y1, x1, y1, MARK_RADIUS);
        x0 = x1;
        y0 = y1;
        pen = true;
    }
}

static colour colour_of(const rs_plot_panel *p, size_t k)
{
    int own = p->series[k].colour;

    return palette[own >= 1 && own <= 8 ? (size_t)own - 1 : k % 8];
}

static rs_status draw_lines(rs_image *im, const axis *x, const axis *y, const rs_plot_panel *p,
                            rs_err *err)
{
    mask m = {.left = x->from, .top = y->to - 2, .width = x->to - x->from + 3,
              .height = y->from - y->to + 4};
    size_t area = (size_t)m.width * (size_t)m.height;

    m.at = rs_malloc(area);
    if (!m.at)
        return rs_fail(err, RS_ENOMEM, "no memory to draw a plot");
    for (size_t k = 0; k < p->n_series; k++) {
        colour c = colour_of(p, k);
        double strength = p->series[k].faint ? 0.3 : 1;
        memset(m.at, 0, area);
        trace(&m, x, y, p, &p->series[k]);
        for (size_t i = 0; i < area; i++)
            if (m.at[i])
                blend(im, m.left + (int)i % m.width, m.top + (int)i / m.width, c,
                      strength * m.at[i] / 255);
    }
    rs_free(m.at);
    return RS_OK;
}

/* ---- A panel --------------------------------------------------------- */

/* Names from the left in a row under the title, wrapping never: what does not fit is
 * told by colour alone. */
static void draw_heading(rs_image *im, const rs_plot_panel *p, int left, int top)
{
    int x = left + LEFT, y = top + 48;

    if (p->title)
        draw_text(im, x, top + 18, p->title, INK, false);
    for (size_t k = 0; k < p->n_series; k++) {
        const char *name = p->series[k].name;
        if (!name || !*name)
            continue;
        if (x + SWATCH + text_width(name) > left + PANEL_WIDTH)
            break;
        fill(im, x, y + CAP / 2 - 2, SWATCH - 6, 4, colour_of(p, k));
        draw_text(im, x + SWATCH, y, name, INK, false);
        x += SWATCH + text_width(name) + 2 * GLYPH;
    }
}

static rs_status draw_panel(rs_image *im, const rs_plot_panel *p, int left, int top, rs_err *err)
{
    axis x, y;

    plan_axes(&x, &y, p, left, top);
    draw_axes(im, &x, &y, p);
    draw_heading(im, p, left, top);
    return draw_lines(im, &x, &y, p, err);
}

rs_status rs_plot_draw(rs_image *im, const rs_plot_panel *panels, size_t n, rs_err *err)
{
    size_t columns = n > 1 ? 2 : 1, rows = (n + columns - 1) / columns;
    rs_status st;

    *im = (rs_image){0};
    if (n == 0 || n > RS_PLOT_MAX_PANELS)
        return rs_fail(err, RS_EARG, "a plot of %zu panels, wanted 1..%d", n, RS_PLOT_MAX_PANELS);
    st = rs_image_new(im, columns * PANEL_WIDTH, rows * PANEL_HEIGHT, 3, 8, err);
    if (st != RS_OK)
        return st;
    memset(im->pixels, WHITE.rgb[0], im->width * im->height * 3);
    for (size_t i = 0; i < n && st == RS_OK; i++)
        st = draw_panel(im, &panels[i], (int)(i % columns) * PANEL_WIDTH,
                        (int)(i / columns) * PANEL_HEIGHT, err);
    if (st != RS_OK)
        rs_image_clear(im);
    return st;
}

rs_status rs_plot_save_png(const char *path, const rs_plot_panel *panels, size_t n, rs_err *err)
{
    rs_image im;
    rs_status st = rs_plot_draw(&im, panels, n, err);

    if (st != RS_OK) {
        rs_wrap(err, st, "%s", path);
        return st;
    }
    st = rs_image_save_png(&im, path, err);
    rs_image_clear(&im);
    return st;
}
