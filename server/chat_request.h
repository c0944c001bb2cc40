/* chat_request.h - a chat completion asked for: the JSON that POST .../chat/completions takes.
 *
 *   {"model": "m", "messages": [
 *      {"role": "system", "content": "You compare ..."},
 *      {"role": "user", "content": [{"type": "text", "text": "..."},
 *         {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}]}],
 *    "temperature": 0, "max_tokens": 1024, "stream": true,
 *    "response_format": {"type": "json_schema", "json_schema": {...}}}
 *
 * Images are data URLs, never addresses: nothing is fetched for us by somebody else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_CHAT_REQUEST_H
#define RS_SERVER_CHAT_REQUEST_H

#include "base/arena.h"
#include "engine/prompts.h"
#include "server/generators.h"

enum { RS_CHAT_IMAGES = 6, RS_CHAT_IMAGE_BYTES = 4 << 20 };

/* PNG or JPEG; others, and what is larger, are left out. */
typedef struct {
    const char *label;             /* "Image of case [1]:" */
    const char *bytes;
    size_t      len;
} rs_chat_image;

typedef struct {
    const rs_message *messages;    size_t n;
    const rs_chat_image *images;   size_t n_images;    /* behind the last user's text */
    const char *schema;            /* JSON schema of the answer, a text of ours; NULL for prose */
    const char *schema_name;
} rs_chat;

/* The request in `mem`; `plain`: without response_format, for those that refuse it. NULL on
 * OOM. */
const char *rs_chat_request(const rs_generator *g, const rs_chat *chat, bool plain, rs_arena *mem);

/* "image/png", "image/jpeg", or NULL. */
const char *rs_chat_image_type(const char *bytes, size_t len);

#endif
