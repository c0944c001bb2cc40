/* posting_list.h - where one word stands: documents ascending, with how often, in which
 * columns and at which places. Grows at its end; what was written stays as it is.
 *
 *   full blocks of 128 documents, packed      a tail of up to 127, one after another
 *   [gaps | counts - 1 | columns | places]    doc, count, places ...
 *
 * Gaps, counts and columns take as many bits each as the block's largest needs (none where
 * all are the same; gaps whole bytes from 5 bits on), a place 2 bytes where column and
 * offset fit, else 4. Beside each block
 * stands what no document of it exceeds: how often the word is there at most, and the
 * shortest document that has it once, twice, three times, more often: whatever columns are
 * worth, no score of the block can be above that of these four (Ding, Suel, SIGIR 2011:
 * "block-max"; four pairs instead of one maximum as in Mallia et al., SIGIR 2017).
 *
 * One thread at a time; several may read one that does not grow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_POSTING_LIST_H
#define RS_ENGINE_POSTING_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RS_POSTING_BLOCK = 128, RS_POSTING_PAIRS = 4, RS_POSTING_MAX_COLUMNS = 9 };

/* A place: its column above 28 bits of offset, so that places of a row ascend. */
#define RS_PLACE(column, offset) ((uint32_t)(column) << 28 | (uint32_t)(offset))
#define RS_PLACE_COLUMN(place) ((place) >> 28)
#define RS_PLACE_OFFSET(place) ((place) & 0x0fffffffu)

typedef struct {
    uint32_t first, last;          /* documents */
    uint32_t at;                   /* where its bytes begin */
    uint32_t most;                 /* how often it is there at most */
    uint16_t shortest[RS_POSTING_PAIRS];   /* length of the shortest document with 1, 2, 3,
                                              more; UINT16_MAX: there is none */
    uint16_t columns;              /* of any of its places, a bit each */
    uint8_t  gap_bits, count_bits, column_bits;
    bool     wide;                 /* places of 4 bytes */
} rs_posting_block;

/* {0} is an empty one. */
typedef struct {
    uint32_t          n;           /* documents */
    uint32_t          n_blocks, cap_blocks;
    uint32_t          len, cap;    /* bytes */
    uint32_t          n_tail;      /* documents in the tail */
    uint32_t          tail_len, tail_cap;
    rs_posting_block *blocks;
    uint8_t          *bytes;
    uint32_t         *tail;
    rs_posting_block  open;        /* what no document of the tail exceeds */
} rs_posting_list;

void   rs_posting_clear(rs_posting_list *l);
size_t rs_posting_bytes(const rs_posting_list *l);       /* of memory */

/* Add `doc`, which is above all before and `length` tokens long, with n >= 1 places,
 * ascending. False on OOM, or beyond 4 GiB; the list is then only good for clearing. */
bool rs_posting_add(rs_posting_list *l, uint32_t doc, uint32_t length, const uint32_t *places,
                    uint32_t n);

/* Blocks, the tail being the last of them where there is one. */
size_t rs_posting_parts(const rs_posting_list *l);
const rs_posting_block *rs_posting_part(const rs_posting_list *l, size_t part);
/* The first part whose last document is `doc` or above it; rs_posting_parts() if none. */
size_t rs_posting_seek(const rs_posting_list *l, uint32_t doc);

/* A part, unpacked. */
typedef struct {
    uint32_t    n;
    uint32_t    doc[RS_POSTING_BLOCK], count[RS_POSTING_BLOCK];
    uint16_t    columns[RS_POSTING_BLOCK];
    uint32_t    start[RS_POSTING_BLOCK];   /* where a document's places begin, once `placed` */
    const void *places;
    bool        placed, wide;
} rs_posting_page;

void rs_posting_read(const rs_posting_list *l, size_t part, rs_posting_page *out);
/* Place k, below count[i], of document i. */
uint32_t rs_posting_place(rs_posting_page *p, uint32_t i, uint32_t k);
/* The first document of the page that is `doc` or above it: an index, n if none. */
uint32_t rs_posting_find(const rs_posting_page *p, uint32_t doc);

/* A list being looked into, anywhere in it: the page looked at last is kept. */
typedef struct {
    const rs_posting_list *list;   /* set by the caller, the rest zero */
    size_t          part;          /* that `page` is of, + 1; 0: none yet */
    uint32_t        i;             /* where in the page */
    rs_posting_page page;
} rs_posting_cursor;

/* Is `doc` in the list? Then it is cursor->page.doc[cursor->i]. */
bool rs_posting_goto(rs_posting_cursor *c, uint32_t doc);

#endif
