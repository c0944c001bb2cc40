/* test_tls.c - TLS without a socket, then a server over it: split records, no common ground,
 * plain HTTP, a handshake that never ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fake_generator.h"
#include "served.h"

#include "server/tls.h"
#include "server/tokens.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static char files[64], cert[96], key[96], tokens[96], token[RS_TOKEN_TEXT];

/* ---- A certificate --------------------------------------------------- */

static void write_certificate(void)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    FILE *f;

    assert_non_null(pair);
    assert_non_null(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pair);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, pair, EVP_sha256()) > 0);
    f = fopen(cert, "w");
    assert_non_null(f);
    PEM_write_X509(f, x);
    fclose(f);
    f = fopen(key, "w");
    assert_non_null(f);
    PEM_write_PrivateKey(f, pair, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    chmod(key, 0600);
    X509_free(x);
    EVP_PKEY_free(pair);
}

static int make(void **state)
{
    const rs_bearer want = {.name = "a", .role = RS_ROLE_READER, .all = true};
    rs_archive *a;
    rs_case c = {.key = "one", .source = "test", .age_years = -1, .digest = "d",
                 .report = "FINDINGS: Effusion."};
    rs_err err = {0};

    (void)state;
    make_folder(serve_folder);
    make_folder(files);
    a = open_writer(serve_folder);
    put_one(a, &c);
    rs_archive_close(a);
    snprintf(cert, sizeof cert, "%s/cert.pem", files);
    snprintf(key, sizeof key, "%s/key.pem", files);
    snprintf(tokens, sizeof tokens, "%s/tokens", files);
    ok(rs_bearers_add(tokens, &want, token, &err), &err);
    write_certificate();
    return 0;
}

static int drop(void **state)
{
    (void)state;
    remove_folder(serve_folder);
    remove_folder(files);
    return 0;
}

/* ---- A client over memory -------------------------------------------- */

typedef struct {
    SSL_CTX *ctx;
    SSL     *ssl;
    BIO     *in, *out;
} client;

static void begin_client(client *c, int max_version)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(c->ctx);
    SSL_CTX_set_security_level(c->ctx, 0);
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_VERSION);
    if (max_version)
        SSL_CTX_set_max_proto_version(c->ctx, max_version);
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(c->in, -1);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
}

static void end_client(client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
}

/* What the client has to say, into `to`. */
static void said(client *c, rs_buf *to)
{
    char bytes[4096];
    int n;

    while ((n = BIO_read(c->out, bytes, sizeof bytes)) > 0)
        rs_buf_append(to, bytes, (size_t)n);
}

/* Both talk, `step` bytes at a time, until neither has more; the server's last word. */
static rs_tls_state talk(client *c, rs_tls_stream *s, size_t step, rs_buf *plain)
{
    rs_tls_state state = RS_TLS_OPEN;

    for (int turn = 0; turn < 20 && state == RS_TLS_OPEN; turn++) {
        rs_buf to_server = {0}, to_client = {0};
        SSL_do_handshake(c->ssl);
        said(c, &to_server);
        for (size_t i = 0; i < to_server.len && state == RS_TLS_OPEN; i += step)
            state = rs_tls_feed(s, to_server.data + i,
                                to_server.len - i < step ? to_server.len - i : step, plain,
                                &to_client);
        if (to_client.len)
            BIO_write(c->in, to_client.data, (int)to_client.len);
        if (!to_server.len && !to_client.len)
            turn = 20;
        rs_buf_clear(&to_server);
        rs_buf_clear(&to_client);
    }
    return state;
}

static void test_split_anywhere(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const size_t steps[] = {1, 3, 17, 1 << 20};
    char big[40000], got[40000];
    rs_tls *t = NULL;
    rs_err err = {0};

    (void)state;
    memset(big, 'x', sizeof big);
    ok(rs_tls_open(&t, cert, key, &err), &err);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            rs_tls_stream *s = rs_tls_stream_new(t);
            rs_buf plain = {0}, wire = {0};
            size_t n = 0, more;
            client c;
            assert_non_null(s);
            begin_client(&c, versions[i]);
            assert_false(rs_tls_seal(s, "early", 5, &wire));
            assert_int_equal(talk(&c, s, steps[k], &plain), RS_TLS_OPEN);
            assert_true(rs_tls_ready(s));
            assert_int_equal(SSL_version(c.ssl), versions[i]);
            assert_int_equal(SSL_write(c.ssl, big, sizeof big), sizeof big);
            assert_int_equal(talk(&c, s, steps[k], &plain), RS_TLS_OPEN);
            assert_int_equal(plain.len, sizeof big);
            assert_true(rs_tls_seal(s, plain.data, plain.len, &wire));
            assert_int_not_equal(memcmp(wire.data + 16, plain.data, 16), 0);
            BIO_write(c.in, wire.data, (int)wire.len);
            while (n < sizeof got && SSL_read_ex(c.ssl, got + n, sizeof got - n, &more) == 1)
                n += more;
            assert_int_equal(n, sizeof got);
            assert_memory_equal(got, big, sizeof got);
            wire.len = 0;
            rs_tls_end(s, &wire);
            assert_true(wire.len > 0);
            SSL_shutdown(c.ssl);
            assert_int_equal(talk(&c, s, steps[k], &plain), RS_TLS_ENDED);
            rs_buf_clear(&plain);
            rs_buf_clear(&wire);
            rs_tls_stream_free(s);
            end_client(&c);
        }
    rs_tls_close(t);
}

static void test_no_common_ground(void **state)
{
    rs_tls *t = NULL;
    rs_err err = {0};

    (void)state;
    ok(rs_tls_open(&t, cert, key, &err), &err);
    for (int i = 0; i < 4; i++) {
        static const unsigned char h2[] = "\x02h2";
        rs_tls_stream *s = rs_tls_stream_new(t);
        rs_buf plain = {0};
        client c;
        begin_client(&c, i == 0 ? TLS1_VERSION : i == 1 ? TLS1_1_VERSION : TLS1_2_VERSION);
        if (i == 2)
            SSL_set_cipher_list(c.ssl, "AES128-SHA");          /* no forward secrecy */
        if (i == 3)
            SSL_set_alpn_protos(c.ssl, h2, sizeof h2 - 1);
        assert_int_equal(talk(&c, s, 1 << 20, &plain), RS_TLS_BAD);
        assert_false(rs_tls_ready(s));
        assert_string_not_equal(rs_tls_why(s), "");
        assert_int_equal(plain.len, 0);
        rs_buf_clear(&plain);
        rs_tls_stream_free(s);
        end_client(&c);
    }
    rs_tls_close(t);
}

/* A handshake with one bit wrong anywhere is none. */
static void test_damaged(void **state)
{
    rs_buf hello = {0}, plain = {0}, wire = {0};
    rs_tls *t = NULL;
    rs_err err = {0};
    client c;

    (void)state;
    ok(rs_tls_open(&t, cert, key, &err), &err);
    begin_client(&c, 0);
    SSL_do_handshake(c.ssl);
    said(&c, &hello);
    for (size_t i = 0; i < hello.len; i++) {
        rs_tls_stream *s = rs_tls_stream_new(t);
        hello.data[i] = (char)(hello.data[i] ^ 0x55);
        rs_tls_feed(s, hello.data, hello.len, &plain, &wire);
        rs_tls_feed(s, hello.data, hello.len, &plain, &wire);
        assert_false(rs_tls_ready(s));
        assert_int_equal(plain.len, 0);
        hello.data[i] = (char)(hello.data[i] ^ 0x55);
        rs_tls_stream_free(s);
    }
    rs_buf_clear(&hello);
    rs_buf_clear(&plain);
    rs_buf_clear(&wire);
    end_client(&c);
    rs_tls_close(t);
}

static void test_wrong_files(void **state)
{
    char other[96];
    rs_tls *t;
    rs_err err = {0};

    (void)state;
    snprintf(other, sizeof other, "%s/none.pem", files);
    assert_int_equal(rs_tls_open(&t, other, key, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "tls_cert"));
    assert_null(t);
    assert_int_equal(rs_tls_open(&t, cert, cert, &err), RS_EARG);
    assert_int_equal(rs_tls_open(&t, key, key, &err), RS_EARG);
    ok(rs_file_write(other, "x", 1, &err), &err);
    assert_int_equal(rs_tls_open(&t, cert, other, &err), RS_EARG);
    chmod(key, 0644);
    assert_int_equal(rs_tls_open(&t, cert, key, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "chmod"));
    chmod(key, 0600);
}

/* ---- A server -------------------------------------------------------- */

static void begin_with(served *v, const rs_generators *g)
{
    serve_plan(v);
    v->plan.service.generators = g;
    snprintf(v->plan.config.tls_cert, sizeof v->plan.config.tls_cert, "%s", cert);
    snprintf(v->plan.config.tls_key, sizeof v->plan.config.tls_key, "%s", key);
    snprintf(v->plan.config.tokens, sizeof v->plan.config.tokens, "%s", tokens);
    snprintf(v->plan.config.audit, sizeof v->plan.config.audit, "none");
    snprintf(v->plan.config.bind, sizeof v->plan.config.bind, "0.0.0.0");
    serve_begin(v);
}

static void begin(served *v)
{
    begin_with(v, NULL);
}

/* One request over TLS; everything that came back, until the server has closed. */
static char *ask_tls(int port, const char *request, bool by_bytes)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    int fd = dial(port);
    rs_buf got = {0};
    char some[4096];
    int n;

    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    for (size_t i = 0, step = by_bytes ? 1 : strlen(request); i < strlen(request); i += step)
        assert_true(SSL_write(ssl, request + i, (int)step) > 0);
    while ((n = SSL_read(ssl, some, sizeof some)) > 0)
        rs_buf_append(&got, some, (size_t)n);
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);    /* it said so */
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return rs_buf_take(&got);
}

static void test_https(void **state)
{
    char request[512], *got;
    served v;

    (void)state;
    begin(&v);
    snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
             "GET /v1/cases/one HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Origin: https://localhost\r\nConnection: close\r\n\r\n", token);
    for (int i = 0; i < 2; i++) {              /* pipelined, then a record a byte */
        got = ask_tls(v.port, request, i == 1);
        assert_non_null(strstr(got, "200 OK"));
        assert_non_null(strstr(got, "FINDINGS: Effusion."));
        rs_free(got);
    }
    got = ask_tls(v.port, "GET /v1/stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                  false);
    assert_non_null(strstr(got, "401 Unauthorized"));
    rs_free(got);
    snprintf(request, sizeof request, "POST /v1/session HTTP/1.1\r\nHost: localhost\r\n"
             "Authorization: Bearer %s\r\nConnection: close\r\n\r\n", token);
    got = ask_tls(v.port, request, false);
    assert_non_null(strstr(got, "Set-Cookie: __Host-radscout="));
    assert_non_null(strstr(got, "; Secure\r\n"));
    rs_free(got);
    got = ask_tls(v.port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
                  "Connection: close\r\n\r\n", false);
    assert_non_null(strstr(got, "403 "));      /* the page of the plain port is another's */
    rs_free(got);
    serve_end(&v);
}

static void speak(fake *f, int fd, int number, const char *request)
{
    (void)number;
    (void)request;
    fake_answer(f, fd, "There is an effusion [1]. There is an effusion [1].", 1);
}

/* Events of an answer, record by record. */
static void test_answer(void **state)
{
    static const char body[] = "{\"text\": \"effusion\"}";
    char text[256], request[512], *got;
    rs_generators *g = NULL;
    rs_err err = {0};
    served v;
    fake f;

    (void)state;
    fake_begin(&f, speak, NULL);
    snprintf(text, sizeof text, "{\"generators\": {\"a\": {\"url\": \"http://127.0.0.1:%d/v1\"}}, "
             "\"templates\": {\"*\": {\"draft\": \"a\"}}}", f.port);
    ok(rs_generators_read(&g, text, strlen(text), "test", &err), &err);
    begin_with(&v, g);
    snprintf(request, sizeof request, "POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
             "Bearer %s\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
             "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", token, strlen(body), body);
    got = ask_tls(v.port, request, false);
    assert_non_null(strstr(got, "event: evidence"));
    assert_non_null(strstr(got, "event: token"));
    assert_non_null(strstr(got, "event: done"));
    assert_non_null(strstr(got, "\"generator\":\"a\""));
    rs_free(got);
    serve_end(&v);
    fake_end(&f);
    rs_generators_free(g);
}

static void test_others(void **state)
{
    served v;
    answer a;
    int fd;

    (void)state;
    begin(&v);
    a = ask(v.port, REQUEST("GET /healthz"));
    assert_int_equal(a.status, 400);
    assert_non_null(strstr(a.body, "https://"));
    fd = dial(v.port);
    say_bytes(fd, "\x16\x03\x01\x00\x05nonsense", 13);
    hear_end(fd);
    hang_up(fd);
    fd = dial(v.port);                         /* half a record, and gone */
    say_bytes(fd, "\x16\x03\x01\x02\x00\x01", 6);
    hang_up(fd);
    rs_free(ask_tls(v.port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                    false));
    serve_end(&v);
}

static void test_slow_handshake(void **state)
{
    served v;
    int fd;

    (void)state;
    serve_plan(&v);
    snprintf(v.plan.config.tls_cert, sizeof v.plan.config.tls_cert, "%s", cert);
    snprintf(v.plan.config.tls_key, sizeof v.plan.config.tls_key, "%s", key);
    v.plan.config.header_ms = 300;
    serve_begin(&v);
    fd = dial(v.port);
    say_bytes(fd, "\x16\x03\x01", 3);
    hear_end(fd);
    hang_up(fd);
    serve_end(&v);
}

static void test_out_of_memory(void **state)
{
    rs_status st = RS_ENOMEM;
    rs_tls_stream *s = NULL;
    rs_tls *t = NULL;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_tls_open(&t, cert, key, NULL);
        rs_alloc_fail_after(-1);
    }
    rs_alloc_fail_after(0);
    s = rs_tls_stream_new(t);
    rs_alloc_fail_after(-1);
    assert_null(s);
    rs_tls_close(t);
}

/* A server over TLS that runs out of memory at the k-th allocation of a connection. */
static void test_server_out_of_memory(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int answered = 0;
    served v;

    (void)state;
    begin(&v);
    for (long k = 0; k < 60; k++) {
        struct timeval wait = {.tv_sec = 5};
        SSL *ssl = SSL_new(ctx);
        int fd = dial(v.port);
        char some[512];
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        SSL_set_fd(ssl, fd);
        rs_alloc_fail_after(k);
        if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, sizeof request - 1) > 0)
            answered += SSL_read(ssl, some, sizeof some) > 0;
        rs_alloc_fail_after(-1);
        SSL_free(ssl);
        close(fd);
    }
    assert_true(answered > 5);
    rs_free(ask_tls(v.port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                    false));
    serve_end(&v);
    SSL_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_anywhere), cmocka_unit_test(test_no_common_ground),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_https), cmocka_unit_test(test_answer),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_slow_handshake), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_server_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
