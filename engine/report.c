/* report.c - see report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/report.h"

#include "engine/assertion.h"
#include "engine/db.h"
#include "engine/sentences.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *rs_side_name(rs_side s)
{
    static const char *const names[] = {NULL, "left", "right", "bilateral"};

    return (unsigned)s < 4 ? names[s] : NULL;
}

/* ---- Sentence by sentence -------------------------------------------- */

typedef struct reader reader;
typedef rs_status take_sentence(reader *r, const rs_token *tokens, const rs_state *states,
                                size_t n);

struct reader {
    const rs_lexicon *l;
    const char *text;
    rs_arena   *mem;
    rs_err     *err;
    take_sentence *take;
    const char *section;
    void       *rows;          /* statements or mentions */
    size_t      n, cap;
};

static rs_status no_memory(const reader *r)
{
    return rs_fail(r->err, RS_ENOMEM, "report: no memory");
}

/* Tokens of bytes [begin, end), their positions those of the text. */
static rs_status cut(reader *r, size_t begin, size_t end, rs_token **tokens, size_t *n)
{
    rs_status st = rs_tokens_cut(rs_lexicon_tokens(r->l), r->text + begin, end - begin, r->mem,
                                 tokens, n, r->err);

    for (size_t i = 0; st == RS_OK && i < *n; i++) {
        (*tokens)[i].begin += begin;
        (*tokens)[i].end += begin;
    }
    return st;
}

static rs_status read_range(reader *r, size_t begin, size_t end)
{
    rs_token *tokens;
    rs_status st;
    size_t n, first = 0;

    if ((st = cut(r, begin, end, &tokens, &n)) != RS_OK)
        return st;
    for (size_t at = begin; st == RS_OK && first < n;) {
        size_t next = rs_sentence_end(r->text, at, end), past = first;
        rs_state *states;
        while (past < n && (tokens[past].begin < next || next >= end))
            past++;
        if (past > first) {
            states = rs_assertion_states(r->l, r->text, tokens + first, past - first, r->mem);
            st = states ? r->take(r, tokens + first, states, past - first) : no_memory(r);
        }
        first = past;
        at = next;
    }
    return st;
}

/* ---- Statements ------------------------------------------------------ */

static rs_status take_statements(reader *r, const rs_token *tokens, const rs_state *states,
                                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rs_statement *list;
        if (i > 0 && states[i] == states[i - 1]) {
            list = r->rows;
            list[r->n - 1].end = tokens[i].end;
            continue;
        }
        if (!rs_arena_grow(r->mem, &r->rows, &r->cap, r->n, sizeof *list))
            return no_memory(r);
        list = r->rows;
        list[r->n++] = (rs_statement){tokens[i].begin, tokens[i].end, states[i]};
    }
    return RS_OK;
}

rs_status rs_report_read(const rs_lexicon *l, const char *text, size_t begin, size_t end,
                         rs_arena *mem, rs_statement **out, size_t *n, rs_err *err)
{
    reader r = {.l = l, .text = text, .mem = mem, .err = err, .take = take_statements};
    rs_status st = read_range(&r, begin, end);

    *out = r.rows;
    *n = r.n;
    return st;
}

/* ---- Sides and sizes ------------------------------------------------- */

enum { SIDE_REACH = 8 };

static rs_side side_of(const char *stem)
{
    static const struct { const char *stem; rs_side side; } words[] = {
        {"left", RS_SIDE_LEFT}, {"lt", RS_SIDE_LEFT}, {"right", RS_SIDE_RIGHT},
        {"rt", RS_SIDE_RIGHT}, {"bilater", RS_SIDE_BILATERAL}, {"both", RS_SIDE_BILATERAL},
        {"bibasilar", RS_SIDE_BILATERAL}, {"biapic", RS_SIDE_BILATERAL},
        {"lul", RS_SIDE_LEFT}, {"lll", RS_SIDE_LEFT}, {"lingula", RS_SIDE_LEFT},
        {"lingular", RS_SIDE_LEFT}, {"rul", RS_SIDE_RIGHT}, {"rml", RS_SIDE_RIGHT},
        {"rll", RS_SIDE_RIGHT},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].stem, stem) == 0)
            return words[i].side;
    return RS_SIDE_NONE;
}

/* The side named nearest to tokens[i, i + len), before it rather than behind it. */
static rs_side nearest_side(const rs_token *tokens, size_t n, size_t i, size_t len)
{
    for (size_t k = i; k < i + len; k++)               /* mass in the right upper lobe */
        if (side_of(tokens[k].text) != RS_SIDE_NONE)
            return side_of(tokens[k].text);
    for (size_t d = 1; d <= SIDE_REACH; d++) {
        rs_side side = d <= i ? side_of(tokens[i - d].text) : RS_SIDE_NONE;
        if (side == RS_SIDE_NONE && i + len + d - 1 < n)
            side = side_of(tokens[i + len + d - 1].text);
        if (side != RS_SIDE_NONE)
            return side;
    }
    return RS_SIDE_NONE;
}

/* A number and its unit at text[at, end): "3.5 cm", "12mm", "3 x 4.2 cm" (the largest
 * counts). Moves *at behind it, or by one byte where there is none. */
static bool measure_at(const char *text, size_t *at, size_t end, double *size, const char **unit)
{
    size_t i = *at;
    double most = 0;

    ++*at;
    for (int k = 0; k < 3; k++) {
        char number[16];
        size_t n = 0;
        while (i < end && n < sizeof number - 1 && (isdigit((unsigned char)text[i]) ||
               (text[i] == '.' && n && i + 1 < end && isdigit((unsigned char)text[i + 1]))))
            number[n++] = text[i++];
        number[n] = '\0';
        if (n == 0 || n == sizeof number - 1)
            return false;
        most = strtod(number, NULL) > most ? strtod(number, NULL) : most;
        while (i < end && (text[i] == ' ' || text[i] == '-'))
            i++;
        if (end - i >= 2 && (strncasecmp(text + i, "cm", 2) == 0 ||
                             strncasecmp(text + i, "mm", 2) == 0) &&
            !(end - i > 2 && isalnum((unsigned char)text[i + 2]))) {
            *unit = tolower((unsigned char)text[i]) == 'c' ? "cm" : "mm";
            *size = most;
            *at = i + 2;
            return true;
        }
        if (i >= end || (text[i] != 'x' && text[i] != 'X' && text[i] != '*'))
            return false;
        i++;
        while (i < end && text[i] == ' ')
            i++;
    }
    return false;
}

static size_t distance(const rs_mention *m, size_t at)
{
    return at < m->begin ? m->begin - at : at > m->end ? at - m->end : 0;
}

/* Each measure of the sentence to the mention nearest to it. Both ascend, so that one
 * pass does. */
static void give_sizes(const char *text, size_t begin, size_t end, rs_mention *m, size_t n)
{
    size_t near = 0;

    for (size_t at = begin; n && at < end;) {
        const char *unit = NULL;
        double size = 0;
        size_t from = at;
        if (!isdigit((unsigned char)text[at]) ||
            (at > begin && isalnum((unsigned char)text[at - 1]))) {
            at++;
            continue;
        }
        if (!measure_at(text, &at, end, &size, &unit))
            continue;
        while (near + 1 < n && distance(&m[near + 1], from) <= distance(&m[near], from))
            near++;
        if (!m[near].unit || size > m[near].size) {
            m[near].size = size;
            m[near].unit = unit;
        }
    }
}

/* ---- Mentions -------------------------------------------------------- */

/* A term in parts may say the thing and what is said of it: the heart is not enlarged. */
static rs_state strongest(const rs_state *states, size_t n)
{
    rs_state most = RS_STATE_AFFIRMED;

    for (size_t i = 0; i < n; i++)
        most = states[i] > most ? states[i] : most;
    return most;
}

static rs_status take_mentions(reader *r, const rs_token *tokens, const rs_state *states,
                               size_t n)
{
    size_t first = r->n, step;
    rs_mention *list = r->rows;

    for (size_t i = 0; i < n; i += step) {
        const char *name;
        rs_term_kind kind;
        size_t len = rs_lexicon_mention(r->l, tokens + i, n - i, &name, &kind);
        rs_state state;
        step = len ? len : 1;
        if (!len)
            continue;
        if (!rs_arena_grow(r->mem, &r->rows, &r->cap, r->n, sizeof *list))
            return no_memory(r);
        list = r->rows;
        state = strongest(states + i, len);
        if (r->section && strcmp(r->section, "history") == 0 && state < RS_STATE_HISTORICAL)
            state = RS_STATE_HISTORICAL;
        list[r->n++] = (rs_mention){
            .finding = name, .section = r->section, .begin = tokens[i].begin,
            .end = tokens[i + len - 1].end, .state = state,
            .side = nearest_side(tokens, n, i, len)};
    }
    if (r->n > first)
        give_sizes(r->text, tokens[0].begin, tokens[n - 1].end, list + first, r->n - first);
    return RS_OK;
}

rs_status rs_report_mentions(const rs_lexicon *l, const char *text, const rs_section *sections,
                             size_t n_sections, rs_arena *mem, rs_mention **out, size_t *n,
                             rs_err *err)
{
    reader r = {.l = l, .text = text, .mem = mem, .err = err, .take = take_mentions};
    size_t len = text ? strlen(text) : 0, at = 0;
    rs_status st = RS_OK;

    for (size_t i = 0; text && st == RS_OK && i <= n_sections; i++) {
        size_t begin = i < n_sections ? sections[i].begin : len;
        size_t end = i < n_sections ? sections[i].end : len;
        if (begin < at || end < begin || end > len)
            continue;                              /* overlapping ones are read once */
        r.section = NULL;
        if (begin > at)
            st = read_range(&r, at, begin);
        r.section = i < n_sections ? sections[i].name : NULL;
        if (st == RS_OK)
            st = read_range(&r, begin, end);
        at = end;
    }
    *out = r.rows;
    *n = r.n;
    return st;
}
