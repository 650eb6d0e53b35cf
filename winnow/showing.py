"""`winnow runs` and `winnow show`: readings of the store."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from rich.table import Table

from selection import card_of, card_text
from store import Step, Store

from .console import Console, Text
from .journaled_model import place
from .paths import open_users_store
from .report import print_candidates, print_choice, print_matrix, print_totals
from .stored import evidence_from_json, ranking_from_json


def list_runs(where: str | None) -> None:
    """Print a table of the runs, newest last."""
    store = open_users_store(where)
    console = Console()
    rows = store.runs()
    if not rows:
        console.print("no runs yet: `winnow demo` makes one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("run", min_width=max(len(row.run) for row in rows))  # an id that is cut cannot be used
    for column in ("kind", "started", "status", "calls", "tokens", "cost"):
        table.add_column(column, justify="right" if column in ("calls", "tokens", "cost") else "left")
    for row in rows:
        totals = store.totals(row.run)
        tokens = totals.prompt_tokens + totals.completion_tokens
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started))
        table.add_row(
            row.run, row.kind, started, row.status, str(totals.asks), f"{tokens:,}", f"${totals.cost:.4f}"
        )
    console.print(table)


def show_run(where: str | None, run: str, task: str | None, steps: str | None) -> None:
    """Print what happened in a run; with `steps`, every step of one trajectory in full."""
    store = open_users_store(where)
    console = Console()
    row = store.run(run)
    tasks = [t.task for t in store.tasks(row.run) if task in (None, t.task)]
    console.print(f"run {row.run}: {row.status}", style="bold", highlight=False)
    if not tasks:
        known = ", ".join(t.task for t in store.tasks(row.run)) or "none"
        console.print(f"it has no task {task!r}; its tasks are {known}")
        return
    if steps is not None:
        with console.pager() if console.is_terminal else nullcontext():
            for name in tasks:
                _print_steps(console, store, row.run, name, steps)
        return
    for name in tasks:
        _print_task(console, store, row.run, name)
    print_totals(console, store.totals(row.run))


def _print_task(console: Console, store: Store, run: str, task: str) -> None:
    console.print()
    console.print(f"task {task}", style="bold", highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("trajectory", "ending", "steps", "detail"):
        table.add_column(column, overflow="fold")
    counts: dict[str, int] = {}
    for step in store.steps(run, task):
        counts[step.key.trajectory] = counts.get(step.key.trajectory, 0) + 1
    endings = {t.trajectory: t for t in store.trajectories(run, task)}
    for name in sorted(counts.keys() | endings.keys()):
        ended = endings.get(name)
        ending = ended.ending if ended and ended.ending else "not ended"
        table.add_row(name, ending, str(counts.get(name, 0)), ended.detail if ended else "")
    console.print(table)
    console.print()
    print_outcome(console, store, run, task)


def print_outcome(console: Console, store: Store, run: str, task: str) -> None:
    """Print the test matrix, the candidates and the choice of one task, or that nothing is chosen yet."""
    evidence = store.results(run, task, "evidence")
    choices = store.results(run, task, "choice")
    if not evidence or not choices:
        console.print(f"nothing is chosen yet: `winnow resume {run}` goes on", highlight=False)
        return
    wanted = _strategy(store.run(run).config)
    choice = next((row for row in choices if row.name == wanted), choices[-1])
    weighed, ranking = evidence_from_json(evidence[-1].body), ranking_from_json(choice.body)
    print_matrix(console, weighed)
    print_candidates(console, weighed, ranking)
    if (card := card_of(weighed, ranking)) is not None:
        console.print(Text(card_text(card, choice=False)), soft_wrap=True)
        console.print()
    for row in choices:
        if row.name != choice.name:
            other = ranking_from_json(row.body).chosen or "nothing"
            console.print(f"By {row.name} (`winnow select`): {other}", highlight=False, markup=False)
    print_choice(console, next((c for c in weighed.candidates if c.id == ranking.chosen), None), ranking)
    console.print()


def _strategy(config: str) -> str:
    """The strategy that the run itself chooses by."""
    settings = json.loads(config) if config else {}
    return str((settings.get("selection") or {}).get("strategy", ""))


def _print_steps(console: Console, store: Store, run: str, task: str, trajectory: str) -> None:
    """Each step once: of a request only the parts that no step before it had, then the answer."""
    seen: set[str] = set()
    for step in store.steps(run, task, trajectory):
        cost = f" ${step.cost:.4f}" if step.cost else ""
        console.rule(f"{place(step.key)}  {step.kind}  {step.seconds:.2f} s{cost}", align="left")
        for part, (label, digest) in zip(store.texts(step), step.parts, strict=True):
            if digest not in seen and label != "settings":
                console.print(f"--- {label}", style="cyan", highlight=False, markup=False)
                console.print(Text(part.text))
            seen.add(digest)
        console.print("--- answer", style="green", highlight=False)
        console.print(Text(_answer(step)))


def _answer(step: Step) -> str:
    body = json.loads(step.answer)
    if step.kind in ("ask", "given") and "choices" in body:
        return "\n".join(_said(choice["message"]) for choice in body["choices"])
    if step.kind == "run" and "exit_code" in body:
        return f"{body['output']}\n[exit code {body['exit_code']}, {body['ended']}]"
    return step.answer


def _said(message: Mapping[str, Any]) -> str:
    """A message with its tool calls, written as the journal writes them in requests."""
    calls = "".join(f"\n[tool call {c['name']}] {c['arguments']}" for c in message.get("tool_calls") or ())
    return message["content"] + calls
