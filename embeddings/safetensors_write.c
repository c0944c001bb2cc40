/* safetensors_write.c - the writer of safetensors.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/safetensors.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/outfile.h"
#include "embeddings/half.h"

#include <math.h>

enum { PIECE = 32768 };                 /* floats converted at a time */

static rs_status out_of_memory(const char *path, rs_err *err)
{
    return rs_fail(err, RS_ENOMEM, "write %s: no memory", path);
}

/* Elements and bytes of `t`; RS_EARG for what cannot be written. */
static rs_status size_of(const rs_tensor_out *t, size_t *count, size_t *bytes, rs_err *err)
{
    *count = 1;
    if (t->dtype != RS_DTYPE_F32 && t->dtype != RS_DTYPE_F16 && t->dtype != RS_DTYPE_I8)
        return rs_fail(err, RS_EARG, "tensor %s: dtype %s is not written", t->name,
                       rs_dtype_name(t->dtype));
    for (size_t i = 0; i < t->rank; i++)
        if (!rs_mul_size(count, *count, t->shape[i]))
            return rs_fail(err, RS_EARG, "tensor %s: too many elements", t->name);
    if (!rs_mul_size(bytes, *count, rs_dtype_size(t->dtype)))
        return rs_fail(err, RS_EARG, "tensor %s: too many bytes", t->name);
    return RS_OK;
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}; NULL on OOM. */
static json_t *entry_of(const rs_tensor_out *t, size_t begin, size_t end)
{
    json_t *shape = json_array();

    for (size_t i = 0; shape && i < t->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", rs_dtype_name(t->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)end);
}

/* The header as text, padded; caller clears `out`. */
static rs_status header_of(rs_buf *out, const char *path, const rs_tensor_out *tensor, size_t n,
                           const char *const *notes, rs_err *err)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    json_t *metadata = json_object_get(header, "__metadata__");
    char *text = NULL;
    size_t at = 0, count, bytes;
    rs_status st = RS_OK;

    for (; notes && notes[0]; notes += 2)
        if (json_object_set_new(metadata, notes[0], json_string(notes[1])) != 0) {
            st = out_of_memory(path, err);
            goto done;
        }
    for (size_t i = 0; i < n; i++) {
        if ((st = size_of(&tensor[i], &count, &bytes, err)) != RS_OK)
            goto done;
        if (json_object_get(header, tensor[i].name)) {
            st = rs_fail(err, RS_EARG, "write %s: tensor %s is given twice", path, tensor[i].name);
            goto done;
        }
        if (json_object_set_new(header, tensor[i].name,
                                entry_of(&tensor[i], at, at + bytes)) != 0) {
            st = out_of_memory(path, err);
            goto done;
        }
        at += bytes;
    }
    text = header ? rs_json_text(header) : NULL;
    if (text)
        rs_buf_puts(out, text);
    while (text && out->len % 8 && !out->failed)
        rs_buf_putc(out, ' ');
    if (!text || out->failed)
        st = out_of_memory(path, err);
done:
    rs_free(text);
    json_decref(header);
    return st;
}

static rs_status write_header(rs_outfile *f, const rs_buf *header, rs_err *err)
{
    unsigned char size[8];
    rs_status st;

    for (size_t i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)header->len >> (8 * i));
    st = rs_outfile_write(f, size, sizeof size, err);
    return st == RS_OK ? rs_outfile_write(f, header->data, header->len, err) : st;
}

/* A finite value must stay finite: infinity would spoil the whole model. */
static rs_status write_half(rs_outfile *f, const rs_tensor_out *t, size_t count, uint16_t *half,
                            rs_err *err)
{
    const float *x = t->data;
    rs_status st = RS_OK;

    for (size_t at = 0; at < count && st == RS_OK; at += PIECE) {
        size_t n = count - at < PIECE ? count - at : PIECE;
        rs_half_pack(half, x + at, n);
        for (size_t i = 0; i < n; i++)
            if ((half[i] & 0x7fff) == 0x7c00 && isfinite(x[at + i]))
                return rs_fail(err, RS_EARG, "tensor %s: value %g of element %zu does not fit F16",
                               t->name, (double)x[at + i], at + i);
        st = rs_outfile_write(f, half, n * sizeof *half, err);
    }
    return st;
}

static rs_status write_data(rs_outfile *f, const rs_tensor_out *tensor, size_t n, const char *path,
                            rs_err *err)
{
    uint16_t *half = rs_calloc(PIECE, sizeof *half);
    rs_status st = half ? RS_OK : out_of_memory(path, err);
    size_t count, bytes;

    for (size_t i = 0; i < n && st == RS_OK; i++) {
        const rs_tensor_out *t = &tensor[i];
        if ((st = size_of(t, &count, &bytes, err)) != RS_OK)
            break;
        if (t->dtype == RS_DTYPE_F16)
            st = write_half(f, t, count, half, err);
        else
            st = rs_outfile_write(f, t->data, bytes, err);
    }
    rs_free(half);
    return st;
}

rs_status rs_tensors_write(const char *path, const rs_tensor_out *tensor, size_t n, rs_err *err)
{
    return rs_tensors_write_noted(path, tensor, n, NULL, err);
}

rs_status rs_tensors_write_noted(const char *path, const rs_tensor_out *tensor, size_t n,
                                 const char *const *notes, rs_err *err)
{
    rs_buf header = {0};
    rs_outfile *f = NULL;
    rs_status st = header_of(&header, path, tensor, n, notes, err);

    if (st == RS_OK)
        st = rs_outfile_open(&f, path, err);
    if (st == RS_OK)
        st = write_header(f, &header, err);
    if (st == RS_OK)
        st = write_data(f, tensor, n, path, err);
    rs_buf_clear(&header);
    return rs_outfile_end(f, st, err);
}
