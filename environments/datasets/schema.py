"""What is known of a public dataset: its id, the split to take, and how a row of it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..instance import Instance, Reference
from .row import Row


@dataclass(frozen=True, slots=True)
class Schema:
    """alias: the short name. hub: its ids on Hugging Face, the first is what the alias means. split: the one to take.

    read: a row in two halves; raises WrongRow. source: where the schema was read, for people to look it up.
    recognises: whether a file with such a first good row is one of this dataset; without it, it is told by name only.
    """

    alias: str
    hub: tuple[str, ...]
    split: str
    read: Callable[[Row], tuple[Instance, Reference]]
    source: str
    recognises: Callable[[Row], bool] = lambda row: False
