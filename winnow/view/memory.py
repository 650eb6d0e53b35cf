"""What the server remembers between requests, so that a page costs what is new in the store and not what is in it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from store import Reader, Totals

T = TypeVar("T")

MOST = 64
"""Things remembered at most; the least lately used goes."""
PATIENCE = 20.0
"""How many times as long as something took to make it is shown before it is made anew, of a store that changes."""


@dataclass(slots=True)
class _Kept:
    value: Any
    stamp: str
    made: float
    took: float


class Memory:
    """Remembers readings as long as the store stays the same. Used by many threads.

    clean: takes secrets out of a text. Templates do so with all that they print; whole texts go through it before they
    are cut or split into lines, where a key of many lines would no longer be known.
    """

    def __init__(self, reader: Reader, clean: Callable[[str], str] = str):
        self.reader = reader
        self.clean = clean
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._door = threading.Lock()
        self._sums: dict[str, tuple[dict[str, Totals], int]] = {}

    def of(self, key: tuple[str, ...], make: Callable[[], T], at_least: float = 0.0) -> T:
        """What `make` gives, made anew when the store has changed. at_least: seconds for which it is good even then."""
        with self._door:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:  # who asks for the same meanwhile waits for the same answer
            stamp = self.reader.stamp()
            kept = self._kept.get(key)
            now = time.monotonic()
            if kept is not None:
                young = now - kept.made < max(at_least, PATIENCE * kept.took)
                if kept.stamp == stamp or (at_least and young):
                    self._touch(key)
                    return kept.value
            value = make()
            self._put(key, _Kept(value, stamp, time.monotonic(), time.monotonic() - now))
            return value

    def sums(self, run: str) -> dict[str, Totals]:
        """What each task's steps add up to; only steps that came since the last time are read."""
        with self._door:
            lock = self._locks.setdefault(("sums", run), threading.Lock())
        with lock:
            known, last = self._sums.get(run, ({}, 0))
            new, last = self.reader.spent_since(run, last)
            if new:
                known = {
                    **known,
                    **{task: plus(known.get(task, Totals()), more) for task, more in new.items()},
                }
            self._sums[run] = (known, last)
            return known

    def _touch(self, key: tuple[str, ...]) -> None:
        with self._door:
            if key in self._kept:
                self._kept.move_to_end(key)

    def _put(self, key: tuple[str, ...], kept: _Kept) -> None:
        with self._door:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                old, _ = self._kept.popitem(last=False)
                self._locks.pop(old, None)


def plus(first: Totals, second: Totals) -> Totals:
    """The sum of two."""
    return Totals(*(getattr(first, each.name) + getattr(second, each.name) for each in fields(Totals)))


def total(several: dict[str, Totals]) -> Totals:
    """The sum of all."""
    found = Totals()
    for each in several.values():
        found = plus(found, each)
    return found
