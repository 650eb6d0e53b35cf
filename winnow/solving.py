"""A run of one issue worked on to its end, Ctrl-C, and a patch written into the user's checkout."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from environments import Task, apply_patch
from store import Store

from . import interrupt
from .batch import work_on
from .pipeline import Outcome
from .progress import View

T = TypeVar("T")


class Interrupted(Exception):
    """Ctrl-C, and everything that was in flight is kept. (typer has an answer of its own to KeyboardInterrupt.)"""


class CannotApply(Exception):
    """The chosen patch cannot be put into the user's checkout; the message says why."""


async def solve_stored(store: Store, run: str, view: View) -> Outcome:
    """Work on the single issue of `run` until a patch is chosen; everything found in the journal is not done again.

    Raises store.RunBusy where another process works on the run, and whatever `pipeline.solve_task` raises.
    """
    outcomes: list[Outcome | BaseException] = []
    await work_on(store, run, view, again=True, ended=lambda name, outcome: outcomes.append(outcome))
    outcome = outcomes[-1]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def run_until_done(work: Callable[[], Awaitable[T]], tell: Callable[[str], None]) -> T:
    """Run `work` on an event loop in this, the main, thread.

    Ctrl-C once: what is in flight is finished and kept, then Interrupted. Twice: now; the sandboxes end with
    their owner, and the journal has everything but the calls in flight.
    """

    async def main() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work())

        def interrupted() -> None:
            if task.cancelling():
                os._exit(130)
            tell("stopping: what is in flight is finished and kept (Ctrl-C again: at once)")
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupted)
        if interrupt.noted():  # it came before, and was dropped
            interrupted()
        try:
            return await task
        except asyncio.CancelledError:
            raise Interrupted("stopped: `winnow runs` lists the run, `winnow resume` goes on") from None

    return asyncio.run(main())


def apply_to_checkout(task: Task, patch: str, checkout: Path) -> list[str]:
    """Write the chosen patch into the user's checkout; the changed paths.

    A file that is no longer as it was when the run started is never overwritten: CannotApply names it, and nothing
    at all is written then.
    """
    changed = apply_patch(task.snapshot.tree, patch)
    for path in changed:
        if _bytes(checkout / path) != _bytes(task.snapshot.tree / path) or _through_link(checkout, path):
            raise CannotApply(
                f"{path} changed in {checkout} since the run started; nothing was written: "
                "take the patch from --out FILE or `winnow show`, and apply it with `git apply --3way`"
            )
    for path, content in changed.items():
        target = checkout / path
        if content is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return sorted(changed)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _through_link(checkout: Path, path: str) -> bool:
    """Whether the path, or a folder on its way, is a link, which could lead out of the checkout."""
    parts = PurePosixPath(path).parts
    return any(checkout.joinpath(*parts[: i + 1]).is_symlink() for i in range(len(parts)))
