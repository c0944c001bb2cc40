/* lexicon_int.h - what a lexicon is made of; inside engine/ only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_ENGINE_LEXICON_INT_H
#define RS_ENGINE_LEXICON_INT_H

#include "engine/lexicon.h"

#include "base/hash.h"
#include "engine/strmap.h"

#define RS_NO_TERM UINT32_MAX

/* How far apart the parts of a term may stand: as FTS5's NEAR counts, tokens between. */
enum { RS_TERM_NEAR = 5, RS_TRIGGER_MAX_TOKENS = 8 };

typedef enum { RS_LINK_UP, RS_LINK_SAME, RS_LINK_RELATED, RS_LINK_NARROWER } rs_link_kind;

typedef struct {
    rs_link_kind kind;
    uint32_t     to;
    double       weight;
    uint32_t     next;             /* of the same term; RS_NO_TERM ends */
} rs_link;

typedef struct {
    rs_lexicon_term term;
    rs_term_kind    kind;
    uint32_t        links;         /* the first, or RS_NO_TERM */
    uint32_t        same_bag;      /* another term of the same words, or RS_NO_TERM */
} rs_term_entry;

/* Terms whose part begins with the same token, for rs_lexicon_mention. */
typedef struct { uint32_t term, part, next; } rs_part_entry;

typedef struct { const char *british, *american; } rs_spelling;

struct rs_lexicon {
    rs_arena       mem;
    rs_tokens     *tokens;
    char           digest[RS_SHA256_HEX];
    rs_strmap      headings;       /* heading -> index into sections */
    const char   **sections;       size_t n_sections, cap_sections;
    rs_strmap      trigger_of;     /* tokens joined by blanks -> index into triggers */
    rs_trigger    *triggers;       size_t n_triggers, cap_triggers;
    rs_strmap      trigger_begins; /* first tokens, so that most words are passed quickly */
    rs_strmap      term_of;        /* parts and tokens joined -> index into terms */
    rs_strmap      bag_of;         /* sorted tokens -> the first such term */
    rs_term_entry *terms;          size_t n_terms, cap_terms;
    rs_link       *links;          size_t n_links, cap_links;
    rs_strmap      part_begins;    /* first token of a part -> index into parts */
    rs_part_entry *parts;          size_t n_parts, cap_parts;
    rs_spelling   *spellings;      size_t n_spellings, cap_spellings;
};

/* One file of text into the tables. */
rs_status rs_lexicon_read_headings(rs_lexicon *l, const char *name, const char *text, rs_err *err);
rs_status rs_lexicon_read_context(rs_lexicon *l, const char *name, const char *text, rs_err *err);
rs_status rs_lexicon_read_terms(rs_lexicon *l, const char *name, const char *text, rs_err *err);
rs_status rs_lexicon_read_spelling(rs_lexicon *l, const char *name, const char *text, rs_err *err);

/* The key of a bag of stems, small words left out, sorted; "" where nothing is left or
 * it is too long. */
enum { RS_BAG_KEY = 400 };
void rs_bag_key(const char *const *stems, size_t n, char key[RS_BAG_KEY]);

/* The files built in. */
typedef struct { const char *name; const unsigned char *bytes; size_t len; } rs_lexicon_file;
extern const rs_lexicon_file rs_lexicon_files[];

#endif
