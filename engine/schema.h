/* schema.h - the tables of catalog.db and their version.
 *
 *   meta          schema_version; reading: the lexicon that case_fts was made with
 *   encoders      the dual encoder the vectors come from
 *   cases         one row a case;  case_fts: its text, same rowid
 *   case_vectors  one fp16 blob a case that has vectors: its images and passages as one
 *   case_attributes  what else the source said of a case, by name
 *   case_changes  which cases were put or taken out, in order
 *   sections      named byte ranges of a report
 *   case_findings finding labels of a case
 *   images        in order;        image_vectors:   one fp16 blob each
 *   passages      in order;        passage_vectors: one fp16 blob each
 *   region_vectors  parts of images: a box and an fp16 blob each
 *   tombstones    images and passages removed since the last cache generation
 *   vector_caches the FAISS files: generation, checksum, what they hold
 *   sources       resume marks;    source_files: what was known of each input file
 *   problems      inputs that could not be taken in
 *   judgments     what experts said of a case as an answer to a query
 *   requests      writing requests that were answered, so that the same one again is not done
 *                 twice (an idempotency key, and who used it)
 *
 * Ids of images, passages, case vectors and regions are never used again (AUTOINCREMENT), so an id in a FAISS
 * file either means the same thing as in the catalog or nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_SCHEMA_H
#define RS_ENGINE_SCHEMA_H

#include "base/status.h"
#include "engine/db.h"

/* 2: case_fts keeps apart what a report affirms, doubts, negates and calls normal.
 * 3: dates, tiers, attributes, perceptual hashes, vectors of whole cases and of regions.
 * 4: judgments, requests; files of the archive's own (files.h). */
enum { RS_SCHEMA_VERSION = 4 };

/* Check that `db` is a catalog of this version or an earlier one, which *version tells;
 * `writing` makes the tables of an empty one. RS_ENOENT: empty. RS_ECORRUPT: another
 * database. RS_EMISMATCH: a newer version. */
rs_status rs_schema_check(rs_db *db, bool writing, int *version, rs_err *err);
/* An empty case_fts of this version in place of any other. Inside a transaction, in which
 * the cases' words are to be put in again. */
rs_status rs_schema_renew_words(rs_db *db, rs_err *err);
/* What a catalog of `version` lacks besides words and vectors of cases, and the version
 * noted. Inside a transaction. */
rs_status rs_schema_upgrade(rs_db *db, int version, rs_err *err);

#endif
