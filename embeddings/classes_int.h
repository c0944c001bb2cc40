/* classes_int.h - classes of characters as the tokenizers library knows them. Its tables
 * are Unicode 8's; what utf8proc's newer ones add is taken out again, so that a mark or
 * a sign of a later script is treated as there.
 *
 * Private to embeddings/.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_CLASSES_INT_H
#define RS_EMBEDDINGS_CLASSES_INT_H

#include <stdbool.h>
#include <stdint.h>

bool rs_is_punctuation(uint32_t c);      /* P*, and ASCII's signs */
bool rs_is_accent(uint32_t c);           /* Mn */
bool rs_is_mark(uint32_t c);             /* Mn, Mc, Me of this Unicode version */
bool rs_is_control(uint32_t c);          /* Cc, Cf, Co but tab, line feed, return */
bool rs_is_chinese(uint32_t c);          /* BERT's CJK ideographs */

#endif
