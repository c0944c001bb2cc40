/* erasure.c - see erasure.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "erasure.h"

#include "server/wire.h"

static void tell(const rs_erasure *e)
{
    printf("%zu case%s erased, with %zu image%s and %zu passage%s\n", e->cases, e->cases == 1 ? "" : "s",
           e->images, e->images == 1 ? "" : "s", e->passages, e->passages == 1 ? "" : "s");
    printf("%zu byte strings of theirs were looked for in %zu files (%.1f MiB): none found", e->looked_for,
           e->files, (double)e->bytes / 1048576);
    if (e->shared)
        printf(", but for %zu that other cases share", e->shared);
    puts(e->vacuumed ? "; the catalog was written anew for it" : "");
}

int rs_erase_and_tell(const rs_cli *c, rs_archive *a, const char *const *keys, size_t n)
{
    rs_erasure e;
    rs_err err = {0};

    if (rs_archive_erase(a, keys, n, &e, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    if (rs_cli_flag(c, "json"))
        return rs_cli_print_json(c, rs_wire_erasure(&e));
    tell(&e);
    return RS_EXIT_OK;
}
