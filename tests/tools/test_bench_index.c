/* test_bench_index.c - radscout bench index: what it says, and that the memory of indexing
 * is that of the batch, not of the source nor of its films.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "embeddings/image.h"
#include "run.h"
#include "tiny_model.h"

#include <dirent.h>

enum { FEW = 12, MANY = 48, WIDTH = 1000, HEIGHT = 1200 };     /* 1.2 MB a film, 2.4 in 16 bits */

static int make_all(void **state)
{
    rs_err err = {0};

    (void)state;
    /* What a sanitizer keeps of freed memory would hide what we keep. */
    setenv("ASAN_OPTIONS", "allocator_may_return_null=1:quarantine_size_mb=1", 1);
    return mkdtemp(scratch) ? (int)tiny_model_write(at("model"), 7, &err) : -1;
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void put_film(const char *name, size_t depth)
{
    rs_image im;
    rs_err err = {0};

    ok(rs_image_new(&im, WIDTH, HEIGHT, 1, depth, &err), &err);
    for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++) {
        size_t v = (i % WIDTH + i / WIDTH) / 16;
        if (depth == 16)
            ((uint16_t *)im.pixels)[i] = (uint16_t)(v * 17);
        else
            ((uint8_t *)im.pixels)[i] = (uint8_t)v;
    }
    ok(rs_image_save_png(&im, at(name), &err), &err);
    rs_image_clear(&im);
}

/* A manifest of n cases, each of one film. */
static void put_cases(const char *name, const char *film, int n)
{
    rs_buf rows = {0};

    for (int i = 0; i < n; i++)
        rs_buf_printf(&rows, "{\"id\":\"%d\",\"image\":\"%s\",\"title\":\"Film %d\"}\n", i, film, i);
    put(name, rows.data);
    rs_buf_clear(&rows);
}

/* Field `name` of the bench of `source`. */
static double bench(const char *source, const char *name)
{
    json_t *o;
    double value;

    assert_exit(0, "bench", "index", at(source), "--model", at("model"), "--threads", "2", "--batch",
                "2", "--json");
    o = json_loadb(said_out, said_out_len, 0, NULL);
    assert_non_null(o);
    assert_true(json_is_number(json_object_get(o, name)));
    value = json_number_value(json_object_get(o, name));
    json_decref(o);
    return value;
}

static void test_what_it_says(void **state)
{
    static const char *const fields[] = {"images", "seconds", "per_second", "read_s", "decode_s",
                                         "resize_s", "encode_s", "write_s", "rss_mib"};
    DIR *dir;
    struct dirent *e;

    (void)state;
    setenv("TMPDIR", at("tmp"), 1);
    put("tmp/beside", "x");
    put_picture("p/1.png", 1);
    put("cases.jsonl", "{\"id\":\"a\",\"image\":\"p/1.png\",\"title\":\"A film\"}\n"
                       "{\"id\":\"b\",\"image\":\"p/none.png\"}\n");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!(bench("cases.jsonl", fields[i]) > 0))
            fail_msg("%s is 0", fields[i]);
    assert_int_equal(bench("cases.jsonl", "refused_images"), 1);
    assert_exit(0, "bench", "index", at("cases.jsonl"), "--model", at("model"), "--threads", "1");
    assert_says(said_out, "1 image and 1 passage in ");
    assert_says(said_out, "1 thread\n");
    assert_says(said_out, "images/s");
    assert_exit(1, "bench", "index", at("p/1.png"), "--model", at("model"));
    assert_says(said_err, "a source is a folder or a");
    assert_non_null(dir = opendir(at("tmp")));     /* and leaves nothing behind */
    while ((e = readdir(dir)) != NULL)
        assert_true(e->d_name[0] == '.' || strcmp(e->d_name, "beside") == 0);
    closedir(dir);
}

/* Four times as many films: 43 or 86 MB more of pixels, none of them in memory. The few are
 * enough for each thread to have had its largest film. */
static void test_memory_is_bounded_by_the_batch(void **state)
{
    static const struct { const char *film; size_t depth; } kinds[] = {{"f8.png", 8}, {"f16.png", 16}};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        double few, many;
        put_film(kinds[k].film, kinds[k].depth);
        put_cases("few.jsonl", kinds[k].film, FEW);
        put_cases("many.jsonl", kinds[k].film, MANY);
        few = bench("few.jsonl", "rss_mib");
        many = bench("many.jsonl", "rss_mib");
        print_message("%zu bits: %.0f MiB for %d films, %.0f for %d\n", kinds[k].depth, few, FEW,
                      many, MANY);
        assert_true(many < few + 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_says), cmocka_unit_test(test_memory_is_bounded_by_the_batch),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
