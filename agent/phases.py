"""Phases of the work on an issue before a patch is written: understand the repository, localise the fault.

Each candidate of a phase is a short conversation that ends with a block in a fixed form, and a judge's word on it.
Source: the development process that SWE-Reasoner searches (Ma et al., 2025, arXiv 2503.23803).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from environments import Task
from models import Message, Model

from .blocks import Block, Form, ReplyError, read_blocks
from .conversation import Conversation
from .endings import Stopped
from .grammar import reply_form
from .judging import judge
from .normalising import cut_middle
from .places import nearest_path
from .render import render, shown_file, shown_issue
from .settings import PatchSettings
from .structure import named_in, structure


class PhaseSettings(BaseModel):
    """What a phase is shown, and how it is judged. Calls, temperatures and tokens are those of [patches]."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    files: int = Field(default=10, ge=1)
    """Files that an understanding may name."""

    listing_tokens: int = Field(default=24_000, ge=500)
    """Tokens of the repository's tree that an understanding starts from; folders that do not fit are closed."""

    files_chars: int = Field(default=160_000, ge=1_000)
    """Characters of whole files that later phases are shown; of the file that does not fit the middle is cut."""

    judge_samples: int = Field(default=5, ge=1)
    """Answers from which P(YES) is counted where the server gives no log-probabilities."""

    def tree_tokens(self, patches: PatchSettings) -> int:
        """Tokens of the tree: at most half of the window."""
        return min(self.listing_tokens, patches.context_window // 2)

    def shown_chars(self, patches: PatchSettings) -> int:
        """Characters of files: at most what half of the window takes, at three characters a token."""
        return min(self.files_chars, patches.context_window * 3 // 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a phase came to. text: for the next phase. paths: files to read there, the most important first.

    about: what it names, without what is said of it: two findings about the same are one answer. score: the judge's
    P(YES), 0 where it said nothing.
    """

    text: str
    paths: tuple[str, ...]
    about: tuple[str, ...]
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase: its name, which is its prompts' and its branch's, the one block of its replies, and what reads that.

    read: from the block's parts by divider, the repository's paths and the settings. Raises ReplyError with a reason
    that lets the model mend its reply.
    """

    name: str
    block: str
    parts: tuple[str, ...]
    read: Callable[[Mapping[str, str], Sequence[str], PhaseSettings], Finding]

    @property
    def forms(self) -> Mapping[str, Form]:
        """The form of its block."""
        return {self.block: Form(dividers=self.parts, content="said")}


Files = Sequence[tuple[str, str]]
"""(path, text as it is shown)."""


async def find(
    model: Model,
    task: Task,
    phase: Phase,
    before: Finding | None,
    files: Files,
    settings: PhaseSettings,
    patches: PatchSettings,
    temperature: float | None,
) -> Finding | None:
    """One candidate of a phase with the judge's word on it; None where no reply could be used.

    before: what the phase before came to. files: what it is shown of the repository, where it is shown files. Raises
    the world's errors and the user's.
    """
    known = await asyncio.to_thread(lambda: [path for path in _sources(task) if path.isprintable()])
    material = {
        "issue": shown_issue(task.issue, patches.issue_chars),
        "languages": task.recipe.languages,
        "tree": structure(known, settings.tree_tokens(patches), named_in(task.issue, known)),
        "before": before.text if before else "",
        "files": files,
        "most": settings.files,
    }
    talk = Conversation(
        model,
        phase.name,
        patches.conversation(temperature),
        patches.calls,
        Message("system", render(f"phase_{phase.name}", **material), cache=True),
    )
    talk.tell(render("phase_begin", phase=phase.name))
    try:
        found = await _found(talk, phase, sorted(task.snapshot.files()), settings)
    except Stopped:
        return None
    return replace(found, score=await _score(model, phase, found, material, settings, patches))


async def _found(talk: Conversation, phase: Phase, paths: Sequence[str], settings: PhaseSettings) -> Finding:
    form = reply_form(
        phase.block, forms=phase.forms, only_lines={"FILES": paths}, line_heads={"PLACES": paths}
    )
    while True:
        reply = await talk.ask(form)
        try:
            blocks = read_blocks(reply, phase.forms)
            if len(blocks) > 1:
                raise ReplyError(
                    f"There are {len(blocks)} {phase.block} blocks in the reply: write exactly one."
                )
            return phase.read(_parts(blocks[0], phase), paths, settings)
        except ReplyError as error:
            talk.mend(str(error))


async def _score(
    model: Model,
    phase: Phase,
    found: Finding,
    material: Mapping[str, Any],
    settings: PhaseSettings,
    patches: PatchSettings,
) -> float:
    try:
        said = await judge(
            model,
            render(f"phase_{phase.name}_judge", **material, found=found.text),
            render("phase_judge_question"),
            at=f"{phase.name}-judge",
            samples=settings.judge_samples,
            window=patches.context_window,
        )
    except Stopped:
        return 0.0
    return said.yes if said is not None else 0.0


def best(found: Sequence[Finding], most: int) -> list[Finding]:
    """The best `most` by the judge, ties by their order; of those about the same, only the best one."""
    kept: dict[tuple[str, ...], Finding] = {}
    for one in sorted(found, key=lambda one: -one.score):
        kept.setdefault(one.about, one)
    return list(kept.values())[:most]


def shown_texts(task: Task, paths: Sequence[str], chars: int) -> list[tuple[str, str]]:
    """Files as they are shown, in this order, until `chars` characters are used up; what is no text is left out."""
    shown = []
    for path in dict.fromkeys(paths):
        text = task.snapshot.read(path)
        if text is None or chars < _LEAST:
            continue
        shown.append((path, cut_middle(shown_file(text), chars)))
        chars -= len(shown[-1][1])
    return shown


_LEAST = 400
"""Characters of room below which nothing more of a file is shown."""


def _sources(task: Task) -> list[str]:
    """All files, where none is of a known language."""
    return sorted(task.sources()) or sorted(task.snapshot.files())


def _parts(block: Block, phase: Phase) -> dict[str, str]:
    """The texts of a block by divider. Raises ReplyError where one is missing."""
    texts = {name: "\n".join(lines).strip() for name, lines in block.parts if name}
    if missing := [name for name in phase.parts if not texts.get(name)]:
        dividers = ", ".join(f"`===== {name}`" for name in phase.parts)
        raise ReplyError(
            f"The {phase.block} block has nothing in {', '.join(missing)}: its parts are {dividers}, each with text "
            "below it."
        )
    return texts


def _understanding(parts: Mapping[str, str], known: Sequence[str], settings: PhaseSettings) -> Finding:
    paths = _paths(parts["FILES"].split("\n"), known, "FILES")[: settings.files]
    return Finding(f"{parts['ANALYSIS']}\n\nFiles: {', '.join(paths)}", tuple(paths), tuple(sorted(paths)))


def _fault(parts: Mapping[str, str], known: Sequence[str], settings: PhaseSettings) -> Finding:
    places = [line.strip() for line in parts["PLACES"].split("\n") if line.strip()]
    paths = _paths([place.partition(":")[0] for place in places], known, "PLACES")
    text = (
        f"Cause: {parts['CAUSE']}\n\nPlaces:\n{parts['PLACES']}\n\nWhat has to hold then: {parts['CHANGE']}"
    )
    return Finding(text, tuple(paths), tuple(sorted(places)))


def _paths(lines: Sequence[str], known: Sequence[str], part: str) -> list[str]:
    """The files of the repository that the lines name, each once; lines that name none are passed over where others do.

    Raises ReplyError where none does.
    """
    found = [path for line in lines if line.strip() and (path := nearest_path(line, known)) is not None]
    if not found:
        raise ReplyError(
            f"`===== {part}` names no file of the repository: write a whole path from its root on each line."
        )
    return list(dict.fromkeys(found))


UNDERSTAND = Phase("understand", "UNDERSTANDING", ("ANALYSIS", "FILES"), _understanding)
LOCALISE = Phase("localise", "FAULT", ("CAUSE", "PLACES", "CHANGE"), _fault)
