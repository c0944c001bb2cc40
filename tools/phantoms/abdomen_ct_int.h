/* abdomen_ct_int.h - the kinds of finding of a drawn abdominal CT, and what is written of each.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_PHANTOM_ABDOMEN_CT_INT_H
#define RS_PHANTOM_ABDOMEN_CT_INT_H

#include "section_report.h"

typedef enum {
    NORMAL, LIVER_MASS, LIVER_CYST, METASTASES, SPLENOMEGALY, LACERATION, STONE, HYDRONEPHROSIS,
    RENAL_MASS, RENAL_CYST, ASCITES, FREE_AIR, ANEURYSM, GALLSTONES, PANCREAS_MASS, OBSTRUCTION,
    HAEMATOMA, KINDS
} kind_id;

extern const sec_words abdomen_ct_words[KINDS];         /* by kind; NORMAL's is empty */
extern const sec_style abdomen_ct_style;

#endif
