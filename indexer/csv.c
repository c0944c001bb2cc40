/* csv.c - one record of comma- or tab-separated values (RFC 4180).
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/source_int.h"

#include <string.h>

enum { MAX_FIELDS = 4096 };

/* Copies one field to `to` (room for what is left of the text); moves *at to the
 * delimiter, line end or text end after it. false on an open quote. */
static bool take_field(const char *text, size_t len, size_t *at, char delimiter, char *to)
{
    size_t i = *at, n = 0;
    bool quoted = i < len && text[i] == '"';

    if (quoted)
        i++;
    for (; i < len; i++) {
        if (quoted && text[i] == '"') {
            if (i + 1 < len && text[i + 1] == '"') {
                to[n++] = '"';
                i++;
                continue;
            }
            quoted = false;           /* what follows up to the delimiter is kept as it is */
            continue;
        }
        if (!quoted && (text[i] == delimiter || text[i] == '\n' || text[i] == '\r'))
            break;
        to[n++] = text[i] ? text[i] : ' ';
    }
    to[n] = '\0';
    *at = i;
    return !quoted;
}

size_t rs_csv_end(const char *text, size_t len, size_t at, char delimiter)
{
    const size_t start = at;
    bool first = true, quoted = false;     /* first: at the start of a field */

    for (; at < len; at++) {
        char c = text[at];
        if (quoted && c == '"' && at + 1 < len && text[at + 1] == '"') {
            at++;
        } else if (quoted) {
            quoted = c != '"';
        } else if (c == '"' && first) {
            quoted = true;
        } else if (c == '\n') {
            return at;
        }
        first = !quoted && c == delimiter;
    }
    if (!quoted)
        return len;
    for (at = start; at < len && text[at] != '\n';)
        at++;
    return at;
}

bool rs_csv_record(const char *text, size_t len, size_t *at, char delimiter, rs_arena *mem,
                   char ***fields, size_t *n)
{
    size_t start = *at, i = start, end = rs_csv_end(text, len, start, delimiter), room = 1;
    char *to;

    *n = 0;
    *at = end < len ? end + 1 : len;
    for (size_t k = start; k < end; k++)
        room += text[k] == delimiter;
    if (room > MAX_FIELDS)
        room = MAX_FIELDS;
    *fields = rs_new(mem, char *, room);
    to = rs_new(mem, char, end - start + room + 1);
    if (!*fields || !to) {
        *fields = NULL;
        return false;
    }
    while (*n < room) {
        (*fields)[(*n)++] = to;
        if (!take_field(text, end, &i, delimiter, to))
            return false;
        to += strlen(to) + 1;
        if (i >= end || text[i] != delimiter)
            break;
        i++;
    }
    return true;
}
