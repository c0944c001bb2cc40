/* test_views.c - images as they are looked at, over HTTP: what comes, what is kept on the disk,
 * what is made anew, and what is wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/hash.h"
#include "embeddings/preprocess.h"
#include "embeddings/rendition.h"
#include "engine/files.h"

#include <zlib.h>

/* Which file is which image of the case "one". */
enum { GREY8, GREY16, COLOUR, RGBA, FILM, DOT, LINE, GONE, PAGE, CUT, CHANGED, FILES };
static const char *const names[FILES] = {
    "grey8.png", "grey16.png", "colour.png", "rgba.png", "film.jpg", "dot.png", "line.png",
    "gone.png", "page.png", "cut.jpg", "changed.png"};

static char files[64];             /* a folder of pictures */
static char image_path[FILES][128], image_sha[FILES][RS_SHA256_HEX];

/* ---- Pictures -------------------------------------------------------- */

static void write_file(int i, const void *bytes, size_t len)
{
    rs_err err = {0};

    snprintf(image_path[i], sizeof image_path[i], "%s/%s", files, names[i]);
    ok(rs_file_write(image_path[i], bytes, len, &err), &err);
    ok(rs_sha256_of(image_sha[i], bytes, len, &err), &err);
}

/* Slopes and a bar: no side is like another. */
static rs_image picture(size_t width, size_t height, size_t channels, size_t depth)
{
    rs_image im = {0};
    rs_err err = {0};

    ok(rs_image_new(&im, width, height, channels, depth, &err), &err);
    for (size_t i = 0; i < width * height * channels; i++) {
        const size_t x = i / channels % width, y = i / channels / width;
        const size_t v = x * 150 / width + y * 70 / height + (x * 4 / width == 1 ? 30 : 0) +
                         i % channels * 2;
        if (depth == 16)
            ((uint16_t *)im.pixels)[i] = (uint16_t)(v * 16 + x % 16);
        else
            ((uint8_t *)im.pixels)[i] = (uint8_t)v;
    }
    return im;
}

static void write_picture(int i, size_t width, size_t height, size_t channels, size_t depth)
{
    rs_image im = picture(width, height, channels, depth);
    rs_err err = {0};
    char *bytes;
    size_t len;

    if (strstr(names[i], ".jpg"))
        ok(rs_image_to_jpeg(&bytes, &len, &im, 90, &err), &err);
    else
        ok(rs_image_to_png(&bytes, &len, &im, &err), &err);
    write_file(i, bytes, i == CUT ? len / 2 : len);
    rs_free(bytes);
    rs_image_clear(&im);
}

static void put_chunk(rs_buf *b, const char *type, const void *bytes, size_t n)
{
    uint32_t crc = (uint32_t)crc32(crc32(0, (const Bytef *)type, 4), bytes, (uInt)n);
    const uint32_t numbers[] = {(uint32_t)n, crc};

    for (int k = 0; k < 2; k++) {
        for (int shift = 24; shift >= 0; shift -= 8)
            rs_buf_putc(b, (char)(numbers[k] >> shift & 255));
        if (k == 0) {
            rs_buf_append(b, type, 4);
            rs_buf_append(b, bytes, n);
        }
    }
}

/* Half of it transparent, which is not asked about. */
static void write_rgba(void)
{
    static unsigned char raw[40 * (1 + 60 * 4)], packed[sizeof raw + 1024];
    const unsigned char head[13] = {0, 0, 0, 60, 0, 0, 0, 40, 8, 6, 0, 0, 0};
    uLongf n = sizeof packed;
    rs_buf b = {0};

    for (size_t y = 0; y < 40; y++)
        for (size_t x = 0; x < 60; x++)
            memcpy(raw + y * 241 + 1 + x * 4, x < 30 ? "\xf0\x10\x10\xff" : "\x10\x10\xf0", 4);
    compress(packed, &n, raw, sizeof raw);
    rs_buf_append(&b, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&b, "IHDR", head, sizeof head);
    put_chunk(&b, "IDAT", packed, n);
    put_chunk(&b, "IEND", "", 0);
    write_file(RGBA, b.data, b.len);
    rs_buf_clear(&b);
}

/* ---- The archive ----------------------------------------------------- */

static void put_case(rs_archive *a, const char *key, int only)
{
    rs_random rnd = rs_random_seed(strlen(key));
    float x[FILES][DIM];
    rs_case_image im[FILES];
    rs_case c = {.key = key, .source = "test", .title = "t", .report = "FINDINGS: Effusion.",
                 .modality = "CR", .age_years = -1, .digest = "d", .images = im};

    for (int i = 0; i < FILES; i++) {
        if (only >= 0 && i != only)
            continue;
        unit_vector(&rnd, x[i]);
        im[c.n_images++] = (rs_case_image){.path = image_path[i], .given = "x",
            .sha256 = image_sha[i], .width = 30, .height = 40, .vector = x[i]};
    }
    put_one(a, &c);
}

static int make_archive(void **state)
{
    rs_archive *a;
    rs_err err = {0};

    (void)state;
    make_folder(serve_folder);
    make_folder(files);
    write_picture(GREY8, 600, 400, 1, 8);
    write_picture(GREY16, 300, 500, 1, 16);
    write_picture(COLOUR, 300, 200, 3, 8);
    write_rgba();
    write_picture(FILM, 1800, 2200, 1, 8);
    write_picture(DOT, 1, 1, 1, 8);
    write_picture(LINE, 20000, 1, 1, 8);
    write_picture(GONE, 10, 10, 1, 8);
    write_file(PAGE, "<script>alert(1)</script>", 25);
    write_picture(CUT, 300, 300, 1, 8);
    write_picture(CHANGED, 64, 64, 1, 8);
    a = open_writer(serve_folder);
    put_case(a, "one", -1);
    put_case(a, "two", GREY16);
    rs_archive_close(a);
    unlink(image_path[GONE]);
    {                                          /* not what the catalog knows any more */
        rs_image im = picture(80, 64, 1, 8);
        char known[RS_SHA256_HEX];
        char *png;
        size_t len;
        memcpy(known, image_sha[CHANGED], sizeof known);
        ok(rs_image_to_png(&png, &len, &im, &err), &err);
        write_file(CHANGED, png, len);
        assert_string_not_equal(known, image_sha[CHANGED]);
        rs_free(png);
        rs_image_clear(&im);
    }
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    remove_folder(serve_folder);
    remove_folder(files);
    return 0;
}

static char *in_archive(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", serve_folder, name);
    return path;
}

static void begin_with(served *v, uint64_t max_bytes)
{
    rs_err err = {0};

    remove_folder(in_archive("renditions"));
    unlink(in_archive("renditions"));
    serve_plan(v);
    ok(rs_digests_new(&v->plan.service.digests, &err), &err);
    ok(rs_renditions_new(&v->plan.service.renditions, serve_folder, max_bytes, &err), &err);
    serve_begin(v);
}

static void begin(served *v)
{
    begin_with(v, 64 << 20);
}

static void end(served *v)
{
    serve_end(v);
    rs_renditions_free(v->plan.service.renditions);
    rs_digests_free(v->plan.service.digests);
}

static answer ask_view(int port, int image, const char *what, const char *fields)
{
    char request[512];

    snprintf(request, sizeof request, "GET /v1/images/one/%d/%s HTTP/1.1\r\nHost: localhost\r\n"
             "%s\r\n", image, what, fields);
    return ask(port, request);
}

/* Where a rendition of file `i` is kept. */
static const char *kept_at(int i, rs_rendition r)
{
    static char path[256];
    rs_arena mem = {0};

    snprintf(path, sizeof path, "%s", rs_files_rendition(serve_folder, image_sha[i],
                                                         rs_rendition_file(r), &mem));
    rs_arena_clear(&mem);
    return path;
}

static rs_image decoded(const answer *a)
{
    rs_image im = {0};
    rs_err err = {0};

    if (a->status != 200)
        fail_msg("%d %s", a->status, a->body);
    ok(rs_image_decode(&im, a->body, a->body_len, &err), &err);
    return im;
}

static size_t largest_difference(const rs_image *a, const rs_image *b)
{
    const uint8_t *x = a->pixels, *y = b->pixels;
    size_t most = 0;

    assert_int_equal(a->width * a->channels, b->width * b->channels);
    assert_int_equal(a->height, b->height);
    for (size_t i = 0; i < a->width * a->height * a->channels; i++) {
        size_t d = (size_t)abs(x[i] - y[i]);
        most = d > most ? d : most;
    }
    return most;
}

/* ---- What comes ------------------------------------------------------ */

static void test_shapes(void **state)
{
    static const struct { int i; size_t channels, thumb_w, thumb_h, w, h, gray_w, gray_h; }
    rows[] = {
        {GREY8, 1, 256, 171, 600, 400, 600, 400}, {GREY16, 1, 154, 256, 300, 500, 300, 500},
        {COLOUR, 3, 256, 171, 300, 200, 300, 200}, {RGBA, 3, 60, 40, 60, 40, 60, 40},
        {FILM, 1, 209, 256, 1257, 1536, 1800, 2200}, {DOT, 1, 1, 1, 1, 1, 1, 1},
        {LINE, 1, 256, 1, 1536, 1, 4096, 1}, {CHANGED, 1, 80, 64, 80, 64, 80, 64}};
    served v;

    (void)state;
    begin(&v);
    for (int twice = 0; twice < 2; twice++)              /* made, and from the disk */
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            answer a = ask_view(v.port, rows[i].i, "thumbnail", "");
            rs_image im = decoded(&a);
            assert_non_null(strstr(a.head, "Content-Type: image/jpeg\r\n"));
            assert_non_null(strstr(a.head, "Cache-Control: private, no-cache\r\n"));
            assert_non_null(strstr(a.head, "Content-Security-Policy: default-src 'none'"));
            if (im.width != rows[i].thumb_w || im.height != rows[i].thumb_h ||
                im.channels != rows[i].channels)
                fail_msg("%s: thumbnail of %zu x %zu", names[rows[i].i], im.width, im.height);
            rs_image_clear(&im);
            a = ask_view(v.port, rows[i].i, "display", "");
            im = decoded(&a);
            if (im.width != rows[i].w || im.height != rows[i].h || im.channels != rows[i].channels)
                fail_msg("%s: display of %zu x %zu", names[rows[i].i], im.width, im.height);
            rs_image_clear(&im);
            if (rows[i].i == FILM)
                continue;                                /* more than the client takes */
            a = ask_view(v.port, rows[i].i, "gray16", "");
            im = decoded(&a);
            assert_non_null(strstr(a.head, "Content-Type: image/png\r\n"));
            if (im.width != rows[i].gray_w || im.height != rows[i].gray_h || im.channels != 1 ||
                im.depth != 16)
                fail_msg("%s: gray16 of %zu x %zu", names[rows[i].i], im.width, im.height);
            rs_image_clear(&im);
        }
    end(&v);
}

/* A display is its source, but for JPEG's loss; a thumbnail the source resized. */
static void test_pixels(void **state)
{
    rs_image source = {0}, im, small = {0};
    rs_err err = {0};
    answer a;
    served v;

    (void)state;
    begin(&v);
    ok(rs_image_load(&source, image_path[GREY8], &err), &err);
    a = ask_view(v.port, GREY8, "display", "");
    im = decoded(&a);
    assert_true(largest_difference(&source, &im) <= 8);
    rs_image_clear(&im);
    a = ask_view(v.port, GREY8, "thumbnail", "");
    im = decoded(&a);
    ok(rs_image_resize(&small, &source, im.width, im.height, RS_RESAMPLE_BICUBIC, &err), &err);
    assert_true(largest_difference(&small, &im) <= 16);
    rs_image_clear(&im);
    rs_image_clear(&small);
    rs_image_clear(&source);
    ok(rs_image_load(&source, image_path[GREY16], &err), &err);
    a = ask_view(v.port, GREY16, "gray16", "");
    im = decoded(&a);
    assert_memory_equal(im.pixels, source.pixels, 300 * 500 * 2);
    rs_image_clear(&im);
    rs_image_clear(&source);
    a = ask_view(v.port, RGBA, "display", "");           /* what is transparent is there */
    im = decoded(&a);
    assert_true(((uint8_t *)im.pixels)[2] < 40 && ((uint8_t *)im.pixels)[59 * 3 + 2] > 215);
    rs_image_clear(&im);
    end(&v);
}

static void test_windows(void **state)
{
    static const char *const wrong[] = {
        "window=", "window=40", "window=40,", "window=,40", "window=40,0", "window=40,0.5",
        "window=40,-1", "window=40,1e3", "window=nan,10", "window=inf,10", "window=0x10,10",
        "window=40,400,1", "window=40;400", "window=+40,400", "window= 40,400", "window=--4,400",
        "window=12345678,1", "window=1,1.", "window=1,.5", "window=.5,10", "window=1.1234567,1",
        "window=40,400&window=40,400", "windows=40,400", "size=5", "window"};
    char target[160], head[64];
    rs_image source = {0}, im;
    rs_err err = {0};
    answer a;
    served v;

    (void)state;
    begin(&v);
    ok(rs_image_load(&source, image_path[GREY16], &err), &err);
    a = ask_view(v.port, GREY16, "display?window=1600,1000.5", "");
    im = decoded(&a);
    for (size_t i = 0; i < 300 * 500; i++) {
        const double x = ((const uint16_t *)source.pixels)[i];
        double want = ((x - 1599.5) / 999.5 + 0.5) * 255;
        want = want < 0 ? 0 : want > 255 ? 255 : want;
        assert_true(fabs(want - ((const uint8_t *)im.pixels)[i]) < 16);
    }
    rs_image_clear(&im);
    rs_image_clear(&source);
    for (int i = 0; i < 2; i++) {                        /* nothing is kept; ranges too */
        a = ask_view(v.port, GREY8, "display?window=-5%2C20", "Range: bytes=0-9\r\n");
        assert_int_equal(a.status, 206);
        assert_int_equal(a.body_len, 10);
        assert_memory_equal(a.body, "\xff\xd8\xff", 3);
    }
    assert_false(rs_file_exists(in_archive("renditions")));
    snprintf(head, sizeof head, "HEAD /v1/images/one/%d/display?window=1,2", GREY8);
    snprintf(target, sizeof target, "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", head);
    assert_int_equal(ask(v.port, target).status, 200);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *blank;
        snprintf(target, sizeof target, "display?%s", wrong[i]);
        while ((blank = strchr(target, ' ')) != NULL)
            *blank = '+';
        a = ask_view(v.port, GREY16, target, "");
        if (a.status != 400 || !strstr(a.body, "\"field\":"))
            fail_msg("%s: %d %s", wrong[i], a.status, a.body);
    }
    a = ask_view(v.port, COLOUR, "display?window=40,400", "");
    assert_int_equal(a.status, 400);
    assert_non_null(strstr(a.body, "\"field\":\"window\""));
    assert_int_equal(ask_view(v.port, GREY16, "thumbnail?window=40,400", "").status, 400);
    assert_int_equal(ask_view(v.port, GREY16, "gray16?x", "").status, 400);
    end(&v);
}

static void test_conditions(void **state)
{
    char etag[96], field[160], hex[RS_SHA256_HEX], *whole;
    rs_err err = {0};
    size_t len;
    answer a;
    served v;

    (void)state;
    begin(&v);
    a = ask_view(v.port, GREY8, "thumbnail", "");
    ok(rs_sha256_of(hex, a.body, a.body_len, &err), &err);
    snprintf(etag, sizeof etag, "ETag: \"%s\"\r\n", hex);
    assert_non_null(strstr(a.head, etag));
    len = a.body_len;
    whole = rs_malloc(len);
    memcpy(whole, a.body, len);
    a = ask_view(v.port, GREY8, "thumbnail", "");
    assert_non_null(strstr(a.head, etag));
    assert_int_equal(a.body_len, len);
    assert_memory_equal(a.body, whole, len);
    for (int i = 0; i < 2; i++) {                        /* from the disk, from memory */
        snprintf(field, sizeof field, "If-None-Match: \"%s\"\r\n", hex);
        a = ask_view(v.port, GREY8, "thumbnail", field);
        assert_int_equal(a.status, 304);
        assert_int_equal(a.body_len, 0);
        a = ask_view(v.port, GREY8, "thumbnail", "Range: bytes=100-199\r\n");
        assert_int_equal(a.status, 206);
        assert_int_equal(a.body_len, 100);
        assert_memory_equal(a.body, whole + 100, 100);
        snprintf(field, sizeof field, "Content-Range: bytes 100-199/%zu\r\n", len);
        assert_non_null(strstr(a.head, field));
        a = ask_view(v.port, GREY8, "thumbnail", "Range: bytes=9999999-\r\n");
        assert_int_equal(a.status, 416);
        a = ask_view(v.port, GREY8, "thumbnail", "Range: bytes=-5\r\nIf-Range: \"x\"\r\n");
        assert_int_equal(a.body_len, len);
        a = ask(v.port, REQUEST("HEAD /v1/images/one/0/thumbnail"));
        snprintf(field, sizeof field, "Content-Length: %zu\r\n", len);
        assert_non_null(strstr(a.head, field));
        end(&v);
        begin_with(&v, 0);
    }
    assert_false(rs_file_exists(in_archive("renditions")));
    rs_free(whole);
    end(&v);
}

/* ---- What is kept ----------------------------------------------------- */

static void put_kept(const char *bytes, size_t len)
{
    rs_err err = {0};

    ok(rs_file_write(kept_at(GREY8, RS_RENDITION_THUMBNAIL), bytes, len, &err), &err);
}

static void test_cache(void **state)
{
    const char *path = kept_at(GREY8, RS_RENDITION_THUMBNAIL);
    rs_err err = {0};
    char *whole, *bytes;
    size_t len, n;
    answer a;
    served v;

    (void)state;
    begin(&v);
    assert_false(rs_file_exists(path));
    ask_view(v.port, GREY8, "thumbnail", "");
    ok(rs_file_read(&whole, &len, path, 1 << 20, &err), &err);
    for (size_t k = 0; k < 5; k++) {                     /* cut, empty, something else */
        put_kept(k == 4 ? "GIF89a.................................." : whole,
                 k == 4 ? 40 : len * k / 4 - (k == 3));
        a = ask_view(v.port, GREY8, "thumbnail", "");
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_len, len);
        assert_memory_equal(a.body, whole, len);
        ok(rs_file_read(&bytes, &n, path, 1 << 20, &err), &err);
        assert_int_equal(n, len);                        /* and mended */
        rs_free(bytes);
    }
    unlink(path);                                        /* neither a link nor a folder */
    assert_int_equal(symlink(image_path[GREY8], path), 0);
    a = ask_view(v.port, GREY8, "thumbnail", "");
    assert_int_equal(a.body_len, len);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    a = ask_view(v.port, GREY8, "thumbnail", "");
    assert_int_equal(a.body_len, len);
    rmdir(path);
    a = ask_view(v.port, DOT, "thumbnail", "");          /* another, well-formed: it is believed */
    put_kept(a.body, a.body_len);
    n = a.body_len;
    a = ask_view(v.port, GREY8, "thumbnail", "");
    assert_int_equal(a.body_len, n);
    ask_view(v.port, CHANGED, "thumbnail", "");          /* an erasure would not find it */
    assert_false(rs_file_exists(kept_at(CHANGED, RS_RENDITION_THUMBNAIL)));
    rs_free(whole);
    end(&v);
}

/* Where the folder cannot be made: a file has its name. */
static void test_read_only(void **state)
{
    rs_err err = {0};
    served v;

    (void)state;
    begin(&v);
    ok(rs_file_write(in_archive("renditions"), "x", 1, &err), &err);
    for (int i = 0; i < 3; i++) {
        answer a = ask_view(v.port, GREY8, "thumbnail", "");
        rs_image im = decoded(&a);
        rs_image_clear(&im);
    }
    end(&v);
    unlink(in_archive("renditions"));
}

static uint64_t bytes_kept(const char *folder, size_t *n)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    uint64_t sum = 0;

    while (d && (e = readdir(d))) {
        struct stat sb;
        char *path = rs_path_join(folder, e->d_name);
        if (e->d_name[0] != '.' && lstat(path, &sb) == 0) {
            *n += S_ISREG(sb.st_mode);
            sum += S_ISDIR(sb.st_mode) ? bytes_kept(path, n) : (uint64_t)sb.st_size;
        }
        rs_free(path);
    }
    if (d)
        closedir(d);
    return sum;
}

/* The oldest go, what was used lately stays; a second process counts what is there. */
static void test_bound(void **state)
{
    enum { MAX = 100000, EACH = 4000 };
    static char bytes[EACH] = "\xff\xd8\xff";
    char name[64], path[200], *first = NULL;
    rs_renditions *r;
    rs_err err = {0};
    uint64_t length;
    size_t n = 0;
    int fd;

    (void)state;
    memcpy(bytes + EACH - 2, "\xff\xd9", 2);
    remove_folder(in_archive("renditions"));
    for (int process = 0; process < 2; process++) {
        ok(rs_renditions_new(&r, serve_folder, MAX, &err), &err);
        for (int i = 0; i < 100; i++) {
            const struct timespec past[2] = {{time(NULL) - 90000 + process * 2000 + i * 10, 0},
                                             {time(NULL) - 90000 + process * 2000 + i * 10, 0}};
            snprintf(name, sizeof name, "%02x%062d", i * 7 % 256, process * 1000 + i);
            snprintf(path, sizeof path, "%s/renditions/%.2s/%s.thumbnail1.jpg", serve_folder, name,
                     name);
            rs_renditions_keep(r, path, bytes, EACH);
            if (rs_file_exists(path))
                utimensat(AT_FDCWD, path, past, 0);
            if (!first)
                first = strdup(path);
            fd = rs_renditions_open(r, first, &length);   /* used: touched, so it is the newest */
            assert_true(fd >= 0);
            assert_int_equal(length, EACH);
            close(fd);
            n = 0;
            assert_true(bytes_kept(in_archive("renditions"), &n) <= MAX);
        }
        assert_true(n >= MAX * 7 / 8 / EACH);
        rs_renditions_free(r);
    }
    assert_true(rs_renditions_open(NULL, first, &length) < 0);
    ok(rs_renditions_new(&r, serve_folder, 0, &err), &err);
    rs_renditions_keep(r, path, bytes, EACH);
    assert_true(rs_renditions_open(r, first, &length) < 0);
    rs_renditions_free(r);
    free(first);
}

/* Two workers, one rendition: the same bytes, and one file. */
static void *ask_often(void *arg)
{
    intptr_t good = 0;

    for (int i = 0; i < 10; i++) {
        int fd = dial(*(int *)arg);
        char some[65536];
        ssize_t n;
        size_t len = 0;
        say(fd, REQUEST("GET /v1/images/one/0/display"));
        while (len < sizeof some && (n = hear_some(fd, some + len, sizeof some - len, 500)) > 0)
            len += (size_t)n;
        good += len > 4000 && memcmp(some, "HTTP/1.1 200", 12) == 0 &&
                memcmp(some + len - 2, "\xff\xd9", 2) == 0;
        close(fd);
    }
    return (void *)good;
}

static void test_crowd(void **state)
{
    pthread_t thread[4];
    size_t n = 0;
    served v;

    (void)state;
    begin(&v);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_often, &v.port), 0);
    for (int i = 0; i < 4; i++) {
        void *good;
        pthread_join(thread[i], &good);
        assert_int_equal((intptr_t)good, 10);
    }
    bytes_kept(in_archive("renditions"), &n);
    assert_int_equal(n, 1);
    end(&v);
}

/* ---- What is wrong ---------------------------------------------------- */

static void test_wrong(void **state)
{
    static const struct { int i; int status; const char *type; } rows[] = {
        {GONE, 404, "not-found"}, {PAGE, 422, "unreadable-image"}, {CUT, 422, "unreadable-image"},
        {FILES, 404, "not-found"}};
    static const char *const whats[] = {"thumbnail", "display", "gray16", "display?window=9,9"};
    served v;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < sizeof whats / sizeof *whats; k++) {
            answer a = ask_view(v.port, rows[i].i, whats[k], "");
            if (a.status != rows[i].status || !strstr(a.body, rows[i].type))
                fail_msg("row %zu, %s: %d %s", i, whats[k], a.status, a.body);
            assert_null(strstr(a.body, files));
        }
    assert_int_equal(ask(v.port, REQUEST("GET /v1/images/one/x/thumbnail")).status, 404);
    assert_int_equal(ask(v.port, REQUEST("GET /v1/images/nobody/0/thumbnail")).status, 404);
    assert_int_equal(ask(v.port, REQUEST("GET /v1/images/one/0/other")).status, 404);
    assert_int_equal(ask(v.port, REQUEST("POST /v1/images/one/0/thumbnail")).status, 405);
    end(&v);
}

/* The file goes after its renditions were made, then the case. */
static void test_erased(void **state)
{
    const char *const keys[] = {"two"};
    rs_erasure proof;
    rs_archive *a;
    rs_err err = {0};
    served v;

    (void)state;
    begin(&v);
    assert_int_equal(ask(v.port, REQUEST("GET /v1/images/two/0/thumbnail")).status, 200);
    assert_true(rs_file_exists(kept_at(GREY16, RS_RENDITION_THUMBNAIL)));
    a = open_archive(serve_folder, RS_ARCHIVE_WRITE);
    ok(rs_archive_erase(a, keys, 1, &proof, &err), &err);
    rs_archive_close(a);
    assert_int_equal(ask(v.port, REQUEST("GET /v1/images/two/0/thumbnail")).status, 404);
    assert_int_equal(ask_view(v.port, GREY16, "thumbnail", "").status, 200);   /* of another case */
    end(&v);
}

/* Cases are erased while their renditions are being made: none stays, whoever was first. */
enum { RACES = 24 };
static char race_path[RACES][160], race_sha[RACES][RS_SHA256_HEX];
static atomic_int racing;

static void *ask_race(void *arg)
{
    while (atomic_load(&racing) < RACES) {
        char request[128];
        int fd = dial(*(int *)arg);
        char some[4096];
        snprintf(request, sizeof request, "GET /v1/images/race-%d/0/display HTTP/1.1\r\n"
                 "Host: localhost\r\nConnection: close\r\n\r\n", atomic_load(&racing));
        say(fd, request);
        while (hear_some(fd, some, sizeof some, WAIT_MS) > 0)
            ;
        close(fd);
    }
    return NULL;
}

static void put_race(rs_archive *a, int i)
{
    rs_image im = picture(400 + (size_t)i, 500, 1, 8);
    float x[DIM] = {1};
    char key[16], *png;
    rs_case_image image = {.path = race_path[i], .sha256 = race_sha[i], .width = 1, .height = 1,
                           .vector = x};
    const rs_case c = {.key = key, .source = "test", .age_years = -1, .digest = "d",
                       .images = &image, .n_images = 1};
    rs_err err = {0};
    size_t len;

    snprintf(key, sizeof key, "race-%d", i);
    snprintf(race_path[i], sizeof race_path[i], "%s/%s.png", files, key);
    ok(rs_image_to_png(&png, &len, &im, &err), &err);
    ok(rs_file_write(race_path[i], png, len, &err), &err);
    ok(rs_sha256_of(race_sha[i], png, len, &err), &err);
    rs_free(png);
    rs_image_clear(&im);
    put_one(a, &c);
}

static void test_erased_meanwhile(void **state)
{
    rs_archive *a = open_archive(serve_folder, RS_ARCHIVE_WRITE);
    pthread_t thread[2];
    size_t n = 0;
    served v;

    (void)state;
    for (int i = 0; i < RACES; i++)
        put_race(a, i);
    begin(&v);
    atomic_store(&racing, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_race, &v.port), 0);
    for (int i = 0; i < RACES; i++) {
        char key[16];
        const char *const keys[] = {key};
        rs_erasure proof;
        rs_err err = {0};
        snprintf(key, sizeof key, "race-%d", i);
        pause_ms(i * 2);
        rs_archive_erase(a, keys, 1, &proof, &err);      /* a reader may be in its way */
        atomic_fetch_add(&racing, 1);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    end(&v);
    rs_archive_close(a);
    bytes_kept(in_archive("renditions"), &n);
    assert_int_equal(n, 0);
}

/* Memory runs out at any moment: that request fails, or is answered, and the next is whole. */
static void test_out_of_memory(void **state)
{
    static const char *const requests[] = {
        REQUEST("GET /v1/images/one/0/thumbnail"), REQUEST("GET /v1/images/one/1/gray16"),
        REQUEST("GET /v1/images/one/1/display?window=40,400")};
    served v;

    (void)state;
    begin(&v);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        for (long k = 0; k < 160; k += k < 80 ? 1 : 7) {
            int fd = dial(v.port);
            answer a;
            unlink(kept_at(GREY8, RS_RENDITION_THUMBNAIL));
            unlink(kept_at(GREY16, RS_RENDITION_GRAY16));
            answer_kept = answer_end = 0;
            rs_alloc_fail_after(k);
            say(fd, requests[i]);
            a = hear(fd);
            rs_alloc_fail_after(-1);
            if (a.status != 0 && a.status != 200 && a.status != 404 && a.status < 500)
                fail_msg("%s: allocation %ld: %d %s", requests[i], k, a.status, a.body);
            hang_up(fd);
        }
        assert_int_equal(ask(v.port, requests[i]).status, 200);
    }
    end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),     cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_windows),    cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_cache),      cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_bound),      cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_wrong),      cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_erased),     cmocka_unit_test(test_erased_meanwhile),
    };
    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
