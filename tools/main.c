/* main.c - the radscout command: finds the subcommand in the table and runs it.
 *
 *   radscout COMMAND ...       radscout help [COMMAND]
 *   radscout --version         radscout --man [COMMAND]     (roff; used by the build)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

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
        fprintf(to, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\nradscout COMMAND --help tells more of one; radscout --version the version.\n");
}

static void print_man_overview(void)
{
    printf(".TH RADSCOUT 1 \"\" \"radscout %s\" \"User Commands\"\n"
           ".SH NAME\nradscout \\- find radiology cases that look and read alike\n"
           ".SH SYNOPSIS\n.B radscout\n.I COMMAND\n[options] ...\n"
           ".SH DESCRIPTION\n%s\n.SH COMMANDS\n", RADSCOUT_VERSION, intro);
    for (size_t i = 0; commands[i]; i++)
        printf(".TP\n.B radscout %s\n%s\n", commands[i]->name, commands[i]->summary);
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

static int about(const char *what, int argc, char **argv)
{
    int words;
    const rs_command *cmd = argc > 0 ? find_command(argc, argv, &words) : NULL;
    bool man = strcmp(what, "--man") == 0;

    if (argc > 0 && !cmd) {
        fprintf(stderr, "radscout: there is no command '%s'\n", argv[0]);
        return RS_EXIT_USAGE;
    }
    if (cmd)
        (man ? rs_command_man : rs_command_help)(cmd);
    else if (man)
        print_man_overview();
    else
        print_overview(stdout);
    return RS_EXIT_OK;
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
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--man") == 0)
        return about(argv[1], argc - 2, argv + 2);
    cmd = find_command(argc - 1, argv + 1, &words);
    if (!cmd) {
        fprintf(stderr, "radscout: there is no command '%s'; radscout --help lists them\n", argv[1]);
        return RS_EXIT_USAGE;
    }
    return rs_command_main(cmd, argc - words, argv + words);
}
