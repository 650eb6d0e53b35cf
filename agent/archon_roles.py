"""What a model does with proposals besides making them: it criticises, ranks and verifies (Archon's components).

All of it is asked after the system message that the proposals were made from (`proposing.patch_opening`), so that one
prefix serves every role. Source: Saad-Falcon et al., "Archon" (2024), section on the components of an architecture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from models import Message, Model, ReplyForm

from .blocks import Block, Form, ReplyError, read_blocks
from .context import merge_rankings
from .conversation import Conversation
from .endings import Stopped
from .grammar import reply_form
from .normalising import cut_middle
from .render import render
from .settings import PatchSettings

T = TypeVar("T")

FORMS: Mapping[str, Form] = {
    "CRITIQUE": Form(content="said"),
    "RANKING": Form(content="said"),
    "RIGHT": Form(body=False),
    "WRONG": Form(body=False),
}

Shown = tuple[str, str, Sequence[str]]
"""A proposal as prompts show it: its label ("P1"), its patch, what was said of it."""


def shown(
    patches: Sequence[str], words: Sequence[Sequence[str]], chars: int, words_chars: int
) -> list[Shown]:
    """Proposals with their labels, what is long cut in the middle."""
    return [
        (f"P{i}", cut_middle(patch, chars), [cut_middle(text, words_chars) for text in said])
        for i, (patch, said) in enumerate(zip(patches, words, strict=True), 1)
    ]


async def critique(
    model: Model, system: Message, patch: str, settings: PatchSettings, temperature: float | None
) -> str:
    """Strengths and weaknesses of a proposal as a model sees them; "" where no reply could be used.

    Raises the world's errors and the user's, as do the other roles.
    """
    said = await _ask(
        model,
        "critique",
        (system, Message("user", render("archon_critique", patch=patch))),
        settings,
        temperature,
        reply_form("CRITIQUE", forms=FORMS),
        lambda reply: "\n".join(_one(reply, "CRITIQUE").lines).strip(),
    )
    return said or ""


async def rank(
    model: Model,
    system: Message,
    proposals: Sequence[Shown],
    settings: PatchSettings,
    temperature: float | None,
) -> list[str] | None:
    """Labels as a model ranks them, the best first; not all of them where it leaves some out, None for no ranking."""
    labels = [label for label, _, _ in proposals]
    return await _ask(
        model,
        "rank",
        (system, Message("user", render("archon_rank", candidates=proposals))),
        settings,
        temperature,
        reply_form("RANKING", forms=FORMS, only_lines={"RANKING": labels}),
        lambda reply: _ranking(_one(reply, "RANKING"), labels),
    )


async def verify(
    model: Model, system: Message, patch: str, settings: PatchSettings, temperature: float | None
) -> bool | None:
    """Whether a model that reasons about a proposal calls it right; None where it gives no verdict."""
    return await _ask(
        model,
        "verify",
        (system, Message("user", render("archon_verify", patch=patch))),
        settings,
        temperature,
        reply_form("RIGHT", "WRONG", forms=FORMS),
        lambda reply: _one(reply, "RIGHT", "WRONG").name == "RIGHT",
    )


def merged(rankings: Sequence[Sequence[str] | None], labels: Sequence[str]) -> list[str]:
    """The labels by their mean place in the rankings; as they are where there is none."""
    there = [ranking for ranking in rankings if ranking]
    return merge_rankings(there, labels) if there else list(labels)


async def _ask(
    model: Model,
    at: str,
    opening: Sequence[Message],
    settings: PatchSettings,
    temperature: float | None,
    form: ReplyForm,
    read: Callable[[str], T],
) -> T | None:
    """What `read` makes of the first reply that it can read; None where limits end the conversation before."""
    talk = Conversation(model, at, settings.conversation(temperature), settings.calls, *opening)
    try:
        while True:
            reply = await talk.ask(form)
            try:
                return read(reply)
            except ReplyError as error:
                talk.mend(str(error))
    except Stopped:
        return None


def _one(reply: str, *names: str) -> Block:
    blocks = read_blocks(reply, FORMS, only=names)
    if len({block.name for block in blocks}) > 1 or (len(blocks) > 1 and FORMS[blocks[0].name].body):
        raise ReplyError(f"There are {len(blocks)} blocks in the reply: write exactly one.")
    return blocks[-1]


def _ranking(block: Block, labels: Sequence[str]) -> list[str]:
    named = [match[0] for line in block.lines if (match := re.search(r"\bP\d+\b", line))]
    ranking = [label for label in dict.fromkeys(named) if label in labels]
    if not ranking:
        raise ReplyError(
            f"The RANKING block names none of {', '.join(labels)}: write one of them on each line."
        )
    return ranking
