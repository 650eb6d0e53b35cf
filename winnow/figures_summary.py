"""A run's figures, counts and lists as plain data: what `winnow report` prints and every export of figures writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from agent import Ending
from selection import Reliability, reliability

from .attempts import NOBODY, NOT_GRADED, OWN, WORLD, fault_of
from .figures import Figures, figures
from .figures_gather import Attempt, Facts, Issue, add, natural


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many attempts there are, and what became of them. ungraded: results with a patch but no verdict yet.

    not_needed: those that were stopped since others had finished.
    """

    all: int
    results: int
    ended_by_world: int
    not_ended: int
    empty: int
    graded: int
    ungraded: int
    not_gradable: int
    not_needed: int = 0


@dataclass(frozen=True, slots=True)
class Money:
    """What the run took. cost in USD of the calls with a known price; unpriced: calls without one.

    per_resolved: cost by issue whose choice resolves it, None where there is none. cached: share of the prompt tokens
    that a cache answered, None without prompt tokens.
    """

    calls: int
    executions: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cached: float | None
    cost: float
    unpriced: int
    per_issue: float | None
    per_resolved: float | None


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved by making only as many attempts as an issue needs (`attempts = "auto"`).

    issues: those that came to an end of their attempts. made, most: attempts made, and what would have been made.
    calls: model calls of the attempts that were made; calls_saved: of those that were not, each taken for as long as
    the others of its issue (an estimate). why: issues by what ended their attempts. given_up: attempts ended for their
    length.
    """

    issues: int
    made: int
    most: int
    calls: int
    calls_saved: float
    why: dict[str, int]
    given_up: int


@dataclass(frozen=True, slots=True)
class Mind:
    """What one of several models of a run did and took: a mixture's member, the run's own model, that of the context.

    candidates: made by it; graded, resolved: of them. cost in USD of the calls with a known price; unpriced: calls
    without one.
    """

    name: str
    candidates: int
    graded: int
    resolved: int
    calls: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds. wall: from the run's first step to its last, breaks included; steps: all steps one after the other.

    issue_median, issue_most: from an issue's first step to its last.
    """

    wall: float
    steps: float
    issue_median: float
    issue_most: float


@dataclass(frozen=True, slots=True)
class Ended:
    """One way to end: whose fault it was, how many attempts, how many of them left a patch and were right."""

    ending: str
    fault: str
    attempts: int
    with_patch: int
    resolved: int


@dataclass(frozen=True, slots=True)
class Member:
    """One name of candidates over all issues (a system that was imported, or "attempt-3")."""

    name: str
    issues: int
    graded: int
    resolved: int
    published: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What one strategy's choices are worth. chosen: issues for which it chose something."""

    strategy: str
    chosen: int
    resolved: int
    ungraded: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """Our verdicts beside those of third parties, over attempts that have both; differ: "TASK CANDIDATE"."""

    both: int
    same: int
    only_ours: tuple[str, ...]
    only_theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is said of a run. Lists name attempts as "TASK CANDIDATE".

    verdicts: attempts by word. issue_endings: how a batch's issues ended, and which did. decided_by_machinery: attempts
    whose changes to test machinery decide their verdict. flags: audit flag, and the attempts that have it. network:
    issues whose sandboxes had network. reached: what builds reached besides the package index, and whose. shared,
    cells: runs of matrices that shared a container, of all.
    minds: what each model did, where there are several.
    reliable: how likely right the headline's choices were said to be, against what was so; None where nothing was said.
    saved: by making only as many attempts as are needed; None where their number was fixed.
    """

    run: str
    kind: str
    status: str
    model: str
    preset: str
    dataset: str
    issues: int
    issues_without_attempt: int
    strategy: str
    attempts: Attempts
    figures: Figures | None
    published: Figures | None
    agreement: Agreement | None
    verdicts: dict[str, int]
    choices: tuple[Choice, ...]
    members: tuple[Member, ...]
    money: Money
    time: Time
    endings: tuple[Ended, ...]
    issue_endings: dict[str, tuple[str, ...]]
    decided_by_machinery: tuple[str, ...]
    flaky: tuple[str, ...]
    flags: dict[str, tuple[str, ...]]
    network: tuple[str, ...]
    reached: dict[str, tuple[str, ...]]
    shared: int
    cells: int
    reliable: Reliability | None = None
    minds: tuple[Mind, ...] = ()
    saved: Saved | None = None


def summarize(facts: Facts) -> Summary:
    """The summary of a run's facts; figures come with 95 % intervals, the same each time."""
    attempts = [attempt for issue in facts.issues for attempt in issue.attempts]
    resolved = sum(bool(issue.counts(facts.strategy).chosen) for issue in facts.issues)
    return Summary(
        run=facts.row.run,
        kind=facts.row.kind,
        status=facts.row.status,
        model=facts.model,
        preset=str(facts.settings.get("preset") or ""),
        dataset=_dataset(facts),
        issues=len(facts.issues),
        issues_without_attempt=sum(not issue.attempts for issue in facts.issues),
        strategy=facts.strategy,
        attempts=_attempts(attempts),
        figures=figures([i.counts(facts.strategy) for i in facts.issues]) if facts.graded else None,
        published=_published(facts) if facts.published else None,
        agreement=_agreement(attempts) if facts.graded and facts.published else None,
        verdicts=dict(Counter(a.verdict for a in attempts if a.verdict).most_common()),
        choices=tuple(_choice(facts.issues, name) for name in facts.strategies),
        members=_members(attempts),
        money=_money(facts.issues, resolved),
        time=_time(facts.issues),
        endings=_endings(attempts),
        issue_endings={
            ending: tuple(issue.task for issue in facts.issues if issue.ending == ending)
            for ending in sorted({issue.ending for issue in facts.issues if issue.ending})
        },
        decided_by_machinery=_named(a for a in attempts if a.verdict and a.strict != a.resolved),
        flaky=_named(a for a in attempts if a.flaky),
        flags={
            flag: _named(a for a in attempts if flag in a.flags)
            for flag in sorted({flag for attempt in attempts for flag in attempt.flags})
        },
        network=tuple(issue.task for issue in facts.issues if issue.network != "none"),
        reached={
            host: tuple(issue.task for issue in facts.issues if host in issue.reached)
            for host in sorted({host for issue in facts.issues for host in issue.reached})
        },
        shared=sum(issue.shared for issue in facts.issues),
        cells=sum(issue.cells for issue in facts.issues),
        minds=_minds(facts),
        reliable=reliability(
            [
                (issue.sure[facts.strategy], right)
                for issue in facts.issues
                if facts.strategy in issue.sure and (right := issue.counts(facts.strategy).chosen) is not None
            ]
        ),
        saved=_saved(facts.issues),
    )


def _dataset(facts: Facts) -> str:
    said = facts.settings.get("dataset")
    return str(said.get("name", "") if isinstance(said, dict) else said or "")


def _attempts(attempts: Sequence[Attempt]) -> Attempts:
    results = [attempt for attempt in attempts if attempt.is_result]
    return Attempts(
        all=len(attempts),
        results=len(results),
        ended_by_world=sum(fault_of(a.ending, a.is_result) == WORLD for a in attempts),
        not_ended=sum(a.ending is None for a in attempts),
        not_needed=sum(fault_of(a.ending, a.is_result) == NOBODY for a in attempts),
        empty=sum(a.empty for a in results),
        graded=sum(a.counts for a in results),
        ungraded=sum(not a.verdict and not a.empty for a in results),
        not_gradable=sum(a.verdict == NOT_GRADED for a in results),
    )


def _published(facts: Facts) -> Figures | None:
    return figures([issue.published_counts(facts.strategy) for issue in facts.issues])


def _agreement(attempts: Iterable[Attempt]) -> Agreement:
    both = [a for a in attempts if a.counts and a.published is not None]
    return Agreement(
        both=len(both),
        same=sum(a.resolved == a.published for a in both),
        only_ours=_named(a for a in both if a.resolved and not a.published),
        only_theirs=_named(a for a in both if a.published and not a.resolved),
    )


def _choice(issues: Iterable[Issue], strategy: str) -> Choice:
    chosen = [(issue, issue.chosen[strategy]) for issue in issues if issue.chosen.get(strategy)]
    verdicts = [issue.counts(strategy).chosen for issue, _ in chosen]
    return Choice(strategy, len(chosen), sum(v is True for v in verdicts), sum(v is None for v in verdicts))


def _members(attempts: Iterable[Attempt]) -> tuple[Member, ...]:
    by_name: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_name.setdefault(attempt.name, []).append(attempt)
    return tuple(
        Member(
            name,
            len(members),
            sum(a.counts for a in members),
            sum(a.resolved for a in members if a.counts),
            sum(bool(a.published) for a in members)
            if any(a.published is not None for a in members)
            else None,
        )
        for name, members in sorted(by_name.items(), key=lambda item: natural(item[0]))
    )


def _money(issues: Sequence[Issue], resolved: int) -> Money:
    total = add(issue.spent for issue in issues)
    return Money(
        calls=total.asks,
        executions=total.runs,
        prompt_tokens=total.prompt_tokens,
        cached_tokens=total.cached_tokens,
        completion_tokens=total.completion_tokens,
        cached=total.cached_tokens / total.prompt_tokens if total.prompt_tokens else None,
        cost=total.cost,
        unpriced=total.unpriced,
        per_issue=total.cost / len(issues) if issues else None,
        per_resolved=total.cost / resolved if resolved else None,
    )


def _saved(issues: Sequence[Issue]) -> Saved | None:
    ended = [issue for issue in issues if issue.auto.get("made")]
    if not ended:
        return None
    return Saved(
        issues=len(ended),
        made=sum(issue.auto["made"] for issue in ended),
        most=sum(issue.auto["most"] for issue in ended),
        calls=sum(issue.attempt_calls for issue in ended),
        calls_saved=sum(
            issue.attempt_calls / issue.auto["made"] * (issue.auto["most"] - issue.auto["made"])
            for issue in ended
        ),
        why=dict(Counter(str(issue.auto["why"]) for issue in ended).most_common()),
        given_up=sum(attempt.ending == Ending.GIVEN_UP for issue in ended for attempt in issue.attempts),
    )


def _minds(facts: Facts) -> tuple[Mind, ...]:
    """Nothing where one model did everything."""
    names = sorted({name for issue in facts.issues for name in issue.by_mind}, key=natural)
    if not any(names):
        return ()
    rows = []
    for name in names:
        made = [a for issue in facts.issues for a in issue.attempts if a.mind == name]
        took = add(issue.by_mind[name] for issue in facts.issues if name in issue.by_mind)
        rows.append(
            Mind(
                name or facts.model,
                len(made),
                sum(a.counts for a in made),
                sum(a.resolved for a in made if a.counts),
                took.asks,
                took.prompt_tokens,
                took.cached_tokens,
                took.completion_tokens,
                took.cost,
                took.unpriced,
            )
        )
    return tuple(rows)


def _time(issues: Iterable[Issue]) -> Time:
    issues = [issue for issue in issues if issue.ended]
    if not issues:
        return Time(0.0, 0.0, 0.0, 0.0)
    spans = [issue.ended - issue.began for issue in issues]
    return Time(
        wall=max(issue.ended for issue in issues) - min(issue.began for issue in issues),
        steps=sum(issue.spent.seconds for issue in issues),
        issue_median=median(spans),
        issue_most=max(spans),
    )


def _endings(attempts: Iterable[Attempt]) -> tuple[Ended, ...]:
    by_ending: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        fault = fault_of(attempt.ending, attempt.is_result)
        by_ending.setdefault((attempt.ending or "not ended", fault), []).append(attempt)
    rows = [
        Ended(ending, fault, len(some), sum(not a.empty for a in some), sum(a.resolved for a in some))
        for (ending, fault), some in by_ending.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.fault != OWN, -row.attempts, row.ending)))


def _named(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    return tuple(sorted(f"{attempt.task} {attempt.name}" for attempt in attempts))
