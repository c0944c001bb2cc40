/* preprocess.c - what a preprocessor_config.json says; see preprocess.h.
 * preprocess_run.c does it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/preprocess.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/model_folder.h"

#include <stdio.h>
#include <string.h>

enum { MAX_EDGE = 4096, MAX_FILE_BYTES = 1 << 20 };

/* ---- Defaults -------------------------------------------------------- */

/* What a file leaves out depends on the processor it names. By rs_processor. */
typedef struct {
    const char *name;                   /* part of image_processor_type */
    const char *whole;                  /* as it is written */
    bool        keep_aspect, crop;      /* a bare "size": N is the shortest edge; center crop */
    rs_resample resample;
    float       mean[3], std[3];
} family;

#define CLIP_COLOURS {0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}
#define HALF {0.5f, 0.5f, 0.5f}
static const family families[] = {
    [RS_PROCESSOR_CLIP] = {"CLIP", "CLIPImageProcessor", true, true, RS_RESAMPLE_BICUBIC,
                           CLIP_COLOURS},
    [RS_PROCESSOR_SIGLIP] = {"Siglip", "SiglipImageProcessor", false, false, RS_RESAMPLE_BICUBIC,
                             HALF, HALF},
    [RS_PROCESSOR_VIT] = {"ViT", "ViTImageProcessor", false, false, RS_RESAMPLE_BILINEAR,
                          HALF, HALF},
    [RS_PROCESSOR_OPEN_CLIP] = {"open_clip", "CLIPImageProcessor", true, true,
                                RS_RESAMPLE_BICUBIC, CLIP_COLOURS},
};

static void set_defaults(rs_preprocess *p, rs_processor processor, size_t image_size)
{
    const family *f = &families[processor];

    *p = (rs_preprocess){
        .processor = processor,
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
    set_defaults(p, RS_PROCESSOR_CLIP, image_size);
}

/* ---- Reading --------------------------------------------------------- */

static rs_status read_family(rs_processor *processor, rs_json_at at, rs_err *err)
{
    const char *name;
    rs_status st = rs_json_str(at, "image_processor_type", NULL, &name, err);

    if (st == RS_OK && !name)
        st = rs_json_str(at, "feature_extractor_type", "CLIP", &name, err);
    for (rs_processor i = 0; st == RS_OK && i < RS_PROCESSOR_OPEN_CLIP; i++)
        if (strstr(name, families[i].name)) {
            *processor = i;
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

/* The whole of a file, which must be an object; caller json_decref()s. */
static rs_status load_object(json_t **doc, const char *path, rs_err *err)
{
    rs_status st = rs_json_load(doc, path, MAX_FILE_BYTES, err);

    if (st == RS_OK && !json_is_object(*doc)) {
        json_decref(*doc);
        *doc = NULL;
        st = rs_fail(err, RS_ECORRUPT, "%s: not a JSON object", path);
    }
    return st;
}

rs_status rs_preprocess_load(rs_preprocess *p, const char *path, size_t image_size, rs_err *err)
{
    rs_processor processor = RS_PROCESSOR_CLIP;
    json_t *doc = NULL;
    rs_status st;

    rs_preprocess_clip(p, image_size);
    if (!rs_file_exists(path))
        return RS_OK;
    if ((st = load_object(&doc, path, err)) != RS_OK)
        return st;
    st = read_family(&processor, (rs_json_at){doc, path}, err);
    if (st == RS_OK) {
        set_defaults(p, processor, image_size);
        st = read_fields(p, (rs_json_at){doc, path}, err);
    }
    json_decref(doc);
    return st;
}

/* ---- open_clip's ----------------------------------------------------- */

/* "interpolation" and "resize_mode"; "random" is of training, its evaluation bicubic. */
static rs_status read_modes(rs_preprocess *p, rs_json_at at, rs_err *err)
{
    const char *how = NULL, *mode = NULL, *colours = NULL;
    rs_status st;

    if ((st = rs_json_str(at, "interpolation", "bicubic", &how, err)) != RS_OK ||
        (st = rs_json_str(at, "resize_mode", "shortest", &mode, err)) != RS_OK ||
        (st = rs_json_str(at, "mode", "RGB", &colours, err)) != RS_OK)
        return st;
    if (strcmp(how, "bicubic") != 0 && strcmp(how, "bilinear") != 0 && strcmp(how, "random") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: interpolation: \"%.40s\" is not supported (bicubic, "
                       "bilinear)", at.where, how);
    if (strcmp(mode, "shortest") != 0 && strcmp(mode, "squash") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: resize_mode: \"%.40s\" is not supported (shortest, "
                       "squash)", at.where, mode);
    if (strcmp(colours, "RGB") != 0)
        return rs_fail(err, RS_EFORMAT, "%s: mode: \"%.40s\" is not supported (RGB)", at.where,
                       colours);
    p->resample = strcmp(how, "bilinear") == 0 ? RS_RESAMPLE_BILINEAR : RS_RESAMPLE_BICUBIC;
    p->keep_aspect = p->do_center_crop = strcmp(mode, "shortest") == 0;
    return RS_OK;
}

static rs_status load_open_clip(rs_preprocess *p, const char *path, size_t image_size, rs_err *err)
{
    char where[300];
    rs_json_at at = {NULL, where};
    bool ignored = false;
    json_t *doc = NULL;
    rs_status st = load_object(&doc, path, err);

    if (st != RS_OK)
        return st;
    snprintf(where, sizeof where, "%s: preprocess_cfg", path);
    at.object = json_object_get(doc, "preprocess_cfg");
    set_defaults(p, RS_PROCESSOR_OPEN_CLIP, image_size);
    if (at.object && !json_is_object(at.object))
        st = rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
    if (st == RS_OK && (st = read_modes(p, at, err)) == RS_OK &&
        (st = read_three(at, "mean", -1e6, p->mean, err)) == RS_OK &&
        (st = read_three(at, "std", 1e-6, p->std, err)) == RS_OK)
        st = read_size(at, "size", &p->resize_height, &p->resize_width, &ignored, err);
    p->crop_height = p->resize_height;
    p->crop_width = p->resize_width;
    json_decref(doc);
    return st;
}

rs_status rs_preprocess_open(rs_preprocess *p, const char *folder, rs_processor usual,
                             size_t image_size, rs_err *err)
{
    rs_layout layout;
    char *path = NULL;
    rs_status st = rs_model_layout(&layout, folder, err);

    if (st != RS_OK)
        return st;
    path = rs_path_join(folder, layout == RS_LAYOUT_HF ? "preprocessor_config.json"
                                                       : rs_layout_config(layout));
    if (!path)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    set_defaults(p, usual, image_size);
    if (layout == RS_LAYOUT_OPEN_CLIP)
        st = load_open_clip(p, path, image_size, err);
    else if (rs_file_exists(path))
        st = rs_preprocess_load(p, path, image_size, err);
    rs_free(path);
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

    rs_buf_printf(&b, "{\n  \"image_processor_type\": \"%s\",\n",
                  families[p->processor].whole);
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
