"""The live view of one task: what every trajectory is doing, money, tokens and time. Plain lines off a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.table import Table

from store import Step

from .batch_issues import IssueState, Stage
from .clock import clock
from .console import Console, Text
from .pen import Observer
from .screen import Screen, bar, cell, plain


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
        self._screen = Screen(console, self.picture, quiet)
        self._lines: dict[str, _Line] = {}
        self._stage = "starting"
        self._notes: list[str] = []
        self._ended: set[str] = set()
        self.spent = Spent()

    def __enter__(self) -> Progress:
        self._screen.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._screen.__exit__()

    def stage(self, task: str, stage: str) -> None:
        """See View."""
        self._stage = stage
        self._screen.say(f"{stage} ...")

    def tell(self, sentence: str) -> None:
        """See View."""
        if sentence not in self._notes:
            self._notes.append(sentence)
            self._screen.say(sentence)

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
        self._screen.say(f"{trajectory}: {how} ({line.calls} calls, {line.runs} executions)")

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

    def picture(self) -> RenderableType:
        """What there is to see now: the stages, totals, the attempts that ended, and a row for each trajectory."""
        done = self._attempts_ended()
        ended = f"{done} of {'at most ' * self._auto}{self._attempts} attempts ended"
        way = Table.grid(padding=(0, 2, 0, 0))
        way.add_row(bar(done, self._attempts, 30), Text(ended, style="dim"))
        shown, hidden = self._chosen_lines(max(3, self._console.height - 8))
        parts: list[RenderableType] = [
            Text(""),
            _stages(self._stage),
            Text(self._headline()),
            way,
            Text(""),
            self._table(shown),
        ]
        if hidden:
            parts.append(Text(f"... and {hidden} more that ended", style="dim"))
        return Group(*parts)

    def _chosen_lines(self, room: int) -> tuple[list[str], int]:
        """Names of the trajectories to show, at most `room` and those at work before others; how many are left out."""
        names = sorted(list(self._lines), key=_order)
        first = sorted(names, key=lambda name: (name in self._ended, _order(name)))[:room]
        return [name for name in names if name in first], len(names) - len(first)

    def _table(self, names: list[str]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("", "trajectory", "doing"):
            table.add_column(column)
        for column in ("calls", "executions", "tokens"):
            table.add_column(column, justify="right", no_wrap=True)
        for name in names:
            line = self._lines[name]
            mark, style = _mark(line.doing) if name in self._ended else ("\N{BLACK CIRCLE}", "cyan")
            doing = cell(line.doing, "" if style == "cyan" else style)
            if line.replayed:
                doing.append(f"  ({line.replayed} from the journal)", style="dim")
            numbers = (f"{line.calls or ''}", f"{line.runs or ''}", f"{line.tokens:,}" if line.tokens else "")
            table.add_row(Text(mark, style=style), cell(name), doing, *numbers)
        return table

    def _headline(self) -> str:
        spent = self.spent
        elapsed = time.monotonic() - spent.started
        words = [f"{spent.calls} calls", f"{spent.prompt + spent.completion:,} tokens"]
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

    def _attempts_ended(self) -> int:
        return sum(1 for name in list(self._ended) if name.startswith("attempt"))

    def _left(self, elapsed: float) -> float | None:
        """Seconds still to go, judged by the attempts that have ended; None before the first and after the last."""
        if self._stage == Stage.SELECTION:  # as many as were needed are made
            return None
        done = self._attempts_ended()
        return elapsed * (self._attempts - done) / done if 0 < done < self._attempts else None


def doing(kind: str, branch: str) -> str:
    """What a step of this kind in this branch means to somebody who watches."""
    if kind in ("ask", "given"):
        return f"asked about {branch}"
    if kind == "decide":
        return f"decided {branch.removeprefix('decide/')}"
    return "ran " + branch.removeprefix("sandbox/")


_STAGES = (Stage.CONTEXT, Stage.ATTEMPTS, Stage.SELECTION)
_PASSED, _NOW, _TO_COME = ("\N{CHECK MARK} ", "green"), ("\N{BLACK CIRCLE} ", "bold cyan"), ("", "dim")
"""Mark and style of a stage."""


def _stages(now: str) -> Text:
    """The way of one issue, with the place where it is."""
    if now not in _STAGES:
        return Text(plain(now), style="bold cyan")
    at = _STAGES.index(Stage(now))
    way = Text()
    for number, stage in enumerate(_STAGES):
        mark, style = _PASSED if number < at else _NOW if number == at else _TO_COME
        way.append("  \N{RIGHTWARDS ARROW}  " if number else "", style="dim").append(
            mark + stage, style=style
        )
    return way


def _mark(how: str) -> tuple[str, str]:
    """Mark and colour of a trajectory that ended."""
    good = how == "finished" or how.endswith(" files")
    return ("\N{CHECK MARK}", "green") if good else ("!", "yellow")


def _order(name: str) -> tuple[int, int, str]:
    """Context first, attempts by number, selection last."""
    kind, _, number = name.rpartition("-")
    if name == "context":
        return 0, 0, name
    return (1, int(number), name) if kind == "attempt" and number.isdigit() else (2, 0, name)
