"""The grade of one candidate of one dataset row: both verdicts, repeats, and the word for it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping

from sandbox import SandboxDied

from ..instance import Reference
from ..patches import Change, PatchFails, changes_of
from ..task import Task
from .gold import CannotGrade, Gold, gold_of
from .machinery import test_machinery
from .official_command import official_script
from .trial import Copies, Verdict, is_kept, try_changes
from .verdicts import Findings, Grade, NamedOutcome, Word

_LOG = 8000  # characters of a run's output that are kept, from its end
_DIED = "the tests end the sandbox that they run in, in a fresh one too"


async def grade_instance(
    base: Copies,
    task: Task,
    reference: Reference,
    patch: str,
    *,
    repeats: int = 1,
    timeout: float | None = None,
    dataset: str = "",
) -> Grade:
    """Grade a candidate's patch by its row's hidden tests; an empty patch is the unfixed code, and its tests are run.

    base: copies of the task's prepared world, in which nobody worked. repeats: how often the tests are run; the first
    run decides. timeout: seconds of one run, the recipe's by default. dataset: its digest, kept in the grade.
    What cannot be graded, or applied, is a grade too. Raises SandboxError where the world fails.
    """
    try:
        script = await official_script(task, reference)
        gold = await asyncio.to_thread(gold_of, task, reference, script)
    except CannotGrade as error:
        return not_graded(str(error), patch, dataset)
    try:
        changes = await asyncio.to_thread(changes_of, task.snapshot.tree, patch)
        runs = [await _tried(base, task, changes, gold, timeout) for _ in range(repeats)]
    except PatchFails as error:
        return _without_run("did not apply", f"the patch does not apply: {error}", patch, dataset)
    whole = _findings(runs[0], gold)
    machinery = await asyncio.to_thread(test_machinery, task.snapshot.tree, changes)
    without = whole
    if machinery:
        rest = {path: change for path, change in changes.items() if path not in machinery}
        without = _findings(await _tried(base, task, rest, gold, timeout), gold)
    return Grade(
        **_fields(whole),
        without_machinery=without,
        machinery=machinery,
        flaky=_flaky([run.results for run in runs]),
        repeats=repeats,
        patch=patch_digest(patch),
        dataset=dataset,
    )


def not_graded(reason: str, patch: str, dataset: str = "") -> Grade:
    """The grade of what could not be graded, through no fault of the patch's."""
    return _without_run("could not be graded", reason, patch, dataset)


def empty_patch(dataset: str = "") -> Grade:
    """The grade of a candidate that changes nothing: no test need be run for it."""
    return _without_run("not resolved", "the patch is empty", "", dataset)


def patch_digest(patch: str) -> str:
    """What tells patches apart: the digest of their text."""
    return hashlib.sha256(patch.encode("utf-8", "surrogatepass")).hexdigest()


async def _tried(
    base: Copies, task: Task, changes: Mapping[str, Change], gold: Gold, timeout: float | None
) -> Verdict:
    """One run; a sandbox that dies in it is given a second chance, then it is the tests' own doing (SAFETY 10)."""
    try:
        return await try_changes(base, task, changes, gold, timeout=timeout)
    except SandboxDied:
        pass
    try:
        return await try_changes(base, task, changes, gold, timeout=timeout)
    except SandboxDied:
        return Verdict(False, True, dict.fromkeys(gold.named(), "missing"), reason=_DIED)


def _findings(run: Verdict, gold: Gold) -> Findings:
    return Findings(
        verdict=_word(run, gold),
        resolved=run.resolved,
        fail_to_pass={name: run.results[name] for name in gold.fail_to_pass},
        pass_to_pass={name: run.results[name] for name in gold.pass_to_pass},
        reason=run.reason,
        exit_code=run.exit_code,
        seconds=round(run.seconds, 3),
        log="" if run.resolved else run.output[-_LOG:],
    )


def _word(run: Verdict, gold: Gold) -> Word:
    if run.resolved:
        return "resolved"
    if not run.whole or not all(is_kept(run.results[name]) for name in gold.pass_to_pass):
        return "broken"
    return "partially" if any(run.results[name] == "passed" for name in gold.fail_to_pass) else "not resolved"


def _flaky(runs: list[Mapping[str, NamedOutcome]]) -> tuple[str, ...]:
    return tuple(name for name in runs[0] if len({run[name] for run in runs}) > 1)


def _without_run(word: Word, reason: str, patch: str, dataset: str) -> Grade:
    findings = Findings(word, False, reason=reason)
    return Grade(**_fields(findings), without_machinery=findings, patch=patch_digest(patch), dataset=dataset)


def _fields(findings: Findings) -> dict:
    return {name: getattr(findings, name) for name in Findings.__slots__}
