"""Calling git so that nothing of the user's configuration runs and nothing of a user's checkout is written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path


class RepositoryError(Exception):
    """A repository that cannot be used as it is. The message is one sentence that says what to do."""


class GitFailed(RepositoryError):
    """git ended with an exit code that was not expected. The message ends with git's last line, `said` has them all."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


# Hooks, a file-system monitor, filters, replaced objects, lazy fetches and locks are all ways in which a mere look
# at a repository runs or writes something. Filters need a driver in the configuration, which is empty here.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.logAllRefUpdates=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.quotePath=false",
    # What git writes here is a copy that is made anew if it is lost: neither durable nor small, but soon.
    "core.fsync=none",
    "core.looseCompression=1",
    "pack.compression=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "log.showSignature=false",
    "submodule.recurse=false",
    "safe.directory=*",
)

CPU_SECONDS = 60
"""Of a git with a limit on its memory."""

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    # No protocol at all. A setting would not do: a repository's own word on one protocol goes before it.
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_PAGER": "cat",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
}


def git(
    *args: str | bytes,
    git_dir: Path | None = None,
    work_tree: Path | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    settings: tuple[str, ...] = (),
    ok: tuple[int, ...] = (0,),
    memory: int | None = None,
) -> bytes:
    """Run git and return what it printed. With `git_dir` git looks for no repository (and asks for no owner) itself.

    memory: bytes that git may take, for what others made; it has a minute of processor time then.
    Raises GitFailed where the exit code is not in `ok`, RepositoryError where there is no git.
    """
    command: list[str | bytes] = [*_limited(memory), host_program("git")]
    for setting in (*_SETTINGS, *settings):
        command += ["-c", setting]
    if git_dir is not None:
        command.append(f"--git-dir={git_dir}")
    if work_tree is not None:
        command.append(f"--work-tree={work_tree}")
    # The variables a hook or a parent git leaves (GIT_DIR, GIT_INDEX_FILE...) would point git elsewhere.
    inherited = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [*command, *args],
        input=stdin,
        capture_output=True,
        cwd=cwd or work_tree or git_dir,
        env={**inherited, **_ENVIRONMENT, **(env or {})},
    )
    if done.returncode not in ok:
        said = done.stderr.decode("utf-8", "replace").strip()
        last = said.splitlines()[-1] if said else "no word why"
        raise GitFailed(f"git {_name(args)} failed in {cwd or work_tree or git_dir}: {last}", said)
    return done.stdout


def host_program(name: str) -> str:
    """The path of a program on the user's PATH: never one of the folder in which it is started.

    Raises RepositoryError where there is none.
    """
    return _program(name, os.environ.get("PATH", os.defpath))


@lru_cache(maxsize=8)
def _program(name: str, path: str) -> str:
    folders = [folder for folder in path.split(os.pathsep) if os.path.isabs(folder)]
    found = shutil.which(name, path=os.pathsep.join(folders)) if folders else None
    if found is None:
        raise RepositoryError(f"{name} is not installed: install it and start again")
    return found


def _limited(memory: int | None) -> list[str]:
    """What stands before a command that may take so many bytes. A limit that is lower already stays."""
    if memory is None:
        return []
    limits = f"ulimit -v {memory // 1024} 2>/dev/null; ulimit -t {CPU_SECONDS} 2>/dev/null"
    return ["/bin/sh", "-c", f'{limits}; exec "$@"', "sh"]


def alternates(*folders: Path) -> str:
    """The value of GIT_ALTERNATE_OBJECT_DIRECTORIES for these folders, quoted as git wants it."""
    quoted = (
        str(folder).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for folder in folders
    )
    return os.pathsep.join(f'"{folder}"' for folder in quoted)


def _name(args: tuple[str | bytes, ...]) -> str:
    return os.fsdecode(args[0]) if args else ""
