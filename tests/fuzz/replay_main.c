/* replay_main.c - runs a libFuzzer target on files, where libFuzzer is not there.
 *
 *   fuzz_x tests/fuzz/corpus/x [another folder or file ...]
 *
 * Each regular file of a folder is one input, in name order; so is each file named.
 * An input is handed over in a block of exactly its size, so that a sanitizer sees
 * a read past it. A run over no input at all fails: a corpus was lost.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/alloc.h"
#include "base/bytes.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST_INPUT = 64 * 1024 * 1024 };

/* Both return the number of inputs run, or -1. */
static long run_file(const char *path)
{
    rs_err err = {0};
    char *text;
    uint8_t *exact;
    size_t len;

    if (rs_file_read(&text, &len, path, LARGEST_INPUT, &err) != RS_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return -1;
    }
    exact = malloc(len);
    if (!exact && len) {
        rs_free(text);
        return -1;
    }
    if (len)
        memcpy(exact, text, len);
    rs_free(text);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static long run_folder(const char *path)
{
    struct dirent **entry = NULL;
    int n = scandir(path, &entry, NULL, alphasort);
    long ran = 0;

    if (n < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        char *file = rs_path_join(path, entry[i]->d_name);
        if (ran >= 0 && !(file && rs_is_folder(file))) {
            long one = file ? run_file(file) : -1;
            ran = one < 0 ? -1 : ran + one;
        }
        rs_free(file);
        free(entry[i]);
    }
    free(entry);
    return ran;
}

int main(int argc, char **argv)
{
    long total = 0;

    for (int i = 1; i < argc; i++) {
        long ran = rs_is_folder(argv[i]) ? run_folder(argv[i]) : run_file(argv[i]);
        if (ran < 0)
            return 1;
        total += ran;
    }
    printf("%ld inputs\n", total);
    return total > 0 ? 0 : 1;
}
