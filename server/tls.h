/* tls.h - TLS 1.2 and 1.3 on bytes: what came from a peer in, plain text and what must go to
 * the peer out. OpenSSL 3 over memory BIOs; it touches no socket, so it runs on the same
 * loop as plain connections, and in tests without one. OpenSSL's types stop at tls.c.
 *
 *   bytes read  --> rs_tls_feed --> plain text --> the HTTP parser
 *   socket      <-- wire        <-- rs_tls_seal <-- an answer's bytes
 *
 * Only AEAD ciphers with forward secrecy; no renegotiation, no compression; ALPN is http/1.1
 * or nothing. Session tickets are OpenSSL's own, valid while the server runs.
 *
 * Threading: an rs_tls from any thread, a stream from one at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_TLS_H
#define RS_SERVER_TLS_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct rs_tls rs_tls;                      /* a certificate and its key */
typedef struct rs_tls_stream rs_tls_stream;        /* one connection */

/* PEM files: the chain, the server's own certificate first, and its key, not encrypted and
 * not readable by everyone. RS_EARG says what is wrong with them. */
rs_status rs_tls_open(rs_tls **out, const char *cert, const char *key, rs_err *err);
void      rs_tls_close(rs_tls *t);                 /* NULL is fine; streams go on */

rs_tls_stream *rs_tls_stream_new(rs_tls *t);       /* NULL on OOM */
void           rs_tls_stream_free(rs_tls_stream *s);

typedef enum {
    RS_TLS_OPEN,                   /* go on */
    RS_TLS_ENDED,                  /* the peer has said that nothing more comes */
    RS_TLS_NOT_TLS,                /* the peer's first bytes are plain HTTP */
    RS_TLS_BAD                     /* no common ground, or damaged: what is in `wire` says so */
} rs_tls_state;

/* Take n bytes of the peer. Plain text is appended to `plain`, bytes for the peer to `wire`;
 * out of memory: their `failed`. */
rs_tls_state rs_tls_feed(rs_tls_stream *s, const char *bytes, size_t n, rs_buf *plain,
                         rs_buf *wire);
/* Append `plain` as records to `wire`; false where that cannot be (not rs_tls_ready). */
bool rs_tls_seal(rs_tls_stream *s, const char *plain, size_t n, rs_buf *wire);
/* "Nothing more comes". */
void rs_tls_end(rs_tls_stream *s, rs_buf *wire);
bool rs_tls_ready(const rs_tls_stream *s);         /* the handshake is over */
/* Why it was bad, in OpenSSL's words. */
const char *rs_tls_why(const rs_tls_stream *s);

#endif
