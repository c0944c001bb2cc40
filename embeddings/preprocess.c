/* preprocess.c - what a preprocessor_config.json says; see preprocess.h.
 * preprocess_run.c does it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/preprocess.h"

#include "base/bytes.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { MAX_EDGE = 4096, MAX_FILE_BYTES = 1 << 20 };

/* ---- Defaults -------------------------------------------------------- */

/* What a file leaves out depends on the processor it names. */
typedef struct {
    const char *name;                   /* part of image_processor_type */
    bool        keep_aspect, crop;      /* a bare "size": N is the shortest edge; center crop */
    rs_resample resample;
    float       mean[3], std[3];
} family;

static const family families[] = {
    {"CLIP", true, true, RS_RESAMPLE_BICUBIC,
     {0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}},
    {"Siglip", false, false, RS_RESAMPLE_BICUBIC, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}},
    {"ViT", false, false, RS_RESAMPLE_BILINEAR, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}},
};

static void set_defaults(rs_preprocess *p, const family *f, size_t image_size)
{
    *p = (rs_preprocess){
        .do_resize = true, .do_center_crop = f->crop, .do_rescale = true, .do_normalize = true,
        .keep_aspect = f->keep_aspect, .resize_height = image_size, .resize_width = image_size,
        .crop_height = image_size, .crop_width = image_size,
        .resample = f->resample, .rescale = 1.0 / 255,
    };
    memcpy(p->mean, f->mean, sizeof p->mean);
    memcpy(p->std, f->std, sizeof p->std);
}

void rs_preprocess_clip(rs_preprocess *p, size_t image_size)
{
    set_defaults(p, &families[0], image_size);
}

/* ---- Reading --------------------------------------------------------- */

static rs_status read_family(const family **f, rs_json_at at, rs_err *err)
{
    const char *name;
    rs_status st = rs_json_str(at, "image_processor_type", NULL, &name, err);

    if (st == RS_OK && !name)
        st = rs_json_str(at, "feature_extractor_type", "CLIP", &name, err);
    for (size_t i = 0; st == RS_OK && i < sizeof families / sizeof *families; i++)
        if (strstr(name, families[i].name)) {
            *f = &families[i];
            return RS_OK;
        }
    return st != RS_OK ? st
        : rs_fail(err, RS_EFORMAT, "%s: image_processor_type: %s is not one of CLIP, Siglip, ViT",
                  at.where, name);
}

static rs_status read_edge(rs_json_at at, const char *key, size_t *out, rs_err *err)
{
    long long n;
    rs_status st = rs_json_need(at, key, err);

    if (st == RS_OK)
        st = rs_json_int(at, key, 1, MAX_EDGE, 0, &n, err);
    if (st == RS_OK)
        *out = (size_t)n;
    return st;
}

/* A size is N, [height, width], {"height", "width"} or {"shortest_edge"}. For the
 * last *shortest becomes true; for N it stays what the caller set; else false. */
static rs_status read_size(rs_json_at at, const char *key, size_t *height, size_t *width,
                           bool *shortest, rs_err *err)
{
    const json_t *v = json_object_get(at.object, key);
    char where[300];
    rs_json_at in = {v, where};
    rs_status st;

    if (!v || json_is_null(v))
        return RS_OK;
    snprintf(where, sizeof where, "%s: %s", at.where, key);
    if (json_is_array(v) && json_array_size(v) == 2 &&
        json_is_integer(json_array_get(v, 0)) && json_is_integer(json_array_get(v, 1))) {
        long long h = json_integer_value(json_array_get(v, 0));
        long long w = json_integer_value(json_array_get(v, 1));
        if (h < 1 || h > MAX_EDGE || w < 1 || w > MAX_EDGE)
            return rs_fail(err, RS_ECORRUPT, "%s: %lld x %lld is not within 1..%d",
                           where, h, w, MAX_EDGE);
        *height = (size_t)h;
        *width = (size_t)w;
        *shortest = false;
        return RS_OK;
    }
    if (json_is_object(v) && json_object_get(v, "shortest_edge")) {
        st = read_edge(in, "shortest_edge", height, err);
        *width = *height;
        *shortest = true;
        return st;
    }
    if (json_is_object(v)) {
        *shortest = false;
        st = read_edge(in, "height", height, err);
        return st == RS_OK ? read_edge(in, "width", width, err) : st;
    }
    st = read_edge(at, key, height, err);
    *width = *height;
    return st;
}

/* Three numbers, or one for all three. */
static rs_status read_three(rs_json_at at, const char *key, double min, float out[3], rs_err *err)
{
    const json_t *v = json_object_get(at.object, key);

    if (!v || json_is_null(v))
        return RS_OK;
    if (!json_is_number(v) && json_array_size(v) != 3)
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted three numbers", at.where, key);
    for (size_t c = 0; c < 3; c++) {
        const json_t *x = json_is_number(v) ? v : json_array_get(v, c);
        double value = json_number_value(x);
        if (!json_is_number(x) || !(value >= min && value <= 1e6))
            return rs_fail(err, RS_ECORRUPT, "%s: %s[%zu]: wanted a number within %g..1e6",
                           at.where, key, c, min);
        out[c] = (float)value;
    }
    return RS_OK;
}

static rs_status read_resample(rs_json_at at, rs_resample *out, rs_err *err)
{
    /* PIL's numbers */
    enum { NEAREST, LANCZOS, BILINEAR, BICUBIC, ABSENT = -1 };
    long long n;
    rs_status st = rs_json_int(at, "resample", 0, 5, ABSENT, &n, err);

    if (st != RS_OK)
        return st;
    switch (n) {
    case ABSENT:   break;
    case NEAREST:  *out = RS_RESAMPLE_NEAREST; break;
    case LANCZOS:  *out = RS_RESAMPLE_LANCZOS; break;
    case BILINEAR: *out = RS_RESAMPLE_BILINEAR; break;
    case BICUBIC:  *out = RS_RESAMPLE_BICUBIC; break;
    default:
        return rs_fail(err, RS_EFORMAT, "%s: resample: %lld (box or Hamming) is not supported",
                       at.where, n);
    }
    return RS_OK;
}

static rs_status read_fields(rs_preprocess *p, rs_json_at at, rs_err *err)
{
    bool crop_by_edge = false;
    rs_status st;

    if ((st = rs_json_bool(at, "do_resize", true, &p->do_resize, err)) != RS_OK ||
        (st = rs_json_bool(at, "do_center_crop", p->do_center_crop, &p->do_center_crop,
                           err)) != RS_OK ||
        (st = rs_json_bool(at, "do_rescale", true, &p->do_rescale, err)) != RS_OK ||
        (st = rs_json_bool(at, "do_normalize", true, &p->do_normalize, err)) != RS_OK ||
        (st = rs_json_real(at, "rescale_factor", 0, 1e6, p->rescale, &p->rescale, err)) != RS_OK ||
        (st = read_resample(at, &p->resample, err)) != RS_OK ||
        (st = read_three(at, "image_mean", -1e6, p->mean, err)) != RS_OK ||
        (st = read_three(at, "image_std", 1e-6, p->std, err)) != RS_OK ||
        (st = read_size(at, "size", &p->resize_height, &p->resize_width, &p->keep_aspect,
                        err)) != RS_OK ||
        (st = read_size(at, "crop_size", &p->crop_height, &p->crop_width, &crop_by_edge,
                        err)) != RS_OK)
        return st;
    if (crop_by_edge)
        return rs_fail(err, RS_ECORRUPT, "%s: crop_size: wanted height and width", at.where);
    if (!p->do_center_crop && p->do_resize) {       /* what is resized is what comes out */
        p->crop_height = p->resize_height;
        p->crop_width = p->resize_width;
    }
    return RS_OK;
}

rs_status rs_preprocess_load(rs_preprocess *p, const char *path, size_t image_size, rs_err *err)
{
    const family *f = &families[0];
    json_t *doc = NULL;
    rs_status st;

    rs_preprocess_clip(p, image_size);
    if (!rs_file_exists(path))
        return RS_OK;
    st = rs_json_load(&doc, path, MAX_FILE_BYTES, err);
    if (st != RS_OK)
        return st;
    if (!json_is_object(doc)) {
        st = rs_fail(err, RS_ECORRUPT, "%s: not a JSON object", path);
        goto done;
    }
    st = read_family(&f, (rs_json_at){doc, path}, err);
    if (st != RS_OK)
        goto done;
    set_defaults(p, f, image_size);
    st = read_fields(p, (rs_json_at){doc, path}, err);
done:
    json_decref(doc);
    return st;
}

/* ---- Writing --------------------------------------------------------- */

rs_status rs_preprocess_save(const rs_preprocess *p, const char *path, rs_err *err)
{
    static const int pil[] = {
        [RS_RESAMPLE_NEAREST] = 0, [RS_RESAMPLE_LANCZOS] = 1,
        [RS_RESAMPLE_BILINEAR] = 2, [RS_RESAMPLE_BICUBIC] = 3,
    };
    static const char *const word[] = {"false", "true"};
    rs_buf b = {0};
    rs_status st;

    rs_buf_printf(&b, "{\n  \"image_processor_type\": \"CLIPImageProcessor\",\n");
    rs_buf_printf(&b, "  \"do_resize\": %s,\n  \"do_center_crop\": %s,\n  \"do_rescale\": %s,\n"
                  "  \"do_normalize\": %s,\n  \"do_convert_rgb\": true,\n",
                  word[p->do_resize], word[p->do_center_crop], word[p->do_rescale],
                  word[p->do_normalize]);
    if (p->keep_aspect)
        rs_buf_printf(&b, "  \"size\": {\"shortest_edge\": %zu},\n", p->resize_height);
    else
        rs_buf_printf(&b, "  \"size\": {\"height\": %zu, \"width\": %zu},\n",
                      p->resize_height, p->resize_width);
    rs_buf_printf(&b, "  \"crop_size\": {\"height\": %zu, \"width\": %zu},\n",
                  p->crop_height, p->crop_width);
    rs_buf_printf(&b, "  \"resample\": %d,\n  \"rescale_factor\": %.17g,\n",
                  pil[p->resample], p->rescale);
    rs_buf_printf(&b, "  \"image_mean\": [%.9g, %.9g, %.9g],\n",
                  (double)p->mean[0], (double)p->mean[1], (double)p->mean[2]);
    rs_buf_printf(&b, "  \"image_std\": [%.9g, %.9g, %.9g]\n}\n",
                  (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    st = b.failed ? rs_fail(err, RS_ENOMEM, "write %s: no memory", path)
                  : rs_file_write(path, b.data, b.len, err);
    rs_buf_clear(&b);
    return st;
}
