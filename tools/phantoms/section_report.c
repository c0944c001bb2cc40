/* section_report.c - see section_report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "section_report.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>


/* ---- Words for numbers ----------------------------------------------- */

const char *sec_mm_words(double mm)
{
    static const char *const words[200] = {
#define U(d) d " mm"
#define ROW(t) U(t "0"), U(t "1"), U(t "2"), U(t "3"), U(t "4"), U(t "5"), U(t "6"), U(t "7"), \
               U(t "8"), U(t "9")
        ROW(""), ROW("1"), ROW("2"), ROW("3"), ROW("4"), ROW("5"), ROW("6"), ROW("7"),
        ROW("8"), ROW("9"), ROW("10"), ROW("11"), ROW("12"), ROW("13"), ROW("14"), ROW("15"),
        ROW("16"), ROW("17"), ROW("18"), ROW("19"),
#undef U
    };
    size_t i = mm <= 1.0 ? 1 : mm >= 199.0 ? 199 : (size_t)(mm + 0.5);

    return words[i];
}

const char *sec_cm_words(double mm)
{
    static const char *const words[200] = {
#define U(d) d " cm"
        ROW("0."), ROW("1."), ROW("2."), ROW("3."), ROW("4."), ROW("5."), ROW("6."), ROW("7."),
        ROW("8."), ROW("9."), ROW("10."), ROW("11."), ROW("12."), ROW("13."), ROW("14."),
        ROW("15."), ROW("16."), ROW("17."), ROW("18."), ROW("19."),
#undef U
    };
    size_t i = mm <= 1.0 ? 1 : mm >= 199.0 ? 199 : (size_t)(mm + 0.5);

    return words[i];
}

const char *sec_size_word(double x, double lo, double hi)
{
    double share = (x - lo) / (hi - lo);

    return share < 1.0 / 3.0 ? "small" : share < 2.0 / 3.0 ? "moderate" : "large";
}

const char *sec_grade_word(const char *size)
{
    return strcmp(size, "small") == 0 ? "mild" : strcmp(size, "large") == 0 ? "severe" : "moderate";
}

const char *sec_side_word(int side)
{
    return side > 0 ? "left" : side < 0 ? "right" : "";
}

/* ---- The report ------------------------------------------------------ */

/* Up to k sentences in random order, none about a topic dealt with. */
static void say_true(rs_buf *out, ph_prose *p, const sec_sentence *list, size_t n, size_t k,
                     unsigned *dealt)
{
    size_t order[32];

    assert(n <= ph_count(order));
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    rs_random_shuffle(&p->r, order, n);
    for (size_t i = 0; i < n && k > 0; i++) {
        const sec_sentence *one = &list[order[i]];

        if (one->topics & *dealt)
            continue;
        *dealt |= one->topics;
        ph_say(out, p, one->text);
        k--;
    }
}

static void say_findings(rs_buf *out, ph_prose *p, const sec_style *style, const sec_words *w)
{
    unsigned dealt = w ? w->family : 0;
    size_t normal = 1 + rs_random_below(&p->r, 3), negative = rs_random_below(&p->r, 3);

    if (rs_random_below(&p->r, 2))
        ph_say(out, p, style->technique);
    if (!w) {
        normal += 2;
        negative += 1;
    }
    bool early = rs_random_below(&p->r, 4) != 0;        /* the finding comes first */
    if (w && early)
        ph_say(out, p, w->findings);
    say_true(out, p, style->normal, style->n_normal, normal, &dealt);
    if (w && !early)
        ph_say(out, p, w->findings);
    say_true(out, p, style->negative, style->n_negative, negative, &dealt);
}

rs_status sec_report(ph_case *c, const sec_style *style, const sec_words *w, ph_prose *p,
                     rs_err *err)
{
    rs_buf history = {0}, findings = {0}, impression = {0}, caption = {0};
    bool plain = w && w->noun[0] == '+';
    char *noun = w ? ph_expand(p, w->noun + plain) : NULL;

    if (noun) {
        /* tidying capitalised it; inside a sentence it starts small */
        if (noun[0] >= 'A' && noun[0] <= 'Z' && !(noun[1] >= 'A' && noun[1] <= 'Z'))
            noun[0] = (char)(noun[0] - 'A' + 'a');
        ph_set(p, "noun", noun);
    }
    ph_say(&history, p, w ? w->history : style->normal_history);
    say_findings(&findings, p, style, w);
    ph_set(p, "study", style->study);
    ph_say(&impression, p, w ? w->impression : style->normal_impression);
    ph_set(p, "article", plain ? "" : "a");
    ph_say(&caption, p, w ? "{study} {showing*2|demonstrating|with} {article} {noun}."
                          : style->normal_caption);
    bool failed = (w && !noun) || history.failed || findings.failed || impression.failed ||
                  caption.failed;
    c->history = rs_buf_take(&history);
    c->findings_text = rs_buf_take(&findings);
    c->impression = rs_buf_take(&impression);
    c->caption = rs_buf_take(&caption);
    ph_set(p, "noun", "");
    rs_free(noun);
    return failed || !c->history || !c->findings_text || !c->impression || !c->caption
               ? rs_fail(err, RS_ENOMEM, "a report: no memory") : RS_OK;
}
