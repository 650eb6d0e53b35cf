"""How many calls may be in flight: the arithmetic alone, told of calls and times, knowing no event loop.

Two kinds of server say "too many" in two ways.

*Those that refuse* (429): additive increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989). The limit is
halved on a refusal, once for all the calls that were in flight together, and grows by one (a tenth, where it is large)
after each window of successes. Before the first sign of trouble it doubles instead (slow start).

*Those that queue* (vLLM, Ollama, llama.cpp) never refuse; calls take longer until they time out. TCP Vegas
(Brakmo and Peterson, 1995) and Netflix's concurrency-limits ("gradient", 2018) compare the present round trip with the
best one seen. For language models that misleads: a round trip depends on the length of the answer, and it grows with
the batch while the server still gains from it. So time is taken per token, and the question is whether throughput
still rises. By Little's law a server with a full limit gives limit / (seconds per token) tokens a second; this is
kept for each half doubling of the limit. Where a limit gives less than 1.15 times what half of it gave, the added
calls only wait: in slow start that ends the doubling, and a second such window halves the limit.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

_WORTH = 0.15
"""The least that a call more must add to throughput, as a share of what a call gave at about half the limit."""
_REMEMBERED = 50
"""Windows after which a throughput is forgotten: prompts get longer, other users come and go."""
_SMALLEST_WINDOW = 4
_PROMPT_SHARE = 0.05
"""A prompt token's work over a generated token's: prompts are read in parallel, 10 to 50 times as fast."""


def work(prompt: int, cached: int, completion: int) -> float:
    """A call's work in generated tokens; at least one."""
    return max(1.0, completion + _PROMPT_SHARE * max(0, prompt - cached))


class _Seen(NamedTuple):
    """A throughput (tokens a second) at a limit, and the number of the window in which it was last seen."""

    limit: int
    rate: float
    window: int


class LimitRule:
    """The limit as it stands. start and most: calls in flight; times in seconds on any one clock.

    A queue shorter than `start` is never noticed: give a small one where the server may take few calls.
    """

    def __init__(self, start: int = 16, most: int = 256):
        self.limit = float(max(1, min(start, most)))
        self.most = max(1, most)
        self._slow_start = True
        self._suspicious = False
        self._decreased = float("-inf")
        self._rates: dict[int, _Seen] = {}
        self._windows = 0
        self._open_window(float("-inf"))

    def succeeded(self, started: float, now: float, done: float, in_flight: int) -> None:
        """A call begun at `started` ended well at `now`, with `done` work (see `work`), itself among `in_flight`."""
        if started < self._begun:
            return  # It tells of the limit before.
        self._calls += 1
        self._full += in_flight >= 0.9 * int(self.limit)
        self._seconds += now - started
        self._done += done
        if self._calls >= max(_SMALLEST_WINDOW, int(self.limit)):
            self._close_window(now)

    def refused(self, started: float, now: float, in_flight: int) -> None:
        """A call begun at `started` was refused, or got no answer in time."""
        if started > self._decreased:  # Others were on their way when the limit was halved.
            self._halve(now, in_flight)

    def _close_window(self, now: float) -> None:
        full = self._full >= self._calls / 2
        if full and self._waits_in_line():
            if self._suspicious:
                self._halve(now, int(self.limit))
                return
            self._suspicious = True
            self._slow_start = False
        elif full:  # A limit that nobody fills says nothing about the server: it does not grow.
            self._suspicious = False
            step = self.limit if self._slow_start else max(1.0, self.limit / 10)
            self.limit = min(float(self.most), self.limit + step)
        self._open_window(now)

    def _waits_in_line(self) -> bool:
        """Whether this window's throughput is hardly more than that of about half the limit."""
        self._windows += 1
        now = int(self.limit)
        rate = now * self._done / max(self._seconds, 1e-9)
        step = round(2 * log2(now))
        self._rates[step] = _Seen(now, rate, self._windows)
        for before in range(step - 2, step - 5, -1):
            seen = self._rates.get(before)
            if seen is not None and self._windows - seen.window <= _REMEMBERED:
                return rate < seen.rate * (1 + _WORTH * (now / seen.limit - 1))
        return False

    def _halve(self, now: float, in_flight: int) -> None:
        self._slow_start = self._suspicious = False
        self._decreased = now
        self.limit = max(1.0, min(self.limit, max(1, in_flight)) / 2)
        self._open_window(now)

    def _open_window(self, now: float) -> None:
        self._begun = now
        self._calls = self._full = 0
        self._seconds = self._done = 0.0
