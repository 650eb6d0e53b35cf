"""What an attempt said and saw, as selection is handed it: for judges and summaries, and the signals it gives. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agent import Candidate, cut_middle, fenced

from .evidence import Signals

_QUOTED = 240
"""Characters of an attempt's own doubt that are kept."""
_DOUBT = re.compile(
    r"\b(?:not (?:entirely |fully |completely |quite )?(?:sure|certain|confident)|unsure|uncertain|might not|"
    r"may not work|could(?: not|n't) (?:run|verify|reproduce|test|confirm|find)|cannot (?:verify|test|confirm)|"
    r"unable to|work-?around|hack(?:y|ish)?|not verified|untested|give up|giving up|best guess|I hope)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One step: what the attempt said, or what it saw (the observation of a command, a test's run)."""

    kind: Literal["said", "seen"]
    text: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """An attempt from its first step to its last, what all attempts share left out. flags: what an audit found."""

    turns: tuple[Turn, ...] = ()
    flags: tuple[str, ...] = ()


def trajectory_of(messages: Iterable[Mapping[str, str]], flags: Sequence[str] = ()) -> Trajectory:
    """Of chat messages: the assistant's are said, the user's and tools' are seen; the system's are for all the same."""
    turns = [
        Turn("said" if message["role"] == "assistant" else "seen", message["content"])
        for message in messages
        if message["role"] != "system"
    ]
    return Trajectory(tuple(turns), tuple(flags))


def shown_trajectory(trajectory: Trajectory, limit: int) -> str:
    """The turns as text of at most `limit` characters, "" where there are none.

    Where they are longer, observations are cut in the middle, the longest first and never the first (R2E-Gym). Where
    that does not do, the whole is cut.
    """
    texts = [turn.text for turn in trajectory.turns]
    frame = 60 * len(texts)
    seen = [i for i, turn in enumerate(trajectory.turns) if turn.kind == "seen"][1:]
    room = limit - frame - sum(len(text) for i, text in enumerate(texts) if i not in seen)
    level = _level([len(texts[i]) for i in seen], room)
    for i in seen:
        texts[i] = cut_middle(texts[i], max(level, 200))
    steps = [
        f"## Step {number}: {'what the attempt said' if turn.kind == 'said' else 'what it saw'}\n\n{fenced(text)}"
        for number, (turn, text) in enumerate(zip(trajectory.turns, texts, strict=True), 1)
    ]
    return cut_middle("\n\n".join(steps), limit)


def signals_of(candidate: Candidate, trajectory: Trajectory | None) -> Signals:
    """What an attempt shows of itself. Doubt is looked for in the last two things that it said."""
    said = [turn.text for turn in trajectory.turns if turn.kind == "said"][-2:] if trajectory else []
    doubt = next((found for text in reversed(said) if (found := _doubt(text))), "")
    return Signals(str(candidate.ending), candidate.calls, doubt, trajectory.flags if trajectory else ())


def _doubt(text: str) -> str:
    """The sentence that holds a word of doubt. Code and tests are no sentences: blocks are left out."""
    prose = re.sub(r"(?ms)^<<<<< .*?^>>>>> END$|^```.*?^```$", " ", text)
    for sentence in re.split(r"(?<=[.!?])\s+|\n\s*\n", prose):
        if _DOUBT.search(sentence):
            return " ".join(sentence.split())[:_QUOTED]
    return ""


def _level(lengths: Sequence[int], room: int) -> int:
    """The length to which the longest must be cut, all to the same, so that all fit into `room`."""
    left, rest = room, sorted(lengths)
    while rest and rest[0] * len(rest) <= left:
        left -= rest.pop(0)
    return left // len(rest) if rest else max(lengths, default=0)
