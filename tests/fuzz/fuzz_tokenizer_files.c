/* fuzz_tokenizer_files.c - any bytes as a tokenizer's files: refused with a message, or
 * opened so that a text gives ids in range. An input with a NUL is vocab.json before it
 * and merges.txt after it, any other is tokenizer.json.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tokenizer.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const name[3] = {"vocab.json", "merges.txt", "tokenizer.json"};
static char folder[] = "/tmp/rs_fuzz_XXXXXX";

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void path_of(char path[64], size_t file)
{
    snprintf(path, 64, "%s/%s", folder, name[file]);
}

static void drop_files(void)
{
    char path[64];

    for (size_t i = 0; i < 3; i++) {
        path_of(path, i);
        unlink(path);
    }
}

static void drop_folder(void)
{
    drop_files();
    rmdir(folder);
}

static void write_one(size_t file, const uint8_t *data, size_t size)
{
    char path[64];
    FILE *f;

    path_of(path, file);
    f = fopen(path, "wb");
    want(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static void use(const rs_tokenizer *t)
{
    static const char text[] = "No <|endoftext|> R\xc3\xb6ntgen aaaabbbbabab [X] \xff";
    int32_t bos = rs_tokenizer_bos(t), eos = rs_tokenizer_eos(t), pad = rs_tokenizer_pad(t);
    int32_t ids[200];
    rs_buf out = {0};
    size_t n;
    bool cut;
    rs_status st = rs_tokenizer_encode(t, text, sizeof text - 1, ids, 200, &n, &cut, NULL);

    want(st == RS_OK || st == RS_ELIMIT);        /* a normalizer may grow the text too much */
    if (st != RS_OK)
        return;
    want(n >= rs_tokenizer_extra(t) && (bos < 0 || ids[0] == bos) &&
         (eos < 0 || ids[n - 1] == eos));
    want(pad >= -1 && pad < (int32_t)rs_tokenizer_size(t));
    for (size_t i = 0; i < n; i++)
        want(ids[i] >= 0 && (size_t)ids[i] < rs_tokenizer_size(t));
    rs_tokenizer_decode(t, ids, n, &out);
    want(!out.failed);
    rs_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    const uint8_t *nul = size ? memchr(data, '\0', size) : NULL;
    rs_tokenizer *t;
    rs_err err = {0};
    rs_status st;

    if (!ready) {
        want(mkdtemp(folder) != NULL && atexit(drop_folder) == 0);
        ready = true;
    }
    if (nul) {
        write_one(0, data, (size_t)(nul - data));
        write_one(1, nul + 1, size - (size_t)(nul - data) - 1);
    } else {
        write_one(2, data, size);
    }
    st = rs_tokenizer_open(&t, folder, &err);
    want((st == RS_OK) == (t != NULL));
    if (st == RS_OK)
        use(t);
    else
        want(err.msg[0] != '\0' && err.code == st && st != RS_ENOENT);
    rs_tokenizer_close(t);
    drop_files();
    return 0;
}
