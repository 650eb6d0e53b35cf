"""Which existing tests execute what candidates touch: seen by a real pytest in a real sandbox."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio

import selection
from agent import Candidate
from environments import Task, diff, prepare_task
from sandbox import Limits, OverlayBackend
from selection import check_applies, run_regressions
from selection.covering import _read, covering_tests

in_session = pytest.mark.asyncio(loop_scope="session")
FILES = {
    "shop.py": "import prices\n\n\ndef total(items):\n    return sum(prices.price(item) for item in items)\n",
    "prices.py": "def price(item):\n    return len(item)\n",
    "tests/test_far.py": "import shop\n\n\ndef test_it():\n    assert shop.total(['ab']) == 2\n",
    "tests/test_prices.py": "def test_nothing():\n    pass\n",
    "tests/test_other.py": "import prices\n\n\ndef test_it():\n    assert prices.__name__\n",
    "tests/test_thread.py": "import threading\nimport prices\n\n\ndef test_it():\n    seen = []\n"
    "    one = threading.Thread(target=lambda: seen.append(prices.price('abc')))\n    one.start()\n    one.join()\n"
    "    assert seen == [3]\n",
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n\n[tool.pytest.ini_options]\npythonpath = ["."]\n',
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("covering")
    for path, text in FILES.items():
        place = folder / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return prepare_task(folder / "source", "prices are wrong", folder=folder / "run", id="shop")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(shop, tmp_path_factory):
    backend = OverlayBackend(run=f"test{secrets.token_hex(4)}", state=tmp_path_factory.mktemp("state"))
    yield await backend.start(shop.world(), name="base", limits=dataclasses.replace(Limits(), processes=64))
    await backend.close()


async def covering(
    base, task: Task, *paths: str, most: int = 9, name: str = "covering"
) -> tuple[tuple[str, ...], str]:
    return await covering_tests(base, task, paths, most, timeout=300, name=name)


@pytest.mark.overlay
@in_session
async def test_the_tests_that_execute_a_file_are_seen_in_whatever_thread(shop, world):
    files, how = await covering(world, shop, "prices.py", name="one")
    assert files == ("tests/test_far.py", "tests/test_thread.py")
    assert how == "2 test files that execute a touched file, or are touched, seen in one run of all tests"
    files, how = await covering(world, shop, "prices.py", most=1, name="two")
    assert files == ("tests/test_thread.py",) and how.endswith(
        "; 1 farther ones left out"
    )  # it imports prices


@pytest.mark.overlay
@in_session
async def test_touched_tests_are_among_them_and_where_nothing_is_seen_names_decide(shop, world):
    files, _ = await covering(world, shop, "shop.py", "tests/test_other.py", name="three")
    assert files == ("tests/test_far.py", "tests/test_other.py")
    files, how = await covering(world, shop, "pyproject.toml", name="four")
    assert files == () and "no test was seen to execute them" in how


class Remembering:
    """Groundwork in memory."""

    def __init__(self):
        self.pieces = {}

    async def once(self, what, about, make, *, keep=lambda found: True, pick=lambda found: found):
        name = json.dumps([what, about])
        made = self.pieces[name] if name in self.pieces else await make()
        if keep(made):
            self.pieces[name] = made
        return pick(made)


@pytest.mark.overlay
@in_session
async def test_another_issue_that_touches_other_files_runs_nothing(shop, world):
    known = Remembering()
    first = await covering_tests(world, shop, ["prices.py"], 9, timeout=300, name="seen", groundwork=known)
    assert first[0] == ("tests/test_far.py", "tests/test_thread.py")
    # There is nothing that a run could be made in.
    files, how = await covering_tests(None, shop, ["shop.py"], 9, timeout=300, name="no", groundwork=known)
    assert files == ("tests/test_far.py",) and "seen in one run" in how


@pytest.mark.overlay
@in_session
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"test_command": "true && python -c 'pass'"}, "not run by pytest alone"),
        ({"test_format": "exit"}, "not run by pytest alone"),
        ({"test_command": "python -c 'pass' pytest"}, "said nothing of it"),
    ],
)
async def test_where_it_cannot_be_had_that_is_said(shop, world, changed, why):
    other = dataclasses.replace(shop, recipe=dataclasses.replace(shop.recipe, **changed))
    name = f"none-{len(str(changed))}"
    files, how = await covering(world, other, "prices.py", name=name)
    assert why in how and "tests/test_prices.py" in files


@pytest.mark.overlay
@in_session
async def test_candidates_run_only_those(shop, world):
    changed = {"prices.py": "def price(item):\n    return 2\n"}
    candidates = [Candidate("a", diff(shop.snapshot.tree, changed))]
    found, existing = await run_regressions(
        world, shop, candidates, check_applies(shop, candidates), slots=asyncio.Semaphore(1), which="covering"
    )
    assert (
        existing.files == ("tests/test_far.py", "tests/test_thread.py")
        and "seen in one run" in existing.found
    )
    assert (found["a"].known, found["a"].broken) == (2, ("tests/test_thread.py::test_it",))


@pytest.mark.parametrize("said", [b"", b"\n", b"[]\n", b"{", b"\xff\n"])
def test_what_is_no_answer_is_none(said):
    with pytest.raises(ValueError):
        _read(said)


def test_processes_are_put_together():
    lines = [json.dumps({"a.py": ["t/x.py"]}), json.dumps({"a.py": ["t/y.py"], "b.py": ["t/x.py"]})]
    assert _read("\n".join(lines).encode()) == {"a.py": ["t/x.py", "t/y.py"], "b.py": ["t/x.py"]}


@pytest.mark.parametrize("python", [sys.executable])
def test_the_plugin_is_plain_python(python, tmp_path):
    """It is loaded by the tests' own interpreter, which may be older or newer than ours."""
    source = Path(selection.__file__).with_name("covering_inside.py")
    (tmp_path / "files.json").write_text("[]")
    (tmp_path / "winnow_covering.py").write_bytes(source.read_bytes())
    code = "import winnow_covering as w; w.pytest_configure(None); w.pytest_unconfigure(None)"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [path.read_text() for path in tmp_path.glob("seen-*.json")] == ["{}\n"]
