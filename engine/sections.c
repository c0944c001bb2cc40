/* sections.c - see sections.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/sections.h"

#include "engine/db.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_HEADING = 48, MAX_HEADING_WORDS = 6 };

static bool is_letter(char c) { return isalpha((unsigned char)c) != 0; }
static bool is_blank(char c) { return c == ' ' || c == '\t'; }
static bool is_line_end(char c) { return c == '\n' || c == '\r' || c == '\0'; }

/* Whether a heading may begin at text[i]: at the start, on a new line, after a stop. */
static bool may_begin(const char *text, size_t i)
{
    while (i > 0 && (is_blank(text[i - 1]) || text[i - 1] == '*' || text[i - 1] == '#'))
        i--;
    return i == 0 || strchr("\n\r.;:", text[i - 1]) != NULL;
}

/* What stands behind the words of a heading that end at `s`: bytes of the colon or dash
 * with the blanks before it, or 0 for a heading alone on its line; -1 if it is none. */
static int heading_stop(const char *s, bool own_line, bool capitals)
{
    int n = 0;

    while (is_blank(s[n]) || s[n] == '*')
        n++;
    if (s[n] == ':')
        return n + 1;
    if (n > 0 && s[n] == '-' && is_blank(s[n + 1]))
        return n + 1;
    if (own_line && is_line_end(s[n]))
        return n;
    /* FINDINGS The lungs; not FINDINGS AND ... */
    if (capitals && n > 0 && isupper((unsigned char)s[n]) && islower((unsigned char)s[n + 1]))
        return n;
    return -1;
}

/* The heading at text[i], its length with the colon, or 0: the longest of 1 to 6 words. */
static size_t heading_at(const rs_lexicon *l, const char *text, size_t i, const char **name)
{
    char key[MAX_HEADING + 1];
    size_t used = 0, at = i, found = 0;
    bool own_line = i == 0, capitals = true;

    for (size_t k = i; k > 0 && (is_blank(text[k - 1]) || text[k - 1] == '\n'); k--)
        own_line = own_line || text[k - 1] == '\n';
    for (int words = 0; words < MAX_HEADING_WORDS; words++) {
        const char *section;
        int stop;
        if (used)
            key[used++] = ' ';
        while ((is_letter(text[at]) || text[at] == '/' || text[at] == '&') && used < MAX_HEADING) {
            capitals = capitals && !islower((unsigned char)text[at]);
            key[used++] = (char)tolower((unsigned char)text[at++]);
        }
        if (used >= MAX_HEADING || used == 0 || key[used - 1] == ' ')
            break;
        key[used] = '\0';
        section = rs_lexicon_heading(l, key);
        stop = section ? heading_stop(text + at, own_line, capitals && used > 4) : -1;
        if (stop >= 0) {
            *name = section;
            found = at + (size_t)stop - i;
        }
        if (!is_blank(text[at]))
            break;
        while (is_blank(text[at]))
            at++;
    }
    return found;
}

rs_section *rs_sections_find(const rs_lexicon *l, const char *report, rs_arena *mem, size_t *n)
{
    size_t len = strlen(report), cap = 0;
    void *rows = NULL;
    rs_section *list;

    *n = 0;
    if (!rs_arena_grow(mem, &rows, &cap, 0, sizeof *list))
        return NULL;
    for (size_t i = 0; i < len; i++) {
        const char *name;
        size_t m;
        if (!is_letter(report[i]) || (i > 0 && is_letter(report[i - 1])) ||
            !may_begin(report, i) || (m = heading_at(l, report, i, &name)) == 0)
            continue;
        list = rows;
        if (*n)
            list[*n - 1].end = i;
        i += m;
        while (i < len && isspace((unsigned char)report[i]))
            i++;
        if (!rs_arena_grow(mem, &rows, &cap, *n, sizeof *list))
            return NULL;
        list = rows;
        list[(*n)++] = (rs_section){name, i, len};
        i--;
    }
    list = rows;
    for (size_t k = 0; k < *n; k++)
        while (list[k].end > list[k].begin && isspace((unsigned char)report[list[k].end - 1]))
            list[k].end--;
    return list;
}
