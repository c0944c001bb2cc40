/* cpu.c - see cpu.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

#ifdef __x86_64__
bool rs_cpu_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool rs_cpu_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
bool rs_cpu_avx2(void)
{
    return false;
}

bool rs_cpu_avx512(void)
{
    return false;
}
#endif
