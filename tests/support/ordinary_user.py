"""Running tests once more as a user who is not root, in a copy of the checkout that such a user can read."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class User:
    """uid: their number. words: what starts a program as them."""

    uid: int
    words: Sequence[str]


@contextlib.contextmanager
def ordinary_user() -> Iterator[User]:
    """A user made for a test, and removed after it. Skips where the tests are not root's."""
    if os.geteuid() != 0:
        pytest.skip("the tests run as an ordinary user already")
    name = f"winnow-{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    try:
        made = pwd.getpwnam(name)
        # setpriv itself still finds programs with root's rights: the shell between starts them with the user's.
        words = ["setpriv", f"--reuid={made.pw_uid}", f"--regid={made.pw_gid}", "--clear-groups"]
        yield User(made.pw_uid, [*words, "/bin/sh", "-c", 'exec "$@"', "sh"])
    finally:
        subprocess.run(["userdel", name], check=True)


def run_tests_as(
    user: User, parts: Sequence[str], arguments: Sequence[str], environ: dict[str, str] | None = None
) -> str:
    """Run pytest as a user, in a copy of these parts of the checkout. -> what it printed. Blocks.

    environ: variables of this process that they need besides PATH. Fails where a test fails, or none passes.
    """
    folder = Path(f"/tmp/winnow-user-{secrets.token_hex(4)}")
    packages = str(Path(pytest.__file__).parents[1])
    env = {
        **(environ or {}),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{folder}:{packages}",
        "HOME": str(folder),
    }
    try:
        _copy(folder, parts, user.uid)
        python = _python(user, env)
        if python is None:
            pytest.skip("no Python 3.11 with pytest here that an ordinary user may run")
        argv = [*user.words, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/t"]
        done = subprocess.run([*argv, *arguments], env=env, cwd=folder, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode == 0 and " passed" in said, said
        return said
    finally:
        shutil.rmtree(folder)


def _copy(folder: Path, parts: Sequence[str], uid: int) -> None:
    """A checkout may lie in root's home."""
    for part in (*parts, "tests/support"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / part, folder / part, ignore=ignore, dirs_exist_ok=True)
    for file in ("tests/conftest.py", "pyproject.toml"):
        shutil.copy(CHECKOUT / file, folder / file)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, -1, follow_symlinks=False)


def _python(user: User, env: dict[str, str]) -> str | None:
    check = "import sys, pytest, pytest_asyncio, hypothesis; assert sys.version_info >= (3, 11)"
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(
                [*user.words, python, "-c", check], env=env, cwd="/", capture_output=True, check=True
            )
            return python
    return None
