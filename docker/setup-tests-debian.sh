#!/bin/sh
# Installs what only Winnow's own tests need, as docker/test-programs.txt lists it. Run again it ends at once; it never
# fails its caller, since tests that miss a program are skipped with a reason.
#
# - "installed": Debian's packages, where this is root (bubblewrap, a browser and such: some 500 MB, a minute).
# - "unpacked": put beside the virtual environment and not installed, so that no service is started and nothing of the
#   system changes.
set -u

list=$(dirname "$0")/test-programs.txt
tools=.venv/test-tools

say() { printf 'tests: %s\n' "$*"; }

# Whether a program, a shared library or a file is here.
here() {
    case "$1" in
        /*) [ -e "$1" ] ;;
        *.so.*) PATH="$PATH:/sbin:/usr/sbin" ldconfig -p | grep -qF "$1" ;;
        *) command -v "$1" >/dev/null 2>&1 || [ -x "$tools/usr/bin/$1" ] ;;
    esac
}

# What is missing here, of all that is listed as brought in this way: "name package" a line.
missing() {
    grep -v '^#' "$list" | while read -r program package brought; do
        [ "$brought" = "$1" ] || continue
        here "$program" || echo "$program $package"
    done
}

names() { missing "$1" | cut -d ' ' -f 1 | tr '\n' ' '; }
packages() { missing "$1" | cut -d ' ' -f 2 | sort -u; }

# shellcheck disable=SC2046
install_all() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(packages installed) >/dev/null 2>&1; }

# One by one where they do not go together: what can be had is installed.
install_each() {
    for package in $(packages installed); do
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1
    done
}

# shellcheck disable=SC2046
download_all() { (cd "$1" && apt-get download -qq $(packages unpacked) >/dev/null 2>&1); }

unpack_all() {
    for package in "$1"/*.deb; do
        dpkg-deb -x "$package" "$tools" 2>/dev/null
    done
}

command -v apt-get >/dev/null 2>&1 || exit 0
[ -n "$(names installed)$(names unpacked)" ] || exit 0
list=$(cd "$(dirname "$list")" && pwd)/test-programs.txt
tools=$(pwd)/$tools

if [ -n "$(names installed)" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        say "installing $(names installed)"
        install_all || { apt-get update -qq >/dev/null 2>&1 && install_all; } || install_each
    else
        say "as root this would install $(names installed)"
    fi
fi
if [ -n "$(names unpacked)" ] && command -v dpkg-deb >/dev/null 2>&1; then
    work=$(mktemp -d) || exit 0
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$tools"
    download_all "$work" || { [ "$(id -u)" -eq 0 ] && apt-get update -qq >/dev/null 2>&1 && download_all "$work"; }
    unpack_all "$work"
fi
left="$(names installed)$(names unpacked)"
[ -z "$left" ] || say "not here, so some tests are skipped: $left"
exit 0
