"""A dataset of toy issues, each with a repository of its own, and what must be the same at every run's end."""

from __future__ import annotations

import json
from pathlib import Path

import toy

from store import Step, open_store
from winnow.journaled_model import place


def make_dataset(folder: Path, names: list[str]) -> Path:
    """One row for each name; its repository is FOLDER/repos/NAME."""
    rows = []
    for name in names:
        checkout = toy.make_repository(folder / "repos" / name)
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
                    t.trajectory: (t.ending, t.is_result, t.body) for t in store.trajectories(run, task)
                },
                "results": {
                    (r.kind, r.name): r.body for r in store.results(run, task) if r.kind != "issue"
                },
            }
            for task in store.task_names(run)
        }


def said(step: Step) -> object:
    """A reply as it was; of a command how it ended: its raw output has durations in it, which no prompt sees."""
    body = json.loads(step.answer)
    body.pop("seconds", None)
    return body if step.kind == "ask" else (body.get("exit_code"), body.get("ended"))


def runs(where: Path) -> list[str]:
    """The runs of a store, the oldest first."""
    with open_store(where) as store:
        return [row.run for row in store.runs()]
