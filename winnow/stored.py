"""Our dataclasses as JSON for the store and back. Only what pydantic cannot do by itself is written out here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from agent import Candidate, Run
from environments import Task
from environments.instance import Instance
from sandbox import Dockerfile, HostRoot, Image, RootFs
from selection import Evidence, MachineChoice, Ranking, Regression, Test


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(value: Any) -> str:
    """A dataclass of ours as JSON text."""
    return _adapter(type(value)).dump_json(value).decode()


def ranking_from_json(text: str) -> Ranking:
    return _adapter(Ranking).validate_json(text)


ranking_to_json = to_json

_ROOTS = {kind.__name__: kind for kind in (HostRoot, Image, Dockerfile, RootFs)}


def task_to_json(task: Task, instance: Mapping[str, Any] | None = None) -> str:
    """A task with its root's kind said by name: two kinds of root may have the same fields.

    instance: what the dataset says of it, as `instance_to_json` has it, kept beside it.
    """
    body = json.loads(to_json(task))
    body["recipe"]["root"]["kind"] = type(task.recipe.root).__name__
    if instance is not None:
        body["instance"] = dict(instance)
    return json.dumps(body)


def task_from_json(text: str | dict[str, Any]) -> Task:
    """The task, from text or from what that text says."""
    body = json.loads(text) if isinstance(text, str) else text
    recipe = dict(body["recipe"])
    root = dict(recipe["root"])
    kind = _ROOTS[root.pop("kind")]
    recipe["root"] = _adapter(kind).validate_python(root)
    return _adapter(Task).validate_python({**body, "recipe": recipe})


def instance_to_json(instance: Instance) -> str:
    """The body of a task whose world is not built yet. A reference is another type, and is never stored."""
    return json.dumps({"instance": json.loads(to_json(instance))})


def instance_of(body: Mapping[str, Any]) -> Instance:
    """The instance in a task's body."""
    return _adapter(Instance).validate_python(body["instance"])


def evidence_to_json(evidence: Evidence) -> str:
    """Evidence with its matrix as a list of [candidate, test, run]: JSON has no keys of two parts."""
    return json.dumps(
        {
            "candidates": [json.loads(to_json(c)) for c in evidence.candidates],
            "tests": [json.loads(to_json(t)) for t in evidence.tests],
            "applies": dict(evidence.applies),
            "cells": [[c, t, json.loads(to_json(run))] for (c, t), run in sorted(evidence.cells.items())],
            "regressions": {c: json.loads(to_json(r)) for c, r in evidence.regressions.items()},
            "machine": json.loads(to_json(evidence.machine)) if evidence.machine else None,
        }
    )


def evidence_from_json(text: str) -> Evidence:
    body = json.loads(text)
    read = lambda kind, value: _adapter(kind).validate_python(value)  # noqa: E731
    return Evidence(
        candidates=tuple(read(Candidate, c) for c in body["candidates"]),
        tests=tuple(read(Test, t) for t in body["tests"]),
        applies=body["applies"],
        cells={(c, t): read(Run, run) for c, t, run in body["cells"]},
        regressions={c: read(Regression, r) for c, r in body["regressions"].items()},
        machine=read(MachineChoice, body["machine"]) if body["machine"] else None,
    )
