"""YES or NO as a probability, from what a model generated or might have generated there instead. Pure.

Source: R2E-Gym's execution-free verifier, P(YES) / (P(YES) + P(NO)). Unlike it, no position or token is taken for
granted: the answer is found by its text, and every tokenisation of a label that begins there is summed ("YES", " Yes",
"Y" + "ES").
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from models import Choice, TokenLogprob

_LABELS = ("YES", "NO")
_DRESS = " \t\r\n*_`\"'<>()[]{}:.,!-#=|/\\"
"""Characters around a label that do not matter."""


def yes_by_logprobs(choice: Choice) -> float | None:
    """P(YES) at the place of the answer; None where there are no log-probabilities, or no answer in them."""
    tokens = _after_thought(choice.logprobs or ())
    at = _answer_at(tokens)
    if at is None:
        return None
    alternatives = dict(tokens[at].top)
    alternatives.setdefault(tokens[at].token, tokens[at].logprob)
    mass = {label: 0.0 for label in _LABELS}
    for token, logprob in alternatives.items():
        if label := _begins(token):
            mass[label] += math.exp(logprob)
    whole = sum(mass.values())
    return mass["YES"] / whole if whole else None


def says_yes(text: str) -> bool | None:
    """Whether an answer is YES: by its first whole word that is one of the two; None where it has neither."""
    match = re.search(r"\b(YES|NO)\b", text) or re.search(r"\b(yes|no)\b", text, re.IGNORECASE)
    return None if match is None else match[1].upper() == "YES"


def _after_thought(tokens: Sequence[TokenLogprob]) -> Sequence[TokenLogprob]:
    """Without a thought before the answer, which some servers give among the tokens."""
    text, after = "", 0
    for i, token in enumerate(tokens):
        text = (text + token.token)[-40:]
        if "</think>" in text:
            text, after = "", i + 1
    return tokens[after:]


def _answer_at(tokens: Sequence[TokenLogprob]) -> int | None:
    """The first token with which a label begins as a word of its own."""
    before = ""
    for i, token in enumerate(tokens):
        said = "".join(each.token for each in tokens[i : i + 6]).lstrip(_DRESS).upper()
        inside_word = before[-1:].isalnum() and token.token[:1].isalnum()
        if token.token.strip(_DRESS) and not inside_word and re.match(r"(?:YES|NO)(?![A-Z])", said):
            return i
        before += token.token
    return None


def _begins(token: str) -> str | None:
    """The label that a token is, or begins: "Y" and "Yes" begin YES, "NO," is NO, "Not" is neither."""
    text = token.strip(_DRESS).upper()
    for label in _LABELS:
        if text and (label.startswith(text) or re.match(rf"{label}(?![A-Z])", text)):
            return label
    return None
