/* context_text.c - a context as lines for a generator and as JSON. See context.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/context_int.h"

#include "base/bytes.h"

#include <string.h>

/* In `mem`; NULL where the buffer or the arena had no memory. */
static const char *settle(rs_buf *b, rs_arena *mem)
{
    const char *text = b->failed ? NULL : rs_arena_strdup(mem, b->data ? b->data : "");

    rs_buf_clear(b);
    return text;
}

/* ---- Lines ----------------------------------------------------------- */

/* "left effusion 3 cm". */
static void put_mention(rs_buf *b, const rs_mention *m)
{
    const char *side = rs_side_name(m->side);

    if (side && !strstr(m->finding, side))
        rs_buf_printf(b, "%s ", side);
    rs_buf_puts(b, m->finding);
    if (m->unit)
        rs_buf_printf(b, " %g %s", m->size, m->unit);
}

static bool same_claim(const rs_mention *a, const rs_mention *b)
{
    return a->state == b->state && a->side == b->side && strcmp(a->finding, b->finding) == 0 &&
           a->size >= b->size && a->size <= b->size;
}

const char *rs_cited_says(const rs_cited *c, rs_arena *mem)
{
    rs_buf b = {0};

    for (int state = 0; state < RS_STATE_COUNT; state++) {
        bool first = true;
        for (size_t i = 0; i < c->n_mentions; i++) {
            bool said = false;
            for (size_t k = 0; k < i && !said; k++)
                said = same_claim(&c->mentions[k], &c->mentions[i]);
            if (said || c->mentions[i].state != (rs_state)state)
                continue;
            if (first)
                rs_buf_printf(&b, "%s%s: ", b.len ? "; " : "", rs_state_name((rs_state)state));
            else
                rs_buf_puts(&b, ", ");
            put_mention(&b, &c->mentions[i]);
            first = false;
        }
    }
    if (!b.len && c->state != RS_STATE_AFFIRMED)
        rs_buf_puts(&b, rs_state_name(c->state));
    return settle(&b, mem);
}

const char *rs_context_line(const rs_cited *c, rs_arena *mem)
{
    const char *says = rs_cited_says(c, mem);

    if (!says)
        return NULL;
    return rs_arena_sprintf(mem, "  > %s %zu-%zu: %s%s%s%s\n", c->section ? c->section : "text",
                            c->begin, c->end, c->text, *says ? " (" : "", says, *says ? ")" : "");
}

static void put_fact(rs_buf *b, const char *fact)
{
    if (fact && *fact)
        rs_buf_printf(b, "; %s", fact);
}

const char *rs_context_item_head(const rs_context_item *item, rs_arena *mem)
{
    rs_buf b = {0};

    rs_buf_printf(&b, "[%zu] case %s%s", item->number, item->key,
                  item->contrast ? " (for contrast: another diagnosis)" : "");
    put_fact(&b, item->modality);
    put_fact(&b, item->body_part);
    put_fact(&b, item->view);
    put_fact(&b, item->sex);
    put_fact(&b, item->age);
    if (item->tier != RS_TIER_UNKNOWN)
        rs_buf_printf(&b, "; diagnosis %s", rs_tier_name(item->tier));
    for (size_t i = 0; i < item->n_diagnoses; i++)
        rs_buf_printf(&b, "%s%s", i ? ", " : "; diagnosis: ", item->diagnoses[i]);
    if (item->n_folded)
        rs_buf_printf(&b, "; stands for %zu more like it", item->n_folded);
    rs_buf_putc(&b, '\n');
    return settle(&b, mem);
}

const char *rs_context_item_text(const rs_context_item *item, rs_arena *mem)
{
    const char *head = rs_context_item_head(item, mem);
    rs_buf b = {0};

    if (!head)
        return NULL;
    rs_buf_puts(&b, head);
    for (size_t i = 0; i < item->n_sentences; i++) {
        const char *line = rs_context_line(&item->sentences[i], mem);
        if (line)
            rs_buf_puts(&b, line);
        else
            b.failed = true;
    }
    return settle(&b, mem);
}

const char *rs_context_text(const rs_context *c, rs_arena *mem)
{
    rs_buf b = {0};

    rs_buf_printf(&b, "%s\n", c->fence);
    for (size_t i = 0; i < c->n; i++) {
        const char *text = rs_context_item_text(&c->items[c->order[i]], mem);
        if (text)
            rs_buf_puts(&b, text);
        else
            b.failed = true;
    }
    rs_buf_printf(&b, "%s\n", c->fence);
    return settle(&b, mem);
}

/* ---- JSON ------------------------------------------------------------ */

static json_t *text_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

static json_t *strings(const char *const *list, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, json_string(list[i]));
    return out;
}

static json_t *json_mention(const rs_mention *m)
{
    return json_pack("{s:s,s:s,s:o,s:o,s:o}", "finding", m->finding, "state",
                     rs_state_name(m->state), "side", text_or_null(rs_side_name(m->side)),
                     "size", m->unit ? json_real(m->size) : json_null(),
                     "unit", text_or_null(m->unit));
}

static json_t *json_sentence(const rs_cited *c)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < c->n_mentions; i++)
        json_array_append_new(findings, json_mention(&c->mentions[i]));
    return json_pack("{s:o,s:I,s:I,s:s,s:s,s:o,s:f}", "section", text_or_null(c->section),
                     "begin", (json_int_t)c->begin, "end", (json_int_t)c->end, "text", c->text,
                     "state", rs_state_name(c->state), "findings", findings,
                     "agreement", c->agreement);
}

static json_t *json_item(const rs_context_item *i)
{
    json_t *passages = json_array();

    for (size_t k = 0; k < i->n_sentences; k++)
        json_array_append_new(passages, json_sentence(&i->sentences[k]));
    return json_pack("{s:I,s:s,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:f,s:o,s:o,s:o,s:o}",
                     "n", (json_int_t)i->number, "case", i->key, "contrast", (int)i->contrast,
                     "title", text_or_null(i->title), "modality", text_or_null(i->modality),
                     "body_part", text_or_null(i->body_part), "view", text_or_null(i->view),
                     "sex", text_or_null(i->sex), "age", text_or_null(i->age),
                     "tier", rs_tier_name(i->tier), "score", i->score,
                     "diagnoses", strings(i->diagnoses, i->n_diagnoses), "passages", passages,
                     "image", text_or_null(i->image), "folded", strings(i->folded, i->n_folded));
}

json_t *rs_verdict_json(const rs_verdict *v)
{
    static const char *const verdicts[] = {"unknown", "similar", "nothing similar enough"};
    json_t *typical = json_object();

    for (int p = 0; p < RS_PROBE_COUNT; p++)
        if (v->typical[p] >= 0)
            json_object_set_new(typical, rs_probe_name((rs_probe)p), json_real(v->typical[p]));
    return json_pack("{s:s,s:f,s:o}", "verdict", verdicts[v->kind], "false_alarm", v->false_alarm,
                     "typical", typical);
}

json_t *rs_context_json(const rs_context *c, rs_arena *mem)
{
    json_t *evidence = json_array(), *order = json_array(), *examples = json_array();
    const char *text = rs_context_text(c, mem);

    for (size_t i = 0; i < c->n; i++) {
        json_array_append_new(evidence, json_item(&c->items[i]));
        json_array_append_new(order, json_integer((json_int_t)c->items[c->order[i]].number));
    }
    for (size_t i = 0; i < c->n_examples; i++)
        json_array_append_new(examples, json_pack("{s:I,s:s,s:s}",
            "n", (json_int_t)c->examples[i].number, "findings", c->examples[i].findings,
            "impression", c->examples[i].impression));
    return json_pack("{s:s,s:I,s:I,s:I,s:s,s:o,s:o,s:o,s:o,s:o}", "question", c->question,
                     "budget", (json_int_t)c->budget, "tokens", (json_int_t)c->tokens,
                     "cases", (json_int_t)c->n_cases, "end", c->end,
                     "similarity", rs_verdict_json(&c->verdict), "evidence", evidence,
                     "order", order, "examples", examples, "text", text_or_null(text));
}
