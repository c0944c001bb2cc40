/* model_id.c - see model_id.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_id.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char *const always[] = {
    "config.json", "merges.txt", "preprocessor_config.json", "tokenizer.json", "vocab.json",
};

typedef struct {
    char **name;
    size_t n, cap;
    bool   config, weights;
} files;

static bool is_weights(const char *name, bool one_file)
{
    static const char tail[] = ".safetensors";
    size_t n = strlen(name), k = sizeof tail - 1;

    if (one_file)
        return strcmp(name, "model.safetensors") == 0;
    return n > k && strcmp(name + n - k, tail) == 0;
}

/* Whether `name` counts; notes in `f` what has been met. */
static bool counts(files *f, const char *name, bool one_file)
{
    if (is_weights(name, one_file))
        return f->weights = true;
    if (!one_file && strcmp(name, "model.safetensors.index.json") == 0)
        return true;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (strcmp(name, always[i]) == 0) {
            f->config |= i == 0;
            return true;
        }
    return false;
}

static rs_status keep(files *f, const char *name, const char *folder, rs_err *err)
{
    char *copy = rs_strdup(name);
    char **grown = f->name;

    if (copy && f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        grown = rs_realloc(f->name, f->cap, sizeof *grown);
    }
    if (!copy || !grown) {
        rs_free(copy);
        return rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    }
    f->name = grown;
    f->name[f->n++] = copy;
    return RS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static rs_status list(files *f, const char *folder, bool one_file, rs_err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    rs_status st = RS_OK;

    if (!dir)
        return rs_fail_errno(err, "open %s", folder);
    for (errno = 0; st == RS_OK && (entry = readdir(dir)); errno = 0)
        if (counts(f, entry->d_name, one_file))
            st = keep(f, entry->d_name, folder, err);
    if (st == RS_OK && errno)
        st = rs_fail_errno(err, "read %s", folder);
    closedir(dir);
    if (st == RS_OK && !f->config)
        st = rs_fail(err, RS_ENOENT, "%s: no config.json there", folder);
    if (st == RS_OK && !f->weights)
        st = rs_fail(err, RS_ENOENT, "%s: no model.safetensors there", folder);
    if (st == RS_OK)
        qsort(f->name, f->n, sizeof *f->name, by_name);
    return st;
}

static rs_status add_file(rs_sha256 *h, const char *folder, const char *name, rs_err *err)
{
    char *path = rs_path_join(folder, name);
    unsigned char size[8];
    rs_map m;
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    st = rs_map_open(&m, path, err);
    rs_free(path);
    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < sizeof size; i++)
        size[i] = (unsigned char)((uint64_t)m.len >> (8 * i));
    rs_sha256_add(h, name, strlen(name) + 1);
    rs_sha256_add(h, size, sizeof size);
    rs_sha256_add(h, m.data, m.len);
    rs_map_close(&m);
    return RS_OK;
}

static void clear(files *f)
{
    for (size_t i = 0; i < f->n; i++)
        rs_free(f->name[i]);
    rs_free(f->name);
}

rs_status rs_model_id(char hex[RS_SHA256_HEX], const char *folder, rs_err *err)
{
    char *weights = rs_path_join(folder, "model.safetensors");
    char digest[RS_SHA256_HEX];
    rs_sha256 *h = rs_sha256_new();
    files f = {0};
    rs_status st;

    hex[0] = '\0';
    if (!weights || !h)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    else
        st = list(&f, folder, rs_file_exists(weights), err);
    for (size_t i = 0; i < f.n && st == RS_OK; i++)
        st = add_file(h, folder, f.name[i], err);
    if (h)
        rs_sha256_end(h, digest);
    if (st == RS_OK)
        memcpy(hex, digest, sizeof digest);
    clear(&f);
    rs_free(weights);
    return st;
}
