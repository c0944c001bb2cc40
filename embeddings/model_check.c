/* model_check.c - see model_check.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_check.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "embeddings/dual_int.h"
#include "embeddings/model_folder.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_CARD = 4 << 20, BATCH = 4 };

static const double UNIT_TOLERANCE = 1e-4, BATCH_TOLERANCE = 1e-4, SAME = 1 - 1e-6;

/* ---- The card -------------------------------------------------------- */

/* The line at *at, without its end; false at the end of the text. */
static bool next_line(const char **at, const char **line, size_t *len)
{
    const char *end;

    if (!**at)
        return false;
    end = strchr(*at, '\n');
    *line = *at;
    *len = end ? (size_t)(end - *at) : strlen(*at);
    *at += *len + (end != NULL);
    while (*len && isspace((unsigned char)(*line)[*len - 1]))
        --*len;
    return true;
}

/* The value of a line "KEY: value", without quotes and comment; NULL: it is none. */
static const char *value_of(rs_arena *mem, const char *key, const char *line, size_t len)
{
    const size_t k = strlen(key);
    const char *v = line + k + 1, *end = line + len;

    if (len <= k || strncmp(line, key, k) != 0 || line[k] != ':')
        return NULL;
    while (v < end && (isspace((unsigned char)*v) || *v == '"' || *v == '\''))
        v++;
    for (const char *p = v; p < end; p++)
        if (*p == '"' || *p == '\'' || *p == '#')
            end = p;
    while (end > v && isspace((unsigned char)end[-1]))
        end--;
    return end > v ? rs_arena_strndup(mem, v, (size_t)(end - v)) : NULL;
}

static bool is_rule(const char *line, size_t len)
{
    return len == 3 && strncmp(line, "---", 3) == 0;
}

const char *rs_card_licence(rs_arena *mem, const char *path)
{
    const char *at, *line, *licence = NULL, *name = NULL, *v;
    char *text = NULL;
    size_t size, len;

    if (rs_file_read(&text, &size, path, MAX_CARD, NULL) != RS_OK)
        return NULL;
    at = text;
    if (next_line(&at, &line, &len) && is_rule(line, len)) {
        while (next_line(&at, &line, &len) && !is_rule(line, len)) {
            if ((v = value_of(mem, "license", line, len)))
                licence = v;
            else if ((v = value_of(mem, "license_name", line, len)))
                name = v;
        }
    }
    rs_free(text);
    return licence && name ? rs_arena_sprintf(mem, "%s (%s)", licence, name)
         : licence ? licence : name;
}

/* ---- What it is ------------------------------------------------------ */

const char *rs_activation_name(rs_activation a)
{
    static const char *const names[] = {"quick_gelu", "gelu", "gelu_tanh"};
    return names[a];
}

static rs_status describe_weights(rs_model_report *r, const char *folder, rs_err *err)
{
    rs_tensors *t = NULL;
    rs_status st = rs_model_tensors(&t, folder, err);

    for (size_t i = 0; st == RS_OK && i < rs_tensors_count(t); i++) {
        const rs_tensor *x = rs_tensors_at(t, i);
        r->bytes += x->bytes;
        r->dtypes[x->dtype]++;
    }
    rs_tensors_close(t);
    return st;
}

static rs_status describe(rs_model_report *r, const rs_dual *m, const char *folder, rs_err *err)
{
    const char *const *unknown = rs_dual_unknown(m, &r->unused);
    char *card = rs_path_join(folder, "README.md");
    rs_layout layout;
    rs_status st = card ? rs_model_layout(&layout, folder, err)
                        : rs_fail(err, RS_ENOMEM, "%s: no memory", folder);

    if (st != RS_OK)
        goto done;
    r->config = *rs_dual_config_of(m);
    r->layout = layout == RS_LAYOUT_HF ? "Hugging Face" : "open_clip";
    r->parameters = rs_dual_param_count(m);
    r->vision_parameters = m->at.text.token;
    r->text_parameters = m->at.logit_scale - m->at.text.token;
    r->licence = rs_card_licence(&r->mem, card);
    rs_dual_param_table(m, &r->used);
    r->unused_name = rs_new(&r->mem, const char *, r->unused + 1);
    for (size_t i = 0; r->unused_name && i < r->unused; i++)
        if (!(r->unused_name[i] = rs_arena_strdup(&r->mem, unknown[i])))
            r->unused_name = NULL;
    st = r->unused_name ? describe_weights(r, folder, err)
                        : rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
done:
    rs_free(card);
    return st;
}

static const char *tokenizer_words(rs_arena *mem, const rs_tokenizer *t)
{
    static const char *const kinds[] = {
        [RS_TOKENIZER_BPE] = "byte-level BPE", [RS_TOKENIZER_UNIGRAM] = "Unigram",
        [RS_TOKENIZER_WORDPIECE] = "WordPiece",
    };
    return rs_arena_sprintf(mem, "%s, %zu tokens", kinds[rs_tokenizer_kind_of(t)],
                            rs_tokenizer_size(t));
}

/* ---- The self-test --------------------------------------------------- */

static rs_model_test *add_test(rs_model_report *r, const char *name)
{
    rs_model_test *t = &r->test[r->tests++];

    t->name = name;
    return t;
}

/* Two pictures that no encoder should take for one: slopes, and a board of squares. */
static rs_status draw(rs_image *im, bool board, size_t side, rs_err *err)
{
    rs_status st = rs_image_new(im, side + side / 4, side, 1, 8, err);
    uint8_t *p;

    if (st != RS_OK)
        return st;
    p = im->pixels;
    for (size_t y = 0; y < im->height; y++)
        for (size_t x = 0; x < im->width; x++)
            *p++ = (uint8_t)(board ? (x * 8 / side + y * 8 / side) % 2 * 230 + 10
                                   : x * 255 / im->width / 2 + y * 255 / im->height / 2);
    return RS_OK;
}

static const char *const texts[BATCH] = {
    "Chest radiograph with a large right pleural effusion.", "Normal MRI of the knee.",
    "Chest radiograph with a large right pleural effusion.", "Normal MRI of the knee.",
};

static double dot(const float *a, const float *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* What is asked of images and of texts. */
typedef struct { const char *unit, *differ, *batch; } questions;

static const questions of_images = {
    "images become unit vectors", "two images differ", "an image alone equals it in a batch"};
static const questions of_texts = {
    "texts become unit vectors", "two texts differ", "a text alone equals it in a batch"};

/* all [BATCH x d] in one call, one [2 x d] of the first two one by one. */
static void judge(rs_model_report *r, const questions *q, const float *all, const float *one,
                  size_t d)
{
    rs_model_test *unit = add_test(r, q->unit), *differ = add_test(r, q->differ);
    rs_model_test *batch = add_test(r, q->batch);
    double worst = 0, apart = 0, cosine = dot(all, all + d, d);

    for (size_t i = 0; i < BATCH; i++)
        worst = fmax(worst, fabs(sqrt(dot(all + i * d, all + i * d, d)) - 1));
    for (size_t i = 0; i < BATCH * d; i++)
        apart = fmax(apart, fabs((double)all[i] - (double)one[i % (2 * d)]));
    unit->ok = isfinite(dot(all, all, BATCH * d)) && worst <= UNIT_TOLERANCE;
    snprintf(unit->detail, sizeof unit->detail, "lengths within %.1e of 1", worst);
    differ->ok = cosine < SAME;
    snprintf(differ->detail, sizeof differ->detail, "cosine %.4f", cosine);
    batch->ok = apart <= BATCH_TOLERANCE;
    snprintf(batch->detail, sizeof batch->detail, "within %.1e", apart);
}

static rs_status test_images(rs_model_report *r, const rs_encoder *e, const rs_image im[BATCH],
                             rs_pool *pool, float *all, float *one, rs_err *err)
{
    const size_t d = rs_encoder_dim(e);
    rs_status st = rs_encoder_images(e, im, BATCH, pool, all, err);

    for (size_t i = 0; i < 2 && st == RS_OK; i++)
        st = rs_encoder_images(e, im + i, 1, pool, one + i * d, err);
    if (st == RS_OK)
        judge(r, &of_images, all, one, d);
    return st;
}

static rs_status test_texts(rs_model_report *r, const rs_encoder *e, rs_pool *pool, float *all,
                            float *one, rs_err *err)
{
    const size_t d = rs_encoder_dim(e);
    rs_status st = rs_encoder_texts(e, texts, BATCH, pool, all, NULL, err);

    for (size_t i = 0; i < 2 && st == RS_OK; i++)
        st = rs_encoder_texts(e, texts + i, 1, pool, one + i * d, NULL, err);
    if (st == RS_OK)
        judge(r, &of_texts, all, one, d);
    return st;
}

/* ---- The speed ------------------------------------------------------- */

static rs_status measure(rs_model_report *r, const rs_encoder *e, const rs_image im[BATCH],
                         rs_pool *pool, double seconds, float *out, rs_err *err)
{
    rs_status st = RS_OK;

    for (int kind = 0; kind < 2; kind++) {
        const double began = rs_now_s();
        double spent = 0;
        size_t n = 0;
        for (; st == RS_OK && spent < seconds; n += BATCH, spent = rs_now_s() - began)
            st = kind ? rs_encoder_texts(e, texts, BATCH, pool, out, NULL, err)
                      : rs_encoder_images(e, im, BATCH, pool, out, err);
        if (spent > 0)
            *(kind ? &r->texts_per_second : &r->images_per_second) = (double)n / spent;
    }
    return st;
}

static rs_status try_out(rs_model_report *r, const rs_encoder *e, rs_pool *pool, double seconds,
                         rs_err *err)
{
    const size_t d = rs_encoder_dim(e);
    rs_image im[BATCH] = {{0}};
    float *all = rs_calloc((BATCH + 2) * d, sizeof *all);
    rs_status st = all ? draw(&im[0], false, r->config.image_size, err)
                       : rs_fail(err, RS_ENOMEM, "self-test: no memory");

    if (st == RS_OK)
        st = draw(&im[1], true, r->config.image_size, err);
    im[2] = im[0];                      /* borrowed */
    im[3] = im[1];
    if (st == RS_OK &&
        (st = test_images(r, e, im, pool, all, all + BATCH * d, err)) == RS_OK &&
        (st = test_texts(r, e, pool, all, all + BATCH * d, err)) == RS_OK)
        st = measure(r, e, im, pool, seconds, all, err);
    rs_image_clear(&im[0]);
    rs_image_clear(&im[1]);
    rs_free(all);
    return st;
}

/* ---- The whole ------------------------------------------------------- */

static void note_failure(rs_model_report *r, const char *name, const rs_err *err)
{
    rs_model_test *t = add_test(r, name);

    snprintf(t->detail, sizeof t->detail, "%s", err->msg);
}

/* The tokenizer or the preprocessing does not fit: tell of the weights all the same. */
static rs_status check_weights_only(rs_model_report *r, const char *folder, const rs_err *why,
                                    rs_err *err)
{
    rs_dual *m = NULL;
    rs_status st = rs_dual_open(&m, folder, err);

    if (st == RS_OK)
        st = describe(r, m, folder, err);
    if (st == RS_OK)
        note_failure(r, "opens as an encoder", why);
    rs_dual_close(m);
    return st;
}

static rs_status check_whole(rs_model_report *r, const rs_encoder *e, const char *folder,
                             rs_pool *pool, double seconds, rs_err *err)
{
    rs_err failed = {0};
    rs_status st = describe(r, rs_encoder_dual(e), folder, err);

    if (st != RS_OK)
        return st;
    r->id = rs_arena_strdup(&r->mem, rs_encoder_id(e));
    r->tokenizer = tokenizer_words(&r->mem, rs_encoder_tokenizer(e));
    r->preprocess = *rs_encoder_preprocess(e);
    if (!r->id || !r->tokenizer)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    add_test(r, "opens as an encoder")->ok = true;
    st = try_out(r, e, pool, seconds, &failed);
    if (st == RS_ENOMEM) {
        if (err)
            *err = failed;
        return st;
    }
    if (st != RS_OK)
        note_failure(r, "encodes", &failed);
    return RS_OK;
}

rs_status rs_model_check(rs_model_report *r, const char *folder, rs_pool *pool, double seconds,
                         rs_err *err)
{
    rs_encoder *e = NULL;
    rs_err why = {0};
    rs_status st;

    *r = (rs_model_report){.id = ""};
    st = rs_encoder_open(&e, folder, &why);
    if (st == RS_ENOMEM) {
        if (err)
            *err = why;
        return st;
    }
    r->name = rs_arena_strdup(&r->mem, folder);
    if (!r->name)
        st = rs_fail(err, RS_ENOMEM, "%s: no memory", folder);
    else
        st = st == RS_OK ? check_whole(r, e, folder, pool, seconds, err)
                         : check_weights_only(r, folder, &why, err);
    rs_encoder_close(e);
    r->ok = true;
    for (size_t i = 0; i < r->tests; i++)
        r->ok = r->ok && r->test[i].ok;
    return st;
}

void rs_model_report_clear(rs_model_report *r)
{
    rs_arena_clear(&r->mem);
    *r = (rs_model_report){0};
}
