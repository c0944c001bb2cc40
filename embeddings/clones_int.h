/* clones_int.h - RS_CLONES: one more copy of a hot loop for CPUs that have AVX2, chosen
 * when the program is loaded; not under sanitizers, which dislike the resolver.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_EMBEDDINGS_CLONES_INT_H
#define RS_EMBEDDINGS_CLONES_INT_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__AVX2__)
#define RS_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define RS_CLONES
#endif

#endif
