/* ask_query.h - a query from the command line, and its search: what search and ask share.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_ASK_QUERY_H
#define RS_TOOLS_ASK_QUERY_H

#include "base/clock.h"
#include "command.h"
#include "engine/query.h"
#include "lexicon_folder.h"
#include "model.h"

/* The options of a query; others may stand beside them. */
#define RS_QUERY_OPTIONS \
    {"text", 0, "TEXT", "words to look for; \"a phrase\", -without, begin* and column:word are\n" \
                        "understood; may be given several times, as the next two"}, \
    {"image", 0, "FILE", "an image to look for"}, \
    {"box", 0, "X0,Y0,X1,Y1", "of the image before it, look for what is in this box, anywhere\n" \
                              "in an image: fractions of its width and height, or pixels if\n" \
                              "above 1"}, \
    {"like", 0, "CASE", "look for cases like this one of the archive"}, \
    {"not-text", 0, "TEXT", "words that are not wanted: what matches them sinks"}, \
    {"not-image", 0, "FILE", "an image that is not wanted: what looks like it sinks"}, \
    {"not-like", 0, "CASE", "a case that is not wanted"}, \
    {"k", 'k', "N", "hits wanted (default 10)"}, \
    {"filter", 0, "EXPR", "only cases that pass, as in\n" \
                          "\"modality:CT not sex:F date:2020..2023\""}, \
    {"modality", 0, "M", "only cases of this modality"}, \
    {"body-part", 0, "B", "only cases of this body part"}, \
    {"view", 0, "V", "only cases of this view"}, \
    {"sex", 0, "S", "only cases of this sex"}, \
    {"age-min", 0, "Y", "only cases of at least this age in years"}, \
    {"age-max", 0, "Y", "only cases of at most this age: 40 is until the next birthday"}, \
    {"date", 0, "D", "only studies of this date or range: 2020, 2020-03..2021"}, \
    {"tier", 0, "T", "only diagnoses so well established: proven, \">=reviewed\""}, \
    {"patient", 0, "P", "only cases of this patient"}, \
    {"collection", 0, "C", "only cases of this collection"}, \
    {"finding", 0, "F", "only cases with this finding label"}, \
    {"fusion", 0, "F", "how rankings are fused: rrf, minmax, zscore, atan or early; with +N the\n" \
                       "best N are rescored (default rrf)"}, \
    {"keep-patients", 0, NULL, "a patient may have several hits"}, \
    {"keep-duplicates", 0, NULL, "nearly the same pictures stand for themselves"}, \
    {"diversity", 0, "D", "0 to 1: how much likeness to the hits before counts against one"}, \
    {"contrast", 0, NULL, "for each hit, the nearest case of another diagnosis"}, \
    {"false-alarm", 0, "P", "say \"nothing similar enough\" of so many of the queries that are\n" \
                            "like the archive's own cases (default 0.05; 0: never say it)"}, \
    {"plain", 0, NULL, "textbook BM25 over all text: no reading of the query, no synonyms"}, \
    {"deadline", 0, "S", "seconds that words are looked for at most, 0 without end (default 10)"}, \
    RS_LEXICON_OPTION, \
    RS_MODEL_OPTION, \
    RS_PRECISION_OPTION, \
    RS_THREADS_OPTION

typedef enum { RS_QUERY_PLAIN, RS_QUERY_CONTRAST } rs_query_wish;

/* What becomes of the hits; returns an exit code. All is closed behind it. */
typedef int rs_query_then(rs_cli *c, rs_archive *a, rs_query *q, const rs_result *r,
                          double took_ms);

/* The query that the options ask for, searched for in ARCHIVE, the first argument; with a
 * wish for contrasts also where no option has it. The exit code. */
int rs_cli_query(rs_cli *c, rs_query_wish wish, rs_query_then *then);

#endif
