"""Structured summaries of attempts, for comparing them: hypothesis, progress, failures, patch.

Source: arXiv 2604.16529, whose rollouts are compressed before they are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent import Candidate, Conversation, Form, ReplyError, Stopped, read_blocks, reply_form, together
from environments import Task
from models import Message, Model

from .applying import Changed
from .evidence import Summary
from .judge import opening_of
from .material import render
from .settings import SelectionSettings
from .trajectory import Trajectory

AT = "summary"
_PARTS = {"HYPOTHESIS": "hypothesis", "PROGRESS": "progress", "FAILURES": "failures", "PATCH": "patch"}
_FORMS = {"SUMMARY": Form(dividers=tuple(_PARTS), content="said")}
_FORM = reply_form("SUMMARY", forms=_FORMS)
_CALLS = 2
"""Of one summary: a reply that cannot be used is sent back once."""


async def summarise(
    model: Model,
    task: Task,
    candidates: Sequence[Candidate],
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    trajectories: Mapping[str, Trajectory] | None = None,
) -> tuple[Mapping[str, Summary], str]:
    """(summary by candidate id, why some are missing). Raises the world's errors and the user's."""

    async def one(candidate: Candidate) -> Summary | str:
        trajectory = (trajectories or {}).get(candidate.id, Trajectory())
        opening = opening_of(task, candidate, trajectory, changed, settings, "summary_system")
        talk = Conversation(
            model,
            f"{AT}/{candidate.id}",
            settings.for_conversation(settings.temperature),
            _CALLS,
            Message("system", opening),
        )
        talk.tell(render("summary_begin"))
        try:
            return await _written(talk)
        except Stopped as stop:
            return str(stop)

    words = await together([one(candidate) for candidate in candidates])
    pairs = list(zip(candidates, words, strict=True))
    found = {candidate.id: word for candidate, word in pairs if isinstance(word, Summary)}
    return found, next((word for word in words if isinstance(word, str)), "")


def read_summary(reply: str) -> Summary:
    """The summary of a reply's one block. Raises ReplyError where a part is missing, with the parts that are."""
    blocks = read_blocks(reply, _FORMS, only=tuple(_FORMS))
    if len(blocks) > 1:
        raise ReplyError(f"There are {len(blocks)} SUMMARY blocks in the reply: write exactly one.")
    texts = {name: "\n".join(lines).strip() for name, lines in blocks[0].parts if name}
    if missing := [name for name in _PARTS if not texts.get(name)]:
        raise ReplyError(
            f"The SUMMARY block has nothing in {', '.join(missing)}: its parts are "
            f"{', '.join(f'`===== {name}`' for name in _PARTS)}, each with text below it."
        )
    return Summary(**{field: texts[name] for name, field in _PARTS.items()})


async def _written(talk: Conversation) -> Summary:
    while True:
        reply = await talk.ask(_FORM)
        try:
            return read_summary(reply)
        except ReplyError as error:
            talk.mend(str(error))
