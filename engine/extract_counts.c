/* extract_counts.c - what the cases have in common and what not: findings and diagnoses
 * counted over cases. See extract.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/extract_int.h"

#include "engine/db.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_FINDINGS = 6, MOST_DIAGNOSES = 4, MOST_DIFFERENCES = 4, LEAST_CASES = 2 };

static rs_items bit_of(const rs_context_item *item) { return (rs_items)1 << (item->number - 1); }

/* Says of this case, not of such cases or of what might be. */
static bool of_the_case(const char *section)
{
    static const char *const others[] = {"technique", "comparison", "discussion", "differential",
                                         "recommendation", "history"};

    for (size_t i = 0; section && i < sizeof others / sizeof *others; i++)
        if (strcmp(section, others[i]) == 0)
            return false;
    return true;
}

/* Names that say too little to be counted, unless they are asked for. */
static bool is_vague(const char *finding)
{
    static const char *const names[] = {"abnormality", "lesion", "density", "change", "device",
                                        "contrast material"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(finding, names[i]) == 0)
            return true;
    return false;
}

/* ---- Findings -------------------------------------------------------- */

typedef struct {
    const char *finding, *name;        /* the lexicon's; as a report writes it, NULL for none */
    rs_items named, affirmed, negated, maybe, left, right;
    bool asked, learnt;                /* named by the question, by the learner */
    bool clause;                       /* the name has a verb: "the heart is enlarged" */
} counted;

typedef struct { counted *rows; size_t n, cap; } findings;

static counted *row_of(rs_extractor *x, findings *f, const char *name)
{
    void *rows = f->rows;

    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->rows[i].finding, name) == 0)
            return &f->rows[i];
    if (!rs_arena_grow(x->mem, &rows, &f->cap, f->n, sizeof *f->rows))
        return NULL;
    f->rows = rows;
    f->rows[f->n] = (counted){.finding = name};
    return &f->rows[f->n++];
}

static bool one_of(const char *stem, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, stem) == 0)
            return true;
    return false;
}

static bool has_verb(const rs_token *tokens, size_t n)
{
    static const char *const verbs[] = {"is", "ar", "are", "wa", "were", "be", "remain", "appear",
                                        "show", NULL};

    for (size_t i = 0; i < n; i++)
        if (one_of(tokens[i].text, verbs))
            return true;
    return false;
}

/* A name that speaks of a side is none for cases of both; an adjective ("metastatic", "dilated")
 * is none at all. */
static bool is_no_name(const char *name, const rs_token *tokens, size_t n)
{
    static const char *const sides[] = {"left", "right", "both", "bilater", NULL};
    static const char *const ends[] = {"ic", "ed", "al", "ous", "ing"};
    const size_t len = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (one_of(tokens[i].text, sides))
            return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && !has_verb(tokens, n); i++)
        if (len > strlen(ends[i]) && strcasecmp(name + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* What the text names the finding: a name that means it by itself. "The heart is enlarged"
 * names cardiomegaly by "heart", which does not. NULL for none. */
static rs_status name_of(rs_extractor *x, const char *text, const rs_mention *m, const char **out,
                         bool *clause)
{
    const char *name = rs_arena_strndup(x->mem, text + m->begin, m->end - m->begin), *known;
    rs_term_kind kind;
    rs_token *tokens;
    size_t n;
    rs_status st;

    *out = NULL;
    if (!name)
        return rs_extract_no_memory(x);
    st = rs_tokens_cut(rs_lexicon_tokens(x->l), name, strlen(name), x->mem, &tokens, &n, x->err);
    if (st == RS_OK && rs_lexicon_mention(x->l, tokens, n, &known, &kind) == n &&
        strcmp(known, m->finding) == 0 &&
        (strcasecmp(name, known) == 0 || !is_no_name(name, tokens, n))) {
        *out = name;
        *clause = has_verb(tokens, n);
    }
    return st;
}

/* The first name there is, one without a verb rather; the lexicon's own where any text has
 * it. */
static rs_status better_name(rs_extractor *x, const char *text, const rs_mention *m, counted *row)
{
    const char *name = NULL;
    bool clause = false;
    rs_status st = RS_OK;

    if (!row->name || strcmp(row->name, m->finding) != 0)
        st = name_of(x, text, m, &name, &clause);
    if (!name)
        return st;
    if (strcasecmp(name, m->finding) == 0)
        row->name = strcmp(name + 1, m->finding + 1) == 0 ? m->finding : name;   /* small letters */
    else if (!row->name || (row->clause && !clause))
        row->name = name;
    else
        return st;
    row->clause = clause;
    return st;
}

static rs_status count_sentence(rs_extractor *x, findings *f, const rs_context_item *item,
                                const rs_cited *c)
{
    for (size_t i = 0; i < c->n_mentions; i++) {
        const rs_mention *m = &c->mentions[i];
        counted *row = row_of(x, f, m->finding);
        rs_status st;
        if (!row)
            return rs_extract_no_memory(x);
        row->named |= bit_of(item);
        if (m->state == RS_STATE_NEGATED)
            row->negated |= bit_of(item);
        if (m->state == RS_STATE_UNCERTAIN)
            row->maybe |= bit_of(item);
        if (m->state == RS_STATE_AFFIRMED) {
            row->affirmed |= bit_of(item);
            row->left |= m->side == RS_SIDE_LEFT ? bit_of(item) : 0;
            row->right |= m->side == RS_SIDE_RIGHT ? bit_of(item) : 0;
        }
        if ((st = better_name(x, c->text, m, row)) != RS_OK)
            return st;
    }
    return RS_OK;
}

/* Findings that a text of ours or of a learner names. */
static rs_status mark(rs_extractor *x, findings *f, const char *text, bool learnt)
{
    rs_mention *m;
    size_t n;
    rs_status st = rs_report_mentions(x->l, text, NULL, 0, x->mem, &m, &n, x->err);

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        counted *row = row_of(x, f, m[i].finding);
        if (!row)
            return rs_extract_no_memory(x);
        *(learnt ? &row->learnt : &row->asked) = true;
        st = better_name(x, text, &m[i], row);
    }
    return st;
}

/* Asked for first, then by cases, then as they come. */
static int by_cases(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    size_t n = rs_extract_count(x->affirmed), m = rs_extract_count(y->affirmed);

    if (x->asked != y->asked)
        return x->asked ? -1 : 1;
    if (n != m)
        return n > m ? -1 : 1;
    if (x->affirmed != y->affirmed)
        return (x->affirmed & -x->affirmed) < (y->affirmed & -y->affirmed) ? -1 : 1;
    return strcmp(x->finding, y->finding);
}

static rs_status count_findings(rs_extractor *x, findings *f)
{
    rs_status st = RS_OK;

    *f = (findings){0};
    for (size_t i = 0; i < x->c->n_cases; i++)
        for (size_t k = 0; st == RS_OK && k < x->c->items[i].n_sentences; k++)
            if (of_the_case(x->c->items[i].sentences[k].section))
                st = count_sentence(x, f, &x->c->items[i], &x->c->items[i].sentences[k]);
    if (st == RS_OK)
        st = mark(x, f, x->c->question, false);
    if (st == RS_OK && x->o->learner)
        st = mark(x, f, x->o->learner, true);
    for (size_t i = 0; i < f->n; i++)
        f->rows[i].negated &= ~(f->rows[i].affirmed | f->rows[i].maybe);   /* one place has it */
    if (f->n)
        qsort(f->rows, f->n, sizeof *f->rows, by_cases);
    return st;
}

/* A vague name is worth a line where it is all that was asked for. */
static bool worth_a_line(const findings *f, const counted *row)
{
    if (!row->name || !is_vague(row->finding))
        return row->name != NULL;
    for (size_t i = 0; i < f->n; i++)
        if (f->rows[i].asked && !is_vague(f->rows[i].finding))
            return false;
    return row->asked;
}

rs_status rs_extract_findings(rs_extractor *x)
{
    findings f;
    rs_status st = count_findings(x, &f);
    size_t said = 0;

    for (size_t i = 0; st == RS_OK && i < f.n && said < MOST_FINDINGS; i++) {
        const counted *row = &f.rows[i];
        size_t yes = rs_extract_count(row->affirmed), no = rs_extract_count(row->negated);
        if (!worth_a_line(&f, row) || (!row->asked && yes < LEAST_CASES))
            continue;
        said += yes || no;
        if (yes)
            st = rs_extract_say(x, RS_SAY_SHOWS, row->name, yes, x->c->n_cases,
                                rs_extract_cites(x, row->affirmed));
        if (st == RS_OK && no && row->asked && !row->clause)
            st = rs_extract_say(x, RS_SAY_NEGATED, row->name, no, x->c->n_cases,
                                rs_extract_cites(x, row->negated));
    }
    return st;
}

static bool part_said(const rs_extractor *x, const char *part)
{
    for (size_t i = 0; i < x->n_out; i++)
        if (strcmp(((const rs_sentence *)x->out)[i].part, part) == 0)
            return true;
    return false;
}

rs_status rs_extract_differs(rs_extractor *x)
{
    findings f;
    rs_status st = count_findings(x, &f);
    size_t said = 0;

    for (size_t i = 0; st == RS_OK && i < f.n && said < MOST_DIFFERENCES; i++) {
        const counted *row = &f.rows[i];
        const rs_items left = row->left & ~row->right, right = row->right & ~row->left;
        if (!worth_a_line(&f, row) || row->clause)
            continue;
        if (row->affirmed && row->negated && !(row->asked && part_said(x, "findings")) && ++said)
            st = rs_extract_say(x, RS_SAY_DIFFERS, row->name, rs_extract_cites(x, row->affirmed),
                                row->name, rs_extract_cites(x, row->negated));
        if (st == RS_OK && left && right && ++said)
            st = rs_extract_say(x, RS_SAY_SIDES, row->name, rs_extract_cites(x, left),
                                row->name, rs_extract_cites(x, right));
    }
    return st;
}

/* ---- Quiz ------------------------------------------------------------ */

static rs_status say_learnt(rs_extractor *x, const counted *row)
{
    size_t yes = rs_extract_count(row->affirmed), no = rs_extract_count(row->negated);
    const rs_items all = (rs_items)(((uint64_t)1 << x->c->n_cases) - 1);
    rs_status st = RS_OK;

    if (yes)
        st = rs_extract_say(x, RS_SAY_SHOWS, row->name, yes, x->c->n_cases,
                            rs_extract_cites(x, row->affirmed));
    if (st == RS_OK && no && !row->clause)
        st = rs_extract_say(x, RS_SAY_NEGATED, row->name, no, x->c->n_cases,
                            rs_extract_cites(x, row->negated));
    return st == RS_OK && !row->named ?
           rs_extract_say(x, RS_SAY_NOWHERE, row->name, rs_extract_cites(x, all)) : st;
}

rs_status rs_extract_quiz(rs_extractor *x)
{
    findings f;
    rs_status st = count_findings(x, &f);
    size_t missed = 0;

    for (size_t i = 0; st == RS_OK && i < f.n; i++)
        if (f.rows[i].learnt && f.rows[i].name)
            st = say_learnt(x, &f.rows[i]);
    for (size_t i = 0; st == RS_OK && i < f.n && missed < MOST_FINDINGS; i++) {
        const counted *row = &f.rows[i];
        size_t yes = rs_extract_count(row->affirmed);
        if (row->learnt || !row->name || yes < LEAST_CASES || is_vague(row->finding))
            continue;
        missed++;
        st = rs_extract_say(x, RS_SAY_MISSED, row->name, yes, x->c->n_cases,
                            rs_extract_cites(x, row->affirmed));
    }
    return st;
}

/* ---- Diagnoses ------------------------------------------------------- */

typedef struct {
    const char *name;                  /* the shortest of them, which all others hold, or the */
    const char *finding;               /* finding that all of them name; NULL for none */
    rs_shingles stems;
    rs_items    cases;
    bool        concluded;             /* from impressions */
} diagnosis;

typedef struct { diagnosis *rows; size_t n, cap; } diagnoses;

/* The first finding that a diagnosis affirms by the lexicon's own name for it, and how it
 * writes that; NULLs for none. */
static rs_status finding_of(rs_extractor *x, const char *text, const char **finding,
                            const char **surface)
{
    rs_mention *m;
    bool clause;
    size_t n;
    rs_status st = rs_report_mentions(x->l, text, NULL, 0, x->mem, &m, &n, x->err);

    *finding = *surface = NULL;
    for (size_t i = 0; st == RS_OK && i < n && !*surface; i++) {
        if (m[i].state != RS_STATE_AFFIRMED || is_vague(m[i].finding))
            continue;
        st = name_of(x, text, &m[i], surface, &clause);
        if (*surface && strcasecmp(*surface, m[i].finding) != 0)
            *surface = NULL;
        *finding = *surface ? m[i].finding : NULL;
    }
    return st;
}

static rs_status count_one(rs_extractor *x, diagnoses *d, const char *name, rs_items bit,
                           bool concluded)
{
    const char *finding, *surface;
    rs_shingles stems;
    void *rows = d->rows;
    size_t n;
    rs_status st = rs_extract_stems(x, name, &stems, &n);

    if (st != RS_OK || stems.n == 0 ||
        (st = finding_of(x, name, &finding, &surface)) != RS_OK)
        return st;
    for (size_t i = 0; i < d->n; i++) {
        diagnosis *row = &d->rows[i];
        bool more = rs_shingles_within(&row->stems, &stems) >= 1;
        bool less = rs_shingles_within(&stems, &row->stems) >= 1;
        bool alike = finding && row->finding && strcmp(finding, row->finding) == 0;
        if (!more && !less && !alike)
            continue;
        row->cases |= bit;
        row->concluded |= concluded;
        if (!more) {
            row->name = less ? name : surface;
            if (!less && (st = rs_extract_stems(x, surface, &stems, &n)) != RS_OK)
                return st;
            row->stems = stems;
        }
        return RS_OK;
    }
    if (!rs_arena_grow(x->mem, &rows, &d->cap, d->n, sizeof *d->rows))
        return rs_extract_no_memory(x);
    d->rows = rows;
    d->rows[d->n++] = (diagnosis){name, finding, stems, bit, concluded};
    return RS_OK;
}

static int by_count(const void *a, const void *b)
{
    const diagnosis *x = a, *y = b;
    size_t n = rs_extract_count(x->cases), m = rs_extract_count(y->cases);

    if (n != m)
        return n > m ? -1 : 1;
    if (x->cases != y->cases)
        return (x->cases & -x->cases) < (y->cases & -y->cases) ? -1 : 1;
    return strcmp(x->name, y->name);
}

static rs_status count_diagnoses(rs_extractor *x, diagnoses *d)
{
    rs_status st = RS_OK;

    *d = (diagnoses){0};
    for (size_t i = 0; i < x->c->n_cases; i++)
        for (size_t k = 0; st == RS_OK && k < x->c->items[i].n_diagnoses; k++)
            st = count_one(x, d, x->c->items[i].diagnoses[k], (rs_items)1 << i,
                           x->c->items[i].concluded);
    if (d->n)
        qsort(d->rows, d->n, sizeof *d->rows, by_count);
    return st;
}

/* Has a sentence before said so, as "pleural effusion: in 3 of 5 cases" does? */
static rs_status said_before(rs_extractor *x, const diagnosis *d, bool *said)
{
    *said = false;
    for (size_t i = 0; d->concluded && i < x->n_out && !*said; i++) {
        const rs_sentence *s = &((rs_sentence *)x->out)[i];
        rs_shingles stems;
        size_t n;
        rs_status st;
        if (strcmp(s->part, "findings") != 0)
            continue;
        if ((st = rs_extract_stems(x, s->bare, &stems, &n)) != RS_OK)
            return st;
        *said = rs_shingles_within(&d->stems, &stems) >= 1;
    }
    return RS_OK;
}

rs_status rs_extract_diagnoses(rs_extractor *x)
{
    diagnoses d;
    rs_items rest = 0, shown = 0;
    size_t told = 0;
    rs_status st = count_diagnoses(x, &d);

    for (size_t i = 0; st == RS_OK && i < d.n; i++) {
        const diagnosis *row = &d.rows[i];
        size_t n = rs_extract_count(row->cases);
        const char *cites = rs_extract_cites(x, row->cases);
        bool said;
        if ((st = said_before(x, row, &said)) != RS_OK || said)
            continue;
        if (told == MOST_DIAGNOSES || (row->concluded && n < LEAST_CASES)) {
            rest |= row->concluded ? 0 : row->cases;
            continue;
        }
        told++;
        shown |= row->cases;
        st = row->concluded ?
             rs_extract_say(x, RS_SAY_CONCLUDED, n, x->c->n_cases, row->name, cites) :
             rs_extract_say(x, RS_SAY_DIAGNOSIS, n, x->c->n_cases, row->name, cites);
    }
    rest &= ~shown;
    return st == RS_OK && rs_extract_count(rest) > 1 ?
           rs_extract_say(x, RS_SAY_OTHERS, rs_extract_cites(x, rest)) : st;
}

rs_status rs_extract_for_against(rs_extractor *x)
{
    diagnoses d;
    rs_status st = count_diagnoses(x, &d);

    for (size_t i = 0; st == RS_OK && i < d.n && i < MOST_DIAGNOSES; i++)
        for (int against = 0; st == RS_OK && against < 2; against++) {
            rs_sayable *best = rs_extract_best(x, d.rows[i].cases, against);
            const char *cites;
            if (!best || (against && best->cited->words <= 0) ||
                rs_shingles_within(&best->words, &d.rows[i].stems) >= 1)
                continue;
            rs_extract_mark(x, best);
            cites = rs_extract_cites(x, bit_of(best->item));
            st = against ? rs_extract_say(x, RS_SAY_AGAINST, d.rows[i].name,
                                          rs_extract_quote(x, best->cited), cites)
                         : rs_extract_say(x, RS_SAY_FOR, d.rows[i].name,
                                          rs_extract_quote(x, best->cited), cites);
        }
    return st;
}
