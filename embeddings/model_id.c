/* model_id.c - see model_id.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_id.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "embeddings/dual_int.h"
#include "embeddings/model_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Beside the config and the weights; NULL ends a list. */
static const char *const hf_files[] = {
    "merges.txt", "preprocessor_config.json", "tokenizer.json", "vocab.json", NULL,
};
static const char *const open_clip_files[] = {"merges.txt", "tokenizer.json", "vocab.json", NULL};
/* Of tokenizers that are read from these, see model_id.h. */
static const char *const bare_files[] = {
    "spiece.model", "tokenizer_config.json", "vocab.txt", NULL,
};

typedef struct {
    char **name;
    size_t n, cap;
    rs_layout layout;
    bool   one_file, bare;             /* the weights; the tokenizer */
    bool   config, weights;            /* met */
} files;

static bool is_in(const char *const *list, const char *name)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

static bool is_weights(const files *f, const char *name)
{
    static const char tail[] = ".safetensors";
    size_t n = strlen(name), k = sizeof tail - 1;

    if (f->one_file || f->layout != RS_LAYOUT_HF)
        return strcmp(name, rs_layout_weights(f->layout)) == 0;
    return n > k && strcmp(name + n - k, tail) == 0;
}

/* Whether `name` counts; notes in `f` what has been met. */
static bool counts(files *f, const char *name)
{
    const bool hf = f->layout == RS_LAYOUT_HF;

    if (is_weights(f, name))
        return f->weights = true;
    if (strcmp(name, rs_layout_config(f->layout)) == 0)
        return f->config = true;
    if (hf && !f->one_file && strcmp(name, "model.safetensors.index.json") == 0)
        return true;
    return is_in(hf ? hf_files : open_clip_files, name) || (f->bare && is_in(bare_files, name));
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

static rs_status list(files *f, const char *folder, rs_err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    rs_status st = RS_OK;

    if (!dir)
        return rs_fail_errno(err, "open %s", folder);
    for (errno = 0; st == RS_OK && (entry = readdir(dir)); errno = 0)
        if (counts(f, entry->d_name))
            st = keep(f, entry->d_name, folder, err);
    if (st == RS_OK && errno)
        st = rs_fail_errno(err, "read %s", folder);
    closedir(dir);
    if (st == RS_OK && !f->config)
        st = rs_fail(err, RS_ENOENT, "%s: no %s there", folder, rs_layout_config(f->layout));
    if (st == RS_OK && !f->weights)
        st = rs_fail(err, RS_ENOENT, "%s: no %s there", folder, rs_layout_weights(f->layout));
    if (st == RS_OK)
        qsort(f->name, f->n, sizeof *f->name, by_name);
    return st;
}

/* What of the folder decides which of its files count. */
static rs_status look(files *f, const char *folder, rs_err *err)
{
    char *weights = rs_path_join(folder, "model.safetensors");
    char *vocab = rs_path_join(folder, "vocab.json");
    char *tokenizer = rs_path_join(folder, "tokenizer.json");
    char *pieces = rs_path_join(folder, "spiece.model");
    rs_status st = weights && vocab && tokenizer && pieces
                 ? rs_model_layout(&f->layout, folder, err)
                 : rs_fail(err, RS_ENOMEM, "%s: no memory", folder);

    if (st == RS_OK) {
        f->one_file = rs_file_exists(weights);
        f->bare = !rs_file_exists(vocab) && (!rs_file_exists(tokenizer) || rs_file_exists(pieces));
    }
    rs_free(weights);
    rs_free(vocab);
    rs_free(tokenizer);
    rs_free(pieces);
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

/* Is `id` 64 hexadecimal digits? */
static bool is_id(const char *id)
{
    return strlen(id) == RS_SHA256_HEX - 1 &&
           strspn(id, "0123456789abcdef") == RS_SHA256_HEX - 1;
}

/* The original that quantised weights name, into hex; without one hex stays "". What is
 * wrong with the weights as such is told by whoever opens them. */
static rs_status original(char hex[RS_SHA256_HEX], const char *folder, rs_err *err)
{
    rs_tensors *t = NULL;
    rs_err ignored;
    rs_status st = rs_model_tensors(&t, folder, &ignored);
    const char *id = st == RS_OK ? rs_tensors_metadata(t, RS_ORIGINAL_KEY) : NULL;

    st = st == RS_ENOMEM ? rs_fail(err, st, "%s: no memory", folder) : RS_OK;
    if (id && is_id(id))
        memcpy(hex, id, RS_SHA256_HEX);
    else if (id)
        st = rs_fail(err, RS_ECORRUPT, "%s: " RS_ORIGINAL_KEY " of the weights is no identity", folder);
    rs_tensors_close(t);
    return st;
}

rs_status rs_model_id(char hex[RS_SHA256_HEX], const char *folder, rs_err *err)
{
    char digest[RS_SHA256_HEX];
    rs_sha256 *h = rs_sha256_new();
    files f = {0};
    rs_status st;

    hex[0] = '\0';
    if ((st = original(hex, folder, err)) != RS_OK || hex[0]) {
        if (h)
            rs_sha256_end(h, digest);
        return st;
    }
    if (!h)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    else if ((st = look(&f, folder, err)) == RS_OK)
        st = list(&f, folder, err);
    for (size_t i = 0; i < f.n && st == RS_OK; i++)
        st = add_file(h, folder, f.name[i], err);
    if (h)
        rs_sha256_end(h, digest);
    if (st == RS_OK)
        memcpy(hex, digest, sizeof digest);
    clear(&f);
    return st;
}
