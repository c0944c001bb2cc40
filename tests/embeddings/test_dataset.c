/* Manifests, the image cache, the numbers that equal rows get, and the sampler.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/dataset.h"

#include "base/log.h"
#include "embeddings/manifest.h"
#include "embeddings/sampler.h"
#include "embeddings/train_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

/* ---- Manifests ------------------------------------------------------- */

static void bad_manifests_are_refused_with_line_and_field(void **state)
{
    static const struct { const char *text, *want; } rows[] = {
        {"{\"image\": 3}", "texts"},
        {"{\"image\": \"a\", \"texts\": []}", "texts"},
        {"{\"image\": \"a\", \"texts\": [1]}", "texts[0]"},
        {"{\"image\": \"a\", \"texts\": \"b\"}", "texts"},
        {"{\"image\": \"a\", \"texts\": [\"t\"]}", "split"},
        {"{\"image\": \"a\", \"texts\": [\"t\"], \"split\": \"dev\", \"set\": \"s\"}", "dev"},
        {"{\"image\": null, \"texts\": [\"t\"], \"split\": \"val\", \"set\": \"s\"}", "image"},
        {"{\"texts\": [\"t\"], \"split\": \"val\", \"set\": \"s\"}", "image"},
        {"{\"image\": \"a\", \"texts\": [\"t\"], \"split\": \"val\"}", "set"},
        {"{\"image\": \"a\", \"texts\": [\"t\"], \"split\": \"val\", \"set\": \"s\", \"label\": 1}",
         "label"},
        {"[1]", "object"},
        {"{", ":2"},
    };
    char *folder = fixture_folder(), *path = rs_path_join(folder, "m.jsonl");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_manifest m = {0};
        rs_err err = {0};
        char *text = rs_sprintf("\n%s\n", rows[i].text);

        fixture_write(folder, "m.jsonl", text);
        assert_int_equal(rs_manifest_add(&m, path, &err), RS_ECORRUPT);
        if (!strstr(err.msg, rows[i].want) || !strstr(err.msg, "m.jsonl:2"))
            fail_msg("row %zu: message \"%s\" lacks \"%s\"", i, err.msg, rows[i].want);
        rs_manifest_clear(&m);
        rs_free(text);
    }
    rs_free(path);
    fixture_remove(folder);
}

static void a_manifest_is_read_as_it_stands(void **state)
{
    char *folder = fixture_folder(), *path = rs_path_join(folder, "m.jsonl");
    char *image = rs_path_join(folder, "x/a.png");
    rs_manifest m = {0};

    (void)state;
    fixture_write(folder, "m.jsonl",
                  "{\"image\": \"x/a.png\", \"texts\": [\"one\", \"two\"], \"set\": \"s\", "
                  "\"split\": \"test\", \"more\": 1}\r\n\n"
                  "{\"image\": \"/b.png\", \"texts\": [\"t\"], \"set\": \"s\", \"split\": \"val\", "
                  "\"label\": \"l\", \"group\": \"g\"}");
    assert_int_equal(rs_manifest_add(&m, path, NULL), RS_OK);
    assert_int_equal(m.n, 2);
    assert_string_equal(m.rows[0].image, image);
    assert_int_equal(m.rows[0].n_texts, 2);
    assert_string_equal(m.rows[0].texts[1], "two");
    assert_null(m.rows[0].label);
    assert_int_equal(m.rows[0].split, RS_SPLIT_TEST);
    assert_string_equal(m.rows[1].image, "/b.png");
    assert_string_equal(m.rows[1].label, "l");
    assert_string_equal(m.rows[1].group, "g");
    rs_manifest_clear(&m);
    rs_free(image);
    rs_free(path);
    fixture_remove(folder);
}

static void a_group_in_two_splits_is_refused(void **state)
{
    static const struct { const char *second; rs_status want; } rows[] = {
        {"\"set\": \"s\", \"split\": \"train\", \"group\": \"p1\"", RS_OK},
        {"\"set\": \"s\", \"split\": \"val\", \"group\": \"p2\"", RS_OK},
        {"\"set\": \"other\", \"split\": \"val\", \"group\": \"p1\"", RS_OK},
        {"\"set\": \"s\", \"split\": \"val\"", RS_OK},
        {"\"set\": \"s\", \"split\": \"val\", \"group\": \"p1\"", RS_ECORRUPT},
        {"\"set\": \"s\", \"split\": \"test\", \"group\": \"p1\"", RS_ECORRUPT},
    };
    char *folder = fixture_folder(), *path = rs_path_join(folder, "m.jsonl");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rs_manifest m = {0};
        char *text = rs_sprintf("{\"image\": \"a\", \"texts\": [\"t\"], \"set\": \"s\", \"split\": "
                                "\"train\", \"group\": \"p1\"}\n"
                                "{\"image\": \"b\", \"texts\": [\"t\"], %s}\n", rows[i].second);
        fixture_write(folder, "m.jsonl", text);
        assert_int_equal(rs_manifest_add(&m, path, NULL), RS_OK);
        assert_int_equal(rs_manifest_check_groups(&m, NULL), rows[i].want);
        rs_manifest_clear(&m);
        rs_free(text);
    }
    rs_free(path);
    fixture_remove(folder);
}

/* ---- The data set ---------------------------------------------------- */

typedef struct {
    char *folder, *manifest, *cache;
    rs_tokenizer *tokenizer;
    rs_preprocess pre;
    rs_pool *pool;
    const char *manifests[1];
    rs_dataset_spec spec;
} rig;

static void rig_open(rig *r)
{
    *r = (rig){.folder = fixture_folder()};
    r->manifest = rs_path_join(r->folder, "manifest.jsonl");
    r->cache = rs_path_join(r->folder, "cache");
    assert_int_equal(rs_tokenizer_open(&r->tokenizer, "tests/data/tokenizer/small", NULL), RS_OK);
    assert_int_equal(rs_pool_new(&r->pool, 2, NULL), RS_OK);
    rs_preprocess_clip(&r->pre, 16);
    r->manifests[0] = r->manifest;
    r->spec = (rs_dataset_spec){
        .manifests = r->manifests, .n_manifests = 1, .cache = r->cache, .preprocess = &r->pre,
        .tokenizer = r->tokenizer, .max_tokens = 32, .pool = r->pool,
        .progress = RS_PROGRESS_QUIET};
}

static void rig_clear(rig *r)
{
    rs_pool_free(r->pool);
    rs_tokenizer_close(r->tokenizer);
    rs_free(r->manifest);
    rs_free(r->cache);
    fixture_remove(r->folder);
}

static size_t files_in(const char *folder)
{
    DIR *d = opendir(folder);
    size_t n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void rows_get_labels_texts_and_pictures(void **state)
{
    rig r;
    rs_dataset ds;
    rs_random rnd = rs_random_seed(1);

    (void)state;
    rig_open(&r);
    fixture_picture(r.folder, "tall.png", 0, 40, 64, &rnd);
    fixture_picture(r.folder, "wide.png", 1, 50, 30, &rnd);
    fixture_picture(r.folder, "same.png", 1, 24, 24, &rnd);
    fixture_write(r.folder, "broken.png", "not a picture");
    fixture_write(r.folder, "manifest.jsonl",
        "{\"image\":\"tall.png\",\"texts\":[\"a b\",\"c\"],\"label\":\"x\",\"set\":\"two\",\"split\":\"train\"}\n"
        "{\"image\":\"absent.png\",\"texts\":[\"q\"],\"label\":\"x\",\"set\":\"two\",\"split\":\"train\"}\n"
        "{\"image\":\"wide.png\",\"texts\":[\"c\"],\"label\":null,\"set\":\"one\",\"split\":\"val\"}\n"
        "{\"image\":\"tall.png\",\"texts\":[\"never loaded\"],\"set\":\"three\",\"split\":\"test\"}\n"
        "{\"image\":\"broken.png\",\"texts\":[\"q\"],\"set\":\"one\",\"split\":\"val\"}\n"
        "{\"image\":\"same.png\",\"texts\":[\"c\"],\"set\":\"two\",\"split\":\"train\"}\n"
        "{\"image\":\"same.png\",\"texts\":[\"a b\"],\"label\":\"x\",\"set\":\"two\",\"split\":\"train\"}\n");
    rs_log_set_level(RS_LOG_ERROR);
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    rs_log_set_level(RS_LOG_WARN);

    assert_int_equal(ds.lines, 7);
    assert_int_equal(ds.broken, 2);
    assert_int_equal(ds.n_rows, 4);
    assert_int_equal(ds.n_train, 3);
    assert_int_equal(ds.n_val, 1);
    assert_int_equal(ds.rows[ds.val[0]].line, 2);
    /* tall and the last share a label; wide and same have none but equal texts */
    assert_int_equal(ds.rows[0].label, ds.rows[3].label);
    assert_int_equal(ds.rows[1].label, ds.rows[2].label);
    assert_int_not_equal(ds.rows[0].label, ds.rows[1].label);
    assert_int_equal(ds.rows[1].named_label, -1);
    assert_string_equal(ds.label_names[ds.rows[0].named_label], "x");
    assert_int_equal(ds.n_sets, 2);
    assert_string_equal(ds.set_names[ds.rows[1].set], "one");
    /* two distinct texts, tokenised once each */
    assert_int_equal(ds.n_texts, 2);
    assert_int_equal(ds.text_of[ds.rows[0].first_text + 1], ds.text_of[ds.rows[1].first_text]);
    for (size_t t = 0; t < ds.n_texts; t++) {
        int32_t ids[32];
        size_t n;
        bool cut;
        assert_int_equal(rs_tokenizer_encode(r.tokenizer, ds.text_strings[t],
                         strlen(ds.text_strings[t]), ids, 32, &n, &cut, NULL), RS_OK);
        assert_int_equal(n, ds.token_at[t + 1] - ds.token_at[t]);
        assert_memory_equal(ids, ds.tokens + ds.token_at[t], n * sizeof *ids);
    }
    /* training pictures are a little larger than the model's; validation exactly as it sees */
    assert_int_equal(rs_dataset_image(&ds, 0).width, 19);
    assert_int_equal(rs_dataset_image(&ds, 0).height, 19);
    assert_int_equal(rs_dataset_image(&ds, 0).channels, 1);
    assert_int_equal(rs_dataset_image(&ds, 1).width, 16);
    rs_dataset_clear(&ds);
    rig_clear(&r);
}

static void validation_pictures_are_what_the_encoder_sees(void **state)
{
    enum { AREA = 3 * 16 * 16 };
    rig r;
    rs_dataset ds;
    rs_image original = {0}, cached;
    float want[AREA], found[AREA];
    rs_random rnd = rs_random_seed(2);
    char *path;

    (void)state;
    rig_open(&r);
    fixture_picture(r.folder, "wide.png", 1, 50, 30, &rnd);
    fixture_write(r.folder, "manifest.jsonl",
        "{\"image\":\"wide.png\",\"texts\":[\"c\"],\"set\":\"one\",\"split\":\"train\"}\n"
        "{\"image\":\"wide.png\",\"texts\":[\"c\"],\"set\":\"one\",\"split\":\"val\"}\n");
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    path = rs_path_join(r.folder, "wide.png");
    assert_int_equal(rs_image_load(&original, path, NULL), RS_OK);
    assert_int_equal(rs_preprocess_run(&r.pre, &original, want, NULL), RS_OK);
    cached = rs_dataset_image(&ds, ds.val[0]);
    rs_dataset_pixels(&r.pre, &cached, found);
    for (size_t i = 0; i < AREA; i++)
        assert_true(fabsf(want[i] - found[i]) < 1e-5f);
    rs_image_clear(&original);
    rs_free(path);
    rs_dataset_clear(&ds);
    rig_clear(&r);
}

static void the_cache_is_made_once_and_again_when_something_changed(void **state)
{
    rig r;
    rs_dataset ds;
    rs_random rnd = rs_random_seed(3);

    (void)state;
    rig_open(&r);
    fixture_set(r.folder, 1, 1);
    for (size_t round = 0; round < 2; round++) {
        assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
        assert_int_equal(ds.n_rows, 2 * KINDS);
        rs_dataset_clear(&ds);
        assert_int_equal(files_in(r.cache), 1);
    }
    fixture_picture(r.folder, "k0_0.png", 5, 31, 31, &rnd);
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    rs_dataset_clear(&ds);
    assert_int_equal(files_in(r.cache), 2);
    rig_clear(&r);
}

/* A cache cut short or with a byte of its table changed is made anew. */
static void a_damaged_cache_is_made_again(void **state)
{
    rig r;
    rs_dataset ds;
    char *data, *path = NULL;
    size_t len;
    DIR *d;

    (void)state;
    rig_open(&r);
    fixture_set(r.folder, 1, 0);
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    rs_dataset_clear(&ds);
    d = opendir(r.cache);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            path = rs_path_join(r.cache, e->d_name);
    closedir(d);
    assert_non_null(path);
    assert_int_equal(rs_file_read(&data, &len, path, 1 << 20, NULL), RS_OK);
    for (size_t cut = 0; cut < 7; cut++) {
        static const size_t short_by[] = {1, 16, 17, 100};
        char *again;
        size_t again_len;
        if (cut < 4) {
            assert_int_equal(rs_file_write(path, data, len - short_by[cut], NULL), RS_OK);
        } else {
            data[len - 32 + (cut - 4) * 7] ^= 0x55;    /* last row's place, then its side, n */
            assert_int_equal(rs_file_write(path, data, len, NULL), RS_OK);
            data[len - 32 + (cut - 4) * 7] ^= 0x55;
        }
        assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
        assert_int_equal(ds.n_train, KINDS);
        rs_dataset_clear(&ds);
        assert_int_equal(rs_file_read(&again, &again_len, path, 1 << 20, NULL), RS_OK);
        if (cut != 4)                                  /* a place may be wrong but inside */
            assert_int_equal(again_len, len);
        rs_free(again);
        assert_int_equal(unlink(path), 0);
    }
    rs_free(data);
    rs_free(path);
    rig_clear(&r);
}

static void nothing_to_train_on_is_told(void **state)
{
    rig r;
    rs_dataset ds;
    rs_err err = {0};

    (void)state;
    rig_open(&r);
    fixture_write(r.folder, "manifest.jsonl",
        "{\"image\":\"absent.png\",\"texts\":[\"c\"],\"set\":\"one\",\"split\":\"train\"}\n");
    rs_log_set_level(RS_LOG_ERROR);
    assert_int_equal(rs_dataset_open(&ds, &r.spec, &err), RS_EARG);
    rs_log_set_level(RS_LOG_WARN);
    assert_non_null(strstr(err.msg, "1 broken"));
    assert_null(ds.rows);
    rig_clear(&r);
}

static void running_out_of_memory_is_told(void **state)
{
    rig r;
    rs_dataset ds;
    rs_status st = RS_ENOMEM;
    size_t live;

    (void)state;
    rig_open(&r);
    fixture_set(r.folder, 1, 0);
    live = rs_alloc_live();
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_dataset_open(&ds, &r.spec, NULL);
        rs_alloc_fail_after(-1);
        if (st == RS_OK)
            break;
        assert_int_equal(st, RS_ENOMEM);
        assert_int_equal(rs_alloc_live(), live);
    }
    rs_dataset_clear(&ds);
    assert_int_equal(rs_alloc_live(), live);
    rig_clear(&r);
}

/* ---- The sampler ----------------------------------------------------- */

static void sets_get_their_shares_and_rows_their_turns(void **state)
{
    rig r;
    rs_dataset ds;
    rs_sampler *s;
    double weight[2] = {3, 1};
    size_t drawn[64], first = 0, seen[2 * KINDS] = {0};

    (void)state;
    rig_open(&r);
    fixture_set(r.folder, 2, 0);                       /* two sets of 8 rows */
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    assert_int_equal(rs_sampler_new(&s, &ds, &(rs_sampler_spec){weight, 0.5, 1, 0, 1}, NULL), RS_OK);
    assert_true(fabs(rs_sampler_share(s, 0) - 0.75) < 1e-12);
    rs_sampler_draw(s, drawn, 64);
    for (size_t i = 0; i < 64; i++) {
        first += ds.rows[drawn[i]].set == 0;
        seen[drawn[i]]++;
    }
    assert_int_equal(first, 48);
    for (size_t i = 0; i < ds.n_rows; i++)             /* 48 draws of 8 rows, 16 of 8 */
        assert_int_equal(seen[i], ds.rows[i].set == 0 ? 6 : 2);
    rs_sampler_free(s);

    weight[0] = 0;
    assert_int_equal(rs_sampler_new(&s, &ds, &(rs_sampler_spec){weight, 1, 1, 0, 1}, NULL), RS_OK);
    rs_sampler_draw(s, drawn, 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(ds.rows[drawn[i]].set, 1);
    rs_sampler_free(s);

    weight[1] = 0;
    assert_int_equal(rs_sampler_new(&s, &ds, &(rs_sampler_spec){weight, 1, 1, 0, 1}, NULL), RS_EARG);
    assert_null(s);
    rs_dataset_clear(&ds);
    rig_clear(&r);
}

/* Of each set's 24 rows 6 are of kind "corner", 18 of none. The first epoch is mixed. */
static void rows_of_a_kind_come_in_runs(void **state)
{
    rig r;
    rs_dataset ds;
    rs_sampler *s;
    double weight[2] = {1, 0};
    size_t drawn[3][24], seen[6 * KINDS] = {0}, mixed = 0;

    (void)state;
    rig_open(&r);
    fixture_set(r.folder, 6, 0);
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    assert_int_equal(rs_sampler_new(&s, &ds, &(rs_sampler_spec){weight, 1, 6, 1, 1}, NULL), RS_OK);
    for (size_t epoch = 0; epoch < 3; epoch++) {
        rs_sampler_draw(s, drawn[epoch], 24);
        for (size_t i = 0; i < 24; i++) {
            const rs_row *row = &ds.rows[drawn[epoch][i]];
            bool same = row->kind == ds.rows[drawn[epoch][i / 6 * 6]].kind;
            mixed += epoch == 0 && !same;
            assert_true(epoch == 0 || same);
            assert_true((row->kind >= 0) == (strncmp(strrchr(row->image, '/'), "/k0", 3) == 0));
            seen[drawn[epoch][i]]++;
        }
    }
    assert_true(mixed > 0);
    for (size_t i = 0; i < ds.n_rows; i++)              /* and still each in its turn */
        assert_int_equal(seen[i], ds.rows[i].set == 0 ? 3 : 0);
    assert_memory_not_equal(drawn[0], drawn[1], sizeof drawn[0]);
    assert_memory_not_equal(drawn[1], drawn[2], sizeof drawn[1]);
    rs_sampler_free(s);
    rs_dataset_clear(&ds);
    rig_clear(&r);
}

static void a_restored_sampler_goes_on_where_it_was(void **state)
{
    rig r;
    rs_dataset ds;
    rs_sampler *a, *b;
    double weight[2] = {1, 2.5};
    size_t want[50], found[50];
    rs_buf saved = {0};
    rs_reader in;

    (void)state;
    rig_open(&r);
    fixture_set(r.folder, 2, 0);
    assert_int_equal(rs_dataset_open(&ds, &r.spec, NULL), RS_OK);
    assert_int_equal(rs_sampler_new(&a, &ds, &(rs_sampler_spec){weight, 1, 3, 0, 9}, NULL), RS_OK);
    rs_sampler_draw(a, want, 37);
    rs_sampler_save(a, &saved);
    rs_sampler_draw(a, want, 50);
    assert_int_equal(rs_sampler_new(&b, &ds, &(rs_sampler_spec){weight, 1, 3, 0, 9}, NULL), RS_OK);
    in = (rs_reader){.p = (const uint8_t *)saved.data, .len = saved.len};
    assert_int_equal(rs_sampler_restore(b, &in, NULL), RS_OK);
    rs_sampler_draw(b, found, 50);
    assert_memory_equal(want, found, sizeof want);
    for (size_t cut = 0; cut < saved.len; cut++) {
        in = (rs_reader){.p = (const uint8_t *)saved.data, .len = cut};
        assert_int_equal(rs_sampler_restore(b, &in, NULL), RS_EMISMATCH);
    }
    rs_buf_clear(&saved);
    rs_sampler_free(a);
    rs_sampler_free(b);
    rs_dataset_clear(&ds);
    rig_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_manifests_are_refused_with_line_and_field),
        cmocka_unit_test(a_manifest_is_read_as_it_stands),
        cmocka_unit_test(a_group_in_two_splits_is_refused),
        cmocka_unit_test(rows_get_labels_texts_and_pictures),
        cmocka_unit_test(validation_pictures_are_what_the_encoder_sees),
        cmocka_unit_test(the_cache_is_made_once_and_again_when_something_changed),
        cmocka_unit_test(a_damaged_cache_is_made_again),
        cmocka_unit_test(nothing_to_train_on_is_told),
        cmocka_unit_test(running_out_of_memory_is_told),
        cmocka_unit_test(sets_get_their_shares_and_rows_their_turns),
        cmocka_unit_test(rows_of_a_kind_come_in_runs),
        cmocka_unit_test(a_restored_sampler_goes_on_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
