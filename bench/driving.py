"""The bench's side of the arms' processes: started, asked, ended."""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path

from .arms import About
from .ground import Ground

HERE = Path(__file__).parents[1]
PATIENCE = 400.0
"""Seconds for one answer: the slowest measure takes a fifth of that, and some peers wait for ever for a lost reply."""


class Driven:
    """An arm that runs. why: the reason where it does not."""

    def __init__(self, about: About, python: Path, ground: Ground, log) -> None:
        self.about, self.why = about, ""
        argv = [str(python), "-m", "bench.worker", about.module, ground.dump()]
        self._process = subprocess.Popen(
            argv, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        answer = self._answer()
        self.why = answer.get("why", "")

    def ask(self, measure: str, *, prepare: bool = False) -> dict:
        """-> {"samples": ...} or {"why": the reason it could not}"""
        if self.why:
            return {"why": self.why}
        try:
            self._process.stdin.write(json.dumps({"measure": measure, "prepare": prepare}) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass
        return self._answer()

    def end(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict:
        """One line; a worker writes it whole, and none before it is asked again."""
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            self._process.kill()
            self._process.wait()
            self.why = f"it gave no answer in {PATIENCE:g} s"
            return {"why": self.why}
        line = self._process.stdout.readline()
        if not line:
            self.why = f"its process ended with code {self._process.wait()}"
            return {"why": self.why}
        return json.loads(line)
