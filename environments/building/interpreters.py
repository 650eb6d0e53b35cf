"""Which CPython interpreters this machine has, or can get from uv."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..toolchains import holds_a_home, is_shown, python_needs

_DOWNLOAD_SECONDS = 600


@dataclass(frozen=True, slots=True, order=True)
class Interpreter:
    """A CPython on this machine. version: as far as it is known, (3, 9, 18) or (3, 9). prefix: its installation."""

    version: tuple[int, ...]
    executable: Path
    prefix: Path

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[0], self.version[1]

    def needs(self) -> tuple[str, ...]:
        """Folders of the host that a sandbox on the host's root must show for it."""
        return python_needs(self.executable)

    def in_system(self) -> bool:
        """Whether it is the distribution's: a part of the host's root, and of no other root."""
        return is_shown(self.prefix)


def installed(
    environ: Mapping[str, str] | None = None, downloads: Path | None = None
) -> tuple[Interpreter, ...]:
    """What pyenv, uv, the system and Winnow's own installation have, one for each minor version: the newest patch.

    downloads: folder of those that Winnow had uv download.
    """
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME", "/nonexistent"))
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    managed = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    found = [*_in(pyenv, r"(\d+\.\d+\.\d+)"), *_in(managed, r"cpython-(\d+\.\d+\.\d+)-.*")]
    if downloads is not None:
        found += _in(downloads, r"cpython-(\d+\.\d+\.\d+)-.*")
    for folder in (Path("/usr/local/bin"), Path("/usr/bin")):
        found += _in_system(folder)
    own = Path(sys.base_prefix)
    if not holds_a_home(own):
        executable = own / f"bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        found += [Interpreter(tuple(sys.version_info[:3]), executable, own)] if executable.exists() else []
    best: dict[tuple[int, int], Interpreter] = {}
    for one in found:  # an earlier place goes before a later one with the same version
        known = best.get(one.minor)
        if known is None or (known.in_system(), one.version) < (one.in_system(), known.version):
            best[one.minor] = one if known is None or one.version > known.version else known
    return tuple(best[minor] for minor in sorted(best))


def download(version: str, folder: Path) -> Interpreter | None:
    """Have uv download a CPython ("3.9") into `folder`, None where that cannot be had. Blocks for up to minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "UV_PYTHON_INSTALL_DIR": str(folder), "UV_NO_PROGRESS": "1"}
    command = [uv_program(), "python", "install", "--no-bin", "--managed-python", version]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=_DOWNLOAD_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    wanted = tuple(int(part) for part in version.split("."))
    return max(
        (one for one in _in(folder, r"cpython-(\d+\.\d+\.\d+)-.*") if one.version[: len(wanted)] == wanted),
        default=None,
    )


@lru_cache(maxsize=1)
def uv_program() -> str:
    """Where uv's program lies: uv's own package knows."""
    from uv import find_uv_bin

    return os.fsdecode(find_uv_bin())


def _in(folder: Path, pattern: str) -> list[Interpreter]:
    found = []
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = re.fullmatch(pattern, one.name)
        if match is None or one.is_symlink():
            continue
        version = tuple(int(part) for part in match[1].split("."))
        executable = one / f"bin/python{version[0]}.{version[1]}"
        if executable.exists():
            found.append(Interpreter(version, executable, one))
    return found


def _in_system(folder: Path) -> list[Interpreter]:
    """Programs of the distribution. Links elsewhere (pyenv's shims, a user's own) are what is elsewhere."""
    found = []
    for one in sorted(folder.glob("python[23].*")):
        match = re.fullmatch(r"python(\d)\.(\d+)", one.name)
        if match and is_shown(Path(os.path.realpath(one))):
            minor = int(match[1]), int(match[2])
            library = folder.parent / f"lib/python{match[1]}.{match[2]}"
            if (library / "os.py").exists():
                found.append(Interpreter(minor, one, folder.parent))
    return found
