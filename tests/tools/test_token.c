/* test_token.c - radscout token and audit-log, and a server that asks for tokens, as processes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "base/hash.h"
#include "base/json.h"
#include "engine/archive.h"
#include "server/audit_log.h"
#include "server/tokens.h"

#include <sys/stat.h>

static char archive[300], tokens[300], audit[300];

static int make(void **state)
{
    rs_archive *a = NULL;

    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    snprintf(archive, sizeof archive, "%s/archive", scratch);
    snprintf(tokens, sizeof tokens, "%s/archive.tokens", scratch);
    snprintf(audit, sizeof audit, "%s/archive.audit", scratch);
    if (rs_archive_open(&a, archive, RS_ARCHIVE_WRITE, NULL) != RS_OK)
        return -1;
    rs_archive_close(a);
    return 0;
}

static int drop(void **state)
{
    forget_said();
    return scratch_drop(state);
}

static void test_tokens(void **state)
{
    char secret[RS_TOKEN_TEXT], slash[310];
    struct stat sb;

    (void)state;
    assert_exit(0, "token", "list", archive);
    assert_string_equal(said_out, "");
    snprintf(slash, sizeof slash, "%s/", archive);
    assert_exit(0, "token", "add", slash, "ward 3", "--collection", "chest", "--collection",
                "a\"b");
    assert_int_equal(said_out_len, 4 + 64 + 1);
    snprintf(secret, sizeof secret, "%.68s", said_out);
    assert_says(said_err, "only time");
    assert_int_equal(stat(tokens, &sb), 0);
    assert_int_equal(sb.st_mode & 0777, 0600);
    assert_exit(0, "token", "add", archive, "ada", "--role", "admin", "--all-collections", "--days",
                "30", "--json");
    assert_says(said_out, "\"role\":\"admin\",\"token\":\"rst_");
    assert_exit(0, "token", "list", archive);
    assert_says(said_out, "holds     reader");
    assert_says(said_out, "ward 3  chest, a\"b");
    assert_says(said_out, "ada  (all collections)");
    assert_null(strstr(said_out, secret));
    assert_exit(0, "token", "revoke", archive, "ward 3");
    assert_exit(1, "token", "revoke", archive, "ward 3");
    assert_says(said_err, "revoked before");
    assert_exit(1, "token", "revoke", archive, "nobody");
    assert_exit(0, "token", "list", archive, "--json");
    assert_says(said_out, "\"state\":\"revoked\"");
    assert_null(strstr(said_out, "sha256"));
    assert_exit(1, "token", "add", archive, "ada", "--all-collections");
    assert_says(said_err, "not given twice");
    assert_exit(2, "token", "add", archive, "b");
    assert_says(said_err, "--all-collections");
    assert_exit(2, "token", "add", archive, "b", "--all-collections", "--collection", "c");
    assert_exit(2, "token", "add", archive, "b", "--all-collections", "--role", "king");
    assert_exit(2, "token", "add", archive, "b", "--all-collections", "--days", "0");
    assert_exit(1, "token", "add", archive, "b\x1b[2J", "--all-collections");
    assert_exit(2, "token");
}

static void write_log(void)
{
    const rs_audit_plan plan = {audit, true, 0};
    const rs_audit_event e = {.kind = RS_AUDIT_QUERY, .who = "ada", .asked = "<effusion>",
                              .status = 200};
    rs_audit_log *l;
    rs_err err = {0};

    ok(rs_audit_log_open(&l, &plan, &err), &err);
    ok(rs_audit_log_append(l, &e, &err), &err);
    rs_audit_log_close(l);
}

static void test_audit_log(void **state)
{
    char head[RS_SHA256_HEX], *text;
    rs_err err = {0};
    size_t len;

    (void)state;
    write_log();
    assert_exit(0, "audit-log", "verify", audit);
    assert_says(said_out, "lines 1 to 2 are as they were written\nhead ");
    snprintf(head, sizeof head, "%.64s", strstr(said_out, "head ") + 5);
    write_log();
    assert_exit(0, "audit-log", "verify", audit, "--head", head, "--json");
    assert_says(said_out, "\"last\":3");
    head[0] = head[0] == '0' ? '1' : '0';
    assert_exit(1, "audit-log", "verify", audit, "--head", head);
    assert_exit(0, "audit-log", "export", audit, "--source", "a&b");
    assert_says(said_out, "UserID=\"a&amp;b\"");
    assert_says(said_out, "originalText=\"Query\"");
    assert_int_equal(rs_file_read(&text, &len, audit, 1 << 20, &err), RS_OK);
    strstr(text, "\"ada\"")[1] = 'A';           /* not within a hash */
    ok(rs_file_write(audit, text, len, &err), &err);
    rs_free(text);
    assert_exit(1, "audit-log", "verify", audit);
    assert_says(said_err, "line 2");
    assert_exit(1, "audit-log", "export", audit);
    assert_exit(1, "audit-log", "verify", at("none"));
    assert_exit(2, "audit-log", "verify");
}

/* What a server refuses to begin with. */
static void test_refused(void **state)
{
    (void)state;
    assert_exit(2, "serve", archive, "--bind", "0.0.0.0", "--check");
    assert_says(said_err, "TLS and authentication");
    assert_exit(2, "serve", archive, "--bind", "0.0.0.0", "--auth", "open", "--check");
    assert_exit(2, "serve", archive, "--tls-cert", "x", "--check");
    assert_says(said_err, "tls_key");
    assert_exit(2, "serve", archive, "--auth", "maybe", "--check");
    assert_exit(0, "serve", archive, "--auth", "required", "--check");
    assert_says(said_out, "\"auth\":\"required\"");
    assert_exit(1, "serve", archive, "--port", "0", "--tls-cert", at("none"), "--tls-key",
                at("none"));
    assert_says(said_err, "tls_cert");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_audit_log),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
