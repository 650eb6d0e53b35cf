"""What the tests of selection share: a small repository with a bug, real sandboxes of it, a model with set replies."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable
from types import SimpleNamespace

import pytest
import pytest_asyncio

from agent import Candidate, Script
from environments import Recipe, Task, diff, freeze
from models import DeterministicModel, Request
from sandbox import Limits, OverlayBackend, Sandbox

BUGGY = "# adds two numbers\necho $(($1 - $2))\n"
RIGHT = BUGGY.replace("-", "+")
ALWAYS_THREE = "# adds two numbers\necho 3\n"
TESTS = """\
check() { if [ "$(sh total.sh $2)" = "$3" ]; then echo "ok $1 - $4"; else echo "not ok $1 - $4"; fi; }
check 1 '5 0' 5 'nothing added'
check 2 '0 0' 0 'two zeros'
check 3 '1 2' 3 'small numbers'
echo 1..3
"""
FILES = {
    "total.sh": BUGGY,
    "tests/all.sh": TESTS,
    "bin/tool": "#!/bin/sh\nsh total.sh 1 1\n",
    "README": "Totals.\n",
}


def script(*lines: str) -> Script:
    return Script("sh", "\n".join(["#!/bin/sh", *lines, ""]))


def total_is(a: int, b: int, expected: int) -> Script:
    """A test as an attempt would write it: 0 where the total is right, else 2."""
    return script(
        f'seen=$(sh total.sh {a} {b}); echo "saw $seen"', f'[ "$seen" = {expected} ] && exit 0', "exit 2"
    )


@pytest.fixture
def totals():
    """The repository's contents and the makers of test scripts, by name."""
    names = {"BUGGY": BUGGY, "RIGHT": RIGHT, "ALWAYS_THREE": ALWAYS_THREE, "TESTS": TESTS}
    return SimpleNamespace(**names, script=script, total_is=total_is)


class Replies:
    """Replies in order, and the requests that they answered; an exception is raised instead of said."""

    def __init__(self, replies: Iterable[str | BaseException]):
        self._left = list(replies)
        self.asked: list[tuple[str, Request]] = []
        self.model = DeterministicModel(self._answer)

    def _answer(self, request: Request, at: str) -> str:
        self.asked.append((at, request))
        said = self._left.pop(0)
        if isinstance(said, BaseException):
            raise said
        return said

    def last(self, call: int = -1) -> str:
        """The last message of a request."""
        return self.asked[call][1].messages[-1].content


@pytest.fixture
def replies():
    return Replies


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> Task:
    """The task, frozen once: nobody changes a frozen repository."""
    folder = tmp_path_factory.mktemp("totals")
    for path, text in FILES.items():
        place = folder / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755 if path.startswith("bin/") else 0o644)
    snapshot = freeze(folder / "source", folder / "frozen", at="/workspace/totals")
    recipe = Recipe(test_command="sh tests/all.sh", test_format="tap", languages=("shell",))
    return Task("totals-1", "total.sh 1 2 prints -1; it should print 3.", snapshot, recipe)


@pytest.fixture
def candidate(task):
    """A candidate that changes these files of the task (None: deletes them)."""

    def make(name: str, changed: dict[str, str | None], test: Script | None = None) -> Candidate:
        return Candidate(name, diff(task.snapshot.tree, changed), test)

    return make


class Counted:
    """A real sandbox that keeps the names of its copies, and how many are open at once."""

    def __init__(self, real: Sandbox, book: dict, name: str = ""):
        self.real, self.book, self.name = real, book, name

    @property
    def cheap_copies(self):
        return self.book.get("cheap_copies", True)

    async def copy(self, name, **options):
        copy = await self.real.copy(name.replace("/", "-"), **options)
        path = f"{self.name}/{name}" if self.name else name
        assert path not in self.book["copies"], f"{path} was copied twice"
        self.book["copies"].append(path)
        self.book["open"].add(path)
        return Counted(copy, self.book, path)

    async def close(self):
        self.book["open"].discard(self.name)
        await self.real.close()

    def __getattr__(self, name):
        return getattr(self.real, name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def started(task, tmp_path_factory):
    """One real sandbox of the task for all tests: it is only ever copied."""
    backend = OverlayBackend(run=f"test{secrets.token_hex(4)}", state=tmp_path_factory.mktemp("state"))
    yield await backend.start(task.world(), name="base", limits=dataclasses.replace(Limits(), processes=64))
    await backend.close()


@pytest.fixture
def base(started):
    """The sandbox. `base.book["copies"]`: what was copied from it, in order of arrival; all must be closed again."""
    book = {"copies": [], "open": set()}
    yield Counted(started, book)
    assert book["open"] == set(), "copies were left open"
