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
