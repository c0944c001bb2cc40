/* audit_say.h - an audit for people and as JSON.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_TOOLS_AUDIT_SAY_H
#define RS_TOOLS_AUDIT_SAY_H

#include "command.h"
#include "engine/audit.h"

/* A group is told to do worse than the rest below this p (Holm's over all groups). */
#define RS_AUDIT_LOW 0.05

void    rs_audit_text(const rs_audit *a, const rs_audit_options *o);
/* As the help says; NULL on OOM. */
json_t *rs_audit_json(const rs_audit *a, const rs_audit_options *o);

#endif
