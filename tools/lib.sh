# Shared by the shell scripts of tools/: sourced, never run.
# SPDX-License-Identifier: Apache-2.0

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi ||
        die "could not run as root: $* (install the packages by hand, then run again)"
}

# Where the FAISS build of this level ("avx2" or "generic") lives.
faiss_prefix() {
    printf '%s/radscout/faiss-1.7.3-%s' "${XDG_CACHE_HOME:-$HOME/.cache}" "$1"
}

# build_tree FOLDER CMAKE-ARGUMENT...: configure (when needed) and build, quietly.
build_tree() {
    local folder=$1 log
    shift
    log="$top/$folder/log.txt"
    mkdir -p "$top/$folder"
    cmake -S "$top" -B "$top/$folder" -G Ninja -DRADSCOUT_WERROR=ON "$@" >"$log" 2>&1 &&
        ninja -C "$top/$folder" >>"$log" 2>&1 ||
        { tail -40 "$log" >&2; die "the build failed; the log is $folder/log.txt"; }
}
