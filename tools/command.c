/* command.c - see command.h: the argument parser, the help and the man page of a table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const rs_option *option;
    const char *value;                     /* NULL for a flag */
} given;

struct rs_cli {
    const rs_command *cmd;
    rs_arena mem;
    const char **args;
    size_t n_args;
    given *given;
    size_t n_given;
};

/* ---- Reading --------------------------------------------------------- */

size_t rs_cli_args(const rs_cli *c) { return c->n_args; }
const char *rs_cli_arg(const rs_cli *c, size_t i) { return i < c->n_args ? c->args[i] : NULL; }
rs_arena *rs_cli_arena(rs_cli *c) { return &c->mem; }

bool rs_cli_flag(const rs_cli *c, const char *option)
{
    for (size_t i = 0; i < c->n_given; i++)
        if (strcmp(c->given[i].option->name, option) == 0)
            return true;
    return false;
}

const char *rs_cli_value(const rs_cli *c, const char *option, const char *fallback)
{
    const char *value = fallback;

    for (size_t i = 0; i < c->n_given; i++)
        if (strcmp(c->given[i].option->name, option) == 0)
            value = c->given[i].value;
    return value;
}

const char *const *rs_cli_values(rs_cli *c, const char *option, size_t *n)
{
    const char **list = rs_new(&c->mem, const char *, c->n_given + 1);

    *n = 0;
    for (size_t i = 0; list && i < c->n_given; i++)
        if (strcmp(c->given[i].option->name, option) == 0)
            list[(*n)++] = c->given[i].value;
    return list;
}

bool rs_cli_number(const rs_cli *c, const char *option, long long min, long long max,
                   long long fallback, long long *out)
{
    const char *text = rs_cli_value(c, option, NULL);
    char *end;
    long long n;

    *out = fallback;
    if (!text)
        return true;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || n < min || n > max) {
        rs_cli_usage(c, "--%s wants a whole number from %lld to %lld, not '%s'",
                     option, min, max, text);
        return false;
    }
    *out = n;
    return true;
}

bool rs_cli_real(const rs_cli *c, const char *option, double min, double max,
                 double fallback, double *out)
{
    const char *text = rs_cli_value(c, option, NULL);
    char *end;
    double x;

    *out = fallback;
    if (!text)
        return true;
    x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= min && x <= max)) {
        rs_cli_usage(c, "--%s wants a number from %g to %g, not '%s'", option, min, max, text);
        return false;
    }
    *out = x;
    return true;
}

rs_progress_mode rs_cli_progress(const rs_cli *c)
{
    return rs_cli_flag(c, "quiet") ? RS_PROGRESS_QUIET :
           rs_cli_flag(c, "json") ? RS_PROGRESS_JSON : RS_PROGRESS_AUTO;
}

/* ---- Saying ---------------------------------------------------------- */

static void put_safe(FILE *to, const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        bool c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;    /* U+0080..U+009F */
        if (c1)
            s++;
        fputc(c1 || (*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f ? '?' : *s, to);
    }
}

void rs_print_safe(const char *text)
{
    put_safe(stdout, text);
}

int rs_cli_fail(const rs_cli *c, const rs_err *err)
{
    fprintf(stderr, "radscout %s: ", c->cmd->name);
    put_safe(stderr, err->msg[0] ? err->msg : rs_status_text(err->code));
    fputc('\n', stderr);
    return RS_EXIT_FAILED;
}

int rs_cli_usage(const rs_cli *c, const char *fmt, ...)
{
    char text[500];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "radscout %s: ", c->cmd->name);
    put_safe(stderr, text);
    fprintf(stderr, "\ntry: radscout %s --help\n", c->cmd->name);
    return RS_EXIT_USAGE;
}

static const rs_option help_option[] = {
    {"help", 'h', NULL, "show this help"},
    {0},
};

static void print_option(const rs_option *o)
{
    char left[64], letter[8] = "    ";

    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->arg ? " " : "",
             o->arg ? o->arg : "");
    printf("%-28s", left);
    if (strlen(left) >= 28)
        printf("\n%28s", "");
    for (const char *s = o->help; *s; s++) {
        putchar(*s);
        if (*s == '\n')
            printf("%28s", "");
    }
    putchar('\n');
}

void rs_command_help(const rs_command *cmd)
{
    printf("usage: radscout %s %s%s%s\n\n%c%s.\n", cmd->name,
           cmd->options && cmd->options->name ? "[options] " : "", cmd->args, "",
           toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
    if (cmd->description)
        printf("\n%s\n", cmd->description);
    printf("\nOptions:\n");
    for (const rs_option *o = cmd->options; o && o->name; o++)
        print_option(o);
    print_option(help_option);
    if (cmd->examples)
        printf("\nExamples:\n%s\n", cmd->examples);
}

/* ---- Man page -------------------------------------------------------- */

/* Text for roff: backslashes and hyphens escaped, no line begins with a dot or quote. */
static void roff(const char *text)
{
    bool start = true;

    for (const char *s = text; *s; s++) {
        if (s[0] == '\n' && s[1] == '\n') {
            printf("\n.PP\n");
            s++;
            start = true;
            continue;
        }
        if (start && (*s == '.' || *s == '\''))
            printf("\\&");
        start = *s == '\n';
        if (*s == '\\')
            printf("\\e");
        else if (*s == '-')
            printf("\\-");
        else
            putchar(*s);
    }
}

static void roff_option(const rs_option *o)
{
    printf(".TP\n.B ");
    if (o->letter)
        printf("\\-%c, ", o->letter);
    printf("\\-\\-");
    roff(o->name);
    if (o->arg)
        printf(" \\fI%s\\fR", o->arg);
    putchar('\n');
    roff(o->help);
    putchar('\n');
}

void rs_command_man(const rs_command *cmd)
{
    char title[64];
    size_t n = 0;

    for (const char *s = cmd->name; *s && n + 1 < sizeof title; s++)
        title[n++] = *s == ' ' ? '-' : *s;
    title[n] = '\0';
    printf(".TH RADSCOUT-%s 1 \"\" \"radscout %s\" \"User Commands\"\n", title, RADSCOUT_VERSION);
    printf(".SH NAME\nradscout-%s \\- ", title);
    roff(cmd->summary);
    printf("\n.SH SYNOPSIS\n.B radscout %s\n[options] ", cmd->name);
    roff(cmd->args);
    if (cmd->description) {
        printf("\n.SH DESCRIPTION\n");
        roff(cmd->description);
    }
    printf("\n.SH OPTIONS\n");
    for (const rs_option *o = cmd->options; o && o->name; o++)
        roff_option(o);
    roff_option(help_option);
    if (cmd->examples) {
        printf(".SH EXAMPLES\n.nf\n");
        roff(cmd->examples);
        printf("\n.fi\n");
    }
    printf(".SH EXIT STATUS\n0 done; 1 failed; 2 wrong usage; "
           "3 done, but some inputs were refused and are listed.\n"
           ".SH SEE ALSO\n.BR radscout (1)\n");
}

/* ---- Parsing --------------------------------------------------------- */

static const rs_option *find(const rs_option *list, const char *name, size_t n, char letter)
{
    for (; list && list->name; list++)
        if (letter ? list->letter == letter
                   : strlen(list->name) == n && strncmp(list->name, name, n) == 0)
            return list;
    return NULL;
}

static const rs_option *find_option(const rs_cli *c, const char *name, size_t n, char letter)
{
    const rs_option *o = find(c->cmd->options, name, n, letter);
    return o ? o : find(help_option, name, n, letter);
}

/* One option at argv[*i]; moves *i over its value. An exit code, or -1 to go on. */
static int parse_option(rs_cli *c, int argc, char **argv, int *i)
{
    const char *arg = argv[*i], *value = NULL;
    const rs_option *o;

    if (arg[1] == '-') {
        const char *equals = strchr(arg, '=');
        o = find_option(c, arg + 2, equals ? (size_t)(equals - arg - 2) : strlen(arg + 2), 0);
        value = equals ? equals + 1 : NULL;
    } else {
        o = find_option(c, NULL, 0, arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!o)
        return rs_cli_usage(c, "unknown option '%s'", arg);
    if (!o->arg && value)
        return rs_cli_usage(c, "--%s takes no value", o->name);
    if (o->arg && !value) {
        if (*i + 1 >= argc)
            return rs_cli_usage(c, "--%s wants a value: %s", o->name, o->arg);
        value = argv[++*i];
    }
    c->given[c->n_given++] = (given){o, value};
    return -1;
}

static int parse(rs_cli *c, int argc, char **argv)
{
    bool only_args = false;

    c->args = rs_new(&c->mem, const char *, (size_t)argc + 1);
    c->given = rs_new(&c->mem, given, (size_t)argc + 1);
    if (!c->args || !c->given)
        return rs_cli_fail(c, &(rs_err){RS_ENOMEM, "out of memory"});
    for (int i = 1; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && argv[i][0] == '-' && argv[i][1] != '\0') {
            int code = parse_option(c, argc, argv, &i);
            if (code >= 0)
                return code;
        } else {
            c->args[c->n_args++] = argv[i];
        }
    }
    return -1;
}

int rs_command_main(const rs_command *cmd, int argc, char **argv)
{
    rs_cli c = {.cmd = cmd};
    int code = parse(&c, argc, argv);

    if (code < 0 && rs_cli_flag(&c, "help")) {
        rs_command_help(cmd);
        code = RS_EXIT_OK;
    }
    if (code < 0 && (int)c.n_args < cmd->min_args)
        code = rs_cli_usage(&c, "wants %s", cmd->args);
    if (code < 0 && cmd->max_args >= 0 && (int)c.n_args > cmd->max_args)
        code = rs_cli_usage(&c, "does not know what to do with '%s'; it wants %s",
                            c.args[cmd->max_args], cmd->args);
    if (code < 0)
        code = cmd->run(&c);
    if (fflush(stdout) != 0 && code == RS_EXIT_OK) {
        fprintf(stderr, "radscout %s: cannot write the output: %s\n", cmd->name, strerror(errno));
        code = RS_EXIT_FAILED;
    }
    rs_arena_clear(&c.mem);
    return code;
}
