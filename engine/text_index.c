/* text_index.c - see text_index.h.
 *
 * Nothing of a query reaches FTS5's own query syntax: each term is handed over between
 * double quotes, and a term that the tokenizer makes nothing of is dropped before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine/text_index.h"

#include "base/alloc.h"
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

struct rs_text_index {
    rs_db          *db;
    fts5_tokenizer  methods;
    Fts5Tokenizer  *tokenizer;
};

/* ---- Tokenizer ------------------------------------------------------- */

static fts5_api *find_api(rs_db *db, rs_err *err)
{
    fts5_api *api = NULL;
    rs_stmt s = rs_db_use(db, "SELECT fts5(?1)", err);

    if (s.st)
        sqlite3_bind_pointer(s.st, 1, &api, "fts5_api_ptr", NULL);
    rs_step(&s);
    return rs_done(&s) == RS_OK ? api : NULL;
}

rs_status rs_text_index_new(rs_text_index **out, rs_db *db, rs_err *err)
{
    const char *args[] = {"unicode61", "remove_diacritics", "2"};
    rs_text_index *t = rs_calloc(1, sizeof *t);
    rs_err why = {RS_OK, "no FTS5 in this SQLite"};
    void *context = NULL;
    fts5_api *api;

    *out = NULL;
    if (!t)
        return rs_fail(err, RS_ENOMEM, "text index: no memory");
    t->db = db;
    api = find_api(db, &why);
    if (!api || api->xFindTokenizer(api, "porter", &context, &t->methods) != SQLITE_OK ||
        t->methods.xCreate(context, args, 3, &t->tokenizer) != SQLITE_OK) {
        rs_free(t);
        return rs_fail(err, why.code != RS_OK ? why.code : RS_EFORMAT, "text index: %s",
                       why.msg);
    }
    *out = t;
    return RS_OK;
}

void rs_text_index_free(rs_text_index *t)
{
    if (!t)
        return;
    t->methods.xDelete(t->tokenizer);
    rs_free(t);
}

typedef struct { const char *text; size_t begin, end; } token;

typedef struct {
    rs_arena *mem;
    token    *tokens;
    size_t    n, cap;
} token_list;

static int on_token(void *ctx, int flags, const char *text, int len, int begin, int end)
{
    token_list *list = ctx;
    void *array = list->tokens;
    char *copy;

    (void)flags;
    if (!rs_arena_grow(list->mem, &array, &list->cap, list->n, sizeof *list->tokens))
        return SQLITE_NOMEM;
    list->tokens = array;
    copy = rs_arena_strndup(list->mem, text, (size_t)len);
    if (!copy)
        return SQLITE_NOMEM;
    list->tokens[list->n++] = (token){copy, (size_t)begin, (size_t)end};
    return SQLITE_OK;
}

static rs_status tokenize(rs_text_index *t, const char *text, size_t len, rs_arena *mem,
                          token_list *list, rs_err *err)
{
    int rc;

    *list = (token_list){.mem = mem};
    if (len > INT32_MAX / 2)
        return rs_fail(err, RS_ELIMIT, "text of %zu bytes", len);
    rc = t->methods.xTokenize(t->tokenizer, list, FTS5_TOKENIZE_DOCUMENT, text, (int)len,
                              on_token);
    return rc == SQLITE_OK ? RS_OK : rs_fail(err, RS_ENOMEM, "tokenizer: no memory");
}

/* ---- Rows ------------------------------------------------------------ */

rs_text_column rs_text_column_of(const char *section)
{
    static const struct { const char *name; rs_text_column column; } names[] = {
        {"title", RS_TEXT_TITLE},           {"findings", RS_TEXT_FINDINGS},
        {"impression", RS_TEXT_IMPRESSION}, {"conclusion", RS_TEXT_IMPRESSION},
        {"diagnosis", RS_TEXT_IMPRESSION},  {"history", RS_TEXT_HISTORY},
        {"indication", RS_TEXT_HISTORY},    {"clinical history", RS_TEXT_HISTORY},
    };

    for (size_t i = 0; section && i < sizeof names / sizeof *names; i++)
        if (strcasecmp(section, names[i].name) == 0)
            return names[i].column;
    return RS_TEXT_OTHER;
}

rs_status rs_text_index_put(rs_text_index *t, int64_t case_id,
                            const char *const text[RS_TEXT_COUNT], rs_err *err)
{
    rs_stmt s = rs_db_use(t->db,
        "INSERT INTO case_fts(rowid, title, findings, impression, history, other, labels)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", err);

    rs_bind_int(&s, 1, case_id);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        rs_bind_text(&s, i + 2, text[i]);
    return rs_run(&s);
}

rs_status rs_text_index_remove(rs_text_index *t, int64_t case_id, rs_err *err)
{
    rs_stmt s = rs_db_use(t->db, "DELETE FROM case_fts WHERE rowid = ?1", err);

    rs_bind_int(&s, 1, case_id);
    return rs_run(&s);
}

/* ---- Reading a query line -------------------------------------------- */

/* A piece of the query line. */
typedef struct {
    const char *text;
    size_t      len;
    bool        quoted, prefix, negative;
} item;

/* The text cut to RS_QUERY_MAX_BYTES, what is not UTF-8 or a control character made a
 * space; in `mem`. */
static char *clean_copy(const char *text, rs_arena *mem)
{
    char *copy = rs_arena_strndup(mem, text, RS_QUERY_MAX_BYTES);
    size_t len = copy ? strlen(copy) : 0, i = 0;

    while (i < len) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((utf8proc_uint8_t *)copy + i,
                                              (utf8proc_ssize_t)(len - i), &c);
        if (n < 1 || c < 0x20 || c == 0x7f) {
            copy[i++] = ' ';
            continue;
        }
        i += (size_t)n;
    }
    return copy;
}

/* Bytes of the word character at `p` (clean UTF-8), 0 if it is none. */
static size_t word_char(const char *p)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c);

    if (!*p || n < 1)
        return 0;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU: case UTF8PROC_CATEGORY_LL: case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM: case UTF8PROC_CATEGORY_LO: case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC: case UTF8PROC_CATEGORY_ME: case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL: case UTF8PROC_CATEGORY_NO: case UTF8PROC_CATEGORY_CO:
        return (size_t)n;
    default:
        return 0;
    }
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The end of the word that begins at `p`: word characters, and - ' between them, and a
 * point between digits. */
static const char *word_end(const char *p)
{
    const char *at = p;

    for (;;) {
        size_t n = word_char(at);
        if (n) {
            at += n;
        } else if (at > p && (*at == '-' || *at == '\'') && word_char(at + 1)) {
            at++;
        } else if (at > p && *at == '.' && is_digit(at[-1]) && is_digit(at[1])) {
            at++;
        } else {
            return at;
        }
    }
}

/* The next item at or after *at, and *at moved behind it; false at the end. */
static bool next_item(const char **at, const char *start, item *out)
{
    const char *p = *at;

    for (; *p; p++) {
        bool begins = p == start || p[-1] == ' ';
        *out = (item){0};
        if (*p == '-' && begins && (p[1] == '"' || word_char(p + 1))) {
            out->negative = true;
            p++;
        }
        if (*p == '"') {
            out->quoted = true;
            out->text = p + 1;
            out->len = strcspn(p + 1, "\"");
            *at = out->text + out->len + (out->text[out->len] == '"');
            return true;
        }
        if (word_char(p)) {
            const char *end = word_end(p);
            out->text = p;
            out->len = (size_t)(end - p);
            out->prefix = *end == '*';
            *at = end + out->prefix;
            return true;
        }
    }
    *at = p;
    return false;
}

static bool is_stop_word(const item *it)
{
    static const char *const words[] = {
        "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "in",
        "into", "is", "it", "its", "of", "on", "or", "that", "the", "their", "there", "these",
        "this", "to", "was", "were", "which", "with",
    };

    if (it->quoted || it->prefix)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == it->len && strncasecmp(words[i], it->text, it->len) == 0)
            return true;
    return false;
}

/* ---- Compiling ------------------------------------------------------- */

typedef struct {
    rs_text_index *t;
    rs_arena *mem;
    rs_err   *err;
    rs_term   terms[RS_QUERY_MAX_TERMS];
    size_t    n;
    rs_buf    match, exclude, plain;
    size_t    n_exclude;
} compiler;

static bool same_term(const rs_term *a, const rs_term *b)
{
    if (a->n != b->n || a->prefix != b->prefix)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->tokens[i], b->tokens[i]) != 0)
            return false;
    return true;
}

/* "text" with the quotes FTS5 wants, after OR where it is not the first. */
static void put_quoted(rs_buf *b, const item *it)
{
    if (b->len)
        rs_buf_puts(b, " OR ");
    rs_buf_putc(b, '"');
    rs_buf_append(b, it->text, it->len);        /* holds no quote: see next_item */
    rs_buf_puts(b, it->prefix ? "\" *" : "\"");
}

static rs_status term_of(compiler *c, const item *it, rs_term *out)
{
    const char **tokens;
    token_list list;
    rs_status st = tokenize(c->t, it->text, it->len, c->mem, &list, c->err);

    *out = (rs_term){.prefix = it->prefix};
    if (st != RS_OK || list.n == 0)
        return st;
    tokens = rs_new(c->mem, const char *, list.n);
    if (!tokens)
        return rs_fail(c->err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; i < list.n; i++)
        tokens[i] = list.tokens[i].text;
    out->tokens = tokens;
    out->n = list.n;
    return RS_OK;
}

static rs_status take_item(compiler *c, const item *it)
{
    rs_term term;
    rs_status st = term_of(c, it, &term);

    if (st != RS_OK || term.n == 0)
        return st;
    if (it->negative) {
        if (c->n_exclude++ < RS_QUERY_MAX_TERMS)
            put_quoted(&c->exclude, it);
        return RS_OK;
    }
    for (size_t i = 0; i < c->n; i++)
        if (same_term(&c->terms[i], &term))
            return RS_OK;
    if (c->n < RS_QUERY_MAX_TERMS) {
        c->terms[c->n++] = term;
        put_quoted(&c->match, it);
    }
    return RS_OK;
}

/* All items of `text` as terms; stop words only if `stops`. */
static rs_status take_all(compiler *c, const char *text, bool stops)
{
    const char *at = text;
    rs_status st;
    item it;

    while (next_item(&at, text, &it)) {
        if (is_stop_word(&it) && !it.negative && !stops)
            continue;
        if ((st = take_item(c, &it)) != RS_OK)
            return st;
    }
    return RS_OK;
}

/* The text as a sentence: what lies between is kept, operators are not. */
static void make_plain(compiler *c, const char *text)
{
    const char *at = text, *from = text;
    item it;

    while (next_item(&at, text, &it)) {
        const char *begin = it.text - it.quoted - it.negative;
        rs_buf_append(&c->plain, from, (size_t)(begin - from));
        if (!it.negative)
            rs_buf_append(&c->plain, it.text, it.len);
        from = at;
    }
    rs_buf_puts(&c->plain, from);
}

/* Without blanks at both ends; "" for NULL. */
static const char *trimmed(const rs_buf *b, rs_arena *mem)
{
    const char *p = b->data ? b->data : "";
    size_t len;

    p += strspn(p, " ");
    len = strlen(p);
    while (len && p[len - 1] == ' ')
        len--;
    return rs_arena_strndup(mem, p, len);
}

static rs_status hand_over(compiler *c, rs_text_query *out)
{
    rs_term *terms = rs_new(c->mem, rs_term, c->n + 1);
    bool ok = terms && !c->match.failed && !c->exclude.failed && !c->plain.failed;

    if (ok) {
        memcpy(terms, c->terms, c->n * sizeof *terms);
        out->terms = terms;
        out->n = c->n;
        out->match = c->n ? rs_arena_strdup(c->mem, c->match.data) : NULL;
        out->exclude = c->n_exclude ? rs_arena_strdup(c->mem, c->exclude.data) : NULL;
        out->plain = trimmed(&c->plain, c->mem);
        ok = out->plain && (!c->n || out->match) && (!c->n_exclude || out->exclude);
    }
    return ok ? RS_OK : rs_fail(c->err, RS_ENOMEM, "query: no memory");
}

rs_status rs_text_query_compile(rs_text_index *t, const char *text, rs_arena *mem,
                                rs_text_query *out, rs_err *err)
{
    compiler *c = rs_new(mem, compiler, 1);
    char *clean = clean_copy(text, mem);
    rs_status st;

    *out = (rs_text_query){.plain = ""};
    if (!c || !clean)
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    *c = (compiler){.t = t, .mem = mem, .err = err};
    st = take_all(c, clean, false);
    if (st == RS_OK && c->n == 0) {
        rs_buf_clear(&c->exclude);
        c->n_exclude = 0;
        st = take_all(c, clean, true);
    }
    if (st == RS_OK) {
        make_plain(c, clean);
        st = hand_over(c, out);
    }
    rs_buf_clear(&c->match);
    rs_buf_clear(&c->exclude);
    rs_buf_clear(&c->plain);
    return st;
}

/* ---- Ranking --------------------------------------------------------- */

static const double default_weights[RS_TEXT_COUNT] = {
#define RS_TEXT_WEIGHT(name, weight) weight,
    RS_TEXT_COLUMNS(RS_TEXT_WEIGHT)
#undef RS_TEXT_WEIGHT
};

rs_status rs_text_index_rank(rs_text_index *t, const rs_text_query *q, const rs_restriction *r,
                             const double weights[RS_TEXT_COUNT], size_t limit, rs_arena *mem,
                             rs_ranked **out, size_t *n, rs_err *err)
{
    void *rows = NULL;
    size_t cap = 0;
    rs_stmt s;

    *out = NULL;
    *n = 0;
    if (!q->match || limit == 0)
        return RS_OK;
    s = rs_db_use(t->db,
        "SELECT c.id, c.key, -bm25(case_fts, ?21, ?22, ?23, ?24, ?25, ?26) AS score"
        " FROM case_fts CROSS JOIN cases c ON c.id = case_fts.rowid"
        " WHERE case_fts MATCH ?20 AND " RS_FILTER_SQL
        " ORDER BY score DESC, c.key LIMIT ?19", err);
    rs_restriction_bind(&s, r);
    rs_bind_int(&s, 19, (int64_t)limit);
    rs_bind_text(&s, 20, q->match);
    for (int i = 0; i < RS_TEXT_COUNT; i++)
        rs_bind_real(&s, 21 + i, (weights ? weights : default_weights)[i]);
    while (rs_step(&s)) {
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof **out)) {
            rs_stmt_nomem(&s);
            break;
        }
        ((rs_ranked *)rows)[(*n)++] = (rs_ranked){
            rs_col_int(&s, 0), rs_col_dup(&s, 1, mem), rs_col_real(&s, 2), 0};
    }
    *out = rows;
    return rs_done(&s);
}

/* ---- Marking --------------------------------------------------------- */

/* Does `term` stand at tokens[0..n)? */
static bool term_at(const rs_term *term, const token *tokens, size_t n)
{
    if (term->n > n)
        return false;
    for (size_t i = 0; i < term->n; i++) {
        bool part = term->prefix && i == term->n - 1;
        if (part ? strncmp(tokens[i].text, term->tokens[i], strlen(term->tokens[i])) != 0
                 : strcmp(tokens[i].text, term->tokens[i]) != 0)
            return false;
    }
    return true;
}

rs_status rs_text_query_spans(rs_text_index *t, const rs_text_query *q, const char *text,
                              rs_arena *mem, rs_span **spans, size_t *n, size_t *distinct,
                              rs_err *err)
{
    bool seen[RS_QUERY_MAX_TERMS] = {false};
    token_list list;
    rs_status st = tokenize(t, text, strlen(text), mem, &list, err);

    *spans = NULL;
    *n = *distinct = 0;
    if (st != RS_OK || list.n == 0)
        return st;
    *spans = rs_new(mem, rs_span, list.n);       /* at most one begins at each token */
    if (!*spans)
        return rs_fail(err, RS_ENOMEM, "query: no memory");
    for (size_t i = 0; i < list.n; i++) {
        rs_span hit = {list.tokens[i].begin, 0};
        for (size_t k = 0; k < q->n; k++) {
            size_t end;
            if (!term_at(&q->terms[k], list.tokens + i, list.n - i))
                continue;
            *distinct += !seen[k];
            seen[k] = true;
            end = list.tokens[i + q->terms[k].n - 1].end;
            hit.end = end > hit.end ? end : hit.end;
        }
        if (!hit.end)
            continue;
        if (*n && hit.begin < (*spans)[*n - 1].end) {
            if (hit.end > (*spans)[*n - 1].end)
                (*spans)[*n - 1].end = hit.end;
        } else {
            (*spans)[(*n)++] = hit;
        }
    }
    return RS_OK;
}
