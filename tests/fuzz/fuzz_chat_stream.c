/* fuzz_chat_stream.c - any bytes as a generator's answer: cut in two anywhere they are the same
 * answer, within its limits; what is shown of it cites nothing that there is not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/chat_stream.h"
#include "server/token_stream.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
    if (!ok)
        abort();
}

static void show_piece(void *ctx, const char *text, bool reasoning)
{
    (void)reasoning;
    want(!strstr(text, "[9]") && !strstr(text, "](") && !strchr(text, '\x1b'));
    rs_buf_puts(ctx, text);
}

static void show(void *ctx, const char *text, bool reasoning)
{
    if (!reasoning)
        rs_token_stream_add(ctx, text);
}

static rs_status read_all(rs_chat_stream *s, const char *bytes, size_t n, size_t cut)
{
    rs_err err = {0};
    rs_status st = rs_chat_stream_read(s, bytes, cut, &err);

    if (st == RS_OK)
        st = rs_chat_stream_read(s, bytes + cut, n - cut, &err);
    if (st == RS_OK || st == RS_ECANCEL)
        st = rs_chat_stream_end(s, &err);
    want(st == RS_OK || *err.msg);
    want(s->text.len <= RS_CHAT_MAX && s->reasoning.len <= RS_CHAT_MAX);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    const size_t cut = size ? data[size / 2] % size : 0;
    rs_buf shown = {0};
    rs_token_stream t = {.n = 3, .on_piece = show_piece, .ctx = &shown};
    rs_chat_stream whole = {.on_text = show, .ctx = &t}, parts = {.on_text = NULL};
    rs_status a = read_all(&whole, bytes, size, 0), b = read_all(&parts, bytes, size, cut);
    char problem[200];

    rs_token_stream_end(&t);
    want(a == b && whole.text.len == parts.text.len && whole.reasoning.len == parts.reasoning.len);
    want(whole.text.len == 0 || memcmp(whole.text.data, parts.text.data, whole.text.len) == 0);
    rs_chat_problem(bytes, size, problem);
    want(strlen(problem) < sizeof problem && !strpbrk(problem, "\r\n\x1b"));
    rs_token_stream_clear(&t);
    rs_buf_clear(&shown);
    rs_chat_stream_clear(&whole);
    rs_chat_stream_clear(&parts);
    return 0;
}
