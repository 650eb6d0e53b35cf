"""Issues whose truth is known because they are made up: evidence drawn from a stated model of how it comes about.

`python tests/winnow/simulated_worlds.py [ISSUES]` prints every world (docs/selection.md, Simulated).

Of each issue a share of candidates is right, drawn from a beta distribution. Right ones make one common program or a
variant of it, wrong ones one of three common mistakes or one of their own; all that is seen of a candidate depends on
its program, so copies and common mistakes are seen alike. Then, for each kind of evidence that a world has:

- existing tests: a right program breaks some with chance `right_breaks`, a wrong one with `wrong_breaks`; in one of
  ten issues there is a test that it asks to break, which every right program does and every other wrong one;
- generated tests: each candidate wrote one. It fails on the unfixed code with chance 0.7. A share `valid` (half of it
  where its author is wrong) tests what was asked for: right programs pass it nearly always, wrong ones with chance
  `lenient`. The others test what their author made: it passes, anything else with chance 0.25, right or wrong;
- the judge: its log-odds are `judge` apart in the mean, with noise of deviation 1, half of it the program's;
- matches, by two comparisons with the sides swapped, and the selection machine: each prefers the right one with chance
  `opinion`, and decides by coin where both are right or wrong;
- trajectories: right ones end of themselves, and without doubt, a little more often.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent import Candidate, Run, Script
from selection import (
    DEFAULT,
    UNFIXED,
    Evidence,
    Judgement,
    MachineChoice,
    Match,
    PatchFacts,
    Regression,
    Signals,
    Test,
    Weights,
    open_pairs,
    reliability,
    strategy,
    top_shortlist,
    with_confidence,
)
from winnow.figures_bootstrap import SEED, Estimate, estimate, resampled_means
from winnow.select_compare import OURS, by_lot, strategies_with
from winnow.select_issues import Weighable

FAMILIES = (0.5, 0.3, 0.2)
"""How often each of the common mistakes is made, where one is."""


@dataclass(frozen=True, slots=True)
class World:
    """How evidence comes about. A kind whose chance is None is not gathered. See the file's head."""

    name: str
    right: float = 0.4
    same_right: float = 0.4
    same_wrong: float = 0.4
    alike: float = 0.5
    right_breaks: float = 0.1
    wrong_breaks: float | None = 0.4
    valid: float | None = None
    lenient: float = 0.3
    judge: float | None = None
    opinion: float | None = None
    trajectories: bool = False
    candidates: int = 10


def issues(world: World, many: int, seed: int = SEED) -> Iterator[Weighable]:
    """So many issues of a world, the same each time."""
    chance = random.Random(f"{seed} {world.name}")
    for number in range(many):
        yield _issue(world, f"t-{number}", chance)


def _issue(world: World, task: str, chance: random.Random) -> Weighable:
    share = chance.betavariate(2 * world.right, 2 * (1 - world.right))
    names = [f"attempt-{i}" for i in range(1, world.candidates + 1)]
    right = {name: chance.random() < share for name in names}
    programs = {name: _program(world, name, right[name], chance) for name in names}
    patches, facts = _patches(world, programs, chance)
    evidence = Evidence(
        candidates=tuple(Candidate(name, patches[name]) for name in names),
        applies=dict.fromkeys(names, True),
        facts=facts,
        regressions=_regressions(world, programs, chance),
    )
    if world.valid is not None:
        evidence = _with_tests(evidence, world, programs, chance)
    if world.trajectories:
        evidence = replace(evidence, signals={n: _signals(right[n], chance) for n in names})
    if world.judge is not None:
        evidence = replace(evidence, judgements=_judgements(world.judge, programs, chance))
    if world.opinion is not None:
        evidence = _with_opinions(evidence, world.opinion, right, chance)
    return Weighable("simulated", task, evidence, True, right)


def _program(world: World, name: str, right: bool, chance: random.Random) -> str:
    """Right programs begin with R, wrong ones with W."""
    if right:
        return "R" if chance.random() < world.same_right else f"R {name}"
    if chance.random() < world.same_wrong:
        return f"W{chance.choices(range(3), FAMILIES)[0]}"
    return f"W {name}"


def _right(program: str) -> bool:
    return program.startswith("R")


def _patches(
    world: World, programs: dict[str, str], chance: random.Random
) -> tuple[dict[str, str], dict[str, PatchFacts]]:
    """Of each program one patch. `alike` of a right one's words are the common right program's, of a wrong one's half
    as many: it is about the same code. Their length says nothing."""
    common = [f"word{i}" for i in range(40)]
    made: dict[str, tuple[str, PatchFacts]] = {}
    for program in sorted(set(programs.values())):
        many = min(max(int(math.exp(chance.gauss(2.5, 0.8))), 2), 200)
        of_all = world.alike * (1.0 if _right(program) else 0.5)
        words = [
            chance.choice(common) if chance.random() < of_all else f"own{chance.randrange(10**6)}"
            for _ in range(2 * many)
        ]
        lines = "".join(f"+{one} {other}\n" for one, other in zip(words[::2], words[1::2], strict=True))
        patch = f"diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1,0 +1,{many} @@\n{lines}"
        made[program] = patch, PatchFacts(many, 0, ("m.py",), (), program)
    return {n: made[p][0] for n, p in programs.items()}, {n: made[p][1] for n, p in programs.items()}


def _regressions(world: World, programs: dict[str, str], chance: random.Random) -> dict[str, Regression]:
    if world.wrong_breaks is None:
        return {}
    asked = chance.random() < 0.1
    broken: dict[str, tuple[str, ...]] = {}
    for program in sorted(set(programs.values())):
        breaks = chance.random() < (world.right_breaks if _right(program) else world.wrong_breaks)
        many = 1 + min(int(chance.expovariate(0.5)), 20) if breaks else 0
        found = {f"t::{chance.randrange(60)}" for _ in range(many)}
        if asked and (_right(program) or chance.random() < 0.5):
            found.add("t::asked")
        broken[program] = tuple(sorted(found))
    return {n: Regression(broken[p], 61 - len(broken[p]), 61) for n, p in programs.items()}


def _with_tests(
    evidence: Evidence, world: World, programs: dict[str, str], chance: random.Random
) -> Evidence:
    assert world.valid is not None
    tests, cells = [], {}
    for author, program in programs.items():
        test = Test(f"test-{author.removeprefix('attempt-')}", Script("sh", author))
        tests.append(test)
        cells[UNFIXED, test.id] = Run(chance.choices((2, 0, 1), (0.7, 0.15, 0.15))[0], "")
        valid = chance.random() < world.valid * (1.0 if _right(program) else 0.5)
        outcome = {}
        for seen in sorted(set(programs.values())):
            if valid:
                passing = 0.95 if _right(seen) else world.lenient
            else:
                passing = 0.95 if seen == program else 0.25
            outcome[seen] = 0 if chance.random() < passing else 2
        cells |= {(name, test.id): Run(outcome[seen], "") for name, seen in programs.items()}
    candidates = tuple(
        replace(c, test=test.script) for c, test in zip(evidence.candidates, tests, strict=True)
    )
    return replace(evidence, candidates=candidates, tests=tuple(tests), cells=cells)


def _judgements(apart: float, programs: dict[str, str], chance: random.Random) -> dict[str, Judgement]:
    shared = {program: chance.gauss(0, math.sqrt(0.5)) for program in sorted(set(programs.values()))}
    said = {}
    for name, program in programs.items():
        log_odds = (apart if _right(program) else -apart) / 2 + shared[program]
        log_odds += chance.gauss(0, math.sqrt(0.5))
        said[name] = Judgement(1 / (1 + math.exp(-log_odds)), "log-probabilities")
    return said


def _with_opinions(
    evidence: Evidence, opinion: float, right: dict[str, bool], chance: random.Random
) -> Evidence:
    def prefer(one: str, other: str) -> str:
        if right[one] == right[other]:
            return chance.choice((one, other))
        better, worse = (one, other) if right[one] else (other, one)
        return better if chance.random() < opinion else worse

    while pairs := open_pairs(evidence, 2):
        played = [Match(a, b, prefer(a, b)) for one, two in pairs for a, b in ((one, two), (two, one))]
        evidence = replace(evidence, matches=(*evidence.matches, *played))
    shown = top_shortlist(evidence)
    winner = shown[0] if shown else None
    for rival in shown[1:]:
        winner = prefer(winner, rival) if winner else None
    return replace(evidence, machine=MachineChoice(winner, "", shown))


def _signals(right: bool, chance: random.Random) -> Signals:
    ended = chance.random() < (0.9 if right else 0.75)
    doubt = "unsure" if chance.random() < (0.1 if right else 0.2) else ""
    return Signals(
        "finished" if ended else "step limit", max(1, int(chance.gauss(20 if right else 24, 8))), doubt
    )


USUAL = (
    World("existing tests only"),
    World("existing tests that say little", wrong_breaks=0.15),
    World("existing tests that say much", right_breaks=0.05, wrong_breaks=0.8),
    World("existing tests, nobody agrees", same_right=0.0, same_wrong=0.0),
    World("existing tests, wrong ones agree as often", same_right=0.25, same_wrong=0.5),
    World("existing tests, likeness says nothing", alike=0.0),
    World("poor generated tests", valid=0.2),
    World("generated tests", valid=0.4),
    World("good generated tests", valid=0.8, lenient=0.15),
    World("generated tests, hard issues", valid=0.4, right=0.15),
    World("poor judge", valid=0.4, judge=0.3),
    World("judge", valid=0.4, judge=1.0),
    World("good judge", valid=0.4, judge=2.0),
    World("judge alone", wrong_breaks=None, judge=1.0),
    World("everything, poor", valid=0.2, judge=0.3, opinion=0.55, trajectories=True),
    World("everything", valid=0.4, judge=1.0, opinion=0.65, trajectories=True),
    World("everything, good", valid=0.8, lenient=0.15, judge=2.0, opinion=0.8, trajectories=True),
    World("everything, wrong ones agree", valid=0.4, judge=1.0, opinion=0.65, same_right=0.1, same_wrong=0.8),
)
"""Where no kind of evidence is worth all the others together."""

ONE_SIDED = (
    World("a judge that knows, tests that do not", valid=0.1, judge=5.0, wrong_breaks=0.1),
    World("a selector that knows, tests that do not", valid=0.1, judge=0.0, opinion=0.97, wrong_breaks=0.1),
    World("a judge that knows nothing", valid=0.8, lenient=0.05, judge=0.0),
    World(
        "all agree on one mistake", valid=None, same_right=0.0, same_wrong=1.0, alike=0.0, wrong_breaks=0.6
    ),
    World("existing tests, wrong ones agree", same_right=0.1, same_wrong=0.8),
    World("generated tests, wrong ones agree", valid=0.4, same_right=0.1, same_wrong=0.8),
    World("existing tests are wrong", right_breaks=0.5, wrong_breaks=0.2),
)
"""Where one kind is worth all others, or speaks for the wrong ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One strategy in one world. ahead: `winnow`'s share of resolved issues less its, paired."""

    strategy: str
    resolved: float
    ahead: Estimate


def shares(issue: Weighable, weights: Weights = DEFAULT) -> dict[str, float]:
    """By strategy whether it is right; where its rule leaves several, the share of them that is."""
    return {
        name: by_lot(name, rank(issue.evidence), issue.evidence, issue.grades)
        for name, rank in strategies_with(weights).items()
    }


def outcomes(rows: Sequence[dict[str, float]], resamples: int = 500) -> list[Outcome]:
    """Every strategy on the issues whose shares these are."""
    differences = [[row[OURS] - other for other in row.values()] for row in rows]
    samples = resampled_means(differences, resamples, SEED)
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return [
        Outcome(name, mean, estimate(means[OURS] - mean, [sample[place] for sample in samples]))
        for place, (name, mean) in enumerate(means.items())
    ]


def main(many: int) -> None:
    for world in (*USUAL, *ONE_SIDED):
        found = list(issues(world, many))
        rows = sorted(outcomes([shares(issue) for issue in found]), key=lambda row: -row.resolved)
        covered = sum(any(issue.grades.values()) for issue in found) / many
        ours = next(row for row in rows if row.strategy == OURS)
        best = next(row for row in rows if row.strategy != OURS)
        ranked = [(issue, strategy(OURS)(issue.evidence)) for issue in found]
        sure = [
            (with_confidence(r, i.evidence).confidence or 0.0, i.grades[r.chosen or ""]) for i, r in ranked
        ]
        reliable = reliability(sure)
        print(
            f"{world.name:42} oracle {covered:.0%}  winnow {ours.resolved:.1%} (says "
            f"{sum(said for said, _ in sure) / many:.0%}, Brier {reliable.brier if reliable else 0:.3f})  best other "
            f"{best.strategy} {best.resolved:.1%}, winnow is better by {best.ahead.value:+.1%} "
            f"[{best.ahead.low:+.1%}, {best.ahead.high:+.1%}]"
        )
        print("    " + ", ".join(f"{row.strategy} {row.resolved:.0%}" for row in rows), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
