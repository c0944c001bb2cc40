# rs_room(name LINKS ... PRIVATE ...): the library rs::name of every .c (and .cpp
# shim) in this folder. Headers are included as "name/header.h", and only rooms
# named in LINKS are on the include path: an upward include does not compile.
# SPDX-License-Identifier: Apache-2.0
function(rs_room name)
    cmake_parse_arguments(arg "" "" "LINKS;PRIVATE" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.c"
         "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
    set(inc "${CMAKE_BINARY_DIR}/include/${name}")
    file(MAKE_DIRECTORY "${inc}")
    file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${inc}/${name}" SYMBOLIC)
    if(NOT sources)
        set(sources "${CMAKE_BINARY_DIR}/empty.c")
        file(WRITE "${CMAKE_BINARY_DIR}/empty.c" "typedef int rs_empty;\n")
    endif()
    add_library(rs_${name} STATIC ${sources})
    add_library(rs::${name} ALIAS rs_${name})
    target_include_directories(rs_${name} PUBLIC "${inc}")
    target_link_libraries(rs_${name} PUBLIC ${arg_LINKS} PRIVATE rs::flags ${arg_PRIVATE})
endfunction()
