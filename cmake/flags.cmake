# Warnings, definitions and sanitizers for our own C and C++ alike.
# SPDX-License-Identifier: Apache-2.0
add_library(rs_flags INTERFACE)
add_library(rs::flags ALIAS rs_flags)
# 200809L: POSIX with strict C11; _DEFAULT_SOURCE adds only madvise and friends.
target_compile_definitions(rs_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
target_compile_options(rs_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wundef
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    # a cut snprintf is meant; which calls gcc suspects varies with -O
    $<$<OR:$<C_COMPILER_ID:GNU>,$<CXX_COMPILER_ID:GNU>>:-Wno-format-truncation>
    -fno-omit-frame-pointer)
if(RADSCOUT_WERROR)
    target_compile_options(rs_flags INTERFACE -Werror)
endif()
if(RADSCOUT_NATIVE)
    target_compile_options(rs_flags INTERFACE -march=native)
endif()
if(RADSCOUT_SANITIZE)
    target_compile_options(rs_flags INTERFACE -fsanitize=${RADSCOUT_SANITIZE}
        -fno-sanitize-recover=all -UNDEBUG)     # asserts are on where bugs are looked for
    target_link_options(rs_flags INTERFACE -fsanitize=${RADSCOUT_SANITIZE})
endif()
if(RADSCOUT_FUZZ)
    target_compile_options(rs_flags INTERFACE -fsanitize=fuzzer-no-link)    # what is reached
endif()
