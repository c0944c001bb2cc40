/* onnx.h - writes an ONNX model: its protobuf by hand, in one pass that measures and one
 * that writes, so that weights of hundreds of MiB are never copied.
 *
 *   void build(onnx *o, void *ctx)       calls onnx_node(), onnx_floats() ... in any order
 *   onnx_save(path, build, ctx, err)     calls it twice
 *
 * Field numbers are those of onnx.proto (github.com/onnx/onnx, IR version 8, opset 17).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_BENCH_ONNX_H
#define RS_TOOLS_BENCH_ONNX_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct onnx onnx;

rs_status onnx_save(const char *path, void (*build)(onnx *o, void *ctx), void *ctx, rs_err *err);

/* An attribute; the list ends with a NULL name. */
typedef struct {
    const char *name;
    enum { ONNX_INT, ONNX_FLOAT, ONNX_INTS, ONNX_STRING } kind;
    int64_t i;
    float f;
    const int64_t *ints;
    size_t n;
    const char *s;
} onnx_attribute;

/* One node. inputs: names separated by spaces, "-" stands for one left out. domain "" is
 * ONNX's own. attributes may be NULL. */
void onnx_node(onnx *o, const char *domain, const char *type, const char *inputs,
               const char *outputs, const onnx_attribute *attributes);

/* Constant tensors. */
void onnx_floats(onnx *o, const char *name, const float *x, size_t rank, const int64_t *shape);
void onnx_int8s(onnx *o, const char *name, const int8_t *x, size_t rank, const int64_t *shape);
void onnx_int64s(onnx *o, const char *name, const int64_t *x, size_t n);

/* What goes in and out; a size of -1 is free. */
enum { ONNX_TYPE_FLOAT = 1, ONNX_TYPE_INT8 = 3, ONNX_TYPE_INT64 = 7 };
void onnx_input(onnx *o, const char *name, int type, size_t rank, const int64_t *shape);
void onnx_output(onnx *o, const char *name, int type, size_t rank, const int64_t *shape);

#endif
