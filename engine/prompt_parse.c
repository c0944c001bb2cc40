/* prompt_parse.c - a template's file into nodes, everything checked. See prompts.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/prompts_int.h"

#include "engine/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 8, MAX_EXAMPLES = 4 };

static const struct { const char *text; rs_prompt_scope scope; } places[] = {
#define PLACE_ROW(id, text, scope) {text, RS_IN_##scope},
    RS_PLACE_MAP(PLACE_ROW)
#undef PLACE_ROW
};

typedef struct {
    rs_prompt  *t;
    const char *file, *text;
    rs_arena   *mem;
    rs_err     *err;
    size_t      line;
    size_t      open[MAX_DEPTH], depth;          /* nodes not closed yet */
} parser;

static rs_status wrong(const parser *p, const char *what, const char *name, size_t len)
{
    return rs_fail(p->err, RS_ECORRUPT, "prompt %s:%zu: %s%.*s", p->file, p->line, what,
                   (int)(len < 60 ? len : 60), name);
}

static rs_status no_memory(const parser *p)
{
    return rs_fail(p->err, RS_ENOMEM, "prompt %s: no memory", p->file);
}

/* ---- Head ------------------------------------------------------------ */

static bool whole_number(const char *text, long long most, long long *out)
{
    char *end;

    *out = strtoll(text, &end, 10);
    return end != text && *end == '\0' && *out >= 0 && *out <= most;
}

static rs_status take_field(parser *p, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len), *value;
    size_t n = colon ? (size_t)(colon - line) : 0;
    long long number = 0;
    char *copy;

    if (!colon)
        return wrong(p, "wanted 'field: value' or '---', not ", line, len);
    value = colon + 1;
    while (value < line + len && *value == ' ')
        value++;
    if (!(copy = rs_arena_strndup(p->mem, value, (size_t)(line + len - value))))
        return no_memory(p);
    if (n == 5 && strncmp(line, "title", n) == 0) {
        p->t->title = copy;
    } else if (n == 5 && strncmp(line, "parts", n) == 0) {
        p->t->parts = copy;
    } else if (n == 7 && strncmp(line, "version", n) == 0) {
        if (!whole_number(copy, 1000000, &p->t->version))
            return wrong(p, "not a version: ", value, strlen(copy));
    } else if (n == 8 && strncmp(line, "examples", n) == 0) {
        if (!whole_number(copy, MAX_EXAMPLES, &number))
            return wrong(p, "examples: 0 to 4, not ", value, strlen(copy));
        p->t->examples = (size_t)number;
    } else {
        return wrong(p, "no such field: ", line, n);
    }
    return RS_OK;
}

/* Where the text after the head begins, in *at. */
static rs_status read_head(parser *p, size_t *at)
{
    for (p->line = 1; p->text[*at]; p->line++) {
        const char *line = p->text + *at;
        size_t len = strcspn(line, "\n");
        rs_status st;
        *at += len + (line[len] == '\n');
        if (len == 3 && strncmp(line, "---", 3) == 0) {
            p->line++;
            return RS_OK;
        }
        if (len == 0 || *line == '#')
            continue;
        if ((st = take_field(p, line, len)) != RS_OK)
            return st;
    }
    return wrong(p, "no line '---' behind the head", "", 0);
}

/* ---- Placeholders ---------------------------------------------------- */

static bool inside(const parser *p, rs_place loop)
{
    for (size_t i = 0; i < p->depth; i++) {
        const rs_node *node = &p->t->nodes[p->open[i]];
        if (node->kind == RS_NODE_LOOP && node->place == loop)
            return true;
    }
    return false;
}

static bool in_scope(const parser *p, rs_prompt_scope scope)
{
    switch (scope) {
    case RS_IN_ALL:       return true;
    case RS_IN_CASES:     return inside(p, RS_PLACE_CASES);
    case RS_IN_SENTENCES: return inside(p, RS_PLACE_SENTENCES);
    case RS_IN_EXAMPLES:  return inside(p, RS_PLACE_EXAMPLES);
    }
    return false;
}

static bool is_loop(rs_place place)
{
    return place == RS_PLACE_CASES || place == RS_PLACE_SENTENCES || place == RS_PLACE_EXAMPLES;
}

/* The placeholder of that name where we are; RS_PLACES for none. *elsewhere: it is one, but
 * not here. */
static rs_place find_place(const parser *p, const char *name, size_t len, bool *elsewhere)
{
    *elsewhere = false;
    for (int i = 0; i < RS_PLACES; i++) {
        if (strlen(places[i].text) != len || strncmp(places[i].text, name, len) != 0)
            continue;
        if (in_scope(p, places[i].scope))
            return (rs_place)i;
        *elsewhere = true;
    }
    return RS_PLACES;
}

static rs_status add(parser *p, rs_node node)
{
    void *nodes = p->t->nodes;

    if (!rs_arena_grow(p->mem, &nodes, &p->t->cap, p->t->n, sizeof node))
        return no_memory(p);
    p->t->nodes = nodes;
    p->t->nodes[p->t->n++] = node;
    return RS_OK;
}

static rs_status close_node(parser *p, const char *name, size_t len)
{
    rs_node *open;

    if (p->depth == 0)
        return wrong(p, "nothing is open that could be closed by /", name, len);
    open = &p->t->nodes[p->open[p->depth - 1]];
    if (strlen(places[open->place].text) != len ||
        strncmp(places[open->place].text, name, len) != 0)
        return rs_fail(p->err, RS_ECORRUPT, "prompt %s:%zu: /%.*s where /%s is wanted", p->file,
                       p->line, (int)(len < 60 ? len : 60), name, places[open->place].text);
    open->close = p->t->n;
    p->depth--;
    return add(p, (rs_node){.kind = RS_NODE_CLOSE});
}

/* What stands between {{ and }}. */
static rs_status take_place(parser *p, const char *name, size_t len)
{
    rs_node node = {.kind = RS_NODE_PLACE};
    bool elsewhere;

    if (len && *name == '/')
        return close_node(p, name + 1, len - 1);
    if (len && (*name == '#' || *name == '?')) {
        node.kind = *name == '#' ? RS_NODE_LOOP : RS_NODE_IF;
        name++;
        len--;
    }
    node.place = find_place(p, name, len, &elsewhere);
    if (node.place == RS_PLACES)
        return wrong(p, elsewhere ? "only known inside its loop: " : "no such placeholder: ", name,
                     len);
    if ((node.kind == RS_NODE_LOOP) != is_loop(node.place) && node.kind != RS_NODE_IF)
        return wrong(p, node.kind == RS_NODE_LOOP ? "not a loop: " : "a loop, wanted #: ", name,
                     len);
    if (node.kind == RS_NODE_LOOP && inside(p, node.place))
        return wrong(p, "a loop inside itself: ", name, len);
    if (node.kind != RS_NODE_PLACE) {
        if (p->depth == MAX_DEPTH)
            return wrong(p, "too many open at: ", name, len);
        p->open[p->depth++] = p->t->n;
    }
    return add(p, node);
}

/* ---- Body ------------------------------------------------------------ */

static rs_status close_message(parser *p)
{
    if (p->depth)
        return wrong(p, "not closed: ", places[p->t->nodes[p->open[p->depth - 1]].place].text, 60);
    if (p->t->n_messages)
        p->t->messages[p->t->n_messages - 1].end = p->t->n;
    return RS_OK;
}

static rs_status open_message(parser *p, const char *role, size_t len)
{
    const char *known = len == 6 && strncmp(role, "system", 6) == 0 ? "system" :
                        len == 4 && strncmp(role, "user", 4) == 0 ? "user" : NULL;
    rs_status st = close_message(p);

    if (st != RS_OK)
        return st;
    if (!known || p->t->n_messages == RS_PROMPT_MESSAGES)
        return wrong(p, known ? "too many messages: " : "wanted system or user, not ", role, len);
    p->t->messages[p->t->n_messages].role = known;
    p->t->messages[p->t->n_messages++].first = p->t->n;
    return RS_OK;
}

/* A placeholder alone on its line takes the line with it, unless it is a value. */
static bool alone(const char *line, size_t len)
{
    return len >= 5 && strncmp(line, "{{", 2) == 0 && strchr("#?/", line[2]) &&
           strcspn(line, "}") == len - 2 && line[len - 1] == '}';
}

static rs_status take_line(parser *p, const char *line, size_t len)
{
    const char *at = line, *end = line + len;
    rs_status st = RS_OK;

    while (st == RS_OK && at < end) {
        const char *open = at, *close;
        while (open < end && strncmp(open, "{{", 2) != 0)
            open++;
        if (open > at)
            st = add(p, (rs_node){.kind = RS_NODE_TEXT, .text = at, .len = (size_t)(open - at)});
        if (open >= end || st != RS_OK)
            break;
        for (close = open + 2; close < end && strncmp(close, "}}", 2) != 0;)
            close++;
        if (close >= end)
            return wrong(p, "{{ without }}: ", open, (size_t)(end - open));
        st = take_place(p, open + 2, (size_t)(close - open) - 2);
        at = close + 2;
    }
    if (st == RS_OK && !alone(line, len))
        st = add(p, (rs_node){.kind = RS_NODE_TEXT, .text = "\n", .len = 1});
    return st;
}

rs_status rs_prompt_parse(rs_prompt *out, const char *name, const char *text, rs_arena *mem,
                          rs_err *err)
{
    parser p = {.t = out, .file = name, .mem = mem, .err = err};
    size_t at = 0;
    rs_status st;

    *out = (rs_prompt){.title = "", .parts = ""};
    out->name = rs_arena_strndup(mem, name, strcspn(name, "."));
    p.text = rs_arena_strdup(mem, text);
    if (!out->name || !p.text)
        return no_memory(&p);
    if ((st = read_head(&p, &at)) != RS_OK)
        return st;
    for (; st == RS_OK && p.text[at]; p.line++) {
        const char *line = p.text + at;
        size_t len = strcspn(line, "\n");
        at += len + (line[len] == '\n');
        if (strncmp(line, "=== ", 4) == 0)
            st = open_message(&p, line + 4, len - 4);
        else if (out->n_messages)
            st = take_line(&p, line, len);
        else if (len)
            st = wrong(&p, "wanted '=== system' or '=== user', not ", line, len);
    }
    if (st == RS_OK && (st = close_message(&p)) == RS_OK && out->n_messages == 0)
        st = wrong(&p, "no message: '=== system' or '=== user'", "", 0);
    return st;
}
