/* tokens.c - see tokens.h.
 *
 * A tokenizer outlives the connection that it was found through: its methods are FTS5's
 * own static functions, and it holds no pointer back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/tokens.h"

#include "base/alloc.h"
#include "engine/db.h"

#include <stdint.h>

struct rs_tokens {
    fts5_tokenizer  methods;
    Fts5Tokenizer  *tokenizer;
};

rs_status rs_tokens_new(rs_tokens **out, rs_err *err)
{
    const char *args[] = {"unicode61", "remove_diacritics", "2"};
    rs_tokens *t = rs_calloc(1, sizeof *t);
    sqlite3 *sql = NULL;
    void *context = NULL;
    fts5_api *api = NULL;

    *out = NULL;
    if (t && sqlite3_open(":memory:", &sql) == SQLITE_OK)
        api = rs_db_fts5(sql, NULL);
    if (api && api->xFindTokenizer(api, "porter", &context, &t->methods) == SQLITE_OK &&
        t->methods.xCreate(context, args, 3, &t->tokenizer) == SQLITE_OK) {
        *out = t;
        t = NULL;
    }
    sqlite3_close(sql);
    rs_free(t);
    return *out ? RS_OK
                : rs_fail(err, RS_ENOMEM, "tokenizer: no memory, or no FTS5 in this SQLite");
}

void rs_tokens_free(rs_tokens *t)
{
    if (!t)
        return;
    t->methods.xDelete(t->tokenizer);
    rs_free(t);
}

typedef struct {
    rs_arena *mem;
    void     *rows;
    size_t    n, cap;
} list;

static int on_token(void *ctx, int flags, const char *text, int len, int begin, int end)
{
    list *l = ctx;
    char *copy;

    (void)flags;
    if (!rs_arena_grow(l->mem, &l->rows, &l->cap, l->n, sizeof(rs_token)) ||
        !(copy = rs_arena_strndup(l->mem, text, (size_t)len)))
        return SQLITE_NOMEM;
    ((rs_token *)l->rows)[l->n++] = (rs_token){copy, (size_t)begin, (size_t)end};
    return SQLITE_OK;
}

rs_status rs_tokens_cut(rs_tokens *t, const char *text, size_t len, rs_arena *mem,
                        rs_token **out, size_t *n, rs_err *err)
{
    list l = {.mem = mem};
    int rc;

    *out = NULL;
    *n = 0;
    if (len > INT32_MAX / 2)
        return rs_fail(err, RS_ELIMIT, "text of %zu bytes", len);
    if (len == 0)
        return RS_OK;
    rc = t->methods.xTokenize(t->tokenizer, &l, FTS5_TOKENIZE_DOCUMENT, text, (int)len, on_token);
    if (rc != SQLITE_OK)
        return rs_fail(err, RS_ENOMEM, "tokenizer: no memory");
    *out = l.rows;
    *n = l.n;
    return RS_OK;
}

typedef struct { rs_token_fn *take; void *ctx; } taker;

static int on_each(void *ctx, int flags, const char *text, int len, int begin, int end)
{
    const taker *t = ctx;

    (void)flags;
    (void)begin;
    (void)end;
    return t->take(t->ctx, text, (size_t)len) ? SQLITE_OK : SQLITE_NOMEM;
}

rs_status rs_tokens_each(rs_tokens *t, const char *text, size_t len, rs_token_fn *take,
                         void *ctx, rs_err *err)
{
    taker each = {take, ctx};

    if (len > INT32_MAX / 2)
        return rs_fail(err, RS_ELIMIT, "text of %zu bytes", len);
    if (len && t->methods.xTokenize(t->tokenizer, &each, FTS5_TOKENIZE_DOCUMENT, text, (int)len,
                                    on_each) != SQLITE_OK)
        return rs_fail(err, RS_ENOMEM, "tokenizer: no memory");
    return RS_OK;
}
