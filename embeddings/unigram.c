/* unigram.c - see unigram_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/unigram_int.h"

#include "base/alloc.h"

typedef struct rs_unigram_node {
    double  sum;
    int32_t start;               /* of the last piece; -1: nothing ends here yet */
    int32_t id;
} node;

/* Bytes of the character that begins with `first`. */
static size_t character(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool make_room(rs_unigram_room *room, size_t len)
{
    node *grown;

    if (room->room > len)
        return true;
    grown = rs_realloc(room->best, len + 1, sizeof *grown);
    if (!grown)
        return false;
    room->best = grown;
    room->room = len + 1;
    return true;
}

static void offer(const rs_unigram *u, node *end, double sum, size_t start, int32_t id)
{
    if (end->start >= 0 && !(sum > end->sum))
        return;
    *end = (node){u->narrow ? (float)sum : sum, (int32_t)start, id};
}

static void find_best(const rs_unigram *u, const char *text, size_t len, node *best)
{
    size_t n;

    for (size_t i = 0; i <= len; i++)
        best[i] = (node){0, -1, -1};
    for (size_t from = 0; from < len; from += n) {
        uint32_t at = RS_TRIE_ROOT;
        double sum = best[from].sum;
        bool alone = false;

        n = character((uint8_t)text[from]);
        if (n > len - from)
            n = len - from;
        for (size_t i = from; i < len; i++) {
            int32_t id;
            if ((at = rs_trie_step(&u->trie, at, (uint8_t)text[i])) == RS_TRIE_ROOT)
                break;
            if ((id = rs_trie_value(&u->trie, at)) < 0)
                continue;
            offer(u, &best[i + 1], u->score[id] + sum, from, id);
            alone |= i + 1 - from == n;
        }
        if (!alone)
            offer(u, &best[from + n], u->unknown_score + sum, from, u->unknown);
    }
}

static bool put_id(rs_unigram_room *room, int32_t id)
{
    if (room->n == room->id_room) {
        size_t more = room->id_room ? 2 * room->id_room : 64;
        int32_t *grown = rs_realloc(room->id, more, sizeof *grown);
        if (!grown)
            return false;
        room->id = grown;
        room->id_room = more;
    }
    room->id[room->n++] = id;
    return true;
}

/* Tokens of a run of unknown characters, last one first. */
static bool put_unknown(const rs_unigram *u, rs_unigram_room *room, const char *text, size_t len)
{
    int32_t whole = u->whole_unknown ? rs_trie_find(&u->trie, text, len) : -1;
    bool bytes = u->bytes && whole < 0;

    for (size_t i = 0; bytes && i < len; i++)
        bytes = u->byte_id[(uint8_t)text[i]] >= 0;
    if (!bytes)
        return put_id(room, whole >= 0 ? whole : u->unknown);
    for (size_t i = len; i > 0; i--)
        if (!put_id(room, u->byte_id[(uint8_t)text[i - 1]]))
            return false;
    return true;
}

/* Back along the best way, then turned round. */
static bool take_best(const rs_unigram *u, const char *text, size_t len, rs_unigram_room *room)
{
    for (size_t end = len; end > 0;) {
        size_t start = (size_t)room->best[end].start;
        bool ok;

        if (room->best[end].id == u->unknown) {
            while (start > 0 && room->best[start].id == u->unknown)
                start = (size_t)room->best[start].start;
            ok = put_unknown(u, room, text + start, end - start);
        } else {
            ok = put_id(room, room->best[end].id);
        }
        if (!ok)
            return false;
        end = start;
    }
    for (size_t i = 0, k = room->n; i + 1 < k; i++) {
        int32_t id = room->id[--k];
        room->id[k] = room->id[i];
        room->id[i] = id;
    }
    return true;
}

rs_status rs_unigram_run(const rs_unigram *u, const char *text, size_t len, rs_unigram_room *room,
                         rs_err *err)
{
    room->n = 0;
    if (len >= INT32_MAX)
        return rs_fail(err, RS_ELIMIT, "a word of %zu bytes", len);
    if (!make_room(room, len))
        return rs_fail(err, RS_ENOMEM, "a word of %zu bytes: no memory", len);
    find_best(u, text, len, room->best);
    if (!take_best(u, text, len, room))
        return rs_fail(err, RS_ENOMEM, "a word of %zu bytes: no memory", len);
    return RS_OK;
}

void rs_unigram_room_clear(rs_unigram_room *room)
{
    rs_free(room->best);
    rs_free(room->id);
    *room = (rs_unigram_room){0};
}

void rs_unigram_clear(rs_unigram *u)
{
    rs_trie_clear(&u->trie);
    rs_free(u->score);
    *u = (rs_unigram){0};
}
