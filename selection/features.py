"""What the evidence says of each candidate, one number between -1 and 1 for each kind. Pure.

A kind that was gathered for nobody has no feature. Where it was gathered for some, a candidate without it has the worst
value there is. Taking away what is known of a candidate can therefore only lower it against the others; what makes that
true is said where it is not plain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from agent import Candidate, Ending

from .agreement import behaviours, programs
from .evidence import (
    EXISTING,
    GENERATED,
    JUDGE,
    MACHINE,
    MATCHES,
    REPRODUCTION,
    SIGNALS,
    Evidence,
    Regression,
    Signals,
)
from .likeness import likeness
from .rates import gated
from .test_quality import qualities
from .votes import counting, distinct, passes

AGREEMENT, LIKENESS, STEPS, PATCH = "agreement", "likeness", "steps", "patch"
FEATURES = (
    GENERATED,
    EXISTING,
    REPRODUCTION,
    JUDGE,
    MATCHES,
    MACHINE,
    AGREEMENT,
    LIKENESS,
    SIGNALS,
    STEPS,
    PATCH,
)
ALL_BREAK = 3
"""Different patches that there must be before a test that all of them break is taken to be out of step."""
UNBROKEN = 0.3
"""What it says that no existing test breaks, where 1 is what 8 broken ones say against it: most wrong patches break
none either (log-ratios 0.4 and -1.4, as weights.json supposes)."""
PLAIN_LINES, MOST_LINES = 50, 1000
"""Changed lines up to which a patch's size says nothing, and from which on it is as bad as it gets."""


@dataclass(frozen=True, slots=True)
class Feature:
    """value: between -1 (the worst there is, or missing) and 1. said: a phrase for people."""

    value: float
    said: str


Features = Mapping[str, Feature]


def features_of(evidence: Evidence) -> Mapping[str, Features]:
    """By candidate, by feature; features of which nothing is known for anybody are left out."""
    found: dict[str, dict[str, Feature]] = {candidate.id: {} for candidate in evidence.candidates}
    for name, values in _all(evidence).items():
        if any(feature is not None for feature in values.values()):
            for candidate in found:
                known = values.get(candidate)
                found[candidate][name] = known if known is not None else Feature(-1.0, f"{name}: missing")
    return found


def _all(evidence: Evidence) -> dict[str, dict[str, Feature | None]]:
    return {
        GENERATED: _generated(evidence),
        EXISTING: _existing(evidence),
        REPRODUCTION: _reproduction(evidence),
        JUDGE: _judge(evidence),
        MATCHES: _matches(evidence),
        MACHINE: _machine(evidence),
        AGREEMENT: _agreement(evidence),
        LIKENESS: _likeness(evidence),
        SIGNALS: _signals(evidence),
        STEPS: _steps(evidence),
        PATCH: _patch(evidence),
    }


def _generated(evidence: Evidence) -> dict[str, Feature | None]:
    """+1 for each telling test that it passes, -1 for each other, over all tests that fail on the unfixed code, plus 1.

    Which tests are telling depends on the candidates (selection/test_quality); the divisor does not, so that a test
    that no longer tells shifts everybody alike.
    """
    among, _ = counting(evidence)
    quality = qualities(evidence)
    telling = [test.id for test in among if quality[test.id].counts]
    found: dict[str, Feature | None] = {}
    for candidate in evidence.candidates:
        runs = [evidence.cells.get((candidate.id, test)) for test in telling]
        if not any(run is not None for run in runs):
            found[candidate.id] = None
            continue
        passed = sum(map(passes, runs))
        missing = runs.count(None)
        said = f"passes {passed} of {len(telling)} telling generated tests"
        said += f" ({missing} not run on it)" if missing else ""
        found[candidate.id] = Feature((2 * passed - len(telling)) / (len(among) + 1), said)
    return _at_least_worst(found, -len(telling) / (len(among) + 1), "was run on no generated test")


def _existing(evidence: Evidence) -> dict[str, Feature | None]:
    """0.3 where no existing test breaks; -0.25, -0.5, -0.75, -1 for 1, 2, 4, 8 broken ones and more.

    Tests that every candidate breaks do not count.
    """
    by_all = _broken_by_all(evidence)
    found: dict[str, Feature | None] = {}
    for candidate in evidence.candidates:
        regression = _known(evidence).get(candidate.id)
        if regression is None:
            found[candidate.id] = None
            continue
        count = len(set(regression.broken) - by_all)
        value = UNBROKEN if not count else -min(1.0, (1 + math.log2(count)) / 4)
        left = len(set(regression.broken) & by_all)
        also = f", and {left} that every candidate breaks" if left else ""
        found[candidate.id] = Feature(
            value, f"breaks {count or 'none'} of {regression.known} existing tests{also}"
        )
    return found


def _known(evidence: Evidence) -> Mapping[str, Regression]:
    return {name: found for name, found in evidence.regressions.items() if not found.error and found.known}


def _broken_by_all(evidence: Evidence) -> frozenset[str]:
    """Existing tests that every candidate breaks, where there are `ALL_BREAK` different patches.

    The issue seems to ask for that, or the test is out of step; in any case it says nothing between the candidates.
    """
    fit = [c for c in evidence.candidates if c.patch.strip() and evidence.applies.get(c.id)]
    known = _known(evidence)
    broken = [frozenset(known[c.id].broken) for c in fit if c.id in known]
    return frozenset.intersection(*broken) if broken and len(distinct(fit)) >= ALL_BREAK else frozenset()


def _reproduction(evidence: Evidence) -> dict[str, Feature | None]:
    cases = {each.id: gated(each.id, evidence) for each in evidence.reproductions}
    total = sum(map(len, cases.values()))
    found: dict[str, Feature | None] = {}
    for candidate in evidence.candidates:
        runs = {each.id: each.runs.get(candidate.id) for each in evidence.reproductions}
        if not any(run is not None and cases[name] for name, run in runs.items()):
            found[candidate.id] = None
            continue
        resolved = sum(
            run.outcomes.get(case) == "resolved"
            for name, run in runs.items()
            if run is not None
            for case in cases[name]
        )
        found[candidate.id] = Feature(
            (2 * resolved - total) / (total + 1), f"resolves {resolved} of {total} reproduction cases"
        )
    return _at_least_worst(found, -total / (total + 1), "was run on no reproduction case")


def _judge(evidence: Evidence) -> dict[str, Feature | None]:
    """A third of the judge's log-odds, at most 1: judges are surer than they are right, and favour style."""
    found: dict[str, Feature | None] = {}
    for candidate in evidence.candidates:
        judgement = evidence.judgements.get(candidate.id)
        if judgement is None:
            found[candidate.id] = None
            continue
        yes = judgement.yes
        if (
            judgement.how == "samples"
        ):  # of few samples, all YES is not certainty: half an answer each way is added
            yes = (yes * judgement.samples + 0.5) / (judgement.samples + 1)
        yes = min(max(yes, 0.001), 0.999)
        value = min(max(math.log(yes / (1 - yes)) / 3, -1.0), 1.0)
        found[candidate.id] = Feature(value, f"the judge says {judgement.yes:.2f}")
    return found


def _matches(evidence: Evidence) -> dict[str, Feature | None]:
    """(wins - losses) / (matches + 1). A patch's matches are all its candidates'."""
    found: dict[str, Feature | None] = {}
    for group in distinct(evidence.candidates):
        names = {candidate.id for candidate in group}
        own = [match for match in evidence.matches if (match.first in names) != (match.second in names)]
        wins = sum(match.winner in names for match in own)
        losses = sum(match.winner is not None and match.winner not in names for match in own)
        said = f"wins {wins} of {len(own)} matches, loses {losses}"
        feature = Feature((wins - losses) / (len(own) + 1), said) if own else None
        found.update(dict.fromkeys(names, feature))
    return found


def _machine(evidence: Evidence) -> dict[str, Feature | None]:
    """2 x the share of the selection machine's runs that decided for this patch - 1."""
    patches = {candidate.id: candidate.patch for candidate in evidence.candidates}
    runs = ([evidence.machine] if evidence.machine else []) + list(evidence.selectors)
    winners = [patches[run.winner] for run in runs if run.winner in run.shown and run.winner in patches]
    if not winners:
        return dict.fromkeys(patches)
    return {
        name: Feature(
            2 * winners.count(patch) / len(winners) - 1,
            f"{winners.count(patch)} of {len(winners)} decisions of the selection machine are for it",
        )
        for name, patch in patches.items()
    }


def _agreement(evidence: Evidence) -> dict[str, Feature | None]:
    """The share of the others that came to the same answer; nobody agrees with a failing one.

    Failing: it breaks an existing test that not all break, or passes no generated test that counts although there is
    one. Only the others are asked, so that copies of a failing candidate change nothing. Never below 0: that nobody
    agrees is no mark against a patch.
    """
    fit = not_failing(evidence)
    count = behaviours if evidence.tests or evidence.reproductions else programs
    sizes = count(evidence, fit)
    if not any(sizes[name] > 1 for name in fit):
        return {}
    others = len(fit) - 1
    return {
        name: Feature(
            max(size - 1, 0) / others,
            f"{max(size - 1, 0)} of {others} others that do not fail come to the same",
        )
        for name, size in sizes.items()
    }


def _likeness(evidence: Evidence) -> dict[str, Feature | None]:
    """The mean likeness of its changes to those of the other patches that apply, each different one counted once.

    Who makes the same patch is agreement's part. So copies change nothing here, and common mistakes win nothing by it.
    """
    known = evidence.facts
    groups = distinct(c for c in evidence.candidates if c.patch.strip() and evidence.applies.get(c.id))
    one_of = [next((c.id for c in group if c.id in known), group[0].id) for group in groups]
    found = likeness(evidence, one_of)
    if not any(found.values()):
        return {}
    values = dict.fromkeys((candidate.id for candidate in evidence.candidates), 0.0)
    for group, one in zip(groups, one_of, strict=True):
        values.update((c.id, found.get(one, 0.0)) for c in group if c.id in known)
    others = len(groups) - 1
    return {
        name: Feature(value, f"its changes are {value:.0%} like those of the {others} other patches")
        for name, value in values.items()
    }


def not_failing(evidence: Evidence) -> list[str]:
    """Ids of those that apply, break no existing test that not all break, and pass a generated test, if any counts.

    Like what is worth choosing (selection/worth_choosing), but for the tests that all break.
    """
    by_all = _broken_by_all(evidence)
    tests, _ = counting(evidence)
    names = []
    for candidate in evidence.candidates:
        found = evidence.regressions.get(candidate.id)
        breaks = found is None or (not found.error and bool(set(found.broken) - by_all))
        solves = any(passes(evidence.cells.get((candidate.id, test.id))) for test in tests)
        if (
            candidate.patch.strip()
            and evidence.applies.get(candidate.id)
            and not breaks
            and (solves or not tests)
        ):
            names.append(candidate.id)
    return names


def _signals(evidence: Evidence) -> dict[str, Feature | None]:
    """1 for an attempt that ended of itself without doubt or flag; less 1 for a limit, 0.5 for doubt, 2 for a flag."""
    found: dict[str, Feature | None] = {}
    for candidate in evidence.candidates:
        signals = _own(candidate, evidence)
        if signals is None:
            found[candidate.id] = None
            continue
        value = (
            1.0 - (signals.ending != Ending.FINISHED) - 0.5 * bool(signals.doubt) - 2 * bool(signals.flags)
        )
        said = f"ended: {signals.ending}"
        said += "; it doubts itself" if signals.doubt else ""
        said += f"; flagged: {', '.join(signals.flags)}" if signals.flags else ""
        found[candidate.id] = Feature(max(value, -1.0), said)
    return found


def _steps(evidence: Evidence) -> dict[str, Feature | None]:
    """From nearly 1 at one step down to -1 at 64 and more, by the logarithm."""
    return {
        candidate.id: Feature(1 - 2 * min(1.0, math.log2(1 + signals.steps) / 6), f"{signals.steps} steps")
        if (signals := _own(candidate, evidence)) is not None
        else None
        for candidate in evidence.candidates
    }


def _own(candidate: Candidate, evidence: Evidence) -> Signals | None:
    """The signals of a trajectory; one without a step (predictions from elsewhere) has none."""
    signals = evidence.signals.get(candidate.id)
    return signals if signals is not None and signals.steps else None


def _patch(evidence: Evidence) -> dict[str, Feature | None]:
    """-1 for a patch of tests alone; else 0 up to 50 lines, and down to -1 at 1,000, by the logarithm.

    Among patches of ordinary size a smaller one is no better: as many are small because something was left out.
    """
    return {candidate.id: _size(candidate, evidence) for candidate in evidence.candidates}


def _size(candidate: Candidate, evidence: Evidence) -> Feature | None:
    facts = evidence.facts.get(candidate.id)
    if facts is None:
        return None
    if facts.files and set(facts.files) == set(facts.tests):
        return Feature(-1.0, "changes nothing but tests")
    lines = facts.added + facts.removed
    over = math.log(max(lines, PLAIN_LINES) / PLAIN_LINES) / math.log(MOST_LINES / PLAIN_LINES)
    value = -min(1.0, over)
    return Feature(value, f"+{facts.added} -{facts.removed} lines in {len(facts.files)} files")


def _at_least_worst(found: dict[str, Feature | None], worst: float, said: str) -> dict[str, Feature | None]:
    """Where anybody was run: one that was not run is as one that fails all."""
    if all(feature is None for feature in found.values()):
        return found
    return {name: feature or Feature(worst, said) for name, feature in found.items()}
