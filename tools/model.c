/* model.c - see model.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool rs_program_path(char out[RS_PROGRAM_PATH])
{
    ssize_t n = readlink("/proc/self/exe", out, RS_PROGRAM_PATH - 1);

    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* PREFIX/share/radscout/NAME of the running PREFIX/bin/radscout, wherever it was put;
 * false where that cannot be told. */
static bool beside_program(const char *name, char out[], size_t size)
{
    char program[RS_PROGRAM_PATH], *slash;
    int len;

    if (!rs_program_path(program) || !(slash = strrchr(program, '/')))
        return false;
    *slash = '\0';
    len = snprintf(out, size, "%s/" RADSCOUT_RELATIVE_DATADIR "/%s", program, name);
    return len > 0 && (size_t)len < size;
}

const char *rs_data_folder(const char *name)
{
    static char place[4096 + 64];
    static const char *const above[] = {RADSCOUT_SOURCE_DATADIR, RADSCOUT_DATADIR};

    if (beside_program(name, place, sizeof place) && rs_is_folder(place))
        return place;
    for (size_t i = 0; i < sizeof above / sizeof *above; i++) {
        int len = snprintf(place, sizeof place, "%s/%s", above[i], name);
        if (len > 0 && (size_t)len < sizeof place && rs_is_folder(place))
            return place;
    }
    return NULL;
}

const char *rs_model_default(void)
{
    static char place[4096 + 64];
    const char *folder = rs_data_folder("models/scout-mini");

    if (folder)
        snprintf(place, sizeof place, "%s", folder);
    return folder ? place : NULL;
}

/* An absolute path, so that a search from another folder finds the model again. */
static const char *absolute(rs_cli *c, const char *folder)
{
    char *real = realpath(folder, NULL);
    const char *kept = rs_arena_strdup(rs_cli_arena(c), real ? real : folder);

    free(real);
    return kept;
}

/* Whether `e` is what the archive's vectors come from; if not, how to get at it. */
static rs_status check_model(const rs_encoder *e, const rs_archive *a, const char *path, rs_err *err)
{
    const rs_encoder_identity *known = a ? rs_archive_encoder(a) : NULL;

    if (!known || strcmp(known->id, rs_encoder_id(e)) == 0)
        return RS_OK;
    if (known->folder && *known->folder && !rs_is_folder(known->folder))
        return rs_fail(err, RS_EMISMATCH, "archive %s was made with the model %s of %s, which is no "
                       "longer there, and %s is another; say with --model where it is now",
                       rs_archive_folder(a), known->name, known->folder, path);
    return rs_fail(err, RS_EMISMATCH, "archive %s was made with the model %s (%.12s) of %s; %s (%.12s) "
                   "is another. Use that one, or another archive", rs_archive_folder(a), known->name,
                   known->id, known->folder, path, rs_encoder_id(e));
}

rs_status rs_model_open(rs_encoder **out, rs_cli *c, const rs_archive *a, const char **folder,
                        rs_err *err)
{
    const rs_encoder_identity *known = a ? rs_archive_encoder(a) : NULL;
    const char *path = rs_cli_value(c, "model", NULL);
    rs_precision precision;
    rs_status st;

    *out = NULL;
    if (!path && known && known->folder && rs_is_folder(known->folder))
        path = known->folder;
    if (!path)
        path = getenv("RADSCOUT_MODEL");
    if (!path)
        path = rs_model_default();
    if (!path)
        return rs_fail(err, RS_ENOENT, "no model: scout-mini is not installed; "
                       "name a model folder with --model");
    if (folder && !(*folder = absolute(c, path)))
        return rs_fail(err, RS_ENOMEM, "model %s: no memory", path);
    if (!rs_is_folder(path))
        return rs_fail(err, RS_ENOENT, "model %s: there is no such folder", path);
    if (!rs_precision_parse(&precision, rs_cli_value(c, "precision", "auto")))
        return rs_fail(err, RS_EARG, "--precision wants f32, bf16, int8 or auto");
    if ((st = rs_encoder_open_as(out, path, precision, err)) != RS_OK)
        return rs_wrap(err, st, "model %s", path);
    if ((st = check_model(*out, a, path, err)) != RS_OK) {
        rs_encoder_close(*out);
        *out = NULL;
    }
    return st;
}

rs_status rs_cli_archive(rs_archive **out, const char *folder, rs_err *err)
{
    rs_status st = rs_archive_open(out, folder, RS_ARCHIVE_READ, err);

    if (st == RS_ENOENT)
        return rs_fail(err, st, "there is no archive %s; radscout index %s SOURCE makes it",
                       folder, folder);
    return st;
}

rs_status rs_cli_archive_write(rs_archive **out, const char *folder, rs_err *err)
{
    rs_archive *there = NULL;
    rs_status st = rs_cli_archive(&there, folder, err);      /* one that is not there is not made */

    *out = NULL;
    rs_archive_close(there);
    return st == RS_OK ? rs_archive_open_writer(out, folder, RS_CLI_WRITER_WAIT_S, err)
                       : st;
}

bool rs_model_precision(rs_precision *out, const rs_cli *c)
{
    const char *name = rs_cli_value(c, "precision", "auto");

    if (rs_precision_parse(out, name))
        return true;
    rs_cli_usage(c, "--precision wants f32, bf16, int8 or auto, not '%s'", name);
    return false;
}

bool rs_model_pool(rs_pool **out, const rs_cli *c, int *exit_code)
{
    rs_precision precision;
    long long threads;
    rs_err err = {0};

    *out = NULL;
    *exit_code = RS_EXIT_USAGE;
    if (!rs_model_precision(&precision, c) || !rs_cli_number(c, "threads", 1, 1024, 0, &threads))
        return false;
    if (rs_pool_new(out, (size_t)threads, &err) == RS_OK)
        return true;
    *exit_code = rs_cli_fail(c, &err);
    return false;
}
