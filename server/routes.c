/* routes.c - see routes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/routes.h"

#include "server/ahead.h"
#include "server/api.h"
#include "server/metrics.h"

#include <stdio.h>
#include <string.h>

const rs_route rs_routes[] = {
    {RS_HTTP_GET, "/healthz", .loop = rs_api_health,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/readyz", .loop = rs_api_ready,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/metrics", .loop = rs_api_metrics,
     .role = RS_ROLE_ADMIN, .whole = true, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/v1/openapi.json", .loop = rs_api_openapi,
     .role = RS_ROLE_PUBLIC, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/v1/events", .loop = rs_api_events,
     .role = RS_ROLE_READER, .whole = true, .audit = RS_AUDITS},
    {RS_HTTP_GET, "/v1/session", .loop = rs_api_session,
     .role = RS_ROLE_READER, .audit = RS_AUDITS},
    {RS_HTTP_POST, "/v1/session", .loop = rs_api_session_begin,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_LOGIN},
    {RS_HTTP_DELETE, "/v1/session", .loop = rs_api_session_end,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_LOGOUT},
    {RS_HTTP_GET, "/v1/stats", .work = rs_api_stats,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_GET, "/v1/facets", .work = rs_api_facets,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_POST, "/v1/search", .work = rs_api_search, .ahead = rs_ahead_search,
     .takes_body = true, .role = RS_ROLE_READER, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_POST, "/v1/context", .work = rs_api_context, .ahead = rs_ahead_search,
     .takes_body = true, .role = RS_ROLE_READER, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_POST, "/v1/ask", .work = rs_api_ask, .ahead = rs_ahead_search,
     .takes_body = true, .role = RS_ROLE_READER, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_GET, "/v1/cases/{key}", .work = rs_api_case,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_ACCESS},
    {RS_HTTP_POST, "/v1/cases", .write = rs_api_case_add,
     .takes_body = true, .role = RS_ROLE_EDITOR, .audit = RS_AUDIT_CHANGE},
    {RS_HTTP_PUT, "/v1/cases/{key}", .write = rs_api_case_put,
     .takes_body = true, .role = RS_ROLE_EDITOR, .audit = RS_AUDIT_CHANGE},
    {RS_HTTP_DELETE, "/v1/cases/{key}", .write = rs_api_case_delete,
     .role = RS_ROLE_EDITOR, .audit = RS_AUDIT_CHANGE},
    {RS_HTTP_GET, "/v1/cases/{key}/similar", .work = rs_api_similar,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_GET, "/v1/images/{key}/{n}", .work = rs_api_image,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_ACCESS},
    {RS_HTTP_GET, "/v1/judgments", .work = rs_api_judgments,
     .role = RS_ROLE_EDUCATOR, .audit = RS_AUDIT_QUERY},
    {RS_HTTP_POST, "/v1/judgments", .write = rs_api_judge,
     .takes_body = true, .role = RS_ROLE_EDUCATOR, .audit = RS_AUDIT_CHANGE},
    {RS_HTTP_DELETE, "/v1/judgments/{id}", .write = rs_api_judgment_remove,
     .role = RS_ROLE_EDUCATOR, .audit = RS_AUDIT_CHANGE},
    {RS_HTTP_GET, "/v1/images/{key}/{n}/thumbnail", .work = rs_api_thumbnail,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_ACCESS},
    {RS_HTTP_GET, "/v1/images/{key}/{n}/display", .work = rs_api_display,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_ACCESS},
    {RS_HTTP_GET, "/v1/images/{key}/{n}/gray16", .work = rs_api_gray16,
     .role = RS_ROLE_READER, .audit = RS_AUDIT_ACCESS},
    {0},
};
_Static_assert(sizeof rs_routes / sizeof *rs_routes <= RS_METRICS_ROUTES, "a counter a route");

size_t rs_routes_count(const rs_route *routes)
{
    size_t n = 0;

    while (routes[n].pattern)
        n++;
    return n;
}

/* Does the target fit the pattern? What stands for {…} goes into arg. */
static bool fits(const char *pattern, const rs_target *t, const char *arg[RS_ROUTE_ARGS])
{
    size_t i = 0, args = 0;

    for (; *pattern == '/' && i < t->n_segments; i++) {
        size_t n = strcspn(++pattern, "/");
        if (*pattern == '{' && args < RS_ROUTE_ARGS && t->segment[i][0])
            arg[args++] = t->segment[i];
        else if (strlen(t->segment[i]) != n || memcmp(t->segment[i], pattern, n) != 0)
            return false;
        pattern += n;
    }
    return i == t->n_segments && i > 0 && *pattern == '\0';
}

rs_route_match rs_route_find(const rs_route *routes, rs_http_method method, rs_exchange *x,
                             char allow[64])
{
    const rs_http_method asked = method == RS_HTTP_HEAD ? RS_HTTP_GET : method;
    size_t len = 0;

    allow[0] = '\0';
    for (size_t i = 0; routes[i].pattern; i++) {
        if (!fits(routes[i].pattern, &x->target, x->arg))
            continue;
        if (routes[i].method == asked) {
            x->route = &routes[i];
            x->route_index = i;
            return RS_ROUTE_FOUND;
        }
        len += (size_t)snprintf(allow + len, 64 - len, "%s%s%s", len ? ", " : "",
                                rs_http_method_name(routes[i].method),
                                routes[i].method == RS_HTTP_GET ? ", HEAD" : "");
    }
    if (!len)
        return RS_ROUTE_NO_PATH;
    snprintf(allow + len, 64 - len, ", OPTIONS");
    return RS_ROUTE_NO_METHOD;
}
