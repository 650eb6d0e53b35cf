"""Reading what a chooser replies: a test, or the winner's label with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent import Form, ReplyError, Script, parse_script, read_blocks, reply_form
from models import ReplyForm

FORMS = {"TEST": Form(content="script"), "WINNER": Form()}


@dataclass(frozen=True, slots=True)
class Decision:
    """label: as shown ("B"), "" for none of them. reason: the model's words."""

    label: str
    reason: str


class WrongLabel(ReplyError):
    """The winner that a reply names is not one of those shown."""


class TooSoon(ReplyError):
    """A winner is named before any test has been run."""


def read_reply(
    reply: str, labels: list[str], *, tests: bool = True, winner: bool = True
) -> Script | Decision:
    """The one thing that a reply does. Raises ReplyError with a reason that lets the model mend it.

    tests, winner: whether a test, or a decision, has its place now.
    """
    blocks = read_blocks(reply, FORMS, only=tuple(FORMS))
    if len(blocks) > 1:
        names = ", ".join(block.name for block in blocks)
        raise ReplyError(f"There are {len(blocks)} blocks in the reply ({names}): write exactly one.")
    block = blocks[0]
    if block.name == "TEST":
        if not tests:
            raise ReplyError("No test can be run any more: name the winner in a WINNER block.")
        return parse_script(block)
    if not winner:
        raise TooSoon(
            "No test has been run yet: write one in a TEST block before you name the winner. Only where nothing that "
            "could be run would tell the candidates apart, name the winner once more."
        )
    lines = [line.strip() for line in block.lines if line.strip()]
    if not lines:
        raise ReplyError(f"The WINNER block is empty: its first line is one of {_said(labels)}.")
    return Decision(_label(lines[0], labels), " ".join(lines[1:]))


def decision_form(labels: Iterable[str], *, tests: bool = True, winner: bool = True) -> ReplyForm:
    """The form of what `read_reply` reads with the same words."""
    names = [name for name, wanted in (("TEST", tests), ("WINNER", winner)) if wanted]
    return reply_form(*names, forms=FORMS, first_lines={"WINNER": [*labels, "none"]})


def _label(line: str, labels: list[str]) -> str:
    """The label that the block's first line names; decoration and the word "Candidate" do not matter."""
    word = re.sub(r"^candidate\b", "", line.strip("`*\"'.:() "), flags=re.IGNORECASE).strip("`*\"'.:() ")
    if word.lower() == "none":
        return ""
    if word.upper() in labels:
        return word.upper()
    raise WrongLabel(
        f"`{line[:80]}` names no candidate: the first line of the WINNER block is one of {_said(labels)}."
    )


def _said(labels: list[str]) -> str:
    return f"{', '.join(labels)}, or none"
