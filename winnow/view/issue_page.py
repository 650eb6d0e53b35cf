"""An issue: its text, candidates with their patches, the test matrix, other evidence, what strategies make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent import Candidate, Run
from selection import (
    STRATEGIES,
    UNFIXED,
    Card,
    Evidence,
    Ranking,
    card_of,
    counting,
    distinct,
    qualities,
    sure_of,
    votes_of,
    weigh,
)
from store import Reader, Spent, TrajectoryRow

from ..attempts import is_attempt
from ..report import existing_said, isolation
from ..select_issues import about, candidates_of, stored_evidence
from ..stored import ranking_from_json
from .board import Row, board, config_of, grades_of, issue_text
from .diffs import Diff, read_diff
from .memory import Memory

GROUPS = 12
"""Different patches that are shown side by side; the others are on their trajectories' pages."""
BESIDE = 400
"""Lines of each of these."""
MATRIX = 60
"""Candidates and tests of the matrix that are shown."""
OUTPUT = 50_000
"""Characters of a test's output that are shown."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a test. kind: "solved", "present", "crashed" or "none"; mark: a sign that says it without colour."""

    candidate: str
    test: str
    kind: str
    mark: str
    said: str


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A candidate (or the unfixed code) and its cells, one for each test."""

    candidate: str
    votes: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TestColumn:
    """A generated test. counts: whether it votes; reason: why it does not."""

    id: str
    counts: bool
    reason: str
    text: str
    interpreter: str
    origin: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A candidate in the table. place: in the ranking, from 1. right: what its grade says, None without one."""

    candidate: Candidate
    place: int | None
    chosen: bool
    votes: int
    sure: float | None
    existing: str
    added: int
    removed: int
    right: bool | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates with one patch, and the patch."""

    candidates: tuple[str, ...]
    chosen: bool
    diff: Diff
    right: bool | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """What a strategy makes of the evidence. own: it is the run's. right: of what it chose."""

    strategy: str
    own: bool
    chosen: str | None
    sure: float | None
    order: tuple[str, ...]
    why: str
    missing: tuple[str, ...]
    right: bool | None


@dataclass(frozen=True, slots=True)
class TrajectoryLine:
    """A trajectory of the issue and what it took."""

    row: TrajectoryRow
    spent: Spent
    attempt: bool


@dataclass(frozen=True, slots=True)
class Output:
    """What one or more cells printed: equal outputs are shown once in an export."""

    cells: tuple[Cell, ...]
    run: Run
    script: str
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class IssuePage:
    """All of the page. evidence: None where nothing was gathered. before, after: the neighbours' names."""

    run: str
    task: str
    row: Row | None
    many: int
    before: str
    after: str
    text: str
    trajectories: tuple[TrajectoryLine, ...]
    evidence: Evidence | None
    candidates: tuple[Shown, ...]
    groups: tuple[Group, ...]
    more_groups: int
    tests: tuple[TestColumn, ...]
    matrix: tuple[MatrixRow, ...]
    more_cells: int
    isolation: str
    card: Card | None
    rankings: tuple[Ranked, ...]
    strategy: str
    graded: bool


def issue_page(memory: Memory, run: str, task: str) -> IssuePage:
    """Raises NoSuchRun, and StoreError where the run has no such task."""
    reader = memory.reader
    found = reader.run(run)
    body = reader.task(found.run, task).body
    whole = board(memory, found.run, config_of(found.config))
    place = next((at for at, row in enumerate(whole.rows) if row.task == task), None)
    candidates = candidates_of(reader, found.run, task)  # type: ignore[arg-type]
    stored = stored_evidence(reader, found.run, task)  # type: ignore[arg-type]
    evidence = about(stored, candidates)
    choices = {row.name: ranking_from_json(row.body) for row in reader.results(found.run, task, "choice")}
    grades = grades_of(memory, found.run, task)
    own = choices.get(whole.strategy)
    groups = _groups(evidence, own, grades, memory.clean)
    return IssuePage(
        run=found.run,
        task=task,
        row=whole.rows[place] if place is not None else None,
        many=len(whole.rows),
        before=whole.rows[place - 1].task if place else "",
        after=whole.rows[place + 1].task if place is not None and place + 1 < len(whole.rows) else "",
        text=memory.clean(issue_text(body)),
        trajectories=_trajectories(reader, found.run, task),
        evidence=stored,
        candidates=_candidates(evidence, own, grades),
        groups=tuple(groups[:GROUPS]),
        more_groups=max(0, len(groups) - GROUPS),
        tests=_tests(evidence),
        matrix=_matrix(evidence, own),
        more_cells=_more_cells(evidence),
        isolation=isolation(evidence),
        card=card_of(evidence, own) if own and evidence.candidates and _about_same(own, evidence) else None,
        rankings=tuple(_rankings(evidence, choices, whole.strategy, grades, gathered=stored is not None)),
        strategy=whole.strategy,
        graded=bool(grades),
    )


def output_of(memory: Memory, run: str, task: str, candidate: str, test: str) -> Output | None:
    """What a test printed on a candidate; None where it was not run."""
    found = memory.reader.run(run).run
    evidence = stored_evidence(memory.reader, found, task)  # type: ignore[arg-type]
    ran = evidence.cells.get((candidate, test)) if evidence else None
    if evidence is None or ran is None:
        return None
    script = next((each.script.text for each in evidence.tests if each.id == test), "")
    return _output((_cell(candidate, test, ran),), ran, script)


def outputs_of(evidence: Evidence | None) -> list[Output]:
    """All outputs of an issue, equal ones of one test once: for a page that cannot ask for more."""
    if evidence is None:
        return []
    found: dict[tuple[str, int, str, str], list[Cell]] = {}
    runs = {}
    for (candidate, test), ran in sorted(evidence.cells.items()):
        key = (test, ran.exit_code, ran.ended, ran.output)
        found.setdefault(key, []).append(_cell(candidate, test, ran))
        runs[key] = ran
    return [_output(tuple(cells), runs[key], "") for key, cells in found.items()]


def _output(cells: tuple[Cell, ...], ran: Run, script: str) -> Output:
    left_out = max(0, len(ran.output) - OUTPUT)
    cut = Run(ran.exit_code, ran.output[:OUTPUT], ran.ended, ran.reused)
    return Output(cells, cut, script, left_out)


def _about_same(ranking: Ranking, evidence: Evidence) -> bool:
    known = {candidate.id for candidate in evidence.candidates}
    return bool(ranking.order) and all(ranked.candidate in known for ranked in ranking.order)


def _trajectories(reader: Reader, run: str, task: str) -> tuple[TrajectoryLine, ...]:
    spent = {each.trajectory: each for each in reader.spent(run, task)}
    rows = {row.trajectory: row for row in reader.trajectories(run, task)}
    names = [*rows, *(name for name in spent if name not in rows)]
    lines = [
        TrajectoryLine(
            rows.get(name, TrajectoryRow(run, task, name, None, False, "", "")),
            spent.get(name, Spent(task=task, trajectory=name)),
            is_attempt(name),
        )
        for name in names
    ]
    return tuple(
        sorted(lines, key=lambda line: (not line.attempt, line.spent.began if not line.attempt else 0))
    )


def _candidates(evidence: Evidence, own: Ranking | None, grades: Mapping[str, bool]) -> tuple[Shown, ...]:
    places = {ranked.candidate: at for at, ranked in enumerate(own.order, 1)} if own else {}
    reasons = {ranked.candidate: ranked.reasons for ranked in own.order} if own else {}
    weighed = weigh(evidence) if evidence.candidates else {}
    rows = []
    for candidate in evidence.candidates:
        diff = read_diff(candidate.patch)
        rows.append(
            Shown(
                candidate,
                places.get(candidate.id),
                own is not None and own.chosen == candidate.id,
                votes_of(candidate.id, evidence),
                weighed[candidate.id].probability if candidate.id in weighed else None,
                existing_said(evidence, candidate.id, not_run=""),
                diff.added,
                diff.removed,
                grades.get(candidate.id),
                reasons.get(candidate.id, ()),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.place or len(rows) + 1))


def _groups(
    evidence: Evidence, own: Ranking | None, grades: Mapping[str, bool], clean: Callable[[str], str]
) -> list[Group]:
    """Different patches, the best ranked first; empty ones are none."""
    places = {ranked.candidate: at for at, ranked in enumerate(own.order)} if own else {}
    groups = [
        Group(
            tuple(candidate.id for candidate in group),
            own is not None and any(candidate.id == own.chosen for candidate in group),
            read_diff(clean(group[0].patch), BESIDE),
            next((grades[candidate.id] for candidate in group if candidate.id in grades), None),
        )
        for group in distinct(evidence.candidates)
        if group[0].patch.strip()
    ]
    groups.sort(key=lambda group: min(places.get(name, len(places)) for name in group.candidates))
    return groups


def _tests(evidence: Evidence) -> tuple[TestColumn, ...]:
    silent = counting(evidence)[1]
    found = qualities(evidence) if evidence.tests else {}
    return tuple(
        TestColumn(
            test.id,
            test.id not in silent,
            silent.get(test.id) or (found[test.id].reason if test.id in found else ""),
            test.script.text,
            test.script.interpreter,
            test.origin,
        )
        for test in evidence.tests
    )


def _matrix(evidence: Evidence, own: Ranking | None) -> tuple[MatrixRow, ...]:
    if not evidence.tests:
        return ()
    places = {ranked.candidate: at for at, ranked in enumerate(own.order)} if own else {}
    names = sorted(
        (candidate.id for candidate in evidence.candidates), key=lambda name: places.get(name, len(places))
    )
    return tuple(
        MatrixRow(
            name,
            None if name == UNFIXED else votes_of(name, evidence),
            tuple(
                _cell(name, test.id, evidence.cells.get((name, test.id))) for test in evidence.tests[:MATRIX]
            ),
        )
        for name in (UNFIXED, *names[:MATRIX])
    )


def _more_cells(evidence: Evidence) -> int:
    """Cells of the matrix beyond those that are shown."""
    candidates, tests = len(evidence.candidates), len(evidence.tests)
    return (candidates + 1) * tests - (min(candidates, MATRIX) + 1) * min(tests, MATRIX)


def _cell(candidate: str, test: str, ran: Run | None) -> Cell:
    if ran is None:
        return Cell(candidate, test, "none", "\u00b7", "not run")
    if ran.shows_solved:
        return Cell(candidate, test, "solved", "\u2713", "issue solved, exit 0")
    if ran.shows_issue:
        return Cell(candidate, test, "present", "\u2717", "issue present, exit 2")
    said = f"crashed, exit {ran.exit_code}" if ran.ended == "exited" else f"stopped: {ran.ended}"
    return Cell(candidate, test, "crashed", "!", said)


def _rankings(
    evidence: Evidence,
    choices: Mapping[str, Ranking],
    own: str,
    grades: Mapping[str, bool],
    *,
    gathered: bool,
) -> Sequence[Ranked]:
    """The stored choices, then what every other strategy makes of the same evidence."""
    if not evidence.candidates:
        return []
    weighed = weigh(evidence)
    found = dict(choices)
    if gathered:
        for name, strategy in STRATEGIES.items():
            if name not in found:
                found[name] = sure_of(strategy(evidence), weighed)
    names = sorted(found, key=lambda name: (name != own, name not in choices, list(found).index(name)))
    return [
        Ranked(
            name,
            name == own,
            found[name].chosen,
            found[name].confidence,
            tuple(ranked.candidate for ranked in found[name].order),
            found[name].why,
            found[name].missing,
            grades.get(found[name].chosen or ""),
        )
        for name in names
    ]
