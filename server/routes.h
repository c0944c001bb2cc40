/* routes.h - the table of what can be asked for, and finding a request's row in it.
 * openapi.json describes the same table (tests/server/test_routes.c compares them).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_ROUTES_H
#define RS_SERVER_ROUTES_H

#include "server/exchange.h"

/* The API's table; ends with a NULL pattern. */
extern const rs_route rs_routes[];
size_t rs_routes_count(const rs_route *routes);

typedef enum { RS_ROUTE_FOUND, RS_ROUTE_NO_PATH, RS_ROUTE_NO_METHOD } rs_route_match;

/* The route of x->target for `method`: x->route, route_index and arg. With RS_ROUTE_NO_METHOD
 * `allow` names those that there are. */
rs_route_match rs_route_find(const rs_route *routes, rs_http_method method, rs_exchange *x,
                             char allow[64]);

/* The text of openapi.json. */
const char *rs_openapi(size_t *len);

#endif
