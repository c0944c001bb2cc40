/* help.c - what a command's table says, as --help and as a man page. See command.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <ctype.h>
#include <string.h>

enum {
    LEFT = 28,                                 /* where the words of an option begin */
    WIDEST = 98, HANGING = 4,                  /* of a line of the description */
};

const rs_option rs_help_option[] = {
    {"help", 'h', NULL, "show this help"},
    {0},
};

/* ---- --help ---------------------------------------------------------- */

static void print_option(const rs_option *o)
{
    char left[64], letter[8] = "    ";
    bool only_letter = strlen(o->name) == 1;

    if (o->letter)
        snprintf(letter, sizeof letter, "-%c%s", o->letter, only_letter ? "" : ", ");
    snprintf(left, sizeof left, "  %s%s%s%s%s", letter, only_letter ? "" : "--",
             only_letter ? "" : o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    printf("%-*s", LEFT, left);
    if (strlen(left) >= LEFT)
        printf("\n%*s", LEFT, "");
    for (const char *s = o->help; *s; s++) {
        putchar(*s);
        if (*s == '\n')
            printf("%*s", LEFT, "");
    }
    putchar('\n');
}

/* Lines as they are, but none longer than a terminal of 100 columns; no empty line last. */
static void print_lines(const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n"), room = WIDEST;
        while (n > room) {
            size_t cut = room;
            while (cut > 0 && text[cut] != ' ')
                cut--;
            if (cut == 0)
                break;
            printf("%.*s\n%*s", (int)cut, text, HANGING, "");
            text += cut + 1;
            n -= cut + 1;
            room = WIDEST - HANGING;
        }
        if (text[n + (text[n] == '\n')] || n)
            printf("%.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void rs_command_help(const rs_command *cmd)
{
    printf("usage: radscout %s [options] %s\n\n%c%s.\n", cmd->name, cmd->args,
           toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
    if (cmd->description) {
        putchar('\n');
        print_lines(cmd->description);
    }
    printf("\nOptions:\n");
    for (const rs_option *o = cmd->options; o && o->name; o++)
        print_option(o);
    print_option(rs_help_option);
    if (cmd->examples)
        printf("\nExamples:\n%s\n", cmd->examples);
}

/* ---- Man page -------------------------------------------------------- */

/* The start of a line of a description: two blanks begin an item, more go on with it. */
static const char *roff_line(FILE *to, const char *line, bool *items)
{
    size_t blanks = strspn(line, " ");

    if (blanks == 2)
        fputs(*items ? ".HP 4\n" : ".RS\n.PD 0\n.HP 4\n", to);
    if (blanks < 2 && *items)
        fputs(".PD\n.RE\n", to);
    *items = blanks >= 2;
    return line + (blanks >= 2 ? blanks : 0);
}

/* Text for roff: backslashes, hyphens and quotes escaped, no line begins with a dot or
 * quote; an empty line begins a paragraph, a line that begins with two blanks an item. */
static void roff(FILE *to, const char *text)
{
    bool start = true, items = false;

    text = roff_line(to, text, &items);

    for (const char *s = text; *s; s++) {
        if (s[0] == '\n' && s[1] == '\n') {
            fputs(items ? "\n.PD\n.RE\n.PP\n" : "\n.PP\n", to);
            items = false;
            s = roff_line(to, s + 2, &items) - 1;
            start = true;
            continue;
        }
        if (*s == '\n') {
            fputc('\n', to);
            s = roff_line(to, s + 1, &items) - 1;
            start = true;
            continue;
        }
        if (start && (*s == '.' || *s == '\''))
            fputs("\\&", to);
        start = false;
        if (*s == '\\')
            fputs("\\e", to);
        else if (*s == '-')
            fputs("\\-", to);
        else if (*s == '\'')
            fputs("\\(aq", to);
        else if (*s == '^' || *s == '~')
            fputs(*s == '^' ? "\\(ha" : "\\(ti", to);
        else if (*s == '`')
            fputs("\\(ga", to);
        else
            fputc(*s, to);
    }
    if (items)
        fputs("\n.PD\n.RE", to);
}

static void roff_option(FILE *to, const rs_option *o)
{
    bool only_letter = strlen(o->name) == 1;

    fputs(".TP\n", to);
    if (o->letter)
        fprintf(to, "\\fB\\-%c\\fR%s", o->letter, only_letter ? "" : ", ");
    if (!only_letter) {
        fputs("\\fB\\-\\-", to);
        roff(to, o->name);
        fputs("\\fR", to);
    }
    if (o->arg)
        fprintf(to, " \\fI%s\\fR", o->arg);
    fputc('\n', to);
    roff(to, o->help);
    fputc('\n', to);
}

/* "ARCHIVE [FILE...]": words of capitals in italics. */
static void roff_args(FILE *to, const char *args)
{
    for (const char *s = args; *s;) {
        size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n)
            fprintf(to, "\\fI%.*s\\fR", (int)n, s);
        else
            fputc(*s, to);
        s += n ? n : 1;
    }
    fputc('\n', to);
}

/* Lines as they are, without the two blanks that --help indents them by. */
static void roff_examples(FILE *to, const char *text)
{
    fputs(".SH EXAMPLES\n.nf\n", to);
    while (*text) {
        char line[200];
        size_t n = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        roff(to, strncmp(line, "  ", 2) == 0 ? line + 2 : line);
        fputc('\n', to);
        text += n + (text[n] == '\n');
    }
    fputs(".fi\n", to);
}

void rs_command_page(const rs_command *cmd, char out[64])
{
    size_t n = (size_t)snprintf(out, 64, "radscout-%s", cmd->name);

    for (size_t i = 0; i < n && i < 64; i++)
        if (out[i] == ' ')
            out[i] = '-';
}

void rs_command_man(FILE *to, const rs_command *cmd)
{
    char page[64], title[64] = "";

    rs_command_page(cmd, page);
    for (size_t i = 0; page[i]; i++) {
        title[i] = (char)toupper((unsigned char)page[i]);
        title[i + 1] = '\0';
    }
    fprintf(to, ".TH %s 1 \"\" \"radscout %s\" \"User Commands\"\n.SH NAME\n", title, RADSCOUT_VERSION);
    roff(to, page);
    fputs(" \\- ", to);
    roff(to, cmd->summary);
    fprintf(to, "\n.SH SYNOPSIS\n.B radscout %s\n[options] ", cmd->name);
    roff_args(to, cmd->args);
    if (cmd->description) {
        fputs(".SH DESCRIPTION\n", to);
        roff(to, cmd->description);
        fputc('\n', to);
    }
    fputs(".SH OPTIONS\n", to);
    for (const rs_option *o = cmd->options; o && o->name; o++)
        roff_option(to, o);
    roff_option(to, rs_help_option);
    if (cmd->examples)
        roff_examples(to, cmd->examples);
    fputs(".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nfailed; standard error says what and what to do\n"
          ".TP\n2\nwrong usage\n.TP\n3\ndone, but some inputs were refused; they are listed\n"
          ".SH SEE ALSO\n.BR radscout (1)\n", to);
}
