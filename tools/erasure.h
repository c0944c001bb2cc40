/* erasure.h - what delete and forget print when cases are gone, proof included.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_ERASURE_H
#define RS_TOOLS_ERASURE_H

#include "command.h"
#include "engine/archive.h"

#include <stddef.h>

/* Erases the cases of the open archive and tells; returns the exit code. */
int rs_erase_and_tell(const rs_cli *c, rs_archive *a, const char *const *keys, size_t n);

/* The paragraph about sources that both helps have. */
#define RS_ERASURE_HELP                                                                     \
    "Rows, words, vectors and what the archive remembers of the sources' files are removed, the\n" \
    "text index is merged, the vector caches are written anew; then every file of the archive\n" \
    "is searched for keys, patient, image paths and digests, pieces of the text and the vectors,\n" \
    "and only if none is found is it called erased. The sources themselves are not touched: the\n" \
    "next index of one that still holds a case brings it back. Backups and unused blocks of the\n" \
    "disk are not searched.\n\n"                                                             \
    "With --json: {\"cases\", \"images\", \"passages\", \"looked_for\", \"shared\", \"files\",\n" \
    "\"bytes\", \"rewritten\"}."

#endif
