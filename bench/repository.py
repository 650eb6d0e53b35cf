"""The repository that every arm works on: 6,000 files of Python with a git history, made here."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from .ground import value_file

FOLDERS, FILES = 60, 100

_DATE = "2024-01-01T00:00:00+00:00"
_GIT = {
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@localhost",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@localhost",
    "GIT_AUTHOR_DATE": _DATE,
    "GIT_COMMITTER_DATE": _DATE,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


def make_repository(folder: Path) -> Path:
    """Make the repository in a new folder: 6,002 files, about 50 MB, one commit. -> the folder"""
    package = folder / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "value.py").write_text(value_file(0))
    for part in range(FOLDERS):
        (package / f"part{part:02}").mkdir()
        for number in range(FILES):
            name = f"part{part:02}/module{number:02}.py"
            (package / name).write_text(_module(name))
    git = ["git", "-C", str(folder)]
    env = {**os.environ, **_GIT}
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "everything"]):
        subprocess.run([*git, *words], check=True, env=env)
    return folder


def _module(name: str) -> str:
    """Some 8 KB of functions that no two modules share, so that git cannot pack them away."""
    lines = [f'"""Module {name}."""', ""]
    for number in range(48):
        word = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
        lines += [
            f"def function_{number}(value):",
            f'    """{word}"""',
            f"    return value + 0x{word[:12]}",
            "",
        ]
    return "\n".join(lines)
