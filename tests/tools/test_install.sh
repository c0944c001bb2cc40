#!/usr/bin/env bash
# test_install.sh - what `cmake --install` puts in place works from there: the program, its
# man pages, and a program of somebody else's that is built with nothing but radscout.pc.
#
#   test_install.sh BUILD-FOLDER C-COMPILER [FLAG...]     flags: the build's sanitizers
#
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
build=$1 cc=$2
shift 2
command -v pkg-config >/dev/null || { echo "skipped: pkg-config is absent"; exit 77; }
prefix=$(mktemp -d /tmp/radscout-install-XXXXXX)
trap 'rm -rf "$prefix"' EXIT

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
want() { [ -s "$prefix/$1" ] || fail "$1 was not installed"; }

cmake --install "$build" --prefix "$prefix/first" >/dev/null
mv "$prefix/first" "$prefix/moved"          # nothing may depend on where it was put
prefix_of=$prefix/moved

libdir=$(cd "$prefix_of" && dirname "$(find . -name radscout.pc | head -n 1)")
libdir=$(dirname "${libdir#./}")
for f in bin/radscout share/man/man1/radscout.1 share/man/man1/radscout-search.1 \
    share/doc/radscout/LICENSE include/radscout/base/status.h include/radscout/engine/query.h \
    include/radscout/embeddings/encoder.h "$libdir/librs_engine.a" "$libdir/pkgconfig/radscout.pc"; do
    want "moved/$f"
done
[ -z "$(find "$prefix_of/include" -name '*_int.h')" ] || fail "private headers were installed"
"$prefix_of/bin/radscout" --version

export PKG_CONFIG_PATH=$prefix_of/$libdir/pkgconfig
cat >"$prefix/user.c" <<'EOF'
#include "embeddings/encoder.h"
#include "engine/query.h"
#include "indexer/index.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    rs_archive *a;
    rs_encoder *e;
    rs_err err = {0};
    rs_stats stats;
    rs_arena mem = {0};

    (void)argc;
    if (rs_archive_open(&a, argv[1], RS_ARCHIVE_WRITE, &err) != RS_OK ||
        rs_archive_stats(a, &mem, &stats, &err) != RS_OK)
        return puts(err.msg), 1;
    printf("%zu cases, %s\n", stats.cases, rs_probe_name(RS_PROBE_BM25));
    rs_archive_close(a);
    rs_arena_clear(&mem);
    return rs_encoder_open(&e, "/nowhere", &err) == RS_ENOENT ? 0 : 1;
}
EOF
# shellcheck disable=SC2046
"$cc" -std=c11 -Wall -Wextra -Werror "$@" $(pkg-config --cflags radscout) "$prefix/user.c" \
    -o "$prefix/user" $(pkg-config --libs radscout)
[ "$("$prefix/user" "$prefix/archive")" = "0 cases, bm25" ] || fail "the program built with radscout.pc"

# Every public header stands alone.
for h in $(cd "$prefix_of/include/radscout" && find . -name '*.h'); do
    printf '#include "%s"\n' "${h#./}" >"$prefix/one.c"
    # shellcheck disable=SC2046
    "$cc" -std=c11 -D_POSIX_C_SOURCE=200809L -fsyntax-only -Wall -Wextra -Werror \
        $(pkg-config --cflags radscout) "$prefix/one.c" || fail "$h does not stand alone"
done
echo "installed, moved, built against: ok"
