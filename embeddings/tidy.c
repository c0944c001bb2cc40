/* tidy.c - see tidy_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/tidy_int.h"

#include "embeddings/classes_int.h"
#include "embeddings/words_int.h"

#include <string.h>
#include <utf8proc.h>

static void exchange(rs_buf *a, rs_buf *b)
{
    rs_buf c = *a;

    *a = *b;
    *b = c;
    b->len = 0;
}

/* ---- Entities -------------------------------------------------------- */

/* `bare`: known without its semicolon too. */
static const struct { const char *name; uint32_t code; bool bare; } entities[] = {
    {"amp", '&', true}, {"lt", '<', true}, {"gt", '>', true}, {"quot", '"', true},
    {"nbsp", 0xa0, true}, {"copy", 0xa9, true}, {"reg", 0xae, true}, {"deg", 0xb0, true},
    {"plusmn", 0xb1, true}, {"sup2", 0xb2, true}, {"sup3", 0xb3, true}, {"micro", 0xb5, true},
    {"middot", 0xb7, true}, {"frac12", 0xbd, true}, {"times", 0xd7, true}, {"divide", 0xf7, true},
    {"apos", '\'', false}, {"ndash", 0x2013, false}, {"mdash", 0x2014, false},
    {"lsquo", 0x2018, false}, {"rsquo", 0x2019, false}, {"ldquo", 0x201c, false},
    {"rdquo", 0x201d, false}, {"bull", 0x2022, false}, {"hellip", 0x2026, false},
    {"prime", 0x2032, false}, {"le", 0x2264, false}, {"ge", 0x2265, false},
    {"alpha", 0x3b1, false}, {"beta", 0x3b2, false}, {"gamma", 0x3b3, false},
    {"mu", 0x3bc, false},
};

/* What the C1 controls are in Windows-1252, 0 where it has nothing: the character itself. */
static uint32_t windows(uint32_t c)
{
    static const uint16_t known[32] = {
        0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039,
        0x152, 0, 0x17d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc,
        0x2122, 0x161, 0x203a, 0x153, 0, 0x17e, 0x178};
    return c >= 0x80 && c < 0xa0 && known[c - 0x80] ? known[c - 0x80] : c;
}

static int digit_of(char c, int base)
{
    int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
            c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;

    return d < base ? d : -1;
}

/* "#176;" or "#xb0;" at text[0..len): its bytes, 0 if it is none. */
static size_t read_number(const char *text, size_t len, uint32_t *code)
{
    int base = len > 1 && (text[1] | 32) == 'x' ? 16 : 10;
    size_t from = base == 16 ? 2 : 1, at = from;

    for (*code = 0; at < len && digit_of(text[at], base) >= 0; at++)
        if (*code < 0x110000)
            *code = *code * (uint32_t)base + (uint32_t)digit_of(text[at], base);
    if (at == from)
        return 0;
    if (*code == 0 || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        *code = 0xfffd;
    *code = windows(*code);
    return at < len && text[at] == ';' ? at + 1 : at;
}

/* The entity after an "&": its bytes, 0 if it is none. */
static size_t read_entity(const char *text, size_t len, uint32_t *code)
{
    if (len && text[0] == '#')
        return read_number(text, len, code);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        size_t n = strlen(entities[i].name);
        bool ends = n < len && text[n] == ';';

        if (n <= len && memcmp(text, entities[i].name, n) == 0 && (ends || entities[i].bare)) {
            *code = entities[i].code;
            return n + ends;
        }
    }
    return 0;
}

static void resolve_entities(rs_buf *text, rs_buf *room)
{
    size_t from = 0;

    if (!text->len || !memchr(text->data, '&', text->len))
        return;
    room->len = 0;
    for (size_t at = 0; at < text->len; at++) {
        uint32_t code;
        size_t n = text->data[at] == '&' ?
                   read_entity(text->data + at + 1, text->len - at - 1, &code) : 0;
        if (n == 0)
            continue;
        rs_buf_append(room, text->data + from, at - from);
        rs_utf8_put(room, code);
        at += n;
        from = at + 1;
    }
    rs_buf_append(room, text->data + from, text->len - from);
    exchange(text, room);
}

/* ---- Characters ------------------------------------------------------ */

static const char *ligature(uint32_t c)
{
    static const struct { uint32_t code; const char *letters; } rows[] = {
        {0x132, "IJ"}, {0x133, "ij"}, {0x149, "'n"}, {0x1c4, "D\u017d"}, {0x1c5, "D\u017e"},
        {0x1c6, "d\u017e"}, {0x1c7, "LJ"}, {0x1c8, "Lj"}, {0x1c9, "lj"}, {0x1ca, "NJ"},
        {0x1cb, "Nj"}, {0x1cc, "nj"}, {0x1f1, "DZ"}, {0x1f2, "Dz"}, {0x1f3, "dz"},
        {0xfb00, "ff"}, {0xfb01, "fi"}, {0xfb02, "fl"}, {0xfb03, "ffi"}, {0xfb04, "ffl"},
        {0xfb05, "\u017ft"}, {0xfb06, "st"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == c)
            return rows[i].letters;
    return NULL;
}

static bool is_dropped(uint32_t c)
{
    return c < 9 || c == 0xb || (c >= 0xe && c < 0x20) || c == 0x7f ||
           (c >= 0x206a && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffc);
}

static void put_fixed(rs_buf *out, uint32_t c)
{
    utf8proc_int32_t wide[4];
    const char *letters = c < 0x132 ? NULL : ligature(c);
    int boundary = 0;

    c = windows(c);
    if (is_dropped(c))
        return;
    if (letters)
        rs_buf_puts(out, letters);
    else if (c == 0x2bc || (c >= 0x2018 && c <= 0x201b))
        rs_buf_putc(out, '\'');
    else if (c >= 0x201c && c <= 0x201f)
        rs_buf_putc(out, '"');
    else if (c >= 0xff01 && c <= 0xffef &&
             utf8proc_decompose_char((utf8proc_int32_t)c, wide, 4,
                                     UTF8PROC_COMPAT | UTF8PROC_COMPOSE, &boundary) == 1)
        rs_utf8_put(out, (uint32_t)wide[0]);
    else
        rs_utf8_put(out, c);
}

/* Characters as ftfy leaves them, in NFC. */
static rs_status fix_characters(rs_buf *text, rs_buf *room, rs_err *err)
{
    bool ascii = true;
    rs_status st;

    room->len = 0;
    for (size_t at = 0; at < text->len;) {
        uint32_t c = rs_utf8_next(text->data, text->len, &at);
        ascii &= c < 0x80;
        put_fixed(room, c);
    }
    exchange(text, room);
    if (ascii)
        return RS_OK;
    st = rs_normal_form(room, text->data, text->len, false, true, err);
    exchange(text, room);
    return st;
}

/* White space of Python folded and stripped, and what the kind asks for. */
static void finish(rs_tidy_kind kind, rs_buf *text, rs_buf *room)
{
    bool space = false;

    room->len = 0;
    for (size_t at = 0; at < text->len;) {
        uint32_t c = rs_utf8_next(text->data, text->len, &at);

        if (kind == RS_TIDY_CANONICAL && c != '_' && c < 0x80 && rs_is_punctuation(c))
            continue;
        if (rs_is_space(c) || (c >= 0x1c && c <= 0x1f) || (kind == RS_TIDY_CANONICAL && c == '_')) {
            space = true;
            continue;
        }
        if (space && room->len)
            rs_buf_putc(room, ' ');
        space = false;
        if (kind != RS_TIDY_SPACE && c == 0x130)
            rs_buf_puts(room, "i\u0307");    /* the one letter whose lower case is two */
        else
            rs_utf8_put(room, kind == RS_TIDY_SPACE ? c :
                        (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
    }
    exchange(text, room);
}

bool rs_tidy_named(rs_tidy_kind *kind, const char *name)
{
    static const char *const names[] = {"whitespace", "lower", "canonicalize"};

    for (size_t i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *kind = (rs_tidy_kind)(RS_TIDY_SPACE + i);
            return true;
        }
    return false;
}

rs_status rs_tidy(rs_tidy_kind kind, rs_buf *text, rs_buf *room, rs_err *err)
{
    rs_status st;

    if (kind == RS_TIDY_NONE)
        return RS_OK;
    if (text->len && !memchr(text->data, '<', text->len))
        resolve_entities(text, room);    /* ftfy's, who takes "<" for HTML that is meant */
    if ((st = fix_characters(text, room, err)) != RS_OK)
        return st;
    resolve_entities(text, room);
    resolve_entities(text, room);
    finish(kind, text, room);
    if (text->failed || room->failed)
        return rs_fail(err, RS_ENOMEM, "text of %zu bytes: no memory to tidy it", text->len);
    return RS_OK;
}
