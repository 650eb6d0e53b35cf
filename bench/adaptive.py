"""`--attempts auto` against a fixed number, on streams of candidates drawn from stored outcomes: docs/presets.md.

    python -m bench.adaptive CANDIDATES.jsonl [--streams 200] [--json]

Each line of the file is a candidate: instance_id, model_patch, and resolved_here (or resolved) as true or false. A
stream of an issue's attempts is drawn from its candidates with replacement, so each counts as equally frequent. What
such rows lack is what tests would have said of them. It is simulated: a patch shows a score that tells right from wrong
with a stated quality (AUC; 0.5: nothing), and how sure the best is follows from the score by Bayes' rule, so it is
calibrated, which real evidence is not wholly. Agreement is of the patches' text. The rule itself is the real one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path
from random import Random
from statistics import NormalDist

from agent import Candidate
from agent.ways import Weighed
from agent.ways.stopping import AutoSettings, verdict
from selection import distinct
from winnow.figures_bootstrap import RESAMPLES, SEED, Estimate, estimate, resampled_means

QUALITIES = (0.5, 0.7, 0.85, 0.95)
"""AUC of the simulated evidence that is looked at by default."""
_ALMOST = 0.999999

SETTINGS: Mapping[str, AutoSettings] = {
    "default": AutoSettings(),
    "agreement alone": AutoSettings(gain=0),
    "gain alone": AutoSettings(sure=_ALMOST),
    "patience = 2 alone": AutoSettings(sure=_ALMOST, gain=0, patience=2),
    "waves of 1": AutoSettings(wave=1),
    "gain = 0.002": AutoSettings(gain=0.002),
    "gain = 0.005": AutoSettings(gain=0.005),
    "gain = 0.01": AutoSettings(gain=0.01),
}


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue's candidates: of each, which answer it is (the same number: the same patch), and whether it is right."""

    name: str
    answers: tuple[int, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What a setting comes to. Shares of issues and mean attempts, with 95 % intervals over issues.

    most: resolved by the most attempts that the setting allows, chosen the same way. same_cost: by a fixed number of
    attempts, `alike`, as near to the mean as can be. kept: resolved less most.
    """

    quality: float
    setting: str
    attempts: Estimate
    saved: Estimate
    resolved: Estimate
    most: Estimate
    kept: Estimate
    alike: int
    same_cost: Estimate


def read_issues(path: Path) -> list[Issue]:
    """The issues of a file of which at least two candidates have a known outcome."""
    rows: dict[str, list[tuple[str, bool]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        outcome = row.get("resolved_here")
        outcome = row.get("resolved") if outcome is None else outcome
        if outcome is not None:
            rows.setdefault(row["instance_id"], []).append((row["model_patch"], bool(outcome)))
    return [_issue(name, found) for name, found in sorted(rows.items()) if len(found) > 1]


def _issue(name: str, found: Sequence[tuple[str, bool]]) -> Issue:
    groups = distinct([Candidate(f"attempt-{i}", patch) for i, (patch, _) in enumerate(found)])
    answer = {candidate.id: number for number, group in enumerate(groups) for candidate in group}
    return Issue(name, tuple(answer[f"attempt-{i}"] for i in range(len(found))), tuple(r for _, r in found))


@dataclass(frozen=True, slots=True)
class Stream:
    """Attempts at one issue, in order: each one's answer, whether it is right, and how likely its score says so."""

    answers: tuple[int, ...]
    right: tuple[bool, ...]
    sure: tuple[float, ...]

    def weighed(self, attempts: int) -> Weighed:
        """The first attempts as a selection would weigh them: by how sure each is, then by how many agree."""
        ids = [f"attempt-{i + 1}" for i in range(attempts)]
        answers = self.answers[:attempts]
        groups = {
            answer: tuple(i for i, a in zip(ids, answers, strict=True) if a == answer) for answer in answers
        }
        places = sorted(range(attempts), key=lambda i: (-self.sure[i], -len(groups[answers[i]]), i))
        order = tuple(ids[i] for i in places)
        return Weighed(order, order, self.sure[places[0]], answers=tuple(groups.values()))

    def resolved(self, attempts: int) -> bool:
        """Whether the best of the first attempts is right."""
        return self.right[int(self.weighed(attempts).order[0].removeprefix("attempt-")) - 1]


def draw(issue: Issue, length: int, quality: float, base: float, chance: Random) -> Stream:
    """A stream of an issue. quality: AUC of the evidence. base: the share of right candidates that is known before.

    An answer's score is drawn once from N(d, 1) where it is right and N(0, 1) where it is not; AUC = Phi(d / sqrt 2).
    """
    drawn = [chance.randrange(len(issue.answers)) for _ in range(length)]
    d = 2**0.5 * NormalDist().inv_cdf(quality)
    right_of = {issue.answers[i]: issue.right[i] for i in drawn}
    sure_of = {}
    for answer, right in sorted(right_of.items()):
        score = chance.gauss(d if right else 0.0, 1.0)
        sure_of[answer] = 1 / (1 + exp(-(log(base / (1 - base)) + d * score - d * d / 2)))
    answers = tuple(issue.answers[i] for i in drawn)
    return Stream(answers, tuple(issue.right[i] for i in drawn), tuple(sure_of[answer] for answer in answers))


def stopped_at(stream: Stream, settings: AutoSettings) -> int:
    """How many attempts of a stream are made (agent.ways.adaptive.in_waves, without the making)."""
    waves: list[Weighed] = []
    made = settings.least
    while made < settings.most:
        waves.append(stream.weighed(made))
        if verdict(waves, settings).stop:
            return made
        made = min(made + settings.wave, settings.most)
    return made


def simulate(
    issues: Sequence[Issue],
    settings: Mapping[str, AutoSettings],
    quality: float,
    streams: int,
    seed: int = SEED,
) -> list[Row]:
    """A row for each setting; all of them see the same streams. Raises ValueError where all are right, or none is."""
    outcomes = [right for issue in issues for right in issue.right]
    base = sum(outcomes) / len(outcomes) if outcomes else 0.0
    if not 0 < base < 1:
        raise ValueError("there must be both right and wrong candidates")
    longest = max(each.most for each in settings.values())
    drawn = [
        [draw(issue, longest, quality, base, Random(f"{seed} {issue.name} {i}")) for i in range(streams)]
        for issue in issues
    ]
    fixed = [[_mean([s.resolved(n) for s in some]) for n in range(1, longest + 1)] for some in drawn]
    return [_row(name, each, quality, drawn, fixed, seed) for name, each in settings.items()]


def _row(
    name: str,
    settings: AutoSettings,
    quality: float,
    drawn: Sequence[Sequence[Stream]],
    fixed: Sequence[Sequence[float]],
    seed: int,
) -> Row:
    by_issue = []
    for some, alone in zip(drawn, fixed, strict=True):
        ends = [stopped_at(stream, settings) for stream in some]
        resolved = _mean([stream.resolved(n) for stream, n in zip(some, ends, strict=True)])
        by_issue.append((_mean(ends), resolved, alone[settings.most - 1]))
    alike = max(1, round(_mean([attempts for attempts, _, _ in by_issue])))
    rows = [
        (attempts, 1 - attempts / settings.most, resolved, most, resolved - most, alone[alike - 1])
        for (attempts, resolved, most), alone in zip(by_issue, fixed, strict=True)
    ]
    samples = list(zip(*resampled_means(rows, RESAMPLES, seed), strict=True))
    found = [estimate(_mean(column), samples[i]) for i, column in enumerate(zip(*rows, strict=True))]
    return Row(quality, name, *found[:5], alike, found[5])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _print(rows: Sequence[Row]) -> None:
    print(
        "| AUC | rule | attempts | saved | resolved | resolved by the most | difference, points | by as many, fixed |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        shares = (row.saved, row.resolved, row.most, row.kept, row.same_cost)
        cells = (f"{row.quality:g}", row.setting, _plain(row.attempts), *map(_share, shares))
        print(f"| {' | '.join(cells)} ({row.alike}) |")


def _plain(found: Estimate) -> str:
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _share(found: Estimate) -> str:
    return f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def main() -> None:
    """Print a row for each quality of evidence and each setting."""
    parser = argparse.ArgumentParser(description="--attempts auto on streams drawn from stored outcomes")
    parser.add_argument("candidates", type=Path)
    parser.add_argument("--streams", type=int, default=200, help="streams drawn for each issue")
    parser.add_argument(
        "--quality", type=float, action="append", help="AUC of the evidence; may be said again"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    issues = read_issues(given.candidates)
    rows = [
        row
        for quality in given.quality or QUALITIES
        for row in simulate(issues, SETTINGS, quality, given.streams)
    ]
    if given.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(f"{len(issues)} issues, {given.streams} streams of each\n")
        _print(rows)


if __name__ == "__main__":
    main()
