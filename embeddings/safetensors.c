/* safetensors.c - the reader of safetensors.h: one shard a file, one list over all.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/safetensors.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/half.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian: swap here");

enum { MAX_INDEX = RS_TENSORS_MAX_HEADER, WHERE = 300, SHAPE_TEXT = 200 };

typedef struct {
    char      *path;
    rs_map     map;                    /* empty where the bytes are the caller's */
    json_t    *header;                 /* owns the names */
    rs_tensor *list;                   /* [n], by name */
    size_t     n;
} shard;

struct rs_tensors {
    shard     *shard;
    size_t     shards;
    rs_tensor *list;                   /* [n], by name; of all shards */
    size_t     n;
};

static const struct { const char *name; size_t size; } dtypes[] = {
#define RS_DTYPE_ROW(name, size) {#name, size},
    RS_DTYPE_MAP(RS_DTYPE_ROW)
#undef RS_DTYPE_ROW
};

const char *rs_dtype_name(rs_dtype t)
{
    return (unsigned)t < RS_DTYPE_COUNT ? dtypes[t].name : "?";
}

size_t rs_dtype_size(rs_dtype t)
{
    return (unsigned)t < RS_DTYPE_COUNT ? dtypes[t].size : 0;
}

/* ---- One tensor of a header ------------------------------------------ */

static rs_status read_dtype(rs_tensor *t, rs_json_at at, rs_err *err)
{
    const char *name;
    rs_status st = rs_json_need(at, "dtype", err);

    if (st == RS_OK)
        st = rs_json_str(at, "dtype", NULL, &name, err);
    if (st != RS_OK)
        return st;
    for (int i = 0; i < RS_DTYPE_COUNT; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            t->dtype = (rs_dtype)i;
            return RS_OK;
        }
    return rs_fail(err, RS_EFORMAT, "%s: dtype %.40s is not known", at.where, name);
}

/* A list of whole numbers, at most `max` of them. */
static rs_status read_sizes(size_t *out, size_t *n, size_t max, rs_json_at at, const char *key,
                            rs_err *err)
{
    const json_t *list = json_object_get(at.object, key);

    if (!json_is_array(list))
        return rs_fail(err, RS_ECORRUPT, "%s: %s: wanted a list", at.where, key);
    *n = json_array_size(list);
    if (*n > max)
        return rs_fail(err, RS_ECORRUPT, "%s: %s: %zu numbers, at most %zu", at.where, key, *n,
                       max);
    for (size_t i = 0; i < *n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 ||
            (unsigned long long)json_integer_value(v) > SIZE_MAX)
            return rs_fail(err, RS_ECORRUPT, "%s: %s[%zu]: wanted a whole number, not negative",
                           at.where, key, i);
        out[i] = (size_t)json_integer_value(v);
    }
    return RS_OK;
}

static rs_status read_tensor(rs_tensor *t, const char *file, const char *name, const json_t *v,
                             const uint8_t *data, size_t len, rs_err *err)
{
    char where[WHERE];
    rs_json_at at = {v, where};
    size_t span[2] = {0}, n;
    rs_status st;

    snprintf(where, sizeof where, "%s: tensor %s", file, name);
    *t = (rs_tensor){.name = name, .file = file, .count = 1};
    if (!json_is_object(v))
        return rs_fail(err, RS_ECORRUPT, "%s: wanted an object", where);
    if ((st = read_dtype(t, at, err)) != RS_OK ||
        (st = read_sizes(t->shape, &t->rank, RS_TENSOR_MAX_RANK, at, "shape", err)) != RS_OK ||
        (st = read_sizes(span, &n, 2, at, "data_offsets", err)) != RS_OK)
        return st;
    for (size_t i = 0; i < t->rank; i++)
        if (!rs_mul_size(&t->count, t->count, t->shape[i]))
            return rs_fail(err, RS_ECORRUPT, "%s: shape: too many elements", where);
    if (!rs_mul_size(&t->bytes, t->count, rs_dtype_size(t->dtype)))
        return rs_fail(err, RS_ECORRUPT, "%s: shape: too many bytes", where);
    if (n != 2 || span[0] > span[1] || span[1] > len)
        return rs_fail(err, RS_ECORRUPT, "%s: data_offsets %zu..%zu are not within 0..%zu", where,
                       span[0], span[1], len);
    if (span[1] - span[0] != t->bytes)
        return rs_fail(err, RS_ECORRUPT, "%s: data_offsets span %zu bytes, shape and dtype %s "
                       "want %zu", where, span[1] - span[0], rs_dtype_name(t->dtype), t->bytes);
    t->data = data + span[0];
    return RS_OK;
}

/* ---- One file -------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const rs_tensor *)a)->name, ((const rs_tensor *)b)->name);
}

/* By place; of those at one place the empty ones first. */
static int by_place(const void *a, const void *b)
{
    const rs_tensor *x = a, *y = b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* The arrays must follow one another from the first byte to the last. Sorts by place. */
static rs_status check_tiling(rs_tensor *list, size_t n, const char *file, const uint8_t *data,
                              size_t len, rs_err *err)
{
    size_t at = 0;

    qsort(list, n, sizeof *list, by_place);
    for (size_t i = 0; i < n; i++) {
        size_t begin = (size_t)(list[i].data - data);
        if (begin != at)
            return rs_fail(err, RS_ECORRUPT, "%s: tensor %.200s: begins at byte %zu of the data, "
                           "the one before ends at %zu", file, list[i].name, begin, at);
        at += list[i].bytes;
    }
    if (at != len)
        return rs_fail(err, RS_ECORRUPT, "%s: tensors end at byte %zu of the data, the file at %zu",
                       file, at, len);
    return RS_OK;
}

static rs_status check_metadata(const json_t *meta, const char *file, rs_err *err)
{
    const char *key;
    json_t *v;

    if (!meta)
        return RS_OK;
    if (!json_is_object(meta))
        return rs_fail(err, RS_ECORRUPT, "%s: __metadata__: wanted an object", file);
    json_object_foreach((json_t *)(uintptr_t)meta, key, v)
        if (!json_is_string(v))
            return rs_fail(err, RS_ECORRUPT, "%s: __metadata__: %.100s: wanted a string", file,
                           key);
    return RS_OK;
}

/* Sets s->header and where the arrays begin. */
static rs_status read_header(shard *s, const uint8_t *bytes, size_t len, size_t *data_at,
                             rs_err *err)
{
    rs_reader r = {.p = bytes, .len = len};
    uint64_t n = rs_read_u64le(&r);
    char where[WHERE];
    rs_status st;

    if (r.failed)
        return rs_fail(err, RS_ECORRUPT, "%s: %zu bytes, too few for a safetensors file", s->path,
                       len);
    if (n > len - 8)
        return rs_fail(err, RS_ECORRUPT, "%s: header of %llu bytes in a file of %zu", s->path,
                       (unsigned long long)n, len);
    if (n > RS_TENSORS_MAX_HEADER)
        return rs_fail(err, RS_ELIMIT, "%s: header of %llu bytes, at most %d are read", s->path,
                       (unsigned long long)n, RS_TENSORS_MAX_HEADER);
    if (n == 0 || bytes[8] != '{')
        return rs_fail(err, RS_ECORRUPT, "%s: header does not begin with '{'", s->path);
    snprintf(where, sizeof where, "%s: header", s->path);
    st = rs_json_parse(&s->header, (const char *)bytes + 8, (size_t)n, where, err);
    *data_at = 8 + (size_t)n;
    return st;
}

static rs_status read_shard(shard *s, const uint8_t *bytes, size_t len, rs_err *err)
{
    size_t data_at = 0;
    const char *name;
    json_t *v;
    rs_status st = read_header(s, bytes, len, &data_at, err);

    if (st != RS_OK)
        return st;
    st = check_metadata(json_object_get(s->header, "__metadata__"), s->path, err);
    if (st != RS_OK)
        return st;
    s->list = rs_calloc(json_object_size(s->header), sizeof *s->list);
    if (!s->list)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", s->path);
    json_object_foreach(s->header, name, v) {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        st = read_tensor(&s->list[s->n], s->path, name, v, bytes + data_at, len - data_at, err);
        if (st != RS_OK)
            return st;
        s->n++;
    }
    st = check_tiling(s->list, s->n, s->path, bytes + data_at, len - data_at, err);
    qsort(s->list, s->n, sizeof *s->list, by_name);
    return st;
}

/* From the file at `path`, or from `borrowed` bytes that `path` names. */
static rs_status open_shard(shard *s, const char *path, const rs_map *borrowed, rs_err *err)
{
    rs_status st;

    s->path = rs_strdup(path);
    if (!s->path)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", path);
    if (borrowed)
        return read_shard(s, borrowed->data, borrowed->len, err);
    st = rs_map_open(&s->map, path, err);
    return st == RS_OK ? read_shard(s, s->map.data, s->map.len, err) : st;
}

static const rs_tensor *find(const rs_tensor *list, size_t n, const char *name)
{
    rs_tensor key = {.name = name};
    return n ? bsearch(&key, list, n, sizeof *list, by_name) : NULL;
}

/* ---- Whole models ---------------------------------------------------- */

void rs_tensors_close(rs_tensors *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->shards; i++) {
        shard *s = &t->shard[i];
        rs_free(s->list);
        json_decref(s->header);
        rs_map_close(&s->map);
        rs_free(s->path);
    }
    rs_free(t->shard);
    rs_free(t->list);
    rs_free(t);
}

/* Room for up to `shards` files, none open yet. */
static rs_status new_tensors(rs_tensors **out, size_t shards, const char *what, rs_err *err)
{
    rs_tensors *t = rs_calloc(1, sizeof *t);

    *out = t;
    if (t)
        t->shard = rs_calloc(shards, sizeof *t->shard);
    if (!t || !t->shard) {
        rs_tensors_close(t);
        *out = NULL;
        return rs_fail(err, RS_ENOMEM, "%s: no memory", what);
    }
    return RS_OK;
}

static rs_status open_only(rs_tensors **out, const char *path, const rs_map *borrowed, rs_err *err)
{
    rs_tensors *t;
    rs_status st = new_tensors(&t, 1, path, err);

    *out = NULL;
    if (st != RS_OK)
        return st;
    t->shards = 1;
    st = open_shard(&t->shard[0], path, borrowed, err);
    if (st != RS_OK) {
        rs_tensors_close(t);
        return st;
    }
    t->list = t->shard[0].list;         /* the only shard's list is the list of all */
    t->n = t->shard[0].n;
    t->shard[0].list = NULL;
    *out = t;
    return RS_OK;
}

rs_status rs_tensors_open(rs_tensors **out, const char *path, rs_err *err)
{
    return open_only(out, path, NULL, err);
}

rs_status rs_tensors_parse(rs_tensors **out, const void *bytes, size_t len, const char *what,
                           rs_err *err)
{
    rs_map borrowed = {.data = bytes, .len = len};
    return open_only(out, what, &borrowed, err);
}

/* A file's name in an index must be one of the same folder. */
static bool plain_name(const char *file)
{
    return *file && *file != '.' && !strchr(file, '/') && !strchr(file, '\\');
}

/* The shard of FOLDER/FILE, opened if this is the first tensor in it. */
static rs_status shard_of(shard **out, rs_tensors *t, const char *folder, const char *file,
                          rs_err *err)
{
    char *path = rs_path_join(folder, file);
    rs_status st = RS_OK;
    size_t i;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", file);
    for (i = 0; i < t->shards && strcmp(t->shard[i].path, path) != 0; i++)
        ;
    if (i == RS_TENSORS_MAX_SHARDS) {
        st = rs_fail(err, RS_ELIMIT, "%s: more than %d files", folder, RS_TENSORS_MAX_SHARDS);
    } else if (i == t->shards) {
        t->shards++;
        st = open_shard(&t->shard[i], path, NULL, err);
    }
    *out = &t->shard[i];
    rs_free(path);
    return st;
}

/* Every tensor that the index names, from the file that it names. */
static rs_status gather(rs_tensors *t, const json_t *where, const char *folder, const char *index,
                        rs_err *err)
{
    const char *name;
    json_t *file;

    t->list = rs_calloc(json_object_size(where), sizeof *t->list);
    if (!t->list)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", index);
    json_object_foreach((json_t *)(uintptr_t)where, name, file) {
        const rs_tensor *found;
        shard *s = NULL;
        rs_status st;
        if (!json_is_string(file) || !plain_name(json_string_value(file)))
            return rs_fail(err, RS_ECORRUPT, "%s: weight_map: %.150s: wanted the name of a file of "
                           "this folder", index, name);
        st = shard_of(&s, t, folder, json_string_value(file), err);
        if (st != RS_OK)
            return st;
        found = find(s->list, s->n, name);
        if (!found)
            return rs_fail(err, RS_ECORRUPT, "%s: tensor %.150s is missing, which %s says is here",
                           s->path, name, index);
        t->list[t->n++] = *found;
    }
    qsort(t->list, t->n, sizeof *t->list, by_name);
    return RS_OK;
}

static rs_status open_sharded(rs_tensors **out, const char *folder, const char *index, rs_err *err)
{
    json_t *doc = NULL;
    const json_t *where;
    rs_tensors *t = NULL;
    rs_status st = rs_json_load(&doc, index, MAX_INDEX, err);

    if (st != RS_OK)
        return st;
    where = json_object_get(doc, "weight_map");
    if (!json_is_object(where)) {
        st = rs_fail(err, RS_ECORRUPT, "%s: weight_map: wanted an object", index);
        goto done;
    }
    if ((st = new_tensors(&t, RS_TENSORS_MAX_SHARDS, index, err)) != RS_OK ||
        (st = gather(t, where, folder, index, err)) != RS_OK)
        goto done;
    *out = t;
    t = NULL;
done:
    rs_tensors_close(t);
    json_decref(doc);
    return st;
}

rs_status rs_tensors_open_model(rs_tensors **out, const char *folder, rs_err *err)
{
    char *one = rs_path_join(folder, "model.safetensors");
    char *index = rs_path_join(folder, "model.safetensors.index.json");
    rs_status st;

    *out = NULL;
    if (!one || !index)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    else if (!rs_file_exists(one) && rs_file_exists(index))
        st = open_sharded(out, folder, index, err);
    else
        st = rs_tensors_open(out, one, err);
    rs_free(one);
    rs_free(index);
    return st;
}

/* ---- Asking ---------------------------------------------------------- */

size_t rs_tensors_count(const rs_tensors *t) { return t->n; }

const rs_tensor *rs_tensors_at(const rs_tensors *t, size_t i)
{
    assert(i < t->n);
    return &t->list[i];
}

const rs_tensor *rs_tensors_find(const rs_tensors *t, const char *name)
{
    return find(t->list, t->n, name);
}

const char *rs_tensors_metadata(const rs_tensors *t, const char *key)
{
    for (size_t i = 0; i < t->shards; i++) {
        const json_t *meta = json_object_get(t->shard[i].header, "__metadata__");
        const char *value = json_string_value(json_object_get(meta, key));
        if (value)
            return value;
    }
    return NULL;
}

/* "[16 x 3 x 8 x 8]" */
static const char *shape_text(char out[SHAPE_TEXT], const size_t *shape, size_t rank)
{
    size_t used = 1;

    out[0] = '[';
    for (size_t i = 0; i < rank; i++)
        used += (size_t)snprintf(out + used, SHAPE_TEXT - used, i ? " x %zu" : "%zu", shape[i]);
    snprintf(out + used, SHAPE_TEXT - used, "]");
    return out;
}

static bool same_shape(const rs_tensor *t, const size_t *shape, size_t rank)
{
    if (t->rank != rank)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (t->shape[i] != shape[i])
            return false;
    return true;
}

/* The scales of int8 rows, in *scale where there are any. */
static rs_status check_scale(const rs_tensors *t, const rs_tensor *found, const rs_tensor **scale,
                             rs_err *err)
{
    char name[512];
    const int n = snprintf(name, sizeof name, "%s.scale", found->name);

    *scale = n > 0 && (size_t)n < sizeof name ? rs_tensors_find(t, name) : NULL;
    if (!*scale || (*scale)->dtype != RS_DTYPE_F32 || (*scale)->rank != 1 || found->rank < 1 ||
        (*scale)->shape[0] != found->shape[0])
        return rs_fail(err, RS_ECORRUPT, "%s: tensor %s: dtype I8 without an F32 tensor %s.scale of "
                       "its first length", found->file, found->name, found->name);
    return RS_OK;
}

rs_status rs_tensors_check(const rs_tensors *t, const char *name, const size_t *shape, size_t rank,
                           rs_err *err)
{
    const rs_tensor *found = rs_tensors_find(t, name), *scale;
    char is[SHAPE_TEXT], want[SHAPE_TEXT];

    assert(rank <= RS_TENSOR_MAX_RANK);
    if (!found)
        return rs_fail(err, RS_ECORRUPT, "%s: tensor %s is missing, wanted %s",
                       t->shards ? t->shard[0].path : "no file", name,
                       shape_text(want, shape, rank));
    if (!same_shape(found, shape, rank))
        return rs_fail(err, RS_ECORRUPT, "%s: tensor %s: shape %s, wanted %s", found->file, name,
                       shape_text(is, found->shape, found->rank), shape_text(want, shape, rank));
    if (found->dtype == RS_DTYPE_I8)
        return check_scale(t, found, &scale, err);
    if (found->dtype != RS_DTYPE_F32 && found->dtype != RS_DTYPE_F16 &&
        found->dtype != RS_DTYPE_BF16)
        return rs_fail(err, RS_ECORRUPT, "%s: tensor %s: dtype %s, wanted F32, F16 or BF16",
                       found->file, name, rs_dtype_name(found->dtype));
    return RS_OK;
}

/* Row r is multiplied by scale[r]. */
static void unpack_int8(float *out, const rs_tensor *found, const rs_tensor *scale)
{
    const int8_t *q = (const int8_t *)found->data;
    const size_t rows = found->shape[0], columns = rows ? found->count / rows : 0;

    for (size_t r = 0; r < rows; r++) {
        float s;
        memcpy(&s, scale->data + r * sizeof s, sizeof s);
        for (size_t i = 0; i < columns; i++)
            *out++ = (float)*q++ * s;
    }
}

rs_status rs_tensors_fetch(const rs_tensors *t, const char *name, const size_t *shape, size_t rank,
                           float *out, rs_err *err)
{
    rs_status st = rs_tensors_check(t, name, shape, rank, err);
    const rs_tensor *found, *scale;

    if (st != RS_OK)
        return st;
    found = rs_tensors_find(t, name);
    if (found->dtype == RS_DTYPE_I8 && (st = check_scale(t, found, &scale, err)) == RS_OK)
        unpack_int8(out, found, scale);
    else if (found->dtype == RS_DTYPE_F16)
        rs_half_unpack(out, found->data, found->count);
    else if (found->dtype == RS_DTYPE_BF16)
        rs_bf16_unpack(out, found->data, found->count);
    else if (found->bytes)
        memcpy(out, found->data, found->bytes);
    return RS_OK;
}
