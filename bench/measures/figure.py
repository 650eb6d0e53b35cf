"""Figures, goals, and the samples that a measure hands back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from .. import machine
from ..workload import Size

Samples = Mapping[str, list[float] | str]
"""By figure: values in the figure's unit, or why there are none."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of numbers. scale: what a value (seconds, bytes) is multiplied with to be in `unit`.

    template: its title, in which fields of the run's size stand in braces.
    """

    template: str
    unit: str
    scale: float = 1.0

    def title(self, size: Size) -> str:
        return self.template.format_map(asdict(size))


@dataclass(frozen=True, slots=True)
class Goal:
    """The median of `arm` is at most `limit` (in the figure's unit), or `limit` times the median of arm `of`."""

    figure: str
    arm: str
    limit: float
    of: str = ""


BUSY = 0.25
"""Cores that others may use, just before or after, for a count of the whole machine's CPU to say something of us."""


class Spent:
    """Wall seconds, and CPU seconds of the whole machine above what others used just before and after.

    cpu: one value, or a sentence where others used too much for it to mean anything.
    """

    wall: float = 0.0
    cpu: list[float] | str = ""


@contextmanager
def spent() -> Iterator[Spent]:
    total, before = Spent(), machine.idle_rate()
    cpu, wall = machine.cpu_seconds(), time.perf_counter()
    yield total
    total.wall = time.perf_counter() - wall
    used = machine.cpu_seconds() - cpu
    time.sleep(0.2)  # what we left to the kernel and the engine is not others' work
    after = machine.idle_rate()
    if max(before, after) > BUSY:
        total.cpu = "others kept the machine busy"
    else:
        total.cpu = [used - (before + after) / 2 * total.wall]
