/* token_stream.c - see token_stream.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/token_stream.h"

#include "base/arena.h"
#include "engine/clean.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *text; bool reasoning; } tags[] = {
    {"<reasoning>", true}, {"<think>", true}, {"</reasoning>", false}, {"</think>", false},
    {"<answer>", false}, {"</answer>", false},
};
enum { TAGS = sizeof tags / sizeof *tags };

/* "[3]", "[1, 4]", "[2-4]" at s: its length, 0 where it is none; *within: all of 1 to n. */
static size_t citation(const char *s, size_t n, bool *within)
{
    size_t len = 1;
    bool digits = false;

    *within = true;
    while (s[len] && s[len] != ']') {
        if (isdigit((unsigned char)s[len])) {
            char *end;
            unsigned long number = strtoul(s + len, &end, 10);
            *within = *within && number >= 1 && number <= n;
            digits = true;
            len = (size_t)(end - s);
        } else if (strchr(" ,;-", s[len])) {
            len++;
        } else {
            return 0;
        }
    }
    return s[len] == ']' && digits ? len + 1 : 0;
}

/* What is kept is read, not what came: "[9[9]]" without its inner one is another. */
void rs_citations_limit(char *text, size_t n)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        char *open = to;
        bool within;
        *to++ = *from;
        if (*from != ']')
            continue;
        while (open > text && strchr("0123456789 ,;-", open[-1]))
            open--;
        if (open > text && *--open == '[' && citation(open, n, &within) && !within)
            to = open;
    }
    *to = '\0';
}

/* Leaves of text[0, len), blanks at its ends kept. */
static void emit(rs_token_stream *t, const char *text, size_t len)
{
    size_t lead = 0, trail = 0;
    rs_arena mem = {0};
    rs_buf b = {0};
    const char *raw, *clean;

    while (lead < len && (text[lead] == ' ' || text[lead] == '\n'))
        lead++;
    while (trail < len - lead && (text[len - 1 - trail] == ' ' || text[len - 1 - trail] == '\n'))
        trail++;
    raw = rs_arena_strndup(&mem, text + lead, len - lead - trail);
    clean = raw ? rs_clean_answer(raw, &mem) : NULL;
    rs_buf_append(&b, text, lead);
    if (clean)
        rs_buf_append(&b, clean, strlen(clean));
    while (b.len > lead && b.data[b.len - 1] == '\n')
        b.data[--b.len] = '\0';
    rs_buf_append(&b, text + len - trail, trail);
    if (!b.failed && b.len) {
        rs_citations_limit(b.data, t->n);
        if (t->closed && *b.data == '(')               /* the link would begin with the last piece */
            t->on_piece(t->ctx, " ", t->reasoning);
        if (*b.data) {
            t->on_piece(t->ctx, b.data, t->reasoning);
            t->closed = b.data[strlen(b.data) - 1] == ']';
        }
    }
    rs_buf_clear(&b);
    rs_arena_clear(&mem);
}

static void shift(rs_token_stream *t, size_t n)
{
    memmove(t->held.data, t->held.data + n, t->held.len - n + 1);
    t->held.len -= n;
}

/* The tag at s: its number; TAGS: none; -1: the beginning of one. */
static int tag_at(const char *s)
{
    bool maybe = false;

    for (int i = 0; i < TAGS; i++) {
        if (strncmp(s, tags[i].text, strlen(tags[i].text)) == 0)
            return i;
        maybe |= strncmp(s, tags[i].text, strlen(s)) == 0;
    }
    return maybe ? -1 : TAGS;
}

/* The bracket at s and those in it end within sight: its length; 0: not yet; 1: it is just a
 * sign. One that begins as a citation is taken whole, for without a tag in it it would be one. */
static size_t bracket_at(const char *s)
{
    const size_t end = strcspn(s, "]"), tag = strcspn(s, "<");
    size_t n = 0, open = 0;

    if (tag < end && 1 + strspn(s + 1, "0123456789 ,;-") < tag)
        return 1;
    for (; s[n] && n < RS_TOKEN_HOLD; n++) {
        open += s[n] == '[';
        open -= s[n] == ']';
        if (open == 0)
            return n + 1;
    }
    return s[n] ? 1 : 0;
}

/* Up to the next tag. false: nothing more can be said now. */
static bool go_on(rs_token_stream *t, bool last)
{
    const char *s = t->held.data;
    size_t at = 0, safe = 0;

    while (s[at]) {
        size_t step = 1;
        int tag = s[at] == '<' ? tag_at(s + at) : TAGS;
        if (tag >= 0 && tag < TAGS) {
            if (at)
                emit(t, s, at);
            t->reasoning = tags[tag].reasoning;
            shift(t, at + strlen(tags[tag].text));
            return true;
        }
        if (tag < 0 && !last)
            break;
        if (s[at] == '[' && !(step = bracket_at(s + at))) {
            if (!last)
                break;
            step = 1;
        }
        at += step;
        if (strchr(" \n\t", s[at - 1]))
            safe = at;
    }
    if (last)
        safe = t->held.len;
    else if (safe == 0 && at >= RS_TOKEN_HOLD)
        safe = at;                         /* no word is so long */
    while (safe < t->held.len && ((unsigned char)s[safe] & 0xC0) == 0x80)
        safe++;
    if (safe) {
        emit(t, s, safe);
        shift(t, safe);
    }
    return false;
}

/* By pieces: each look ahead goes to the end of what is held, and a whole answer may come at
 * once. */
void rs_token_stream_add(rs_token_stream *t, const char *text)
{
    while (*text && !t->held.failed) {
        size_t n = strnlen(text, 4 * RS_TOKEN_HOLD);
        while (((unsigned char)text[n] & 0xC0) == 0x80)
            n++;
        rs_buf_append(&t->held, text, n);
        text += n;
        while (!t->held.failed && t->held.len && go_on(t, false))
            ;
    }
}

void rs_token_stream_end(rs_token_stream *t)
{
    while (!t->held.failed && t->held.len && go_on(t, true))
        ;
}

void rs_token_stream_clear(rs_token_stream *t)
{
    rs_buf_clear(&t->held);
    t->reasoning = t->closed = false;
}
