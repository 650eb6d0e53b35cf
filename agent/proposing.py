"""Direct patches: a model is asked for one reply with edits, and nothing is run.

How to use it, from the quickest to the most exact:

    opening = patch_opening(task, shown_files(context), settings)     # the same bytes for all samples of an issue
    proposal = await propose(model, task, opening, settings, temperature=0.8)
    proposal.patch, proposal.ending, proposal.reply

`opening` is [system message with a cache mark, user message]; a way with more to say puts its own messages after the
first: `[opening[0], Message("user", ...)]`. Every reply must hold edits in the form of `agent/edits.py`, which the
system message describes. A reply that cannot be read or applied goes back with the reason, in the branch `at`, until
`settings.calls` replies were given.

`first_replies` asks for the first replies of many samples in one request. Ways do not call it themselves:
`agent.ways.patches.direct_patches(means, numbers, opening, settings)` makes candidates `attempt-N` of it, each with its
repairs in a trajectory of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from environments import Task
from models import BudgetSpent, Message, Model, Reply, Request, Usage, estimate_request

from .blocks import ReplyError
from .candidate import Candidate, Ending
from .context import Context
from .conversation import Conversation
from .edits import EDIT_BLOCKS, parse_edits
from .endings import Stopped
from .grammar import reply_form
from .patching import patch_of
from .render import render, shown_file, shown_issue
from .settings import PatchSettings

AT = "patch"
FORM = reply_form(EDIT_BLOCKS)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of asking: the patch ("" where no reply could be used), how it ended and why, the replies that it took.

    reply: the one that the patch was made of, with what the model thought before it; "" where there is none.
    """

    patch: str
    ending: Ending
    detail: str
    calls: int
    reply: str = ""

    def candidate(self, name: str) -> Candidate:
        """The candidate of this name; it has no test of its own."""
        return Candidate(name, self.patch, ending=self.ending, detail=self.detail, calls=self.calls)


async def propose(
    model: Model,
    task: Task,
    opening: Sequence[Message],
    settings: PatchSettings,
    *,
    temperature: float | None,
    at: str = AT,
) -> Proposal:
    """Ask for a patch after `opening`, and for repairs of replies that cannot be used.

    Never raises for what is the attempt's doing; raises the world's errors and the user's.
    """
    talk = Conversation(model, at, settings.conversation(temperature), settings.calls, *opening)
    why = ""
    try:
        while True:
            reply = await talk.ask(FORM)
            try:
                patch, applied = await asyncio.to_thread(
                    lambda reply=reply: patch_of(task, parse_edits(reply))
                )
            except ReplyError as error:
                why = str(error)
                talk.mend(why)
            else:
                return Proposal(patch, Ending.FINISHED, " ".join(applied.notes), talk.calls, reply)
    except Stopped as stop:
        if stop.ending is Ending.STEP_LIMIT:
            said = f"no reply of {talk.calls} could be used; of the last one: {why}"
            return Proposal("", Ending.MALFORMED, said, talk.calls)
        return Proposal("", stop.ending, str(stop), talk.calls)


def patch_opening(
    task: Task, files: Sequence[tuple[str, str]], settings: PatchSettings, *, parts: bool = False
) -> tuple[Message, Message]:
    """(system message: how to reply, the issue, the files; user message: do it).

    files: (path, text) as they are shown (`shown_files`). parts: these are parts of files, each with a heading of its
    own in place of the path.
    """
    text = render(
        "patch_system",
        issue=shown_issue(task.issue, settings.issue_chars),
        languages=task.recipe.languages,
        files=files,
        parts=parts,
    )
    return Message("system", text, cache=True), Message("user", render("patch_ask"))


def shown_files(context: Context) -> list[tuple[str, str]]:
    """The files that were chosen for an issue, as `patch_opening` takes them."""
    return [(file.path, shown_file(file.text)) for file in context.files]


async def first_replies(
    model: Model,
    opening: Sequence[Message],
    settings: PatchSettings,
    *,
    count: int,
    temperature: float | None,
    at: str = AT,
) -> list[Reply | BudgetSpent | None]:
    """The first replies of `count` samples, asked for in one request: one choice each, whose cost is the request's.

    An error stands in for a choice that the budget did not reach; None for all of them where the opening does not fit
    the window: each sample then ends by itself, for the reason that it finds. Raises the model's errors.
    """
    request = Request(
        tuple(opening), temperature=temperature, max_tokens=settings.max_tokens, n=count, form=FORM
    )
    if estimate_request(request) + (settings.max_tokens or 0) > settings.context_window:
        return [None] * count
    reply = await model.ask(request, at=at)
    each: list[Reply | BudgetSpent | None] = [
        replace(reply, choices=(choice,), usage=Usage(), cost=0.0, seconds=0.0, notes=())
        for choice in reply.choices[:count]
    ]
    missing = count - len(each)
    return each + [BudgetSpent("The budget ended before this sample's reply.")] * missing
