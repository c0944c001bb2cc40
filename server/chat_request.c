/* chat_request.c - see chat_request.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/chat_request.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/json.h"

#include <string.h>

const char *rs_chat_image_type(const char *bytes, size_t len)
{
    if (len > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return "image/png";
    return len > 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0 ? "image/jpeg" : NULL;
}

/* RFC 4648, section 4. */
static void put_base64(rs_buf *b, const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    rs_buf_reserve(b, (n + 2) / 3 * 4);
    for (size_t i = 0; i < n; i += 3) {
        unsigned long v = (unsigned long)p[i] << 16 |
                          (i + 1 < n ? (unsigned long)p[i + 1] << 8 : 0) |
                          (i + 2 < n ? p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        if (i + 1 >= n)
            four[2] = '=';
        if (i + 2 >= n)
            four[3] = '=';
        rs_buf_append(b, four, 4);
    }
}

static json_t *image_part(const rs_chat_image *im)
{
    const char *type = rs_chat_image_type(im->bytes, im->len);
    rs_buf b = {0};
    json_t *part;

    if (!type || im->len > RS_CHAT_IMAGE_BYTES)
        return NULL;
    rs_buf_printf(&b, "data:%s;base64,", type);
    put_base64(&b, (const unsigned char *)im->bytes, im->len);
    part = b.failed ? NULL : json_pack("{s:s,s:{s:s}}", "type", "image_url", "image_url", "url",
                                       b.data);
    rs_buf_clear(&b);
    return part;
}

static json_t *content_of(const rs_chat *chat, const rs_message *m, bool sees)
{
    json_t *list, *part;

    if (!sees || chat->n_images == 0)
        return rs_json_any(m->text);
    list = json_array();
    json_array_append_new(list, json_pack("{s:s,s:o}", "type", "text", "text",
                                          rs_json_any(m->text)));
    for (size_t i = 0; i < chat->n_images && i < RS_CHAT_IMAGES; i++)
        if ((part = image_part(&chat->images[i])) != NULL) {
            json_array_append_new(list, json_pack("{s:s,s:o}", "type", "text", "text",
                                                  rs_json_any(chat->images[i].label)));
            json_array_append_new(list, part);
        }
    return list;
}

static json_t *messages_of(const rs_chat *chat, bool sees)
{
    json_t *list = json_array();
    size_t last = chat->n;

    for (size_t i = 0; i < chat->n; i++)
        if (strcmp(chat->messages[i].role, "user") == 0)
            last = i;
    for (size_t i = 0; i < chat->n; i++)
        json_array_append_new(list, json_pack("{s:s,s:o}", "role", chat->messages[i].role,
                              "content", content_of(chat, &chat->messages[i], sees && i == last)));
    return list;
}

static json_t *format_of(const rs_chat *chat)
{
    return json_pack("{s:s,s:{s:s,s:b,s:o}}", "type", "json_schema", "json_schema", "name",
                     chat->schema_name, "strict", 1, "schema",
                     json_loads(chat->schema, 0, NULL));
}

const char *rs_chat_request(const rs_generator *g, const rs_chat *chat, bool plain, rs_arena *mem)
{
    json_t *o = json_pack("{s:o,s:f,s:I,s:b}", "messages", messages_of(chat, g->images),
                          "temperature", g->temperature, "max_tokens", (json_int_t)g->max_tokens,
                          "stream", 1);

    if (*g->model)
        json_object_set_new(o, "model", rs_json_any(g->model));
    if (chat->schema && g->json_schema && !plain)
        json_object_set_new(o, "response_format", format_of(chat));
    return rs_json_keep(o, mem);
}
