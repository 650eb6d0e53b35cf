"""Matches: two candidates compared by their summaries, with the sides swapped, as often as the tournament asks for.

Source: Recursive Tournament Voting, arXiv 2604.16529. Who meets whom is the strategy's own bracket (`open_pairs`), so
that exactly what it looks at is gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent import Candidate, Conversation, ReplyError, Stopped, cut_middle, shown_file, shown_issue, together
from environments import Task
from models import Message, Model

from .applying import Changed
from .decision import decision_form, read_reply
from .evidence import Evidence, Match, Summary
from .material import original_files, render, unlabelled
from .settings import SelectionSettings
from .strategies.tournament import open_pairs

AT = "match"
_CALLS = 2
"""Of one comparison: a reply that cannot be used is sent back once."""


async def play_tournament(
    model: Model,
    task: Task,
    evidence: Evidence,
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    done: Callable[[int], None] | None = None,
) -> tuple[tuple[Match, ...], str]:
    """(all matches, those that were there first; why it was not played to its end).

    Round by round, until the bracket has a winner. Raises the world's errors and the user's.
    """
    comparisons = 2 * settings.match_repeats
    by_id = {candidate.id: candidate for candidate in evidence.candidates}
    while pairs := open_pairs(evidence, comparisons):
        try:
            played = await together(
                [
                    _compare(
                        model,
                        task,
                        (by_id[first], by_id[second]),
                        evidence.summaries,
                        changed,
                        settings,
                        repeat,
                    )
                    for first, second, repeat in _missing(evidence.matches, pairs, settings.match_repeats)
                ]
            )
        except Stopped as stop:
            return evidence.matches, str(stop)
        if not played:
            break
        evidence = replace(evidence, matches=(*evidence.matches, *played))
        if done:
            done(len(evidence.matches))
    return evidence.matches, ""


def _missing(
    matches: Sequence[Match], pairs: Sequence[tuple[str, str]], repeats: int
) -> list[tuple[str, str, int]]:
    """(first, second, repeat) of the comparisons that there are not yet: each repeat from both sides."""
    there = {(match.first, match.second, match.repeat) for match in matches}
    wanted = [
        (*sides, repeat)
        for one, other in pairs
        for repeat in range(1, repeats + 1)
        for sides in ((one, other), (other, one))
    ]
    return [each for each in wanted if each not in there]


async def _compare(
    model: Model,
    task: Task,
    pair: tuple[Candidate, Candidate],
    summaries: Mapping[str, Summary],
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    repeat: int,
) -> Match:
    """One comparison. A reply that cannot be used twice is a tie, and the reason says so. Raises Stopped."""
    first, second = pair
    labels = dict(zip("AB", pair, strict=True))
    paths = sorted({path for candidate in pair for path in changed.get(candidate.id) or {}})
    opening = render(
        "match_system",
        issue=shown_issue(task.issue, settings.issue_chars),
        files=original_files(task, paths, settings.files_chars),
        sides=[
            (label, summaries.get(c.id), cut_middle(shown_file(c.patch), settings.diff_chars))
            for label, c in labels.items()
        ],
    )
    talk = Conversation(
        model,
        f"{AT}/{first.id}/{second.id}/{repeat}",
        settings.for_conversation(settings.match_temperature),
        _CALLS,
        Message("system", opening),
    )
    talk.tell(render("match_begin"))
    while True:
        reply = await talk.ask(decision_form(labels, tests=False))
        try:
            decision = read_reply(reply, list(labels), tests=False)
        except ReplyError as error:
            if not talk.left:
                return Match(first.id, second.id, None, repeat, f"no reply could be used: {error}")
            talk.mend(str(error))
            continue
        winner = labels[decision.label].id if decision.label else None  # type: ignore[union-attr]
        return Match(first.id, second.id, winner, repeat, unlabelled(decision.reason, labels))  # type: ignore[union-attr]
