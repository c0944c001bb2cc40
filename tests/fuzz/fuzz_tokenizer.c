/* fuzz_tokenizer.c - any bytes as a text: encoded without failure, ids in range, bos
 * first, eos last, a cut text the head of the whole, text back again as UTF-8.
 * Reads tests/data/tokenizer/small: run it from the top of the source tree.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tokenizer.h"

#include "base/alloc.h"
#include "embeddings/words_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CONTEXT = 77 };

static void want(bool ok)
{
    if (!ok)
        abort();
}

static const rs_tokenizer *tokenizer(void)
{
    static rs_tokenizer *t;
    rs_err err;

    if (!t && rs_tokenizer_open(&t, "tests/data/tokenizer/small", &err) != RS_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return t;
}

static void check_words(const char *text, size_t len)
{
    rs_buf once = {0}, twice = {0};

    want(rs_words_normalise(&once, text, len, NULL) == RS_OK);
    want(once.len <= 3 * len);
    want(rs_words_normalise(&twice, once.data, once.len, NULL) == RS_OK);
    for (size_t at = 0; at < once.len;) {
        size_t from = at;
        want(rs_utf8_next(once.data, once.len, &at) != 0xfffd || at - from == 3);
    }
    rs_buf_clear(&once);
    rs_buf_clear(&twice);
}

static void check_decoding(const rs_tokenizer *t, const int32_t *ids, size_t n)
{
    rs_buf out = {0};

    rs_tokenizer_decode(t, ids, n, &out);
    want(!out.failed);
    for (size_t at = 0; at < out.len;) {
        size_t from = at;
        want(rs_utf8_next(out.data, out.len, &at) != 0xfffd || at - from == 3);
    }
    rs_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const rs_tokenizer *t = tokenizer();
    const char *text = (const char *)data;
    size_t max = 3 * size + 2, n, n_cut, count;
    int32_t *ids = rs_calloc(max, sizeof *ids), few[CONTEXT];
    bool cut;

    want(ids != NULL);
    want(rs_tokenizer_encode(t, text, size, ids, max, &n, &cut, NULL) == RS_OK);
    want(!cut && n >= 2 && n <= max);
    want(ids[0] == rs_tokenizer_bos(t) && ids[n - 1] == rs_tokenizer_eos(t));
    for (size_t i = 0; i < n; i++)
        want(ids[i] >= 0 && (size_t)ids[i] < rs_tokenizer_size(t));
    want(rs_tokenizer_count(t, text, size, &count, NULL) == RS_OK && count == n - 2);
    want(rs_tokenizer_encode(t, text, size, few, CONTEXT, &n_cut, &cut, NULL) == RS_OK);
    want(cut == (n > CONTEXT) && n_cut == (cut ? CONTEXT : n));
    want(memcmp(few, ids, (n_cut - 1) * sizeof *ids) == 0);
    want(few[n_cut - 1] == rs_tokenizer_eos(t));
    check_decoding(t, ids, n);
    check_words(text, size);
    rs_free(ids);
    return 0;
}
