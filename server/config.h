/* config.h - the server's settings, from four places with one precedence:
 *
 *   --queue 200        a flag, before
 *   RADSCOUT_QUEUE     the environment, before
 *   {"queue": 200}     the file (a JSON object; --config, $RADSCOUT_CONFIG), before
 *   the default
 *
 * A name that is not known, a value of another type or outside its range is an error that
 * names the place. The table of settings is RS_SETTING_MAP; text values are copied, so an
 * rs_config is a plain value.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_CONFIG_H
#define RS_SERVER_CONFIG_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* T: text of so many bytes. N: a whole number in [min, max]. What SIGHUP cannot change is
 * marked "fixed".
 *   kind  name         default      min   max       meaning */
#define RS_SETTING_MAP(T, N)                                                                  \
    T(bind,          "127.0.0.1", 64)            /* fixed: address to listen at             */ \
    N(port,          8080,     0,  65535)        /* fixed: 0: one that is free              */ \
    N(workers,       0,        0,  256)          /* fixed: 0: one a core                    */ \
    N(queue,         128,      1,  100000)       /* fixed: requests that may wait           */ \
    N(connections,   1024,     1,  100000)       /* open at once                            */ \
    N(body_mb,       64,       1,  2048)         /* of a request's body                     */ \
    N(together,      0,        0,  64)           /* fixed: texts encoded at once; 0: measure */ \
    N(write_queue,   16,       1,  100000)       /* fixed: writing requests that may wait   */ \
    N(deadline_ms,   10000,    10, 3600000)      /* of a request, from its last byte on     */ \
    N(write_deadline_ms, 120000, 10, 3600000)    /* the same of one that writes             */ \
    N(header_ms,     10000,    10, 3600000)      /* a head may take                         */ \
    N(body_ms,       30000,    10, 3600000)      /* a body may come without a byte          */ \
    N(idle_ms,       60000,    10, 3600000)      /* a connection may wait for a request     */ \
    N(write_ms,      30000,    10, 3600000)      /* a client may read nothing               */ \
    N(drain_ms,      20000,    0,  3600000)      /* after SIGTERM, for what is under way    */ \
    N(renditions_mb, 1024,     0,  10000000)     /* fixed: kept on the disk; 0: none        */ \
    T(generators,    "", 1024)                   /* fixed: a file, see generators.h         */ \
    T(prompts,       "", 1024)                   /* fixed: a folder of templates            */ \
    N(answers,       16,       1,  10000)        /* with generators at once                 */ \
    T(hosts,         "", 1024)                   /* names besides localhost, with commas    */ \
    T(log_level,     "info", 8)                  /* debug, info, warn, error                */ \
    T(log,           "", 1024)                   /* a file; empty: stderr                   */ \
    N(access_log,    1,        0,  1)            /* a line for each request under /v1       */ \
    T(auth,          "auto", 16)                 /* fixed: auto, required, open (auth.h)    */ \
    T(tokens,        "", 1024)                   /* fixed: a file; empty: ARCHIVE.tokens    */ \
    N(rate,          50,       0,  100000)       /* requests a second of a token; 0: any    */ \
    N(burst,         200,      1,  1000000)      /* of them at once                         */ \
    T(tls_cert,      "", 1024)                   /* a PEM chain; empty: no TLS              */ \
    T(tls_key,       "", 1024)                   /* its key, PEM                            */ \
    T(audit,         "", 1024)                   /* fixed: a file; "none"; empty: beside    */ \
                                                 /* the archive where tokens are asked for  */ \
    T(audit_text,    "hash", 8)                  /* what was asked: hash or plain           */ \
    N(audit_mb,      256,      1,  100000)       /* of a file, then a new one is begun      */

#define RS_SETTING_TEXT(name, fallback, size) char name[size];
#define RS_SETTING_NUMBER(name, fallback, min, max) long long name;
typedef struct {
    RS_SETTING_MAP(RS_SETTING_TEXT, RS_SETTING_NUMBER)
} rs_config;
#undef RS_SETTING_TEXT
#undef RS_SETTING_NUMBER

/* The value of flag `name`, spelt with "-" ("log-level"), or NULL. */
typedef const char *(*rs_config_flag)(const void *ctx, const char *name);

/* `file` may be NULL. RS_ENOENT, RS_ECORRUPT (the file); RS_EARG (the others, and values that
 * make no sense together). */
rs_status rs_config_load(rs_config *c, const char *file, rs_config_flag flag, const void *ctx,
                         rs_err *err);
/* RS_EARG: values that do not go together. Another address than loopback needs TLS, and
 * tokens, which rs_auth_new looks for. */
rs_status rs_config_check(const rs_config *c, rs_err *err);
bool rs_config_is_loopback(const rs_config *c);
/* Does a request for `host` ("localhost:8080") mean us? Our own names and those of `hosts`; a
 * page of another name that resolves to this machine (DNS rebinding) does not. */
bool rs_config_is_host(const rs_config *c, const char *host);

/* As a JSON object's text; caller rs_free()s, NULL on OOM. */
char *rs_config_text(const rs_config *c);

#endif
