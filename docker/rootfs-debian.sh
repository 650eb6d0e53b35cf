#!/bin/sh
# Makes a folder with a small Debian for sandboxes, where no registry can be reached but apt's mirror can:
#
#   sudo sh docker/rootfs-debian.sh bookworm ~/bookworm                      # Python, git, pip, venv and certificates
#   sudo sh docker/rootfs-debian.sh bookworm ~/bookworm gcc make libffi-dev  # and these packages
#   winnow solve . --rootfs ~/bookworm ...
#
# WINNOW_ROOTFS_PACKAGES names other packages than Python and its kin ("" for none at all). The mirror is the one of
# this machine's own apt, or the one that WINNOW_ROOTFS_MIRROR names. The folder appears whole or not at all.
set -eu

stop() { printf 'rootfs-debian: %s\n' "$*" >&2; exit 1; }

[ $# -ge 2 ] || stop "say what and where: sh docker/rootfs-debian.sh SUITE FOLDER [PACKAGE ...]"
suite=$1 folder=$2
shift 2
[ "$(id -u)" -eq 0 ] || stop "debootstrap must be run by root (sudo)"
command -v debootstrap >/dev/null 2>&1 || stop "debootstrap is missing: apt-get install debootstrap"
[ ! -e "$folder" ] || stop "$folder is there already: remove it, or name another folder"

# Of all that apt knows, the first address that has the suite itself; every Debian mirror has all suites, so else the first.
addresses=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true)
mirror=${WINNOW_ROOTFS_MIRROR:-$(printf '%s\n' "$addresses" |
    awk -v suite="$suite" '$2 == "main" { if (!first) first = $3; if ($1 == suite) { print $3; found = 1; exit } }
                           END { if (!found) print first }')}
[ -n "$mirror" ] || stop "apt knows no mirror: fill its sources, or set WINNOW_ROOTFS_MIRROR"

packages=${WINNOW_ROOTFS_PACKAGES-python3 python3-pip python3-venv git ca-certificates}
wanted=$(printf '%s ' "$packages" "$@" | tr -s ' ' ',' | sed 's/^,//; s/,$//')

umask 022
parent=$(dirname "$folder")
mkdir -p "$parent"
work=$(mktemp -d "$parent/.rootfs-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$work"
debootstrap --variant=minbase ${wanted:+--include="$wanted"} "$suite" "$work" "$mirror" ||
    stop "debootstrap failed; its log was the lines above"
# What only an installation needs: fetched packages, lists, device files (a sandbox has its own).
rm -rf "$work"/var/cache/apt/* "$work"/var/lib/apt/lists/* "$work"/dev/* "$work"/debootstrap
[ -e "$work/usr/bin/python" ] || [ ! -e "$work/usr/bin/python3" ] || ln -s python3 "$work/usr/bin/python"
mv "$work" "$folder"
trap - EXIT
echo "made $folder: winnow solve . --rootfs $folder"
