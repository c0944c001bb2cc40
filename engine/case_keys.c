/* case_keys.c - see case_keys.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/case_keys.h"

#include "base/alloc.h"

#include <string.h>

typedef struct {
    int64_t id;
    char   *key;                     /* NULL: free */
} slot;

struct rs_case_keys {
    rs_db *db;
    slot   slots[RS_CASE_KEYS];
};

rs_status rs_case_keys_new(rs_case_keys **out, rs_db *db, rs_err *err)
{
    *out = rs_calloc(1, sizeof **out);
    if (!*out)
        return rs_fail(err, RS_ENOMEM, "no memory for the keys of cases");
    (*out)->db = db;
    return RS_OK;
}

void rs_case_keys_free(rs_case_keys *k)
{
    for (size_t i = 0; k && i < RS_CASE_KEYS; i++)
        rs_free(k->slots[i].key);
    rs_free(k);
}

/* Not in a batch: when it is undone, its ids are given to others. */
static void keep(rs_case_keys *k, int64_t id, const char *key)
{
    slot *s = &k->slots[(uint64_t)id % RS_CASE_KEYS];
    char *copy = rs_db_writing(k->db) ? NULL : rs_strdup(key);

    if (!copy)
        return;
    rs_free(s->key);
    *s = (slot){id, copy};
}

rs_status rs_case_keys_get(rs_case_keys *k, int64_t id, rs_arena *mem, const char **key,
                           rs_err *err)
{
    const slot *known = &k->slots[(uint64_t)id % RS_CASE_KEYS];
    rs_status st;
    rs_stmt s;

    if (known->key && known->id == id) {
        *key = rs_arena_strdup(mem, known->key);
        return *key ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a case's key");
    }
    *key = NULL;
    s = rs_db_use(k->db, "SELECT key FROM cases WHERE id = ?1", err);
    rs_bind_int(&s, 1, id);
    if (rs_step(&s))
        *key = rs_col_dup(&s, 0, mem);
    st = rs_done(&s);
    if (st == RS_OK && *key)
        keep(k, id, *key);
    return st;
}
