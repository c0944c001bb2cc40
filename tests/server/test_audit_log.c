/* test_audit_log.c - the audit log: any byte flipped, any line gone, moved or put in is found.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/fixture.h"

#include "server/audit_log.h"
#include "server/audit_xml.h"

static char folder[64], path[96];

static int make(void **state)
{
    (void)state;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/audit", folder);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static rs_audit_log *open_log(bool plain, uint64_t max_bytes)
{
    const rs_audit_plan plan = {path, plain, max_bytes};
    rs_audit_log *l = NULL;
    rs_err err = {0};

    ok(rs_audit_log_open(&l, &plan, &err), &err);
    return l;
}

static void append(rs_audit_log *l, rs_audit_kind kind, const char *who, const char *asked)
{
    static const char *const cases[] = {"1.2.840.113619.2", "a <b> & \"c\""};
    const rs_audit_event e = {.kind = kind, .who = who, .role = "reader", .from = "192.0.2.7",
                              .method = "GET", .path = "/v1/cases/x", .asked = asked,
                              .cases = cases, .n_cases = 2, .status = 200};
    rs_err err = {0};

    ok(rs_audit_log_append(l, &e, &err), &err);
}

static void write_some(bool plain)
{
    rs_audit_log *l = open_log(plain, 0);

    append(l, RS_AUDIT_LOGIN, "ada", NULL);
    append(l, RS_AUDIT_QUERY, "ada", "John Doe, effusion");
    append(l, RS_AUDIT_ACCESS, "\xff\x1b[2J", "x");
    rs_audit_log_close(l);
}

static rs_status verify(rs_audit_span *span, rs_err *err)
{
    const char *const paths[] = {path};

    return rs_audit_log_read(paths, 1, NULL, NULL, span, err);
}

static char *whole(size_t *len)
{
    char *text = NULL;
    rs_err err = {0};

    ok(rs_file_read(&text, len, path, 1 << 24, &err), &err);
    return text;
}

/* Without waiting for the disk, as rs_file_write would thousands of times. */
static void write_plain(const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void expect_broken(const char *text, size_t len, const char *what, size_t i)
{
    rs_audit_span span;
    rs_err err = {0};

    write_plain(text, len);
    if (verify(&span, &err) != RS_ECORRUPT)
        fail_msg("%s %zu: not found", what, i);
    if (!strstr(err.msg, path))
        fail_msg("%s %zu: %s", what, i, err.msg);
}

/* ---- Tampering ------------------------------------------------------- */

static void test_every_byte(void **state)
{
    rs_audit_span span;
    rs_err err = {0};
    size_t len;
    char *text;

    (void)state;
    write_some(false);
    ok(verify(&span, &err), &err);
    assert_true(span.begins);
    assert_int_equal(span.first, 1);
    assert_int_equal(span.last, 4);
    text = whole(&len);
    assert_null(strstr(text, "John Doe"));
    for (size_t i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ 1 << bit);
            expect_broken(text, len, "byte", i);
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    for (size_t i = 0; i < len; i++) {         /* a byte less, but for whole lines at the end */
        rs_buf cut = {0};
        rs_buf_append(&cut, text, i);
        rs_buf_append(&cut, text + i + 1, len - i - 1);
        expect_broken(cut.data, cut.len, "missing byte", i);
        if (i > 0 && text[i - 1] != '\n')
            expect_broken(text, i, "cut at", i);
        rs_buf_clear(&cut);
    }
    expect_broken("", 0, "empty", 0);
    rs_free(text);
}

/* Lines [0, n) in the order of `order`. */
static void test_lines(void **state)
{
    static const int orders[][5] = {{1, 2, 3, -1}, {0, 2, 3, -1}, {0, 1, 3, -1}, {0, 2, 1, 3, -1},
                                    {0, 1, 1, 2, 3}, {0, 0, 1, 2, 3}, {3, -1}, {1, 0, 2, 3, -1}};
    const char *line[5];
    size_t len;
    char *text;

    (void)state;
    write_some(true);
    text = whole(&len);
    assert_non_null(strstr(text, "John Doe"));
    line[0] = text;
    for (int i = 1; i < 5; i++)
        line[i] = strchr(line[i - 1], '\n') + 1;
    for (size_t k = 0; k < sizeof orders / sizeof *orders; k++) {
        rs_buf b = {0};
        for (int i = 0; i < 5 && orders[k][i] >= 0; i++)
            rs_buf_append(&b, line[orders[k][i]],
                          (size_t)(line[orders[k][i] + 1] - line[orders[k][i]]));
        expect_broken(b.data, b.len, "order", k);
        rs_buf_clear(&b);
    }
    rs_free(text);
}

/* ---- Going on -------------------------------------------------------- */

static void test_reopened(void **state)
{
    char head[RS_SHA256_HEX];
    rs_audit_span span;
    rs_audit_log *l;
    rs_err err = {0};
    size_t len;
    char *text;

    (void)state;
    write_some(false);
    l = open_log(false, 0);
    append(l, RS_AUDIT_STOP, NULL, NULL);
    rs_audit_log_head(l, head);
    rs_audit_log_close(l);
    ok(verify(&span, &err), &err);
    assert_int_equal(span.last, 5);
    assert_string_equal(span.head, head);
    /* Half a line, as a power failure leaves it. */
    text = whole(&len);
    ok(rs_file_write(path, text, len - 10, &err), &err);
    l = open_log(false, 0);
    rs_audit_log_close(l);
    ok(verify(&span, &err), &err);
    assert_int_equal(span.last, 5);
    rs_free(text);
    text = whole(&len);
    assert_non_null(strstr(text, "\"event\":\"recovered\""));
    /* A last line that is whole but wrong is not gone over. */
    text[len - 5] = text[len - 5] == '0' ? '1' : '0';
    ok(rs_file_write(path, text, len, &err), &err);
    assert_int_equal(rs_audit_log_open(&l, &(rs_audit_plan){path, false, 0}, &err), RS_ECORRUPT);
    rs_free(text);
}

static void test_rotated(void **state)
{
    const char *paths[32];
    char names[32][128];
    rs_audit_span span;
    rs_audit_log *l = open_log(false, 2000);
    rs_err err = {0};
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 40; i++)
        append(l, RS_AUDIT_ACCESS, "ada", "x");
    rs_audit_log_close(l);
    for (int k = 1; k < 100 && n < 31; k++) {
        snprintf(names[n], sizeof names[n], "%s.%010d", path, k);
        if (rs_file_exists(names[n])) {
            paths[n] = names[n];
            n++;
        }
    }
    assert_true(n > 3);
    paths[n++] = path;
    ok(rs_audit_log_read(paths, n, NULL, NULL, &span, &err), &err);
    assert_true(span.begins);
    assert_int_equal(span.last, 41 + (long long)n - 1);
    ok(rs_audit_log_read(paths + 1, n - 1, NULL, NULL, &span, &err), &err);
    assert_false(span.begins);
    paths[1] = paths[0];                       /* a file is missing */
    assert_int_equal(rs_audit_log_read(paths + 1, n - 1, NULL, NULL, &span, &err), RS_ECORRUPT);
    /* A crash between the two renames. */
    snprintf(names[31], sizeof names[31], "%s.new", path);
    assert_int_equal(rename(path, names[31]), 0);
    l = open_log(false, 2000);
    append(l, RS_AUDIT_ACCESS, "ada", "x");
    rs_audit_log_close(l);
    paths[0] = names[n - 2];
    paths[1] = path;
    ok(rs_audit_log_read(paths, 2, NULL, NULL, &span, &err), &err);
}

/* A query's line has all that was told. */
static rs_status is_whole(void *ctx, const json_t *line, rs_err *err)
{
    (void)ctx;
    (void)err;
    if (strcmp(json_string_value(json_object_get(line, "event")), "query") == 0) {
        assert_string_equal(json_string_value(json_object_get(line, "who")), "a");
        assert_int_equal(json_string_length(json_object_get(line, "asked_sha256")), 64);
        assert_int_equal(json_array_size(json_object_get(line, "cases")), 1);
        assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
    } else {
        assert_int_equal(json_string_length(json_object_get(line, "salt")), 64);
    }
    return RS_OK;
}

static void test_out_of_memory(void **state)
{
    const rs_audit_plan plan = {path, false, 600};
    rs_audit_span span;
    rs_audit_log *l = NULL;
    rs_err err = {0};
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        const size_t live = rs_alloc_live();
        rs_alloc_fail_after(k);
        st = rs_audit_log_open(&l, &plan, &err);
        rs_alloc_fail_after(-1);
        if (st != RS_OK)
            assert_int_equal(rs_alloc_live(), live);
    }
    for (int i = 0; i < 8; i++) {              /* new files are begun among these */
        const char *const cases[] = {"c"};
        const rs_audit_event e = {.kind = RS_AUDIT_QUERY, .who = "a", .asked = "b",
                                  .cases = cases, .n_cases = 1, .status = 200};
        st = RS_ENOMEM;
        for (long k = 0; st != RS_OK; k++) {
            rs_alloc_fail_after(k);
            st = rs_audit_log_append(l, &e, &err);
            rs_alloc_fail_after(-1);
        }
    }
    rs_audit_log_close(l);
    ok(rs_audit_log_read((const char *const[]){path}, 1, is_whole, NULL, &span, &err), &err);
}

/* ---- As DICOM audit messages ----------------------------------------- */

static rs_status to_xml(void *ctx, const json_t *line, rs_err *err)
{
    (void)err;
    rs_audit_xml(line, "here", ctx);
    return RS_OK;
}

/* Every tag is closed in order, attributes are quoted: enough of XML for what we write. */
static void check_well_formed(const char *s)
{
    char open[16][64];
    int depth = 0;

    for (; *s; s++) {
        char name[64];
        size_t n;
        bool ends;
        if (*s == '&')
            assert_true(strncmp(s, "&lt;", 4) == 0 || strncmp(s, "&gt;", 4) == 0 ||
                        strncmp(s, "&amp;", 5) == 0 || strncmp(s, "&quot;", 6) == 0 ||
                        strncmp(s, "&apos;", 6) == 0 || strncmp(s, "&#", 2) == 0);
        assert_true((unsigned char)*s >= 0x20 || *s == '\n');
        if (*s != '<')
            continue;
        ends = s[1] == '/';
        s += ends ? 2 : 1;
        n = strcspn(s, " />");
        snprintf(name, sizeof name, "%.*s", (int)n, s);
        for (s += n; *s != '>'; s++) {
            if (*s == '"')
                for (s++; *s != '"'; s++)
                    assert_true(*s != '<' && *s != '\0');
            assert_true(*s != '\0');
        }
        if (ends)
            assert_string_equal(name, open[--depth]);
        else if (s[-1] != '/')
            snprintf(open[depth++], sizeof open[0], "%s", name);
        assert_true(depth < 16);
    }
    assert_int_equal(depth, 0);
}

static void test_messages(void **state)
{
    static const char *const wanted[] = {
        "<EventID csd-code=\"110112\" codeSystemName=\"DCM\" originalText=\"Query\"/>",
        "<EventID csd-code=\"110103\" codeSystemName=\"DCM\" "
        "originalText=\"DICOM Instances Accessed\"/>",
        "<EventID csd-code=\"110114\" codeSystemName=\"DCM\" "
        "originalText=\"User Authentication\"/>",
        "<EventTypeCode csd-code=\"110122\" codeSystemName=\"DCM\" originalText=\"Login\"/>",
        "<ParticipantObjectQuery>Sm9obiBEb2UsIGVmZnVzaW9u</ParticipantObjectQuery>",
        "ParticipantObjectID=\"1.2.840.113619.2\"",
        "csd-code=\"110180\" codeSystemName=\"DCM\" originalText=\"Study Instance UID\"",
        "a &lt;b&gt; &amp; &quot;c&quot;",
        "NetworkAccessPointID=\"192.0.2.7\" NetworkAccessPointTypeCode=\"2\"",
        "UserID=\"ada\" UserIsRequestor=\"true\"", "EventOutcomeIndicator=\"0\"",
        "AuditSourceID=\"here\"",
    };
    const char *const paths[] = {path};
    rs_audit_span span;
    rs_buf out = {0};
    rs_err err = {0};

    (void)state;
    write_some(true);
    ok(rs_audit_log_read(paths, 1, to_xml, &out, &span, &err), &err);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(out.data, wanted[i]))
            fail_msg("%s\nis not in\n%s", wanted[i], out.data);
    assert_null(strchr(out.data, '\x1b'));
    check_well_formed(out.data);
    rs_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_byte, make, drop),
        cmocka_unit_test_setup_teardown(test_lines, make, drop),
        cmocka_unit_test_setup_teardown(test_reopened, make, drop),
        cmocka_unit_test_setup_teardown(test_rotated, make, drop),
        cmocka_unit_test_setup_teardown(test_out_of_memory, make, drop),
        cmocka_unit_test_setup_teardown(test_messages, make, drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
