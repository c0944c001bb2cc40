/* prompts.c - templates loaded and filled; see prompts.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/prompts_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "engine/clean.h"
#include "engine/db.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_FILE = 256 * 1024, MAX_TEMPLATES = 256 };

struct rs_prompts {
    rs_arena   mem;
    rs_prompt *rows[MAX_TEMPLATES];
    size_t     n;
};

/* ---- Loading --------------------------------------------------------- */

static rs_prompt *find(const rs_prompts *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->rows[i]->name, name) == 0)
            return p->rows[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const rs_prompt *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* One that has the name of one before it is left out. */
static rs_status add(rs_prompts *p, const char *file, const char *text, rs_err *err)
{
    rs_prompt *t = rs_new(&p->mem, rs_prompt, 1);
    rs_status st;

    if (!t)
        return rs_fail(err, RS_ENOMEM, "prompts: no memory");
    if ((st = rs_prompt_parse(t, file, text, &p->mem, err)) != RS_OK || find(p, t->name))
        return st;
    if (p->n == MAX_TEMPLATES)
        return rs_fail(err, RS_ELIMIT, "prompts: more than %d templates", MAX_TEMPLATES);
    p->rows[p->n++] = t;
    qsort(p->rows, p->n, sizeof p->rows[0], by_name);
    return RS_OK;
}

rs_status rs_prompts_add(rs_prompts *p, const char *name, const char *text, rs_err *err)
{
    return add(p, name, text, err);
}

static bool is_template(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && *name != '.' && strcmp(name + len - 4, ".txt") == 0;
}

static rs_status add_file(rs_prompts *p, const char *folder, const char *name, rs_err *err)
{
    char *path = rs_path_join(folder, name), *text = NULL;
    size_t len;
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "prompts: no memory");
    st = rs_file_read(&text, &len, path, MAX_FILE, err);
    if (st == RS_OK)
        st = add(p, name, text, err);
    rs_free(text);
    rs_free(path);
    return st;
}

static rs_status add_folder(rs_prompts *p, const char *folder, rs_err *err)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    rs_status st = RS_OK;

    if (!d)
        return rs_fail_errno(err, "prompts: open %s", folder);
    while (st == RS_OK && (e = readdir(d)))
        if (is_template(e->d_name))
            st = add_file(p, folder, e->d_name, err);
    closedir(d);
    return st;
}

static rs_status add_built_in(rs_prompts *p, rs_err *err)
{
    rs_status st = RS_OK;

    for (const rs_prompt_file *f = rs_prompt_files; st == RS_OK && f->name; f++) {
        char *text = rs_strndup((const char *)f->bytes, f->len);
        st = text ? add(p, f->name, text, err) : rs_fail(err, RS_ENOMEM, "prompts: no memory");
        rs_free(text);
    }
    return st;
}

rs_status rs_prompts_load(rs_prompts **out, const char *folder, rs_err *err)
{
    rs_prompts *p = rs_calloc(1, sizeof *p);
    rs_status st = p ? RS_OK : rs_fail(err, RS_ENOMEM, "prompts: no memory");

    *out = NULL;
    if (st == RS_OK && folder)
        st = add_folder(p, folder, err);
    if (st == RS_OK)
        st = add_built_in(p, err);
    if (st == RS_OK)
        *out = p;
    else
        rs_prompts_free(p);
    return st;
}

void rs_prompts_free(rs_prompts *p)
{
    if (!p)
        return;
    rs_arena_clear(&p->mem);
    rs_free(p);
}

size_t rs_prompts_count(const rs_prompts *p) { return p->n; }
const rs_prompt *rs_prompts_at(const rs_prompts *p, size_t i) { return p->rows[i]; }
const char *rs_prompt_name(const rs_prompt *t) { return t->name; }
const char *rs_prompt_title(const rs_prompt *t) { return t->title; }
const char *rs_prompt_parts(const rs_prompt *t) { return t->parts; }
long long   rs_prompt_version(const rs_prompt *t) { return t->version; }
size_t      rs_prompt_examples(const rs_prompt *t) { return t->examples; }

rs_status rs_prompts_find(const rs_prompts *p, const char *name, const rs_prompt **out,
                          rs_err *err)
{
    rs_buf names = {0};

    *out = find(p, name);
    if (*out)
        return RS_OK;
    for (size_t i = 0; i < p->n; i++)
        rs_buf_printf(&names, "%s%s", i ? ", " : "", p->rows[i]->name);
    rs_fail(err, RS_ENOENT, "no template '%.60s'; there are: %s", name,
            names.data ? names.data : "none");
    rs_buf_clear(&names);
    return RS_ENOENT;
}

/* ---- Filling --------------------------------------------------------- */

typedef struct {
    const rs_prompt  *t;
    const rs_context *c;
    const char       *learner, *evidence;
    const rs_context_item    *item;
    const rs_cited           *sentence;
    const rs_context_example *example;
    rs_arena *mem;
    rs_buf   *to;
} filler;

static const char *number(const filler *f, size_t n)
{
    return rs_arena_sprintf(f->mem, "%zu", n);
}

static const char *joined(const filler *f, const char *const *list, size_t n)
{
    const char *all = "";

    for (size_t i = 0; i < n && all; i++)
        all = rs_arena_sprintf(f->mem, "%s%s%s", all, i ? ", " : "", list[i]);
    return all;
}

static const char *contrast(const filler *f)
{
    for (size_t i = 0; i < f->c->n; i++)
        if (f->c->items[i].contrast)
            return number(f, f->c->items[i].number);
    return "";
}

static const char *or_empty(const char *text) { return text ? text : ""; }

/* The value of a placeholder; NULL on OOM. Loops: "" where they have no rounds. */
static const char *value_of(const filler *f, rs_place place)
{
    switch (place) {
    case RS_PLACE_QUESTION:   return f->c->question;
    case RS_PLACE_EVIDENCE:   return f->evidence;
    case RS_PLACE_FENCE:      return f->c->fence;
    case RS_PLACE_N_CASES:    return number(f, f->c->n_cases);
    case RS_PLACE_NOTHING:    return f->c->verdict.kind == RS_VERDICT_NOTHING ? "yes" : "";
    case RS_PLACE_CONTRAST:   return contrast(f);
    case RS_PLACE_LEARNER:    return f->learner;
    case RS_PLACE_CASES:      return f->c->n ? "yes" : "";
    case RS_PLACE_EXAMPLES:   return f->c->n_examples ? "yes" : "";
    case RS_PLACE_N:          return number(f, f->item->number);
    case RS_PLACE_CASE:       return f->item->key;
    case RS_PLACE_MODALITY:   return or_empty(f->item->modality);
    case RS_PLACE_BODY_PART:  return or_empty(f->item->body_part);
    case RS_PLACE_VIEW:       return or_empty(f->item->view);
    case RS_PLACE_SEX:        return or_empty(f->item->sex);
    case RS_PLACE_AGE:        return or_empty(f->item->age);
    case RS_PLACE_TIER:       return rs_tier_name(f->item->tier);
    case RS_PLACE_DIAGNOSES:  return joined(f, f->item->diagnoses, f->item->n_diagnoses);
    case RS_PLACE_FOLDED:     return joined(f, f->item->folded, f->item->n_folded);
    case RS_PLACE_SENTENCES:  return f->item->n_sentences ? "yes" : "";
    case RS_PLACE_SECTION:    return f->sentence->section ? f->sentence->section : "text";
    case RS_PLACE_BEGIN:      return number(f, f->sentence->begin);
    case RS_PLACE_END:        return number(f, f->sentence->end);
    case RS_PLACE_TEXT:       return f->sentence->text;
    case RS_PLACE_SAYS:       return rs_cited_says(f->sentence, f->mem);
    case RS_PLACE_EXAMPLE_N:  return number(f, f->example->number);
    case RS_PLACE_FINDINGS:   return f->example->findings;
    case RS_PLACE_IMPRESSION: return f->example->impression;
    case RS_PLACES:           break;
    }
    return "";
}

static void fill(filler *f, size_t first, size_t end);

static void fill_loop(filler *f, const rs_node *node, size_t first)
{
    const filler before = *f;

    if (node->place == RS_PLACE_CASES)
        for (size_t i = 0; i < f->c->n; i++) {
            f->item = &f->c->items[f->c->order[i]];
            fill(f, first, node->close);
        }
    else if (node->place == RS_PLACE_SENTENCES)
        for (size_t i = 0; i < f->item->n_sentences; i++) {
            f->sentence = &f->item->sentences[i];
            fill(f, first, node->close);
        }
    else
        for (size_t i = 0; i < f->c->n_examples; i++) {
            f->example = &f->c->examples[i];
            fill(f, first, node->close);
        }
    *f = before;
}

/* Nodes [first, end) into f->to. */
static void fill(filler *f, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        const rs_node *node = &f->t->nodes[i];
        const char *value = node->kind == RS_NODE_PLACE || node->kind == RS_NODE_IF ?
                            value_of(f, node->place) : "";
        if (!value)
            f->to->failed = true;
        if (f->to->failed)
            return;
        switch (node->kind) {
        case RS_NODE_TEXT:  rs_buf_append(f->to, node->text, node->len); break;
        case RS_NODE_PLACE: rs_buf_puts(f->to, value); break;
        case RS_NODE_IF:    i = *value ? i : node->close; break;
        case RS_NODE_LOOP:  fill_loop(f, node, i + 1); i = node->close; break;
        case RS_NODE_CLOSE: break;
        }
    }
}

rs_status rs_prompt_fill(const rs_prompt *t, const rs_context *c, const char *learner,
                         rs_arena *mem, rs_filled *out, rs_err *err)
{
    filler f = {.t = t, .c = c, .mem = mem, .evidence = rs_context_text(c, mem)};

    *out = (rs_filled){.n = 0};
    f.learner = learner ? rs_clean_line(learner, strlen(learner), NULL, mem) : "";
    for (size_t i = 0; f.evidence && f.learner && i < t->n_messages; i++) {
        rs_buf b = {0};
        const char *text;
        f.to = &b;
        fill(&f, t->messages[i].first, t->messages[i].end);
        text = b.failed ? NULL : rs_arena_strdup(mem, b.data ? b.data : "");
        rs_buf_clear(&b);
        if (!text)
            break;
        out->messages[out->n++] = (rs_message){t->messages[i].role, text};
    }
    return out->n == t->n_messages ? RS_OK : rs_fail(err, RS_ENOMEM, "prompt: no memory");
}

/* ---- What comes back ------------------------------------------------- */

/* The first `tag` ("<answer>") in text, capitals alike; NULL for none. */
static const char *find_tag(const char *text, const char *tag)
{
    for (; (text = strchr(text, '<')) != NULL; text++)
        if (strncasecmp(text, tag, strlen(tag)) == 0)
            return text;
    return NULL;
}

/* Takes every <tag>...</tag> out of *text into `into`; one that is not closed takes the rest. */
static void take_tag(const char *open, const char *close, rs_buf *text, rs_buf *into)
{
    const char *from, *to;

    while (text->data && !text->failed && (from = find_tag(text->data, open)) != NULL) {
        size_t at = (size_t)(from - text->data), end;
        to = find_tag(from, close);
        end = to ? (size_t)(to - text->data) : text->len;
        if (into->len)
            rs_buf_putc(into, '\n');
        rs_buf_append(into, from + strlen(open), end - at - strlen(open));
        end += to ? strlen(close) : 0;
        memmove(text->data + at, text->data + end, text->len - end + 1);
        text->len -= end - at;
    }
}

static const char *trimmed(const rs_buf *b, rs_arena *mem)
{
    const char *s = b->data ? b->data : "";
    size_t len = b->len, skip = strspn(s, " \t\r\n");

    while (len > skip && strchr(" \t\r\n", s[len - 1]))
        len--;
    return b->failed ? NULL : rs_arena_strndup(mem, s + skip, len - skip);
}

rs_status rs_answer_split(const char *text, rs_arena *mem, const char **reasoning,
                          const char **answer, rs_err *err)
{
    rs_buf rest = {0}, thoughts = {0}, inside = {0};

    rs_buf_puts(&rest, text);
    take_tag("<reasoning>", "</reasoning>", &rest, &thoughts);
    take_tag("<think>", "</think>", &rest, &thoughts);
    take_tag("<answer>", "</answer>", &rest, &inside);
    *reasoning = trimmed(&thoughts, mem);
    *answer = rest.failed ? NULL : trimmed(inside.len ? &inside : &rest, mem);
    rs_buf_clear(&rest);
    rs_buf_clear(&thoughts);
    rs_buf_clear(&inside);
    return *reasoning && *answer ? RS_OK : rs_fail(err, RS_ENOMEM, "answer: no memory");
}
