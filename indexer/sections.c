/* sections.c - see sections.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/sections.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* ---- Headings -------------------------------------------------------- */

/* As written in reports (longest first where one begins another), and our name. */
static const struct { const char *heading, *name; } headings[] = {
    {"clinical history", "history"},     {"clinical indication", "history"},
    {"clinical information", "history"}, {"reason for exam", "history"},
    {"reason for examination", "history"}, {"reason for study", "history"},
    {"history", "history"},              {"indications", "history"},
    {"indication", "history"},           {"technique", "technique"},
    {"procedure", "technique"},          {"protocol", "technique"},
    {"examination", "technique"},        {"exam", "technique"},
    {"comparison", "comparison"},        {"comparisons", "comparison"},
    {"prior studies", "comparison"},     {"findings", "findings"},
    {"finding", "findings"},             {"observations", "findings"},
    {"report", "findings"},              {"caption", "caption"},
    {"impressions", "impression"},       {"impression", "impression"},
    {"conclusions", "impression"},       {"conclusion", "impression"},
    {"opinion", "impression"},           {"summary", "impression"},
    {"differential diagnosis", "differential"}, {"differential", "differential"},
    {"diagnosis", "diagnosis"},          {"discussion", "discussion"},
    {"recommendations", "recommendation"}, {"recommendation", "recommendation"},
};
enum { N_HEADINGS = sizeof headings / sizeof *headings };

/* The heading at s ("Findings:", "FINDINGS :"), its length with the colon, or 0. */
static size_t heading_at(const char *s, const char **name)
{
    for (size_t i = 0; i < N_HEADINGS; i++) {
        size_t n = strlen(headings[i].heading);
        if (strncasecmp(s, headings[i].heading, n) != 0)
            continue;
        while (s[n] == ' ')
            n++;
        if (s[n] != ':')
            continue;
        *name = headings[i].name;
        return n + 1;
    }
    return 0;
}

/* Whether a heading may begin at text[i]: at the start, on a new line, after a stop. */
static bool may_begin(const char *text, size_t i)
{
    while (i > 0 && (text[i - 1] == ' ' || text[i - 1] == '\t'))
        i--;
    return i == 0 || strchr("\n\r.;:", text[i - 1]) != NULL;
}

rs_section *rs_sections_find(const char *report, rs_arena *mem, size_t *n)
{
    size_t len = strlen(report), cap = 1, room;
    rs_section *list;

    *n = 0;
    for (size_t i = 0; i < len; i++)
        cap += report[i] == ':';
    room = cap;
    list = rs_new(mem, rs_section, room);
    for (size_t i = 0; list && i < len; i++) {
        const char *name;
        size_t m;
        if (!isalpha((unsigned char)report[i]) || !may_begin(report, i) ||
            (m = heading_at(report + i, &name)) == 0)
            continue;
        if (*n)
            list[*n - 1].end = i;
        i += m;
        while (i < len && isspace((unsigned char)report[i]))
            i++;
        list[(*n)++] = (rs_section){name, i, len};
        i--;
    }
    for (size_t k = 0; k < *n; k++)
        while (list[k].end > list[k].begin && isspace((unsigned char)report[list[k].end - 1]))
            list[k].end--;
    return list;
}

/* ---- Sentences ------------------------------------------------------- */

/* Words whose full stop ends no sentence. */
static bool is_abbreviation(const char *word, size_t n)
{
    static const char *const known[] = {
        "dr", "mr", "mrs", "ms", "prof", "vs", "e.g", "i.e", "etc", "approx", "ca", "cf", "fig",
        "no", "st", "resp", "incl", "max", "min", "avg", "wt", "ht", "yr", "yrs", "pt", "hx", "dx",
    };

    if (n == 1)
        return isalpha((unsigned char)*word) != 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == n && strncasecmp(known[i], word, n) == 0)
            return true;
    return false;
}

/* Whether the full stop at text[i] ends the sentence. */
static bool stop_ends(const char *text, size_t begin, size_t i, size_t end)
{
    size_t word = i;

    if (i + 1 < end && !isspace((unsigned char)text[i + 1]) && !strchr("\"')]", text[i + 1]))
        return false;                                   /* 3.5, e.g., a.b */
    while (word > begin && !isspace((unsigned char)text[word - 1]) && text[word - 1] != '(')
        word--;
    if (word == begin && strspn(text + word, "0123456789") >= i - word)
        return false;                                   /* a list item's number */
    return !is_abbreviation(text + word, i - word);
}

/* Whether the line end at text[i] ends the sentence: an empty line or a list item next. */
static bool line_ends(const char *text, size_t i, size_t end)
{
    size_t k = i + 1;

    while (k < end && (text[k] == ' ' || text[k] == '\t' || text[k] == '\r'))
        k++;
    if (k >= end || text[k] == '\n')
        return true;
    if (text[k] == '-' || text[k] == '*' || (unsigned char)text[k] == 0xe2)     /* also a bullet */
        return true;
    return isdigit((unsigned char)text[k]) && k + 1 < end && (text[k + 1] == '.' || text[k + 1] == ')');
}

size_t rs_sentence_end(const char *text, size_t begin, size_t end)
{
    size_t i = begin;

    for (; i < end; i++) {
        char c = text[i];
        if (c == '!' || c == '?' || (c == '.' && stop_ends(text, begin, i, end)) ||
            (c == '\n' && i > begin && line_ends(text, i, end)))
            break;
    }
    if (i < end)
        i++;
    while (i < end && (isspace((unsigned char)text[i]) || strchr("\"')]", text[i])))
        i++;
    return i;
}

/* ---- Passages -------------------------------------------------------- */

typedef struct {
    const rs_tokenizer *tokenizer;
    size_t max_tokens;
    rs_arena *mem;
    rs_passage *list;
    size_t n, cap, cut;
} maker;

static bool add(maker *m, const char *section, const char *text, size_t begin, size_t end)
{
    while (end > begin && isspace((unsigned char)text[end - 1]))
        end--;
    while (begin < end && isspace((unsigned char)text[begin]))
        begin++;
    if (begin == end)
        return true;
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        rs_passage *more = rs_new(m->mem, rs_passage, cap);
        if (!more)
            return false;
        if (m->n)
            memcpy(more, m->list, m->n * sizeof *more);
        m->list = more;
        m->cap = cap;
    }
    m->list[m->n] = (rs_passage){.section = section, .begin = begin, .end = end,
                                 .text = rs_arena_strndup(m->mem, text + begin, end - begin)};
    return m->list[m->n++].text != NULL;
}

/* Join sentences of text[begin, end) while they fit. */
static rs_status cut_section(maker *m, const char *section, const char *text, size_t begin,
                             size_t end, rs_err *err)
{
    size_t start = begin, used = 0;

    for (size_t at = begin; at < end;) {
        size_t next = rs_sentence_end(text, at, end), tokens;
        rs_status st = rs_tokenizer_count(m->tokenizer, text + at, next - at, &tokens, err);
        if (st != RS_OK)
            return st;
        if (at > start && used + tokens > m->max_tokens) {
            if (!add(m, section, text, start, at))
                return rs_fail(err, RS_ENOMEM, "passages: no memory");
            start = at;
            used = 0;
        }
        m->cut += tokens > m->max_tokens;
        used += tokens;
        at = next;
    }
    return add(m, section, text, start, end) ? RS_OK
                                             : rs_fail(err, RS_ENOMEM, "passages: no memory");
}

rs_status rs_passages_make(const char *title, const char *report, const rs_section *sections,
                           size_t n_sections, const rs_tokenizer *t, size_t max_tokens,
                           rs_arena *mem, rs_passage **out, size_t *n, size_t *cut, rs_err *err)
{
    maker m = {.tokenizer = t, .max_tokens = max_tokens, .mem = mem};
    rs_status st = RS_OK;
    size_t at = 0, len = report ? strlen(report) : 0;

    *out = NULL;
    *n = *cut = 0;
    if (title)
        st = cut_section(&m, "title", title, 0, strlen(title), err);
    for (size_t i = 0; st == RS_OK && i < n_sections; i++) {
        const rs_section *s = &sections[i];
        if (i == 0 && s->begin > 0) {
            /* What stands before the first heading, the heading itself left out. */
            size_t before = s->begin;
            while (before > 0 && strchr("\n.", report[before - 1]) == NULL)
                before--;
            st = cut_section(&m, NULL, report, 0, before, err);
        }
        if (st == RS_OK)
            st = cut_section(&m, s->name, report, s->begin, s->end, err);
        at = len;
    }
    if (st == RS_OK && n_sections == 0 && at < len)
        st = cut_section(&m, NULL, report, 0, len, err);
    if (st != RS_OK)
        return st;
    *out = m.list;
    *n = m.n;
    *cut = m.cut;
    return RS_OK;
}
