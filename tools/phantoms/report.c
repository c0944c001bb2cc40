/* report.c - see report.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <assert.h>

static void say_texts(rs_buf *out, ph_prose *p, ph_texts t)
{
    if (t.n)
        ph_say_one(out, p, t.text, t.n);
}

/* Between least and most of the normals that the finding leaves standing; none speaks
 * of a topic that another has dealt with. */
static void say_normals(rs_buf *out, ph_prose *p, const ph_reporter *w, unsigned silences)
{
    size_t order[64], wanted = w->least + rs_random_below(&p->r, w->most - w->least + 1);

    assert(w->n_normals <= ph_count(order));
    for (size_t i = 0; i < w->n_normals; i++)
        order[i] = i;
    rs_random_shuffle(&p->r, order, w->n_normals);
    for (size_t i = 0; i < w->n_normals && wanted > 0; i++) {
        const ph_normal *normal = &w->normals[order[i]];

        if (normal->topics & silences)
            continue;
        silences |= normal->topics;
        ph_say(out, p, normal->text);
        wanted--;
    }
}

static void say_findings(rs_buf *out, ph_prose *p, const ph_reporter *w, const ph_script *s)
{
    static const char comparison[] =
        "{No prior studies are available for comparison.|No previous imaging.|Compared with the "
        "previous examination, {this is new|there has been progression}.|New since the previous "
        "examination.}";
    bool first = rs_random_below(&p->r, 3) > 0;

    if (rs_random_below(&p->r, 3) == 0)
        say_texts(out, p, w->technique);
    if (s && first)
        say_texts(out, p, s->said);
    if (!s)
        say_texts(out, p, w->normal.said);
    say_normals(out, p, w, s ? s->silences : 0);
    if (s && !first)
        say_texts(out, p, s->said);
    if (s && rs_random_below(&p->r, 5) == 0)
        ph_say(out, p, comparison);
}

static void say_caption(rs_buf *out, ph_prose *p, const ph_reporter *w, const ph_script *s)
{
    static const char *const patterns[] = {
        "{caption_study} {with|showing|demonstrating} {named}.",
        "{caption_study} {with|showing} {named}.",
        "{caption_study} {of|in} a {age} {sex} {with|showing} {named}.",
        "{named} on {a|} {caption_study}.",
        "{caption_study}: {named}.",
    };

    ph_set(p, "caption_study", w->caption_study ? w->caption_study : "{study}");
    ph_texts named = s ? s->named : w->normal.named;

    ph_set(p, "named", named.text[rs_random_below(&p->r, named.n)]);
    ph_say_one(out, p, patterns, ph_count(patterns));
}

rs_status ph_write_report(ph_case *c, ph_prose *p, const ph_reporter *w, const ph_script *s,
                          rs_err *err)
{
    rs_buf history = {0}, findings = {0}, impression = {0}, caption = {0};

    say_texts(&history, p, s ? s->history : w->normal.history);
    say_findings(&findings, p, w, s);
    say_texts(&impression, p, s ? s->concluded : w->normal.concluded);
    say_caption(&caption, p, w, s);
    c->history = rs_buf_take(&history);
    c->findings_text = rs_buf_take(&findings);
    c->impression = rs_buf_take(&impression);
    c->caption = rs_buf_take(&caption);
    if (!c->history || !c->findings_text || !c->impression || !c->caption)
        return rs_fail(err, RS_ENOMEM, "report: no memory");
    return RS_OK;
}
