/* audit_xml.h - a line of the audit log as a DICOM audit message: PS3.15, A.5 (the XML schema
 * that took RFC 3881's place), event codes of PS3.16, CID 400 and 401.
 *
 *   query            (110112, DCM, "Query")                       action E
 *   access, change   (110103, DCM, "DICOM Instances Accessed")    action R, U
 *   login, logout    (110114, DCM, "User Authentication")         type 110122, 110123; action E
 *   denied           the same, type 110122, outcome 4 (minor failure)
 *   start, stop      (110100, DCM, "Application Activity")        type 110120, 110121; action E
 *
 * A case whose key is a UID is a Study Instance UID; another is named by its URI. What was
 * asked is the query's text in base64, or the hash that the log keeps.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_SERVER_AUDIT_XML_H
#define RS_SERVER_AUDIT_XML_H

#include "base/bytes.h"
#include "base/json.h"

#include <stdbool.h>

/* Append the message of `line`, one line of XML with its newline; false where the line is about
 * the log itself. `source` says which system it is. */
bool rs_audit_xml(const json_t *line, const char *source, rs_buf *out);

#endif
