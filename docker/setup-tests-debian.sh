#!/bin/sh
# What only Winnow's own tests need. Run again it ends at once; it never fails its caller, since tests that miss something
# are skipped with a reason.
#
# - Debian's docker-registry, put beside the virtual environment: unpacked and not installed, so that no service is started
#   and nothing of the system changes.
# - Debian's chromium, for the tests of `winnow view`: installed, where this is root (some 20 s, 400 MB with what it needs).
set -u

tools=.venv/test-tools

fetch() { (cd "$1" && apt-get download -qq docker-registry >/dev/null 2>&1); }

registry() {
    command -v docker-registry >/dev/null 2>&1 && return
    [ -x "$tools/usr/bin/docker-registry" ] && return
    command -v dpkg-deb >/dev/null 2>&1 || return
    if ! fetch "$work" && [ "$(id -u)" -eq 0 ]; then
        apt-get update -qq >/dev/null 2>&1
        fetch "$work"
    fi
    mkdir -p "$tools" && dpkg-deb -x "$work"/docker-registry_*.deb "$tools" 2>/dev/null ||
        echo "tests: docker-registry could not be fetched (apt-get download docker-registry says why): pulls are not tested."
}

install_chromium() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1; }

browser() {
    command -v chromium >/dev/null 2>&1 && return
    if [ "$(id -u)" -ne 0 ]; then
        echo "tests: no chromium here (as root: apt-get install chromium): the viewer is not tested in a browser."
    elif ! install_chromium && ! { apt-get update -qq >/dev/null 2>&1 && install_chromium; }; then
        echo "tests: chromium could not be installed (apt-get install chromium says why): the viewer is not tested in a browser."
    fi
}

command -v apt-get >/dev/null 2>&1 || exit 0
work=$(mktemp -d) || exit 0
trap 'rm -rf "$work"' EXIT
registry
browser
exit 0
