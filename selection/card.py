"""A card on one choice that a reviewer reads in a minute: what speaks for the patch, what was not tested. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from agent import Run
from environments import patch_warning, visible_line

from .confidence import weigh
from .evidence import FACTS, JUDGE, KINDS, UNFIXED, Cases, Evidence, Ranking, Test
from .features import FEATURES, features_of
from .names import id_order
from .rates import gated
from .strategies.missing import missing
from .test_quality import qualities
from .votes import counting, passes
from .weights import DEFAULT, Weights

RIVALS = 2
"""Runners-up that a card shows."""
TOLD = 5
"""Tests, or broken tests, that a list names before it says how many more there are."""
CASES = 3
"""Reproduction cases that a line names."""
_CELL = 28
"""Characters of a cell's line: three columns and the kinds' names fit a terminal of 120."""
_TITLES = {JUDGE: "judge: P(right)", "trajectories": "how the patches were made"}
_WIDTH = 120
"""Characters of a line."""
_SAID = 80
"""Characters of a test's last line of output that are shown."""


@dataclass(frozen=True, slots=True)
class Card:
    """head: what is chosen and how sure that is. why: the strategy's words. patch: what it changes, a phrase.

    columns: the chosen one (or the best, where none is chosen), then runners-up with another patch. rows: a kind of
    evidence, and what it says of each. tests: what single tests say where it matters. doubts: what speaks against the
    choice. untested: what nobody looked at.
    """

    head: str
    why: str
    patch: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tests: tuple[str, ...]
    doubts: tuple[str, ...]
    untested: tuple[str, ...]


def card_of(evidence: Evidence, ranking: Ranking, weights: Weights = DEFAULT) -> Card | None:
    """The card of a ranking; None where there is no candidate."""
    if not ranking.order:
        return None
    best = ranking.order[0].candidate
    columns = (best, *_rivals(best, ranking, evidence))
    sure = ranking.confidence
    if sure is None:
        sure = weigh(evidence, weights)[best].probability
    head = (
        f"{ranking.chosen} is chosen, {sure:.0%} sure"
        if ranking.chosen
        else f"nothing is chosen; {best} is next"
    )
    return Card(
        head=head + (" (by priors, not fitted to graded runs)" if not weights.data else ""),
        why=ranking.why,
        patch=_patch(best, evidence),
        columns=columns,
        rows=_rows(columns, evidence),
        tests=_tests(columns, evidence),
        doubts=_doubts(best, evidence, weights),
        untested=_untested(best, evidence),
    )


def card_text(card: Card, *, choice: bool = True) -> str:
    """The card as plain text, in columns, without the patch itself. choice: whether why it is chosen is in it."""
    lines = [
        visible_line(card.head),
        *(_wrapped("  ", card.why) if choice else []),
        *_wrapped("  ", f"patch: {card.patch}"),
        "",
    ]
    lines += _table([("", *card.columns), *card.rows])
    for title, said, none in (
        ("tests that tell (the unfixed code fails them)", card.tests, "none tells these apart"),
        ("against it", card.doubts, "nothing found"),
        ("not tested", card.untested, "nothing found"),
    ):
        lines += ["", f"  {title}:", *(part for line in said or (none,) for part in _wrapped("  - ", line))]
    return "\n".join(lines)


def _wrapped(begin: str, text: str) -> list[str]:
    """Lines of a terminal's width, further ones below the first one's words; a long word (a path) is left whole."""
    return wrap(
        visible_line(text),
        _WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns, cells wrapped."""
    wrapped = [[wrap(visible_line(cell), _CELL) or [""] for cell in row] for row in rows]
    widths = [max(len(line) for row in wrapped for line in row[i]) for i in range(len(rows[0]))]
    lines = []
    for row in wrapped:
        for parts in zip_longest(*row, fillvalue=""):
            cells = [part.ljust(width) for part, width in zip(parts, widths, strict=True)]
            lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _rivals(best: str, ranking: Ranking, evidence: Evidence) -> list[str]:
    patches = {candidate.id: candidate.patch for candidate in evidence.candidates}
    seen, rivals = {patches[best], ""}, []
    for ranked in ranking.order[1:]:
        if patches[ranked.candidate] not in seen:
            seen.add(patches[ranked.candidate])
            rivals.append(ranked.candidate)
    return rivals[:RIVALS]


def _patch(name: str, evidence: Evidence) -> str:
    facts = evidence.facts.get(name)
    if facts is None:
        size = next(len(c.patch.splitlines()) for c in evidence.candidates if c.id == name)
        return f"{size} lines of diff"
    files = _some(facts.files)
    tests = f"; test files among them: {_some(facts.tests)}" if facts.tests else "; no test file among them"
    return f"+{facts.added} -{facts.removed} lines in {files}{tests}"


def _rows(columns: Sequence[str], evidence: Evidence) -> tuple[tuple[str, ...], ...]:
    found = features_of(evidence)
    return tuple(
        (_TITLES.get(kind, kind), *(_cell(kind, found[name][kind].said) for name in columns))
        for kind in FEATURES
        if all(kind in found[name] for name in columns)
    )


def _cell(kind: str, said: str) -> str:
    """Without what the row's title says already."""
    return said.removeprefix(f"the {kind} says ").replace(f" of the {kind}", "").replace(f" {kind}", "")


def _tests(columns: Sequence[str], evidence: Evidence) -> tuple[str, ...]:
    """Generated tests that the columns do not agree on, or that the first of them fails; the unfixed code fails all."""
    lines = []
    for test in counting(evidence)[0]:
        runs = {name: evidence.cells.get((name, test.id)) for name in columns}
        good = {name: passes(run) for name, run in runs.items()}
        if len(set(good.values())) > 1 or not good[columns[0]]:
            passing = next((run for name, run in runs.items() if run and good[name]), None)
            said = "; ".join(f"{name} {_outcome(runs[name], passing)}" for name in columns)
            lines.append(f"{test.id}{_written(test)}: {said}")
    return _first([*lines, *_cases(columns, evidence)])


def _cases(columns: Sequence[str], evidence: Evidence) -> list[str]:
    """Reproduction cases that some column resolves and another does not, by file, with those that do not."""
    lines = []
    for each in evidence.reproductions:
        runs = {name: each.runs.get(name) for name in columns}
        cases = [
            case for case in gated(each.id, evidence) if any(_resolves(run, case) for run in runs.values())
        ]
        left = {name: [case for case in cases if not _resolves(run, case)] for name, run in runs.items()}
        said = [
            f"{name} was not run"
            if runs[name] is None
            else f"{name} does not resolve {_some(left[name], CASES)}"
            for name in columns
            if left[name]
        ]
        if said:
            lines.append(f"{each.id}: {'; '.join(said)}")
    return lines


def _resolves(cases: Cases | None, case: str) -> bool:
    return cases is not None and cases.outcomes.get(case) == "resolved"


def _written(test: Test) -> str:
    return " (written to tell leaders apart)" if test.origin == "distinguishing" else ""


def _outcome(run: Run | None, passing: Run | None) -> str:
    """How a run ended, with the line of its output that a passing one does not have; else its last line."""
    if run is None:
        return "not run"
    if passes(run):
        return "passes"
    lines = [line.strip() for line in run.output.splitlines() if line.strip()]
    known = {line.strip() for line in passing.output.splitlines()} if passing else set(lines)
    told = next((line for line in lines if line not in known), lines[-1] if lines else "")
    if told.startswith("Traceback"):
        told = lines[-1]
    said = f": {told[:_SAID]}" if told else ""
    return f"fails (exit {run.exit_code}{'' if run.ended == 'exited' else ', ' + run.ended}){said}"


def _doubts(name: str, evidence: Evidence, weights: Weights) -> tuple[str, ...]:
    against = [said for _, added, said in weigh(evidence, weights)[name].parts if added < 0]
    found = evidence.regressions.get(name)
    if found is not None and found.broken:
        against.append(f"existing tests that it breaks: {_some(found.broken)}")
        if found.touched:
            against.append(f"it changes the files of {len(found.touched)} of these itself")
    signals = evidence.signals.get(name)
    if signals is not None and signals.doubt:
        against.append(f"the attempt's own words: {signals.doubt}")
    if signals is not None and signals.flags:
        against.append(f"audit: {', '.join(signals.flags)}")
    patch = next((c.patch for c in evidence.candidates if c.id == name), "")
    if warning := patch_warning(patch):
        against.insert(0, warning)
    return tuple(against)


def _untested(name: str, evidence: Evidence) -> tuple[str, ...]:
    lines = list(missing(evidence, [kind for kind in KINDS if kind != FACTS]))
    lines += [
        f"{_TITLES.get(what, what)}: {why}"
        for what, why in sorted(evidence.gaps.items())
        if what not in KINDS
    ]
    found = evidence.regressions.get(name)
    if found is not None and found.error:
        lines.append(f"existing tests: {found.error}")
    if evidence.existing is not None:
        if evidence.existing.files:
            lines.append(f"the other existing tests; run were {evidence.existing.found}")
        if evidence.existing.flaky:
            lines.append(f"flaky existing tests, which count for nothing: {_some(evidence.existing.flaky)}")
    if evidence.machine is not None and evidence.machine.winner is None and not evidence.selectors:
        lines.append(f"selection machine: it names none ({evidence.machine.reason})")
    among, _ = counting(evidence)
    not_run = [test.id for test in among if (name, test.id) not in evidence.cells]
    if not_run:
        lines.append(f"not run on {name}: {_some(not_run)}")
    idle = [
        f"{test} ({quality.reason})" for test, quality in qualities(evidence).items() if not quality.counts
    ]
    if idle:
        lines.append(f"generated tests that say nothing: {_some(sorted(idle, key=id_order))}")
    once = [test.id for test in among if (UNFIXED, test.id) not in evidence.repeats]
    if once:
        lines.append(
            f"whether {len(once)} generated tests are deterministic: they were run once on the unfixed code"
        )
    return tuple(lines)


def _first(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(lines[:TOLD]) + ((f"and {len(lines) - TOLD} more",) if len(lines) > TOLD else ())


def _some(names: Sequence[str], most: int = TOLD) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"
