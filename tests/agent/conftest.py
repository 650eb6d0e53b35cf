"""What the agent's tests share: a model that answers from a list, a repository, a sandbox of plain folders."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from environments import Recipe, Task, freeze
from models import Choice, Message, Reply, Usage
from sandbox import NotThere, Result, SandboxSealed

CART = "class Cart:\n    def __init__(self, prices):\n        self.prices = prices\n\n    def total(self):\n"
CART += "        return sum(round(price) for price in self.prices)\n"


class Scripted:
    """A model that says the given things in order (by branch, given a dict) and keeps what it was asked."""

    name = "scripted"

    def __init__(self, replies):
        self.replies = replies if callable(replies) else self._in_order(replies)
        self.asked = []

    @staticmethod
    def _in_order(replies):
        left = (
            {at: list(said) for at, said in replies.items()} if isinstance(replies, dict) else list(replies)
        )
        return lambda request, at: (left[at] if isinstance(left, dict) else left).pop(0)

    async def ask(self, request, at=""):
        self.asked.append((at, request))
        await asyncio.sleep(0)
        said = self.replies(request, at)
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, Reply):
            return said
        return Reply((Choice(Message("assistant", said)),), Usage())

    def at(self, branch):
        return [request for at, request in self.asked if at == branch]


class Folder:
    """A sandbox without walls: a folder that is copied. For the logic of the machines only."""

    def __init__(self, name, folder, shelf, deaths=None):
        self.name, self.folder, self.shelf = name, folder, shelf
        self.sealed = self.closed = False
        self.children = []
        self.deaths = {} if deaths is None else deaths

    async def run(self, command, *, timeout=None, cwd=None, env=None, stdin=b""):
        if self.sealed:
            raise SandboxSealed("sealed")
        for part, error in self.deaths.items():
            if part in self.name:
                raise error
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **(env or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            process.kill()
            await process.wait()
            return Result(124, "", "timeout")
        return Result(process.returncode, out.decode("utf-8", "replace"))

    async def read(self, path, limit=None):
        try:
            return (self.folder / path).read_bytes()[:limit]
        except OSError as error:
            raise NotThere(path) from error

    async def write(self, path, content, mode=0o644):
        if self.sealed:
            raise SandboxSealed("sealed")
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)

    async def copy(self, name):
        self.sealed = True
        folder = self.shelf / name
        shutil.copytree(self.folder, folder, symlinks=True)
        child = Folder(name, folder, self.shelf, self.deaths)
        self.children.append(child)
        return child

    async def close(self):
        self.closed = True


@pytest.fixture
def scripted():
    return Scripted


@pytest.fixture
def make_task(tmp_path):
    """A task of a small repository, frozen, with these files (bytes, text, or a Path: a link)."""

    def make(files=None, issue="Cart.total loses the cents.", languages=("python",), at=None):
        tree = tmp_path / "shop"
        tree.mkdir()
        for path, text in (files or {"shop/__init__.py": "", "shop/cart.py": CART}).items():
            place = tree / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, Path):
                place.symlink_to(text)
                continue
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
            place.chmod(0o755 if path.startswith("bin/") else 0o644)
        snapshot = freeze(tree, tmp_path / "frozen", at=at)
        return Task("a-task", issue, snapshot, Recipe(languages=languages))

    return make


@pytest.fixture
def make_base(tmp_path):
    """A `Folder` sandbox with a task's files. deaths: errors to raise in copies named so."""

    def make(task, deaths=None):
        shelf = tmp_path / "shelf"
        shelf.mkdir()
        shutil.copytree(task.snapshot.tree, shelf / "base", symlinks=True)
        return Folder("base", shelf / "base", shelf, deaths)

    return make


@pytest.fixture
def make_folder(tmp_path):
    """A `Folder` sandbox with these files (bytes), a new one each time."""
    made = []

    def make(files):
        folder = tmp_path / f"folder-{len(made)}"
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        made.append(Folder(folder.name, folder, tmp_path / "shelf"))
        return made[-1]

    return make
