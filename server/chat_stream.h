/* chat_stream.h - the answer to a streamed chat completion of an OpenAI-compatible server
 * (llama.cpp, Ollama, vLLM): bytes of the body in, text and reasoning out.
 *
 *   data: {"choices":[{"delta":{"content":"The "}}]}          text
 *   data: {"choices":[{"delta":{"reasoning_content":"So"}}]}  reasoning (or "reasoning")
 *   data: {"choices":[{"delta":{},"finish_reason":"stop"}]}   the end
 *   data: {"choices":[],"usage":{...}}                        nothing
 *   data: [DONE]                                              the end
 *   data: {"error":{"message":"..."}}                         failure; "error" may be a string
 *   error: {"message":"..."}                                  failure
 *   {"choices":[{"message":{"content":"..."}}]}               a body that is not streamed
 *
 * Touches no socket: it can be fuzzed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_CHAT_STREAM_H
#define RS_SERVER_CHAT_STREAM_H

#include "server/sse_parse.h"

enum { RS_CHAT_MAX = 1 << 20 };    /* of text and of reasoning, each; of a whole body 4 times */

/* {0}, with the callback set, is one that has read nothing. */
typedef struct {
    /* A piece of the answer or of its reasoning, whole characters; may be NULL. */
    void (*on_text)(void *ctx, const char *text, bool reasoning);
    void  *ctx;

    rs_buf text, reasoning;        /* so far */
    char   finish[24];             /* "stop", "length"; "" where it was not told */

    rs_sse_parser sse;
    rs_buf    whole;               /* a body that is not streamed */
    bool      begun, is_whole;
    rs_status st;                  /* of what went wrong; RS_ECANCEL: the end was seen */
    char      problem[240];
} rs_chat_stream;

/* RS_OK: there may be more. RS_ECANCEL: the answer is whole, the rest is of no interest.
 * RS_EIO: the generator says that it failed; RS_ECORRUPT: it speaks another language;
 * RS_ELIMIT: too much; RS_ENOMEM. `err` says it, the generator's own words cut and plain. */
rs_status rs_chat_stream_read(rs_chat_stream *s, const char *bytes, size_t n, rs_err *err);
/* The body is over: RS_OK, if that was an answer. */
rs_status rs_chat_stream_end(rs_chat_stream *s, rs_err *err);
void      rs_chat_stream_clear(rs_chat_stream *s);

/* What a body of an HTTP error says: {"error":{"message":M}}, {"error":M}, {"message":M},
 * {"detail":M}, a JSON string, or plain text; cut, one line, printable. "" for nothing. */
void rs_chat_problem(const char *body, size_t len, char out[200]);

#endif
