/* vector_file.c - an rs_vector_index as a file, and back. See vector_index.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/vector_index_int.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <errno.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/index_io_c.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static rs_status digest_of(FILE *f, const char *path, char sha[RS_SHA256_HEX], rs_err *err)
{
    enum { CHUNK = 1 << 16 };
    unsigned char *buf = rs_malloc(CHUNK);
    rs_sha256 *h = rs_sha256_new();
    size_t n;

    sha[0] = '\0';
    if (!buf || !h) {
        if (h)
            rs_sha256_end(h, sha);
        rs_free(buf);
        return rs_fail(err, RS_ENOMEM, "checksum of %s: no memory", path);
    }
    rewind(f);
    while ((n = fread(buf, 1, CHUNK, f)) > 0)
        rs_sha256_add(h, buf, n);
    rs_sha256_end(h, sha);
    rs_free(buf);
    return ferror(f) ? rs_fail_errno(err, "read %s", path) : RS_OK;
}

/* The index into an open file, on disk when it returns. */
static rs_status write_file(const rs_vector_index *v, FILE *f, const char *tmp,
                            char sha[RS_SHA256_HEX], rs_err *err)
{
    if (faiss_write_index(v->index, f) != 0)
        return rs_faiss_failed(RS_EIO, tmp, err);
    if (fflush(f) != 0 || fsync(fileno(f)) != 0)
        return rs_fail_errno(err, "write %s", tmp);
    return digest_of(f, tmp, sha, err);
}

rs_status rs_vector_index_write(const rs_vector_index *v, const char *path,
                                char sha[RS_SHA256_HEX], rs_err *err)
{
    char *tmp;
    rs_status st;
    FILE *f;

    if (v->setting.kind == RS_INDEX_SQ8 && v->start)
        return rs_fail(err, RS_EARG, "write %s: its bytes were taken out of it", path);
    tmp = rs_sprintf("%s.tmp", path);
    if (!tmp)
        return rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
    f = fopen(tmp, "w+be");
    if (!f) {
        st = rs_fail_errno(err, "create %s", tmp);
        goto done;
    }
    st = write_file(v, f, tmp, sha, err);
    if (fclose(f) != 0 && st == RS_OK)
        st = rs_fail_errno(err, "close %s", tmp);
    if (st == RS_OK && rename(tmp, path) != 0)
        st = rs_fail_errno(err, "rename %s to %s", tmp, path);
    if (st != RS_OK)
        unlink(tmp);
done:
    rs_free(tmp);
    return st;
}

/* The kind of what FAISS has read. */
static rs_status find_kind(rs_vector_index *v, const char *path, rs_err *err)
{
    const rs_faiss_kind kind = rs_faiss_kind_of(rs_sub_index(v));
    static const rs_index_setting careful;

    switch (kind) {
    case RS_FAISS_OTHER:
        return rs_fail(err, RS_ECORRUPT, "%s: a kind of index that is not made any more", path);
    case RS_FAISS_HALF:
        v->setting.kind = RS_INDEX_FLAT;
        break;
    case RS_FAISS_IVF_HALF:
        v->setting.kind = RS_INDEX_IVF;
        break;
    case RS_FAISS_IVF_BYTE:
        v->setting.kind = RS_INDEX_SQ8;
        break;
    case RS_FAISS_HNSW_HALF:
        v->setting.kind = RS_INDEX_HNSW;
        break;
    }
    if (rs_has_lists(v))
        v->setting.lists = faiss_IndexIVF_nlist(rs_sub_index(v));
    rs_vector_index_set_effort(v, &careful);
    return RS_OK;
}

/* Is what FAISS has read the index we know how to search? */
static rs_status check_read(const rs_vector_index *v, const char *path, rs_err *err)
{
    const int64_t *ids;
    size_t n;

    if ((size_t)faiss_Index_d(v->index) != v->dim)
        return rs_fail(err, RS_ECORRUPT, "%s: vectors of %d floats, wanted %zu", path,
                       faiss_Index_d(v->index), v->dim);
    if (faiss_Index_metric_type(v->index) != METRIC_INNER_PRODUCT)
        return rs_fail(err, RS_ECORRUPT, "%s: not an inner-product index", path);
    if (!faiss_IndexIDMap_cast(v->index))
        return rs_fail(err, RS_ECORRUPT, "%s: not an index with ids", path);
    n = rs_index_ids(v, &ids);
    if (n != rs_vector_index_count(v))
        return rs_fail(err, RS_ECORRUPT, "%s: %zu ids for %zu vectors", path, n,
                       rs_vector_index_count(v));
    for (size_t i = 1; i < n; i++)
        if (ids[i] <= ids[i - 1])
            return rs_fail(err, RS_ECORRUPT, "%s: id %zu is out of order", path, i);
    if (faiss_Index_ntotal(rs_sub_index(v)) != (idx_t)n ||
        faiss_Index_d(rs_sub_index(v)) != faiss_Index_d(v->index))
        return rs_fail(err, RS_ECORRUPT, "%s: an index of other vectors below its ids", path);
    return RS_OK;
}

static rs_status read_file(rs_vector_index **out, FILE *f, const char *path, const char *sha,
                           size_t dim, rs_err *err)
{
    char found[RS_SHA256_HEX];
    FaissIndex *index = NULL;
    rs_status st = digest_of(f, path, found, err);

    if (st != RS_OK)
        return st;
    if (strcmp(found, sha) != 0)
        return rs_fail(err, RS_ECORRUPT, "%s: checksum %.12s, wanted %.12s", path, found, sha);
    rewind(f);
    if (faiss_read_index(f, 0, &index) != 0)
        return rs_faiss_failed(RS_ECORRUPT, path, err);
    if ((st = rs_index_wrap(out, index, dim, err)) != RS_OK)
        return st;
    if ((st = check_read(*out, path, err)) != RS_OK ||
        (st = find_kind(*out, path, err)) != RS_OK ||
        (st = rs_index_take_in(*out, err)) != RS_OK) {
        rs_vector_index_free(*out);
        *out = NULL;
    }
    return st;
}

rs_status rs_vector_index_read(rs_vector_index **out, const char *path, const char *sha,
                               size_t dim, rs_err *err)
{
    FILE *f = fopen(path, "rbe");
    rs_status st;

    *out = NULL;
    if (!f)
        return rs_fail_errno(err, "open %s", path);
    st = read_file(out, f, path, sha, dim, err);
    fclose(f);
    return st;
}
