"""Weights of Winnow's own strategy from graded runs: a plain logistic regression, checked by issues it has not seen.

Needs scikit-learn (the extra `fit`); nothing else in Winnow does.

What is fitted is what chooses: of two candidates for one issue, the right one. (A regression over all candidates of all
issues would learn what tells easy issues from hard ones: small patches are right more often because small changes are
asked for in easy issues, which says nothing of which patch to take.) How sure a choice is, is a question of its own,
answered by the calibration.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selection import FEATURES, Weight, Weights, features_of

from .select_errors import CannotFit
from .select_issues import Weighable

MOST_PARTS = 50
"""Issues are left out one by one, of more than so many in so many parts."""
FEWEST_ISSUES = 5
"""Issues with right and wrong candidates that a fit needs: with fewer there is nothing to check it on."""
PRIOR_PAIRS = 4
"""Pairs of candidates that each prior counts as, beside one for every issue. Its spread is then about 2 / sqrt(4) = 1,
as large as the largest weights: a few issues that all say the same may double one, and some hundred decide. Source:
priors as data, Greenland, "Bayesian perspectives for epidemiological research II" (2007)."""
_RIDGE = 1e6
"""So weak (as scikit-learn has it, the inverse) that only the priors hold the weights."""

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Example:
    """One graded candidate. task: its issue, which is never in the training and in the test part at once."""

    task: str
    candidate: str
    values: Values
    right: bool


def examples_of(issues: Sequence[Weighable]) -> tuple[Example, ...]:
    """The graded candidates that apply and are not empty, of issues with evidence; by issue and id."""
    found = []
    for issue in issues:
        values = features_of(issue.evidence)
        for candidate in issue.evidence.candidates:
            if (
                candidate.id in issue.grades
                and issue.evidence.applies.get(candidate.id)
                and candidate.patch.strip()
            ):
                seen = {name: feature.value for name, feature in values[candidate.id].items()}
                found.append(
                    Example(issue.task, f"{issue.run} {candidate.id}", seen, issue.grades[candidate.id])
                )
    return tuple(sorted(found, key=lambda example: (example.task, example.candidate)))


def fit(examples: Sequence[Example], priors: Weights) -> Weights:
    """Weights fitted to pairs of a right and a wrong candidate for one issue, each issue counting as one pair.

    The priors' weights count as `PRIOR_PAIRS` pairs each, so that few issues move them little; features in which no
    such pair differs keep them. No weight may be negative (a feature with one is left out and the rest fitted again),
    or missing evidence would rank candidates up. The calibration, and the figures in `fit`, are of predictions for
    issues that were held out. Raises CannotFit.
    """
    linear = _scikit_learn()
    _check(examples)
    names = _telling(examples)
    held_out = _held_out(examples, names, priors, linear)
    fitted = _fitted(examples, names, priors, linear)
    if not any(fitted.values()):
        raise CannotFit(
            "no kind of evidence in these runs speaks for right candidates: there is nothing to weigh"
        )
    best = _best(examples, held_out)
    choices = [(held_out[place], examples[place].right) for place in best]
    offset, slope = _calibration(choices, priors, linear)
    issues = len({example.task for example in examples})
    source = f"fitted to {len(examples)} candidates of {issues} issues"
    kept = {
        name: Weight(fitted[name], source)
        if name in fitted
        else replace(prior, source=f"prior, not in the data: {prior.source}")
        for name, prior in priors.features.items()
    }
    return Weights(
        priors.intercept, kept, source.capitalize(), digest_of(examples), offset, slope,
        _figures(examples, [examples[place].task for place in best], choices, priors, linear),
    )  # fmt: skip


def digest_of(examples: Sequence[Example]) -> str:
    """Of everything that the fit has seen."""
    seen = [[e.task, e.candidate, sorted(e.values.items()), e.right] for e in examples]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _scikit_learn() -> Any:
    try:
        from sklearn import linear_model
    except ImportError as error:
        raise CannotFit(
            "fitting needs scikit-learn, which is not installed: pip install 'winnow[fit]'"
        ) from error
    return linear_model


def _check(examples: Sequence[Example]) -> None:
    mixed = len({right.task for right, _ in _pairs(examples)})
    if mixed < FEWEST_ISSUES:
        raise CannotFit(
            f"there are {mixed} issues with evidence and with right and wrong candidates, and {FEWEST_ISSUES} are "
            "needed: name more runs, grade them (`winnow grade`), gather evidence (`winnow select --gather`)"
        )


def _pairs(examples: Sequence[Example]) -> list[tuple[Example, Example]]:
    """(right, wrong) of one issue, all that there are."""
    by_task: dict[str, list[Example]] = {}
    for example in examples:
        by_task.setdefault(example.task, []).append(example)
    return [
        (one, other)
        for found in by_task.values()
        for one in found
        for other in found
        if one.right and not other.right
    ]


def _telling(examples: Sequence[Example]) -> list[str]:
    """The features in which any pair differs."""
    pairs = _pairs(examples)
    return [n for n in FEATURES if any(a.values.get(n, 0.0) != b.values.get(n, 0.0) for a, b in pairs)]


def _fitted(
    examples: Sequence[Example], names: Collection[str], priors: Weights, linear: Any
) -> dict[str, float]:
    """Weight by feature: features whose weight comes out negative have 0, maybe all."""
    pairs = _pairs(examples)
    of_task: dict[str, int] = {}
    for right, _ in pairs:
        of_task[right.task] = of_task.get(right.task, 0) + 1
    left = list(names)
    while left:
        rows = [[a.values.get(n, 0.0) - b.values.get(n, 0.0) for n in left] for a, b in pairs]
        answers = [True] * len(rows)
        counts = [1 / of_task[right.task] for right, _ in pairs]
        for name in left:  # as if so many pairs had been seen that differ in this feature alone
            prior = priors.features[name].weight if name in priors.features else 0.0
            share = 1 / (1 + math.exp(-prior))
            rows += [[float(name == other) for other in left]] * 2
            answers += [True, False]
            counts += [PRIOR_PAIRS * share, PRIOR_PAIRS * (1 - share)]
        model = linear.LogisticRegression(C=_RIDGE, fit_intercept=False)
        model.fit(rows, answers, sample_weight=counts)
        found = dict(zip(left, map(float, model.coef_[0]), strict=True))
        if min(found.values()) >= 0:
            return {**dict.fromkeys(names, 0.0), **found}
        left = [name for name in left if found[name] >= 0]
    return dict.fromkeys(names, 0.0)


def _held_out(
    examples: Sequence[Example], names: Collection[str], priors: Weights, linear: Any
) -> list[float]:
    """Log-odds of each example from a fit that has seen no candidate of its issue."""
    part = _parts(examples)
    said = [0.0] * len(examples)
    for fold in sorted(set(part.values())):
        seen = [example for example in examples if part[example.task] != fold]
        weights = _fitted(seen, names, priors, linear)
        for place, example in enumerate(examples):
            if part[example.task] == fold:
                said[place] = _log_odds(example.values, priors, weights)
    return said


def _parts(examples: Sequence[Example]) -> dict[str, int]:
    """By issue the part of the cross-validation that it is in, the same whatever the order."""
    tasks = sorted(
        {example.task for example in examples}, key=lambda t: hashlib.sha256(t.encode()).hexdigest()
    )
    return {task: place % MOST_PARTS for place, task in enumerate(tasks)}


def _log_odds(values: Values, priors: Weights, fitted: Mapping[str, float] | None = None) -> float:
    weights = {name: prior.weight for name, prior in priors.features.items()} | dict(fitted or {})
    return priors.intercept + sum(weights.get(name, 0.0) * value for name, value in values.items())


def _calibration(choices: Sequence[tuple[float, bool]], priors: Weights, linear: Any) -> tuple[float, float]:
    """(offset, slope) of Platt's scaling (1999) over held-out choices: what the best of an issue says of itself.

    What the priors say counts as `PRIOR_PAIRS` choices at log-odds of -1 and as many at 1. Where what was said tells
    nothing of what was so, the slope is 0: every choice is then as sure as all of them are.
    """
    said = [[of] for of, _ in choices]
    right = [was for _, was in choices]
    counts = [1.0] * len(choices)
    for at in (-1.0, 1.0):
        share = priors.probability(at)
        said += [[at], [at]]
        right += [True, False]
        counts += [PRIOR_PAIRS * share, PRIOR_PAIRS * (1 - share)]
    model = linear.LogisticRegression(C=_RIDGE).fit(said, right, sample_weight=counts)
    if (slope := float(model.coef_[0][0])) > 0:
        return float(model.intercept_[0]), slope
    resolved = sum(count for count, was in zip(counts, right, strict=True) if was)
    return math.log(resolved / (sum(counts) - resolved)), 0.0


def _best(examples: Sequence[Example], said: Sequence[float]) -> list[int]:
    best: dict[str, int] = {}
    for place, example in enumerate(examples):
        if example.task not in best or said[place] > said[best[example.task]]:
            best[example.task] = place
    return list(best.values())


def _figures(
    examples: Sequence[Example],
    tasks: Sequence[str],
    choices: Sequence[tuple[float, bool]],
    priors: Weights,
    linear: Any,
) -> dict[str, float]:
    """Of issues held out: the calibration of each choice, too, is that of the others. tasks: whose choices they are."""
    by_priors = [_log_odds(example.values, priors) for example in examples]
    theirs = [(by_priors[place], examples[place].right) for place in _best(examples, by_priors)]
    parts = _parts(examples)
    by_part = {
        part: _calibration(
            [c for t, c in zip(tasks, choices, strict=True) if parts[t] != part], priors, linear
        )
        for part in set(parts.values())
    }
    sure = []
    for task, (said, _) in zip(tasks, choices, strict=True):
        offset, slope = by_part[parts[task]]
        sure.append(Weights(0.0, {}, offset=offset, slope=slope).probability(said))
    return {
        "candidates": len(examples),
        "issues": len(choices),
        "covered": len({example.task for example in examples if example.right}),
        "resolved held out": sum(right for _, right in choices),
        "resolved by priors": sum(right for _, right in theirs),
        "Brier score held out": _brier(sure, choices),
        "Brier score by priors": _brier([priors.probability(said) for said, _ in theirs], theirs),
    }


def _brier(sure: Sequence[float], choices: Sequence[tuple[float, bool]]) -> float:
    return sum((p - right) ** 2 for p, (_, right) in zip(sure, choices, strict=True)) / len(choices)
