/* columns.c - see columns.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/columns.h"

#include "engine/report.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The column for what a section of that name affirms. */
static rs_text_column column_of(const char *section)
{
    static const struct { const char *name; rs_text_column column; } names[] = {
        {"findings", RS_TEXT_FINDINGS},     {"caption", RS_TEXT_FINDINGS},
        {"impression", RS_TEXT_IMPRESSION}, {"conclusion", RS_TEXT_IMPRESSION},
        {"diagnosis", RS_TEXT_IMPRESSION},  {"differential", RS_TEXT_UNCERTAIN},
        {"history", RS_TEXT_HISTORY},       {"indication", RS_TEXT_HISTORY},
        {"clinical history", RS_TEXT_HISTORY},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(section, names[i].name) == 0)
            return names[i].column;
    return RS_TEXT_OTHER;
}

/* Where words go that stand in a part of the report and are said so. */
static rs_text_column column_for(rs_text_column part, rs_state state)
{
    if (state == RS_STATE_NEGATED)
        return RS_TEXT_NEGATED;
    if (part == RS_TEXT_HISTORY || part == RS_TEXT_OTHER)
        return part;
    switch (state) {
    case RS_STATE_UNCERTAIN:  return RS_TEXT_UNCERTAIN;
    case RS_STATE_NORMAL:     return RS_TEXT_NORMAL;
    case RS_STATE_HISTORICAL: return RS_TEXT_HISTORY;
    case RS_STATE_AFFIRMED: case RS_STATE_NEGATED: case RS_STATE_COUNT: break;
    }
    return part;
}

typedef struct {
    const rs_lexicon *l;
    rs_arena *mem;
    rs_buf   *column;
    rs_err   *err;
} filler;

static rs_status add_text(filler *f, rs_text_column part, const char *text, size_t begin,
                          size_t end)
{
    rs_statement *list;
    size_t n;
    rs_status st = rs_report_read(f->l, text, begin, end, f->mem, &list, &n, f->err);

    for (size_t i = 0; st == RS_OK && i < n; i++) {
        rs_buf *b = &f->column[column_for(part, list[i].state)];
        rs_buf_append(b, text + list[i].begin, list[i].end - list[i].begin);
        rs_buf_putc(b, '\n');
    }
    return st;
}

static int by_begin(const void *a, const void *b)
{
    const rs_section *x = a, *y = b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* What of the report is in no section; of one without sections, all. */
static rs_status add_rest(filler *f, const rs_case *c)
{
    rs_section *sorted = rs_new(f->mem, rs_section, c->n_sections + 1);
    rs_text_column part = c->n_sections ? RS_TEXT_OTHER : RS_TEXT_FINDINGS;
    size_t len = c->report ? strlen(c->report) : 0, at = 0;
    rs_status st = RS_OK;

    if (!sorted)
        return rs_fail(f->err, RS_ENOMEM, "report: no memory");
    if (c->n_sections) {
        memcpy(sorted, c->sections, c->n_sections * sizeof *sorted);
        qsort(sorted, c->n_sections, sizeof *sorted, by_begin);
    }
    for (size_t i = 0; st == RS_OK && i < c->n_sections; i++) {
        if (sorted[i].begin > at)
            st = add_text(f, part, c->report, at, sorted[i].begin);
        if (sorted[i].end > at)
            at = sorted[i].end;
    }
    return st == RS_OK && at < len ? add_text(f, part, c->report, at, len) : st;
}

static void add_label(filler *f, const char *text)
{
    if (text) {
        rs_buf_puts(&f->column[RS_TEXT_LABELS], text);
        rs_buf_putc(&f->column[RS_TEXT_LABELS], '\n');
    }
}

rs_status rs_columns_fill(const rs_lexicon *l, const rs_case *c, rs_arena *mem,
                          rs_buf column[RS_TEXT_COUNT], rs_err *err)
{
    filler f = {l, mem, column, err};
    rs_status st = c->title ? add_text(&f, RS_TEXT_TITLE, c->title, 0, strlen(c->title)) : RS_OK;

    for (size_t i = 0; st == RS_OK && i < c->n_sections; i++)
        st = add_text(&f, column_of(c->sections[i].name), c->report, c->sections[i].begin,
                      c->sections[i].end);
    if (st == RS_OK)
        st = add_rest(&f, c);
    add_label(&f, c->modality);
    add_label(&f, c->body_part);
    add_label(&f, c->view);
    for (size_t i = 0; i < c->n_findings; i++)
        add_label(&f, c->findings[i]);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        if (st == RS_OK && column[i].failed)
            st = rs_fail(err, RS_ENOMEM, "report: no memory");
    return st;
}
