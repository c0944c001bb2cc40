/* checkpoint.c - the state of a training run in one file: see train_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/outfile.h"

#include <string.h>

static const char MAGIC[] = "RSTRAIN1";
enum { MAGIC_LEN = 8, DIGEST = RS_SHA256_HEX - 1 };

static char *checkpoint_path(const rs_train_run *r)
{
    return rs_sprintf("%s/checkpoint.bin", r->c->out);
}

static size_t map_floats(const rs_train_run *r)
{
    return r->map ? r->teacher.d * rs_dual_config_of(r->model)->dim : 0;
}

/* The float arrays in the order of the file; returns how many. */
typedef struct { float *p; size_t n; } span;

static size_t spans_of(rs_train_run *r, span s[6])
{
    size_t n = 0;

    s[n++] = (span){rs_dual_params(r->model), r->n_params};
    s[n++] = (span){rs_adamw_first(r->adamw), r->n_params};
    s[n++] = (span){rs_adamw_second(r->adamw), r->n_params};
    if (r->map) {
        s[n++] = (span){r->map, map_floats(r)};
        s[n++] = (span){rs_adamw_first(r->map_adamw), map_floats(r)};
        s[n++] = (span){rs_adamw_second(r->map_adamw), map_floats(r)};
    }
    return n;
}

/* ---- Saving ---------------------------------------------------------- */

static void put_u64(rs_buf *b, uint64_t v)
{
    for (size_t i = 0; i < 8; i++)
        rs_buf_putc(b, (char)(v >> (8 * i)));
}

static rs_status put(rs_outfile *f, rs_sha256 *h, const void *bytes, size_t n, rs_err *err)
{
    rs_sha256_add(h, bytes, n);
    return rs_outfile_write(f, bytes, n, err);
}

static rs_status make_head(rs_train_run *r, rs_buf *head, rs_err *err)
{
    rs_buf sampler = {0};

    rs_sampler_save(r->sampler, &sampler);
    rs_buf_append(head, MAGIC, MAGIC_LEN);
    put_u64(head, r->step);
    put_u64(head, r->n_params);
    put_u64(head, map_floats(r));
    put_u64(head, *rs_adamw_steps(r->adamw));
    put_u64(head, r->map ? *rs_adamw_steps(r->map_adamw) : 0);
    put_u64(head, r->c->seed);
    put_u64(head, sampler.len);
    rs_buf_append(head, sampler.data, sampler.len);
    if (sampler.failed)
        head->failed = true;
    rs_buf_clear(&sampler);
    return head->failed ? rs_fail(err, RS_ENOMEM, "checkpoint: no memory") : RS_OK;
}

rs_status rs_checkpoint_save(rs_train_run *r, rs_err *err)
{
    char *path = checkpoint_path(r), hex[RS_SHA256_HEX];
    rs_buf head = {0};
    rs_outfile *f = NULL;
    rs_sha256 *h = rs_sha256_new();
    span s[6];
    size_t n = spans_of(r, s);
    rs_status st = make_head(r, &head, err);

    if (st == RS_OK && (!path || !h))
        st = rs_fail(err, RS_ENOMEM, "checkpoint: no memory");
    if (st == RS_OK)
        st = rs_outfile_open(&f, path, err);
    if (st == RS_OK)
        st = put(f, h, head.data, head.len, err);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = put(f, h, s[i].p, s[i].n * sizeof(float), err);
    if (h)
        rs_sha256_end(h, hex);
    if (st == RS_OK)
        st = rs_outfile_write(f, hex, DIGEST, err);
    st = rs_outfile_end(f, st, err);
    rs_buf_clear(&head);
    rs_free(path);
    return st;
}

/* ---- Loading --------------------------------------------------------- */

static rs_status check_digest(const rs_map *m, const char *path, rs_err *err)
{
    char hex[RS_SHA256_HEX];
    rs_status st;

    if (m->len < DIGEST + MAGIC_LEN || memcmp(m->data, MAGIC, MAGIC_LEN) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: not a training checkpoint", path);
    st = rs_sha256_of(hex, m->data, m->len - DIGEST, err);
    if (st == RS_OK && memcmp(hex, m->data + m->len - DIGEST, DIGEST) != 0)
        st = rs_fail(err, RS_ECORRUPT, "%s: damaged: its digest does not fit", path);
    return st;
}

static rs_status read_state(rs_train_run *r, rs_reader *in, const char *path, rs_err *err)
{
    uint64_t step = rs_read_u64le(in), params = rs_read_u64le(in), map = rs_read_u64le(in);
    uint64_t steps = rs_read_u64le(in), map_steps = rs_read_u64le(in), seed = rs_read_u64le(in);
    rs_reader sampler = {.len = (size_t)rs_read_u64le(in)};
    span s[6];
    size_t n = spans_of(r, s);
    rs_status st;

    if (params != r->n_params || map != map_floats(r))
        return rs_fail(err, RS_EMISMATCH, "%s: of a model of %llu parameters, the config's has %zu",
                       path, (unsigned long long)params, r->n_params);
    if (seed != r->c->seed)
        return rs_fail(err, RS_EMISMATCH, "%s: made with seed %llu, the config says %llu", path,
                       (unsigned long long)seed, (unsigned long long)r->c->seed);
    sampler.p = rs_read_bytes(in, sampler.len);
    if (in->failed)
        return rs_fail(err, RS_ECORRUPT, "%s: cut short", path);
    st = rs_sampler_restore(r->sampler, &sampler, err);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        const uint8_t *bytes = rs_read_bytes(in, s[i].n * sizeof(float));
        if (!bytes)
            return rs_fail(err, RS_ECORRUPT, "%s: cut short", path);
        memcpy(s[i].p, bytes, s[i].n * sizeof(float));
    }
    if (st != RS_OK)
        return rs_wrap(err, st, "%s", path);
    r->step = step;
    *rs_adamw_steps(r->adamw) = steps;
    if (r->map)
        *rs_adamw_steps(r->map_adamw) = map_steps;
    return RS_OK;
}

rs_status rs_checkpoint_load(rs_train_run *r, rs_err *err)
{
    char *path = checkpoint_path(r);
    rs_map m = {0};
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "checkpoint: no memory");
    st = rs_map_open(&m, path, err);
    if (st == RS_OK) {
        st = check_digest(&m, path, err);
        if (st == RS_OK) {
            rs_reader in = {.p = m.data, .len = m.len - DIGEST, .at = MAGIC_LEN};
            st = read_state(r, &in, path, err);
        }
        rs_map_close(&m);
    }
    rs_free(path);
    return st;
}
