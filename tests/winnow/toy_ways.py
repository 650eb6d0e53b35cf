"""The toy's model for ways that spend compute: what it says follows from the step and from the request alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import toy
from kills import Kills, asked_for, runs
from test_kill import outcome
from toy_server import ToyServer
from winnow_home import Home

from store import open_store

Answer = Callable[[str, dict[str, Any]], "dict[str, Any] | str"]
"""From the step ("attempt-2/agent/0") and the request's body to a reply, as misbehaving.py takes it."""


class WayServer(ToyServer):
    """A server that answers by `answer`."""

    def __init__(self, answer: Answer):
        self._by = answer
        super().__init__()

    def said(self, body: dict[str, Any]) -> dict[str, Any]:
        said = self._by(body["step"], body)
        return {"cached": 0, **(said if isinstance(said, dict) else {"content": said})}

    def body(self, step: str) -> dict[str, Any]:
        """The one request of this step."""
        with self.lock:
            [found] = [body for body in self.requests if body["step"] == step]
        return found

    def prompt(self, step: str) -> list[str]:
        """The messages of the one request of this step."""
        return [message["content"] for message in self.body(step)["messages"]]


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """A reply that calls one tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"content": "So.", "tool_calls": [{"id": "call", "type": "function", "function": function}]}


def by_tools(step: str, line: str) -> dict[str, Any]:
    """An attempt by tools that puts `line` in the place of the wrong one, looks at it, and submits."""
    steps = [
        call("replace", path="names.py", find=toy.OLD, replace=line),
        call("bash", command="python3 -c \"import names; print(names.join_names(['Ann', 'Bob']))\""),
        call("submit"),
    ]
    return steps[int(step.rsplit("/", 1)[1])]


def yes(share: float) -> dict[str, Any]:
    """A judge's answer with this P(YES)."""
    from math import log

    return {"content": "YES", "logprobs": {"YES": log(share), "NO": log(1 - share)}}


CASES = """#!/usr/bin/env python3
from names import join_names

for number, (given, wanted) in enumerate([
    (["Ann", "Bob", "Cy"], "Ann, Bob and Cy"), (["Ann", "Bob"], "Ann and Bob"), (["A", "B"], "A and B"),
    (["A", "B", "C"], "A, B and C"), (["A", "B", "C", "D"], "A, B, C and D"), (["x", "y"], "x and y"),
    (["x", "y", "z"], "x, y and z"), (["1", "2"], "1 and 2"), (["1", "2", "3"], "1, 2 and 3"),
    (["a", "b", "c", "d", "e"], "a, b, c, d and e"),
]):
    seen = join_names(given)
    print(f"[case {number}] " + ("Issue resolved" if seen == wanted else "Issue reproduced"))
"""


def words(server: ToyServer, checkout: Path, preset: str, *more: str) -> list[str]:
    return [
        "solve", str(checkout), "--issue", toy.ISSUE, "--model", "openai/toy", "--api-base", server.url,
        "--preset", preset, "--sandbox", "overlay", "--price", "1,10", *more,
    ]  # fmt: skip


def endings(home: Home) -> dict[str, str]:
    """How each attempt ended."""
    with open_store(home.store) as store:
        [run] = [row.run for row in store.runs()]
        [task] = [row.task for row in store.tasks(run)]
        rows = store.trajectories(run, task)
        return {row.trajectory: row.ending for row in rows if row.trajectory.startswith("attempt-")}


def killed_and_resumed(
    home: Home, answer: Answer, arguments: Callable[[ToyServer], list[str]], at: list[str]
) -> dict:
    """The outcome of a run that is killed as soon as each of these steps (`at`) is asked for."""
    with WayServer(answer) as server:
        command, kills = arguments(server), Kills(home, server)
        for step in at:
            kills.at(command, asked_for(step))
            command = ["resume", *runs(home.store)]
        done = home.run(*command)
        assert done.returncode == 0, done.stderr
        kills.paid_once()
        return outcome(home.store)
