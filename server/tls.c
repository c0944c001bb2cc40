/* tls.c - see tls.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/tls.h"

#include "base/alloc.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* TLS 1.2: ephemeral keys, authenticated encryption. TLS 1.3 has nothing else. */
static const char CIPHERS[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const unsigned char HTTP_1_1[] = "\x08http/1.1";
enum { RECORD = 16 << 10 };

struct rs_tls {
    SSL_CTX *ctx;
};

struct rs_tls_stream {
    SSL *ssl;
    BIO *in, *out;                 /* ssl's own */
    bool begun, bad;
    char why[120];
};

/* OpenSSL's own last word, and none left for the next call on this thread. */
static void last_word(char *to, size_t size)
{
    const unsigned long code = ERR_peek_last_error();

    if (code)
        ERR_error_string_n(code, to, size);
    else
        snprintf(to, size, "no reason given");
    ERR_clear_error();
}

static rs_status tls_fail(rs_err *err, const char *what)
{
    char why[160];

    last_word(why, sizeof why);
    return rs_fail(err, RS_EARG, "%.200s: %s", what, why);
}

/* ---- Certificate ----------------------------------------------------- */

/* http/1.1, or an alert where the peer offers only others (RFC 7301, section 3.2). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *ctx)
{
    unsigned char *chosen;

    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto(&chosen, out_len, HTTP_1_1, sizeof HTTP_1_1 - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A key with a passphrase has nobody to type it. */
static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)ctx;
    return 0;
}

static rs_status set_up(SSL_CTX *ctx, rs_err *err)
{
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1)
        return tls_fail(err, "TLS 1.2");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                        SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    return RS_OK;
}

static rs_status load(SSL_CTX *ctx, const char *cert, const char *key, rs_err *err)
{
    struct stat sb;

    if (stat(key, &sb) == 0 && (sb.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)))
        return rs_fail(err, RS_EARG, "tls_key: everyone may read %s: chmod 600 it", key);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        rs_status st = tls_fail(err, cert);
        return rs_wrap(err, st, "tls_cert");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        rs_status st = tls_fail(err, key);
        return rs_wrap(err, st, "tls_key");
    }
    return RS_OK;
}

rs_status rs_tls_open(rs_tls **out, const char *cert, const char *key, rs_err *err)
{
    rs_tls *t = rs_calloc(1, sizeof *t);
    rs_status st;

    *out = NULL;
    if (t)
        t->ctx = SSL_CTX_new(TLS_server_method());
    if (!t || !t->ctx) {
        rs_free(t);
        return rs_fail(err, RS_ENOMEM, "no memory for TLS");
    }
    if ((st = set_up(t->ctx, err)) != RS_OK || (st = load(t->ctx, cert, key, err)) != RS_OK) {
        rs_tls_close(t);
        return st;
    }
    *out = t;
    return RS_OK;
}

void rs_tls_close(rs_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    rs_free(t);
}

/* ---- A connection ---------------------------------------------------- */

rs_tls_stream *rs_tls_stream_new(rs_tls *t)
{
    rs_tls_stream *s = rs_calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->ssl = SSL_new(t->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (!s->ssl || !s->in || !s->out) {
        BIO_free(s->in);
        BIO_free(s->out);
        SSL_free(s->ssl);
        rs_free(s);
        return NULL;
    }
    BIO_set_mem_eof_return(s->in, -1);             /* empty is not the end */
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_accept_state(s->ssl);
    return s;
}

void rs_tls_stream_free(rs_tls_stream *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    rs_free(s);
}

bool rs_tls_ready(const rs_tls_stream *s)
{
    return SSL_is_init_finished(s->ssl) && !s->bad;
}

const char *rs_tls_why(const rs_tls_stream *s)
{
    return s->why;
}

/* What OpenSSL has for the peer. */
static void drain(rs_tls_stream *s, rs_buf *wire)
{
    char *bytes;
    const long n = BIO_get_mem_data(s->out, &bytes);

    if (n > 0)
        rs_buf_append(wire, bytes, (size_t)n);
    (void)BIO_reset(s->out);
}

static rs_tls_state give_up(rs_tls_stream *s)
{
    s->bad = true;
    last_word(s->why, sizeof s->why);
    return RS_TLS_BAD;
}

/* Everything that can be read now, after the handshake where it is not over. */
static rs_tls_state take(rs_tls_stream *s, rs_buf *plain)
{
    size_t n = 0;
    int code = 1;

    while (code == 1) {
        if (!rs_buf_reserve(plain, RECORD))
            return RS_TLS_OPEN;                    /* plain->failed says the rest */
        ERR_clear_error();
        code = SSL_read_ex(s->ssl, plain->data + plain->len, RECORD, &n);
        if (code == 1)
            plain->len += n;
    }
    plain->data[plain->len] = '\0';
    switch (SSL_get_error(s->ssl, code)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return RS_TLS_OPEN;
    case SSL_ERROR_ZERO_RETURN:
        return RS_TLS_ENDED;
    default:
        return give_up(s);
    }
}

/* A TLS record begins with 22 here; a method, or the preface of HTTP/2, with a capital. */
static bool is_http(const char *bytes)
{
    return bytes[0] >= 'A' && bytes[0] <= 'Z';
}

rs_tls_state rs_tls_feed(rs_tls_stream *s, const char *bytes, size_t n, rs_buf *plain,
                         rs_buf *wire)
{
    rs_tls_state state;

    if (s->bad || n == 0)
        return s->bad ? RS_TLS_BAD : RS_TLS_OPEN;
    if (!s->begun && is_http(bytes)) {
        s->bad = true;
        snprintf(s->why, sizeof s->why, "plain HTTP");
        return RS_TLS_NOT_TLS;
    }
    s->begun = true;
    if (n > INT_MAX || BIO_write(s->in, bytes, (int)n) != (int)n)
        return give_up(s);
    state = take(s, plain);
    drain(s, wire);
    return state;
}

bool rs_tls_seal(rs_tls_stream *s, const char *plain, size_t n, rs_buf *wire)
{
    size_t done = 0;

    if (!rs_tls_ready(s))
        return false;
    ERR_clear_error();
    if (n && SSL_write_ex(s->ssl, plain, n, &done) != 1) {
        give_up(s);
        return false;
    }
    drain(s, wire);
    return done == n;
}

void rs_tls_end(rs_tls_stream *s, rs_buf *wire)
{
    if (!rs_tls_ready(s))
        return;
    SSL_shutdown(s->ssl);
    ERR_clear_error();
    drain(s, wire);
}
