#!/bin/sh
# What only Winnow's own tests need, put beside the virtual environment: Debian's docker-registry, unpacked and not
# installed, so that no service is started and nothing of the system changes. Run again it ends at once; it never fails
# its caller, since tests that miss something are skipped with a reason.
set -u

tools=.venv/test-tools

command -v docker-registry >/dev/null 2>&1 && exit 0
[ -x "$tools/usr/bin/docker-registry" ] && exit 0
command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || exit 0

fetch() { (cd "$1" && apt-get download -qq docker-registry >/dev/null 2>&1); }

work=$(mktemp -d) || exit 0
trap 'rm -rf "$work"' EXIT
if ! fetch "$work" && [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq >/dev/null 2>&1
    fetch "$work"
fi
mkdir -p "$tools" && dpkg-deb -x "$work"/docker-registry_*.deb "$tools" 2>/dev/null ||
    echo "tests: docker-registry could not be fetched (apt-get download docker-registry says why): pulls are not tested."
exit 0
