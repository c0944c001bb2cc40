/* ahead.h - what waiting searches will need, made for several of them at once.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_AHEAD_H
#define RS_SERVER_AHEAD_H

#include "server/exchange.h"

/* For rs_route.ahead: the texts of n waiting requests (JSON with the fields of a search, small
 * ones) are encoded in one call and kept (text_vectors.h). Requests are read only; what is
 * wrong with one is said when its turn comes. By a worker. */
void rs_ahead_search(rs_exchange *const *x, size_t n, rs_worker *w);

#endif
