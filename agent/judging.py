"""A judge: a model says YES or NO about something that it is shown, and how likely YES is counts.

One thing wherever it is asked: of a finished patch (selection), or of a step on the way to one (phases).
Source: R2E-Gym's execution-free verifier, whose score is P(YES) / (P(YES) + P(NO)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models import Choice, Message, Model, ModelError, Reply, Request, estimate_tokens

from .answers import says_yes, yes_by_logprobs
from .candidate import Ending
from .endings import Stopped, ending_of
from .grammar import words_form

JUDGE_TOKENS = 1024
"""Output tokens of an answer: one word, and room for a thought that some models have before it."""
_TOP = 20
"""Alternatives of a token that are asked for: the most that OpenAI's interface gives."""
_FORM = words_form("YES", "NO")


@dataclass(frozen=True, slots=True)
class Verdict:
    """P(YES) between 0 and 1. how: by the log-probabilities of the answer, or the share of YES in `samples` answers."""

    yes: float
    how: Literal["log-probabilities", "samples"]
    samples: int = 1


async def judge(
    model: Model, opening: str, question: str, *, at: str, samples: int, window: int
) -> Verdict | None:
    """Ask one judge; None where it answers neither YES nor NO.

    opening: all that it is shown. question: to be answered with YES or NO. samples: answers in all, where the server
    gives no log-probabilities. window: of the model, in tokens. Raises Stopped, the world's errors and the user's.
    """
    messages = (Message("system", opening, cache=True), Message("user", question))
    # At temperature 1 a sample, and a server's log-probabilities, are the model's own distribution.
    first = Request(messages, temperature=1.0, max_tokens=JUDGE_TOKENS, logprobs=_TOP, form=_FORM)
    reply = await ask(model, first, at, window)
    if (yes := yes_by_logprobs(reply.choices[0])) is not None:
        return Verdict(yes, "log-probabilities")
    choices: list[Choice] = list(reply.choices[:1])
    for _ in range(samples - 1):
        missing = samples - len(choices)
        if not missing:
            break
        more = Request(messages, temperature=1.0, max_tokens=JUDGE_TOKENS, n=missing, form=_FORM)
        choices += (await ask(model, more, at, window)).choices[:missing]
    answers = [answer for choice in choices if (answer := says_yes(choice.message.content)) is not None]
    if not answers:
        return None
    return Verdict(sum(answers) / len(answers), "samples", len(answers))


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
