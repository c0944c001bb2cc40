/* query.h - a query and what it finds.
 *
 * A query (text and/or images and/or "like case X", plus filters) becomes probes. A
 * probe is one way to look: a part of the query against one index. Each gives a
 * ranking of cases, collapsed to the best image or passage of a case; reciprocal rank
 * fusion makes one list of hits, and every hit says which probes found it, at which
 * rank and score, by which image or passage. A query of images alone that the archive
 * holds finds them first.
 *
 * Filters are applied inside each probe, before ranking: a filtered result is what an
 * archive of only those cases would give from its vectors (BM25 keeps the whole
 * archive's term statistics).
 *
 *   rs_query q = rs_query_default();
 *   q.text = "left pleural effusion";
 *   q.encoder = enc;
 *   rs_search(a, &q, &mem, &result, &err);
 *   for (i ...) printf("%s %s\n", result.hits[i].key, result.hits[i].title);
 *   rs_arena_clear(&mem);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_QUERY_H
#define RS_ENGINE_QUERY_H

#include "base/arena.h"
#include "base/status.h"
#include "embeddings/encoder.h"
#include "embeddings/image.h"
#include "engine/archive.h"

#include <stdbool.h>
#include <stddef.h>

/*  name              query part           index            score */
#define RS_PROBE_MAP(X)                                                          \
    X(BM25,           "bm25")           /* words      -> report text     BM25    */ \
    X(TEXT_IMAGE,     "text-image")     /* text       -> image vectors   cosine  */ \
    X(TEXT_PASSAGE,   "text-passage")   /* text       -> passage vectors cosine  */ \
    X(IMAGE_IMAGE,    "image-image")    /* images     -> image vectors   cosine  */ \
    X(IMAGE_PASSAGE,  "image-passage")  /* images     -> passage vectors cosine  */ \
    X(LIKE_IMAGE,     "like-image")     /* case's images   -> image vectors      */ \
    X(LIKE_PASSAGE,   "like-passage")   /* case's passages -> passage vectors    */

typedef enum {
#define RS_PROBE_ENUM(name, text) RS_PROBE_##name,
    RS_PROBE_MAP(RS_PROBE_ENUM)
#undef RS_PROBE_ENUM
    RS_PROBE_COUNT
} rs_probe;

const char *rs_probe_name(rs_probe p);           /* "text-image" */

/* How the words of a query are looked for. */
typedef enum {
    RS_WORDS_READ,                 /* as a report is read: what is negated is kept apart,
                                      synonyms count, words near each other count more */
    RS_WORDS_PLAIN                 /* textbook BM25 over all text */
} rs_words;

typedef struct {
    /* What to look for: at least one of text, images, image_pixels, image_vectors, like.
     * An image file is best given as image_pixels: rs_intake_files does what indexing did. */
    const char     *text;          /* any text; "a phrase", -word, word* and column:word are
                                      operators, see text_index.h */
    const rs_image *images;        size_t n_images;         /* encoded by `encoder` */
    const float    *image_pixels;  size_t n_image_pixels;   /* preprocessed, for `encoder`:
                                                               [n x 3 x size x size] */
    const float    *image_vectors; size_t n_image_vectors;  /* [n x dim], ready */
    const char     *like;          /* a case's key; it is not among its own hits */

    /* Where vectors come from. `encoder` must be the archive's (RS_EMISMATCH names
     * both). Without it and without text_vector a text is searched by BM25 only. */
    const rs_encoder *encoder;
    rs_pool          *pool;        /* for encoding; may be NULL */
    const float      *text_vector; /* [dim], ready; NULL: `encoder` makes it */

    const char *filter;            /* "modality:CT and not age:..40", see filter.h; NULL: all */
    rs_words  words;

    double deadline_s;             /* words are looked for at most so long, 0: until done */
    bool   scores_only;            /* hits with key, rank, score and probes, nothing else: for
                                      measuring, where a thousand are asked for */
    size_t k;                      /* hits wanted */
    size_t depth;                  /* cases per probe that enter the fusion; >= k */
    double rrf_k;                  /* reciprocal rank fusion: weight / (rrf_k + rank) */
    double weight[RS_PROBE_COUNT]; /* 0 switches a probe off */
} rs_query;

/* k 10, depth 100, rrf_k 60, each weight 1 except image-passage 0.5, 10 s for words. */
rs_query rs_query_default(void);

/* Bytes [begin, end) of a text. */
typedef struct { size_t begin, end; } rs_span;

/* A passage that speaks for a hit. */
typedef struct {
    const char    *section;        /* may be NULL */
    const char    *text;
    size_t         begin, end;     /* of the passage in the report, as indexed */
    const rs_span *matches;        /* words of `text` that the query asked for; */
    size_t         n_matches;      /* ascending, apart; none for vector probes' own sake */
    const char *const *states;     /* what the report says of each: "affirmed", "negated", ...
                                      (lexicon.h); [n_matches], NULL where there are none */
} rs_evidence;

/* How one probe found a case. */
typedef struct {
    rs_probe    probe;
    size_t      rank;              /* from 1, among the cases of this probe */
    double      score;             /* raw: cosine or BM25 (larger is better) */
    double      part;              /* of the fused score */
    const char *image;             /* path of the image that earned it, or NULL */
    const rs_evidence *passage;    /* the passage that earned it, or NULL */
} rs_found;

typedef struct {
    size_t      rank;              /* from 1 */
    const char *key;               /* the case */
    double      score;             /* fused */
    const char *title;             /* NULL where not known, as the rest */
    const char *modality, *body_part, *view, *sex, *patient, *collection, *source;
    double      age_years;         /* negative: not known */
    const rs_found *found;         size_t n_found;     /* best part first */
    const char *image;             /* its best image: the one that a probe matched, else
                                      its first; NULL where the case has none */
    const rs_evidence *snippet;    /* its best passage, with matched words; NULL where none */
} rs_hit;

typedef struct {
    const rs_hit *hits;  size_t n;
    size_t found[RS_PROBE_COUNT];  /* cases in each probe's ranking (at most depth) */
    bool   ran[RS_PROBE_COUNT];
    double encode_ms, search_ms;   /* time spent */
} rs_result;

/* Everything in *out lives in `mem`. No hits is RS_OK. RS_EARG: nothing asked, k 0, a
 * vector that is not finite. RS_ENOENT: `like` names no case. RS_EMISMATCH: another
 * encoder. RS_ECANCEL: deadline_s is over. RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_search(rs_archive *a, const rs_query *q, rs_arena *mem, rs_result *out, rs_err *err);

/* `e->text` with `before` and `after` around each match; in `mem`; NULL on OOM. */
const char *rs_evidence_marked(const rs_evidence *e, const char *before, const char *after,
                               rs_arena *mem);

#endif
