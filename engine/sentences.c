/* sentences.c - see sentences.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/sentences.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c) { return isspace((unsigned char)c) != 0; }
static bool is_digit(char c) { return isdigit((unsigned char)c) != 0; }

/* No abbreviation is longer, so that a look back is short whatever the text. */
enum { LONGEST_WORD = 24 };

/* Words whose full stop ends no sentence. */
static bool is_abbreviation(const char *word, size_t n)
{
    static const char *const known[] = {
        "dr", "drs", "mr", "mrs", "ms", "prof", "vs", "e.g", "i.e", "etc", "approx", "ca", "cf",
        "fig", "figs", "no", "st", "resp", "incl", "max", "min", "avg", "wt", "ht", "yr", "yrs",
        "pt", "hx", "dx", "rt", "lt", "bilat", "ant", "post", "inf", "sup", "lat", "med", "seq",
        "ser", "img", "im", "dept", "hosp", "jr", "sr", "al", "est", "vol", "diam",
    };

    if (n == 1)
        return isalpha((unsigned char)*word) != 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]) == n && strncasecmp(known[i], word, n) == 0)
            return true;
    return false;
}

/* T1, T2, C5, L4, S1: a weighting or a level of the spine. */
static bool is_level(const char *word, size_t n)
{
    if (n < 2 || n > 3 || !strchr("TCLStcls", word[0]))
        return false;
    return is_digit(word[1]) && (n == 2 || is_digit(word[2]));
}

/* Whether the full stop at text[i] ends the sentence that starts at text[begin]. */
static bool stop_ends(const char *text, size_t begin, size_t i, size_t end)
{
    size_t word = i, next = i + 1;

    if (next < end && !is_space(text[next]) && !strchr("\"')]", text[next]))
        return i > begin && islower((unsigned char)text[i - 1]) && next + 1 < end &&
               isupper((unsigned char)text[next]) &&          /* apex.There; not 3.5, e.g. */
               islower((unsigned char)text[next + 1]);
    while (word > begin && i - word < LONGEST_WORD && !is_space(text[word - 1]) &&
           text[word - 1] != '(')
        word--;
    while (next < end && is_space(text[next]))
        next++;
    if (is_level(text + word, i - word) && next < end && islower((unsigned char)text[next]))
        return false;
    if (word == begin && strspn(text + word, "0123456789") >= i - word)
        return false;                                   /* a list item's number */
    return !is_abbreviation(text + word, i - word);
}

/* Whether the line end at text[i] ends the sentence: an empty line or a list item next. */
static bool line_ends(const char *text, size_t i, size_t end)
{
    size_t k = i + 1;

    while (k < end && (text[k] == ' ' || text[k] == '\t' || text[k] == '\r'))
        k++;
    if (k >= end || text[k] == '\n')
        return true;
    if (text[k] == '-' || text[k] == '*' || (unsigned char)text[k] == 0xe2)     /* also a bullet */
        return true;
    return is_digit(text[k]) && k + 1 < end && (text[k + 1] == '.' || text[k + 1] == ')');
}

size_t rs_sentence_end(const char *text, size_t begin, size_t end)
{
    size_t i = begin;

    for (; i < end; i++) {
        char c = text[i];
        if (c == '!' || c == '?' || (c == '.' && stop_ends(text, begin, i, end)) ||
            (c == '\n' && i > begin && line_ends(text, i, end)))
            break;
    }
    if (i < end)
        i++;
    while (i < end && (is_space(text[i]) || strchr("\"')]", text[i])))
        i++;
    return i;
}
