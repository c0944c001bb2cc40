/* safetensors.h - named arrays in a file: a strict reader over a memory map, a writer.
 *
 *   offset   bytes   little-endian
 *        0       8   n, size of the header: at most 100 MB and the file
 *        8       n   JSON: {"name": {"dtype": "F32", "shape": [2, 3],
 *                    "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}},
 *                    beginning with '{', padded with spaces
 *    8 + n     ...   the arrays, row-major; offsets count from here
 *
 * Strict: duplicate names, a size that is not shape times dtype, overlaps, gaps and
 * bytes after the last array are refused, so every byte of the file is accounted for.
 * Format: https://github.com/huggingface/safetensors (its "Format" section).
 *
 * A large model comes in several such files and a model.safetensors.index.json whose
 * "weight_map" names the file of each tensor; both open as one rs_tensors.
 *
 * Threading: an open rs_tensors is immutable. A file must not be cut short by someone
 * else while it is open (the map would raise SIGBUS): writers replace files whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_SAFETENSORS_H
#define RS_EMBEDDINGS_SAFETENSORS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name in the file, bytes an element */
#define RS_DTYPE_MAP(X)                                                     \
    X(F32, 4)     X(F16, 2)     X(BF16, 2)    X(F64, 8)                     \
    X(I64, 8)     X(I32, 4)     X(I16, 2)     X(I8, 1)                      \
    X(U64, 8)     X(U32, 4)     X(U16, 2)     X(U8, 1)    X(BOOL, 1)        \
    X(F8_E5M2, 1) X(F8_E4M3, 1)

typedef enum {
#define RS_DTYPE_ENUM(name, size) RS_DTYPE_##name,
    RS_DTYPE_MAP(RS_DTYPE_ENUM)
#undef RS_DTYPE_ENUM
    RS_DTYPE_COUNT
} rs_dtype;

const char *rs_dtype_name(rs_dtype t);            /* "BF16" */
size_t      rs_dtype_size(rs_dtype t);            /* bytes an element */

enum {
    RS_TENSOR_MAX_RANK = 8,
    RS_TENSORS_MAX_HEADER = 100 * 1000 * 1000,    /* bytes, as the published reader has it */
    RS_TENSORS_MAX_SHARDS = 1024
};

/* All borrowed until rs_tensors_close. */
typedef struct {
    const char    *name;
    const char    *file;                          /* for messages */
    rs_dtype       dtype;
    size_t         rank, shape[RS_TENSOR_MAX_RANK];
    size_t         count, bytes;                  /* elements; count * size of dtype */
    const uint8_t *data;                          /* at any alignment; NULL only if bytes is 0 */
} rs_tensor;

typedef struct rs_tensors rs_tensors;

/* One file. RS_ENOENT, RS_EIO, RS_ENOMEM, RS_ECORRUPT (says what is wrong where),
 * RS_EFORMAT for a dtype not in the list, RS_ELIMIT for an overlong header. On failure
 * *out is NULL. */
rs_status rs_tensors_open(rs_tensors **out, const char *path, rs_err *err);
/* FOLDER/model.safetensors, or the shards of FOLDER/model.safetensors.index.json. */
rs_status rs_tensors_open_model(rs_tensors **out, const char *folder, rs_err *err);
/* A file's bytes in memory, borrowed until close; `what` names them in messages. */
rs_status rs_tensors_parse(rs_tensors **out, const void *bytes, size_t len, const char *what,
                           rs_err *err);
void      rs_tensors_close(rs_tensors *t);                       /* NULL is fine */

size_t           rs_tensors_count(const rs_tensors *t);
const rs_tensor *rs_tensors_at(const rs_tensors *t, size_t i);   /* in order of name (strcmp) */
const rs_tensor *rs_tensors_find(const rs_tensors *t, const char *name);   /* NULL: none */
/* A value of "__metadata__" (of the first file that has the key); NULL: none. */
const char      *rs_tensors_metadata(const rs_tensors *t, const char *key);

/* Whether `name` is there, F32, F16 or BF16, and of this shape (rank 0 is one number); or
 * I8 [out x ...] with an F32 tensor `name`.scale [out] beside it, which multiplies its
 * rows (model_quantise.h). RS_ECORRUPT names the tensor with what was found and wanted. */
rs_status rs_tensors_check(const rs_tensors *t, const char *name, const size_t *shape, size_t rank,
                           rs_err *err);
/* The same, then its values as float32 to out[product of shape]. */
rs_status rs_tensors_fetch(const rs_tensors *t, const char *name, const size_t *shape, size_t rank,
                           float *out, rs_err *err);

/* ---- Writing --------------------------------------------------------- */

/* What to write: dtype F32 or F16 (nearest, ties to even) of floats, I8 of int8_t. */
typedef struct {
    const char  *name;
    rs_dtype     dtype;
    size_t       rank;
    const size_t *shape;
    const void  *data;
} rs_tensor_out;

/* Write the n tensors in this order with metadata {"format": "pt"}, header padded to 8
 * bytes, atomically (base/outfile.h), one tensor in memory at a time. RS_EARG names a
 * tensor with a value beyond F16 or of another dtype; RS_EIO, RS_ENOMEM. */
rs_status rs_tensors_write(const char *path, const rs_tensor_out *tensor, size_t n, rs_err *err);
/* The same with more metadata: key, value, key, value, ..., NULL. */
rs_status rs_tensors_write_noted(const char *path, const rs_tensor_out *tensor, size_t n,
                                 const char *const *notes, rs_err *err);

#endif
