/* words.c - see words_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/words_int.h"

#include "base/alloc.h"

#include <string.h>
#include <utf8proc.h>

enum { REPLACEMENT = 0xfffd, DOT_ABOVE = 0x307, CAPITAL_I_DOT = 0x130 };

/* ---- UTF-8 ----------------------------------------------------------- */

/* The range that the second byte of a sequence must lie in: it keeps out overlong
 * forms, surrogates and what is past U+10FFFF (Unicode, table 3-7). */
static bool second_fits(uint8_t first, uint8_t second)
{
    switch (first) {
    case 0xe0: return second >= 0xa0 && second <= 0xbf;
    case 0xed: return second >= 0x80 && second <= 0x9f;
    case 0xf0: return second >= 0x90 && second <= 0xbf;
    case 0xf4: return second >= 0x80 && second <= 0x8f;
    default:   return (second & 0xc0) == 0x80;
    }
}

uint32_t rs_utf8_next(const char *text, size_t len, size_t *at)
{
    const uint8_t *s = (const uint8_t *)text + *at;
    size_t left = len - *at, n;
    uint32_t c = s[0];

    *at += 1;
    if (c < 0x80)
        return c;
    n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 1;
    if (n == 1)
        return REPLACEMENT;
    c &= 0x7fu >> n;
    for (size_t i = 1; i < n; i++) {
        if (i >= left || !(i == 1 ? second_fits(s[0], s[1]) : (s[i] & 0xc0) == 0x80))
            return REPLACEMENT;
        c = c << 6 | (s[i] & 0x3fu);
        *at += 1;
    }
    return c;
}

void rs_utf8_put(rs_buf *out, uint32_t code_point)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)code_point, bytes);

    rs_buf_append(out, bytes, (size_t)n);
}

/* ---- Classes --------------------------------------------------------- */

typedef enum { SPACE, LETTER, NUMBER, OTHER } word_class;

static word_class class_of(uint32_t c)
{
    utf8proc_category_t k;

    if (rs_is_space(c))
        return SPACE;
    if (c < 0x80)
        return (c | 32) - 'a' < 26 ? LETTER : c - '0' < 10 ? NUMBER : OTHER;
    k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO ? LETTER :
           k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO ? NUMBER : OTHER;
}

/* ---- Normalising ----------------------------------------------------- */

/* Code points with room for more. */
typedef struct {
    utf8proc_int32_t *at;
    size_t len, cap;
} points;

static bool points_room(points *p, size_t more)
{
    utf8proc_int32_t *grown;
    size_t cap = 2 * p->cap;

    if (p->cap - p->len >= more)
        return true;
    if (cap < p->len + more)
        cap = p->len + more;
    grown = rs_realloc(p->at, cap, sizeof *p->at);
    if (!grown)
        return false;
    p->at = grown;
    p->cap = cap;
    return true;
}

/* Decomposition of the whole text, canonical or compatible, marks not yet in order. */
static bool decompose(points *p, const char *text, size_t len, utf8proc_option_t options)
{
    enum { ROOM = 32 };                  /* Unicode's longest has 4; 18 where compatible */
    size_t at = 0;

    if (!points_room(p, len + ROOM))
        return false;
    while (at < len) {
        uint32_t c = rs_utf8_next(text, len, &at);
        utf8proc_ssize_t n = 1;
        int boundary = 0;

        if (!points_room(p, ROOM))
            return false;
        if (c < 0xa0)
            p->at[p->len] = (utf8proc_int32_t)c;
        else
            n = utf8proc_decompose_char((utf8proc_int32_t)c, p->at + p->len, ROOM, options,
                                        &boundary);
        p->len += (size_t)n;
    }
    return true;
}

static uint8_t mark_class(utf8proc_int32_t c)
{
    return c < 0x300 ? 0 : (uint8_t)utf8proc_get_property(c)->combining_class;
}

/* Stable sort of n marks by class: by counting, as utf8proc's own exchange sort takes
 * minutes for a megabyte of marks. `room` holds n. */
static void sort_marks(utf8proc_int32_t *mark, size_t n, utf8proc_int32_t *room)
{
    size_t begin[257] = {0};

    for (size_t i = 0; i < n; i++)
        begin[mark_class(mark[i]) + 1]++;
    for (size_t c = 1; c < 257; c++)
        begin[c] += begin[c - 1];
    for (size_t i = 0; i < n; i++)
        room[begin[mark_class(mark[i])]++] = mark[i];
    memcpy(mark, room, n * sizeof *mark);
}

static void sort_few_marks(utf8proc_int32_t *mark, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        utf8proc_int32_t c = mark[i];
        size_t j = i;
        for (; j > 0 && mark_class(mark[j - 1]) > mark_class(c); j--)
            mark[j] = mark[j - 1];
        mark[j] = c;
    }
}

/* Canonical order: each run of marks by class. */
static bool reorder(points *p)
{
    enum { FEW = 16 };

    for (size_t i = 0; i < p->len;) {
        size_t end = i;
        while (end < p->len && mark_class(p->at[end]) != 0)
            end++;
        if (end - i > FEW) {
            utf8proc_int32_t *room = rs_malloc((end - i) * sizeof *room);
            if (!room)
                return false;
            sort_marks(p->at + i, end - i, room);
            rs_free(room);
        } else {
            sort_few_marks(p->at + i, end - i);
        }
        i = end > i ? end : i + 1;
    }
    return true;
}

static void compose(points *p)
{
    utf8proc_ssize_t n = utf8proc_normalize_utf32(p->at, (utf8proc_ssize_t)p->len,
                                                  UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    p->len = (size_t)n;                  /* fails only for options that are not given */
}

/* White space folded, lower case, UTF-8. */
static void put_lower(rs_buf *out, const points *p)
{
    bool in_space = false;

    for (size_t i = 0; i < p->len; i++) {
        uint32_t c = (uint32_t)p->at[i];
        if (rs_is_space(c)) {
            if (!in_space)
                rs_buf_putc(out, ' ');
            in_space = true;
            continue;
        }
        in_space = false;
        if (c == CAPITAL_I_DOT) {        /* the one letter whose lower case is two */
            rs_buf_putc(out, 'i');
            c = DOT_ABOVE;
        }
        rs_utf8_put(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
    }
}

/* What comes before the first byte that is not ASCII is in NFC as it stands, but for
 * its last character, which a mark may join. Returns the bytes taken. */
static size_t normalise_ascii(rs_buf *out, const char *text, size_t len)
{
    size_t plain = 0;
    bool in_space = false;
    char *to;

    while (plain < len && (uint8_t)text[plain] < 0x80)
        plain++;
    if (plain < len && plain > 0)
        plain--;
    while (plain > 0 && plain < len && rs_is_space((uint8_t)text[plain - 1]))
        plain--;                         /* a run of white space stays whole */
    if (!rs_buf_reserve(out, plain))
        return plain;
    to = out->data + out->len;
    for (size_t i = 0; i < plain; i++) {
        uint32_t c = (uint8_t)text[i];
        bool space = rs_is_space(c);
        if (!space || !in_space)
            *to++ = space ? ' ' : (char)(c - 'A' < 26 ? c + 32 : c);
        in_space = space;
    }
    *to = '\0';
    out->len = (size_t)(to - out->data);
    return plain;
}

rs_status rs_words_normalise(rs_buf *out, const char *text, size_t len, rs_err *err)
{
    points p = {0};
    bool ok = true;
    size_t plain = normalise_ascii(out, text, len);

    if (plain < len) {
        ok = decompose(&p, text + plain, len - plain, UTF8PROC_COMPOSE | UTF8PROC_STABLE) &&
             reorder(&p);
        if (ok) {
            compose(&p);
            put_lower(out, &p);
        }
        rs_free(p.at);
    }
    if (!ok || out->failed)
        return rs_fail(err, RS_ENOMEM, "text of %zu bytes: no memory to normalise it", len);
    return RS_OK;
}

rs_status rs_normal_form(rs_buf *out, const char *text, size_t len, bool compatible,
                         bool composed, rs_err *err)
{
    utf8proc_option_t options = UTF8PROC_STABLE | (compatible ? UTF8PROC_COMPAT : 0) |
                                (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    points p = {0};
    bool ok = decompose(&p, text, len, options) && reorder(&p);

    if (ok && composed)
        compose(&p);
    for (size_t i = 0; ok && i < p.len; i++)
        rs_utf8_put(out, (uint32_t)p.at[i]);
    rs_free(p.at);
    if (!ok || out->failed)
        return rs_fail(err, RS_ENOMEM, "text of %zu bytes: no memory to normalise it", len);
    return RS_OK;
}

/* ---- Words ----------------------------------------------------------- */

/* Bytes of the contraction that s[0..n) begins with, 0 if none. */
static size_t contraction(const char *s, size_t n)
{
    if (n < 2 || s[0] != '\'')
        return 0;
    if (strchr("stmd", s[1]) && s[1])
        return 2;
    if (n < 3)
        return 0;
    return memcmp(s + 1, "re", 2) == 0 || memcmp(s + 1, "ve", 2) == 0 ||
           memcmp(s + 1, "ll", 2) == 0 ? 3 : 0;
}

bool rs_words_next(rs_words *w, const char **word, size_t *n)
{
    size_t start, next = w->at;
    word_class kind = SPACE;

    do {
        start = next;
        if (start >= w->len) {
            w->at = start;
            return false;
        }
        kind = class_of(rs_utf8_next(w->text, w->len, &next));
    } while (kind == SPACE);

    w->at = next;
    *word = w->text + start;
    *n = contraction(*word, w->len - start);
    if (*n) {
        w->at = start + *n;
        return true;
    }
    while (kind != NUMBER && next < w->len &&
           class_of(rs_utf8_next(w->text, w->len, &next)) == kind)
        w->at = next;
    *n = w->at - start;
    return true;
}

/* ---- The byte alphabet ----------------------------------------------- */

static bool prints(uint32_t b)
{
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
}

/* Bytes without a sign of their own are 0..32, 127..160 and 173: 68 of them. */
uint32_t rs_byte_symbol(uint8_t byte)
{
    uint32_t b = byte;

    if (prints(b))
        return b;
    return 0x100 + (b <= 32 ? b : b <= 160 ? b - 127 + 33 : 67);
}

int rs_symbol_byte(uint32_t c)
{
    if (c < 0x100)
        return prints(c) ? (int)c : -1;
    c -= 0x100;
    return c <= 32 ? (int)c : c <= 66 ? (int)(c - 33 + 127) : c == 67 ? 173 : -1;
}

uint8_t rs_byte_in_order(size_t i)
{
    if (i < 94)
        return (uint8_t)('!' + i);
    if (i < 106)
        return (uint8_t)(0xa1 + i - 94);
    if (i < 188)
        return (uint8_t)(0xae + i - 106);
    return (uint8_t)rs_symbol_byte((uint32_t)(0x100 + i - 188));
}
