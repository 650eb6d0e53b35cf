"""What a sandbox sees of the host's own root file system: an allow-list, read-only, and nothing beside it.

A plain read-only bind of / would show ~/.ssh, the Docker socket and every other mount (SAFETY 6). So the root is a
skeleton of empty folders with a few public files of /etc, and only programs and libraries are bound into it.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from .protocol import CannotStart

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Folders of programs and libraries. Where they are links (merged /usr), the links are made anew."""

EMPTY = (
    "dev",
    "etc",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp/home",
    "var/lib",
)
EMPTY += ("var/cache", "var/log", "var/tmp")

ETC = (
    # the loader, names chosen among alternatives, locale and time
    "ld.so.cache ld.so.conf ld.so.conf.d ld.so.preload alternatives locale.alias locale.conf localtime timezone "
    # facts about the system
    "debian_version os-release lsb-release redhat-release system-release alpine-release arch-release machine-info "
    # tables that libraries look things up in
    "mime.types magic magic.mime services protocols rpc ethertypes host.conf gai.conf terminfo fonts bash.bashrc "
    # public certificates, and the settings of what uses them
    "ca-certificates.conf ssl/certs ssl/cert.pem ssl/openssl.cnf pki/tls/certs pki/ca-trust/extracted "
    "crypto-policies libssh xml sgml "
    # language runtimes installed by the distribution
    "python3 python3.11 python3.12 python3.13 perl java-8-openjdk java-11-openjdk java-17-openjdk java-21-openjdk"
).split()
"""Entries of the host's /etc that are copied, links as links. Never shadow, ssh, private keys, or the settings of
engines and package indexes."""

HIDDEN = ("/usr/local/etc",)
"""Folders below PROGRAMS where people keep settings: shown empty."""

MADE = {
    "passwd": "root:x:0:0:root:/tmp/home:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "hostname": "sandbox\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
}
"""The part of /etc that is made up."""

KERNEL_READ_ONLY = "acpi bus driver fs irq mtrr pressure sys sysrq-trigger tty".split()
KERNEL_HIDDEN = "kcore keys key-users kpagecgroup kpagecount kpageflags sched_debug timer_list".split()
"""Entries of /proc that belong to the whole kernel. A sandbox that root started is the host's user 0: without a
single capability it could write /proc/sys/kernel/core_pattern, which names a program that the host runs."""

NEVER = "/ /boot /dev /etc /home /lost+found /media /mnt /proc /root /run /sys /tmp /var /var/lib /var/run".split()
"""Never shown whole, whatever a world asks for."""


def make_skeleton(folder: Path) -> Path:
    """Make the root that everything else is mounted on: empty folders and a small /etc. -> folder"""
    for name in EMPTY:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (folder / name).chmod(0o1777)
    folder.chmod(0o755)
    for name in ETC:
        _copy_public(f"/etc/{name}", folder / "etc" / name)
    for name, text in MADE.items():
        (folder / "etc" / name).write_text(text)
    (folder / "var/run").symlink_to("/run")
    for path in PROGRAMS:
        if os.path.islink(path):
            (folder / path[1:]).symlink_to(os.readlink(path))
        elif os.path.isdir(path):
            (folder / path[1:]).mkdir()
    return folder


def host_binds(extra: tuple[str, ...]) -> list[tuple[str, str]]:
    """(path of the host, path in the sandbox) of all that is bound read-only, outermost first.

    Raises CannotStart for an extra path that is missing or would show a home or every mount.
    """
    sources = {path: path for path in PROGRAMS if os.path.isdir(path) and not os.path.islink(path)}
    for (
        path
    ) in extra:  # "/usr" where it is the home of the system's own Python, or one path twice: bound once
        sources.setdefault(_place_of(path), _checked(path))
    binds = [(source, target) for target, source in sources.items()]
    return sorted(binds, key=lambda bind: bind[1].count("/"))


def _place_of(path: str) -> str:
    """Where a path of the host is shown: itself, by the folder that a linked /bin, /lib ... stands for."""
    path = os.path.normpath(path)
    top = "/" + path.split("/")[1]
    return os.path.realpath(top) + path.removeprefix(top) if top in PROGRAMS else path


def whole_root() -> list[tuple[str, str]]:
    """The binds of a root without the allow-list (see without.py): every folder but the kernel's and the engine's."""
    names = sorted(name for name in os.listdir("/") if name not in ("proc", "sys", "dev", "var"))
    paths = [f"/{name}" for name in names if os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}")]
    return [(path, path) for path in paths]


def kernel_binds() -> list[tuple[str, str]]:
    """(path of the host, path in the sandbox) to bind read-only over a fresh /proc."""
    binds = [(f"/proc/{name}", f"/proc/{name}") for name in KERNEL_READ_ONLY]
    binds += [("/dev/null", f"/proc/{name}") for name in KERNEL_HIDDEN]
    return [bind for bind in binds if os.path.exists(bind[1])]


def hidden() -> list[str]:
    """Folders to cover with an empty one, after all binds."""
    return [path for path in HIDDEN if os.path.isdir(path)]


def _copy_public(source: str, target: Path) -> None:
    """Copy a file, a link or a folder; what not everybody on the host may read is left out, root's view or not."""
    if not _public(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.islink(source):
        real = os.path.realpath(source)
        if real.startswith(("/usr/", "/etc/")):
            target.symlink_to(os.readlink(source))
        elif os.path.isfile(real):
            shutil.copyfile(real, target)
    elif os.path.isdir(source):
        target.mkdir(exist_ok=True)
        for name in os.listdir(source):
            _copy_public(os.path.join(source, name), target / name)
    else:
        shutil.copyfile(source, target)


def _public(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IROTH) and (stat.S_ISDIR(mode) or stat.S_ISREG(mode))


def _checked(path: str) -> str:
    real = os.path.realpath(path)
    if not os.path.isabs(path) or not os.path.exists(real):
        raise CannotStart(
            f"The path {path!r} cannot be shown to a sandbox: it is not there; name an absolute path."
        )
    homes = {os.path.realpath(os.path.expanduser("~")), os.path.expanduser("~")}
    for shown in {real, os.path.normpath(path)}:
        if shown in NEVER or any(home == shown or home.startswith(shown + "/") for home in homes):
            raise CannotStart(
                f"The path {path!r} cannot be shown to a sandbox: it holds secrets; name a folder in it."
            )
    mode = os.stat(real).st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise CannotStart(
            f"The path {path!r} cannot be shown to a sandbox: it is no folder and no plain file."
        )
    return real
