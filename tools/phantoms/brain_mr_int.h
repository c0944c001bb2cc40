/* brain_mr_int.h - the kinds of finding of a drawn brain MR, and what is written of each.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RS_PHANTOM_BRAIN_MR_INT_H
#define RS_PHANTOM_BRAIN_MR_INT_H

#include "section_report.h"

typedef enum {
    NORMAL, GLIOMA, MENINGIOMA, INFARCT_MCA, INFARCT_PCA, PLAQUES, HYDROCEPHALUS, CYST,
    OLD_INFARCT, ABSCESS, PITUITARY, SMALL_VESSEL, LACUNE, METASTASES, KINDS
} kind_id;

extern const sec_words brain_mr_words[KINDS];         /* by kind; NORMAL's is empty */
extern const sec_style brain_mr_style;

#endif
