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

static rs_status cited_lines(const rs_checker *k, const rs_sentence *s, rs_lines *out)
{
    *out = (rs_lines){rs_new(k->mem, const rs_line *, k->n + 1), 0};
    if (!out->rows)
        return rs_check_no_memory(k);
    for (size_t i = 0; i < k->n; i++)
        for (size_t c = 0; c < s->n_cites; c++)
            if (k->lines[i].item == s->cites[c])
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

static double support_of(const rs_line *a, const rs_lines *cited, size_t *content,
                         const char **missing)
{
    size_t held = 0;

    *content = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (!a->content[i])
            continue;
        ++*content;
        if (any_has(cited, a->tokens[i].text) || named(a, i, cited))
            held++;
        else if (!*missing)
            *missing = a->tokens[i].text;
    }
    return *content ? (double)held / (double)*content : 1;
}

/* The cited sentence that has most of its words, for its share of others. */
static void find_nearest(const rs_line *a, const rs_lines *cited, rs_checked *r)
{
    double best = 0;

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
}

/* Half of what is missing, as far as a cited sentence is near in meaning: from a cosine of 0.5. */
static rs_status add_meaning(const rs_checker *k, const rs_line *a, const rs_lines *cited,
                             rs_checked *r)
{
    const size_t dim = rs_encoder_dim(k->o->encoder);
    const char **texts = rs_new(k->mem, const char *, cited->n + 1);
    float *x = rs_new(k->mem, float, (cited->n + 1) * dim);
    double best = 0;
    rs_status st;

    if (!texts || !x)
        return rs_check_no_memory(k);
    texts[0] = a->text;
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

static rs_status check_sentence(rs_checker *k, rs_checked *r)
{
    const rs_sentence *s = r->sentence;
    const char *missing = NULL;
    rs_lines cited;
    rs_line a;
    size_t content;
    rs_status st = rs_line_read(k, s->bare, &a);

    if (st != RS_OK || (st = cited_lines(k, s, &cited)) != RS_OK)
        return st;
    r->support = support_of(&a, &cited, &content, &missing);
    r->claim = (content > 0 || a.n_amounts > 0) && !is_heading(s->bare) &&
               !begins(s->bare, nothing);
    if (begins(s->bare, nothing))
        r->support = 1;
    check_citations(k, r);
    if (!r->claim || s->n_cites == 0)
        return RS_OK;
    check_counts(k, &a, r);
    if (begins(s->bare, nowhere)) {
        r->support = 1;
        check_nowhere(&a, &cited, r);
        return RS_OK;
    }
    find_nearest(&a, &cited, r);
    if (k->o->encoder && r->support < 1 && (st = add_meaning(k, &a, &cited, r)) != RS_OK)
        return st;
    if (r->support < k->o->support)
        rs_check_flag(r, RS_FLAG_UNSUPPORTED, missing);
    rs_check_mentions(&a, &cited, r);
    rs_check_states(&a, &cited, r);
    rs_check_sides(&a, &cited, r);
    rs_check_amounts(&a, &cited, r);
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

static rs_status show(const rs_checker *k, rs_verified *out)
{
    rs_buf b = {0};

    if (!out->enough)
        rs_buf_printf(&b, "%s: %zu of %zu statements hold.", nothing, out->held, out->claims);
    for (size_t i = 0; out->enough && i < out->n; i++) {
        if (out->rows[i].flags && k->o->policy == RS_CHECK_WITHHOLD)
            continue;
        if (b.len)
            rs_buf_putc(&b, '\n');
        put_marked(&b, &out->rows[i]);
    }
    out->text = b.failed ? NULL : rs_arena_strdup(k->mem, b.data ? b.data : "");
    rs_buf_clear(&b);
    return out->text ? RS_OK : rs_check_no_memory(k);
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
    out->enough = refused || (out->claims > 0 && (double)out->held >=
                                                 o->enough * (double)out->claims);
    if (st == RS_OK)
        st = show(&k, out);
    out->enough = out->enough && !refused;       /* an answer that says so is shown as it is */
    return st;
}
