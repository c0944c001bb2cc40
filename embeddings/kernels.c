/* kernels.c - which build of the kernels runs here. See kernels.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/kernels_int.h"

#include "base/cpu.h"

size_t rs_kernels_list(const rs_kernels *list[RS_KERNEL_SETS])
{
    size_t n = 0;

    list[n++] = &rs_kernels_reference;
    list[n++] = &rs_kernels_generic;
#ifdef __x86_64__
    if (rs_cpu_avx2())
        list[n++] = &rs_kernels_avx2;
    if (rs_cpu_avx512())
        list[n++] = &rs_kernels_avx512;
#endif
    return n;
}

const rs_kernels *rs_kernels_best(void)
{
    const rs_kernels *list[RS_KERNEL_SETS];
    return list[rs_kernels_list(list) - 1];
}
