/* vectors_int.h - what an rs_vectors is made of: vectors.c loads and searches it,
 * vectors_build.c makes its generations.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_VECTORS_INT_H
#define RS_ENGINE_VECTORS_INT_H

#include "engine/tune.h"
#include "engine/vectors.h"

/* The cases of an index's vectors, in the order in which they were added: read when a filter
 * first wants them, and more of them as the index grows. 0: of none any more. */
typedef struct {
    uint32_t *case_id;
    size_t    n, cap;
} rs_owners;

struct rs_vectors {
    rs_db  *db;
    char   *folder;                    /* ARCHIVE/vectors/<encoder> */
    rs_kind kind;
    size_t  dim;
    bool    loaded;
    int64_t generation;                /* of the catalog's row when loaded */
    int64_t tombstone;                 /* last one applied */
    rs_vector_index *base, *tail;      /* either may be NULL */
    size_t    owners_missed;   /* looked up one by one since they were read */
    rs_owners base_owners, tail_owners;
};

/* The catalog's row of a generation; generation 0: there is none. */
typedef struct {
    int64_t generation, vectors, last_id;
    char    sha[RS_SHA256_HEX], factory[RS_FACTORY_SIZE];
} rs_cache_row;

/* What the catalog's meta says of a kind. */
typedef struct {
    bool             there, tuned;     /* tuned: the kind was chosen by index-tune */
    rs_index_setting index;
    double           recall;           /* wanted */
} rs_vectors_setting;

#define RS_RECALL_WANTED 0.99

extern const char *const rs_kind_names[RS_KINDS];      /* "image" */
/* The other kind that queries of this kind's index are of; itself where there is none. */
rs_kind rs_kind_asked_by(rs_kind kind);

rs_status rs_vectors_read_row(rs_vectors *v, rs_cache_row *row, rs_err *err);
rs_status rs_vectors_read_setting(rs_vectors *v, rs_vectors_setting *out, rs_err *err);
/* The caller rs_free()s; NULL on OOM. */
char     *rs_vectors_cache_path(const rs_vectors *v, int64_t generation);

/* Each stride-th of the catalog's vectors after `last` to `take`, some at a time. */
typedef rs_status (*rs_vectors_take)(void *ctx, const int64_t *ids, const float *x, size_t n,
                                     rs_err *err);
rs_status rs_vectors_each(rs_vectors *v, int64_t last, size_t stride, rs_vectors_take take,
                          void *ctx, rs_err *err);
/* An rs_vectors_take whose ctx is an rs_vector_index. */
rs_status rs_vectors_add_to(void *index, const int64_t *ids, const float *x, size_t n,
                            rs_err *err);
/* The first vector with an id above `after`; *id 0: none. */
rs_status rs_vectors_first_after(rs_vectors *v, int64_t after, int64_t *id, float *x, rs_err *err);
/* An rs_vector_source whose ctx is an rs_vectors. */
rs_status rs_vectors_half(void *ctx, int64_t id, uint16_t *half, rs_err *err);

/* Build, measure and put in the best of several kinds; see rs_archive_tune. `other`: the
 * other kind of the same archive, for queries; may be NULL. */
rs_status rs_vectors_tune(rs_vectors *v, rs_vectors *other, const rs_tune_options *o,
                          rs_arena *mem, rs_tune_report *out, rs_err *err);

#endif
