/* audit_text.c - see audit_say.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_say.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GROUPS_SHOWN = 12, HOLES_SHOWN = 30, NAME_WIDTH = 26 };

/* Text from outside, padded or cut to `width` columns (bytes, where it is ASCII). */
static void cell(const char *text, size_t width)
{
    size_t n = 0;

    text = text ? text : "(not known)";
    for (; *text && n < width; n++)
        text += rs_put_char(stdout, text, false);
    printf("%*s", (int)(width - n), "");
}

static double percent(size_t n, size_t of) { return of ? 100 * (double)n / (double)of : 0; }

/* ---- Coverage and quality --------------------------------------------- */

static void print_head(const rs_audit *a)
{
    const size_t n = a->census.n_cases;

    printf("%zu cases, %zu images, %zu passages\n", n, a->images, a->passages);
    printf("without an image %zu (%.1f%%), without a report %zu (%.1f%%), without a label %zu "
           "(%.1f%%)\n", a->without_image, percent(a->without_image, n), a->without_report,
           percent(a->without_report, n), a->without_label, percent(a->without_label, n));
    printf("%zu cases compared with each other by %s%s; %zu asked for cases of other patients that"
           "\nshare a finding", a->vicinity.n, a->vicinity.by_passages ? "passages" : "images",
           a->vicinity.n < n ? " (a sample)" : "", a->n_asked);
    if (a->n_asked)
        printf(": P@%d %.3f [%.3f, %.3f], nDCG@%d %.3f [%.3f, %.3f]", RS_QUALITY_CUT,
               a->precision.mean, a->precision.low, a->precision.high, RS_QUALITY_CUT,
               a->ndcg.mean, a->ndcg.low, a->ndcg.high);
    printf("\n\n");
}

static void print_group(const rs_quality_group *g, size_t n_cases)
{
    printf("  ");
    cell(g->value, NAME_WIDTH);
    printf("%8zu %5.1f%% %6.0f%% %6.0f%%", g->cases, percent(g->cases, n_cases),
           percent(g->images, g->cases), percent(g->reports, g->cases));
    if (g->n == 0)
        printf("       0\n");
    else {
        printf("%8zu  %.3f  %.3f [%.3f, %.3f]", g->n, g->precision.mean, g->ndcg.mean, g->ndcg.low,
               g->ndcg.high);
        if (g->n < RS_QUALITY_FEW)
            printf("  too few");
        else if (g->p < RS_AUDIT_LOW)
            printf("  LOW (rest %.3f, p %.4f)", g->rest, g->p);
        putchar('\n');
    }
}

static void print_groups(const rs_audit *a)
{
    const char *facet = NULL;
    size_t shown = 0, left = 0;

    printf("  %-*s%8s %6s %7s %7s%8s  %-5s  %s\n", NAME_WIDTH, "", "cases", "share", "image",
           "report", "asked", "P@10", "nDCG@10 [95%]");
    for (size_t i = 0; i < a->n_groups; i++) {
        const rs_quality_group *g = &a->groups[i];
        if (!facet || strcmp(facet, g->facet) != 0) {
            if (left)
                printf("  and %zu more\n", left);
            printf("%s\n", g->facet);
            facet = g->facet;
            shown = left = 0;
        }
        if (shown++ < GROUPS_SHOWN || g->p < RS_AUDIT_LOW)
            print_group(g, a->census.n_cases);
        else
            left++;
    }
    if (left)
        printf("  and %zu more\n", left);
}

/* ---- Holes ----------------------------------------------------------- */

static void print_holes(const rs_audit *a, size_t few)
{
    printf("\nfindings of fewer than %zu cases, or that no such case finds among its %d nearest: "
           "%zu\n", few, RS_QUALITY_CUT, a->n_holes);
    if (a->n_holes)
        printf("  %-*s%8s %9s %8s %8s\n", NAME_WIDTH, "", "cases", "patients", "asked", "found");
    for (size_t i = 0; i < a->n_holes && i < HOLES_SHOWN; i++) {
        const rs_quality_hole *h = &a->holes[i];
        printf("  ");
        cell(h->label, NAME_WIDTH);
        printf("%8zu %9zu %8zu %8zu%s\n", h->cases, h->patients, h->asked, h->found,
               h->never ? "  never" : "");
    }
    if (a->n_holes > HOLES_SHOWN)
        printf("  and %zu more\n", a->n_holes - HOLES_SHOWN);
}

/* ---- Shift ----------------------------------------------------------- */

static void print_shifts(const rs_audit *a, const char *since)
{
    printf("\nthe newest %zu cases (%s", a->newest.n, since);
    if (a->newest.from)
        printf(", indexed from %s on", a->newest.from);
    printf(") beside the others\n  %-16s%8s%8s%12s%9s\n", "", "new", "others", "statistic", "p");
    for (int i = 0; i < RS_SHIFTS; i++) {
        const rs_shift *s = &a->shifts[i];
        printf("  %-16s%8zu%8zu", s->what, s->n_new, s->n_old);
        if (!isfinite(s->p)) {
            printf("  too few\n");
            continue;
        }
        printf("%12.4g%9.4f", s->drift.statistic, s->p);
        if (s->shifted && s->vectors)
            printf("  SHIFTED");
        if (s->shifted && !s->vectors) {
            printf("  SHIFTED: ");
            if (s->most)
                rs_print_line(s->most);
            else
                fputs(i == RS_SHIFTS - 1 ? "(no label)" : "(not known)", stdout);
            printf(" %.1f%% of the new, %.1f%% of the others", 100 * s->share_new,
                   100 * s->share_old);
        }
        putchar('\n');
    }
}

/* ---- Suspects -------------------------------------------------------- */

static void print_suspects(const rs_audit *a)
{
    static const char *const titles[RS_SUSPECTS] = {
        [RS_SUSPECT_LABELS] = "labels unlike those of cases that look the same",
        [RS_SUSPECT_REPORT] = "report unlike those of cases that look the same",
        [RS_SUSPECT_AGREEMENT] = "image and report agree less than those of their neighbours",
        [RS_SUSPECT_CONTRADICTION] = "label and report contradict each other",
        [RS_SUSPECT_DUPLICATE] = "one picture, other labels or another sex",
        [RS_SUSPECT_OUTLIER] = "images far from every other"};

    printf("\nsuspects: to be looked at, not known to be wrong\n");
    for (int k = 0; k < RS_SUSPECTS; k++) {
        const rs_suspect_list *s = &a->suspects[k];
        printf("%s (%s): %zu", titles[k], rs_suspect_name((rs_suspect_kind)k), s->all);
        printf(s->all > s->n ? ", the first %zu\n" : "\n", s->n);
        for (size_t i = 0; i < s->n; i++) {
            printf("%8.3f  ", s->list[i].strength);
            rs_print_line(s->list[i].key);
            if (k == RS_SUSPECT_DUPLICATE) {
                printf(" and ");
                rs_print_line(s->list[i].other);
            }
            printf(": ");
            rs_print_line(s->list[i].reason);
            putchar('\n');
        }
    }
}

void rs_audit_text(const rs_audit *a, const rs_audit_options *o)
{
    print_head(a);
    print_groups(a);
    print_holes(a, o->few);
    print_shifts(a, o->since);
    print_suspects(a);
}
