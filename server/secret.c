/* secret.c - see secret.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

rs_status rs_secret_make(char hex[RS_SECRET_HEX], rs_err *err)
{
    unsigned char bytes[32];

    hex[0] = '\0';
    if (RAND_priv_bytes(bytes, sizeof bytes) != 1)
        return rs_fail(err, RS_EIO, "the system gives no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    rs_secret_wipe(bytes, sizeof bytes);
    return RS_OK;
}

bool rs_secret_equal(const char *a, const char *b)
{
    const size_t n = strlen(a);

    return strlen(b) == n && CRYPTO_memcmp(a, b, n) == 0;
}

void rs_secret_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}
