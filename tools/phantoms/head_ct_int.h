/* head_ct_int.h - the kinds of finding of a drawn head CT, and what is written of each.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_PHANTOM_HEAD_CT_INT_H
#define RS_PHANTOM_HEAD_CT_INT_H

#include "section_report.h"

typedef enum {
    NORMAL, EPIDURAL, SUBDURAL_ACUTE, SUBDURAL_CHRONIC, INTRACEREBRAL, SUBARACHNOID,
    INTRAVENTRICULAR, INFARCT_MCA, INFARCT_PCA, LACUNE, HYDROCEPHALUS, MASS, CALCIFIED,
    ATROPHY, KINDS
} kind_id;

extern const sec_words head_ct_words[KINDS];         /* by kind; NORMAL's is empty */
extern const sec_style head_ct_style;

#endif
