"""A dataset of toy issues, each with a repository of its own, and what must be the same at every run's end."""

from __future__ import annotations

import json
from pathlib import Path

import toy

from store import Step, open_store
from winnow.journaled_model import place

RECIPE = """install = "path"
test_command = "python -m unittest -v"
test_format = "unittest"
"""
TESTS = """import unittest

import names


class Names(unittest.TestCase):
    def test_one_name(self):
        self.assertEqual(names.join_names(["Ann"]), "Ann")

    def test_no_name(self):
        self.assertEqual(names.join_names([]), "")

    def test_shout(self):
        self.assertEqual(names.shout("ann"), "ANN")
"""


def make_repository(folder: Path) -> Path:
    """The toy's repository with tests that need nothing but Python, so that its world is built without an index."""
    checkout = toy.make_repository(folder)
    (checkout / "tests" / "test_names.py").unlink()
    (checkout / "test_names.py").write_text(TESTS)
    # Issues at one commit share groundwork, and who of them does it is a matter of time.
    (checkout / "about.txt").write_text(f"The names of {folder.name}.\n")
    (checkout / "pyproject.toml").unlink()
    toy.git(checkout, "add", "-A")
    toy.git(checkout, "commit", "-q", "-m", "third")
    return checkout


def make_dataset(folder: Path, names: list[str]) -> Path:
    """One row for each name; its repository is FOLDER/repos/NAME. FOLDER/recipe.toml says how worlds are made."""
    rows = []
    (folder / "repos").mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE)
    for name in names:
        checkout = make_repository(folder / "repos" / name)
        rows.append(
            {
                "instance_id": f"toy__{name}-1",
                "repo": str(checkout),
                "base_commit": toy.git(checkout, "rev-parse", "HEAD").strip(),
                "problem_statement": toy.ISSUE,
            }
        )
    file = folder / "issues.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def outcome(where: Path, run: str) -> dict:
    """All that must be the same in the end, by task: keys of steps, replies, how executions ended, endings, choices."""
    with open_store(where) as store:
        return {
            task: {
                "steps": {
                    place(s.key): said(s)
                    for s in store.steps(run, task)
                    if not s.key.branch.endswith("(tree)")
                },
                "endings": {
                    t.trajectory: (t.ending, t.is_result, timeless(json.loads(t.body or "0")))
                    for t in store.trajectories(run, task)
                },
                "results": {
                    (r.kind, r.name): timeless(json.loads(r.body))
                    for r in store.results(run, task)
                    if r.kind != "issue"
                },
            }
            for task in store.task_names(run)
        }


def timeless(body: object) -> object:
    """What is stored without how long it took."""
    if isinstance(body, dict):
        return {key: timeless(value) for key, value in body.items() if key != "seconds"}
    return [timeless(value) for value in body] if isinstance(body, list) else body


def said(step: Step) -> object:
    """A reply as it was; of a command how it ended: its raw output has durations in it, which no prompt sees."""
    body = json.loads(step.answer)
    if step.kind == "decide":
        return body
    body.pop("seconds", None)
    return body if step.kind == "ask" else (body.get("exit_code"), body.get("ended"))


def runs(where: Path) -> list[str]:
    """The runs of a store, the oldest first."""
    with open_store(where) as store:
        return [row.run for row in store.runs()]
