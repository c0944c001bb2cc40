/* query_line.c - see query_line.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/query_line.h"

#include <string.h>
#include <strings.h>
#include <utf8proc.h>

char *rs_query_clean(const char *text, rs_arena *mem)
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

/* "title:" at p before a word or a quote: its length with the colon, or 0. */
static size_t column_at(const char *p, int *column)
{
    size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (n == 0 || n > 16 || p[n] != ':' || !(p[n + 1] == '"' || word_char(p + n + 1)))
        return 0;
    if (n == 6 && strncasecmp(p, "report", 6) == 0) {
        *column = RS_COLUMN_ALL;
        return n + 1;
    }
    for (int c = 0; c < RS_TEXT_COUNT; c++) {
        const char *name = rs_text_column_name((rs_text_column)c);
        if (strlen(name) == n && strncasecmp(p, name, n) == 0) {
            *column = c;
            return n + 1;
        }
    }
    return 0;
}

bool rs_query_next(const char **at, const char *start, rs_query_item *out)
{
    const char *p = *at;

    for (; *p; p++) {
        bool begins = p == start || p[-1] == ' ';
        *out = (rs_query_item){.from = p, .column = RS_COLUMN_ANY};
        if (*p == '-' && begins && (p[1] == '"' || word_char(p + 1))) {
            out->negative = true;
            p++;
        }
        if (begins)
            p += column_at(p, &out->column);
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

bool rs_query_is_stop_word(const rs_query_item *it)
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
