/* test_one.c - a case that is sent: to the bit what indexing its files gives; unchanged,
 * replaced, refused, undone and taken out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/one.h"

#include "embeddings/regions.h"
#include "engine/archive_int.h"
#include "engine/regions.h"
#include "indexer/index.h"
#include "jpeg_film.h"
#include "scratch.h"
#include "tiny_model.h"

#include <unistd.h>

static rs_encoder *encoder;

static int make_all(void **state)
{
    rs_err err = {0};

    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    if (tiny_model_write(at("model"), 7, &err) != RS_OK ||
        rs_encoder_open(&encoder, at("model"), &err) != RS_OK) {
        print_error("%s\n", err.msg);
        return -1;
    }
    return 0;
}

static int drop_all(void **state)
{
    rs_encoder_close(encoder);
    return scratch_drop(state);
}

/* ---- Sending --------------------------------------------------------- */

static rs_archive *open_archive(const char *name)
{
    rs_encoder_identity id = {rs_encoder_id(encoder), "tiny", scratch, rs_encoder_dim(encoder)};
    rs_archive *a;
    rs_err err = {0};

    ok(rs_archive_open(&a, at(name), RS_ARCHIVE_WRITE, &err), &err);
    ok(rs_archive_bind_encoder(a, &id, &err), &err);
    return a;
}

/* Files of the scratch folder as images that are sent, in `mem`. */
static rs_source_image *load(const char *const *files, size_t n, rs_arena *mem)
{
    rs_source_image *list = rs_new(mem, rs_source_image, n + 1);
    rs_err err = {0};

    for (size_t i = 0; i < n; i++) {
        char *bytes, *copy, *sha256 = rs_arena_alloc(mem, RS_SHA256_HEX, 1);
        size_t len;
        ok(rs_file_read(&bytes, &len, at(files[i]), 1 << 24, &err), &err);
        copy = rs_arena_alloc(mem, len + 1, 1);
        memcpy(copy, bytes, len);
        rs_free(bytes);
        ok(rs_sha256_of(sha256, copy, len, &err), &err);
        list[i] = (rs_source_image){.given = files[i], .bytes = copy, .len = len, .sha256 = sha256};
    }
    return list;
}

static rs_status send_with(rs_archive *a, const char *row, const char *const *files, size_t n,
                           rs_one_also *also, void *ctx, rs_arena *mem, rs_one_report *r,
                           rs_err *err)
{
    rs_source_image *images = load(files, n, mem);
    rs_source_case c;
    const char *why;
    json_t *o;
    rs_status st;

    ok(rs_json_parse(&o, row, strlen(row), "row", err), err);
    assert_null(rs_row_unread(o, &why));
    ok(rs_row_sent(o, "made", images, n, mem, &c, err), err);
    assert_null(c.problem);
    st = rs_one_put(a, encoder, NULL, &c, also, ctx, mem, r, err);
    json_decref(o);
    return st;
}

static rs_one_report send(rs_archive *a, const char *row, const char *const *files, size_t n,
                          rs_arena *mem)
{
    rs_one_report r;
    rs_err err = {0};

    ok(send_with(a, row, files, n, NULL, NULL, mem, &r, &err), &err);
    return r;
}

/* How many files there are in ARCHIVE/images. */
static int kept(const char *archive)
{
    char command[700];
    int n = -1;
    FILE *f;

    snprintf(command, sizeof command, "find '%s/images' -type f 2>/dev/null | wc -l", at(archive));
    f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

/* ---- The same as indexed --------------------------------------------- */

/* Every row but ids, times, and what tells where files are; blobs as hex. */
static char *everything(rs_archive *a)
{
    static const char *const sql[] = {
        "SELECT key, title, report, modality, body_part, view, sex, patient, collection, age,"
        " attributes, study_date, tier FROM cases ORDER BY key",
        "SELECT c.key, f.label FROM case_findings f JOIN cases c ON c.id = f.case_id ORDER BY 1, 2",
        "SELECT c.key, s.ordinal, s.name, s.first, s.past FROM sections s JOIN cases c ON"
        " c.id = s.case_id ORDER BY 1, 2",
        "SELECT c.key, i.ordinal, i.sha256, i.view, i.width, i.height, i.phash, hex(v.vector) FROM"
        " images i JOIN cases c ON c.id = i.case_id JOIN image_vectors v ON v.id = i.id ORDER BY 1, 2",
        "SELECT c.key, p.ordinal, p.section, p.first, p.past, p.text, hex(v.vector) FROM passages p"
        " JOIN cases c ON c.id = p.case_id JOIN passage_vectors v ON v.id = p.id ORDER BY 1, 2",
        "SELECT c.key, i.ordinal, r.x0, r.y0, r.x1, r.y1, hex(r.vector) FROM region_vectors r JOIN"
        " images i ON i.id = r.image_id JOIN cases c ON c.id = i.case_id ORDER BY 1, 2, r.id",
        "SELECT c.key, hex(v.vector) FROM case_vectors v JOIN cases c ON c.id = v.case_id ORDER BY 1",
        "SELECT c.key, f.title, f.findings, f.impression, f.uncertain, f.negated, f.normal,"
        " f.history, f.other, f.labels FROM case_fts f JOIN cases c ON c.id = f.rowid ORDER BY 1",
        "SELECT c.key, a.name, a.value FROM case_attributes a JOIN cases c ON c.id = a.case_id"
        " ORDER BY 1, 2, 3",
    };
    rs_buf b = {0};
    rs_err err = {0};

    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        rs_stmt s = rs_db_use(a->db, sql[i], &err);
        while (rs_step(&s)) {
            for (int k = 0; k < sqlite3_column_count(s.st); k++)
                rs_buf_printf(&b, "%s|", rs_col_null(&s, k) ? "-" : rs_col_text(&s, k));
            rs_buf_putc(&b, '\n');
        }
        ok(rs_done(&s), &err);
    }
    assert_false(b.failed);
    return rs_buf_take(&b);
}

static const char *const films[] = {"p/1.png", "p/2.png", "p/3.png", "p/film.jpg"};

static void put_films(void)
{
    size_t len;
    char *jpeg = jpeg_film(403, 517, true, &len);

    put_picture("p/1.png", 1);
    put_picture("p/2.png", 2);
    put_picture("p/3.png", 3);
    put_bytes("p/film.jpg", jpeg, len);
    put("p/junk.png", "\x89PNG\r\n\x1a\n and then nothing of the kind");
    put("p/text.png", "no picture");
    rs_free(jpeg);
}

static void test_same_as_indexed(void **state)
{
    static const struct { const char *fields, *images; size_t from, n; } rows[] = {
        {"\"case_id\":\"a\",\"modality\":\"CR\",\"view\":[\"PA\",\"lateral\"],\"age\":\"61Y\","
         "\"findings\":\"A small nodule. No effusion.\",\"impression\":\"Nodule.\","
         "\"labels\":[\"nodule\",\"mass\"],\"scanner\":{\"x\":[1,2]},\"dose\":3",
         ",\"images\":[\"p/1.png\",\"p/2.png\"]", 0, 2},
        {"\"id\":\"b\",\"title\":\"Left effusion\",\"view\":\"AP\",\"date\":\"20240301\",\"tier\":"
         "\"proven\",\"collection\":\"chest\",\"patient\":\"P1\",\"sex\":\"F\"",
         ",\"image\":\"p/film.jpg\"", 3, 1},
        {"\"id\":\"c\",\"report\":\"FINDINGS: Clear lungs. IMPRESSION: Normal.\"", "", 0, 0},
        {"\"id\":\"d\"", ",\"image\":\"p/3.png\"", 2, 1},
    };
    const rs_index_options o = {.batch = 1, .regions = RS_REGIONS_ON,
                                .progress = RS_PROGRESS_QUIET};
    rs_archive *indexed = open_archive("indexed"), *sent = open_archive("sent");
    rs_buf manifest = {0};
    rs_arena mem = {0};
    rs_index_report r;
    char *want, *got;
    rs_err err = {0};

    (void)state;
    put_films();
    for (size_t i = 0; i < 4; i++)
        rs_buf_printf(&manifest, "{%s%s}\n", rows[i].fields, rows[i].images);
    put("m.jsonl", manifest.data);
    rs_buf_clear(&manifest);
    ok(rs_index_run(indexed, encoder, at("m.jsonl"), &o, &r, &err), &err);
    assert_int_equal(r.added, 4);
    ok(rs_archive_set_regions(sent, RS_REGIONS_RECIPE, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        const char *row = rs_arena_sprintf(&mem, "{%s}", rows[i].fields);
        const rs_one_report one = send(sent, row, films + rows[i].from, rows[i].n, &mem);
        assert_int_equal(one.state, RS_ONE_ADDED);
        assert_int_equal(one.images, rows[i].n);
        assert_int_equal(one.n_refused, 0);
    }
    want = everything(indexed);
    got = everything(sent);
    assert_true(strlen(want) > 10000);
    for (size_t i = 0; want[i]; i++)
        if (want[i] != got[i])
            fail_msg("at %zu: %.60s, wanted %.60s", i, got + i, want + i);
    assert_int_equal(strlen(got), strlen(want));
    ok(rs_archive_verify(sent, &err), &err);
    rs_free(want);
    rs_free(got);
    rs_archive_close(indexed);
    rs_archive_close(sent);
    assert_int_equal(kept("sent"), 4);
    assert_int_equal(kept("indexed"), 0);
    rs_arena_clear(&mem);
}

/* ---- Unchanged, replaced, refused, out -------------------------------- */

static void test_over_time(void **state)
{
    static const char row[] = "{\"id\":\"x\",\"report\":\"FINDINGS: Clear lungs.\"}";
    rs_archive *a = open_archive("time");
    rs_arena mem = {0};
    rs_one_report r;
    rs_case *c;
    rs_err err = {0};

    (void)state;
    put_films();
    assert_int_equal(send(a, row, films, 2, &mem).state, RS_ONE_ADDED);
    ok(rs_archive_get(a, "x", &mem, &c, &err), &err);
    assert_string_equal(c->source, RS_ONE_SOURCE);
    assert_null(c->images[0].given);
    assert_true(rs_file_exists(c->images[0].path));
    unlink(c->images[0].path);
    r = send(a, row, films, 2, &mem);
    assert_int_equal(r.state, RS_ONE_UNCHANGED);
    assert_int_equal(r.images, 2);
    assert_true(rs_file_exists(c->images[0].path));            /* a lost file is mended */
    r = send(a, row, films + 1, 2, &mem);                      /* 1 goes, 3 comes */
    assert_int_equal(r.state, RS_ONE_REPLACED);
    assert_int_equal(kept("time"), 2);
    assert_int_equal(send(a, "{\"id\":\"y\"}", films + 1, 1, &mem).state, RS_ONE_ADDED);
    assert_int_equal(kept("time"), 2);                         /* two cases, one file */
    ok(rs_archive_get(a, "x", &mem, &c, &err), &err);
    ok(rs_one_remove(a, c, &err), &err);
    assert_int_equal(kept("time"), 1);
    assert_int_equal(rs_archive_get(a, "x", &mem, &c, &err), RS_ENOENT);
    r = send(a, "{\"id\":\"y\",\"title\":\"words\"}", NULL, 0, &mem);
    assert_int_equal(r.state, RS_ONE_REPLACED);
    assert_int_equal(kept("time"), 0);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

static void test_refused(void **state)
{
    static const char *const some[] = {"p/junk.png", "p/1.png", "p/text.png"};
    static const char *const none[] = {"p/junk.png", "p/text.png"};
    rs_archive *a = open_archive("refused");
    rs_arena mem = {0};
    rs_one_report r;
    const char *digest;
    rs_err err = {0};

    (void)state;
    put_films();
    for (int i = 0; i < 2; i++) {                              /* told again, too */
        r = send(a, "{\"id\":\"x\"}", some, 3, &mem);
        assert_int_equal(r.state, i ? RS_ONE_UNCHANGED : RS_ONE_ADDED);
        assert_int_equal(r.images, 1);
        assert_int_equal(r.n_refused, 2);
        assert_int_equal(r.refused[0].image, 0);
        assert_int_equal(r.refused[1].image, 2);
        assert_non_null(strstr(r.refused[1].why, "PNG"));
    }
    assert_int_equal(kept("refused"), 1);
    assert_int_equal(send_with(a, "{\"id\":\"z\"}", none, 2, NULL, NULL, &mem, &r, &err), RS_EFORMAT);
    assert_non_null(strstr(err.msg, "p/junk.png: "));
    assert_non_null(strstr(err.msg, "none of the 2 images"));
    assert_int_equal(rs_archive_digest(a, "z", &mem, &digest, &err), RS_ENOENT);
    assert_int_equal(kept("refused"), 1);
    r = send(a, "{\"id\":\"z\",\"report\":\"Clear.\"}", none, 2, &mem);    /* its words are left */
    assert_int_equal(r.n_refused, 2);
    assert_int_equal(r.images, 0);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

static rs_status note(void *ctx, rs_archive *a, const rs_one_report *r, rs_err *err)
{
    int *left = ctx;

    (void)r;
    if ((*left)-- == 0)
        return rs_fail(err, RS_EIO, "as the test wants it");
    return rs_archive_set_mark(a, "note", "noted", err);
}

/* What must be there with the case is, or the case is as it was, files too. */
static void test_also(void **state)
{
    rs_archive *a = open_archive("also");
    rs_arena mem = {0};
    rs_one_report r;
    const char *text;
    int left = 1;
    rs_err err = {0};

    (void)state;
    put_films();
    ok(send_with(a, "{\"id\":\"x\"}", films, 1, note, &left, &mem, &r, &err), &err);
    ok(rs_archive_mark(a, "note", &mem, &text, &err), &err);
    assert_string_equal(text, "noted");
    assert_int_equal(send_with(a, "{\"id\":\"x\"}", films + 1, 2, note, &left, &mem, &r, &err), RS_EIO);
    assert_int_equal(kept("also"), 1);
    assert_int_equal(send(a, "{\"id\":\"x\"}", films, 1, &mem).state, RS_ONE_UNCHANGED);
    left = 0;
    assert_int_equal(send_with(a, "{\"id\":\"x\"}", films, 1, note, &left, &mem, &r, &err), RS_EIO);
    left = 1;
    ok(send_with(a, "{\"id\":\"x\"}", films, 1, note, &left, &mem, &r, &err), &err);
    assert_int_equal(r.state, RS_ONE_UNCHANGED);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

static void test_out_of_memory(void **state)
{
    static const char *const files[] = {"p/1.png", "p/junk.png", "p/2.png"};
    static const char row[] = "{\"id\":\"x\",\"report\":\"FINDINGS: Nodule. IMPRESSION: Nodule.\"}";
    rs_archive *a = open_archive("memory");
    rs_arena mem = {0};
    rs_source_image *images;
    rs_source_case c;
    rs_one_report r = {0};
    rs_status st = RS_ENOMEM;
    json_t *o;
    rs_err err = {0};

    (void)state;
    put_films();
    images = load(files, 3, &mem);
    ok(rs_json_parse(&o, row, strlen(row), "row", &err), &err);
    ok(rs_row_sent(o, "made", images, 3, &mem, &c, &err), &err);
    for (long k = 0; st != RS_OK; k += k < 300 ? 1 : 7) {
        rs_alloc_fail_after(k);
        st = rs_one_put(a, encoder, NULL, &c, NULL, NULL, &mem, &r, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK) {
            const char *digest;
            assert_int_equal(st, RS_ENOMEM);
            assert_int_equal(rs_archive_digest(a, "x", &mem, &digest, &err), RS_ENOENT);
        }
    }
    assert_int_equal(r.state, RS_ONE_ADDED);
    assert_int_equal(r.images, 2);
    ok(rs_archive_verify(a, &err), &err);
    json_decref(o);
    rs_archive_close(a);
    rs_arena_clear(&mem);
}

/* ---- Rows ------------------------------------------------------------- */

static void test_rows(void **state)
{
    static const struct { const char *row, *field, *says; } rows[] = {
        {"{\"title\":[\"a\"]}", "title", "wanted a text"},
        {"{\"image\":\"/etc/passwd\"}", "image", "not read from paths"},
        {"{\"images\":[]}", "images", "not read from paths"},
        {"{\"age\":\"old\"}", "age", "61Y"}, {"{\"age\":-1}", "age", "years"},
        {"{\"view\":{\"a\":1}}", "view", "a list of texts"},
        {"{\"labels\":[[\"a\"]]}", "labels", "a list of texts"},
        {"{\"report\":{}}", "report", "wanted a text"},
        {"{\"case_id\":true}", "case_id", "wanted a text"},
        {"{\"impression\":[\"a\"]}", "impression", "wanted a text"},
        {"{\"findings\":[\"a\",\"b\"],\"age\":61,\"view\":[\"PA\",null],\"x\":{\"y\":[]}}", NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = NULL, *field;
        json_t *o;
        rs_err err = {0};
        ok(rs_json_parse(&o, rows[i].row, strlen(rows[i].row), "row", &err), &err);
        field = rs_row_unread(o, &why);
        if (!rows[i].field)
            assert_null(field);
        else if (!field || strcmp(field, rows[i].field) != 0 || !strstr(why, rows[i].says))
            fail_msg("%s: %s: %s", rows[i].row, field ? field : "(none)", why ? why : "");
        json_decref(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_indexed), cmocka_unit_test(test_over_time),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_also),
        cmocka_unit_test(test_out_of_memory),   cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, make_all, drop_all);
}
