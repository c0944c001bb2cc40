/* added.c - see added_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/added_int.h"

#include "base/alloc.h"
#include "embeddings/words_int.h"

rs_status rs_added_put(rs_added_set *s, const char *text, size_t len, rs_added token, rs_err *err)
{
    int32_t before;
    rs_status st;

    if (len > RS_ADDED_BYTES)
        return rs_fail(err, RS_ELIMIT, "token \"%.40s\": %zu bytes, at most %d", text, len,
                       RS_ADDED_BYTES);
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        rs_added *grown = rs_realloc(s->token, room, sizeof *s->token);
        if (!grown)
            return rs_fail(err, RS_ENOMEM, "no memory for token \"%.40s\"", text);
        s->token = grown;
        s->room = room;
    }
    if ((st = rs_trie_put(&s->trie, text, len, (int32_t)s->n, &before, err)) != RS_OK)
        return st;
    if (before < 0)
        s->token[s->n++] = token;
    return RS_OK;
}

void rs_added_clear(rs_added_set *s)
{
    rs_trie_clear(&s->trie);
    rs_free(s->token);
    *s = (rs_added_set){0};
}

/* Where the white space that ends at `end` begins, not before `from`. */
static size_t space_before(const char *text, size_t from, size_t end)
{
    while (end > from) {
        size_t start = end - 1, at;
        while (start > from && ((uint8_t)text[start] & 0xc0) == 0x80)
            start--;
        at = start;
        if (!rs_is_space(rs_utf8_next(text, end, &at)))
            break;
        end = start;
    }
    return end;
}

static size_t space_after(const char *text, size_t at, size_t len)
{
    for (size_t next = at; at < len && rs_is_space(rs_utf8_next(text, len, &next));)
        at = next;
    return at;
}

/* The next token at or after p->at. */
static bool find(rs_added_parts *p, size_t *start, size_t *end)
{
    for (; p->at < p->len; p->at++) {
        size_t n;
        int32_t i = rs_trie_longest(&p->set->trie, RS_TRIE_ROOT, p->text + p->at,
                                    p->len - p->at, &n);
        if (i < 0)
            continue;
        p->found = &p->set->token[i];
        *start = p->found->strip_left ? space_before(p->text, p->from, p->at) : p->at;
        p->at += n;
        *end = p->found->strip_right ? space_after(p->text, p->at, p->len) : p->at;
        return true;
    }
    return false;
}

bool rs_added_next(rs_added_parts *p, rs_added_part *part)
{
    size_t start = p->len, end = p->len;

    if (p->found) {
        *part = (rs_added_part){NULL, 0, p->found};
        p->found = NULL;
        return true;
    }
    if (p->from >= p->len)
        return false;
    if (p->set->n == 0 || !find(p, &start, &end))
        p->at = p->len;
    *part = (rs_added_part){p->text + p->from, start > p->from ? start - p->from : 0, NULL};
    p->from = end > p->from ? end : p->from;
    return part->len > 0 ? true : rs_added_next(p, part);
}
