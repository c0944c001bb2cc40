/* run.h - drives $RADSCOUT_BIN as a user would: arguments in, exit code, stdout and
 * stderr out. No shell in between, so that arguments may be any bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_TESTS_RUN_H
#define RS_TESTS_RUN_H

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 24 };

/* What the last run said; NUL-terminated, length beside it. */
static char *said_out, *said_err;
static size_t said_out_len, said_err_len;

/* Start the program with its output into SCRATCH/stdout and SCRATCH/stderr. */
static inline pid_t start_radscout(const char *const *args)
{
    const char *bin = getenv("RADSCOUT_BIN");
    char *argv[MAX_ARGS + 2] = {NULL};
    pid_t pid;

    assert_non_null(bin);
    argv[0] = (char *)(uintptr_t)bin;
    for (int i = 0; args[i]; i++) {
        assert_true(i < MAX_ARGS);
        argv[i + 1] = (char *)(uintptr_t)args[i];
    }
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int in = open("/dev/null", O_RDONLY);
        int out = open(at("stdout"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int err = open(at("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
            _exit(126);
        execv(bin, argv);
        _exit(127);
    }
    return pid;
}

static inline void forget_said(void)
{
    rs_free(said_out);
    rs_free(said_err);
    said_out = said_err = NULL;
}

/* Wait for it and read what it said. The exit code, or -signal. */
static inline int end_radscout(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    forget_said();
    assert_int_equal(rs_file_read(&said_out, &said_out_len, at("stdout"), 1 << 26, NULL), RS_OK);
    assert_int_equal(rs_file_read(&said_err, &said_err_len, at("stderr"), 1 << 26, NULL), RS_OK);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define radscout(...) end_radscout(start_radscout((const char *const[]){__VA_ARGS__, NULL}))

/* The run ends with `code`; if not, what it said is shown. */
#define assert_exit(code, ...) \
    do { \
        int code_ = radscout(__VA_ARGS__); \
        if (code_ != (code)) \
            fail_msg("line %d: exit %d, wanted %d\n%s%s", __LINE__, code_, (code), said_out, said_err); \
    } while (0)

#define assert_says(text, part) \
    do { \
        if (!strstr((text), (part))) \
            fail_msg("line %d: wanted '%s' in: %s", __LINE__, (part), (text)); \
    } while (0)

#endif
