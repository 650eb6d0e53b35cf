"""The selection machine: a model tells the best candidates apart by tests it writes, then names the winner.

Source: CodeMonkeys, selection machine. `judge_once` is its ablation without tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from agent import (
    Candidate,
    Conversation,
    ReplyError,
    Run,
    Script,
    Stopped,
    together,
)
from environments import Task
from models import Message, Model
from sandbox import Sandbox

from .applying import Changed
from .decision import Decision, TooSoon, WrongLabel, decision_form, read_reply
from .evidence import UNFIXED, MachineChoice, Test
from .layers import patched
from .material import Labels, labelled, material, render, shown_run, unlabelled
from .matrix import all_fresh, execute
from .settings import SelectionSettings

AT = "selection"
AT_ONCE = "judge"


async def select(
    model: Model,
    base: Sandbox,
    task: Task,
    shortlist: Sequence[Candidate],
    changed: Mapping[str, Changed | None],
    example_test: Test | None,
    settings: SelectionSettings,
    slots: asyncio.Semaphore | None = None,
    run: int = 1,
) -> MachineChoice:
    """Choose among the shortlist by experiment. With fewer than two candidates no model is asked.

    run: which run of the machine it is, where there are several; the second and later ones ask at the temperature
    `machine_runs_temperature`, since at 0 they would say what the first said.

    The winner is None, and the reason says why, where the model names none, names an unknown one twice, or comes to
    an end of calls, window or budget. Malformed replies count as calls. Raises the world's errors and the user's.
    """
    if len(shortlist) < 2:
        return _nothing_to_compare(shortlist)
    labels = labelled(shortlist)
    opening = render(
        "machine_system",
        **material(task, labels, changed, settings),
        seconds=f"{settings.script_timeout:g}",
        example=example_test.script.text if example_test else "",
    )
    at = AT if run == 1 else f"{AT}-{run}"
    if run > 1:
        settings = settings.model_copy(update={"temperature": settings.machine_runs_temperature})
    talk = _conversation(model, at, settings, settings.calls, opening)
    talk.tell(render("machine_begin", left=talk.left))
    laboratory = _Laboratory(
        base, task, labels, changed, settings, slots or asyncio.Semaphore(len(labels) + 1), at
    )
    wrong, may_decide = 0, False
    try:
        while True:
            reply = await talk.ask(
                decision_form(labels, tests=talk.left > 1, winner=may_decide or talk.left == 1)
            )
            try:
                step = read_reply(
                    reply, list(labels), tests=talk.left > 0, winner=may_decide or talk.left == 0
                )
            except ReplyError as error:
                wrong += isinstance(error, WrongLabel)
                may_decide = may_decide or isinstance(error, TooSoon)
                if wrong == 2 or talk.left == 0:
                    return _undecided(
                        labels, f"the selection machine's last reply could not be used: {error}"
                    )
                talk.mend(str(error))
                continue
            if isinstance(step, Decision):
                return _decided(step, labels)
            runs = await laboratory.run(step, talk.calls)
            may_decide = True
            talk.tell(_result(runs, labels, settings, talk.left))
    except Stopped as stop:
        return _undecided(labels, str(stop))
    finally:
        await laboratory.close()


async def judge_once(
    model: Model,
    task: Task,
    shortlist: Sequence[Candidate],
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
) -> MachineChoice:
    """Choose among the shortlist by one model call that only compares the patches. Otherwise like `select`."""
    if len(shortlist) < 2:
        return _nothing_to_compare(shortlist)
    labels = labelled(shortlist)
    opening = render("once_system", **material(task, labels, changed, settings))
    talk = _conversation(model, AT_ONCE, settings, 1, opening)
    talk.tell(render("once_begin", labels=list(labels)))
    try:
        step = read_reply(await talk.ask(decision_form(labels, tests=False)), list(labels), tests=False)
    except ReplyError as error:
        return _undecided(labels, f"the one reply could not be used: {error}")
    except Stopped as stop:
        return _undecided(labels, str(stop))
    assert isinstance(step, Decision)
    return _decided(step, labels)


class _Laboratory:
    """The patched layers of the candidates, made for the first test and copied for each."""

    def __init__(
        self,
        base: Sandbox,
        task: Task,
        labels: Labels,
        changed: Mapping[str, Changed | None],
        settings: SelectionSettings,
        slots: asyncio.Semaphore,
        at: str,
    ):
        self._base = base
        self._at = at
        self._task = task
        self._labels = labels
        self._changed = changed
        self._timeout = settings.script_timeout
        self._fresh = all_fresh(base, settings.isolation)
        self._slots = slots
        self._layers: dict[str, Sandbox] = {}

    async def run(self, script: Script, number: int) -> Mapping[str, Run]:
        """The script's run on the original code (UNFIXED) and on each candidate, by label."""
        columns = [UNFIXED, *self._labels]
        runs = await together([self._one(column, script, number) for column in columns])
        return dict(zip(columns, runs, strict=True))

    async def close(self) -> None:
        for layer in self._layers.values():
            await layer.close()

    async def _one(self, column: str, script: Script, number: int) -> Run:
        async with self._slots:
            if column == UNFIXED and self._fresh:
                name = f"{self._at}/{UNFIXED}/test-{number}"
                return await execute(self._base, name, script, self._task, self._timeout)
            if column not in self._layers:
                name, files = UNFIXED, {}
                if column != UNFIXED:
                    name = self._labels[column].id
                    files = self._changed[name] or {}
                self._layers[column] = await patched(self._base, f"{self._at}/{name}", files, self._task)
            layer = self._layers[column]
            return await execute(layer, f"test-{number}", script, self._task, self._timeout, self._fresh)


def _conversation(
    model: Model, at: str, settings: SelectionSettings, calls: int, opening: str
) -> Conversation:
    return Conversation(
        model,
        at,
        settings.for_conversation(settings.temperature),
        calls,
        Message("system", opening, cache=True),
    )


def _result(runs: Mapping[str, Run], labels: Labels, settings: SelectionSettings, left: int) -> str:
    """The runs as a message, candidates with the same run under one heading."""
    groups: dict[Run, list[str]] = {}
    for label in labels:
        groups.setdefault(runs[label], []).append(label)
    return render(
        "machine_result",
        unfixed=shown_run(runs[UNFIXED], settings),
        groups=[(names, shown_run(run, settings)) for run, names in groups.items()],
        left=left,
    )


def _decided(decision: Decision, labels: Labels) -> MachineChoice:
    reason = unlabelled(decision.reason, labels)
    if not decision.label:
        return _undecided(labels, reason or "nothing told the best of them apart")
    return MachineChoice(labels[decision.label].id, reason, _shown(labels))


def _undecided(labels: Labels, reason: str) -> MachineChoice:
    return MachineChoice(None, reason, _shown(labels))


def _nothing_to_compare(shortlist: Sequence[Candidate]) -> MachineChoice:
    return MachineChoice(None, "there was nothing to compare", tuple(candidate.id for candidate in shortlist))


def _shown(labels: Labels) -> tuple[str, ...]:
    return tuple(candidate.id for candidate in labels.values())
