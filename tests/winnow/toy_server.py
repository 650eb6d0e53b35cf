"""The toy's model as a real OpenAI-compatible server, which knows from the step header what it is asked for."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import toy

_FILE = Path(__file__).parent.parent / "models" / "misbehaving.py"
_spec = importlib.util.spec_from_file_location("misbehaving", _FILE)
misbehaving = importlib.util.module_from_spec(_spec)
sys.modules["misbehaving"] = misbehaving
_spec.loader.exec_module(misbehaving)


class ToyServer(misbehaving.Server):
    """Answers by `reply`. steps: every call's step, in order of arrival; seconds: how long a reply takes.

    finished: the steps of replies that were sent.
    """

    def __init__(self, seconds: float = 0.0, reply: Callable[[str, list[dict]], str] = toy.reply):
        self._answer = reply
        self.steps: list[str] = []
        self.finished: list[str] = []
        self.seconds = seconds
        self._due: Callable[[list[str]], bool] = _never
        self._open = threading.Event()
        self._open.set()
        self._killed = 0
        super().__init__(self._reply)

    @property
    def held(self) -> bool:
        """Whether calls are held back."""
        return not self._open.is_set()

    def hold(self, due: Callable[[list[str]], bool] = lambda steps: True) -> None:
        """From the first call on with which `due(steps)` is true, calls wait for their replies until `go_on`."""
        with self.lock:
            self._due = due
            self._look()

    def go_on(self) -> None:
        """Answer all calls again, those that wait too."""
        with self.lock:
            self._due = _never
            self._open.set()

    def drop(self) -> None:
        """Who waits was killed, and gets no reply; answer all further calls."""
        self._killed += 1
        self.go_on()

    def close(self) -> None:
        self.go_on()
        super().close()

    def arrived(self, body: dict[str, Any], headers: dict[str, str], path: str) -> tuple[int, Any]:
        given = {name.lower(): value for name, value in headers.items()}
        body["step"] = unquote(given["x-winnow-step"])
        with self.lock:
            self.steps.append(body["step"])
            self._look()
        return super().arrived(body, headers, path)

    def said(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request, whose step is body["step"], as misbehaving.py takes it."""
        return {"content": self._answer(body["step"], body["messages"]), "cached": 0}

    def _look(self) -> None:
        if self.steps and self._due(self.steps):
            self._open.clear()

    def _reply(self, body: dict[str, Any]) -> dict[str, Any]:
        killed = self._killed
        self._open.wait()
        time.sleep(self.seconds)
        with self.lock:
            if killed != self._killed:
                raise ConnectionError("whoever asked was killed")
            self.finished.append(body["step"])
        return self.said(body)


def _never(steps: list[str]) -> bool:
    return False
