/* context_case.c - a case as sentences, each with what it says and how well it agrees with
 * the query. See context.h, context_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/context_int.h"

#include "engine/catalog.h"
#include "engine/clean.h"
#include "engine/sentences.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* A heading that stands alone is no sentence. */
enum { HEADING_BYTES = 60, OLDEST_TOLD = 89 };

/* Of one case; the rest of a report so long is not looked at. */
enum { MOST_SENTENCES = 512 };

typedef struct {
    rs_search_state *s;
    const rs_case   *c;
    const rs_passage *passages;
    size_t           n_passages;
    const float     *vectors;                    /* [n_passages x dim]; NULL for none */
    rs_context_case *out;
    void            *rows;
    size_t           cap;
} reader;

static rs_status no_memory(const reader *r)
{
    return rs_fail(r->s->err, RS_ENOMEM, "context: no memory");
}

static const char *clean(const reader *r, const char *text)
{
    return text ? rs_clean_line(text, strlen(text), r->c->patient, r->s->mem) : NULL;
}

/* ---- How well a sentence agrees with the query ----------------------- */

static double worth_of(const char *section)
{
    static const struct { const char *section; double worth; } rows[] = {
        {"diagnosis", 1}, {"impression", 1}, {"title", 0.9}, {"findings", 0.8}, {"caption", 0.8},
        {"differential", 0.5}, {"discussion", 0.3}, {"history", 0.3}, {"recommendation", 0.1},
        {"technique", 0}, {"comparison", 0},
    };

    for (size_t i = 0; section && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].section, section) == 0)
            return rows[i].worth;
    return 0.5;
}

/* Whether most bytes of the words are said to be absent. */
static rs_status state_of(const reader *r, const char *text, const char *section, rs_state *out)
{
    size_t bytes[RS_STATE_COUNT] = {0}, n;
    rs_statement *list;
    rs_status st = rs_report_read(r->s->a->lexicon, text, 0, strlen(text), r->s->mem, &list, &n,
                                  r->s->err);

    *out = RS_STATE_AFFIRMED;
    for (size_t i = 0; st == RS_OK && i < n; i++)
        bytes[list[i].state] += list[i].end - list[i].begin;
    for (int k = 0; k < RS_STATE_COUNT; k++)
        if (bytes[k] > bytes[*out])
            *out = (rs_state)k;
    if (section && strcmp(section, "history") == 0 && *out < RS_STATE_HISTORICAL)
        *out = RS_STATE_HISTORICAL;
    return st;
}

/* The share of what a text of the query asks for; half where it is asked for as present and
 * said to be absent, or the other way round. */
static rs_status words_of(const reader *r, rs_candidate *c)
{
    rs_search_state *s = r->s;
    size_t texts = 0;
    rs_status st = RS_OK;

    for (size_t w = 0; st == RS_OK && w < s->n_words; w++) {
        const rs_text_query *q = &s->words[w].query;
        rs_span *spans;
        size_t n = 0, distinct = 0;
        rs_state asked = RS_STATE_AFFIRMED;
        double share;
        if (s->words[w].weight < 0 || q->n_groups == 0)
            continue;
        texts++;
        st = rs_text_query_spans(s->a->text, q, c->cited.text, s->mem, &spans, &n, &distinct,
                                 s->err);
        if (st == RS_OK)
            st = state_of(r, q->plain, NULL, &asked);
        share = (double)distinct / (double)q->n_groups;
        if ((asked == RS_STATE_NEGATED) != (c->cited.state == RS_STATE_NEGATED))
            share *= 0.5;
        c->cited.words += share < 1 ? share : 1;
    }
    c->cited.words /= texts ? (double)texts : 1;
    return st;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void rs_context_origins(const rs_search_state *s, const rs_asked *out[RS_CONTEXT_ORIGINS])
{
    out[0] = &s->texts;
    out[1] = &s->images;
    out[2] = &s->regions;
    out[3] = &s->like[RS_KIND_PASSAGE];
}

/* The cosines of the passage that the sentence stands in. */
static void compare(const reader *r, rs_candidate *c)
{
    const rs_search_state *s = r->s;
    const rs_asked *asked[RS_CONTEXT_ORIGINS];
    const size_t dim = s->a->encoder.dim;

    rs_context_origins(s, asked);
    for (size_t i = 0; r->vectors && i < r->n_passages && !c->compared; i++) {
        const rs_passage *p = &r->passages[i];
        if (!same(p->section, c->cited.section) || p->begin > c->cited.begin ||
            p->end <= c->cited.begin)
            continue;
        c->compared = true;
        for (size_t k = 0; k < RS_CONTEXT_ORIGINS; k++)
            if (asked[k]->n)
                c->cosine[k] = rs_late_interaction(asked[k]->rows, asked[k]->n,
                                                   r->vectors + i * dim, 1, dim, NULL);
    }
}

/* ---- Sentences ------------------------------------------------------- */

/* Past blanks, bullets and the number of a list item. */
static size_t skip_bullet(const char *text, size_t at, size_t end)
{
    size_t digits;

    while (at < end && (isspace((unsigned char)text[at]) || strchr("-*.,;:", text[at]) ||
                        (end - at > 2 && strncmp(text + at, "\xe2\x80\xa2", 3) == 0)))
        at += (unsigned char)text[at] == 0xe2 ? 3 : 1;
    digits = strspn(text + at, "0123456789");
    if (digits && digits <= 2 && at + digits + 1 < end && strchr(").", text[at + digits]) &&
        isspace((unsigned char)text[at + digits + 1]))
        return skip_bullet(text, at + digits + 1, end);
    return at;
}

/* A heading without its text, or nothing but signs and small words. */
static bool says_nothing(const char *text, const rs_token *tokens, size_t n)
{
    size_t len = strlen(text);

    if (len && len < HEADING_BYTES && text[len - 1] == ':')
        return true;
    for (size_t i = 0; i < n; i++)
        if (!rs_small_word(tokens[i].text) && strcmp(tokens[i].text, "none") != 0 &&
            strcmp(tokens[i].text, "na") != 0)
            return false;
    return true;
}

/* Bytes [begin, end) of `text` as a candidate. */
static rs_status add(reader *r, const char *section, const char *text, size_t begin, size_t end)
{
    rs_search_state *s = r->s;
    rs_candidate c = {.cited = {.section = section, .begin = begin, .end = end},
                      .worth = worth_of(section)};
    const char *line = rs_clean_line(text + begin, end - begin, r->c->patient, s->mem);
    rs_section whole = {section, 0, line ? strlen(line) : 0};
    rs_mention *mentions;
    rs_token *tokens;
    rs_status st;
    size_t n;

    if (!line)
        return no_memory(r);
    if ((st = rs_tokens_cut(rs_lexicon_tokens(s->a->lexicon), line, whole.end, s->mem, &tokens, &n,
                            s->err)) != RS_OK || says_nothing(line, tokens, n))
        return st;
    c.cited.text = line;
    if ((st = state_of(r, line, section, &c.cited.state)) != RS_OK ||
        (st = rs_report_mentions(s->a->lexicon, line, &whole, section ? 1 : 0, s->mem, &mentions,
                                 &c.cited.n_mentions, s->err)) != RS_OK ||
        (st = words_of(r, &c)) != RS_OK)
        return st;
    c.cited.mentions = mentions;
    compare(r, &c);
    line = rs_context_line(&c.cited, s->mem);
    if (!line || !rs_shingles_make(&c.shingles, tokens, n, RS_SHINGLE, s->mem) ||
        !rs_arena_grow(s->mem, &r->rows, &r->cap, r->out->n, sizeof c))
        return no_memory(r);
    c.tokens = rs_clean_tokens(line) + 1;
    ((rs_candidate *)r->rows)[r->out->n++] = c;
    return RS_OK;
}

static rs_status add_range(reader *r, const char *section, const char *text, size_t begin,
                           size_t end)
{
    rs_status st = RS_OK;

    for (size_t at = skip_bullet(text, begin, end);
         st == RS_OK && at < end && r->out->n < MOST_SENTENCES;) {
        size_t next = rs_sentence_end(text, at, end), last = next;
        while (last > at && isspace((unsigned char)text[last - 1]))
            last--;
        if (last > at)
            st = add(r, section, text, at, last);
        at = skip_bullet(text, next, end);
    }
    return st;
}

/* The report's sections and what lies between them, as rs_report_mentions goes through it. */
static rs_status add_report(reader *r)
{
    const rs_case *c = r->c;
    const size_t len = c->report ? strlen(c->report) : 0;
    rs_status st = RS_OK;
    size_t at = 0;

    if (c->title)
        st = add_range(r, "title", c->title, 0, strlen(c->title));
    for (size_t i = 0; st == RS_OK && c->report && i <= c->n_sections; i++) {
        size_t begin = i < c->n_sections ? c->sections[i].begin : len;
        size_t end = i < c->n_sections ? c->sections[i].end : len;
        if (begin < at || end < begin || end > len)
            continue;
        st = add_range(r, NULL, c->report, at, begin);
        if (st == RS_OK && i < c->n_sections)
            st = add_range(r, c->sections[i].name, c->report, begin, end);
        at = end;
    }
    r->out->rows = r->rows;
    return st;
}

/* ---- The case -------------------------------------------------------- */

/* "F", "60 years"; who is over 89 is told to be no more than that. */
static rs_status add_facts(reader *r)
{
    const rs_case *c = r->c;
    rs_context_item *i = &r->out->item;
    const double y = c->age_years;

    i->key = rs_clean_line(c->key, strlen(c->key), NULL, r->s->mem);
    i->title = clean(r, c->title);
    i->modality = clean(r, c->modality);
    i->body_part = clean(r, c->body_part);
    i->view = clean(r, c->view);
    i->sex = clean(r, c->sex);
    i->tier = c->tier;
    if (floor(y) > OLDEST_TOLD)
        i->age = "over 89 years";
    else if (y >= 0)
        i->age = y < 2 ? rs_arena_sprintf(r->s->mem, "%.0f months", floor(12 * y))
                       : rs_arena_sprintf(r->s->mem, "%.0f years", floor(y));
    if (!i->key || (c->title && !i->title) || (y >= 0 && !i->age))
        return no_memory(r);
    if (c->n_images) {
        i->image = rs_arena_strdup(r->s->mem, c->images[0].path);
        return i->image ? RS_OK : no_memory(r);
    }
    return RS_OK;
}

static bool known(const char **names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* What an impression affirms, in its own words. */
static rs_status affirmed(reader *r, const rs_cited *c, const char **names, size_t *n, size_t most)
{
    for (size_t i = 0; i < c->n_mentions && *n < most; i++) {
        const rs_mention *m = &c->mentions[i];
        const char *name;
        if (m->state != RS_STATE_AFFIRMED)
            continue;
        name = rs_arena_strndup(r->s->mem, c->text + m->begin, m->end - m->begin);
        if (!name)
            return no_memory(r);
        if (!known(names, *n, name))
            names[(*n)++] = name;
    }
    return RS_OK;
}

/* The whole of a section; NULL where there is none. */
static const char *section_text(reader *r, const char *name)
{
    for (size_t i = 0; r->c->report && i < r->c->n_sections; i++) {
        const rs_section *x = &r->c->sections[i];
        if (strcmp(x->name, name) == 0 && x->end > x->begin)
            return rs_clean_line(r->c->report + x->begin, x->end - x->begin, r->c->patient,
                                 r->s->mem);
    }
    return NULL;
}

/* Labels; else a diagnosis, if it is long its first sentence; else what the impression affirms. */
static rs_status add_diagnoses(reader *r)
{
    enum { MOST = 16, LONG_DIAGNOSIS = 120 };
    rs_context_item *item = &r->out->item;
    const char **names = rs_new(r->s->mem, const char *, MOST);
    rs_status st = RS_OK;
    const char *whole;
    bool told;
    size_t n = 0;

    if (!names)
        return no_memory(r);
    for (size_t i = 0; i < r->c->n_findings && n < MOST; i++)
        if (!(names[n++] = clean(r, r->c->findings[i])))
            return no_memory(r);
    if (n == 0 && (whole = section_text(r, "diagnosis")) != NULL && *whole) {
        size_t len = strlen(whole);
        for (size_t i = 0; len > LONG_DIAGNOSIS && i < r->out->n; i++)
            if (r->out->rows[i].cited.section &&
                strcmp(r->out->rows[i].cited.section, "diagnosis") == 0) {
                whole = r->out->rows[i].cited.text;
                len = strlen(whole);
                break;
            }
        len -= strchr(".;", whole[len - 1]) != NULL;
        if (!(names[n++] = rs_arena_strndup(r->s->mem, whole, len)))
            return no_memory(r);
    }
    told = n > 0;
    for (size_t i = 0; i < r->out->n && st == RS_OK && !told; i++) {
        const rs_cited *c = &r->out->rows[i].cited;
        if (c->section && strcmp(c->section, "impression") == 0)
            st = affirmed(r, c, names, &n, MOST);
    }
    item->concluded = !told && n > 0;
    item->diagnoses = names;
    item->n_diagnoses = n;
    return st;
}

/* All its words, so that two cases with one report are seen to be. */
static rs_status add_whole(reader *r)
{
    rs_token *tokens;
    size_t n = 0;
    const char *text = r->c->report ? r->c->report : "";
    rs_status st = rs_tokens_cut(rs_lexicon_tokens(r->s->a->lexicon), text, strlen(text),
                                 r->s->mem, &tokens, &n, r->s->err);

    if (st == RS_OK && !rs_shingles_make(&r->out->whole, tokens, n, RS_SHINGLE, r->s->mem))
        st = no_memory(r);
    return st;
}

static rs_status read_vectors(reader *r, int64_t id)
{
    rs_search_state *s = r->s;
    rs_passage *rows;
    float *x;
    size_t n = 0;
    rs_status st = rs_catalog_passages(s->a, id, s->mem, &rows, NULL, &r->n_passages, s->err);

    r->passages = rows;
    if (st != RS_OK || !s->a->encoder.id || r->n_passages == 0)
        return st;
    st = rs_catalog_vectors(s->a, RS_KIND_PASSAGE, id, s->mem, &x, NULL, &n, s->err);
    if (st == RS_OK && n == r->n_passages)       /* both in the order of their ids */
        r->vectors = x;
    return st;
}

rs_status rs_context_read(rs_search_state *s, const char *key, rs_context_case *out)
{
    reader r = {.s = s, .out = out};
    rs_err err = {RS_OK, ""};
    rs_case *c = NULL;
    const char *line;
    int64_t id = 0;
    rs_status st = rs_archive_get(s->a, key, s->mem, &c, &err);

    out->gone = st == RS_ENOENT;
    if (st != RS_OK)
        return out->gone ? RS_OK : rs_fail(s->err, st, "%s", err.msg);
    r.c = c;
    if ((st = rs_catalog_find(s->a, key, &id, s->err)) != RS_OK ||
        (st = read_vectors(&r, id)) != RS_OK || (st = add_report(&r)) != RS_OK ||
        (st = add_facts(&r)) != RS_OK || (st = add_diagnoses(&r)) != RS_OK ||
        (st = add_whole(&r)) != RS_OK)
        return st;
    out->findings = section_text(&r, "findings");
    out->impression = section_text(&r, "impression");
    line = rs_context_item_head(&out->item, s->mem);
    if (!line)
        return no_memory(&r);
    out->tokens = rs_clean_tokens(line) + 3;     /* its number has two digits at most */
    return RS_OK;
}
