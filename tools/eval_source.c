/* eval_source.c - see eval_source.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval_source.h"

#include "indexer/index.h"
#include "lexicon_folder.h"
#include "model.h"

/* A manifest into the scratch archive. */
static rs_status index_source(rs_eval_source *s, rs_cli *c, const char *source, rs_err *err)
{
    const rs_encoder *e = s->encoder;
    const rs_encoder_identity id = {rs_encoder_id(e), rs_encoder_name(e), "", rs_encoder_dim(e)};
    const rs_index_options o = {.pool = s->pool, .progress = rs_cli_progress(c)};
    rs_index_report r;
    rs_status st = rs_archive_bind_encoder(s->a, &id, err);

    return st == RS_OK ? rs_index_run(s->a, e, source, &o, &r, err) : st;
}

static rs_status open_collection(rs_eval_source *s, rs_cli *c, const char *folder, rs_err *err)
{
    const char *manifest = rs_arena_sprintf(rs_cli_arena(c), "%s/corpus.jsonl", folder);
    rs_status st;

    if (!manifest)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", s->beir);
    if ((st = rs_beir_load(&s->collection, s->beir, rs_cli_value(c, "qrels", "test"),
                           rs_cli_arena(c), err)) != RS_OK ||
        (st = rs_eval_set_beir(&s->set, &s->collection, rs_cli_arena(c), err)) != RS_OK)
        return st;
    if (!s->vectors)
        return rs_eval_index(s->a, &s->collection, err);
    st = rs_eval_manifest(manifest, &s->collection, err);
    return st == RS_OK ? index_source(s, c, manifest, err) : st;
}

rs_status rs_eval_source_open(rs_eval_source *s, rs_cli *c, const char *folder, rs_err *err)
{
    rs_status st;

    st = s->archive ? rs_cli_archive(&s->a, s->archive, err)
                    : rs_archive_open(&s->a, folder, RS_ARCHIVE_WRITE, err);
    if (st != RS_OK || (st = rs_cli_lexicon(c, s->a, err)) != RS_OK)
        return st;
    if ((s->vectors || !(s->beir || s->judgments)) &&
        (st = rs_model_open(&s->encoder, c, s->archive ? s->a : NULL, NULL, err)) != RS_OK)
        return st;
    if (s->beir)
        return open_collection(s, c, folder, err);
    if (s->labels && (st = index_source(s, c, s->labels, err)) != RS_OK)
        return st;
    if (s->judgments)
        return rs_eval_set_judgments(&s->set, s->a, &s->left_out, rs_cli_arena(c), err);
    return rs_eval_set_labels(&s->set, s->a, s->by, s->queries, s->seed, rs_cli_arena(c), err);
}

void rs_eval_source_close(rs_eval_source *s)
{
    rs_encoder_close(s->encoder);
    rs_archive_close(s->a);
    s->encoder = NULL;
    s->a = NULL;
}
