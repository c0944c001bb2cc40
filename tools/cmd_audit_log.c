/* cmd_audit_log.c - radscout audit-log verify|export FILE...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/json.h"
#include "commands.h"
#include "server/audit_log.h"
#include "server/audit_xml.h"

#include <stdio.h>
#include <string.h>

/* The files named, as rs_audit_log_read wants them; NULL on OOM. */
static const char *const *files_of(rs_cli *c, size_t *n)
{
    const char **list = rs_new(rs_cli_arena(c), const char *, rs_cli_args(c) + 1);

    *n = rs_cli_args(c);
    for (size_t i = 0; list && i < *n; i++)
        list[i] = rs_cli_arg(c, i);
    return list;
}

static rs_status read_all(rs_cli *c, rs_audit_line line, void *ctx, rs_audit_span *span,
                          rs_err *err)
{
    size_t n;
    const char *const *files = files_of(c, &n);

    if (!files)
        return rs_fail(err, RS_ENOMEM, "no memory");
    return rs_audit_log_read(files, n, line, ctx, span, err);
}

/* ---- verify ---------------------------------------------------------- */

/* The head that was kept elsewhere must be one of the log's hashes: it is the line `span` ends
 * with, or the "prev" of a later one. */
typedef struct { const char *head; bool found; } looking;

static rs_status look(void *ctx, const json_t *line, rs_err *err)
{
    looking *l = ctx;
    const char *prev = json_string_value(json_object_get(line, "prev"));

    (void)err;
    l->found |= l->head && prev && strcmp(prev, l->head) == 0;
    return RS_OK;
}

static int say_span(rs_cli *c, const rs_audit_span *s)
{
    if (rs_cli_flag(c, "json"))
        return rs_cli_print_json(c, json_pack("{s:b,s:I,s:I,s:s}", "begins", s->begins, "first",
                                              (json_int_t)s->first, "last", (json_int_t)s->last,
                                              "head", s->head));
    printf("lines %lld to %lld are as they were written%s\nhead %s\n", s->first, s->last,
           s->begins ? "" : "; what came before them is in another file", s->head);
    return RS_EXIT_OK;
}

static int run_verify(rs_cli *c)
{
    looking l = {.head = rs_cli_value(c, "head", NULL)};
    rs_audit_span span;
    rs_err err = {0};
    rs_status st = read_all(c, look, &l, &span, &err);

    if (st == RS_OK && l.head && !l.found && strcmp(span.head, l.head) != 0)
        st = rs_fail(&err, RS_ECORRUPT, "no line has the hash %.64s: the log was cut before it, or "
                     "written anew", l.head);
    return st == RS_OK ? say_span(c, &span) : rs_cli_fail(c, &err);
}

static const rs_option verify_options[] = {
    {"head", 0, "HASH", "a hash that was noted before must be that of one of the lines"},
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_audit_log_verify = {
    .name = "audit-log verify", .args = "FILE...",
    .summary = "prove that an audit log is as it was written",
    .description =
        "Each line holds the hash of the one before and its own. A byte that was changed, a line\n"
        "that is missing, was put in or moved is found, and the first such place is named; the\n"
        "exit code is 1. Several files are one log, the oldest first.\n"
        "\n"
        "A log cannot prove by itself that its end is still there, nor that it was not written\n"
        "anew as a whole. Note the head that is printed (the server notes it in its own log when\n"
        "it starts, stops and begins a new file), and give it with --head next time.",
    .examples = "  radscout audit-log verify archive.audit\n"
                "  radscout audit-log verify archive.audit.0000081204 archive.audit\n",
    .options = verify_options, .min_args = 1, .max_args = -1, .run = run_verify,
};

/* ---- export ---------------------------------------------------------- */

static rs_status print_message(void *ctx, const json_t *line, rs_err *err)
{
    rs_buf out = {0};
    rs_status st = RS_OK;

    if (rs_audit_xml(line, ctx, &out) && !out.failed &&
        fwrite(out.data, 1, out.len, stdout) != out.len)
        st = rs_fail_errno(err, "write messages");
    if (out.failed)
        st = rs_fail(err, RS_ENOMEM, "no memory for a message");
    rs_buf_clear(&out);
    return st;
}

static int run_export(rs_cli *c)
{
    char source[256];
    rs_audit_span span;
    rs_err err = {0};
    rs_status st;

    snprintf(source, sizeof source, "%s", rs_cli_value(c, "source", "radscout"));
    st = read_all(c, print_message, source, &span, &err);
    if (st == RS_OK && fflush(stdout) != 0)
        st = rs_fail_errno(&err, "write messages");
    return st == RS_OK ? RS_EXIT_OK : rs_cli_fail(c, &err);
}

static const rs_option export_options[] = {
    {"source", 0, "NAME", "what the messages call this system (default: radscout)"},
    {0},
};

const rs_command rs_command_audit_log_export = {
    .name = "audit-log export", .args = "FILE...",
    .summary = "print an audit log as DICOM audit messages",
    .description =
        "One XML message of DICOM PS3.15, A.5, a line: Query, DICOM Instances Accessed, User\n"
        "Authentication, Application Activity. The log is verified on the way; a line that is not\n"
        "as it was written ends the export with exit code 1. Several files are one log, the\n"
        "oldest first.",
    .examples = "  radscout audit-log export archive.audit > audit.xml\n",
    .options = export_options, .min_args = 1, .max_args = -1, .run = run_export,
};
