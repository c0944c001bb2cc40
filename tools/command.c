/* command.c - see command.h: the argument parser, and what a command says when it fails.
 * SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

size_t rs_cli_options(const rs_cli *c) { return c->n_given; }

const rs_option *rs_cli_option(const rs_cli *c, size_t i, const char **value)
{
    *value = c->given[i].value;
    return c->given[i].option;
}

static const char *dashes(const char *option)
{
    return option[1] ? "--" : "-";
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
        rs_cli_usage(c, "%s%s wants a whole number from %lld to %lld, not '%s'",
                     dashes(option), option, min, max, text);
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
        rs_cli_usage(c, "%s%s wants a number from %g to %g, not '%s'", dashes(option), option,
                     min, max, text);
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

int rs_cli_fail(const rs_cli *c, const rs_err *err)
{
    fprintf(stderr, "radscout %s: ", c->cmd->name);
    rs_put_safe(stderr, err->msg[0] ? err->msg : rs_status_text(err->code), false);
    fputc('\n', stderr);
    return RS_EXIT_FAILED;
}

int rs_cli_print_json(const rs_cli *c, json_t *o)
{
    char *text = o ? rs_json_text(o) : NULL;

    json_decref(o);
    if (!text)
        return rs_cli_fail(c, &(rs_err){RS_ENOMEM, "no memory for the result"});
    puts(text);
    rs_free(text);
    return RS_EXIT_OK;
}

int rs_cli_usage(const rs_cli *c, const char *fmt, ...)
{
    char text[500];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "radscout %s: ", c->cmd->name);
    rs_put_safe(stderr, text, false);
    fprintf(stderr, "\ntry: radscout %s --help\n", c->cmd->name);
    return RS_EXIT_USAGE;
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
    return o ? o : find(rs_help_option, name, n, letter);
}

size_t rs_word_distance(const char *a, const char *b)
{
    size_t n = strlen(b), row[64];

    if (n >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t best = diagonal + (a[i] != b[k]);
            best = row[k] + 1 < best ? row[k] + 1 : best;
            diagonal = row[k + 1];
            row[k + 1] = diagonal + 1 < best ? diagonal + 1 : best;
        }
    }
    return row[n];
}

static int unknown_option(const rs_cli *c, const char *arg)
{
    const char *best = NULL, *name = arg + 1 + (arg[1] == '-');
    size_t least = 3;                          /* what is further off is no slip */

    for (const rs_option *o = c->cmd->options; o && o->name; o++) {
        size_t d = arg[1] == '-' ? rs_word_distance(name, o->name) : SIZE_MAX;
        if (d < least) {
            least = d;
            best = o->name;
        }
    }
    return best ? rs_cli_usage(c, "unknown option '%s'; did you mean %s%s?", arg, dashes(best), best)
                : rs_cli_usage(c, "unknown option '%s'", arg);
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
        return unknown_option(c, arg);
    if (!o->arg && value)
        return rs_cli_usage(c, "%s%s takes no value", dashes(o->name), o->name);
    if (o->arg && !value) {
        if (*i + 1 >= argc)
            return rs_cli_usage(c, "%s%s wants a value: %s", dashes(o->name), o->name, o->arg);
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

/* What was printed has to arrive: a full disk is a failure to be told, a reader that went
 * away (radscout ... | head) one that needs no words. */
static int end_output(const rs_command *cmd, int code)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    bool failed = fflush(stdout) != 0;
    int why = errno;

    if (!failed && !ferror(stdout))
        return code;
    if (!(failed && why == EPIPE) && !(poll(&out, 1, 0) == 1 && (out.revents & POLLERR)))
        fprintf(stderr, "radscout %s: cannot write the output: %s\n", cmd->name,
                failed ? strerror(why) : "input/output error");
    return code == RS_EXIT_OK ? RS_EXIT_FAILED : code;
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
    code = end_output(cmd, code);
    rs_arena_clear(&c.mem);
    return code;
}
