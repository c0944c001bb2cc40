/* kernels.c - which build of the kernels runs here. See kernels.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/kernels_int.h"

size_t rs_kernels_list(const rs_kernels *list[RS_KERNEL_SETS])
{
    size_t n = 0;

    list[n++] = &rs_kernels_reference;
    list[n++] = &rs_kernels_generic;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        list[n++] = &rs_kernels_avx2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        list[n++] = &rs_kernels_avx512;
#endif
    return n;
}

const rs_kernels *rs_kernels_best(void)
{
    const rs_kernels *list[RS_KERNEL_SETS];
    return list[rs_kernels_list(list) - 1];
}
