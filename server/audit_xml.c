/* audit_xml.c - see audit_xml.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/audit_xml.h"

#include "server/audit_log.h"

#include <stdint.h>
#include <string.h>

typedef struct { const char *code, *text; } code;

static const struct {
    code id, type;                 /* `type` may be without one */
    char action;
} events[] = {
    [RS_AUDIT_QUERY]  = {{"110112", "Query"}, {NULL, NULL}, 'E'},
    [RS_AUDIT_ACCESS] = {{"110103", "DICOM Instances Accessed"}, {NULL, NULL}, 'R'},
    [RS_AUDIT_LOGIN]  = {{"110114", "User Authentication"}, {"110122", "Login"}, 'E'},
    [RS_AUDIT_LOGOUT] = {{"110114", "User Authentication"}, {"110123", "Logout"}, 'E'},
    [RS_AUDIT_DENIED] = {{"110114", "User Authentication"}, {"110122", "Login"}, 'E'},
    [RS_AUDIT_CHANGE] = {{"110103", "DICOM Instances Accessed"}, {NULL, NULL}, 'U'},
    [RS_AUDIT_START]  = {{"110100", "Application Activity"}, {"110120", "Application Start"}, 'E'},
    [RS_AUDIT_STOP]   = {{"110100", "Application Activity"}, {"110121", "Application Stop"}, 'E'},
};

/* ---- Text ------------------------------------------------------------ */

/* U+FFFE and U+FFFF in UTF-8: no characters of XML, as control characters are not. */
static bool no_character(const char *s)
{
    return strncmp(s, "\xef\xbf\xbe", 3) == 0 || strncmp(s, "\xef\xbf\xbf", 3) == 0;
}

/* As the value of an attribute. */
static void put_text(rs_buf *out, const char *s)
{
    for (; *s; s++) {
        switch (*s) {
        case '&': rs_buf_puts(out, "&amp;"); break;
        case '<': rs_buf_puts(out, "&lt;"); break;
        case '>': rs_buf_puts(out, "&gt;"); break;
        case '"': rs_buf_puts(out, "&quot;"); break;
        case '\'': rs_buf_puts(out, "&apos;"); break;
        case '\t': case '\n': case '\r': rs_buf_printf(out, "&#%d;", *s); break;
        default:
            if ((unsigned char)*s < 0x20 || *s == 0x7f) {
                rs_buf_putc(out, '?');
            } else if (no_character(s)) {
                rs_buf_putc(out, '?');
                s += 2;
            } else {
                rs_buf_putc(out, *s);
            }
        }
    }
}

static void put_attribute(rs_buf *out, const char *name, const char *value)
{
    rs_buf_printf(out, " %s=\"", name);
    put_text(out, value);
    rs_buf_putc(out, '"');
}

static void put_base64(rs_buf *out, const char *text)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = (const unsigned char *)text;

    for (size_t n = strlen(text); n; n -= n < 3 ? n : 3, s += 3) {
        const uint32_t x = (uint32_t)s[0] << 16 | (n > 1 ? (uint32_t)s[1] << 8 : 0) |
                           (n > 2 ? s[2] : 0);
        rs_buf_putc(out, digit[x >> 18]);
        rs_buf_putc(out, digit[x >> 12 & 63]);
        rs_buf_putc(out, n > 1 ? digit[x >> 6 & 63] : '=');
        rs_buf_putc(out, n > 2 ? digit[x & 63] : '=');
        if (n < 3)
            break;
    }
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? text : "";
}

static void put_code(rs_buf *out, const char *element, const char *value, const char *system,
                     const char *text)
{
    rs_buf_printf(out, "<%s", element);
    put_attribute(out, "csd-code", value);
    put_attribute(out, "codeSystemName", system);
    put_attribute(out, "originalText", text);
    rs_buf_puts(out, "/>");
}

/* ---- Parts ----------------------------------------------------------- */

/* 0 done; 4 refused or not there; 8 the server failed. */
static const char *outcome(const json_t *line, rs_audit_kind k)
{
    const json_int_t status = json_integer_value(json_object_get(line, "status"));

    if (status >= 500)
        return "8";
    return status >= 400 || k == RS_AUDIT_DENIED ? "4" : "0";
}

static void put_event(rs_buf *out, const json_t *line, rs_audit_kind k)
{
    rs_buf_printf(out, "<EventIdentification EventActionCode=\"%c\"", events[k].action);
    put_attribute(out, "EventDateTime", text_of(line, "t"));
    put_attribute(out, "EventOutcomeIndicator", outcome(line, k));
    rs_buf_putc(out, '>');
    put_code(out, "EventID", events[k].id.code, "DCM", events[k].id.text);
    if (events[k].type.code)
        put_code(out, "EventTypeCode", events[k].type.code, "DCM", events[k].type.text);
    rs_buf_puts(out, "</EventIdentification>");
}

/* Between whom data goes: whoever asks sends a query, and is sent cases. */
static void put_role(rs_buf *out, rs_audit_kind k, bool asks)
{
    const bool source = (k == RS_AUDIT_QUERY) == asks;

    if (k == RS_AUDIT_QUERY || k == RS_AUDIT_ACCESS || k == RS_AUDIT_CHANGE)
        put_code(out, "RoleIDCode", source ? "110153" : "110152", "DCM",
                 source ? "Source Role ID" : "Destination Role ID");
}

/* Who asked, then the server. */
static void put_participants(rs_buf *out, const json_t *line, rs_audit_kind k, const char *source)
{
    const bool itself = k == RS_AUDIT_START || k == RS_AUDIT_STOP;
    const char *who = text_of(line, "who"), *role = text_of(line, "role");

    if (!itself) {
        rs_buf_puts(out, "<ActiveParticipant");
        put_attribute(out, "UserID", *who ? who : "unknown");
        put_attribute(out, "UserIsRequestor", "true");
        if (*text_of(line, "from")) {
            put_attribute(out, "NetworkAccessPointID", text_of(line, "from"));
            put_attribute(out, "NetworkAccessPointTypeCode", "2");       /* an IP address */
        }
        rs_buf_putc(out, '>');
        put_role(out, k, true);
        if (*role)
            put_code(out, "RoleIDCode", role, "radscout", role);
        rs_buf_puts(out, "</ActiveParticipant>");
    }
    rs_buf_puts(out, "<ActiveParticipant");
    put_attribute(out, "UserID", source);
    put_attribute(out, "UserIsRequestor", "false");
    rs_buf_putc(out, '>');
    if (itself)
        put_code(out, "RoleIDCode", "110150", "DCM", "Application");
    else
        put_role(out, k, false);
    rs_buf_puts(out, "</ActiveParticipant><AuditSourceIdentification");
    put_attribute(out, "AuditSourceID", source);
    rs_buf_puts(out, "><AuditSourceTypeCode csd-code=\"4\"/></AuditSourceIdentification>");
}

static bool is_uid(const char *s)
{
    const size_t n = strlen(s);

    return n > 0 && n <= 64 && strspn(s, "0123456789.") == n && strchr(s, '.') && s[0] != '.';
}

/* An object of the system (type 2); role 3: a report, 24: a query. */
static void open_object(rs_buf *out, const char *id, const char *role, bool uid)
{
    rs_buf_puts(out, "<ParticipantObjectIdentification");
    put_attribute(out, "ParticipantObjectID", id);
    put_attribute(out, "ParticipantObjectTypeCode", "2");
    put_attribute(out, "ParticipantObjectTypeCodeRole", role);
    rs_buf_putc(out, '>');
    if (uid)
        put_code(out, "ParticipantObjectIDTypeCode", "110180", "DCM", "Study Instance UID");
    else if (strcmp(role, "24") == 0)
        put_code(out, "ParticipantObjectIDTypeCode", "10", "RFC-3881", "Search Criteria");
    else
        put_code(out, "ParticipantObjectIDTypeCode", "12", "RFC-3881", "URI");
}

static void put_query(rs_buf *out, const json_t *line)
{
    const char *asked = text_of(line, "asked");

    open_object(out, text_of(line, "path"), "24", false);
    rs_buf_puts(out, "<ParticipantObjectQuery>");
    if (!*asked && *text_of(line, "asked_sha256")) {
        put_base64(out, text_of(line, "asked_sha256"));
        rs_buf_puts(out, "</ParticipantObjectQuery><ParticipantObjectDetail type=\"encoding\" "
                         "value=\"");
        put_base64(out, "sha256");
        rs_buf_puts(out, "\"/>");
    } else {
        put_base64(out, asked);
        rs_buf_puts(out, "</ParticipantObjectQuery>");
    }
    rs_buf_puts(out, "</ParticipantObjectIdentification>");
}

static void put_case(rs_buf *out, const char *key)
{
    rs_buf id = {0};

    if (is_uid(key)) {
        open_object(out, key, "3", true);
    } else {
        rs_buf_printf(&id, "/v1/cases/%s", key);
        open_object(out, id.data ? id.data : key, "3", false);
        out->failed |= id.failed;
        rs_buf_clear(&id);
    }
    rs_buf_puts(out, "<ParticipantObjectName>");
    put_text(out, key);
    rs_buf_puts(out, "</ParticipantObjectName></ParticipantObjectIdentification>");
}

bool rs_audit_xml(const json_t *line, const char *source, rs_buf *out)
{
    const rs_audit_kind k = rs_audit_of(text_of(line, "event"));
    const json_t *key;
    size_t i;

    if (k == RS_AUDITS)
        return false;
    rs_buf_puts(out, "<AuditMessage>");
    put_event(out, line, k);
    put_participants(out, line, k, source);
    if (k == RS_AUDIT_QUERY)
        put_query(out, line);
    json_array_foreach(json_object_get(line, "cases"), i, key)
        if (json_is_string(key))
            put_case(out, json_string_value(key));
    rs_buf_puts(out, "</AuditMessage>\n");
    return true;
}
