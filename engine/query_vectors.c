/* query_vectors.c - the parts of a query as words and vectors. See search_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/access_int.h"
#include "engine/search_int.h"

#include "embeddings/kernels.h"
#include "engine/catalog.h"
#include "engine/regions_int.h"

#include <math.h>
#include <string.h>

static rs_status no_memory(const rs_search_state *s)
{
    return rs_fail(s->err, RS_ENOMEM, "query: no memory");
}

static rs_status check_finite(const float *x, size_t n, const char *what, rs_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return rs_fail(err, RS_EARG, "query: %s vector: value %zu is not finite", what, i);
    return RS_OK;
}

static rs_status check_encoder(const rs_search_state *s)
{
    const rs_encoder *e = s->q->encoder;
    const rs_encoder_identity *mine = rs_archive_encoder(s->a);

    if (!e || !mine || strcmp(rs_encoder_id(e), mine->id) == 0)
        return RS_OK;
    return rs_fail(s->err, RS_EMISMATCH,
                   "archive %s: its vectors come from encoder %s (%.12s), the query's from %s "
                   "(%.12s)", rs_archive_folder(s->a), mine->name, mine->id,
                   rs_encoder_name(e), rs_encoder_id(e));
}

/* Room for one more; false on OOM. */
static bool add(rs_search_state *s, rs_asked *to, const float *x, double weight)
{
    size_t cap = to->n ? to->n : 0;
    void *rows = to->rows;

    if (!rs_arena_grow(s->mem, &rows, &cap, to->n, sizeof *to->rows))
        return false;
    to->rows = rows;
    to->rows[to->n++] = (rs_asked_vector){x, weight};
    return true;
}

/* ---- Texts ----------------------------------------------------------- */

/* What rules a case out: any expression of any wanted text. */
static rs_status add_exclude(rs_search_state *s, const char *match)
{
    const char *before = s->exclude;

    if (!match)
        return RS_OK;
    s->exclude = before ? rs_arena_sprintf(s->mem, "(%s) OR (%s)", before, match) : match;
    return s->exclude ? RS_OK : no_memory(s);
}

/* "No effusion" looks for the negated first, "effusion" for the affirmed: the states in whose
 * columns a word is worth most. A plain query takes any. */
static void note_states(rs_search_state *s)
{
    static const rs_text_column kept_in[RS_STATE_COUNT] = {
        [RS_STATE_AFFIRMED] = RS_TEXT_FINDINGS, [RS_STATE_NEGATED] = RS_TEXT_NEGATED,
        [RS_STATE_UNCERTAIN] = RS_TEXT_UNCERTAIN, [RS_STATE_NORMAL] = RS_TEXT_NORMAL,
        [RS_STATE_HISTORICAL] = RS_TEXT_HISTORY,
    };
    double worth[RS_STATE_COUNT] = {0}, most = 0;

    for (size_t w = 0; w < s->n_words; w++)
        for (size_t g = 0; s->words[w].weight > 0 && g < s->words[w].query.n_groups; g++)
            for (int k = 0; k < RS_STATE_COUNT; k++) {
                worth[k] = fmax(worth[k], s->words[w].query.groups[g].weight[kept_in[k]]);
                most = fmax(most, worth[k]);
            }
    for (int k = 0; k < RS_STATE_COUNT; k++)
        s->looked_for[k] = worth[k] >= most;
}

static rs_status read_words(rs_search_state *s)
{
    rs_status st = RS_OK;

    s->words = rs_new(s->mem, rs_asked_words, s->q->n_parts + 1);
    if (!s->words)
        return no_memory(s);
    for (size_t i = 0; st == RS_OK && i < s->q->n_parts; i++) {
        const rs_query_part *p = &s->q->parts[i];
        rs_asked_words *w = &s->words[s->n_words];
        if (!p->text)
            continue;
        s->n_words++;
        w->weight = p->weight;
        st = rs_text_query_compile(s->a->text, p->text, s->q->words, s->mem, &w->query, s->err);
        if (st == RS_OK && w->weight > 0)
            st = add_exclude(s, w->query.exclude);
    }
    if (st == RS_OK)
        note_states(s);
    return st;
}

static rs_status encode_texts(rs_search_state *s)
{
    const rs_query *q = s->q;
    const size_t dim = s->a->encoder.dim;
    const char *texts[RS_QUERY_MAX_PARTS];
    float *x = q->encoder ? rs_new(s->mem, float, s->n_words * dim + 1) : NULL;
    rs_status st = RS_OK;
    size_t n = 0, at = 0;

    if (q->encoder && !x)
        return no_memory(s);
    for (size_t i = 0; i < q->n_parts; i++) {
        const rs_query_part *p = &q->parts[i];
        const rs_asked_words *w = &s->words[at];
        const float *row = p->vector;
        if (!p->text)
            continue;
        at++;
        if (!*w->query.plain || (!row && !q->encoder))
            continue;
        if (row && (st = check_finite(row, dim, "text", s->err)) != RS_OK)
            return st;
        if (!row) {
            row = x + n * dim;
            texts[n++] = w->query.plain;
        }
        if (!add(s, &s->texts, row, p->weight))
            return no_memory(s);
    }
    if (n && q->encode)
        return q->encode(q->encode_ctx, texts, n, x, s->err);
    return n ? rs_encoder_texts(q->encoder, texts, n, q->pool, x, NULL, s->err) : RS_OK;
}

rs_status rs_query_plain(rs_archive *a, const char *text, rs_arena *mem, const char **plain,
                         rs_err *err)
{
    rs_text_query q;
    rs_status st = rs_text_query_compile(a->text, text, RS_WORDS_READ, mem, &q, err);

    *plain = st == RS_OK ? q.plain : "";
    return st;
}

/* ---- Images ---------------------------------------------------------- */

/* A box of an image, and the image; what is not wanted is what is in the box alone. */
static rs_status encode_region(rs_search_state *s, const rs_query_part *p)
{
    const float *region, *whole;
    rs_status st = rs_region_encode(s->q, p, s->mem, &region, &whole, s->err);

    if (st != RS_OK)
        return st;
    if (!add(s, &s->regions, region, p->weight) ||
        (p->weight > 0 && !add(s, &s->images, whole, p->weight)))
        return no_memory(s);
    return RS_OK;
}

/* One image part as a vector. */
static rs_status encode_image(rs_search_state *s, const rs_query_part *p, float *x)
{
    const rs_query *q = s->q;
    const size_t dim = s->a->encoder.dim;
    rs_status st = RS_OK;

    if (p->vector)
        memcpy(x, p->vector, dim * sizeof *x);
    else if (p->image)
        st = rs_encoder_images(q->encoder, p->image, 1, q->pool, x, s->err);
    else
        st = rs_encoder_pixels(q->encoder, p->pixels, 1, q->pool, x, s->err);
    return st == RS_OK ? check_finite(x, dim, "image", s->err) : st;
}

static bool is_image(const rs_query_part *p)
{
    return p->image || p->pixels || (p->vector && !p->text);
}

static rs_status encode_images(rs_search_state *s)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < s->q->n_parts; i++) {
        const rs_query_part *p = &s->q->parts[i];
        float *x;
        if (p->boxed)
            st = encode_region(s, p);
        if (p->boxed || !is_image(p))
            continue;
        x = rs_new(s->mem, float, s->a->encoder.dim);
        if (!x || !add(s, &s->images, x, p->weight))
            return no_memory(s);
        st = encode_image(s, p, x);
    }
    return st;
}

rs_status rs_query_encode(rs_search_state *s)
{
    rs_status st = check_encoder(s);

    if (st == RS_OK)
        st = read_words(s);
    if (st == RS_OK && s->a->encoder.id)
        st = encode_texts(s);
    if (st == RS_OK && s->a->encoder.id)
        st = encode_images(s);
    return st;
}

/* ---- Cases ----------------------------------------------------------- */

/* That image alone, which is then all that there is of the case. */
static rs_status take_image(rs_search_state *s, const rs_query_part *p, int64_t id)
{
    float *x;
    rs_status st;

    if (!s->a->encoder.id)
        return rs_fail(s->err, RS_ENOENT, "the archive has no vectors to compare images by");
    st = rs_catalog_image_vector(s->a, id, p->like_image - 1, s->mem, &x, s->err);
    if (st != RS_OK)
        return st;
    if (!add(s, &s->like[RS_KIND_IMAGE], x, p->weight) ||
        !add(s, &s->like[RS_KIND_CASE], x, p->weight))
        return no_memory(s);
    return RS_OK;
}

static rs_status take_case(rs_search_state *s, const rs_query_part *p, int64_t id)
{
    const size_t dim = s->a->encoder.dim;

    for (int kind = 0; s->a->encoder.id && kind <= RS_KIND_CASE; kind++) {
        float *x;
        size_t n;
        rs_status st = rs_catalog_vectors(s->a, (rs_kind)kind, id, s->mem, &x, NULL, &n, s->err);
        if (st != RS_OK)
            return st;
        for (size_t i = 0; i < n; i++)
            if (!add(s, &s->like[kind], x + i * dim, p->weight / (double)n))
                return no_memory(s);
    }
    return RS_OK;
}

rs_status rs_query_find_cases(rs_search_state *s)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < s->q->n_parts; i++) {
        const rs_query_part *p = &s->q->parts[i];
        int64_t id;
        if (!p->like)
            continue;
        if ((st = rs_access_find(s->a, &s->seen, p->like, &id, s->err)) == RS_OK &&
            (st = rs_restriction_leave_out_case(&s->restriction, s->a->db, id, !s->q->keep_patients,
                                                s->mem, s->err)) == RS_OK)
            st = p->like_image ? take_image(s, p, id) : take_case(s, p, id);
    }
    return st;
}

/* ---- All as one ------------------------------------------------------ */

/* Adds the direction of the weighted sum of vectors. */
static bool add_direction(double *sum, const rs_asked *of, size_t dim, double *tmp)
{
    double length = 0;

    memset(tmp, 0, dim * sizeof *tmp);
    for (size_t i = 0; i < of->n; i++)
        for (size_t k = 0; k < dim; k++)
            tmp[k] += of->rows[i].weight * (double)of->rows[i].x[k];
    for (size_t k = 0; k < dim; k++)
        length += tmp[k] * tmp[k];
    for (size_t k = 0; k < dim && length > 0; k++)
        sum[k] += tmp[k] / sqrt(length);
    return length > 0;
}

const float *rs_query_whole(rs_search_state *s, rs_status *st)
{
    const size_t dim = s->a->encoder.dim;
    double *sum = rs_new(s->mem, double, 2 * dim + 1), length = 0;
    float *x = rs_new(s->mem, float, dim + 1);
    bool any = false;

    *st = sum && x ? RS_OK : no_memory(s);
    if (*st != RS_OK)
        return NULL;
    any |= add_direction(sum, &s->images, dim, sum + dim);
    any |= add_direction(sum, &s->texts, dim, sum + dim);
    any |= add_direction(sum, &s->like[RS_KIND_CASE], dim, sum + dim);
    for (size_t k = 0; k < dim; k++)
        length += sum[k] * sum[k];
    for (size_t k = 0; k < dim && length > 0; k++)
        x[k] = (float)(sum[k] / sqrt(length));
    return any && length > 0 ? x : NULL;
}
