/* cpu.h - which instructions this processor has, as groups that code is built for. One place,
 * so that all rooms mean the same by a group.
 *
 * Any thread. False on other processors than x86-64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_BASE_CPU_H
#define RS_BASE_CPU_H

#include <stdbool.h>

/* -mavx2 -mfma -mf16c: every processor with AVX2 has F16C, a name that clang 14 does not know. */
bool rs_cpu_avx2(void);
/* -mavx512f -mavx512bw -mavx512dq -mavx512vl */
bool rs_cpu_avx512(void);

#endif
