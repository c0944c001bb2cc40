/* ask_query.c - see ask_query.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "ask_query.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "engine/filter.h"
#include "query_images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The query ------------------------------------------------------- */

/* "40..60" of --age-min and --age-max; false after having said what is wrong. */
static bool add_ages(const rs_cli *c, rs_buf *b)
{
    const char *least = rs_cli_value(c, "age-min", NULL), *most = rs_cli_value(c, "age-max", NULL);
    double unused;

    if (!rs_cli_real(c, "age-min", 0, 150, 0, &unused) ||
        !rs_cli_real(c, "age-max", 0, 150, 0, &unused))
        return false;
    if (least || most)
        rs_buf_printf(b, "%sage:%s..%s", b->len ? " " : "", least ? least : "", most ? most : "");
    return true;
}

/* --filter and its shorthands as one. false after having said what is wrong. */
static bool fill_filter(rs_cli *c, rs_query *q, rs_err *err)
{
    static const char *const shorthands[] = {"modality", "body-part", "view", "sex", "patient",
        "collection", "finding", "date", "tier"};
    const char *filter = rs_cli_value(c, "filter", NULL), *value;
    rs_buf b = {0};
    bool fine;

    if (filter && rs_filter_check(filter, err) != RS_OK) {
        rs_cli_usage(c, "--%s", err->msg);
        return false;
    }
    if (filter)
        rs_filter_add_filter(&b, filter);
    for (size_t i = 0; i < sizeof shorthands / sizeof *shorthands; i++)
        if ((value = rs_cli_value(c, shorthands[i], NULL)) != NULL)
            rs_filter_add(&b, shorthands[i], value);
    fine = add_ages(c, &b);
    if (fine && b.len && rs_filter_check(b.data, err) != RS_OK) {
        rs_cli_usage(c, "%s", err->msg);
        fine = false;
    }
    q->filter = b.len ? rs_arena_strdup(rs_cli_arena(c), b.data) : NULL;
    if (b.failed || (b.len && !q->filter)) {
        rs_fail(err, RS_ENOMEM, "filter: no memory");
        rs_cli_fail(c, err);
        fine = false;
    }
    rs_buf_clear(&b);
    return fine;
}

/* How rankings are fused: --fusion NAME or NAME+N, which is hybrid. */
static bool fill_fusion(const rs_cli *c, rs_query *q)
{
    const char *text = rs_cli_value(c, "fusion", NULL), *plus;
    char name[16];
    char *end;

    if (!text)
        return true;
    plus = strchr(text, '+');
    snprintf(name, sizeof name, "%.*s", plus ? (int)(plus - text) : (int)strlen(text), text);
    q->fusion = rs_fusion_of(name);
    q->rescore = plus ? strtoul(plus + 1, &end, 10) : 0;
    if (q->fusion != RS_FUSIONS && (!plus || (*end == '\0' && q->rescore > 0)))
        return true;
    rs_cli_usage(c, "--fusion '%s': wanted rrf, minmax, zscore, atan or early, or one of them"
                 " with +N to rescore the best N", text);
    return false;
}

/* Texts and cases. */
static bool fill_parts(rs_cli *c, rs_query *q)
{
    static const struct { const char *option; double weight; bool like; } kinds[] = {
        {"text", 1, false}, {"not-text", -1, false}, {"like", 1, true}, {"not-like", -1, true},
    };

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n;
        const char *const *values = rs_cli_values(c, kinds[k].option, &n);
        for (size_t i = 0; i < n; i++) {
            rs_query_part *p = rs_query_add(q);
            if (!p) {
                rs_cli_usage(c, "asks for more than %d things", RS_QUERY_MAX_PARTS);
                return false;
            }
            *(kinds[k].like ? &p->like : &p->text) = values[i];
            p->weight = kinds[k].weight;
        }
    }
    return true;
}

/* Everything of the query but its images. false after having said what is wrong. */
static bool fill_query(rs_cli *c, rs_query *q)
{
    rs_err err = {0};
    long long k;

    *q = rs_query_default();
    if (!fill_filter(c, q, &err) || !rs_cli_number(c, "k", 1, 10000, 10, &k) ||
        !rs_cli_real(c, "deadline", 0, 86400, q->deadline_s, &q->deadline_s) ||
        !rs_cli_real(c, "diversity", 0, 1, 0, &q->diversity) ||
        !rs_cli_real(c, "false-alarm", 0, 0.5, q->false_alarm, &q->false_alarm) ||
        !fill_fusion(c, q) || !fill_parts(c, q))
        return false;
    q->words = rs_cli_flag(c, "plain") ? RS_WORDS_PLAIN : RS_WORDS_READ;
    q->keep_patients = rs_cli_flag(c, "keep-patients");
    q->keep_duplicates = rs_cli_flag(c, "keep-duplicates");
    q->contrast = rs_cli_flag(c, "contrast");
    q->k = (size_t)k;
    if (q->depth < 2 * q->k)
        q->depth = 2 * q->k;
    if (q->n_parts || rs_cli_value(c, "image", NULL))
        return true;
    rs_cli_usage(c, "wants something to look for: --text, --image or --like");
    return false;
}

int rs_cli_query(rs_cli *c, rs_query_wish wish, rs_query_then *then)
{
    rs_archive *a = NULL;
    rs_encoder *e = NULL;
    rs_pool *pool = NULL;
    rs_query_images images = {0};
    const bool with_images = rs_cli_value(c, "image", NULL) || rs_cli_value(c, "not-image", NULL);
    const bool with_texts = rs_cli_value(c, "text", NULL) || rs_cli_value(c, "not-text", NULL);
    rs_result r;
    rs_query q;
    rs_err err = {0};
    double start;
    int code;

    if (!fill_query(c, &q) || !rs_query_images_check(c))
        return RS_EXIT_USAGE;
    if (!rs_model_pool(&pool, c, &code))
        return code;
    code = RS_EXIT_OK;
    if (rs_cli_archive(&a, rs_cli_arg(c, 0), &err) != RS_OK ||
        rs_cli_lexicon(c, a, &err) != RS_OK ||
        ((with_texts || with_images) && rs_model_open(&e, c, a, NULL, &err) != RS_OK) ||
        (with_images && rs_query_images_load(&images, c, e, pool, &q, &err) != RS_OK)) {
        code = rs_cli_fail(c, &err);
        goto done;
    }
    q.contrast |= wish == RS_QUERY_CONTRAST;
    q.encoder = e;
    q.pool = pool;
    start = rs_now_s();
    if (rs_search(a, &q, rs_cli_arena(c), &r, &err) != RS_OK)
        code = rs_cli_fail(c, &err);
    else
        code = then(c, a, &q, &r, 1000 * (rs_now_s() - start));
done:
    rs_query_images_clear(&images);
    rs_encoder_close(e);
    rs_archive_close(a);
    rs_pool_free(pool);
    return code;
}
