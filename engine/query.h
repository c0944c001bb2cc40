/* query.h - a query and what it finds.
 *
 * A query is made of parts: texts, images, regions of images, cases of the archive, each with
 * a weight; one with a negative weight is an example of what is not wanted. Parts become
 * probes. A probe is one way to look: the parts of one kind against one index. Each gives a
 * ranking of cases; fusion makes one list of hits, and every hit says which probes found it,
 * at which rank and score, by which image, passage and words.
 *
 * A vector probe compares by late interaction (Khattab, Zaharia, SIGIR 2020): with the query's
 * vectors x_i of weights w_i and a case's vectors y_j,
 *
 *   score(case) = sum_i w_i max_j <x_i, y_j> / sum of the positive w_i
 *
 * which for one image is its cosine to the case's nearest. A case asked for shares its weight
 * among its vectors. BM25 is a weighted sum over the texts.
 *
 * Then a case is left out that is of the same patient as a case asked for, or of a patient
 * who has a better hit already; cases that are nearly the same picture are folded into the
 * best of them (fold.h); and the verdict says whether anything is similar enough (verdict.h).
 *
 * Filters are applied inside each probe, before ranking: a filtered result is what an
 * archive of only those cases would give from its vectors (BM25 keeps the whole
 * archive's term statistics).
 *
 *   rs_query q = rs_query_default();
 *   rs_query_add(&q)->text = "left pleural effusion";
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
    X(REGION,         "region")         /* regions    -> region vectors  cosine  */ \
    X(LIKE_IMAGE,     "like-image")     /* case's images   -> image vectors      */ \
    X(LIKE_PASSAGE,   "like-passage")   /* case's passages -> passage vectors    */ \
    X(CASE,           "case")           /* all as one vector -> case vectors     */

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

/* How rankings become one list. Rows of a ranking: s its score, r its rank from 1, w the
 * probe's weight; what a probe does not rank gets nothing from it.
 *
 *   rrf      sum of w / (rrf_k + r)                         Cormack et al., SIGIR 2009
 *   minmax   sum of w (s - min) / (max - min)               Fox, Shaw, TREC-2 1993
 *   zscore   sum of w (s - mean) / sd, from 0               Montague, Aslam, CIKM 2001
 *   atan     sum of w 2/pi atan(s / typical s)              as Vespa's for BM25
 *   early    one vector for the query, one for each case, their cosine: no rankings
 *
 * `rescore` makes any of the others hybrid: the best so many are ordered anew by how well
 * query and images, and query and report, agree (fusion.h). */
#define RS_FUSION_MAP(X) \
    X(RRF, "rrf") X(MINMAX, "minmax") X(ZSCORE, "zscore") X(ATAN, "atan") X(EARLY, "early")

typedef enum {
#define RS_FUSION_ENUM(name, text) RS_FUSION_##name,
    RS_FUSION_MAP(RS_FUSION_ENUM)
#undef RS_FUSION_ENUM
    RS_FUSIONS
} rs_fusion;

const char *rs_fusion_name(rs_fusion f);         /* "minmax" */
/* RS_FUSIONS where `name` is none. */
rs_fusion   rs_fusion_of(const char *name);

/* One thing to look for: a text, an image or a case. */
typedef struct {
    const char     *text;          /* any text; "a phrase", -word, word* and column:word are
                                      operators, see text_index.h */
    const rs_image *image;         /* encoded by the query's encoder, or */
    const float    *pixels;        /* [3 x size x size], preprocessed for it: an image file is
                                      best given so, rs_intake_files does what indexing did; or */
    const float    *vector;        /* [dim], ready: the text's beside a text, else an image's */
    const char     *like;          /* a case's key; it is not among its own hits */
    size_t          like_image;    /* of that case only this image, from 1; 0: all of the case */
    bool            boxed;         /* of the image, only this part: x0 y0 x1 y1 as fractions */
    double          box[4];        /* of its width and height. A region; needs `image`. The
                                      whole image is looked for too, unless its weight is
                                      negative */
    double          weight;        /* not 0; below 0: what is not wanted */
} rs_query_part;

enum { RS_QUERY_MAX_PARTS = 64 };

typedef struct {
    rs_query_part parts[RS_QUERY_MAX_PARTS];     /* at least one of positive weight */
    size_t        n_parts;

    /* Where vectors come from. `encoder` must be the archive's (RS_EMISMATCH names both).
     * Without it a text that has no vector is searched by BM25 only. */
    const rs_encoder *encoder;
    rs_pool          *pool;        /* for encoding; may be NULL */
    /* Texts to vectors [n x d] in the encoder's place, from its own: for who remembers them.
     * NULL: the encoder is asked. */
    rs_status (*encode)(void *ctx, const char *const *texts, size_t n, float *out, rs_err *err);
    void       *encode_ctx;

    const char *filter;            /* "modality:CT and not age:..40", see filter.h; NULL: all */
    const char *access;            /* another, of what the asker may see at all; NULL: all. It
                                      holds for `like` too, see access.h */
    rs_words  words;

    double deadline_s;             /* words are looked for at most so long, 0: until done */
    bool   scores_only;            /* hits with key, rank, score and probes, nothing else: for
                                      measuring, where a thousand are asked for */
    size_t k;                      /* hits wanted */
    size_t depth;                  /* cases per probe that enter the fusion; >= k */
    rs_fusion fusion;
    size_t rescore;                /* 0: none */
    double rrf_k;
    double weight[RS_PROBE_COUNT]; /* 0 switches a probe off; `case` runs for EARLY alone */
    bool   words_first;            /* text vectors weigh by how much there is to read: times
                                      (things asked for) / 20, from 0.1 to 1. A few words are what
                                      BM25 is exact about; a report is what an encoder reads */

    bool   keep_patients;          /* a patient may have several hits, also that of a case asked
                                      for */
    bool   keep_duplicates;        /* nearly the same pictures stand for themselves */
    double diversity;              /* 0 to 1: how much a hit's likeness to those before it
                                      counts against it (MMR, fold.h); 0: not at all */
    bool   contrast;               /* look for each hit's nearest case of another diagnosis */
    double false_alarm;            /* of the verdict: how often it may call a query that is
                                      like the archive "nothing similar enough"; 0: no verdict */
} rs_query;

/* k 10, depth 100, RRF of k 60 with equal weights, words first: what was measured best on
 * queries of words and of images (docs/benchmarks.md, "Fusion"); 10 s for words, a verdict at
 * 0.05. */
rs_query rs_query_default(void);
/* Another part, of weight 1; NULL where there are RS_QUERY_MAX_PARTS. */
rs_query_part *rs_query_add(rs_query *q);

/* What of a text part the encoder is given: the text without operators and words ruled out; ""
 * where nothing is left. In `mem`. */
rs_status rs_query_plain(rs_archive *a, const char *text, rs_arena *mem, const char **plain,
                         rs_err *err);

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
    bool        boxed;             /* it was a part of that image: x0 y0 x1 y1 as fractions */
    double      box[4];            /* of its width and height */
    const rs_evidence *passage;    /* the passage that earned it, or NULL */
} rs_found;

/* A case that a hit stands for. */
typedef struct {
    const char *key;
    const char *why;               /* "same patient", "same picture" */
} rs_folded;

/* The nearest case of another diagnosis. */
typedef struct {
    const char *key, *title;
    const char *const *findings;  size_t n_findings;
    double      score;             /* cosine of the two cases' vectors */
    const char *image;             /* may be NULL */
} rs_contrast;

/* Is anything in the archive similar enough to the query? By the best score of each probe that
 * is calibrated for this archive, beside those of the archive's own cases (verdict.h). */
typedef enum { RS_VERDICT_NONE, RS_VERDICT_SIMILAR, RS_VERDICT_NOTHING } rs_verdict_kind;
typedef struct {
    rs_verdict_kind kind;          /* NONE: no probe is calibrated, or none was asked for */
    double false_alarm;            /* how often NOTHING is said of a query like the archive's own */
    double typical[RS_PROBE_COUNT];/* share of the archive's own that do no better, 0 to 1;
                                      negative: not calibrated or did not run */
} rs_verdict;

typedef struct {
    size_t      rank;              /* from 1 */
    const char *key;               /* the case */
    double      score;             /* fused */
    const char *title;             /* NULL where not known, as the rest */
    const char *modality, *body_part, *view, *sex, *patient, *collection, *source;
    double      age_years;         /* negative: not known */
    const char *study_date;
    rs_tier     tier;
    const char *const *findings;   size_t n_findings;  /* labels */
    const rs_found *found;         size_t n_found;     /* best part first */
    const char *image;             /* its best image: the one that a probe matched, else
                                      its first; NULL where the case has none */
    const rs_evidence *snippet;    /* its best passage, with matched words; NULL where none */
    const rs_folded *folded;       size_t n_folded;
    const rs_contrast *contrast;   /* NULL where there is none or none was asked for */
    double      agreement;         /* what rescoring added to the score */
} rs_hit;

typedef struct {
    const rs_hit *hits;  size_t n;
    size_t found[RS_PROBE_COUNT];  /* cases in each probe's ranking (at most depth) */
    bool   ran[RS_PROBE_COUNT];
    bool   no_regions;             /* a box was asked for, but the archive has no regions: the
                                      whole image was looked for */
    rs_verdict verdict;
    double encode_ms, search_ms;   /* time spent */
} rs_result;

/* Everything in *out lives in `mem`. No hits is RS_OK. RS_EARG: nothing asked, k 0, a
 * vector that is not finite, a filter that cannot be read. RS_ENOENT: `like` names no case, or
 * like_image no image of it that has a vector. RS_EMISMATCH: another encoder. RS_ECANCEL:
 * deadline_s is over. RS_ECORRUPT, RS_EIO, RS_ENOMEM. */
rs_status rs_search(rs_archive *a, const rs_query *q, rs_arena *mem, rs_result *out, rs_err *err);

/* `e->text` with `before` and `after` around each match; in `mem`; NULL on OOM. */
const char *rs_evidence_marked(const rs_evidence *e, const char *before, const char *after,
                               rs_arena *mem);

#endif
