"""Which candidates are one answer: the same program, or the same behaviour wherever they were run. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from agent import Candidate

from .evidence import Evidence
from .names import id_order
from .votes import distinct


def same_program(evidence: Evidence) -> tuple[tuple[str, ...], ...]:
    """Ids in groups of one patch up to comments, docstrings and layout; each group and the groups by id.

    Where a patch's normal form is not known its text stands for it. Empty patches, and those that do not apply, are
    nobody's answer and left out.
    """
    groups: dict[Hashable, list[str]] = {}
    for key, candidate in _by_program(evidence):
        groups.setdefault(key, []).append(candidate.id)
    return tuple(map(tuple, groups.values()))


def behaviour_clusters(evidence: Evidence) -> tuple[tuple[str, ...], ...]:
    """Ids in groups that did and printed the same in all generated tests, reproduction cases and existing tests.

    A candidate that was not run everywhere agrees with nobody but those that are the same program as it: that two have
    no evidence is no agreement. Tests whose repeats differ say nothing and are left out.
    """
    steady = _steady(evidence)
    groups: dict[Hashable, list[str]] = {}
    home: dict[Hashable, Hashable] = {}
    waiting: list[tuple[Hashable, str]] = []
    for program, candidate in _by_program(evidence):
        seen = _behaviour(candidate.id, steady, evidence)
        if seen is None:
            waiting.append((program, candidate.id))
        else:
            groups.setdefault(seen, []).append(candidate.id)
            home.setdefault(program, seen)
    for program, name in waiting:
        groups.setdefault(home.get(program, program), []).append(name)
    return tuple(
        sorted(
            (tuple(sorted(group, key=id_order)) for group in groups.values()), key=lambda g: id_order(g[0])
        )
    )


def cluster_of(candidate: str, clusters: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The group that a candidate is in, () where it is in none."""
    return next((tuple(group) for group in clusters if candidate in group), ())


def _by_program(evidence: Evidence) -> list[tuple[Hashable, Candidate]]:
    """(what stands for its program, candidate) of each that changes something and applies, by id."""
    same_text = {candidate.id: group[0].id for group in distinct(evidence.candidates) for candidate in group}
    found: list[tuple[Hashable, Candidate]] = []
    for candidate in sorted(evidence.candidates, key=lambda candidate: id_order(candidate.id)):
        if candidate.patch.strip() and evidence.applies.get(candidate.id):
            facts = evidence.facts.get(candidate.id)
            known = facts is not None and facts.normal
            found.append(
                (
                    ("program", facts.normal) if known and facts else ("text", same_text[candidate.id]),
                    candidate,
                )
            )
    return found


def _steady(evidence: Evidence) -> tuple[str, ...]:
    flaky = {
        test
        for (name, test), further in evidence.repeats.items()
        if (first := evidence.cells.get((name, test))) is not None and any(run != first for run in further)
    }
    return tuple(sorted((test.id for test in evidence.tests if test.id not in flaky), key=id_order))


def _behaviour(candidate: str, tests: Sequence[str], evidence: Evidence) -> Hashable | None:
    """All that was seen of a candidate, None where it was not run everywhere, or nothing was run at all."""
    runs = [evidence.cells.get((candidate, test)) for test in tests]
    cases = [reproduction.runs.get(candidate) for reproduction in evidence.reproductions]
    if not (runs or cases) or None in runs or None in cases:
        return None
    seen: list[Hashable] = [(run.exit_code, run.ended, run.output) for run in runs if run is not None]
    seen += [(tuple(sorted(case.outcomes.items())), case.error) for case in cases if case is not None]
    existing = evidence.existing
    if existing is not None and existing.unfixed:
        if candidate not in existing.differs:
            return None
        changes = existing.differs[candidate].items()
        seen.append(tuple(sorted(change for change in changes if change[0] not in existing.flaky)))
    elif (regression := evidence.regressions.get(candidate)) is not None:
        seen.append(regression.broken)
    return ("behaviour", tuple(seen))
