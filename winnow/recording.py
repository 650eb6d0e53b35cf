"""Recordings: a run's model replies and execution outcomes without any text of the repository that it was about.

A recording replays in place of a model, and its executions are compared with those of the replay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent import Ending
from environments import json_text
from models import write_recording
from store import Step, Store

from .pen import place


def record(store: Store, run: str, about: str, path: Path, settings: Mapping[str, Any] | None = None) -> int:
    """Write the recording of a run; the number of replies in it. settings: kept in it, for whoever replays it.

    Replies, a digest per message of each request, decisions, and exit codes; no request's text, no execution's output.
    """
    steps = list(_steps(store, run))
    asked = [
        {"at": place(s.key), "digests": s.parts, "reply": json.loads(s.answer)}
        for s in steps
        if s.kind == "ask"
    ]
    write_recording(path, about, sorted(asked, key=lambda s: s["at"]))
    body = json.loads(path.read_text())
    decisions = [s for s in steps if s.kind == "decide" and s.key.branch.startswith("decide/")]
    if decided := {place(s.key): json.loads(s.answer) for s in decisions}:
        body["decisions"] = dict(sorted(decided.items()))
    body["executions"] = dict(sorted(_executions(store, run)))
    if settings is not None:
        body["settings"] = settings
    path.write_text(json_text(body, indent=1) + "\n")
    return len(asked)


def compare(recording: Path, store: Store, run: str) -> list[str]:
    """Where the run's executions differ from the recording's, a sentence each: exit codes and per-test results."""
    then = _of_its_own(json.loads(recording.read_text())["executions"])
    now = _of_its_own(dict(_executions(store, run)))
    differences = [f"{at}: was not run" for at in sorted(then.keys() - now.keys())]
    differences += [f"{at}: is not in the recording" for at in sorted(now.keys() - then.keys())]
    for at in sorted(then.keys() & now.keys()):
        if then[at] != now[at]:
            differences.append(f"{at}: {now[at]}, recorded was {then[at]}")
    return differences


def _steps(store: Store, run: str) -> Iterator[Step]:
    """The run's steps, but for those of attempts that were stopped for others: a replay stops them before the first."""
    stopped = {
        (task.task, row.trajectory)
        for task in store.tasks(run)
        for row in store.trajectories(run, task.task)
        if row.ending == Ending.NOT_NEEDED
    }
    for task in store.tasks(run):
        yield from (s for s in store.steps(run, task.task) if (task.task, s.key.trajectory) not in stopped)


def _of_its_own(executions: dict[str, Any]) -> dict[str, Any]:
    """Without tests on the unfixed code, which another run here may have made (environments.Groundwork): what they
    said shows in what candidates break.
    """
    shared = ("/sandbox/regression/unfixed-", "/sandbox/regression/covering")
    return {at: how for at, how in executions.items() if not any(part in at for part in shared)}


def _executions(store: Store, run: str) -> Iterator[tuple[str, Any]]:
    """(place, outcome): of a command its exit code and ending; of existing tests each test's result."""
    for step in _steps(store, run):
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
