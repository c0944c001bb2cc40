/* folder.c - a folder as a source: every PNG and JPEG below it with sidecar texts. The
 * walk is sorted by path, follows no links to folders, and skips hidden names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/source_int.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64, MAX_TEXT = 4 << 20 };
static const char REPORT[] = "report.txt";

/* What one case is made of: names within the folder, all owned by names_mem. */
typedef struct {
    const char *key;             /* path without ending, or the folder's path */
    const char *text;            /* sidecar's path, or NULL */
    const char **images;
    size_t n_images;
} entry;

typedef struct {
    char *root;
    rs_arena mem;
    entry *entries;
    size_t n, cap;
} folder;

/* ---- Walk ------------------------------------------------------------ */

static bool has_ending(const char *name, const char *const *endings)
{
    const char *dot = strrchr(name, '.');

    for (; dot && *endings; endings++)
        if (strcasecmp(dot, *endings) == 0)
            return true;
    return false;
}

static bool is_image(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", NULL};
    return has_ending(name, endings);
}

static bool is_text(const char *name)
{
    static const char *const endings[] = {".txt", NULL};
    return has_ending(name, endings);
}

static const char *stem(rs_arena *mem, const char *path)
{
    return rs_arena_strndup(mem, path, (size_t)(strrchr(path, '.') - path));
}

static entry *add_entry(folder *f)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 256;
        entry *more = rs_realloc(f->entries, cap, sizeof *more);
        if (!more)
            return NULL;
        f->entries = more;
        f->cap = cap;
    }
    f->entries[f->n] = (entry){0};
    return &f->entries[f->n++];
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in root/inside, sorted; those of folders end in '/'. RS_OK or RS_ENOMEM;
 * a folder that may not be read is an error that names it. */
static rs_status list_names(folder *f, const char *inside, rs_arena *mem, const char ***names,
                            size_t *n, rs_err *err)
{
    const char *path = *inside ? rs_arena_sprintf(mem, "%s/%s", f->root, inside) : f->root;
    DIR *d = path ? opendir(path) : NULL;
    size_t cap = 0;
    struct dirent *e;
    const char **list = NULL;

    *names = NULL;
    *n = 0;
    if (!d)
        return rs_fail_errno(err, "open folder %s", path ? path : inside);
    while ((e = readdir(d)) != NULL) {
        const char *name = rs_arena_sprintf(mem, "%s%s%s", inside, *inside ? "/" : "", e->d_name);
        const char *full = name ? rs_arena_sprintf(mem, "%s/%s", f->root, name) : NULL;
        struct stat sb;
        if (e->d_name[0] == '.' || !full || lstat(full, &sb) != 0)
            continue;
        if (S_ISLNK(sb.st_mode) && (stat(full, &sb) != 0 || S_ISDIR(sb.st_mode)))
            continue;
        if (*n == cap) {
            const char **more = rs_new(mem, const char *, cap ? 2 * cap : 64);
            if (!more)
                break;
            if (cap)
                memcpy(more, list, cap * sizeof *more);
            list = more;
            cap = cap ? 2 * cap : 64;
        }
        list[(*n)++] = S_ISDIR(sb.st_mode) ? rs_arena_sprintf(mem, "%s/", name) : name;
    }
    closedir(d);
    if (*n)
        qsort(list, *n, sizeof *list, by_text);
    *names = list;
    return RS_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *find_text(const char *const *names, size_t n, const char *image, rs_arena *mem)
{
    const char *want = rs_arena_sprintf(mem, "%s.txt", stem(mem, image));

    for (size_t i = 0; want && i < n; i++)
        if (strcasecmp(names[i], want) == 0)
            return names[i];
    return NULL;
}

/* A folder with report.txt: one case of all its images. */
static bool take_folder_case(folder *f, const char *inside, const char *const *names, size_t n,
                             const char *report)
{
    entry *e = add_entry(f);

    if (!e)
        return false;
    e->key = rs_arena_strdup(&f->mem, *inside ? inside : base_name(f->root));
    e->text = rs_arena_strdup(&f->mem, report);
    e->images = rs_new(&f->mem, const char *, n);
    for (size_t i = 0; e->images && i < n; i++)
        if (is_image(names[i]))
            e->images[e->n_images++] = rs_arena_strdup(&f->mem, names[i]);
    return e->key && e->text && e->images;
}

/* Each image, or text without one, is a case of its own. */
static bool take_single_cases(folder *f, const char *const *names, size_t n, rs_arena *mem)
{
    for (size_t i = 0; i < n; i++) {
        bool image = is_image(names[i]);
        entry *e;
        if (!image && !is_text(names[i]))
            continue;
        if (!image) {                      /* taken with its image, if it has one */
            bool owned = false;
            for (size_t k = 0; k < n && !owned; k++)
                owned = is_image(names[k]) &&
                        strcasecmp(stem(mem, names[k]), stem(mem, names[i])) == 0;
            if (owned)
                continue;
        }
        if (!(e = add_entry(f)))
            return false;
        e->key = stem(&f->mem, names[i]);
        e->images = rs_new(&f->mem, const char *, 1);
        if (!e->key || !e->images)
            return false;
        if (image) {
            const char *text = find_text(names, n, names[i], mem);
            e->images[e->n_images++] = rs_arena_strdup(&f->mem, names[i]);
            e->text = text ? rs_arena_strdup(&f->mem, text) : NULL;
        } else {
            e->text = rs_arena_strdup(&f->mem, names[i]);
        }
    }
    return true;
}

static rs_status walk(folder *f, const char *inside, int depth, rs_err *err)
{
    rs_arena mem = {0};
    const char **names, *report = NULL;
    size_t n;
    rs_status st = list_names(f, inside, &mem, &names, &n, err);

    if (st != RS_OK) {
        rs_arena_clear(&mem);
        return st;
    }
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(base_name(names[i]), REPORT) == 0)
            report = names[i];
    if (!(report ? take_folder_case(f, inside, names, n, report)
                 : take_single_cases(f, names, n, &mem)))
        st = rs_fail(err, RS_ENOMEM, "read folder %s: no memory", f->root);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        size_t len = strlen(names[i]);
        if (names[i][len - 1] != '/')
            continue;
        if (depth == MAX_DEPTH)
            st = rs_fail(err, RS_ELIMIT, "%s/%s: folders nested deeper than %d", f->root, names[i], MAX_DEPTH);
        else
            st = walk(f, rs_arena_strndup(&mem, names[i], len - 1), depth + 1, err);
    }
    rs_arena_clear(&mem);
    return st;
}

/* ---- The kind -------------------------------------------------------- */

static void folder_close(void *self)
{
    folder *f = self;

    if (!f)
        return;
    rs_arena_clear(&f->mem);
    rs_free(f->entries);
    rs_free(f->root);
    rs_free(f);
}

rs_status rs_folder_open(void **out, const char *path, rs_err *err)
{
    rs_status st;
    folder *f = rs_calloc(1, sizeof *f);

    *out = NULL;
    if (!f || !(f->root = rs_strdup(path))) {
        folder_close(f);
        return rs_fail(err, RS_ENOMEM, "open %s: no memory", path);
    }
    st = walk(f, "", 0, err);
    if (st != RS_OK) {
        folder_close(f);
        return st;
    }
    *out = f;
    return RS_OK;
}

static size_t folder_count(const void *self)
{
    return ((const folder *)self)->n;
}

static rs_status folder_get(void *self, size_t i, rs_arena *mem, rs_source_case *out, rs_err *err)
{
    folder *f = self;
    const entry *e = &f->entries[i];
    rs_source_image *images = rs_new(mem, rs_source_image, e->n_images + 1);

    if (!images)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", e->key);
    for (size_t k = 0; k < e->n_images; k++)
        images[k] = (rs_source_image){rs_arena_sprintf(mem, "%s/%s", f->root, e->images[k]),
                                      e->images[k], NULL};
    out->item = e->n_images == 1 ? e->images[0] : e->text ? e->text : e->key;
    out->key = e->key;
    out->images = images;
    out->n_images = e->n_images;
    if (e->text) {
        rs_err why = {0};
        size_t len;
        char *text, *path = rs_path_join(f->root, e->text);
        rs_status st = path ? rs_file_read(&text, &len, path, MAX_TEXT, &why) : RS_ENOMEM;
        rs_free(path);
        if (st == RS_ENOMEM)
            return rs_fail(err, st, "%s: no memory", e->text);
        if (st != RS_OK) {
            out->problem = rs_arena_strdup(mem, why.msg);
            return RS_OK;
        }
        for (size_t k = 0; k < len; k++)
            if (text[k] == '\0')
                text[k] = ' ';
        out->report = rs_arena_strndup(mem, text, len);
        rs_free(text);
    }
    return RS_OK;
}

const rs_source_kind rs_source_folder = {folder_count, folder_get, folder_close};
