"""Making room in a conversation of tool calls: old observations are cut, the longest first. A pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models import Message, estimate_tokens

from .normalising import cut_middle

SHORT = 400
"""Characters that are left of a cut observation: its head, and its tail, where commands say how they ended."""


def condense(
    messages: Sequence[Message], observations: Sequence[int], tokens: int, keep_last: int
) -> tuple[list[Message], int]:
    """(the messages with observations cut so that about `tokens` tokens are freed, how many are).

    observations: indices of the messages that are some, in order. The first stays (R2E-Gym), since it shows what the
    attempt started from, and so do the last `keep_last`. The longest are cut first; of those, early ones are spared
    where the others do, so that as much of the prefix as possible stays what servers have in their caches.
    """
    gains = {
        i: estimate_tokens(messages[i].content) - estimate_tokens(cut_middle(messages[i].content, SHORT))
        for i in observations[1 : len(observations) - keep_last]
    }
    cut: list[int] = []
    freed = 0
    for i in sorted(gains, key=lambda i: (-gains[i], -i)):
        if freed >= tokens or gains[i] <= 0:
            break
        cut.append(i)
        freed += gains[i]
    for i in sorted(cut):
        if freed - gains[i] < tokens:
            break
        cut.remove(i)
        freed -= gains[i]
    shorter = [
        replace(message, content=cut_middle(message.content, SHORT)) if i in cut else message
        for i, message in enumerate(messages)
    ]
    return shorter, freed
