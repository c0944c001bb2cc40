/* fuzz_safetensors.c - any bytes as a safetensors file: refused with a message, or read
 * with every array inside the file and every byte of data in exactly one array.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/safetensors.h"

#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(int ok)
{
    if (!ok)
        abort();
}

static size_t look_at(const rs_tensors *t, const rs_tensor *one, const uint8_t *data, size_t size)
{
    float *out = one->count < 1u << 20 ? rs_calloc(one->count, sizeof *out) : NULL;
    rs_err err = {0};

    want(rs_tensors_find(t, one->name) == one);
    want(one->bytes == one->count * rs_dtype_size(one->dtype));
    if (one->bytes)
        want(one->data >= data + 8 && one->data + one->bytes <= data + size);
    if (out && rs_tensors_fetch(t, one->name, one->shape, one->rank, out, &err) != RS_OK)
        want(err.msg[0] != '\0');
    rs_free(out);
    return one->bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rs_tensors *t = NULL;
    rs_err err = {0};
    uint64_t header = 0;
    size_t sum = 0;

    if (rs_tensors_parse(&t, data, size, "fuzz", &err) != RS_OK) {
        want(!t && err.msg[0] != '\0' && err.code != RS_OK);
        return 0;
    }
    for (size_t i = 0; i < rs_tensors_count(t); i++) {
        const rs_tensor *one = rs_tensors_at(t, i);
        want(i == 0 || strcmp(rs_tensors_at(t, i - 1)->name, one->name) < 0);
        sum += look_at(t, one, data, size);
    }
    memcpy(&header, data, sizeof header);
    want(8 + header + sum == size);
    (void)rs_tensors_metadata(t, "format");
    rs_tensors_close(t);
    return 0;
}
