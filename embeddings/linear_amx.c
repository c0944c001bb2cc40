/* linear_amx.c - linear.inc built for processors with AMX: bf16 and int8 products by the matrix
 * unit's tiles, Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
 * chapter 18. A tile is 16 rows of 64 bytes; of its eight, four sum 32 rows by 32 outputs:
 *
 *            w0 (6)  w1 (7)          panels lie as tiles want them: 16 groups of inputs, 64
 *   x0 (4)   s0 (0)  s1 (1)          bytes for outputs 0..15, 64 for 16..31
 *   x1 (5)   s2 (2)  s3 (3)
 *
 * With up to 16 rows x1, s2 and s3 rest. All tiles are configured whole; rows that are not
 * asked for are summed with the others and left lying.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifdef __AMX_INT8__
#include "embeddings/linear512_int.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TILES 32
#define SET amx
enum {
    STEP_BF16 = 32, STEP_INT8 = 64,        /* inputs of a row of a tile */
    PANEL_LINE = 128, STEP_BYTES = 2048    /* of a panel: a group of inputs; a step */
};

static void tiles_begin(void)
{
    struct {
        uint8_t  palette, start_row, zero[14];
        uint16_t bytes[16];
        uint8_t  rows[16];
    } c = {.palette = 1};

    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

static void tiles_end(void)
{
    _tile_release();
}

/* A step of the panel that is multiplied next, into the second cache. */
static inline void fetch_step(uintptr_t next)
{
    for (size_t i = 0; i < STEP_BYTES; i += 64)
        __builtin_prefetch((const void *)(next + i), 0, 2);
}

/* sums [rows x 32] of x [rows x steps * 64 bytes], rows `ldx` bytes apart, with a panel of
 * as many steps. */
#define MULTIPLY(name, dot)                                                                  \
    static inline void name(size_t rows, void *sums, const char *x, size_t ldx, const char *w, \
                            size_t steps, uintptr_t next)                                    \
    {                                                                                        \
        const bool ahead = next != (uintptr_t)w;                                             \
                                                                                             \
        _tile_zero(0);                                                                       \
        _tile_zero(1);                                                                       \
        _tile_zero(2);                                                                       \
        _tile_zero(3);                                                                       \
        for (size_t l = 0; l < steps; l++, x += 64, w += STEP_BYTES) {                       \
            if (ahead)                                                                       \
                fetch_step(next + l * STEP_BYTES);                                           \
            _tile_loadd(6, w, PANEL_LINE);                                                   \
            _tile_loadd(7, w + 64, PANEL_LINE);                                              \
            _tile_loadd(4, x, ldx);                                                          \
            dot(0, 4, 6);                                                                    \
            dot(1, 4, 7);                                                                    \
            if (rows <= 16)                                                                  \
                continue;                                                                    \
            _tile_loadd(5, x + 16 * ldx, ldx);                                               \
            dot(2, 5, 6);                                                                    \
            dot(3, 5, 7);                                                                    \
        }                                                                                    \
        _tile_stored(0, sums, 128);                                                          \
        _tile_stored(1, (char *)sums + 64, 128);                                             \
        if (rows > 16) {                                                                     \
            _tile_stored(2, (char *)sums + 16 * 128, 128);                                   \
            _tile_stored(3, (char *)sums + 16 * 128 + 64, 128);                              \
        }                                                                                    \
    }
MULTIPLY(multiply_bf16, _tile_dpbf16ps)
MULTIPLY(multiply_int8, _tile_dpbusd)

static void tiles_bf16(size_t rows, float *tile, const uint16_t *x, size_t ldx, const uint16_t *w,
                       size_t k, uintptr_t next)
{
    multiply_bf16(rows, tile, (const char *)x, 2 * ldx, (const char *)w, k / STEP_BF16, next);
}

static void tiles_int8(size_t rows, int32_t *sums, const uint8_t *x, size_t ldx, const int8_t *w,
                       size_t k, uintptr_t next)
{
    multiply_int8(rows, sums, (const char *)x, ldx, (const char *)w, k / STEP_INT8, next);
}

#include "embeddings/linear.inc"

/* ---- Is it there -------------------------------------------------------------------- */

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static bool runs;

/* CPUID leaf 7, EDX: bits 22 (bf16), 24 (tiles), 25 (int8). Linux saves a thread's tiles, 8 KiB,
 * only for a process that asked (Documentation/arch/x86/xstate.rst): state component 18. */
static void ask(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    const unsigned wanted = 1u << 22 | 1u << 24 | 1u << 25;
    unsigned a, b, c, d;

    runs = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & wanted) == wanted &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

bool rs_linear_amx_runs(void)
{
    pthread_once(&asked, ask);
    return runs;
}
#elif defined __x86_64__
#include "embeddings/linear_int.h"

/* A compiler that does not know it. */
const rs_linear_set rs_linear_amx;

bool rs_linear_amx_runs(void)
{
    return false;
}
#else
typedef int rs_no_amx;
#endif
