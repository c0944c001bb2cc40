/* token_stream.h - a generator's text while it comes, made fit to be shown before it is
 * checked.
 *
 *   "<think>hm</think><answer>A mass [1][9] ![x](http://h/)"
 *      -> reasoning "hm", answer "A mass [1] ! [x] (http://h/)"
 *
 * Whole words leave, so that nothing is seen in halves: reasoning apart (<reasoning>,
 * <think>), without tags, control characters and marks of direction (clean.h), without a
 * citation of evidence that there is not, and no link of Markdown is one. What is wrong with
 * its sentences is found later (check.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_TOKEN_STREAM_H
#define RS_SERVER_TOKEN_STREAM_H

#include "base/bytes.h"

enum { RS_TOKEN_HOLD = 256 };      /* bytes kept back at most, for the end of a word or bracket */

/* {0}, with the fields before the line, is one that has read nothing. */
typedef struct {
    size_t n;                      /* [1] to [n] may be cited */
    void (*on_piece)(void *ctx, const char *text, bool reasoning);
    void  *ctx;
    /* ---- */
    rs_buf held;
    bool   reasoning;
    bool   closed;                 /* what was shown last ended in ']' */
} rs_token_stream;

void rs_token_stream_add(rs_token_stream *t, const char *text);
/* What is still held. */
void rs_token_stream_end(rs_token_stream *t);
void rs_token_stream_clear(rs_token_stream *t);

/* `text` without citations of numbers outside of 1 to n, in place. */
void rs_citations_limit(char *text, size_t n);

#endif
