"""How alike two patches are, by the words of the lines that they change. Pure.

Agreement (`agreement.py`) is all or nothing; patches that change the same lines in nearly the same way agree more than
two that change different files. Of several answers the one that is most like all others is the choice of least expected
loss (minimum Bayes risk; of programs: Shi et al., "Natural Language to Code Translation with Execution", 2022, whose
choice by the likeness of texts is better than chance and worse than by what programs do).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from .changed_lines import changed_lines
from .evidence import Evidence

_WORD = re.compile(r"\w+")

Words = frozenset[tuple[str, str, str]]
"""(path, "+" or "-", word) of each word in a changed line, once however often it is there."""


def likeness(evidence: Evidence, among: Iterable[str]) -> Mapping[str, float]:
    """For each of `among` whose facts are known: its mean likeness to the others, 0 to 1. No entry for anybody else.

    The likeness of two is Jaccard's index of their changed words, changes of test files apart. It is symmetrical, never
    negative, and one of which nothing is known is like nobody: so nobody gains where less is known of it.
    """
    wanted = set(among)
    words = {
        candidate.id: changed_words(candidate.patch, facts.tests)
        for candidate in evidence.candidates
        if candidate.id in wanted and (facts := evidence.facts.get(candidate.id)) is not None
    }
    others = max(len(wanted) - 1, 1)
    return {
        name: sum(_shared(own, other) for rival, other in words.items() if rival != name) / others
        for name, own in words.items()
    }


@lru_cache(maxsize=4096)
def changed_words(patch: str, apart: tuple[str, ...] = ()) -> Words:
    """The words of a unified diff's changed lines. apart: paths that are left out."""
    return frozenset(
        (path, sign, word)
        for path, sign, text in changed_lines(patch)
        if sign and path not in apart
        for word in _WORD.findall(text)
    )


def _shared(one: Words, other: Words) -> float:
    """Jaccard's index; nothing is like nothing."""
    both = len(one | other)
    return len(one & other) / both if both else 0.0
