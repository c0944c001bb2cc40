/* onnx.c - see onnx.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "onnx.h"

#include "base/bytes.h"
#include "base/outfile.h"

#include <string.h>

struct onnx {
    rs_outfile *file;              /* NULL: only measure */
    uint64_t bytes;                /* of the graph so far */
    rs_status st;
    rs_err err;
};

/* ---- Protobuf ------------------------------------------------------------------------ */

enum { VARINT = 0, LENGTH = 2, FIXED32 = 5 };

static void put_varint(rs_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        rs_buf_putc(b, (char)((v & 0x7F) | 0x80));
    rs_buf_putc(b, (char)v);
}

static void put_key(rs_buf *b, unsigned field, unsigned wire)
{
    put_varint(b, (uint64_t)field << 3 | wire);
}

static void put_number(rs_buf *b, unsigned field, int64_t v)
{
    put_key(b, field, VARINT);
    put_varint(b, (uint64_t)v);
}

static void put_bytes(rs_buf *b, unsigned field, const void *bytes, size_t n)
{
    put_key(b, field, LENGTH);
    put_varint(b, n);
    rs_buf_append(b, bytes, n);
}

static void put_text(rs_buf *b, unsigned field, const char *s)
{
    put_bytes(b, field, s, strlen(s));
}

/* `inner` becomes field `field` of b, and is cleared. */
static void put_message(rs_buf *b, unsigned field, rs_buf *inner)
{
    put_bytes(b, field, inner->data ? inner->data : "", inner->len);
    b->failed |= inner->failed;
    rs_buf_clear(inner);
}

/* ---- The graph -------------------------------------------------------------------------- */

enum {                             /* GraphProto */
    GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12
};

static void out(onnx *o, const void *bytes, size_t n)
{
    o->bytes += n;
    if (o->file && o->st == RS_OK)
        o->st = rs_outfile_write(o->file, bytes, n, &o->err);
}

static void out_buf(onnx *o, rs_buf *b)
{
    if (b->failed && o->st == RS_OK)
        o->st = rs_fail(&o->err, RS_ENOMEM, "onnx: no memory");
    out(o, b->data ? b->data : "", b->len);
    rs_buf_clear(b);
}

/* Names separated by spaces as repeated strings. */
static void put_names(rs_buf *b, unsigned field, const char *names)
{
    while (*names) {
        const size_t n = strcspn(names, " ");
        put_bytes(b, field, names, n == 1 && *names == '-' ? 0 : n);
        names += n;
        names += *names == ' ';
    }
}

static void put_attribute(rs_buf *node, const onnx_attribute *a)
{
    static const int64_t types[] = {2, 1, 7, 3};
    rs_buf b = {0};

    put_text(&b, 1, a->name);
    if (a->kind == ONNX_INT)
        put_number(&b, 3, a->i);
    if (a->kind == ONNX_FLOAT) {
        put_key(&b, 2, FIXED32);
        rs_buf_append(&b, &a->f, sizeof a->f);
    }
    for (size_t i = 0; a->kind == ONNX_INTS && i < a->n; i++)
        put_number(&b, 8, a->ints[i]);
    if (a->kind == ONNX_STRING)
        put_text(&b, 4, a->s);
    put_number(&b, 20, types[a->kind]);
    put_message(node, 5, &b);
}

void onnx_node(onnx *o, const char *domain, const char *type, const char *inputs,
               const char *outputs, const onnx_attribute *attributes)
{
    rs_buf node = {0}, field = {0};

    put_names(&node, 1, inputs);
    put_names(&node, 2, outputs);
    put_text(&node, 4, type);
    for (const onnx_attribute *a = attributes; a && a->name; a++)
        put_attribute(&node, a);
    put_text(&node, 7, domain);
    put_message(&field, GRAPH_NODE, &node);
    out_buf(o, &field);
}

/* A tensor's head, then its bytes straight from where they lie. */
static void tensor(onnx *o, const char *name, int type, size_t rank, const int64_t *shape,
                   const void *data, size_t bytes)
{
    rs_buf head = {0}, all = {0}, tail = {0};

    for (size_t i = 0; i < rank; i++)
        put_number(&head, 1, shape[i]);
    put_number(&head, 2, type);
    put_text(&head, 8, name);
    put_key(&tail, 9, LENGTH);
    put_varint(&tail, bytes);
    put_key(&all, GRAPH_INITIALIZER, LENGTH);
    put_varint(&all, head.len + tail.len + bytes);
    out_buf(o, &all);
    out_buf(o, &head);
    out_buf(o, &tail);
    out(o, data, bytes);
}

static size_t count(size_t rank, const int64_t *shape)
{
    size_t n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (size_t)shape[i];
    return n;
}

void onnx_floats(onnx *o, const char *name, const float *x, size_t rank, const int64_t *shape)
{
    tensor(o, name, ONNX_TYPE_FLOAT, rank, shape, x, count(rank, shape) * sizeof *x);
}

void onnx_int8s(onnx *o, const char *name, const int8_t *x, size_t rank, const int64_t *shape)
{
    tensor(o, name, ONNX_TYPE_INT8, rank, shape, x, count(rank, shape));
}

void onnx_int64s(onnx *o, const char *name, const int64_t *x, size_t n)
{
    tensor(o, name, ONNX_TYPE_INT64, 1, (const int64_t[]){(int64_t)n}, x, n * sizeof *x);
}

static void value(onnx *o, unsigned field, const char *name, int type, size_t rank,
                  const int64_t *shape)
{
    rs_buf dim = {0}, dims = {0}, tensor_type = {0}, value_type = {0}, info = {0}, all = {0};

    for (size_t i = 0; i < rank; i++) {
        if (shape[i] < 0)
            put_text(&dim, 2, i == 0 ? "batch" : "tokens");
        else
            put_number(&dim, 1, shape[i]);
        put_message(&dims, 1, &dim);
    }
    put_number(&tensor_type, 1, type);
    put_message(&tensor_type, 2, &dims);
    put_message(&value_type, 1, &tensor_type);
    put_text(&info, 1, name);
    put_message(&info, 2, &value_type);
    put_message(&all, field, &info);
    out_buf(o, &all);
}

void onnx_input(onnx *o, const char *name, int type, size_t rank, const int64_t *shape)
{
    value(o, GRAPH_INPUT, name, type, rank, shape);
}

void onnx_output(onnx *o, const char *name, int type, size_t rank, const int64_t *shape)
{
    value(o, GRAPH_OUTPUT, name, type, rank, shape);
}

/* ---- The file ----------------------------------------------------------------------------- */

static void put_opset(rs_buf *b, const char *domain, int64_t version)
{
    rs_buf inner = {0};

    put_text(&inner, 1, domain);
    put_number(&inner, 2, version);
    put_message(b, 8, &inner);
}

rs_status onnx_save(const char *path, void (*build)(onnx *o, void *ctx), void *ctx, rs_err *err)
{
    onnx count_only = {0}, o = {0};
    rs_buf head = {0}, name = {0};

    build(&count_only, ctx);
    put_text(&name, GRAPH_NAME, "g");
    put_number(&head, 1, 8);                   /* ir_version */
    put_text(&head, 2, "radscout");
    put_opset(&head, "", 17);
    put_opset(&head, "com.microsoft", 1);
    put_key(&head, 7, LENGTH);
    put_varint(&head, count_only.bytes + name.len);
    if ((o.st = rs_outfile_open(&o.file, path, &o.err)) == RS_OK) {
        out_buf(&o, &head);
        out_buf(&o, &name);
        build(&o, ctx);
        o.st = rs_outfile_end(o.file, o.st, &o.err);
    }
    rs_buf_clear(&head);
    rs_buf_clear(&name);
    if (o.st != RS_OK && err)
        *err = o.err;
    return o.st;
}
