"""Weights of Winnow's own strategy from graded runs: a plain logistic regression, checked by issues it has not seen.

Needs scikit-learn (the extra `fit`); nothing else in Winnow does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from selection import FEATURES, Weight, Weights, features_of

from .select_errors import CannotFit
from .select_issues import Weighable

FOLDS = 10
FEWEST_ISSUES = 5
"""Issues with right and wrong candidates that a fit needs: with fewer there is nothing to check it on."""


@dataclass(frozen=True, slots=True)
class Example:
    """One graded candidate. task: its issue, which is never in the training and in the test part at once."""

    task: str
    candidate: str
    values: Mapping[str, float]
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
    """Weights fitted to these candidates, each issue counting as much as any other.

    No weight may be negative (a feature with one is left out and the rest fitted again), or missing evidence would
    rank candidates up. Features that the candidates have not keep the prior's weight. The calibration, and the figures
    in `fit`, are of predictions for issues that were held out. Raises CannotFit.
    """
    linear = _scikit_learn()
    _check(examples)
    names = [n for n in FEATURES if len({example.values.get(n, 0.0) for example in examples}) > 1]
    held_out = _held_out(examples, names, linear)
    intercept, weights = _fitted(examples, names, linear)
    offset, slope = _calibration(examples, held_out, linear)
    issues = len({example.task for example in examples})
    source = f"fitted to {len(examples)} candidates of {issues} issues"
    kept = {
        name: Weight(weights[name], source if name in names else "")
        if name in weights
        else replace(prior, source=f"prior, not in the data: {prior.source}")
        for name, prior in priors.features.items()
    }
    return Weights(
        intercept, kept, source.capitalize(), digest_of(examples), offset, slope,
        _figures(examples, held_out, priors),
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
    verdicts: dict[str, set[bool]] = {}
    for example in examples:
        verdicts.setdefault(example.task, set()).add(example.right)
    mixed = sum(len(found) > 1 for found in verdicts.values())
    if mixed < FEWEST_ISSUES:
        raise CannotFit(
            f"there are {mixed} issues with evidence and with right and wrong candidates, and {FEWEST_ISSUES} are "
            "needed: name more runs, grade them (`winnow grade`), gather evidence (`winnow select --gather`)"
        )


def _fitted(examples: Sequence[Example], names: Sequence[str], linear: Any) -> tuple[float, dict[str, float]]:
    """(intercept, weight by feature): ridge-penalised (C = 1), features with a negative weight set to 0."""
    left = list(names)
    sizes: dict[str, int] = {}
    for example in examples:
        sizes[example.task] = sizes.get(example.task, 0) + 1
    weight = [1 / sizes[example.task] for example in examples]
    scale = len(examples) / sum(weight)
    right = [example.right for example in examples]
    while left:
        rows = [[example.values.get(name, 0.0) for name in left] for example in examples]
        model = linear.LogisticRegression(C=1.0).fit(rows, right, sample_weight=[w * scale for w in weight])
        found = dict(zip(left, map(float, model.coef_[0]), strict=True))
        if min(found.values()) >= 0:
            return float(model.intercept_[0]), {**dict.fromkeys(names, 0.0), **found}
        left = [name for name in left if found[name] >= 0]
    raise CannotFit(
        "no kind of evidence in these runs speaks for right candidates: there is nothing to weigh"
    )


def _held_out(examples: Sequence[Example], names: Sequence[str], linear: Any) -> list[float]:
    """Log-odds of each example from a fit that has seen no candidate of its issue."""
    tasks = sorted(
        {example.task for example in examples}, key=lambda t: hashlib.sha256(t.encode()).hexdigest()
    )
    part = {task: place % FOLDS for place, task in enumerate(tasks)}
    said = [0.0] * len(examples)
    for fold in sorted(set(part.values())):
        seen = [example for example in examples if part[example.task] != fold]
        try:
            intercept, weights = _fitted(seen, names, linear)
        except (CannotFit, ValueError):  # ValueError: candidates of one verdict alone
            intercept, weights = 0.0, dict.fromkeys(names, 0.0)
        for place, example in enumerate(examples):
            if part[example.task] == fold:
                said[place] = intercept + sum(weights[n] * example.values.get(n, 0.0) for n in names)
    return said


def _calibration(examples: Sequence[Example], held_out: Sequence[float], linear: Any) -> tuple[float, float]:
    """(offset, slope) of Platt's scaling (1999) over the held-out choices: what the best of an issue says of itself."""
    chosen = _best(examples, held_out)
    right = [examples[place].right for place in chosen]
    if len(set(right)) < 2:
        return 0.0, 1.0
    model = linear.LogisticRegression(C=1.0).fit([[held_out[place]] for place in chosen], right)
    slope = float(model.coef_[0][0])
    return (float(model.intercept_[0]), slope) if slope > 0 else (0.0, 1.0)


def _best(examples: Sequence[Example], said: Sequence[float]) -> list[int]:
    best: dict[str, int] = {}
    for place, example in enumerate(examples):
        if example.task not in best or said[place] > said[best[example.task]]:
            best[example.task] = place
    return list(best.values())


def _figures(examples: Sequence[Example], held_out: Sequence[float], priors: Weights) -> dict[str, float]:
    by_priors = [
        priors.intercept
        + sum(priors.features[n].weight * v for n, v in e.values.items() if n in priors.features)
        for e in examples
    ]
    right = lambda said: sum(examples[place].right for place in _best(examples, said))  # noqa: E731
    return {
        "candidates": len(examples),
        "issues": len({example.task for example in examples}),
        "covered": len({example.task for example in examples if example.right}),
        "resolved held out": right(held_out),
        "resolved by priors": right(by_priors),
    }
