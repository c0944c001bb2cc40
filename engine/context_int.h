/* context_int.h - a context on its way; inside engine/ only.
 *
 *   context_case.c   a case as sentences, each with what speaks for it
 *   context.c        how many cases, which sentences, in what order
 *   context_text.c   as lines, as JSON
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_CONTEXT_INT_H
#define RS_ENGINE_CONTEXT_INT_H

#include "engine/context.h"
#include "engine/search_int.h"
#include "engine/shingle.h"

/* Query vectors of four origins, whose cosines lie in different ranges. */
enum { RS_CONTEXT_ORIGINS = 4 };

/* The origins of a search. */
void rs_context_origins(const rs_search_state *s, const rs_asked *out[RS_CONTEXT_ORIGINS]);

typedef struct {
    rs_cited    cited;
    double      cosine[RS_CONTEXT_ORIGINS];      /* its passage's, where `compared` */
    bool        compared;
    double      worth;                           /* its section's */
    rs_shingles shingles;
    size_t      tokens;                          /* of its line */
    bool        taken, said;                     /* said: by one that is taken */
} rs_candidate;

typedef struct {
    rs_context_item item;
    rs_candidate   *rows;
    size_t          n;
    rs_shingles     whole;                       /* of all its sentences */
    const char     *findings, *impression;       /* made plain; NULL where it has none */
    size_t          tokens;                      /* of its first line */
    bool            gone;                        /* no longer in the archive */
} rs_context_case;

/* Read the case `key`; `s` has the query's words and vectors. */
rs_status rs_context_read(rs_search_state *s, const char *key, rs_context_case *out);

/* The line of a sentence in rs_context_text. */
const char *rs_context_line(const rs_cited *c, rs_arena *mem);

#endif
