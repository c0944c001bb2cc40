/* fuzz_tokenizer_models.c - any bytes as a spiece.model or a vocab.txt: refused with a
 * message, or opened so that a text gives ids in range. The first byte says which: 's' a
 * spiece.model, 'v' a vocab.txt, 'c' a table of characters alone (charsmap_int.h).
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/charsmap_int.h"
#include "embeddings/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "No </s> R\xc3\xb6ntgen A\xc3\x81 aab [Z] \xe2\x96\x81 [SEP] \xff";
static char folder[] = "/tmp/rs_fuzz_XXXXXX";

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void drop_folder(void)
{
    rmdir(folder);
}

static void use(const rs_tokenizer *t)
{
    int32_t ids[400];
    rs_buf out = {0};
    size_t n, count;
    bool cut;

    want(rs_tokenizer_encode(t, text, sizeof text - 1, ids, 400, &n, &cut, NULL) == RS_OK);
    want(n >= rs_tokenizer_extra(t) && n <= 400);
    want(rs_tokenizer_eos(t) < 0 || ids[n - 1] == rs_tokenizer_eos(t));
    for (size_t i = 0; i < n; i++)
        want(ids[i] >= 0 && (size_t)ids[i] < rs_tokenizer_size(t));
    want(rs_tokenizer_count(t, text, sizeof text - 1, &count, NULL) == RS_OK);
    want(cut || count + rs_tokenizer_extra(t) == n);
    rs_tokenizer_decode(t, ids, n, &out);
    want(!out.failed);
    rs_buf_clear(&out);
}

static void open_as(const char *name, const uint8_t *data, size_t size)
{
    char path[64];
    rs_tokenizer *t;
    rs_err err = {0};
    rs_status st;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    want(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    st = rs_tokenizer_open(&t, folder, &err);
    want((st == RS_OK) == (t != NULL));
    if (st == RS_OK)
        use(t);
    else
        want(err.msg[0] != '\0' && err.code == st && st != RS_ENOENT);
    rs_tokenizer_close(t);
    unlink(path);
}

static void look_up(const uint8_t *data, size_t size)
{
    rs_charsmap m;
    size_t n;

    if (rs_charsmap_read(&m, data, size, "map", NULL) != RS_OK)
        return;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        const char *to = rs_charsmap_longest(&m, text + i, sizeof text - 1 - i, &n);
        want(!to || (n > 0 && n <= sizeof text - 1 - i && strlen(to) <= m.text_len));
    }
    rs_charsmap_clear(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;

    if (!ready) {
        want(mkdtemp(folder) != NULL && atexit(drop_folder) == 0);
        ready = true;
    }
    if (size == 0)
        return 0;
    if (data[0] == 's')
        open_as("spiece.model", data + 1, size - 1);
    else if (data[0] == 'v')
        open_as("vocab.txt", data + 1, size - 1);
    else
        look_up(data + 1, size - 1);
    return 0;
}
