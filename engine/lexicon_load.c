/* lexicon_load.c - a lexicon's tables read line by line; see lexicon_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/lexicon_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "engine/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 8, MAX_FILE = 16 * 1024 * 1024 };

/* ---- Lines and fields ------------------------------------------------ */

typedef struct {
    rs_lexicon *l;
    const char *name;
    size_t      line;
    char       *field[MAX_FIELDS];
    size_t      n;
    rs_buf      key;           /* room to work in, kept from row to row */
    rs_err     *err;
} row;

/* Nothing in the row's room yet. */
static rs_buf *fresh_key(row *r)
{
    r->key.len = 0;
    rs_buf_puts(&r->key, "");
    if (r->key.data)
        r->key.data[0] = '\0';
    return &r->key;
}

static rs_status bad_row(const row *r, const char *what, const char *text)
{
    return rs_fail(r->err, RS_ECORRUPT, "%s: line %zu: %s '%.60s'", r->name, r->line, what, text);
}

static rs_status no_memory(const row *r)
{
    return rs_fail(r->err, RS_ENOMEM, "%s: no memory", r->name);
}

static char *trim(char *s)
{
    size_t n;

    while (*s == ' ')
        s++;
    n = strlen(s);
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\r'))
        s[--n] = '\0';
    return s;
}

/* The next item of a list parted by '|', blanks cut off; NULL at the end. */
static char *next_item(char **at)
{
    char *item = *at, *bar;

    if (!item)
        return NULL;
    bar = strchr(item, '|');
    if (bar)
        *bar++ = '\0';
    *at = bar;
    return trim(item);
}

typedef rs_status take_row(row *r);

static rs_status each_row(rs_lexicon *l, const char *name, const char *text, size_t fields,
                          take_row *take, rs_err *err)
{
    row r = {.l = l, .name = name, .err = err};
    rs_status st = RS_OK;

    while (st == RS_OK && *text) {
        size_t len = strcspn(text, "\n");
        char *line = rs_arena_strndup(&l->mem, text, len), *at = line;
        r.line++;
        text += len + (text[len] == '\n');
        if (!line) {
            st = no_memory(&r);
            break;
        }
        line = trim(line);
        if (!*line || *line == '#')
            continue;
        for (r.n = 0; at && r.n < MAX_FIELDS; r.n++) {
            char *tab = strchr(at, '\t');
            if (tab)
                *tab++ = '\0';
            r.field[r.n] = trim(at);
            at = tab;
        }
        st = r.n == fields && !at ? take(&r) : bad_row(&r, "not as many fields as wanted:", line);
    }
    rs_buf_clear(&r.key);
    return st;
}

/* ---- Headings, spelling ---------------------------------------------- */

static rs_status take_heading(row *r)
{
    rs_lexicon *l = r->l;
    void *array = l->sections;
    char *at = r->field[1], *item;

    if (!rs_arena_grow(&l->mem, &array, &l->cap_sections, l->n_sections, sizeof *l->sections))
        return no_memory(r);
    l->sections = array;
    l->sections[l->n_sections++] = r->field[0];
    while ((item = next_item(&at))) {
        for (char *p = item; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        if (!rs_strmap_put(&l->headings, item, (uint32_t)l->n_sections - 1))
            return no_memory(r);
    }
    return RS_OK;
}

rs_status rs_lexicon_read_headings(rs_lexicon *l, const char *name, const char *text, rs_err *err)
{
    return each_row(l, name, text, 2, take_heading, err);
}

static rs_status take_spelling(row *r)
{
    rs_lexicon *l = r->l;
    void *array = l->spellings;

    if (!*r->field[0] || strlen(r->field[0]) > 32 || strlen(r->field[1]) > 32)
        return bad_row(r, "a spelling of 1 to 32 letters is wanted, not", r->field[0]);
    if (!rs_arena_grow(&l->mem, &array, &l->cap_spellings, l->n_spellings, sizeof *l->spellings))
        return no_memory(r);
    l->spellings = array;
    l->spellings[l->n_spellings++] = (rs_spelling){r->field[0], r->field[1]};
    return RS_OK;
}

rs_status rs_lexicon_read_spelling(rs_lexicon *l, const char *name, const char *text, rs_err *err)
{
    return each_row(l, name, text, 2, take_spelling, err);
}

/* ---- Contexts -------------------------------------------------------- */

static int index_of(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

/* The stems of `text` joined by blanks, in the lexicon's memory, and how many there are. */
static rs_status joined(row *r, const char *text, const rs_token **tokens, size_t *n, char **key)
{
    rs_buf *b = fresh_key(r);
    rs_token *list;
    rs_status st = rs_tokens_cut(r->l->tokens, text, strlen(text), &r->l->mem, &list, n, r->err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < *n; i++)
        rs_buf_printf(b, "%s%s", i ? " " : "", list[i].text);
    *tokens = list;
    *key = b->failed ? NULL : rs_arena_strdup(&r->l->mem, b->data);
    return *key ? RS_OK : no_memory(r);
}

static rs_status add_trigger(row *r, const char *text, rs_trigger t)
{
    rs_lexicon *l = r->l;
    void *array = l->triggers;
    const rs_token *tokens;
    rs_status st;
    char *key;

    if ((st = joined(r, text, &tokens, &t.n, &key)) != RS_OK)
        return st;
    if (t.n == 0 || t.n > RS_TRIGGER_MAX_TOKENS)
        return bad_row(r, "a trigger of 1 to 8 words is wanted, not", text);
    if (!rs_arena_grow(&l->mem, &array, &l->cap_triggers, l->n_triggers, sizeof *l->triggers))
        return no_memory(r);
    l->triggers = array;
    l->triggers[l->n_triggers] = t;
    if (!rs_strmap_put(&l->trigger_begins, tokens[0].text, 0) ||
        !rs_strmap_put(&l->trigger_of, key, (uint32_t)l->n_triggers++))
        return no_memory(r);
    return RS_OK;
}

static rs_status take_trigger(row *r)
{
    static const char *const states[] = {
#define STATE_NAME(name, text) text,
        RS_STATE_MAP(STATE_NAME)
#undef STATE_NAME
        "-",
    };
    static const char *const sides[] = {"", "before", "after", "both", "pseudo", "end"};
    int state = index_of(states, RS_STATE_COUNT + 1, r->field[0]);
    int side = index_of(sides, 6, r->field[1]);
    char *at = r->field[3], *item, *end;
    unsigned long reach = strtoul(r->field[2], &end, 10);
    rs_status st = RS_OK;

    if (state < 0)
        return bad_row(r, "no such state:", r->field[0]);
    if (side < 1)
        return bad_row(r, "no such side:", r->field[1]);
    if (*end || reach > 1000)
        return bad_row(r, "a reach of 0 to 1000 is wanted, not", r->field[2]);
    while (st == RS_OK && (item = next_item(&at)))
        st = add_trigger(r, item, (rs_trigger){
            .state = state == RS_STATE_COUNT ? RS_STATE_AFFIRMED : (rs_state)state,
            .side = (rs_trigger_side)side, .reach = reach});
    return st;
}

rs_status rs_lexicon_read_context(rs_lexicon *l, const char *name, const char *text, rs_err *err)
{
    return each_row(l, name, text, 4, take_trigger, err);
}

/* ---- Terms ----------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void rs_bag_key(const char *const *stems, size_t n, char key[RS_BAG_KEY])
{
    const char *sorted[RS_TERM_MAX_TOKENS];
    size_t kept = 0, used = 0;

    key[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!rs_small_word(stems[i]) && kept < RS_TERM_MAX_TOKENS)
            sorted[kept++] = stems[i];
    qsort(sorted, kept, sizeof *sorted, by_text);
    for (size_t i = 0; i < kept; i++) {
        size_t len = strlen(sorted[i]);
        if (used + len + 2 > RS_BAG_KEY) {
            key[0] = '\0';
            return;
        }
        if (used)
            key[used++] = ' ';
        memcpy(key + used, sorted[i], len + 1);
        used += len;
    }
}

/* Its parts parted by " & " as tokens; false where it is empty or too long. */
static rs_status cut_term(row *r, const char *text, rs_lexicon_term *t, rs_buf *key)
{
    char *parts = rs_arena_strdup(&r->l->mem, text), *part = parts;
    rs_status st;

    *t = (rs_lexicon_term){.text = rs_arena_strdup(&r->l->mem, text)};
    if (!parts || !t->text)
        return no_memory(r);
    while (part) {
        char *amp = strchr(part, '&');
        rs_token *tokens;
        size_t n;
        if (amp)
            *amp++ = '\0';
        st = rs_tokens_cut(r->l->tokens, part, strlen(part), &r->l->mem, &tokens, &n, r->err);
        if (st != RS_OK)
            return st;
        if (n == 0 || t->n + n > RS_TERM_MAX_TOKENS || t->parts == RS_TERM_MAX_PARTS)
            return bad_row(r, "a term of 1 to 8 words in at most 4 parts is wanted, not", text);
        for (size_t i = 0; i < n; i++) {
            rs_buf_printf(key, "%s%s", t->n ? i ? " " : " & " : "", tokens[i].text);
            t->tokens[t->n++] = tokens[i].text;
        }
        t->end[t->parts++] = (uint8_t)t->n;
        part = amp;
    }
    return key->failed ? no_memory(r) : RS_OK;
}

/* The beginnings of a finding's parts, so that it is noticed in a report. */
static rs_status add_parts(row *r, uint32_t which)
{
    rs_lexicon *l = r->l;
    const rs_lexicon_term *t = &l->terms[which].term;

    for (uint32_t p = 0; p < t->parts; p++) {
        void *array = l->parts;
        uint32_t *first = rs_strmap_put(&l->part_begins, t->tokens[p ? t->end[p - 1] : 0],
                                        RS_NO_TERM);
        if (!first ||
            !rs_arena_grow(&l->mem, &array, &l->cap_parts, l->n_parts, sizeof *l->parts))
            return no_memory(r);
        l->parts = array;
        l->parts[l->n_parts] = (rs_part_entry){which, p, *first};
        *first = (uint32_t)l->n_parts++;
    }
    return RS_OK;
}

static rs_status new_term(row *r, const rs_lexicon_term *t, rs_term_kind kind, uint32_t which)
{
    rs_lexicon *l = r->l;
    char bag[RS_BAG_KEY];
    void *array = l->terms;
    uint32_t *place;
    char *key;

    if (!rs_arena_grow(&l->mem, &array, &l->cap_terms, l->n_terms, sizeof *l->terms))
        return no_memory(r);
    l->terms = array;
    l->terms[l->n_terms++] = (rs_term_entry){*t, kind, RS_NO_TERM, RS_NO_TERM};
    rs_bag_key(t->tokens, t->n, bag);
    if (*bag) {
        key = rs_arena_strdup(&l->mem, bag);
        place = key ? rs_strmap_put(&l->bag_of, key, which) : NULL;
        if (!place)
            return no_memory(r);
        if (*place != which) {
            l->terms[which].same_bag = l->terms[*place].same_bag;
            l->terms[*place].same_bag = which;
        }
    }
    return kind == RS_TERM_FINDING || kind == RS_TERM_DEVICE ? add_parts(r, which) : RS_OK;
}

/* The term of that text, made where it is new. */
static rs_status term_of(row *r, const char *text, rs_term_kind kind, uint32_t *out)
{
    rs_lexicon *l = r->l;
    uint32_t *place, fresh = (uint32_t)l->n_terms;
    rs_lexicon_term t;
    rs_status st = cut_term(r, text, &t, fresh_key(r));
    char *kept;

    if (st != RS_OK)
        return st;
    kept = rs_arena_strdup(&l->mem, r->key.data);
    place = kept ? rs_strmap_put(&l->term_of, kept, fresh) : NULL;
    if (!place)
        return no_memory(r);
    *out = *place;
    return *place == fresh ? new_term(r, &t, kind, fresh) : RS_OK;
}

static rs_status add_link(row *r, uint32_t from, uint32_t to, rs_link_kind kind, double weight)
{
    rs_lexicon *l = r->l;
    void *array = l->links;

    if (!rs_arena_grow(&l->mem, &array, &l->cap_links, l->n_links, sizeof *l->links))
        return no_memory(r);
    l->links = array;
    l->links[l->n_links] = (rs_link){kind, to, weight, l->terms[from].links};
    l->terms[from].links = (uint32_t)l->n_links++;
    return RS_OK;
}

/* Both directions of one row's link. */
static rs_status link_terms(row *r, uint32_t head, uint32_t other, char relation, double weight)
{
    rs_status st;

    if (head == other)
        return RS_OK;
    if (relation == '>')
        return add_link(r, head, other, RS_LINK_NARROWER, weight);
    st = add_link(r, head, other, relation == '=' ? RS_LINK_SAME : RS_LINK_RELATED, weight);
    return st == RS_OK
         ? add_link(r, other, head, relation == '=' ? RS_LINK_UP : RS_LINK_RELATED, weight) : st;
}

/* "opacity:0.6": the number behind the colon, cut off; `fallback` without one. */
static bool own_weight(char *item, double fallback, double *out)
{
    char *colon = strrchr(item, ':'), *end;

    *out = fallback;
    if (!colon)
        return true;
    *colon = '\0';
    *out = strtod(colon + 1, &end);
    return end > colon + 1 && !*end && *out > 0 && *out <= 1;
}

static rs_status take_term(row *r)
{
    static const char *const kinds[RS_TERM_KINDS] = {"finding", "device", "anatomy", "word"};
    int kind = index_of(kinds, RS_TERM_KINDS, r->field[0]);
    const char *relation = r->field[2];
    char *at = r->field[4], *item, *end;
    double weight = strtod(r->field[3], &end), own;
    uint32_t head, other;
    rs_status st;

    if (kind < 0)
        return bad_row(r, "no such kind:", r->field[0]);
    if (strlen(relation) != 1 || !strchr("=~>", *relation))
        return bad_row(r, "a relation =, ~ or > is wanted, not", relation);
    if (end == r->field[3] || *end || !(weight > 0 && weight <= 1))
        return bad_row(r, "a weight above 0 and up to 1 is wanted, not", r->field[3]);
    st = term_of(r, r->field[1], (rs_term_kind)kind, &head);
    while (st == RS_OK && (item = next_item(&at))) {
        if (!own_weight(item, weight, &own))
            return bad_row(r, "not a weight, behind", item);
        st = term_of(r, item, (rs_term_kind)kind, &other);
        if (st == RS_OK)
            st = link_terms(r, head, other, *relation, own);
    }
    return st;
}

rs_status rs_lexicon_read_terms(rs_lexicon *l, const char *name, const char *text, rs_err *err)
{
    return each_row(l, name, text, 5, take_term, err);
}

/* ---- A folder, or what is built in ----------------------------------- */

static const struct {
    const char *name;
    rs_status (*read)(rs_lexicon *, const char *, const char *, rs_err *);
    bool reads_reports;
} files[] = {
    {"headings.tsv", rs_lexicon_read_headings, true},
    {"context.tsv", rs_lexicon_read_context, true},
    {"terms.tsv", rs_lexicon_read_terms, false},
    {"spelling.tsv", rs_lexicon_read_spelling, false},
};
enum { N_FILES = sizeof files / sizeof *files };

/* The bytes of a built-in file as text; NULL on OOM. */
static char *built_in(const char *name)
{
    for (const rs_lexicon_file *f = rs_lexicon_files; f->name; f++)
        if (strcmp(f->name, name) == 0)
            return rs_strndup((const char *)f->bytes, f->len);
    return rs_strdup("");
}

static rs_status text_of(const char *folder, const char *name, char **text, rs_err *err)
{
    char *path;
    size_t len;
    rs_status st;

    if (!folder) {
        *text = built_in(name);
        return *text ? RS_OK : rs_fail(err, RS_ENOMEM, "lexicon: no memory");
    }
    path = rs_path_join(folder, name);
    if (!path)
        return rs_fail(err, RS_ENOMEM, "lexicon: no memory");
    st = rs_file_read(text, &len, path, MAX_FILE, err);
    rs_free(path);
    return st == RS_OK ? RS_OK : rs_wrap(err, st, "lexicon %s", folder);
}

static rs_status read_all(rs_lexicon *l, const char *folder, rs_sha256 *h, rs_err *err)
{
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < N_FILES; i++) {
        char *text = NULL;
        if ((st = text_of(folder, files[i].name, &text, err)) != RS_OK)
            return st;
        if (files[i].reads_reports)
            rs_sha256_add(h, text, strlen(text) + 1);
        st = files[i].read(l, files[i].name, text, err);
        rs_free(text);
    }
    return st;
}

rs_status rs_lexicon_load(rs_lexicon **out, const char *folder, rs_err *err)
{
    rs_lexicon *l = rs_calloc(1, sizeof *l);
    rs_sha256 *h = rs_sha256_new();
    rs_status st = RS_ENOMEM;

    *out = NULL;
    if (!l || !h) {
        rs_fail(err, st, "lexicon: no memory");
    } else if ((st = rs_tokens_new(&l->tokens, err)) == RS_OK) {
        l->headings.mem = l->trigger_of.mem = l->trigger_begins.mem = &l->mem;
        l->term_of.mem = l->bag_of.mem = l->part_begins.mem = &l->mem;
        st = read_all(l, folder, h, err);
    }
    if (h) {
        char unused[RS_SHA256_HEX];
        rs_sha256_end(h, l ? l->digest : unused);
    }
    if (st == RS_OK) {
        *out = l;
        return RS_OK;
    }
    rs_lexicon_free(l);
    return st;
}

void rs_lexicon_free(rs_lexicon *l)
{
    if (!l)
        return;
    rs_tokens_free(l->tokens);
    rs_arena_clear(&l->mem);
    rs_free(l);
}
