/* bench_text.c - see bench_text.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/bench_text.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "engine/archive_int.h"
#include "engine/text_index_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VOCABULARY = 40000, SHORTEST = 40, LONGEST = 80, BATCH = 5000, MAX_WORD = 24,
       MAX_TEXT = 100 };

/* Words of reports, among the made ones at these ranks: often, then less often. */
static const char *const known[] = {
    "effusion", "left", "lung", "pleural", "heart", "nodule", "pneumothorax", "opacity", "chest",
    "consolidation", "edema", "mass", "cardiomegaly", "fracture", "rib", "small", "catheter",
    "atelectasis", "large", "spine", "enlarged", "pneumonia", "granuloma", "hernia",
    "scoliosis", "emphysema", "osteophyte", "kidney", "stone", "spleen", "cyst", "aneurysm",
    "fibrosis", "hyperinflation", "sternotomy", "pacemaker"};
enum { KNOWN = sizeof known / sizeof *known, OFTEN = 24 };

static size_t rank_of_known(size_t i) { return i < OFTEN ? 4 + 2 * i : 300 + 100 * (i - OFTEN); }

/* What queries are made of: words of these ranks, or known ones. */
typedef struct {
    const char *name;
    size_t      from[3], to[3];    /* of the first, second and third word */
    bool        read;
} kind;

static const kind kinds[] = {
    {"common", {5, 5, 5}, {60, 60, 60}, false},
    {"medium", {300, 300, 300}, {1500, 1500, 1500}, false},
    {"rare", {5000, 5000, 5000}, {35000, 35000, 35000}, false},
    {"mixed", {5, 300, 5000}, {60, 1500, 35000}, false},
    {"read, common", {0, 0, 0}, {OFTEN, OFTEN, OFTEN}, true},
    {"read, mixed", {0, OFTEN, 0}, {OFTEN, KNOWN, KNOWN}, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct {
    const rs_bench_text_request *req;
    rs_archive *a;
    double     *share;             /* [VOCABULARY]: of ranks up to this one */
    char      (*word)[MAX_WORD];   /* [VOCABULARY] */
    char      (*text)[MAX_TEXT];   /* [queries] of the kind being asked */
    double     *ms;                /* [queries] */
    double     *want;              /* [queries x k] scores; 0: none */
    double      build_s;
    FILE       *queries, *scores;
    rs_err     *err;
} job;

/* ---- Reports ----------------------------------------------------------- */

/* A word of made-up syllables that no stemmer shortens. */
static void make_word(size_t i, char *out)
{
    static const char first[] = "bdfgkmnprtvz", second[] = "aou";
    size_t at = 0;

    for (int k = 0; k < 3; k++, i /= 36) {
        out[at++] = first[i % 36 / 3];
        out[at++] = second[i % 3];
    }
    out[at++] = 'k';
    out[at] = '\0';
}

static rs_status make_vocabulary(job *j)
{
    double sum = 0;

    j->share = rs_calloc(VOCABULARY, sizeof *j->share);
    j->word = rs_calloc(VOCABULARY, sizeof *j->word);
    j->text = rs_calloc(j->req->queries, sizeof *j->text);
    j->ms = rs_calloc(j->req->queries, sizeof *j->ms);
    j->want = rs_calloc(j->req->queries * j->req->k, sizeof *j->want);
    if (!j->share || !j->word || !j->text || !j->ms || !j->want)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    for (size_t i = 0; i < VOCABULARY; i++) {
        make_word(i, j->word[i]);
        j->share[i] = sum += 1 / (double)(i + 5);
    }
    for (size_t i = 0; i < KNOWN; i++)
        snprintf(j->word[rank_of_known(i)], MAX_WORD, "%s", known[i]);
    for (size_t i = 0; i < VOCABULARY; i++)
        j->share[i] /= sum;
    return RS_OK;
}

static size_t draw(const job *j, rs_random *rnd)
{
    double u = rs_random_unit(rnd);
    size_t low = 0, high = VOCABULARY - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (j->share[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Sentences of 6 to 14 words, one in seven of what there is not. */
static void make_report(const job *j, size_t i, rs_buf *out)
{
    rs_random rnd = rs_random_derive(j->req->seed, i);
    size_t n = 0, all = SHORTEST + rs_random_below(&rnd, LONGEST - SHORTEST + 1);

    out->len = 0;
    while (n < all) {
        size_t words = 6 + rs_random_below(&rnd, 9);
        if (rs_random_below(&rnd, 7) == 0 && ++n)
            rs_buf_puts(out, "No ");
        for (; words && n < all; words--, n++)
            rs_buf_printf(out, "%s%s", j->word[draw(j, &rnd)],
                          words > 1 && n + 1 < all ? " " : ". ");
    }
}

static rs_status fill_archive(job *j)
{
    rs_buf report = {0};
    rs_status st = rs_archive_open(&j->a, j->req->folder, RS_ARCHIVE_WRITE, j->err);

    for (size_t i = 0; st == RS_OK && i < j->req->cases; i++) {
        char key[32];
        rs_case c = {.key = key, .age_years = -1};
        if (i % BATCH == 0 && (st = rs_archive_begin(j->a, j->err)) != RS_OK)
            break;
        snprintf(key, sizeof key, "case %zu", i);
        make_report(j, i, &report);
        c.report = report.data;
        st = report.failed ? rs_fail(j->err, RS_ENOMEM, "bench: no memory")
                           : rs_archive_put(j->a, &c, NULL, j->err);
        if (st == RS_OK && (i % BATCH == BATCH - 1 || i + 1 == j->req->cases))
            st = rs_archive_commit(j->a, j->err);
    }
    rs_buf_clear(&report);
    return st;
}

/* ---- For another program ----------------------------------------------- */

static rs_status open_in(const char *folder, const char *name, FILE **out, rs_err *err)
{
    char *path = rs_path_join(folder, name);
    rs_status st = RS_OK;

    if (!path || !(*out = fopen(path, "w")))
        st = rs_fail(err, RS_EIO, "bench: cannot write %s", path ? path : name);
    rs_free(path);
    return st;
}

static bool print_stem(void *ctx, const char *token, size_t len)
{
    return fwrite(token, 1, len, ctx) == len && fputc(' ', ctx) == ' ';
}

static rs_status export_cases(job *j)
{
    rs_buf report = {0};
    FILE *f = NULL;
    rs_status st;

    if (!j->req->export)
        return RS_OK;
    if ((st = rs_mkdirs(j->req->export, j->err)) != RS_OK ||
        (st = open_in(j->req->export, "queries.txt", &j->queries, j->err)) != RS_OK ||
        (st = open_in(j->req->export, "scores.txt", &j->scores, j->err)) != RS_OK ||
        (st = open_in(j->req->export, "cases.txt", &f, j->err)) != RS_OK)
        return st;
    for (size_t i = 0; st == RS_OK && i < j->req->cases; i++) {
        make_report(j, i, &report);
        st = report.failed ? rs_fail(j->err, RS_ENOMEM, "bench: no memory")
                           : rs_tokens_each(j->a->text->tokens, report.data, report.len, print_stem,
                                            f, j->err);
        fputc('\n', f);
    }
    rs_buf_clear(&report);
    if (fclose(f) != 0 && st == RS_OK)
        st = rs_fail(j->err, RS_EIO, "bench: cannot write all of cases.txt");
    return st;
}

static rs_status export_query(job *j, const kind *of, size_t i)
{
    rs_status st;

    if (!j->queries || of->read)
        return RS_OK;
    fprintf(j->queries, "%s\t", of->name);
    st = rs_tokens_each(j->a->text->tokens, j->text[i], strlen(j->text[i]), print_stem, j->queries,
                        j->err);
    fputc('\n', j->queries);
    for (size_t k = 0; k < j->req->k; k++)
        fprintf(j->scores, "%.17g ", j->want[i * j->req->k + k]);
    fputc('\n', j->scores);
    return st;
}

/* ---- Asking -------------------------------------------------------------- */

/* Two words, three, two, three: different ones. */
static void make_queries(job *j, const kind *of)
{
    for (size_t i = 0; i < j->req->queries; i++) {
        rs_random rnd = rs_random_derive(j->req->seed + 1 + (uint64_t)(of - kinds), i);
        size_t n = 2 + i % 2, used = 0, before[3];
        for (size_t k = 0; k < n; k++) {
            size_t w = of->from[k] + rs_random_below(&rnd, of->to[k] - of->from[k]);
            while ((k > 0 && w == before[0]) || (k > 1 && w == before[1]))
                w = w + 1 < of->to[k] ? w + 1 : of->from[k];
            before[k] = w;
            used += (size_t)snprintf(j->text[i] + used, MAX_TEXT - used, "%s%s", k ? " " : "",
                                     of->read ? known[w] : j->word[w]);
        }
    }
}

typedef enum { BY_RANK, BY_BM25, BY_LISTS } way;

static rs_status ask_fts5(job *j, const char *match, double *scores)
{
    rs_stmt s = rs_db_use(j->a->db, "SELECT rowid, -rank FROM case_fts WHERE case_fts MATCH ?1"
                          " ORDER BY rank LIMIT ?2", j->err);
    size_t n = 0;

    rs_bind_text(&s, 1, match);
    rs_bind_int(&s, 2, (int64_t)j->req->k);
    while (rs_step(&s))
        scores[n++] = rs_col_real(&s, 1);
    return rs_done(&s);
}

static rs_status ask_ours(job *j, way by, const rs_text_query *q, rs_arena *mem, double *scores)
{
    rs_ranked *rows;
    size_t n;
    rs_restriction r;
    rs_status st = rs_restriction_make(j->a, NULL, q->exclude, mem, &r, j->err);

    rs_text_index_mode(j->a->text, by == BY_LISTS ? RS_TEXT_MEMORY : RS_TEXT_FTS5);
    if (st == RS_OK)
        st = rs_text_index_rank(j->a->text, q, &r, NULL, j->req->k, mem, &rows, &n, j->err);
    for (size_t i = 0; st == RS_OK && i < n; i++)
        scores[i] = rows[i].score;
    return st;
}

/* Query i, timed; its scores must be those of the way before. */
static rs_status ask(job *j, way by, const kind *of, bool check, size_t i, rs_arena *mem)
{
    double *want = j->want + i * j->req->k, *got = rs_new(mem, double, j->req->k), start;
    rs_text_query q;
    rs_status st = rs_text_query_compile(j->a->text, j->text[i],
                                         of->read ? RS_WORDS_READ : RS_WORDS_PLAIN, mem, &q,
                                         j->err);

    if (!got)
        return rs_fail(j->err, RS_ENOMEM, "bench: no memory");
    if (st != RS_OK)
        return st;
    start = rs_thread_cpu_s();
    st = by == BY_RANK ? ask_fts5(j, q.match, got) : ask_ours(j, by, &q, mem, got);
    j->ms[i] = 1e3 * (rs_thread_cpu_s() - start);
    for (size_t k = 0; st == RS_OK && check && k < j->req->k; k++)
        if (!(fabs(got[k] - want[k]) <= 1e-9))
            st = rs_fail(j->err, RS_EMISMATCH, "bench: '%s': score %zu is %.12g, not %.12g",
                         j->text[i], k + 1, got[k], want[k]);
    memcpy(want, got, j->req->k * sizeof *want);
    return st;
}

/* How many cases the queries match, on average. */
static rs_status count_matches(job *j, const kind *of, double *out)
{
    rs_arena mem = {0};
    rs_status st = RS_OK;

    *out = 0;
    for (size_t i = 0; st == RS_OK && i < j->req->queries; i++) {
        rs_text_query q;
        size_t n = 0;
        rs_arena_reset(&mem);
        st = rs_text_query_compile(j->a->text, j->text[i],
                                   of->read ? RS_WORDS_READ : RS_WORDS_PLAIN, &mem, &q, j->err);
        if (st == RS_OK)
            st = rs_lengths_count(&j->a->text->lengths, j->a->db, q.match, &n, j->err);
        *out += (double)n / (double)j->req->queries;
    }
    rs_arena_clear(&mem);
    return st;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void tell(const job *j, way by, const kind *of, const char *asked, double matches,
                 const double *ms, size_t n)
{
    static const char *const names[] = {"fts5 rank", "fts5 + rs_bm25", "posting lists"};
    rs_bench_text_row row = {.way = names[by], .words = of->name, .asked = asked,
                             .cases = j->req->cases, .queries = n, .matches = matches,
                             .p50_ms = ms[(n - 1) / 2], .p99_ms = ms[(n - 1) * 99 / 100]};

    if (by == BY_LISTS) {
        row.build_s = j->build_s;
        row.memory_mib = (double)rs_postings_measure(j->a->text->postings).bytes / 1048576;
    }
    j->req->row(j->req->ctx, &row);
}

static rs_status measure(job *j, way by, const kind *of, const char *asked, bool check,
                         double matches)
{
    rs_arena mem = {0};
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < j->req->queries; i++) {
        st = ask(j, by, of, check, i, &mem);
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    if (st != RS_OK)
        return st;
    qsort(j->ms, j->req->queries, sizeof *j->ms, ascending);
    tell(j, by, of, asked, matches, j->ms, j->req->queries);
    return RS_OK;
}

/* 50 cases are written anew with other words, and committed. */
static rs_status change_some(job *j, size_t round)
{
    enum { CHANGED = 50 };
    rs_buf report = {0};
    rs_status st = rs_archive_begin(j->a, j->err);

    for (size_t i = 0; st == RS_OK && i < CHANGED; i++) {
        char key[32];
        rs_case c = {.key = key, .age_years = -1};
        snprintf(key, sizeof key, "case %zu", (round * CHANGED + i) * 7919 % j->req->cases);
        make_report(j, j->req->cases + round * CHANGED + i, &report);
        c.report = report.data;
        st = report.failed ? rs_fail(j->err, RS_ENOMEM, "bench: no memory")
                           : rs_archive_put(j->a, &c, NULL, j->err);
    }
    rs_buf_clear(&report);
    if (st == RS_OK)
        return rs_archive_commit(j->a, j->err);
    rs_archive_rollback(j->a);
    return st;
}

/* The query after a commit, each time; posting lists last, held against FTS5. */
static rs_status measure_changes(job *j, const kind *of)
{
    enum { MOST = 50 };
    size_t n = j->req->queries < MOST ? j->req->queries : MOST;
    double *by_fts5 = rs_calloc(n, sizeof *by_fts5);
    rs_arena mem = {0};
    rs_status st = by_fts5 ? RS_OK : rs_fail(j->err, RS_ENOMEM, "bench: no memory");

    make_queries(j, of);
    for (size_t i = 0; st == RS_OK && i < n; i++) {
        if ((st = change_some(j, i)) == RS_OK &&
            (st = ask(j, BY_BM25, of, false, i, &mem)) == RS_OK) {
            by_fts5[i] = j->ms[i];
            st = ask(j, BY_LISTS, of, true, i, &mem);
        }
        rs_arena_reset(&mem);
    }
    rs_arena_clear(&mem);
    for (int lists = 0; st == RS_OK && lists < 2; lists++) {
        double *ms = lists ? j->ms : by_fts5;
        qsort(ms, n, sizeof *ms, ascending);
        tell(j, lists ? BY_LISTS : BY_BM25, of, "changed", 0, ms, n);
    }
    rs_free(by_fts5);
    return st;
}

/* One kind of queries by every way: as new ones, then again. */
static rs_status measure_kind(job *j, const kind *of)
{
    double matches;
    rs_status st;

    make_queries(j, of);
    rs_lengths_clear(&j->a->text->lengths);
    if ((st = rs_lengths_refresh(&j->a->text->lengths, j->a->db, j->err)) != RS_OK)
        return st;
    if (!of->read && (st = measure(j, BY_RANK, of, "again", false, 0)) != RS_OK)
        return st;
    if ((st = measure(j, BY_BM25, of, "first", !of->read, 0)) != RS_OK ||
        (st = count_matches(j, of, &matches)) != RS_OK ||
        (st = measure(j, BY_BM25, of, "again", true, matches)) != RS_OK ||
        (st = measure(j, BY_LISTS, of, "first", true, matches)) != RS_OK ||
        (st = measure(j, BY_LISTS, of, "again", true, matches)) != RS_OK)
        return st;
    for (size_t i = 0; st == RS_OK && i < j->req->queries; i++)
        st = export_query(j, of, i);
    return st;
}

static rs_status run(job *j)
{
    double start;
    rs_status st;

    if ((st = make_vocabulary(j)) != RS_OK || (st = fill_archive(j)) != RS_OK ||
        (st = rs_db_exec(j->a->db, "INSERT INTO case_fts(case_fts) VALUES('optimize')",
                         j->err)) != RS_OK ||
        (st = export_cases(j)) != RS_OK)
        return st;
    start = rs_thread_cpu_s();
    if ((st = rs_text_index_prepare(j->a->text, j->err)) != RS_OK)
        return st;
    j->build_s = rs_thread_cpu_s() - start;
    if (!rs_postings_ready(j->a->text->postings))
        return rs_fail(j->err, RS_ELIMIT, "bench: not the memory for posting lists");
    for (size_t i = 0; st == RS_OK && i < KINDS; i++)
        st = measure_kind(j, &kinds[i]);
    for (size_t i = 0; st == RS_OK && i < KINDS; i += KINDS - 2)      /* common, read */
        st = measure_changes(j, &kinds[i]);
    return st;
}

rs_status rs_bench_text(const rs_bench_text_request *q, rs_err *err)
{
    job j = {.req = q, .err = err};
    rs_status st = run(&j);

    if ((j.queries && fclose(j.queries) != 0) | (j.scores && fclose(j.scores) != 0))
        st = st != RS_OK ? st : rs_fail(err, RS_EIO, "bench: cannot write all of the queries");
    rs_archive_close(j.a);
    rs_free(j.share);
    rs_free(j.word);
    rs_free(j.text);
    rs_free(j.ms);
    rs_free(j.want);
    return st;
}
