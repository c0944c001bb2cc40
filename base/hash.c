/* hash.c - see hash.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>

struct rs_sha256 {
    EVP_MD_CTX *ctx;
    bool failed;
};

rs_sha256 *rs_sha256_new(void)
{
    rs_sha256 *h = rs_calloc(1, sizeof *h);

    if (!h)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(h->ctx);
        rs_free(h);
        return NULL;
    }
    return h;
}

void rs_sha256_add(rs_sha256 *h, const void *bytes, size_t n)
{
    if (n && EVP_DigestUpdate(h->ctx, bytes, n) != 1)
        h->failed = true;
}

void rs_sha256_end(rs_sha256 *h, char hex[RS_SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;

    if (EVP_DigestFinal_ex(h->ctx, digest, &len) != 1 || len != 32)
        h->failed = true;
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", h->failed ? 0u : digest[i]);
    EVP_MD_CTX_free(h->ctx);
    rs_free(h);
}

rs_status rs_sha256_of(char hex[RS_SHA256_HEX], const void *bytes, size_t n, rs_err *err)
{
    rs_sha256 *h = rs_sha256_new();

    hex[0] = '\0';
    if (!h)
        return rs_fail(err, RS_ENOMEM, "SHA-256: no memory");
    rs_sha256_add(h, bytes, n);
    rs_sha256_end(h, hex);
    return RS_OK;
}

rs_status rs_sha256_file(char hex[RS_SHA256_HEX], const char *path, rs_err *err)
{
    rs_map m;
    rs_status st = rs_map_open(&m, path, err);

    hex[0] = '\0';
    if (st != RS_OK)
        return st;
    st = rs_sha256_of(hex, m.data, m.len, err);
    rs_map_close(&m);
    return st;
}

uint64_t rs_hash_text(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}
