"""`winnow tail`: a run as it goes on, read from the store by another process; nothing of it is written."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

from store import NoSuchRun, Reader, StoreMoved, Taken, TrajectoryRow, open_reader

from .console import Console, Text
from .paths import data_folder
from .progress import doing

SECONDS = 0.5
"""Between two looks at the store."""
PAGE = 500
"""Steps read at once."""


def tail(where: str | None, run: str | None, *, task: str | None, lines: int, follow: bool) -> None:
    """Print a run's last `lines` steps, and with `follow` every further one and every ending until the run has ended.

    run: None for the newest. Raises store.NoSuchRun, store.StoreError.
    """
    console = Console()
    with open_reader(where or data_folder() / "winnow.db") as reader:
        row = reader.run(run or _newest(reader))
        if task is not None:
            reader.task(row.run, task)
        console.print(f"run {row.run}: {reader.status(row)}", style="bold", highlight=False)
        stop = threading.Event()
        # a handler and not KeyboardInterrupt, which is lost where it meets a callback of the database's
        signal.signal(signal.SIGINT, lambda *_: stop.set())
        for line in _lines(reader, row.run, task, lines, follow=follow, stop=stop):
            console.print(line, soft_wrap=True)
            if stop.is_set():
                break
        if stop.is_set():
            return
        console.print(f"run {row.run}: {reader.status(reader.run(row.run))}", style="bold", highlight=False)


def _newest(reader: Reader) -> str:
    rows = reader.runs()
    if not rows:
        raise NoSuchRun("there is no run yet: `winnow run` and `winnow solve` make one")
    return rows[-1].run


def _lines(
    reader: Reader, run: str, task: str | None, lines: int, *, follow: bool, stop: threading.Event
) -> Iterator[Text]:
    last = reader.last_steps(run, lines, task)
    told = {_name(ended): ended.ending for ended in reader.endings(run)}
    several = len(reader.task_names(run)) > 1
    while True:
        # asked before the steps are read, so that what was written until the end is shown
        over = not follow or reader.status(reader.run(run)) != "running"
        try:
            while steps := reader.steps_since(run, last, PAGE, task):
                for step in steps:
                    yield _step(step, several)
                last = steps[-1].number
            for ended in reader.endings(run):
                if ended.ending and told.get(_name(ended)) != ended.ending and task in (None, ended.task):
                    yield _ending(ended, several)
                told[_name(ended)] = ended.ending
        except StoreMoved:
            over = False
        if over or stop.wait(SECONDS):
            return


def _name(ended: TrajectoryRow) -> tuple[str, str]:
    return ended.task, ended.trajectory


def _step(step: Taken, several: bool) -> Text:
    """When, where, what, how long, and what it took."""
    line = Text(time.strftime("%H:%M:%S  ", time.localtime(step.started + step.seconds)), style="dim")
    line.append(f"{step.task}  " * several)
    line.append(step.trajectory, style="cyan").append(f"  {doing(step.kind, step.branch)}", style="default")
    took = [f"{step.seconds:.1f} s"]
    if step.kind == "ask":
        cached = f", {step.cached_tokens:,} cached" if step.cached_tokens else ""
        took.append(f"{step.prompt_tokens:,} + {step.completion_tokens:,} tokens{cached}")
    if step.cost:
        took.append(f"${step.cost:.4f}")
    return line.append(f"  {' · '.join(took)}")


def _ending(ended: TrajectoryRow, several: bool) -> Text:
    line = (
        Text("          ")
        .append(f"{ended.task}  " * several, style="dim")
        .append(ended.trajectory, style="cyan")
    )
    good = "green" if ended.is_result else "yellow"
    line.append(f"  {ended.ending}", style=f"bold {good}")
    return line.append(f"  {' '.join(ended.detail.split())}", style="dim") if ended.detail else line
