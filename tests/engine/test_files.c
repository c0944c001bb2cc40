/* test_files.c - files of the archive's own: kept once, found wherever the archive is, taken
 * away with the last case that has them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "own_files.h"

#include "engine/census.h"
#include "engine/regions_int.h"

/* ---- Keeping --------------------------------------------------------------- */

static void test_keep(void **state)
{
    static const char jpeg[] = JPEG "and so on";
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    char dir[64], sha[RS_SHA256_HEX];
    const char *path;
    struct stat sb;
    rs_archive *a;
    kept one, again;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    one = keep(a, "one", &mem);
    ok(rs_sha256_of(sha, PNG "one", 11, &err), &err);
    assert_string_equal(one.sha, sha);
    assert_string_equal(one.path, rs_arena_sprintf(&mem, "%s/images/%.2s/%s.png", dir, sha, sha));
    assert_true(holds(one.path, PNG "one", 11));
    assert_int_equal(stat(rs_arena_sprintf(&mem, "%s/images", dir), &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0700);
    assert_int_equal(stat(rs_arena_sprintf(&mem, "%s/images/%.2s", dir, sha), &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0700);
    again = keep(a, "one", &mem);
    assert_string_equal(again.path, one.path);
    assert_int_equal(files_in(dir, "images"), 1);
    ok(rs_files_keep(a, jpeg, sizeof jpeg, &mem, &path, sha, &err), &err);
    assert_string_equal(strrchr(path, '.'), ".jpg");
    assert_int_equal(rs_files_keep(a, "GIF89a..", 8, &mem, &path, sha, &err), RS_EFORMAT);
    assert_null(path);
    assert_int_equal(rs_files_keep(a, PNG, 7, &mem, &path, sha, &err), RS_EFORMAT);
    assert_int_equal(rs_files_keep(a, "", 0, &mem, &path, sha, &err), RS_EFORMAT);
    assert_int_equal(files_in(dir, "images"), 2);
    rs_archive_close(a);
    a = open_archive(dir, RS_ARCHIVE_READ);
    assert_int_equal(rs_files_keep(a, jpeg, sizeof jpeg, &mem, &path, sha, &err), RS_EARG);
    assert_int_equal(rs_files_sweep(a, &one.path, 1, &err), RS_EARG);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* One that is there and whole is left, whatever else is there is replaced. */
static void test_damage(void **state)
{
    static const char *const damages[] = {"", PNG "onx", PNG "one and more"};
    rs_arena mem = {0};
    struct stat before, after;
    rs_archive *a;
    char dir[64];
    kept k;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    k = keep(a, "one", &mem);
    assert_int_equal(stat(k.path, &before), 0);
    keep(a, "one", &mem);
    assert_int_equal(stat(k.path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        write_file(k.path, damages[i]);
        keep(a, "one", &mem);
        assert_true(holds(k.path, PNG "one", 11));
    }
    unlink(k.path);
    assert_int_equal(symlink("/dev/zero", k.path), 0);
    keep(a, "one", &mem);
    assert_int_equal(lstat(k.path, &after), 0);
    assert_true(S_ISREG(after.st_mode) && holds(k.path, PNG "one", 11));
    unlink(k.path);
    assert_int_equal(mkdir(k.path, 0700), 0);      /* of all things */
    assert_int_equal(rs_files_keep(a, PNG "one", 11, &mem, &k.path, k.sha, NULL), RS_EIO);
    assert_null(k.path);
    assert_int_equal(files_in(dir, "images"), 0);  /* and no temporary file is left */
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

static void test_keep_without_memory(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_status st = RS_ENOMEM;
    size_t fails = 0;
    rs_archive *a;
    char dir[64];
    kept k;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    for (long i = 0; st != RS_OK; i++) {
        rs_alloc_fail_after(i);
        st = rs_files_keep(a, PNG "one", 11, &mem, &k.path, k.sha, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        assert_true((st == RS_OK) == (k.path != NULL));
        fails += st != RS_OK;
        rs_arena_clear(&mem);
    }
    assert_true(fails >= 3);
    assert_int_equal(files_in(dir, "images"), 1);
    k = keep(a, "one", &mem);
    st = RS_ENOMEM;
    for (long i = 0; st != RS_OK; i++) {
        rs_alloc_fail_after(i);
        st = try_put(a, "a", &k, 1, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
    }
    st = RS_ENOMEM;
    for (long i = 0; st != RS_OK; i++) {
        rs_case *c;
        rs_alloc_fail_after(i);
        st = rs_archive_get(a, "a", &mem, &c, &err);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
        rs_arena_clear(&mem);
    }
    k = keep(a, "one", &mem);
    assert_string_equal(path_of(a, "a", 0, &mem), k.path);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* ---- Paths in and out ------------------------------------------------------ */

static void test_stored_relative(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    char dir[64], link[80], other[64];
    rs_archive *a;
    kept k, odd[4];

    (void)state;
    make_folder(dir);
    make_folder(other);
    snprintf(link, sizeof link, "%s/link", other);
    assert_int_equal(symlink(dir, link), 0);
    a = open_writer(dir);
    k = keep(a, "one", &mem);
    for (size_t i = 0; i < 4; i++)
        odd[i] = k;
    odd[1].path = rs_arena_sprintf(&mem, "%s/images/%.2s/%s.png", link, k.sha, k.sha);
    odd[2].path = rs_arena_sprintf(&mem, "%s/images/../images/%.2s/%s.png", dir, k.sha, k.sha);
    odd[3].path = rs_arena_sprintf(&mem, "%s/images/%.2s/%s.png", other, k.sha, k.sha);
    put(a, "a", odd, 4);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(path_of(a, "a", i, &mem), k.path);
    assert_string_equal(path_of(a, "a", 3, &mem), odd[3].path);      /* another folder's */
    assert_string_equal(text_of(a, "SELECT path FROM images WHERE ordinal = 0", &mem),
                        strstr(k.path, "images/"));

    /* Paths that only look like it stay as they are. */
    odd[0].path = "/images/0-0.png";
    odd[1].path = rs_arena_sprintf(&mem, "%s/images/mine.png", dir);
    odd[2].path = rs_arena_sprintf(&mem, "%s/images/%.2s/%s.PNG", dir, k.sha, k.sha);
    odd[3].path = "images/a b\xff//x";
    put(a, "a", odd, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(path_of(a, "a", i, &mem), odd[i].path);

    odd[0].path = strstr(k.path, "images/");       /* what the catalog keeps, but nobody gives */
    assert_int_equal(try_put(a, "b", odd, 1, &err), RS_EARG);
    odd[0] = k;
    odd[0].sha[5] = odd[0].sha[5] == '0' ? '1' : '0';
    assert_int_equal(try_put(a, "b", odd, 1, &err), RS_EARG);
    unlink(k.path);
    assert_int_equal(try_put(a, "b", &k, 1, &err), RS_ENOENT);
    assert_non_null(strstr(err.msg, "image 0"));
    assert_int_equal(rs_archive_get(a, "b", &mem, &(rs_case *){NULL}, &err), RS_ENOENT);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(other);
    remove_folder(dir);
}

/* The digest of an own image is known from its name. */
static void test_digest_left_out(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_archive *a;
    rs_case *c;
    char dir[64];
    kept k;

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    k = keep(a, "one", &mem);
    put_one(a, &(rs_case){.key = "a", .age_years = -1, .n_images = 1,
                          .images = &(rs_case_image){.path = k.path, .vector = somewhere[0]}});
    ok(rs_archive_get(a, "a", &mem, &c, &err), &err);
    assert_string_equal(c->images[0].sha256, k.sha);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

/* Each way in which a path comes out of the catalog. */
static void check_ways_out(rs_archive *a, const char *root, const kept *k, rs_arena *mem)
{
    const char *want = rs_arena_sprintf(mem, "%s/images/%.2s/%s.png", root, k->sha, k->sha);
    rs_query q = rs_query_default();
    rs_err err = {RS_OK, ""};
    rs_found region;
    rs_census c;
    rs_result r;

    assert_string_equal(path_of(a, "a", 0, mem), want);
    ask_images(&q, somewhere[0], 1);
    q.keep_duplicates = true;
    ok(rs_search(a, &q, mem, &r, &err), &err);
    assert_int_equal(r.n, 2);
    for (size_t i = 0; i < r.n; i++) {
        assert_string_equal(r.hits[i].image, want);
        for (size_t p = 0; p < r.hits[i].n_found; p++)
            if (r.hits[i].found[p].image)
                assert_string_equal(r.hits[i].found[p].image, want);
    }
    ok(rs_census_take(a, mem, &c, &err), &err);
    ok(rs_census_sample(&c, 10, 1, &err), &err);
    ok(rs_census_vectors(a, mem, &c, &err), &err);
    assert_int_equal(c.n_images, 2);
    assert_string_equal(c.images[0].path, want);
    ok(rs_region_evidence(a, 1, mem, &region, &err), &err);
    assert_string_equal(region.image, want);
}

static void test_moved(void **state)
{
    rs_arena mem = {0};
    rs_archive *a;
    char dir[64], moved[80], here[256], *name;
    kept k;

    (void)state;
    make_folder(dir);
    snprintf(moved, sizeof moved, "%s-moved", dir);
    a = open_writer(dir);
    k = keep(a, "one", &mem);
    put(a, "a", &k, 1);
    put(a, "b", &k, 1);
    check_ways_out(a, dir, &k, &mem);
    rs_archive_close(a);

    assert_int_equal(rename(dir, moved), 0);
    a = open_archive(moved, RS_ARCHIVE_READ);
    check_ways_out(a, moved, &k, &mem);
    rs_archive_close(a);

    assert_non_null(getcwd(here, sizeof here));    /* by relative names: absolute all the same */
    assert_int_equal(chdir("/tmp"), 0);
    name = moved + strlen("/tmp/");
    a = open_archive(name, RS_ARCHIVE_WRITE);
    assert_string_equal(rs_archive_folder(a), name);
    check_ways_out(a, moved, &k, &mem);
    assert_string_equal(keep(a, "one", &mem).path, path_of(a, "a", 0, &mem));
    assert_int_equal(chdir(here), 0);
    check_ways_out(a, moved, &k, &mem);
    rs_archive_close(a);
    assert_int_equal(chdir(moved), 0);
    a = open_archive("./", RS_ARCHIVE_READ);
    check_ways_out(a, moved, &k, &mem);
    rs_archive_close(a);
    a = open_archive(".", RS_ARCHIVE_READ);
    check_ways_out(a, moved, &k, &mem);
    rs_archive_close(a);
    assert_int_equal(chdir(here), 0);

    assert_int_equal(symlink(moved, dir), 0);      /* as opened, not as it is */
    a = open_archive(dir, RS_ARCHIVE_WRITE);
    check_ways_out(a, dir, &k, &mem);
    k = keep(a, "one", &mem);
    put(a, "c", &k, 1);
    take(a, "c");
    rs_archive_close(a);
    a = open_archive(moved, RS_ARCHIVE_READ);
    check_ways_out(a, moved, &k, &mem);
    rs_archive_close(a);
    unlink(dir);
    rs_arena_clear(&mem);
    remove_folder(moved);
}

static void test_rendition_names(void **state)
{
    static const char sha[] = FIXTURE_ID;
    static const char *const bad[] = {"", "a/b", "a b", "\xc3\xa4"};
    rs_arena mem = {0};
    char here[256];

    (void)state;
    assert_string_equal(rs_files_rendition("/var/archive//", sha, "512.webp", &mem),
                        "/var/archive/renditions/00/" FIXTURE_ID ".512.webp");
    assert_non_null(getcwd(here, sizeof here));
    assert_string_equal(rs_files_rendition("a/b", sha, "x", &mem),
                        rs_arena_sprintf(&mem, "%s/a/b/renditions/00/" FIXTURE_ID ".x", here));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(rs_files_rendition("/a", sha, bad[i], &mem));
    assert_null(rs_files_rendition("/a", FIXTURE_ID "0", "x", &mem));
    assert_null(rs_files_rendition("/a", FIXTURE_ID "/../../x", "x", &mem));
    assert_null(rs_files_rendition("/a", "00", "x", &mem));
    assert_null(rs_files_rendition("/a", "../../../../../../../../../../../../../../../etc/passwd", "x",
                                   &mem));
    for (long i = 0; i < 2; i++) {
        rs_alloc_fail_after(i);
        assert_null(rs_files_rendition("/a", sha, "x", &(rs_arena){0}));
        rs_alloc_fail_after(-1);
    }
    rs_arena_clear(&mem);
}

/* ---- Sweeping --------------------------------------------------------------- */

static void test_replace_and_sweep(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    const char *odd[] = {NULL, "", "ab", "../../x", FIXTURE_ID "0"};
    rs_archive *a;
    char dir[64];
    kept k[3];

    (void)state;
    make_folder(dir);
    a = open_writer(dir);
    k[0] = keep(a, "one", &mem);
    k[1] = keep(a, "two", &mem);
    k[2] = keep(a, "three", &mem);
    for (size_t i = 0; i < 3; i++) {
        rendition(dir, k[i].sha, "256.png");
        rendition(dir, k[i].sha, "preview.webp");
    }
    put(a, "a", k, 2);                             /* one, two */
    put(a, "b", k + 1, 1);                         /* two */
    sweep(a, k[0].sha);
    sweep(a, k[1].sha);
    assert_int_equal(files_in(dir, "images") + files_in(dir, "renditions"), 3 + 6);
    put(a, "a", k + 2, 1);                         /* one gone, two is still b's */
    for (size_t i = 0; i < 3; i++)
        sweep(a, k[i].sha);
    assert_false(rs_file_exists(k[0].path));
    assert_true(rs_file_exists(k[1].path) && rs_file_exists(k[2].path));
    assert_int_equal(files_in(dir, "images") + files_in(dir, "renditions"), 2 + 4);
    sweep(a, k[0].sha);                            /* nothing there: fine */
    ok(rs_files_sweep(a, odd, sizeof odd / sizeof *odd, &err), &err);
    take(a, "a");
    take(a, "b");
    ok(rs_archive_begin(a, &err), &err);           /* a batch may be undone, a file not */
    assert_int_equal(rs_files_sweep(a, (const char *[]){k[1].sha}, 1, &err), RS_EARG);
    rs_archive_rollback(a);
    ok(rs_files_sweep(a, (const char *[]){k[1].sha, k[2].sha}, 2, &err), &err);
    assert_int_equal(files_in(dir, "images") + files_in(dir, "renditions"), 0);
    rs_archive_close(a);
    rs_arena_clear(&mem);
    remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_keep_without_memory),
        cmocka_unit_test(test_stored_relative),
        cmocka_unit_test(test_digest_left_out),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_rendition_names),
        cmocka_unit_test(test_replace_and_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
