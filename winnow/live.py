"""The live view of a batch on a terminal, and plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

from rich.console import RenderableType

from store import Step

from .batch_issues import IssueState, Stage
from .console import Console
from .live_picture import IssueLine, Picture, said
from .pen import Observer
from .progress import Spent
from .screen import Screen

_SENTENCES = 1000
"""Sentences that are remembered so as not to be said twice."""


class BatchView:
    """Receives what a batch tells and shows it. Use it as a context manager.

    lines: how the issues stand when the session begins (live_picture.lines_of). attempts: of each issue; auto: at
    most so many. budget_usd: of the run.
    """

    def __init__(
        self,
        console: Console,
        lines: dict[str, IssueLine],
        attempts: int,
        budget_usd: float | None = None,
        quiet: bool = False,
        auto: bool = False,
    ):
        self._console = console
        self._screen = Screen(console, self._render, quiet)
        self._picture = Picture(lines, attempts, budget_usd, auto=auto)
        self._began = time.monotonic()
        self._to_do = sum(not line.state.settled for line in lines.values())
        self._done = 0
        self._begun: set[str] = set()
        self._said: Counter[str] = Counter()
        self.spent = Spent()

    def __enter__(self) -> BatchView:
        self._screen.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._screen.__exit__()

    def stage(self, task: str, stage: str) -> None:
        """See progress.View."""
        line = self._picture.lines[task]
        if task not in self._begun:  # its steps are told again from the first on, whoever made them
            self._begun.add(task)
            self._picture.lines[task] = line = IssueLine(task, line.state)
            if not self._screen.drawn:
                self._screen.say(f"{task}: begun")
        line.state = IssueState(Stage(stage))

    def tell(self, sentence: str) -> None:
        """See progress.View."""
        if len(self._said) < _SENTENCES and not self._said[sentence]:
            self._screen.say(sentence)
        self._said[sentence] += 1

    def observe(self, task: str) -> Observer:
        """See progress.View."""
        line = self._picture.lines[task]

        def step(step: Step, live: bool) -> None:
            self.spent.add(step, live)
            line.add(step)

        return step

    def ended(self, task: str, trajectory: str, how: str) -> None:
        """See progress.View."""
        if trajectory.startswith("attempt-"):
            self._picture.lines[task].endings[how.partition(":")[0].removesuffix(", no patch")] += 1

    def over(self, task: str, state: IssueState) -> None:
        """See progress.View."""
        line = self._picture.lines[task]
        line.state = replace(state, since=time.time())
        self._begun.discard(task)
        self._done += 1
        votes = f" with {state.votes} of {state.tests} votes" if state.chosen else ""
        self._screen.say(
            f"[{self._done}/{self._to_do}] {task}: {said(state)}{votes} "
            f"({line.endings.total()} attempts, {line.calls} calls, ${line.cost:.4f})"
        )
        for text in state.lines if state.ending and not state.ending.is_result else ():
            self._screen.say(f"    {text.rstrip()}")

    def picture(self) -> Picture:
        """What there is to see now."""
        elapsed = time.monotonic() - self._began
        left = elapsed * (self._to_do - self._done) / self._done if 0 < self._done < self._to_do else None
        return replace(self._picture, elapsed=elapsed, left=left, now=time.time())

    def _render(self) -> RenderableType:
        return self.picture().render(self._console.height)
