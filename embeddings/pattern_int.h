/* pattern_int.h - the few regular expressions that tokenizer files hold.
 *
 * A row of items, each a character, an escape or a class, of which the last may repeat:
 *
 *   " {2,}"    "\s+"    "[!\"#$%&'()*+,\-.\/:;<=>?@\[\\\]^_`{|}~]"    "  +"    "``"
 *
 *   escapes    \s \S \d \D \t \n \r \f \v, \ before a sign: itself
 *   class      [abc], [a-z], [^...], escapes inside; "[" and "&&" inside must be escaped
 *   repeats    + {n} {n,} {n,m} of the last item, as many as there are
 *
 * So a match never goes back and time is linear. Whatever else (groups, |, *, anchors,
 * \w, \p) is refused. Meanings are Oniguruma's, which the tokenizers library runs: \s is
 * Unicode's White_Space, \d its decimal digits.
 *
 * Private to embeddings/. Any thread may read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PATTERN_INT_H
#define RS_EMBEDDINGS_PATTERN_INT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RS_PATTERN_ITEMS = 32, RS_PATTERN_RANGES = 256 };

typedef struct { uint32_t first, last; } rs_code_range;

typedef struct {
    uint16_t from, n;            /* its ranges in rs_pattern.range */
    bool negated, space, digit, not_space, not_digit;
    uint64_t ascii[2];           /* whether each ASCII character fits, of all the above */
} rs_pattern_item;

typedef struct {
    rs_pattern_item item[RS_PATTERN_ITEMS];
    rs_code_range range[RS_PATTERN_RANGES];
    size_t n_items, n_ranges;
    size_t least, most;          /* of the last item */
} rs_pattern;

/* RS_EFORMAT, naming `where` and the place, for what is not of this kind. */
rs_status rs_pattern_read(rs_pattern *p, const char *text, size_t len, const char *where,
                          rs_err *err);
/* A pattern that matches `text` as it stands; RS_ELIMIT where it is too long. */
rs_status rs_pattern_literal(rs_pattern *p, const char *text, size_t len, const char *where,
                             rs_err *err);
/* Bytes of the match that text[0..len) begins with, 0 if none. */
size_t rs_pattern_match(const rs_pattern *p, const char *text, size_t len);

#endif
