/* phash.h - a 64-bit perceptual hash: pictures that look the same differ in few bits.
 *
 *   input [3 x height x width]  ->  luminance, 32 x 32 means  ->  DCT-II
 *     ->  frequencies 1..8 x 1..8  ->  bit = coefficient above the median of the 64
 *
 * Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, 3.2.
 * It starts from an encoder's input, for that is what the indexer has anyway: no second
 * decode, and brightness, contrast and the model's mean and deviation do not matter, since
 * frequency 0 is left out and only the order of the others counts. The whole picture is in
 * it as far as the encoder sees it (its crop); hashes of one model's archive are comparable.
 *
 * Over real films and slices (fold.h) this told copies from other patients' pictures better
 * than frequencies 0..7, the 64 lowest by radius, signs instead of a median, windows that
 * fade the border, and differences of neighbours (dHash): chest films are alike in their
 * low frequencies and in their middle, and differ in oblique ones and towards their edges.
 *
 * A negative differs in all 64 bits and is another picture here: its vector lies elsewhere
 * too. Who reads MONOCHROME1 turns it before it comes here.
 *
 * Any thread; the same on every machine for the same floats.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_PHASH_H
#define RS_EMBEDDINGS_PHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bit 8 (v - 1) + u - 1 of *out, least significant first, is vertical frequency v and
 * horizontal u, each 1 to 8. pixels: [3 x height x width], planar, red first. False for a
 * picture without contrast, which has no hash. 36 us for 128 x 128. */
bool rs_phash(uint64_t *out, const float *pixels, size_t height, size_t width);

/* Bits that differ, 0 to 64; about 32 for pictures that have nothing to do with each other. */
static inline unsigned rs_phash_distance(uint64_t a, uint64_t b)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t x = a ^ b;

    x -= x >> 1 & 0x55 * ones;                           /* bits in pairs, fours, bytes */
    x = (x & 0x33 * ones) + (x >> 2 & 0x33 * ones);
    x = (x + (x >> 4)) & 0x0f * ones;
    return (unsigned)(x * ones >> 56);
}

#endif
