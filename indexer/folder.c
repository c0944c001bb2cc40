/* folder.c - a folder as a source: every PNG and JPEG below it with sidecar texts. The
 * walk is sorted by path, follows no links to folders, and skips hidden names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/source_int.h"

#include "base/alloc.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64, MAX_TEXT = 4 << 20 };
static const char REPORT[] = "report.txt";

/* What one case is made of: names within the folder, all in folder.mem. */
typedef struct {
    const char *key;             /* path without ending, or the folder's path */
    const char *name;            /* the whole path: no two entries have the same */
    const char *text;            /* sidecar's path, or NULL */
    const char *problem;         /* a folder that cannot be read, and why */
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

static char *stem(rs_arena *mem, const char *path)
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

/* Grow `list` in `mem`; NULL on OOM. */
static const char **one_more(const char **list, size_t n, size_t *cap, rs_arena *mem)
{
    const char **more;

    if (n < *cap)
        return list;
    more = rs_new(mem, const char *, *cap ? 2 * *cap : 64);
    if (more && n)
        memcpy(more, list, n * sizeof *more);
    *cap = *cap ? 2 * *cap : 64;
    return more;
}

/* The names in root/inside, sorted; those of folders end in '/'. RS_ENOMEM, or what
 * opendir says of a folder that may not be read. */
static rs_status list_names(folder *f, const char *inside, rs_arena *mem, const char ***names,
                            size_t *n, rs_err *err)
{
    const char *path = *inside ? rs_arena_sprintf(mem, "%s/%s", f->root, inside) : f->root;
    DIR *d = path ? opendir(path) : NULL;
    size_t cap = 0;
    struct dirent *e;
    const char **list = NULL;
    bool room = true;

    *names = NULL;
    *n = 0;
    if (!d)
        return path ? rs_fail_errno(err, "open folder %s", path)
                    : rs_fail(err, RS_ENOMEM, "open folder %s: no memory", inside);
    while (room && (e = readdir(d)) != NULL) {
        const char *name, *full;
        struct stat sb;
        if (e->d_name[0] == '.')
            continue;
        name = rs_arena_sprintf(mem, "%s%s%s", inside, *inside ? "/" : "", e->d_name);
        full = name ? rs_arena_sprintf(mem, "%s/%s", f->root, name) : NULL;
        room = full && (list = one_more(list, *n, &cap, mem)) != NULL;
        if (!room || lstat(full, &sb) != 0 ||
            (S_ISLNK(sb.st_mode) && (stat(full, &sb) != 0 || S_ISDIR(sb.st_mode))))
            continue;
        list[(*n)++] = S_ISDIR(sb.st_mode) ? rs_arena_sprintf(mem, "%s/", name) : name;
        room = list[*n - 1] != NULL;
    }
    closedir(d);
    if (!room)
        return rs_fail(err, RS_ENOMEM, "open folder %s: no memory", path);
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

/* A folder with report.txt: one case of all its images. */
static bool take_folder_case(folder *f, const char *inside, const char *const *names, size_t n,
                             const char *report)
{
    entry *e = add_entry(f);

    if (!e)
        return false;
    e->key = rs_arena_strdup(&f->mem, *inside ? inside : base_name(f->root));
    e->name = rs_arena_sprintf(&f->mem, "%s/", e->key ? e->key : "");
    e->text = rs_arena_strdup(&f->mem, report);
    e->images = rs_new(&f->mem, const char *, n);
    for (size_t i = 0; e->images && i < n; i++)
        if (is_image(names[i]) && !(e->images[e->n_images++] = rs_arena_strdup(&f->mem, names[i])))
            return false;
    return e->key && e->name && e->text && e->images;
}

/* A folder that is passed over, and why. */
static bool take_problem(folder *f, const char *inside, const char *why)
{
    entry *e = add_entry(f);

    if (!e)
        return false;
    e->name = rs_arena_sprintf(&f->mem, "%s/", inside);
    e->problem = rs_arena_strdup(&f->mem, why);
    return e->name && e->problem;
}

/* ---- Images and their texts ------------------------------------------ */

/* A file to be paired: those of one stem stand together, images before texts. */
typedef struct {
    const char *stem;            /* lower case */
    const char *name;
    bool text;
} paired;

static int by_stem(const void *a, const void *b)
{
    const paired *p = a, *q = b;
    int order = strcmp(p->stem, q->stem);

    if (order == 0)
        order = (int)p->text - (int)q->text;
    return order ? order : strcmp(p->name, q->name);
}

/* *out is NULL on OOM. */
static size_t list_pairs(const char *const *names, size_t n, rs_arena *mem, paired **out)
{
    paired *list = rs_new(mem, paired, n);
    size_t count = 0;

    *out = NULL;
    for (size_t i = 0; list && i < n; i++) {
        char *low;
        if (!is_image(names[i]) && !is_text(names[i]))
            continue;
        if (!(low = stem(mem, names[i])))
            return 0;
        list[count++] = (paired){low, names[i], is_text(names[i])};
        for (; *low; low++)
            *low = (char)tolower((unsigned char)*low);
    }
    *out = list;
    if (count)
        qsort(list, count, sizeof *list, by_stem);
    return count;
}

/* `image` or `text` may be NULL, not both. */
static bool take_single(folder *f, const char *image, const char *text)
{
    entry *e = add_entry(f);

    if (!e)
        return false;
    e->name = rs_arena_strdup(&f->mem, image ? image : text);
    e->key = e->name ? stem(&f->mem, e->name) : NULL;
    e->images = rs_new(&f->mem, const char *, 1);
    if (!e->key || !e->images)
        return false;
    if (image)
        e->images[e->n_images++] = e->name;
    e->text = text ? rs_arena_strdup(&f->mem, text) : NULL;
    return !text || e->text;
}

/* Each image, or text without one, is a case of its own. */
static bool take_single_cases(folder *f, const char *const *names, size_t n, rs_arena *mem)
{
    paired *list;
    size_t count = list_pairs(names, n, mem, &list), next;

    for (size_t i = 0; list && i < count; i = next) {
        size_t texts = i;
        while (texts < count && !list[texts].text && strcmp(list[texts].stem, list[i].stem) == 0)
            texts++;
        for (next = texts; next < count && strcmp(list[next].stem, list[i].stem) == 0;)
            next++;
        for (size_t k = i; k < texts; k++)
            if (!take_single(f, list[k].name, texts < next ? list[texts].name : NULL))
                return false;
        for (size_t k = texts; texts == i && k < next; k++)
            if (!take_single(f, NULL, list[k].name))
                return false;
    }
    return list != NULL;
}

static rs_status walk(folder *f, const char *inside, int depth, rs_err *err)
{
    rs_arena mem = {0};
    rs_err why = {0};
    const char **names = NULL, *report = NULL;
    size_t n = 0;
    rs_status st = depth > MAX_DEPTH
        ? rs_fail(&why, RS_ELIMIT, "folders nested deeper than %d are not read", MAX_DEPTH)
        : list_names(f, inside, &mem, &names, &n, depth ? &why : err);

    if (st != RS_OK && st != RS_ENOMEM && depth > 0) {
        bool kept = take_problem(f, inside, why.msg);
        rs_arena_clear(&mem);
        return kept ? RS_OK : rs_fail(err, RS_ENOMEM, "read folder %s: no memory", f->root);
    }
    if (st != RS_OK) {
        rs_arena_clear(&mem);
        return depth ? rs_fail(err, st, "%s", why.msg) : st;
    }
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(base_name(names[i]), REPORT) == 0)
            report = names[i];
    if (n && !(report ? take_folder_case(f, inside, names, n, report)
                      : take_single_cases(f, names, n, &mem)))
        st = rs_fail(err, RS_ENOMEM, "read folder %s: no memory", f->root);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        size_t len = strlen(names[i]);
        const char *below;
        if (names[i][len - 1] != '/')
            continue;
        below = rs_arena_strndup(&mem, names[i], len - 1);
        st = below ? walk(f, below, depth + 1, err)
                   : rs_fail(err, RS_ENOMEM, "read folder %s: no memory", f->root);
    }
    rs_arena_clear(&mem);
    return st;
}

/* ---- Keys ------------------------------------------------------------ */

static int by_key(const void *a, const void *b)
{
    const entry *const *p = a, *const *q = b;
    return strcmp((*p)->key, (*q)->key);
}

/* Where entries share a key (a.png and a.jpg), each takes its whole name instead; again,
 * until no two are the same. Names differ, so this ends. */
static bool part_keys(folder *f)
{
    entry **list = rs_calloc(f->n + 1, sizeof *list);
    bool again = list != NULL;

    while (again) {
        size_t n = 0, next;
        again = false;
        for (size_t i = 0; i < f->n; i++)
            if (f->entries[i].key)
                list[n++] = &f->entries[i];
        qsort(list, n, sizeof *list, by_key);
        for (size_t i = 0; i < n; i = next) {
            for (next = i + 1; next < n && by_key(&list[i], &list[next]) == 0;)
                next++;
            for (size_t k = i; next - i > 1 && k < next; k++) {
                again = again || list[k]->key != list[k]->name;
                list[k]->key = list[k]->name;
            }
        }
    }
    rs_free(list);
    return list != NULL;
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
    if (st == RS_OK && !part_keys(f))
        st = rs_fail(err, RS_ENOMEM, "open %s: no memory", path);
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
        return rs_fail(err, RS_ENOMEM, "%s: no memory", e->name);
    if (e->problem) {
        out->item = e->name;
        out->problem = e->problem;
        return RS_OK;
    }
    for (size_t k = 0; k < e->n_images; k++) {
        images[k] = (rs_source_image){.path = rs_arena_sprintf(mem, "%s/%s", f->root, e->images[k]),
                                      .given = e->images[k]};
        if (!images[k].path)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", e->name);
    }
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
            return out->problem ? RS_OK : rs_fail(err, RS_ENOMEM, "%s: no memory", e->text);
        }
        for (size_t k = 0; k < len; k++)
            if (text[k] == '\0')
                text[k] = ' ';
        out->report = rs_arena_strndup(mem, text, len);
        rs_free(text);
        if (!out->report)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", e->text);
    }
    return RS_OK;
}

const rs_source_kind rs_source_folder = {folder_count, folder_get, folder_close};
