/* print.c - text from outside on its way to a terminal or into JSON: nothing that a
 * terminal would obey gets through. See command.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdint.h>
#include <string.h>

/* The code point at s (NUL-terminated) and its length; -1 with length 1 for a byte that
 * is not UTF-8 there. RFC 3629. */
static int32_t code_point(const unsigned char *s, size_t *len)
{
    static const int32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 :
               s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    int32_t c = n == 1 ? s[0] : n ? s[0] & (0x7f >> n) : -1;

    *len = 1;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return -1;
        c = c << 6 | (s[i] & 0x3f);
    }
    if (n == 0 || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return -1;
    *len = n;
    return c;
}

/* Control characters, and marks that turn the direction of what follows. */
static bool obeyed(int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

size_t rs_put_char(FILE *to, const char *text, bool lines)
{
    size_t len;
    int32_t c = code_point((const unsigned char *)text, &len);

    if (c == '\n' || c == '\t' || c == '\r')
        fputc(lines && c != '\r' ? (int)c : ' ', to);
    else if (obeyed(c))                        /* also -1 */
        fputc('?', to);
    else
        fwrite(text, 1, len, to);
    return len;
}

void rs_put_safe(FILE *to, const char *text, bool lines)
{
    while (*text)
        text += rs_put_char(to, text, lines);
}

void rs_print_safe(const char *text) { rs_put_safe(stdout, text, true); }
void rs_print_line(const char *text) { rs_put_safe(stdout, text, false); }
