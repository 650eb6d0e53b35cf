"""One session of work on a run: what `solve`, `demo` and `resume` do once the run is in the store."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from environments import Task, apply_patch
from sandbox import clean
from store import Store

from .configuration import Configuration
from .minds import open_minds
from .paths import sandboxes_folder
from .pipeline import Outcome, Tools, solve_task
from .progress import Progress
from .stored import task_from_json
from .worlds import backend_of, limits_of

T = TypeVar("T")


class Interrupted(Exception):
    """Ctrl-C, and everything that was in flight is kept. (typer has an answer of its own to KeyboardInterrupt.)"""


class NotResumable(Exception):
    """The store does not hold what is needed to go on with a run; the message says why."""


class CannotApply(Exception):
    """The chosen patch cannot be put into the user's checkout; the message says why."""


def stored_run(store: Store, run: str) -> tuple[Configuration, Task]:
    """A run's configuration and its one task. Raises NotResumable."""
    rows = store.tasks(run)
    if not rows:
        raise NotResumable(
            f"run {run} was stopped before its task was written: start it anew with `winnow solve`"
        )
    try:
        return Configuration.model_validate_json(store.run(run).config), task_from_json(rows[0].body)
    except (ValidationError, KeyError) as error:
        raise NotResumable(
            f"run {run} was made by another version of Winnow, whose settings this one does not know: "
            f"go on with that version, or start it anew ({str(error).splitlines()[0]})"
        ) from None


async def work_on(store: Store, run: str, progress: Progress) -> Outcome:
    """Work on the single task of `run` until a patch is chosen; everything found in the journal is not done again.

    Raises store.RunBusy where another process works on the run, and whatever `solve_task` raises.
    """
    configuration, task = stored_run(store, run)
    with store.lease(run):
        # Whatever an earlier session of this run left behind; never another run's.
        clean(sandboxes_folder(), run=run)
        store.set_run(run, status="running")
        backend = backend_of(configuration.sandbox, run)
        try:
            model, context_model = open_minds(configuration, store.totals(run), progress.tell)
            tools = Tools(
                store,
                run,
                configuration,
                model,
                context_model,
                backend,
                limits_of(configuration.sandbox),
                progress,
            )
            if lacks := await backend.lacks():
                progress.tell("not given here: " + " ".join(lacks))
            outcome = await solve_task(task, tools)
        except asyncio.CancelledError:
            store.set_run(run, status="interrupted", ended=time.time())
            raise
        except BaseException:
            store.set_run(run, status="failed", ended=time.time())
            raise
        finally:
            await backend.close()
        store.set_run(run, status="failed" if outcome.failures else "finished", ended=time.time())
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
