/* passages.c - see passages.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/passages.h"

#include "engine/sentences.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

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
