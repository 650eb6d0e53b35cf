"""Our dataclasses as JSON for the store and back. Only what pydantic cannot do by itself is written out here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter

from agent import Candidate
from environments import Task
from environments.instance import Instance
from models.secrets.settings import hide_all
from sandbox import Dockerfile, HostRoot, Image, RootFs
from selection import Evidence, Ranking


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(value: Any) -> str:
    """A dataclass of ours as JSON text."""
    return _adapter(type(value)).dump_json(value).decode()


def candidate_from_json(text: str) -> Candidate:
    return _adapter(Candidate).validate_json(text)


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
    instance = replace(instance, repo=hide_all(instance.repo))
    return json.dumps({"instance": json.loads(to_json(instance))})


def instance_of(body: Mapping[str, Any]) -> Instance:
    """The instance in a task's body."""
    return _adapter(Instance).validate_python(body["instance"])


_PAIRED = ("cells", "repeats")
"""Fields of Evidence whose keys have two parts, (candidate, test), which JSON's have not."""
_ALWAYS = ("candidates", "tests", "applies", "regressions", "machine")
"""Fields that are written even when they are empty: programs that read exports know them from the first."""


@cache
def _adapter_of(field: str) -> TypeAdapter[Any]:
    """What reads and writes a field of Evidence; of those with keys of two parts, its values."""
    kind = get_type_hints(Evidence)[field]
    return TypeAdapter(get_args(kind)[1] if field in _PAIRED else kind)


def evidence_to_json(evidence: Evidence) -> str:
    """Evidence with its matrix as a list of [candidate, test, run]. What was not gathered is left out."""
    body: dict[str, Any] = {}
    for field in fields(evidence):
        value = getattr(evidence, field.name)
        adapter = _adapter_of(field.name)
        if field.name in _PAIRED:
            body[field.name] = [
                [*key, adapter.dump_python(v, mode="json")] for key, v in sorted(value.items())
            ]
        elif value or field.name in _ALWAYS:
            body[field.name] = adapter.dump_python(value, mode="json")
    return json.dumps(body)


def evidence_from_json(text: str) -> Evidence:
    """Evidence, also such as was stored before there were all kinds of it: what is not there is missing."""
    body = json.loads(text)
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(Evidence) if field.name in body):
        adapter, value = _adapter_of(name), body[name]
        if name in _PAIRED:
            found[name] = {(candidate, test): adapter.validate_python(v) for candidate, test, v in value}
        else:
            found[name] = adapter.validate_python(value)
    return Evidence(**found)
