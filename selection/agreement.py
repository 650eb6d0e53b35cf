"""How many candidates came to the same answer, counted so that missing evidence is never agreement. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .clusters import behaviour_clusters, same_program
from .evidence import UNFIXED, Evidence


def programs(evidence: Evidence, among: Iterable[str]) -> Mapping[str, int]:
    """By candidate: how many of `among` make the same program, itself included. 0 where its normal form is unknown."""
    wanted = {name for name in among if (facts := evidence.facts.get(name)) is not None and facts.normal}
    return _sizes(same_program(evidence), wanted, evidence)


def behaviours(evidence: Evidence, among: Iterable[str]) -> Mapping[str, int]:
    """By candidate: how many of `among` did the same in every test, itself included.

    0 for one that was not run everywhere, and for all where nothing generated was run: existing tests alone tell little
    of what a patch does. Only repeats on the unfixed code make a test too unsteady to be looked at: what one candidate
    shows must not change what is known of others.
    """
    wanted = {name for name in among if run_everywhere(name, evidence)}
    repeats = {key: runs for key, runs in evidence.repeats.items() if key[0] == UNFIXED}
    return _sizes(behaviour_clusters(replace(evidence, repeats=repeats)), wanted, evidence)


def run_everywhere(candidate: str, evidence: Evidence) -> bool:
    """Whether a candidate was run on all that was generated, and on existing tests where any candidate was."""
    if not (evidence.tests or evidence.reproductions):
        return False
    existing = evidence.existing
    return (
        all((candidate, test.id) in evidence.cells for test in evidence.tests)
        and all(candidate in each.runs for each in evidence.reproductions)
        and (candidate in evidence.regressions or not evidence.regressions)
        and (existing is None or not existing.unfixed or candidate in existing.differs)
    )


def _sizes(groups: Iterable[tuple[str, ...]], wanted: set[str], evidence: Evidence) -> dict[str, int]:
    sizes = {candidate.id: 0 for candidate in evidence.candidates}
    for group in groups:
        members = [name for name in group if name in wanted]
        sizes.update(dict.fromkeys(members, len(members)))
    return sizes
