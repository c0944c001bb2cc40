/* check_read.c - a sentence as what can be compared: tokens with state and side, numbers with
 * units, findings. See check_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/check_int.h"

#include "engine/assertion.h"
#include "engine/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

rs_status rs_check_no_memory(const rs_checker *k)
{
    return rs_fail(k->err, RS_ENOMEM, "check: no memory");
}

/* ---- Sides ----------------------------------------------------------- */

static rs_side side_of(const char *stem)
{
    static const struct { const char *stem; rs_side side; } words[] = {
        {"left", RS_SIDE_LEFT}, {"lt", RS_SIDE_LEFT}, {"leftward", RS_SIDE_LEFT},
        {"right", RS_SIDE_RIGHT}, {"rt", RS_SIDE_RIGHT}, {"rightward", RS_SIDE_RIGHT},
        {"bilater", RS_SIDE_BILATERAL}, {"both", RS_SIDE_BILATERAL},
        {"bibasilar", RS_SIDE_BILATERAL}, {"biapic", RS_SIDE_BILATERAL},
        {"lul", RS_SIDE_LEFT}, {"lll", RS_SIDE_LEFT}, {"rul", RS_SIDE_RIGHT},
        {"rml", RS_SIDE_RIGHT}, {"rll", RS_SIDE_RIGHT},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].stem, stem) == 0)
            return words[i].side;
    return RS_SIDE_NONE;
}

/* ---- Numbers --------------------------------------------------------- */

static const struct { const char *word, *unit; double mm; } units[] = {
    {"mm", "mm", 1}, {"millimeter", "mm", 1}, {"millimetre", "mm", 1}, {"millimeters", "mm", 1},
    {"millimetres", "mm", 1}, {"cm", "mm", 10}, {"cms", "mm", 10}, {"centimeter", "mm", 10},
    {"centimetre", "mm", 10}, {"centimeters", "mm", 10}, {"centimetres", "mm", 10},
    {"%", "%", 1}, {"percent", "%", 1}, {"ml", "ml", 1}, {"cc", "ml", 1}, {"hu", "hu", 1},
    {"year", "year", 1}, {"years", "year", 1}, {"yo", "year", 1}, {"y", "year", 1},
    {"month", "month", 1}, {"months", "month", 1}, {"week", "week", 1}, {"weeks", "week", 1},
    {"day", "day", 1}, {"days", "day", 1}, {"hour", "hour", 1}, {"hours", "hour", 1},
    {"degree", "degree", 1}, {"degrees", "degree", 1}, {"mg", "mg", 1}, {"kg", "kg", 1},
    {"m", "m", 1},
};

/* The unit at s, past a blank or a hyphen, or NULL; what a length is to be multiplied by. */
static const char *unit_at(const char *s, double *times)
{
    size_t len;

    *times = 1;
    while (*s == ' ' || *s == '-')
        s++;
    len = *s == '%' ? 1 : 0;
    while (isalpha((unsigned char)s[len]))
        len++;
    for (size_t i = 0; len && i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].word) == len && strncasecmp(units[i].word, s, len) == 0) {
            *times = units[i].mm;
            return units[i].unit;
        }
    return NULL;
}

/* "3 x 4.2 cm": behind the sign, so that the unit of the last is that of all; else NULL. */
static const char *past_times(const char *s)
{
    while (*s == ' ')
        s++;
    if (*s != 'x' && *s != 'X' && *s != '*')
        return NULL;
    s++;
    while (*s == ' ')
        s++;
    return isdigit((unsigned char)*s) ? s : NULL;
}

static size_t digits_at(const char *s)
{
    size_t n = strspn(s, "0123456789");

    while ((s[n] == '.' || s[n] == ',') && isdigit((unsigned char)s[n + 1]))
        n += 1 + strspn(s + n + 1, "0123456789");
    return n;
}

/* The number at text[at); its end. "1,200" is 1200. */
static size_t read_number(const char *text, size_t at, rs_amount *out)
{
    size_t len = digits_at(text + at), n = 0;
    const char *next = text + at + len, *more;
    char plain[32];
    double times;

    for (size_t i = 0; i < len && n < sizeof plain - 1; i++)
        if (text[at + i] != ',')
            plain[n++] = text[at + i];
    plain[n] = '\0';
    out->unit = unit_at(next, &times);
    for (int k = 0; !out->unit && k < 2 && (more = past_times(next)) != NULL; k++) {
        next = more + digits_at(more);
        out->unit = unit_at(next, &times);
    }
    out->value = strtod(plain, NULL) * times;
    return at + len;
}

/* "1. " or "2) " where a sentence or clause begins: the number of a list's item. */
static bool is_list_mark(const char *text, size_t begin, size_t end)
{
    const bool last = text[end] == '\0';

    if (end - begin > 2 || !(last || text[end] == '.' || text[end] == ')') ||
        !(last || text[end + 1] == ' ' || text[end + 1] == '\0'))
        return false;
    while (begin > 0 && text[begin - 1] == ' ')
        begin--;
    return begin == 0 ? !last : strchr(":;.,", text[begin - 1]) != NULL;
}

static bool in_word(char c) { return isalnum((unsigned char)c) || (unsigned char)c >= 0x80; }

/* Numbers, and words that have digits in them. A number with letters right behind it is one
 * where they are a unit ("12mm"). */
static rs_status read_amounts(rs_checker *k, rs_line *out)
{
    const char *text = out->text;
    void *rows = NULL;
    size_t cap = 0, token = 0;

    for (size_t at = 0; text[at];) {
        rs_amount a = {0};
        size_t begin = at, end = at, first;
        double unused;
        if (!in_word(text[at])) {
            at++;
            continue;
        }
        while (in_word(text[end]))
            end++;
        first = strcspn(text + begin, "0123456789");
        at = end;
        if (begin + first >= end || is_list_mark(text, begin, end))
            continue;
        while (token < out->n && out->tokens[token].end <= begin)
            token++;
        a.token = token < out->n ? token : out->n;
        if (first == 0 && (digits_at(text + begin) >= end - begin ||
                           unit_at(text + begin + digits_at(text + begin), &unused))) {
            at = read_number(text, begin, &a);
            at = at > end ? at : end;
        } else {
            char *word = rs_arena_strndup(k->mem, text + begin, end - begin);
            for (char *s = word; s && *s; s++)
                *s = (char)tolower((unsigned char)*s);
            if (!(a.word = word))
                return rs_check_no_memory(k);
        }
        if (!rs_arena_grow(k->mem, &rows, &cap, out->n_amounts, sizeof a))
            return rs_check_no_memory(k);
        ((rs_amount *)rows)[out->n_amounts++] = a;
    }
    out->amounts = rows;
    return RS_OK;
}

/* ---- The line -------------------------------------------------------- */

static bool has_digit(const char *stem) { return strpbrk(stem, "0123456789") != NULL; }

static bool is_content(const rs_checker *k, const char *stem)
{
    uint32_t unused;

    return !rs_small_word(stem) && !has_digit(stem) && side_of(stem) == RS_SIDE_NONE &&
           !rs_strmap_get(&k->frame, stem, &unused);
}

rs_status rs_line_read(rs_checker *k, const char *text, rs_line *out)
{
    rs_status st;

    *out = (rs_line){.text = text};
    st = rs_tokens_cut(rs_lexicon_tokens(k->l), text, strlen(text), k->mem, &out->tokens, &out->n,
                       k->err);
    if (st != RS_OK)
        return st;
    out->states = rs_assertion_states(k->l, text, out->tokens, out->n, k->mem);
    out->sides = rs_new(k->mem, rs_side, out->n + 1);
    out->content = rs_new(k->mem, bool, out->n + 1);
    if (!out->states || !out->sides || !out->content)
        return rs_check_no_memory(k);
    for (size_t i = 0; i < out->n; i++) {
        out->sides[i] = side_of(out->tokens[i].text);
        out->content[i] = is_content(k, out->tokens[i].text);
    }
    if ((st = rs_report_mentions(k->l, text, NULL, 0, k->mem, &out->mentions, &out->n_mentions,
                                 k->err)) != RS_OK)
        return st;
    return read_amounts(k, out);
}
