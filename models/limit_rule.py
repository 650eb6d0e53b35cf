"""How many calls may be in flight: the arithmetic alone, told of calls and times, knowing no event loop.

Two kinds of server say "too many" in two ways.

*Those that refuse* (429): additive increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989). The limit is
halved on a refusal, once for all the calls that were in flight together, and grows by one (a tenth, where it is large)
after each window of successes. Before the first sign of trouble it doubles instead (slow start).

*Those that queue* (vLLM, Ollama, llama.cpp) never refuse; calls take longer until they time out. TCP Vegas
(Brakmo and Peterson, 1995) and Netflix's concurrency-limits ("gradient", 2018) compare the present round trip with the
best one seen. For language models the round trip alone misleads twice: it depends on the length of the answer, so it
is taken per token; and it grows with the batch while the server is still gaining from it. So the rule asks for both
signs: time per token well beyond the best, and a throughput (tokens a second over all calls) which no longer rises.
Then the limit shrinks by the gradient, best over present, at most to half; with a milder slow-down it stays.
"""

from __future__ import annotations

_SLOW = 2.0
"""Time per token over the best, from which on the limit shrinks where throughput does not rise."""
_SLOWER = 1.5
"""The same, from which on it stays."""
_RISING = 1.1
"""Throughput over the best before, from which on it counts as rising."""
_FADE = 1.02
"""By how much the best time and the best throughput are forgotten in each window, so that a server which became
slower for good, or prompts which became longer, are learnt again."""
_SMALLEST_WINDOW = 4
_PROMPT_SHARE = 0.05
"""A prompt token's work over a generated token's: prompts are read in parallel, 10 to 50 times as fast."""


def work(prompt: int, cached: int, completion: int) -> float:
    """A call's work in generated tokens; at least one."""
    return max(1.0, completion + _PROMPT_SHARE * max(0, prompt - cached))


class LimitRule:
    """The limit as it stands. start and most: calls in flight; times in seconds on any one clock."""

    def __init__(self, start: int = 16, most: int = 256):
        self.limit = float(max(1, min(start, most)))
        self.most = max(1, most)
        self._slow_start = True
        self._decreased = float("-inf")
        self._best_pace: float | None = None
        self._best_rate = 0.0
        self._open_window(float("-inf"))

    def succeeded(self, started: float, now: float, done: float, in_flight: int) -> None:
        """A call begun at `started` ended well at `now`, with `done` work (see `work`), itself among `in_flight`."""
        if self._begun == float("-inf"):
            self._begun = started
        self._done += done
        self._calls += 1
        self._full += in_flight >= 0.9 * int(self.limit)
        if started >= self._begun:  # Older calls tell of the limit before.
            self._fresh += 1
            self._fresh_seconds += now - started
            self._fresh_done += done
        if self._fresh >= max(_SMALLEST_WINDOW, int(self.limit)):
            self._close_window(now)

    def refused(self, started: float, now: float, in_flight: int) -> None:
        """A call begun at `started` was refused, or got no answer in time."""
        if started <= self._decreased:
            return  # It was on its way when the limit was halved.
        self._shrink(0.5, now, in_flight)

    def _close_window(self, now: float) -> None:
        pace = self._fresh_seconds / self._fresh_done
        rate = self._done / max(now - self._begun, 1e-9)
        full = self._full >= self._calls / 2
        rising = rate > _RISING * self._best_rate
        slower = pace / self._best_pace if self._best_pace else 1.0
        self._best_pace = min(pace, self._best_pace * _FADE) if self._best_pace else pace
        if full:
            self._best_rate = max(rate, self._best_rate / _FADE)
        if full and not rising and slower > _SLOW:
            self._shrink(max(0.5, _SLOW / slower), now, int(self.limit))
        elif full and not rising and slower > _SLOWER:
            self._slow_start = False
        elif full:  # A limit that nobody fills says nothing about the server: it does not grow.
            step = self.limit if self._slow_start else max(1.0, self.limit / 10)
            self.limit = min(float(self.most), self.limit + step)
        self._open_window(now)

    def _shrink(self, factor: float, now: float, in_flight: int) -> None:
        self._slow_start = False
        self._decreased = now
        self.limit = max(1.0, min(self.limit, max(1, in_flight)) * factor)
        self._open_window(now)

    def _open_window(self, now: float) -> None:
        self._begun = now
        self._done = self._fresh_done = self._fresh_seconds = 0.0
        self._calls = self._full = self._fresh = 0
