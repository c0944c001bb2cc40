/* contrast.c - a hit's nearest case of another diagnosis: what it may be taken for.
 *
 * A case's diagnoses are its finding labels; without any, what its report affirms, in an
 * impression, conclusion or diagnosis where there is one. Two cases differ where each
 * has one that the other has not: "brain tumour, glioma" and "brain tumour, meningioma" do. "Nearest" is by the cases' vectors, among what the query's filter lets
 * pass; neither the hit nor its patient counts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/search_int.h"

#include "engine/catalog.h"
#include "engine/report.h"

#include <string.h>
#include <strings.h>

enum { LOOK = 32, LOOK_MOST = 2048 };

typedef struct { const char *const *names; size_t n; } diagnoses;

static bool concludes(const char *section)
{
    return section && (strcmp(section, "impression") == 0 || strcmp(section, "diagnosis") == 0 ||
                       strcmp(section, "conclusion") == 0);
}

/* What the report affirms: of its conclusion, or, where that has nothing, of all. */
static rs_status read_report(rs_search_state *s, const rs_case *c, diagnoses *out)
{
    rs_mention *m;
    const char **names;
    size_t n;
    rs_status st = rs_report_mentions(s->a->lexicon, c->report, c->sections, c->n_sections, s->mem,
                                      &m, &n, s->err);

    if (st != RS_OK)
        return st;
    names = rs_new(s->mem, const char *, n + 1);
    if (!names)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    for (int all = 0; all < 2 && out->n == 0; all++)
        for (size_t i = 0; i < n; i++)
            if (m[i].state == RS_STATE_AFFIRMED && (all || concludes(m[i].section)))
                names[out->n++] = m[i].finding;
    out->names = names;
    return RS_OK;
}

static rs_status diagnoses_of(rs_search_state *s, int64_t id, rs_case *c, diagnoses *out)
{
    rs_status st;

    *out = (diagnoses){0};
    if ((st = rs_catalog_case(s->a, id, s->mem, c, s->err)) != RS_OK ||
        (st = rs_catalog_sections(s->a, id, s->mem, c, s->err)) != RS_OK)
        return st;
    *out = (diagnoses){c->findings, c->n_findings};
    return c->n_findings || !c->report ? RS_OK : read_report(s, c, out);
}

/* Has a something that b has not? */
static bool has_more(const diagnoses *a, const diagnoses *b)
{
    for (size_t i = 0; i < a->n; i++) {
        bool both = false;
        for (size_t k = 0; k < b->n && !both; k++)
            both = strcasecmp(a->names[i], b->names[k]) == 0;
        if (!both)
            return true;
    }
    return false;
}

static bool differ(const diagnoses *a, const diagnoses *b)
{
    return has_more(a, b) && has_more(b, a);
}

static rs_status make(rs_search_state *s, const rs_ranked *row, const rs_case *c,
                      const diagnoses *d, rs_hit *hit)
{
    rs_contrast *out = rs_new(s->mem, rs_contrast, 1);
    rs_case_image *images;
    rs_status st;
    size_t n;

    if (!out)
        return rs_fail(s->err, RS_ENOMEM, "query: no memory");
    *out = (rs_contrast){.key = c->key, .title = c->title, .findings = d->names,
                         .n_findings = d->n, .score = row->score};
    st = rs_catalog_images(s->a, row->case_id, s->mem, &images, &n, s->err);
    if (st == RS_OK && n)
        out->image = images[0].path;
    hit->contrast = out;
    return st;
}

/* Among the rows of a ranking from `from` on. */
static rs_status first_other(rs_search_state *s, const rs_ranking *r, size_t from,
                             const diagnoses *mine, rs_hit *hit)
{
    rs_status st = RS_OK;

    for (size_t i = from; st == RS_OK && i < r->n && !hit->contrast; i++) {
        diagnoses other;
        rs_case c;
        st = diagnoses_of(s, r->rows[i].case_id, &c, &other);
        if (st == RS_OK && differ(mine, &other))
            st = make(s, &r->rows[i], &c, &other, hit);
    }
    return st;
}

rs_status rs_search_contrast(rs_search_state *s, int64_t id, rs_hit *hit)
{
    rs_restriction without = s->restriction;
    rs_asked_vector asked = {NULL, 1};
    diagnoses mine;
    rs_scope scope;
    rs_case c;
    float *x;
    size_t n, from = 0;
    rs_status st = diagnoses_of(s, id, &c, &mine);

    if (st != RS_OK || mine.n == 0 || !s->a->encoder.id ||
        (st = rs_catalog_vectors(s->a, RS_KIND_CASE, id, s->mem, &x, NULL, &n, s->err)) != RS_OK ||
        n == 0)
        return st;
    asked.x = x;
    if ((st = rs_restriction_leave_out_case(&without, s->a->db, id, true, s->mem, s->err)) != RS_OK ||
        (st = rs_scope_make(s->a, RS_KIND_CASE, &without, s->mem, &scope, s->err)) != RS_OK)
        return st;
    for (size_t look = LOOK; st == RS_OK && !hit->contrast && look <= LOOK_MOST; look *= 4) {
        rs_ranking r;
        st = rs_probe_vectors(s->a, RS_PROBE_CASE, RS_KIND_CASE, &asked, 1, &scope, look, s->mem,
                              &r, s->err);
        if (st == RS_OK)
            st = first_other(s, &r, from, &mine, hit);
        if (st == RS_OK && r.n < look)
            break;
        from = look;
    }
    return st;
}
