"""The judge: how likely a patch is right by a model that reads the issue, the trajectory and the patch. Nothing is run.

Source: R2E-Gym, execution-free verifier, whose score is P(YES) / (P(YES) + P(NO)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent import Candidate, Ending, Stopped, cut_middle, ending_of, shown_file, shown_issue, together
from environments import Task
from models import Choice, Message, Model, ModelError, Reply, Request, estimate_tokens

from .answers import says_yes, yes_by_logprobs
from .applying import Changed
from .evidence import Judgement
from .material import original_files, render
from .settings import SelectionSettings
from .trajectory import Trajectory, shown_trajectory

AT = "execution-free"
_TOP = 20
"""Alternatives of a token that are asked for: the most that OpenAI's interface gives."""
_TOKENS = 1024
"""Output tokens of an answer: one word, and room for a thought that some models have before it."""


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
    room = 3 * (settings.context_window - (settings.max_tokens or 0) - _TOKENS) - len(issue) - len(patch)
    paths = sorted(changed.get(candidate.id) or {})
    files = original_files(task, paths, min(settings.files_chars, max(0, room // 2)))
    room -= sum(len(shown or "") for _, shown, _ in files)
    limit = max(0, min(settings.trajectory_chars, room))
    text = shown_trajectory(trajectory, limit) if limit and trajectory.turns else ""
    return render(template, issue=issue, files=files, trajectory=text, patch=patch)


async def ask(model: Model, request: Request, at: str, window: int) -> Reply:
    """One call outside a conversation. Raises Stopped where the attempt's own limits end it (window, budget)."""
    needed = sum(estimate_tokens(message.content) + 8 for message in request.messages) + (
        request.max_tokens or 0
    )
    if needed > window:
        raise Stopped(Ending.CONTEXT_LIMIT, f"{at}: about {needed} tokens do not fit a window of {window}.")
    try:
        return await model.ask(request, at=at)
    except ModelError as error:
        ending = ending_of(error)
        if ending is not None and ending.is_result:
            raise Stopped(ending, str(error)) from error
        raise


async def _judge(model: Model, opening: str, settings: SelectionSettings, at: str) -> Judgement | str:
    messages = (Message("system", opening, cache=True), Message("user", render("judge_question")))
    # At temperature 1 a sample, and a server's log-probabilities, are the model's own distribution.
    request = Request(messages, temperature=1.0, max_tokens=_TOKENS, logprobs=_TOP)
    reply = await ask(model, request, at, settings.context_window)
    if (yes := yes_by_logprobs(reply.choices[0])) is not None:
        return Judgement(yes, "log-probabilities")
    choices: list[Choice] = list(reply.choices[:1])
    for _ in range(settings.judge_samples - 1):
        missing = settings.judge_samples - len(choices)
        if not missing:
            break
        more = Request(messages, temperature=1.0, max_tokens=_TOKENS, n=missing)
        choices += (await ask(model, more, at, settings.context_window)).choices[:missing]
    answers = [answer for choice in choices if (answer := says_yes(choice.message.content)) is not None]
    if not answers:
        return "the judge answered neither YES nor NO"
    return Judgement(sum(answers) / len(answers), "samples", len(answers))
