"""The process of one arm, as the bench sees it."""

from __future__ import annotations

from typing import Any

from .arms import About
from .child import Child, NoAnswer
from .limits import LEFT_OUT, Deadline, Limits


class ArmProcess:
    """An arm that runs. failure: why it cannot be measured, empty while it can."""

    def __init__(self, about: About, child: Child, limits: Limits, deadline: Deadline) -> None:
        self.about, self.failure = about, ""
        self._child, self._limits, self._deadline = child, limits, deadline

    def wait_until_open(self) -> None:
        """Wait until it takes requests, or `failure` says why it does not. Raises KeyboardInterrupt."""
        self.failure = self._answer().get("failure", "")

    def ask(self, measure: str, *, prepare: bool = False) -> dict[str, Any]:
        """-> {"samples": ...} or {"failure": why there are none}. Raises KeyboardInterrupt."""
        if self.failure:
            return {"failure": self.failure}
        self._child.send({"measure": measure, "prepare": prepare})
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        """The next answer. An arm that gives none in time, or has ended, is killed: it stays a failure."""
        try:
            return self._child.answer(min(self._limits.answer, self._deadline.remaining()))
        except NoAnswer as reason:
            self.failure = LEFT_OUT if self._deadline.passed() else str(reason)
            self._child.kill()
            return {"failure": self.failure}
