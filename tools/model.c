/* model.c - see model.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "base/bytes.h"

#include <stdlib.h>

const char *rs_model_default(void)
{
    static const char *const places[] = {
        RADSCOUT_SOURCE_DATADIR "/models/scout-mini",
        RADSCOUT_DATADIR "/models/scout-mini",
    };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (rs_is_folder(places[i]))
            return places[i];
    return NULL;
}

/* An absolute path, so that a search from another folder finds the model again. */
static const char *absolute(rs_cli *c, const char *folder)
{
    char *real = realpath(folder, NULL);
    const char *kept = rs_arena_strdup(rs_cli_arena(c), real ? real : folder);

    free(real);
    return kept;
}

rs_status rs_model_open(rs_encoder **out, rs_cli *c, const rs_archive *a, const char **folder,
                        rs_err *err)
{
    const rs_encoder_identity *known = a ? rs_archive_encoder(a) : NULL;
    const char *path = rs_cli_value(c, "model", getenv("RADSCOUT_MODEL"));
    rs_status st;

    *out = NULL;
    if (!path && known && known->folder && rs_is_folder(known->folder))
        path = known->folder;
    if (!path)
        path = rs_model_default();
    if (!path)
        return rs_fail(err, RS_ENOENT, "no model: scout-mini is not installed; "
                       "name a CLIP model folder with --model");
    if (folder)
        *folder = absolute(c, path);
    st = rs_encoder_open(out, path, err);
    return st == RS_OK ? st : rs_wrap(err, st, "model %s", path);
}

bool rs_model_pool(rs_pool **out, const rs_cli *c, int *exit_code)
{
    long long threads;
    rs_err err = {0};

    *out = NULL;
    *exit_code = RS_EXIT_USAGE;
    if (!rs_cli_number(c, "threads", 1, 1024, 0, &threads))
        return false;
    if (rs_pool_new(out, (size_t)threads, &err) == RS_OK)
        return true;
    *exit_code = rs_cli_fail(c, &err);
    return false;
}
