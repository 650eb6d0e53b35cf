"""Finding the places that an issue is about, level by level: files, then definitions in them, then lines.

Source: Xia et al., "Agentless: Demystifying LLM-based Software Engineering Agents" (2024), localisation. Unlike it, a
repository whose tree does not fit the window is shown with folders closed, which the model may ask to open; a reply
that names nothing goes back with the reason; and other languages than Python are outlined by indentation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from environments import Task
from models import BudgetSpent, ContextOverflow, Message, Model, ReplyForm, Request

from .blocks import Block, Form, ReplyError, read_blocks
from .candidate import Ending
from .conversation import Conversation
from .endings import Stopped
from .grammar import reply_form
from .outline import Outline, outline, shown_outline
from .places import Place, fitting, merged, nearest_path, read_places, shown_place
from .render import render, shown_file, shown_issue
from .settings import PatchSettings
from .structure import folders, named_in, structure

T = TypeVar("T")
Tell = Callable[[str], None]

FORMS: Mapping[str, Form] = {"FILES": Form(), "OPEN": Form(), "PLACES": Form()}
_FORCED = 200
"""Different lines of a block that a grammar allows at most."""


class LocalisingSettings(BaseModel):
    """How the places to be changed are found. Figures are Agentless's where it gives one."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    files: int = Field(default=3, ge=1)
    """Files that are looked into at most. Agentless: 3."""

    samples: int = Field(default=4, ge=1)
    """How often the lines to be changed are asked for; each answer is a context of its own for a share of the patches.
    Agentless: 4."""

    temperature: float | None = Field(default=0.8, ge=0)
    """Of these samples; the questions before them are asked at 0. None leaves it to the server. Agentless: 0.8."""

    around: int = Field(default=10, ge=0)
    """Lines before and after each place that patches are written from. Agentless: 10."""

    calls: int = Field(default=4, ge=1)
    """Replies to the question for files, and to that for definitions, at most: folders that are opened and repairs."""

    listing_tokens: int = Field(default=24_000, ge=500)
    """Tokens of the repository's tree that are shown at once, and of the files' outlines together."""

    code_tokens: int = Field(default=48_000, ge=500)
    """Tokens of code at most that lines are chosen from, and that patches are written from."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the change belongs, by one sample: parts of files as (heading, text), the most important first."""

    parts: tuple[tuple[str, str], ...]


async def localise(
    model: Model,
    task: Task,
    settings: LocalisingSettings,
    patches: PatchSettings,
    samples: int,
    tell: Tell,
) -> list[Located]:
    """The places that `samples` answers name, one `Located` for each that could be read, at least one.

    patches: whose window, issue length and output length hold here too. Where the model names nothing that is there,
    the level falls back on what is known without it, which is told. Raises the model's errors; BudgetSpent too.
    """
    work = _Work(model, task, settings, patches, tell)
    files = await _files(work)
    texts = await asyncio.to_thread(
        lambda: {path: shown_file(text) for path in files if (text := task.snapshot.read(path)) is not None}
    )
    outlines = {path: outline(path, text) for path, text in texts.items() if text}
    if not outlines:
        return [Located(())]
    places = await _definitions(work, texts, outlines)
    found = await _lines(work, texts, outlines, places, samples)
    return [Located(_parts(each, texts, outlines, settings)) for each in found]


@dataclass(frozen=True, slots=True)
class _Work:
    model: Model
    task: Task
    settings: LocalisingSettings
    patches: PatchSettings
    tell: Tell

    @property
    def system(self) -> Message:
        issue = shown_issue(self.task.issue, self.patches.issue_chars)
        return Message("system", render("localise_system", issue=issue), cache=True)

    def room(self, tokens: int) -> int:
        """`tokens`, or what the window leaves for material."""
        return max(200, min(tokens, self.patches.context_window // 2))

    def talk(self, at: str, question: str) -> Conversation:
        """A conversation at temperature 0 that begins with this question."""
        talk = Conversation(self.model, at, self.patches.conversation(0.0), self.settings.calls, self.system)
        talk.tell(question)
        return talk


# Files ----------------------------------------------------------------------------------------------------------------


async def _files(work: _Work) -> list[str]:
    """The files to look into, most important first."""
    known = await asyncio.to_thread(lambda: sorted(work.task.sources()) or sorted(work.task.snapshot.files()))
    known = [path for path in known if path.isprintable()]
    if not known:
        return []
    named = named_in(work.task.issue, known)
    room = work.room(work.settings.listing_tokens)
    talk = work.talk("files", _question(structure(known, room, named), work.settings.calls, work))

    def read(blocks: Sequence[Block]) -> list[str] | str:
        """The files, or what is in the folders that shall be opened. Raises ReplyError."""
        lines = [line for block in blocks for line in block.lines if line.strip()]
        if blocks[0].name == "OPEN":
            return _opened(known, lines, room)
        found = [path for line in lines if (path := nearest_path(line, known)) is not None]
        if not found:
            raise ReplyError(
                "The FILES block names no file of the tree: write whole paths, one on each line."
            )
        return list(dict.fromkeys(found))[: work.settings.files]

    form = _form({"FILES": known, "OPEN": sorted(folders(known))})
    while True:
        said, why = await _asked(talk, ("FILES", "OPEN"), read, form)
        if isinstance(said, list):
            return said
        if said is None:
            work.tell(f"No files could be localised ({why}): those that the issue names are taken.")
            return (named or known)[: work.settings.files]
        talk.tell(_question(said, talk.left, work, again=True))


def _question(tree: str, left: int, work: _Work, again: bool = False) -> str:
    return render(
        "localise_files",
        tree=tree,
        closed="(closed: " in tree or "... and " in tree,
        files=work.settings.files,
        again=again,
        left=left,
    )


def _opened(known: Sequence[str], lines: Sequence[str], room: int) -> str:
    there = folders(known)
    wanted = [line.strip("`'\" ").rstrip("/") + "/" for line in lines]
    shown = [(path, structure(known, room // len(wanted), below=path)) for path in wanted if path in there]
    if not shown:
        raise ReplyError("The OPEN block names no folder of the tree: write whole paths, one on each line.")
    return "\n\n".join(f"{path}\n{tree}" for path, tree in shown)


# Definitions ----------------------------------------------------------------------------------------------------------


async def _definitions(work: _Work, texts: Mapping[str, str], outlines: Mapping[str, Outline]) -> list[Place]:
    """Definitions that matter, merged; the beginnings of the files where none can be found."""
    # An entry's line takes some 20 tokens.
    most = max(20, work.room(work.settings.listing_tokens) // 20 // max(1, len(outlines)))
    shown = [(path, shown_outline(found, most)) for path, found in outlines.items()]
    talk = work.talk("definitions", render("localise_definitions", files=shown))
    places, why = await _asked(
        talk, ("PLACES",), lambda blocks: _read_places(blocks, outlines), _places_form(outlines)
    )
    if places is None:
        work.tell(f"No definitions could be localised ({why}): the files are shown from their beginnings.")
        places = [Place(path, 1, found.lines) for path, found in outlines.items() if found.lines]
    return fitting(merged(places, outlines, 0), texts, work.room(work.settings.code_tokens))


# Lines ----------------------------------------------------------------------------------------------------------------


async def _lines(
    work: _Work,
    texts: Mapping[str, str],
    outlines: Mapping[str, Outline],
    places: Sequence[Place],
    samples: int,
) -> list[list[Place]]:
    """The lines to be changed by each sample that can be read; the definitions, once, where none can."""
    question = render("localise_lines", parts=[shown_place(place, texts, numbered=True) for place in places])
    request = Request(
        (work.system, Message("user", question, cache=True)),
        temperature=work.settings.temperature,
        max_tokens=work.patches.max_tokens,
        n=samples,
        form=_places_form(outlines),
    )
    try:
        reply = await work.model.ask(request, at="lines")
    except ContextOverflow as error:
        work.tell(f"No lines could be localised ({error}): the definitions are taken.")
        return [list(places)]
    found = []
    for number, choice in enumerate(reply.choices, 1):
        try:
            found.append(_read_places(_blocks(choice.message.content or "", ("PLACES",)), outlines))
        except ReplyError as error:
            work.tell(f"Sample {number} of the lines to be changed is left out: {error}")
    if not found:
        work.tell("No sample of the lines to be changed can be used: the definitions are taken.")
    return found or [list(places)]


def _parts(
    places: Sequence[Place],
    texts: Mapping[str, str],
    outlines: Mapping[str, Outline],
    settings: LocalisingSettings,
) -> tuple[tuple[str, str], ...]:
    """What patches are written from: the places with lines around them, and the imports of their files."""
    wider = merged(places, outlines, settings.around)
    paths = dict.fromkeys(place.path for place in wider)
    imports = [Place(path, *lines) for path in paths if (lines := outlines[path].imports)]
    fit = fitting([*wider, *imports], texts, settings.code_tokens)
    return tuple(shown_place(place, texts) for place in merged(fit, outlines, 0))


# Replies --------------------------------------------------------------------------------------------------------------


async def _asked(
    talk: Conversation, names: Sequence[str], read: Callable[[Sequence[Block]], T], form: ReplyForm
) -> tuple[T | None, str]:
    """(what `read` makes of a reply, "") or (None, why there is none); reasons go back while a call is left."""
    why = ""
    try:
        while True:
            reply = await talk.ask(form)
            try:
                return read(_blocks(reply, names)), ""
            except ReplyError as error:
                why = str(error)
                talk.mend(why)
    except Stopped as stop:
        if isinstance(stop.__cause__, BudgetSpent):
            raise stop.__cause__ from None
        return None, why if stop.ending is Ending.STEP_LIMIT and why else str(stop)


def _blocks(reply: str, names: Sequence[str]) -> tuple[Block, ...]:
    blocks = read_blocks(reply, FORMS, names)
    if len({block.name for block in blocks}) > 1:
        raise ReplyError(f"The reply has both {' and '.join(names)}: write exactly one of them.")
    return blocks


def _form(lines: Mapping[str, Sequence[str]]) -> ReplyForm:
    """One of these blocks, each with some of its lines; of very many lines the first will do to force a reply."""
    some = {name: each[:_FORCED] for name, each in lines.items() if each}
    return reply_form(*some, forms=FORMS, only_lines=some)


def _places_form(outlines: Mapping[str, Outline]) -> ReplyForm:
    places = [
        f"{path}: {entry.start}-{entry.stop}" for path, found in outlines.items() for entry in found.entries
    ]
    return _form({"PLACES": places or [f"{path}: 1" for path in outlines]})


def _read_places(blocks: Sequence[Block], outlines: Mapping[str, Outline]) -> list[Place]:
    """The places of a reply; lines that name nothing are passed over where others do. Raises ReplyError."""
    places, problems = read_places([line for block in blocks for line in block.lines], outlines)
    if not places:
        raise ReplyError("\n".join(problems[:10]) or "The PLACES block is empty: name at least one place.")
    return places
