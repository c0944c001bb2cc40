/* postings_int.h - what posting lists are made of; inside postings*.c only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_POSTINGS_INT_H
#define RS_ENGINE_POSTINGS_INT_H

#include "engine/postings.h"

#include "engine/posting_list.h"
#include "engine/strmap.h"
#include "engine/tokens.h"

/* A phrase, words near each other or a beginning, as a list. */
typedef struct {
    rs_posting_list list;
    uint32_t        upto;          /* documents below it were looked at */
    bool            too_large;
} rs_piece;

/* The tokens of the case being taken in. */
typedef struct {
    uint32_t *word, *place;
    uint32_t *next;                /* token of the same word, + 1; 0: none */
    uint32_t *places;              /* room for those of one word */
    uint32_t  n, cap;
    uint32_t *words, n_words, cap_words;      /* the distinct ones */
    uint32_t  column, offset;
    rs_status st;
} rs_case_tokens;

struct rs_postings {
    rs_db     *db;
    rs_tokens *tokens;

    /* Documents. */
    int64_t  *ids;                 /* case ids, [n_docs] */
    uint32_t *lengths;             /* in tokens */
    uint64_t *dead;                /* a bit each */
    uint32_t  n_docs, cap_docs, n_dead;
    uint32_t *doc_of;              /* by case id: its live document + 1; 0: none */
    size_t    cap_ids;
    uint64_t  live_tokens;

    /* Words. */
    rs_arena         names_mem;
    rs_strmap        names;        /* to list + 1 */
    const char     **name;         /* of each list */
    rs_posting_list *lists;
    uint32_t        *head, *tail;  /* of each list, while a case is taken in: token + 1 */
    uint32_t         n_lists, cap_lists;
    rs_case_tokens   now;

    /* Pieces and counts. */
    rs_arena   pieces_mem;
    rs_strmap  piece_names;        /* to piece + 1 */
    rs_piece **pieces;
    size_t     n_pieces, cap_pieces;
    rs_arena   counts_mem;
    rs_strmap  counts;             /* FTS5 expression -> cases */
    uint32_t   counts_docs, counts_dead;      /* that they are of */

    /* Following. */
    int64_t  data_version, changes;
    int64_t  seq;                  /* of case_changes taken in; -1: not begun */
    char     reading[80];          /* the tables that reports were read by then */
    int64_t  last_id;              /* cases up to it were taken in */
    int64_t *again;                /* of those, which are to be looked at again */
    size_t   n_again, cap_again;
    bool     current, given_up, made_anew;
};

static inline bool rs_bit(const uint64_t *bits, size_t i) { return bits[i / 64] >> i % 64 & 1; }
static inline void rs_bit_set(uint64_t *bits, size_t i) { bits[i / 64] |= (uint64_t)1 << i % 64; }

/* Let go of all. */
void rs_postings_forget(rs_postings *p);
/* Case `id` with its columns' texts, not yet there. RS_ENOMEM, RS_ELIMIT: the lists are
 * then only good for rs_postings_forget(). */
rs_status rs_postings_add(rs_postings *p, int64_t id, const char *const text[RS_TEXT_COUNT],
                          rs_err *err);
bool rs_postings_kill(rs_postings *p, int64_t id);      /* false: it is not there */
/* The list of a word, or NULL. */
const rs_posting_list *rs_postings_word(const rs_postings *p, const char *word);

/* The list of a term and of the parts that follow it, `parts` in all, as far as it was
 * made; NULL where a word of it is in no case. */
const rs_posting_list *rs_postings_list(rs_postings *p, const rs_term *terms, size_t parts,
                                        rs_arena *mem, bool *nomem);
/* Make it, or take in the documents that came since. */
rs_status rs_postings_piece(rs_postings *p, const rs_term *terms, size_t parts, rs_arena *mem,
                            bool *can, rs_err *err);
void   rs_postings_forget_pieces(rs_postings *p);
size_t rs_postings_piece_bytes(const rs_postings *p);
/* How many terms from k on are the parts of one. */
size_t rs_postings_parts(const rs_term *terms, size_t n, size_t k);
/* A bit for each column that is worth something. */
uint16_t rs_postings_columns(const double weight[RS_TEXT_COUNT]);
#endif
