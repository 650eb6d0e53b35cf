"""The one chain of execs that makes an overlay sandbox: unshare, mount, prlimit, bubblewrap, /bin/sh.

It stays one process all along, the child of the thread that runs the event loop, so bubblewrap's --die-with-parent
ends the sandbox when Winnow is killed; the mounts live in a private namespace and vanish with it.

Option strings of overlayfs break on colons, commas and backslashes and end at 4 KB. So everything named in them is a
short relative path below the run's folder, and folders of the user are reached through links made there.
"""

from __future__ import annotations

import functools
import os
import posixpath
import resource
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .host import hidden, host_binds, kernel_binds
from .protocol import HostRoot, Limits, World

LINK = 66
"""Exit code of the chain when a command of an earlier layer put a link where something is to be mounted."""

TOOLS = ("unshare", "mount", "prlimit", "bwrap")

CHAIN_ENV: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    # newer util-linux hands options to fsconfig(2) one by one, where a value ends at 256 bytes
    "LIBMOUNT_FORCE_MOUNT2": "always",
}


@dataclass(frozen=True, slots=True)
class Mounted:
    """One overlay: where in the sandbox, its staging folder and its layers, all relative to the run's folder."""

    target: str
    staged: str
    lower: tuple[str, ...]
    upper: str
    work: str


def chain(
    folder: Path,
    world: World,
    overlays: tuple[Mounted, ...],
    limits: Limits,
    first: bool,
    other_network: bool = False,
) -> list[str]:
    """The argv; its bubblewrap reads a file of arguments that is written here.

    folder: the run's. overlays: the root first. first: nothing of the sandbox has run yet. other_network: the layers
    below were made with another network than the world's. Raises OSError.
    """
    script = _script(folder, world, overlays, limits, first, other_network)
    return ["unshare", *_namespaces(), "/bin/sh", "-c", script]


def _namespaces() -> list[str]:
    return ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]


def _script(
    folder: Path,
    world: World,
    overlays: tuple[Mounted, ...],
    limits: Limits,
    first: bool,
    other_network: bool,
) -> str:
    lines = ["set -e", f"cd {shlex.quote(str(folder))}", _MOUNT]
    lines += [f"overlay {shlex.quote(_options(item))} {item.staged}" for item in overlays]
    binds = host_binds(world.root.extra) if isinstance(world.root, HostRoot) else []
    targets = [item.target for item in overlays[1:]] + [inside for _, inside in binds]
    links = sorted(
        {place for target in (*targets, "/proc", "/dev") for place in _on_the_way(target, overlays)}
    )
    lines.append(
        f'for p in {" ".join(shlex.quote(link) for link in links)}; do [ ! -L "$p" ] || exit {LINK}; done'
    )
    if first:
        lines += _preparations(overlays[0].staged)
    if other_network or (first and world.network == "host"):
        lines += _names(world.network, overlays[0])
    # Read from a file, so that the sandbox's process table does not show the host's paths in its init's arguments.
    said = _bwrap(folder, world, overlays, binds)
    args = f"{posixpath.dirname(overlays[0].staged)}/args"
    (folder / args).write_bytes(b"".join(os.fsencode(word) + b"\0" for word in said))
    lines.append("unset PWD OLDPWD LIBMOUNT_FORCE_MOUNT2")  # init's environment can be read in the sandbox
    lines.append(f"exec {shlex.join(['prlimit', *_rlimits(limits)])} bwrap --args 3 -- /bin/sh 3<{args}")
    return "\n".join(lines)


# `volatile` leaves out syncing what is thrown away anyway; kernels before 5.10 refuse it.
_MOUNT = """overlay() {
mount -t overlay overlay -o "$1,volatile" "$2" 2>/dev/null || mount -t overlay overlay -o "$1" "$2"
}"""


def _options(item: Mounted) -> str:
    options = f"lowerdir={':'.join(item.lower)},upperdir={item.upper},workdir={item.work},index=off"
    return options if os.geteuid() == 0 else options + ",userxattr"


def _on_the_way(target: str, overlays: tuple[Mounted, ...]) -> Iterator[str]:
    """Every folder that leads to a mount point, and the point itself, as staged: none of them may be a link.

    bubblewrap makes mount points while it can still reach the host's root; commands of an earlier layer may have put
    a link in their place that leads there.
    """
    parts = target.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        path = "/" + "/".join(parts[:end])
        holder = max((o for o in overlays if _below(path, o.target)), key=lambda o: len(o.target))
        yield posixpath.join(holder.staged, posixpath.relpath(path, holder.target))


def _below(path: str, target: str) -> bool:
    return path != target and path.startswith(target.rstrip("/") + "/")


def _preparations(root: str) -> Iterator[str]:
    for link in ("tmp", "tmp/home"):
        yield f"[ ! -L {root}/{link} ] || exit {LINK}"
    yield f"mkdir -p {root}/tmp/home; chmod 1777 {root}/tmp"


def _names(network: str, root: Mounted) -> Iterator[str]:
    """How hosts are found by name: as the host does it, or as the bottom of the root's stack has it."""
    etc, below = f"{root.staged}/etc", f"{root.lower[-1]}/etc"
    yield f"[ ! -L {etc} ] || exit {LINK}"
    yield f"mkdir -p {etc}; rm -rf {etc}/resolv.conf {etc}/hosts"
    if network == "host":
        yield f"for f in resolv.conf hosts; do [ ! -f /etc/$f ] || cat /etc/$f >{etc}/$f; done"
    else:  # a link is copied as one: it could lead to a file of the host
        yield f"for f in resolv.conf hosts; do [ -L {below} ] || [ ! -f {below}/$f ] || cp -P {below}/$f {etc}/$f; done"


def _bwrap(
    folder: Path, world: World, overlays: tuple[Mounted, ...], binds: list[tuple[str, str]]
) -> list[str]:
    argv = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    argv += ["--hostname", "sandbox", "--unshare-user"]
    if disables_userns():
        argv.append("--disable-userns")
    if world.network == "host":
        argv.append("--share-net")
    argv += ["--bind", str(folder / overlays[0].staged), "/"]
    for source, target in binds:
        argv += ["--ro-bind", source, target]
    if isinstance(world.root, HostRoot):
        for target in hidden():
            argv += ["--tmpfs", target, "--remount-ro", target]
    argv += ["--proc", "/proc", "--dev", "/dev"]
    for source, target in kernel_binds():
        argv += ["--ro-bind", source, target]
    for item in overlays[1:]:
        argv += ["--bind", str(folder / item.staged), item.target]
    return [*argv, "--chdir", "/", "--setenv", "PATH", CHAIN_ENV["PATH"]]


@functools.cache
def disables_userns() -> bool:
    """Whether bubblewrap (0.8 on) can keep user namespaces from being made inside.

    In one of its own a sandbox that root started could mount the host's control groups, and root owns those.
    """
    said = subprocess.run(["bwrap", "--help"], capture_output=True, env=CHAIN_ENV, check=False).stdout
    return b"--disable-userns" in said


def _rlimits(limits: Limits) -> list[str]:
    """Limits of every single process, as far as this process may give them. Issue 3's groups limit the whole."""
    wanted = {
        # what a process may write to, not what it reserves: runtimes reserve far more address space than they use
        "data": (resource.RLIMIT_DATA, limits.memory),
        "nofile": (resource.RLIMIT_NOFILE, limits.files),
        "fsize": (resource.RLIMIT_FSIZE, limits.disk),
        "core": (resource.RLIMIT_CORE, 0),
    }
    if os.geteuid() != 0:  # counted for each user namespace; root is exempt whatever its namespace
        wanted["nproc"] = (resource.RLIMIT_NPROC, limits.processes)
    argv = []
    for name, (number, value) in wanted.items():
        if value is None:
            continue
        most = resource.getrlimit(number)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        argv.append(f"--{name}={value}:{value}")
    return argv
