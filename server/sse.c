/* sse.c - see sse.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/sse.h"

#include <string.h>

/* `text` without line ends. */
static void put_line(rs_buf *b, const char *name, const char *text)
{
    rs_buf_puts(b, name);
    for (; *text; text++)
        if (*text != '\n' && *text != '\r')
            rs_buf_putc(b, *text);
    rs_buf_putc(b, '\n');
}

static void put_chunk(rs_buf *out, rs_buf *event)
{
    out->failed |= event->failed;
    rs_buf_printf(out, "%zx\r\n", event->len);
    rs_buf_append(out, event->data, event->len);
    rs_buf_puts(out, "\r\n");
    rs_buf_clear(event);
}

void rs_sse_event(rs_buf *out, const char *event, const char *id, const char *data)
{
    rs_buf b = {0};

    put_line(&b, "event: ", event);
    if (id)
        put_line(&b, "id: ", id);
    for (;;) {                                 /* CR, LF and CRLF all end a line */
        size_t n = strcspn(data, "\r\n");
        rs_buf_puts(&b, "data: ");
        rs_buf_append(&b, data, n);
        rs_buf_putc(&b, '\n');
        data += n;
        if (*data == '\0')
            break;
        data += data[0] == '\r' && data[1] == '\n' ? 2 : 1;
    }
    rs_buf_putc(&b, '\n');
    put_chunk(out, &b);
}

void rs_sse_ping(rs_buf *out)
{
    rs_buf b = {0};

    rs_buf_puts(&b, ": still here\n\n");
    put_chunk(out, &b);
}

void rs_sse_end(rs_buf *out)
{
    rs_buf_puts(out, "0\r\n\r\n");
}
