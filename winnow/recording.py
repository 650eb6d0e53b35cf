"""Recordings: a run's model replies and execution outcomes without any text of the repository that it was about.

A recording replays in place of a model, and its executions are compared with those of the replay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models import write_recording
from store import Step, Store

from .journaled_model import place


def record(store: Store, run: str, about: str, path: Path) -> int:
    """Write the recording of a run; the number of replies in it.

    Replies, a digest per message of each request, and exit codes; no request's text, no execution's output.
    """
    asked = [step for step in store.steps(run) if step.kind == "ask"]
    steps = [{"at": place(s.key), "digests": s.parts, "reply": json.loads(s.answer)} for s in asked]
    write_recording(path, about, sorted(steps, key=lambda s: s["at"]))
    body = json.loads(path.read_text())
    body["executions"] = dict(sorted(_executions(store, run)))
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    return len(steps)


def compare(recording: Path, store: Store, run: str) -> list[str]:
    """Where the run's executions differ from the recording's, a sentence each: exit codes and per-test results."""
    then: dict[str, Any] = json.loads(recording.read_text())["executions"]
    now = dict(_executions(store, run))
    differences = [f"{at}: was not run" for at in sorted(then.keys() - now.keys())]
    differences += [f"{at}: is not in the recording" for at in sorted(now.keys() - then.keys())]
    for at in sorted(then.keys() & now.keys()):
        if then[at] != now[at]:
            differences.append(f"{at}: {now[at]}, recorded was {then[at]}")
    return differences


def _executions(store: Store, run: str) -> Iterator[tuple[str, Any]]:
    """(place, outcome): of a command its exit code and ending; of existing tests each test's result."""
    for step in store.steps(run):
        if step.kind == "run" and not step.key.branch.endswith("(tree)"):
            outcome = _outcome(step)
            if outcome is not None:
                yield place(step.key), outcome
    for task in store.tasks(run):
        for row in store.results(run, task.task, "evidence"):
            evidence = json.loads(row.body)
            for candidate, regression in sorted(evidence["regressions"].items()):
                yield f"existing tests/{candidate}", regression


def _outcome(step: Step) -> list[Any] | None:
    answer = json.loads(step.answer)
    return [answer["exit_code"], answer["ended"]] if "exit_code" in answer else None
