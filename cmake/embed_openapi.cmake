# cmake -DOUT=x.c -DFILE=openapi.json -P embed_openapi.cmake: the file as bytes behind rs_openapi().
# SPDX-License-Identifier: Apache-2.0
file(READ "${FILE}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${OUT}" "#include \"server/routes.h\"\n
static const unsigned char text[] = {${bytes}0};\n
const char *rs_openapi(size_t *len)\n{\n    *len = sizeof text - 1;
    return (const char *)text;\n}\n")
