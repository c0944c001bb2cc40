/* cmd_train.c - radscout train CONFIG: one training run, with a line a step on a terminal's
 * progress bar and a summary at the end. SIGINT and SIGTERM stop it after the step it is
 * in, with a checkpoint.
 * SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "embeddings/train.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction a;

    memset(&a, 0, sizeof a);
    a.sa_handler = on_signal;
    a.sa_flags = (int)SA_RESETHAND;             /* a second one ends the program at once */
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static void on_eval(void *ctx, uint64_t step, const rs_eval_report *e)
{
    (void)ctx;
    if (e->rows == 0)
        return;
    fprintf(stderr, "step %llu: of %zu val rows, text->image R@1 %.3f R@5 %.3f R@10 %.3f, "
            "image->text R@1 %.3f R@5 %.3f R@10 %.3f, zero-shot %.3f\n",
            (unsigned long long)step, e->rows, e->text_to_image.r1, e->text_to_image.r5,
            e->text_to_image.r10, e->image_to_text.r1, e->image_to_text.r5, e->image_to_text.r10,
            e->zero_shot);
}

/* A number of JSON, which has no NaN. */
static void print_real(const char *key, double v)
{
    if (isfinite(v))
        printf(", \"%s\": %.6g", key, v);
    else
        printf(", \"%s\": null", key);
}

static void print_json(const rs_train_summary *s)
{
    printf("{\"steps\": %llu, \"skipped\": %llu, \"train_rows\": %zu, \"val_rows\": %zu, "
           "\"broken\": %zu, \"parameters\": %zu", (unsigned long long)s->steps,
           (unsigned long long)s->skipped, s->train_rows, s->val_rows, s->broken, s->parameters);
    print_real("seconds", s->seconds);
    print_real("samples_s", s->samples_s);
    print_real("of_peak", s->of_peak);
    print_real("loss", s->last.loss);
    print_real("logit_scale", s->last.logit_scale);
    print_real("text_to_image_r1", s->eval.text_to_image.r1);
    print_real("image_to_text_r1", s->eval.image_to_text.r1);
    print_real("zero_shot", s->eval.zero_shot);
    printf("}\n");
}

static void print_text(const rs_train_config *c, const rs_train_summary *s)
{
    printf("%llu steps of %zu images in %.0f s: %.1f samples/s, %.1f GFLOPS, %.0f%% of peak\n",
           (unsigned long long)s->steps, c->batch, s->seconds, s->samples_s, s->last.gflops,
           100 * s->of_peak);
    printf("%zu training and %zu validation rows (%zu images skipped), %zu parameters\n",
           s->train_rows, s->val_rows, s->broken, s->parameters);
    printf("last loss %.4f, logit scale %.2f; model in %s\n", s->last.loss,
           s->last.logit_scale, c->out);
}

/* The fields of "augment" with their defaults. */
static void print_augment(void)
{
    rs_buf text = {0};

    rs_augment_describe(&text);
    fputs(text.data ? text.data : "", stdout);
    rs_buf_clear(&text);
}

static int run(rs_cli *cli)
{
    rs_train_config config = {0};
    rs_train_summary sum = {0};
    rs_err err = {0};
    long long threads, after;
    rs_progress_mode mode = rs_cli_progress(cli);
    rs_status st;

    if (rs_cli_flag(cli, "augment")) {
        print_augment();
        return RS_EXIT_OK;
    }
    if (rs_cli_args(cli) == 0)
        return rs_cli_usage(cli, "CONFIG is missing");
    if (!rs_cli_number(cli, "threads", 0, 1024, 0, &threads)
        || !rs_cli_number(cli, "steps", 0, 1000000000, 0, &after))
        return RS_EXIT_USAGE;
    st = rs_train_config_load(&config, rs_cli_arg(cli, 0), &err);
    if (st != RS_OK)
        return rs_cli_fail(cli, &err);
    catch_signals();
    st = rs_train(&config, &(rs_train_options){
        .resume = rs_cli_flag(cli, "resume"), .stop_after = (uint64_t)after,
        .threads = (size_t)threads, .progress = mode, .stop = &stop,
        .on_eval = mode == RS_PROGRESS_AUTO ? on_eval : NULL}, &sum, &err);
    if (st == RS_OK && mode == RS_PROGRESS_JSON)
        print_json(&sum);
    else if (st == RS_OK && mode == RS_PROGRESS_AUTO)
        print_text(&config, &sum);
    rs_train_config_clear(&config);
    if (st == RS_ECANCEL && !stop) {            /* --steps asked for it */
        if (mode == RS_PROGRESS_AUTO)
            fprintf(stderr, "%s\n", err.msg);
        return RS_EXIT_OK;
    }
    return st == RS_OK ? RS_EXIT_OK : rs_cli_fail(cli, &err);
}

static const rs_option options[] = {
    {"resume", 0, NULL, "go on from OUT/checkpoint.bin, bit for bit"},
    {"steps", 0, "N", "write a checkpoint and stop after step N"},
    {"augment", 0, NULL, "print the fields of \"augment\" and what they mean"},
    {"threads", 0, "N", "threads in all (default: the config's, else all cores);\n"
                        "results do not depend on it"},
    {"quiet", 'q', NULL, "no progress and no summary"},
    {"json", 0, NULL, "progress and summary as JSON lines"},
    {0},
};

const rs_command rs_command_train = {
    .name = "train", .args = "CONFIG",
    .summary = "train an encoder on images and texts",
    .description = rs_train_config_help,
    .examples = "  radscout train data/models/scout-mini/train.json\n"
                "  radscout train train.json --resume",
    .options = options, .min_args = 0, .max_args = 1, .run = run,
};
