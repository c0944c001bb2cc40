/* wordpiece.c - see wordpiece_int.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/wordpiece_int.h"

static size_t characters(const char *word, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((uint8_t)word[i] & 0xc0) != 0x80;
    return n;
}

void rs_wordpiece_run(const rs_wordpiece *w, const char *word, size_t len, rs_id_sink *s)
{
    int32_t id[4 * RS_WORD_MAX];         /* a piece is a byte at least */
    size_t n = 0, bytes = 0;
    bool whole = characters(word, len) <= w->longest;

    for (size_t at = 0; whole && at < len; at += bytes) {
        uint32_t from = at && w->prefixed ? w->inside : RS_TRIE_ROOT;
        bool stuck = at && w->prefixed && w->inside == RS_TRIE_ROOT;

        id[n] = stuck ? -1 : rs_trie_longest(&w->trie, from, word + at, len - at, &bytes);
        whole = id[n++] >= 0;
    }
    if (!whole)
        rs_id_put(s, w->unknown);
    for (size_t i = 0; whole && i < n; i++)
        rs_id_put(s, id[i]);
}
