#!/bin/sh
# Runs the README's two commands on a new Debian machine: `make fresh`.
#
#   sudo sh docker/fresh-debian.sh                  # make demo, then make test
#   sudo sh docker/fresh-debian.sh "make demo"      # these commands instead
#
# The machine is a root file system by debootstrap with Python 3.11, pip, git and make alone. It has its own mounts,
# processes and control groups; only the network is the host's. What is committed here is cloned there. The host gives
# what reaching a package index takes (apt's sources, certificates, pip's index and proxies) and nothing else. It takes
# some 10 GB below WINNOW_FRESH_FOLDER (/var/tmp), which are removed at the end, as is everything that ran in it.
# Exit code: 0 where all passed, else 1.
set -eu

suite=bookworm
packages="python3.11 python3-venv python3-pip git make ca-certificates"
carried="PIP_INDEX_URL PIP_CERT PIP_DEFAULT_TIMEOUT UV_DEFAULT_INDEX SSL_CERT_FILE REQUESTS_CA_BUNDLE
    http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY TERM"
checkout=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'fresh: %s\n' "$*"; }
stop() { say "$*" >&2; exit 1; }

# --- inside the new machine's namespaces, before its root is entered ---------------------------------------------------

# Its own part of each hierarchy of control groups, mounted where the host has it.
mount_cgroups() {
    mount -t tmpfs -o mode=755 cgroups sys/fs/cgroup
    if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        # Version 2 hands controllers only to groups below one that has no processes of its own.
        mkdir sys/fs/cgroup/init
        for pid in $(cat sys/fs/cgroup/cgroup.procs); do echo "$pid" >sys/fs/cgroup/init/cgroup.procs || true; done
        for controller in $(cat sys/fs/cgroup/cgroup.controllers); do
            echo "+$controller" >sys/fs/cgroup/cgroup.subtree_control || true
        done
        return
    fi
    while read -r _ point type options _; do
        case "$point:$type" in
            /sys/fs/cgroup/*:cgroup) mkdir "$root$point" && mount -t cgroup -o "${options#*relatime,}" cgroup "$root$point" ;;
            /sys/fs/cgroup/*:cgroup2) mkdir "$root$point" && mount -t cgroup2 cgroup2 "$root$point" ;;
        esac
    done </proc/mounts
}

enter() {
    root=$1 commands=$2
    hostname fresh
    mount --bind "$root" "$root" # a root that can be pivoted to, as user namespaces and container engines want it
    cd "$root"
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t devtmpfs dev dev
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
    mkdir -p dev/shm
    mount -t tmpfs -o mode=1777 shm dev/shm
    mount_cgroups
    pivot_root . mnt
    # Both kinds of sandboxes have to work there: their tests fail rather than be skipped.
    set -- WINNOW_TEST_BACKENDS="docker overlay" HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    for name in $carried; do
        eval "[ -z \"\${$name:-}\" ] || set -- \"\$@\" \"$name=\$$name\""
    done
    cd /srv # not root's own home: some tests become an ordinary user
    umount -l /mnt
    exec env -i "$@" sh -euc "git clone -q winnow.git winnow; cd winnow; $commands"
}

if [ "${1:-}" = --enter ]; then
    enter "$2" "$3"
fi

# --- on the host ------------------------------------------------------------------------------------------------------

commands=${1:-"make demo; make test"}
[ "$(id -u)" -eq 0 ] || stop "a machine of its own takes root: sudo make fresh"
for program in debootstrap unshare git; do
    command -v "$program" >/dev/null 2>&1 || stop "$program is missing: apt-get install debootstrap util-linux git"
done
[ -z "$(git -C "$checkout" status --porcelain)" ] || say "what is not committed here is not tested there"

folder=$(mktemp -d "${WINNOW_FRESH_FOLDER:-/var/tmp}/winnow-fresh-XXXXXX")
root=$folder/root
group=winnow-fresh-$$
machine=
groups=$(awk '$3 ~ /^cgroup2?$/ { print $2 }' /proc/mounts)

remove_groups() {
    for hierarchy in $groups; do
        # A group goes only after those below it, and after its processes, which were killed with the machine.
        find "$hierarchy/$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}

end() {
    code=$?
    trap - EXIT
    # unshare and the new machine's first process both ignore gentler signals; all others die with the latter.
    [ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null || true
    # Back to where this shell came from, so that its group can go.
    for hierarchy in $groups; do echo $$ >"$hierarchy/cgroup.procs" 2>/dev/null || true; done
    tries=0
    while remove_groups; do
        # shellcheck disable=SC2086
        ls -d $(printf "%s/$group " $groups) >/dev/null 2>&1 && [ "$tries" -lt 50 ] || break
        tries=$((tries + 1))
        sleep 0.2
    done
    rm -rf --one-file-system "$folder"
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

say "making a Debian $suite"
WINNOW_ROOTFS_PACKAGES=$packages sh "$checkout/docker/rootfs-debian.sh" "$suite" "$root" >"$folder/debootstrap.log" 2>&1 ||
    { tail -n 20 "$folder/debootstrap.log"; stop "the root file system could not be made"; }

# What reaching a package index takes.
git clone -q --bare "$checkout" "$root/srv/winnow.git"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
cat /etc/ssl/certs/ca-certificates.crt >"$root/etc/ssl/certs/ca-certificates.crt"
if grep -qs "$suite" /etc/apt/sources.list /etc/apt/sources.list.d/*; then
    rm -f "$root/etc/apt/sources.list"
    cp -rL /etc/apt/sources.list* /etc/apt/apt.conf.d /etc/apt/trusted.gpg.d "$root/etc/apt/"
    cp -rL /usr/share/keyrings/. "$root/usr/share/keyrings/"
fi

for hierarchy in $groups; do
    mkdir "$hierarchy/$group"
    for name in cpuset.cpus cpuset.mems; do
        [ ! -e "$hierarchy/$group/$name" ] || cat "$hierarchy/$name" >"$hierarchy/$group/$name" 2>/dev/null || true
    done
    echo $$ >"$hierarchy/$group/cgroup.procs"
done

say "$(uname -m), $(nproc) processors; the commands: $commands"
unshare --mount --pid --fork --kill-child --uts --ipc --cgroup --propagation private \
    sh "$checkout/docker/fresh-debian.sh" --enter "$root" "$commands" </dev/null &
machine=$!
code=0
wait "$machine" || code=$?
[ "$code" -eq 0 ] || stop "it failed with exit code $code"
say "all of it passed"
