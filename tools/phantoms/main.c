/* main.c - makes the sample archive: phantoms OUT [--cases N] [--seed S].
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

int main(void)
{
    fprintf(stderr, "phantoms: nothing is drawn yet\n");
    return 1;
}
