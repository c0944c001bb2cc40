/* sse_parse.c - see sse_parse.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/sse_parse.h"

#include <stdio.h>
#include <string.h>

/* The value of the line where it is of `field`: "data: x", "data:x", "data". */
static const char *value_of(const char *line, const char *field)
{
    const size_t n = strlen(field);

    if (strncmp(line, field, n) != 0 || (line[n] != ':' && line[n] != '\0'))
        return NULL;
    line += n + (line[n] == ':');
    return line + (*line == ' ');
}

static rs_status dispatch(rs_sse_parser *p, rs_sse_take *take, void *ctx)
{
    const bool there = p->has_data;
    rs_status st = RS_OK;

    if (there && !take(ctx, *p->event ? p->event : "message", p->data.data, p->data.len))
        st = RS_ECANCEL;
    p->data.len = 0;
    p->has_data = false;
    p->event[0] = '\0';
    return st;
}

static void add_data(rs_sse_parser *p, const char *value, size_t len)
{
    if (p->has_data)
        rs_buf_putc(&p->data, '\n');
    rs_buf_append(&p->data, value, len);
    p->has_data = true;
}

/* The line in p->line is whole. */
static rs_status take_line(rs_sse_parser *p, rs_sse_take *take, void *ctx)
{
    const char *line = p->line.data, *end = line + p->line.len, *value;

    if (p->line.len == 0)
        return dispatch(p, take, ctx);
    if ((value = value_of(line, "data")) != NULL) {
        add_data(p, value, (size_t)(end - value));
    } else if ((value = value_of(line, "event")) != NULL) {
        snprintf(p->event, sizeof p->event, "%s", value);
    } else if ((value = value_of(line, "error")) != NULL) {
        p->data.len = 0;
        p->has_data = false;
        add_data(p, value, (size_t)(end - value));
        snprintf(p->event, sizeof p->event, "error");
        return p->data.failed ? RS_ENOMEM : dispatch(p, take, ctx);
    }
    return p->data.failed ? RS_ENOMEM : p->data.len > RS_SSE_MAX ? RS_ELIMIT : RS_OK;
}

static rs_status end_line(rs_sse_parser *p, rs_sse_take *take, void *ctx)
{
    static const char mark[] = "\xEF\xBB\xBF";
    rs_status st;

    rs_buf_append(&p->line, "", 0);            /* so that it is a text even when empty */
    if (p->line.failed || !p->line.data)
        return RS_ENOMEM;
    if (!p->begun && strncmp(p->line.data, mark, 3) == 0) {
        memmove(p->line.data, p->line.data + 3, p->line.len - 2);
        p->line.len -= 3;
    }
    p->begun = true;
    st = take_line(p, take, ctx);
    p->line.len = 0;
    p->line.data[0] = '\0';
    return st;
}

rs_status rs_sse_parse(rs_sse_parser *p, const char *bytes, size_t n, rs_sse_take *take,
                       void *ctx)
{
    const char *end = bytes + n;
    rs_status st = RS_OK;

    while (bytes < end && st == RS_OK) {
        const char *stop = bytes;
        if (p->after_cr && *bytes == '\n') {
            p->after_cr = false;
            bytes++;
            continue;
        }
        p->after_cr = false;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        rs_buf_append(&p->line, bytes, (size_t)(stop - bytes));
        if (p->line.failed)
            return RS_ENOMEM;
        if (p->line.len > RS_SSE_MAX)
            return RS_ELIMIT;
        if (stop < end) {
            p->after_cr = *stop++ == '\r';
            st = end_line(p, take, ctx);
        }
        bytes = stop;
    }
    return st;
}

rs_status rs_sse_parse_end(rs_sse_parser *p, rs_sse_take *take, void *ctx)
{
    rs_status st = p->line.len ? end_line(p, take, ctx) : RS_OK;

    return st == RS_OK ? dispatch(p, take, ctx) : st;
}

void rs_sse_parser_clear(rs_sse_parser *p)
{
    rs_buf_clear(&p->line);
    rs_buf_clear(&p->data);
    *p = (rs_sse_parser){.begun = false};
}
