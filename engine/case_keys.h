/* case_keys.h - the keys of cases that were asked for lately, by the cases' ids.
 *
 * A ranking is rows of ids, and equal scores stand in the order of keys; reading a key from the
 * catalog costs some 3 us, and a query wants hundreds. An id means one case for ever (schema.h), so
 * what is remembered needs no keeping up. At most RS_CASE_KEYS of them, in one place each.
 *
 * Threading: as the connection.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CASE_KEYS_H
#define RS_ENGINE_CASE_KEYS_H

#include "base/arena.h"
#include "base/status.h"
#include "engine/db.h"

#include <stdint.h>

enum { RS_CASE_KEYS = 1 << 16 };

typedef struct rs_case_keys rs_case_keys;

/* `db` is borrowed. */
rs_status rs_case_keys_new(rs_case_keys **out, rs_db *db, rs_err *err);
void      rs_case_keys_free(rs_case_keys *k);          /* NULL is fine */

/* The key of case `id`, in `mem`; NULL where there is none in what the connection sees (of a
 * case that was removed since it was remembered, the key that it had). */
rs_status rs_case_keys_get(rs_case_keys *k, int64_t id, rs_arena *mem, const char **key,
                           rs_err *err);

#endif
