/* suspects_reports.c - labels beside what the report says, both read by the archive's lexicon.
 * See suspects.h.
 *
 * A label is read as a report is: "pleural effusion" says that there is one, "no pneumonia" that
 * there is none. It is contradicted when the report speaks of that finding, and always says the
 * opposite. A case labelled normal and nothing else is contradicted by what the report affirms
 * and other cases have as a label.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/suspects_int.h"

#include "engine/catalog.h"
#include "engine/report.h"

#include <string.h>
#include <strings.h>

/* What a label says. */
typedef struct {
    const char *finding;           /* the lexicon's name; NULL: it knows none */
    bool        absent, normal;    /* "no pneumonia"; "normal", "no finding" */
} meaning;

static bool is_normal(const char *label)
{
    return strncasecmp(label, "normal", 6) == 0 || strcasecmp(label, "no finding") == 0 ||
           strcasecmp(label, "no findings") == 0;
}

static rs_status read_labels(rs_suspecting *s, meaning **out)
{
    const rs_census *c = s->v->census;
    meaning *m = rs_new(s->mem, meaning, c->n_labels + 1);
    rs_status st = m ? RS_OK : rs_fail(s->err, RS_ENOMEM, "no memory for labels");

    for (size_t i = 0; st == RS_OK && i < c->n_labels; i++) {
        rs_mention *of;
        size_t n;
        st = rs_report_mentions(rs_archive_lexicon(s->a), c->labels[i], NULL, 0, s->mem, &of, &n,
                                s->err);
        m[i].normal = is_normal(c->labels[i]);
        if (st == RS_OK && n == 1 && !m[i].normal) {
            m[i].finding = of[0].finding;
            m[i].absent = of[0].state == RS_STATE_NEGATED;
        }
    }
    *out = m;
    return st;
}

/* How often a report says that a finding is there, perhaps there, not there. */
typedef struct { size_t affirmed, uncertain, negated; } tally;

static tally count(const rs_mention *m, size_t n, const char *finding)
{
    tally t = {0, 0, 0};

    for (size_t i = 0; i < n; i++) {
        if (strcmp(m[i].finding, finding) != 0)
            continue;
        t.affirmed += m[i].state == RS_STATE_AFFIRMED;
        t.uncertain += m[i].state == RS_STATE_UNCERTAIN;
        t.negated += m[i].state == RS_STATE_NEGATED || m[i].state == RS_STATE_NORMAL;
    }
    return t;
}

static rs_status check_label(rs_suspecting *s, const rs_census_case *c, uint32_t label,
                             const meaning *means, const rs_mention *m, size_t n)
{
    const char *name = s->v->census->labels[label];
    tally t;

    if (!means->finding)
        return RS_OK;
    t = count(m, n, means->finding);
    if (!means->absent && t.negated && !t.affirmed && !t.uncertain)
        return rs_suspect_add(s, c->key, NULL, (double)t.negated,
                              rs_arena_sprintf(s->mem, "label %s, report negates it", name));
    if (means->absent && t.affirmed && !t.negated)
        return rs_suspect_add(s, c->key, NULL, (double)t.affirmed,
                              rs_arena_sprintf(s->mem, "label %s, report affirms %s", name,
                                               means->finding));
    return RS_OK;
}

static bool is_label(const rs_suspecting *s, const meaning *means, const char *finding)
{
    for (size_t i = 0; i < s->v->census->n_labels; i++)
        if (means[i].finding && !means[i].absent && strcmp(means[i].finding, finding) == 0)
            return true;
    return false;
}

static rs_status check_normal(rs_suspecting *s, const rs_census_case *c, const meaning *means,
                              const rs_mention *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tally t;
        if (m[i].state != RS_STATE_AFFIRMED || !is_label(s, means, m[i].finding))
            continue;
        t = count(m, n, m[i].finding);
        if (t.negated == 0)
            return rs_suspect_add(s, c->key, NULL, (double)t.affirmed,
                                  rs_arena_sprintf(s->mem, "label %s, report affirms %s",
                                                   s->v->census->labels[c->labels[0]],
                                                   m[i].finding));
    }
    return RS_OK;
}

static rs_status check_case(rs_suspecting *s, const rs_census_case *c, const meaning *means,
                            rs_arena *mem)
{
    rs_case text = {0};
    rs_mention *m;
    size_t n, normal = 0;
    rs_status st;

    if ((st = rs_catalog_case(s->a, c->id, mem, &text, s->err)) != RS_OK ||
        (st = rs_catalog_sections(s->a, c->id, mem, &text, s->err)) != RS_OK || !text.report)
        return st;
    if ((st = rs_report_mentions(rs_archive_lexicon(s->a), text.report, text.sections,
                                 text.n_sections, mem, &m, &n, s->err)) != RS_OK)
        return st;
    for (size_t i = 0; st == RS_OK && i < c->n_labels; i++) {
        normal += means[c->labels[i]].normal;
        st = check_label(s, c, c->labels[i], &means[c->labels[i]], m, n);
    }
    return st == RS_OK && normal && normal == c->n_labels ? check_normal(s, c, means, m, n) : st;
}

rs_status rs_suspect_contradictions(rs_suspecting *s)
{
    const rs_census *c = s->v->census;
    rs_arena mem = {0};
    meaning *means;
    rs_status st = read_labels(s, &means);

    for (size_t i = 0; st == RS_OK && i < c->n_cases; i++) {
        if (!c->cases[i].wanted || !c->cases[i].report || c->cases[i].n_labels == 0)
            continue;
        st = check_case(s, &c->cases[i], means, &mem);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    return st;
}
