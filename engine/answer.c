/* answer.c - a text as sentences with citations; see answer.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer.h"

#include "base/bytes.h"
#include "engine/clean.h"
#include "engine/db.h"
#include "engine/sentences.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Numbers from 0 on; a larger one is none of ours. "[1-9]" at most so many. */
enum { MAX_NUMBER = 100000, MAX_RANGE = 64 };

/* "[1, 4-6]" at s: its length, 0 where it is none. */
static size_t citation_len(const char *s)
{
    size_t n = 1;
    bool digits = false;

    if (*s != '[')
        return 0;
    for (; s[n] && s[n] != ']'; n++) {
        if (!isdigit((unsigned char)s[n]) && !strchr(" ,;-", s[n]))
            return 0;
        digits |= isdigit((unsigned char)s[n]) != 0;
    }
    return s[n] == ']' && digits ? n + 1 : 0;
}

typedef struct {
    void     *rows;
    size_t    n, cap;
    rs_arena *mem;
} numbers;

static bool add_number(numbers *to, size_t number)
{
    if (!rs_arena_grow(to->mem, &to->rows, &to->cap, to->n, sizeof number))
        return false;
    ((size_t *)to->rows)[to->n++] = number;
    return true;
}

static size_t number_at(const char **s)
{
    size_t n = 0;

    for (; isdigit((unsigned char)**s); ++*s)
        n = n > MAX_NUMBER ? n : n * 10 + (size_t)(**s - '0');
    return n;
}

/* What stands between [ and ]. */
static bool add_citation(numbers *to, const char *s, const char *end)
{
    while (s < end) {
        size_t first, last;
        if (!isdigit((unsigned char)*s)) {
            s++;
            continue;
        }
        first = last = number_at(&s);
        if (s + 1 < end && *s == '-' && isdigit((unsigned char)s[1])) {
            s++;
            last = number_at(&s);
        }
        if (last > first + MAX_RANGE)
            last = first + MAX_RANGE;
        for (size_t k = first; k <= last; k++)
            if (!add_number(to, k))
                return false;
        if (last < first && !add_number(to, last))
            return false;
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

static void sort_once(numbers *list)
{
    size_t *x = list->rows, kept = 0;

    if (list->n)
        qsort(x, list->n, sizeof *x, by_size);
    for (size_t i = 0; i < list->n; i++)
        if (i == 0 || x[i] != x[kept - 1])
            x[kept++] = x[i];
    list->n = kept;
}

/* One sentence being read. */
typedef struct {
    rs_arena *mem;
    numbers   cites;                   /* of all of it */
    rs_buf    bare;
    void     *pieces;
    size_t    n, cap;
} sentence_reader;

/* Text and the citations behind it; false on OOM. */
static bool add_piece(sentence_reader *r, const char *text, size_t len, const numbers *cites)
{
    rs_piece piece = {rs_arena_strndup(r->mem, text, len), cites->rows, cites->n};

    if (!piece.text || !rs_arena_grow(r->mem, &r->pieces, &r->cap, r->n, sizeof piece))
        return false;
    ((rs_piece *)r->pieces)[r->n++] = piece;
    return true;
}

/* "effusion [1]." becomes "effusion." */
static void add_bare(rs_buf *to, const char *text, size_t len)
{
    if (len && strchr(".,;", *text) && to->len && to->data[to->len - 1] == ' ')
        to->len--;
    rs_buf_append(to, text, len);
}

/* The citations at *s, one behind the other; *s behind them. */
static bool read_citations(sentence_reader *r, const char **s, numbers *here)
{
    size_t len;

    while ((len = citation_len(*s)) > 0) {
        if (!add_citation(here, *s + 1, *s + len - 1) ||
            !add_citation(&r->cites, *s + 1, *s + len - 1))
            return false;
        *s += len;
        if (**s == ' ' && citation_len(*s + 1))
            ++*s;
    }
    return true;
}

rs_status rs_sentence_read(const char *part, const char *text, rs_arena *mem, rs_sentence *out,
                           rs_err *err)
{
    sentence_reader r = {.mem = mem, .cites = {.mem = mem}};
    bool room = true;

    for (const char *s = text; *s && room;) {
        numbers here = {.mem = mem};
        const char *from = s;
        while (*s && !citation_len(s))
            s++;
        add_bare(&r.bare, from, (size_t)(s - from));
        const size_t len = (size_t)(s - from);
        room = read_citations(&r, &s, &here) && add_piece(&r, from, len, &here);
    }
    sort_once(&r.cites);
    *out = (rs_sentence){.part = part, .cites = r.cites.rows, .n_cites = r.cites.n,
                         .pieces = r.pieces, .n_pieces = r.n};
    out->text = rs_arena_strdup(mem, text);
    out->bare = r.bare.failed ? NULL :
                rs_arena_strndup(mem, r.bare.data ? r.bare.data : "", r.bare.len);
    rs_buf_clear(&r.bare);
    return room && out->text && out->bare ? RS_OK : rs_fail(err, RS_ENOMEM, "answer: no memory");
}

/* Citations right behind a sentence belong to it. */
static size_t past_citations(const char *text, size_t at)
{
    size_t end = at;

    for (;;) {
        size_t len;
        while (text[at] == ' ')
            at++;
        if ((len = citation_len(text + at)) == 0)
            return end;
        at += len;
        at += text[at] == '.';
        end = at;
    }
}

rs_status rs_answer_read(const char *text, rs_arena *mem, rs_answer *out, rs_err *err)
{
    void *rows = NULL;
    size_t n = 0, cap = 0;
    rs_status st = RS_OK;

    *out = (rs_answer){NULL, 0};
    if (!(text = rs_clean_answer(text, mem)))
        return rs_fail(err, RS_ENOMEM, "answer: no memory");
    for (size_t line = 0; st == RS_OK && text[line];) {
        size_t len = strcspn(text + line, "\n"), end = line + len;
        for (size_t at = line; st == RS_OK && at < end;) {
            size_t next = past_citations(text, rs_sentence_end(text, at, end)), last = next;
            char *piece;
            while (at < next && strchr(" \t\r*#-", text[at]))
                at++;
            while (last > at && isspace((unsigned char)text[last - 1]))
                last--;
            if (last > at) {
                piece = rs_arena_strndup(mem, text + at, last - at);
                if (!piece || !rs_arena_grow(mem, &rows, &cap, n, sizeof(rs_sentence)))
                    return rs_fail(err, RS_ENOMEM, "answer: no memory");
                st = rs_sentence_read(NULL, piece, mem, &((rs_sentence *)rows)[n++], err);
            }
            at = next > at ? next : at + 1;
        }
        line = end + (text[end] == '\n');
    }
    *out = (rs_answer){rows, n};
    return st;
}
