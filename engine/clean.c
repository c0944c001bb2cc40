/* clean.c - see clean.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/clean.h"

#include "base/bytes.h"
#include "base/hash.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

enum { LEAST_PATIENT = 3 };

typedef enum { KEEP, BLANK, DROP } fate;

static fate fate_of(utf8proc_int32_t c)
{
    if ((c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0000 && c <= 0xe0fff))
        return DROP;                                     /* variation selectors, tags */
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC: case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL: case UTF8PROC_CATEGORY_ZP:
        return BLANK;
    case UTF8PROC_CATEGORY_CF: case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: case UTF8PROC_CATEGORY_CN:
        return DROP;
    default:
        return KEEP;
    }
}

/* "[3]", "[1, 2-4]" or "[/INST]" at s: where its ']' is, else 0. */
static size_t bracket_end(const char *s, size_t len)
{
    size_t i = 1;

    while (i < len && (isdigit((unsigned char)s[i]) || strchr(" ,;-", s[i])))
        i++;
    if (i > 1 && i < len && s[i] == ']')
        return i;
    i = len > 1 && s[1] == '/' ? 2 : 1;
    return len > i + 4 && strncasecmp(s + i, "INST", 4) == 0 && s[i + 4] == ']' ? i + 4 : 0;
}

static bool word_at(const char *text, size_t at, size_t len)
{
    return at < len && (isalnum((unsigned char)text[at]) || (unsigned char)text[at] >= 0x80);
}

/* Does the patient's identifier stand at text[at), as a word of its own? */
static bool names_patient(const char *text, size_t at, size_t len, const char *patient, size_t n)
{
    return n >= LEAST_PATIENT && len - at >= n && strncasecmp(text + at, patient, n) == 0 &&
           !(at && word_at(text, at - 1, len)) && !word_at(text, at + n, len);
}

static void put_blank(rs_buf *b)
{
    if (b->len && b->data[b->len - 1] != ' ')
        rs_buf_putc(b, ' ');
}

/* A letter that is kept, with what would make a mark of it taken away; its bytes in text. */
static size_t put_letter(rs_buf *b, const char *text, size_t at, size_t len, bool citations)
{
    const char *s = text + at;
    size_t end = *s == '[' ? bracket_end(s, len - at) : 0;

    if (end && (!citations || isalpha((unsigned char)s[1]) || s[1] == '/')) {
        if (b->len && b->data[b->len - 1] == ']')          /* "](" would be a link */
            rs_buf_putc(b, ' ');
        rs_buf_printf(b, "(%.*s)", (int)(end - 1), s + 1);
        return end + 1;
    }
    if (len - at >= 3 && strncmp(s, "```", 3) == 0) {
        rs_buf_puts(b, "'''");
        return 3;
    }
    rs_buf_putc(b, *s);
    if (citations && *s == ']' && at + 1 < len && s[1] == '(')
        rs_buf_putc(b, ' ');
    if (*s == '<' && at + 1 < len && (isalpha((unsigned char)s[1]) || strchr("/|!<?", s[1])))
        rs_buf_putc(b, ' ');
    return 1;
}

/* The end of a terminal's control sequence at text[at): ESC [ ... letter, or ESC ] ... BEL. */
static size_t past_sequence(const char *text, size_t at, size_t len)
{
    if (text[at] != 0x1b || at + 1 >= len || (text[at + 1] != '[' && text[at + 1] != ']'))
        return at;
    for (size_t i = at + 2; i < len; i++)
        if (text[at + 1] == '[' ? text[i] >= '@' && text[i] <= '~' : text[i] == 0x07)
            return i + 1;
    return at;
}

/* Without what is dropped, so that nothing hides inside a mark or an identifier. */
static void plain(const char *text, size_t len, rs_buf *b)
{
    for (size_t at = 0; at < len;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                              (utf8proc_ssize_t)(len - at), &c);
        fate f = n > 0 ? fate_of(c) : KEEP;
        const size_t past = past_sequence(text, at, len);
        if (past > at) {
            at = past;
            continue;
        }
        if (n <= 0)
            rs_buf_putc(b, '?');
        else if (f == BLANK)
            put_blank(b);
        else if (f == KEEP)
            rs_buf_append(b, text + at, (size_t)n);
        at += n > 0 ? (size_t)n : 1;
    }
}

const char *rs_clean_line(const char *text, size_t len, const char *patient, rs_arena *mem)
{
    const size_t n_patient = patient ? strlen(patient) : 0;
    const char *out = NULL;
    rs_buf raw = {0}, b = {0};

    rs_buf_reserve(&raw, len + 1);
    rs_buf_reserve(&b, len + 1);
    plain(text, len, &raw);
    for (size_t at = 0; !raw.failed && at < raw.len;) {
        if (names_patient(raw.data, at, raw.len, patient, n_patient)) {
            rs_buf_puts(&b, "(patient)");
            at += n_patient;
        } else {
            at += put_letter(&b, raw.data, at, raw.len, false);
        }
    }
    while (b.len && b.data[b.len - 1] == ' ')
        b.len--;
    if (!raw.failed && !b.failed)
        out = rs_arena_strndup(mem, b.data, b.len);
    rs_buf_clear(&raw);
    rs_buf_clear(&b);
    return out;
}

const char *rs_clean_answer(const char *text, rs_arena *mem)
{
    const char *out = NULL;
    rs_buf raw = {0}, b = {0};

    rs_buf_reserve(&b, 1);
    while (*text && !raw.failed) {
        size_t len = strcspn(text, "\n");
        raw.len = 0;
        rs_buf_reserve(&raw, len + 1);
        plain(text, len, &raw);
        for (size_t at = 0; !raw.failed && at < raw.len;)
            at += put_letter(&b, raw.data, at, raw.len, true);
        rs_buf_putc(&b, '\n');
        text += len + (text[len] == '\n');
    }
    if (!raw.failed && !b.failed)
        out = rs_arena_strndup(mem, b.data, b.len);
    rs_buf_clear(&raw);
    rs_buf_clear(&b);
    return out;
}

size_t rs_clean_tokens(const char *text)
{
    size_t words = 0, bytes = strlen(text), by_words;
    bool inside = false;

    for (const char *s = text; *s; s++) {
        bool word = !isspace((unsigned char)*s);
        words += word && !inside;
        inside = word;
    }
    by_words = (13 * words + 9) / 10;
    return by_words > (bytes + 3) / 4 ? by_words : (bytes + 3) / 4;
}

const char *rs_clean_fence(const char *const *texts, size_t n, rs_arena *mem)
{
    for (unsigned salt = 0;; salt++) {
        char hex[RS_SHA256_HEX];
        const char *fence;
        bool found = false;
        rs_sha256 *h = rs_sha256_new();
        if (!h)
            return NULL;
        rs_sha256_add(h, &salt, sizeof salt);
        for (size_t i = 0; i < n; i++)
            rs_sha256_add(h, texts[i], strlen(texts[i]) + 1);
        rs_sha256_end(h, hex);
        fence = rs_arena_sprintf(mem, "----- DATA %.16s -----", hex);
        for (size_t i = 0; fence && i < n && !found; i++)
            found = strstr(texts[i], hex + 0) != NULL || strstr(texts[i], fence) != NULL;
        if (!fence || !found)
            return fence;
    }
}
