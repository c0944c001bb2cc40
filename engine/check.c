/* check.c - an answer against its evidence: flags, support, what is shown. See check.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/check_int.h"

#include "base/bytes.h"
#include "engine/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char nothing[] = "Not enough evidence";
static const char nowhere[] = "None of the cases names ";

const char *rs_flag_name(rs_flag f)
{
    static const char *const names[] = {
#define FLAG_NAME(id, text) text,
        RS_FLAG_MAP(FLAG_NAME)
#undef FLAG_NAME
    };

    return (unsigned)f < RS_FLAGS ? names[f] : "";
}

rs_check_options rs_check_defaults(void)
{
    return (rs_check_options){.support = 0.6, .enough = 0.5, .policy = RS_CHECK_MARK};
}

/* ---- What the evidence is -------------------------------------------- */

/* Words that speak of cases, reports and comparing, whoever writes the answer. */
static const char frame_words[] =
    "case cases patient patients report reports reported image images imaging study studies "
    "evidence archive similar similarly show shows showed shown demonstrate demonstrates reveal "
    "reveals describe describes described see seen note notes noted find finds found finding "
    "findings present presents is are was were be been has have had this that these those there it "
    "its they them their as from which who whereas while also both likewise another other others "
    "each all one two three four five some most first second nearest compare compared comparison "
    "consistent compatible suggest suggests say says said report draft answer impression "
    "diagnosis diagnoses diagnosed not no without nor but however than into about over between "
    "affirmed negated ";

static rs_status add_frame(rs_checker *k, const char *text)
{
    rs_token *tokens;
    size_t n;
    rs_status st = rs_tokens_cut(rs_lexicon_tokens(k->l), text, strlen(text), k->mem, &tokens, &n,
                                 k->err);

    for (size_t i = 0; st == RS_OK && i < n; i++)
        if (strcmp(tokens[i].text, "left") != 0 && strcmp(tokens[i].text, "right") != 0 &&
            !rs_strmap_put(&k->frame, tokens[i].text, 1))
            st = rs_check_no_memory(k);
    return st;
}

static rs_status read_frame(rs_checker *k)
{
    static const char *const said[] = RS_SAY_ALL;
    rs_status st = add_frame(k, frame_words);

    for (size_t i = 0; st == RS_OK && i < sizeof said / sizeof *said; i++)
        st = add_frame(k, said[i]);
    return st;
}

static rs_status add_line(rs_checker *k, const char *text, size_t item, const rs_cited *cited)
{
    rs_line *line = &k->lines[k->n];
    rs_status st;

    if (!text || !*text)
        return RS_OK;
    st = rs_line_read(k, text, line);
    line->item = item;
    line->cited = cited;
    k->n += st == RS_OK;
    return st;
}

/* Its sentences, title, diagnoses and what is known of the patient. */
static rs_status add_item(rs_checker *k, const rs_context_item *item)
{
    const char *facts = rs_arena_sprintf(k->mem, "%s; %s; %s; %s; %s", item->modality ?
        item->modality : "", item->body_part ? item->body_part : "", item->view ? item->view : "",
        item->sex ? item->sex : "", item->age ? item->age : "");
    rs_status st = facts ? add_line(k, facts, item->number, NULL) : rs_check_no_memory(k);

    if (st == RS_OK)
        st = add_line(k, item->title, item->number, NULL);
    for (size_t i = 0; st == RS_OK && i < item->n_diagnoses; i++)
        st = add_line(k, item->diagnoses[i], item->number, NULL);
    for (size_t i = 0; st == RS_OK && i < item->n_sentences; i++)
        st = add_line(k, item->sentences[i].text, item->number, &item->sentences[i]);
    return st;
}

static rs_status read_evidence(rs_checker *k)
{
    size_t most = 0;
    rs_status st = read_frame(k);

    for (size_t i = 0; i < k->c->n; i++)
        most += 2 + k->c->items[i].n_diagnoses + k->c->items[i].n_sentences;
    k->lines = rs_new(k->mem, rs_line, most + 1);
    if (!k->lines)
        return rs_check_no_memory(k);
    for (size_t i = 0; st == RS_OK && i < k->c->n; i++)
        st = add_item(k, &k->c->items[i]);
    return st;
}

static bool is_cited(const size_t *cites, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++)
        if (cites[i] == item)
            return true;
    return false;
}

static rs_status cited_lines(const rs_checker *k, const size_t *cites, size_t n, rs_lines *out)
{
    *out = (rs_lines){rs_new(k->mem, const rs_line *, k->n + 1), 0};
    if (!out->rows)
        return rs_check_no_memory(k);
    for (size_t i = 0; i < k->n; i++)
        if (is_cited(cites, n, k->lines[i].item))
            out->rows[out->n++] = &k->lines[i];
    return RS_OK;
}

/* ---- Support --------------------------------------------------------- */

static bool line_has(const rs_line *e, const char *stem)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->tokens[i].text, stem) == 0)
            return true;
    return false;
}

static bool any_has(const rs_lines *cited, const char *stem)
{
    for (size_t i = 0; i < cited->n; i++)
        if (line_has(cited->rows[i], stem))
            return true;
    return false;
}

/* Is token `at` part of a finding that the cited name, in whatever words? */
static bool named(const rs_line *a, size_t at, const rs_lines *cited)
{
    for (size_t m = 0; m < a->n_mentions; m++) {
        if (a->tokens[at].begin < a->mentions[m].begin || a->tokens[at].end > a->mentions[m].end)
            continue;
        for (size_t i = 0; i < cited->n; i++)
            for (size_t k = 0; k < cited->rows[i]->n_mentions; k++)
                if (strcmp(cited->rows[i]->mentions[k].finding, a->mentions[m].finding) == 0)
                    return true;
    }
    return false;
}

/* Content words of a line, and how many of them the cited have. */
typedef struct { size_t content, held; const char *missing; } support;

static void add_support(const rs_line *a, const rs_lines *cited, support *s)
{
    for (size_t i = 0; i < a->n; i++) {
        if (!a->content[i])
            continue;
        s->content++;
        if (any_has(cited, a->tokens[i].text) || named(a, i, cited))
            s->held++;
        else if (!s->missing)
            s->missing = a->tokens[i].text;
    }
}

/* The cited sentence that has most of its words, for its share of others. */
static void find_nearest(const rs_line *a, const rs_lines *cited, double *best_share,
                         rs_checked *r)
{
    double best = *best_share;

    for (size_t i = 0; i < cited->n; i++) {
        const rs_line *e = cited->rows[i];
        size_t shared = 0;
        double share;
        for (size_t k = 0; k < a->n; k++)
            shared += a->content[k] && line_has(e, a->tokens[k].text);
        share = (double)shared / (1 + 0.05 * (double)e->n);
        if (shared && share > best) {
            best = share;
            r->item = e->item;
            r->nearest = e->cited;
        }
    }
    *best_share = best;
}

/* Half of what is missing, as far as a cited sentence is near in meaning: from a cosine of 0.5. */
static rs_status add_meaning(const rs_checker *k, const char *text, const rs_lines *cited,
                             rs_checked *r)
{
    const size_t dim = rs_encoder_dim(k->o->encoder);
    const char **texts = rs_new(k->mem, const char *, cited->n + 1);
    float *x = rs_new(k->mem, float, (cited->n + 1) * dim);
    double best = 0;
    rs_status st;

    if (!texts || !x)
        return rs_check_no_memory(k);
    texts[0] = text;
    for (size_t i = 0; i < cited->n; i++)
        texts[i + 1] = cited->rows[i]->text;
    st = rs_encoder_texts(k->o->encoder, texts, cited->n + 1, k->o->pool, x, NULL, k->err);
    for (size_t i = 1; st == RS_OK && i <= cited->n; i++) {
        double cosine = 0;
        for (size_t d = 0; d < dim; d++)
            cosine += (double)x[d] * (double)x[i * dim + d];
        best = cosine > best ? cosine : best;
    }
    if (st == RS_OK && best > 0.5)
        r->support += 0.5 * (1 - r->support) * (best > 1 ? 1 : (best - 0.5) / 0.5);
    return st;
}

/* ---- Counts ---------------------------------------------------------- */

static bool word_follows(const char *s, const char *word)
{
    while (*s == ' ')
        s++;
    return strncasecmp(s, word, strlen(word)) == 0;
}

/* "3 of 5 cases", "3 cases": takes such numbers out of the line's, and compares them. */
static void check_counts(const rs_checker *k, rs_line *a, rs_checked *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < a->n_amounts; i++) {
        const rs_amount *x = &a->amounts[i], *y = i + 1 < a->n_amounts ? x + 1 : NULL;
        const char *behind = x->token < a->n ? a->text + a->tokens[x->token].end : "";
        const double n = (double)r->sentence->n_cites, all = (double)k->c->n_cases;
        if (!x->word && !x->unit && y && !y->word && y->token == x->token + 2 &&
            word_follows(behind, "of ") &&
            word_follows(a->text + a->tokens[y->token].end, "case")) {
            if (x->value < n || x->value > n || y->value < all || y->value > all)
                rs_check_flag(r, RS_FLAG_COUNT, a->tokens[x->token].text);
            i++;
        } else if (!x->word && !x->unit && word_follows(behind, "case")) {
            if (x->value < n || x->value > n)
                rs_check_flag(r, RS_FLAG_COUNT, a->tokens[x->token].text);
        } else {
            a->amounts[kept++] = *x;
        }
    }
    a->n_amounts = kept;
}

/* ---- One sentence ---------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "None of the cases names x": flagged where one does. */
static void check_nowhere(const rs_line *a, const rs_lines *cited, rs_checked *r)
{
    for (size_t m = 0; m < a->n_mentions; m++)
        for (size_t i = 0; i < cited->n; i++)
            for (size_t k = 0; k < cited->rows[i]->n_mentions; k++)
                if (strcmp(cited->rows[i]->mentions[k].finding, a->mentions[m].finding) == 0)
                    rs_check_flag(r, RS_FLAG_NEGATION, a->mentions[m].finding);
}

static void check_citations(const rs_checker *k, rs_checked *r)
{
    const rs_sentence *s = r->sentence;

    if (r->claim && s->n_cites == 0)
        rs_check_flag(r, RS_FLAG_UNCITED, NULL);
    for (size_t i = 0; i < s->n_cites; i++)
        if (s->cites[i] < 1 || s->cites[i] > k->c->n)
            rs_check_flag(r, RS_FLAG_UNKNOWN, NULL);
}

/* Does it end like a heading: "Findings:"? */
static bool is_heading(const char *text)
{
    size_t len = strlen(text);

    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    return len && text[len - 1] == ':';
}

/* The end of a label of ours, "For meningioma: ", behind which a statement of its own
 * begins; 0 for none. */
static size_t own_label(const char *text)
{
    static const char *const labels[] = {"For ", "Against ", "Nearest case of another diagnosis:",
                                         "Of that case:", "Missing:", "Diagnosis in ",
                                         "Conclusion in "};

    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (begins(text, labels[i])) {
            const char *colon = strstr(text, ": ");
            return colon ? (size_t)(colon - text) + 2 : 0;
        }
    return 0;
}

/* What is gathered over the pieces of a sentence. */
typedef struct {
    rs_checker *k;
    rs_checked *r;
    size_t  *cites;  size_t n_cites;   /* that the next piece is checked against */
    bool     used;                     /* a piece was */
    support  s;
    double   share;                    /* of the nearest line */
} piece_check;

static rs_status check_line(piece_check *p, const char *text)
{
    rs_checker *k = p->k;
    rs_checked *r = p->r;
    rs_lines cited;
    rs_line a;
    rs_status st = rs_line_read(k, text, &a);

    if (st != RS_OK || (st = cited_lines(k, p->cites, p->n_cites, &cited)) != RS_OK)
        return st;
    check_counts(k, &a, r);
    if (cited.n == 0)
        return RS_OK;
    find_nearest(&a, &cited, &p->share, r);
    add_support(&a, &cited, &p->s);
    rs_check_mentions(&a, &cited, r);
    rs_check_states(&a, &cited, r);
    rs_check_sides(&a, &cited, r);
    rs_check_amounts(&a, &cited, r);
    return RS_OK;
}

/* Does a text say anything that could be wrong? */
static rs_status says_something(rs_checker *k, const char *text, bool *out)
{
    rs_line a;
    rs_status st = rs_line_read(k, text, &a);

    *out = false;
    for (size_t i = 0; st == RS_OK && i < a.n; i++)
        *out |= a.content[i] || a.sides[i] != RS_SIDE_NONE;
    *out |= st == RS_OK && a.n_amounts > 0;
    return st;
}

/* A piece is checked against its own citations and those before it that had nothing to say
 * ("Cases [1] and [2] show ..."); what stands behind the last ones, against those. */
static rs_status check_piece(piece_check *p, const rs_piece *piece)
{
    size_t label = own_label(piece->text);
    bool says;
    rs_status st = says_something(p->k, piece->text, &says);

    if (p->used && piece->n_cites && st == RS_OK) {
        p->n_cites = 0;
        p->used = false;
    }
    for (size_t i = 0; i < piece->n_cites; i++)
        p->cites[p->n_cites++] = piece->cites[i];
    if (st != RS_OK || !says)
        return st;
    p->used = true;
    if (label) {
        char *head = rs_arena_strndup(p->k->mem, piece->text, label);
        st = head ? check_line(p, head) : rs_check_no_memory(p->k);
    }
    return st == RS_OK ? check_line(p, piece->text + label) : st;
}

static rs_status check_pieces(rs_checker *k, rs_checked *r, piece_check *p)
{
    const rs_sentence *s = r->sentence;
    size_t most = 0;
    rs_status st = RS_OK;

    for (size_t i = 0; i < s->n_pieces; i++)
        most += s->pieces[i].n_cites;
    *p = (piece_check){.k = k, .r = r, .cites = rs_new(k->mem, size_t, most + 1)};
    if (!p->cites)
        return rs_check_no_memory(k);
    for (size_t i = 0; st == RS_OK && i < s->n_pieces; i++)
        st = check_piece(p, &s->pieces[i]);
    return st;
}

static rs_status check_absence(rs_checker *k, rs_checked *r)
{
    rs_lines cited;
    rs_line a;
    rs_status st = rs_line_read(k, r->sentence->bare, &a);

    if (st == RS_OK)
        st = cited_lines(k, r->sentence->cites, r->sentence->n_cites, &cited);
    if (st == RS_OK)
        check_nowhere(&a, &cited, r);
    return st;
}

static rs_status check_sentence(rs_checker *k, rs_checked *r)
{
    const rs_sentence *s = r->sentence;
    rs_lines cited;
    piece_check p;
    bool says;
    rs_status st = says_something(k, s->bare, &says);

    r->support = 1;
    r->claim = says && !is_heading(s->bare) && !begins(s->bare, nothing);
    check_citations(k, r);
    if (st != RS_OK || !r->claim || s->n_cites == 0)
        return st;
    if (begins(s->bare, nowhere))
        return check_absence(k, r);
    if ((st = check_pieces(k, r, &p)) != RS_OK ||
        (st = cited_lines(k, s->cites, s->n_cites, &cited)) != RS_OK)
        return st;
    r->support = p.s.content ? (double)p.s.held / (double)p.s.content : 1;
    if (k->o->encoder && r->support < 1 && (st = add_meaning(k, s->bare, &cited, r)) != RS_OK)
        return st;
    if (r->support < k->o->support)
        rs_check_flag(r, RS_FLAG_UNSUPPORTED, p.s.missing);
    return RS_OK;
}

/* ---- What is shown --------------------------------------------------- */

static void put_marked(rs_buf *b, const rs_checked *r)
{
    rs_buf_puts(b, r->sentence->text);
    for (int f = 0; f < RS_FLAGS; f++)
        if (r->flags >> f & 1)
            rs_buf_printf(b, "%s%s", r->flags & ((1u << f) - 1) ? ", " : " (?",
                          rs_flag_name((rs_flag)f));
    if (r->flags)
        rs_buf_putc(b, ')');
}

static rs_status show(const rs_check_options *o, rs_arena *mem, rs_verified *out, rs_err *err)
{
    rs_buf b = {0};

    if (!out->enough)
        rs_buf_printf(&b, "%s: %zu of %zu statements hold.", nothing, out->held, out->claims);
    for (size_t i = 0; out->enough && i < out->n; i++) {
        if (out->rows[i].flags && o->policy == RS_CHECK_WITHHOLD)
            continue;
        if (b.len)
            rs_buf_putc(&b, '\n');
        put_marked(&b, &out->rows[i]);
    }
    out->text = b.failed ? NULL : rs_arena_strdup(mem, b.data ? b.data : "");
    rs_buf_clear(&b);
    return out->text ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory for a checked answer");
}

/* Do so many of its claims hold that it may be shown? */
static bool enough_holds(const rs_verified *v, const rs_check_options *o)
{
    return v->claims > 0 && (double)v->held >= o->enough * (double)v->claims;
}

rs_status rs_check(const rs_lexicon *l, const rs_context *c, const rs_answer *answer,
                   const rs_check_options *o, rs_arena *mem, rs_verified *out, rs_err *err)
{
    rs_checker k = {.l = l, .c = c, .o = o, .mem = mem, .err = err, .frame = {.mem = mem}};
    rs_checked *rows = rs_new(mem, rs_checked, answer->n + 1);
    bool refused = false;
    rs_status st = rows ? read_evidence(&k) : rs_check_no_memory(&k);

    *out = (rs_verified){.rows = rows, .n = answer->n};
    for (size_t i = 0; st == RS_OK && i < answer->n; i++) {
        rows[i].sentence = &answer->sentences[i];
        st = check_sentence(&k, &rows[i]);
        out->claims += rows[i].claim;
        out->held += rows[i].claim && !rows[i].flags;
        refused |= begins(answer->sentences[i].bare, nothing);
    }
    out->enough = refused || enough_holds(out, o);
    if (st == RS_OK)
        st = show(o, mem, out, err);
    out->enough = out->enough && !refused;       /* an answer that says so is shown as it is */
    return st;
}

rs_status rs_check_add(rs_verified *v, const unsigned *flags, const rs_check_options *o,
                       rs_arena *mem, rs_err *err)
{
    rs_checked *rows;

    if (!v->enough)
        return RS_OK;                            /* nothing of it is shown */
    rows = rs_new(mem, rs_checked, v->n + 1);
    if (!rows)
        return rs_fail(err, RS_ENOMEM, "no memory for a checked answer");
    v->held = 0;
    for (size_t i = 0; i < v->n; i++) {
        rows[i] = v->rows[i];
        rows[i].flags |= flags[i];
        v->held += rows[i].claim && !rows[i].flags;
    }
    v->rows = rows;
    v->enough = enough_holds(v, o);
    return show(o, mem, v, err);
}
