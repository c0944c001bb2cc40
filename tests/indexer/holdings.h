/* holdings.h - what an archive holds, read from its catalog: a text of every row but
 * ids and times, and the vectors in the same order, so that two archives can be compared.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_INDEXER_HOLDINGS_H
#define RS_TESTS_INDEXER_HOLDINGS_H

#include "embeddings/half.h"
#include "engine/db.h"
#include "scratch.h"

typedef struct {
    char  *text;
    float *vectors;
    size_t n;                    /* floats */
} holdings;

/* One query: its text columns joined, one blob column (the last) unpacked. */
static inline void take_rows(rs_db *db, const char *sql, int columns, rs_buf *text, rs_buf *vectors)
{
    rs_err err = {0};
    rs_stmt s = rs_db_use(db, sql, &err);

    while (rs_step(&s)) {
        size_t len;
        const void *blob;
        for (int i = 0; i < columns; i++) {
            const char *value = rs_col_text(&s, i);
            rs_buf_printf(text, "%s|", value ? value : "-");
        }
        rs_buf_putc(text, '\n');
        blob = rs_col_blob(&s, columns, &len);
        for (size_t i = 0; i + 1 < len; i += 2) {
            float x;
            rs_half_unpack(&x, (const char *)blob + i, 1);
            rs_buf_append(vectors, &x, sizeof x);
        }
    }
    ok(rs_done(&s), &err);
}

/* `only`: a LIKE pattern of case keys. The caller calls holdings_clear. */
static inline holdings holdings_of(const char *archive, const char *only)
{
    rs_db *db;
    rs_buf text = {0}, vectors = {0};
    rs_err err = {0};
    char path[512], sql[3][600];

    snprintf(path, sizeof path, "%s/catalog.db", archive);
    ok(rs_db_open(&db, path, false, &err), &err);
    snprintf(sql[0], sizeof sql[0], "SELECT key, source, title, report, modality, body_part, view, "
             "sex, patient, collection, age, attributes, digest, (SELECT group_concat(label) FROM "
             "case_findings f WHERE f.case_id = c.id), NULL FROM cases c WHERE key LIKE '%s' ORDER BY key", only);
    snprintf(sql[1], sizeof sql[1], "SELECT key, ordinal, path, given, sha256, i.view, width, height, "
             "vector FROM images i JOIN cases c ON c.id = i.case_id LEFT JOIN image_vectors v ON "
             "v.id = i.id WHERE key LIKE '%s' ORDER BY key, ordinal", only);
    snprintf(sql[2], sizeof sql[2], "SELECT key, ordinal, section, text, first, past, vector FROM "
             "passages p JOIN cases c ON c.id = p.case_id LEFT JOIN passage_vectors v ON v.id = p.id "
             "WHERE key LIKE '%s' ORDER BY key, ordinal", only);
    take_rows(db, sql[0], 14, &text, &vectors);
    take_rows(db, sql[1], 8, &text, &vectors);
    take_rows(db, sql[2], 6, &text, &vectors);
    take_rows(db, "SELECT source, file, sha256, case_key, NULL FROM source_files ORDER BY 1, 2", 4,
              &text, &vectors);
    rs_db_close(db);
    assert_false(text.failed || vectors.failed);
    return (holdings){rs_buf_take(&text), (float *)(void *)vectors.data, vectors.len / sizeof(float)};
}

static inline void holdings_clear(holdings *h)
{
    rs_free(h->text);
    rs_free(h->vectors);
}

/* Texts equal; vectors to what half precision and other batches may differ by. */
static inline void assert_same_holdings(const holdings *a, const holdings *b)
{
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        float d = a->vectors[i] - b->vectors[i];
        if (!(d < 2e-3f && d > -2e-3f))
            fail_msg("vector float %zu: %g and %g", i, (double)a->vectors[i], (double)b->vectors[i]);
    }
}

#endif
