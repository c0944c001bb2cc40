/* query_images.c - see query_images.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "query_images.h"

#include "base/alloc.h"
#include "embeddings/intake.h"

#include <stdlib.h>
#include <string.h>

/* ---- The command line ------------------------------------------------ */

/* One image as given; its boxes are the options [first_box, past_box). */
typedef struct {
    const char *path;
    double      weight;
    size_t      first_box, past_box;
} asked;

static bool is_option(const rs_option *o, const char *name)
{
    return strcmp(o->name, name) == 0;
}

/* All images in order, [*n]; NULL on OOM. */
static asked *asked_images(rs_cli *c, size_t *n)
{
    const size_t given = rs_cli_options(c);
    asked *list = rs_new(rs_cli_arena(c), asked, given + 1);

    *n = 0;
    for (size_t i = 0; list && i < given; i++) {
        const char *value;
        const rs_option *o = rs_cli_option(c, i, &value);
        const bool not_wanted = is_option(o, "not-image");
        if (is_option(o, "image") || not_wanted)
            list[(*n)++] = (asked){value, not_wanted ? -1 : 1, i + 1, i + 1};
        else if (is_option(o, "box") && *n)
            list[*n - 1].past_box = i + 1;
    }
    return list;
}

/* Four numbers with commas between. */
static bool read_numbers(const char *text, double box[4])
{
    char *end = NULL;

    for (int k = 0; k < 4; k++) {
        box[k] = strtod(text, &end);
        if (end == text || *end != (k < 3 ? ',' : '\0'))
            return false;
        text = end + 1;
    }
    return true;
}

bool rs_query_images_check(rs_cli *c)
{
    bool image = false;

    for (size_t i = 0; i < rs_cli_options(c); i++) {
        const char *value;
        const rs_option *o = rs_cli_option(c, i, &value);
        double b[4];
        image = image || is_option(o, "image") || is_option(o, "not-image");
        if (!is_option(o, "box"))
            continue;
        if (!image) {
            rs_cli_usage(c, "--box %s: comes before the --image that it is a part of", value);
            return false;
        }
        if (!read_numbers(value, b) || !(b[0] >= 0 && b[0] < b[2] && b[1] >= 0 && b[1] < b[3])) {
            rs_cli_usage(c, "--box %s: wanted x0,y0,x1,y1 with x0 < x1 and y0 < y1, as fractions"
                         " of the image or in pixels", value);
            return false;
        }
    }
    return true;
}

/* ---- Reading ---------------------------------------------------------- */

static rs_status add_part(rs_query *q, rs_query_part part, rs_err *err)
{
    rs_query_part *p = rs_query_add(q);

    if (!p)
        return rs_fail(err, RS_ELIMIT, "asks for more than %d things", RS_QUERY_MAX_PARTS);
    *p = part;
    return RS_OK;
}

/* A checked box as fractions of an image of so many pixels. */
static rs_status to_fractions(double b[4], const char *text, const rs_image *im, rs_err *err)
{
    read_numbers(text, b);
    if (b[2] > 1 || b[3] > 1)
        for (int k = 0; k < 4; k++)
            b[k] /= (double)(k % 2 ? im->height : im->width);
    if (b[2] > 1 || b[3] > 1)
        return rs_fail(err, RS_EARG, "--box %s: reaches out of the image, which is %zu x %zu "
                       "pixels", text, im->width, im->height);
    return RS_OK;
}

/* A part for each box of one image. */
static rs_status add_boxes(rs_query *q, const asked *a, rs_cli *c, const rs_image *im, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = a->first_box; st == RS_OK && i < a->past_box; i++) {
        rs_query_part part = {.image = im, .boxed = true, .weight = a->weight};
        const char *value;
        if (!is_option(rs_cli_option(c, i, &value), "box"))
            continue;
        if ((st = to_fractions(part.box, value, im, err)) == RS_OK)
            st = add_part(q, part, err);
    }
    return st == RS_OK ? st : rs_wrap(err, st, "%s", a->path);
}

/* Whole images, in one go over all threads. */
static rs_status load_whole(rs_query_images *out, const asked *list, size_t n, rs_cli *c,
                            const rs_preprocess *p, rs_pool *pool, rs_query *q, rs_err *err)
{
    const size_t each = 3 * p->crop_height * p->crop_width;
    const char **paths = rs_new(rs_cli_arena(c), const char *, n + 1);
    rs_status st = RS_OK;
    size_t whole = 0;

    if (paths && n)
        out->pixels = rs_calloc(n, each * sizeof *out->pixels);
    if (!paths || (n && !out->pixels))
        return rs_fail(err, RS_ENOMEM, "no memory for %zu query images", n);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        if (list[i].past_box == list[i].first_box) {
            st = add_part(q, (rs_query_part){.pixels = out->pixels + whole * each,
                                             .weight = list[i].weight}, err);
            paths[whole++] = list[i].path;
        }
    return st == RS_OK ? rs_intake_files(p, paths, whole, pool, out->pixels, err) : st;
}

rs_status rs_query_images_load(rs_query_images *out, rs_cli *c, const rs_encoder *e,
                               rs_pool *pool, rs_query *q, rs_err *err)
{
    size_t n;
    const asked *list = asked_images(c, &n);
    rs_status st;

    *out = (rs_query_images){0};
    if (!list || !(out->boxed = rs_calloc(n + 1, sizeof *out->boxed)))
        return rs_fail(err, RS_ENOMEM, "no memory for %zu query images", n);
    st = load_whole(out, list, n, c, rs_encoder_preprocess(e), pool, q, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        rs_image *im = &out->boxed[out->n_boxed];
        if (list[i].past_box == list[i].first_box)
            continue;
        if ((st = rs_image_load(im, list[i].path, err)) == RS_OK) {
            out->n_boxed++;
            st = add_boxes(q, &list[i], c, im, err);
        }
    }
    return st;
}

void rs_query_images_clear(rs_query_images *im)
{
    for (size_t i = 0; i < im->n_boxed; i++)
        rs_image_clear(&im->boxed[i]);
    rs_free(im->boxed);
    rs_free(im->pixels);
    *im = (rs_query_images){0};
}
