/* model_folder.c - see model_folder.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_folder.h"

#include "base/bytes.h"

#include <limits.h>
#include <stdio.h>

static const struct { const char *config, *weights, *index, *pickle; } layouts[] = {
    [RS_LAYOUT_HF] = {"config.json", "model.safetensors", "model.safetensors.index.json",
                      "pytorch_model.bin"},
    [RS_LAYOUT_OPEN_CLIP] = {"open_clip_config.json", "open_clip_model.safetensors", NULL,
                             "open_clip_pytorch_model.bin"},
};
#define LAYOUTS (sizeof layouts / sizeof *layouts)

static bool has(const char *folder, const char *name)
{
    char path[PATH_MAX];
    const int n = name ? snprintf(path, sizeof path, "%s/%s", folder, name) : -1;

    return n > 0 && (size_t)n < sizeof path && rs_file_exists(path);
}

/* weights_only: no code of the file is run. */
static rs_status refuse_pickle(const char *folder, rs_layout l, rs_err *err)
{
    return rs_fail(err, RS_EFORMAT, "%s: %s is a pickle, which may run code. Convert it there: "
                   "python3 -c \"import torch,safetensors.torch as s;"
                   "s.save_file({k:v.clone().contiguous() for k,v in torch.load('%s',"
                   "weights_only=True).items()},'%s')\"", folder, layouts[l].pickle,
                   layouts[l].pickle, layouts[l].weights);
}

rs_status rs_model_layout(rs_layout *out, const char *folder, rs_err *err)
{
    for (rs_layout l = 0; l < LAYOUTS; l++)
        if (has(folder, layouts[l].config) &&
            (has(folder, layouts[l].weights) || has(folder, layouts[l].index))) {
            *out = l;
            return RS_OK;
        }
    for (rs_layout l = 0; l < LAYOUTS; l++)
        if (has(folder, layouts[l].pickle) && has(folder, layouts[l].config))
            return refuse_pickle(folder, l, err);
    *out = !has(folder, layouts[RS_LAYOUT_HF].config) &&
           has(folder, layouts[RS_LAYOUT_OPEN_CLIP].config)
         ? RS_LAYOUT_OPEN_CLIP : RS_LAYOUT_HF;
    return RS_OK;                       /* what is missing is told by who opens it */
}

rs_status rs_model_tensors(rs_tensors **out, const char *folder, rs_err *err)
{
    rs_layout layout;
    char path[PATH_MAX];
    rs_status st = rs_model_layout(&layout, folder, err);

    *out = NULL;
    if (st != RS_OK)
        return st;
    if (layout == RS_LAYOUT_HF)
        return rs_tensors_open_model(out, folder, err);
    snprintf(path, sizeof path, "%s/%s", folder, layouts[layout].weights);
    return rs_tensors_open(out, path, err);
}

rs_layout rs_layout_of(const rs_dual_config *c)
{
    return c->vision.kind == RS_TOWER_CLIP || c->vision.kind == RS_TOWER_SIGLIP
         ? RS_LAYOUT_HF : RS_LAYOUT_OPEN_CLIP;
}

const char *rs_layout_config(rs_layout l)
{
    return layouts[l].config;
}

const char *rs_layout_weights(rs_layout l)
{
    return layouts[l].weights;
}
