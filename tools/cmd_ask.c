/* cmd_ask.c - radscout ask ARCHIVE [--text T] [--image F] ...: a cited answer, checked.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ask_generator.h"
#include "ask_query.h"
#include "base/bytes.h"
#include "commands.h"
#include "engine/check.h"
#include "engine/extract.h"
#include "engine/prompts.h"
#include "lexicon_folder.h"
#include "model.h"
#include "server/wire_answer.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 96, MAX_ANSWER = 1 << 20 };

/* One question on its way. */
typedef struct {
    rs_cli     *c;
    rs_archive *a;
    rs_query   *q;
    const rs_result *r;
    double      took_ms;
    rs_prompts *prompts;
    rs_ask      ask;               /* template, evidence, answer, checks */
    rs_cli_generator generator;
    rs_err      err;
} asking;

/* ---- JSON ------------------------------------------------------------ */

static int print_json(asking *k)
{
    const bool own = rs_cli_value(k->c, "answer", NULL) != NULL;
    const char *problem = k->generator.wait.problem;
    json_t *sentences = json_array(), *all;
    json_t *context = rs_context_json(&k->ask.context, rs_cli_arena(k->c));

    for (size_t i = 0; i < k->ask.verified.n; i++)
        json_array_append_new(sentences, rs_wire_sentence(&k->ask.verified.rows[i], RS_CHECK_MARK,
                                                          SIZE_MAX));
    all = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:{s:I,s:I},s:o,s:f,s:o}", "answer",
                    rs_json_any(k->ask.verified.text), "reasoning", rs_json_any(k->ask.reasoning),
                    "generator", rs_json_any(own ? NULL : rs_ask_by(&k->ask)),
                    "finish", rs_json_any(k->ask.by ? k->generator.wait.finish : NULL),
                    "problem", rs_json_any(*problem ? problem : NULL),
                    "second", rs_json_any(k->ask.second), "enough", (int)k->ask.verified.enough, "checks", "claims",
                    (json_int_t)k->ask.verified.claims, "held", (json_int_t)k->ask.verified.held,
                    "sentences", sentences, "took_ms", k->took_ms,
                    "context", context ? context : json_null());
    return rs_cli_print_json(k->c, all);
}

/* The context, and the prompt where a template was asked for. */
static int print_context(asking *k)
{
    rs_arena *mem = rs_cli_arena(k->c);
    const bool json = rs_cli_flag(k->c, "json");
    const char *text;
    json_t *context;
    rs_filled f = {.n = 0};

    if (rs_cli_value(k->c, "template", NULL) &&
        rs_prompt_fill(k->ask.request.template, &k->ask.context, rs_cli_value(k->c, "learner", NULL), mem, &f,
                       &k->err) != RS_OK)
        return rs_cli_fail(k->c, &k->err);
    if (json) {
        context = rs_context_json(&k->ask.context, mem);
        if (context && f.n)
            json_object_set_new(context, "prompt", rs_wire_prompt(k->ask.request.template, &f));
        return rs_cli_print_json(k->c, context);
    }
    for (size_t i = 0; i < f.n; i++) {
        printf("=== %s\n", f.messages[i].role);
        rs_print_safe(f.messages[i].text);
    }
    if (!f.n && (text = rs_context_text(&k->ask.context, mem)) != NULL)
        rs_print_safe(text);
    return RS_EXIT_OK;
}

/* ---- Lines for people ------------------------------------------------ */

/* Wrapped at words; `indent` blanks before the second line and those after it. */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column + word > WIDTH && column > indent) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        }
        for (size_t at = 0; at < word;)
            at += rs_put_char(stdout, text + at, false);
        column += word + 1;
        text += word;
        if (*text)
            putchar(' ');
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_answer(const asking *k)
{
    const char *line = k->ask.verified.text;

    while (*line) {
        size_t len = strcspn(line, "\n");
        char *copy = rs_arena_strndup(rs_cli_arena(k->c), line, len);
        printf("  ");
        print_wrapped(copy ? copy : "", 2, 4);
        line += len + (line[len] == '\n');
    }
}

/* Does the answer cite it? */
static bool cited(const asking *k, size_t number)
{
    for (size_t i = 0; i < k->ask.answer.n; i++)
        for (size_t c = 0; c < k->ask.answer.sentences[i].n_cites; c++)
            if (k->ask.answer.sentences[i].cites[c] == number)
                return true;
    return false;
}

static void print_evidence(const asking *k)
{
    rs_arena *mem = rs_cli_arena(k->c);

    printf("\nEvidence\n");
    for (size_t i = 0; i < k->ask.context.n; i++) {
        const rs_context_item *item = &k->ask.context.items[i];
        const char *head = rs_context_item_head(item, mem);
        if (!cited(k, item->number))
            continue;
        printf("  ");
        print_wrapped(head ? head : "", 2, 6);
        for (size_t s = 0; s < item->n_sentences && rs_cli_flag(k->c, "explain"); s++) {
            const char *says = rs_cited_says(&item->sentences[s], mem);
            char *line = rs_arena_sprintf(mem, "%s %zu-%zu: %s%s%s%s", item->sentences[s].section ?
                item->sentences[s].section : "text", item->sentences[s].begin,
                item->sentences[s].end, item->sentences[s].text, says && *says ? " (" : "",
                says ? says : "", says && *says ? ")" : "");
            printf("      ");
            print_wrapped(line ? line : "", 6, 8);
        }
    }
}

static int print_all(asking *k)
{
    if (*k->ask.reasoning) {
        printf("Reasoning\n  ");
        print_wrapped(k->ask.reasoning, 2, 2);
        putchar('\n');
    }
    printf("Answer\n");
    print_answer(k);
    if (k->ask.context.n)
        print_evidence(k);
    putchar('\n');
    if (k->ask.verified.claims)
        printf("%zu of %zu statements hold against what they cite. ", k->ask.verified.held,
               k->ask.verified.claims);
    if (k->ask.by) {
        printf("Written by ");
        rs_print_line(k->ask.by->name);
        printf("%s. ", strcmp(k->generator.wait.finish, "length") == 0 ? ", cut at its max_tokens"
                                                                      : "");
    }
    if (k->ask.second) {
        printf("Second reader: ");
        rs_print_line(k->ask.second);
        printf(". ");
    }
    printf("%zu cases, %zu tokens of context, %.1f ms.\nA finder, not a diagnosis.\n",
           k->ask.context.n_cases, k->ask.context.tokens, k->took_ms);
    return RS_EXIT_OK;
}

/* ---- Asking ---------------------------------------------------------- */

static rs_status load_template(asking *k)
{
    const char *folder = rs_cli_value(k->c, "prompts", NULL);
    rs_status st;

    if (!folder)
        folder = getenv("RADSCOUT_PROMPTS");
    if (!folder)
        folder = rs_data_folder("prompts");
    if ((st = rs_prompts_load(&k->prompts, folder, &k->err)) != RS_OK)
        return st;
    return rs_prompts_find(k->prompts, rs_cli_value(k->c, "template", "case-comparison"),
                           &k->ask.request.template, &k->err);
}

static rs_status make_context(asking *k)
{
    rs_context_options o = rs_context_defaults();
    long long budget = 0;

    rs_cli_number(k->c, "budget", 64, 1000000, (long long)o.budget, &budget);   /* run() looked */
    k->ask.request.budget = (size_t)budget;
    o.budget = k->ask.route.draft ? rs_ask_budget(&k->ask) : (size_t)budget;
    o.max_cases = k->q->k < RS_CONTEXT_MAX ? k->q->k : RS_CONTEXT_MAX;
    o.examples = k->ask.route.draft || rs_cli_value(k->c, "template", NULL) ? rs_prompt_examples(k->ask.request.template) : 0;
    o.images = rs_cli_flag(k->c, "images") || (k->ask.route.draft && k->ask.route.draft->images);
    o.favour = strstr(rs_prompt_parts(k->ask.request.template), "discussion") ? "discussion" : NULL;
    return rs_context_make(k->a, k->q, k->r, &o, rs_cli_arena(k->c), &k->ask.context, &k->err);
}

/* A generator's answer from a file, checked. */
static rs_status check_file(asking *k, const char *file)
{
    rs_arena *mem = rs_cli_arena(k->c);
    rs_check_options o = rs_check_defaults();
    const char *shown;
    char *text = NULL;
    size_t len;
    rs_status st;

    if ((st = rs_file_read(&text, &len, file, MAX_ANSWER, &k->err)) == RS_OK &&
        (st = rs_answer_split(text, mem, &k->ask.reasoning, &shown, &k->err)) == RS_OK)
        st = rs_answer_read(shown, mem, &k->ask.answer, &k->err);
    rs_free(text);
    if (st != RS_OK)
        return st;
    o.policy = k->ask.request.policy;
    o.encoder = k->q->encoder;
    o.pool = k->q->pool;
    return rs_check(rs_archive_lexicon(k->a), &k->ask.context, &k->ask.answer, &o, mem,
                    &k->ask.verified, &k->err);
}

/* Checked: of a file, of a generator, of the built-in one. */
static rs_status make_answer(asking *k)
{
    const char *file = rs_cli_value(k->c, "answer", NULL);

    return file ? check_file(k, file) : rs_cli_generator_write(&k->generator, &k->ask, &k->err);
}

static int answer(rs_cli *c, rs_archive *a, rs_query *q, const rs_result *r, double took_ms)
{
    asking k = {.c = c, .a = a, .q = q, .r = r, .ask = {.reasoning = ""}};
    const double start = rs_now_s();
    int code;

    if (load_template(&k) != RS_OK ||
        rs_cli_generator_open(&k.generator, c, a, q, &k.ask, &k.err) != RS_OK ||
        make_context(&k) != RS_OK) {
        code = rs_cli_fail(c, &k.err);
    } else if (rs_cli_flag(c, "context-only")) {
        code = print_context(&k);
    } else if (make_answer(&k) != RS_OK) {
        code = rs_cli_fail(c, &k.err);
    } else {
        k.took_ms = took_ms + 1000 * (rs_now_s() - start);
        code = rs_cli_flag(c, "json") ? print_json(&k) : print_all(&k);
    }
    rs_cli_generator_close(&k.generator);
    rs_prompts_free(k.prompts);
    return code;
}

static int run(rs_cli *c)
{
    long long unused;

    if (!rs_cli_number(c, "budget", 64, 1000000, RS_CONTEXT_BUDGET, &unused))
        return RS_EXIT_USAGE;
    return rs_cli_query(c, RS_QUERY_CONTRAST, answer);
}

static const rs_option options[] = {
    RS_QUERY_OPTIONS,
    {"template", 0, "NAME", "what kind of answer: case-comparison (default), differential,\n"
                            "teaching, report-draft, quiz-feedback, or one of your own"},
    {"prompts", 0, "DIR", "templates of your own, before those that ship (default:\n"
                          "$RADSCOUT_PROMPTS)"},
    {"learner", 0, "TEXT", "what a learner wrote, for quiz-feedback"},
    {"budget", 0, "N", "tokens of evidence at most (default 1500)"},
    {"context-only", 0, NULL, "print the numbered evidence instead of an answer; with --template\n"
                              "the whole prompt, for a generator of your own"},
    {"answer", 0, "FILE", "check this answer, of a generator of your own, to the same question"},
    {"generators", 0, "FILE", "answer with generators, as serve's setting of this name has them\n"
                              "(default: $RADSCOUT_GENERATORS, else the built-in one)"},
    {"generator", 0, "NAME", "this one of them drafts, or built-in, whatever the template's is"},
    {"withhold", 0, NULL, "leave out statements that do not hold, instead of marking them"},
    {"images", 0, NULL, "with --json: where each case's image is, for generators that see"},
    {"explain", 0, NULL, "print each case's sentences under it"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_ask = {
    .name = "ask", .args = "ARCHIVE",
    .summary = "answer from the most similar cases, with citations, checked",
    .description =
        "Searches as `radscout search` does, takes from the found reports what answers the\n"
        "question, and writes a summary of it: what the similar cases show, in how many of them,\n"
        "what they were, where they differ, and the nearest case of another diagnosis. It quotes\n"
        "and counts; it has no words of its own. Every sentence ends with the cases it rests on.\n"
        "\n"
        "Each sentence is then checked against what it cites: words, negation, side, numbers and\n"
        "units, counts of cases. What does not hold is marked, as in (?side), or left out with\n"
        "--withhold; where most does not hold, or nothing in the archive is similar enough, the\n"
        "answer is \"Not enough evidence\".\n"
        "\n"
        "--generators names a file of OpenAI-compatible servers (radscout serve --help has its form).\n"
        "Then one of them writes the answer: its draft is shown on stderr as it comes, not yet\n"
        "checked; the checked answer follows on stdout. Where it fails, the built-in one answers and\n"
        "a line on stderr says so. With --withhold no draft is shown. What --context-only prints is\n"
        "sent, with the images of the question and the best cases where the generator sees.\n"
        "\n"
        "For a generator of your own: --context-only prints the evidence, with --template the\n"
        "prompt; --answer checks what it wrote. Reports are data there: fenced, one line a\n"
        "sentence, without control characters; patient identifiers and dates are not in it.\n"
        "\n"
        "With --json: {\"answer\", \"reasoning\", \"generator\", \"finish\", \"problem\", \"second\",\n"
        "\"enough\", \"checks\": {\"claims\", \"held\"},\n"
        "\"sentences\": [{\"text\", \"part\", \"cites\", \"holds\", \"support\", \"flags\",\n"
        "\"about\", \"nearest\"}], \"took_ms\", \"context\": {\"question\",\n"
        "\"evidence\": [{\"n\", \"case\", \"passages\": [{\"section\", \"begin\", \"end\",\n"
        "\"text\", \"state\", \"findings\"}], ...}]}}.\n"
        "\n"
        "radscout finds similar cases; it does not diagnose.",
    .examples = "  radscout ask archive --text \"ring-enhancing lesion\" --modality MR\n"
                "  radscout ask archive --image film.png --template differential\n"
                "  radscout ask archive --text \"pneumothorax\" --context-only --budget 800",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
