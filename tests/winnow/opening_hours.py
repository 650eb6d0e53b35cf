"""A small library of our own with a bug, five patches for it, and the gathering of every kind of evidence on them.

The recording beside it, opening_hours.json, holds the replies to every prompt of that gathering, each written by hand
from what its prompt shows alone, through a model desk. Where a prompt changes it is made again, by answering anew:

    python tests/winnow/opening_hours.py http://127.0.0.1:8808/v1
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from agent import Candidate, Script
from environments import Overrides, Task, diff, prepare_task
from models import Model
from sandbox import Limits, open_backend
from selection import Evidence, SelectionSettings, Trajectory, Turn, gather_evidence
from store import Store, open_store
from winnow.base import Base
from winnow.journaled_model import JournaledModel
from winnow.journaled_sandbox import JournaledSandbox
from winnow.pen import Pen
from winnow.stored import evidence_to_json, task_to_json

RECORDING = Path(__file__).with_suffix(".json")
RUN = "opening-hours"
SETTINGS = SelectionSettings(
    strategy="winnow", repeats=2, extra_tests=4, reproduction_files=1, judge=True, tournament=True
)

ISSUE = """Opening hours: lunch ends the day

Our page prints `shown("9-17, 12-13")` as "9-13", though the shop is open until 17: the lunch menu is served from 12 to
13, inside the day. I expect "9-17". Hours that follow each other without a gap are printed as two, "9-12, 12-17", where
one is meant: "9-17". And hours that end when they start, such as "12-12", are no time at all: please do not print them
(`shown("9-11, 12-12")` is "9-11", and "closed" where nothing else is left).
"""

SOURCE = '''"""Opening hours: texts such as "9-12, 14:30-17" as ranges of minutes, and back."""


def parse(text):
    """Ranges (start, end) in minutes after midnight, in the order of the text.

    Raises ValueError for what is no time, or ends before it starts.
    """
    ranges = []
    for part in text.split(","):
        if not part.strip():
            continue
        start, end = (_minutes(time) for time in part.split("-"))
        if end < start:
            raise ValueError(f"{part.strip()} ends before it starts")
        ranges.append((start, end))
    return ranges


def merge(ranges):
    """The same time in as few ranges as it takes, the earliest first."""
    merged = []
    for start, end in sorted(ranges):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def shown(text):
    """Opening hours as they are printed: merged, or "closed"."""
    return ", ".join(f"{_time(start)}-{_time(end)}" for start, end in merge(parse(text))) or "closed"


def is_open(text, minute):
    """Whether it is open at a minute after midnight; the end of a range is closed."""
    return any(start <= minute < end for start, end in merge(parse(text)))


def _minutes(time):
    hours, _, minutes = time.strip().partition(":")
    total = 60 * int(hours) + int(minutes or 0)
    if not 0 <= total <= 24 * 60:
        raise ValueError(f"{time.strip()} is no time of a day")
    return total


def _time(minute):
    hours, minutes = divmod(minute, 60)
    return f"{hours}:{minutes:02d}" if minutes else str(hours)
'''

TESTS = """import unittest

import hours


class Hours(unittest.TestCase):
    def test_parse(self):
        self.assertEqual(hours.parse("9-12, 14:30-17"), [(540, 720), (870, 1020)])

    def test_parse_keeps_what_stands_there(self):
        self.assertEqual(hours.parse("14-17, 9-9"), [(840, 1020), (540, 540)])

    def test_backwards(self):
        with self.assertRaises(ValueError):
            hours.parse("17-9")

    def test_overlap(self):
        self.assertEqual(hours.shown("9-12, 11-14:15"), "9-14:15")

    def test_a_gap_stays(self):
        self.assertEqual(hours.shown("14-17, 9-12"), "9-12, 14-17")

    def test_nothing(self):
        self.assertEqual(hours.shown(""), "closed")

    def test_open(self):
        self.assertTrue(hours.is_open("9-12", 540))
        self.assertFalse(hours.is_open("9-12", 720))
"""

_LOOP = """        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
"""
_WIDE = """        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
"""
_TEST = """#!/usr/bin/env python3
import sys
from hours import shown

wrong = False
for text, right in {cases}:
    seen = shown(text)
    print(f"{{text!r}}: saw {{seen!r}}, right is {{right!r}}")
    wrong = wrong or seen != right
sys.exit(2 if wrong else 0)
"""


def sources() -> dict[str, str]:
    """By candidate, hours.py as it makes it."""
    skips = "        if start == end:\n            continue\n"
    in_shown = "for start, end in merge(parse(text))) or"
    return {
        "attempt-1": SOURCE.replace(_LOOP, skips + _WIDE),
        "attempt-2": SOURCE.replace(_LOOP, _WIDE),
        "attempt-3": SOURCE.replace(_LOOP, _WIDE).replace(
            "        ranges.append(", "        if start == end:\n            continue\n        ranges.append("
        ),
        "attempt-4": SOURCE.replace(_LOOP, _WIDE).replace(
            in_shown, in_shown.replace(") or", " if start < end) or")
        ),
        "attempt-5": SOURCE.replace(
            _LOOP, skips + _WIDE.replace("start <= merged[-1][1]", "start <= merged[-1][1] + 1")
        ),
    }


def trajectories() -> dict[str, Trajectory]:
    """How two of them were made; of the others nothing is known, as of patches from elsewhere."""
    ran = "Exit code: 0\nOutput:\n'9-17, 12-13': saw '9-17', right is '9-17'\n"
    return {
        "attempt-1": Trajectory(
            (
                Turn(
                    "said",
                    "merge() takes the end of the later range even where it lies inside the one before it.",
                ),
                Turn(
                    "seen",
                    ran
                    + "'9-12, 12-17': saw '9-17', right is '9-17'\n'12-12': saw 'closed', right is 'closed'\n",
                ),
            )
        ),
        "attempt-2": Trajectory(
            (
                Turn(
                    "said",
                    "The end must be the larger of the two, and `<` must be `<=`. I did not look at empty ranges.",
                ),
                Turn("seen", ran),
            )
        ),
    }


def prepared(folder: Path) -> tuple[Task, tuple[Candidate, ...]]:
    """The task, and the candidates; two of them wrote a test of their own."""
    checkout = folder / "hours"
    checkout.mkdir(parents=True)
    (checkout / "hours.py").write_text(SOURCE)
    (checkout / "test_hours.py").write_text(TESTS)
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        who = ["-c", "user.name=Toy", "-c", "user.email=toy@example.org"]
        subprocess.run(["git", *who, *words], cwd=checkout, check=True)
    task = prepare_task(
        checkout,
        ISSUE,
        folder=folder / "frozen",
        id=RUN,
        at="/workspace/hours",
        overrides=Overrides(test_command="python3 -m unittest -v"),
    )
    inside, following = ("9-17, 12-13", "9-17"), ("9-12, 12-17", "9-17")
    tests = {"attempt-1": [inside, following, ("12-12", "closed")], "attempt-2": [inside]}
    return task, tuple(
        Candidate(
            name,
            diff(task.snapshot.tree, {"hours.py": text}),
            Script("python3", _TEST.format(cases=tests[name])) if name in tests else None,
        )
        for name, text in sources().items()
    )


async def gather(model: Model, store: Store, folder: Path, run: str) -> Evidence:
    """Every kind of evidence, journaled and kept in the store as `winnow select --gather` does it."""
    task, candidates = prepared(folder)
    backend = open_backend("overlay", run=run, state=folder / "sandboxes")
    base = Base(backend, task, Limits(), print)
    with store.lease(RUN):
        store.put_task(RUN, task.id, body=task_to_json(task))
        pen = Pen(store.journal(RUN, task.id), "selection")
        sandbox = JournaledSandbox(base.sandbox, pen, "sandbox", cheap_copies=base.cheap_copies)
        try:
            evidence = await gather_evidence(
                JournaledModel(model, pen), sandbox, task, candidates, SETTINGS, trajectories=trajectories()
            )
        finally:
            await pen.drain()
            await sandbox.close()
            await base.close()
            await backend.close()
        await store.put_result(RUN, task.id, "evidence", "all", evidence_to_json(evidence))
    return evidence


def new_store(folder: Path) -> Store:
    store = open_store(folder / "hours.db")
    store.create_run(RUN, config="{}", kind="solve")
    return store


def _record(api_base: str) -> None:
    """Gather with whoever answers at `api_base`, and write the recording."""
    import tempfile

    from models import open_model
    from winnow.recording import record

    model = open_model("openai/desk", api_base=api_base, api_key="none", timeout=3000)
    with tempfile.TemporaryDirectory() as folder, new_store(Path(folder)) as store:
        asyncio.run(gather(model, store, Path(folder), "recordhours"))
        about = (
            "every kind of evidence on tests/winnow/opening_hours.py, answered by hand through the model desk"
        )
        print(record(store, RUN, about, RECORDING), "replies recorded")


if __name__ == "__main__":
    _record(sys.argv[1])
