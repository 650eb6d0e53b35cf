"""What a store knows of a run that figures are made of: attempts, endings, verdicts, choices, money, time.

Read a page at a time; of candidates, grades and evidence only what counts is kept, so that a run of 500 issues with ten
attempts each takes a few megabytes and seconds. The journal's texts are not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.ways.adaptive import KIND as HOW_MANY
from environments import patch_digest
from store import RunRow, Spent, Store, Totals

from .attempts import NOT_GRADED, as_object, is_attempt, model_of
from .figures import Counts
from .mixing import MIND

VALIDATION = "validation"
"""The kind of runs in which `winnow grade` keeps grades of reference patches and of the unfixed code."""
ONLY = "the only candidate"
"""The strategy of runs that had nothing to choose from: imported predictions of one system."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate trajectory of an issue.

    ending: None while it has not ended; is_result: it ended by its own doing, not the world's. patch: SHA-256 of its
    text; empty: there is nothing in it. verdict: the grade's word, "" while there is none; strict: whether the patch
    without its changes to test machinery resolves the issue too. flaky: how many named tests are. published: what a
    third party says of it, None where nobody does. flags: what the audit found in its trajectory. mind: who
    answered in it, "" where that is the run's model.
    """

    task: str
    name: str
    ending: str | None
    is_result: bool
    detail: str = ""
    patch: str = ""
    empty: bool = True
    verdict: str = ""
    resolved: bool = False
    strict: bool = False
    flaky: int = 0
    reason: str = ""
    published: bool | None = None
    flags: tuple[str, ...] = ()
    mind: str = ""

    @property
    def counts(self) -> bool:
        """Whether it is one of an issue's n: a result that was graded. An empty patch is wrong without being run."""
        return self.is_result and (self.verdict not in ("", NOT_GRADED) or self.empty)


@dataclass(frozen=True, slots=True)
class Issue:
    """One task: its attempts, what each strategy chose (None: nothing was worth choosing), what it took.

    began, ended: unix time of its first and last step, 0 where it has none. network: "none", or what its sandboxes were
    given. reached: what its build or set-up reached besides the package index. shared: runs of its test matrix that had
    no fresh sandbox, of `cells`. ending: how a batch says that it ended, "" where it says nothing. sure: how likely
    right each strategy said its choice is, between 0 and 1.
    auto: {"made": ..., "most": ..., "why": ...} where it got as many attempts as it needed (agent.ways.adaptive), else
    empty. attempt_calls: model calls of its attempts alone. by_mind: what calls took by who answered, named as in
    Attempt.mind.
    """

    task: str
    attempts: tuple[Attempt, ...]
    chosen: Mapping[str, str | None]
    spent: Totals
    began: float = 0.0
    ended: float = 0.0
    network: str = "none"
    shared: int = 0
    cells: int = 0
    ending: str = ""
    sure: Mapping[str, float] = field(default_factory=dict)
    auto: Mapping[str, Any] = field(default_factory=dict)
    attempt_calls: int = 0
    by_mind: Mapping[str, Totals] = field(default_factory=dict)
    reached: tuple[str, ...] = ()

    def counts(self, strategy: str) -> Counts:
        """What our grades say of it."""
        graded = [attempt for attempt in self.attempts if attempt.counts]
        return Counts(
            len(graded), sum(a.resolved for a in graded), self._chosen(strategy, graded, "resolved")
        )

    def published_counts(self, strategy: str) -> Counts:
        """What third parties say of it."""
        said = [attempt for attempt in self.attempts if attempt.published is not None]
        right = sum(bool(attempt.published) for attempt in said)
        return Counts(len(said), right, self._chosen(strategy, said, "published"))

    def _chosen(self, strategy: str, graded: list[Attempt], verdict: str) -> bool | None:
        if strategy not in self.chosen:
            return None
        name = self.chosen[strategy]
        if name is None:
            return False
        return next((getattr(attempt, verdict) for attempt in graded if attempt.name == name), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """A run as figures see it. strategy: the one whose choices are the headline, "" where there is none.

    settings: the run's configuration as the store has it. graded, published: whether any attempt has such a verdict.
    """

    row: RunRow
    settings: Mapping[str, Any]
    issues: tuple[Issue, ...]
    strategies: tuple[str, ...]
    strategy: str
    graded: bool
    published: bool

    @property
    def model(self) -> str:
        """See attempts.model_of."""
        return model_of(self.settings)


@dataclass(slots=True)
class _Found:
    """An issue while it is read."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    chosen: dict[str, str | None] = field(default_factory=dict)
    sure: dict[str, float] = field(default_factory=dict)
    spent: list[Spent] = field(default_factory=list)
    minds: dict[str, str] = field(default_factory=dict)
    network: str = "none"
    reached: tuple[str, ...] = ()
    shared: int = 0
    cells: int = 0
    ending: str = ""
    auto: dict[str, Any] = field(default_factory=dict)


def gather(store: Store, run: str, strategy: str = "") -> Facts:
    """Read the facts of a run. strategy: whose choices are the headline; "": the run's own. Raises NoSuchRun."""
    row = store.run(run)
    found: dict[str, _Found] = {
        task.task: _Found(network=_network(task.body), reached=_reached(task.body))
        for task in store.tasks(row.run)
    }
    for trajectory in store.each_trajectory(row.run):
        if is_attempt(trajectory.trajectory) and trajectory.task in found:
            patch = _patch(trajectory.body)
            found[trajectory.task].attempts[trajectory.trajectory] = Attempt(
                trajectory.task,
                trajectory.trajectory,
                trajectory.ending,
                trajectory.is_result,
                trajectory.detail,
                patch_digest(patch),
                not patch.strip(),
            )
    settings = as_object(row.config)
    _read_minds(store, row.run, found, str(as_object(settings.get("model")).get("context_name") or ""))
    graded = _read_grades(store, row.run, found, alone=row.kind == VALIDATION)
    published = _read_published(store, row.run, found)
    _read_rest(store, row.run, found)
    _choose_the_only_one(found, row.kind)
    strategies = sorted({name for issue in found.values() for name in issue.chosen})
    wanted = strategy or as_object(settings.get("selection")).get("strategy")
    strategy = wanted if wanted in strategies else (strategies[-1] if strategies else "")
    issues = tuple(_issue(task, issue) for task, issue in found.items())
    return Facts(row, settings, issues, tuple(strategies), strategy, graded, published)


def _read_grades(store: Store, run: str, found: dict[str, _Found], *, alone: bool) -> bool:
    """Whether there are any. alone: grades without candidates count as candidates of their own."""
    any_ = False
    for row in store.each_result(run, "grade"):
        attempt = _attempt(found, row.task, row.name)
        if attempt is None and alone and row.task in found:
            attempt = Attempt(row.task, row.name, "finished", True, empty=False)
        if attempt is None:
            continue
        grade = as_object(row.body)
        if attempt.patch and not attempt.empty and grade.get("patch") not in (None, "", attempt.patch):
            continue  # a grade of an earlier patch of this name: the attempt was made again since
        any_ = True
        found[row.task].attempts[row.name] = replace(
            attempt,
            verdict=str(grade.get("verdict", "")),
            resolved=bool(grade.get("resolved")),
            strict=bool(as_object(grade.get("without_machinery")).get("resolved", grade.get("resolved"))),
            flaky=len(grade.get("flaky") or ()),
            reason=str(grade.get("reason", "")),
        )
    return any_


def _read_minds(store: Store, run: str, found: dict[str, _Found], context: str) -> None:
    """Who answered where it was not the run's model. context: the model of the context stage, where it is another."""
    if context:
        for issue in found.values():
            issue.minds["context"] = context
    for row in store.each_result(run, MIND):
        if row.task in found:
            found[row.task].minds[row.name] = str(as_object(row.body).get("member", ""))
    for issue in found.values():
        for name, attempt in issue.attempts.items():
            issue.attempts[name] = replace(attempt, mind=issue.minds.get(name, ""))


def _read_published(store: Store, run: str, found: dict[str, _Found]) -> bool:
    any_ = False
    for row in store.each_result(run, "published"):
        attempt = _attempt(found, row.task, row.name)
        said = as_object(row.body).get("resolved")
        if attempt is not None and isinstance(said, bool):
            any_ = True
            found[row.task].attempts[row.name] = replace(attempt, published=said)
    return any_


def _read_rest(store: Store, run: str, found: dict[str, _Found]) -> None:
    for row in store.each_result(run, "choice"):
        if row.task in found:
            ranking = as_object(row.body)
            found[row.task].chosen[row.name] = ranking.get("chosen")
            if ranking.get("chosen") is not None and isinstance(ranking.get("confidence"), float):
                found[row.task].sure[row.name] = ranking["confidence"]
    for row in store.each_result(run, "issue"):
        if row.task in found:
            found[row.task].ending = str(as_object(row.body).get("ending") or "")
    for row in store.each_result(run, HOW_MANY):
        if row.task in found:
            found[row.task].auto = as_object(row.body)
    for row in store.each_result(run, "audit"):
        attempt = _attempt(found, row.task, row.name)
        if attempt is not None:
            flags = tuple(str(flag) for flag in as_object(row.body).get("flags", ()))
            found[row.task].attempts[row.name] = replace(attempt, flags=flags)
    for row in store.each_result(run, "evidence"):
        if row.task in found:
            # Counted in the text: evidence is the largest thing in a store, and nothing else of it is wanted.
            # (Quotes inside of strings are escaped, so a key is never mistaken for somebody's words.)
            text = row.body.replace(" ", "").partition('"cells":')[2]
            found[row.task].shared = text.count('"reused":true')
            found[row.task].cells = found[row.task].shared + text.count('"reused":false')
    for spent in store.spent(run):
        if spent.task in found:
            found[spent.task].spent.append(spent)


def _choose_the_only_one(found: dict[str, _Found], kind: str) -> None:
    if kind == "import" and all(len(issue.attempts) <= 1 for issue in found.values()):
        for issue in found.values():
            issue.chosen[ONLY] = next(iter(issue.attempts), None)


def _issue(task: str, found: _Found) -> Issue:
    return Issue(
        task,
        tuple(sorted(found.attempts.values(), key=lambda attempt: natural(attempt.name))),
        found.chosen,
        add(found.spent),
        min((spent.began for spent in found.spent), default=0.0),
        max((spent.ended for spent in found.spent), default=0.0),
        found.network,
        found.shared,
        found.cells,
        found.ending,
        found.sure,
        found.auto,
        sum(spent.asks for spent in found.spent if is_attempt(spent.trajectory)),
        {mind: add(spent) for mind, spent in _by_mind(found).items()},
        found.reached,
    )


def _by_mind(found: _Found) -> dict[str, list[Spent]]:
    by_mind: dict[str, list[Spent]] = {}
    for spent in found.spent:
        name = re.sub(
            r"^redone-\d+/", "", spent.trajectory
        )  # one that was set aside (store/aside.py) was paid for
        by_mind.setdefault(found.minds.get(name, ""), []).append(spent)
    return by_mind


def natural(name: str) -> list[tuple[int, str]]:
    """A key that puts "attempt-2" before "attempt-10"."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def add(several: Any) -> Totals:
    """The sum of several Totals."""
    names = (
        "asks",
        "runs",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "cost",
        "unpriced",
        "seconds",
    )
    several = list(several)
    return Totals(**{name: sum(getattr(each, name) for each in several) for name in names})


def _attempt(found: dict[str, _Found], task: str, name: str) -> Attempt | None:
    return found[task].attempts.get(name) if task in found else None


def _patch(body: str) -> str:
    return str(as_object(body).get("patch") or "")


def _reached(body: str) -> tuple[str, ...]:
    """What a build or a set-up reached besides the package index: hosts by name, or the host's network."""
    recipe = as_object(as_object(body).get("recipe"))
    if recipe.get("build_network") == "host":
        return ("the host's network",)
    hosts = recipe.get("hosts")
    return tuple(map(str, hosts)) if isinstance(hosts, list) else ()


def _network(body: str) -> str:
    known = as_object(body)
    said = as_object(known.get("recipe")).get("network") or as_object(known.get("instance")).get("network")
    return str(said or "none")
