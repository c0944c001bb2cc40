/* image_cache.c - see image_cache.h. Images are decoded a round at a time by the pool
 * and appended by the caller, so memory stays small however many there are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/image_cache.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/outfile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char MAGIC[] = "RSIMAGE1";
static const double MARGIN = 1.15;              /* so that a training crop is still sharp */
enum { TAIL = 16, ENTRY = 16, ALIGN = 64, ROUND = 256, MAX_SIDE = 4096 };

struct rs_image_cache {
    rs_map map;
    size_t n;
};

/* ---- Naming ---------------------------------------------------------- */

static size_t cache_side(const rs_preprocess *p, bool exact)
{
    return exact ? p->crop_width : (size_t)ceil((double)p->crop_width * MARGIN);
}

/* FOLDER/images-DIGEST.cache; NULL on out-of-memory. */
static char *cache_path(const rs_image_cache_spec *spec)
{
    const rs_preprocess *p = spec->preprocess;
    char text[256], hex[RS_SHA256_HEX];
    rs_sha256 *h = rs_sha256_new();

    if (!h)
        return NULL;
    snprintf(text, sizeof text, "%s %zu %zu %d %d %zu %zu", MAGIC, cache_side(p, true),
             cache_side(p, false), (int)p->resample, p->keep_aspect, p->resize_width,
             p->resize_height);
    rs_sha256_add(h, text, strlen(text));
    for (size_t i = 0; i < spec->n; i++) {
        struct stat s = {0};
        stat(spec->paths[i], &s);               /* absent: zeros now, a reason later */
        snprintf(text, sizeof text, "\n%d %lld %lld.%09ld ", spec->exact[i], (long long)s.st_size,
                 (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
        rs_sha256_add(h, text, strlen(text));
        rs_sha256_add(h, spec->paths[i], strlen(spec->paths[i]));
    }
    rs_sha256_end(h, hex);
    return rs_sprintf("%s/images-%.16s.cache", spec->folder, hex);
}

/* ---- Building -------------------------------------------------------- */

typedef struct {
    uint8_t *bytes;                             /* pixels, or the reason's text */
    size_t   len;
    uint32_t side, channels;
    bool     no_memory;                         /* ours, not the image's fault: stops the build */
} entry;

typedef struct {
    const rs_image_cache_spec *spec;
    rs_preprocess exact, margin;                /* the model's, but 0..255 and unnormalised */
    size_t first;                               /* image of round[0] */
    entry *round;                               /* [ROUND] */
    rs_progress *progress;
} builder;

static rs_preprocess plain(const rs_preprocess *p, size_t side)
{
    rs_preprocess q = *p;

    q.do_rescale = q.do_normalize = false;
    if (q.keep_aspect) {
        q.resize_width = q.resize_width * side / p->crop_width;
        q.resize_height = q.resize_height * side / p->crop_height;
    } else {
        q.resize_width = q.resize_height = side;
    }
    q.crop_width = q.crop_height = side;
    return q;
}

static bool is_grey(const float *planes, size_t area)
{
    return memcmp(planes, planes + area, area * sizeof *planes) == 0
        && memcmp(planes, planes + 2 * area, area * sizeof *planes) == 0;
}

/* planes [3 x side x side] of 0..255 -> the entry's bytes. */
static rs_status pack(entry *e, const float *planes, size_t side, rs_err *err)
{
    size_t area = side * side;

    e->side = (uint32_t)side;
    e->channels = is_grey(planes, area) ? 1 : 3;
    e->len = area * e->channels;
    e->bytes = rs_malloc(e->len);
    if (!e->bytes)
        return rs_fail(err, RS_ENOMEM, "no memory");
    for (size_t i = 0; i < area; i++)
        for (size_t c = 0; c < e->channels; c++)
            e->bytes[i * e->channels + c] = (uint8_t)lrintf(planes[c * area + i]);
    return RS_OK;
}

static rs_status read_image(const builder *b, entry *e, size_t i, rs_err *err)
{
    const rs_preprocess *p = b->spec->exact[i] ? &b->exact : &b->margin;
    size_t side = p->crop_width;
    float *planes = rs_calloc(3 * side * side, sizeof *planes);
    rs_image im = {0};
    rs_status st = planes ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory");

    if (st == RS_OK)
        st = rs_image_load(&im, b->spec->paths[i], err);
    if (st == RS_OK)
        st = rs_preprocess_run(p, &im, planes, err);
    if (st == RS_OK)
        st = pack(e, planes, side, err);
    rs_image_clear(&im);
    rs_free(planes);
    return st;
}

/* Pool item: image first + i into round[i]; a failure leaves its reason there. */
static void build_one(void *ctx, size_t i, size_t worker)
{
    builder *b = ctx;
    entry *e = &b->round[i];
    rs_err err = {0};
    rs_status st;

    (void)worker;
    st = read_image(b, e, b->first + i, &err);
    if (st != RS_OK) {
        *e = (entry){.bytes = (uint8_t *)rs_strdup(err.msg), .len = strlen(err.msg)};
        e->no_memory = !e->bytes || st == RS_ENOMEM;
    }
    rs_progress_add(b->progress, 1);
}

static void put_le(uint8_t *to, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

/* Append at the next aligned place and note the place in the table. */
static rs_status append(rs_outfile *f, const entry *e, uint64_t *at, uint8_t *slot, rs_err *err)
{
    static const char zeros[ALIGN];
    size_t pad = (size_t)(ALIGN - *at % ALIGN) % ALIGN;
    rs_status st = rs_outfile_write(f, zeros, pad, err);

    *at += pad;
    put_le(slot, *at, 8);
    put_le(slot + 8, e->channels ? e->side : e->len, 4);
    put_le(slot + 12, e->channels, 4);
    *at += e->len;
    return st == RS_OK ? rs_outfile_write(f, e->bytes, e->len, err) : st;
}

static rs_status write_images(builder *b, rs_outfile *f, uint8_t *table, rs_err *err)
{
    size_t n = b->spec->n;
    uint64_t at = 0;
    rs_status st = RS_OK;

    for (b->first = 0; st == RS_OK && b->first < n; b->first += ROUND) {
        size_t count = n - b->first < ROUND ? n - b->first : ROUND;
        rs_pool_for(b->spec->pool, count, build_one, b);
        for (size_t i = 0; i < count; i++) {
            entry *e = &b->round[i];
            if (st == RS_OK && e->no_memory)
                st = rs_fail(err, RS_ENOMEM, "%s: no memory", b->spec->paths[b->first + i]);
            if (st == RS_OK)
                st = append(f, e, &at, table + (b->first + i) * ENTRY, err);
            rs_free(e->bytes);
            *e = (entry){0};
        }
    }
    return st;
}

static rs_status write_file(builder *b, const char *path, rs_err *err)
{
    uint8_t tail[TAIL];
    uint8_t *table = rs_calloc(b->spec->n, ENTRY);
    rs_outfile *f = NULL;
    rs_status st;

    if (!table)
        return rs_fail(err, RS_ENOMEM, "image cache of %zu images: no memory", b->spec->n);
    st = rs_outfile_open(&f, path, err);
    if (st == RS_OK)
        st = write_images(b, f, table, err);
    if (st == RS_OK)
        st = rs_outfile_write(f, table, b->spec->n * ENTRY, err);
    put_le(tail, b->spec->n, 8);
    memcpy(tail + 8, MAGIC, 8);
    if (st == RS_OK)
        st = rs_outfile_write(f, tail, TAIL, err);
    rs_free(table);
    return rs_outfile_end(f, st, err);
}

static rs_status build(const rs_image_cache_spec *spec, const char *path, rs_err *err)
{
    builder b = {.spec = spec};
    rs_status st = rs_mkdirs(spec->folder, err);

    if (st != RS_OK)
        return st;
    b.exact = plain(spec->preprocess, cache_side(spec->preprocess, true));
    b.margin = plain(spec->preprocess, cache_side(spec->preprocess, false));
    b.round = rs_calloc(ROUND, sizeof *b.round);
    if (!b.round)
        return rs_fail(err, RS_ENOMEM, "image cache: no memory");
    b.progress = rs_progress_new("reading images", "images", spec->n, spec->progress);
    st = write_file(&b, path, err);
    rs_progress_end(b.progress);
    rs_free(b.round);
    return st;
}

/* ---- Reading --------------------------------------------------------- */

typedef struct { uint64_t offset; uint32_t side, channels; } place;

static place place_of(const rs_image_cache *c, size_t i)
{
    rs_reader r = {.p = c->map.data, .len = c->map.len,
                   .at = c->map.len - TAIL - (c->n - i) * ENTRY};
    place p;

    p.offset = rs_read_u64le(&r);
    p.side = rs_read_u32le(&r);
    p.channels = rs_read_u32le(&r);
    return p;
}

/* Whether each place lies inside the file. */
static bool is_whole(rs_image_cache *c, const rs_image_cache_spec *spec)
{
    rs_reader r = {.p = c->map.data, .len = c->map.len};
    uint64_t n;

    if (c->map.len < TAIL || memcmp(c->map.data + c->map.len - 8, MAGIC, 8) != 0)
        return false;
    r.at = c->map.len - TAIL;
    n = rs_read_u64le(&r);
    if (n != spec->n || (c->map.len - TAIL) / ENTRY < n)
        return false;
    c->n = (size_t)n;
    for (size_t i = 0; i < c->n; i++) {
        place p = place_of(c, i);
        uint64_t len = p.channels ? (uint64_t)p.side * p.side * p.channels : p.side;
        bool shape = p.channels == 0 || p.side == cache_side(spec->preprocess, spec->exact[i]);
        if (p.channels == 2 || p.channels > 3 || !shape || p.offset > c->map.len
            || len > c->map.len - p.offset)
            return false;
    }
    return true;
}

rs_status rs_image_cache_open(rs_image_cache **out, const rs_image_cache_spec *spec, rs_err *err)
{
    rs_image_cache *c = rs_calloc(1, sizeof *c);
    char *path = cache_path(spec);
    rs_status st = RS_OK;

    *out = NULL;
    if (!c || !path) {
        st = rs_fail(err, RS_ENOMEM, "image cache: no memory");
    } else if (spec->preprocess->crop_width != spec->preprocess->crop_height
               || spec->preprocess->crop_width == 0 || spec->preprocess->crop_width > MAX_SIDE) {
        st = rs_fail(err, RS_EARG, "image cache: crops of %zu x %zu are not square or too large",
                     spec->preprocess->crop_width, spec->preprocess->crop_height);
    }
    /* A damaged cache is made anew, once. */
    for (size_t attempt = 0; st == RS_OK && attempt < 2; attempt++) {
        if (attempt || !rs_file_exists(path))
            st = build(spec, path, err);
        if (st == RS_OK)
            st = rs_map_open(&c->map, path, err);
        if (st != RS_OK || is_whole(c, spec))
            break;
        rs_map_close(&c->map);
        c->map = (rs_map){0};
        st = attempt ? rs_fail(err, RS_ECORRUPT, "%s: damaged as soon as written", path) : RS_OK;
    }
    rs_free(path);
    if (st == RS_OK)
        *out = c;
    else
        rs_image_cache_close(c);
    return st;
}

void rs_image_cache_close(rs_image_cache *c)
{
    if (!c)
        return;
    rs_map_close(&c->map);
    rs_free(c);
}

rs_image rs_image_cache_get(const rs_image_cache *c, size_t i)
{
    place p = place_of(c, i);

    if (p.channels == 0)
        return (rs_image){0};
    return (rs_image){.width = p.side, .height = p.side, .channels = p.channels, .depth = 8,
                      .pixels = (void *)(uintptr_t)(c->map.data + p.offset)};   /* never written */
}

void rs_image_cache_reason(const rs_image_cache *c, size_t i, char *text, size_t size)
{
    place p = place_of(c, i);
    int len = p.side < size ? (int)p.side : (int)size - 1;

    snprintf(text, size, "%.*s", p.channels ? 0 : len, (const char *)(c->map.data + p.offset));
}
