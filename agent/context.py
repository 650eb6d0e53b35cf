"""Which files an attempt is shown: relevance of every source file, a merged ranking, whole files to a limit.

It is computed once for an issue and shared by all its attempts (CodeMonkeys, context).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from environments import Task
from models import ContextOverflow, Message, Model, ReplyForm, Request, estimate_tokens

from .blocks import ReplyError, read_blocks
from .grammar import reply_form
from .render import render, shown_file, shown_issue
from .settings import ContextSettings
from .side_by_side import together

T = TypeVar("T")

_SUMMARY_CHARS = 1_000
_HEADING_TOKENS = 16


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A file that attempts are shown: its text as on disk, and why it is here ("" where every file is)."""

    path: str
    text: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """The files, most important first (in path order where all fit), and notes on how they were chosen."""

    files: tuple[ContextFile, ...]
    notes: tuple[str, ...] = ()


async def gather_context(model: Model, task: Task, settings: ContextSettings) -> Context:
    """Choose the files for a task. No model is asked where all source fits into the limit.

    A file whose reply stays malformed counts as not relevant, a ranking whose reply stays malformed is left
    out; both are noted. Raises only the model's errors, for faults of the world, the user and the budget.
    """
    texts, notes = await asyncio.to_thread(_source_texts, task)
    if sum(_size(path, text) for path, text in texts.items()) <= settings.limit:
        return Context(tuple(ContextFile(path, text) for path, text in sorted(texts.items())), tuple(notes))
    issue = shown_issue(task.issue, settings.issue_chars)
    summaries = await _relevant(model, texts, issue, settings, notes)
    if summaries:
        order = await _ranked(model, texts, summaries, issue, settings, notes)
    else:
        notes.append(
            "No file was found relevant: files that the issue names come first, then the others by path."
        )
        order = _named_first(issue, texts)
    return Context(tuple(_fitting(order, texts, summaries, settings.limit)), tuple(notes))


def merge_rankings(rankings: Sequence[Sequence[str]], known: Sequence[str]) -> list[str]:
    """The known paths by mean relative rank i/len, ties by path.

    Unknown and repeated paths are dropped; a path missing from a ranking counts 1.0.
    """
    places = []
    for ranking in rankings:
        clean = [path for path in dict.fromkeys(ranking) if path in set(known)]
        places.append({path: i / len(clean) for i, path in enumerate(clean)})
    return sorted(known, key=lambda path: (sum(place.get(path, 1.0) for place in places), path))


async def _relevant(
    model: Model, texts: Mapping[str, str], issue: str, settings: ContextSettings, notes: list[str]
) -> dict[str, str]:
    """Summary by path of the files that the model calls relevant, in path order."""
    system = Message("system", render("relevance_system", issue=issue), cache=True)
    asked = []
    for path in sorted(texts):
        if _size(path, texts[path]) > settings.file_tokens:
            notes.append(f"{path} was not looked at: it has more than {settings.file_tokens} tokens.")
        else:
            asked.append(path)

    async def one(path: str) -> tuple[str | None, str]:
        question = Message("user", render("relevance_file", path=path, text=shown_file(texts[path])))
        return await _ask(
            model,
            (system, question),
            f"relevance/{path}",
            settings.temperature,
            settings.relevance_output,
            _summary,
            reply_form("RELEVANT", "NOT RELEVANT"),
        )

    answers = await together([one(path) for path in asked])
    relevant = {}
    for path, (summary, problem) in zip(asked, answers, strict=True):
        if problem:
            notes.append(f"{path} counts as not relevant: {problem}")
        elif summary:
            relevant[path] = summary
    return relevant


async def _ranked(
    model: Model,
    texts: Mapping[str, str],
    summaries: Mapping[str, str],
    issue: str,
    settings: ContextSettings,
    notes: list[str],
) -> list[str]:
    known = list(summaries)
    if len(known) < 2:
        return known
    files = [(path, _size(path, texts[path]), summaries[path]) for path in known]
    messages = (
        Message("system", render("ranking_system", issue=issue)),
        Message("user", render("ranking_files", files=files), cache=True),
    )

    async def one(i: int) -> tuple[list[str] | None, str]:
        return await _ask(
            model,
            messages,
            f"ranking/{i}",
            settings.temperature,
            settings.ranking_output,
            lambda reply: _ranking(reply, known),
            reply_form("RANKING", only_lines={"RANKING": known}),
        )

    rankings = []
    for i, (ranking, problem) in enumerate(await together([one(i) for i in range(settings.rankings)])):
        if ranking is None:
            notes.append(f"Ranking {i + 1} was left out: {problem}")
        else:
            rankings.append(ranking)
    if not rankings:
        notes.append("No ranking could be read: the relevant files come by path.")
    return merge_rankings(rankings, known)


async def _ask(
    model: Model,
    messages: tuple[Message, ...],
    at: str,
    temperature: float | None,
    max_tokens: int,
    read: Callable[[str], T],
    form: ReplyForm,
) -> tuple[T | None, str]:
    """(what `read` makes of the reply, "") or (None, why not), the model told once what was wrong."""
    problem = ""
    for _ in range(2):
        request = Request(messages=messages, temperature=temperature, max_tokens=max_tokens, form=form)
        try:
            reply = await model.ask(request, at=at)
        except ContextOverflow as error:
            return None, str(error)
        try:
            return read(reply.text or ""), ""
        except ReplyError as error:
            problem = str(error)
        said = Message("assistant", reply.text or "(no text)", thinking=reply.choices[0].message.thinking)
        messages = (*messages, said, Message("user", render("mend", reason=problem, left=1)))
    return None, problem


def _summary(reply: str) -> str:
    """The summary of a relevance reply, "" for not relevant. Raises ReplyError."""
    blocks = read_blocks(reply, only=("RELEVANT", "NOT RELEVANT"))
    if len({block.name for block in blocks}) > 1:
        raise ReplyError("The reply says both RELEVANT and NOT RELEVANT: write exactly one of them.")
    if blocks[-1].name == "NOT RELEVANT":
        return ""
    text = " ".join(" ".join(blocks[-1].lines).split())
    return text[:_SUMMARY_CHARS] or "(no summary)"


def _ranking(reply: str, known: Sequence[str]) -> list[str]:
    """The known paths in the order of a ranking reply. Raises ReplyError where it names none of them."""
    ranking = []
    for block in read_blocks(reply, only=("RANKING",)):
        for line in block.lines:
            bare = line.strip()
            plain = re.sub(r"^(?:\d+[.):]\s*|[-*]\s+)", "", bare).strip("`'\" ")
            ranking += [path for path in dict.fromkeys((bare, plain)) if path in known]
    if not ranking:
        raise ReplyError(
            "The RANKING block names none of the files: write one path on each line, as they were given."
        )
    return ranking


def _fitting(
    order: Sequence[str], texts: Mapping[str, str], summaries: Mapping[str, str], limit: int
) -> list[ContextFile]:
    """Whole files in this order to the limit. One that does not fit is passed over, and the next is tried."""
    files, used = [], 0
    for path in order:
        size = _size(path, texts[path])
        if used + size <= limit:
            files.append(ContextFile(path, texts[path], summaries.get(path, "")))
            used += size
    return files


def _named_first(issue: str, texts: Mapping[str, str]) -> list[str]:
    def times(path: str) -> int:
        module = path.rpartition(".")[0].replace("/", ".")
        return 2 * issue.count(path) + 2 * issue.count(module) + issue.count(path.rpartition("/")[2])

    return sorted(texts, key=lambda path: (-times(path), path))


def _source_texts(task: Task) -> tuple[dict[str, str], list[str]]:
    """Text by path of the source files, of all text files where the languages have none; and notes."""
    notes: list[str] = []
    paths = sorted(task.sources())
    if not paths:
        paths = sorted(task.snapshot.files())
        notes.append("No source file of a known language: every text file of the repository counts as one.")
    texts = {}
    for path in paths:
        if not path.isprintable():
            notes.append(f"{path!r} was left out: its name does not fit on a line.")
        elif text := task.snapshot.read(path):  # an empty file is no question
            texts[path] = text
    return texts, notes


def _size(path: str, text: str) -> int:
    """Tokens that a file takes in a prompt, its heading included."""
    return estimate_tokens(text) + estimate_tokens(path) + _HEADING_TOKENS
