/* model_quantise.c - see model_quantise.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/model_quantise.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/random.h"
#include "embeddings/dual_int.h"
#include "embeddings/encoder.h"
#include "embeddings/model_folder.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PICTURES = 12, SIDE = 160, BLOBS = 6, SENTENCES = 24, WORDS_MOST = 40, FILE_MOST = 64 << 20 };
static const double promised = 0.99;

/* ---- What both encode -------------------------------------------------------------- */

/* Soft spots of either sign on grey, as films have them. */
static rs_status draw(rs_image *im, rs_random *r, rs_err *err)
{
    double x[BLOBS], y[BLOBS], size[BLOBS], height[BLOBS];
    rs_status st = rs_image_new(im, SIDE, SIDE, 1, 8, err);

    for (size_t i = 0; i < BLOBS; i++) {
        x[i] = (double)rs_random_below(r, SIDE);
        y[i] = (double)rs_random_below(r, SIDE);
        size[i] = 4 + (double)rs_random_below(r, 40);
        height[i] = 90 * rs_random_normal(r);
    }
    for (size_t at = 0; st == RS_OK && at < SIDE * SIDE; at++) {
        double v = 110 + 6 * rs_random_normal(r);
        for (size_t i = 0; i < BLOBS; i++) {
            const double dx = (double)(at % SIDE) - x[i], dy = (double)(at / SIDE) - y[i];
            v += height[i] * exp(-(dx * dx + dy * dy) / (2 * size[i] * size[i]));
        }
        ((uint8_t *)im->pixels)[at] = (uint8_t)fmin(255, fmax(0, v));
    }
    return st;
}

static char *sentence(rs_arena *mem, rs_random *r)
{
    static const char *const words[] = {
        "no", "acute", "fracture", "of", "the", "left", "right", "lower", "lobe", "with", "small",
        "pleural", "effusion", "and", "opacity", "chest", "radiograph", "CT", "MRI", "T2", "axial",
        "mild", "enlarged", "heart", "mass", "in", "liver", "knee", "hand", "12", "mm", "nodule",
        "normal", "study", "haemorrhage", "brain", "oedema", "is", "seen", "unchanged",
    };
    size_t n = 1 + rs_random_below(r, WORDS_MOST);
    char *text = rs_arena_strdup(mem, "");

    while (text && n-- > 0)
        text = rs_arena_sprintf(mem, "%s%s%s", text, *text ? " " : "",
                                words[rs_random_below(r, sizeof words / sizeof *words)]);
    return text;
}

/* PICTURES images, then SENTENCES texts, by e: out [.. x d]. */
static rs_status encode(const rs_encoder *e, float *out, rs_err *err)
{
    rs_random r = rs_random_seed(5);
    rs_image images[PICTURES] = {{0}};
    const char *texts[SENTENCES];
    rs_arena mem = {0};
    rs_status st = RS_OK;

    for (size_t i = 0; i < PICTURES && st == RS_OK; i++)
        st = draw(&images[i], &r, err);
    for (size_t i = 0; i < SENTENCES && st == RS_OK; i++)
        if (!(texts[i] = sentence(&mem, &r)))
            st = rs_fail(err, RS_ENOMEM, "no memory");
    if (st == RS_OK)
        st = rs_encoder_images(e, images, PICTURES, NULL, out, err);
    if (st == RS_OK)
        st = rs_encoder_texts(e, texts, SENTENCES, NULL, out + PICTURES * rs_encoder_dim(e), NULL, err);
    for (size_t i = 0; i < PICTURES; i++)
        rs_image_clear(&images[i]);
    rs_arena_clear(&mem);
    return st;
}

/* The lowest inner product of rows [from, to): unit vectors. */
static double lowest(const float *a, const float *b, size_t from, size_t to, size_t d)
{
    double least = 1;

    for (size_t i = from; i < to; i++) {
        double sum = 0;
        for (size_t k = 0; k < d; k++)
            sum += (double)a[i * d + k] * (double)b[i * d + k];
        least = sum < least || isnan(sum) ? sum : least;
    }
    return least;
}

static rs_status compare(rs_quantised *report, const rs_encoder *whole, const rs_encoder *int8,
                         rs_err *err)
{
    const size_t d = rs_encoder_dim(whole), n = PICTURES + SENTENCES;
    float *a = rs_calloc(2 * n * d, sizeof *a), *b = a ? a + n * d : NULL;
    rs_status st = a ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory");

    if (st == RS_OK && (st = encode(whole, a, err)) == RS_OK && (st = encode(int8, b, err)) == RS_OK) {
        report->image = lowest(a, b, 0, PICTURES, d);
        report->text = lowest(a, b, PICTURES, n, d);
        if (!(report->image >= promised && report->text >= promised))
            st = rs_fail(err, RS_EMISMATCH, "in int8 an image of this model has a cosine of %.4f to "
                         "what it was, a text %.4f; %.2f is promised, so nothing is written",
                         report->image, report->text, promised);
    }
    rs_free(a);
    return st;
}

/* ---- Writing -------------------------------------------------------------------------- */

/* The parameter p, and its scales behind it where it is int8. Rows are those of the file. */
static rs_status put(rs_tensor_out *list, size_t *n, const rs_dual *m, const rs_param *p,
                     const rs_dual_fast *f, rs_arena *mem, rs_err *err)
{
    const float *x = m->params + p->offset;
    const bool int8 = !p->transposed && p->rank > 1 && rs_dual_fast_holds(f, p->offset);
    rs_tensor_out *to = &list[(*n)++];
    const size_t rows = p->shape[0], columns = rows ? p->count / rows : 0;

    *to = (rs_tensor_out){.name = p->name, .rank = p->rank, .shape = p->shape, .data = x,
                          .dtype = p->count > 1 ? RS_DTYPE_F16 : RS_DTYPE_F32};
    if (p->transposed) {
        float *turned = rs_new(mem, float, p->count);
        if (!turned)
            return rs_fail(err, RS_ENOMEM, "no memory for %s", p->name);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++)
                turned[r * columns + c] = x[c * rows + r];
        to->data = turned;
    }
    if (!int8)
        return RS_OK;
    int8_t *q = rs_new(mem, int8_t, p->count);
    float *scale = rs_new(mem, float, rows);
    char *name = rs_arena_sprintf(mem, "%s.scale", p->name);
    if (!q || !scale || !name)
        return rs_fail(err, RS_ENOMEM, "no memory for %s", p->name);
    for (size_t r = 0; r < rows; r++)
        scale[r] = rs_quantise_row(q + r * columns, x + r * columns, columns);
    to->dtype = RS_DTYPE_I8;
    to->data = q;
    list[(*n)++] = (rs_tensor_out){.name = name, .rank = 1, .shape = p->shape, .data = scale,
                                   .dtype = RS_DTYPE_F32};
    return RS_OK;
}

static rs_status write_weights(const rs_encoder *int8, rs_quantised *report, const char *path,
                               rs_err *err)
{
    const rs_dual *m = rs_encoder_dual(int8);
    rs_arena mem = {0};
    rs_tensor_out *list = rs_new(&mem, rs_tensor_out, 2 * m->tensors);
    const double least = report->image < report->text ? report->image : report->text;
    const char *cosine = rs_arena_sprintf(&mem, "%.4f", least);
    const char *const notes[] = {RS_PRECISION_KEY, "int8", RS_ORIGINAL_KEY, rs_encoder_id(int8),
                                 "radscout.cosine", cosine, NULL};
    size_t n = 0;
    rs_status st = list && cosine ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory");

    for (size_t i = 0; i < m->tensors && st == RS_OK; i++)
        st = put(list, &n, m, &m->table[i], rs_encoder_fast(int8), &mem, err);
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;
        for (size_t k = 0; k < list[i].rank; k++)
            count *= list[i].shape[k];
        report->bytes_after += count * rs_dtype_size(list[i].dtype);
    }
    if (st == RS_OK)
        st = rs_tensors_write_noted(path, list, n, notes, err);
    rs_arena_clear(&mem);
    return st;
}

static bool is_weights(const char *name)
{
    return strstr(name, ".safetensors") != NULL;           /* the index of shards too */
}

static rs_status copy_file(const char *from, const char *to, rs_err *err)
{
    char *bytes = NULL;
    size_t len;
    rs_status st = rs_file_read(&bytes, &len, from, FILE_MOST, err);

    if (st == RS_OK)
        st = rs_file_write(to, bytes, len, err);
    rs_free(bytes);
    return st;
}

/* Tokenizer, configs, card, licence: every plain file but the weights. */
static rs_status copy_others(const char *folder, const char *out, rs_err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    rs_status st = RS_OK;

    if (!dir)
        return rs_fail_errno(err, "open %s", folder);
    for (errno = 0; st == RS_OK && (entry = readdir(dir)); errno = 0) {
        char *from = rs_path_join(folder, entry->d_name), *to = rs_path_join(out, entry->d_name);
        struct stat s;
        if (!from || !to)
            st = rs_fail(err, RS_ENOMEM, "copy %s: no memory", folder);
        else if (stat(from, &s) == 0 && S_ISREG(s.st_mode) && !is_weights(entry->d_name))
            st = copy_file(from, to, err);
        rs_free(from);
        rs_free(to);
    }
    if (st == RS_OK && errno)
        st = rs_fail_errno(err, "read %s", folder);
    closedir(dir);
    return st;
}

static size_t bytes_of(const rs_tensors *t)
{
    size_t sum = 0;

    for (size_t i = 0; i < rs_tensors_count(t); i++)
        sum += rs_tensors_at(t, i)->bytes;
    return sum;
}

static rs_status measure_bytes(size_t *bytes, const char *folder, rs_err *err)
{
    rs_tensors *t = NULL;
    rs_status st = rs_model_tensors(&t, folder, err);

    *bytes = st == RS_OK ? bytes_of(t) : 0;
    rs_tensors_close(t);
    return st;
}

/* The folder to write to must not hold weights, its own least of all. */
static rs_status check_out(const char *weights, const char *out, rs_err *err)
{
    return rs_file_exists(weights) ? rs_fail(err, RS_EARG, "%s holds a model already", out) : RS_OK;
}

rs_status rs_model_quantise(rs_quantised *report, const char *folder, const char *out, rs_err *err)
{
    rs_encoder *whole = NULL, *int8 = NULL;
    rs_layout layout = RS_LAYOUT_HF;
    char *weights = NULL;
    rs_status st;

    *report = (rs_quantised){0};
    if ((st = rs_model_layout(&layout, folder, err)) != RS_OK)
        return st;
    weights = rs_path_join(out, rs_layout_weights(layout));
    if (!weights) {
        st = rs_fail(err, RS_ENOMEM, "no memory");
        goto done;
    }
    if ((st = check_out(weights, out, err)) != RS_OK ||
        (st = rs_encoder_open_as(&whole, folder, RS_F32, err)) != RS_OK)
        goto done;
    if (rs_dual_int8(rs_encoder_dual(whole))) {
        st = rs_fail(err, RS_EARG, "%s is quantised already", folder);
        goto done;
    }
    if ((st = rs_encoder_open_as(&int8, folder, RS_INT8, err)) == RS_OK &&
        (st = compare(report, whole, int8, err)) == RS_OK &&
        (st = measure_bytes(&report->bytes_before, folder, err)) == RS_OK &&
        (st = rs_mkdirs(out, err)) == RS_OK && (st = copy_others(folder, out, err)) == RS_OK)
        st = write_weights(int8, report, weights, err);
done:
    rs_encoder_close(whole);
    rs_encoder_close(int8);
    rs_free(weights);
    return st;
}
