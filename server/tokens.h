/* tokens.h - who may ask: bearer tokens, and what each of them may do and see.
 *
 * A token is 256 random bits, shown once when it is made; the file keeps its SHA-256. There
 * is nothing to guess in it that salt or a slow hash would protect. The file stands beside
 * the archive, not in it ("ARCHIVE.tokens", mode 0600), so that an archive may be copied,
 * backed up or handed on without its users. One JSON object a line:
 *
 *   {"name":"ward 3","role":"reader","collections":["chest"],"sha256":"…",
 *    "created":1767225599,"expires":0,"revoked":0}
 *
 * "collections" is "all" or a list of names, which are compared as filters compare them
 * (ASCII case ignored); a case without a collection is seen by "all" alone. Times are Unix
 * seconds, 0 for never. A revoked token keeps its line, and its name is not given again, so
 * that a name in the audit log means one token for ever.
 *
 * Changing it: under a lock on "FILE.lock", to a new file that takes the place of the old.
 * Threading: an rs_bearers belongs to one thread; add and revoke may run in any process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_TOKENS_H
#define RS_SERVER_TOKENS_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Each may do what those before it may.
 *   none      a route for which nobody has said: closed to all while tokens are asked for
 *   public    needs no token
 *   reader    searches, cases, images       educator  and judges, builds teaching files
 *   editor    and adds and deletes cases    admin     and sees how the server does */
#define RS_ROLE_MAP(X) \
    X(NONE, "none") X(PUBLIC, "public") X(READER, "reader") X(EDUCATOR, "educator") \
    X(EDITOR, "editor") X(ADMIN, "admin")

typedef enum {
#define RS_ROLE_ENUM(name, text) RS_ROLE_##name,
    RS_ROLE_MAP(RS_ROLE_ENUM)
#undef RS_ROLE_ENUM
    RS_ROLES
} rs_role;

const char *rs_role_name(rs_role r);               /* "reader" */
/* RS_ROLES where `name` is none that a token may have. */
rs_role rs_role_of(const char *name);

enum { RS_TOKEN_NAME = 64, RS_TOKEN_TEXT = 70, RS_TOKENS_MAX = 10000,
       RS_TOKEN_COLLECTIONS = 256 };

typedef struct {
    const char *name;              /* 1 to RS_TOKEN_NAME bytes of printable UTF-8 */
    rs_role     role;
    bool        all;               /* every collection; else only these: */
    const char *const *collections;  size_t n_collections;
    char        sha256[RS_SHA256_HEX];
    long long   created, expires, revoked;
} rs_bearer;

typedef struct rs_bearers rs_bearers;

/* Read the file; one that is not there is an empty list. RS_ECORRUPT names the line; RS_EARG
 * where others than its owner may write it; RS_EIO, RS_ENOMEM. */
rs_status rs_bearers_open(rs_bearers **out, const char *path, rs_err *err);
void      rs_bearers_close(rs_bearers *t);           /* NULL is fine */
/* Read it again where it has changed. After a failure no token holds, until the file can be
 * read again: who was revoked must not come back by a damaged file. */
rs_status rs_bearers_refresh(rs_bearers *t, rs_err *err);

size_t          rs_bearers_count(const rs_bearers *t);
const rs_bearer *rs_bearers_at(const rs_bearers *t, size_t i);    /* until the next refresh */
bool            rs_bearers_known(const rs_bearers *t);           /* the file is there */
bool            rs_bearer_holds(const rs_bearer *t, long long now);
size_t          rs_bearers_holding(const rs_bearers *t, long long now);
/* The token whose text this is, where it holds at `now`; else NULL. Looks at every token,
 * and takes as long for one as for another. */
const rs_bearer *rs_bearers_find(const rs_bearers *t, const char *text, long long now);
/* The one with that hash. */
const rs_bearer *rs_bearers_hashed(const rs_bearers *t, const char *sha256, long long now);
/* What it may see, as a filter (filter.h); NULL for all, or *st RS_ENOMEM. In `mem`. */
const char *rs_bearer_filter(const rs_bearer *t, rs_arena *mem, rs_status *st);

/* Make one: name, role, all, collections and expires are read from *want; `text` is shown to
 * whom it is for, and nowhere else. RS_EARG says what is wrong with it. */
rs_status rs_bearers_add(const char *path, const rs_bearer *want, char text[RS_TOKEN_TEXT],
                        rs_err *err);
/* RS_ENOENT: no such name; RS_EARG: it was revoked before. */
rs_status rs_bearers_revoke(const char *path, const char *name, rs_err *err);

/* "ARCHIVE.tokens" for "ARCHIVE/"; caller rs_free()s, NULL on OOM. */
char *rs_beside_archive(const char *archive, const char *suffix);

#endif
