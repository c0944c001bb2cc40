/* eval_beir.c - a collection in BEIR's layout as a set of queries and as an archive. See eval.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "engine/sections.h"

enum { BATCH = 500 };

static rs_status put_document(rs_archive *a, const rs_beir_text *d, rs_arena *mem, rs_err *err)
{
    size_t n;
    rs_section *sections = rs_sections_find(rs_archive_lexicon(a), d->text, mem, &n);
    rs_case c = {.key = d->id, .title = d->title, .report = d->text, .sections = sections,
                 .n_sections = n, .age_years = -1};

    if (!sections)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", d->id);
    return rs_archive_put(a, &c, NULL, err);
}

rs_status rs_eval_index(rs_archive *a, const rs_beir *b, rs_err *err)
{
    rs_status st = RS_OK;
    rs_arena mem = {0};

    for (size_t i = 0; st == RS_OK && i < b->n_documents; i++) {
        if (i % BATCH == 0)
            st = rs_archive_begin(a, err);
        if (st == RS_OK)
            st = put_document(a, &b->documents[i], &mem, err);
        if (st == RS_OK && ((i + 1) % BATCH == 0 || i + 1 == b->n_documents))
            st = rs_archive_commit(a, err);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    return st;
}

rs_status rs_eval_manifest(const char *path, const rs_beir *b, rs_err *err)
{
    rs_buf out = {0};
    rs_status st;

    for (size_t i = 0; i < b->n_documents && !out.failed; i++) {
        const rs_beir_text *d = &b->documents[i];
        json_t *o = json_pack("{s:s,s:s*,s:s}", "case_id", d->id, "title", d->title, "report",
                              d->text);
        char *line = o ? rs_json_text(o) : NULL;
        if (line)
            rs_buf_printf(&out, "%s\n", line);
        out.failed |= !line;
        rs_free(line);
        json_decref(o);
    }
    st = out.failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", path)
                    : rs_file_write(path, out.data ? out.data : "", out.len, err);
    rs_buf_clear(&out);
    return st;
}

static rs_status judged(const rs_eval_set *s, size_t query, rs_arena *mem,
                        const rs_beir_judgement **of, size_t *n, rs_err *err)
{
    (void)mem;
    (void)err;
    *of = rs_beir_judged(s->data, s->queries[query].id, n);
    return RS_OK;
}

rs_status rs_eval_set_beir(rs_eval_set *out, const rs_beir *b, rs_arena *mem, rs_err *err)
{
    rs_eval_query *q = rs_new(mem, rs_eval_query, b->n_queries + 1);

    if (!q)
        return rs_fail(err, RS_ENOMEM, "no memory for %zu queries", b->n_queries);
    for (size_t i = 0; i < b->n_queries; i++)
        q[i] = (rs_eval_query){.id = b->queries[i].id, .text = b->queries[i].text};
    *out = (rs_eval_set){q, b->n_queries, b->n_documents, b->n_judgements, judged, b};
    return RS_OK;
}
