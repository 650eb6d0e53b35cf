#!/bin/sh
# Sets up what Winnow's sandboxes may use on Debian and its kin: Docker's engine, where it can be had, and the program
# that makes a disk with quotas for overlay sandboxes (mkfs.btrfs).
# Run as root; run again it finds everything in place and ends at once. It never fails its caller: overlay sandboxes
# need only the kernel, and where nothing can be done it says what to do and lets the tests and the demo speak.
set -u

log=/var/log/winnow-dockerd.log
wait_seconds=120

say() { printf 'sandboxes: %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# The engine's own ping over its socket: a client need not be installed.
engine_answers() {
    for python in .venv/bin/python python3; do
        have "$python" || continue
        "$python" - 2>/dev/null <<'PYTHON' && return 0
import os, socket, sys
where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
if not where.startswith("unix://"):
    sys.exit(0)  # an engine elsewhere is its owner's to start
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(10)
    s.connect(where[len("unix://"):])
    s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
    sys.exit(0 if b"200" in s.recv(64) else 1)
PYTHON
        return 1
    done
    have docker && docker version >/dev/null 2>&1
}

lists_fetched=no
install() {
    if [ "$lists_fetched" = no ]; then
        say "fetching apt's lists"
        apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed; going on with what is known"
        lists_fetched=yes
    fi
    say "installing $1"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1
}

start_engine() {
    if [ -d /run/systemd/system ] && have systemctl; then
        systemctl start docker >/dev/null 2>&1
        return
    fi
    # Without the kernel's NAT tables there can be no bridge. Sandboxes have no network, or the host's: none is needed.
    options=""
    if ! { have iptables && iptables -t nat -L -n >/dev/null 2>&1; }; then
        options="--iptables=false --ip6tables=false --bridge=none"
    fi
    if ! [ -e /sys/fs/cgroup/cgroup.controllers ] && ! [ -d /sys/fs/cgroup/memory ] && [ -w /sys/fs/cgroup ]; then
        say "the memory cgroup is not mounted: Docker's limits on memory will be missing"
    fi
    # A pid file of a machine that was cut off names some other process today.
    if [ -f /var/run/docker.pid ] && ! kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null; then
        rm -f /var/run/docker.pid
    fi
    # shellcheck disable=SC2086
    setsid dockerd $options >>"$log" 2>&1 </dev/null &
}

wait_for_engine() {
    waited=0
    while [ "$waited" -lt "$wait_seconds" ]; do
        engine_answers && return 0
        sleep 1
        waited=$((waited + 1))
    done
    return 1
}

if [ "$(id -u)" -eq 0 ] && have apt-get && ! have mkfs.btrfs && ! install btrfs-progs; then
    say "btrfs-progs could not be installed: the disk space of overlay sandboxes is counted and not held to its limit."
fi

if engine_answers; then
    exit 0
fi

if [ "$(uname -s)" != Linux ]; then
    say "start Docker Desktop or colima: on this system sandboxes are Docker's."
    exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! have apt-get; then
    say "no Docker engine answers: overlay sandboxes suffice; for Docker start it (sudo systemctl start docker)."
    exit 0
fi

if ! have dockerd && ! install docker.io; then
    say "Docker's engine could not be installed (apt-get install docker.io says why): overlay sandboxes suffice."
    exit 0
fi
start_engine
if wait_for_engine; then
    say "Docker's engine answers"
else
    say "Docker's engine does not start here ($log or journalctl -u docker says why): overlay sandboxes suffice."
fi
exit 0
