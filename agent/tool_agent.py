"""One attempt by tools: the model runs commands and edits files in a sandbox until it submits or a limit ends it.

Whatever of the attempt's own doing ends it, the difference of the working tree is its patch. Time is not read from a
clock: it is the sum of what the calls and commands took, which the journal knows, so that a resumed attempt ends where
the undisturbed one would have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from environments import Task, WorkingTree, working_tree
from models import Model
from sandbox import Sandbox

from .candidate import Candidate, Ending
from .endings import KilledSandbox, Stopped, ending_of
from .normalising import cut_middle
from .render import render
from .scripts import STEM
from .settings import ToolSettings
from .stuck import circle, undone
from .testing import normaliser
from .tool_talk import MOST_CALLS, ToolTalk
from .tools import Call, Workplace, perform

SCRATCH = "winnow_scratch*"
"""New files and folders of such names are the agent's own and no part of its patch; its prompt says so."""
_DEATHS = 2
"""Commands that kill the sandbox before the attempt ends: the first is told to the model."""


async def tool_attempt(
    model: Model, base: Sandbox, task: Task, settings: ToolSettings, name: str, guidance: str = ""
) -> Candidate:
    """Make one attempt by tools and return its candidate, whatever of the attempt's own doing ended it.

    base: a sandbox of the task's world with the original code, which is only ever copied. name: the trajectory's.
    guidance: what this attempt is told after the issue, "" for nothing.
    Raises the world's errors (retry the attempt) and the user's (stop the run).
    """
    box = await base.copy("agent")
    try:
        attempt = _Attempt(model, box, task, settings, guidance)
        ending, detail = await attempt.run()
        return Candidate(
            name, attempt.patch, ending=ending, detail="; ".join(detail), calls=attempt.talk.steps
        )
    finally:
        await box.close()


class _Attempt:
    """The state of one attempt."""

    def __init__(self, model: Model, box: Sandbox, task: Task, settings: ToolSettings, guidance: str = ""):
        self.talk = ToolTalk(model, task, settings, guidance)
        self.work = Workplace(
            box, task.snapshot.at, normaliser(task), settings.command_timeout, settings.output_chars
        )
        self.patch = ""
        self._task = task
        self._settings = settings
        self._acted = False
        self._deaths = 0
        self._steps: list[str] = []
        self._warned = False
        self._empty = False
        self._notes: Sequence[str] = ()

    async def run(self) -> tuple[Ending, list[str]]:
        """Work until an ending; the ending, and sentences about it and about the patch."""
        try:
            while not await self._step():
                pass
            return Ending.FINISHED, list(self._notes)
        except (Stopped, KilledSandbox) as stop:
            ending = ending_of(stop) or Ending.FINISHED
            detail = [str(stop)]
        try:
            await self._salvage()
        except KilledSandbox as killed:
            return ending, [*detail, f"its files could not be read any more: {killed}"]
        return ending, [*detail, *self._notes]

    async def _step(self) -> bool:
        """One reply of the model and what it calls; whether the attempt is done."""
        calls = await self.talk.ask()
        before = self.work.reached.copy()
        seen = [await self._do(call, i) for i, call in enumerate(calls)]
        if self.work.submitted is not None and await self._accepted():
            return True
        if self.work.submitted is not None:
            self.work.submitted = None
            seen = [*seen[:-1], render("agent_empty").strip()]
        self._steps.append(repr(([(call.name, sorted(call.arguments.items())) for call in calls], seen)))
        more = self._warning(undone(before, self.work.reached, self._settings.repeats))
        taken = self.talk.seconds + self.work.seconds
        if self._settings.seconds is not None and taken > self._settings.seconds:
            raise Stopped(
                Ending.TIME_LIMIT, f"its calls and commands took more than {self._settings.seconds:g} s"
            )
        self.talk.answer(calls, seen, more)
        return False

    async def _do(self, call: Call, number: int) -> str:
        """Carry out one call of a reply: what the model sees of it."""
        if self.work.submitted is not None:
            return "Not carried out: it comes after submit."
        if number >= MOST_CALLS:
            return f"Not carried out: a reply may have {MOST_CALLS} calls."
        self._acted = self._acted or not call.wrong
        try:
            return cut_middle(await perform(self.work, call), self._settings.output_chars + 1_000)
        except KilledSandbox:
            self._deaths += 1
            if self._deaths >= _DEATHS:
                raise
            return render("agent_killed").strip()

    async def _accepted(self) -> bool:
        """Whether a submission is one: an empty patch is asked about, once."""
        await self._salvage()
        if self.patch or self._empty:
            return True
        self._empty = True
        return False

    async def _salvage(self) -> None:
        """The working tree's difference becomes the patch."""
        if not self._acted:
            return
        scratch = self.work.submitted or ()
        tree: WorkingTree = await working_tree(
            self.work.sandbox,
            self._task.snapshot,
            without=(SCRATCH, f"{STEM}*", *map(_literally, scratch)),
            known=tuple(self.work.edits),
        )
        self.patch = await asyncio.to_thread(tree.patch, self._task.snapshot)
        self._notes = tree.notes

    def _warning(self, file: str) -> str:
        """The word that the attempt goes round in circles, once; "" where it does not. Raises Stopped."""
        size = circle(self._steps, self._settings.repeats)
        if not size and not file:
            return ""
        if self._warned:
            what = f"edits that undo each other in {file}" if file else "the same steps with the same outcome"
            raise Stopped(Ending.STUCK, f"it went on with {what} after a warning")
        self._warned = True
        self._steps.clear()
        self.work.reached.clear()
        return render("agent_stuck", size=size, file=file, repeats=self._settings.repeats).strip()


def _literally(path: str) -> str:
    """A path as a pattern that matches it alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)
