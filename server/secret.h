/* secret.h - what must not be guessed, and comparing it without telling how much was right.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_SECRET_H
#define RS_SERVER_SECRET_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { RS_SECRET_HEX = 65 };                     /* 256 bits as hex digits and the NUL */

/* From the system's random generator. RS_EIO where that fails. */
rs_status rs_secret_make(char hex[RS_SECRET_HEX], rs_err *err);
/* Takes as long whatever is in the two; texts of unlike length are not equal. */
bool rs_secret_equal(const char *a, const char *b);
/* Zeros that no compiler leaves out. */
void rs_secret_wipe(void *p, size_t n);

#endif
