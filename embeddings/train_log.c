/* train_log.c - metrics.jsonl, a line a step and a line an evaluation, and the curves
 * drawn from it.
 *
 *   {"step": 7, "loss": ..., "contrastive": ..., "two_views": ..., "distill": ...,
 *    "lr": ..., "grad_norm": ..., "logit_scale": ..., "seconds": ..., "samples_s": ...,
 *    "gflops": ..., "of_peak": ..., "skipped": false}
 *   {"eval": 7, "rows": 500, "text_to_image": {"r1", "r5", "r10", "exact_r1", ...},
 *    "image_to_text": {...}, "zero_shot": ..., "sets": {"mednist": {"rows", "labels",
 *    "zero_shot", "text_to_image": {...}, "image_to_text": {...}}}}     each set by itself
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"
#include "embeddings/plot.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LOG = 1 << 30 };

static char *log_path(const rs_train_run *r)
{
    return rs_sprintf("%s/metrics.jsonl", r->c->out);
}

/* ---- Writing --------------------------------------------------------- */

/* `"key": value` with a comma before all but an object's first; what JSON has no number
 * for is null. */
static void put_real(rs_buf *b, const char *key, double v)
{
    const char *comma = b->len && b->data[b->len - 1] != '{' ? ", " : "";

    if (isfinite(v))
        rs_buf_printf(b, "%s\"%s\": %.9g", comma, key, v);
    else
        rs_buf_printf(b, "%s\"%s\": null", comma, key);
}

/* Append one line with one write(); clears the buffer. */
static rs_status append_line(const rs_train_run *r, rs_buf *line, rs_err *err)
{
    char *path = log_path(r);
    rs_status st = RS_OK;
    int fd;

    rs_buf_putc(line, '\n');
    if (!path || line->failed) {
        st = rs_fail(err, RS_ENOMEM, "metrics.jsonl: no memory");
    } else {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (fd < 0 || write(fd, line->data, line->len) != (ssize_t)line->len)
            st = rs_fail_errno(err, "write %s", path);
        if (fd >= 0)
            close(fd);
    }
    rs_free(path);
    rs_buf_clear(line);
    return st;
}

rs_status rs_train_log_step(const rs_train_run *r, const rs_step_report *s, rs_err *err)
{
    rs_buf b = {0};

    rs_buf_printf(&b, "{\"step\": %llu", (unsigned long long)s->step);
    put_real(&b, "loss", s->loss);
    put_real(&b, "contrastive", s->contrastive);
    put_real(&b, "two_views", s->two_views);
    put_real(&b, "distill", s->distill);
    put_real(&b, "lr", s->lr);
    put_real(&b, "grad_norm", s->grad_norm);
    put_real(&b, "logit_scale", s->logit_scale);
    put_real(&b, "seconds", s->seconds);
    put_real(&b, "samples_s", s->samples_s);
    put_real(&b, "gflops", s->gflops);
    put_real(&b, "of_peak", s->of_peak);
    rs_buf_printf(&b, ", \"skipped\": %s}", s->skipped ? "true" : "false");
    return append_line(r, &b, err);
}

static void put_recall(rs_buf *b, const char *key, const rs_recall *c)
{
    rs_buf_printf(b, ", \"%s\": {", key);
    put_real(b, "r1", c->r1);
    put_real(b, "r5", c->r5);
    put_real(b, "r10", c->r10);
    put_real(b, "exact_r1", c->exact_r1);
    put_real(b, "exact_r5", c->exact_r5);
    put_real(b, "exact_r10", c->exact_r10);
    rs_buf_putc(b, '}');
}

/* A set's name as a JSON string. */
static void put_name(rs_buf *b, const char *name)
{
    json_t *s = json_string(name);
    char *text = s ? rs_json_text(s) : NULL;

    rs_buf_puts(b, text ? text : "\"?\"");
    rs_free(text);
    json_decref(s);
}

static void put_set(rs_buf *b, const char *name, const rs_set_report *p)
{
    put_name(b, name);
    rs_buf_printf(b, ": {\"rows\": %zu, \"labels\": %zu", p->rows, p->labels);
    put_real(b, "zero_shot", p->zero_shot);
    put_recall(b, "text_to_image", &p->text_to_image);
    put_recall(b, "image_to_text", &p->image_to_text);
    rs_buf_putc(b, '}');
}

rs_status rs_train_log_eval(const rs_train_run *r, const rs_eval_report *e,
                            const rs_set_report *per_set, rs_err *err)
{
    rs_buf b = {0};
    bool first = true;

    rs_buf_printf(&b, "{\"eval\": %llu, \"rows\": %zu", (unsigned long long)r->step, e->rows);
    put_recall(&b, "text_to_image", &e->text_to_image);
    put_recall(&b, "image_to_text", &e->image_to_text);
    put_real(&b, "zero_shot", e->zero_shot);
    rs_buf_puts(&b, ", \"sets\": {");
    for (size_t s = 0; s < r->data.n_sets; s++) {
        if (per_set[s].rows == 0)
            continue;
        rs_buf_puts(&b, first ? "" : ", ");
        put_set(&b, r->data.set_names[s], &per_set[s]);
        first = false;
    }
    rs_buf_puts(&b, "}}");
    return append_line(r, &b, err);
}

/* ---- Reading --------------------------------------------------------- */

/* Call fn for each line that is a JSON object. */
static rs_status each_line(const rs_train_run *r, void *ctx,
                           void (*fn)(void *ctx, const json_t *line, const char *text, size_t len),
                           rs_err *err)
{
    char *path = log_path(r), *data = NULL;
    size_t len = 0;
    rs_status st = path ? rs_file_read(&data, &len, path, MAX_LOG, err)
                        : rs_fail(err, RS_ENOMEM, "metrics.jsonl: no memory");

    for (char *at = data; st == RS_OK && at < data + len;) {
        char *end = memchr(at, '\n', (size_t)(data + len - at));
        json_t *line;
        if (!end)
            break;                              /* a line cut short by a kill */
        line = json_loadb(at, (size_t)(end - at), 0, NULL);
        if (json_is_object(line))
            fn(ctx, line, at, (size_t)(end - at) + 1);
        json_decref(line);
        at = end + 1;
    }
    rs_free(data);
    rs_free(path);
    return st;
}

typedef struct { rs_buf kept; uint64_t step; } rewind_ctx;

static void keep_line(void *ctx, const json_t *line, const char *text, size_t len)
{
    rewind_ctx *k = ctx;
    const json_t *step = json_object_get(line, "step"), *eval = json_object_get(line, "eval");
    json_int_t at = json_integer_value(step ? step : eval);

    if (at >= 0 && (uint64_t)at <= k->step)
        rs_buf_append(&k->kept, text, len);
}

rs_status rs_train_log_rewind(const rs_train_run *r, rs_err *err)
{
    rewind_ctx k = {.step = r->step};
    char *path = log_path(r);
    rs_status st;

    if (!path)
        return rs_fail(err, RS_ENOMEM, "metrics.jsonl: no memory");
    if (!rs_file_exists(path)) {
        rs_free(path);
        return RS_OK;
    }
    st = each_line(r, &k, keep_line, err);
    if (st == RS_OK && k.kept.failed)
        st = rs_fail(err, RS_ENOMEM, "metrics.jsonl: no memory");
    if (st == RS_OK)
        st = rs_file_write(path, k.kept.data ? k.kept.data : "", k.kept.len, err);
    rs_buf_clear(&k.kept);
    rs_free(path);
    return st;
}

/* ---- Curves ---------------------------------------------------------- */

enum {
    STEP, LOSS, SMOOTH, SCALE, NORM, EVAL, T2I_1, T2I_5, T2I_10, I2T_1, I2T_5, I2T_10, ZERO_SHOT,
    COLUMNS
};

/* The numbers of the log, column by column. */
typedef struct {
    double *at[COLUMNS];
    size_t  n[COLUMNS], cap[COLUMNS];
    bool    failed;
} columns;

static void add(columns *c, size_t k, double v)
{
    if (c->n[k] == c->cap[k]) {
        size_t cap = c->cap[k] ? 2 * c->cap[k] : 256;
        double *more = rs_realloc(c->at[k], cap, sizeof *more);
        if (!more) {
            c->failed = true;
            return;
        }
        c->at[k] = more;
        c->cap[k] = cap;
    }
    c->at[k][c->n[k]++] = v;
}

static double real_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void add_step(columns *c, const json_t *line)
{
    static const double SLOW = 0.05;            /* about the last twenty steps */
    double loss = real_of(line, "loss");
    double before = c->n[SMOOTH] ? c->at[SMOOTH][c->n[SMOOTH] - 1] : loss;

    add(c, STEP, real_of(line, "step"));
    add(c, LOSS, loss);
    add(c, SMOOTH, isfinite(loss) && isfinite(before) ? before + SLOW * (loss - before)
                 : isfinite(loss) ? loss : before);
    add(c, SCALE, real_of(line, "logit_scale"));
    add(c, NORM, real_of(line, "grad_norm"));
}

static void add_line(void *ctx, const json_t *line, const char *text, size_t len)
{
    columns *c = ctx;
    const json_t *t2i = json_object_get(line, "text_to_image");
    const json_t *i2t = json_object_get(line, "image_to_text");

    (void)text;
    (void)len;
    if (json_object_get(line, "step")) {
        add_step(c, line);
        return;
    }
    add(c, EVAL, real_of(line, "eval"));
    add(c, T2I_1, real_of(t2i, "r1"));
    add(c, T2I_5, real_of(t2i, "r5"));
    add(c, T2I_10, real_of(t2i, "r10"));
    add(c, I2T_1, real_of(i2t, "r1"));
    add(c, I2T_5, real_of(i2t, "r5"));
    add(c, I2T_10, real_of(i2t, "r10"));
    add(c, ZERO_SHOT, real_of(line, "zero_shot"));
}

static rs_plot_series series(const columns *c, const char *name, size_t x, size_t y)
{
    return (rs_plot_series){.name = name, .x = c->at[x], .y = c->at[y], .n = c->n[y]};
}

static rs_status draw(const columns *c, const char *path, rs_err *err)
{
    rs_plot_series loss[] = {series(c, "a step", STEP, LOSS), series(c, "smoothed", STEP, SMOOTH)};
    rs_plot_series recall[] = {
        series(c, "t2i R@1", EVAL, T2I_1), series(c, "R@5", EVAL, T2I_5),
        series(c, "R@10", EVAL, T2I_10), series(c, "i2t R@1", EVAL, I2T_1),
        series(c, "zero-shot", EVAL, ZERO_SHOT)};
    rs_plot_series norm[] = {series(c, NULL, STEP, NORM)}, scale[] = {series(c, NULL, STEP, SCALE)};
    rs_plot_panel panels[] = {
        {.title = "Training loss", .x_label = "step", .series = loss, .n_series = 2},
        {.title = "Validation: text to image (t2i) and back (i2t)", .x_label = "step",
         .series = recall, .n_series = 5, .y_max = 1},
        {.title = "Gradient norm", .x_label = "step", .series = norm, .n_series = 1, .log_y = true},
        {.title = "Logit scale", .x_label = "step", .series = scale, .n_series = 1},
    };

    loss[0].faint = true;
    loss[0].colour = loss[1].colour = 1;
    return rs_plot_save_png(path, panels, sizeof panels / sizeof *panels, err);
}

rs_status rs_train_log_plot(const rs_train_run *r, rs_err *err)
{
    columns c = {.failed = false};
    char *path = rs_sprintf("%s/curves.png", r->c->out);
    rs_status st = each_line(r, &c, add_line, err);

    if (st == RS_OK)
        st = path && !c.failed ? draw(&c, path, err) : rs_fail(err, RS_ENOMEM, "curves: no memory");
    for (size_t k = 0; k < COLUMNS; k++)
        rs_free(c.at[k]);
    rs_free(path);
    return st;
}
