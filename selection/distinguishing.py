"""Distinguishing tests: where the leading candidates are tied, a model is asked for tests that tell them apart.

Source: CodeMonkeys' selection machine, whose tests are seen by that machine alone. Here each becomes a test like any
other, run on every candidate and on the unfixed code, so that every strategy that counts tests can use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent import Conversation, Form, ReplyError, Run, Script, Stopped, parse_script, read_blocks, reply_form
from environments import Task
from models import Message, Model
from sandbox import Sandbox

from .applying import Changed
from .clusters import same_program
from .evidence import UNFIXED, Evidence, Test
from .features import not_failing
from .material import Labels, labelled, material, render, shown_run
from .matrix import run_matrix
from .rates import reproduction_score
from .settings import SelectionSettings
from .votes import counting, votes_of
from .worth_choosing import worth

AT = "distinguishing"
ORIGIN = "distinguishing"
_FORMS = {"TEST": Form(content="script"), "NO DIFFERENCE": Form(body=False)}
_FORM = reply_form("TEST", "NO DIFFERENCE", forms=_FORMS)

Leaders = Callable[[Evidence], Sequence[str]]
"""From evidence to the ids of candidates that stand level at the head; fewer than two: decided. Pure."""


def tied_leaders(evidence: Evidence) -> tuple[str, ...]:
    """The candidates that are worth choosing with the most votes and resolved cases, every program once, by id.

    Where none is, because every patch breaks the same existing tests (the issue may ask for that), those that break no
    others.
    """
    firsts = {group[0] for group in same_program(evidence)}
    fit = [c for c in evidence.candidates if c.id in firsts and worth(c, evidence)[0]]
    if not fit:
        unbroken = not_failing(evidence)
        fit = [c for c in evidence.candidates if c.id in firsts and c.id in unbroken]
    scores = {c.id: (votes_of(c.id, evidence), reproduction_score(c.id, evidence) or 0) for c in fit}
    best = max(scores.values(), default=None)
    order = [name for group in same_program(evidence) for name in group]
    return tuple(sorted((name for name, score in scores.items() if score == best), key=order.index))


async def ask_for_tests(
    model: Model,
    base: Sandbox,
    task: Task,
    evidence: Evidence,
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    slots: asyncio.Semaphore,
    leaders: Leaders = tied_leaders,
    done: Callable[[int], None] | None = None,
) -> tuple[Evidence, str]:
    """(the evidence with further tests and their cells, why the leaders are still tied: "" where they are not).

    At most `settings.extra_tests` calls in all, `settings.keep` candidates in one conversation, a new conversation
    whenever the leaders are others. Of those that the model takes for alike, now or when it was asked before
    (`Evidence.alike`), the first goes on beside leaders that were not shown yet. Raises the world's errors and the
    user's.
    """
    left, talks = settings.extra_tests, 0
    while len(tied := leaders(evidence)) > 1:
        open_ones = _first_of_each(tied, evidence.alike)
        if len(open_ones) < 2:
            return evidence, f"the model sees no behaviour that tells {_listed(tied)} apart"
        if left <= 0:
            return (
                evidence,
                f"{', '.join(tied)} are still tied after {settings.extra_tests} calls for further tests",
            )
        talks += 1
        talk = _Talk(model, base, task, evidence, changed, settings, slots, leaders, done)
        shown = open_ones[: max(2, settings.keep)]
        calls, said = await talk.until_others_lead(tied, shown, left, f"{AT}/{talks}")
        evidence, left = talk.evidence, left - calls
        if said == _ALIKE:
            evidence = replace(evidence, alike=(*evidence.alike, tuple(shown)))
        elif said:
            return evidence, said
    return evidence, ""


_ALIKE = "they behave alike"
"""What a conversation comes to where the model sees no difference between those it is shown."""


def _first_of_each(tied: Sequence[str], alike: Sequence[Sequence[str]]) -> list[str]:
    """Of the tied, in their order, those that are not taken for alike with one before them."""
    firsts: list[str] = []
    for name in tied:
        if not any({name, other} <= set(group) for group in alike for other in firsts):
            firsts.append(name)
    return firsts


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


class _Talk:
    """One conversation about the candidates that lead at its beginning."""

    def __init__(
        self,
        model: Model,
        base: Sandbox,
        task: Task,
        evidence: Evidence,
        changed: Mapping[str, Changed | None],
        settings: SelectionSettings,
        slots: asyncio.Semaphore,
        leaders: Leaders,
        done: Callable[[int], None] | None,
    ):
        self.evidence = evidence
        self._model, self._base, self._task = model, base, task
        self._changed, self._settings, self._slots = changed, settings, slots
        self._leaders, self._done = leaders, done

    async def until_others_lead(
        self, tied: Sequence[str], shown: Sequence[str], calls: int, at: str
    ) -> tuple[int, str]:
        """(calls made, why it makes no sense to go on: "" where others lead now, or calls came to their end)."""
        labels = labelled([c for c in self.evidence.candidates if c.id in shown])
        talk = self._conversation(labels, calls, at)
        try:
            while talk.left:
                reply = await talk.ask(_FORM)
                try:
                    script = _read(reply)
                except ReplyError as error:
                    talk.mend(str(error))
                    continue
                if script is None:
                    return talk.calls, _ALIKE
                test = await self._run(script)
                if tuple(self._leaders(self.evidence)) != tuple(tied):
                    return talk.calls, ""
                talk.tell(self._result(test, labels, talk.left))
        except Stopped as stop:
            return talk.calls, str(stop)
        return talk.calls, ""

    def _conversation(self, labels: Labels, calls: int, at: str) -> Conversation:
        opening = render(
            "extra_system",
            **material(self._task, labels, self._changed, self._settings),
            seconds=f"{self._settings.script_timeout:g}",
        )
        settings = self._settings.for_conversation(self._settings.temperature)
        talk = Conversation(self._model, at, settings, calls, Message("system", opening, cache=True))
        talk.tell(render("extra_begin", left=talk.left))
        return talk

    async def _run(self, script: Script) -> Test:
        """The test, once its runs are part of the evidence. One that is there already is not run again."""
        known = next((test for test in self.evidence.tests if test.script == script), None)
        if known is not None:
            return known
        number = 1 + sum(test.origin == ORIGIN for test in self.evidence.tests)
        test = Test(f"extra-{number}", script, ORIGIN)
        cells = await run_matrix(
            self._base,
            self._task,
            self.evidence.candidates,
            [test],
            self._changed,
            timeout=self._settings.script_timeout,
            slots=self._slots,
            isolation=self._settings.isolation,
            at=f"{AT}/{test.id}",
        )
        self.evidence = replace(
            self.evidence, tests=(*self.evidence.tests, test), cells={**self.evidence.cells, **cells}
        )
        if self._done:
            self._done(number)
        return test

    def _result(self, test: Test, labels: Labels, left: int) -> str:
        cells = self.evidence.cells
        groups: dict[Run, list[str]] = {}
        for label, candidate in labels.items():
            groups.setdefault(cells[candidate.id, test.id], []).append(label)
        return render(
            "extra_result",
            unfixed=shown_run(cells[UNFIXED, test.id], self._settings),
            groups=[(names, shown_run(run, self._settings)) for run, names in groups.items()],
            counts=test in counting(self.evidence)[0],
            left=left,
        )


def _read(reply: str) -> Script | None:
    """The script of a reply, None where it says that there is no difference. Raises ReplyError."""
    blocks = read_blocks(reply, _FORMS, only=tuple(_FORMS))
    if len(blocks) > 1:
        names = ", ".join(block.name for block in blocks)
        raise ReplyError(f"There are {len(blocks)} blocks in the reply ({names}): write exactly one.")
    return None if blocks[0].name == "NO DIFFERENCE" else parse_script(blocks[0])
