/* cmd_audit.c - radscout audit ARCHIVE
 * SPDX-License-Identifier: Apache-2.0 */
#include "audit_say.h"
#include "commands.h"
#include "lexicon_folder.h"
#include "model.h"

/* False after having printed what is wrong. */
static bool read_options(rs_cli *c, rs_audit_options *o)
{
    long long sample, queries, few, top, seed;

    *o = rs_audit_default();
    if (!rs_cli_number(c, "sample", 10, 200000, (long long)o->sample, &sample) ||
        !rs_cli_number(c, "queries", 1, 200000, (long long)o->queries, &queries) ||
        !rs_cli_number(c, "few", 0, 1000000, (long long)o->few, &few) ||
        !rs_cli_number(c, "top", 0, 100000, (long long)o->top, &top) ||
        !rs_cli_number(c, "seed", 0, 1LL << 62, (long long)o->seed, &seed))
        return false;
    o->sample = (size_t)sample;
    o->queries = (size_t)queries;
    o->few = (size_t)few;
    o->top = (size_t)top;
    o->seed = (uint64_t)seed;
    o->since = rs_cli_value(c, "since", o->since);
    return true;
}

static int run(rs_cli *c)
{
    rs_audit_options o;
    rs_archive *a = NULL;
    rs_pool *pool = NULL;
    rs_audit found;
    rs_err err = {0};
    int code = RS_EXIT_USAGE;

    if (!read_options(c, &o) || !rs_model_pool(&pool, c, &code))
        return code;
    o.pool = pool;
    code = RS_EXIT_OK;
    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK ||
        rs_cli_lexicon(c, a, &err) != RS_OK ||
        rs_audit_run(a, &o, rs_cli_arena(c), &found, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else if (rs_cli_flag(c, "json"))
        code = rs_cli_print_json(c, rs_audit_json(&found, &o));
    else
        rs_audit_text(&found, &o);
    rs_archive_close(a);
    rs_pool_free(pool);
    return code;
}

static const rs_option options[] = {
    {"since", 0, "WHEN", "what counts as new: a day (2026-11-26), 'last 200', or a share of the\n"
                         "newest, 5% (default 10%)"},
    {"sample", 0, "N", "cases compared with each other, drawn by chance (default 10000); time\n"
                       "grows with its square"},
    {"queries", 0, "N", "of them, cases that ask for others (default 2000)"},
    {"few", 0, "N", "a finding of fewer cases is listed as rare (default 10)"},
    {"top", 0, "N", "suspects of each kind that are listed (default 20)"},
    {"seed", 0, "N", "another seed draws other samples (default 1)"},
    {"threads", 't', "N", "threads to compare with (default: all cores)"},
    {"json", 0, NULL, "print one JSON object"},
    RS_LEXICON_OPTION,
    {0},
};

const rs_command rs_command_audit = {
    .name = "audit", .args = "ARCHIVE",
    .summary = "look an archive over: coverage, quality by group, holes, drift, suspects",
    .description =
        "Coverage: cases by sex, age, modality, body part, site (the attribute site, else the\n"
        "collection) and finding, and how many have an image and a report.\n"
        "\n"
        "Quality: each case of a sample asks by its images for cases of other patients (of\n"
        "another attribute group, where no patient is known) that share a finding label. A group\n"
        "is LOW where its nDCG@10 is below that of the rest by more than chance (permutation\n"
        "test, Holm's p below 0.05); fewer than 20 queries are too few to say. Rare findings are\n"
        "those of few cases, and those of which no case finds another among its 10 nearest.\n"
        "\n"
        "Drift: the newest cases beside the others, one case a patient: vectors by MMD (Gaussian\n"
        "kernel, median distance), the mix by chi-square, both with p by permutation, Holm's\n"
        "over all; SHIFTED is p below 0.01.\n"
        "\n"
        "Suspects: labels, reports, agreement of image and report, each beside those of the\n"
        "cases that look the same (robust z of 3.5 or more); labels that the report contradicts;\n"
        "one picture with other labels or another sex; images far from all others. They are to\n"
        "be looked at, not known to be wrong. Labels and reports are compared as they stand: a\n"
        "report that was composed from labels agrees with them.\n"
        "\n"
        "With --json: {\"cases\", \"images\", \"passages\", \"without_image\",\n"
        "\"without_report\", \"without_label\", \"compared\", \"asked\", \"cut\", \"precision\":\n"
        "{\"mean\", \"low\", \"high\"}, \"ndcg\", \"groups\": [{\"facet\", \"value\", \"cases\",\n"
        "\"with_image\", \"with_report\", \"asked\", \"precision\", \"ndcg\", \"rest\", \"p\",\n"
        "\"small\", \"low\"}], \"holes\": [{\"finding\", \"cases\", \"patients\", \"asked\",\n"
        "\"found\", \"few\", \"never\"}], \"newest\": {\"since\", \"cases\", \"from\",\n"
        "\"compared\": [{\"what\", \"new\", \"old\", \"statistic\", \"p\", \"shifted\", and\n"
        "\"scale\" or \"most\", \"share_new\", \"share_old\"}]}, \"suspects\": {KIND: {\"all\",\n"
        "\"listed\": [{\"case\", \"near\", \"strength\", \"reason\"}]}}}; kinds are labels,\n"
        "report, agreement, contradiction, duplicate, outlier; null is what cannot be told.",
    .examples = "  radscout audit archive\n"
                "  radscout audit archive --since 2026-11-26 --json",
    .options = options, .min_args = 1, .max_args = 1, .run = run,
};
