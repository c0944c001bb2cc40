/* access.h - what somebody may see of an archive: a filter that stands before everything.
 *
 * An access filter is in the filter language (filter.h) and comes from the server, never
 * from who asks; NULL is all of the archive. A search has one in rs_query.access. What it
 * does not pass does not exist: it is in no ranking, so neither a hit, folded into one, nor
 * anyone's contrast; it is not counted; and "like" of it, or asking for it by its key, fails
 * word for word as for a key that was never there.
 *
 * One thing is the whole archive's, for all: how rare a word is, and what scores are typical
 * (verdict.h). Scores of what may be seen can therefore depend on what may not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_ACCESS_H
#define RS_ENGINE_ACCESS_H

#include "base/bytes.h"
#include "engine/archive.h"
#include "engine/facets.h"

#include <stdbool.h>

/* A filter that passes the cases of these collections; with none of them, no case. Appended
 * to the empty `b`. */
void rs_access_collections(rs_buf *b, const char *const *collections, size_t n);

/* (access) and (filter), in `mem`; either may be NULL, both give NULL. `filter` is checked by
 * itself first, so that no parenthesis in it reaches out of its own. RS_EARG, RS_ENOMEM. */
rs_status rs_access_and(const char *access, const char *filter, rs_arena *mem, const char **out,
                        rs_err *err);

/* Would a case of this key and collection (NULL: of none) be seen? For one that is not in the
 * archive yet. Only what access filters are made of is told: tests of collection and case;
 * anything else passes nothing. RS_EARG, RS_ENOMEM. */
rs_status rs_access_would_see(const char *access, const char *key, const char *collection,
                              rs_arena *mem, bool *yes, rs_err *err);
/* rs_archive_get for somebody; RS_ENOENT also where the case may not be seen. */
rs_status rs_access_case(rs_archive *a, const char *access, const char *key, rs_arena *mem,
                         rs_case **out, rs_err *err);
/* rs_facet_counts; `cases` is how many may be seen. */
rs_status rs_access_facets(rs_archive *a, const char *access, const char *filter,
                           const char *const *attributes, size_t n, rs_arena *mem,
                           rs_facet_report *out, rs_err *err);
/* rs_archive_stats; with an access filter counts are those of the cases it passes, and what is
 * known only of all (bytes on disk, refused inputs, generations) is 0. */
rs_status rs_access_stats(rs_archive *a, const char *access, rs_arena *mem, rs_stats *out,
                          rs_err *err);

#endif
