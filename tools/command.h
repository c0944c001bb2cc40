/* command.h - what a subcommand is. One table a command serves the argument check,
 * --help, and the man page; cmd_x.c holds that table and one run function that
 * parses nothing itself, calls the library and prints.
 *
 *   const rs_command rs_command_show = {
 *       .name = "show", .args = "ARCHIVE CASE", .summary = "print one case",
 *       .options = options, .min_args = 2, .max_args = 2, .run = run};
 *
 * Exit codes: 0 done, 1 failed (one line on stderr says what and what to do), 2 wrong
 * usage, 3 done but some inputs were refused (they are listed).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_COMMAND_H
#define RS_TOOLS_COMMAND_H

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { RS_EXIT_OK = 0, RS_EXIT_FAILED = 1, RS_EXIT_USAGE = 2, RS_EXIT_PARTIAL = 3 };

/* One option; a list ends with a NULL name. */
typedef struct {
    const char *name;            /* "text": --text; of one letter: -k alone */
    char        letter;          /* 'k': -k; 0 for none */
    const char *arg;             /* "TEXT": takes a value; NULL: a flag */
    const char *help;            /* one or two lines */
} rs_option;

typedef struct rs_cli rs_cli;

typedef struct {
    const char *name;            /* "search"; may hold a space: "bench encode" */
    const char *args;            /* "ARCHIVE [FILE...]" */
    const char *summary;         /* one line, no full stop */
    const char *description;     /* paragraphs parted by an empty line; may be NULL */
    const char *examples;        /* lines; may be NULL */
    const rs_option *options;
    int min_args, max_args;      /* positional; max -1: any number */
    int (*run)(rs_cli *cli);     /* returns an exit code */
} rs_command;

/* ---- What run() reads ------------------------------------------------ */

size_t      rs_cli_args(const rs_cli *c);
const char *rs_cli_arg(const rs_cli *c, size_t i);
bool        rs_cli_flag(const rs_cli *c, const char *option);
/* The last value given, or `fallback`. */
const char *rs_cli_value(const rs_cli *c, const char *option, const char *fallback);
/* All values of a repeated option, in order: [*n]; lives as long as rs_cli_arena. NULL
 * (with *n 0) on OOM. */
const char *const *rs_cli_values(rs_cli *c, const char *option, size_t *n);
/* Everything given in order, where that matters: how many, and the i-th with its value
 * (NULL for a flag). */
size_t      rs_cli_options(const rs_cli *c);
const rs_option *rs_cli_option(const rs_cli *c, size_t i, const char **value);
/* A whole number within [min, max]; false after having printed what is wrong. */
bool        rs_cli_number(const rs_cli *c, const char *option, long long min, long long max,
                          long long fallback, long long *out);
bool        rs_cli_real(const rs_cli *c, const char *option, double min, double max,
                        double fallback, double *out);
rs_progress_mode rs_cli_progress(const rs_cli *c);    /* from --quiet and --json */

/* Memory that lives until run() returns. */
rs_arena   *rs_cli_arena(rs_cli *c);

/* ---- What run() says ------------------------------------------------- */

/* "radscout search: <message>" on stderr; returns RS_EXIT_FAILED. */
int  rs_cli_fail(const rs_cli *c, const rs_err *err);
/* `o` as a line of JSON on stdout; it is released, NULL counts as no memory. The exit code. */
int  rs_cli_print_json(const rs_cli *c, json_t *o);
int  rs_cli_usage(const rs_cli *c, const char *fmt, ...) RS_PRINTF(2, 3);

/* Text from outside, safe for a terminal: what it would obey (control characters of one
 * byte or two, marks of direction) and bytes that are not UTF-8 become '?'. */
void   rs_print_safe(const char *text);               /* lines stay lines */
void   rs_print_line(const char *text);               /* line ends and tabs become blanks */
void   rs_put_safe(FILE *to, const char *text, bool lines);
size_t rs_put_char(FILE *to, const char *text, bool lines);     /* one; its bytes in `text` */

/* ---- What main() calls ----------------------------------------------- */

int  rs_command_main(const rs_command *cmd, int argc, char **argv);   /* argv[0] is ignored */
void rs_command_help(const rs_command *cmd);
void rs_command_man(FILE *to, const rs_command *cmd);                 /* roff, section 1 */
void rs_command_page(const rs_command *cmd, char out[64]);            /* "radscout-bench-encode" */
extern const rs_option rs_help_option[];

/* How far apart two words are: letters to put in, take out or change. Levenshtein 1966. */
size_t rs_word_distance(const char *a, const char *b);

#endif
