/* log.c - see log.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { MAX_VALUE = 4096 };

static atomic_int lowest = RS_LOG_WARN;
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;
static int file = STDERR_FILENO;

void rs_log_set_level(rs_log_level level)
{
    atomic_store(&lowest, (int)level);
}

rs_status rs_log_open(const char *path, rs_err *err)
{
    int fd = STDERR_FILENO;

    if (path) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return rs_fail_errno(err, "open log %s", path);
    }
    pthread_mutex_lock(&file_lock);
    if (file != STDERR_FILENO)
        close(file);
    file = fd;
    pthread_mutex_unlock(&file_lock);
    return RS_OK;
}

void rs_log_close(void)
{
    rs_log_open(NULL, NULL);
}

static void put_string(rs_buf *b, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = strnlen(text, MAX_VALUE), len;

    rs_buf_putc(b, '"');
    for (size_t i = 0; i < n; i += len) {
        len = rs_utf8_length(s + i, n - i);
        if (len == 0) {
            rs_buf_puts(b, "\xef\xbf\xbd");
            len = 1;
        } else if (s[i] == '"' || s[i] == '\\') {
            rs_buf_putc(b, '\\');
            rs_buf_putc(b, (char)s[i]);
        } else if (s[i] < 0x20 || s[i] == 0x7f) {
            rs_buf_printf(b, "\\u%04x", s[i]);
        } else {
            rs_buf_append(b, s + i, len);
        }
    }
    rs_buf_putc(b, '"');
}

static void write_line(const rs_buf *b)
{
    pthread_mutex_lock(&file_lock);
    /* One write, so that lines of several processes do not mix; a log that cannot be
     * written must not stop the work that it reports. */
    if (write(file, b->data, b->len) < 0) {
        /* nowhere left to say so */
    }
    pthread_mutex_unlock(&file_lock);
}

static void begin_line(rs_buf *b, rs_log_level level, const char *event)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char now[32];

    rs_utc_text(now);
    rs_buf_printf(b, "{\"t\":\"%s\",\"level\":\"%s\",\"event\":", now, names[level]);
    put_string(b, event);
}

static void put_field(rs_buf *b, const char *name, const char *value)
{
    rs_buf_putc(b, ',');
    put_string(b, name);
    rs_buf_putc(b, ':');
    put_string(b, value);
}

void rs_log_event(rs_log_level level, const char *event, ...)
{
    rs_buf b = {0};
    const char *name;
    va_list ap;

    if ((int)level < atomic_load(&lowest))
        return;
    begin_line(&b, level, event);
    va_start(ap, event);
    while ((name = va_arg(ap, const char *)) != NULL) {
        const char *value = va_arg(ap, const char *);
        put_field(&b, name, value ? value : "");
    }
    va_end(ap);
    rs_buf_puts(&b, "}\n");
    if (!b.failed)
        write_line(&b);
    rs_buf_clear(&b);
}

void rs_log_error(rs_log_level level, const char *event, const rs_err *err)
{
    rs_log_event(level, event, "status", rs_status_name(err->code), "error", err->msg,
                 (const char *)NULL);
}
