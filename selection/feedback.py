"""What is known of a candidate, as a text that a model may be shown: reasons first, then what tests printed. Pure."""

from __future__ import annotations

import re

from agent import Run, cut_middle, fenced

from .evidence import UNFIXED, Evidence, Reproduction, Summary
from .rates import gated
from .votes import counting, passes
from .worth_choosing import worth

_SHOWN = 2
"""Failing tests whose output is shown: the first that a candidate fails say most of what the others would."""


def feedback_on(evidence: Evidence, candidate: str, chars: int) -> str:
    """Sentences on what the evidence says of a candidate, and what of the generated tests it does not pass.

    chars: of one output or file of cases at most; more is cut in the middle. Tests and cases that do not show the issue
    on the unfixed code say nothing, so they are not told of. Nobody is named: whoever reads it knows no ids. Raises
    KeyError for an unknown id.
    """
    found = {each.id: each for each in evidence.candidates}[candidate]
    _, reasons = worth(found, evidence)
    if len(reasons) > 1 and not counting(evidence)[0]:
        reasons = reasons[1:]  # that there is no generated test is nothing about the candidate
    parts = [". ".join(reason[0].upper() + reason[1:] for reason in reasons) + "."]
    parts += _failed_tests(evidence, candidate, chars)
    parts += [said for each in evidence.reproductions if (said := _cases(each, evidence, candidate, chars))]
    if judgement := evidence.judgements.get(candidate):
        parts.append(f"A judge that only read it thinks it right with a probability of {judgement.yes:.0%}.")
    parts += _matches(evidence, candidate)
    return "\n\n".join(parts)


def shown_summary(summary: Summary) -> str:
    """A summary as text."""
    parts = (
        ("Supposed cause", summary.hypothesis),
        ("What was done", summary.progress),
        ("What is unsure or failed", summary.failures),
        ("The patch", summary.patch),
    )
    return "\n\n".join(f"{title}: {text.strip()}" for title, text in parts if text.strip())


def _failed_tests(evidence: Evidence, candidate: str, chars: int) -> list[str]:
    failed = [
        (test, run)
        for test in counting(evidence)[0]
        if (run := evidence.cells.get((candidate, test.id))) is not None and not passes(run)
    ]
    parts = []
    for test, run in failed[:_SHOWN]:
        before = evidence.cells.get((UNFIXED, test.id))
        parts.append(
            f"It does not pass this generated test:\n\n{fenced(test.script.text)}\n\n"
            f"With the patch the test {_ended(run)}:\n\n{fenced(cut_middle(run.output, chars))}"
            + (f"\n\nOn the original code it {_ended(before)}." if before is not None else "")
        )
    return parts


def _cases(each: Reproduction, evidence: Evidence, candidate: str, chars: int) -> str:
    """On one file of reproduction cases; the file is shown where the candidate does not resolve all that count."""
    cases, run = gated(each.id, evidence), each.runs.get(candidate)
    if not cases or run is None:
        return ""
    open_ = [case for case in cases if run.outcomes.get(case) != "resolved"]
    head = f"It resolves {len(cases) - len(open_)} of {len(cases)} generated reproduction cases"
    if not open_:
        return f"{head}."
    how = "; ".join(f"{case}: {run.outcomes.get(case, 'no outcome')}" for case in open_)
    error = f" Their file did not end well with the patch: {run.error}." if run.error else ""
    return (
        f"{head}. Not resolved are {how}.{error} The file:\n\n{fenced(cut_middle(each.script.text, chars))}"
    )


def _matches(evidence: Evidence, candidate: str) -> list[str]:
    """What came of comparing it with others, and why it lost."""
    patches = {each.id: each.patch for each in evidence.candidates}
    names = {name for name, patch in patches.items() if patch == patches[candidate]}
    own = [match for match in evidence.matches if (match.first in names) != (match.second in names)]
    if not own:
        return []
    lost = [match for match in own if match.winner is not None and match.winner not in names]
    won = sum(match.winner in names for match in own)
    said = [
        f"Compared with other patches by somebody who read both, it was the better one in {won} of {len(own)}."
    ]
    for reason in dict.fromkeys(match.reason for match in lost if match.reason):
        said.append(f"Why another was better: {_nameless(reason, names, patches.keys() - names)}")
    return said


def _nameless(reason: str, own: set[str], others: set[str]) -> str:
    """A reason that names no ids: "this one", "the other"."""

    def said(match: re.Match[str]) -> str:
        name = match[1]
        return "this one" if name in own else "the other" if name in others else match[0]

    return re.sub(r"\b(?:[Cc]andidate )?([\w.-]*[\w])", said, reason)


def _ended(run: Run) -> str:
    return f"exits with {run.exit_code}" if run.ended == "exited" else f"was stopped ({run.ended})"
