/* eval_say.c - see eval_say.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval_say.h"

#include <math.h>
#include <stdio.h>

static rs_eval_figure *figures_of(rs_cli *c, const rs_eval_set *s, const rs_eval_run *runs,
                                  size_t n)
{
    rs_eval_figure *f = rs_new(rs_cli_arena(c), rs_eval_figure, n * RS_EVAL_N_METRICS);

    if (f)
        rs_eval_figures(f, s, runs, n, rs_cli_arena(c));
    return f;
}

static double ms_of(const rs_eval_set *s, const rs_eval_run *run)
{
    return run->given ? NAN : 1e3 * run->seconds / (double)s->n_queries;
}

/* ---- JSON ------------------------------------------------------------ */

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *configuration(const rs_eval_set *s, size_t k, const rs_eval_run *run,
                             const rs_eval_figure *f)
{
    json_t *o = json_pack("{s:o,s:o}", "name", rs_json_any(run->name), "ms_per_query",
                          number(ms_of(s, run)));
    json_t *p = json_object(), *holm = json_object();
    char name[32];

    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++) {
        rs_eval_metric_name(m, k, name);
        json_object_set_new(o, name, json_pack("{s:o,s:o,s:o}", "mean",
            number(f[m].interval.mean), "low", number(f[m].interval.low), "high",
            number(f[m].interval.high)));
        json_object_set_new(p, name, number(f[m].p));
        json_object_set_new(holm, name, number(f[m].holm));
    }
    json_object_set_new(o, "p", p);
    json_object_set_new(o, "p_holm", holm);
    return o;
}

int rs_eval_say_json(rs_cli *c, const rs_eval_set *s, size_t k, const rs_eval_run *runs, size_t n)
{
    const rs_eval_figure *f = figures_of(c, s, runs, n);
    json_t *list = json_array();

    for (size_t r = 0; f && r < n; r++)
        json_array_append_new(list, configuration(s, k, &runs[r], f + r * RS_EVAL_N_METRICS));
    return rs_cli_print_json(c, !f ? NULL : json_pack("{s:I,s:I,s:I,s:I,s:o}", "documents",
        (json_int_t)s->n_documents, "queries", (json_int_t)s->n_queries, "judgements",
        (json_int_t)s->n_judgements, "k", (json_int_t)k, "configurations", list));
}

/* ---- Table ----------------------------------------------------------- */

static void print_run(const rs_eval_set *s, const rs_eval_run *run, const rs_eval_figure *f,
                      bool first)
{
    size_t width = 0;

    for (const char *p = run->name; *p && width < 16; width++)
        p += rs_put_char(stdout, p, false);
    printf("%*s", (int)(17 - width), "");
    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
        printf("%-15.4f", f[m].interval.mean);
    if (isfinite(ms_of(s, run)))
        printf("%8.2f", ms_of(s, run));
    printf("\n%17s", "");
    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
        printf("%.4f-%.4f  ", f[m].interval.low, f[m].interval.high);
    if (!first) {
        printf("\n%17s", "");
        for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
            printf("p %-13.4f", f[m].holm);
    }
    putchar('\n');
}

int rs_eval_say_table(rs_cli *c, const rs_eval_set *s, size_t k, const rs_eval_run *runs, size_t n)
{
    const rs_eval_figure *f = figures_of(c, s, runs, n);
    const rs_err no_memory = {RS_ENOMEM, "no memory for the table"};
    char name[32];

    if (!f)
        return rs_cli_fail(c, &no_memory);
    printf("%zu documents, %zu queries, %zu judgements; means over the queries, below each its "
           "95%%\nbootstrap interval", s->n_documents, s->n_queries, s->n_judgements);
    if (n > 1) {
        printf(", then p of a difference from %s", runs[0].name);
        printf(n > 2 ? ", Holm's of %zu comparisons" : "", n - 1);
    }
    printf("\n\n%17s", "");
    for (size_t m = 0; m < RS_EVAL_N_METRICS; m++)
        printf("%-15s", rs_eval_metric_name(m, k, name));
    printf("ms/query\n");
    for (size_t r = 0; r < n; r++)
        print_run(s, &runs[r], f + r * RS_EVAL_N_METRICS, r == 0);
    return RS_EXIT_OK;
}
