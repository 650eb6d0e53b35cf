"""The live view of one task: what every trajectory is doing, money, tokens and time. Plain lines off a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from store import Step

from .batch_issues import IssueState, Stage
from .clock import clock
from .pen import Observer


class View(Protocol):
    """Who watches a run: one issue (`Progress`) or many (`live.BatchView`)."""

    spent: Spent

    def stage(self, task: str, stage: str) -> None:
        """A stage of the task begins."""

    def tell(self, sentence: str) -> None:
        """A sentence for people; each is said once."""

    def observe(self, task: str) -> Observer:
        """What the pens of the task tell of their steps."""

    def ended(self, task: str, trajectory: str, how: str) -> None:
        """A trajectory ended."""

    def over(self, task: str, state: IssueState) -> None:
        """The task is over, for good or until its next turn."""


@dataclass
class _Line:
    """One trajectory's row: what it does now, and what it has cost so far."""

    doing: str = "waiting"
    calls: int = 0
    runs: int = 0
    replayed: int = 0
    tokens: int = 0


@dataclass
class Spent:
    """Totals, journaled steps of earlier sessions included. cost in USD; unpriced: calls of no price; live_calls: asked
    now."""

    calls: int = 0
    live_calls: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    cost: float = 0.0
    unpriced: int = 0
    runs: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, step: Step, live: bool) -> None:
        """Count a step."""
        if step.kind == "ask":
            self.calls += 1
            self.live_calls += live
            self.prompt += step.prompt_tokens
            self.cached += step.cached_tokens
            self.completion += step.completion_tokens
            self.cost += step.cost or 0.0
            self.unpriced += step.cost is None
        elif step.kind == "run":
            self.runs += 1


class Progress:
    """Receives what the pipeline tells and shows it. Use it as a context manager.

    attempts: of the issue; auto: at most so many. budget_usd and budget_seconds: what the run may spend, for the
    line that says what is left.
    """

    def __init__(
        self,
        console: Console,
        attempts: int,
        budget_usd: float | None = None,
        budget_seconds: float | None = None,
        quiet: bool = False,
        auto: bool = False,
    ):
        self._console = console
        self._attempts = attempts
        self._auto = auto
        self._budget_usd = budget_usd
        self._budget_seconds = budget_seconds
        self._quiet = quiet
        self._lines: dict[str, _Line] = {}
        self._stage = "starting"
        self._notes: list[str] = []
        self._ended: set[str] = set()
        self.spent = Spent()
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self._console.is_terminal and not self._quiet:
            # The view is drawn when asked for, at most four times a second, by rich's own thread.
            self._live = Live(
                console=self._console, get_renderable=self._picture, refresh_per_second=4, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def stage(self, task: str, stage: str) -> None:
        """See View."""
        self._stage = stage
        self._say(f"{stage} ...")

    def tell(self, sentence: str) -> None:
        """See View."""
        if sentence not in self._notes:
            self._notes.append(sentence)
            self._say(sentence)

    def observe(self, task: str) -> Observer:
        """See View."""
        return self._step

    def over(self, task: str, state: IssueState) -> None:
        """Nothing: the result is printed whole (winnow.report)."""

    def ended(self, task: str, trajectory: str, how: str) -> None:
        """See View."""
        line = self._lines.setdefault(trajectory, _Line())
        line.doing = how
        self._ended.add(trajectory)
        self._say(f"{trajectory}: {how} ({line.calls} calls, {line.runs} executions)")

    def _step(self, step: Step, live: bool) -> None:
        line = self._lines.setdefault(step.key.trajectory, _Line())
        line.doing = doing(step.kind, step.key.branch)
        line.replayed += not live
        self.spent.add(step, live)
        if step.kind == "ask":
            line.calls += 1
            line.tokens += step.prompt_tokens + step.completion_tokens
        elif step.kind == "run":
            line.runs += 1

    def _say(self, sentence: str) -> None:
        if self._quiet:
            return
        console = self._live.console if self._live is not None else self._console
        console.print(sentence, style="dim", highlight=False, markup=False)

    def _picture(self) -> Table:
        table = Table(
            box=None, padding=(0, 2), title_justify="left", title=Text(self._headline(), style="bold")
        )
        for column, justify in (
            ("trajectory", "left"),
            ("doing", "left"),
            ("calls", "right"),
            ("runs", "right"),
        ):
            table.add_column(column, justify=justify, style="dim" if column != "trajectory" else None)  # type: ignore[arg-type]
        table.add_column("tokens", justify="right", style="dim")
        for name, line in sorted(self._lines.items(), key=lambda item: _order(item[0])):
            doing = line.doing + (f"  ({line.replayed} from the journal)" if line.replayed else "")
            table.add_row(name, doing, str(line.calls), str(line.runs), f"{line.tokens:,}")
        return table

    def _headline(self) -> str:
        spent = self.spent
        elapsed = time.monotonic() - spent.started
        words = [self._stage, f"{spent.calls} calls", f"{spent.prompt + spent.completion:,} tokens"]
        words.append(f"{spent.runs} executions")
        money = f"${spent.cost:.4f}" + (" + unpriced calls" if spent.unpriced else "")
        if self._budget_usd is not None:
            money += f" (${max(0.0, self._budget_usd - spent.cost):.4f} left)"
        time_ = clock(elapsed)
        if self._budget_seconds is not None:
            time_ += f" ({clock(max(0.0, self._budget_seconds - elapsed))} left)"
        elif (left := self._left(elapsed)) is not None:
            time_ += f" ({'at most' if self._auto else 'about'} {clock(left)} left)"
        return " · ".join([*words, money, time_])

    def _left(self, elapsed: float) -> float | None:
        """Seconds still to go, judged by the attempts that have ended; None before the first and after the last."""
        if self._stage == Stage.SELECTION:  # as many as were needed are made
            return None
        done = sum(1 for name in self._ended if name.startswith("attempt"))
        return elapsed * (self._attempts - done) / done if 0 < done < self._attempts else None


def doing(kind: str, branch: str) -> str:
    """What a step of this kind in this branch means to somebody who watches."""
    if kind in ("ask", "given"):
        return f"asked about {branch}"
    if kind == "decide":
        return f"decided {branch.removeprefix('decide/')}"
    return "ran " + branch.removeprefix("sandbox/")


def _order(name: str) -> tuple[int, int, str]:
    """Context first, attempts by number, selection last."""
    kind, _, number = name.rpartition("-")
    if name == "context":
        return 0, 0, name
    return (1, int(number), name) if kind == "attempt" and number.isdigit() else (2, 0, name)
