"""The toy's server for ways that ask for patches directly: several choices in a reply, a log of what came when."""

from __future__ import annotations

import toy
from toy_server import ToyServer

CASES = """#!/usr/bin/env python3
from names import join_names

for count in range(2, 13):
    names = [f"N{i}" for i in range(count)]
    wanted = ", ".join(names[:-1]) + " and " + names[-1]
    said = "resolved" if join_names(names) == wanted else "reproduced"
    print(f"[{count} names] Issue {said}")
"""


class DirectServer(ToyServer):
    """patch: the text of a choice by (step, number of the choice from 0, messages).

    log: ("asked" or "answered", step), in the order in which it happened. most: choices that are given at once. cached:
    tokens that a reply says came from a cache.
    """

    def __init__(self, patch, seconds: float = 0.0, most: int = 100, cached: int = 0):
        self._patch = patch
        self.log: list[tuple[str, str]] = []
        self._most, self._cached = most, cached
        super().__init__(seconds)

    def arrived(self, body, headers, path):
        arrived = super().arrived(body, headers, path)
        with self.lock:
            self.log.append(("asked", body["step"]))
        return arrived

    def said(self, body):
        with self.lock:
            self.log.append(("answered", body["step"]))
        contents = [self._choice(body, i) for i in range(min(body.get("n") or 1, self._most))]
        return {
            "contents": contents,
            "most_choices": self._most,
            "cached": self._cached,
            "logprobs": {"YES": -0.2, "NO": -1.7},
        }

    def _choice(self, body, choice: int) -> str:
        branch = body["step"].split("/")[1]
        if branch == "execution-free":
            return "YES"
        if branch == "reproduction":
            return f"Cases.\n\n<<<<< TEST\n{CASES}>>>>> END\n"
        if branch in ("relevance", "ranking"):
            return toy.reply(body["step"], body["messages"])
        return self._patch(body["step"], choice, body["messages"])


def edit(line: str, old: str = toy.OLD) -> str:
    """A reply that puts `line` where the toy's bug is."""
    return f"So.\n\n<<<<< EDIT names.py\n===== FIND\n{old}\n===== REPLACE\n{line}\n>>>>> END\n"
