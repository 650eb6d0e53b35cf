"""The folders of this machine that hold interpreters: what a repository's virtual environment may have shown.

A repository may track its virtual environment, and so decide where `.venv/bin/python` leads. Only the installation of
an interpreter is ever shown for it: one in a folder where a known tool puts them, or that the user names.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

NAMED = "WINNOW_INTERPRETERS"
"""The variable in which a user names further folders with interpreters, separated as in PATH."""

_PROGRAM = re.compile(r"(?:python|pypy)\d*(?:\.\d+)?t?")
_CONDA = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", "conda")


def installation(executable: Path, environ: Mapping[str, str]) -> Path | None:
    """The prefix of the interpreter that a path leads to, every link followed; None where that is no interpreter in a
    folder that is known to hold them.
    """
    program = Path(os.path.realpath(executable))
    prefix = program.parent.parent
    if program.parent.name != "bin" or not _PROGRAM.fullmatch(program.name) or not program.is_file():
        return None
    if not any(prefix.glob("lib/py*/os.py")):
        return None
    known = any(_holds(Path(os.path.realpath(folder)), prefix, depth) for folder, depth in _homes(environ))
    return prefix if known or prefix == Path(os.path.realpath(sys.base_prefix)) else None


def _holds(folder: Path, prefix: Path, depth: int) -> bool:
    """Whether a prefix is so many levels below a folder; depth -1: the folder itself, or any level."""
    if depth < 0:
        return prefix == folder or folder in prefix.parents
    return len(prefix.parents) >= depth and [prefix, *prefix.parents][depth] == folder


def _homes(environ: Mapping[str, str]) -> Iterator[tuple[Path, int]]:
    """(folder, how many levels below it a prefix lies) of the system, of the tools that install interpreters, and of
    the user's own words."""
    home = Path(environ.get("HOME") or "/nonexistent")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    yield from ((Path("/usr"), 0), (Path("/usr/local"), 0), (Path("/usr/lib"), 1))
    yield from ((Path("/opt/python"), 1), (Path("/opt/hostedtoolcache/Python"), 2))
    yield from ((Path(brew) / "Cellar", 2) for brew in ("/opt/homebrew", "/home/linuxbrew/.linuxbrew"))
    yield Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions", 1
    yield Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python"), 1
    yield Path(environ.get("ASDF_DATA_DIR") or home / ".asdf") / "installs/python", 1
    yield Path(environ.get("MISE_DATA_DIR") or data / "mise") / "installs/python", 1
    yield from ((home / ".rye/py", 1), (data / "pdm/python", 1), (data / "hatch/pythons", 2))
    roots = [base / name for base in (home, Path("/opt"), Path("/root")) for name in _CONDA]
    roots += [Path(environ[name]) for name in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT") if environ.get(name)]
    for root in roots:
        yield from ((root, 0), (root / "envs", 1))
    yield home / ".conda/envs", 1
    for named in environ.get(NAMED, "").split(os.pathsep):
        if os.path.isabs(named) and named != "/":
            yield Path(named), -1
