/* train.c - see train.h: a run from config to model folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/train.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "embeddings/loss_int.h"
#include "embeddings/train_int.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { STREAM_WEIGHTS = 5, STREAM_MAP = 6, MAX_BAD_STEPS = 3, MAX_VOCABULARY = 256 << 20 };

/* ---- Opening --------------------------------------------------------- */

/* Which image-text term, and where its two numbers lie. */
static rs_status settle_loss(rs_train_run *r, rs_err *err)
{
    const rs_param *scale = rs_dual_param(r->model, "logit_scale");
    const rs_param *bias = rs_dual_param(r->model, "logit_bias");

    r->scale_at = scale->offset;
    r->bias_at = bias ? bias->offset : SIZE_MAX;
    r->sigmoid = r->c->loss == RS_TERM_OF_FAMILY ? rs_dual_sigmoid(rs_dual_config_of(r->model))
                                                 : r->c->loss == RS_TERM_SIGMOID;
    if (r->sigmoid && !bias)
        return rs_fail(err, RS_EARG, "config: loss: sigmoid is for models with a logit_bias, %s "
                       "has none", rs_dual_family(rs_dual_config_of(r->model)));
    return RS_OK;
}

static rs_status open_model(rs_train_run *r, rs_err *err)
{
    const rs_train_config *c = r->c;
    rs_dual_config m = c->model;
    rs_random rnd = rs_random_derive(c->seed, STREAM_WEIGHTS);
    const rs_param *table;
    size_t n;
    rs_status st = rs_tokenizer_open(&r->tokenizer, c->vocab, err);

    if (st != RS_OK)
        return st;
    m.vocab_size = rs_tokenizer_size(r->tokenizer);
    m.bos_id = rs_tokenizer_bos(r->tokenizer);
    m.eos_id = rs_tokenizer_eos(r->tokenizer);
    st = c->init ? rs_dual_open(&r->model, c->init, err) : rs_dual_new(&r->model, &m, &rnd, err);
    if (st != RS_OK)
        return st;
    if (rs_dual_config_of(r->model)->vocab_size < rs_tokenizer_size(r->tokenizer))
        return rs_fail(err, RS_EMISMATCH, "%s reads %zu tokens, the vocabulary %s has %zu", c->init,
                       rs_dual_config_of(r->model)->vocab_size, c->vocab,
                       rs_tokenizer_size(r->tokenizer));
    r->n_params = rs_dual_param_count(r->model);
    if ((st = settle_loss(r, err)) != RS_OK)
        return st;
    table = rs_dual_param_table(r->model, &n);
    return rs_adamw_new(&r->adamw, &c->adamw, r->n_params, table, n, err);
}

static rs_status open_data(rs_train_run *r, rs_err *err)
{
    const rs_train_config *c = r->c;
    const rs_dual_config *m = rs_dual_config_of(r->model);
    rs_status st = RS_OK;

    rs_preprocess_clip(&r->preprocess, m->image_size);
    if (c->squash) {
        r->preprocess.keep_aspect = false;
        r->preprocess.do_center_crop = false;
    }
    if (c->init)
        st = rs_preprocess_open(&r->preprocess, c->init,
                                rs_dual_sigmoid(m) ? RS_PROCESSOR_SIGLIP : RS_PROCESSOR_CLIP,
                                m->image_size, err);
    if (st != RS_OK)
        return st;
    if (r->preprocess.crop_width != m->image_size || r->preprocess.crop_height != m->image_size)
        return rs_fail(err, RS_EMISMATCH, "%s: preprocessing crops to %zu x %zu, the model wants %zu",
                       c->init, r->preprocess.crop_width, r->preprocess.crop_height, m->image_size);
    return rs_dataset_open(&r->data, &(rs_dataset_spec){
        .manifests = c->manifests, .n_manifests = c->n_manifests, .cache = c->cache,
        .preprocess = &r->preprocess, .tokenizer = r->tokenizer, .max_tokens = m->max_tokens,
        .pool = r->pool, .progress = r->o->progress}, err);
}

static rs_status open_sampler(rs_train_run *r, rs_err *err)
{
    const rs_train_config *c = r->c;
    double *weight = rs_calloc(r->data.n_sets, sizeof *weight);
    rs_status st = RS_OK;

    if (!weight)
        return rs_fail(err, RS_ENOMEM, "training: no memory");
    for (size_t s = 0; s < r->data.n_sets; s++)
        weight[s] = 1.0;
    for (size_t i = 0; st == RS_OK && i < c->n_weighted; i++) {
        size_t s = 0;
        while (s < r->data.n_sets && strcmp(r->data.set_names[s], c->weighted_sets[i]) != 0)
            s++;
        if (s == r->data.n_sets)
            st = rs_fail(err, RS_EARG, "config: sets.%s: no manifest has such a set",
                         c->weighted_sets[i]);
        else
            weight[s] = c->set_weights[i];
    }
    if (st == RS_OK)
        st = rs_sampler_new(&r->sampler, &r->data,
                            &(rs_sampler_spec){weight, c->balance, c->run, c->mixed_epochs, c->seed}, err);
    rs_free(weight);
    return st;
}

static rs_status open_teacher(rs_train_run *r, rs_err *err)
{
    size_t d = rs_dual_config_of(r->model)->dim, n;
    rs_random rnd = rs_random_derive(r->c->seed, STREAM_MAP);
    rs_status st;

    if (r->c->distill == RS_DISTILL_NONE)
        return RS_OK;
    st = rs_teacher_open(&r->teacher, r->c->distill_features, &r->data, err);
    if (st != RS_OK || r->c->distill != RS_DISTILL_COSINE)
        return st;
    n = r->teacher.d * d;
    r->map = rs_calloc_aligned(n, sizeof *r->map);
    r->d_map = rs_calloc_aligned(n, sizeof *r->d_map);
    if (!r->map || !r->d_map)
        return rs_fail(err, RS_ENOMEM, "training: no memory");
    for (size_t i = 0; i < n; i++)
        r->map[i] = (float)(rs_random_normal(&rnd) / sqrt((double)d));
    return rs_adamw_new(&r->map_adamw, &r->c->adamw, n, NULL, 0, err);
}

static rs_status open_blocks(rs_train_run *r, rs_err *err)
{
    const size_t chunks = (r->c->batch * (r->c->two_views > 0 ? 2 : 1) + r->c->micro_batch - 1)
                        / r->c->micro_batch;
    size_t most = RS_GRAD_BYTES / (r->n_params * sizeof(float) + 1);

    most = most < RS_GRAD_BLOCKS_LEAST ? RS_GRAD_BLOCKS_LEAST
         : most > RS_GRAD_BLOCKS ? RS_GRAD_BLOCKS : most;
    r->n_blocks = chunks < most ? chunks : most;
    for (size_t g = 0; g < r->n_blocks; g++) {
        r->blocks[g] = rs_calloc_aligned(r->n_params, sizeof(float));
        if (!r->blocks[g])
            return rs_fail(err, RS_ENOMEM, "gradients of %zu parameters: no memory", r->n_params);
    }
    return RS_OK;
}

/* ---- What this machine can do ---------------------------------------- */

enum { PEAK_SIDE = 384, PEAK_ROUNDS = 3 };

typedef struct {
    float  *m;                                  /* [threads][3][PEAK_SIDE^2] */
    double *rate;                               /* [threads] FLOPS of a core */
} peak_ctx;

/* CPU seconds of this thread: what others do on the machine does not count. */
static double thread_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void multiply_item(void *ctx, size_t i, size_t worker)
{
    static const double FLOPS = 2.0 * PEAK_SIDE * PEAK_SIDE * PEAK_SIDE;
    const peak_ctx *p = ctx;
    size_t area = (size_t)PEAK_SIDE * PEAK_SIDE;
    float *m = p->m + worker * 3 * area;
    double began = thread_seconds();

    (void)i;
    rs_dense(RS_NN, m, m + area, m + 2 * area, PEAK_SIDE, PEAK_SIDE, PEAK_SIDE, 1, 0);
    p->rate[worker] = fmax(p->rate[worker], FLOPS / (thread_seconds() - began));
}

/* GFLOPS of our matrix product on all threads, had each a core of its own. 0 without
 * memory. */
static double measure_peak(rs_pool *pool)
{
    size_t workers = rs_pool_size(pool), area = (size_t)PEAK_SIDE * PEAK_SIDE;
    peak_ctx p = {rs_calloc_aligned(workers * 3 * area, sizeof(float)),
                  rs_calloc(workers, sizeof(double))};
    double best = 0;

    for (size_t i = 0; p.m && i < workers * 3 * area; i++)
        p.m[i] = (float)(i % 17) * 0.1f;
    if (p.m && p.rate)
        rs_pool_for(pool, PEAK_ROUNDS * workers, multiply_item, &p);
    for (size_t w = 0; p.rate && w < workers; w++)
        best = fmax(best, p.rate[w]);
    rs_free(p.m);
    rs_free(p.rate);
    return 1e-9 * best * (double)(workers < rs_cores() ? workers : rs_cores());
}

static void settle_schedule(rs_train_run *r)
{
    const rs_train_config *c = r->c;
    double epoch = (double)r->data.n_train / (double)c->batch;

    r->steps = c->steps ? c->steps : (uint64_t)ceil(c->epochs * epoch);
    r->warmup = c->warmup == UINT64_MAX ? r->steps / 20 : c->warmup;
    r->eval_every = c->eval_every == UINT64_MAX ? (r->steps + 19) / 20 : c->eval_every;
}

static rs_status open_run(rs_train_run *r, rs_err *err)
{
    size_t threads = r->o->threads ? r->o->threads : r->c->threads;
    rs_status st = rs_mkdirs(r->c->out, err);

    if (st == RS_OK)
        st = rs_pool_new(&r->pool, threads, err);
    if (st == RS_OK)
        st = open_model(r, err);
    if (st == RS_OK)
        st = open_data(r, err);
    if (st == RS_OK)
        st = open_sampler(r, err);
    if (st == RS_OK)
        st = open_teacher(r, err);
    if (st == RS_OK)
        st = open_blocks(r, err);
    if (st == RS_OK)
        st = rs_train_batch_new(r, err);
    if (st != RS_OK)
        return st;
    settle_schedule(r);
    r->peak_gflops = measure_peak(r->pool);
    if (r->o->resume)
        st = rs_checkpoint_load(r, err);
    return st == RS_OK ? rs_train_log_rewind(r, err) : st;
}

static void close_run(rs_train_run *r)
{
    rs_train_batch_clear(&r->batch);
    for (size_t g = 0; g < RS_GRAD_BLOCKS; g++)
        rs_free(r->blocks[g]);
    rs_adamw_free(r->map_adamw);
    rs_adamw_free(r->adamw);
    rs_free(r->map);
    rs_free(r->d_map);
    rs_teacher_clear(&r->teacher);
    rs_sampler_free(r->sampler);
    rs_dataset_clear(&r->data);
    rs_dual_close(r->model);
    rs_tokenizer_close(r->tokenizer);
    rs_pool_free(r->pool);
}

/* ---- The loop -------------------------------------------------------- */

static rs_status evaluate(rs_train_run *r, rs_train_summary *sum, rs_err *err)
{
    rs_set_report *per_set = rs_calloc(r->data.n_sets, sizeof *per_set);
    rs_status st = per_set ? rs_train_eval(r, &sum->eval, per_set, err)
                           : rs_fail(err, RS_ENOMEM, "evaluation: no memory");

    if (st == RS_OK && r->data.n_val)
        st = rs_train_log_eval(r, &sum->eval, per_set, err);
    if (st == RS_OK)
        st = rs_train_log_plot(r, err);
    if (st == RS_OK && r->o->on_eval)
        r->o->on_eval(r->o->ctx, r->step, &sum->eval);
    rs_free(per_set);
    return st;
}

/* One step and its line; three in a row that are not finite end the run. */
static rs_status step_and_log(rs_train_run *r, rs_train_summary *sum, size_t *bad, rs_err *err)
{
    rs_status st = rs_train_step(r, &sum->last, err);

    if (st != RS_OK)
        return st;
    st = rs_train_log_step(r, &sum->last, err);
    if (r->o->on_step)
        r->o->on_step(r->o->ctx, &sum->last);
    *bad = sum->last.skipped ? *bad + 1 : 0;
    sum->skipped += sum->last.skipped;
    if (*bad == MAX_BAD_STEPS)
        return rs_fail(err, RS_ECORRUPT, "step %llu: loss or gradient not finite %d times in a row: "
                       "try a lower lr", (unsigned long long)r->step, MAX_BAD_STEPS);
    return st;
}

static bool is_due(uint64_t step, uint64_t every)
{
    return every && step % every == 0;
}

static rs_status run_steps(rs_train_run *r, rs_train_summary *sum, rs_err *err)
{
    rs_progress *bar = rs_progress_new("training", "steps", (size_t)(r->steps - r->step),
                                       r->o->progress);
    uint64_t first = r->step;
    double began = rs_now_s(), busy = 0, work = 0;
    size_t bad = 0;
    rs_status st = RS_OK;

    while (st == RS_OK && r->step < r->steps) {
        bool stop = (r->o->stop && *r->o->stop) || (r->o->stop_after && r->step >= r->o->stop_after);
        if (stop) {
            st = rs_checkpoint_save(r, err);
            if (st == RS_OK)
                st = rs_fail(err, RS_ECANCEL, "stopped after step %llu of %llu: --resume goes on",
                             (unsigned long long)r->step, (unsigned long long)r->steps);
            break;
        }
        st = step_and_log(r, sum, &bad, err);
        busy += sum->last.seconds;
        work += sum->last.gflops * sum->last.seconds;
        rs_progress_add(bar, 1);
        if (st == RS_OK && is_due(r->step, r->eval_every) && r->step < r->steps)
            st = evaluate(r, sum, err);
        if (st == RS_OK && is_due(r->step, r->c->checkpoint_every) && r->step < r->steps)
            st = rs_checkpoint_save(r, err);
    }
    rs_progress_end(bar);
    sum->seconds = rs_now_s() - began;
    sum->samples_s = busy > 0 ? (double)(r->step - first) * (double)r->c->batch / busy : 0;
    sum->of_peak = busy > 0 && r->peak_gflops > 0 ? work / busy / r->peak_gflops : 0;
    return st;
}

/* ---- The end --------------------------------------------------------- */

/* Copy a file of the vocabulary where it is there. */
static rs_status copy_vocabulary(const char *from, const char *to, const char *name, rs_err *err)
{
    char *source = rs_path_join(from, name), *target = rs_path_join(to, name), *data = NULL;
    size_t len = 0;
    rs_status st = source && target ? RS_OK : rs_fail(err, RS_ENOMEM, "training: no memory");

    if (st == RS_OK && rs_file_exists(source)) {
        st = rs_file_read(&data, &len, source, MAX_VOCABULARY, err);
        if (st == RS_OK)
            st = rs_file_write(target, data, len, err);
    }
    rs_free(data);
    rs_free(source);
    rs_free(target);
    return st;
}

static rs_status save_model(rs_train_run *r, rs_err *err)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer.json",
                                        "tokenizer_config.json", "special_tokens_map.json",
                                        "spiece.model", "vocab.txt"};
    char *path = NULL;
    rs_status st = rs_dual_save(r->model, r->c->out, r->c->half, err);

    for (size_t i = 0; st == RS_OK && i < sizeof names / sizeof *names; i++)
        st = copy_vocabulary(r->c->vocab, r->c->out, names[i], err);
    if (st == RS_OK && r->preprocess.processor != RS_PROCESSOR_OPEN_CLIP) {
        path = rs_path_join(r->c->out, "preprocessor_config.json");
        st = path ? rs_preprocess_save(&r->preprocess, path, err)
                  : rs_fail(err, RS_ENOMEM, "training: no memory");
    }
    rs_free(path);
    return st;
}

static rs_status finish(rs_train_run *r, rs_train_summary *sum, rs_err *err)
{
    rs_status st = rs_checkpoint_save(r, err);

    if (st == RS_OK)
        st = evaluate(r, sum, err);
    return st == RS_OK ? save_model(r, err) : st;
}

rs_status rs_train(const rs_train_config *c, const rs_train_options *o, rs_train_summary *sum,
                   rs_err *err)
{
    rs_train_run r = {.c = c, .o = o};
    rs_status st;

    *sum = (rs_train_summary){0};
    st = open_run(&r, err);
    sum->train_rows = r.data.n_train;
    sum->val_rows = r.data.n_val;
    sum->broken = r.data.broken;
    sum->parameters = r.n_params;
    if (st == RS_OK)
        st = run_steps(&r, sum, err);
    if (st == RS_OK)
        st = finish(&r, sum, err);
    sum->steps = r.step;
    close_run(&r);
    return st;
}
