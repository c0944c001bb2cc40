/* cmd_judgments.c - radscout judgments ARCHIVE [--qrels FILE] [--queries FILE]: what experts said of
 * its cases, listed, or as a test collection.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "commands.h"
#include "engine/agreement.h"
#include "model.h"
#include "server/wire.h"

#include <string.h>

/* ---- Listing ----------------------------------------------------------- */

static void print_parts(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        printf("    %-8s", i ? "" : name);
        rs_print_line(list[i]);
        putchar('\n');
    }
}

static rs_status print_one(const rs_judgment *j, rs_arena *mem, rs_err *err)
{
    rs_judged_query q;
    rs_status st = rs_judged_query_parse(&q, j->query, mem, err);

    if (st != RS_OK)
        return st;
    printf("%lld  %s (%d)  ", (long long)j->id, rs_judged_name(j->verdict),
           rs_judged_grade(j->verdict));
    rs_print_line(j->key);
    printf("\n    %-8s%s", "said", j->at);
    if (*j->who) {
        printf(" by ");
        rs_print_line(j->who);
    }
    putchar('\n');
    print_parts("text", q.texts, q.n_texts);
    print_parts("like", q.likes, q.n_likes);
    print_parts("image", q.images, q.n_images);
    print_parts("filter", &q.filter, q.filter != NULL);
    print_parts("note", &j->note, j->note != NULL);
    return RS_OK;
}

static int list(rs_cli *c, rs_archive *a)
{
    const rs_judgments_wanted want = {.key = rs_cli_value(c, "case", NULL), .limit = SIZE_MAX,
                                      .who = rs_cli_value(c, "who", NULL)};
    const rs_judgment *j;
    json_t *all;
    rs_err err = {0};
    size_t n;
    rs_status st = rs_judgments_list(a, &want, rs_cli_arena(c), &j, &n, NULL, &err);

    if (st == RS_OK && rs_cli_flag(c, "json")) {
        all = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(all, rs_wire_judgment(&j[i]));
        return rs_cli_print_json(c, json_array_size(all) == n ? json_pack("{s:o}", "judgments", all)
                                    : (json_decref(all), NULL));
    }
    for (size_t i = 0; st == RS_OK && i < n; i++)
        st = print_one(&j[i], rs_cli_arena(c), &err);
    if (st != RS_OK)
        return rs_cli_fail(c, &err);
    if (n == 0)
        fprintf(stderr, "nothing has been judged%s\n", want.key || want.who ? " there" : "");
    return RS_EXIT_OK;
}

/* ---- A test collection --------------------------------------------------- */

typedef struct {
    size_t queries, cases, disputed;       /* written; cases of which judges differ */
    size_t not_words, not_keys;            /* left out: queries, cases */
} counts;

/* TREC's form: "query 0 document grade". BEIR's, where the file ends with .tsv: tabs between. */
static void put_grade(rs_buf *out, bool tsv, const rs_agreed_query *q, const rs_agreed_case *k,
                      counts *n)
{
    if (strpbrk(k->key, tsv ? "\t\r\n" : " \t\r\n\v\f")) {
        n->not_keys++;
        return;
    }
    rs_buf_printf(out, tsv ? "%s\t%s\t%d\n" : "%s 0 %s %d\n", q->id, k->key, k->grade);
    n->cases++;
    n->disputed += k->disputed;
}

static void put_query(rs_buf *out, const rs_agreed_query *q)
{
    json_t *o = json_pack("{s:s,s:s}", "_id", q->id, "text", q->words);
    char *line;

    if (o && q->query.filter)
        json_object_set_new(o, "metadata", json_pack("{s:s}", "filter", q->query.filter));
    line = o ? rs_json_text(o) : NULL;
    if (line)
        rs_buf_printf(out, "%s\n", line);
    out->failed |= !line;
    rs_free(line);
    json_decref(o);
}

static rs_status write_file(const char *path, rs_buf *b, rs_err *err)
{
    rs_status st = RS_OK;

    if (path)
        st = b->failed ? rs_fail(err, RS_ENOMEM, "%s: no memory", path)
                       : rs_file_write(path, b->data ? b->data : "", b->len, err);
    rs_buf_clear(b);
    return st;
}

static int collect(rs_cli *c, rs_archive *a, const char *qrels, const char *queries)
{
    const bool tsv = qrels && strlen(qrels) > 4 &&
                     strcmp(qrels + strlen(qrels) - 4, ".tsv") == 0;
    const rs_agreed_query *q;
    rs_buf grades = {0}, asked = {0};
    counts k = {0};
    rs_err err = {0};
    size_t n;
    rs_status st = rs_judgments_agree(a, rs_cli_arena(c), &q, &n, &err);

    if (tsv)
        rs_buf_puts(&grades, "query-id\tcorpus-id\tscore\n");
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        if (!q[i].words) {
            k.not_words++;
            continue;
        }
        put_query(&asked, &q[i]);
        for (size_t m = 0; m < q[i].n; m++)
            put_grade(&grades, tsv, &q[i], &q[i].cases[m], &k);
        k.queries++;
    }
    if (st == RS_OK)
        st = write_file(qrels, &grades, &err);
    if (st == RS_OK)
        st = write_file(queries, &asked, &err);
    rs_buf_clear(&grades);
    rs_buf_clear(&asked);
    if (st != RS_OK)
        return rs_cli_fail(c, &err);
    if (rs_cli_flag(c, "json"))
        return rs_cli_print_json(c, json_pack("{s:I,s:I,s:I,s:I,s:I}",
            "queries", (json_int_t)k.queries, "judgments", (json_int_t)k.cases,
            "disputed", (json_int_t)k.disputed, "queries_left_out", (json_int_t)k.not_words,
            "cases_left_out", (json_int_t)k.not_keys));
    printf("%zu queries, %zu judged cases, %zu of them disputed (the median counts)\n", k.queries,
           k.cases, k.disputed);
    if (k.not_words)
        printf("left out: %zu queries that have cases or images\n", k.not_words);
    if (k.not_keys)
        printf("left out: %zu cases whose keys have blanks%s\n", k.not_keys,
               tsv ? " that are tabs" : "; a FILE.tsv may");
    return RS_EXIT_OK;
}

/* ---- The command --------------------------------------------------------- */

static int run(rs_cli *c)
{
    const char *qrels = rs_cli_value(c, "qrels", NULL), *queries = rs_cli_value(c, "queries", NULL);
    rs_archive *a;
    rs_err err = {0};
    int code;

    if ((qrels || queries) && (rs_cli_value(c, "case", NULL) || rs_cli_value(c, "who", NULL)))
        return rs_cli_usage(c, "--qrels and --queries write what all said of all cases");
    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    code = qrels || queries ? collect(c, a, qrels, queries) : list(c, a);
    rs_archive_close(a);
    return code;
}

static const rs_option options[] = {
    {"case", 0, "CASE", "only what was said of this case"},
    {"who", 0, "NAME", "only what the token of this name said"},
    {"qrels", 0, "FILE", "write grades instead, in TREC's form, in BEIR's for a FILE.tsv"},
    {"queries", 0, "FILE", "write the queries that they are of, as BEIR's queries.jsonl"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_judgments = {
    .name = "judgments", .args = "ARCHIVE",
    .summary = "list what experts said of cases as answers to queries",
    .description =
        "Judgments are made over HTTP (/v1/judgments of radscout serve, role educator): of a query\n"
        "and a case, by grade, same_diagnosis (3), relevant, same_finding, other_stage (2),\n"
        "other_diagnosis, near_miss (1), not_relevant (0). Who judges both again replaces what they\n"
        "said.\n"
        "\n"
        "--qrels and --queries make a test collection of them: where several judged one case the\n"
        "grade is the median of theirs, of an even number the lower one in the middle. A query's\n"
        "texts become one line; its filter is in \"metadata\". Queries with cases or images, and\n"
        "cases that are gone, are left out. `radscout eval ARCHIVE --judgments` measures the\n"
        "archive on them at once.\n"
        "\n"
        "With --json: {\"judgments\": [{\"id\", \"case\", \"query\": {\"text\", \"like\", \"images\",\n"
        "\"filter\"}, \"verdict\", \"grade\", \"note\", \"who\", \"at\"}]}; with --qrels or --queries\n"
        "{\"queries\", \"judgments\", \"disputed\", \"queries_left_out\", \"cases_left_out\"}.",
    .examples = "  radscout judgments archive\n"
                "  radscout judgments archive --qrels judged.qrels --queries queries.jsonl",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
