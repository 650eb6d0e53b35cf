"""How many model calls something takes: at least, as a rule, at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests to a model, tries after a failure of the server not counted.

    lower: where every reply can be used and nothing is left to weigh; upper: what the settings allow; typical: see
    whoever says it, which is also said where it is only a guess.
    """

    lower: int
    typical: int
    upper: int

    def __add__(self, other: Calls) -> Calls:
        return Calls(self.lower + other.lower, self.typical + other.typical, self.upper + other.upper)

    def times(self, number: int) -> Calls:
        """So many of it."""
        return Calls(self.lower * number, self.typical * number, self.upper * number)


NONE = Calls(0, 0, 0)
