"""Whether overlay sandboxes work here, found out by starting one."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from pathlib import Path

from .probe import Probe
from .protocol import Limits, SandboxError, World


async def probe_overlay(state: Path | None = None) -> Probe:
    """Start a sandbox on the host's root in `state` (default: the temporary folder) and run a command in it."""
    if platform.system() != "Linux":
        return _fails(
            f"overlay sandboxes need a Linux kernel, and this is {platform.system()}",
            "use Docker: winnow ... --sandbox docker",
        )
    # A folder of its own: the probe must not meet a run, and its owner is this very process.
    with tempfile.TemporaryDirectory(prefix="winnow-probe-", dir=_existing(state)) as folder:
        try:
            said = await _try(Path(folder))
        except (SandboxError, OSError) as error:
            return _explained(str(error))
    if said != "works":
        return _fails(f"a command in a sandbox said {said!r}", "use Docker: winnow ... --sandbox docker")
    return Probe("overlay", True, "a sandbox of the host's root was started and ran a command")


async def _try(folder: Path) -> str:
    from .overlay import OverlayBackend

    backend = OverlayBackend(run="probe", state=folder)
    try:
        sandbox = await backend.start(World(), name="probe", limits=Limits())
        await sandbox.write("/tmp/probe", b"works")
        return (await sandbox.run("cat /tmp/probe", timeout=120)).output
    finally:
        await asyncio.shield(backend.close())


def _explained(error: str) -> Probe:
    """The reason behind a refusal, from the kernel's settings: the error alone only says that it was refused."""
    root = os.geteuid() == 0
    if not root and _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return _fails(
            "AppArmor keeps ordinary users from making user namespaces",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if not root and _setting("kernel/unprivileged_userns_clone") == "0":
        return _fails(
            "this kernel keeps ordinary users from making user namespaces",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if _setting("user/max_user_namespaces") == "0":
        return _fails(
            "user namespaces are switched off", f"{_as_root()}sysctl -w user.max_user_namespaces=15000"
        )
    if "upper" in error or "wrong fs type" in error or "Invalid argument" in error:
        return _fails(
            f"overlayfs cannot write on the disk that holds the sandboxes ({error})",
            "use a folder on ext4, xfs, btrfs or tmpfs: TMPDIR=/dev/shm, or winnow ... --sandbox docker",
        )
    return _fails(error.rstrip("."), "use Docker: winnow ... --sandbox docker")


def _fails(why: str, cure: str) -> Probe:
    return Probe("overlay", False, f"{why[0].upper()}{why[1:]}.", cure)


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""


def _as_root() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def _existing(folder: Path | None) -> Path | None:
    """The nearest folder above that is there: a probe makes nothing that stays."""
    while folder is not None and not folder.is_dir():
        folder = folder.parent if folder.parent != folder else None
    return folder
