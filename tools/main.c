/* main.c - the radscout command: finds the subcommand in the table and runs it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argv;
    fprintf(stderr, "radscout %s: no commands yet\n", RADSCOUT_VERSION);
    return argc > 0;
}
