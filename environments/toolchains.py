"""Which folders of the host an interpreter or a compiler needs, beyond what a sandbox shows of the host anyway."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

_SHOWN = tuple(Path(path) for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"))


def python_needs(executable: Path) -> tuple[str, ...]:
    """Paths outside /usr that this interpreter needs: its prefix, and each link on the way to it."""
    return _needs(executable, _is_python_prefix)


def tracked_python_needs(executable: Path, prefix: Path) -> tuple[str, ...]:
    """The same for an interpreter that a file of the repository names: `prefix`, as interpreter_homes.installation has
    it, and the links that lead to it; nothing else, whatever lies on the way.
    """
    ends = {os.path.realpath(executable), str(prefix)}
    return tuple(need for need in python_needs(executable) if os.path.realpath(need) in ends)


def tool_needs(name: str, mark: str) -> tuple[str, ...]:
    """The same for a tool on the PATH; a prefix is a folder that holds `mark` ("lib/node_modules"). () without it."""
    found = shutil.which(name, path=_absolute(os.environ.get("PATH", os.defpath)))
    return _needs(Path(found), lambda prefix: (prefix / mark).exists()) if found else ()


def _absolute(path: str) -> str:
    """A search path without the entries that mean the folder one happens to be in: that may be a repository."""
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if os.path.isabs(folder))


def is_shown(path: Path) -> bool:
    """Whether every host root shows this path already."""
    return any(path == shown or shown in path.parents for shown in _SHOWN)


def holds_a_home(folder: Path) -> bool:
    """Whether showing this folder would show a person's home, or everything."""
    home = Path.home()
    return folder == home or folder in home.parents or folder == Path("/")


def _needs(executable: Path, is_prefix: Callable[[Path], bool]) -> tuple[str, ...]:
    needed: list[str] = []
    for hop in _hops(executable):
        prefix = hop.parent.parent
        if is_shown(hop):
            continue
        if is_prefix(prefix) and not holds_a_home(prefix):
            needed.append(str(prefix))
        elif is_prefix(prefix):  # built with --prefix=$HOME: never the home itself, only what is the tool's
            needed += [str(hop), *(str(folder) for folder in sorted(prefix.glob("lib/python3*")))]
        elif not _in_environment(hop):
            needed.append(str(hop))
    return tuple(dict.fromkeys(needed))


def _hops(path: Path) -> list[Path]:
    """The path, every link it goes through, and where it ends."""
    path = Path(os.path.abspath(path))
    hops = [path]
    while path.is_symlink() and len(hops) < 40:
        path = Path(os.path.normpath(path.parent / os.readlink(path)))
        hops.append(path)
    return [*hops, Path(os.path.realpath(path))]


def _in_environment(hop: Path) -> bool:
    """A link inside a virtual environment, which a sandbox shows as a place of its own."""
    return (hop.parent.parent / "pyvenv.cfg").is_file()


def _is_python_prefix(prefix: Path) -> bool:
    return any(prefix.glob("lib/python3*/os.py")) or any(prefix.glob("lib/python2*/os.py"))
