"""One attempt at an issue: a test first, then edits that are tried with it."""

from __future__ import annotations

from environments import Task
from models import Model
from sandbox import Sandbox

from .candidate import Candidate, Ending
from .context import Context
from .editing import write_edit
from .settings import AttemptSettings
from .testing import write_test

_NOTHING_LEFT = frozenset({Ending.COST_LIMIT, Ending.GIVEN_UP})


async def attempt(
    model: Model, base: Sandbox, task: Task, context: Context, settings: AttemptSettings, name: str
) -> Candidate:
    """Make one attempt and return its candidate, whatever of the attempt's own doing ended it.

    base: a sandbox of the task's world with the original code, which is only ever copied. name: the trajectory's. An
    attempt without a usable test goes on to the edits all the same, since other attempts' tests weigh its patch, unless
    the settings say that it needs one. Raises the world's errors (retry the attempt) and the user's (stop the run).
    """
    tested = await write_test(model, base, task, settings)
    if tested.ending in _NOTHING_LEFT:
        return Candidate(name, "", tested.script, tested.run, tested.ending, tested.detail, tested.calls)
    if settings.needs_test and not (tested.run is not None and tested.run.shows_issue):
        why = "its test does not show the issue on the unfixed code"
        return Candidate(name, "", tested.script, tested.run, Ending.GIVEN_UP, why, tested.calls)
    edited = await write_edit(model, base, task, context, settings, tested)
    detail = edited.detail or (
        "" if tested.approved or not tested.detail else f"test not approved: {tested.detail}"
    )
    return Candidate(
        id=name,
        patch=edited.patch,
        test=edited.test,
        test_before=edited.test_before,
        ending=edited.ending,
        detail=detail,
        calls=tested.calls + edited.calls,
    )
