"""The toy's model as a real OpenAI-compatible server, which knows from the step header what it is asked for."""

from __future__ import annotations

import importlib.util
import sys
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
    """Answers by `reply`. steps: every call's step, in order of arrival; seconds: how long a reply takes."""

    def __init__(self, seconds: float = 0.0, reply: Callable[[str, list[dict]], str] = toy.reply):
        self._answer = reply
        self.steps: list[str] = []
        self.finished: list[str] = []
        self._sent: list[float] = []
        self.seconds = seconds
        super().__init__(self._reply)

    def arrived(self, body: dict[str, Any], headers: dict[str, str], path: str) -> tuple[int, Any]:
        given = {name.lower(): value for name, value in headers.items()}
        body["step"] = unquote(given["x-winnow-step"])
        with self.lock:
            self.steps.append(body["step"])
        return super().arrived(body, headers, path)

    def _reply(self, body: dict[str, Any]) -> dict[str, Any]:
        time.sleep(self.seconds)
        with self.lock:
            self.finished.append(body["step"])
            self._sent.append(time.monotonic())
        return {"content": self._answer(body["step"], body["messages"]), "cached": 0}

    def just_sent(self, seconds: float) -> list[float]:
        """The replies sent in the last `seconds`; the caller holds the lock."""
        return [at for at in self._sent if at > time.monotonic() - seconds]
