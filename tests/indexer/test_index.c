/* test_index.c - sources into an archive: what is new, unchanged, changed, gone, broken.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/index.h"

#include "embeddings/intake.h"
#include "embeddings/phash.h"
#include "embeddings/regions.h"
#include "engine/archive_int.h"
#include "engine/query.h"
#include "engine/regions.h"
#include "indexer/case_make.h"
#include "indexer/holdings.h"
#include "jpeg_film.h"
#include "scratch.h"
#include "tiny_model.h"

#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <sys/stat.h>
#include <unistd.h>

static rs_encoder *encoder;
static rs_pool *pool;

static int make_all(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    if (tiny_model_write(at("model"), 7, &err) != RS_OK ||
        rs_encoder_open(&encoder, at("model"), &err) != RS_OK || rs_pool_new(&pool, 2, &err) != RS_OK) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

static int drop_all(void **state)
{
    rs_encoder_close(encoder);
    rs_pool_free(pool);
    return scratch_drop(state);
}

/* ---- Helpers --------------------------------------------------------- */

static rs_archive *open_archive(const char *name)
{
    rs_encoder_identity id = {rs_encoder_id(encoder), "tiny", scratch, rs_encoder_dim(encoder)};
    rs_archive *a;
    rs_err err = {0};

    ok(rs_archive_open(&a, at(name), RS_ARCHIVE_WRITE, &err), &err);
    ok(rs_archive_bind_encoder(a, &id, &err), &err);
    return a;
}

static rs_index_report run_with(const char *archive, const char *source, rs_index_options o)
{
    rs_archive *a = open_archive(archive);
    rs_index_report r;
    rs_err err = {0};

    o.pool = pool;
    o.progress = RS_PROGRESS_QUIET;
    ok(rs_index_run(a, encoder, at(source), &o, &r, &err), &err);
    ok(rs_archive_verify(a, &err), &err);
    rs_archive_close(a);
    return r;
}

static rs_index_report run(const char *archive, const char *source)
{
    return run_with(archive, source, (rs_index_options){0});
}

/* cases, added, updated, unchanged, gone, pruned, refused cases, refused images, problems */
#define assert_report(r, ...) \
    do { \
        const rs_index_report r_ = (r); \
        const size_t want_[9] = {__VA_ARGS__}; \
        const size_t got_[9] = {r_.cases, r_.added, r_.updated, r_.unchanged, r_.gone, r_.pruned, \
                                r_.refused_cases, r_.refused_images, r_.problems}; \
        static const char *const name_[9] = {"cases", "added", "updated", "unchanged", "gone", \
            "pruned", "refused cases", "refused images", "problems"}; \
        for (int i_ = 0; i_ < 9; i_++) \
            if (want_[i_] != got_[i_]) \
                fail_msg("line %d: %s: %zu, wanted %zu", __LINE__, name_[i_], got_[i_], want_[i_]); \
    } while (0)

/* The reason recorded for `item`, or NULL. */
static const char *reason(const char *archive, const char *item)
{
    static char text[500];
    rs_arena mem = {0};
    const rs_problem *p;
    size_t n;
    rs_archive *a;
    rs_err err = {0};

    text[0] = '\0';
    ok(rs_archive_open(&a, at(archive), RS_ARCHIVE_READ, &err), &err);
    ok(rs_archive_problems(a, NULL, &mem, &p, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        if (strcmp(p[i].item, item) == 0)
            snprintf(text, sizeof text, "%s", p[i].reason);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    return text[0] ? text : NULL;
}

#define assert_reason(archive, item, part) \
    do { \
        const char *reason_ = reason(archive, item); \
        if (!reason_ || !strstr(reason_, part)) \
            fail_msg("line %d: %s: '%s', wanted '%s' in it", __LINE__, item, \
                     reason_ ? reason_ : "(no problem)", part); \
    } while (0)

/* Make a file look older than anything now written: its time is part of the digest. */
static void set_time(const char *name, long seconds)
{
    struct timespec t[2] = {{seconds, 0}, {seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, at(name), t, 0), 0);
}

static rs_case *get(const char *archive, const char *key, rs_arena *mem)
{
    rs_archive *a;
    rs_case *c = NULL;
    rs_err err = {0};

    ok(rs_archive_open(&a, at(archive), RS_ARCHIVE_READ, &err), &err);
    ok(rs_archive_get(a, key, mem, &c, &err), &err);
    rs_archive_close(a);
    return c;
}

/* ---- New, unchanged, changed, gone ----------------------------------- */

static const char row_a[] = "{\"case_id\":\"a\",\"images\":[\"p/1.png\",\"p/2.png\"],\"modality\":\"CR\","
                            "\"findings\":\"A small nodule.\",\"impression\":\"Nodule.\"}\n";
static const char row_b[] = "{\"id\":\"b\",\"image\":\"p/3.png\",\"title\":\"Left effusion\"}\n";
static const char row_c[] = "{\"id\":\"c\",\"report\":\"FINDINGS: Clear lungs. IMPRESSION: Normal.\"}\n";

static void put_rows(const char *name, const char *a, const char *b, const char *c, const char *d)
{
    char text[4096];

    snprintf(text, sizeof text, "%s%s%s%s", a, b, c, d);
    put(name, text);
}

static void put_pictures(void)
{
    char name[32];

    for (unsigned i = 1; i <= 8; i++) {
        snprintf(name, sizeof name, "p/%u.png", i);
        put_picture(name, i);
    }
}

/* A date or a tier makes another digest; without them a case has that of archives made before
 * there were any, and is not indexed anew. */
static void test_digest_of_dates_and_tiers(void **state)
{
    static const char old[] = "69a816d60dd81d33c7a4f4b1cbe1bc800ffc1e94fc43bbb0adb2cd26531fb57a";
    static const char dated[] = "{\"id\":\"c\",\"report\":\"FINDINGS: Clear lungs. IMPRESSION: "
                                "Normal.\",\"date\":\"%s\",\"tier\":\"%s\"}\n";
    rs_arena mem = {0};
    rs_index_report r;
    char row[256];

    (void)state;
    put("dated.jsonl", row_c);
    r = run("dated", "dated.jsonl");
    assert_report(r, 1, 1);
    assert_string_equal(get("dated", "c", &mem)->digest, old);
    snprintf(row, sizeof row, dated, "2024", "reviewed");
    put("dated.jsonl", row);
    r = run("dated", "dated.jsonl");
    assert_report(r, 1, 0, 1);
    assert_string_equal(get("dated", "c", &mem)->study_date, "2024");
    assert_int_equal(get("dated", "c", &mem)->tier, RS_TIER_REVIEWED);
    r = run("dated", "dated.jsonl");
    assert_report(r, 1, 0, 0, 1);
    snprintf(row, sizeof row, dated, "2024", "proven");
    put("dated.jsonl", row);
    r = run("dated", "dated.jsonl");
    assert_report(r, 1, 0, 1);
    rs_arena_clear(&mem);
}

static void test_manifest_over_time(void **state)
{
    rs_arena mem = {0};
    rs_index_report r;
    rs_case *c;

    (void)state;
    put_pictures();
    put_rows("m.jsonl", row_a, row_b, row_c, "");
    r = run("m", "m.jsonl");
    assert_report(r, 3, 3);
    assert_int_equal(r.images, 3);
    assert_int_equal(r.passages, 5);               /* nodule x 2, title, lungs, normal */
    c = get("m", "a", &mem);
    assert_string_equal(c->title, "Nodule.");      /* made from the impression */
    assert_int_equal(c->n_images, 2);
    assert_string_equal(c->images[1].path, at("p/2.png"));
    assert_int_equal(c->images[0].width, 41);

    r = run("m", "m.jsonl");
    assert_report(r, 3, 0, 0, 3);
    assert_int_equal(r.images + r.passages, 0);
    assert_true(r.decode_s == 0 && r.encode_s == 0 && r.write_s == 0);     /* nothing was opened */

    put_rows("m.jsonl", row_a, "{\"id\":\"b\",\"image\":\"p/3.png\",\"title\":\"Right effusion\"}\n",
             row_c, "");
    r = run("m", "m.jsonl");
    assert_report(r, 3, 0, 1, 2);
    assert_string_equal(get("m", "b", &mem)->title, "Right effusion");

    put_picture("p/2.png", 99);                    /* the same name, another picture */
    r = run("m", "m.jsonl");
    assert_report(r, 3, 0, 1, 2);
    assert_int_equal(r.images, 2);
    assert_int_equal(get("m", "a", &mem)->images[1].width, 40 + 99 % 7);

    put_rows("m.jsonl", row_a, row_c, "", "");
    r = run("m", "m.jsonl");
    assert_report(r, 2, 0, 0, 2, 1);               /* b is gone from the source, kept here */
    get("m", "b", &mem);
    r = run_with("m", "m.jsonl", (rs_index_options){.prune = true});
    assert_report(r, 2, 0, 0, 2, 0, 1);
    {
        rs_archive *a = open_archive("m");
        const rs_source_file *file;
        assert_int_equal(rs_archive_get(a, "b", &mem, &c, NULL), RS_ENOENT);
        ok(rs_archive_file(a, at("m.jsonl"), "p/3.png", &mem, &file, NULL), &(rs_err){0});
        assert_null(file);                         /* its file is forgotten too */
        ok(rs_archive_file(a, at("m.jsonl"), "p/1.png", &mem, &file, NULL), &(rs_err){0});
        assert_string_equal(file->case_key, "a");
        rs_archive_close(a);
    }
    rs_arena_clear(&mem);
}

/* ---- Regions ----------------------------------------------------------- */

static rs_stats stats_of(const char *archive, rs_arena *mem)
{
    rs_archive *a;
    rs_stats s;
    rs_err err = {0};

    ok(rs_archive_open(&a, at(archive), RS_ARCHIVE_READ, &err), &err);
    ok(rs_archive_stats(a, mem, &s, &err), &err);
    rs_archive_close(a);
    return s;
}

/* The regions of a whole image of the archive are those of the file, to half precision. */
static void assert_regions_of(const char *archive, const char *path)
{
    static float pixels[3 * TINY_SIDE * TINY_SIDE], want[RS_REGIONS_EACH * TINY_DIM];
    double picture[RS_REGIONS_EACH][4], square[RS_REGIONS_EACH][4];
    float whole[TINY_DIM], got[TINY_DIM];
    const char *file = at(path);
    rs_image im;
    rs_view v;
    size_t n = 0;
    rs_db *db;
    rs_err err = {0};
    char catalog[512];
    rs_stmt s;

    ok(rs_intake_files(rs_encoder_preprocess(encoder), &file, 1, NULL, pixels, &err), &err);
    ok(rs_image_load(&im, file, &err), &err);
    ok(rs_preprocess_view(rs_encoder_preprocess(encoder), im.width, im.height, &v, &err), &err);
    rs_region_windows(&v, picture, square);
    ok(rs_encoder_regions(encoder, pixels, 1, square[0], RS_REGIONS_EACH, NULL, whole, want, &err),
       &err);
    rs_image_clear(&im);
    snprintf(catalog, sizeof catalog, "%s/catalog.db", at(archive));
    ok(rs_db_open(&db, catalog, false, &err), &err);
    s = rs_db_use(db, "SELECT x0, y0, x1, y1, vector FROM region_vectors r JOIN images i ON"
                  " i.id = r.image_id WHERE i.path = ?1 ORDER BY r.id", &err);
    rs_bind_text(&s, 1, file);
    for (; rs_step(&s); n++) {
        size_t len;
        const void *blob = rs_col_blob(&s, 4, &len);
        assert_true(n < RS_REGIONS_EACH && len == 2 * TINY_DIM);
        for (int k = 0; k < 4; k++)
            assert_true(fabs(rs_col_real(&s, k) - picture[n][k]) < 1e-12);
        rs_half_unpack(got, blob, TINY_DIM);
        for (size_t k = 0; k < TINY_DIM; k++)
            assert_true(fabsf(got[k] - want[n * TINY_DIM + k]) < 2e-3f);
    }
    ok(rs_done(&s), &err);
    assert_int_equal(n, RS_REGIONS_EACH);
    rs_db_close(db);
}

static void test_regions_on_off_and_again(void **state)
{
    const rs_index_options on = {.regions = RS_REGIONS_ON}, off = {.regions = RS_REGIONS_OFF};
    rs_arena mem = {0};
    rs_index_report r;

    (void)state;
    put_pictures();
    put_rows("r.jsonl", row_a, row_b, row_c, "");
    assert_report(run("r", "r.jsonl"), 3, 3);
    assert_int_equal(stats_of("r", &mem).region_vectors, 0);

    r = run_with("r", "r.jsonl", on);              /* a and b have images */
    assert_report(r, 3, 0, 2, 1);
    assert_int_equal(r.regions, 3 * RS_REGIONS_EACH);
    assert_int_equal(stats_of("r", &mem).region_vectors, 3 * RS_REGIONS_EACH);
    assert_int_equal(stats_of("r", &mem).images_with_regions, 3);
    assert_regions_of("r", "p/1.png");
    assert_regions_of("r", "p/3.png");

    assert_report(run_with("r", "r.jsonl", on), 3, 0, 0, 3);
    assert_report(run("r", "r.jsonl"), 3, 0, 0, 3);        /* as before: on */
    put_picture("p/9.png", 9);
    put_rows("r.jsonl", row_a, row_b, row_c, "{\"id\":\"n\",\"image\":\"p/9.png\"}\n");
    assert_report(run("r", "r.jsonl"), 4, 1, 0, 3);
    assert_int_equal(stats_of("r", &mem).region_vectors, 4 * RS_REGIONS_EACH);
    assert_regions_of("r", "p/9.png");

    {
        rs_archive *a = open_archive("r");         /* as another version made them */
        rs_err err = {0};
        ok(rs_archive_set_regions(a, "otherwise", &err), &err);
        rs_archive_close(a);
    }
    run("r", "r.jsonl");
    {
        rs_archive *a = open_archive("r");
        const char *recipe;
        rs_err err = {0};
        ok(rs_archive_regions(a, &mem, &recipe, &err), &err);
        assert_string_equal(recipe, RS_REGIONS_RECIPE);
        rs_archive_close(a);
    }
    r = run_with("r", "r.jsonl", off);
    assert_report(r, 4, 0, 3, 1);
    assert_int_equal(r.regions, 0);
    assert_int_equal(stats_of("r", &mem).region_vectors, 0);
    assert_report(run("r", "r.jsonl"), 4, 0, 0, 4);
    rs_arena_clear(&mem);
}

/* Every image has the hash of its encoder's input, one without contrast none; rows of an earlier
 * version stay as they are and are no reason to read an image again. */
static void test_hashes(void **state)
{
    const rs_preprocess *p = rs_encoder_preprocess(encoder);
    float *x = rs_calloc(3 * p->crop_height * p->crop_width, sizeof *x);
    rs_image flat = {0};
    rs_arena mem = {0};
    rs_err err = {0};
    char *png;
    size_t len;
    uint64_t h;
    rs_case *c;
    rs_archive *a;

    (void)state;
    put_pictures();
    ok(rs_image_new(&flat, 30, 20, 1, 8, &err), &err);
    ok(rs_image_to_png(&png, &len, &flat, &err), &err);
    put_bytes("p/flat.png", png, len);
    put_rows("h.jsonl", row_a, row_b, "{\"id\":\"f\",\"image\":\"p/flat.png\"}\n", "");
    run("h", "h.jsonl");
    c = get("h", "a", &mem);
    for (size_t i = 0; i < 2; i++) {
        ok(rs_intake_files(p, &c->images[i].path, 1, NULL, x, &err), &err);
        assert_true(rs_phash(&h, x, p->crop_height, p->crop_width));
        assert_true(c->images[i].hashed && c->images[i].phash == h);
    }
    assert_true(c->images[0].phash != c->images[1].phash);
    assert_false(get("h", "f", &mem)->images[0].hashed);

    a = open_archive("h");
    ok(rs_db_exec(a->db, "UPDATE images SET phash = NULL", &err), &err);
    rs_archive_close(a);
    assert_report(run("h", "h.jsonl"), 3, 0, 0, 3);
    assert_false(get("h", "a", &mem)->images[0].hashed);
    rs_arena_clear(&mem);
    rs_image_clear(&flat);
    rs_free(png);
    rs_free(x);
}

/* ---- Other ways to say the same ---------------------------------------- */

static void test_csv_equals_jsonl(void **state)
{
    holdings a, b;

    (void)state;
    put_pictures();
    put("same/cases.jsonl", "{\"id\":\"x\",\"images\":[\"../p/1.png\",\"../p/2.png\"],\"title\":\"T, one\","
        "\"report\":\"Two \\\"quoted\\\" words.\\nNext line.\",\"labels\":[\"mass\",\"cyst\"],\"age\":\"18M\"}\n"
        "{\"id\":\"y\",\"image\":\"../p/4.png\",\"sex\":\"F\",\"note\":\"5\\\" film\"}\n");
    assert_report(run("same_jsonl", "same/cases.jsonl"), 2, 2);
    a = holdings_of(at("same_jsonl"), "%");
    assert_int_equal(rename(at("same/cases.jsonl"), at("same/cases.old")), 0);
    put("same/cases.csv", "id,images,title,report,labels,age,sex,note\n"
        "x,../p/1.png;../p/2.png,\"T, one\",\"Two \"\"quoted\"\" words.\nNext line.\",mass;cyst,18M,,\n"
        "y,../p/4.png,,,,,F,5\" film\n");
    assert_report(run("same_csv", "same/cases.csv"), 2, 2);
    b = holdings_of(at("same_csv"), "%");
    {
        const char *x = strstr(a.text, "|T, one|"), *y = strstr(b.text, "|T, one|");
        size_t n = strcspn(x, "\n");
        assert_memory_equal(x, y, n);              /* every field but the source, digest too */
        assert_memory_equal(strstr(a.text, "/p/4.png"), strstr(b.text, "/p/4.png"), 40);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.vectors, b.vectors, a.n * sizeof(float));
    }
    holdings_clear(&a);
    holdings_clear(&b);
}

static void test_folder_over_time(void **state)
{
    rs_arena mem = {0};
    rs_index_report r;
    rs_case *c;

    (void)state;
    put_picture("f/one.png", 1);
    put("f/one.txt", "IMPRESSION: A mass.");
    put_copy("f/two.jpg", "tests/data/images/grey.jpg");
    put_picture("f/study/b.png", 3);
    put_picture("f/study/a.png", 4);
    put("f/study/report.txt", "A study of two images.");
    put("f/words.txt", "Words alone.");
    r = run("f", "f");
    assert_report(r, 4, 4);
    assert_int_equal(r.images, 4);
    c = get("f", "study", &mem);
    assert_int_equal(c->n_images, 2);
    assert_string_equal(c->images[0].given, "study/a.png");
    assert_string_equal(c->title, "A study of two images.");
    assert_report(run("f", "f"), 4, 0, 0, 4);

    put("f/one.txt", "IMPRESSION: Two masses.");
    assert_report(run("f", "f"), 4, 0, 1, 3);
    assert_string_equal(get("f", "one", &mem)->title, "Two masses.");
    set_time("f/two.jpg", 1000000000);             /* touched: looked at again */
    assert_report(run("f", "f"), 4, 0, 1, 3);

    /* Beside one.png comes one.jpg: both get their whole names, and neither is lost. */
    put_copy("f/one.jpg", "tests/data/images/rgb_420.jpg");
    assert_report(run_with("f", "f", (rs_index_options){.prune = true}), 5, 2, 0, 3, 0, 1);
    assert_string_equal(get("f", "one.jpg", &mem)->title, "Two masses.");
    assert_string_equal(get("f", "one.png", &mem)->title, "Two masses.");
    assert_report(run("f", "f"), 5, 0, 0, 5);
    rs_arena_clear(&mem);
}

/* ---- What is broken -------------------------------------------------- */

/* A PNG of w x h that holds nothing, its header's checksum right. */
static void put_bomb(const char *name, uint32_t w, uint32_t h)
{
    unsigned char png[8 + 25] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
                                 'I', 'H', 'D', 'R'};
    uint32_t crc = 0xffffffffu;

    for (int i = 0; i < 4; i++) {
        png[16 + i] = (unsigned char)(w >> (24 - 8 * i));
        png[20 + i] = (unsigned char)(h >> (24 - 8 * i));
    }
    png[24] = 8;
    for (int i = 12; i < 29; i++) {
        crc ^= png[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        png[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    put_bytes(name, png, sizeof png);
}

static void put_truncated(const char *name, uint64_t seed)
{
    char *bytes;
    size_t len;
    rs_err err = {0};

    put_picture(name, seed);
    ok(rs_file_read(&bytes, &len, at(name), 1 << 20, &err), &err);
    put_bytes(name, bytes, len * 2 / 3);
    rs_free(bytes);
}

static void test_broken_files_harm_nobody_else(void **state)
{
    char good[4096] = "", mixed[4096] = "", row[200];
    static const char *const bad[] = {
        "{\"id\":\"bad1\",\"image\":\"p/cut.png\"}\n", "{\"id\":\"bad2\",\"image\":\"p/type.png\"}\n",
        "{\"id\":\"bad3\",\"image\":\"p/none.png\"}\n", "{\"id\":\"bad4\",\"image\":\"p/bomb.png\"}\n",
        "{\"id\": broken\n", "{\"id\":\"bad5\"}\n", "{\"id\":\"bad6\",\"image\":\"p\"}\n",
    };
    holdings a, b;
    rs_index_report r;

    (void)state;
    put_pictures();
    put_truncated("p/cut.png", 5);
    put("p/type.png", "GIF89a is no PNG");
    put_bomb("p/bomb.png", 2000000000, 2000000000);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(row, sizeof row, "{\"id\":\"good%u\",\"image\":\"p/%u.png\",\"report\":\"Report %u.\"}\n",
                 i, i + 1, i);
        strcat(good, row);
        strcat(mixed, row);
        if (i < 7)
            strcat(mixed, bad[i]);
    }
    put("broken.jsonl", good);
    assert_report(run("without", "broken.jsonl"), 8, 8);
    put("broken.jsonl", mixed);
    r = run("with", "broken.jsonl");
    assert_report(r, 15, 8, 0, 0, 0, 0, 7, 5, 7);
    assert_int_equal(r.unreadable, 1);
    assert_reason("with", "p/cut.png", "PNG");
    assert_reason("with", "p/type.png", "neither PNG nor JPEG");
    assert_reason("with", "p/none.png", "No such file");
    assert_reason("with", "p/bomb.png", "2000000000");
    assert_reason("with", "p", "not a");
    assert_reason("with", "row 10", "JSON");
    assert_reason("with", "row 12", "neither an image nor a text");
    a = holdings_of(at("without"), "good%");
    b = holdings_of(at("with"), "good%");
    assert_same_holdings(&a, &b);
    holdings_clear(&a);
    holdings_clear(&b);

    /* Again: all is as it was. A row that nobody can read keeps --prune from removing
     * what may be its case. Mended: nothing is wrong any more. */
    assert_report(run("with", "broken.jsonl"), 15, 0, 0, 8, 0, 0, 7, 5, 7);
    put("broken.jsonl", strstr(mixed, "{\"id\":\"good1\""));
    assert_report(run_with("with", "broken.jsonl", (rs_index_options){.prune = true}),
                  13, 0, 0, 7, 1, 0, 6, 4, 6);
    put("broken.jsonl", good);
    assert_report(run_with("with", "broken.jsonl", (rs_index_options){.prune = true}), 8, 0, 0, 8);
    assert_null(reason("with", "p/type.png"));
}

/* A case of words and images keeps what is whole of it; the problem stays listed until it
 * is mended, although the case itself is unchanged. */
static void test_part_of_a_case_is_broken(void **state)
{
    rs_arena mem = {0};
    rs_case *c;

    (void)state;
    put_pictures();
    put_truncated("p/cut.png", 5);
    put("part.jsonl", "{\"id\":\"x\",\"images\":[\"p/1.png\",\"p/cut.png\",\"p/2.png\"],\"view\":"
        "[\"PA\",\"AP\",\"LAT\"],\"report\":\"Words.\"}\n");
    assert_report(run("part", "part.jsonl"), 1, 1, 0, 0, 0, 0, 0, 1, 1);
    c = get("part", "x", &mem);
    assert_int_equal(c->n_images, 2);
    assert_string_equal(c->images[1].given, "p/2.png");
    assert_string_equal(c->images[1].view, "LAT");
    assert_report(run("part", "part.jsonl"), 1, 0, 0, 1, 0, 0, 0, 0, 1);
    assert_reason("part", "p/cut.png", "PNG");
    put_picture("p/cut.png", 6);
    assert_report(run("part", "part.jsonl"), 1, 0, 1);
    assert_int_equal(get("part", "x", &mem)->n_images, 3);

    /* And the other way round: whole, then broken; the words stay searchable. */
    put_truncated("p/cut.png", 5);
    assert_report(run("part", "part.jsonl"), 1, 0, 1, 0, 0, 0, 0, 1, 1);
    assert_report(run("part", "part.jsonl"), 1, 0, 0, 1, 0, 0, 0, 0, 1);
    rs_arena_clear(&mem);
}

/* A case of which nothing can be read any more stays as it was. */
static void test_nothing_left_of_a_case(void **state)
{
    rs_arena mem = {0};

    (void)state;
    put_pictures();
    put("left.jsonl", "{\"id\":\"x\",\"image\":\"p/1.png\"}\n{\"id\":\"y\",\"image\":\"p/2.png\"}\n");
    assert_report(run("left", "left.jsonl"), 2, 2);
    put_truncated("p/1.png", 5);
    assert_report(run_with("left", "left.jsonl", (rs_index_options){.prune = true}),
                  2, 0, 0, 1, 0, 0, 1, 1, 1);
    assert_int_equal(get("left", "x", &mem)->n_images, 1);
    rs_arena_clear(&mem);
}

/* A folder that is not read hides its cases: it is listed, and --prune holds back. */
static void test_folder_that_is_not_read(void **state)
{
    char deep[500] = "deep", item[500];

    (void)state;
    put_picture("deep/a.png", 1);
    for (int i = 0; i < 65; i++)
        strcat(deep, "/d");
    snprintf(item, sizeof item, "%s/b.png", deep);
    put_picture(item, 2);
    snprintf(item, sizeof item, "%s/", deep + strlen("deep/"));
    assert_report(run_with("deep_archive", "deep", (rs_index_options){.prune = true}),
                  2, 1, 0, 0, 0, 0, 1, 0, 1);
    assert_reason("deep_archive", item, "deeper than 64");
    assert_int_equal(unlink(at("deep/a.png")), 0);
    assert_report(run_with("deep_archive", "deep", (rs_index_options){.prune = true}),
                  1, 0, 0, 0, 1, 0, 1, 0, 1);

    put_picture("locked/a.png", 1);
    put_picture("locked/sub/b.png", 2);
    chmod(at("locked/sub"), 0);
    if (access(at("locked/sub"), R_OK) != 0) {     /* root may read every folder */
        assert_report(run("locked_archive", "locked"), 2, 1, 0, 0, 0, 0, 1, 0, 1);
        assert_reason("locked_archive", "sub/", "Permission denied");
    }
    chmod(at("locked/sub"), 0755);
}

/* ---- Two sources ------------------------------------------------------ */

static void test_keys_of_two_sources(void **state)
{
    rs_arena mem = {0};

    (void)state;
    put_pictures();
    put("one.jsonl", "{\"id\":\"x\",\"image\":\"p/1.png\",\"title\":\"first\"}\n");
    put("two.jsonl", "{\"id\":\"x\",\"image\":\"p/2.png\",\"title\":\"second\"}\n"
                     "{\"id\":\"y\",\"image\":\"p/3.png\"}\n");
    assert_report(run("keys", "one.jsonl"), 1, 1);
    assert_report(run("keys", "two.jsonl"), 2, 1, 0, 0, 0, 0, 1, 0, 1);
    assert_reason("keys", "row 1", "--prefix");
    assert_string_equal(get("keys", "x", &mem)->title, "first");
    assert_report(run("keys", "two.jsonl"), 2, 0, 0, 1, 0, 0, 1, 0, 1);

    assert_report(run_with("keys", "two.jsonl", (rs_index_options){.prefix = "two/", .prune = true}),
                  2, 2, 0, 0, 0, 1);
    assert_string_equal(get("keys", "two/x", &mem)->title, "second");
    assert_report(run_with("keys", "one.jsonl", (rs_index_options){.prune = true}), 1, 0, 0, 1);
    get("keys", "two/y", &mem);                    /* pruning one source leaves the other's */
    rs_arena_clear(&mem);
}

/* ---- Every kind of image --------------------------------------------- */

/* Grey, 16 bits, Adam7; values of 12 bits, as scanners write them. */
static void put_interlaced(const char *name, uint64_t seed)
{
    rs_image im = picture(seed, 45, 37, 1, 16);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    FILE *file = fopen(at(name), "wb");

    assert_non_null(file);
    png_init_io(png, file);
    png_set_IHDR(png, info, 45, 37, 16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_ADAM7,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    png_set_swap(png);
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        for (size_t y = 0; y < 37; y++)
            png_write_row(png, (png_const_bytep)im.pixels + y * 90);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
    rs_image_clear(&im);
}

static void test_every_kind_of_image(void **state)
{
    static const struct { const char *name; size_t width; } files[] = {
        {"grey.png", 37}, {"la.png", 37}, {"one_bit.png", 37}, {"palette.png", 37},
        {"palette_clear.png", 37}, {"rgb.png", 37}, {"rgba.png", 37}, {"cmyk.jpg", 37},
        {"grey.jpg", 37}, {"progressive.jpg", 37}, {"rgb_420.jpg", 37}, {"rgb_444.jpg", 37},
        {"interlaced.png", 45}, {"sixteen.png", 45}, {"sixteen_rgb.png", 45}, {"same16.png", 45},
    };
    char rows[4096] = "", row[128], from[128];
    rs_image sixteen = picture(31, 45, 37, 1, 16), rgb = picture(32, 45, 37, 3, 16);
    rs_arena mem = {0};
    rs_err err = {0};

    (void)state;
    ok(rs_mkdirs(at("kinds"), &err), &err);
    put_interlaced("kinds/interlaced.png", 31);
    ok(rs_image_save_png(&sixteen, at("kinds/sixteen.png"), &err), &err);
    ok(rs_image_save_png(&sixteen, at("kinds/same16.png"), &err), &err);
    ok(rs_image_save_png(&rgb, at("kinds/sixteen_rgb.png"), &err), &err);
    rs_image_clear(&sixteen);
    rs_image_clear(&rgb);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(from, sizeof from, "tests/data/images/%s", files[i].name);
        if (files[i].width == 37) {
            snprintf(row, sizeof row, "kinds/%s", files[i].name);
            put_copy(row, from);
        }
        snprintf(row, sizeof row, "{\"id\":\"%s\",\"image\":\"kinds/%s\"}\n", files[i].name, files[i].name);
        strcat(rows, row);
    }
    put("kinds.jsonl", rows);
    assert_report(run("kinds_archive", "kinds.jsonl"), 16, 16);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(get("kinds_archive", files[i].name, &mem)->images[0].width, files[i].width);
    {
        holdings a = holdings_of(at("kinds_archive"), "interlaced%"),
                 b = holdings_of(at("kinds_archive"), "sixteen.png");
        assert_int_equal(a.n, TINY_DIM);           /* the same pixels, interlaced or not */
        for (size_t i = 0; i < TINY_DIM; i++)      /* in another batch: a last place of fp16 */
            assert_true(fabs((double)a.vectors[i] - (double)b.vectors[i]) < 1e-3);
        holdings_clear(&a);
        holdings_clear(&b);
    }
    rs_arena_clear(&mem);
}

/* A case larger than what is decoded at once, and batches that do not divide it. */
static void test_many_images_in_a_case(void **state)
{
    rs_buf rows = {0};
    holdings a, b;

    (void)state;
    put_pictures();
    rs_buf_puts(&rows, "{\"id\":\"big\",\"images\":[");
    for (int i = 0; i < 600; i++)
        rs_buf_printf(&rows, "%s\"p/%d.png\"", i ? "," : "", i % 8 + 1);
    rs_buf_puts(&rows, "]}\n{\"id\":\"small\",\"image\":\"p/1.png\"}\n");
    put("big.jsonl", rows.data);
    rs_buf_clear(&rows);
    {
        rs_index_report r = run("big", "big.jsonl");
        assert_report(r, 2, 2);
        assert_int_equal(r.images, 601);
    }
    a = holdings_of(at("big"), "big");
    b = holdings_of(at("big"), "small");
    assert_int_equal(a.n, 600 * TINY_DIM);
    for (size_t i = 0; i < 600; i += 8)            /* p/1.png, wherever it stands */
        for (size_t k = 0; k < TINY_DIM; k++) {
            float d = a.vectors[i * TINY_DIM + k] - b.vectors[k];
            assert_true(d < 2e-3f && d > -2e-3f);
        }
    holdings_clear(&a);
    holdings_clear(&b);
}

/* A JPEG far larger than the encoder's input is decoded at a fraction: in a search by the
 * same file too, so that it finds itself and nothing between the two shows. */
static void test_a_large_jpeg_finds_itself(void **state)
{
    rs_query q = rs_query_default();
    rs_arena mem = {0};
    rs_intake_facts facts;
    rs_result res;
    rs_archive *a;
    rs_err err = {0};
    size_t len;
    char *jpeg = jpeg_film(403, 517, true, &len), path[300];
    const char *paths[] = {path};
    float pixels[3 * TINY_SIDE * TINY_SIDE], indexed[3 * TINY_SIDE * TINY_SIDE];
    rs_case_job_image image = {.from = &(rs_source_image){.path = path}, .pixels = indexed};

    (void)state;
    put_bytes("films/large.jpg", jpeg, len);
    put_picture("films/other.png", 3);
    snprintf(path, sizeof path, "%s", at("films/large.jpg"));
    ok(rs_intake_bytes(rs_encoder_preprocess(encoder), jpeg, len, RS_INTAKE_MARGIN, pixels, &facts,
                       &err), &err);
    assert_int_equal(facts.eighths, 2);
    assert_report(run("films-archive", "films"), 2, 2);
    assert_int_equal(get("films-archive", "large", &mem)->images[0].width, 403);   /* the file's */
    ok(rs_archive_open(&a, at("films-archive"), RS_ARCHIVE_READ, &err), &err);
    ok(rs_intake_files(rs_encoder_preprocess(encoder), paths, 1, pool, pixels, &err), &err);
    rs_case_decode(&image, rs_encoder_preprocess(encoder));
    ok(image.st, &image.err);
    assert_memory_equal(indexed, pixels, sizeof pixels);
    q.encoder = encoder;
    rs_query_add(&q)->pixels = pixels;
    ok(rs_search(a, &q, &mem, &res, &err), &err);
    assert_string_equal(res.hits[0].key, "large");
    assert_true(res.hits[0].found[0].probe == RS_PROBE_IMAGE_IMAGE);
    assert_true(res.hits[0].found[0].score > 0.999);
    q.encoder = NULL;
    assert_int_equal(rs_search(a, &q, &mem, &res, &err), RS_EARG);      /* pixels, no encoder */
    rs_archive_close(a);
    rs_arena_clear(&mem);
    rs_free(jpeg);
}

/* ---- Several batches under way ----------------------------------------- */

/* Cases were written in the source's order. */
static void assert_order(const char *archive, size_t cases)
{
    rs_db *db;
    rs_stmt s;
    rs_err err = {0};
    char path[600], key[32];
    size_t n = 0;

    snprintf(path, sizeof path, "%s/catalog.db", at(archive));
    ok(rs_db_open(&db, path, false, &err), &err);
    s = rs_db_use(db, "SELECT key FROM cases ORDER BY id", &err);
    for (; rs_step(&s); n++) {
        snprintf(key, sizeof key, "case-%zu", n);
        assert_string_equal(rs_col_text(&s, 0), key);
    }
    ok(rs_done(&s), &err);
    rs_db_close(db);
    assert_int_equal(n, cases);
}

/* However many threads and whatever the batch, an archive holds the same, in the source's
 * order, and the same is refused. Every ninth image is broken, every seventh case has no
 * image, the twentieth has a hundred. */
static void test_threads_and_batches_do_not_show(void **state)
{
    enum { CASES = 60, REFUSED = CASES / 9 + 1 };
    static const struct { size_t threads, batch; } rows[] = {{1, 64}, {2, 1}, {3, 7}, {4, 64}};
    rs_buf text = {0};
    holdings want = {0};
    char name[40];

    (void)state;
    put_pictures();
    put_truncated("p/cut.png", 5);
    for (int i = 0; i < CASES; i++) {
        rs_buf_printf(&text, "{\"id\":\"case-%d\",\"report\":\"Nodule of %d mm.\",\"images\":[", i, i);
        for (int k = 0; k < (i == 20 ? 100 : i % 7 != 6); k++)
            rs_buf_printf(&text, "%s\"p/%d.png\"", k ? "," : "", (i + k) % 8 + 1);
        if (i % 9 == 0)
            rs_buf_printf(&text, "%s\"p/cut.png\"", i % 7 == 6 ? "" : ",");
        rs_buf_printf(&text, "]}\n");
    }
    put("flow.jsonl", text.data);
    rs_buf_clear(&text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_index_options o = {.batch = rows[i].batch, .progress = RS_PROGRESS_QUIET};
        rs_archive *a;
        rs_index_report r;
        rs_err err = {0};
        snprintf(name, sizeof name, "flow-%zu", i);
        ok(rs_pool_new(&o.pool, rows[i].threads, &err), &err);
        a = open_archive(name);
        ok(rs_index_run(a, encoder, at("flow.jsonl"), &o, &r, &err), &err);
        rs_archive_close(a);
        rs_pool_free(o.pool);
        assert_report(r, CASES, CASES, 0, 0, 0, 0, 0, REFUSED, 1);
        assert_true(r.read_thread_s > 0 && r.decode_thread_s > 0 && r.resize_thread_s > 0);
        assert_order(name, CASES);
        if (i == 0) {
            want = holdings_of(at(name), "%");
        } else {
            holdings got = holdings_of(at(name), "%");
            assert_same_holdings(&want, &got);
            holdings_clear(&got);
        }
    }
    holdings_clear(&want);
}

/* ---- Refusals and memory --------------------------------------------- */

static void test_another_model_is_refused(void **state)
{
    rs_encoder_identity other = {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                                 "other", "/models/other", TINY_DIM};
    rs_archive *a = open_archive("bound");
    rs_index_report r;
    rs_err err = {0};

    (void)state;
    assert_int_equal(rs_archive_bind_encoder(a, &other, &err), RS_EMISMATCH);
    assert_non_null(strstr(err.msg, "other"));
    assert_int_equal(rs_index_run(a, encoder, "/nowhere", &(rs_index_options){0}, &r, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "/nowhere"));
    rs_archive_close(a);
}

/* In one thread and with batches under way behind it: the batch being encoded is the last. */
static void test_stop_ends_after_the_batch(void **state)
{
    static const char *const names[] = {"stopped", "stopped at several"};

    (void)state;
    put_pictures();
    put_rows("stop.jsonl", row_a, row_b, row_c, "");
    for (int k = 0; k < 2; k++) {
        atomic_int stop = 1;
        rs_index_options o = {.batch = 2, .stop = &stop, .progress = RS_PROGRESS_QUIET,
                              .pool = k ? pool : NULL};
        rs_archive *a = open_archive(names[k]);
        rs_index_report r;
        rs_err err = {0};
        assert_int_equal(rs_index_run(a, encoder, at("stop.jsonl"), &o, &r, &err), RS_ECANCEL);
        assert_non_null(strstr(err.msg, "case 2 of 3"));
        assert_int_equal(r.added, 2);
        assert_int_equal(r.cases, 2);
        stop = 0;
        ok(rs_index_run(a, encoder, at("stop.jsonl"), &o, &r, &err), &err);
        assert_report(r, 3, 1, 0, 2);
        rs_archive_close(a);
    }
}

/* Any allocation may fail, in any thread: an error, no crash, no leak, and an archive that
 * is whole; the next run, given memory, makes it complete. */
static void test_out_of_memory(void **state)
{
    static const char *const names[] = {"oom", "oom at several"};

    (void)state;
    put_pictures();
    put_truncated("p/cut.png", 5);
    put_rows("oom.jsonl", row_a, row_c, "{\"id\":\"d\",\"images\":[\"p/4.png\",\"p/cut.png\"]}\n", "{x\n");
    for (int several = 0; several < 2; several++) {
        rs_archive *a = open_archive(names[several]);
        bool done = false;
        for (long k = 0; !done && k < 4000; k += 1 + k / 100) {
            rs_index_options o = {.progress = RS_PROGRESS_QUIET, .batch = 2,
                                  .pool = several ? pool : NULL};
            rs_index_report r;
            rs_err err = {0};
            rs_status st;
            rs_alloc_fail_after(k);
            st = rs_index_run(a, encoder, at("oom.jsonl"), &o, &r, &err);
            rs_alloc_fail_after(-1);
            done = st == RS_OK;
            if (!done && st != RS_ENOMEM)
                fail_msg("allocation %ld: %s: %s", k, rs_status_name(st), err.msg);
            if (done)
                assert_int_equal(r.problems, 2);
            if (k % 50 == 0 || done)
                ok(rs_archive_verify(a, &err), &err);
        }
        assert_true(done);
        rs_archive_close(a);
        assert_report(run(names[several], "oom.jsonl"), 4, 0, 0, 3, 0, 0, 1, 0, 2);
    }
}

/* What a run leaves allocated does not grow from run to run. */
static void test_memory_is_steady(void **state)
{
    size_t live = 0;
    rs_archive *a;

    (void)state;
    put_pictures();
    put_rows("steady.jsonl", row_a, row_b, row_c, "{\"id\":\"z\",\"image\":\"p/none.png\"}\n");
    a = open_archive("steady");
    for (int i = 0; i < 6; i++) {
        rs_index_options o = {.progress = RS_PROGRESS_QUIET, .pool = pool};
        rs_index_report r;
        rs_err err = {0};
        put_picture("p/1.png", (uint64_t)(100 + i));
        ok(rs_index_run(a, encoder, at("steady.jsonl"), &o, &r, &err), &err);
        if (i == 2)
            live = rs_alloc_live();
        if (i > 2)
            assert_int_equal(rs_alloc_live(), live);
    }
    rs_archive_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_over_time), cmocka_unit_test(test_regions_on_off_and_again),
        cmocka_unit_test(test_digest_of_dates_and_tiers), cmocka_unit_test(test_csv_equals_jsonl),
        cmocka_unit_test(test_folder_over_time), cmocka_unit_test(test_broken_files_harm_nobody_else),
        cmocka_unit_test(test_part_of_a_case_is_broken), cmocka_unit_test(test_nothing_left_of_a_case),
        cmocka_unit_test(test_folder_that_is_not_read), cmocka_unit_test(test_keys_of_two_sources),
        cmocka_unit_test(test_every_kind_of_image), cmocka_unit_test(test_many_images_in_a_case),
        cmocka_unit_test(test_a_large_jpeg_finds_itself),
        cmocka_unit_test(test_threads_and_batches_do_not_show),
        cmocka_unit_test(test_another_model_is_refused), cmocka_unit_test(test_stop_ends_after_the_batch),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_memory_is_steady), cmocka_unit_test(test_hashes),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
