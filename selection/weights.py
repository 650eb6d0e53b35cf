"""The weights of Winnow's own strategy: plain numbers in a small JSON file, each with where it comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


class WrongWeights(ValueError):
    """A file of weights cannot be used; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What one feature adds to the log-odds at its best (+weight) and takes at its worst (-weight); never negative."""

    weight: float
    source: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """log-odds = intercept + sum of weight x feature; probability = sigmoid(offset + slope x log-odds).

    source: where they come from, a sentence. data: digest of the graded candidates that they were fitted to, "" for
    priors. offset, slope: the calibration. fit: figures of the fit, for people.
    """

    intercept: float
    features: Mapping[str, Weight]
    source: str = ""
    data: str = ""
    offset: float = 0.0
    slope: float = 1.0
    fit: Mapping[str, float] = field(default_factory=dict)

    def probability(self, log_odds: float) -> float:
        """Of resolving the issue; between 0 and 1."""
        x = self.offset + self.slope * log_odds
        return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def read_weights(file: Path) -> Weights:
    """Raises WrongWeights, OSError."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        calibration = body.get("calibration", {})
        weights = Weights(
            float(body["intercept"]),
            {
                str(name): Weight(float(w["weight"]), str(w.get("source", "")))
                for name, w in body["features"].items()
            },
            str(body.get("source", "")),
            str(body.get("data", "")),
            float(calibration.get("offset", 0.0)),
            float(calibration.get("slope", 1.0)),
            {str(k): float(v) for k, v in body.get("fit", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongWeights(
            f"{file} is no file of weights ({type(error).__name__}: {error}): "
            "`winnow select --fit --out FILE` writes one"
        ) from error
    numbers = [
        weights.intercept,
        weights.offset,
        weights.slope,
        *(w.weight for w in weights.features.values()),
    ]
    if not all(map(math.isfinite, numbers)) or any(w.weight < 0 for w in weights.features.values()):
        raise WrongWeights(
            f"{file}: every weight must be a number and none below 0, or missing evidence would rank candidates up"
        )
    return weights


def write_weights(weights: Weights, file: Path) -> None:
    """As `read_weights` reads it. Raises OSError."""
    body = {
        "source": weights.source,
        "data": weights.data,
        "intercept": weights.intercept,
        "features": {name: asdict(weight) for name, weight in weights.features.items()},
        "calibration": {"offset": weights.offset, "slope": weights.slope},
        "fit": dict(weights.fit),
    }
    file.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


DEFAULT = read_weights(Path(__file__).with_name("weights.json"))
"""Priors. Read when this is imported: a strategy itself reads nothing."""
