# Every third-party library, by one name each. A type of theirs stops at one file or room.
# SPDX-License-Identifier: Apache-2.0
pkg_check_modules(openblas REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(sqlite3 REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(libpng REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(libjpeg REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(libuv REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(libcrypto REQUIRED IMPORTED_TARGET libcrypto)

# llhttp as Debian's node-llhttp brings it: generated C, compiled here as it is.
find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include PATH_SUFFIXES llhttp REQUIRED)
find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp REQUIRED)
add_library(rs_llhttp STATIC "${LLHTTP_SOURCE}/llhttp.c" "${LLHTTP_SOURCE}/api.c"
    "${LLHTTP_SOURCE}/http.c")
add_library(rs::llhttp ALIAS rs_llhttp)
target_include_directories(rs_llhttp SYSTEM PUBLIC "${LLHTTP_INCLUDE}")
target_compile_options(rs_llhttp PRIVATE -w)

# FAISS with its C API: the system's where there is one, else the prefix that
# tools/setup built (avx2 before generic).
set(rs_cache "$ENV{XDG_CACHE_HOME}")
if(rs_cache STREQUAL "")
    set(rs_cache "$ENV{HOME}/.cache")
endif()
set(rs_faiss_levels generic)
file(STRINGS /proc/cpuinfo rs_cpu_avx2 REGEX " avx2( |$)" LIMIT_COUNT 1)
if(rs_cpu_avx2)
    set(rs_faiss_levels avx2 generic)
endif()
set(rs_faiss_prefixes)
foreach(level ${rs_faiss_levels})
    list(APPEND rs_faiss_prefixes "${rs_cache}/radscout/faiss-1.7.3-${level}")
endforeach()
find_library(FAISS_C_LIBRARY faiss_c HINTS ${rs_faiss_prefixes} PATH_SUFFIXES lib)
if(NOT FAISS_C_LIBRARY)
    message(FATAL_ERROR "libfaiss_c not found: run tools/setup, which builds it once")
endif()
get_filename_component(rs_faiss_lib "${FAISS_C_LIBRARY}" DIRECTORY)
find_library(FAISS_LIBRARY faiss HINTS "${rs_faiss_lib}" NO_DEFAULT_PATH REQUIRED)
find_path(FAISS_INCLUDE faiss/c_api/Index_c.h HINTS "${rs_faiss_lib}/../include" REQUIRED)
# FAISS is built with g++, whose runtime is libgomp: clang (fuzzing) links that one too.
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND NOT OpenMP_CXX_LIB_NAMES)
    execute_process(COMMAND gcc -print-file-name=libgomp.so OUTPUT_VARIABLE rs_gomp
        OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(OpenMP_CXX_FLAGS "-fopenmp=libgomp" CACHE STRING "")
    set(OpenMP_CXX_LIB_NAMES "gomp" CACHE STRING "")
    set(OpenMP_gomp_LIBRARY "${rs_gomp}" CACHE FILEPATH "")
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)
add_library(rs_faiss INTERFACE)
add_library(rs::faiss ALIAS rs_faiss)
target_include_directories(rs_faiss SYSTEM INTERFACE "${FAISS_INCLUDE}")
# As targets, so that what they need stands after them on every link line.
add_library(rs_faiss_core UNKNOWN IMPORTED)
set_target_properties(rs_faiss_core PROPERTIES IMPORTED_LOCATION "${FAISS_LIBRARY}"
    INTERFACE_LINK_LIBRARIES "PkgConfig::openblas;OpenMP::OpenMP_CXX;stdc++;m")
add_library(rs_faiss_c UNKNOWN IMPORTED)
set_target_properties(rs_faiss_c PROPERTIES IMPORTED_LOCATION "${FAISS_C_LIBRARY}"
    INTERFACE_LINK_LIBRARIES rs_faiss_core)
target_link_libraries(rs_faiss INTERFACE rs_faiss_c)
message(STATUS "FAISS: ${FAISS_C_LIBRARY}")

# oneDNN, which some products may use: optional, since our own kernels do all of them.
option(RADSCOUT_DNNL "Use oneDNN where it is installed" ON)
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h)
find_library(DNNL_LIBRARY dnnl)
if(RADSCOUT_DNNL AND DNNL_INCLUDE AND DNNL_LIBRARY)
    add_library(rs_dnnl INTERFACE)
    add_library(rs::dnnl ALIAS rs_dnnl)
    target_include_directories(rs_dnnl SYSTEM INTERFACE "${DNNL_INCLUDE}")
    target_link_libraries(rs_dnnl INTERFACE "${DNNL_LIBRARY}" OpenMP::OpenMP_CXX)
    message(STATUS "oneDNN: ${DNNL_LIBRARY}")
else()
    message(STATUS "oneDNN: none (libdnnl-dev); products are our own and OpenBLAS's")
endif()
