"""A real instance (psf__requests-3362), solved live once through the model desk, drives the machines again.

The recording holds the model's replies and how executions ended, no text of the repository. So a skeleton stands in for
it: the files that were asked about, with nothing in them but filler and the lines that the recorded edits quote. What
is tested is that every reply a careful model gave is still understood: decisions, rankings, tests, edits, the winner.
The digests, which tell a changed prompt, are tested on the demo, whose repository can be fetched.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import toy

from agent import AttemptSettings, ContextSettings, Ending, attempt, gather_context, parse_edits, read_blocks
from environments import Overrides, Task, apply_patch, prepare_task
from models import Reply, Request
from sandbox import Result
from selection.decision import Decision, read_reply

RECORDING = json.loads((Path(__file__).parent / "requests-3362.json").read_text())
REPLIES = {step["at"]: step["reply"] for step in RECORDING["steps"]}
ATTEMPTS = ("attempt-1", "attempt-2", "attempt-3")


class Recorded:
    """The model of the recording: answers by the step's place, and remembers which steps were asked for."""

    name = "recorded"

    def __init__(self, trajectory: str):
        self.asked: list[str] = []
        self._trajectory = trajectory
        self._indices: Counter[str] = Counter()

    async def ask(self, request: Request, at: str = "") -> Reply:
        place = f"{self._trajectory}/{at}/{self._indices[at]}"
        self._indices[at] += 1
        self.asked.append(place)
        return Reply.from_json(json.dumps(REPLIES[place]))


class RecordedRuns:
    """A sandbox whose commands end as they did when the recording was made."""

    def __init__(self, name: str):
        self.name = name
        self._runs = 0

    async def run(self, command: str, **_: object) -> Result:
        code, ended = RECORDING["executions"][f"{self.name}/{self._runs}"]
        self._runs += 1
        return Result(code, "", ended)

    async def read(self, path: str, limit: int | None = None) -> bytes:
        raise AssertionError("nothing is read in an attempt")

    async def write(self, path: str, content: bytes, mode: int = 0o644) -> None: ...

    async def copy(self, name: str, **_: object) -> RecordedRuns:
        return RecordedRuns(f"{self.name}/{name}")

    async def close(self) -> None: ...


def quoted_lines() -> Mapping[str, list[str]]:
    """By path, the blocks of lines that recorded edits quote."""
    quotes: dict[str, list[str]] = {}
    for at, reply in REPLIES.items():
        if "/editing/" in at:
            text = reply["choices"][0]["message"]["content"]
            blocks = [block for block in read_blocks(text) if block.name == "EDIT"]
            for edit in parse_edits(blocks) if blocks else []:
                quote = "\n".join(edit.find)
                if not any(quote in known for known in quotes.setdefault(edit.path, [])):
                    quotes[edit.path] = [q for q in quotes[edit.path] if q not in quote] + [quote]
    return quotes


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("requests")
    asked = [at.removeprefix("context/relevance/").rsplit("/", 1)[0] for at in REPLIES if "/relevance/" in at]
    quotes = quoted_lines()
    for path in asked:
        file = folder / "requests-skeleton" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        filler = "" if path in quotes else "# something else\n" * 200
        file.write_text(filler + "\n# between\n".join(quotes.get(path, [])) + "\n")
    toy.git(folder / "requests-skeleton", "init", "-q")
    return prepare_task(
        folder / "requests-skeleton",
        "decode_unicode gives bytes",
        folder=folder / "frozen",
        overrides=Overrides(test_command="true"),
    )


async def test_every_decision_on_relevance_and_every_ranking_is_understood(task):
    model = Recorded("context")
    context = await gather_context(model, task, ContextSettings(context_tokens=20_000))
    assert not [note for note in context.notes if "left out" in note or "malformed" in note.lower()]
    assert {file.path for file in context.files} == set(quoted_lines())
    assert sorted(model.asked) == sorted(at for at in REPLIES if at.startswith("context/"))


@pytest.mark.parametrize("name", ATTEMPTS)
async def test_every_attempt_comes_to_its_end(task, name):
    model = Recorded(name)
    context = await gather_context(Recorded("context"), task, ContextSettings(context_tokens=20_000))
    candidate = await attempt(model, RecordedRuns(f"{name}/sandbox"), task, context, AttemptSettings(), name)
    assert candidate.ending is Ending.FINISHED
    assert sorted(model.asked) == sorted(at for at in REPLIES if at.startswith(f"{name}/"))
    assert candidate.test is not None and candidate.test_before.exit_code == 2
    assert set(apply_patch(task.snapshot.tree, candidate.patch)) <= set(quoted_lines())
    assert candidate.calls == len(model.asked)


def test_the_selection_machines_replies_are_understood():
    steps = sorted(at for at in REPLIES if "/selection/" in at)
    said = [read_reply(REPLIES[at]["choices"][0]["message"]["content"], ["A", "B", "C"]) for at in steps]
    assert isinstance(said[-1], Decision) and said[-1].label in ("A", "B", "C")
    assert all(not isinstance(one, Decision) for one in said[:-1])
