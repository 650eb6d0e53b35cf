"""What a user is told when `winnow select` cannot do what was asked: the messages are sentences."""

from __future__ import annotations


class CannotSelect(Exception):
    """There is nothing to choose from, or to compare by; the message says what to do."""


class CannotFit(Exception):
    """Nothing can be fitted; the message says what to do."""
