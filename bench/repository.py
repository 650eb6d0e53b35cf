"""The repository that every arm works on: files of Python with a git history, made here."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from .workload import Size, value_file

_PLAIN = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def make_repository(folder: Path, size: Size) -> None:
    """Make the repository in a new folder: one commit in one pack. In full 6,002 files, about 25 MB.

    Imported as a stream and checked out, so that nothing is deleted: a disk may be slow for a minute after that.
    """
    folder.mkdir()
    git = ["git", "-C", str(folder)]
    for words, stream in (
        (["init", "-q", "-b", "main"], b""),
        (["config", "gc.auto", "0"], b""),  # nothing may go on in the background while arms are measured
        (["fast-import", "--quiet"], _stream(size)),
        (["reset", "-q", "--hard"], b""),
    ):
        subprocess.run([*git, *words], check=True, env=_PLAIN, input=stream)


def _stream(size: Size) -> bytes:
    """The one commit, as git's fast-import reads it."""
    files = {"pkg/__init__.py": "", "pkg/value.py": value_file(0)}
    for part in range(size.folders):
        for number in range(size.files):
            name = f"pkg/part{part:02}/module{number:02}.py"
            files[name] = _module(name)
    lines = [
        "commit refs/heads/main",
        "committer bench <bench@localhost> 1704067200 +0000",
        "data 10",
        "everything",
    ]
    for name, text in files.items():
        lines += [f"M 100644 inline {name}", f"data {len(text)}", text]
    return "\n".join([*lines, ""]).encode()


def _module(name: str) -> str:
    """Some 4 KB of functions that no two modules share, so that git cannot pack them away."""
    lines = [f'"""Module {name}."""', ""]
    for number in range(32):
        word = hashlib.sha256(f"{name} {number}".encode()).hexdigest()
        lines += [
            f"def function_{number}(value):",
            f'    """{word}"""',
            f"    return value + 0x{word[:12]}",
            "",
        ]
    return "\n".join(lines)
