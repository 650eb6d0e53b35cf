"""The judge: how likely a patch is right by a model that reads the issue, the trajectory and the patch. Nothing is run.

Source: R2E-Gym, execution-free verifier, whose score is P(YES) / (P(YES) + P(NO)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent import (
    JUDGE_TOKENS,
    Candidate,
    Stopped,
    cut_middle,
    judge,
    shown_file,
    shown_issue,
    together,
)
from environments import Task
from models import Model

from .applying import Changed
from .evidence import Judgement
from .material import original_files, render
from .settings import SelectionSettings
from .trajectory import Trajectory, shown_trajectory

AT = "execution-free"


async def judge_candidates(
    model: Model,
    task: Task,
    candidates: Sequence[Candidate],
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    trajectories: Mapping[str, Trajectory] | None = None,
) -> tuple[Mapping[str, Judgement], str]:
    """(P(YES) by candidate id, why some are missing).

    Each candidate that has a patch is judged by itself; those with one patch and one trajectory are asked once. Where
    the server gives no log-probabilities, the same is asked `judge_samples` times in all and answers are counted.
    Raises the world's errors and the user's.
    """
    asked: dict[str, list[str]] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.id):
        if candidate.patch.strip():
            trajectory = (trajectories or {}).get(candidate.id, Trajectory())
            asked.setdefault(
                opening_of(task, candidate, trajectory, changed, settings, "judge_system"), []
            ).append(candidate.id)

    async def one(opening: str, name: str) -> Judgement | str:
        try:
            return await _judge(model, opening, settings, f"{AT}/{name}")
        except Stopped as stop:
            return str(stop)

    words = await together([one(opening, names[0]) for opening, names in asked.items()])
    found: dict[str, Judgement] = {}
    missing = ""
    for names, word in zip(asked.values(), words, strict=True):
        if isinstance(word, Judgement):
            found.update(dict.fromkeys(names, word))
        else:
            missing = missing or word
    return found, missing


def opening_of(
    task: Task,
    candidate: Candidate,
    trajectory: Trajectory,
    changed: Mapping[str, Changed | None],
    settings: SelectionSettings,
    template: str,
) -> str:
    """A prompt about one candidate. The trajectory gets what room the window leaves beside issue, files and patch.

    The files that the patch changes are shown besides (R2E-Gym's input is issue, trajectory and patch, but the
    trajectories of its agent hold the files that were looked at; ours leave out what all attempts were shown).
    """
    issue = shown_issue(task.issue, settings.issue_chars)
    patch = cut_middle(shown_file(candidate.patch), settings.diff_chars)
    # Three characters a token is on the safe side of what code takes.
    room = 3 * (settings.context_window - (settings.max_tokens or 0) - JUDGE_TOKENS) - len(issue) - len(patch)
    paths = sorted(changed.get(candidate.id) or {})
    files = original_files(task, paths, min(settings.files_chars, max(0, room // 2)))
    room -= sum(len(shown or "") for _, shown, _ in files)
    limit = max(0, min(settings.trajectory_chars, room))
    text = shown_trajectory(trajectory, limit) if limit and trajectory.turns else ""
    return render(template, issue=issue, files=files, trajectory=text, patch=patch)


async def _judge(model: Model, opening: str, settings: SelectionSettings, at: str) -> Judgement | str:
    said = await judge(
        model,
        opening,
        render("judge_question"),
        at=at,
        samples=settings.judge_samples,
        window=settings.context_window,
    )
    if said is None:
        return "the judge answered neither YES nor NO"
    return Judgement(said.yes, said.how, said.samples)
