/* archive.h - an archive: the folder that holds everything searchable.
 *
 *   ARCHIVE/
 *     catalog.db                                   truth (SQLite, WAL)
 *     writer.lock                                  held by the one writer
 *     vectors/<encoder>/{image,passage}.<generation>.faiss   cache, made again when lost
 *
 * One writer, many readers, in any number of processes. A reader sees another
 * process' committed rows at its next search. What is committed survives kill -9
 * and power loss; rows, FTS rows, vectors and resume marks of one batch are there
 * together or not at all.
 *
 *   rs_archive_open(&a, folder, RS_ARCHIVE_WRITE, &err);
 *   rs_archive_bind_encoder(a, &identity, &err);        the first writer decides
 *   rs_archive_begin(a, &err);
 *   rs_archive_put(a, &record, NULL, &err);  ...        a batch of cases
 *   rs_archive_set_mark(a, source, "row 1200", &err);
 *   rs_archive_commit(a, &err);
 *   rs_archive_rebuild(a, &err);                        once at the end: caches follow
 *   rs_archive_close(a);
 *
 * Threading: an rs_archive is used by one thread at a time; open one per thread.
 * Ranges are in bytes. Keys, paths, source and file names are any bytes and come back as
 * given; other text is UTF-8, and a byte that is not is stored as '?', so that ranges hold.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_ARCHIVE_H
#define RS_ENGINE_ARCHIVE_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Open ------------------------------------------------------------ */

typedef struct rs_archive rs_archive;

typedef enum {
    RS_ARCHIVE_READ,          /* must exist */
    RS_ARCHIVE_WRITE          /* made if absent; RS_EBUSY while another writer has it */
} rs_archive_mode;

/* On RS_OK the caller ends *out with rs_archive_close(); otherwise *out is NULL.
 * An archive of an earlier version is upgraded, by a reader too.
 * RS_ENOENT: no archive there. RS_EBUSY: another process writes it. RS_ECORRUPT:
 * catalog.db is damaged or no catalog. RS_EMISMATCH: made by a newer radscout.
 * RS_EIO, RS_ENOMEM. */
rs_status   rs_archive_open(rs_archive **out, const char *folder, rs_archive_mode mode,
                            rs_err *err);
/* For writing, and while another process does so wait up to wait_s for it, then RS_EBUSY. */
rs_status   rs_archive_open_writer(rs_archive **out, const char *folder, double wait_s, rs_err *err);
void        rs_archive_close(rs_archive *a);          /* NULL is fine; an open batch is undone */
const char *rs_archive_folder(const rs_archive *a);   /* as opened */

/* ---- Encoder --------------------------------------------------------- */

/* Which encoder the archive's vectors come from. */
typedef struct {
    const char *id;           /* 64 hex digits: rs_encoder_id() */
    const char *name;         /* for people: rs_encoder_name() */
    const char *folder;       /* absolute model folder at indexing time, so that a search
                                 finds it again; NULL or "" where unknown */
    size_t      dim;          /* floats a vector, 1..8192 */
} rs_encoder_identity;

/* Say which encoder writes from now on. The first call records it; later ones must
 * give the same id and dim, else RS_EMISMATCH names both (the folder may move: the
 * newest is kept). Needed before a case with images or passages is put. Not inside a
 * batch. */
rs_status rs_archive_bind_encoder(rs_archive *a, const rs_encoder_identity *e, rs_err *err);
/* The archive's encoder, or NULL where nothing was bound yet. Borrowed until close
 * or the next bind, search or stats. */
const rs_encoder_identity *rs_archive_encoder(const rs_archive *a);

/* ---- Lexicon --------------------------------------------------------- */

/* The tables that reports and queries are read by (lexicon.h): those built in, until this
 * loads others from `folder` (NULL: the built-in ones again). Queries are read by them
 * at once. Reports that were read by other tables are read anew by the next
 * rs_archive_begin. Not inside a batch. RS_ENOENT, RS_ECORRUPT (names file and line),
 * RS_EIO, RS_ENOMEM. */
rs_status rs_archive_use_lexicon(rs_archive *a, const char *folder, rs_err *err);
typedef struct rs_lexicon rs_lexicon;
/* Borrowed until close or the next rs_archive_use_lexicon. */
const rs_lexicon *rs_archive_lexicon(const rs_archive *a);

/* ---- Records --------------------------------------------------------- */

/* The same structs are written and read back. NULL strings are "not known" and come
 * back as NULL, except where said. */

/* A named part of the report: bytes [begin, end) of it. Any name; "findings",
 * "impression", "history" are searched in columns of their own, other names in
 * column "other". What lies in no section is searched as "other" too, a report without
 * sections as findings. */
typedef struct {
    const char *name;
    size_t      begin, end;
} rs_section;

/* A part of an image: x0 y0 x1 y1 as fractions of its width and height. */
typedef struct {
    double       box[4];
    const float *vector;      /* [dim], unit length */
} rs_region;

typedef struct {
    const char  *path;        /* where the file is: absolute; required */
    const char  *given;       /* as the source wrote it */
    const char  *sha256;      /* 64 hex digits of the file's bytes */
    const char  *view;        /* PA, lateral, axial ... */
    size_t       width, height;                 /* pixels */
    const float *vector;      /* [dim], unit length; required on writing; NULL on reading */
    uint64_t     phash;        /* perceptual hash; when hashed */
    bool         hashed;
    const rs_region *regions;  size_t n_regions;      /* none on reading */
} rs_case_image;

typedef struct {
    const char  *section;     /* its section's name, "title" or NULL */
    const char  *text;        /* required */
    size_t       begin, end;  /* where in the report (in the title for "title"); 0, 0 if nowhere */
    const float *vector;      /* as above */
} rs_passage;

/* How well a case's diagnosis is established, least first: not known; a report or label says
 * so; a second reader or a panel agreed; its course bore it out; histology, surgery or a
 * laboratory proved it. */
#define RS_TIER_MAP(X) X(UNKNOWN, "unknown") X(REPORTED, "reported") X(REVIEWED, "reviewed") \
    X(FOLLOWED, "followed") X(PROVEN, "proven")
typedef enum {
#define RS_TIER_ENUM(name, text) RS_TIER_##name,
    RS_TIER_MAP(RS_TIER_ENUM)
#undef RS_TIER_ENUM
    RS_TIERS
} rs_tier;
const char *rs_tier_name(rs_tier t);             /* "proven"; "unknown" for what is none */
/* RS_TIERS where `name` (any case) is none. */
rs_tier     rs_tier_of(const char *name);

typedef struct {
    const char *key;          /* names the case in the archive; required, not empty */
    const char *source;       /* which source it came from */
    const char *title;
    const char *report;       /* the whole text */
    const char *modality, *body_part, *view, *sex, *patient, *collection;
    double      age_years;    /* negative: not known */
    const char *study_date;   /* 2024-03-01, 2024-03 or 2024: a day that there is */
    rs_tier     tier;
    const char *attributes;   /* a JSON object as text: everything else the source said */
    const char *digest;       /* the indexer's digest of all that the case was made from */
    const rs_section    *sections;   size_t n_sections;
    const rs_case_image *images;     size_t n_images;
    const rs_passage    *passages;   size_t n_passages;
    const char *const   *findings;   size_t n_findings;    /* labels */
} rs_case;

/* The case `key` with all it has, in `mem`. RS_ENOENT names the key. */
rs_status rs_archive_get(rs_archive *a, const char *key, rs_arena *mem, rs_case **out,
                         rs_err *err);
/* The digest the case was put with: "" where it has none, RS_ENOENT (no message is
 * written) where the case is not there: the indexer's "is it unchanged?". */
rs_status rs_archive_digest(rs_archive *a, const char *key, rs_arena *mem, const char **digest,
                            rs_err *err);
/* Keys of at most `limit` cases after `after` (NULL: from the start) in key order;
 * only those of `source` unless NULL. */
rs_status rs_archive_keys(rs_archive *a, const char *source, const char *after, size_t limit,
                          rs_arena *mem, const char ***keys, size_t *n, rs_err *err);

/* ---- Writing in batches ---------------------------------------------- */

typedef enum { RS_PUT_ADDED, RS_PUT_REPLACED } rs_put_kind;

/* Everything between begin and commit is one transaction. Functions below marked
 * (batch) need an open one (RS_EARG without); a failed one changes nothing and
 * leaves the batch usable. A commit that fails has rolled the batch back. */
rs_status rs_archive_begin(rs_archive *a, rs_err *err);
rs_status rs_archive_commit(rs_archive *a, rs_err *err);
void      rs_archive_rollback(rs_archive *a);         /* without a batch: nothing */

/* (batch) Add the case, or replace it with all its images, passages, vectors and FTS
 * rows. RS_EARG names the key and field that is missing or out of range; RS_ENOENT an own
 * image (files.h) whose file is not there. Such a one's sha256 may be left out. */
rs_status rs_archive_put(rs_archive *a, const rs_case *c, rs_put_kind *kind, rs_err *err);
/* (batch) Remove a case and all it has, judgments and answered requests too (a replaced one keeps
 * those); *found (may be NULL) says whether it was there. Own images stay until rs_files_sweep. */
rs_status rs_archive_remove(rs_archive *a, const char *key, bool *found, rs_err *err);

/* ---- Sources: where an interrupted run goes on ------------------------ */

/* (batch) Remember `mark`, any text of the indexer's own, for `source`. */
rs_status rs_archive_set_mark(rs_archive *a, const char *source, const char *mark, rs_err *err);
/* *mark is NULL where none was set. */
rs_status rs_archive_mark(rs_archive *a, const char *source, rs_arena *mem, const char **mark,
                          rs_err *err);

/* What was known of one input file when it was last taken in. */
typedef struct {
    const char *file;         /* path within the source, as the indexer names it */
    const char *sha256;       /* may be NULL */
    const char *case_key;     /* the case it became part of; may be NULL */
    int64_t     mtime_ns, size_bytes;
} rs_source_file;

/* (batch) Remember / forget a file. */
rs_status rs_archive_set_file(rs_archive *a, const char *source, const rs_source_file *f,
                              rs_err *err);
rs_status rs_archive_forget_file(rs_archive *a, const char *source, const char *file, rs_err *err);
/* One file; *out is NULL where it is not known. */
rs_status rs_archive_file(rs_archive *a, const char *source, const char *file, rs_arena *mem,
                          const rs_source_file **out, rs_err *err);
/* All files of a source in name order. */
rs_status rs_archive_files(rs_archive *a, const char *source, rs_arena *mem,
                           const rs_source_file **out, size_t *n, rs_err *err);

/* An input that could not be taken in, and why. */
typedef struct {
    const char *source, *item;       /* the file or row */
    const char *reason;              /* a sentence for people */
    const char *at;                  /* UTC text; filled in by the archive */
} rs_problem;

/* (batch) Record (replacing what was said of that item before) / clear. */
rs_status rs_archive_set_problem(rs_archive *a, const rs_problem *p, rs_err *err);
rs_status rs_archive_clear_problem(rs_archive *a, const char *source, const char *item,
                                   rs_err *err);
/* All, or those of `source`, in order of source and item. */
rs_status rs_archive_problems(rs_archive *a, const char *source, rs_arena *mem,
                              const rs_problem **out, size_t *n, rs_err *err);

/* ---- Care ------------------------------------------------------------ */

typedef struct { const char *label; size_t count; } rs_count;

typedef struct {
    size_t cases, images, passages, image_vectors, passage_vectors, problems, sources;
    size_t region_vectors, images_with_regions;
    const rs_count *modalities;  size_t n_modalities;     /* cases each, most first; an */
    const rs_count *body_parts;  size_t n_body_parts;     /* unknown one is counted as "" */
    const rs_count *findings;    size_t n_findings;
    uint64_t catalog_bytes, cache_bytes;                  /* on disk, WAL counted in */
    const rs_encoder_identity *encoder;                   /* NULL where none */
    int schema_version;
    int64_t image_generation, passage_generation;         /* 0: no cache written yet */
} rs_stats;

rs_status rs_archive_stats(rs_archive *a, rs_arena *mem, rs_stats *out, rs_err *err);

/* Write the next generation of the FAISS caches from the catalog's vectors (writer
 * only, not inside a batch). Nothing is lost without it: a search takes what is newer
 * than the cache from the catalog. RS_OK without work where the caches are current.
 * Readers go on meanwhile. */
rs_status rs_archive_rebuild(rs_archive *a, rs_err *err);
/* The same where it pays, as after every run of an indexer: a large cache (above 50,000
 * vectors) is left as it is until a sixteenth of it has changed. What was removed is not
 * found, but its bytes are in the cache until then. */
rs_status rs_archive_catch_up(rs_archive *a, rs_err *err);
/* That on a thread of its own, so that the writer goes on too: batches may be written
 * between start and end, one rebuild at a time. `end` waits; it must come before close. */
typedef struct rs_rebuild rs_rebuild;
rs_status rs_archive_rebuild_start(rs_archive *a, rs_rebuild **out, rs_err *err);
rs_status rs_archive_rebuild_end(rs_archive *a, rs_rebuild *job, rs_err *err);

/* Make at once what searching words otherwise makes bit by bit beside queries (posting lists
 * in memory, 200,000 cases in some 4 s and 100 MiB): for a process that will be asked often.
 * RS_OK too where there is not the memory; not inside a batch. */
rs_status rs_archive_warm_words(rs_archive *a, rs_err *err);

/* Is everything in step: SQLite's own check, foreign keys, the FTS index against its
 * text, one vector of the right size per image and passage, cache checksums, each own image
 * there with the digest that it is named by. RS_OK,
 * or RS_ECORRUPT with the first thing found. Reads everything. Writer only (FTS5's
 * check is a write statement). */
rs_status rs_archive_verify(rs_archive *a, rs_err *err);

/* What an erasure did, and how it was proved. */
typedef struct {
    size_t   cases, images, passages;  /* taken out */
    size_t   looked_for;               /* byte strings of theirs: keys, patient, paths, digests,
                                          pieces of text, what was said and asked of them,
                                          vectors in both forms */
    size_t   shared;                   /* of them, found where another case has the same */
    size_t   files;                    /* searched, all below the archive's folder */
    uint64_t bytes;
    bool     vacuumed;                 /* the catalog had to be written anew for it */
} rs_erasure;

/* Erase cases for good: rows, words, vectors, what sources remember of them, what was said and
 * asked of them, own images and renditions of their pictures that no other case has; the FTS index
 * is merged, the vector caches are written anew, the WAL is emptied. Then every file of the archive
 * is searched for what was theirs, names of files for digests of their pictures; if anything is
 * found the catalog is rewritten and searched again, and only what is found nowhere counts as
 * erased. All files are read for it, own images too: about a second a GiB once they are in memory.
 * Outside the archive (the source's files, backups, a disk's unused blocks) nothing is touched.
 * Writer only, not inside a batch. RS_ENOENT names a key that is not there, and then nothing has
 * changed; RS_EBUSY when a reader keeps the WAL: the cases are gone, but not yet from the files
 * (rs_archive_purge sees to that later); RS_ECORRUPT names what was found and where. */
rs_status rs_archive_erase(rs_archive *a, const char *const *keys, size_t n, rs_erasure *out,
                           rs_err *err);
/* Keys of a patient's cases. */
rs_status rs_archive_patient(rs_archive *a, const char *patient, rs_arena *mem, const char ***keys,
                             size_t *n, rs_err *err);
/* Write FTS index, vector caches and the catalog anew, so that nothing of what was ever removed is
 * left in the files; take away renditions, own images and half-written files that belong to no
 * case, the latter two where they are older than an hour: a younger one may be an upload on its
 * way. Writer only, not inside a batch. */
rs_status rs_archive_purge(rs_archive *a, rs_err *err);

/* Copy the catalog, as it is at one moment, into the new folder `to`, and the own images that it
 * names, and write its caches there; writers and readers go on meanwhile. RS_EARG where `to` holds
 * a catalog already. RS_ENOENT names an own image that is not there: erased since that moment, or
 * lost. */
rs_status rs_archive_backup(rs_archive *a, const char *to, rs_err *err);

#endif
