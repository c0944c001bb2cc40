/* fuzz_report.c - any bytes as a report: sentences get on, statements ascend and lie
 * apart, mentions and sections lie inside.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "engine/report.h"
#include "engine/sections.h"
#include "engine/sentences.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void want(bool ok)
{
    if (!ok)
        abort();
}

static const rs_lexicon *lexicon(void)
{
    static rs_lexicon *l;
    rs_err err;

    if (!l && rs_lexicon_load(&l, NULL, &err) != RS_OK) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return l;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = rs_strndup((const char *)data, size);
    size_t len = text ? strlen(text) : 0, n, at = 0, n_sections;
    rs_statement *list;
    rs_section *sections;
    rs_mention *found;
    rs_arena mem = {0};

    want(text != NULL);
    for (size_t i = 0; i < len;) {
        size_t next = rs_sentence_end(text, i, len);
        want(next > i && next <= len);
        i = next;
    }
    sections = rs_sections_find(lexicon(), text, &mem, &n_sections);
    want(sections != NULL);
    for (size_t i = 0; i < n_sections; i++)
        want(sections[i].begin <= sections[i].end && sections[i].end <= len &&
             (i == 0 || sections[i - 1].end <= sections[i].begin));
    want(rs_report_read(lexicon(), text, 0, len, &mem, &list, &n, NULL) == RS_OK);
    for (size_t i = 0; i < n; i++) {
        want(list[i].begin >= at && list[i].end > list[i].begin && list[i].end <= len);
        at = list[i].end;
    }
    want(rs_report_mentions(lexicon(), text, sections, n_sections, &mem, &found, &n, NULL) == RS_OK);
    for (size_t i = 0; i < n; i++)
        want(found[i].begin < found[i].end && found[i].end <= len && found[i].size >= 0);
    rs_arena_clear(&mem);
    rs_free(text);
    return 0;
}
