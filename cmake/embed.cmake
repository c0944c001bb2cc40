# cmake -DOUT=x.c "-DFILES=a.tsv;b.tsv" -DHEADER=room/x.h -DTYPE=t -DTABLE=name -P embed.cmake: the
# files as arrays of bytes, in a table of {name, bytes, length} that HEADER declares.
# SPDX-License-Identifier: Apache-2.0
set(arrays "")
set(table "")
foreach(file ${FILES})
    get_filename_component(name "${file}" NAME)
    string(MAKE_C_IDENTIFIER "${name}" id)
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const unsigned char ${id}[] = {${bytes}0};\n")
    string(APPEND table "    {\"${name}\", ${id}, sizeof ${id} - 1},\n")
endforeach()
file(WRITE "${OUT}" "#include \"${HEADER}\"\n\n${arrays}
const ${TYPE} ${TABLE}[] = {\n${table}    {0, 0, 0},\n};\n")
