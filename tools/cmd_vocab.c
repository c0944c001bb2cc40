/* cmd_vocab.c - radscout vocab: learn a tokenizer's vocabulary from text files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/vocab.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 64 };

static const char default_fields[] =
    "text,texts,caption,report,findings,impression,history,title";

typedef struct {
    rs_vocab *vocab;
    char *field[FIELDS_MAX];     /* into the list, which is cut at its commas */
    size_t n_fields;
} reader;

/* Every string of a value, however deep. */
static rs_status add_value(reader *r, const json_t *v, rs_err *err)
{
    rs_status st = RS_OK;
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_string(v))
        return rs_vocab_add(r->vocab, json_string_value(v), json_string_length(v), err);
    json_array_foreach(v, i, inner)
        if ((st = add_value(r, inner, err)) != RS_OK)
            return st;
    json_object_foreach((json_t *)(uintptr_t)v, key, inner)
        if ((st = add_value(r, inner, err)) != RS_OK)
            return st;
    return st;
}

static rs_status add_json_line(reader *r, const char *line, size_t len, const char *where,
                               rs_err *err)
{
    json_t *root;
    rs_status st = rs_json_parse(&root, line, len, where, err);

    for (size_t i = 0; st == RS_OK && i < r->n_fields; i++)
        st = add_value(r, json_object_get(root, r->field[i]), err);
    json_decref(root);
    return st;
}

static bool is_blank(const char *s, size_t len)
{
    while (len && memchr(" \t\r", s[len - 1], 3))
        len--;
    return len == 0;
}

static rs_status add_file(reader *r, const char *path, rs_err *err)
{
    size_t n_path = strlen(path), number = 0;
    bool json = n_path > 6 && strcmp(path + n_path - 6, ".jsonl") == 0;
    char where[300];
    rs_map map;
    rs_status st = rs_map_open(&map, path, err);
    const char *line = (const char *)map.data, *end = map.len ? line + map.len : line;

    while (st == RS_OK && line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((stop ? stop : end) - line);

        snprintf(where, sizeof where, "%s: record %zu", path, ++number);
        if (!json)
            st = rs_vocab_add(r->vocab, line, len, err);
        else if (!is_blank(line, len))
            st = add_json_line(r, line, len, where, err);
        line = stop ? stop + 1 : end;
    }
    rs_map_close(&map);
    return st;
}

static rs_status train(rs_cli *c, reader *r, size_t size, rs_err *err)
{
    rs_progress *p;
    rs_status st = RS_OK;

    for (size_t i = 0; st == RS_OK && i < rs_cli_args(c); i++)
        st = add_file(r, rs_cli_arg(c, i), err);
    if (st == RS_OK && rs_vocab_words(r->vocab) == 0)
        st = rs_fail(err, RS_EARG, "no text was found; --fields names the fields of .jsonl files");
    if (st != RS_OK)
        return st;
    p = rs_progress_new("learning", "tokens", size - RS_VOCAB_SIZE_MIN, rs_cli_progress(c));
    st = rs_vocab_train(r->vocab, size, p, err);
    rs_progress_end(p);
    return st == RS_OK ? rs_vocab_write(r->vocab, rs_cli_value(c, "out", NULL), err) : st;
}

static int run(rs_cli *c)
{
    char *fields = rs_arena_strdup(rs_cli_arena(c), rs_cli_value(c, "fields", default_fields));
    const char *out = rs_cli_value(c, "out", NULL);
    reader r = {0};
    long long size;
    rs_err err = {0};
    rs_status st;

    if (!out)
        return rs_cli_usage(c, "--out FOLDER is missing");
    if (!rs_cli_number(c, "size", RS_VOCAB_SIZE_MIN, RS_VOCAB_SIZE_MAX, 8192, &size))
        return RS_EXIT_USAGE;
    for (char *f = fields; f; ) {
        char *comma = strchr(f, ',');
        if (comma)
            *comma++ = '\0';
        if (r.n_fields == FIELDS_MAX)
            return rs_cli_usage(c, "--fields: at most %d names", FIELDS_MAX);
        r.field[r.n_fields++] = f;
        f = comma;
    }
    st = rs_vocab_new(&r.vocab, &err);
    if (st == RS_OK)
        st = train(c, &r, (size_t)size, &err);
    if (st == RS_OK)
        printf("%zu tokens from %zu texts, %zu different words\n", rs_vocab_size(r.vocab),
               rs_vocab_texts(r.vocab), rs_vocab_words(r.vocab));
    rs_vocab_free(r.vocab);
    return st == RS_OK ? RS_EXIT_OK : rs_cli_fail(c, &err);
}

static const rs_option options[] = {
    {"size", 'n', "N", "tokens in all, 514 to 49408 (default 8192)"},
    {"out", 'o', "FOLDER", "where vocab.json and merges.txt are written"},
    {"fields", 0, "NAMES", "the fields of .jsonl records to read, parted by commas (default\n"
                           "text,texts,caption,report,findings,impression,history,title)"},
    {"quiet", 'q', NULL, "no progress"},
    {0},
};

const rs_command rs_command_vocab = {
    .name = "vocab",
    .args = "FILE...",
    .summary = "learn a tokenizer's vocabulary from text files",
    .description =
        "A FILE ending in .jsonl holds a JSON object a line; every string under the named\n"
        "fields is a text. Any other FILE holds one text a line.\n\n"
        "The vocabulary is byte-level BPE as CLIP's: fit for the tokenizer of a model that\n"
        "is trained here, and for the published CLIPTokenizer. The same texts give the same\n"
        "vocabulary.",
    .examples = "  radscout vocab --size 8192 --out model captions.jsonl reports.txt",
    .options = options,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
