/* export.c - see export.h. The inverse of rows.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/export.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/outfile.h"

#include <string.h>

enum { KEYS_AT_ONCE = 256 };

typedef struct {
    rs_archive *a;
    const char *folder;
    const rs_export_options *o;
    rs_export_report *r;
    rs_outfile *lines;
} exporting;

static void refuse(exporting *x, const char *item, const char *reason)
{
    x->r->refused++;
    if (x->o->refused)
        x->o->refused(x->o->ctx, item, reason);
}

/* ---- Files ------------------------------------------------------------------- */

static rs_status copy_bytes(const char *to, const rs_map *m, rs_err *err)
{
    rs_outfile *f = NULL;
    rs_status st = rs_outfile_open(&f, to, err);

    if (st != RS_OK)
        return st;
    st = rs_outfile_write(f, m->data, m->len, err);
    return rs_outfile_end(f, st, err);
}

/* "images/ab/<sha256>.png", the ending that of the original. */
static char *place_of(const char hex[RS_SHA256_HEX], const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    const bool fit = dot && strlen(dot) <= 6 && strspn(dot + 1, "abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(dot + 1);

    return rs_sprintf("images/%.2s/%s%s", hex, hex, fit ? dot : "");
}

static rs_status put_file(exporting *x, const rs_map *m, const char *place, rs_err *err)
{
    char *to = rs_path_join(x->folder, place), *slash = to ? strrchr(to, '/') : NULL;
    rs_status st;

    if (!to)
        return rs_fail(err, RS_ENOMEM, "export: no memory");
    if (rs_file_exists(to)) {
        rs_free(to);
        return RS_OK;
    }
    *slash = '\0';
    st = rs_mkdirs(to, err);
    *slash = '/';
    if (st == RS_OK && (st = copy_bytes(to, m, err)) == RS_OK)
        x->r->files++;
    rs_free(to);
    return st;
}

/* The image's path in the manifest, in `mem`; NULL where it was refused. */
static rs_status image_path(exporting *x, const rs_case_image *im, rs_arena *mem, const char **out,
                            rs_err *err)
{
    char hex[RS_SHA256_HEX], *place = NULL;
    rs_map m = {0};
    rs_err why = {RS_OK, ""};
    rs_status st;

    *out = NULL;
    if (x->o->links) {
        *out = im->path;
        return RS_OK;
    }
    if ((st = rs_map_open(&m, im->path, &why)) != RS_OK) {
        if (st == RS_ENOMEM)
            return rs_fail(err, st, "%s", why.msg);
        refuse(x, im->path, why.msg);
        return RS_OK;
    }
    if ((st = rs_sha256_of(hex, m.data ? (const void *)m.data : "", m.len, err)) == RS_OK &&
        !(place = place_of(hex, im->path)))
        st = rs_fail(err, RS_ENOMEM, "export: no memory");
    if (st == RS_OK)
        st = put_file(x, &m, place, err);
    if (st == RS_OK && !(*out = rs_arena_strdup(mem, place)))
        st = rs_fail(err, RS_ENOMEM, "export: no memory");
    rs_map_close(&m);
    rs_free(place);
    return st;
}

/* ---- A case as a row ------------------------------------------------------------ */

static void set(json_t *row, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(row, name, json_string(text));
}

/* What the source said beside, under names that mean nothing else. */
static void set_attributes(json_t *row, const char *attributes)
{
    json_t *o = NULL;

    if (attributes && rs_json_parse(&o, attributes, strlen(attributes), "attributes", NULL) == RS_OK)
        json_object_update_missing(row, o);
    json_decref(o);
}

static rs_status set_images(exporting *x, json_t *row, const rs_case *c, rs_arena *mem, rs_err *err)
{
    json_t *images = json_array(), *views = json_array();
    bool own = false;
    rs_status st = RS_OK;

    for (size_t i = 0; i < c->n_images && st == RS_OK; i++) {
        const char *path, *view = c->images[i].view;
        st = image_path(x, &c->images[i], mem, &path, err);
        if (!path)
            continue;
        if (json_array_append_new(images, json_string(path)) != 0) {
            refuse(x, path, "a path that is not UTF-8, which JSON cannot hold");
            continue;
        }
        json_array_append_new(views, view ? json_string(view) : json_null());
        own |= view != NULL;
        x->r->images++;
    }
    if (json_array_size(images))
        json_object_set(row, "images", images);
    if (own)
        json_object_set(row, "view", views);
    else
        set(row, "view", c->view);
    json_decref(images);
    json_decref(views);
    return st;
}

static json_t *row_of(const rs_case *c)
{
    const struct { const char *name, *text; } fields[] = {
        {"title", c->title}, {"modality", c->modality}, {"body_part", c->body_part}, {"sex", c->sex},
        {"patient", c->patient}, {"collection", c->collection}, {"report", c->report},
        {"study_date", c->study_date},
        {"tier", c->tier != RS_TIER_UNKNOWN ? rs_tier_name(c->tier) : NULL},
    };
    json_t *row = json_object(), *labels = json_array();

    json_object_set_new(row, "case_id", json_string(c->key));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        set(row, fields[i].name, fields[i].text);
    if (c->age_years >= 0)
        json_object_set_new(row, "age", json_real(c->age_years));
    for (size_t i = 0; i < c->n_findings; i++)
        json_array_append_new(labels, json_string(c->findings[i]));
    if (json_array_size(labels))
        json_object_set(row, "labels", labels);
    json_decref(labels);
    return row;
}

static rs_status write_row(exporting *x, json_t *row, rs_err *err)
{
    char *text = rs_json_text(row);
    rs_status st;

    if (!text)
        return rs_fail(err, RS_ENOMEM, "export: no memory");
    st = rs_outfile_write(x->lines, text, strlen(text), err);
    if (st == RS_OK)
        st = rs_outfile_write(x->lines, "\n", 1, err);
    rs_free(text);
    return st;
}

static rs_status export_case(exporting *x, const char *key, rs_arena *mem, rs_err *err)
{
    rs_case *c;
    rs_status st = rs_archive_get(x->a, key, mem, &c, err);
    json_t *row;

    if (st == RS_ENOENT)               /* removed since its key was read */
        return RS_OK;
    if (st != RS_OK)
        return st;
    row = row_of(c);
    if (!row || !json_object_get(row, "case_id")) {
        json_decref(row);
        refuse(x, key, "a key that is not UTF-8, which JSON cannot hold");
        return RS_OK;
    }
    if ((st = set_images(x, row, c, mem, err)) == RS_OK) {
        set_attributes(row, c->attributes);
        st = write_row(x, row, err);
        x->r->cases += st == RS_OK;
    }
    json_decref(row);
    return st;
}

/* ---- All --------------------------------------------------------------------------- */

static rs_status export_all(exporting *x, rs_err *err)
{
    char *after = NULL;
    size_t n = KEYS_AT_ONCE;
    rs_status st = RS_OK;

    while (st == RS_OK && n == KEYS_AT_ONCE) {
        rs_arena mem = {0};
        const char **keys;
        st = rs_archive_keys(x->a, NULL, after, KEYS_AT_ONCE, &mem, &keys, &n, err);
        for (size_t i = 0; st == RS_OK && i < n; i++) {
            rs_arena of_case = {0};
            st = export_case(x, keys[i], &of_case, err);
            rs_arena_clear(&of_case);
            rs_progress_add(x->o->progress, 1);
        }
        rs_free(after);
        after = st == RS_OK && n ? rs_strdup(keys[n - 1]) : NULL;
        if (st == RS_OK && n && !after)
            st = rs_fail(err, RS_ENOMEM, "export: no memory");
        rs_arena_clear(&mem);
    }
    rs_free(after);
    return st;
}

rs_status rs_export(rs_archive *a, const char *folder, const rs_export_options *o,
                    rs_export_report *out, rs_err *err)
{
    exporting x = {.a = a, .folder = folder, .o = o, .r = out};
    char *path = rs_path_join(folder, "cases.jsonl");
    rs_status st;

    *out = (rs_export_report){0};
    if (!path)
        return rs_fail(err, RS_ENOMEM, "export: no memory");
    if (rs_file_exists(path))
        st = rs_fail(err, RS_EARG, "export: %s is there already; name a new folder", path);
    else if ((st = rs_mkdirs(folder, err)) == RS_OK &&
             (st = rs_outfile_open(&x.lines, path, err)) == RS_OK) {
        st = export_all(&x, err);
        st = rs_outfile_end(x.lines, st, err);
    }
    rs_free(path);
    return st;
}
