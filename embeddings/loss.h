/* loss.h - what training makes small: terms over the features of one batch, each
 * with its gradient.
 *
 * Features are the towers' raw projections x; every term looks at the unit vectors
 * u = x / |x| and its gradient is with respect to x, through the normalisation:
 * dx = (du - u <u, du>) / |x|. All matrices are row-major float32; sums over a row
 * run in double. A term's value is returned unweighted; gradients are multiplied by
 * `weight` and ADDED to the d_* arrays. Single-threaded; RS_ENOMEM only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_LOSS_H
#define RS_EMBEDDINGS_LOSS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* The logarithm of the logit scale never exceeds ln(100): Radford et al. 2021,
 * arXiv:2103.00020, section 2.5. */
#define RS_LOGIT_SCALE_MAX 4.605170185988092

/* Symmetric InfoNCE with several positives (UniCL, arXiv:2204.03610, eq. 1-3):
 *
 *   S = exp(log_scale) * U_image U_text^T                       [m x n]
 *   L = ( mean_i CE(P_i, softmax_j S_ij) + mean_j CE(Q_j, softmax_i S_ij) ) / 2
 *
 * where P_i is uniform over the texts whose label equals image i's, Q_j likewise over
 * the images. With all labels different and m == n this is CLIP's loss. A row or
 * column without any positive is left out of its mean. */
typedef struct {
    const float   *image, *text;              /* [m x d], [n x d] */
    const int32_t *image_label, *text_label;  /* [m], [n] */
    size_t m, n, d;
    double log_scale, weight;
} rs_contrastive;

/* d_image [m x d], d_text [n x d], *d_log_scale are added to. */
rs_status rs_loss_contrastive(const rs_contrastive *c, double *value, float *d_image,
                              float *d_text, double *d_log_scale, rs_err *err);

/* Pairwise sigmoid (SigLIP, arXiv:2303.15343, eq. 1) with several positives: each image
 * and text is one question, do they belong together, asked of their cosine alone:
 *
 *   S = exp(log_scale) * U_image U_text^T + bias                [m x n]
 *   L = - (1 / m) sum_ij log sigmoid(z_ij S_ij),  z_ij = 1 where the labels are equal, else -1
 *
 * *d_bias is added to as well. */
rs_status rs_loss_sigmoid(const rs_contrastive *c, double bias, double *value, float *d_image,
                          float *d_text, double *d_log_scale, double *d_bias, rs_err *err);

/* Image against image, NT-Xent (SimCLR, arXiv:2002.05709, eq. 1), as SLIP adds it
 * (arXiv:2112.12750) but on the projected features themselves, without a head of its
 * own: row i of the first n and row n + i are two views of one image, every other row
 * is a negative.
 *
 * `label` [n] may be NULL; else rows of another image with the same label are no
 * negatives (nor positives): they are left out of the sum. */
typedef struct {
    const float   *x;                         /* [2n x d]: n first views, n second views */
    const int32_t *label;
    size_t n, d;
    double temperature, weight;
} rs_two_views;

rs_status rs_loss_two_views(const rs_two_views *v, double *value, float *dx, rs_err *err);

/* Relational distillation: within the batch, image i should be near to the others in
 * the proportions that a teacher sees.
 *
 *   value = mean_i KL( softmax_j T_ij / t_temperature || softmax_j S_ij / temperature ),
 *   j != i, S the cosines of x, T those of the teacher's rows.
 *
 * teacher [n x teacher_d] holds unit rows; a row of zeros (no features) is left out. */
typedef struct {
    const float *x, *teacher;
    size_t n, d, teacher_d;
    double temperature, teacher_temperature, weight;
} rs_relational;

rs_status rs_loss_relational(const rs_relational *r, double *value, float *dx, rs_err *err);

/* Cosine distillation through a linear map: value = mean_i 1 - cos(W u_i, t_i).
 * map W [teacher_d x d] belongs to the trainer, not to the model; d_map is added to. */
typedef struct {
    const float *x, *teacher, *map;
    size_t n, d, teacher_d;
    double weight;
} rs_cosine_map;

rs_status rs_loss_cosine_map(const rs_cosine_map *c, double *value, float *dx, float *d_map,
                             rs_err *err);

#endif
