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
    "Rows, words, vectors, judgments, images that were sent to the archive and what it remembers\n" \
    "of the sources' files are removed, the text index is merged, the vector caches are written\n" \
    "anew; then every file of the archive is searched for keys, patient, image paths and digests,\n" \
    "pieces of the text and the vectors, names of files for digests, and only if none is found is\n" \
    "it called erased. The sources themselves are not touched: the next index of one that still\n" \
    "holds a case brings it back. Backups and unused blocks of the disk are not searched.\n\n"    \
    "With --json: {\"cases\", \"images\", \"passages\", \"looked_for\", \"shared\", \"files\",\n" \
    "\"bytes\", \"rewritten\"}."

#endif
