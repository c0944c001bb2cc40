/* chat_stream.c - see chat_stream.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/chat_stream.h"

#include "base/alloc.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* ---- What went wrong ------------------------------------------------- */

/* One line of printable ASCII and whole other characters. */
static void put_plain(char out[200], const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n < 190;) {
        size_t k = rs_utf8_length((const unsigned char *)text + i, len - i);
        if (k > 1 && n + k < 190 && (unsigned char)text[i] != 0xC2) {
            memcpy(out + n, text + i, k);
            n += k;
        } else {
            unsigned char c = (unsigned char)text[i];
            out[n++] = c >= ' ' && c < 0x7F ? (char)c : c < ' ' ? ' ' : '?';
            k = k ? k : 1;
        }
        i += k;
    }
    out[n] = '\0';
}

static const char *message_in(const json_t *v)
{
    static const char *const names[] = {"message", "detail", "error"};
    const json_t *inner = json_object_get(v, "error");

    if (json_is_string(v))
        return json_string_value(v);
    if (json_is_object(inner))
        v = inner;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_is_string(json_object_get(v, names[i])))
            return json_string_value(json_object_get(v, names[i]));
    return NULL;
}

void rs_chat_problem(const char *body, size_t len, char out[200])
{
    json_t *v = json_loadb(body, len, JSON_DECODE_ANY, NULL);
    const char *text = message_in(v);

    if (text)
        put_plain(out, text, strlen(text));
    else
        put_plain(out, body, len);
    json_decref(v);
}

static bool stop(rs_chat_stream *s, rs_status st, const char *what, const char *detail)
{
    if (s->st == RS_OK) {
        s->st = st;
        snprintf(s->problem, sizeof s->problem, "%s%s%.180s", what, *detail ? ": " : "", detail);
    }
    return false;
}

static bool fail_with(rs_chat_stream *s, const char *body, size_t len)
{
    char text[200];

    rs_chat_problem(body, len, text);
    return stop(s, RS_EIO, "the generator failed", text);
}

/* ---- Text ------------------------------------------------------------ */

static bool add(rs_chat_stream *s, rs_buf *to, const char *text)
{
    const size_t n = text ? strlen(text) : 0;

    if (n == 0)
        return true;
    if (n > RS_CHAT_MAX || to->len > RS_CHAT_MAX - n)
        return stop(s, RS_ELIMIT, "the generator does not stop", "over 1 MiB");
    rs_buf_append(to, text, n);
    if (to->failed)
        return stop(s, RS_ENOMEM, "no memory for an answer", "");
    if (s->on_text)
        s->on_text(s->ctx, text, to == &s->reasoning);
    return true;
}

/* A string, or a list of {"type":"text","text":...}. */
static bool add_content(rs_chat_stream *s, rs_buf *to, const json_t *v)
{
    const json_t *part;
    bool more = true;
    size_t i;

    if (json_is_string(v))
        return add(s, to, json_string_value(v));
    json_array_foreach(v, i, part)
        more = more && add(s, to, json_string_value(json_object_get(part, "text")));
    return more;
}

/* {"delta": {...}} or {"message": {...}} with its finish_reason. */
static bool add_choice(rs_chat_stream *s, const json_t *choice)
{
    const json_t *delta = json_object_get(choice, "delta"), *why;

    if (!json_is_object(delta))
        delta = json_object_get(choice, "message");
    why = json_object_get(delta, "reasoning_content");
    if (!json_is_string(why))
        why = json_object_get(delta, "reasoning");
    if (!add_content(s, &s->reasoning, why) ||
        !add_content(s, &s->text, json_object_get(delta, "content")))
        return false;
    if (!json_is_string(json_object_get(choice, "finish_reason")))
        return true;
    snprintf(s->finish, sizeof s->finish, "%s",
             json_string_value(json_object_get(choice, "finish_reason")));
    return stop(s, RS_ECANCEL, "the end", "");
}

static bool add_object(rs_chat_stream *s, const json_t *o, const char *bytes, size_t len)
{
    const json_t *error = json_object_get(o, "error"), *choices = json_object_get(o, "choices");

    if ((error && !json_is_null(error)) || (!choices && message_in(o)))
        return fail_with(s, bytes, len);
    if (!json_is_array(choices))
        return stop(s, RS_ECORRUPT, "the generator's answer has no choices", "");
    return json_array_size(choices) == 0 || add_choice(s, json_array_get(choices, 0));
}

/* Bytes that are not UTF-8 become '?'; jansson takes none. */
static json_t *load_kindly(const char *bytes, size_t len)
{
    json_t *o = json_loadb(bytes, len, 0, NULL);
    char *copy = o ? NULL : rs_malloc(len + 1);

    if (!copy)
        return o;
    for (size_t i = 0; i < len;) {
        size_t n = rs_utf8_length((const unsigned char *)bytes + i, len - i);
        memcpy(copy + i, n ? bytes + i : "?", n ? n : 1);
        i += n ? n : 1;
    }
    o = json_loadb(copy, len, 0, NULL);
    rs_free(copy);
    return o;
}

static bool add_json(rs_chat_stream *s, const char *bytes, size_t len)
{
    json_t *o = load_kindly(bytes, len);
    bool more = json_is_object(o) ? add_object(s, o, bytes, len)
                                  : stop(s, RS_ECORRUPT, "the generator does not speak JSON", "");

    json_decref(o);
    return more;
}

static bool take_event(void *ctx, const char *event, const char *data, size_t len)
{
    rs_chat_stream *s = ctx;

    if (strcmp(event, "error") == 0)
        return fail_with(s, data, len);
    while (len && strchr(" \t", data[len - 1]))
        len--;
    if (len == 6 && memcmp(data, "[DONE]", 6) == 0)
        return stop(s, RS_ECANCEL, "the end", "");
    return len == 0 || add_json(s, data, len);
}

/* ---- Bytes ----------------------------------------------------------- */

static rs_status report(rs_chat_stream *s, rs_status st, rs_err *err)
{
    if (st == RS_ELIMIT)
        stop(s, st, "the generator sends an event of over 4 MiB", "");
    else if (st == RS_ENOMEM)
        stop(s, st, "no memory for an answer", "");
    return s->st == RS_OK || s->st == RS_ECANCEL ? s->st : rs_fail(err, s->st, "%s", s->problem);
}

rs_status rs_chat_stream_read(rs_chat_stream *s, const char *bytes, size_t n, rs_err *err)
{
    rs_status st = RS_OK;

    if (s->st != RS_OK)
        return report(s, RS_OK, err);
    for (size_t i = 0; !s->begun && i < n; i++)
        if (!strchr(" \t\r\n", bytes[i]) || !bytes[i]) {
            s->begun = true;
            s->is_whole = bytes[i] == '{';
        }
    if (!s->is_whole) {
        st = rs_sse_parse(&s->sse, bytes, n, take_event, s);
    } else if (s->whole.len + n > 4 * (size_t)RS_CHAT_MAX) {
        stop(s, RS_ELIMIT, "the generator does not stop", "over 4 MiB");
    } else {
        rs_buf_append(&s->whole, bytes, n);
        st = s->whole.failed ? RS_ENOMEM : RS_OK;
    }
    return report(s, st, err);
}

rs_status rs_chat_stream_end(rs_chat_stream *s, rs_err *err)
{
    rs_status st = RS_OK;

    if (s->st == RS_OK && s->is_whole)
        add_json(s, s->whole.data, s->whole.len);
    else if (s->st == RS_OK)
        st = rs_sse_parse_end(&s->sse, take_event, s);
    if (s->st == RS_ECANCEL)
        s->st = RS_OK;
    if (s->st == RS_OK && st != RS_ELIMIT && st != RS_ENOMEM && s->text.len == 0)
        stop(s, RS_ECORRUPT, "the generator answers nothing", "");
    return report(s, st, err);
}

void rs_chat_stream_clear(rs_chat_stream *s)
{
    rs_buf_clear(&s->text);
    rs_buf_clear(&s->reasoning);
    rs_buf_clear(&s->whole);
    rs_sse_parser_clear(&s->sse);
    *s = (rs_chat_stream){.on_text = s->on_text, .ctx = s->ctx};
}
