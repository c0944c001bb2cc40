/* zero_shot.c - questions with answers in words: which prompt is nearest to the image.
 * SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <math.h>
#include <string.h>

enum { MAX_ANSWERS = 8, MAX_PROMPTS = 4 };

const ms_question ms_questions[] = {
    {"class of a tile (6)", "mednist", MS_LABEL, NULL, MS_LABEL, {
        {"tile AbdomenCT", {"abdominal CT", "axial CT of the abdomen", "CT abdomen"}},
        {"tile BreastMRI", {"breast MRI", "MR image of the breast", "MR breast"}},
        {"tile CXR", {"chest X-ray", "chest radiograph", "frontal chest film"}},
        {"tile ChestCT", {"chest CT", "axial CT of the chest", "CT thorax"}},
        {"tile Hand", {"hand radiograph", "X-ray of the hand", "hand film"}},
        {"tile HeadCT", {"head CT", "axial CT of the head", "CT brain"}}}},
    {"modality (3)", "openrad", MS_LABEL, NULL, MS_MODALITY, {
        {"CR", {"radiograph", "X-ray", "plain film"}},
        {"CT", {"CT", "CT scan", "computed tomography slice"}},
        {"MR", {"MRI", "MR image", "magnetic resonance imaging"}}}},
    {"region (3)", "openrad", MS_LABEL, NULL, MS_REGION, {
        {"chest", {"chest", "thorax", "chest imaging"}},
        {"brain", {"brain", "head", "brain imaging"}},
        {"abdomen", {"abdomen", "abdominal imaging", "belly"}}}},
    {"tumour type (3)", "openrad", MS_REGION, "brain", MS_FINDING, {
        {"glioma", {"brain MRI showing a glioma", "glioma", "MR of the brain with glioma"}},
        {"meningioma", {"brain MRI showing a meningioma", "meningioma",
                        "MR of the brain with meningioma"}},
        {"pituitary tumor", {"brain MRI showing a pituitary tumor", "pituitary tumor",
                             "MR of the brain with pituitary tumor"}}}},
    {"child's chest: normal or pneumonia (3)", "openrad", MS_DATASET,
        "Kermany pediatric chest X-ray pneumonia", MS_FINDING, {
        {"normal chest", {"chest radiograph of a child with normal lungs", "normal chest X-ray of a child"}},
        {"pneumonia and bacterial pneumonia", {"chest radiograph of a child with bacterial pneumonia",
                                               "bacterial pneumonia"}},
        {"pneumonia and viral pneumonia", {"chest radiograph of a child with viral pneumonia",
                                           "viral pneumonia"}}}},
    {"adult's chest: no finding or pneumonia (2)", "openrad", MS_DATASET, "NIH ChestX-ray14",
        MS_FINDING, {
        {"no finding", {"frontal chest radiograph with no finding", "normal chest X-ray"}},
        {"pneumonia", {"frontal chest radiograph showing pneumonia", "pneumonia"}}}},
};
const size_t ms_n_questions = sizeof ms_questions / sizeof *ms_questions;

/* The mean of each answer's prompt vectors, scaled to unit length: out [n x d].
 * Returns n, 0 on failure. */
static size_t answer_vectors(ms_encoder *e, const ms_question *q, float *out, rs_err *err)
{
    size_t n = 0;
    float one[MAX_PROMPTS * 4096];

    for (; n < MAX_ANSWERS && q->answers[n].value; n++) {
        size_t prompts = 0;
        double norm = 0;
        float *to = out + n * e->dim;
        while (prompts < MAX_PROMPTS && q->answers[n].prompts[prompts])
            prompts++;
        if (e->dim > 4096 || ms_text_vectors(e, q->answers[n].prompts, prompts, one, err) != RS_OK)
            return 0;
        memset(to, 0, e->dim * sizeof *to);
        for (size_t p = 0; p < prompts; p++)
            for (size_t k = 0; k < e->dim; k++)
                to[k] += one[p * e->dim + k];
        for (size_t k = 0; k < e->dim; k++)
            norm += (double)to[k] * (double)to[k];
        for (size_t k = 0; k < e->dim; k++)
            to[k] /= (float)sqrt(norm);
    }
    return n;
}

rs_status ms_zero_shot(ms_encoder *e, const ms_set *s, const ms_question *q, size_t *n,
                       double *accuracy, rs_err *err)
{
    static float answers[MAX_ANSWERS * 4096];
    size_t classes = answer_vectors(e, q, answers, err), asked[MAX_ANSWERS] = {0},
           right[MAX_ANSWERS] = {0}, present = 0;

    *n = 0;
    *accuracy = 0;
    if (classes == 0)
        return err->code;
    for (size_t i = 0; i < s->n; i++) {
        const ms_row *r = &s->rows[i];
        size_t want = 0, best = 0;
        double top = -2;
        if (q->filter_value && (!r->value[q->filter] || strcmp(r->value[q->filter], q->filter_value)))
            continue;
        while (want < classes && !(r->value[q->attribute] &&
                                   strcmp(r->value[q->attribute], q->answers[want].value) == 0))
            want++;
        if (want == classes)
            continue;
        for (size_t c = 0; c < classes; c++) {
            double v = ms_dot(s->vectors + i * e->dim, answers + c * e->dim, e->dim);
            if (v > top) {
                top = v;
                best = c;
            }
        }
        asked[want]++;
        right[want] += best == want;
        (*n)++;
    }
    for (size_t c = 0; c < classes; c++) {
        present += asked[c] > 0;
        *accuracy += asked[c] ? (double)right[c] / (double)asked[c] : 0;
    }
    if (present)
        *accuracy /= (double)present;
    return RS_OK;
}
