/* cmd_token.c - radscout token add|list|revoke ARCHIVE ...
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "commands.h"
#include "server/secret.h"
#include "server/tokens.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 24 * 3600, MAX_DAYS = 36500 };

#define TOKENS_OPTION \
    {"tokens", 0, "FILE", "where the tokens are (default: beside the archive, ARCHIVE.tokens)"}
#define TOKENS_HELP \
    "Tokens stand beside the archive, in ARCHIVE.tokens, so that the archive may be copied or\n" \
    "backed up without its users. A running server takes changes in within a second."

/* The tokens' file: in the command's memory, or NULL after having said why. */
static const char *file_of(rs_cli *c, rs_err *err)
{
    const char *set = rs_cli_value(c, "tokens", NULL);
    char *path;

    if (set)
        return set;
    path = rs_beside_archive(rs_cli_arg(c, 0), ".tokens");
    set = path ? rs_arena_strdup(rs_cli_arena(c), path) : NULL;
    rs_free(path);
    if (!set)
        rs_fail(err, RS_ENOMEM, "no memory");
    return set;
}

/* ---- add ------------------------------------------------------------- */

static int say_new(rs_cli *c, const rs_bearer *t, const char *text)
{
    if (rs_cli_flag(c, "json"))
        return rs_cli_print_json(c, json_pack("{s:s,s:s,s:s,s:I}", "name", t->name, "role",
                                              rs_role_name(t->role), "token", text, "expires",
                                              (json_int_t)t->expires));
    printf("%s\n", text);
    fprintf(stderr, "This is the only time that the token is shown.\n");
    return RS_EXIT_OK;
}

static int run_add(rs_cli *c)
{
    const char *role = rs_cli_value(c, "role", "reader"), *path;
    rs_bearer want = {.name = rs_cli_arg(c, 1), .role = rs_role_of(role)};
    char text[RS_TOKEN_TEXT];
    rs_err err = {0};
    long long days;
    int code;

    if (want.role == RS_ROLES)
        return rs_cli_usage(c, "--role: wanted reader, educator, editor or admin, found '%s'",
                            role);
    want.collections = rs_cli_values(c, "collection", &want.n_collections);
    want.all = rs_cli_flag(c, "all-collections");
    if (want.all == (want.n_collections > 0))
        return rs_cli_usage(c, "say what the token may see: --collection NAME, any number of "
                            "times, or --all-collections");
    if (!rs_cli_number(c, "days", 1, MAX_DAYS, 0, &days))
        return RS_EXIT_USAGE;
    want.expires = days ? (long long)time(NULL) + days * DAY_S : 0;
    if (!(path = file_of(c, &err)) || rs_bearers_add(path, &want, text, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    code = say_new(c, &want, text);
    rs_secret_wipe(text, sizeof text);
    return code;
}

static const rs_option add_options[] = {
    {"role", 0, "ROLE", "reader (default), educator, editor or admin; each may do what those\n"
                        "before it may"},
    {"collection", 0, "NAME", "a collection that may be seen; may be given several times"},
    {"all-collections", 0, NULL, "every case may be seen, also of no collection"},
    {"days", 0, "N", "the token holds for so long (default: until it is revoked)"},
    TOKENS_OPTION,
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_token_add = {
    .name = "token add", .args = "ARCHIVE NAME",
    .summary = "make a token that lets somebody use the server",
    .description =
        "Prints the token, once: only its hash is kept. It is sent with each request, as\n"
        "Authorization: Bearer TOKEN. Once an archive has a token, its server asks for one.\n"
        "\n"
        "A reader searches and looks at cases; an educator also judges and builds teaching files;\n"
        "an editor also adds and deletes cases; an admin also sees how the server does. What lies\n"
        "outside of a token's collections does not exist for it: no hit, count, image or citation\n"
        "comes of it. NAME stands in the audit log, and is not given twice.\n"
        "\n" TOKENS_HELP,
    .examples = "  radscout token add archive 'ward 3' --collection chest --collection trauma\n"
                "  radscout token add archive ada --role admin --all-collections --days 90\n",
    .options = add_options, .min_args = 2, .max_args = 2, .run = run_add,
};

/* ---- list ------------------------------------------------------------ */

static const char *day_of(long long at, char out[16])
{
    const time_t t = (time_t)at;
    struct tm tm;

    if (!at || !gmtime_r(&t, &tm) || strftime(out, 16, "%Y-%m-%d", &tm) == 0)
        snprintf(out, 16, "-");
    return out;
}

static const char *state_of(const rs_bearer *t)
{
    return t->revoked ? "revoked" : rs_bearer_holds(t, time(NULL)) ? "holds" : "expired";
}

static json_t *token_json(const rs_bearer *t)
{
    json_t *list = t->all ? json_string("all") : json_array();

    for (size_t i = 0; i < t->n_collections; i++)
        json_array_append_new(list, rs_json_any(t->collections[i]));
    return json_pack("{s:s,s:s,s:s,s:o,s:I,s:I,s:I}", "name", t->name, "role",
                     rs_role_name(t->role), "state", state_of(t), "collections", list,
                     "created", (json_int_t)t->created, "expires", (json_int_t)t->expires,
                     "revoked", (json_int_t)t->revoked);
}

static void token_text(const rs_bearer *t)
{
    char created[16], expires[16];

    printf("%-8s  %-8s  %-10s  %-10s  ", state_of(t), rs_role_name(t->role),
           day_of(t->created, created), day_of(t->expires, expires));
    rs_print_line(t->name);
    printf("  ");
    if (t->all)
        printf("(all collections)");
    for (size_t i = 0; i < t->n_collections; i++) {
        printf(i ? ", " : "");
        rs_print_line(t->collections[i]);
    }
    putchar('\n');
}

static int print_all(rs_cli *c, const rs_bearers *t)
{
    json_t *list;

    if (rs_cli_flag(c, "json")) {
        list = json_array();
        for (size_t i = 0; i < rs_bearers_count(t); i++)
            json_array_append_new(list, token_json(rs_bearers_at(t, i)));
        return rs_cli_print_json(c, json_pack("{s:o}", "tokens", list));
    }
    if (rs_bearers_count(t))
        printf("%-8s  %-8s  %-10s  %-10s  %s\n", "state", "role", "created", "expires",
               "name, collections");
    for (size_t i = 0; i < rs_bearers_count(t); i++)
        token_text(rs_bearers_at(t, i));
    return RS_EXIT_OK;
}

static int run_list(rs_cli *c)
{
    rs_bearers *t = NULL;
    rs_err err = {0};
    const char *path = file_of(c, &err);
    int code;

    if (!path || rs_bearers_open(&t, path, &err) != RS_OK)
        return rs_cli_fail(c, &err);
    code = print_all(c, t);
    rs_bearers_close(t);
    return code;
}

static const rs_option list_options[] = {
    TOKENS_OPTION,
    {"json", 0, NULL, "print one JSON object"},
    {0},
};

const rs_command rs_command_token_list = {
    .name = "token list", .args = "ARCHIVE", .summary = "list tokens, what they may do and see",
    .description = "Tokens themselves are kept nowhere; one that is lost is revoked, and another\n"
                   "is made.\n\n" TOKENS_HELP,
    .examples = "  radscout token list archive\n",
    .options = list_options, .min_args = 1, .max_args = 1, .run = run_list,
};

/* ---- revoke ---------------------------------------------------------- */

static int run_revoke(rs_cli *c)
{
    rs_err err = {0};
    const char *path = file_of(c, &err);

    if (!path || rs_bearers_revoke(path, rs_cli_arg(c, 1), &err) != RS_OK)
        return rs_cli_fail(c, &err);
    printf("revoked ");
    rs_print_line(rs_cli_arg(c, 1));
    putchar('\n');
    return RS_EXIT_OK;
}

static const rs_option revoke_options[] = {
    TOKENS_OPTION,
    {0},
};

const rs_command rs_command_token_revoke = {
    .name = "token revoke", .args = "ARCHIVE NAME",
    .summary = "let a token, and sessions begun with it, hold no longer",
    .description = TOKENS_HELP,
    .examples = "  radscout token revoke archive 'ward 3'\n",
    .options = revoke_options, .min_args = 2, .max_args = 2, .run = run_revoke,
};
