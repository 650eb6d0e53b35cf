"""What a batch looks like: the same picture for the live view and for `winnow status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table

from store import Step, Store

from .batch_issues import IssueEnding, IssueState, Stage, states
from .clock import clock
from .console import Text
from .screen import bar, cell

_STYLES = {
    IssueEnding.CHOSEN: "green",
    IssueEnding.NOTHING: "yellow",
    IssueEnding.COST_LIMIT: "yellow",
    IssueEnding.BUILD_FAILED: "red",
    IssueEnding.WORLD_FAILED: "red",
    IssueEnding.REFUSED: "red",
    IssueEnding.WINNOW_FAILED: "red",
}
_AT_WORK = (Stage.BUILDING, Stage.CONTEXT, Stage.ATTEMPTS, Stage.SELECTION)


@dataclass
class IssueLine:
    """One issue as it is shown: its state, how its attempts ended, and what its steps add up to. cost in USD."""

    name: str
    state: IssueState
    endings: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    tokens: int = 0
    runs: int = 0
    cost: float = 0.0
    unpriced: int = 0

    def add(self, step: Step) -> None:
        """Count a step."""
        if step.kind == "ask":
            self.calls += 1
            self.tokens += step.prompt_tokens + step.completion_tokens
            self.cost += step.cost or 0.0
            self.unpriced += step.cost is None
        elif step.kind == "run":
            self.runs += 1


@dataclass
class Picture:
    """All that is shown. attempts: of each issue; auto: at most so many, as many as it needs. budget: of the run, USD.
    elapsed, left: seconds, left None where nothing can be said. now: unix time.
    """

    lines: Mapping[str, IssueLine]
    attempts: int
    budget: float | None = None
    elapsed: float = 0.0
    left: float | None = None
    now: float = 0.0
    auto: bool = False

    def render(self, height: int = 40) -> RenderableType:
        """The picture in at most about `height` lines: whoever is at work first, then whoever ended last."""
        over = [line for line in self.lines.values() if line.state.stage is Stage.OVER]
        parts: list[RenderableType] = [
            Text(self.headline(), style="bold"),
            bar(len(over), len(self.lines)),
            Text(counts(line.state for line in self.lines.values()), no_wrap=True, overflow="ellipsis"),
        ]
        if ended := attempts_ended(self.lines.values()):
            parts.append(Text(ended, style="dim", no_wrap=True, overflow="ellipsis"))
        room = max(3, height - len(parts) - 5)
        shown, hidden = self._chosen_lines(room)
        parts += [Text(), self._table(shown)]
        if hidden:
            parts.append(Text(f"... and {hidden} more", style="dim"))
        return Group(*parts)

    def headline(self) -> str:
        """Totals in one line."""
        lines = self.lines.values()
        over = sum(line.state.stage is Stage.OVER for line in lines)
        money = f"${sum(line.cost for line in lines):.4f}"
        money += " + unpriced calls" if any(line.unpriced for line in lines) else ""
        if self.budget is not None:
            money += f" of ${self.budget:g}"
        time_ = clock(self.elapsed) + (f" (about {clock(self.left)} left)" if self.left is not None else "")
        return " · ".join(
            [
                f"{over} of {len(lines)} issues",
                f"{sum(line.calls for line in lines):,} calls",
                f"{sum(line.tokens for line in lines):,} tokens",
                f"{sum(line.runs for line in lines):,} executions",
                money,
                time_,
            ]
        )

    def _attempts(self, line: IssueLine) -> str:
        """How many have ended, and of how many: nobody knows where an issue gets as many as it needs."""
        if not line.endings:
            return ""
        ended = line.endings.total()
        if not self.auto:
            return f"{ended}/{self.attempts}"
        return (
            str(ended) if line.state.stage in (Stage.SELECTION, Stage.OVER) else f"{ended}/≤{self.attempts}"
        )

    def _chosen_lines(self, room: int) -> tuple[Sequence[IssueLine], int]:
        at_work = [line for line in self.lines.values() if line.state.stage in _AT_WORK]
        over = [line for line in self.lines.values() if line.state.stage is Stage.OVER]
        over.sort(key=lambda line: (line.state.settled, -line.state.since))
        waiting = [line for line in self.lines.values() if line.state.stage is Stage.WAITING]
        every = [*at_work, *over, *waiting]
        return every[:room], max(0, len(every) - room)

    def _table(self, lines: Sequence[IssueLine]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("issue", "stage", "attempts", "votes", "calls", "cost", "for"):
            words = column in ("issue", "stage")
            table.add_column(column, justify="left" if words else "right", no_wrap=not words)
        for line in lines:
            state = line.state
            table.add_row(
                cell(line.name),
                cell(said(state), _style(state)),
                self._attempts(line),
                f"{state.votes}/{state.tests}" if state.chosen else "",
                str(line.calls or ""),
                f"${line.cost:.4f}" if line.cost else "",
                clock(self.now - state.since) if state.stage in _AT_WORK else "",
            )
        return table


def _style(state: IssueState) -> str:
    if state.ending is not None:
        return _STYLES[state.ending]
    return "cyan" if state.stage in _AT_WORK else "dim"


def lines_of(store: Store, run: str) -> dict[str, IssueLine]:
    """What the store says of every issue, by name. A few queries, whatever the run's size."""
    lines = {name: IssueLine(name, state) for name, state in states(store, run).items()}
    for spent in store.spent(run):
        line = lines[spent.task]
        line.calls += spent.asks
        line.tokens += spent.prompt_tokens + spent.completion_tokens
        line.runs += spent.runs
        line.cost += spent.cost
        line.unpriced += spent.unpriced
    for row in store.endings(run):
        if row.trajectory.startswith("attempt-") and row.ending is not None:
            lines[row.task].endings[row.ending] += 1
    return lines


def attempts_ended(lines: Iterable[IssueLine]) -> str:
    """How attempts ended: "attempts: 180 finished, 3 cost limit"; "" before the first."""
    endings = Counter[str]()
    for line in lines:
        endings.update(dict(line.endings))  # a copy: the picture is drawn while endings come in
    return "attempts: " + ", ".join(f"{n} {ending}" for ending, n in endings.most_common()) if endings else ""


def said(state: IssueState) -> str:
    """A state in a few words."""
    if state.ending is None:
        return str(state.stage)
    words = f"{state.ending}"
    if state.chosen:
        words = f"{state.chosen} chosen"
    if state.failed:
        words += f", {len(state.failed)} attempts failed by the world"
    if not state.ending.is_result:
        words += f": {state.sentence.splitlines()[0][:100] if state.sentence else ''}"
    return words


def counts(found: Iterable[IssueState]) -> str:
    """How many issues stand how: "12 patch chosen, 3 attempts, 180 waiting"."""
    counted = Counter(str(state.ending or state.stage) for state in found)
    order = [*IssueEnding, *reversed(Stage)]
    return ", ".join(f"{counted[str(name)]} {name}" for name in order if counted[str(name)])
