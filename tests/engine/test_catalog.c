/* test_catalog.c - cases, sources and problems go in and come out; a batch is all or
 * nothing, also under kill -9 and without memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "engine/query.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static rs_stats stats_of(rs_archive *a)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_stats s;

    ok(rs_archive_stats(a, &mem, &s, &err), &err);
    rs_arena_clear(&mem);
    s.modalities = s.body_parts = s.findings = NULL;
    s.encoder = NULL;
    return s;
}

/* ---- Cases ----------------------------------------------------------- */

static void same_text(const char *a, const char *b)
{
    assert_string_equal(a ? a : "(null)", b ? b : "(null)");
}

static void same_case(const rs_case *a, const rs_case *b)
{
    same_text(a->key, b->key);
    same_text(a->source, b->source);
    same_text(a->title, b->title);
    same_text(a->report, b->report);
    same_text(a->modality, b->modality);
    same_text(a->body_part, b->body_part);
    same_text(a->view, b->view);
    same_text(a->sex, b->sex);
    same_text(a->patient, b->patient);
    same_text(a->collection, b->collection);
    same_text(a->attributes, b->attributes);
    same_text(a->digest, b->digest);
    assert_true(a->age_years == b->age_years);
    assert_int_equal(a->n_sections, b->n_sections);
    assert_int_equal(a->n_images, b->n_images);
    assert_int_equal(a->n_passages, b->n_passages);
    assert_int_equal(a->n_findings, b->n_findings);
    for (size_t i = 0; i < a->n_sections; i++) {
        same_text(a->sections[i].name, b->sections[i].name);
        assert_int_equal(a->sections[i].begin, b->sections[i].begin);
        assert_int_equal(a->sections[i].end, b->sections[i].end);
    }
    for (size_t i = 0; i < a->n_images; i++) {
        same_text(a->images[i].path, b->images[i].path);
        same_text(a->images[i].given, b->images[i].given);
        same_text(a->images[i].sha256, b->images[i].sha256);
        same_text(a->images[i].view, b->images[i].view);
        assert_int_equal(a->images[i].width, b->images[i].width);
        assert_int_equal(a->images[i].height, b->images[i].height);
    }
    for (size_t i = 0; i < a->n_passages; i++) {
        same_text(a->passages[i].section, b->passages[i].section);
        same_text(a->passages[i].text, b->passages[i].text);
        assert_int_equal(a->passages[i].begin, b->passages[i].begin);
        assert_int_equal(a->passages[i].end, b->passages[i].end);
    }
    for (size_t i = 0; i < a->n_findings; i++)
        same_text(a->findings[i], b->findings[i]);
}

/* What was put is what is got, also after it was replaced by something smaller or larger. */
static void test_put_and_get(void **state)
{
    rs_random rnd = rs_random_seed(1);
    random_case r;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_put_kind kind;
    rs_archive *a;
    rs_case *got;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_archive_begin(a, &err), &err);
    for (int round = 0; round < 20; round++) {
        make_case(&r, &rnd, 1);
        ok(rs_archive_put(a, &r.c, &kind, &err), &err);
        assert_int_equal(kind, round ? RS_PUT_REPLACED : RS_PUT_ADDED);
        ok(rs_archive_get(a, r.key, &mem, &got, &err), &err);
        same_case(&r.c, got);
    }
    ok(rs_archive_commit(a, &err), &err);
    assert_int_equal(stats_of(a).cases, 1);
    assert_int_equal(stats_of(a).images, r.c.n_images);
    assert_int_equal(stats_of(a).image_vectors, r.c.n_images);
    assert_int_equal(stats_of(a).passage_vectors, r.c.n_passages);
    ok(rs_archive_verify(a, &err), &err);
    assert_int_equal(rs_archive_get(a, "nobody", &mem, &got, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "nobody"));
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* Text that is not UTF-8 keeps its length, so that ranges hold. */
static void test_text_is_made_valid(void **state)
{
    rs_section sections[] = {{"findings", 0, 5}};
    rs_case c = {.key = "k\xff", .title = "a\xff", .report = "b\xc3 cd e", .sections = sections,
                 .n_sections = 1, .age_years = -1};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    rs_case *got;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_one(a, &c);
    ok(rs_archive_get(a, "k\xff", &mem, &got, &err), &err);
    assert_string_equal(got->key, "k\xff");
    assert_string_equal(got->title, "a?");
    assert_string_equal(got->report, "b? cd e");
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* A record that cannot be right names its field and leaves the batch as it was. */
static void test_bad_records(void **state)
{
    static const float unit[DIM] = {1}, half[DIM] = {0.5f}, nan_vector[DIM] = {NAN};
    const rs_section no_name[] = {{NULL, 0, 0}}, beyond[] = {{"findings", 2, 9}},
                     backwards[] = {{"findings", 2, 1}};
    const rs_case_image no_path[] = {{.vector = unit}}, no_vector[] = {{.path = "/x"}},
                        short_vector[] = {{.path = "/x", .vector = half}},
                        bad_vector[] = {{.path = "/x", .vector = nan_vector}};
    const rs_passage no_text[] = {{.vector = unit}},
                     far_off[] = {{.text = "x", .vector = unit, .begin = 3, .end = 9}};
    const struct { rs_case c; const char *says; } rows[] = {
        {{.key = NULL}, "without a key"},
        {{.key = ""}, "without a key"},
        {{.key = "k", .sections = no_name, .n_sections = 1}, "section 0: has no name"},
        {{.key = "k", .report = "abc", .sections = beyond, .n_sections = 1}, "bytes 2 to 9 of 3"},
        {{.key = "k", .report = "abc", .sections = backwards, .n_sections = 1}, "bytes 2 to 1"},
        {{.key = "k", .images = no_path, .n_images = 1}, "image 0: has no path"},
        {{.key = "k", .images = no_vector, .n_images = 1}, "image 0: has no vector"},
        {{.key = "k", .images = short_vector, .n_images = 1}, "vector of length 0.5"},
        {{.key = "k", .images = bad_vector, .n_images = 1}, "vector of length"},
        {{.key = "k", .passages = no_text, .n_passages = 1}, "passage 0: has no text"},
        {{.key = "k", .report = "abc", .passages = far_off, .n_passages = 1}, "bytes 3 to 9"},
        {{.key = "k", .attributes = "[1]"}, "attributes: not an object"},
        {{.key = "k", .attributes = "{"}, "attributes"},
    };
    rs_case good = {.key = "good", .age_years = -1};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    assert_int_equal(rs_archive_put(a, &good, NULL, &err), RS_EARG);
    assert_non_null(strstr(err.msg, "open batch"));
    ok(rs_archive_begin(a, &err), &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rs_archive_put(a, &rows[i].c, NULL, &err), RS_EARG);
        if (!strstr(err.msg, rows[i].says))
            fail_msg("row %zu says: %s", i, err.msg);
    }
    ok(rs_archive_put(a, &good, NULL, &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    assert_int_equal(stats_of(a).cases, 1);
    rs_archive_close(a);
    remove_folder(dir);
}

static void test_rollback(void **state)
{
    rs_random rnd = rs_random_seed(4);
    random_case r;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    const char *mark;
    rs_archive *a;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    ok(rs_archive_begin(a, &err), &err);
    make_case(&r, &rnd, 1);
    ok(rs_archive_put(a, &r.c, NULL, &err), &err);
    ok(rs_archive_set_mark(a, "s", "1", &err), &err);
    rs_archive_rollback(a);
    rs_archive_rollback(a);                      /* nothing open: nothing */
    assert_int_equal(rs_archive_commit(a, &err), RS_EARG);
    assert_int_equal(stats_of(a).cases, 0);
    ok(rs_archive_mark(a, "s", &mem, &mark, &err), &err);
    assert_null(mark);
    ok(rs_archive_begin(a, &err), &err);
    assert_int_equal(rs_archive_begin(a, &err), RS_EARG);
    ok(rs_archive_put(a, &r.c, NULL, &err), &err);
    rs_archive_close(a);                         /* an open batch is undone */
    a = open_archive(dir, RS_ARCHIVE_READ);
    assert_int_equal(stats_of(a).cases, 0);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Lists ----------------------------------------------------------- */

static void test_keys_and_digests(void **state)
{
    static const char *const names[] = {"b", "a", "d", "c", "e"};
    const char **keys, *digest;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    size_t n;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (size_t i = 0; i < 5; i++) {
        rs_case c = {.key = names[i], .source = i < 3 ? "one" : "two", .age_years = -1,
                     .digest = i ? "abc" : NULL};
        put_one(a, &c);
    }
    ok(rs_archive_keys(a, NULL, NULL, 3, &mem, &keys, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_string_equal(keys[2], "c");
    ok(rs_archive_keys(a, NULL, keys[2], 3, &mem, &keys, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_string_equal(keys[0], "d");
    ok(rs_archive_keys(a, "two", NULL, SIZE_MAX, &mem, &keys, &n, &err), &err);
    assert_int_equal(n, 2);
    ok(rs_archive_digest(a, "b", &mem, &digest, &err), &err);
    assert_string_equal(digest, "");
    ok(rs_archive_digest(a, "a", &mem, &digest, &err), &err);
    assert_string_equal(digest, "abc");
    assert_int_equal(rs_archive_digest(a, "z", &mem, &digest, &err), RS_ENOENT);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

static void test_sources_and_problems(void **state)
{
    const rs_source_file first = {"b.png", "abc", "case", 12, 34},
                         again = {"b.png", NULL, NULL, 13, 35},
                         other = {"a.png", NULL, NULL, 1, 2};
    const rs_source_file *f;
    const rs_problem *p;
    const char *mark;
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    char dir[64];
    size_t n;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    assert_int_equal(rs_archive_set_mark(a, "s", "1", &err), RS_EARG);      /* no batch */
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_set_mark(a, "s", "1", &err), &err);
    ok(rs_archive_set_mark(a, "s", "2", &err), &err);
    ok(rs_archive_set_file(a, "s", &first, &err), &err);
    ok(rs_archive_file(a, "s", "b.png", &mem, &f, &err), &err);
    assert_string_equal(f->sha256, "abc");
    assert_string_equal(f->case_key, "case");
    ok(rs_archive_set_file(a, "s", &again, &err), &err);
    ok(rs_archive_set_file(a, "s", &other, &err), &err);
    ok(rs_archive_set_problem(a, &(rs_problem){"s", "x.png", "cut short", NULL}, &err), &err);
    ok(rs_archive_set_problem(a, &(rs_problem){"s", "x.png", "no PNG", NULL}, &err), &err);
    ok(rs_archive_set_problem(a, &(rs_problem){"t", "y.png", "empty", NULL}, &err), &err);
    ok(rs_archive_commit(a, &err), &err);

    ok(rs_archive_mark(a, "s", &mem, &mark, &err), &err);
    assert_string_equal(mark, "2");
    ok(rs_archive_mark(a, "t", &mem, &mark, &err), &err);
    assert_null(mark);
    ok(rs_archive_files(a, "s", &mem, &f, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_string_equal(f[0].file, "a.png");
    assert_int_equal(f[1].mtime_ns, 13);
    assert_int_equal(f[1].size_bytes, 35);
    assert_null(f[1].sha256);
    ok(rs_archive_file(a, "t", "b.png", &mem, &f, &err), &err);
    assert_null(f);
    ok(rs_archive_problems(a, NULL, &mem, &p, &n, &err), &err);
    assert_int_equal(n, 2);
    assert_string_equal(p[0].reason, "no PNG");
    assert_true(strlen(p[0].at) > 10);
    ok(rs_archive_begin(a, &err), &err);
    ok(rs_archive_clear_problem(a, "s", "x.png", &err), &err);
    ok(rs_archive_forget_file(a, "s", "b.png", &err), &err);
    ok(rs_archive_commit(a, &err), &err);
    ok(rs_archive_problems(a, "s", &mem, &p, &n, &err), &err);
    assert_int_equal(n, 0);
    ok(rs_archive_file(a, "s", "b.png", &mem, &f, &err), &err);
    assert_null(f);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

static size_t count_of(const rs_count *rows, size_t n, const char *label)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].label, label) == 0)
            return rows[i].count;
    return 0;
}

static void test_stats(void **state)
{
    static const char *const labels[] = {"mass", "Nodule"};
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    rs_stats s;
    char dir[64];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    put_one(a, &(rs_case){.key = "1", .modality = "CR", .body_part = "CHEST", .findings = labels,
                          .n_findings = 2, .age_years = -1});
    put_one(a, &(rs_case){.key = "2", .modality = "cr", .findings = labels, .n_findings = 1,
                          .age_years = -1});
    put_one(a, &(rs_case){.key = "3", .modality = "MR", .age_years = -1});
    ok(rs_archive_stats(a, &mem, &s, &err), &err);
    assert_int_equal(s.cases, 3);
    assert_int_equal(s.n_modalities, 2);
    assert_int_equal(s.modalities[0].count, 2);
    assert_int_equal(count_of(s.modalities, 2, "MR"), 1);
    assert_int_equal(count_of(s.body_parts, s.n_body_parts, ""), 2);
    assert_int_equal(count_of(s.body_parts, s.n_body_parts, "CHEST"), 1);
    assert_int_equal(count_of(s.findings, s.n_findings, "mass"), 2);
    assert_int_equal(count_of(s.findings, s.n_findings, "Nodule"), 1);
    assert_string_equal(s.encoder->name, "tiny");
    assert_int_equal(s.image_generation, 0);
    rs_arena_clear(&mem);
    rs_archive_close(a);
    remove_folder(dir);
}

/* ---- Kill -9 --------------------------------------------------------- */

/* Case `i`: one of 30 keys, two images, one passage; the digest says which `i`. */
static rs_status put_numbered(rs_archive *a, long i, rs_random *rnd, rs_err *err)
{
    char key[16], digest[24], path[2][48];
    float x[3][DIM];
    rs_case_image images[2];
    rs_passage passage;
    rs_status st;

    snprintf(key, sizeof key, "k%ld", i % 30);
    snprintf(digest, sizeof digest, "%ld", i);
    for (int v = 0; v < 3; v++)
        unit_vector(rnd, x[v]);
    for (int v = 0; v < 2; v++) {
        snprintf(path[v], sizeof path[v], "/%ld-%d.png", i, v);
        images[v] = (rs_case_image){.path = path[v], .vector = x[v]};
    }
    passage = (rs_passage){.text = "words", .vector = x[2]};
    if ((st = rs_archive_begin(a, err)) != RS_OK ||
        (st = rs_archive_put(a, &(rs_case){.key = key, .digest = digest, .report = "words",
                                           .images = images, .n_images = 2, .age_years = -1,
                                           .passages = &passage, .n_passages = 1}, NULL, err))
            != RS_OK ||
        (st = rs_archive_set_mark(a, "loop", digest, err)) != RS_OK)
        return st;
    return rs_archive_commit(a, err);
}

static long mark_of(rs_archive *a)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    const char *mark;
    long n;

    ok(rs_archive_mark(a, "loop", &mem, &mark, &err), &err);
    n = mark ? strtol(mark, NULL, 10) : 0;
    rs_arena_clear(&mem);
    return n;
}

/* Put cases and tell each one acknowledged through `fd`, until killed. */
static void write_until_killed(const char *dir, int fd)
{
    rs_archive *a = open_writer(dir);
    rs_random rnd = rs_random_seed((uint64_t)getpid());
    rs_err err = {RS_OK, ""};

    for (long i = mark_of(a) + 1;; i++) {
        if (put_numbered(a, i, &rnd, &err) != RS_OK ||
            (i % 5 == 0 && rs_archive_rebuild(a, &err) != RS_OK) ||
            write(fd, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

/* Let a child write for a moment, kill it, and give the last case it acknowledged. */
static long run_and_kill(const char *dir, rs_random *rnd)
{
    struct timespec nap = {0, (long)rs_random_below(rnd, 40) * 1000000L};
    long last = 0, i;
    int fds[2], how;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        write_until_killed(dir, fds[1]);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &last, sizeof last), sizeof last);
    nanosleep(&nap, NULL);
    kill(pid, SIGKILL);
    while (read(fds[0], &i, sizeof i) == sizeof i)
        last = i;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how));               /* it did not end of itself */
    return last;
}

/* The catalog holds just what puts 1..mark make, and searches find it all. */
static void check_numbered(rs_archive *a, long mark)
{
    static const float x[DIM] = {1};
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    const char *digest;
    rs_result res;
    size_t cases = mark < 30 ? (size_t)mark : 30;

    ok(rs_archive_verify(a, &err), &err);
    assert_int_equal(stats_of(a).cases, cases);
    assert_int_equal(stats_of(a).images, 2 * cases);
    assert_int_equal(stats_of(a).image_vectors, 2 * cases);
    assert_int_equal(stats_of(a).passage_vectors, cases);
    for (long k = 0; k < 30; k++) {
        long newest = mark - ((mark - k) % 30 + 30) % 30;
        char key[16];
        snprintf(key, sizeof key, "k%ld", k);
        if (newest < 1)
            continue;
        ok(rs_archive_digest(a, key, &mem, &digest, &err), &err);
        assert_int_equal(strtol(digest, NULL, 10), newest);
    }
    ask_text(&q, "words", NULL);
    ask_images(&q, x, 1);
    q.k = 100;
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    assert_int_equal(res.found[RS_PROBE_BM25], cases);
    assert_int_equal(res.found[RS_PROBE_IMAGE_IMAGE], cases);
    assert_int_equal(res.found[RS_PROBE_IMAGE_PASSAGE], cases);
    rs_arena_clear(&mem);
}

static void test_kill_loses_nothing_acknowledged(void **state)
{
    rs_random rnd = rs_random_seed(77);
    char dir[64];

    (void)state;
    make_folder(dir);
    for (int round = 0; round < 12; round++) {
        long acknowledged = run_and_kill(dir, &rnd), mark;
        rs_archive *a = open_archive(dir, RS_ARCHIVE_WRITE);
        mark = mark_of(a);
        assert_true(mark == acknowledged || mark == acknowledged + 1);
        check_numbered(a, mark);
        rs_archive_close(a);
    }
    remove_folder(dir);
}

/* ---- Out of memory --------------------------------------------------- */

static rs_status index_two(const char *dir, rs_err *err)
{
    rs_random rnd = rs_random_seed(5);
    rs_archive *a = NULL;
    rs_status st = rs_archive_open(&a, dir, RS_ARCHIVE_WRITE, err);

    if (st == RS_OK)
        st = rs_archive_bind_encoder(a, &fixture_encoder, err);
    if (st == RS_OK)
        st = put_numbered(a, 1, &rnd, err);
    if (st == RS_OK)
        st = put_numbered(a, 31, &rnd, err);         /* the same case again */
    if (st == RS_OK)
        st = rs_archive_rebuild(a, err);
    rs_archive_close(a);
    return st;
}

/* Let the k-th allocation fail, for every k until all succeeds: an error, no leak, and
 * an archive that is in step. */
static void test_out_of_memory(void **state)
{
    rs_err err = {RS_OK, ""};
    rs_status st = RS_ENOMEM;
    char dir[64];

    (void)state;
    make_folder(dir);
    for (long k = 0; st != RS_OK; k++) {
        size_t live = rs_alloc_live();
        rs_archive *a;
        assert_true(k < 3000);
        rs_alloc_fail_after(k);
        st = index_two(dir, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
        if (k % 16 && st != RS_OK)
            continue;
        a = open_archive(dir, RS_ARCHIVE_WRITE);
        ok(rs_archive_verify(a, &err), &err);
        rs_archive_close(a);
    }
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_text_is_made_valid),
        cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_keys_and_digests),
        cmocka_unit_test(test_sources_and_problems),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_kill_loses_nothing_acknowledged),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
