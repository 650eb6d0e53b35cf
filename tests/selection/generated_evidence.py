"""Evidence of every kind with gaps, ties and twins, for the properties of strategies."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from agent import Candidate, Run, Script
from selection import (
    UNFIXED,
    Cases,
    Evidence,
    Judgement,
    MachineChoice,
    Match,
    PatchFacts,
    Regression,
    Reproduction,
    Signals,
    Test,
)

DIFF = "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,0 +1,1 @@\n+"
PATCHES = ("", "short", "longer patch", "another one", "the longest patch of them all", "x", "y",
           DIFF + "a b", DIFF + "a b c d", DIFF + "b c", DIFF + "c")  # fmt: skip
CODES = (0, 0, 1, 2, 2, 137)
REGRESSIONS = (
    Regression(known=9, passed=9),
    Regression(known=9, passed=9),
    Regression(("t::a",), 8, 9),
    Regression(("t::a", "t::b"), 7, 9),
    Regression(error="x"),
)
ENDS = ("finished", "step limit")
SHARES = (0.1, 0.5, 0.5, 0.9)
OUTCOMES = ("reproduced", "resolved", "other")


@st.composite
def evidence(draw: st.DrawFn, least: int = 0, most: int = 7) -> Evidence:
    """Ids in which 10 must stand after 2, a machine and a judge that may be wrong, and of everything only some."""
    chance = draw(st.randoms(use_true_random=False))
    numbers = chance.sample(range(1, 13), chance.randint(least, most))
    candidates = tuple(Candidate(f"attempt-{i}", chance.choice(PATCHES)) for i in numbers)
    names = [candidate.id for candidate in candidates]
    some = lambda share=0.85: [name for name in names if chance.random() < share]  # noqa: E731
    gathered = lambda: chance.random() < 0.7  # noqa: E731
    tests = tuple(Test(f"test-{i}", Script("sh", str(i))) for i in range(chance.randint(0, 4)))
    cells = {
        (UNFIXED, test.id): Run(chance.choice((2, 2, 2, 0, 1)), "") for test in tests if chance.random() < 0.9
    }
    texts, ends = ("", "ImportError"), ("exited",) * 3 + ("timeout",)
    run = lambda: Run(chance.choice(CODES), chance.choice(texts), chance.choice(ends))  # noqa: E731
    cells |= {(name, test.id): run() for test in tests for name in some()}
    case = lambda: Cases({str(i): chance.choice(OUTCOMES) for i in range(3)})  # noqa: E731
    reproductions = tuple(
        Reproduction(f"cases-{i}", Script("sh", ""), {name: case() for name in [UNFIXED, *some()]})
        for i in range(chance.randint(0, 2))
    )
    pairs = [(a, b) for a in names for b in names if a != b]
    machine = None
    if names and gathered():
        machine = MachineChoice(chance.choice((None, *names)), "because", tuple(some(0.6)))
    return Evidence(
        candidates=candidates,
        tests=tests,
        applies={name: chance.random() < 0.85 for name in some(0.95)},
        cells=cells,
        regressions={name: chance.choice(REGRESSIONS) for name in some(0.9)} if gathered() else {},
        machine=machine,
        reproductions=reproductions,
        judgements={name: Judgement(chance.choice(SHARES), "samples", 4) for name in some()} if gathered() else {},
        matches=tuple(
            Match(a, b, chance.choice((a, b, None)), repeat) for a, b in pairs for repeat in (1, 2)
            if chance.random() < 0.5
        ) if gathered() else (),
        selectors=tuple(
            MachineChoice(chance.choice((None, *names)), "again", tuple(names)) for _ in range(chance.randint(0, 2))
        ) if names else (),
        signals={
            name: Signals(chance.choice(ENDS), chance.randint(0, 9), chance.choice(("", "unsure"))) for name in some()
        } if gathered() else {},
        facts={
            c.id: PatchFacts(len(c.patch), 0, ("a",), chance.choice(((), (), ("a",))), c.patch[-1:])
            for c in candidates if c.patch and chance.random() < 0.9
        } if gathered() else {},
    )  # fmt: skip


def keys_of(evidence: Evidence, name: str) -> list[tuple[str, object]]:
    """The pieces of what is known of one candidate: (field, key)."""
    fields = ("applies", "regressions", "judgements", "signals", "facts")
    found: list[tuple[str, object]] = [(field, name) for field in fields if name in getattr(evidence, field)]
    found += [("cells", key) for key in sorted(evidence.cells) if key[0] == name]
    found += [("reproductions", each.id) for each in evidence.reproductions if name in each.runs]
    found += [("matches", i) for i, match in enumerate(evidence.matches) if match.winner == name]
    found += [("selectors", i) for i, choice in enumerate(evidence.selectors) if choice.winner == name]
    return found


def without(evidence: Evidence, name: str, field: str, key: object) -> Evidence:
    """Without one piece of what is known of a candidate; of what is about two, only what it won can be its own."""
    if field == "reproductions":
        kept = tuple(
            replace(each, runs={n: r for n, r in each.runs.items() if n != name}) if each.id == key else each
            for each in evidence.reproductions
        )
        return replace(evidence, reproductions=kept)
    value = getattr(evidence, field)
    if field in ("matches", "selectors"):
        return replace(evidence, **{field: tuple(v for i, v in enumerate(value) if i != key)})
    return replace(evidence, **{field: {k: v for k, v in value.items() if k != key}})


def without_all(evidence: Evidence, name: str) -> Evidence:
    """Without all that is known of a candidate."""
    for field, key in reversed(keys_of(evidence, name)):
        evidence = without(evidence, name, field, key)
    return evidence


def with_twin(evidence: Evidence, original: Candidate, twin: str) -> Evidence:
    """A further candidate with the same patch, of which the same is known; the selector was not shown it."""
    name = original.id
    keyed = {
        field: {**value, twin: value[name]} if name in value else value
        for field in ("applies", "regressions", "judgements", "signals", "facts")
        for value in [getattr(evidence, field)]
    }
    return replace(
        evidence,
        **keyed,
        candidates=(*evidence.candidates, replace(original, id=twin)),
        cells={**evidence.cells, **{(twin, t): run for (n, t), run in evidence.cells.items() if n == name}},
        reproductions=tuple(
            replace(each, runs={**each.runs, twin: each.runs[name]}) if name in each.runs else each
            for each in evidence.reproductions
        ),
    )
