/* main.c - the radscout command: finds the subcommand in the table and runs it.
 *
 *   radscout COMMAND ...       radscout help [COMMAND]
 *   radscout --version         radscout --man [COMMAND]     (roff)
 *   radscout --man-pages DIR   every page into DIR; used by the build
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "commands.h"

#include "embeddings/matmul.h"
#include "model.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const rs_command *const commands[] = {
#define RS_COMMAND_ENTRY(id) &rs_command_##id,
    RS_COMMANDS(RS_COMMAND_ENTRY)
#undef RS_COMMAND_ENTRY
    NULL,
};

static const char intro[] =
    "radscout finds the radiology cases that look and read like yours. It is a finder,\n"
    "not a diagnostic device.";

static void print_overview(FILE *to)
{
    fprintf(to, "usage: radscout COMMAND ...\n\n%s\n\nCommands:\n", intro);
    for (size_t i = 0; commands[i]; i++)
        fprintf(to, "  %-17s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\nradscout COMMAND --help tells more of one; radscout --version the version.\n");
}

static void man_overview(FILE *to)
{
    fprintf(to, ".TH RADSCOUT 1 \"\" \"radscout %s\" \"User Commands\"\n"
            ".SH NAME\nradscout \\- find radiology cases that look and read alike\n"
            ".SH SYNOPSIS\n.B radscout\n\\fICOMMAND\\fR [options] ...\n.br\n"
            ".B radscout\n\\fICOMMAND\\fR \\fB\\-\\-help\\fR\n.br\n"
            ".B radscout \\-\\-version\n"
            ".SH DESCRIPTION\n%s\n.PP\n"
            "An archive is a folder that holds everything searchable; \\fBradscout index\\fR makes\n"
            "it from a folder or a manifest of images and reports, \\fBradscout search\\fR finds\n"
            "cases in it.\n.SH COMMANDS\n", RADSCOUT_VERSION, intro);
    for (size_t i = 0; commands[i]; i++) {
        char page[64];
        rs_command_page(commands[i], page);
        fprintf(to, ".TP\n.BR %s (1)\n%s\n", page, commands[i]->summary);
    }
    fputs(".SH ENVIRONMENT\n"
          ".TP\n.B RADSCOUT_MODEL\nthe model folder that a new archive is made with\n"
          ".TP\n.B RADSCOUT_LEXICON\nthe folder of tables that reports and queries are read by\n"
          ".TP\n.B RADSCOUT_THUMBS\n\\fBkitty\\fR, \\fBsixel\\fR or \\fBnone\\fR: what \\-\\-thumbs draws with, "
          "whatever the terminal says of itself\n"
          ".SH EXIT STATUS\n0 done; 1 failed; 2 wrong usage; 3 done, but some inputs were refused "
          "and are listed.\n", to);
}

/* FOLDER/NAME.1; `cmd` NULL: the overview. */
static int write_page(const char *folder, const rs_command *cmd)
{
    char name[64] = "radscout", path[4096];
    FILE *to;
    int n;

    if (cmd)
        rs_command_page(cmd, name);
    n = snprintf(path, sizeof path, "%s/%s.1", folder, name);
    to = n > 0 && (size_t)n < sizeof path ? fopen(path, "w") : NULL;
    if (to && cmd)
        rs_command_man(to, cmd);
    else if (to)
        man_overview(to);
    if (!to || fclose(to) != 0) {
        fprintf(stderr, "radscout: cannot write %s\n", path);
        return RS_EXIT_FAILED;
    }
    return RS_EXIT_OK;
}

static int write_pages(const char *folder)
{
    int code = write_page(folder, NULL);

    for (size_t i = 0; commands[i] && code == RS_EXIT_OK; i++)
        code = write_page(folder, commands[i]);
    return code;
}

/* The command whose name (of one or two words) begins argv; *words says how many. */
static const rs_command *find_command(int argc, char **argv, int *words)
{
    char two[128];

    for (size_t i = 0; commands[i]; i++) {
        *words = strchr(commands[i]->name, ' ') ? 2 : 1;
        if (argc < *words)
            continue;
        snprintf(two, sizeof two, "%s%s%s", argv[0], *words == 2 ? " " : "",
                 *words == 2 ? argv[1] : "");
        if (strcmp(two, commands[i]->name) == 0)
            return commands[i];
    }
    return NULL;
}

/* No command of this name: the ones that begin with it ("bench"), or the nearest. */
static int no_command(const char *name)
{
    const char *near = NULL;
    size_t n = strlen(name), least = 3, of_it = 0;

    for (size_t i = 0; commands[i]; i++) {
        size_t d = rs_word_distance(name, commands[i]->name);
        if (strncmp(commands[i]->name, name, n) == 0 && commands[i]->name[n] == ' ')
            fprintf(stderr, "%s%s", of_it++ ? ", " : "radscout: one word is missing: ", commands[i]->name);
        if (d < least) {
            least = d;
            near = commands[i]->name;
        }
    }
    if (!of_it) {
        fputs("radscout: there is no command '", stderr);
        rs_put_safe(stderr, name, false);
        fputc('\'', stderr);
    }
    if (near && !of_it)
        fprintf(stderr, "; did you mean %s?\n", near);
    else
        fputs("; radscout --help lists all commands\n", stderr);
    return RS_EXIT_USAGE;
}

static int about(const char *what, int argc, char **argv)
{
    int words;
    const rs_command *cmd = argc > 0 ? find_command(argc, argv, &words) : NULL;
    bool man = strcmp(what, "--man") == 0;

    if (argc > 0 && !cmd)
        return no_command(argv[0]);
    if (cmd && man)
        rs_command_man(stdout, cmd);
    else if (cmd)
        rs_command_help(cmd);
    else if (man)
        man_overview(stdout);
    else
        print_overview(stdout);
    return fflush(stdout) == 0 ? RS_EXIT_OK : RS_EXIT_FAILED;
}

/* OpenBLAS chose its kernels before main() ran; where it chose badly (matmul.h) the program
 * starts once more and tells it. FAISS multiplies with it too. What fails here only stays
 * slow. */
static void start_with_fast_blas(char **argv)
{
    const char *core = rs_matmul_core_wanted();
    char program[RS_PROGRAM_PATH];

    if (core && rs_program_path(program) && setenv("OPENBLAS_CORETYPE", core, 0) == 0)
        execv(program, argv);
}

int main(int argc, char **argv)
{
    const rs_command *cmd;
    int words;

    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview(stderr);
        return RS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("radscout %s\n", RADSCOUT_VERSION);
        return RS_EXIT_OK;
    }
    if (strcmp(argv[1], "--man-pages") == 0 && argc == 3)
        return write_pages(argv[2]);
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--man") == 0)
        return about(argv[1], argc - 2, argv + 2);
    cmd = find_command(argc - 1, argv + 1, &words);
    if (!cmd)
        return no_command(argv[1]);
    start_with_fast_blas(argv);
    return rs_command_main(cmd, argc - words, argv + words);
}
